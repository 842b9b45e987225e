/* SPDX-License-Identifier: Apache-2.0 */
/* Inside models/: what rs_model_prepare() lays out for scoring. score.c makes it, score_kernel.inc reads it.
 *
 * A row of d features is read in blocks of LANES: block b holds the features from 8 b on, and the last block, where d
 * is no multiple of 8, the last 8 features, of which those that an earlier block has already have weight 0. With d < 8
 * the row is first copied in front of zeros. */
#ifndef RS_MODELS_TABLES_H
#define RS_MODELS_TABLES_H

#include "models/model.h"

#define LANES 8
#define SV_LANES 16 /* support vectors side by side: a block */
#define SV_PAIR 2   /* blocks whose kernels are added up before they become doubles */
#define SV_BLOCKS 8 /* blocks come in groups of so many: those that a row alone meets at a time */
#define SV_GROUP (SV_BLOCKS * SV_LANES)
#define RBF_STEPS_MAX 4096 /* bounds the copy of a row on the stack */
#define RBF_STRIDE(d) (((d) + SV_LANES - 1) / SV_LANES * SV_LANES)
#define RBF_NEAR 8.0 /* gamma |x'|^2 of rows whose distances are taken by products: math.md M8 */
#define RBF_GAMMA_MAX 1e6
#define RBF_FAR 1e15               /* standardised features go no further: their squares stay finite */
#define SCORE_PIECE ((size_t)4096) /* rows that one thread takes at a time */
#define RBF_PIECE ((size_t)128)    /* of a radial machine */
#define PREFETCH_TILES 3

struct rs_model_tables {
    size_t d, n_blocks;
    double *mean;      /* n_blocks x LANES, 0 where the weight is 0 for being read before */
    double *weights;   /* n_tables x n_blocks x LANES */
    uint32_t n_tables; /* 0: weight alone; others: with deltas */
    double *bias;      /* n_cohorts: with the deltas on the path */
    uint32_t *table;   /* n_cohorts: which of the tables */
    bool is_uniform;   /* no deltas: one bias and one table for all cohorts */
    /* RBF */
    size_t n_sv_blocks;
    size_t n_first;   /* places of the first half, whose kernels are added up apart */
    float *coef;      /* n_sv_blocks x SV_LANES, 0 behind the last vector */
    float *sv;        /* n_sv_blocks / SV_BLOCKS x d x SV_GROUP */
    float *half_norm; /* n_sv_blocks x SV_LANES: -|s|^2 / 2 */
    float exponent;   /* 2 gamma / ln 2 */
    float far_norm;   /* -|x'|^2 / 2 of the nearest far row */
};

static inline const double *table_of(const struct rs_model_tables *t, uint32_t cohort)
{
    return t->weights + (size_t)t->table[cohort] * t->n_blocks * LANES;
}

static inline size_t block_start(const struct rs_model_tables *t, size_t block)
{
    return t->d < LANES || (block + 1) * LANES <= t->d ? block * LANES : t->d - LANES;
}

void rs_model_tables_free(struct rs_model_tables *t);

#endif
