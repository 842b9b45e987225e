/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Intervals by resampling entities with replacement (Efron 1979), percentile method: docs/math.md E10.
 *
 * Rows of one entity are far from independent, so entities are drawn, not rows: a replicate is a weight per entity, how
 * often it was drawn. Replicate r draws from a stream of its own, made of the seed and r, and statistics are kept by
 * replicate, so that the answer does not depend on the number of threads. */
#ifndef RS_PREDICTOR_BOOTSTRAP_H
#define RS_PREDICTOR_BOOTSTRAP_H

#include "common/base.h"
#include "common/error.h"

#define RS_REPLICATES_MAX 5000

struct rs_bootstrap {
    size_t n_units;      /* entities, 1..UINT32_MAX */
    size_t n_replicates; /* 1..RS_REPLICATES_MAX */
    size_t n_stats;
    uint64_t seed;
    unsigned n_threads; /* 0: one per core */
    double coverage;    /* 0.95 */
    /* Computes n_stats numbers (NaN where undefined) under the weights; called from several threads at once, each with
     * its own worker number below rs_bootstrap_threads(). */
    void (*measure)(void *arg, unsigned worker, const uint32_t *weight, double *out_stats);
    void *arg;
    void (*progress)(void *arg, size_t done); /* may be NULL; one thread at a time */
};

/* Threads that will run: n_threads, or the cores there are; never more than replicates. */
unsigned rs_bootstrap_threads(const struct rs_bootstrap *b);

/* low[k], high[k]: percentiles (1 - coverage) / 2 and (1 + coverage) / 2 of statistic k over the replicates in which it
 * is defined; NaN where those are fewer than half. RS_ENOMEM; RS_ECANCELLED after a signal (rs_cli_interrupted). */
enum rs_status rs_bootstrap_run(const struct rs_bootstrap *b, double *low, double *high, struct rs_error *err);

/* The weights of one replicate: n_units draws with replacement. For tests and for other resampling. */
void rs_bootstrap_draw(uint64_t seed, uint64_t replicate, size_t n_units, uint32_t *weight);

#endif
