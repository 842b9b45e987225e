/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rows that validation looks at: a bounded sample of the training matrix, standardised, each row with the weight of
 * those that it stands for and the fold of its entity (docs/math.md C3). */
#ifndef RS_PREDICTOR_SAMPLE_H
#define RS_PREDICTOR_SAMPLE_H

#include "predictor/folds.h"

#define RS_SAMPLE_POSITIVES 30000 /* rows, about */
#define RS_SAMPLE_NEGATIVES 60000

struct rs_sample {
    size_t n, d, stride;        /* d base columns are filled; the caller may fill more, up to the stride */
    float *x;                   /* n x stride, standardised by the matrix's mean and scale */
    uint8_t *y;                 /* n */
    const struct rs_matrix *m;  /* where its rows stand: the caller's, or with several processes: */
    struct rs_matrix *gathered; /* the rows of all, owned; NULL */
    uint32_t *row;              /* n: in m, ascending */
    int64_t *time;              /* n */
    float *weight;              /* n */
    uint32_t *unit;             /* n: entity, counted among those of the sample */
    uint32_t *cohort;           /* n: deepest cohort of the entity */
    uint8_t *fold;              /* n */
    uint32_t n_units;
};

/* Of the rows of all processes, the same on each. m has its mean and scale, and raw rows. RS_ENOMEM. */
enum rs_status rs_sample_take(const struct rs_matrix *m, const struct rs_folds *f, uint64_t seed, size_t stride,
                              rs_comm *comm, struct rs_sample *out, struct rs_error *err);
void rs_sample_clear(struct rs_sample *s);
#define rs_auto_sample __attribute__((cleanup(rs_sample_clear))) struct rs_sample

#endif
