/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measures against values computed apart from this code: pairwise loops for ROC-AUC, a threshold loop for average
 * precision, direct sums for Brier and log loss, nested bisection for the calibration fits (Python 3.11, numpy 1.24).
 */
#include "predictor/metrics.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "predictor/test_rows.h"

/* 14 rows of 10 units: ties between and within classes, an exact 0. */
static const double risks[] = { 0.91, 0.031, 0.4, 0.4, 0.4, 0.0, 0.77, 0.062, 0.23, 0.23, 0.031, 0.5, 0.12, 0.91 };
static const uint8_t labels[] = { 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1 };
static const uint32_t units[] = { 0, 0, 1, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 9 };
static const uint32_t weights[] = { 2, 1, 3, 0, 1, 4, 2, 1, 0, 2 };

static const struct rs_metrics want_plain = {
    .rows = 14,
    .positives = 5,
    .base_rate = 0.35714285714285715,
    .roc_auc = 0.85555555555555551,
    .average_precision = 0.77539682539682542,
    .brier = 0.15750471428571425,
    .brier_skill = 0.31397946666666676,
    .log_loss = 0.44823194705924252,
    .mean_risk = 0.35671428571428576,
    .in_the_large = 0.0031756136978539073,
    .slope = 0.86720668363335496,
    .intercept = -0.046334499310392685,
};
static const struct rs_metrics want_weighted = {
    .rows = 26,
    .positives = 10,
    .base_rate = 0.38461538461538464,
    .roc_auc = 0.83750000000000002,
    .average_precision = 0.78222222222222215,
    .brier = 0.14897261538461537,
    .brier_skill = 0.37059070000000005,
    .log_loss = 0.42861977155760855,
    .mean_risk = 0.31407692307692309,
    .in_the_large = 0.51264285405387566,
    .slope = 1.1415619445418197,
    .intercept = 0.62928177601262325,
};

static void check_close(double got, double want, double tolerance, const char *what)
{
    if (!(fabs(got - want) <= tolerance * RS_MAX(1, fabs(want))))
        fail_msg("%s: %.17g, want %.17g", what, got, want);
}

static void check_metrics(const struct rs_metrics *got, const struct rs_metrics *want)
{
    check_close(got->rows, want->rows, 0, "rows");
    check_close(got->positives, want->positives, 0, "positives");
    check_close(got->base_rate, want->base_rate, 4 * DBL_EPSILON, "base_rate");
    check_close(got->roc_auc, want->roc_auc, 4 * DBL_EPSILON, "roc_auc");
    check_close(got->average_precision, want->average_precision, 4 * DBL_EPSILON, "average_precision");
    check_close(got->brier, want->brier, 16 * DBL_EPSILON, "brier");
    check_close(got->brier_skill, want->brier_skill, 64 * DBL_EPSILON, "brier_skill");
    check_close(got->log_loss, want->log_loss, 64 * DBL_EPSILON, "log_loss");
    check_close(got->mean_risk, want->mean_risk, 16 * DBL_EPSILON, "mean_risk");
    check_close(got->in_the_large, want->in_the_large, 1e-9, "in_the_large");
    check_close(got->slope, want->slope, 1e-9, "slope");
    check_close(got->intercept, want->intercept, 1e-9, "intercept");
}

