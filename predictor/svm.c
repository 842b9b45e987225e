/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The linear support vector machine with squared hinge loss (docs/math.md L2), plain and with balanced classes. */
#include "predictor/learner.h"

#include <math.h>

static const double plain_C[] = { 0.001 };
static const double balanced_C[] = { 0.0001 };

static size_t propose(double C, bool has_trees, struct rs_candidate *out, size_t max)
{
    size_t n = 0;
    (void)has_trees; /* they are log odds */
    for (int balanced = 0; balanced <= 1; balanced++)
        for (size_t i = 0; i < RS_LEN(plain_C) && n < max; i++)
            if (isnan(C) || i == 0)
                out[n++] = (struct rs_candidate){ .ops = &rs_svm_ops,
                                                  .is_balanced = balanced,
                                                  .C = !isnan(C) ? C : (balanced ? balanced_C : plain_C)[i] };
    return n;
}

const struct rs_learner_ops rs_svm_ops = {
    .name = "svm",
    .learner = RS_LINEAR_SVM,
    .propose = propose,
    .fit = rs_linear_fit,
    .decide = rs_linear_decide,
};
