/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What candidates are made of: a learner's fit of the base columns, and beside it the boosted trees of terms.h, of
 * which a candidate's decision value has a share (docs/math.md F32, F33). Trees are grown on the rows that a fold
 * trains on alone. The trees being weighted terms, a mixture is a linear model like the fit alone. */
#ifndef RS_PREDICTOR_SETS_H
#define RS_PREDICTOR_SETS_H

#include "predictor/learner.h"
#include "predictor/sample.h"
#include "predictor/terms.h"

#define RS_SETS_MAX 2

struct rs_sets {
    struct rs_program *program; /* of the base columns; the chosen steps are appended at the end */
    unsigned n;                 /* 1: base columns alone; 2: trees too */
    struct {
        uint64_t rows; /* hash of the training rows */
        struct rs_terms terms;
    } grown[RS_FOLDS]; /* of the last folds: those of another stage are often the same */
    size_t n_grown;
    double *tree_z;        /* of each row of the sample, as of the last refresh, or of the matrix once finished */
    struct rs_terms terms; /* once finished */
};

/* p is borrowed, and outlives the sets. */
void rs_sets_init(struct rs_sets *s, struct rs_program *p, unsigned n_sets);
void rs_sets_clear(struct rs_sets *s);
#define rs_auto_sets __attribute__((cleanup(rs_sets_clear))) struct rs_sets
/* Grows the trees on the training rows (indices into the sample) and lets all its rows fall through them. RS_ENOMEM,
 * RS_ECANCELLED. */
enum rs_status rs_sets_refresh(struct rs_sets *s, const struct rs_sample *sample, const uint32_t *train, size_t n_train,
                               struct rs_error *err);
/* Decision values of the learner to those of the candidate; rows as in rs_learner_ops.decide. */
void rs_sets_mix(const struct rs_sets *s, const struct rs_candidate *c, const uint32_t *rows, size_t n, double *z);
/* Grows the trees that the candidate wants on all rows of the matrices of all processes, which hold raw numbers, and
 * appends the steps. wants_z: rs_sets_mix() will be asked for rows of the matrix. All processes call it. RS_ENOMEM,
 * RS_ECANCELLED, what comm.h reports. */
enum rs_status rs_sets_finish(struct rs_sets *s, const struct rs_candidate *c, const struct rs_matrix *m, bool wants_z,
                              rs_comm *comm, struct rs_error *err);
/* Mixes the weights, which become those of base columns and terms; mean and scale of m grow by the terms, too.
 * RS_ENOMEM. */
enum rs_status rs_sets_merge(struct rs_sets *s, const struct rs_candidate *c, struct rs_matrix *m, struct rs_fitted *f,
                             struct rs_error *err);

#endif
