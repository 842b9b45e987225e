/* SPDX-License-Identifier: Apache-2.0 */
/* YAML: values with their lines, and every complaint with file and line. */
#include "yaml.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static rs_yaml *parse(const char *text)
{
    rs_yaml *y = NULL;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_yaml_parse(text, strlen(text), "c.yaml", &y, &err) < 0)
        fail_msg("%s", err.msg);
    return y;
}

static void test_values(void **state)
{
    (void)state;
    RS_AUTO(rs_yaml) *y = parse("model: a.rsm\n"
                                "stale: 48h\n"
                                "memory: 64M\n"
                                "ratio: &r 0.25\n"
                                "hosts:\n"
                                "  - {name: host-a, dry: yes, same: *r}\n"
                                "  - name: host-b\n");
    const rs_yaml_node *root = rs_yaml_root(y);
    struct rs_error err = RS_ERROR_INIT;
    const char *s;
    double d;
    uint64_t u;
    bool b;
    assert_int_equal(rs_yaml_str(y, rs_yaml_get(root, "model"), &s, &err), RS_OK);
    assert_string_equal(s, "a.rsm");
    assert_int_equal(rs_yaml_duration(y, rs_yaml_get(root, "stale"), &d, &err), RS_OK);
    assert_true(d == 172800);
    assert_int_equal(rs_yaml_size(y, rs_yaml_get(root, "memory"), &u, &err), RS_OK);
    assert_int_equal(u, 67108864);
    const rs_yaml_node *hosts = rs_yaml_get(root, "hosts");
    assert_int_equal(rs_yaml_len(hosts), 2);
    const rs_yaml_node *first = rs_yaml_item(hosts, 0);
    assert_int_equal(rs_yaml_bool(y, rs_yaml_get(first, "dry"), &b, &err), RS_OK);
    assert_true(b);
    assert_int_equal(rs_yaml_double(y, rs_yaml_get(first, "same"), &d, &err), RS_OK);
    assert_true(d == 0.25);
    assert_int_equal(rs_yaml_line(rs_yaml_item(hosts, 1)), 7);
    assert_null(rs_yaml_get(first, "absent"));
}

static void test_mistakes_name_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "a: 1\nb: [2\n", "c.yaml:3: did not find expected ',' or ']'" },
        { "a: 1\nb: 2\na: 3\n", "c.yaml:3: a: given twice" },
        { "a: *nobody\n", "c.yaml:1: alias of an unknown anchor" },
        { "a: &x [1]\nb: *x\n", "c.yaml:2: only plain values may be repeated by an alias" },
        { "? [1, 2]\n: 3\n", "c.yaml:1: a key must be plain text" },
        { "a: 1\n---\nb: 2\n", "c.yaml:2: a second document begins; one is wanted" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct rs_error err = RS_ERROR_INIT;
        rs_yaml *y = NULL;
        assert_int_equal(rs_yaml_parse(cases[i].text, strlen(cases[i].text), "c.yaml", &y, &err), RS_ECONFIG);
        assert_string_equal(err.msg, cases[i].want);
        assert_null(y);
    }
}

static void test_unknown_keys_get_a_suggestion(void **state)
{
    (void)state;
    RS_AUTO(rs_yaml) *y = parse("socket: x\nmodle: y\n");
    static const char *const known[] = { "socket", "model", NULL };
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_yaml_check_keys(y, rs_yaml_root(y), known, &err), RS_ECONFIG);
    assert_string_equal(err.msg, "c.yaml:2: modle: unknown key; did you mean model?");
    uint64_t u = 9;
    assert_int_equal(rs_yaml_u64(y, rs_yaml_get(rs_yaml_root(y), "socket"), &u, &err), RS_ECONFIG);
    assert_string_equal(err.msg, "c.yaml:1: x: a whole number of 0 or more is wanted here");
    assert_int_equal(u, 9);
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    char deep[4001];
    memset(deep, '[', 4000);
    deep[4000] = 0;
    rs_yaml *y = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_yaml_parse(deep, 4000, "c.yaml", &y, &err), RS_ECONFIG);
    assert_string_equal(err.msg, "c.yaml:1: nested too deep or too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_mistakes_name_file_and_line),
        cmocka_unit_test(test_unknown_keys_get_a_suggestion),
        cmocka_unit_test(test_depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
