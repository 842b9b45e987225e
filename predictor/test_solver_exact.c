/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The solvers against closed forms, and against themselves where two problems are the same one: tables, single rows,
 * thresholds of the elastic net, weights and copies, offsets and columns, the three kinds of intercept. */
#include "predictor/test_fit_rows.h"

#include <signal.h>

#include "common/cli.h"

/* Cells of a 2x2 table as weighted rows: x = 0 and 1, y = 0 and 1. */
struct table {
    float x[8], weight[4];
    uint8_t y[4];
    double offset[4];
};

static struct rs_problem table_problem(struct table *t, const double cells[2][2], bool is_one_hot)
{
    size_t d = is_one_hot ? 2 : 1;
    for (size_t i = 0; i < 4; i++) {
        t->x[i * d] = (float)(i / 2);
        if (is_one_hot)
            t->x[i * d + 1] = 1 - (float)(i / 2);
        t->y[i] = i % 2;
        t->weight[i] = (float)cells[i / 2][i % 2];
    }
    return (struct rs_problem){ .x = t->x,
                                .y = t->y,
                                .n = 4,
                                .d = d,
                                .stride = d,
                                .row_weight = t->weight,
                                .weight_positive = 1,
                                .weight_negative = 1 };
}

static const double tables[][2][2] = {
    { { 123, 37 }, { 42, 71 } },
    { { 1, 1 }, { 2, 3 } },
    { { 99871, 13 }, { 5408, 3 } }, /* rare failures, of a firmware and of the rest */
    { { 3, 40000 }, { 40000, 5 } },
};

/* A saturated model's fitted log odds are the cells' own. C large: the penalty shifts them by less than 1e-11. */
static void test_log_odds(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < RS_LEN(tables); i++) {
        const double(*c)[2] = tables[i];
        double base = log(c[0][1] / c[0][0]), other = log(c[1][1] / c[1][0]), w[3];
        struct table t;
        struct rs_problem p = table_problem(&t, c, false);
        struct rs_fit_options opt = fit_exactly(RS_LOGISTIC, 1e12, 0, RS_BIAS_FREE);
        fit_all(&p, &opt, w);
        check_near(w, (double[]){ other - base, base }, 2, 1e-9, "log odds ratio");
        opt.bias = RS_BIAS_PENALISED;
        fit_all(&p, &opt, w);
        check_near(w, (double[]){ other - base, base }, 2, 1e-9, "log odds ratio, penalised intercept");
        p = table_problem(&t, c, true);
        opt.bias = RS_BIAS_NONE;
        fit_all(&p, &opt, w);
        check_near(w, (double[]){ other, base, 0 }, 3, 1e-9, "log odds without an intercept");
        t.offset[0] = t.offset[1] = -1.375;
        t.offset[2] = t.offset[3] = 2.5;
        p.offset = t.offset;
        fit_all(&p, &opt, w);
        check_near(w, (double[]){ other - 2.5, base + 1.375, 0 }, 3, 1e-9, "log odds less the offset");
    }
}

/* min a (1 - z)^2 + b (1 + z)^2 is at z = (a - b) / (a + b), inside both margins. */
static void test_squared_hinge_of_a_table(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < RS_LEN(tables); i++) {
        const double(*c)[2] = tables[i];
        double z[2], w[2];
        for (size_t k = 0; k < 2; k++)
            z[k] = (c[k][1] - c[k][0]) / (c[k][1] + c[k][0]);
        struct table t;
        struct rs_problem p = table_problem(&t, c, false);
        struct rs_fit_options opt = fit_exactly(RS_LINEAR_SVM, 1e12, 0, RS_BIAS_FREE);
        fit_all(&p, &opt, w);
        check_near(w, (double[]){ z[1] - z[0], z[0] }, 2, 1e-9, "squared hinge of a table");
    }
}

/* One row: min p w^2 / 2 + C (1 - w x)^2 is at w = 2 C x / (p + 2 C x^2), which the margin never leaves. */
static void test_penalty_of_one_row(void **unused)
{
    (void)unused;
    static const double penalties[] = { 0, 1, 2.385, 1e12 };
    static const float x = 1.375f;
    static const uint8_t y = 1;
    for (size_t i = 0; i < RS_LEN(penalties); i++) {
        struct rs_problem p = { .x = &x, .y = &y, .n = 1, .d = 1, .stride = 1, .penalty = &penalties[i] };
        p.weight_positive = p.weight_negative = 1;
        struct rs_fit_options opt = fit_exactly(RS_LINEAR_SVM, 0.731, 0, RS_BIAS_NONE);
        double w[2], want = 2 * 0.731 * 1.375 / (penalties[i] + 2 * 0.731 * 1.375 * 1.375);
        fit_all(&p, &opt, w);
        check_near(w, (double[]){ want, 0 }, 2, 1e-12, "one row");
    }
}

