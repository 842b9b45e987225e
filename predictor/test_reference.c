/* SPDX-License-Identifier: GPL-3.0-or-later */
/* References: cuts of known columns, heavy values, a sample that order and joining do not change, weights that hold. */
#include "predictor/reference.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_shares(const struct rs_reference *r)
{
    double sum = 0;
    for (uint32_t i = 0; i <= r->n_edges; i++)
        sum += r->share[i];
    assert_true(fabs(sum - 1) < 1e-9);
    for (uint32_t i = 1; i < r->n_edges; i++)
        assert_true(r->edge[i] > r->edge[i - 1]);
    for (uint32_t i = r->n_edges; i < RS_REF_EDGES; i++)
        assert_true(r->edge[i] == 0 && r->share[i + 1] == 0);
}

/* 1, 2 ... 2000: twenty bins of 100. */
static void test_even_values(void **unused)
{
    (void)unused;
    static float v[2000];
    for (size_t i = 0; i < RS_LEN(v); i++)
        v[i] = (float)((i * 1103) % 2000 + 1);
    struct rs_reference r;
    assert_int_equal(rs_reference_fit(v, NULL, RS_LEN(v), &r, NULL), RS_OK);
    check_shares(&r);
    assert_int_equal(r.n_edges, 19);
    for (uint32_t i = 0; i < 19; i++)
        assert_true(r.edge[i] == 100 * (float)(i + 1) && fabs(r.share[i] - 0.05) < 1e-9);
    assert_true(r.missing == 0);
}

/* 90 % zeros fill one bin; what is left is cut into bins of 1 %, the least there is. A fifth of all is missing. */
static void test_heavy_value(void **unused)
{
    (void)unused;
    static float v[2500];
    for (size_t i = 0; i < 2000; i++)
        v[i] = i < 1800 ? 0 : (float)i;
    for (size_t i = 2000; i < 2500; i++)
        v[i] = NAN;
    struct rs_reference r;
    assert_int_equal(rs_reference_fit(v, NULL, RS_LEN(v), &r, NULL), RS_OK);
    check_shares(&r);
    assert_true(r.missing == 0.2);
    assert_int_equal(r.n_edges, 10);
    assert_true(r.edge[0] == 0 && fabs(r.share[0] - 0.9) < 1e-9);
    assert_true(r.edge[1] == 1819 && fabs(r.share[1] - 0.01) < 1e-9);
}

static void test_few_values(void **unused)
{
    (void)unused;
    static float same[50], sliver[1000], two[3] = { 1, NAN, NAN };
    for (size_t i = 0; i < RS_LEN(same); i++)
        same[i] = 4.5f;
    struct rs_reference r;
    assert_int_equal(rs_reference_fit(same, NULL, RS_LEN(same), &r, NULL), RS_OK);
    check_shares(&r);
    assert_true(r.n_edges == 2 && r.edge[1] == 4.5f && r.edge[0] < 4.5f && r.share[1] == 1);
    for (size_t i = 0; i < RS_LEN(sliver); i++)
        sliver[i] = i < 2 ? 7 : 0;
    assert_int_equal(rs_reference_fit(sliver, NULL, RS_LEN(sliver), &r, NULL), RS_OK);
    check_shares(&r);
    assert_true(r.n_edges == 1 && r.edge[0] == 0 && fabs(r.share[1] - 0.002) < 1e-9);
    for (size_t i = 0; i < RS_LEN(sliver); i++)
        sliver[i] = -sliver[i];
    assert_int_equal(rs_reference_fit(sliver, NULL, RS_LEN(sliver), &r, NULL), RS_OK);
    assert_true(r.n_edges == 1 && r.edge[0] == -7 && fabs(r.share[0] - 0.002) < 1e-9);
    assert_int_equal(rs_reference_fit(two, NULL, 3, &r, NULL), RS_OK);
    assert_true(r.n_edges == 2 && fabs(r.missing - 2.0 / 3) < 1e-15);
    assert_int_equal(rs_reference_fit(two + 1, NULL, 2, &r, NULL), RS_OK);
    assert_true(r.n_edges == 0 && r.share[0] == 0 && r.missing == 1);
    assert_int_equal(rs_reference_fit(two, NULL, 0, &r, NULL), RS_OK);
    assert_true(r.n_edges == 0 && r.missing == 1);
}

#define MANY 90000

static void add_row(rs_references *b, uint64_t i)
{
    float v[2] = { (float)(i % 977), i % 3 ? NAN : (float)i };
    rs_references_add(b, i, i % 2 ? 3 : 1, v);
}

