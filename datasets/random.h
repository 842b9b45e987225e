/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random numbers by named streams: the same seed, name and index give the same numbers on any machine, whatever else
 * was drawn before. xoshiro256** (Blackman, Vigna 2018), its state filled by splitmix64 (Steele, Lea, Flood 2014).
 * Not for secrets. A struct rs_random belongs to one thread. */
#ifndef RS_DATASETS_RANDOM_H
#define RS_DATASETS_RANDOM_H

#include "common/base.h"

struct rs_random {
    uint64_t s[4];
};

/* Advances *state and returns the next number of splitmix64. */
uint64_t rs_splitmix64(uint64_t *state);

/* The stream of that name and index under the seed. */
void rs_random_stream(struct rs_random *r, uint64_t seed, const char *name, uint64_t index);

/* 64 random bits. */
uint64_t rs_random_next(struct rs_random *r);
/* [0, 1), of 53 bits. */
double rs_random_uniform(struct rs_random *r);
/* 0 .. n - 1, each equally likely; n > 0. */
uint64_t rs_random_below(struct rs_random *r, uint64_t n);
bool rs_random_chance(struct rs_random *r, double p);
double rs_random_normal(struct rs_random *r, double mean, double sd);
double rs_random_exponential(struct rs_random *r, double mean);
/* exp of a normal: half of the draws lie below median, sigma is the standard deviation of the logarithm. */
double rs_random_lognormal(struct rs_random *r, double median, double sigma);
/* P(X > x) = (least / x)^alpha for x >= least: a heavy tail, with no mean where alpha <= 1. */
double rs_random_pareto(struct rs_random *r, double least, double alpha);
/* Number of events of a process with that many on average. Time grows with mean. */
uint64_t rs_random_poisson(struct rs_random *r, double mean);

#endif
