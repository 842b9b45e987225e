/* SPDX-License-Identifier: Apache-2.0 */
/* Drift: the chi-squared law against tables, the index against a sum by hand, and over many fleets the rate of false
 * findings and of true ones. */
#include "models/drift.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* want: the 95 % and 99.9 % points of Pearson and Hartley's table 8 (scipy.stats.chi2.isf gives the same digits) */
static void test_chi_squared(void **unused)
{
    (void)unused;
    static const struct {
        unsigned df;
        double x, tail;
    } cases[] = { { 1, 3.841458820694124, 0.05 },   { 2, 5.991464547107979, 0.05 },  { 3, 7.814727903251179, 0.05 },
                  { 10, 18.307038053275146, 0.05 }, { 19, 30.14352720564616, 0.05 }, { 19, 43.82019596451753, 0.001 },
                  { 4, 18.466826952903151, 0.001 } };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        assert_true(fabs(chi2_tail(cases[i].x, cases[i].df) - cases[i].tail) < 1e-12);
        assert_true(fabs(chi2_quantile(1 - cases[i].tail, cases[i].df) - cases[i].x) < 1e-9);
    }
    assert_true(chi2_tail(0, 5) == 1 && chi2_tail(1e6, 5) == 0);
}

static const struct rs_reference thirds = {
    .n_edges = 2, .edge = { 1, 5 }, .share = { 0.5, 0.25, 0.25 }, .missing = 0.2
};

static void test_counting(void **unused)
{
    (void)unused;
    struct rs_drift_counts c = { 0 };
    static const double values[] = { -7, 1, 1.0001, 5, 5.5, 1e30, NAN, INFINITY };
    for (size_t i = 0; i < RS_LEN(values); i++)
        rs_drift_count(&thirds, values[i], 0.5, &c);
    assert_true(c.bin[0] == 1 && c.bin[1] == 1 && c.bin[2] == 1 && c.missing == 1);
}

/* want: by hand, G2 with n = 90, m = 0.8 * 1000, three bins */
static void test_index(void **unused)
{
    (void)unused;
    struct rs_drift_counts c = { .bin = { 30, 30, 30 }, .missing = 10 };
    struct rs_drift d;
    rs_drift_measure(&thirds, &c, 1000, &d);
    double now = 30.5 / 91.5, psi = 0;
    static const double then[] = { 400.5 / 801.5, 200.5 / 801.5, 200.5 / 801.5 };
    for (size_t i = 0; i < 3; i++)
        psi += (now - then[i]) * log(now / then[i]);
    assert_true(fabs(d.psi - psi) < 1e-15 && d.n == 90);
    assert_true(fabs(d.expected - 2 * (1.0 / 90 + 1.0 / 800)) < 1e-15);
    assert_true(fabs(d.bound - 5.991464547107979 * (1.0 / 90 + 1.0 / 800)) < 1e-12);
    assert_true(fabs(d.p - exp(-psi / (1.0 / 90 + 1.0 / 800) / 2)) < 1e-15); /* two degrees of freedom */
    assert_true(d.missing_now == 0.1 && d.missing_then == 0.2);
    /* two bins: 90 of 100 now, 800 of 1,000 then */
    double with = 90.5 / 101, then_with = 800.5 / 1001;
    psi = (with - then_with) * (log(with / then_with) - log((1 - with) / (1 - then_with)));
    assert_true(fabs(d.missing_p - erfc(sqrt(psi / 0.011 / 2))) < 1e-14);
}

static void test_nothing_to_compare(void **unused)
{
    (void)unused;
    struct rs_reference unknown = { .missing = 1 };
    struct rs_drift_counts none = { 0 }, some = { .bin = { 5 } };
    struct rs_drift d[3];
    rs_drift_measure(&unknown, &some, 1000, &d[0]);
    rs_drift_measure(&thirds, &none, 1000, &d[1]);
    rs_drift_measure(&thirds, &some, 0, &d[2]);
    for (size_t i = 0; i < 3; i++)
        assert_true(isnan(d[i].psi) && d[i].p == 1);
    assert_int_equal(rs_drift_judge(d, 3, NULL), RS_OK);
    assert_false(d[1].has_moved || d[1].has_gone || d[2].has_moved || d[2].has_gone);
    assert_true(d[0].has_gone); /* never read in training, now on every one of five */
    assert_int_equal(rs_drift_judge(NULL, 0, NULL), RS_OK);
}