/* At w = 0 and the base rate a column stays out just as long as its share of L1 exceeds its gradient. */
static void test_elastic_net_lets_in_one_column(void **unused)
{
    (void)unused;
    static struct fit_rows r;
    fit_rows_make(&r);
    struct rs_problem p = fit_rows_problem(&r);
    double positive = 0, largest = 0, w[FIT_COLUMNS + 1];
    size_t first = 0;
    for (size_t i = 0; i < FIT_ROWS; i++)
        positive += r.y[i];
    for (size_t j = 0; j < FIT_COLUMNS; j++) {
        double g = 0;
        for (size_t i = 0; i < FIT_ROWS; i++)
            g += (double)r.x[i * FIT_COLUMNS + j] * (r.y[i] - positive / FIT_ROWS);
        if (fabs(g) > largest) {
            largest = fabs(g);
            first = j;
        }
    }
    struct rs_fit_options opt = fit_exactly(RS_LOGISTIC, 0.7 / largest * (1 - 1e-7), 0.7, RS_BIAS_FREE);
    fit_all(&p, &opt, w);
    for (size_t j = 0; j < FIT_COLUMNS; j++)
        assert_true(w[j] == 0);
    check_near(w + FIT_COLUMNS, (double[]){ log(positive / (FIT_ROWS - positive)) }, 1, 1e-9, "base rate");
    opt.C = 0.7 / largest * (1 + 1e-5);
    fit_all(&p, &opt, w);
    for (size_t j = 0; j < FIT_COLUMNS; j++)
        assert_true((w[j] != 0) == (j == first));
}

static const struct kind {
    enum rs_learner learner;
    double l1_ratio;
    enum rs_bias bias;
} kinds[] = {
    { RS_LOGISTIC, 0, RS_BIAS_FREE },   { RS_LOGISTIC, 0.5, RS_BIAS_FREE },      { RS_LOGISTIC, 0, RS_BIAS_PENALISED },
    { RS_LOGISTIC, 0, RS_BIAS_NONE },   { RS_LOGISTIC, 0.5, RS_BIAS_PENALISED }, { RS_LOGISTIC, 0.5, RS_BIAS_NONE },
    { RS_LINEAR_SVM, 0, RS_BIAS_FREE }, { RS_LINEAR_SVM, 0, RS_BIAS_PENALISED }, { RS_LINEAR_SVM, 0, RS_BIAS_NONE },
};

static void test_weights_are_repeated_rows(void **unused)
{
    (void)unused;
    static struct fit_rows r;
    static uint32_t rows[3 * FIT_ROWS];
    size_t n = 0;
    fit_rows_make(&r);
    r.weight[7] = 0; /* as if it were not there */
    for (uint32_t i = 0; i < FIT_ROWS; i++)
        for (float k = 0; k < r.weight[i]; k++)
            rows[n++] = i;
    for (size_t i = 0; i < RS_LEN(kinds); i++) {
        struct rs_problem weighted = fit_rows_problem(&r), repeated = fit_rows_problem(&r);
        struct rs_fit_options opt = fit_exactly(kinds[i].learner, 0.19, kinds[i].l1_ratio, kinds[i].bias);
        double a[FIT_COLUMNS + 1], b[FIT_COLUMNS + 1];
        weighted.row_weight = r.weight;
        repeated.rows = rows;
        repeated.n = n;
        fit_all(&weighted, &opt, a);
        fit_all(&repeated, &opt, b);
        check_near(a, b, FIT_COLUMNS + 1, 1e-10, "weights and repeated rows");
    }
}

/* A column that is fixed at weight 1 is an offset: fit without column 3, its values times 0.8125 as offset, and it is
 * the fit with column 3 whose weight a huge penalty holds at 0 from there. */
