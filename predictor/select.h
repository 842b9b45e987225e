/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The choice of a learner, its penalty and its features: each candidate is trained on every fold, calibrated on the
 * other folds' held-out scores, and judged on rows that neither step has seen (docs/math.md C4, C5). */
#ifndef RS_PREDICTOR_SELECT_H
#define RS_PREDICTOR_SELECT_H

#include "predictor/learner.h"
#include "predictor/sets.h"
#include "predictor/target.h"

enum rs_learner_choice { RS_LEARN_AUTO, RS_LEARN_LOGISTIC, RS_LEARN_SVM, RS_LEARN_RBF };

#define RS_CANDIDATES_MAX 96
#define RS_RBF_ROWS_AUTO 10000 /* a larger sample is left to the linear learners unless asked otherwise */
#define RS_CV_TOLERANCE 1e-4   /* relative gradient of fits that validation alone sees */
#define RS_CV_MAX_ITER 60

struct rs_scored {
    struct rs_candidate candidate;
    double value, log_loss, roc_auc, average_precision; /* of the held-out rows, calibrated within folds */
    double gap, gap_low, gap_high;                      /* of the target, to the best candidate */
    double loss_gap, loss_gap_se;                       /* of the log loss, to the leader */
    bool has_converged;                                 /* on every fold */
    bool is_champion;                                   /* stands for its family (C5) */
};

struct rs_selection {
    struct rs_scored of[RS_CANDIDATES_MAX]; /* the simplest first */
    size_t n, best, leader, chosen;
    struct rs_target target;
};

struct rs_select_options {
    enum rs_learner_choice learner;
    double C; /* NaN: several */
    struct rs_target target;
    int64_t horizon_s;
    uint64_t seed;
    bool is_quiet;
    rs_comm *comm; /* processes that hold the same sample and share the fits; NULL */
};

/* Lists the candidates without judging them; chosen is the first. n_rows: of the sample, by which slow learners are
 * left out. */
void rs_select_list(const struct rs_sets *sets, size_t n_rows, const struct rs_select_options *opt,
                    struct rs_selection *out);
/* Lists, judges and chooses. The trees of the sets change from one fold to the next. RS_ENOMEM, RS_ECANCELLED, and what
 * the fits report. */
enum rs_status rs_select(struct rs_sample *s, const struct rs_folds *f, struct rs_sets *sets,
                         const struct rs_select_options *opt, struct rs_selection *out, struct rs_error *err);

/* Rows of the sample that train in fold k, and those that it validates; both have room for s->n. The date of the folds
 * counts only where has_date is true. */
struct rs_fold_rows {
    uint32_t *train, *valid;
    size_t n_train, n_valid;
};
void rs_fold_rows(const struct rs_sample *s, const struct rs_folds *f, unsigned k, int64_t horizon_s, bool has_date,
                  struct rs_fold_rows *out);

#endif
