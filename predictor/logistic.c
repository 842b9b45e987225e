/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The logistic learner: ridge penalties, and the elastic net, which also drops features (docs/math.md L1, L4). */
#include "predictor/learner.h"

#include <math.h>

static const double ridge_C[] = { 0.01, 0.03, 0.1, 0.3 };
static const double net_C[] = { 0.03, 0.1 };

#define NET_RATIO 0.5

static size_t propose(double C, unsigned set, struct rs_candidate *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < RS_LEN(ridge_C) && n < max; i++)
        if (isnan(C) || i == 0)
            out[n++] = (struct rs_candidate){ .ops = &rs_logistic_ops, .set = set, .C = isnan(C) ? ridge_C[i] : C };
    for (size_t i = 0; isnan(C) && i < RS_LEN(net_C) && n < max; i++)
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
