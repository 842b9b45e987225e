/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Resampling: the same answer on any number of threads, intervals of the width that theory says, undefined statistics.
 */
#include "predictor/bootstrap.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define UNITS 400

/* Mean of the unit numbers, a statistic that is never defined, one that is defined in about half of the replicates. */
static void measure(void *arg, unsigned worker, const uint32_t *weight, double *out)
{
    (void)arg;
    (void)worker;
    double sum = 0;
    for (size_t i = 0; i < UNITS; i++)
        sum += weight[i] * (double)i;
    out[0] = sum / UNITS;
    out[1] = NAN;
    out[2] = weight[0] > 0 ? (double)weight[0] : NAN; /* drawn at least once: probability 1 - 1/e = 0.63 */
}

static const struct rs_bootstrap plan = {
    .n_units = UNITS,
    .n_replicates = 2000,
    .n_stats = 3,
    .seed = 7,
    .coverage = 0.95,
    .measure = measure,
};

static void test_same_on_any_threads(void **state)
{
    (void)state;
    double low[2][3], high[2][3];
    struct rs_bootstrap b = plan;
    b.n_threads = 1;
    assert_int_equal(rs_bootstrap_run(&b, low[0], high[0], NULL), RS_OK);
    b.n_threads = 5;
    assert_int_equal(rs_bootstrap_run(&b, low[1], high[1], NULL), RS_OK);
    assert_memory_equal(low[0], low[1], sizeof low[0]);
    assert_memory_equal(high[0], high[1], sizeof high[0]);
}

/* The mean of 0..399 has standard error sqrt((400^2 - 1) / 12 / 400) = 5.7735: an interval of +-11.316 about 199.5. */
static void test_interval_of_a_mean(void **state)
{
    (void)state;
    double low[3], high[3];
    assert_int_equal(rs_bootstrap_run(&plan, low, high, NULL), RS_OK);
    assert_true(fabs(low[0] - (199.5 - 11.316)) < 1 && fabs(high[0] - (199.5 + 11.316)) < 1);
}

static void test_undefined_statistics(void **state)
{
    (void)state;
    double low[3], high[3];
    assert_int_equal(rs_bootstrap_run(&plan, low, high, NULL), RS_OK);
    assert_true(isnan(low[1]) && isnan(high[1]));
    assert_true(low[2] == 1 && high[2] >= 3);
}

static void test_draws(void **state)
{
    (void)state;
    uint32_t a[UNITS], b[UNITS], total = 0, zeros = 0;
    rs_bootstrap_draw(7, 3, UNITS, a);
    rs_bootstrap_draw(7, 3, UNITS, b);
    assert_memory_equal(a, b, sizeof a);
    rs_bootstrap_draw(7, 4, UNITS, b);
    assert_memory_not_equal(a, b, sizeof a);
    rs_bootstrap_draw(8, 3, UNITS, b);
    assert_memory_not_equal(a, b, sizeof a);
    for (size_t i = 0; i < UNITS; i++) {
        total += a[i];
        zeros += a[i] == 0;
    }
    assert_int_equal(total, UNITS);
    assert_in_range(zeros, 120, 175); /* 400 / e = 147, standard deviation 6.2 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_on_any_threads),
        cmocka_unit_test(test_interval_of_a_mean),
        cmocka_unit_test(test_undefined_statistics),
        cmocka_unit_test(test_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
