/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Partial pooling: what each cohort adds to the model of its parent (docs/math.md section P).
 *
 * Parents come before children. A cohort's bias and weights are fitted on its own rows, with its parent's decision
 * value as an offset, under a penalty that pulls them to 0: a small cohort stays with its parent, a large one follows
 * its own data. */
#ifndef RS_PREDICTOR_POOLING_H
#define RS_PREDICTOR_POOLING_H

#include "predictor/solver.h"

#define RS_POOL_FAILING_MIN 10 /* failing entities that a cohort's own weights need; others get a bias alone */

/* Strengths of the pull: precisions of a normal prior around 0. INFINITY: none of that kind. */
struct rs_pool_strength {
    double bias, weight;
};

/* Rows to fit on; all arrays by row of x, borrowed. */
struct rs_pool_problem {
    const float *x; /* standardised */
    size_t stride, d;
    const uint8_t *y;
    const float *row_weight;
    const uint32_t *unit;   /* entity, ascending */
    const uint32_t *cohort; /* deepest one */
    const double *z;        /* log odds by the pooled model */
    const uint32_t *rows;   /* n, ascending; NULL: 0..n-1 */
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

/* RS_ENOMEM, RS_ECANCELLED, what the solver reports. With an infinite bias strength there are none. */
enum rs_status rs_pool_fit(const struct rs_pool_problem *p, const struct rs_pool_strength *s, struct rs_deltas *out,
                           struct rs_error *err);
/* What the deltas add to the log odds of a row, along the path of its cohort. */
double rs_deltas_z(const struct rs_deltas *t, const struct rs_cohort *cohorts, uint32_t cohort, const float *x);
void rs_deltas_clear(struct rs_deltas *t);
#define rs_auto_deltas __attribute__((cleanup(rs_deltas_clear))) struct rs_deltas

#endif
