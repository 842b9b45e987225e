/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Curves: small ones by hand, large ones thinned to few points that stay where the curve is. */
#include "predictor/curves.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct rs_ranked *ranked(const double *risk, const uint8_t *label, size_t n)
{
    struct rs_ranked *r = NULL;
    assert_int_equal(rs_ranked_new(risk, label, NULL, n, &r, NULL), RS_OK);
    return r;
}

/* Ranks + - (+ -) -, with a tie in brackets. */
static void test_by_hand(void **unused)
{
    (void)unused;
    static const double risk[] = { 0.9, 0.7, 0.4, 0.4, 0.1 };
    static const uint8_t label[] = { 1, 0, 1, 0, 0 };
    RS_AUTO_STRUCT(rs_ranked) *r = ranked(risk, label, 5);
    struct rs_curve c;
    assert_int_equal(rs_curve_roc(r, &c, NULL), RS_OK);
    static const double x[] = { 0, 0, 1.0 / 3, 2.0 / 3, 1 }, y[] = { 0, 0.5, 0.5, 1, 1 };
    assert_int_equal(c.n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(fabs(c.x[i] - x[i]) < 1e-15 && fabs(c.y[i] - y[i]) < 1e-15);
    assert_int_equal(rs_curve_pr(r, &c, NULL), RS_OK);
    static const double recall[] = { 0.5, 0.5, 1, 1 }, precision[] = { 1, 0.5, 0.5, 0.4 };
    assert_int_equal(c.n, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(fabs(c.x[i] - recall[i]) < 1e-15 && fabs(c.y[i] - precision[i]) < 1e-15);
}

/* Two of four failures caught, 1.5 and 3 days ahead. */
static void test_leads(void **unused)
{
    (void)unused;
    static const double leads[] = { 1.5 * 86400, 3 * 86400 };
    struct rs_curve c;
    assert_int_equal(rs_curve_leads(leads, 2, 4, &c, NULL), RS_OK);
    static const double x[] = { 0, 1.5, 1.5, 3, 3 }, y[] = { 0.5, 0.5, 0.25, 0.25, 0 };
    assert_int_equal(c.n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(fabs(c.x[i] - x[i]) < 1e-12 && fabs(c.y[i] - y[i]) < 1e-12);
    assert_int_equal(rs_curve_leads(leads, 0, 4, &c, NULL), RS_OK);
    assert_int_equal(c.n, 0);
}

/* 200,000 rows whose ROC is y = sqrt(x) up to noise: the area under the thinned curve is that of all rows. */
static void test_thinned_keeps_the_area(void **unused)
{
    (void)unused;
    const size_t n = 200000;
    rs_autofree double *risk = rs_alloc(n, sizeof *risk);
    rs_autofree uint8_t *label = rs_alloc(n, sizeof *label);
    assert_true(risk && label);
    uint64_t state = 5;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double u = (double)(state >> 11) / 9007199254740992.0;
        label[i] = i % 50 == 0;
        risk[i] = label[i] ? 1 - u * u : 1 - u;
    }
    RS_AUTO_STRUCT(rs_ranked) *r = ranked(risk, label, n);
    struct rs_metrics m;
    struct rs_curve c;
    rs_metrics_compute(r, NULL, &m);
    assert_int_equal(rs_curve_roc(r, &c, NULL), RS_OK);
    assert_true(c.n <= RS_CURVE_POINTS && c.n > 50);
    double area = 0;
    for (size_t i = 1; i < c.n; i++)
        area += (c.x[i] - c.x[i - 1]) * (c.y[i] + c.y[i - 1]) / 2;
    assert_true(fabs(area - m.roc_auc) < 1e-3);
    assert_true(fabs(area - 2.0 / 3) < 0.01);
    assert_int_equal(rs_curve_pr(r, &c, NULL), RS_OK);
    assert_true(c.n <= RS_CURVE_POINTS && c.x[c.n - 1] == 1 && fabs(c.y[c.n - 1] - 0.02) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_leads),
        cmocka_unit_test(test_thinned_keeps_the_area),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
