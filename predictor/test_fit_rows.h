/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of the solvers share: the rows of tests/solver_figures.py, a fit that must converge, and the
 * subgradient at its answer by definition (math.md L7), in extended precision. */
#ifndef RS_PREDICTOR_TEST_FIT_ROWS_H
#define RS_PREDICTOR_TEST_FIT_ROWS_H

#include "predictor/solver.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FIT_ROWS 260
#define FIT_COLUMNS 6

struct fit_rows {
    float x[FIT_ROWS * FIT_COLUMNS], weight[FIT_ROWS];
    uint8_t y[FIT_ROWS];
};

static inline double fit_draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 40) / 16777216.0;
}

static inline void fit_rows_make(struct fit_rows *r)
{
    static const double truth[FIT_COLUMNS] = { 0.9, -0.5, 0.25, 1.1, -0.3, 0.07 };
    uint64_t state = 20240317;
    for (size_t i = 0; i < FIT_ROWS; i++) {
        double x[FIT_COLUMNS], z = 0;
        for (size_t j = 0; j < FIT_COLUMNS; j++)
            x[j] = floor(64 * fit_draw(&state) - 32) / 16;
        x[2] = fit_draw(&state) < 0.3 ? x[2] : 0;
        x[3] = floor(16 * (0.75 * x[0] + 0.25 * x[3])) / 16;
        x[4] += 2;
        x[5] *= 4;
        for (size_t j = 0; j < FIT_COLUMNS; j++) {
            z += truth[j] * x[j];
            r->x[i * FIT_COLUMNS + j] = (float)x[j];
        }
        r->y[i] = fit_draw(&state) < 1 / (1 + exp(-(z - 0.6)));
        r->weight[i] = (float)(1 + floor(3 * fit_draw(&state)));
    }
}

static inline struct rs_problem fit_rows_problem(const struct fit_rows *r)
{
    struct rs_problem p;
    memset(&p, 0, sizeof p);
    p.x = r->x;
    p.y = r->y;
    p.n = FIT_ROWS;
    p.d = p.stride = FIT_COLUMNS;
    p.weight_positive = p.weight_negative = 1;
    return p;
}

/* Options of a fit as exact as double allows. */
static inline struct rs_fit_options fit_exactly(enum rs_learner learner, double C, double l1_ratio, enum rs_bias bias)
{
    return (struct rs_fit_options){ .learner = learner,
                                    .C = C,
                                    .l1_ratio = l1_ratio,
                                    .bias = bias,
                                    .rel_gradient = 1e-12,
                                    .max_iter = 300,
                                    .n_threads = 1 };
}

/* From the start 0; fails where it does not converge. */
static inline struct rs_fit_report fit_all(const struct rs_problem *p, const struct rs_fit_options *opt, double *w)
{
    RS_AUTO(rs_solver) *ws = NULL;
    struct rs_fit_report report = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    memset(w, 0, (p->d + 1) * sizeof *w);
    if (rs_solver_new(p->n, p->d, &ws, &err) != RS_OK || rs_solver_fit(ws, p, opt, w, &report, &err) != RS_OK)
        fail_msg("%s", err.msg);
    if (!report.has_converged)
        fail_msg("no optimum of %zu x %zu in %u iterations: gradient %g", p->n, p->d, report.iterations,
                 report.rel_gradient);
    return report;
}

struct fit_gradient {
    double norm, start; /* of the smallest subgradient; of the gradient of the loss at w = 0 */
    double largest;     /* |component| of the smallest subgradient */
};

static inline struct fit_gradient fit_gradient_at(const struct rs_problem *p, const struct rs_fit_options *opt,
                                                  const double *w)
{
    size_t d = p->d, n_columns = opt->bias == RS_BIAS_NONE ? d : d + 1;
    rs_autofree long double *g = (long double *)rs_alloc(2 * (d + 1), sizeof *g);
    assert_non_null(g);
    long double *g0 = g + d + 1;
    for (size_t i = 0; i < p->n; i++) {
        size_t row = p->rows ? p->rows[i] : i;
        const float *x = p->x + row * p->stride;
        long double s = p->y[row] ? 1 : -1, z0 = p->offset ? p->offset[row] : 0, z = z0 + w[d];
        for (size_t j = 0; j < d; j++)
            z += (long double)w[j] * x[j];
        long double c = opt->C * (p->y[row] ? p->weight_positive : p->weight_negative) *
                        (p->row_weight ? (double)p->row_weight[row] : 1.0);
        bool is_logistic = opt->learner == RS_LOGISTIC;
        long double q = is_logistic ? 1 / (1 + expl(s * z)) : 2 * fmaxl(0, 1 - s * z);
        long double q0 = is_logistic ? 1 / (1 + expl(s * z0)) : 2 * fmaxl(0, 1 - s * z0);
        for (size_t j = 0; j < n_columns; j++) {
            g[j] -= c * s * q * (j < d ? (long double)x[j] : 1);
            g0[j] -= c * s * q0 * (j < d ? (long double)x[j] : 1);
        }
    }
    struct fit_gradient out = { 0 };
    for (size_t j = 0; j < n_columns; j++) {
        double by = j == d ? opt->bias == RS_BIAS_PENALISED : p->penalty ? p->penalty[j] : 1;
        double l1 = opt->l1_ratio * by, r = (double)(g[j] + (1 - opt->l1_ratio) * by * w[j]);
        r = w[j] > 0 ? r + l1 : w[j] < 0 ? r - l1 : RS_MAX(fabs(r) - l1, 0.0);
        out.norm += r * r;
        out.start += (double)(g0[j] * g0[j]);
        out.largest = RS_MAX(out.largest, fabs(r));
    }
    out.norm = sqrt(out.norm);
    out.start = sqrt(out.start);
    return out;
}

static inline void check_near(const double *w, const double *want, size_t n, double tolerance, const char *what)
{
    for (size_t j = 0; j < n; j++)
        if (!(fabs(w[j] - want[j]) <= tolerance))
            fail_msg("%s: w[%zu] = %.17g, not %.17g", what, j, w[j], want[j]);
}

#endif
