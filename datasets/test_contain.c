/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exits pass through, hangs inside of a call end, long work between calls does not, crashes of our own say so. That
 * crashes of the library are told apart, tests/damage_fleet.sh shows with a library that crashes. */
#include "contain.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

static char printed[4096];

static int contain(int (*work)(void *arg), void *arg)
{
    rs_auto_fd int capture = memfd_create("stderr", 0);
    fflush(stderr);
    rs_auto_fd int saved = dup(STDERR_FILENO);
    dup2(capture, STDERR_FILENO);
    int code = rs_contain("info", "x.h5", work, arg);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    ssize_t n = pread(capture, printed, sizeof printed - 1, 0);
    printed[n > 0 ? n : 0] = 0;
    return code;
}

static int leave_with(void *arg)
{
    return *(int *)arg;
}

static int hang_inside(void *arg)
{
    (void)arg;
    rs_contain_enter();
    sleep(60);
    return 0;
}

static int work_between_calls(void *arg)
{
    (void)arg;
    rs_contain_enter();
    rs_contain_leave();
    usleep(1200 * 1000);
    return 3;
}

static int make_many_calls(void *arg)
{
    (void)arg;
    for (int i = 0; i < 120; i++) {
        rs_contain_enter();
        usleep(10 * 1000);
        rs_contain_leave();
    }
    return 0;
}

static int crash(void *arg)
{
    (void)arg;
    signal(SIGFPE, SIG_DFL); /* whatever watches, the signal itself is to be met */
    raise(SIGFPE);
    return 0;
}

static void test_exit_codes(void **state)
{
    (void)state;
    for (int code = 0; code < 4; code++)
        assert_int_equal(contain(leave_with, &code), code);
    assert_string_equal(printed, "");
}

static void test_hang(void **state)
{
    (void)state;
    setenv("RESEAT_CONTAIN_TIMEOUT", "500ms", 1);
    assert_int_equal(contain(hang_inside, NULL), 1);
    assert_string_equal(printed, "reseat info: x.h5: damaged: the HDF5 library hung while reading it (no progress)\n");
    assert_int_equal(contain(work_between_calls, NULL), 3);
    assert_int_equal(contain(make_many_calls, NULL), 0);
    unsetenv("RESEAT_CONTAIN_TIMEOUT");
}

static void test_own_crash(void **state)
{
    (void)state;
    assert_int_equal(contain(crash, NULL), 1);
    assert_string_equal(printed, "reseat info: x.h5: crashed while reading it (SIGFPE); please report this\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_hang),
        cmocka_unit_test(test_own_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
