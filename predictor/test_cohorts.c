/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cohort attributes picked by name, entities counted along their path, nodes in order. */
#include "predictor/cohorts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char *words[] = { "a", "b", "c" };
static const struct rs_fleet_attr attrs[] = {
    { "capacity_bytes", true, NULL, 0 },
    { "firmware", false, words, 3 },
    { "rack", false, words, 3 },
    { "server_type", false, words, 2 },
};
static const struct rs_fleet_info info = { .attrs = attrs, .n_attrs = 4 };

static void test_picks(void **unused)
{
    (void)unused;
    rs_cohort_tree t;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_cohort_tree_init(&t, &info, NULL, &err), RS_OK);
    assert_int_equal(t.n_attrs, 2); /* a type, and the firmware in it */
    assert_int_equal(t.attrs[0], 3);
    assert_int_equal(t.attrs[1], 1);
    rs_cohort_tree_clear(&t);
    assert_int_equal(rs_cohort_tree_init(&t, &info, "rack,server_type", &err), RS_OK);
    assert_int_equal(t.attrs[0], 2);
    assert_int_equal(t.attrs[1], 3);
    rs_cohort_tree_clear(&t);
    assert_int_equal(rs_cohort_tree_init(&t, &info, "", &err), RS_OK);
    assert_int_equal(t.n_attrs, 0);
    rs_cohort_tree_clear(&t);
}

static void test_mistakes(void **unused)
{
    (void)unused;
    static const struct {
        const char *list, *want;
    } cases[] = {
        { "modle", "--cohorts: the fleet file has no attribute named \"modle\"" },
        { "rack,capacity_bytes", "--cohorts: attribute capacity_bytes is a number" },
        { "rack,rack", "--cohorts: rack is named twice" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        rs_cohort_tree t;
        struct rs_error err = RS_ERROR_INIT;
        assert_int_equal(rs_cohort_tree_init(&t, &info, cases[i].list, &err), RS_EUSAGE);
        assert_string_equal(err.msg, cases[i].want);
    }
}

static void test_counts_and_order(void **unused)
{
    (void)unused;
    rs_auto_cohort_tree t = { 0 };
    assert_int_equal(rs_cohort_tree_init(&t, &info, "server_type,firmware", NULL), RS_OK);
    /* capacity, firmware, rack, type; the last of type 0 first, so that order is not the order of arrival */
    static const int32_t codes[][4] = { { -1, 2, 0, 1 }, { -1, 0, 1, 0 }, { -1, -1, 1, 0 },
                                        { -1, 1, 2, 1 }, { -1, 0, 0, 0 }, { -1, 0, 0, -1 } };
    for (size_t i = 0; i < RS_LEN(codes); i++)
        assert_true(rs_cohort_tree_add(&t, codes[i]));
    assert_true(rs_cohort_tree_sort(&t));
    static const struct rs_cohort_node want[] = {
        { 0, 0, 0, 6 }, { 0, 1, 0, 3 }, { 0, 1, 1, 2 }, { 1, 2, 0, 2 }, { 2, 2, 1, 1 }, { 2, 2, 2, 1 },
    };
    assert_int_equal(t.n, RS_LEN(want));
    for (size_t i = 0; i < RS_LEN(want); i++) {
        assert_int_equal(t.nodes[i].parent, want[i].parent);
        assert_int_equal(t.nodes[i].depth, want[i].depth);
        assert_int_equal(t.nodes[i].code, want[i].code);
        assert_int_equal(t.nodes[i].n_entities, want[i].n_entities);
    }
}

static void test_many(void **unused)
{
    (void)unused;
    rs_auto_cohort_tree t = { 0 };
    assert_int_equal(rs_cohort_tree_init(&t, &info, "server_type", NULL), RS_OK);
    for (int32_t i = 0; i < 3000; i++) {
        int32_t codes[4] = { -1, -1, -1, i % 1000 };
        assert_true(rs_cohort_tree_add(&t, codes));
    }
    assert_true(rs_cohort_tree_sort(&t));
    assert_int_equal(t.n, 1001);
    for (size_t i = 1; i < t.n; i++)
        assert_true(t.nodes[i].n_entities == 3 && t.nodes[i].code == (int32_t)i - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picks),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_counts_and_order),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
