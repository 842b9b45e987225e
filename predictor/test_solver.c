/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The solvers: a table's fit meets its log odds, the gradient at the answer is zero by finite differences, separable
 * data stay finite, weights equal copies, and the answer does not depend on the start. */
#include "predictor/solver.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N 700
#define D 11 /* not a multiple of the lanes */

static double fit(const struct rs_problem *p, enum rs_learner learner, double C, double *w)
{
    RS_AUTO(rs_solver) *ws = NULL;
    struct rs_fit_options opt = { .learner = learner, .C = C, .rel_gradient = 1e-11, .max_iter = 200 };
    struct rs_fit_report report;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_solver_new(p->n, p->d, &ws, &err), RS_OK);
    if (rs_solver_fit(ws, p, &opt, w, &report, &err) != RS_OK)
        fail_msg("%s", err.msg);
    assert_true(report.has_converged);
    return report.objective;
}

/* Uneven data of D columns; the last ones hardly matter. */
static void make(float *x, uint8_t *y)
{
    uint32_t r = 2463534242u;
    for (size_t i = 0; i < N; i++) {
        double z = -1.3;
        for (size_t j = 0; j < D; j++) {
            r ^= r << 13;
            r ^= r >> 17;
            r ^= r << 5;
            x[i * D + j] = (float)(r >> 8) / 8388608.0f - 1.0f + 0.1f * (float)j;
            z += (double)x[i * D + j] * (j < 3 ? 1.7 - (double)j : 0.05);
        }
        r = r * 1664525 + 1013904223;
        y[i] = (double)(r >> 8) / 16777216.0 < 1 / (1 + exp(-z));
    }
}

/* The objective by its definition (math.md L1, L2), term by term. */
static double objective(const struct rs_problem *p, enum rs_learner learner, double C, const double *w)
{
    double f = 0;
    for (size_t j = 0; j < p->d; j++)
        f += w[j] * w[j] / 2;
    for (size_t i = 0; i < p->n; i++) {
        size_t r = p->rows ? p->rows[i] : i;
        double z = w[p->d], s = p->y[r] ? 1 : -1;
        for (size_t j = 0; j < p->d; j++)
            z += w[j] * (double)p->x[r * p->d + j];
        double gap = fmax(0, 1 - s * z);
        f += C * (p->y[r] ? p->weight_positive : p->weight_negative) *
             (learner == RS_LOGISTIC ? log1p(exp(-s * z)) : gap * gap);
    }
    return f;
}

static void test_table_meets_log_odds(void **unused)
{
    (void)unused;
    /* 2x2 table: x = 0: 37 of 160 positive, x = 1: 71 of 113; hardly penalised, so that the fit is the table's own */
    static const unsigned cells[2][2] = { { 123, 37 }, { 42, 71 } };
    float x[273];
    uint8_t y[273];
    size_t n = 0;
    for (unsigned a = 0; a < 2; a++)
        for (unsigned b = 0; b < 2; b++)
            for (unsigned k = 0; k < cells[a][b]; k++) {
                x[n] = (float)a;
                y[n++] = (uint8_t)b;
            }
    struct rs_problem p = { .x = x, .y = y, .n = n, .d = 1, .stride = 1, .weight_positive = 1, .weight_negative = 1 };
    double w[2] = { 0, 0 };
    fit(&p, RS_LOGISTIC, 1e7, w);
    assert_true(fabs(w[1] - log(37.0 / 123)) < 1e-6);
    assert_true(fabs(w[0] - log(71.0 / 42 * 123 / 37)) < 1e-6);
}

static void check_gradient(enum rs_learner learner, double C)
{
    static float x[N * D];
    static uint8_t y[N];
    double w[D + 1] = { 0 };
    make(x, y);
    struct rs_problem p = {
        .x = x, .y = y, .n = N, .d = D, .stride = D, .weight_positive = 2.385, .weight_negative = 0.731
    };
    double f = fit(&p, learner, C, w);
    assert_true(fabs(f - objective(&p, learner, C, w)) < 1e-9 * f);
    for (size_t j = 0; j <= D; j++) {
        double h = 1e-5, at = w[j];
        w[j] = at + h;
        double up = objective(&p, learner, C, w);
        w[j] = at - h;
        double down = objective(&p, learner, C, w);
        w[j] = at;
        assert_true(fabs(up - down) / (2 * h) < 1e-4 * C * N / 100);
        assert_true(up > f && down > f);
    }
}

static void test_gradient_is_zero(void **unused)
{
    (void)unused;
    check_gradient(RS_LOGISTIC, 0.37);
    check_gradient(RS_LOGISTIC, 41);
    check_gradient(RS_LINEAR_SVM, 0.37);
    check_gradient(RS_LINEAR_SVM, 41);
}

