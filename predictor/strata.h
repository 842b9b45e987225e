/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ranking within cohorts: ROC-AUC and average precision of rows that are compared only with rows of their own stratum
 * (docs/math.md E12, E13).
 *
 * The pooled figures are partly "which hardware": a model that only knows that one disk model is worse than another
 * ranks well over the fleet, and not at all among disks of one model. Rows are sorted once by stratum and risk; a
 * measurement under entity weights is one pass. Functions are pure and may be called from any thread. */
#ifndef RS_PREDICTOR_STRATA_H
#define RS_PREDICTOR_STRATA_H

#include "common/base.h"
#include "common/error.h"

struct rs_strata {
    size_t n, n_strata;
    size_t *end;  /* n_strata: rows end[s - 1] .. end[s] - 1 are those of stratum s, by risk from high to low */
    double *risk; /* n each */
    uint8_t *label;
    uint32_t *unit;
};

/* Sorts copies of the n rows given. stratum: of each unit, below n_strata. RS_EINVAL over UINT32_MAX rows, RS_ENOMEM.
 */
enum rs_status rs_strata_new(const double *risk, const uint8_t *label, const uint32_t *unit, size_t n,
                             const uint32_t *stratum, size_t n_strata, struct rs_strata **out, struct rs_error *err);
void rs_strata_free(struct rs_strata *s);
RS_DEFINE_AUTO_STRUCT(rs_strata, rs_strata_free)

/* Sums that add up over strata. */
struct rs_rank_sums {
    double positives;
    double pairs, pairs_won; /* of a positive and a negative row; won by the positive one, ties half */
    double precision_sum;    /* over positive rows: the precision at their risk */
};

/* weight: one per unit, NULL for 1 each. out: n_strata. Allocates nothing. */
void rs_strata_measure(const struct rs_strata *s, const uint32_t *weight, struct rs_rank_sums *out);

void rs_rank_sums_add(struct rs_rank_sums *to, const struct rs_rank_sums *from);
double rs_rank_sums_auc(const struct rs_rank_sums *s); /* E12; NaN without a pair */
double rs_rank_sums_ap(const struct rs_rank_sums *s);  /* E13; NaN without a positive row */

#endif