static struct rs_ranked *ranked(const double *risk, const uint8_t *label, const uint32_t *unit, size_t n)
{
    struct rs_ranked *r = NULL;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_ranked_new(risk, label, unit, n, &r, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return r;
}

static void test_values(void **state)
{
    (void)state;
    RS_AUTO_STRUCT(rs_ranked) *r = ranked(risks, labels, units, RS_LEN(risks));
    struct rs_metrics m;
    rs_metrics_compute(r, NULL, &m);
    check_metrics(&m, &want_plain);
    rs_metrics_compute(r, weights, &m);
    check_metrics(&m, &want_weighted);
}

/* Rows taken together as points move the fits by next to nothing: a dense sample against the exact equations of E6. */
static void test_points_are_fine_enough(void **state)
{
    (void)state;
    enum { N = 20000 };
    rs_autofree double *risk = rs_alloc(N, sizeof *risk);
    rs_autofree uint8_t *label = rs_alloc(N, sizeof *label);
    uint64_t random = 3;
    for (size_t i = 0; i < N; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        risk[i] = sigmoid(-6 + 5 * (double)i / N);
        label[i] = (double)(random >> 11) / 9007199254740992.0 < sigmoid(-4 + 3 * (double)i / N);
    }
    RS_AUTO_STRUCT(rs_ranked) *r = ranked(risk, label, NULL, N);
    struct rs_metrics m;
    rs_metrics_compute(r, NULL, &m);
    double large = 0, curve = 0;
    struct calib_sums exact = { 0 };
    for (size_t i = 0; i < N; i++) {
        double l = r->logit[i], shifted = sigmoid(l + m.in_the_large), p = sigmoid(m.intercept + m.slope * l);
        large += shifted - r->label[i];
        curve += shifted * (1 - shifted);
        exact.ga += p - r->label[i];
        exact.gb += (p - r->label[i]) * l;
        exact.haa += p * (1 - p);
        exact.hab += p * (1 - p) * l;
        exact.hbb += p * (1 - p) * l * l;
    }
    /* One more Newton step, over all rows, is what is left of the error. */
    double det = exact.haa * exact.hbb - exact.hab * exact.hab;
    assert_true(m.slope > 0.5 && m.slope < 0.7); /* 3 / 5, from the risks and the odds that drew the labels */
    check_close(large / curve, 0, 1e-4, "in the large: error");
    check_close((exact.hbb * exact.ga - exact.hab * exact.gb) / det, 0, 1e-4, "intercept: error");
    check_close((exact.haa * exact.gb - exact.hab * exact.ga) / det, 0, 1e-4, "slope: error");
}

/* A weight of k must equal k copies of the unit's rows. */
static void test_weights_are_copies(void **state)
{
    (void)state;
    double risk[64];
    uint8_t label[64];
    size_t n = 0;
    for (size_t i = 0; i < RS_LEN(risks); i++)
        for (uint32_t k = 0; k < weights[units[i]]; k++) {
            risk[n] = risks[i];
            label[n++] = labels[i];
        }
    RS_AUTO_STRUCT(rs_ranked) *r = ranked(risk, label, NULL, n);
    struct rs_metrics m;
    rs_metrics_compute(r, NULL, &m);
    check_metrics(&m, &want_weighted);
}

static void test_one_class_is_undefined(void **state)
{
    (void)state;
    static const double risk[] = { 0.2, 0.7, 0.2 };
    static const uint8_t none[] = { 0, 0, 0 };
    RS_AUTO_STRUCT(rs_ranked) *r = ranked(risk, none, NULL, 3);
    struct rs_metrics m;
    rs_metrics_compute(r, NULL, &m);
    assert_true(isnan(m.roc_auc) && isnan(m.average_precision) && isnan(m.brier_skill) && isnan(m.slope));
    check_close(m.brier, (0.04 + 0.49 + 0.04) / 3, 4 * DBL_EPSILON, "brier");
    static const uint32_t nothing[] = { 0, 0, 0 };
    rs_metrics_compute(r, nothing, &m);
    assert_true(m.rows == 0 && isnan(m.brier) && isnan(m.base_rate));
}

/* A perfect separation has no finite slope; equal risks have none that the data could tell. */
static void test_slope_without_answer(void **state)
{
    (void)state;
    static const double apart[] = { 0.9, 0.8, 0.3, 0.1 }, equal[] = { 0.3, 0.3, 0.3, 0.3 };
    static const uint8_t label[] = { 1, 1, 0, 0 };
    RS_AUTO_STRUCT(rs_ranked) *a = ranked(apart, label, NULL, 4);
    struct rs_metrics m;
    rs_metrics_compute(a, NULL, &m);
    assert_true(isnan(m.slope) && isnan(m.intercept));
    check_close(m.roc_auc, 1, 0, "roc_auc");
    RS_AUTO_STRUCT(rs_ranked) *e = ranked(equal, label, NULL, 4);
    rs_metrics_compute(e, NULL, &m);
    assert_true(isnan(m.slope));
    check_close(m.roc_auc, 0.5, 0, "roc_auc of ties");
    check_close(m.in_the_large, log(0.7 / 0.3), 1e-12, "in_the_large"); /* logit(0.5) - logit(0.3) */
}

static void test_certain_and_wrong_stays_finite(void **state)
{
    (void)state;
    static const double risk[] = { 1, 0 };
    static const uint8_t label[] = { 0, 1 };
    RS_AUTO_STRUCT(rs_ranked) *r = ranked(risk, label, NULL, 2);
    struct rs_metrics m;
    rs_metrics_compute(r, NULL, &m);
    check_close(m.log_loss, 52 * log(2), 1e-12, "log_loss"); /* -ln(2^-52), both rows */
    check_close(m.roc_auc, 0, 0, "roc_auc");
}

static void test_bins_keep_ties_together(void **state)
{
    (void)state;
    RS_AUTO_STRUCT(rs_ranked) *r = ranked(risks, labels, units, RS_LEN(risks));
    struct rs_bins b;
    rs_bins_cut(r, 5,
                &b); /* equal counts would end at 3, 6, 8, 11, 14; the 0.4 are rows 4 to 6, the 0.23 rows 7 and 8 */
    static const size_t ends[] = { 3, 7, 9, 11, 14 };
    assert_int_equal(b.n, 5);
    for (size_t i = 0; i < b.n; i++)
        assert_int_equal(b.end[i], ends[i]);
    struct rs_bin bin[RS_BINS_MAX];
    rs_bins_measure(r, &b, NULL, bin);
    check_close(bin[0].mean_risk, (0.91 + 0.91 + 0.77) / 3, 4 * DBL_EPSILON, "mean risk of the top");
    check_close(bin[0].observed, 2.0 / 3, 4 * DBL_EPSILON, "observed share of the top");
    check_close(bin[1].observed, 2.0 / 4, 0, "observed share of the second");
    rs_bins_measure(r, &b, weights, bin);
    check_close(bin[0].rows, 4, 0, "weight of the top"); /* units 0, 9 and 3: 2 + 2 + 0 */
    check_close(bin[0].positives, 4, 0, "positives of the top");
}

static void test_fewer_values_than_bins(void **state)
{
    (void)state;
    static const double risk[] = { 0.3, 0.3, 0.3, 0.1 };
    static const uint8_t label[] = { 1, 0, 0, 0 };
    RS_AUTO_STRUCT(rs_ranked) *r = ranked(risk, label, NULL, 4);
    struct rs_bins b;
    rs_bins_cut(r, 10, &b);
    assert_int_equal(b.n, 2);
    assert_int_equal(b.end[0], 3);
    assert_int_equal(b.end[1], 4);
}

static void test_quantiles(void **state)
{
    (void)state;
    static const double v[] = { 1.5, 2.25, 7, 40.125 };
    static const uint32_t w[] = { 2, 0, 3, 1 };
    static const struct {
        double q, plain, weighted;
    } cases[] = {
        /* numpy.quantile of v, and of [1.5, 1.5, 7, 7, 7, 40.125] */
        { 0.025, 1.5562499999999999, 1.5 },   { 0.25, 2.0625, 2.875 }, { 0.5, 4.625, 7 }, { 0.75, 15.28125, 7 },
        { 0.9, 30.187500000000007, 23.5625 },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        check_close(rs_quantile(v, NULL, 4, cases[i].q), cases[i].plain, 4 * DBL_EPSILON, "quantile");
        check_close(rs_quantile(v, w, 4, cases[i].q), cases[i].weighted, 4 * DBL_EPSILON, "weighted quantile");
    }
    assert_true(isnan(rs_quantile(v, NULL, 0, 0.5)));
}

static void test_bad_rows_are_refused(void **state)
{
    (void)state;
    static const uint8_t label[] = { 0, 2 };
    static const double risk[] = { 0.25, 0.5 }, bad[] = { 0.25, NAN };
    struct rs_ranked *r = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_ranked_new(risk, label, NULL, 0, &r, &err), RS_EINVAL);
    assert_int_equal(rs_ranked_new(risk, label, NULL, 2, &r, &err), RS_EDOMAIN);
    assert_string_equal(err.msg, "row 1: risk 0.5, label 2: a risk in [0, 1] and a label 0 or 1 needed");
    assert_int_equal(rs_ranked_new(bad, labels, NULL, 2, &r, &err), RS_EDOMAIN);
    assert_null(r);
}

