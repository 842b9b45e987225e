/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The labelled samples of a fleet file as one matrix of features in float: what the final fit sees. load.h reads it; it
 * is the one thing in the trainer that grows with the rows, and only up to the memory that load.h is given. */
#ifndef RS_PREDICTOR_MATRIX_H
#define RS_PREDICTOR_MATRIX_H

#include "models/model.h"
#include "predictor/comm.h"
#include "predictor/reference.h"

/* Counts over all labelled samples, those that thinning left out included. */
struct rs_tally {
    uint64_t n_rows, n_positive, n_entities, n_failing;
    uint64_t n_mitigated;              /* labels that a mitigation made unknown */
    uint64_t n_control;                /* samples that stand for mitigated ones */
    double control_share;              /* as the file declares it */
    int64_t first, last;               /* of the samples; first > last where there is none */
    uint64_t digest;                   /* docs/math.md F11 */
    struct rs_cohort_support *support; /* n_cohorts of the program; each cohort with what is nested in it */
    uint32_t n_cohorts;
};

struct rs_matrix {       /* of one process; tally and references are of all */
    size_t n, d, stride; /* rows, columns in use, columns allocated */
    float *x;            /* n x stride, row-major */
    uint8_t *y;          /* n */
    int64_t *time;       /* n */
    uint32_t *unit;      /* n: index of the row's entity among those with a row here, ascending */
    float *weight;       /* n: samples that the row stands for (docs/math.md F41, F42) */
    uint32_t n_units;
    uint64_t *unit_hash;               /* n_units: of the entity's id and the seed */
    bool *unit_fails;                  /* n_units: has a positive row */
    uint32_t *unit_cohort;             /* n_units: deepest cohort of the program */
    int64_t *unit_first;               /* n_units: time of the entity's first sample */
    uint64_t n_positive, n_failing;    /* rows and units here */
    double sum_positive, sum_negative; /* of weights */
    double keep_share;                 /* of the negative samples; 1 unless they were thinned */
    double *mean, *scale;              /* d; scale 0 where the column is constant */
    struct rs_tally tally;
    rs_references *references; /* of all labelled samples */
};

/* What all processes hold together. first: rows of the processes before this one. */
struct rs_matrix_total {
    size_t n, first;
    uint64_t n_positive, n_units, n_failing;
};
enum rs_status rs_matrix_total(const struct rs_matrix *m, rs_comm *comm, struct rs_matrix_total *out,
                               struct rs_error *err);
/* Fills in missing entries: mean and scale of the readings that are there, and the program's impute values where they
 * are RS_NOTHING_TO_SAY (F15). */
enum rs_status rs_matrix_impute(struct rs_matrix *m, struct rs_program *p, rs_comm *comm, struct rs_error *err);
/* Which columns are neither constant nor equal to an earlier one, on any process. */
enum rs_status rs_matrix_useful(const struct rs_matrix *m, rs_comm *comm, bool *keep, struct rs_error *err);
/* Drops the other columns. */
void rs_matrix_prune(struct rs_matrix *m, const bool *keep);
/* math.md F15: x := (x - mean) / scale. Call once, at the end. */
void rs_matrix_standardise(struct rs_matrix *m);
void rs_matrix_clear(struct rs_matrix *m);
#define rs_auto_matrix __attribute__((cleanup(rs_matrix_clear))) struct rs_matrix

/* Of columns [first, d) of n rows: weighted mean of the readings that are there, weighted sum of squared deviations
 * from it, and the weight of those readings (RS_NOTHING_TO_SAY is none). Sums run in stripes of rows, in one order on
 * any number of threads. */
struct rs_moments {
    double *mean, *square, *weight; /* d - first */
};
enum rs_status rs_moments_take(const float *x, size_t n, size_t stride, size_t first, size_t d, const float *weight,
                               rs_comm *comm, const struct rs_moments *out, struct rs_error *err);

#endif
