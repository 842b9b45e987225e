/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exact rate ratios against SciPy 1.10: tails by numpy.convolve of scipy.stats.binom.pmf, intervals by scipy.optimize's
 * brentq over them (one stratum also by scipy.stats.beta.ppf: the interval of Clopper and Pearson), tails far out by
 * adding logarithms (scipy.special.logsumexp), two conditions by weights from scipy.special.gammaln. */
#include "predictor/ratio.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void check_close(double got, double want, double tolerance, const char *what)
{
    if (!(fabs(got - want) <= tolerance * RS_MAX(fabs(want), 1e-12)) && got != want)
        fail_msg("%s: %.15g, want %.15g", what, got, want);
}

static const struct {
    const char *name;
    struct rs_stratum s[4]; /* failed in, failed out, time in, time out */
    size_t n;
    struct rs_tails tails;
    struct rs_ratio ratio;
    double tolerance; /* of the tails' logarithms and the interval */
} cases[] = {
    { "one",
      { { 31, 127, 2113.5, 31877.25 } },
      1,
      { -18.2670302433473, -3.02892555940268e-09 },
      { 3.68159972728746, 2.40193710823463, 5.48783102060135 },
      1e-8 },
    { "none in the group",
      { { 0, 19, 310.0, 2750.5 } },
      1,
      { 0, -2.02911617153662 },
      { 0, 0, 1.90121918433818 },
      1e-8 },
    { "all in the group",
      { { 7, 0, 95.5, 411.0 } },
      1,
      { -11.6787865334144, 0 },
      { INFINITY, 6.20290891352129, INFINITY },
      1e-8 },
    { "three strata that speak and one that cannot",
      { { 9, 14, 120.5, 410.25 }, { 4, 31, 88.0, 1203.5 }, { 11, 6, 301.75, 97.5 }, { 3, 0, 44.0, 0.0 } },
      4,
      { -1.83792949047606, -0.0990258457568777 },
      { 1.43234242071482, 0.731780230476631, 2.7154835019975 },
      1e-8 },
    { "many failures: the saddlepoint",
      { { 160, 410, 1300.5, 4100.25 }, { 75, 322, 680.0, 5203.5 }, { 201, 150, 3001.75, 2970.5 } },
      3,
      { -14.5286351606312, -3.5441489920629e-07 },
      { 1.36608556451771, 1.20581318684611, 1.54601765610256 },
      1e-3 },
};

static void tails_and_intervals_are_scipys(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct rs_tails t = rs_ratio_tails(cases[i].s, cases[i].n, 1);
        struct rs_ratio r = rs_ratio_estimate(cases[i].s, cases[i].n, 0.95);
        check_close(t.log_more, cases[i].tails.log_more, cases[i].tolerance, cases[i].name);
        assert_true(fabs(exp(t.log_fewer) - exp(cases[i].tails.log_fewer)) < 1e-6);
        check_close(r.ratio, cases[i].ratio.ratio, 1e-7, cases[i].name);
        check_close(r.low, cases[i].ratio.low, cases[i].tolerance, cases[i].name);
        check_close(r.high, cases[i].ratio.high, cases[i].tolerance, cases[i].name);
    }
}

static void tails_do_not_underflow(void **state)
{
    (void)state;
    const struct rs_stratum two[] = { { 300, 20, 100.0, 9000.0 }, { 250, 40, 120.0, 8000.0 } };
    const struct rs_stratum one[] = { { 300, 2, 1.0, 9000.0 } };
    check_close(rs_ratio_tails(two, 2, 1).log_more, -2210.49462798186, 1e-5, "two strata");
    check_close(rs_ratio_tails(one, 1, 1).log_more, -2720.80311974716, 1e-5, "one stratum");
}

