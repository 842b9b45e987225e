/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cohort discovery on units made here: known effects, none, attributes that are one and the same, and serial numbers.
 */
#include "predictor/discover.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "datasets/random.h"

#define WATCHED_DAYS 90.0

enum { MODEL, FIRMWARE, BATCH, RACK, TWIN, SERIAL, AGE, ATTRS }; /* TWIN: the same as BATCH by another name */

struct fleet {
    uint64_t n, seed;
    double rate;                                                   /* failures a day */
    double batch_effect, firmware_effect, pair_effect, age_effect; /* of batch 7, firmware 3, model 1 with firmware 2 */
    bool has_serial;
};

static const struct rs_discover_options options = {
    .fdr = 0.05, .coverage = 0.95, .min_entities = 10, .min_failures = 5, .with_pairs = true, .within = -1
};
static char *names[200], *serials[1];

static void name_values(void)
{
    for (size_t i = 0; i < RS_LEN(names); i++) {
        names[i] = rs_alloc(8, 1);
        assert_non_null(names[i]);
        snprintf(names[i], 8, "v%zu", i);
    }
}

static rs_units *make_units(const struct fleet *f)
{
    const struct rs_unit_attr attrs[ATTRS] = {
        { .name = "model", .values = names, .n_values = 4 },
        { .name = "firmware", .values = names, .n_values = 8 },
        { .name = "batch", .values = names, .n_values = 20 },
        { .name = "rack", .values = names, .n_values = 200 },
        { .name = "twin", .values = names, .n_values = 20 },
        { .name = "serial", .values = serials, .n_values = f->has_serial ? (uint32_t)f->n : 1 },
        { .name = "age", .is_number = true },
    };
    rs_units *u = NULL;
    struct rs_random r;
    assert_int_equal(rs_units_new(attrs, ATTRS, &u, NULL), RS_OK);
    rs_random_stream(&r, f->seed, "fleet", 0);
    for (uint64_t i = 0; i < f->n; i++) {
        int32_t code[ATTRS] = { (int32_t)rs_random_below(&r, 4),
                                (int32_t)rs_random_below(&r, 8),
                                (int32_t)rs_random_below(&r, 20),
                                (int32_t)(i / 20 % 200),
                                0,
                                f->has_serial ? (int32_t)i : 0,
                                -1 };
        double number[ATTRS] = { [AGE] = rs_random_uniform(&r) * 1000 };
        code[TWIN] = code[BATCH];
        double rate =
            f->rate * (code[BATCH] == 7 ? f->batch_effect : 1) * (code[FIRMWARE] == 3 ? f->firmware_effect : 1) *
            (code[MODEL] == 1 && code[FIRMWARE] == 2 ? f->pair_effect : 1) * (number[AGE] > 700 ? f->age_effect : 1);
        double life = rs_random_exponential(&r, 1 / rate);
        assert_int_equal(rs_units_add(u, code, number, RS_MIN(life, WATCHED_DAYS), life < WATCHED_DAYS, 0, NULL),
                         RS_OK);
    }
    assert_int_equal(rs_units_finish(u, 0.01, NULL), RS_OK);
    return u;
}

static bool is_about(const struct rs_finding *f, uint32_t attr, int32_t code)
{
    return f->n_conditions == 1 && f->condition[0].attr == attr && f->condition[0].relation == RS_IS &&
           f->condition[0].code == code;
}

static size_t standing(const rs_discovery *d)
{
    size_t n = 0;
    while (n < d->n && d->findings[n].explained_by < 0)
        n++;
    return n;
}

static void known_effects_are_found_and_twins_are_one(void **state)
{
    (void)state;
    struct fleet f = { .n = 6000,
                       .seed = 3,
                       .rate = 0.002,
                       .batch_effect = 2.5,
                       .firmware_effect = 2.5,
                       .pair_effect = 1,
                       .age_effect = 1 };
    struct rs_discover_options opt = options;
    opt.coverage = 0.999;
    RS_AUTO(rs_units) *u = make_units(&f);
    RS_AUTO(rs_discovery) *d = NULL;
    assert_int_equal(rs_discover(u, &opt, &d, NULL), RS_OK);
    size_t firmware = 0, batch = 0, twin = 0;
    for (size_t i = 0; i < standing(d); i++) {
        firmware += is_about(&d->findings[i], FIRMWARE, 3);
        batch += is_about(&d->findings[i], BATCH, 7) && d->findings[i].same_as < 0;
        twin += is_about(&d->findings[i], TWIN, 7) && is_about(&d->findings[d->findings[i].same_as], BATCH, 7);
        /* No pair of the bad firmware with anything else: its effect is the same everywhere. */
        assert_int_equal(d->findings[i].n_conditions, 1);
        const struct rs_ratio *ratio = &d->findings[i].ratio;
        char text[64];
        if (!(ratio->low < 2.5 && ratio->high > 2.5))
            fail_msg("%s: %g (%g to %g)", rs_condition_text(u, &d->findings[i].condition[0], text, sizeof text),
                     ratio->ratio, ratio->low, ratio->high);
    }
    assert_int_equal(firmware, 1);
    assert_int_equal(batch, 1);
    assert_int_equal(twin, 1);
    assert_int_equal(standing(d), 3);
}

