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
    return rs_label(day * DAY, H, END, last_day * DAY, f, n);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_healthy),
        cmocka_unit_test(test_failing),
        cmocka_unit_test(test_repaired),
        cmocka_unit_test(test_end_of_observation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
