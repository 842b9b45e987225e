/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Linear classifiers by Newton's method: logistic regression (docs/math.md L1) and the linear SVM with squared hinge
 * loss (L2), both with an L2 penalty on the weights and none on the intercept.
 *
 *     f(w) = 1/2 sum_j w_j^2 + C sum_i c_i loss(s_i (w . x_i + w_d)),   s_i = +1 or -1, c_i the weight of its class
 * The objective is strictly convex in the weights, so the answer depends on data and C alone, not on the start. The
 * Hessian is summed in float (it only steers), objective and gradient in double, in one order, so that a fit is
 * repeatable to the bit. */
#ifndef RS_PREDICTOR_NEWTON_H
#define RS_PREDICTOR_NEWTON_H

#include "common/base.h"
#include "common/error.h"
#include "models/model.h" /* enum rs_learner */

#define RS_NEWTON_FEATURES_MAX 2048

/* Borrowed by the fit. Row i of the problem is row rows[i] of x and y (i itself where rows is NULL). */
struct rs_problem {
    const float *x; /* row-major, d columns, standardised, finite */
    const uint8_t *y;
    const uint32_t *rows;
    size_t n, d;
    double weight_positive, weight_negative; /* c_i */
};

struct rs_fit_options {
    enum rs_learner learner;
    double C;
    double tolerance; /* stop where half the squared Newton decrement is below tolerance * f */
    unsigned max_iter;
};

struct rs_fit_report {
    unsigned iterations;
    bool has_converged;
    double objective;
};

typedef struct rs_newton rs_newton; /* workspace for problems of at most n rows and d columns */

/* RS_ENOMEM; RS_EUNSUPPORTED for more than RS_NEWTON_FEATURES_MAX columns. */
enum rs_status rs_newton_new(size_t n_max, size_t d, rs_newton **out, struct rs_error *err);
void rs_newton_free(rs_newton *ws);
RS_DEFINE_AUTO(rs_newton, rs_newton_free)

/* Fits from the start that w holds (d weights, then the intercept) and leaves the answer there. RS_ECANCELLED after a
 * signal; RS_EINTERNAL where the Hessian cannot be factored. Not converging is no error: the report says so. */
enum rs_status rs_newton_fit(rs_newton *ws, const struct rs_problem *p, const struct rs_fit_options *opt, double *w,
                             struct rs_fit_report *out, struct rs_error *err);

/* w . x + w_d */
double rs_linear_z(const double *w, const float *x, size_t d);

#endif
