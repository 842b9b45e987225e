/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decisions as JSON and in a sentence; metrics as Prometheus text. */
#include "executor/decision.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "executor/metrics.h"

struct world {
    struct rs_policy policy;
    struct rs_decide_dest dests[2];
    struct rs_snapshot snapshot;
    struct rs_decision decision;
    enum rs_fit fits[2];
    struct rs_decision_host hosts[2];
    struct rs_decision_record record;
};

static void decide(struct world *w, double p_source, bool is_movable)
{
    *w = (struct world){
        .policy = { .risk_threshold = 0.02,
                    .dest_risk_max = 0.03,
                    .dest_risk_margin = 0.5,
                    .default_rate = 1e8,
                    .max_moves_per_host = 2,
                    .max_moves_per_rack = 2,
                    .max_moves = 2,
                    .breaker_failures = 3,
                    .blast_share = 0.6 },
        .dests = { { .is_source = true },
                   { .host.risk = 0.001,
                     .is_reachable = true,
                     .has_cpu = true,
                     .has_machine = true,
                     .has_devices = true } },
        .snapshot = { .vm = { .vm_class = { .name = "gold",
                                            .outage_s = 900,
                                            .temp_value_s = 3600,
                                            .budget_s = 97,
                                            .max_blackout_s = 61 },
                              .deadline_s = INFINITY,
                              .temp_bytes = 700000000,
                              .is_movable = is_movable,
                              .why_not = is_movable ? NULL : "it has a host device" },
                      .source = { .risk = p_source },
                      .n_dests = 2 },
        .hosts = { { "host-a", "" }, { "host-b", "" } },
    };
    w->snapshot.dests = w->dests;
    rs_decide(&w->snapshot, &w->policy, &w->decision, w->fits);
    w->record = (struct rs_decision_record){ .snapshot = &w->snapshot,
                                             .policy = &w->policy,
                                             .decision = &w->decision,
                                             .fits = w->fits,
                                             .hosts = w->hosts,
                                             .time = 1700000000,
                                             .vm = "web-1",
                                             .uuid = "u",
                                             .source = "host-a",
                                             .cause = "test",
                                             .uid = -1,
                                             .model = 0xabc,
                                             .horizon_s = 604800,
                                             .is_class_known = true };
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void test_move(void **state)
{
    (void)state;
    struct world w;
    decide(&w, 0.1, true);
    rs_auto_json *d = rs_decision_json(&w.record);
    assert_string_equal(text(d, "outcome"), "move");
    assert_string_equal(text(d, "dest"), "host-b");
    assert_string_equal(text(d, "time"), "2023-11-14T22:13:20Z"); /* date -u -d @1700000000 */
    assert_string_equal(text(d, "model"), "0000000000000abc");
    assert_true(json_is_null(json_object_get(d, "stopped_by")));
    assert_true(json_is_null(json_object_get(d, "uid")));
    assert_true(json_is_null(json_object_get(d, "deadline_s"))); /* none: infinite */
    assert_true(json_real_value(json_object_get(d, "p_source")) == 0.1);
    assert_true(json_real_value(json_object_get(d, "extra_s")) == 7); /* 700 MB at 100 MB/s, no overhead */
    assert_string_equal(text(d, "summary"),
                        "moves to host-b for predicted-failure: risk 0.001 there, 0.1 here; 7 s more downtime");
    json_t *hosts = json_object_get(d, "hosts");
    assert_string_equal(text(json_array_get(hosts, 0), "fit"), "is-source");
    assert_string_equal(text(json_array_get(hosts, 1), "fit"), "ok");
}

static void test_stay(void **state)
{
    (void)state;
    struct world w;
    decide(&w, 0.01, true);
    rs_auto_json *d = rs_decision_json(&w.record);
    assert_string_equal(text(d, "outcome"), "stay");
    assert_string_equal(text(d, "stopped_by"), "reason");
    assert_string_equal(text(d, "summary"), "stays: risk of its host: 0.01, >= 0.02 needed");
    json_t *gate = json_array_get(json_object_get(d, "gates"), 0);
    assert_string_equal(text(gate, "gate"), "reason");
    assert_string_equal(text(gate, "relation"), ">=");
    assert_true(json_is_false(json_object_get(gate, "holds")));
    assert_true(json_real_value(json_object_get(gate, "limit")) == 0.02);
}

static void test_unknown_and_unmovable(void **state)
{
    (void)state;
    struct world w;
    decide(&w, NAN, true);
    rs_auto_json *d = rs_decision_json(&w.record);
    assert_true(json_is_null(json_object_get(d, "p_source")));
    assert_string_equal(text(d, "summary"), "stays: risk of its host: unknown, >= 0.02 needed");
    decide(&w, 0.1, false);
    char summary[256];
    rs_decision_summary(&w.record, summary, sizeof summary);
    assert_string_equal(summary, "stays: it cannot be moved: it has a host device");
}

static void test_metrics(void **state)
{
    (void)state;
    RS_AUTO(rs_metrics) *m = rs_metrics_new();
    rs_metrics_count(m, RS_METRIC_decisions, "move", 2);
    rs_metrics_count(m, RS_METRIC_decisions, "move-without-temp", 1);
    rs_metrics_set(m, RS_METRIC_entities, NULL, 12);
    rs_metrics_observe(m, RS_METRIC_migration_seconds, 3.5);
    rs_metrics_observe(m, RS_METRIC_migration_seconds, 5000);
    rs_auto_buf b = { 0 };
    rs_metrics_print(m, &b);
    static const char *const want[] = {
        "reseat_decisions_total{outcome=\"stay\"} 0\n",
        "reseat_decisions_total{outcome=\"move\"} 2\n",
        "reseat_decisions_total{outcome=\"move-without-temp\"} 1\n",
        "reseat_entities 12\n",
        "# TYPE reseat_migration_duration_seconds histogram\n",
        "reseat_migration_duration_seconds_bucket{le=\"2.5\"} 0\n",
        "reseat_migration_duration_seconds_bucket{le=\"5\"} 1\n",
        "reseat_migration_duration_seconds_bucket{le=\"3600\"} 1\n",
        "reseat_migration_duration_seconds_bucket{le=\"+Inf\"} 2\n",
        "reseat_migration_duration_seconds_sum 5003.5\n",
        "reseat_migration_duration_seconds_count 2\n",
    };
    for (size_t i = 0; i < RS_LEN(want); i++)
        if (!strstr((char *)b.data, want[i]))
            fail_msg("no line %s", want[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_stay),
        cmocka_unit_test(test_unknown_and_unmovable),
        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
