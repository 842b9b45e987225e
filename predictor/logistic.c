/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The logistic learner: ridge penalties, and the elastic net, which also drops features (docs/math.md L1, L4). */
#include "predictor/learner.h"

#include <math.h>

/* Of base columns; and with terms, which were chosen on the same rows and want a stronger pull. Weaker penalties than
 * these won on no fleet that was tried, or won before a date and lost after it. */
static const double base_C[] = { 0.01, 0.1 }, terms_C[] = { 0.003, 0.01 };
static const double net_C[] = { 0.1 };

#define NET_RATIO 0.5

_Static_assert(RS_LEN(base_C) == RS_LEN(terms_C), "one loop walks both");

static size_t propose(double C, unsigned set, struct rs_candidate *out, size_t max)
{
    size_t n = 0;
    const double *ridge_C = set > 0 ? terms_C : base_C;
    for (size_t i = 0; i < RS_LEN(base_C) && n < max; i++)
        if (isnan(C) || i == 0)
            out[n++] = (struct rs_candidate){ .ops = &rs_logistic_ops, .set = set, .C = isnan(C) ? ridge_C[i] : C };
    for (size_t i = 0; isnan(C) && set == 0 && i < RS_LEN(net_C) && n < max; i++)
        out[n++] = (struct rs_candidate){ .ops = &rs_logistic_ops, .set = set, .C = net_C[i], .l1_ratio = NET_RATIO };
    return n;
}

const struct rs_learner_ops rs_logistic_ops = {
    .name = "logistic",
    .learner = RS_LOGISTIC,
    .propose = propose,
    .fit = rs_linear_fit,
    .decide = rs_linear_decide,
};
