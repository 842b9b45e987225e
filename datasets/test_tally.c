/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tally.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void add(struct rs_tally *t, const char *entity, const char *counter, int64_t time)
{
    assert_true(rs_tally_add(t, entity, strlen(entity), counter, strlen(counter), time));
}

/* Expected counts by hand from the events. */
static void events_count_from_their_own_moment_on(void **state)
{
    (void)state;
    struct rs_tally t = { 0 };
    add(&t, "b", "repair", 500);
    add(&t, "a", "error", 300);
    add(&t, "a", "error", 100);
    add(&t, "a", "repair", 200);
    add(&t, "a", "error", 100);
    assert_true(rs_tally_seal(&t));
    assert_string_equal(t.counters.strings[0], "repair");
    assert_string_equal(t.counters.strings[1], "error");
    static const struct {
        const char *entity;
        int64_t time;
        float repair, error;
    } cases[] = {
        { "a", 99, 0, 0 },  { "a", 100, 0, 2 }, { "a", 250, 1, 2 },
        { "a", 300, 1, 3 }, { "a", 301, 1, 3 }, { "a", INT64_MAX - 1, 1, 3 },
        { "b", 499, 0, 0 }, { "b", 500, 1, 0 }, { "c", 999, 0, 0 },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        float out[2] = { -1, -1 };
        rs_tally_at(&t, cases[i].entity, 1, cases[i].time, out);
        assert_true(out[0] == cases[i].repair);
        assert_true(out[1] == cases[i].error);
    }
    rs_tally_clear(&t);
}

static void no_events_is_a_tally_too(void **state)
{
    (void)state;
    struct rs_tally t = { 0 };
    float none;
    assert_true(rs_tally_seal(&t));
    rs_tally_at(&t, "a", 1, 0, &none);
    assert_int_equal(t.counters.n, 0);
    rs_tally_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_count_from_their_own_moment_on),
        cmocka_unit_test(no_events_is_a_tally_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
