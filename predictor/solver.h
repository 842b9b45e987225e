/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Linear classifiers by Newton's method: logistic regression (docs/math.md L1) and the linear SVM with squared hinge
 * loss (L2), with an L2 penalty, or for logistic regression the elastic net (L4).
 *
 *     f(w) = C sum_i c_i loss(s_i z_i) + (1 - r)/2 sum_j p_j w_j^2 + r sum_j p_j |w_j|
 *     z_i  = w . x_i + w_d + offset_i,   s_i = +1 or -1,   c_i = weight of the row times weight of its class
 * The objective is convex, and strictly so in every penalised weight: the answer depends on data and options alone, not
 * on the start. Same inputs give the same bits, on any number of threads and whatever vectors the processor has. */
#ifndef RS_PREDICTOR_SOLVER_H
#define RS_PREDICTOR_SOLVER_H

#include "common/base.h"
#include "common/error.h"
#include "models/model.h" /* enum rs_learner */
#include "predictor/comm.h"

#define RS_SOLVER_FEATURES_MAX 2048

/* Borrowed by the fit. Row i of the problem is row rows[i] of x, y, row_weight and offset (i itself where rows is
 * NULL). */
struct rs_problem {
    const float *x;          /* row-major, finite; only the first d columns are read */
    size_t stride;           /* floats from row to row, at least d */
    const uint8_t *y;        /* 0 or 1 */
    const uint32_t *rows;    /* n, or NULL */
    size_t n, d;             /* this process's rows */
    const float *row_weight; /* >= 0, or NULL: 1 */
    const double *offset;    /* added to z, or NULL: 0 */
    const double *penalty;   /* d multipliers p_j >= 0, or NULL: 1 */
    double weight_positive, weight_negative;
};

enum rs_bias {
    RS_BIAS_FREE,      /* not penalised */
    RS_BIAS_PENALISED, /* as a column of ones: LIBLINEAR's -B 1 */
    RS_BIAS_NONE,      /* w_d stays 0 */
};

struct rs_fit_options {
    enum rs_learner learner; /* RS_LOGISTIC or RS_LINEAR_SVM */
    double C;
    double l1_ratio; /* r: 0 is L2 alone; above 0 the elastic net, logistic only */
    enum rs_bias bias;
    double rel_gradient; /* stop where |gradient| <= rel_gradient * |gradient at w = 0| (L7); 1e-12 can be reached */
    unsigned max_iter;
    unsigned n_threads; /* 0: rs_threads() */
    rs_comm *comm;      /* NULL: one process */
};

struct rs_fit_report {
    unsigned iterations; /* steps on the whole data */
    double passes;       /* readings of the data, in units of all rows, samples included */
    bool has_converged;
    double objective;
    double rel_gradient; /* reached */
};

typedef struct rs_solver rs_solver; /* workspace for problems of at most n_max rows and d_max columns */

/* RS_ENOMEM; RS_EUNSUPPORTED for more than RS_SOLVER_FEATURES_MAX columns. */
enum rs_status rs_solver_new(size_t n_max, size_t d_max, rs_solver **out, struct rs_error *err);
void rs_solver_free(rs_solver *ws);
RS_DEFINE_AUTO(rs_solver, rs_solver_free)

/* Fits from the start that w holds (d weights, then the intercept) and leaves the answer there; w is untouched on
 * error. Not converging is no error: the report says so. RS_ENODATA without rows, or where the intercept is free and
 * all rows are of one class (logistic: no finite optimum); RS_EDOMAIN where f is not finite; RS_EUNSUPPORTED for an
 * elastic net SVM; RS_ECANCELLED after a signal; what rs_comm_sum() reports. One fit at a time a workspace. */
enum rs_status rs_solver_fit(rs_solver *ws, const struct rs_problem *p, const struct rs_fit_options *opt, double *w,
                             struct rs_fit_report *out, struct rs_error *err);

/* Diagonal of the inverse of the Hessian of f (d + 1), from the quadratic model that the last fit, one of d columns,
 * made last: at or near its optimum. Times C, posterior variances where f / C is a negative log posterior (Laplace's
 * approximation). RS_EINTERNAL where that model is not positive definite. */
enum rs_status rs_solver_variances(rs_solver *ws, size_t d, double *out, struct rs_error *err);

/* w . x + w_d */
double rs_linear_z(const double *w, const float *x, size_t d);

#endif