static void test_offset_and_large_penalty(void **unused)
{
    (void)unused;
    static struct fit_rows r;
    static float without[FIT_ROWS * FIT_COLUMNS];
    static double offset[FIT_ROWS];
    double penalty[FIT_COLUMNS] = { 1, 1, 1, 1e15, 1, 1 };
    fit_rows_make(&r);
    memcpy(without, r.x, sizeof without);
    for (size_t i = 0; i < FIT_ROWS; i++) {
        offset[i] = 0.8125 * (double)r.x[i * FIT_COLUMNS + 3];
        without[i * FIT_COLUMNS + 3] = 0;
    }
    for (size_t i = 0; i < RS_LEN(kinds); i++) {
        struct rs_problem held = fit_rows_problem(&r), absent = fit_rows_problem(&r);
        struct rs_fit_options opt = fit_exactly(kinds[i].learner, 0.19, kinds[i].l1_ratio, kinds[i].bias);
        double a[FIT_COLUMNS + 1], b[FIT_COLUMNS + 1];
        held.offset = absent.offset = offset;
        held.penalty = penalty;
        absent.x = without;
        fit_all(&held, &opt, a);
        fit_all(&absent, &opt, b);
        assert_true(b[3] == 0);
        check_near(a, b, FIT_COLUMNS + 1, 1e-9, "held column and absent column");
        assert_true(fit_gradient_at(&absent, &opt, b).largest < 1e-8);
    }
}

/* With column 3 free of penalty, an offset that is a multiple of it moves only its weight. */
static void test_offset_moves_a_free_column(void **unused)
{
    (void)unused;
    static struct fit_rows r;
    static double offset[FIT_ROWS];
    double penalty[FIT_COLUMNS] = { 1, 2.385, 1, 0, 0.5, 1 };
    fit_rows_make(&r);
    for (size_t i = 0; i < FIT_ROWS; i++)
        offset[i] = 0.8125 * (double)r.x[i * FIT_COLUMNS + 3];
    for (size_t i = 0; i < RS_LEN(kinds); i++) {
        struct rs_problem plain = fit_rows_problem(&r), moved = fit_rows_problem(&r);
        struct rs_fit_options opt = fit_exactly(kinds[i].learner, 0.19, kinds[i].l1_ratio, kinds[i].bias);
        double a[FIT_COLUMNS + 1], b[FIT_COLUMNS + 1];
        plain.penalty = moved.penalty = penalty;
        moved.offset = offset;
        fit_all(&plain, &opt, a);
        fit_all(&moved, &opt, b);
        b[3] += 0.8125;
        check_near(a, b, FIT_COLUMNS + 1, 1e-9, "offset of a free column");
        assert_true(fit_gradient_at(&plain, &opt, a).largest < 1e-8);
    }
}

/* A penalised intercept is a column of ones without an intercept (LIBLINEAR's -B 1). */
static void test_penalised_intercept_is_a_column(void **unused)
{
    (void)unused;
    enum { WIDE = FIT_COLUMNS + 1 };
    static struct fit_rows r;
    static float wide[FIT_ROWS * WIDE];
    fit_rows_make(&r);
    for (size_t i = 0; i < FIT_ROWS; i++) {
        memcpy(wide + i * WIDE, r.x + i * FIT_COLUMNS, FIT_COLUMNS * sizeof *wide);
        wide[i * WIDE + FIT_COLUMNS] = 1;
    }
    for (size_t i = 0; i < RS_LEN(kinds); i++) {
        if (kinds[i].bias != RS_BIAS_PENALISED)
            continue;
        struct rs_problem own = fit_rows_problem(&r), column = fit_rows_problem(&r);
        struct rs_fit_options opt = fit_exactly(kinds[i].learner, 0.19, kinds[i].l1_ratio, RS_BIAS_PENALISED);
        double a[FIT_COLUMNS + 1], b[FIT_COLUMNS + 2];
        column.x = wide;
        column.d = column.stride = WIDE;
        fit_all(&own, &opt, a);
        opt.bias = RS_BIAS_NONE;
        fit_all(&column, &opt, b);
        check_near(a, b, FIT_COLUMNS + 1, 1e-10, "penalised intercept and column of ones");
        assert_true(b[FIT_COLUMNS + 1] == 0);
    }
}

