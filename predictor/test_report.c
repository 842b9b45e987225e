/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a report says about the training data, and how it writes numbers. */
#include "predictor/report.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_overlap(void **state)
{
    (void)state;
    const int64_t day = RS_DAY_S;
    struct rs_model m = {
        .meta = { .data_digest = 77, .horizon_s = 7 * day, .span_first = 100 * day, .span_last = 130 * day }
    };
    static const struct {
        uint64_t digest;
        int64_t first, last; /* days */
        enum rs_overlap want;
    } cases[] = {
        { 77, 100, 130, RS_OVERLAP_SAME_DATA }, { 78, 100, 130, RS_OVERLAP_SAME_TIME },
        { 78, 137, 150, RS_OVERLAP_SAME_TIME }, /* a training label may depend on day 137 */
        { 78, 138, 150, RS_OVERLAP_NONE },      { 78, 60, 93, RS_OVERLAP_SAME_TIME },
        { 78, 60, 92, RS_OVERLAP_NONE },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++)
        assert_int_equal(rs_overlap_find(&m, cases[i].digest, cases[i].first * day, cases[i].last * day),
                         cases[i].want);
}

static void test_counts(void **state)
{
    (void)state;
    char buf[CELL_MAX];
    assert_string_equal(count(0, buf), "0");
    assert_string_equal(count(999, buf), "999");
    assert_string_equal(count(1000, buf), "1,000");
    assert_string_equal(count(605046, buf), "605,046");
    assert_string_equal(count(12345678, buf), "12,345,678");
}

static void test_cells(void **state)
{
    (void)state;
    struct rs_eval_group g = { .value.m = { .roc_auc = 0.87654, .brier = 0.25, .slope = NAN },
                               .low.m = { .roc_auc = 0.8, .brier = NAN, .slope = 1 },
                               .high.m = { .roc_auc = 0.9, .brier = NAN, .slope = 2 } };
    char buf[CELL_MAX];
    assert_string_equal(cell(&g, &g.value.m.roc_auc, 1, 3, buf), "0.877 [0.800, 0.900]");
    assert_string_equal(cell(&g, &g.value.m.roc_auc, 100, 1, buf), "87.7 [80.0, 90.0]");
    assert_string_equal(cell(&g, &g.value.m.brier, 1, 2, buf), "0.25");
    assert_string_equal(cell(&g, &g.value.m.slope, 1, 2, buf), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
