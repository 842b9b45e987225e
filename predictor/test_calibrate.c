/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calibrators against scikit-learn's figures (tests/sklearn_figures.py), against copies in place of weights, and at the
 * edges: one class, scores that mislead, huge scores. */
#include "predictor/calibrate.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "predictor/test_rows.h"

static struct test_rows rows;

static struct rs_calibrator fitted(enum rs_calibration kind, const double *weight)
{
    struct rs_calibrator c = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    test_rows_make(&rows);
    if (rs_calibrator_fit(kind, rows.z, rows.y, weight, TEST_ROWS, &c, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return c;
}

static void check(double got, double want, const char *what)
{
    if (!(fabs(got - want) <= 1e-12))
        fail_msg("%s: %.17g, want %.17g", what, got, want);
}

/* want: tests/sklearn_figures.py */
static void test_platt(void **unused)
{
    (void)unused;
    struct rs_calibrator c = fitted(RS_PLATT, NULL);
    check(c.a, 1.3438877931310091, "a");
    check(c.b, -0.52505641194084873, "b");
    c = fitted(RS_PLATT, rows.weight);
    check(c.a, 1.3772480474143685, "weighted a");
    check(c.b, -1.6553011165428859, "weighted b");
    check(rs_calibrate(&c, 0.7), rs_sigmoid(1.3772480474143685 * 0.7 - 1.6553011165428859), "risk");
}

/* want: tests/sklearn_figures.py */
static void test_beta(void **unused)
{
    (void)unused;
    struct rs_calibrator c = fitted(RS_BETA, NULL);
    check(c.a, 1.2417095037413415, "a");
    check(c.b, 1.4654049803142111, "b");
    check(c.c, -0.70938262349249948, "c");
    c = fitted(RS_BETA, rows.weight);
    check(c.a, 1.3421348493486327, "weighted a");
    check(c.b, 1.4121380906211389, "weighted b");
    check(c.c, -1.7130914491917966, "weighted c");
    /* C20 with s = rs_sigmoid(0.7), written out */
    double s = 0.66818777216816616;
    check(rs_calibrate(&c, 0.7), rs_sigmoid(c.a * log(s) - c.b * log(1 - s) + c.c), "risk");
}

static void check_knots(const struct rs_calibrator *c, size_t n, const double *z, const double *p)
{
    assert_int_equal(c->n, n);
    for (size_t i = 0; i < n; i++) {
        check(c->z[i], z[i], "knot z");
        check(c->p[i], p[i], "knot p");
    }
}

/* want: scikit-learn's IsotonicRegression, tests/sklearn_figures.py */
static void test_isotonic(void **unused)
{
    (void)unused;
    static const double z[] = { -4,      -2.5625, -2.5,   -1.9375, -1.875, -0.9375, -0.875, -0.75,
                                -0.6875, -0.4375, -0.375, 0.125,   0.1875, 0.25,    0.5625, 0.625,
                                0.875,   0.9375,  1.3125, 1.375,   1.625,  1.6875,  1.9375 };
    static const double p[] = { 0,
                                0,
                                0.05128205128205128,
                                0.05128205128205128,
                                0.061538461538461542,
                                0.061538461538461542,
                                0.125,
                                0.125,
                                0.26315789473684209,
                                0.26315789473684209,
                                0.26666666666666666,
                                0.26666666666666666,
                                0.5,
                                0.625,
                                0.625,
                                0.66666666666666663,
                                0.66666666666666663,
                                0.70967741935483875,
                                0.70967741935483875,
                                0.80000000000000004,
                                0.80000000000000004,
                                0.94999999999999996,
                                0.94999999999999996 };
    struct rs_calibrator c = fitted(RS_ISOTONIC, NULL);
    check_knots(&c, RS_LEN(z), z, p);
    check(rs_calibrate(&c, -9), 0, "left of all");
    check(rs_calibrate(&c, 9), 0.95, "right of all");
    check(rs_calibrate(&c, 0.15625), (0.26666666666666666 + 0.5) / 2, "half way between two knots");
    rs_calibrator_clear(&c);
}

/* want: scikit-learn's IsotonicRegression with sample_weight, tests/sklearn_figures.py */
static void test_isotonic_weighted(void **unused)
{
    (void)unused;
    static const double z[] = { -4,     -2.5625, -2.5,   -1.9375, -1.875, -0.9375, -0.875, -0.75,  -0.6875, 0.125,
                                0.1875, 0.25,    0.5625, 0.625,   0.875,  0.9375,  1.625,  1.6875, 1.9375 };
    static const double p[] = { 0,
                                0,
                                0.015238095238095238,
                                0.015238095238095238,
                                0.019777503090234856,
                                0.019777503090234856,
                                0.042105263157894736,
                                0.042105263157894736,
                                0.10725552050473186,
                                0.10725552050473186,
                                0.15384615384615385,
                                0.32258064516129031,
                                0.32258064516129031,
                                0.41666666666666669,
                                0.41666666666666669,
                                0.51700680272108845,
                                0.51700680272108845,
                                0.8539325842696629,
                                0.8539325842696629 };
    test_rows_make(&rows);
    struct rs_calibrator c = fitted(RS_ISOTONIC, rows.weight);
    check_knots(&c, RS_LEN(z), z, p);
    rs_calibrator_clear(&c);
}

/* A weight of k is k copies, up to the targets of C1, which count copies alike. */
static void test_weight_counts_copies(void **unused)
{
    (void)unused;
    static double zz[4 * TEST_ROWS], weight[TEST_ROWS];
    static uint8_t yy[4 * TEST_ROWS];
    test_rows_make(&rows);
    size_t nn = 0;
    for (size_t i = 0; i < TEST_ROWS; i++) {
        weight[i] = (double)(i % 4);
        for (size_t k = 0; k < i % 4; k++) {
            zz[nn] = rows.z[i];
            yy[nn++] = rows.y[i];
        }
    }
    for (int kind = RS_PLATT; kind <= RS_ISOTONIC; kind++) {
        struct rs_calibrator a = { 0 }, b = { 0 };
        assert_int_equal(rs_calibrator_fit((enum rs_calibration)kind, rows.z, rows.y, weight, TEST_ROWS, &a, NULL),
                         RS_OK);
        assert_int_equal(rs_calibrator_fit((enum rs_calibration)kind, zz, yy, NULL, nn, &b, NULL), RS_OK);
        assert_int_equal(a.n, b.n);
        for (double z = -5; z < 3; z += 0.37)
            check(rs_calibrate(&a, z), rs_calibrate(&b, z), "risk");
        rs_calibrator_clear(&a);
        rs_calibrator_clear(&b);
    }
}

/* Scores the wrong way round: the share of positives, whatever the score. */
static void test_scores_that_mislead(void **unused)
{
    (void)unused;
    test_rows_make(&rows);
    double share = 0;
    for (size_t i = 0; i < TEST_ROWS; i++) {
        rows.z[i] = -rows.z[i];
        share += rows.y[i] / (double)TEST_ROWS;
    }
    for (int kind = RS_PLATT; kind <= RS_ISOTONIC; kind++) {
        struct rs_calibrator c = { 0 };
        assert_int_equal(rs_calibrator_fit((enum rs_calibration)kind, rows.z, rows.y, NULL, TEST_ROWS, &c, NULL),
                         RS_OK);
        double low = rs_calibrate(&c, -50), high = rs_calibrate(&c, 50);
        /* isotonic may still rise a little at the ends; the sigmoids have the smoothed share of C1 */
        assert_true(low <= high && high - low < (kind == RS_ISOTONIC ? 0.9 : 1e-15));
        if (kind != RS_ISOTONIC)
            assert_true(fabs(low - share) < 0.005);
        rs_calibrator_clear(&c);
    }
}

/* Only high scores tell more: the slope of -ln(1 - s) alone is left, and none is negative. */
static void test_beta_drops_what_would_fall(void **unused)
{
    (void)unused;
    static double z[2000];
    static uint8_t y[2000];
    uint64_t state = 7;
    for (size_t i = 0; i < RS_LEN(z); i++) {
        z[i] = 8 * test_rows_draw(&state) - 4;
        /* risk falls from 0.5 to 0.2 up to z = 0, then rises to 0.9: no rising line of both inputs fits */
        double p = z[i] < 0 ? 0.2 - 0.075 * z[i] : 0.2 + 0.175 * z[i];
        y[i] = test_rows_draw(&state) < p;
    }
    struct rs_calibrator c = { 0 };
    assert_int_equal(rs_calibrator_fit(RS_BETA, z, y, NULL, RS_LEN(z), &c, NULL), RS_OK);
    assert_true(c.a == 0 && c.b > 0.2);
    assert_true(rs_calibrate(&c, 4) > rs_calibrate(&c, 0));
}

static void test_edges(void **unused)
{
    (void)unused;
    double z[60];
    uint8_t y[60];
    for (size_t i = 0; i < 60; i++) {
        z[i] = i < 40 ? -700 : 650; /* separated */
        y[i] = i >= 40;
    }
    for (int kind = RS_PLATT; kind <= RS_ISOTONIC; kind++) {
        struct rs_calibrator c = { 0 };
        assert_int_equal(rs_calibrator_fit((enum rs_calibration)kind, z, y, NULL, 60, &c, NULL), RS_OK);
        assert_true(isfinite(c.a) && isfinite(c.b) && isfinite(c.c) && c.a >= 0);
        assert_true(rs_calibrate(&c, 650) > 0.9 && rs_calibrate(&c, -700) < 0.1);
        assert_true(isfinite(rs_calibrator_loss(&c, -1e6, true)) && rs_calibrator_loss(&c, -1e6, true) > 3);
        rs_calibrator_clear(&c);
    }
    memset(y, 0, sizeof y);
    struct rs_calibrator c = { 0 };
    assert_int_equal(rs_calibrator_fit(RS_PLATT, z, y, NULL, 60, &c, NULL), RS_OK);
    check(rs_calibrate(&c, 0), 1.0 / 62, "one class: t- of C1");
}

static void test_refusals(void **unused)
{
    (void)unused;
    double z[2] = { 1, NAN }, weight[2] = { 0, 0 };
    uint8_t y[2] = { 0, 1 };
    struct rs_calibrator c = { .a = 42 };
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_calibrator_fit(RS_PLATT, z, y, NULL, 2, &c, &err), RS_EDOMAIN);
    assert_non_null(strstr(err.msg, "calibration row 1: score nan"));
    assert_int_equal(rs_calibrator_fit(RS_ISOTONIC, z, y, weight, 1, &c, &err), RS_ENODATA);
    assert_string_equal(err.msg, "calibration: none of the 1 rows has weight");
    weight[0] = -1;
    assert_int_equal(rs_calibrator_fit(RS_BETA, z, y, weight, 1, &c, &err), RS_EDOMAIN);
    assert_true(c.a == 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_platt),
        cmocka_unit_test(test_beta),
        cmocka_unit_test(test_isotonic),
        cmocka_unit_test(test_isotonic_weighted),
        cmocka_unit_test(test_weight_counts_copies),
        cmocka_unit_test(test_scores_that_mislead),
        cmocka_unit_test(test_beta_drops_what_would_fall),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
