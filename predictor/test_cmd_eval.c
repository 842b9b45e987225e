/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Alert budgets as people type them. */
#include "predictor/cmd_eval.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_budgets(void **state)
{
    (void)state;
    struct rs_eval_options opt = { 0 };
    assert_int_equal(parse_budgets("0.1%,0.01,5%,1", &opt, NULL), RS_OK);
    assert_int_equal(opt.n_budgets, 4);
    assert_true(opt.budgets[0] == 0.1 / 100 && opt.budgets[1] == 0.01 && opt.budgets[2] == 5.0 / 100 &&
                opt.budgets[3] == 1);
}

static void test_bad_budgets(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       "1%,",
                                       ",1%",
                                       "0",
                                       "-1%",
                                       "101%",
                                       "1%,1%",
                                       "5%,1%",
                                       "1x",
                                       "1%%",
                                       "nan",
                                       "1% 2%",
                                       "1%,2%,3%,4%,5%,6%,7%,8%,9%" };
    for (size_t i = 0; i < RS_LEN(bad); i++) {
        struct rs_eval_options opt = { 0 };
        struct rs_error err = RS_ERROR_INIT;
        if (parse_budgets(bad[i], &opt, &err) != RS_EUSAGE)
            fail_msg("'%s' was taken", bad[i]);
        assert_non_null(strstr(err.msg, "--budget: "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_bad_budgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