/* The saddlepoint against the exact sums, all the way through the middle, where its formula has a hole to step over. */
static void the_saddlepoint_is_near_the_exact_tails(void **state)
{
    (void)state;
    struct rs_stratum s[] = { { 0, 90, 310.0, 700.5 }, { 0, 120, 150.0, 820.0 } };
    for (double x = 1; x < 90; x++) {
        s[0].failed_in = x;
        s[0].failed_out = 90 - x;
        struct summary sum = summarise(s, 2);
        struct rs_tails near = by_saddlepoint(s, 2, 1, &sum), exact = by_convolution(s, 2, 1, (size_t)x);
        double more = fabs(expm1(near.log_more - exact.log_more));
        double fewer = fabs(expm1(near.log_fewer - exact.log_fewer));
        if (!(more < 0.03) || !(fewer < 0.03))
            fail_msg("%g failures: off by %g and %g of the tails", x, more, fewer);
    }
}

static void nothing_to_compare_says_nothing(void **state)
{
    (void)state;
    const struct rs_stratum s[] = { { 3, 0, 44.0, 0.0 }, { 0, 0, 5.0, 5.0 } };
    struct rs_tails t = rs_ratio_tails(s, 2, 1);
    assert_true(t.log_more == 0 && t.log_fewer == 0 && rs_tails_two_sided(&t) == 0);
    assert_true(isnan(rs_ratio_estimate(s, 2, 0.95).ratio));
}

static void two_conditions_are_scipys(void **state)
{
    (void)state;
    const struct rs_cross small[] = { { { { 14, 9 }, { 11, 70 } }, { { 101.5, 230.25 }, { 187.0, 1503.5 } } },
                                      { { { 3, 12 }, { 25, 41 } }, { { 77.0, 131.5 }, { 402.25, 655.0 } } } };
    const struct rs_cross large[] = { { { { 1400, 1900 }, { 2300, 7000 } },
                                        { { 1010.5, 2302.5 }, { 1870.0, 15035.0 } } } };
    struct rs_tails t = rs_cross_tails(small, 1);
    check_close(t.log_more, -3.04457273431975, 1e-9, "one stratum, more");
    check_close(t.log_fewer, -0.0143551980126519, 1e-9, "one stratum, fewer");
    t = rs_cross_tails(small, 2);
    check_close(t.log_more, -1.14641220641934, 1e-9, "two strata, more");
    check_close(t.log_fewer, -0.216984619086385, 1e-9, "two strata, fewer");
    t = rs_cross_tails(large, 1); /* by the normal distribution */
    check_close(t.log_fewer, -59.5738455933821, 0.02, "many failures");
    const struct rs_cross nested = { { { 14, 0 }, { 11, 70 } }, { { 101.5, 0 }, { 187.0, 1503.5 } } };
    t = rs_cross_tails(&nested, 1);
    assert_true(t.log_more == 0 && t.log_fewer == 0);
}

/* Over many draws with a true ratio of 1.7, a 95 % interval holds it in 95 % or more: 400 draws, four deviations. */
static void intervals_cover(void **state)
{
    (void)state;
    uint64_t seed = 7;
    int held = 0;
    for (int i = 0; i < 400; i++) {
        struct rs_stratum s[2] = { { 0, 0, 120, 900 }, { 0, 0, 300, 410 } };
        for (int k = 0; k < 2; k++) {
            double p = chance_in(&s[k], 1.7);
            for (int d = 0; d < 40; d++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                bool is_in = (double)(seed >> 11) * 0x1p-53 < p;
                s[k].failed_in += is_in;
                s[k].failed_out += !is_in;
            }
        }
        struct rs_ratio r = rs_ratio_estimate(s, 2, 0.95);
        held += r.low <= 1.7 && r.high >= 1.7;
    }
    assert_true(held >= 400 * 0.95 - 4 * sqrt(400 * 0.95 * 0.05));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails_and_intervals_are_scipys),
        cmocka_unit_test(tails_do_not_underflow),
        cmocka_unit_test(the_saddlepoint_is_near_the_exact_tails),
        cmocka_unit_test(nothing_to_compare_says_nothing),
        cmocka_unit_test(two_conditions_are_scipys),
        cmocka_unit_test(intervals_cover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
