/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The alert threshold of held-out rows: the share that it alerts, and what it does about ties. */
#include "predictor/crossfit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BUDGET 0.01
#define N 1000

/* A run of rows with one decision value; the rest of N rows lies below them all, each with a value of its own. */
struct run {
    size_t n;
    double z, weight;
};

static double threshold(const struct run *runs, size_t n_runs)
{
    double z[N], weight[N], out = NAN;
    size_t n = 0;
    for (size_t k = 0; k < n_runs; k++)
        for (size_t i = 0; i < runs[k].n; i++, n++) {
            z[n * 7 % N] = runs[k].z; /* 7 and N have no common divisor: every place is filled once */
            weight[n * 7 % N] = runs[k].weight;
        }
    for (; n < N; n++) {
        z[n * 7 % N] = -5 - 0.001 * (double)n;
        weight[n * 7 % N] = 1;
    }
    struct rs_crossfit x = { .n = N, .z = z, .weight = weight };
    const struct rs_calibrator c = { .kind = RS_PLATT, .a = 0.5, .b = -1 };
    assert_int_equal(rs_crossfit_threshold(&x, &c, BUDGET, &out, NULL), RS_OK);
    return out;
}

/* want: z of the run whose risk it is, counted by hand: ten of 1,000 rows of weight 1 may exceed the threshold. */
static void test_ties(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct run runs[3];
        double want;
    } cases[] = {
        { "ten rows exceed it", { { 9, 3.1, 1 }, { 1, 2.7, 1 }, { 1, 1.3, 1 } }, 1.3 },
        { "a tie over the budget is taken up to its double", { { 4, 3.1, 1 }, { 16, 2.7, 1 }, { 30, 1.3, 1 } }, 2.7 },
        { "a tie over the double is not", { { 4, 3.1, 1 }, { 17, 2.7, 1 }, { 1, 1.3, 1 } }, 3.1 },
        { "the budget met to the row, then a long tie", { { 10, 3.1, 1 }, { 300, 2.7, 1 }, { 1, 1.3, 1 } }, 3.1 },
        { "the riskiest are taken, however many tie", { { 300, 3.1, 1 }, { 1, 2.7, 1 }, { 1, 1.3, 1 } }, 3.1 },
        { "all rows but one tie", { { 1, 3.1, 1 }, { 999, 2.7, 1 }, { 0, 0, 0 } }, 3.1 },
        /* 4 + 8 of 1,006 exceed the third; 12 is over 10.06, so it is the second, a tie within 20.12 */
        { "weights count as rows", { { 2, 3.1, 2 }, { 4, 2.7, 2 }, { 1, 1.3, 1 } }, 2.7 },
        { "a heavy tie is over the double", { { 2, 3.1, 2 }, { 9, 2.7, 2 }, { 1, 1.3, 1 } }, 3.1 },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        double want = 1 / (1 + exp(1 - 0.5 * cases[i].want)), got = threshold(cases[i].runs, RS_LEN(cases[i].runs));
        if (fabs(got - want) > 4e-16)
            fail_msg("%s: %.17g, wanted %.17g", cases[i].what, got, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