/* Only the first d columns count, however long the rows; and rows picks any of them, in any order. */
static void test_prefix_of_columns(void **unused)
{
    (void)unused;
    static struct fit_rows r;
    static float narrow[FIT_ROWS * 4];
    static uint32_t backwards[FIT_ROWS];
    fit_rows_make(&r);
    for (uint32_t i = 0; i < FIT_ROWS; i++) {
        memcpy(narrow + i * 4, r.x + i * FIT_COLUMNS, 4 * sizeof *narrow);
        backwards[i] = FIT_ROWS - 1 - i;
    }
    struct rs_problem prefix = fit_rows_problem(&r), copy = fit_rows_problem(&r);
    prefix.d = copy.d = copy.stride = 4;
    copy.x = narrow;
    double a[5], b[5];
    struct rs_fit_options opt = fit_exactly(RS_LOGISTIC, 0.19, 0, RS_BIAS_FREE);
    fit_all(&prefix, &opt, a);
    fit_all(&copy, &opt, b);
    assert_memory_equal(a, b, sizeof a);
    copy.rows = backwards;
    fit_all(&copy, &opt, b);
    check_near(a, b, 5, 1e-11, "rows backwards");
}

/* Without a penalty separable rows have no optimum: the weights grow until the steps are used up, and it is told. */
static void test_no_optimum_is_told(void **unused)
{
    (void)unused;
    static struct fit_rows r;
    double penalty[FIT_COLUMNS] = { 0 }, w[FIT_COLUMNS + 1] = { 0 };
    fit_rows_make(&r);
    for (size_t i = 0; i < FIT_ROWS; i++)
        r.y[i] = r.x[i * FIT_COLUMNS] > 0.25f;
    struct rs_problem p = fit_rows_problem(&r);
    p.penalty = penalty;
    for (unsigned max_iter = 0; max_iter <= 14; max_iter += 7) {
        struct rs_fit_options opt = fit_exactly(RS_LOGISTIC, 1, 0, RS_BIAS_FREE);
        RS_AUTO(rs_solver) *ws = NULL;
        struct rs_fit_report report = { 0 };
        struct rs_error err = RS_ERROR_INIT;
        opt.max_iter = max_iter;
        assert_int_equal(rs_solver_new(p.n, p.d, &ws, &err), RS_OK);
        assert_int_equal(rs_solver_fit(ws, &p, &opt, w, &report, &err), RS_OK);
        assert_false(report.has_converged);
        assert_true(report.iterations <= max_iter && report.rel_gradient > 1e-12);
        for (size_t j = 0; j <= FIT_COLUMNS; j++)
            assert_true(isfinite(w[j]));
    }
    assert_true(w[0] > 1);
}

/* The flag of common/cli.c stays set: this test comes last. */
static void test_signal_cancels(void **unused)
{
    (void)unused;
    static struct fit_rows r;
    fit_rows_make(&r);
    struct rs_problem p = fit_rows_problem(&r);
    struct rs_fit_options opt = fit_exactly(RS_LOGISTIC, 1, 0, RS_BIAS_FREE);
    RS_AUTO(rs_solver) *ws = NULL;
    struct rs_fit_report report = { .iterations = 77 };
    struct rs_error err = RS_ERROR_INIT;
    double w[FIT_COLUMNS + 1] = { 1.5, -2.25, 3, 0, 0.5, 0.125, -1 }, before[FIT_COLUMNS + 1];
    memcpy(before, w, sizeof w);
    assert_int_equal(rs_solver_new(p.n, p.d, &ws, &err), RS_OK);
    rs_cli_catch_signals();
    raise(SIGINT);
    assert_int_equal(rs_solver_fit(ws, &p, &opt, w, &report, &err), RS_ECANCELLED);
    assert_string_equal(err.msg, "interrupted");
    assert_memory_equal(w, before, sizeof w);
    assert_int_equal(report.iterations, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_odds),
        cmocka_unit_test(test_squared_hinge_of_a_table),
        cmocka_unit_test(test_penalty_of_one_row),
        cmocka_unit_test(test_elastic_net_lets_in_one_column),
        cmocka_unit_test(test_weights_are_repeated_rows),
        cmocka_unit_test(test_offset_and_large_penalty),
        cmocka_unit_test(test_offset_moves_a_free_column),
        cmocka_unit_test(test_penalised_intercept_is_a_column),
        cmocka_unit_test(test_prefix_of_columns),
        cmocka_unit_test(test_no_optimum_is_told),
        cmocka_unit_test(test_signal_cancels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
