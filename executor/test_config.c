/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseatd.yaml: defaults, every mistake with its line, what a reload may change, a dump that loads again. */
#include "executor/config.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum rs_status parse(const char *text, rs_config **out, struct rs_error *err)
{
    return rs_config_parse(text, strlen(text), "reseatd.yaml", out, err);
}

static rs_config *parsed(const char *text)
{
    rs_config *c = NULL;
    struct rs_error err = RS_ERROR_INIT;
    if (parse(text, &c, &err) < 0)
        fail_msg("%s", err.msg);
    return c;
}

static void test_defaults(void **state)
{
    (void)state;
    RS_AUTO(rs_config) *c = parsed("");
    assert_string_equal(c->main.socket, "/run/reseat/reseatd.sock");
    assert_false(c->main.dry_run);
    assert_int_equal(c->main.log_level, RS_LOG_INFO);
    assert_true(c->telemetry.stale_after_s == 48 * 3600);
    assert_true(isnan(c->policy.risk_threshold));
    assert_true(c->policy.default_rate == 50.0 * 1048576);
    assert_int_equal(c->policy.max_moves, 8);
    assert_int_equal(c->n_classes, 1);
    assert_string_equal(c->classes[0].name, "standard");
    assert_true(c->classes[0].temp_value_s == 3600 && !c->classes[0].may_lose_temp);
    assert_int_equal(c->n_hosts, 0);
}

static const char full[] = "dry_run: yes\n"
                           "log_level: warn\n"
                           "model: /srv/fleet.rsm\n"
                           "telemetry: {stale_after: 3h, unknown_entities: register}\n"
                           "policy: {risk_threshold: 0.0725, max_moves_per_rack: 3, default_rate: 10k}\n"
                           "classes:\n"
                           "  - {name: gold, outage: 90s, may_lose_temp: true}\n"
                           "  - {name: lead, needs_approval: true}\n"
                           "default_class: lead\n"
                           "hosts:\n"
                           "  - name: host-a\n"
                           "    uri: qemu+unix:///system?socket=/tmp/a\n"
                           "    rack: r1\n"
                           "    reasons: [security, improvement]\n"
                           "    attributes: {model: X, firmware: 7.25}\n"
                           "    components: [{id: disk0, attributes: {model: 'Y \"2\"'}}]\n"
                           "  - {name: host-b, cordoned: true}\n";

static void check_full(const rs_config *c)
{
    assert_true(c->main.dry_run);
    assert_true(c->telemetry.register_unknown);
    assert_true(c->policy.risk_threshold == 0.0725);
    assert_true(c->policy.default_rate == 10240);
    assert_int_equal(c->default_class, 1);
    assert_true(c->classes[0].outage_s == 90 && c->classes[0].may_lose_temp);
    assert_int_equal(c->n_hosts, 2);
    const struct rs_config_host *h = &c->hosts[0];
    assert_true(h->reasons[RS_REASON_SECURITY] && h->reasons[RS_REASON_IMPROVEMENT]);
    assert_false(h->reasons[RS_REASON_PLANNED_MAINTENANCE]);
    assert_string_equal(h->attrs[1].value, "7.25");
    assert_string_equal(h->components[0].attrs[0].value, "Y \"2\"");
    assert_string_equal(h->pool, "default");
    assert_string_equal(c->hosts[1].uri, "");
    assert_true(c->hosts[1].is_cordoned);
}

static void test_full(void **state)
{
    (void)state;
    RS_AUTO(rs_config) *c = parsed(full);
    check_full(c);
    bool is_known;
    assert_string_equal(rs_config_class(c, "", &is_known)->name, "lead");
    assert_true(is_known);
    assert_string_equal(rs_config_class(c, "silver", &is_known)->name, "lead");
    assert_false(is_known);
    assert_string_equal(rs_config_class(c, "gold", &is_known)->name, "gold");
    assert_int_equal(rs_config_host(c, "host-b"), 1);
    assert_true(rs_config_host(c, "host-c") == SIZE_MAX);
    struct rs_policy p = rs_config_policy(c, 0.031);
    assert_true(p.risk_threshold == 0.0725 && p.dest_risk_max == 0.031);
}

