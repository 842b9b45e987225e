/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The logistic learner: ridge penalties, and the elastic net, which also drops features (docs/math.md L1, L4). */
#include "predictor/learner.h"

#include <math.h>

/* Weaker penalties than these won on no fleet that was tried, or won before a date and lost after it. */
static const double ridge_C[] = { 0.01, 0.1 };
static const double net_C[] = { 0.1 };

#define NET_RATIO 0.5

/* Of the decision value: half and half errs less than either, whose errors differ; the trees alone where nothing is
 * linear (docs/math.md F33). */
static const double tree_shares[] = { 0.5, 1 };

static size_t propose_trees(double C, struct rs_candidate *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < RS_LEN(ridge_C); i++)
        for (size_t k = 0; k < RS_LEN(tree_shares) && n < max; k++)
            if ((isnan(C) || i == 0) && (i == 0 || tree_shares[k] < 1))
                out[n++] = (struct rs_candidate){
                    .ops = &rs_logistic_ops, .set = 1, .C = isnan(C) ? ridge_C[i] : C, .trees = tree_shares[k]
                };
    return n;
}

static size_t propose(double C, bool has_trees, struct rs_candidate *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < RS_LEN(ridge_C) && n < max; i++)
        if (isnan(C) || i == 0)
            out[n++] = (struct rs_candidate){ .ops = &rs_logistic_ops, .C = isnan(C) ? ridge_C[i] : C };
    if (has_trees)
        n += propose_trees(C, out + n, max - n);
    for (size_t i = 0; isnan(C) && i < RS_LEN(net_C) && n < max; i++)
        out[n++] = (struct rs_candidate){ .ops = &rs_logistic_ops, .C = net_C[i], .l1_ratio = NET_RATIO };
    return n;
}

const struct rs_learner_ops rs_logistic_ops = {
    .name = "logistic",
    .learner = RS_LOGISTIC,
    .propose = propose,
    .fit = rs_linear_fit,
    .decide = rs_linear_decide,
};
