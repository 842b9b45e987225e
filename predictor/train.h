/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Training end to end: survey, automatic features, validation, final fit, model. */
#ifndef RS_PREDICTOR_TRAIN_H
#define RS_PREDICTOR_TRAIN_H

#include "predictor/folds.h"
#include "predictor/select.h"

struct rs_train_options {
    int64_t horizon_s;
    int kind;            /* as in scan.h */
    const char *cohorts; /* NULL: automatic */
    enum rs_learner_choice learner;
    uint64_t seed;
    const char *command; /* the options as a command line, for the model */
    bool is_quiet;
};

/* What a report shows beside the model. */
struct rs_training {
    struct rs_model *model; /* owned */
    struct rs_selection selection;
    uint32_t n_tried; /* automatic features before constant and duplicate ones were dropped */
    bool has_cut;
    int64_t cut;
    uint64_t n_train_failing, n_valid_failing;
    const char *why_no_cut;
    struct rs_fit_report fit; /* of the final one */
};

/* RS_ENODATA: one class only, too few failures, nothing that varies, a horizon longer than the data. RS_EUSAGE for
 * unknown cohorts; RS_ECANCELLED; what the reader reports. */
enum rs_status rs_train(rs_fleet *fleet, const struct rs_train_options *opt, struct rs_training *out,
                        struct rs_error *err);
void rs_training_clear(struct rs_training *t);
#define rs_auto_training __attribute__((cleanup(rs_training_clear))) struct rs_training

#endif
