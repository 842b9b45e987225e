/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The labelled samples of a fleet file as one matrix of features, standardised, in float. It is the one thing in the
 * trainer that grows with the rows: 4 bytes a cell. */
#ifndef RS_PREDICTOR_MATRIX_H
#define RS_PREDICTOR_MATRIX_H

#include "models/model.h"
#include "predictor/scan.h"

struct rs_matrix {
    size_t n, d;
    float *x;       /* n x d, row-major */
    uint8_t *y;     /* n */
    int64_t *time;  /* n */
    uint32_t *unit; /* n: index of the row's entity among those with a labelled row, ascending */
    uint32_t n_units;
    uint64_t *unit_hash; /* n_units: of the entity's id */
    bool *unit_fails;    /* n_units: has a positive row */
    uint64_t n_positive, n_failing;
    int64_t first, last;               /* of the rows */
    uint64_t digest;                   /* docs/math.md F11 */
    double *mean, *scale;              /* d; scale 0 where the column is constant */
    struct rs_cohort_support *support; /* n_cohorts of the program; each cohort with what is nested in it */
    uint32_t n_cohorts;
};

struct rs_matrix_options {
    int64_t horizon_s;
    int kind;
    uint64_t seed;
    size_t n_rows; /* labelled rows to come, as the survey counted them */
    bool is_quiet;
};

/* Fills the matrix with raw features and sets the program's impute values to the training means. RS_ENOMEM,
 * RS_ECANCELLED, what the reader reports; RS_EINTERNAL where the rows are not as many as counted. */
enum rs_status rs_matrix_load(rs_fleet *fleet, struct rs_program *p, const struct rs_matrix_options *opt,
                              struct rs_matrix *out, struct rs_error *err);
/* Which columns are neither constant nor equal to an earlier one. */
enum rs_status rs_matrix_useful(const struct rs_matrix *m, bool *keep, struct rs_error *err);
/* Drops the other columns. */
void rs_matrix_prune(struct rs_matrix *m, const bool *keep);
/* math.md F15: x := (x - mean) / scale. Call once, after pruning. */
void rs_matrix_standardise(struct rs_matrix *m);
void rs_matrix_clear(struct rs_matrix *m);
#define rs_auto_matrix __attribute__((cleanup(rs_matrix_clear))) struct rs_matrix

#endif