static struct rs_reference *finished(rs_references *b)
{
    static const uint32_t swapped[] = { 1, 0 };
    struct rs_reference *refs = NULL;
    assert_int_equal(rs_references_finish(b, swapped, 2, &refs, NULL), RS_OK);
    return refs;
}

/* 90,000 rows in order, backwards, and in two halves that are joined: the same bytes. */
static void test_sample_is_of_the_rows_alone(void **unused)
{
    (void)unused;
    RS_AUTO(rs_references) *up = NULL, *down = NULL, *odd = NULL, *even = NULL;
    assert_int_equal(rs_references_new(2, &up, NULL), RS_OK);
    assert_int_equal(rs_references_new(2, &down, NULL), RS_OK);
    assert_int_equal(rs_references_new(2, &odd, NULL), RS_OK);
    assert_int_equal(rs_references_new(2, &even, NULL), RS_OK);
    for (uint64_t i = 0; i < MANY; i++) {
        add_row(up, i);
        add_row(down, MANY - 1 - i);
        add_row(i % 2 ? odd : even, i);
    }
    rs_references_join(even, odd);
    rs_autofree struct rs_reference *a = finished(up);
    rs_autofree struct rs_reference *b = finished(down);
    rs_autofree struct rs_reference *c = finished(even);
    assert_memory_equal(a, b, 2 * sizeof *a);
    assert_memory_equal(a, c, 2 * sizeof *a);
    assert_int_equal(up->n, RS_REF_ROWS);
    check_shares(&a[0]);
    check_shares(&a[1]);
    /* two rows in three lack the first signal of the swapped order; 20,000 rows know that to 4 sigma = 0.0133 */
    assert_true(fabs(a[0].missing - 2.0 / 3) < 0.0133 && a[1].missing == 0);
}

/* Rows of weight 3 are drawn three times as often: of the sample's rows near enough 3/4 are odd but fewer, since 20,000
 * of 90,000 are taken and the heavy ones run out. By the exponential law 45,000 (1 - exp(-3 t)) odd rows and 45,000 (1
 * - exp(-t)) even ones are taken, 20,000 in all. */
static void test_weights(void **unused)
{
    (void)unused;
    RS_AUTO(rs_references) *b = NULL;
    assert_int_equal(rs_references_new(2, &b, NULL), RS_OK);
    for (uint64_t i = 0; i < MANY; i++)
        add_row(b, i);
    shrink(b);
    double odd = 0, t = 0.1;
    for (int k = 0; k < 60; k++) /* Newton for t, from the law above */
        t -= (2 - exp(-3 * t) - exp(-t) - 20000.0 / 45000) / (3 * exp(-3 * t) + exp(-t));
    for (size_t i = 0; i < b->n; i++)
        odd += (double)(b->kept[i].key % 2);
    double want = (1 - exp(-3 * t)) * 45000 / 20000;
    assert_true(fabs(odd / RS_REF_ROWS - want) < 4 * sqrt(want * (1 - want) / RS_REF_ROWS));
}

static void test_memory_is_bounded(void **unused)
{
    (void)unused;
    RS_AUTO(rs_references) *b = NULL;
    assert_int_equal(rs_references_new(4096, &b, NULL), RS_OK);
    assert_true(b->n_keep * 2 * 4096 * sizeof(float) <= MEMORY_MAX && b->n_keep >= ROWS_MIN);
}

/* A reference holds what models/drift.c counts: values drawn again from the same column show no drift. */
static void test_fits_the_counter(void **unused)
{
    (void)unused;
    static float v[3000];
    uint64_t key = 0;
    for (size_t i = 0; i < RS_LEN(v); i++)
        v[i] = (float)floor(-20 * log(uniform(key++)));
    struct rs_reference r;
    assert_int_equal(rs_reference_fit(v, NULL, RS_LEN(v), &r, NULL), RS_OK);
    struct rs_drift_counts c = { 0 };
    for (size_t i = 0; i < RS_LEN(v); i++)
        rs_drift_count(&r, (double)v[i], 1, &c);
    for (uint32_t i = 0; i <= r.n_edges; i++)
        assert_true(fabs(c.bin[i] / (double)RS_LEN(v) - r.share[i]) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_even_values),      cmocka_unit_test(test_heavy_value),
        cmocka_unit_test(test_few_values),       cmocka_unit_test(test_sample_is_of_the_rows_alone),
        cmocka_unit_test(test_weights),          cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_fits_the_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
