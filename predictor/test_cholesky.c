/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The factor gives the matrix back, a known one is found, solutions solve; what has no factor is refused. */
#include "predictor/cholesky.c"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N_MAX 43

static double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53 - 0.5;
}

/* B B' + I / 8: positive definite. */
static void make(double *a, size_t n)
{
    double b[N_MAX * N_MAX];
    uint64_t state = n;
    for (size_t i = 0; i < n * n; i++)
        b[i] = draw(&state);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            a[i * n + j] = i == j ? 0.125 : 0;
            for (size_t k = 0; k < n; k++)
                a[i * n + j] += b[i * n + k] * b[j * n + k];
        }
}

static void test_gives_back(void **unused)
{
    (void)unused;
    double a[N_MAX * N_MAX], l[N_MAX * N_MAX], x[N_MAX], want[N_MAX];
    for (size_t n = 1; n <= N_MAX; n++) {
        uint64_t state = 99;
        make(a, n);
        memcpy(l, a, n * n * sizeof *l);
        assert_true(rs_cholesky_factor(l, n));
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = 0;
                for (size_t k = 0; k <= RS_MIN(i, j); k++)
                    sum += l[i * n + k] * l[j * n + k];
                assert_true(fabs(sum - a[i * n + j]) <= 1e-14 * (double)n);
            }
        for (size_t i = 0; i < n; i++)
            want[i] = draw(&state);
        for (size_t i = 0; i < n; i++) {
            x[i] = 0;
            for (size_t j = 0; j < n; j++)
                x[i] += a[i * n + j] * want[j];
        }
        rs_cholesky_solve(l, x, n);
        for (size_t i = 0; i < n; i++)
            assert_true(fabs(x[i] - want[i]) <= 1e-11);
    }
}

/* 4 2 6     2         2 1 3
 * 2 5 7  =  1 2    x    2 2
 * 6 7 22    3 2 3         3   by hand; the upper triangle is not looked at */
static void test_by_hand(void **unused)
{
    (void)unused;
    double a[] = { 4, NAN, NAN, 2, 5, NAN, 6, 7, 22 };
    assert_true(rs_cholesky_factor(a, 3));
    assert_true(a[0] == 2 && a[3] == 1 && a[4] == 2 && a[6] == 3 && a[7] == 2 && a[8] == 3);
    double x[] = { 2 * 4 + 3 * 2 - 6, 2 * 2 + 3 * 5 - 7, 2 * 6 + 3 * 7 - 22 };
    rs_cholesky_solve(a, x, 3);
    assert_true(x[0] == 2 && x[1] == 3 && x[2] == -1);
}

/* Against the solutions for the columns of the unit matrix. */
static void test_inverse_diagonal(void **unused)
{
    (void)unused;
    double a[N_MAX * N_MAX], x[N_MAX], scratch[N_MAX], got[N_MAX];
    for (size_t n = 1; n <= N_MAX; n++) {
        make(a, n);
        assert_true(rs_cholesky_factor(a, n));
        rs_cholesky_inverse_diagonal(a, n, scratch, got);
        for (size_t j = 0; j < n; j++) {
            memset(x, 0, sizeof x);
            x[j] = 1;
            rs_cholesky_solve(a, x, n);
            assert_true(fabs(got[j] - x[j]) <= 1e-12 * x[j]);
        }
    }
}

static void test_refuses(void **unused)
{
    (void)unused;
    double a[N_MAX * N_MAX];
    for (size_t n = 1; n <= N_MAX; n++) {
        make(a, n);
        a[n * n - 1] = -1;
        assert_false(rs_cholesky_factor(a, n));
        make(a, n);
        a[0] = NAN;
        assert_false(rs_cholesky_factor(a, n));
        make(a, n);
        a[0] = INFINITY;
        assert_false(rs_cholesky_factor(a, n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gives_back),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_inverse_diagonal),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