static double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

/* Exponential values, of which 30 % are 0 and some missing: what telemetry looks like. */
static double reading(uint64_t *state, double scale, double missing)
{
    if (draw(state) < missing)
        return NAN;
    return draw(state) < 0.3 ? 0 : -scale * log(1 - draw(state));
}

/* Cuts at 0 and at nine points of equal share above it; the shares are those of the law itself. */
static struct rs_reference law(void)
{
    struct rs_reference ref = { .n_edges = 10, .missing = 0.05, .share = { 0.3 } };
    for (int i = 1; i < 10; i++)
        ref.edge[i] = (float)-log(1 - 0.1 * i);
    for (int i = 1; i <= 10; i++)
        ref.share[i] = 0.07;
    return ref;
}

#define SIGNALS 40
#define FLEETS 400

/* One fleet of n entities; the first of its signals is scaled. Returns signals that moved, and whether the first did.
 */
static size_t findings(uint64_t seed, size_t n, double scale, double missing, bool *out_first)
{
    struct rs_reference ref = law();
    struct rs_drift d[SIGNALS];
    uint64_t state = seed;
    for (size_t s = 0; s < SIGNALS; s++) {
        struct rs_drift_counts c = { 0 };
        for (size_t i = 0; i < n; i++)
            rs_drift_count(&ref, reading(&state, s ? 1 : scale, s ? 0.05 : missing), 1, &c);
        rs_drift_measure(&ref, &c, 20000, &d[s]);
    }
    assert_int_equal(rs_drift_judge(d, SIGNALS, NULL), RS_OK);
    size_t moved = 0;
    for (size_t s = 0; s < SIGNALS; s++)
        moved += d[s].has_moved || d[s].has_gone;
    *out_first = d[0].has_moved || d[0].has_gone;
    return moved;
}

/* Without drift at most 5 % of the fleets show any finding (G5); with 400 of them 32 is what 5 % stays below in 99 of
 * 100 cases. The sizes are those at which chance alone would pass the floor of 0.1 often: 10 bins, 60 or 150 hosts. */
static void test_false_findings_are_rare(void **unused)
{
    (void)unused;
    static const size_t sizes[] = { 20, 60, 150 };
    for (size_t k = 0; k < RS_LEN(sizes); k++) {
        size_t fleets = 0;
        for (uint64_t seed = 1; seed <= FLEETS; seed++) {
            bool first;
            fleets += findings(seed, sizes[k], 1, 0.05, &first) > 0;
        }
        if (fleets > 32)
            fail_msg("%zu of %d fleets of %zu without drift have findings", fleets, FLEETS, sizes[k]);
    }
}

/* A signal twice as large, or one that a third of the hosts no longer sends, is found in 300 hosts, and the others are
 * left alone: of 40 fleets all are found, and at most 4 name another signal too. */
static void test_drift_is_found(void **unused)
{
    (void)unused;
    static const struct {
        double scale, missing;
    } cases[] = { { 2, 0.05 }, { 1, 0.35 } };
    for (size_t k = 0; k < RS_LEN(cases); k++) {
        size_t found = 0, others = 0;
        for (uint64_t seed = 1; seed <= 40; seed++) {
            bool first;
            size_t moved = findings(seed, 300, cases[k].scale, cases[k].missing, &first);
            found += first;
            others += moved > first;
        }
        assert_int_equal(found, 40);
        assert_true(others <= 4);
    }
}

/* A large fleet makes any difference significant; a small one stays below the floor. */
static void test_floor(void **unused)
{
    (void)unused;
    struct rs_drift_counts c = { .bin = { 52000, 24000, 24000 }, .missing = 25000 };
    struct rs_drift d;
    rs_drift_measure(&thirds, &c, 20000, &d);
    assert_true(d.p < 1e-4 && d.psi > d.bound && d.psi < 0.01);
    assert_int_equal(rs_drift_judge(&d, 1, NULL), RS_OK);
    assert_false(d.has_moved || d.has_gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chi_squared),
        cmocka_unit_test(test_counting),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_nothing_to_compare),
        cmocka_unit_test(test_false_findings_are_rare),
        cmocka_unit_test(test_drift_is_found),
        cmocka_unit_test(test_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
