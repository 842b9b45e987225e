/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fields that need quotes. */
#include "predictor/cmd_score.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_field(const char *text, const char *want)
{
    char *got = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&got, &len);
    assert_non_null(f);
    put_field(f, text);
    fclose(f);
    assert_string_equal(got, want);
    free(got);
}

static void test_csv_quoting(void **state) /* RFC 4180, section 2, rules 5 to 7 */
{
    (void)state;
    check_field("host-1", "host-1");
    check_field("", "");
    check_field("model=A, \"x\"", "\"model=A, \"\"x\"\"\"");
    check_field("two\nlines", "\"two\nlines\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_quoting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
