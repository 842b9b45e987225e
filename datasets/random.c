/* SPDX-License-Identifier: GPL-3.0-or-later */
/* xoshiro256** and the distributions that the simulator draws from. */
#include "datasets/random.h"

#include <math.h>

#define POISSON_DIRECT 30.0 /* up to here exp(-mean) is far from underflow and the direct method is quick */

uint64_t rs_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void rs_random_stream(struct rs_random *r, uint64_t seed, const char *name, uint64_t index)
{
    uint64_t state = seed;
    uint64_t mixed = rs_splitmix64(&state);
    for (; *name; name++) {
        state = mixed ^ (uint8_t)*name;
        mixed = rs_splitmix64(&state);
    }
    state = mixed ^ index;
    for (size_t i = 0; i < RS_LEN(r->s); i++)
        r->s[i] = rs_splitmix64(&state);
}

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t rs_random_next(struct rs_random *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double rs_random_uniform(struct rs_random *r)
{
    return (double)(rs_random_next(r) >> 11) * 0x1p-53;
}

/* (0, 1]: safe under a logarithm. */
static double positive_uniform(struct rs_random *r)
{
    return 1 - rs_random_uniform(r);
}

uint64_t rs_random_below(struct rs_random *r, uint64_t n)
{
    uint64_t unfair = -n % n; /* 2^64 mod n: that many of the lowest draws would be one too many */
    for (;;) {
        uint64_t x = rs_random_next(r);
        if (x >= unfair)
            return x % n;
    }
}

bool rs_random_chance(struct rs_random *r, double p)
{
    return rs_random_uniform(r) < p;
}

double rs_random_normal(struct rs_random *r, double mean, double sd)
{
    double radius = sqrt(-2 * log(positive_uniform(r)));
    return mean + sd * radius * cos(2 * M_PI * rs_random_uniform(r));
}

double rs_random_exponential(struct rs_random *r, double mean)
{
    return -mean * log(positive_uniform(r));
}

double rs_random_lognormal(struct rs_random *r, double median, double sigma)
{
    return median * exp(rs_random_normal(r, 0, sigma));
}

double rs_random_pareto(struct rs_random *r, double least, double alpha)
{
    return least * pow(positive_uniform(r), -1 / alpha);
}

uint64_t rs_random_poisson(struct rs_random *r, double mean)
{
    uint64_t n = 0;
    while (mean > POISSON_DIRECT) { /* a sum of Poisson numbers is one of the summed mean */
        n += rs_random_poisson(r, POISSON_DIRECT);
        mean -= POISSON_DIRECT;
    }
    double bound = exp(-mean);
    for (double product = rs_random_uniform(r); product > bound; product *= rs_random_uniform(r))
        n++;
    return n;
}
