/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How good probabilities are: discrimination, accuracy and calibration of scored rows, on plain arrays.
 *
 * Rows are sorted once, by risk from high to low; every measure is then one pass, and takes a whole-number weight per
 * *unit* (the entity that a row belongs to), so that resampling entities (bootstrap.h) costs no new sort. A weight of k
 * counts as k copies of each row of the unit. docs/math.md section E has the formulas.
 *
 * Where a measure is not defined (one class only, no weight at all) it is NaN. Functions are pure and may be called
 * from any thread; nothing here allocates except rs_ranked_new(). */
#ifndef RS_PREDICTOR_METRICS_H
#define RS_PREDICTOR_METRICS_H

#include "common/base.h"
#include "common/error.h"

#define RS_BINS_MAX 50

/* n scored rows, by risk from high to low; rows of equal risk in the order they were given. Columns of one row share an
 * index. Owned by the struct. */
struct rs_ranked {
    size_t n;
    double *risk;     /* in [0, 1] */
    double *logit;    /* ln(p / (1 - p)) of the clipped risk, math.md E4 */
    double *loss;     /* log loss of the row, E4 */
    uint8_t *label;   /* 1 or 0 */
    uint32_t *unit;   /* index into the weights */
    uint32_t *source; /* index of the row as given */
};

/* Sorts copies of the n rows given: O(n log n). unit NULL: each row is its own. RS_EINVAL where n is 0 or over
 * UINT32_MAX, RS_EDOMAIN on a risk outside [0, 1] or a label other than 0 and 1, RS_ENOMEM. */
enum rs_status rs_ranked_new(const double *risk, const uint8_t *label, const uint32_t *unit, size_t n,
                             struct rs_ranked **out, struct rs_error *err);
void rs_ranked_free(struct rs_ranked *r);
RS_DEFINE_AUTO_STRUCT(rs_ranked, rs_ranked_free)

/* All members are doubles, so that an interval of each can be kept in the same shape (evaluate.h). */
struct rs_metrics {
    double rows, positives; /* sums of weights */
    double base_rate;
    double roc_auc;            /* E1 */
    double average_precision;  /* E2 */
    double brier, brier_skill; /* E3 */
    double log_loss;           /* E4, nats */
    double mean_risk;
    double in_the_large;     /* E6: 0 is perfect, above: risks too low */
    double slope, intercept; /* E6: 1 and 0 are perfect */
};

/* weight: one per unit, NULL for 1 each. */
void rs_metrics_compute(const struct rs_ranked *r, const uint32_t *weight, struct rs_metrics *out);

/* E5: bins of equal count, from the highest risk down; rows of equal risk are never parted, so that bins may differ in
 * size, and there may be fewer than n_bins. */
struct rs_bins {
    size_t n;
    size_t end[RS_BINS_MAX]; /* bin b is rows end[b - 1] .. end[b] - 1 of the ranked rows */
};
void rs_bins_cut(const struct rs_ranked *r, size_t n_bins, struct rs_bins *out);

struct rs_bin {
    double rows, positives;
    double mean_risk, observed; /* observed share of positives */
};
/* out: b->n of them. */
void rs_bins_measure(const struct rs_ranked *r, const struct rs_bins *b, const uint32_t *weight, struct rs_bin *out);

/* E11: the q-quantile of values sorted from low to high, of which each counts weight[i] times (NULL: once), by linear
 * interpolation between the neighbours of position q (N - 1). NaN where N is 0. */
double rs_quantile(const double *sorted, const uint32_t *weight, size_t n, double q);

#endif
