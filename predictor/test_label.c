/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Labels: each case of docs/math.md F10, at the edges of the horizon. */
#include "predictor/label.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DAY RS_DAY_S
#define H (7 * DAY)
#define END (100 * DAY)

static int label(int64_t day, int64_t last_day, const struct rs_failure *f, size_t n)
{
    struct rs_history h = { .last_seen = last_day * DAY, .failures = f, .n_failures = n };
    return rs_label(day * DAY, H, END, &h);
}

static enum rs_touch touch(int64_t day, const struct rs_mitigation *m, const struct rs_failure *f, size_t n_failures)
{
    struct rs_history h = { 99 * DAY, f, n_failures, m, 1 };
    return rs_label_mitigated(day * DAY, H, &h);
}

static void test_healthy(void **unused)
{
    (void)unused;
    assert_int_equal(label(10, 17, NULL, 0), 0);
    assert_int_equal(label(10, 16, NULL, 0), RS_LABEL_CENSORED); /* left before the horizon was over */
    assert_int_equal(label(93, 100, NULL, 0), 0);
    assert_int_equal(label(94, 100, NULL, 0), RS_LABEL_CENSORED); /* beyond the end of observation minus H */
}

static void test_failing(void **unused)
{
    (void)unused;
    static const struct rs_failure f[] = { { .time = 50 * DAY, .back = RS_TIME_NONE } };
    assert_int_equal(label(42, 50, f, 1), 0); /* fails, but later than the horizon */
    assert_int_equal(label(43, 50, f, 1), 1);
    assert_int_equal(label(49, 50, f, 1), 1);
    assert_int_equal(label(50, 50, f, 1), RS_LABEL_CENSORED); /* the moment of the failure */
    assert_int_equal(label(60, 99, f, 1), RS_LABEL_CENSORED); /* never came back */
}

static void test_repaired(void **unused)
{
    (void)unused;
    static const struct rs_failure f[] = { { .time = 20 * DAY, .back = 30 * DAY },
                                           { .time = 33 * DAY, .back = 34 * DAY } };
    assert_int_equal(label(29, 99, f, 2), RS_LABEL_CENSORED); /* in repair */
    assert_int_equal(label(30, 99, f, 2), 1);                 /* back, and about to fail again */
    assert_int_equal(label(34, 99, f, 2), 0);
    assert_int_equal(label(12, 99, f, 2), 0);
    assert_int_equal(label(13, 99, f, 2), 1);
}

/* A positive row near the end is dropped like its healthy neighbours. */
static void test_end_of_observation(void **unused)
{
    (void)unused;
    static const struct rs_failure f[] = { { .time = 99 * DAY, .back = RS_TIME_NONE } };
    assert_int_equal(label(93, 99, f, 1), 1);
    assert_int_equal(label(95, 99, f, 1), RS_LABEL_CENSORED);
}

/* Drained from day 50 to day 60. */
static void test_mitigated(void **unused)
{
    (void)unused;
    struct rs_mitigation m = { .time = 50 * DAY, .until = 60 * DAY };
    assert_int_equal(touch(42, &m, NULL, 0), RS_UNTOUCHED); /* its horizon ends before */
    assert_int_equal(touch(43, &m, NULL, 0), RS_MITIGATED);
    assert_int_equal(touch(50, &m, NULL, 0), RS_MITIGATED);
    assert_int_equal(touch(59, &m, NULL, 0), RS_MITIGATED);
    assert_int_equal(touch(60, &m, NULL, 0), RS_UNTOUCHED);
    static const struct rs_failure before[] = { { .time = 46 * DAY, .back = 47 * DAY } };
    assert_int_equal(touch(44, &m, before, 1), RS_UNTOUCHED); /* it failed first: known */
    assert_int_equal(touch(46, &m, before, 1), RS_MITIGATED);
    static const struct rs_failure after[] = { { .time = 52 * DAY, .back = RS_TIME_NONE } };
    assert_int_equal(touch(46, &m, after, 1), RS_MITIGATED);
    m.until = RS_TIME_NONE;
    assert_int_equal(touch(98, &m, NULL, 0), RS_MITIGATED); /* for good */
    m.is_control = true;
    assert_int_equal(touch(43, &m, NULL, 0), RS_CONTROL);
    assert_int_equal(touch(42, &m, NULL, 0), RS_UNTOUCHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_healthy),   cmocka_unit_test(test_failing),
        cmocka_unit_test(test_repaired),  cmocka_unit_test(test_end_of_observation),
        cmocka_unit_test(test_mitigated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