static void test_start_does_not_matter(void **unused)
{
    (void)unused;
    static float x[N * D];
    static uint8_t y[N];
    make(x, y);
    struct rs_problem p = { .x = x, .y = y, .n = N, .d = D, .stride = D, .weight_positive = 1, .weight_negative = 1 };
    for (int learner = RS_LOGISTIC; learner <= RS_LINEAR_SVM; learner++) {
        double a[D + 1] = { 0 }, b[D + 1];
        for (size_t j = 0; j <= D; j++)
            b[j] = j % 2 ? 3.3 : -2.7;
        fit(&p, (enum rs_learner)learner, 1, a);
        fit(&p, (enum rs_learner)learner, 1, b);
        for (size_t j = 0; j <= D; j++)
            assert_true(fabs(a[j] - b[j]) < 1e-6);
    }
}

/* Starts so far out that every row is flat there, on its right side or its wrong one: no curvature tells the way. With
 * an offset f(0) is not known, so that the way is gone from there; else the worst ones are given up. */
static const double far_out[] = { 60, -60, 2.5e3, -2.5e3, 1e7, -1e7 };
#define FAR_WITH_OFFSET 4

static void check_far_starts(const struct rs_problem *p, enum rs_learner learner, double l1_ratio)
{
    RS_AUTO(rs_solver) *ws = NULL;
    struct rs_fit_options opt = { .learner = learner,
                                  .l1_ratio = l1_ratio,
                                  .C = 0.7,
                                  .bias = RS_BIAS_PENALISED,
                                  .rel_gradient = 1e-9,
                                  .max_iter = 100 };
    struct rs_fit_report near, far;
    double w[D + 1] = { 0 };
    assert_int_equal(rs_solver_new(N, D, &ws, NULL), RS_OK);
    assert_int_equal(rs_solver_fit(ws, p, &opt, w, &near, NULL), RS_OK);
    assert_true(near.has_converged);
    for (size_t s = 0; s < (p->offset ? FAR_WITH_OFFSET : RS_LEN(far_out)); s++) {
        double v[D + 1];
        for (size_t j = 0; j <= D; j++)
            v[j] = far_out[s] * (w[j] + (j % 2 ? 0.013 : -0.007));
        assert_int_equal(rs_solver_fit(ws, p, &opt, v, &far, NULL), RS_OK);
        if (!far.has_converged)
            fail_msg("learner %d, ratio %g, start times %g: no optimum in %u steps, |g| = %g of |g0|", (int)learner,
                     l1_ratio, far_out[s], far.iterations, far.rel_gradient);
        assert_true(fabs(far.objective - near.objective) <= 1e-9 * near.objective);
    }
}

static void test_saturated_starts(void **unused)
{
    (void)unused;
    static float x[N * D];
    static uint8_t y[N];
    static const double zeros[N];
    make(x, y);
    struct rs_problem p = { .x = x, .y = y, .n = N, .d = D, .stride = D, .weight_positive = 1, .weight_negative = 1 };
    for (int kind = 0; kind < 4; kind++) {
        bool is_separable = kind / 2;
        p.offset = kind % 2 ? zeros : NULL;
        for (size_t i = 0; is_separable && i < N; i++)
            y[i] = x[i * D] > x[i * D + 2];
        check_far_starts(&p, RS_LOGISTIC, 0);
        check_far_starts(&p, RS_LOGISTIC, 0.5);
        check_far_starts(&p, RS_LOGISTIC, 1);
        check_far_starts(&p, RS_LINEAR_SVM, 0);
    }
}

/* A class weight of 2 is each of its rows twice; rows picks. */
static void test_weights_are_copies(void **unused)
{
    (void)unused;
    static float x[N * D];
    static uint8_t y[N];
    uint32_t rows[2 * N];
    size_t n = 0;
    make(x, y);
    for (uint32_t i = 0; i < N; i++)
        for (int k = 0; k <= y[i]; k++)
            rows[n++] = i;
    struct rs_problem once = {
        .x = x, .y = y, .n = N, .d = D, .stride = D, .weight_positive = 2, .weight_negative = 1
    };
    struct rs_problem twice = {
        .x = x, .y = y, .rows = rows, .n = n, .d = D, .stride = D, .weight_positive = 1, .weight_negative = 1
    };
    double a[D + 1] = { 0 }, b[D + 1] = { 0 };
    fit(&once, RS_LOGISTIC, 1, a);
    fit(&twice, RS_LOGISTIC, 1, b);
    for (size_t j = 0; j <= D; j++)
        assert_true(fabs(a[j] - b[j]) < 1e-8);
}

