/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Training end to end: survey, automatic features, validation, final fit, pooling, calibration, model. */
#ifndef RS_PREDICTOR_TRAIN_H
#define RS_PREDICTOR_TRAIN_H

#include "datasets/fleet.h"
#include "predictor/crossfit.h"
#include "predictor/leak.h"

enum rs_feature_choice {
    RS_FEATURES_AUTO,
    RS_FEATURES_BASE,   /* no bins and products of terms.h */
    RS_FEATURES_VALUES, /* nor history: newest readings and attributes alone */
};

struct rs_train_options {
    int64_t horizon_s;
    int kind;            /* as in scan.h */
    const char *cohorts; /* NULL: automatic */
    enum rs_feature_choice features;
    enum rs_learner_choice learner;
    double C; /* NaN: chosen */
    struct rs_target target;
    int calibration;     /* an enum rs_calibration, or -1: chosen */
    bool has_validation; /* else nothing is chosen, pooled or calibrated */
    bool has_pooling;
    size_t memory_bytes; /* for the rows; 0: no limit */
    uint64_t seed;
    const char *command; /* the options as a command line, for the model */
    bool is_quiet;
    rs_comm *comm;
};

/* What a report shows beside the model. */
struct rs_training {
    struct rs_model *model; /* owned */
    struct rs_selection selection;
    struct rs_crossfit crossfit; /* n_strengths 0 without validation */
    struct rs_leak leak;
    uint32_t n_tried; /* automatic features before constant and duplicate ones were dropped */
    unsigned n_folds; /* 0 without validation */
    bool has_cut;
    int64_t cut;
    uint64_t n_train_failing, n_valid_failing;
    const char *why_no_cut;
    uint64_t n_control;       /* samples that stand for mitigated ones */
    size_t n_fitted;          /* rows of the final fit */
    double keep_share;        /* of the negative samples */
    struct rs_fit_report fit; /* of the final one */
};

/* RS_ENODATA: one class only, too few failures, nothing that varies, a horizon longer than the data. RS_EUSAGE for
 * unknown cohorts; RS_ECANCELLED; what the reader reports. */
enum rs_status rs_train(rs_fleet *fleet, const struct rs_train_options *opt, struct rs_training *out,
                        struct rs_error *err);
void rs_training_clear(struct rs_training *t);
#define rs_auto_training __attribute__((cleanup(rs_training_clear))) struct rs_training

#endif
