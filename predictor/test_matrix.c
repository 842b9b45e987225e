/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Missing entries become the mean where the program has nothing else to say. */
#include "predictor/matrix.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_missing_entries(void **unused)
{
    (void)unused;
    /* column 0: 2 and 6 weigh 3 and 1, mean 3; squares 3 * 1 + 1 * 9 over all weights, 6; column 1: as extracted */
    float x[] = { 2, 5, RS_NOTHING_TO_SAY, 9, 6, 5 }, weight[] = { 3, 2, 1 };
    double mean[2], scale[2];
    struct rs_matrix m = { .n = 3, .d = 2, .stride = 2, .x = x, .weight = weight, .mean = mean, .scale = scale };
    struct rs_step steps[] = { { .impute = RS_NOTHING_TO_SAY }, { .op = RS_STEP_SINCE_EVENT, .impute = 9 } };
    struct rs_program p = { .steps = steps, .n_steps = 2 };
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_matrix_impute(&m, &p, NULL, &err), RS_OK);
    assert_true(fabs(mean[0] - 3) < 1e-12);
    assert_true(fabs(scale[0] - sqrt(12.0 / 6)) < 1e-12);
    assert_true(steps[0].impute == 3 && x[2] == 3);
    assert_true(steps[1].impute == 9 && x[3] == 9 && x[1] == 5);
    assert_true(fabs(mean[1] - (5 * 3 + 9 * 2 + 5) / 6.0) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
