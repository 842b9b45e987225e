/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What candidates compete on: a figure of out-of-fold risks, and its paired differences under resampling of entities
 * (docs/math.md C5). */
#ifndef RS_PREDICTOR_TARGET_H
#define RS_PREDICTOR_TARGET_H

#include "common/base.h"
#include "common/error.h"
#include "predictor/comm.h"

enum rs_target_kind { RS_TARGET_PRECISION, RS_TARGET_LOG_LOSS, RS_TARGET_AUC, RS_TARGET_AP };

struct rs_target {
    enum rs_target_kind kind;
    double budget; /* PRECISION: share of the rows that are alerted */
};

/* "precision@1%", "logloss", "auc", "ap". RS_EUSAGE. */
enum rs_status rs_target_parse(const char *word, struct rs_target *out, struct rs_error *err);
/* The same words again. */
const char *rs_target_name(const struct rs_target *t, char buf[32]);

/* Held-out rows of one contender. */
struct rs_contender {
    const double *risk; /* n, calibrated */
    const double *loss; /* n, log loss */
    double value;       /* of the target; higher is better (the log loss with its sign turned) */
    double log_loss;
    double roc_auc, average_precision;
    /* Against the reference: the difference of value with its 95 % interval, of log loss with its standard error. */
    double gap, gap_low, gap_high;
    double loss_gap, loss_gap_se;
};

struct rs_contest {
    struct rs_target target;
    size_t n; /* rows */
    const uint8_t *y;
    const float *weight;
    const uint32_t *unit; /* below n_units */
    uint32_t n_units;
    uint64_t seed;
    struct rs_contender *of;
    size_t n_of;
    rs_comm *comm; /* processes that hold the same rows; each needs risk and loss of those that are its turn alone */
    double *replicates; /* rs_contest_measure()'s; n_replicates x n_of x 2: value and log loss */
    size_t n_replicates;
};

/* Measures every contender, on the rows and on n_replicates resamplings of the entities. RS_ENOMEM, RS_ECANCELLED. */
enum rs_status rs_contest_measure(struct rs_contest *c, size_t n_replicates, struct rs_error *err);
/* Fills in the differences of each from contender `reference`. */
void rs_contest_compare(struct rs_contest *c, size_t reference);
/* Standard error of the difference of log loss between two contenders. */
double rs_contest_loss_se(const struct rs_contest *c, size_t a, size_t b);
void rs_contest_clear(struct rs_contest *c);

#endif