static void a_pair_explains_its_values(void **state)
{
    (void)state;
    struct fleet f = {
        .n = 6000, .seed = 4, .rate = 0.002, .batch_effect = 1, .firmware_effect = 1, .pair_effect = 5, .age_effect = 1
    };
    RS_AUTO(rs_units) *u = make_units(&f);
    RS_AUTO(rs_discovery) *d = NULL;
    assert_int_equal(rs_discover(u, &options, &d, NULL), RS_OK);
    assert_true(standing(d) >= 1 && d->findings[0].n_conditions == 2);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < 2; i++)
        seen |= (uint64_t)1 << d->findings[0].condition[i].attr;
    assert_int_equal(seen, 1 << MODEL | 1 << FIRMWARE);
    assert_true(d->findings[0].ratio.low < 5 && d->findings[0].ratio.high > 5);
    for (size_t i = 0; i < standing(d); i++)
        assert_false(is_about(&d->findings[i], FIRMWARE, 2) || is_about(&d->findings[i], MODEL, 1));
}

static void a_number_is_split_and_shown_by_its_worse_side(void **state)
{
    (void)state;
    struct fleet f = {
        .n = 4000, .seed = 5, .rate = 0.002, .batch_effect = 1, .firmware_effect = 1, .pair_effect = 1, .age_effect = 3
    };
    char text[64];
    RS_AUTO(rs_units) *u = make_units(&f);
    RS_AUTO(rs_discovery) *d = NULL;
    assert_int_equal(rs_discover(u, &options, &d, NULL), RS_OK);
    assert_true(d->n >= 1 && d->findings[0].condition[0].attr == AGE && !d->findings[0].is_fewer);
    assert_int_equal(d->findings[0].condition[0].relation, RS_ABOVE);
    assert_true(fabs(u->attrs[AGE].edge[d->findings[0].condition[0].code] - 700) < 60); /* the nearest decile */
    rs_condition_text(u, &d->findings[0].condition[0], text, sizeof text);
    assert_memory_equal(text, "age > ", 6);
}

static void serial_numbers_are_named_and_skipped(void **state)
{
    (void)state;
    struct fleet f = { .n = 1000000,
                       .seed = 6,
                       .rate = 0.0005,
                       .batch_effect = 1,
                       .firmware_effect = 1,
                       .pair_effect = 1,
                       .age_effect = 1,
                       .has_serial = true };
    struct rs_discover_options opt = options;
    RS_AUTO(rs_units) *u = make_units(&f);
    RS_AUTO(rs_discovery) *d = NULL;
    opt.with_pairs = false;
    assert_int_equal(rs_discover(u, &opt, &d, NULL), RS_OK);
    assert_int_equal(d->skipped[SERIAL], RS_SKIP_UNIQUE);
    assert_int_equal(d->skipped[RACK], RS_SKIP_NOT);
    assert_int_equal(d->n_entities, 1000000);
}

/* At the rate of 5 %, more of n fleets without effects than this have a finding once in a thousand times. */
static unsigned most_false(unsigned n)
{
    double p = pow(0.95, n), sum = p;
    unsigned k = 0;
    for (; sum < 0.999; k++)
        sum += p *= (double)(n - k) / (k + 1) * 0.05 / 0.95;
    return k;
}

static void fleets_without_effects_have_no_findings(void **state)
{
    (void)state;
    const char *asked = getenv("RESEAT_NULL_FLEETS");
    unsigned n = asked ? (unsigned)atoi(asked) : 60, found = 0;
    for (unsigned i = 0; i < n; i++) {
        struct fleet f = { .n = 1000,
                           .seed = 100 + i,
                           .rate = 0.002,
                           .batch_effect = 1,
                           .firmware_effect = 1,
                           .pair_effect = 1,
                           .age_effect = 1 };
        RS_AUTO(rs_units) *u = make_units(&f);
        RS_AUTO(rs_discovery) *d = NULL;
        assert_int_equal(rs_discover(u, &options, &d, NULL), RS_OK);
        found += d->n > 0;
    }
    print_message("%u of %u fleets without effects have findings\n", found, n);
    assert_true(found <= most_false(n));
}

/* Worked by hand: m = 4 single tests, p = 0.001, 0.02, 0.021, 0.6; q = 4 p / rank, made monotone from the end. */
static void q_is_benjamini_hochbergs(void **state)
{
    (void)state;
    const double p[] = { 0.021, 0.6, 0.001, 0.02 }, want[] = { 0.004, 0.028, 0.028, 0.6 };
    struct rs_cohort_test list[4];
    struct rs_tests t = { .list = list, .n = 4, .n_single = 4 };
    for (size_t i = 0; i < 4; i++)
        list[i] = (struct rs_cohort_test){ .n_conditions = 1, .log_p = log(p[i]) };
    find_q(&t);
    for (size_t i = 0; i < 4; i++)
        assert_true(fabs(list[i].q - want[i]) < 1e-12);
}

static void without_failures_there_is_no_answer(void **state)
{
    (void)state;
    struct fleet f = {
        .n = 50, .seed = 1, .rate = 1e-12, .batch_effect = 1, .firmware_effect = 1, .pair_effect = 1, .age_effect = 1
    };
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_units) *u = make_units(&f);
    rs_discovery *d = NULL;
    assert_int_equal(rs_discover(u, &options, &d, &err), RS_ENODATA);
    assert_string_equal(err.msg, "none of the 50 entities failed while it was watched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_effects_are_found_and_twins_are_one),
        cmocka_unit_test(a_pair_explains_its_values),
        cmocka_unit_test(a_number_is_split_and_shown_by_its_worse_side),
        cmocka_unit_test(serial_numbers_are_named_and_skipped),
        cmocka_unit_test(fleets_without_effects_have_no_findings),
        cmocka_unit_test(q_is_benjamini_hochbergs),
        cmocka_unit_test(without_failures_there_is_no_answer),
    };
    name_values();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < RS_LEN(names); i++)
        free(names[i]);
    return failed;
}
