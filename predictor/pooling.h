/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Partial pooling: what each cohort adds to the model of its parent (docs/math.md section P).
 *
 * Parents come before children, depth by depth. A cohort's bias and weights are fitted on its own rows, with its
 * parent's decision value as an offset, under a penalty that pulls them to 0: a small cohort stays with its parent, a
 * large one follows its own data. How strong the pull is at each depth, the cohorts of that depth tell together. */
#ifndef RS_PREDICTOR_POOLING_H
#define RS_PREDICTOR_POOLING_H

#include "predictor/solver.h"

#define RS_POOL_FAILING_MIN 10 /* failing entities that a cohort's own weights need; others get a bias alone */

/* Strengths of the pull by depth, that of the outermost attribute first: precisions of a normal prior around 0.
 * INFINITY: none of that kind, and with an infinite bias no deltas at that depth at all. */
struct rs_pool_strength {
    double bias[RS_COHORT_DEPTH_MAX], weight[RS_COHORT_DEPTH_MAX];
};

bool rs_pool_has_deltas(const struct rs_pool_strength *s);

enum rs_pool_kind { RS_POOL_NONE, RS_POOL_BIAS, RS_POOL_WEIGHTS, RS_POOL_KINDS }; /* what cohorts have of their own */

/* Rows to fit on; all arrays by row of x, borrowed. */
struct rs_pool_problem {
    const float *x; /* standardised */
    size_t stride, d;
    const uint8_t *y;
    const float *row_weight;
    const uint32_t *unit;   /* entity, ascending */
    const uint32_t *cohort; /* deepest one */
    const double *z;        /* log odds by the pooled model */
    const int64_t *time;    /* ascending within an entity; rs_pool_learn() alone asks, as for the horizon */
    int64_t horizon_s;
    const uint32_t *rows; /* n, ascending; NULL: 0..n-1 */
    size_t n;
    const struct rs_cohort *cohorts;
    uint32_t n_cohorts;
    const struct rs_step *steps; /* d: what the columns are; NULL: signals all */
    bool is_final;               /* fitted as exactly as can be; else as exactly as a comparison needs */
    rs_comm *comm;
};

/* Deltas in log odds and standardised units, by ascending cohort. */
struct rs_deltas {
    uint32_t n;
    size_t d;
    struct rs_cohort_delta *of;
    uint32_t *index; /* n_cohorts: position in `of`, or UINT32_MAX */
    uint32_t n_cohorts;
};

/* math.md P1: the deltas of given strengths. RS_ENOMEM, RS_ECANCELLED, what the solver reports. */
enum rs_status rs_pool_fit(const struct rs_pool_problem *p, const struct rs_pool_strength *s, struct rs_deltas *out,
                           struct rs_error *err);
/* math.md P2: the strengths too, by empirical Bayes, and the deltas under them. One process. */
enum rs_status rs_pool_learn(const struct rs_pool_problem *p, enum rs_pool_kind kind, struct rs_pool_strength *out_s,
                             struct rs_deltas *out, struct rs_error *err);
/* What the deltas add to the log odds of a row, along the path of its cohort. */
double rs_deltas_z(const struct rs_deltas *t, const struct rs_cohort *cohorts, uint32_t cohort, const float *x);
void rs_deltas_clear(struct rs_deltas *t);
#define rs_auto_deltas __attribute__((cleanup(rs_deltas_clear))) struct rs_deltas

#endif
