/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The chosen candidate again, on folds of entities at all times: held-out decision values for the calibration, and how
 * strongly the cohorts are pulled to their parents (docs/math.md C10, P2). */
#ifndef RS_PREDICTOR_CROSSFIT_H
#define RS_PREDICTOR_CROSSFIT_H

#include "predictor/pooling.h"
#include "predictor/select.h"

struct rs_pool_score {
    struct rs_pool_strength strength;       /* learnt */
    double log_loss, loss_gap, loss_gap_se; /* of held-out rows; to the leader */
};

struct rs_crossfit {
    size_t n;  /* rows of the sample */
    double *z; /* held-out decision value of each, deltas included */
    double *weight;
    struct rs_pool_score of[RS_POOL_KINDS];
    size_t n_kinds, leader, chosen;
};

struct rs_crossfit_options {
    const struct rs_cohort *cohorts;
    uint32_t n_cohorts;
    int64_t horizon_s;
    bool has_pooling; /* else none is tried */
    uint64_t seed;
    bool is_quiet;
    rs_comm *comm; /* processes that hold the same sample and share the fits; NULL */
};

/* RS_ENOMEM, RS_ECANCELLED, what the fits report. */
enum rs_status rs_crossfit(struct rs_sample *s, const struct rs_folds *f, struct rs_sets *sets,
                           const struct rs_candidate *c, const struct rs_crossfit_options *opt, struct rs_crossfit *out,
                           struct rs_error *err);
void rs_crossfit_clear(struct rs_crossfit *x);
#define rs_auto_crossfit __attribute__((cleanup(rs_crossfit_clear))) struct rs_crossfit

/* The straight line from a candidate's decision values to log odds, as of rows that it trained on: the identity for
 * logistic regression, Platt's otherwise. rows NULL: 0..n-1. comm: the rows of other processes count too. */
enum rs_status rs_log_odds_scale(const struct rs_candidate *c, const double *z, const uint8_t *y, const float *weight,
                                 const uint32_t *rows, size_t n, rs_comm *comm, struct rs_calibrator *out,
                                 struct rs_error *err);

/* The calibrator of the held-out values, of the kind given, or the best one: Platt's unless another has a lower
 * cross-fitted log loss by more than a standard error (C11). kind -1: automatic. comm: processes that
 * hold the same, or NULL. */
enum rs_status rs_crossfit_calibrate(const struct rs_crossfit *x, const struct rs_sample *s, const struct rs_folds *f,
                                     int kind, uint64_t seed, rs_comm *comm, struct rs_calibrator *out,
                                     struct rs_error *err);
/* The highest risk that more than the share `budget` of the rows reaches; the next higher one where a tie
 * would make that more than twice the share. Rows count by their weight. RS_ENOMEM. */
enum rs_status rs_crossfit_threshold(const struct rs_crossfit *x, const struct rs_calibrator *c, double budget,
                                     double *out, struct rs_error *err);

#endif
