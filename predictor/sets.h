/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sets of features that candidates are fitted on: the base columns alone, or with the terms behind them,
 * bins and products that terms.h grows (docs/math.md F30 to F33), on the rows that a fold trains on alone. */
#ifndef RS_PREDICTOR_SETS_H
#define RS_PREDICTOR_SETS_H

#include "predictor/sample.h"
#include "predictor/terms.h"

#define RS_SETS_MAX 2

struct rs_sets {
    struct rs_program *program; /* of the base columns; the chosen steps are appended at the end */
    unsigned n;
    size_t d[RS_SETS_MAX]; /* columns of each set, as of the last call */
    double *penalty;       /* multipliers of the columns' penalties */
    struct {
        uint64_t rows; /* hash of the training rows */
        struct rs_terms terms;
    } grown[RS_FOLDS]; /* of the last folds: those of another stage are often the same */
    size_t n_grown;
};

/* n_sets 1: base columns alone. stride_max: columns that a row may have at most. */
enum rs_status rs_sets_init(struct rs_sets *s, const struct rs_matrix *m, struct rs_program *p, unsigned n_sets,
                            struct rs_error *err);
void rs_sets_clear(struct rs_sets *s);
#define rs_auto_sets __attribute__((cleanup(rs_sets_clear))) struct rs_sets
size_t rs_sets_stride(const struct rs_sets *s);
/* Makes the derived columns of the sample from what its training rows (indices into the sample) show. */
enum rs_status rs_sets_refresh(struct rs_sets *s, struct rs_sample *sample, const uint32_t *train, size_t n_train,
                               struct rs_error *err);
/* Makes the columns of the chosen set for every row of the matrix, which is widened, and appends their steps. */
enum rs_status rs_sets_finish(struct rs_sets *s, struct rs_matrix *m, unsigned set, rs_comm *comm,
                              struct rs_error *err);

#endif