/* want: scikit-learn, tests/sklearn_figures.py; its weights 1, 3.25 and 5.5 are 4, 13 and 22 fourths here */
static void test_scikit_learn(void **state)
{
    (void)state;
    static const double want[2][4] = {
        { 0.90664901163340594, 0.76625454685000416, 0.11558303988106379, 0.36768202015703311 },
        { 0.90998303229739763, 0.54216089889549546, 0.10258330706469691, 0.330535851328986 },
    };
    static struct test_rows rows;
    static double p[TEST_ROWS];
    static uint32_t weight[TEST_ROWS];
    test_rows_make(&rows);
    for (size_t i = 0; i < TEST_ROWS; i++) {
        p[i] = 1 / (1 + exp(-rows.z[i]));
        weight[i] = (uint32_t)(4 * rows.weight[i]);
    }
    RS_AUTO_STRUCT(rs_ranked) *r = NULL;
    assert_int_equal(rs_ranked_new(p, rows.y, NULL, TEST_ROWS, &r, NULL), RS_OK);
    for (size_t k = 0; k < 2; k++) {
        struct rs_metrics m;
        rs_metrics_compute(r, k ? weight : NULL, &m);
        assert_true(fabs(m.roc_auc - want[k][0]) < 1e-12 && fabs(m.average_precision - want[k][1]) < 1e-12);
        assert_true(fabs(m.brier - want[k][2]) < 1e-12 && fabs(m.log_loss - want[k][3]) < 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_scikit_learn),
        cmocka_unit_test(test_points_are_fine_enough),
        cmocka_unit_test(test_weights_are_copies),
        cmocka_unit_test(test_one_class_is_undefined),
        cmocka_unit_test(test_slope_without_answer),
        cmocka_unit_test(test_certain_and_wrong_stays_finite),
        cmocka_unit_test(test_bins_keep_ties_together),
        cmocka_unit_test(test_fewer_values_than_bins),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_bad_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