static void test_separable_data_stay_finite(void **unused)
{
    (void)unused;
    static const float x[] = { -2, -1.5f, -1, 1, 1.25f, 3 };
    static const uint8_t y[] = { 0, 0, 0, 1, 1, 1 };
    struct rs_problem p = { .x = x, .y = y, .n = 6, .d = 1, .stride = 1, .weight_positive = 1, .weight_negative = 1 };
    double w[2] = { 0, 0 }, v[2] = { 0, 0 };
    fit(&p, RS_LOGISTIC, 1000, w);
    fit(&p, RS_LINEAR_SVM, 1000, v);
    assert_true(isfinite(w[0]) && w[0] > 3 && w[0] < 30);
    /* the margin is set by -1 and 1: nearly w = 1 and no intercept */
    assert_true(fabs(v[0] - 1) < 1e-2 && fabs(v[1]) < 1e-2);
}

static void test_same_bits_again(void **unused)
{
    (void)unused;
    static float x[N * D];
    static uint8_t y[N];
    make(x, y);
    struct rs_problem p = { .x = x, .y = y, .n = N, .d = D, .stride = D, .weight_positive = 1, .weight_negative = 1 };
    double a[D + 1] = { 0 }, b[D + 1] = { 0 };
    fit(&p, RS_LOGISTIC, 0.1, a);
    fit(&p, RS_LOGISTIC, 0.1, b);
    assert_memory_equal(a, b, sizeof a);
}

static void test_too_many_features(void **unused)
{
    (void)unused;
    rs_solver *ws = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_solver_new(10, RS_SOLVER_FEATURES_MAX + 1, &ws, &err), RS_EUNSUPPORTED);
    assert_string_equal(err.msg, "2049 features, at most 2048: leave out signals or attributes");
}

/* A problem large enough for samples: skewed classes, a row's bits from its number. */
#define LARGE 40000
static void make_large(float *x, uint8_t *y)
{
    for (size_t i = 0; i < LARGE; i++) {
        uint32_t r = (uint32_t)i * 2654435761u + 12345;
        double z = -3.4;
        for (size_t j = 0; j < D; j++) {
            r ^= r << 13;
            r ^= r >> 17;
            r ^= r << 5;
            x[i * D + j] = (float)(r >> 8) / 8388608.0f - 1.0f;
            z += (double)x[i * D + j] * (j < 4 ? 1.3 - 0.6 * (double)j : 0.03);
        }
        r = r * 1664525 + 1013904223;
        y[i] = (double)(r >> 8) / 16777216.0 < 1 / (1 + exp(-z));
    }
}

/* |smallest subgradient| by its definition (math.md L7), term by term. */
static double kkt(const struct rs_problem *p, double C, double l1_ratio, const double *w, double *out_start)
{
    double norm = 0, start = 0;
    for (size_t j = 0; j <= p->d; j++) {
        double g = 0, g0 = 0;
        for (size_t i = 0; i < p->n; i++) {
            double s = p->y[i] ? 1 : -1, x = j < p->d ? (double)p->x[i * p->stride + j] : 1;
            g -= s * x / (1 + exp(s * rs_linear_z(w, p->x + i * p->stride, p->d)));
            g0 -= s * x / 2;
        }
        double l1 = j < p->d ? l1_ratio : 0;
        g = C * g + (j < p->d ? (1 - l1_ratio) * w[j] : 0);
        g = w[j] > 0 ? g + l1 : w[j] < 0 ? g - l1 : RS_MAX(fabs(g) - l1, 0.0);
        norm += g * g;
        start += C * g0 * C * g0;
    }
    *out_start = sqrt(start);
    return sqrt(norm);
}

static void fit_large(const struct rs_problem *p, double l1_ratio, unsigned n_threads, double rel, double *w)
{
    RS_AUTO(rs_solver) *ws = NULL;
    struct rs_fit_options opt = { .learner = RS_LOGISTIC,
                                  .C = 0.37,
                                  .l1_ratio = l1_ratio,
                                  .rel_gradient = rel,
                                  .max_iter = 100,
                                  .n_threads = n_threads };
    struct rs_fit_report report;
    struct rs_error err = RS_ERROR_INIT;
    memset(w, 0, (p->d + 1) * sizeof *w);
    assert_int_equal(rs_solver_new(p->n, p->d, &ws, &err), RS_OK);
    if (rs_solver_fit(ws, p, &opt, w, &report, &err) != RS_OK)
        fail_msg("%s", err.msg);
    assert_true(report.has_converged);
    double start, norm = kkt(p, opt.C, l1_ratio, w, &start);
    if (norm > 1.1 * rel * start)
        fail_msg("gradient %g of %g, %g asked", norm, start, rel);
}

