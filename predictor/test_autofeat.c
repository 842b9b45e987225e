/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which steps a survey yields: numbers that are names or row numbers are none, events with support are. */
#include "predictor/autofeat.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N_KINDS 11
static char *event_names[N_KINDS] = { "event/a", "event/b", "event/c", "event/d", "event/e", "event/f",
                                      "event/g", "event/h", "event/i", "event/j", "failure" };

static uint32_t count_steps(const struct rs_program *p, enum rs_step_op op)
{
    uint32_t n = 0;
    for (uint32_t j = 0; j < p->n_steps; j++)
        n += p->steps[j].op == op;
    return n;
}

/* 1000 entities: kinds 0 to 8 have 200 - k of them, kind 9 has 99 (1 % is 10, so it counts), the failure 9 (no
 * support); of the ten with support the eight most frequent stay. */
static void build_events(int64_t span_days, double age_correlation, struct rs_program *out)
{
    uint64_t n[N_KINDS];
    for (uint64_t k = 0; k < N_KINDS; k++)
        n[k] = k < 9 ? 200 - k : k == 9 ? 99 : 9;
    rs_cohort_tree tree = { .n = 1 };
    struct rs_fleet_info info = { .events = (const char *const *)event_names, .n_events = N_KINDS };
    struct rs_survey s = {
        .share = 1, .n_rows = 5000, .n_entities = 1000, .cadence_s = RS_DAY_S, .age_correlation = age_correlation
    };
    struct rs_error err = RS_ERROR_INIT;
    s.event_entities = n;
    s.last = span_days * RS_DAY_S;
    assert_int_equal(rs_autofeat_build(&info, &s, &tree, out, &err), RS_OK);
}

static void test_events_with_support(void **unused)
{
    (void)unused;
    /* windows as math.md F34 says: 7 days always, 30, 90 and 364 where the samples span them */
    static const struct {
        int64_t days;
        uint32_t windows;
    } cases[] = { { 20, 1 }, { 30, 2 }, { 363, 3 }, { 364, 4 } };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct rs_program p;
        build_events(cases[i].days, 1, &p);
        assert_int_equal(p.n_events, EVENT_KINDS_MAX);
        assert_string_equal(p.events[0], "event/a");
        assert_string_equal(p.events[7], "event/h");
        assert_int_equal(count_steps(&p, RS_STEP_EVENTS), 8 * cases[i].windows);
        assert_int_equal(count_steps(&p, RS_STEP_SINCE_EVENT), 8);
        rs_program_clear(&p);
    }
}

/* math.md F13: with a correlation of 0.7 the date explains half of the variance of age (0.7^2 = 0.49), with more most
 * of it */
static void test_age_that_is_no_date(void **unused)
{
    (void)unused;
    static const struct {
        double correlation;
        uint32_t n;
    } cases[] = { { 0, 1 }, { 0.69, 1 }, { -0.69, 1 }, { 0.71, 0 }, { -0.71, 0 }, { 1, 0 } };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct rs_program p;
        build_events(364, cases[i].correlation, &p);
        assert_int_equal(count_steps(&p, RS_STEP_AGE), cases[i].n);
        rs_program_clear(&p);
    }
}

/* math.md F34: never is as long ago as the samples span, or 364 days; in Python: math.log1p(364), math.log1p(1000) */
static void test_what_never_happened_is_long_ago(void **unused)
{
    (void)unused;
    static const struct {
        int64_t days;
        double never;
    } cases[] = { { 20, 5.8998973535824915 }, { 1000, 6.9087547793152204 } };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct rs_program p;
        build_events(cases[i].days, 0, &p);
        for (uint32_t j = 0; j < p.n_steps; j++) {
            if (p.steps[j].op == RS_STEP_SINCE_EVENT)
                assert_float_equal(p.steps[j].impute, cases[i].never, 1e-6);
            else
                assert_true(p.steps[j].impute == RS_NOTHING_TO_SAY);
        }
        rs_program_clear(&p);
    }
}

/* Numbers of n entities, in file order: what the survey counts, and whether a step comes of it. */
static const char *identity(uint64_t n, uint64_t rising, uint64_t falling, uint64_t fractions, double distinct)
{
    struct rs_attr_survey a = { .n_numbers = n, .n_sampled = n, .n_rising = rising, .n_falling = falling };
    a.n_fractions = fractions;
    a.distinct_share = distinct;
    return identity_of(&a);
}

static void test_names_are_no_numbers(void **unused)
{
    (void)unused;
    assert_string_equal(identity(21, 19, 1, 0, 1), "follows the order of the entities"); /* 19 of 20 steps */
    assert_string_equal(identity(500, 0, 499, 500, 1), "follows the order of the entities");
    assert_null(identity(21, 18, 2, 0, 1));
    assert_null(identity(19, 18, 0, 0, 1)); /* too few to say */
    assert_string_equal(identity(200, 99, 100, 0, 0.99), "a different whole number for each entity, as serials are");
    assert_null(identity(200, 99, 100, 1, 1));    /* a measure */
    assert_null(identity(200, 99, 100, 0, 0.95)); /* ages in days */
    assert_null(identity(199, 99, 99, 0, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_with_support),
        cmocka_unit_test(test_age_that_is_no_date),
        cmocka_unit_test(test_what_never_happened_is_long_ago),
        cmocka_unit_test(test_names_are_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
