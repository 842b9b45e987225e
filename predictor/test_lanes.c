/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The exponential and logarithm of lanes.h against libm's in higher precision, in units in the last place, all over
 * their domain; test_lanes_double.c builds the same for double. test_solver_shapes.c compares the widths of vectors. */
#include "predictor/lanes.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ULP_EXP 1.3 /* bounds; scans of 1e8 arguments found 1.21 in float, 1.10 in double */
#define ULP_LOG 3.0 /* and 2.6, 2.72 */
#if RS_DOUBLE
#define EPSILON DBL_EPSILON
#define BITS_STEP ((real_bits)1 << 42)
#else
#define EPSILON FLT_EPSILON
#define BITS_STEP 1021 /* a prime, so that low bits vary */
#endif

static void each_expm(const real *x, real *out)
{
    EACH(v) vec_store(out + v * N_PER, expm(vec_load(x + v * N_PER)));
}

static void each_log1p01(const real *x, real *out)
{
    EACH(v) vec_store(out + v * N_PER, log1p01(vec_load(x + v * N_PER)));
}

static long double error_ulp(real got, long double want)
{
    int exponent;
    frexpl(want, &exponent);
    return fabsl((long double)got - want) / ldexpl(EPSILON, exponent - 1);
}

static long double exact_exp(long double x)
{
    return expl(x);
}

static long double exact_log(long double e)
{
    return log1pl(e);
}

struct worst {
    long double ulp;
    real at;
};

/* Sixteen arguments at a time, from |x| = low to high in equal steps of the bits: all magnitudes alike. */
static struct worst scan(void (*each)(const real *, real *), long double (*exact)(long double), real sign, real low,
                         real high)
{
    struct worst worst = { 0 };
    real_bits from, to;
    memcpy(&from, &low, sizeof low);
    memcpy(&to, &high, sizeof high);
    for (real_bits b = from; b <= to - 16 * BITS_STEP; b += 16 * BITS_STEP) {
        real x[N_LANES], y[N_LANES];
        for (int i = 0; i < N_LANES; i++) {
            real_bits bits = b + i * BITS_STEP + b / 7 % BITS_STEP;
            memcpy(&x[i], &bits, sizeof bits);
            x[i] *= sign;
        }
        each(x, y);
        for (int i = 0; i < N_LANES; i++) {
            long double ulp = error_ulp(y[i], exact(x[i]));
            if (!(ulp <= worst.ulp))
                worst = (struct worst){ ulp, x[i] };
        }
    }
    return worst;
}

static void check(struct worst w, double bound, const char *what)
{
    print_message("%s: %.3Lf ulp at %.17g\n", what, w.ulp, (double)w.at);
    if (!(w.ulp <= (long double)bound))
        fail_msg("%s: %.3Lf ulp at %.17g, above %g", what, w.ulp, (double)w.at, bound);
}

static void test_exponential(void **unused)
{
    (void)unused;
    check(scan(each_expm, exact_exp, -1, (real)1e-30, (real)-EXP_LOWEST), ULP_EXP, "expm");
    check(scan(each_expm, exact_exp, -1, (real)0.1, (real)-EXP_LOWEST), ULP_EXP, "expm of usual arguments");
}

static void test_logarithm(void **unused)
{
    (void)unused;
    check(scan(each_log1p01, exact_log, 1, (real)1e-37, 1), ULP_LOG, "log1p01");
    check(scan(each_log1p01, exact_log, 1, (real)0.01, 1), ULP_LOG, "log1p01 of usual arguments");
}

static void test_ends(void **unused)
{
    (void)unused;
    real x[N_LANES] = { 0, (real)-0.0, -INFINITY, EXP_LOWEST, 2 * (real)EXP_LOWEST, -(real)EPSILON / 4 }, y[N_LANES];
    each_expm(x, y);
    assert_true(y[0] == 1 && y[1] == 1 && y[5] == 1);
    assert_true(y[3] > 0 && y[2] == y[3] && y[4] == y[3]); /* clamped: never 0, never subnormal */
    assert_true(isnormal(y[3]));
    real e[N_LANES] = { 0, 1, y[3] };
    each_log1p01(e, y);
    assert_true(y[0] == 0);
    assert_true(error_ulp(y[1], logl(2)) <= (long double)ULP_LOG);
    assert_true(y[2] > 0 && error_ulp(y[2], e[2]) <= 1); /* ln(1 + e) = e there */
}

/* What a line search relies on: e^x and ln(1 + e) never fall as their arguments rise, but for their rounding. */
static void test_no_jumps(void **unused)
{
    (void)unused;
    real last[2] = { 0, 0 };
    for (int i = 0; i < 40000; i++) {
        real x[N_LANES] = { (real)(-80 + 80 * i / 40000.0) }, y[N_LANES], l[N_LANES];
        each_expm(x, y);
        each_log1p01(y, l);
        assert_true(y[0] >= last[0] && l[0] >= last[1]);
        last[0] = y[0];
        last[1] = l[0];
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_logarithm),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_no_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
