/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The choice of a learner: each candidate is trained on every fold, calibrated on the other folds' held-out scores, and
 * judged by its log loss on rows that neither step has seen (docs/math.md C4). */
#ifndef RS_PREDICTOR_SELECT_H
#define RS_PREDICTOR_SELECT_H

#include "predictor/calibrate.h"
#include "predictor/folds.h"
#include "predictor/solver.h"

enum rs_learner_choice { RS_LEARN_AUTO, RS_LEARN_LOGISTIC, RS_LEARN_SVM };

#define RS_CANDIDATES_MAX 16

struct rs_candidate {
    enum rs_learner learner;
    bool is_balanced; /* both classes weigh the same in total */
    double C;
    double loss[RS_FOLDS]; /* calibrated log loss of each fold, NaN for one without held-out rows */
    double mean_loss;
    double gap, gap_se; /* to the best candidate: mean over folds, and its standard error */
    double auc;         /* of the pooled held-out rows, calibrated within folds */
    bool has_converged; /* on every fold */
};

struct rs_selection {
    struct rs_candidate candidates[RS_CANDIDATES_MAX]; /* in order of preference */
    size_t n, chosen;
    struct rs_platt platt; /* of the chosen one, on all its held-out scores */
    double threshold;      /* risk above which 1 % of the held-out rows stand */
};

/* m is standardised. RS_ENOMEM, RS_ECANCELLED, and what the fits report. */
enum rs_status rs_select(const struct rs_matrix *m, const struct rs_folds *f, enum rs_learner_choice choice,
                         int64_t horizon_s, bool is_quiet, struct rs_selection *out, struct rs_error *err);

/* The class weights of a candidate on rows of which each negative one stands for weight_negative. */
void rs_candidate_weights(const struct rs_candidate *c, double n_positive, double n_negative, double weight_negative,
                          struct rs_problem *p);

#endif
