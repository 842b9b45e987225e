/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Validation: folds that share no entity, and, where the data allow, a date that parts training from validation
 * (docs/math.md C3). */
#ifndef RS_PREDICTOR_FOLDS_H
#define RS_PREDICTOR_FOLDS_H

#include "predictor/matrix.h"

#define RS_FOLDS 5            /* fewer where fewer entities fail */
#define RS_FOLDS_MIN 2        /* with fewer failing entities nothing can be validated */
#define RS_CUT_FAILING_MIN 10 /* failing entities that both sides of the date need */

struct rs_folds {
    unsigned n;
    uint8_t *of_unit; /* units of the matrix: fold of the entity */
    bool has_cut;
    int64_t cut; /* training rows end (t + H) by then, validation rows begin from then on */
    uint64_t n_train_failing, n_valid_failing; /* failing entities before and after the cut; 0 without one */
    const char *why_no_cut;                    /* NULL with one */
};

/* Of the entities of all processes. RS_ENODATA where fewer than RS_FOLDS_MIN of them fail or none stays sound. */
enum rs_status rs_folds_make(const struct rs_matrix *m, int64_t horizon_s, rs_comm *comm, struct rs_folds *out,
                             struct rs_error *err);
void rs_folds_clear(struct rs_folds *f);
#define rs_auto_folds __attribute__((cleanup(rs_folds_clear))) struct rs_folds

/* Whether a row of that fold and time trains, or is validated, in fold k. */
bool rs_fold_trains(const struct rs_folds *f, unsigned fold, int64_t time, unsigned k, int64_t horizon_s);
bool rs_fold_validates(const struct rs_folds *f, unsigned fold, int64_t time, unsigned k);

#endif