static void test_dump_loads_again(void **state)
{
    (void)state;
    RS_AUTO(rs_config) *c = parsed(full);
    rs_autofree char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    rs_config_dump(c, f);
    fclose(f);
    RS_AUTO(rs_config) *again = parsed(text);
    check_full(again);
    assert_int_equal(rs_config_can_reload(c, again, NULL), RS_OK);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "dry_rum: true\n", "reseatd.yaml:1: dry_rum: unknown key; did you mean dry_run?" },
        { "socket: a\npolicy: {blast_share: 1.5}\n", "reseatd.yaml:2: blast_share: 1.5: 0 to 1 is possible" },
        { "policy: {risk_threshold: high}\n", "reseatd.yaml:1: high: a number is wanted here" },
        { "policy: {max_moves: 0}\n", "reseatd.yaml:1: max_moves: 0: 1 to 1000 is possible" },
        { "telemetry:\n  stale_after: soon\n",
          "reseatd.yaml:2: soon: a duration such as 90s, 12h or 7d is wanted here" },
        { "telemetry: {unknown_entities: maybe}\n", "unknown_entities: maybe: reject or register" },
        { "log_level: loud\n", "log_level: loud: debug, info, warn, error or none" },
        { "hosts:\n  - {uri: qemu:///system}\n", "reseatd.yaml:2: name is missing here" },
        { "hosts:\n  - {name: a b}\n", "name: a b: blanks and slashes are not possible" },
        { "hosts:\n  - {name: a, uri: //host}\n", "uri: //host: a libvirt URI such as" },
        { "hosts:\n  - {name: a}\n  - {name: a}\n", "reseatd.yaml:3: host a: given twice, first in line 2" },
        { "hosts:\n  - {name: a, components: [{id: d}]}\n  - {name: d}\n", "d: given twice, first in line 2" },
        { "hosts:\n  - {name: a, uri: 'qemu:///x'}\n  - {name: b, uri: 'qemu:///x'}\n",
          "reseatd.yaml:3: uri qemu:///x: given twice, first in line 2" },
        { "hosts: [{name: a, reasons: [predicted-failure]}]\n", "predicted-failure is the model's to say" },
        { "hosts: [{name: a, reasons: [boredom]}]\n", "reasons: boredom: security, planned-maintenance" },
        { "hosts: {name: a}\n", "hosts: a list (- ...) is wanted here" },
        { "classes: [{name: g}, {name: g}]\ndefault_class: g\n", "class g: given twice" },
        { "classes: [{name: g}]\n", "default_class: standard: no class of that name" },
        { "- a\n", "a mapping (key: value) is wanted here" },
        { "socket: ''\n", "socket: 0 characters; 1 to 107 are possible" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        rs_config *c = NULL;
        struct rs_error err = RS_ERROR_INIT;
        if (parse(cases[i].text, &c, &err) != RS_ECONFIG || !strstr(err.msg, cases[i].want) || c)
            fail_msg("case %zu: %s; got: %s", i, cases[i].text, err.msg);
    }
}

static void test_reload(void **state)
{
    (void)state;
    RS_AUTO(rs_config) *a = parsed("hosts: [{name: a, uri: 'qemu:///x'}]\n");
    RS_AUTO(rs_config) *b = parsed("dry_run: true\nhosts: [{name: a, uri: 'qemu:///x', cordoned: true}]\n");
    RS_AUTO(rs_config) *moved = parsed("hosts: [{name: a, uri: 'qemu:///y'}]\n");
    RS_AUTO(rs_config) *elsewhere = parsed("socket: /s\nhosts: [{name: a, uri: 'qemu:///x'}]\n");
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_config_can_reload(a, b, &err), RS_OK);
    assert_int_equal(rs_config_can_reload(a, moved, &err), RS_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "hosts change only with a restart"));
    assert_int_equal(rs_config_can_reload(a, elsewhere, &err), RS_EUNSUPPORTED);
    rs_config *second = rs_config_ref(a);
    rs_config_unref(second);
    assert_string_equal(a->hosts[0].name, "a"); /* its first user holds it still */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_full),   cmocka_unit_test(test_dump_loads_again),
        cmocka_unit_test(test_mistakes), cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
