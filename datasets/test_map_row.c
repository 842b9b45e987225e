/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "map_row.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A mapping, and a row of up to four cells; column at `i` is cell i. */
struct bench {
    struct rs_map *map;
    struct rs_map_reader reader;
    struct rs_csv_field cells[4];
    struct rs_csv_record rec;
};

static struct bench bench(const char *text)
{
    struct bench b = { .map = NULL };
    struct rs_error err = RS_ERROR_INIT;
    if (rs_map_parse(text, strlen(text), "m.yaml", &b.map, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return b;
}

static void set_row(struct bench *b, size_t n, const char *const *cells)
{
    b->reader.map = b->map;
    for (size_t i = 0; i < n; i++)
        b->cells[i] = (struct rs_csv_field){ cells[i], strlen(cells[i]) };
    b->rec = (struct rs_csv_record){ .fields = b->cells, .n = n };
}

/* Wanted seconds: GNU date -u -d TIME +%s. */
static void times_are_read_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *format, *cell;
        bool is_ok;
        int64_t want;
    } cases[] = {
        { "iso8601", "2020-02-29T23:59:58Z", true, 1583020798 },
        { "iso8601", "2020-02-29 23:59", true, 1583020740 },
        { "iso8601", "2020-02-30", false, 0 },
        { "date", "2013-04-10", true, 1365552000 },
        { "unix", "1706702699", true, 1706702699 },
        { "unix", "1706702699.9", true, 1706702699 },
        { "unix", "-1.5", true, -2 },
        { "unix", "1706702699000", false, 0 },
        { "unix", "soon", false, 0 },
        { "unix-ms", "1706702699999", true, 1706702699 },
        { "%m/%d/%Y %H:%M", "6/21/2005 10:54", true, 1119351240 },
        { "%m/%d/%Y %H:%M", "2/31/2005 10:54", false, 0 },
        { "%m/%d/%Y %H:%M", "6/21/2005", false, 0 },
        { "%m/%d/%Y", "6/21/2005 10:54", false, 0 },
        { "%d.%m.%y", "21.06.05", true, 1119312000 },
        { "%Y-%m-%dT%H:%M:%S%z", "2005-06-21T10:54:00+0200", true, 1119344040 },
        { "%Y%m%d", "19691231", true, -86400 },
        { "%Y%m%d", "1969123112345678901234567890123456789012345678901234567890123456789", false, 0 },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        char text[128];
        snprintf(text, sizeof text, "entity: \"{e}\"\ntime: {column: t, format: \"%s\"}\n", cases[i].format);
        struct bench b = bench(text);
        b.map->time.column.at = 1;
        int64_t got = 1;
        for (int twice = 0; twice < 2; twice++) { /* the second time from the reader's memory */
            set_row(&b, 2, (const char *const[]){ "e", cases[i].cell });
            const char *why = rs_map_time_of(&b.reader, &b.map->time, &b.rec, &got);
            if ((why == NULL) != cases[i].is_ok || (!why && got != cases[i].want))
                fail_msg("%s as %s: %lld, %s", cases[i].cell, cases[i].format, (long long)got, why ? why : "fine");
        }
        rs_map_free(b.map);
    }
}

static void an_empty_time_is_no_sample_only_where_the_map_says_so(void **state)
{
    (void)state;
    struct bench b = bench("entity: \"{e}\"\ntime: {column: t, empty: no-sample}\nmissing: [NA]\n");
    int64_t got = 0;
    b.map->time.column.at = 0;
    set_row(&b, 1, (const char *const[]){ "NA" });
    assert_null(rs_map_time_of(&b.reader, &b.map->time, &b.rec, &got));
    assert_true(got == RS_TIME_NONE);
    b.map->time.may_be_empty = false;
    assert_non_null(rs_map_time_of(&b.reader, &b.map->time, &b.rec, &got));
    rs_map_free(b.map);
}

static void entities_are_made_of_cells(void **state)
{
    (void)state;
    struct bench b = bench("entity: \"r{a}-{b}\"\ntime: t\nmissing: [NA]\n");
    char buf[RS_MAP_TEXT_MAX], long_cell[300];
    size_t len;
    b.map->entity.parts[1].column.at = 0;
    b.map->entity.parts[3].column.at = 1;
    set_row(&b, 2, (const char *const[]){ "17", "x y" });
    assert_null(rs_map_entity_of(&b.reader, &b.map->entity, &b.rec, buf, &len));
    assert_string_equal(buf, "r17-x y");
    assert_int_equal(len, 7);
    set_row(&b, 2, (const char *const[]){ "17", "NA" });
    assert_non_null(rs_map_entity_of(&b.reader, &b.map->entity, &b.rec, buf, &len));
    memset(long_cell, 'x', sizeof long_cell);
    long_cell[252] = '\0';
    set_row(&b, 2, (const char *const[]){ "1", long_cell }); /* r 1 - and 252: 255 bytes are allowed */
    assert_null(rs_map_entity_of(&b.reader, &b.map->entity, &b.rec, buf, &len));
    set_row(&b, 2, (const char *const[]){ "12", long_cell });
    assert_non_null(rs_map_entity_of(&b.reader, &b.map->entity, &b.rec, buf, &len));
    rs_map_free(b.map);
}

static void an_attribute_is_the_first_group_or_missing(void **state)
{
    (void)state;
    struct bench b = bench("entity: \"{e}\"\ntime: t\nattributes:\n"
                           "- {name: cage, column: l, regex: \"^c[0-9]+-[0-9]+c([0-9]+)s\"}\n"
                           "- {name: type, value: disk}\n");
    char buf[RS_MAP_TEXT_MAX];
    size_t len;
    b.map->attrs[0].text.parts[0].column.at = 0;
    set_row(&b, 1, (const char *const[]){ "c9-3c12s2n1" });
    assert_null(rs_map_attr_of(&b.reader, &b.map->attrs[0], &b.rec, buf, &len));
    assert_string_equal(buf, "12");
    assert_null(rs_map_attr_of(&b.reader, &b.map->attrs[1], &b.rec, buf, &len));
    assert_string_equal(buf, "disk");
    set_row(&b, 1, (const char *const[]){ "rack 9" });
    assert_null(rs_map_attr_of(&b.reader, &b.map->attrs[0], &b.rec, buf, &len));
    assert_int_equal(len, 0);
    rs_map_free(b.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_in_every_form),
        cmocka_unit_test(an_empty_time_is_no_sample_only_where_the_map_says_so),
        cmocka_unit_test(entities_are_made_of_cells),
        cmocka_unit_test(an_attribute_is_the_first_group_or_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
