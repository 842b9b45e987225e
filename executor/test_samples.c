/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bodies of telemetry: what is taken, what is refused with which code, and that a bad row spoils no other. */
#include "executor/samples.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/bytes.h"

struct seen {
    size_t n;
    char entity[64], parent[64];
    int64_t time;
    double first;
};

static enum rs_status see(void *arg, const struct rs_sample *s, struct rs_error *err)
{
    (void)err;
    struct seen *seen = arg;
    seen->n++;
    snprintf(seen->entity, sizeof seen->entity, "%s", s->entity);
    snprintf(seen->parent, sizeof seen->parent, "%s", s->parent ? s->parent : "-");
    seen->time = s->time;
    seen->first = json_number_value(json_object_iter_value(json_object_iter(s->signals)));
    return RS_OK;
}

static void read_body(const char *body, struct seen *seen, struct rs_sample_report *report)
{
    *seen = (struct seen){ 0 };
    assert_int_equal(rs_samples_read(body, strlen(body), see, seen, report, NULL), RS_OK);
}

static void test_good_rows(void **state)
{
    (void)state;
    struct seen seen;
    struct rs_sample_report r;
    read_body("{\"entity\":\"d7\",\"parent\":\"h1\",\"time\":\"2013-04-10T00:00:00Z\",\"signals\":{\"a\":-2.385}}\n"
              "\n"
              "  {\"entity\":\"d8\",\"time\":1365552000.9,\"signals\":{\"a\":null},\"attributes\":null}\r\n",
              &seen, &r);
    assert_int_equal(r.accepted, 2);
    assert_int_equal(r.rejected, 0);
    assert_string_equal(seen.entity, "d8");
    assert_string_equal(seen.parent, "-");
    assert_true(seen.time == 1365552000); /* date -u -d 2013-04-10 +%s */
    read_body(" [{\"entity\":\"d7\",\"parent\":\"h1\",\"time\":5,\"signals\":{\"a\":7.25}}]", &seen, &r);
    assert_int_equal(r.accepted, 1);
    assert_string_equal(seen.parent, "h1");
    assert_true(seen.first == 7.25 && seen.time == 5);
}

static void test_bad_rows(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        enum rs_status status;
        const char *want;
    } cases[] = {
        { "{\"entity\":\"d\",\"time\":1,\"signals\":{\"a\":NaN}}", RS_EFORMAT, "not JSON" },
        { "{\"entity\":\"d\",\"time\":1,\"signals\":{\"a\":1e308}}", RS_EDOMAIN, "signal a: 1" },
        { "{\"entity\":\"d\",\"time\":1,\"signals\":{\"a\":-3.5e38}}", RS_EDOMAIN, "more than a reading can be" },
        { "{\"entity\":\"d\",\"time\":1,\"signals\":{\"a\":1e999}}", RS_EFORMAT, "not JSON" },
        { "{\"entity\":\"d\",\"time\":1,\"signals\":{\"a\":\"3\"}}", RS_EINVAL, "signal a: a number or null" },
        { "{\"entity\":\"d\",\"time\":1,\"signals\":{\"a\":true}}", RS_EINVAL, "signal a: a number or null" },
        { "{\"entity\":\"d\",\"time\":1,\"signals\":{\"a\":1,\"a\":2}}", RS_EFORMAT, "not JSON" },
        { "{\"entity\":\"d\",\"time\":1,\"signals\":[1]}", RS_EINVAL, "signals: an object" },
        { "{\"entity\":\"d\",\"time\":1}", RS_EINVAL, "signals: an object" },
        { "{\"entity\":\"d\",\"signals\":{}}", RS_EINVAL, "time: ISO 8601" },
        { "{\"entity\":\"d\",\"time\":\"2013-02-30\",\"signals\":{}}", RS_EINVAL, "time: 2013-02-30" },
        { "{\"entity\":\"d\",\"time\":-1,\"signals\":{}}", RS_EDOMAIN, "time: -1" },
        { "{\"entity\":\"d\",\"time\":1e300,\"signals\":{}}", RS_EDOMAIN, "no such time" },
        { "{\"entity\":\"\",\"time\":1,\"signals\":{}}", RS_EINVAL, "entity: a text of 1 to 255" },
        { "{\"entity\":7,\"time\":1,\"signals\":{}}", RS_EINVAL, "entity: a text" },
        { "{\"entity\":\"d\",\"time\":1,\"signals\":{},\"signal\":{}}", RS_EINVAL, "signal: no such field" },
        { "{\"entity\":\"d\",\"time\":1,\"signals\":{},\"attributes\":{\"m\":[]}}", RS_EINVAL, "attribute m: a text" },
        { "{\"entity\":\"d\",\"time\":1,\"signals\":{},\"parent\":3}", RS_EINVAL, "parent: a text" },
        { "17", RS_EFORMAT, "not JSON" },
        { "{", RS_EFORMAT, "not JSON" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct seen seen;
        struct rs_sample_report r;
        char body[512];
        snprintf(body, sizeof body, "%s\n{\"entity\":\"good\",\"time\":1,\"signals\":{}}\n", cases[i].row);
        read_body(body, &seen, &r);
        if (r.accepted != 1 || r.rejected != 1 || r.errors[0].line != 1 ||
            r.errors[0].error.status != cases[i].status || !strstr(r.errors[0].error.msg, cases[i].want))
            fail_msg("case %zu: %s: %s", i, cases[i].row, r.errors[0].error.msg);
        assert_string_equal(seen.entity, "good");
    }
}

static void test_no_body(void **state)
{
    (void)state;
    struct rs_sample_report r;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_samples_read(" \n ", 3, see, NULL, &r, &err), RS_EFORMAT);
    assert_non_null(strstr(err.msg, "the body is empty"));
    assert_int_equal(rs_samples_read("[{]", 3, see, NULL, &r, &err), RS_EFORMAT);
}

static enum rs_status refuse(void *arg, const struct rs_sample *s, struct rs_error *err)
{
    (void)s;
    return rs_error_set(err, *(enum rs_status *)arg, "told so");
}

static void test_refusals(void **state)
{
    (void)state;
    struct rs_buf b = { 0 };
    for (int i = 0; i < 30; i++)
        rs_buf_printf(&b, "{\"entity\":\"d\",\"time\":1,\"signals\":{}}\n");
    struct rs_sample_report r;
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = RS_EUNKNOWN_HOST;
    assert_int_equal(rs_samples_read((char *)b.data, b.len, refuse, &st, &r, &err), RS_OK);
    assert_int_equal(r.rejected, 30);
    assert_int_equal(r.n_errors, RS_SAMPLE_ERRORS_MAX);
    assert_int_equal(r.errors[19].line, 20);
    st = RS_ENOMEM; /* ends the reading */
    assert_int_equal(rs_samples_read((char *)b.data, b.len, refuse, &st, &r, &err), RS_ENOMEM);
    assert_string_equal(err.msg, "told so");
    rs_buf_clear(&b);
}

static void test_attribute_texts(void **state)
{
    (void)state;
    static const struct {
        const char *json, *want;
    } cases[] = { { "\"X 1\"", "X 1" }, { "12", "12" }, { "7.25", "7.25" }, { "true", "true" }, { "false", "false" } };
    char buf[32];
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        json_t *v = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
        assert_string_equal(rs_sample_attr_text(v, buf), cases[i].want);
        json_decref(v);
    }
    assert_null(rs_sample_attr_text(json_null(), buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_rows), cmocka_unit_test(test_bad_rows),        cmocka_unit_test(test_no_body),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_attribute_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