static void test_samples_lead_to_the_optimum(void **unused)
{
    (void)unused;
    static float x[LARGE * D];
    static uint8_t y[LARGE];
    static double weight[2][D + 1];
    make_large(x, y);
    struct rs_problem p = {
        .x = x, .y = y, .n = LARGE, .d = D, .stride = D, .weight_positive = 1, .weight_negative = 1
    };
    fit_large(&p, 0, 2, 1e-6, weight[0]);
    fit_large(&p, 0, 2, 1e-12, weight[0]);
    p.n = LARGE;
    fit_large(&p, 0, 1, 1e-12, weight[1]);
    assert_memory_equal(weight[0], weight[1], sizeof weight[0]); /* threads change no bit */
    fit_large(&p, 0, 3, 1e-12, weight[1]);
    assert_memory_equal(weight[0], weight[1], sizeof weight[0]);
    setenv("RESEAT_ISA", "plain", 1); /* nor do vectors */
    fit_large(&p, 0, 2, 1e-12, weight[1]);
    assert_memory_equal(weight[0], weight[1], sizeof weight[0]);
    setenv("RESEAT_ISA", "avx2", 1);
    fit_large(&p, 0, 2, 1e-12, weight[1]);
    assert_memory_equal(weight[0], weight[1], sizeof weight[0]);
    unsetenv("RESEAT_ISA");
    fit_large(&p, 0.9, 2, 1e-11, weight[0]);
    fit_large(&p, 0.9, 1, 1e-11, weight[1]);
    assert_memory_equal(weight[0], weight[1], sizeof weight[0]);
}

static void test_offset_is_a_fixed_column(void **unused)
{
    (void)unused;
    static float x[N * D], row_weight[N];
    static uint8_t y[N];
    static double offset[N];
    make(x, y);
    for (size_t i = 0; i < N; i++) {
        row_weight[i] = 1;
        offset[i] = 0.731; /* a constant one only moves the intercept */
    }
    struct rs_problem p = { .x = x, .y = y, .n = N, .d = D, .stride = D, .weight_positive = 1, .weight_negative = 1 };
    double a[D + 1] = { 0 }, b[D + 1] = { 0 };
    fit(&p, RS_LOGISTIC, 0.37, a);
    p.offset = offset;
    p.row_weight = row_weight;
    fit(&p, RS_LOGISTIC, 0.37, b);
    for (size_t j = 0; j < D; j++)
        assert_true(fabs(a[j] - b[j]) < 1e-9);
    assert_true(fabs(a[D] - b[D] - 0.731) < 1e-9);
}

static void test_bad_input(void **unused)
{
    (void)unused;
    static float x[] = { 1, -2.385f, 0.5f };
    static const uint8_t y[] = { 1, 1, 1 }, mixed[] = { 0, 1, 1 };
    struct rs_problem p = { .x = x, .y = y, .n = 3, .d = 1, .stride = 1, .weight_positive = 1, .weight_negative = 1 };
    struct rs_fit_options opt = { .learner = RS_LOGISTIC, .C = 1, .rel_gradient = 1e-6, .max_iter = 50 };
    RS_AUTO(rs_solver) *ws = NULL;
    struct rs_fit_report report;
    struct rs_error err = RS_ERROR_INIT;
    double w[2] = { 0, 0 };
    assert_int_equal(rs_solver_new(3, 1, &ws, &err), RS_OK);
    assert_int_equal(rs_solver_fit(ws, &p, &opt, w, &report, &err), RS_ENODATA);
    assert_string_equal(err.msg, "fit: all rows are of one class: a free intercept has no optimum");
    p.n = 0;
    assert_int_equal(rs_solver_fit(ws, &p, &opt, w, &report, &err), RS_ENODATA);
    assert_string_equal(err.msg, "fit: no rows");
    p.n = 3;
    p.y = mixed;
    x[1] = NAN;
    assert_int_equal(rs_solver_fit(ws, &p, &opt, w, &report, &err), RS_EDOMAIN);
    assert_string_equal(err.msg, "a row or the start holds a NaN, an infinity or too large a number");
    x[1] = -2.385f;
    opt.learner = RS_LINEAR_SVM;
    opt.l1_ratio = 0.5;
    assert_int_equal(rs_solver_fit(ws, &p, &opt, w, &report, &err), RS_EUNSUPPORTED);
    assert_string_equal(err.msg, "elastic net: logistic regression only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_meets_log_odds),
        cmocka_unit_test(test_gradient_is_zero),
        cmocka_unit_test(test_start_does_not_matter),
        cmocka_unit_test(test_saturated_starts),
        cmocka_unit_test(test_weights_are_copies),
        cmocka_unit_test(test_separable_data_stay_finite),
        cmocka_unit_test(test_same_bits_again),
        cmocka_unit_test(test_too_many_features),
        cmocka_unit_test(test_samples_lead_to_the_optimum),
        cmocka_unit_test(test_offset_is_a_fixed_column),
        cmocka_unit_test(test_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
