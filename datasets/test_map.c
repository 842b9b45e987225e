/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "map.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct rs_map *parse(const char *text)
{
    struct rs_map *m = NULL;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_map_parse(text, strlen(text), "m.yaml", &m, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return m;
}

static void a_whole_mapping_is_laid_out(void **state)
{
    (void)state;
    RS_AUTO_STRUCT(rs_map) *m = parse("source: test\n"
                                      "entity: \"rack-{r}-{host name}\"\n"
                                      "kind: component\n"
                                      "parent: \"{p}\"\n"
                                      "time: {column: t, format: \"%d.%m.%Y\", empty: no-sample}\n"
                                      "missing: [NA, -]\n"
                                      "attributes:\n"
                                      "  - model\n"
                                      "  - {name: cage, column: where, regex: \"c([0-9]+)$\"}\n"
                                      "  - {name: type, value: disk}\n"
                                      "  - {name: age, kind: number}\n"
                                      "signals:\n"
                                      "  - {column: k, name: temp_c, unit: Cel, offset: -273.15}\n"
                                      "  - {match: \"smart_*\", kind: counter, scale: 2}\n"
                                      "ignore: [row]\n"
                                      "failures:\n"
                                      "  - {when: {column: f, equals: [1, yes]}, back: instant, kind: \"{why}\"}\n"
                                      "  - {file: f.csv, entity: \"{e}\", time: when, back: {column: fixed}}\n"
                                      "counters: {role: errors, entity: \"{e}\", time: t, name: \"{id}_total\"}\n"
                                      "attributes_from: {role: machines, entity: \"{e}\", attributes: [model]}\n");
    assert_int_equal(m->entity.n, 4);
    assert_memory_equal(m->entity.parts[0].literal, "rack-", 5);
    assert_int_equal(m->entity.parts[0].len, 5);
    assert_int_equal(m->entity.parts[3].column.len, strlen("host name"));
    assert_memory_equal(m->entity.parts[3].column.name, "host name", 9);
    assert_int_equal(m->kind, RS_ENTITY_COMPONENT);
    assert_int_equal(m->time.form, RS_MAP_TIME_PATTERN);
    assert_true(m->time.may_be_empty);
    assert_int_equal(m->n_missing, 2);
    assert_int_equal(m->n_attrs, 4);
    assert_non_null(m->attrs[1].regex);
    assert_string_equal(m->attrs[2].text.parts[0].literal, "disk");
    assert_true(m->attrs[3].is_number);
    assert_string_equal(m->signals[0].name, "temp_c");
    assert_true(m->signals[0].offset == -273.15 && m->signals[0].scale == 1);
    assert_true(m->signals[1].is_pattern && m->signals[1].kind == RS_COUNTER && m->signals[1].scale == 2);
    assert_int_equal(m->events[RS_MAP_FAILURES].n, 2);
    assert_null(m->events[RS_MAP_FAILURES].items[0].source.role);
    assert_int_equal(m->events[RS_MAP_FAILURES].items[0].source.when.n, 2);
    assert_int_equal(m->events[RS_MAP_FAILURES].items[0].back, RS_MAP_BACK_INSTANT);
    assert_string_equal(m->events[RS_MAP_FAILURES].items[1].source.role, "failures");
    assert_int_equal(m->events[RS_MAP_FAILURES].items[1].back, RS_MAP_BACK_COLUMN);
    assert_string_equal(m->counters[0].source.role, "errors");
    assert_string_equal(m->tables[0].source.role, "machines");
}

static void a_label_defaults_to_1_and_0(void **state)
{
    (void)state;
    RS_AUTO_STRUCT(rs_map) *m = parse("entity: \"{e}\"\ntime: t\nlabel: {column: y}\n");
    assert_true(m->has_label);
    assert_string_equal(m->label_one[0], "1");
    assert_string_equal(m->label_zero[0], "0");
}

static void mistakes_name_file_line_and_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "m.yaml: empty" },
        { "- a\n", "m.yaml:1: a mapping" },
        { "entity: \"{e}\"\n", "m.yaml:1: time: missing" },
        { "time: t\n", "m.yaml:1: entity: missing" },
        { "entity: \"{e}\"\ntime: t\nsignal: []\n", "m.yaml:3: signal: unknown key; did you mean signals?" },
        { "entity: \"{e\"\ntime: t\n", "m.yaml:1: {: a column name and }" },
        { "entity: \"{e}\"\ntime: {column: t, format: julian}\n", "m.yaml:2: format: julian: iso8601, date" },
        { "entity: \"{e}\"\ntime: {value: yesterday}\n", "m.yaml:2: value: yesterday: a time such as" },
        { "entity: \"{e}\"\ntime: t\nkind: hosts\n", "m.yaml:3: kind: hosts: host or component" },
        { "entity: \"{e}\"\ntime: t\nparent: \"{p}\"\n", "m.yaml:3: parent: only a component has one" },
        { "entity: \"{e}\"\ntime: t\nsignals:\n- {name: x}\n", "m.yaml:4: a signal needs column (one) or match" },
        { "entity: \"{e}\"\ntime: t\nsignals:\n- {match: \"*\", name: x}\n", "m.yaml:4: name: a pattern fits several" },
        { "entity: \"{e}\"\ntime: t\nsignals:\n- {column: x, scale: big}\n", "m.yaml:4: big: a number" },
        { "entity: \"{e}\"\ntime: t\nattributes:\n- {name: a, regex: \"x\"}\n", "m.yaml:4: regex: x: a group" },
        { "entity: \"{e}\"\ntime: t\nattributes:\n- {name: a, regex: \"(\"}\n", "m.yaml:4: regex: (: " },
        { "entity: \"{e}\"\ntime: t\nattributes:\n- {name: a, column: b, value: c}\n", "m.yaml:4: a: column or value" },
        { "entity: \"{e}\"\ntime: t\nfailures:\n  kind: x\n", "m.yaml:4: when: missing" },
        { "entity: \"{e}\"\ntime: t\nfailures: {role: f, time: t}\n", "m.yaml:3: entity: missing" },
        { "entity: \"{e}\"\ntime: t\nfailures: {role: f, entity: \"{e}\"}\n", "m.yaml:3: time: missing" },
        { "entity: \"{e}\"\ntime: t\nfailures: {when: {column: f, equals: 1}, back: soon}\n",
          "back: soon: never or instant" },
        { "entity: \"{e}\"\ntime: t\nlong: {signal: s, value: v}\n", "m.yaml:3: long: signals: missing" },
        { "entity: \"{e}\"\ntime: t\nspan: {until: u}\n", "m.yaml:3: span: until and every" },
        { "entity: \"{e}\"\ntime: t\nspan: {until: u, every: 0s}\n", "m.yaml:3: every: 1s to" },
        { "entity: \"{e}\"\ntime: t\ndelimiter: ab\n", "m.yaml:3: delimiter: ab: one character" },
        { "entity: \"{e}\"\ntime: t\nevents: {when: {column: f, given: true}}\n", "m.yaml:3: kind: missing; of what" },
        { "entity: \"{e}\"\ntime: t\nevents: {kind: x}\n", "m.yaml:3: when: missing; which rows of the data are ev" },
        { "entity: \"{e}\"\ntime: t\nevents: {kind: x, when: {column: f, equals: 1, given: true}}\n",
          "m.yaml:3: equals or given, not both" },
        { "entity: \"{e}\"\ntime: t\nevents: {kind: x, back: instant}\n", "m.yaml:3: back: unknown key" },
        { "entity: \"{e}\"\ntime: t\ncontrol_share: 1\n", "m.yaml:3: control_share: more than 0" },
        { "entity: \"{e}\"\ntime: t\ngrid: {group: g}\n", "m.yaml:3: grid: every: at least 1s" },
        { "entity: \"{e}\"\ntime: t\ngrid: {every: 1d}\nsignals:\n- {column: x}\n",
          "m.yaml:3: grid: not with signals" },
        { "entity: \"{e}\"\ntime: t\ncounters: {when: {column: f, equals: 1}}\n", "m.yaml:3: name: missing" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct rs_map *m = NULL;
        struct rs_error err = RS_ERROR_INIT;
        assert_int_equal(rs_map_parse(cases[i].text, strlen(cases[i].text), "m.yaml", &m, &err), RS_ECONFIG);
        assert_null(m);
        if (!strstr(err.msg, cases[i].want))
            fail_msg("\"%s\" lacks \"%s\"", err.msg, cases[i].want);
    }
}

static void patterns_fit_whole_names(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool want;
    } cases[] = {
        { "*", "", true },
        { "smart_*_raw", "smart_5_raw", true },
        { "smart_*_raw", "smart_5_raw_x", false },
        { "smart_*_raw", "smart__raw", true },
        { "smart_?_raw", "smart_19_raw", false },
        { "*_raw*", "a_raw_b_raw", true },
        { "a*b*c", "aXbYbZc", true },
        { "a*b*c", "acb", false },
        { "x", "x", true },
        { "x", "xy", false },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++)
        assert_true(rs_map_match(cases[i].pattern, cases[i].text) == cases[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_mapping_is_laid_out),
        cmocka_unit_test(a_label_defaults_to_1_and_0),
        cmocka_unit_test(mistakes_name_file_line_and_remedy),
        cmocka_unit_test(patterns_fit_whole_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
