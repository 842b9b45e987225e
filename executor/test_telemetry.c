/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Telemetry to risk, with a model small enough to compute by hand, a clock turned by hand and a journal in memory. */
#include "executor/telemetry.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW 1700000000

static int64_t wall = NOW;

static int64_t wall_s(void *arg)
{
    (void)arg;
    return wall;
}

static int64_t mono_ns(void *arg)
{
    return wall_s(arg) * 1000000000;
}

static const struct rs_clock hand = { .wall_s = wall_s, .mono_ns = mono_ns };

/* risk = 1 / (1 + exp(-(0.5 + 1.25 x - 3))), x the newest reading of "err"; cohort model=X below all. */
static struct rs_model *small_model(uint32_t n_windows)
{
    struct rs_model *m = rs_alloc(1, sizeof *m);
    struct rs_program *p = &m->program;
    m->meta.tool = strdup("test");
    m->meta.options = strdup("");
    m->meta.horizon_s = 604800;
    m->meta.threshold = 0.2;
    m->meta.base_rate = 0.01;
    p->signals = rs_alloc(1, sizeof *p->signals);
    p->n_signals = 1;
    p->signals[0] = (struct rs_signal){ strdup("err"), strdup(""), RS_COUNTER };
    p->attrs = rs_alloc(1, sizeof *p->attrs);
    p->n_attrs = 1;
    p->attrs[0] = (struct rs_attr){ .name = strdup("model"), .values = rs_alloc(1, sizeof(char *)), .n_values = 1 };
    p->attrs[0].values[0] = strdup("X");
    p->windows = rs_alloc(1, sizeof *p->windows);
    p->n_windows = n_windows;
    p->windows[0] = (struct rs_window){ .bucket_s = 86400, .n = 3 };
    p->cohorts = rs_alloc(2, sizeof *p->cohorts);
    p->n_cohorts = 2;
    p->cohorts[0] = (struct rs_cohort){ .name = strdup("all") };
    p->cohorts[1] = (struct rs_cohort){ .name = strdup("model=X") };
    p->steps = rs_alloc(2, sizeof *p->steps);
    p->n_steps = 1 + n_windows;
    p->steps[0] = (struct rs_step){ .op = RS_STEP_VALUE };
    p->steps[1] = (struct rs_step){ .op = RS_STEP_DELTA };
    m->bias = 0.5;
    m->weight = rs_alloc(2, sizeof(double));
    m->mean = rs_alloc(2, sizeof(double));
    m->scale = rs_alloc(2, sizeof(double));
    m->weight[0] = 1.25;
    m->scale[0] = m->scale[1] = 1;
    m->calibrator.a = 1;
    m->calibrator.b = -3;
    m->support = rs_alloc(2, sizeof *m->support);
    m->support[0].n_entities = 1000;
    m->support[1].n_entities = 40;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_program_finish(p, &err) < 0 || rs_model_prepare(m, &err) < 0)
        fail_msg("%s", err.msg);
    return m;
}

static double by_hand(double x)
{
    return 1 / (1 + exp(-(0.5 + 1.25 * x - 3)));
}

struct world {
    rs_journal *journal;
    rs_telemetry *t;
    rs_config *config;
};

static void configure(struct world *w, const char *yaml)
{
    struct rs_error err = RS_ERROR_INIT;
    rs_config_unref(w->config);
    if (rs_config_parse(yaml, strlen(yaml), "test", &w->config, &err) < 0 ||
        rs_telemetry_configure(w->t, w->config, &err) < 0)
        fail_msg("%s", err.msg);
}

static const char two_hosts[] = "telemetry: {stale_after: 2d, max_skew: 60s}\n"
                                "hosts:\n"
                                "  - {name: a, attributes: {model: X}, components: [{id: a/d0}, {id: a/d1}]}\n"
                                "  - {name: b}\n";

static void start(struct world *w, const char *yaml)
{
    assert_int_equal(rs_telemetry_new(w->journal, &hand, &w->t, NULL), RS_OK);
    configure(w, yaml);
    assert_int_equal(rs_telemetry_set_model(w->t, small_model(0), NULL), RS_OK);
    assert_int_equal(rs_telemetry_restore(w->t, NULL), RS_OK);
}

static int setup(void **state)
{
    struct world *w = rs_alloc(1, sizeof *w);
    *state = w;
    wall = NOW;
    if (rs_journal_open(":memory:", &w->journal, NULL) < 0)
        return -1;
    start(w, two_hosts);
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    rs_telemetry_free(w->t);
    rs_journal_close(w->journal);
    rs_config_unref(w->config);
    free(w);
    return 0;
}

static struct rs_push_report push(struct world *w, const char *fmt, ...)
{
    char body[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(body, sizeof body, fmt, ap);
    va_end(ap);
    struct rs_push_report r;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_telemetry_push(w->t, body, strlen(body), &r, &err) < 0)
        fail_msg("%s", err.msg);
    return r;
}

static void push_one(struct world *w, const char *entity, int64_t time, double err)
{
    struct rs_push_report r =
        push(w, "{\"entity\":\"%s\",\"time\":%lld,\"signals\":{\"err\":%g}}", entity, (long long)time, err);
    assert_int_equal(r.rows.accepted, 1);
}

static struct rs_entity_view view_of(struct world *w, const char *id)
{
    struct rs_entity_view v;
    rs_autofree struct rs_entity_view *parts = NULL;
    size_t n;
    assert_int_equal(rs_telemetry_entity(w->t, id, &v, &parts, &n, NULL), RS_OK);
    return v;
}

static void test_risks(void **state)
{
    struct world *w = *state;
    assert_true(isnan(rs_telemetry_risk(w->t, "a"))); /* unknown, not 0 */
    push_one(w, "a", NOW - 10, 0.75);
    assert_true(rs_telemetry_risk(w->t, "a") == view_of(w, "a").own_risk); /* one alone: to the last bit */
    assert_true(fabs(view_of(w, "a").own_risk - by_hand(0.75)) < 1e-15);
    push_one(w, "a/d0", NOW - 20, 1.5);
    double want = 1 - (1 - by_hand(0.75)) * (1 - by_hand(1.5));
    assert_true(fabs(rs_telemetry_risk(w->t, "a") - want) < 1e-15);
    struct rs_entity_view v = view_of(w, "a");
    assert_int_equal(v.n_parts, 2);
    assert_int_equal(v.n_unknown_parts, 1);
    assert_string_equal(v.cohort, "model=X");
    assert_int_equal(v.support.n_entities, 40);
    assert_string_equal(view_of(w, "a/d0").parent, "a");
    assert_true(isnan(rs_telemetry_risk(w->t, "b")));
    assert_true(isnan(rs_telemetry_risk(w->t, "nowhere")));
}

static void test_stale_is_unknown(void **state)
{
    struct world *w = *state;
    push_one(w, "a", NOW, 3);
    wall = NOW + 2 * 86400;
    assert_true(rs_telemetry_risk(w->t, "a") > 0);
    wall++;
    assert_true(isnan(rs_telemetry_risk(w->t, "a")));
    assert_true(view_of(w, "a").is_stale);
    push_one(w, "a", wall, 3);
    assert_true(rs_telemetry_risk(w->t, "a") > 0);
}

static void test_refused_rows(void **state)
{
    struct world *w = *state;
    push_one(w, "a", NOW, 1);
    static const struct {
        const char *entity;
        int64_t time;
        enum rs_status want;
        const char *message;
    } cases[] = {
        { "c", NOW, RS_EUNKNOWN_HOST, "entity c: not in the configuration" },
        { "a", NOW + 61, RS_EFUTURE,
          "entity a: a sample of 2023-11-14T22:14:21Z, and it is 2023-11-14T22:13:20Z here" },
        { "a", NOW, RS_ESTALE, "entity a: a sample of 2023-11-14T22:13:20Z, and its newest is of" },
        { "a", NOW - 5, RS_ESTALE, "its newest is of 2023-11-14T22:13:20Z" },
    };
    double before = rs_telemetry_risk(w->t, "a");
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct rs_push_report r =
            push(w, "{\"entity\":\"%s\",\"time\":%lld,\"signals\":{\"err\":9},\"attributes\":{\"model\":\"Z\"}}",
                 cases[i].entity, (long long)cases[i].time);
        assert_int_equal(r.rows.accepted, 0);
        assert_int_equal(r.rows.errors[0].error.status, cases[i].want);
        if (!strstr(r.rows.errors[0].error.msg, cases[i].message))
            fail_msg("%s", r.rows.errors[0].error.msg);
        assert_true(rs_telemetry_risk(w->t, "a") == before);
        assert_string_equal(view_of(w, "a").cohort, "model=X");
    }
    push_one(w, "a", NOW + 60, 1); /* within the skew */
}

static void test_unknown_signals_are_counted(void **state)
{
    struct world *w = *state;
    struct rs_push_report r =
        push(w, "{\"entity\":\"a\",\"time\":%d,\"signals\":{\"err\":1,\"fan\":3,\"psu\":4}}", NOW);
    assert_int_equal(r.rows.accepted, 1);
    assert_int_equal(r.unknown_signals, 2);
}

/* The feature is the number of failures in the window of the newest sample and the 3 days before it; the time since the
 * events of a kind is asked for too, and has no weight. */
static struct rs_model *event_model(uint32_t since)
{
    static const char *const events[] = { "failure", "failure/disk", "any" };
    struct rs_model *m = small_model(1);
    struct rs_program *p = &m->program;
    struct rs_error err = RS_ERROR_INIT;
    p->events = rs_alloc(RS_LEN(events), sizeof *p->events);
    for (p->n_events = 0; p->n_events < RS_LEN(events); p->n_events++)
        p->events[p->n_events] = strdup(events[p->n_events]);
    for (uint32_t i = 0; i < 2; i++)
        p->steps[i] = (struct rs_step){ .op = i ? RS_STEP_SINCE_EVENT : RS_STEP_EVENTS, .arg = i ? since : 0 };
    if (rs_program_finish(p, &err) < 0 || rs_model_prepare(m, &err) < 0)
        fail_msg("%s", err.msg);
    return m;
}

static struct rs_push_report push_event_row(struct world *w, const char *entity, int64_t time, const char *event)
{
    return push(w, "{\"entity\":\"%s\",\"time\":%lld,\"event\":\"%s\"}", entity, (long long)time, event);
}

static void test_events(void **state)
{
    static const struct {
        const char *entity, *event, *message;
        int64_t time;
        enum rs_status want;
    } refused[] = {
        { "nowhere", "failure", "entity nowhere: not in the configuration", NOW, RS_EUNKNOWN_HOST },
        { "a", "failure", "entity a: an event of", NOW + 61, RS_EFUTURE },
        { "a", "failure/cpu", "it, or a later one of its kind, is known already", NOW - 200, RS_ESTALE },
        { "a", "explosion", "event/KIND is wanted", NOW, RS_EINVAL },
        { "a", "failure/", "event/KIND is wanted", NOW, RS_EINVAL },
    };
    struct world *w = *state;
    assert_int_equal(rs_telemetry_set_model(w->t, event_model(0), NULL), RS_OK);
    struct rs_push_report r = push_event_row(w, "a", NOW - 100, "failure/disk");
    assert_int_equal(r.rows.accepted, 1);
    assert_int_equal(r.ignored_events, 0);
    assert_true(isnan(view_of(w, "a").own_risk)); /* an event alone is no sample */
    struct rs_explanation x;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_telemetry_explain(w->t, "a", 2, &x, &err), RS_ENODATA);
    assert_non_null(strstr(err.msg, "a: no sample so far"));
    for (size_t i = 0; i < RS_LEN(refused); i++) {
        r = push_event_row(w, refused[i].entity, refused[i].time, refused[i].event);
        assert_int_equal(r.rows.accepted, 0);
        assert_int_equal(r.rows.errors[0].error.status, refused[i].want);
        assert_non_null(strstr(r.rows.errors[0].error.msg, refused[i].message));
    }
    assert_int_equal(push_event_row(w, "a", NOW, "maintenance/disk").ignored_events, 1);
    push_one(w, "a", NOW, 7);
    assert_float_equal(view_of(w, "a").own_risk, by_hand(1), 1e-15); /* one failure, by either name */
    double before = view_of(w, "a").own_risk;
    rs_telemetry_free(w->t);
    assert_int_equal(rs_telemetry_new(w->journal, &hand, &w->t, NULL), RS_OK);
    configure(w, two_hosts);
    assert_int_equal(rs_telemetry_set_model(w->t, event_model(0), NULL), RS_OK);
    assert_int_equal(rs_telemetry_restore(w->t, NULL), RS_OK);
    assert_true(view_of(w, "a").own_risk == before); /* the event was saved with the state */
    push_event_row(w, "a", NOW + 1, "failure");
    push_one(w, "a", NOW + 2, 7);
    assert_float_equal(view_of(w, "a").own_risk, by_hand(2), 1e-15);
}

static void test_registering(void **state)
{
    struct world *w = *state;
    configure(w, "telemetry: {unknown_entities: register}\n");
    struct rs_push_report r = push(
        w,
        "{\"entity\":\"h9/d\",\"parent\":\"h9\",\"time\":%d,\"signals\":{\"err\":1},\"attributes\":{\"model\":\"X\"}}",
        NOW);
    assert_int_equal(r.rows.accepted, 1);
    assert_string_equal(view_of(w, "h9/d").cohort, "model=X");
    rs_autofree struct rs_entity_view *list = NULL;
    size_t n;
    assert_int_equal(rs_telemetry_hosts(w->t, NULL, 10, &list, &n, NULL), RS_OK);
    assert_int_equal(n, 1); /* a and b are listed no more */
    assert_string_equal(list[0].id, "h9");
    assert_true(list[0].risk == view_of(w, "h9/d").own_risk);
    r = push(w, "{\"entity\":\"x\",\"parent\":\"h9/d\",\"time\":%d,\"signals\":{}}", NOW);
    assert_int_equal(r.rows.errors[0].error.status, RS_EINVAL);
}

static void test_restart(void **state)
{
    struct world *w = *state;
    push_one(w, "a", NOW - 7, 1.75);
    push(w, "{\"entity\":\"b\",\"time\":%d,\"signals\":{\"err\":2},\"attributes\":{\"model\":\"X\"}}", NOW - 7);
    double a = view_of(w, "a").own_risk, b = view_of(w, "b").own_risk;
    rs_telemetry_free(w->t);
    start(w, two_hosts);
    assert_true(view_of(w, "a").own_risk == a && view_of(w, "b").own_risk == b);
    assert_string_equal(view_of(w, "b").cohort, "model=X"); /* attributes came with the sample */
}

static void test_other_features_start_anew(void **state)
{
    struct world *w = *state;
    push_one(w, "a", NOW, 1);
    double before = view_of(w, "a").own_risk;
    assert_int_equal(rs_telemetry_set_model(w->t, small_model(0), NULL), RS_OK);
    assert_true(view_of(w, "a").own_risk == before);
    assert_int_equal(rs_telemetry_set_model(w->t, small_model(1), NULL), RS_OK);
    assert_true(isnan(view_of(w, "a").own_risk));
    assert_int_equal(rs_telemetry_restore(w->t, NULL), RS_OK);
    assert_true(isnan(view_of(w, "a").own_risk)); /* the journal's state is of the old program */
    assert_int_equal(rs_telemetry_set_model(w->t, small_model(0), NULL), RS_OK);
    assert_int_equal(rs_telemetry_restore(w->t, NULL), RS_OK);
    assert_true(view_of(w, "a").own_risk == before); /* back to the old model: its states are still good */
}

/* small_model() that knows how its training looked: 1,000 entities with "err" in thirds, risks below and above 0.5. */
static struct rs_model *model_with_references(void)
{
    struct rs_model *m = small_model(0);
    m->meta.n_entities = 1000;
    m->refs = rs_alloc(1, sizeof *m->refs);
    m->refs[0] = (struct rs_reference){ .n_edges = 2, .edge = { 1, 5 }, .share = { 0.5, 0.25, 0.25 }, .missing = 0.2 };
    m->score_ref = (struct rs_reference){ .n_edges = 1, .edge = { 0.5 }, .share = { 0.75, 0.25 } };
    assert_true(rs_model_digest(m) != 0); /* it is one that could be in a file */
    return m;
}

/* All figures, NANs too; what lies behind the last flag is padding. */
static void check_same(const struct rs_drift *a, const struct rs_drift *b)
{
    assert_memory_equal(a, b, offsetof(struct rs_drift, has_moved));
    assert_true(a->has_moved == b->has_moved && a->has_gone == b->has_gone);
}

/* The daemon's figures of "err" and of the risk are those of so many entities in these bins. */
static void check_drift(struct world *w, const struct rs_drift_counts *err, const struct rs_drift_counts *risk)
{
    struct rs_model *m = model_with_references();
    rs_auto_drift_view v = { 0 };
    struct rs_drift want[2];
    assert_int_equal(rs_telemetry_drift(w->t, &v, NULL), RS_OK);
    rs_drift_measure(&m->score_ref, risk, 1000, &want[0]);
    rs_drift_measure(&m->refs[0], err, 1000, &want[1]);
    assert_int_equal(rs_drift_judge(want, 2, NULL), RS_OK);
    assert_int_equal(v.n_signals, 1);
    assert_string_equal(v.signals[0].name, "err");
    assert_string_equal(v.risk.name, "risk");
    check_same(&v.risk.result, &want[0]);
    check_same(&v.signals[0].result, &want[1]);
    assert_true(v.n_entities == risk->bin[0] + risk->bin[1] && v.n_reference == 1000);
    assert_int_equal(v.n_found, rs_drift_is_found(&want[0]) + rs_drift_is_found(&want[1]));
    rs_model_free(m);
}

/* risk 0.5 lies at err = 2 */
static void test_drift(void **state)
{
    struct world *w = *state;
    struct rs_drift_view v;
    struct rs_error err = RS_ERROR_INIT;
    const struct rs_drift_counts none = { 0 };
    push_one(w, "a", NOW - 9, 7);
    assert_int_equal(rs_telemetry_drift(w->t, &v, &err), RS_ENODATA);
    assert_non_null(strstr(err.msg, "no references"));
    assert_int_equal(rs_telemetry_set_model(w->t, model_with_references(), NULL), RS_OK);
    check_drift(w, &none, &none); /* the sample before was put into no bins */
    push_one(w, "a", NOW - 8, 7);
    push_one(w, "b", NOW - 7, 1);
    check_drift(w, &(struct rs_drift_counts){ .bin = { 1, 0, 1 } }, &(struct rs_drift_counts){ .bin = { 1, 1 } });
    push_one(w, "a", NOW - 6, 1.5); /* takes the place of the one before */
    push(w, "{\"entity\":\"a/d0\",\"time\":%d,\"signals\":{}}", NOW - 100000);
    const struct rs_drift_counts bins = { .bin = { 1, 1, 0 }, .missing = 1 }, risks = { .bin = { 3, 0 } };
    check_drift(w, &bins, &risks);
    push(w, "{\"entity\":\"b\",\"time\":%d,\"signals\":{\"err\":9}}", NOW - 7); /* refused: not newer */
    check_drift(w, &bins, &risks);
    rs_telemetry_free(w->t);
    assert_int_equal(rs_telemetry_new(w->journal, &hand, &w->t, NULL), RS_OK);
    configure(w, two_hosts);
    assert_int_equal(rs_telemetry_set_model(w->t, model_with_references(), NULL), RS_OK);
    assert_int_equal(rs_telemetry_restore(w->t, NULL), RS_OK);
    check_drift(w, &bins, &risks); /* over a restart */
    wall = NOW + 172800 - 100000 + 1;
    check_drift(w, &(struct rs_drift_counts){ .bin = { 1, 1 } }, &(struct rs_drift_counts){ .bin = { 2 } });
    wall = NOW + 10 * 86400;
    check_drift(w, &none, &none);
}

static void check_summary(struct world *w, const struct rs_drift_view *want)
{
    struct rs_drift_summary s = rs_telemetry_drift_summary(w->t);
    assert_true(s.risk == fmax(want->risk.result.psi - want->risk.result.expected, 0));
    assert_true(s.signal == fmax(want->signals[0].result.psi - want->signals[0].result.expected, 0));
    assert_int_equal(s.n_found, rs_drift_is_found(&want->signals[0].result));
}

/* A summary is that of the drift when it was first asked for, until a minute is over or the model another. */
static void test_drift_summary(void **state)
{
    struct world *w = *state;
    rs_auto_drift_view first = { 0 }, later = { 0 };
    assert_true(isnan(rs_telemetry_drift_summary(w->t).risk)); /* the model has no references */
    assert_int_equal(rs_telemetry_set_model(w->t, model_with_references(), NULL), RS_OK);
    push_one(w, "a", NOW - 8, 7);
    assert_int_equal(rs_telemetry_drift(w->t, &first, NULL), RS_OK);
    check_summary(w, &first);
    push_one(w, "b", NOW - 7, 7);
    assert_int_equal(rs_telemetry_drift(w->t, &later, NULL), RS_OK);
    assert_true(later.risk.result.psi != first.risk.result.psi);
    wall = NOW + 59;
    check_summary(w, &first);
    wall = NOW + 60;
    check_summary(w, &later);
    assert_int_equal(rs_telemetry_set_model(w->t, small_model(0), NULL), RS_OK);
    assert_true(isnan(rs_telemetry_drift_summary(w->t).signal));
}

/* An agent whose answer was lost sends again; two at one time in one body are two. */
static void test_events_sent_again_count_once(void **state)
{
    struct world *w = *state;
    assert_int_equal(rs_telemetry_set_model(w->t, event_model(1), NULL), RS_OK);
    const char *two = "[{\"entity\":\"a\",\"time\":%d,\"event\":\"failure/disk\"},"
                      "{\"entity\":\"a\",\"time\":%d,\"event\":\"failure/disk\"}]";
    assert_int_equal(push(w, two, NOW - 9, NOW - 9).rows.accepted, 2);
    struct rs_push_report r = push(w, two, NOW - 9, NOW - 9);
    assert_int_equal(r.rows.rejected, 2);
    assert_int_equal(r.rows.errors[0].error.status, RS_ESTALE);
    assert_non_null(strstr(r.rows.errors[0].error.msg, "it, or a later one of its kind, is known already"));
    push_one(w, "a", NOW, 7);
    assert_float_equal(view_of(w, "a").own_risk, by_hand(2), 1e-15);
}

static void test_fallback(void **state)
{
    struct world *w = *state;
    assert_string_equal(view_of(w, "a").fallback, ""); /* an X, as in training */
    assert_string_equal(view_of(w, "b").fallback, ""); /* without a model name */
    push(w, "{\"entity\":\"b\",\"time\":%d,\"signals\":{},\"attributes\":{\"model\":\"Y\"}}", NOW);
    assert_string_equal(view_of(w, "b").fallback, "model");
    assert_string_equal(view_of(w, "b").cohort, "all");
}

static void test_explanation(void **state)
{
    struct world *w = *state;
    struct rs_explanation x;
    assert_int_equal(rs_telemetry_explain(w->t, "a", 5, &x, NULL), RS_ENODATA);
    push_one(w, "a", NOW, 2.5);
    assert_int_equal(rs_telemetry_explain(w->t, "a", 5, &x, NULL), RS_OK);
    assert_int_equal(x.n, 1);
    assert_true(fabs(x.top[0].log_odds - 1.25 * 2.5) < 1e-15 && x.top[0].value == 2.5);
    assert_true(fabs(x.base - (0.5 - 3)) < 1e-15 && x.others == 0);
    assert_non_null(strstr(x.top[0].feature, "err"));
    assert_int_equal(rs_telemetry_explain(w->t, "zzz", 5, &x, NULL), RS_EUNKNOWN_HOST);
}

static void test_census_and_paging(void **state)
{
    struct world *w = *state;
    push_one(w, "a", NOW, 3);
    struct rs_risk_census c;
    rs_telemetry_census(w->t, by_hand(2), &c);
    assert_int_equal(c.hosts, 2);
    assert_int_equal(c.known, 1);
    assert_int_equal(c.at_risk, 1);
    assert_int_equal(c.entities, 4);
    rs_autofree struct rs_entity_view *list = NULL;
    size_t n;
    assert_int_equal(rs_telemetry_hosts(w->t, "a", 10, &list, &n, NULL), RS_OK);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].id, "b");
}

static void test_without_model(void **state)
{
    struct world *w = *state;
    assert_int_equal(rs_telemetry_set_model(w->t, NULL, NULL), RS_OK);
    struct rs_push_report r;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_telemetry_push(w->t, "{}", 2, &r, &err), RS_ENODATA);
    assert_non_null(strstr(err.msg, "no model is loaded"));
    assert_true(isnan(rs_telemetry_risk(w->t, "a")));
}

/* RS_FAULT=journal.write:N is set by main(): one write of a push fails, and nothing of that push is taken. */
static void test_failed_save_takes_nothing(void **state)
{
    struct world *w = *state;
    configure(w, "telemetry: {unknown_entities: register}\n");
    bool has_failed = false;
    for (int i = 0; i < 400 && !has_failed; i++) {
        double before = rs_telemetry_risk(w->t, "f");
        struct rs_push_report r;
        struct rs_error err = RS_ERROR_INIT;
        char body[128];
        snprintf(body, sizeof body, "{\"entity\":\"f\",\"time\":%d,\"signals\":{\"err\":0.%03d}}", NOW - 500 + i, i);
        if (rs_telemetry_push(w->t, body, strlen(body), &r, &err) == RS_OK)
            continue;
        has_failed = true;
        assert_non_null(strstr(err.msg, "fault journal.write"));
        assert_true(rs_telemetry_risk(w->t, "f") == before);
        assert_int_equal(rs_telemetry_push(w->t, body, strlen(body), &r, &err), RS_OK); /* the same once more */
        assert_int_equal(r.rows.accepted, 1);
    }
    assert_true(has_failed);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    setenv("RS_FAULT", "journal.write:300", 1); /* far beyond what the tests before the last one write */
    const struct CMUnitTest tests[] = {
        TEST(test_risks),
        TEST(test_stale_is_unknown),
        TEST(test_refused_rows),
        TEST(test_unknown_signals_are_counted),
        TEST(test_events),
        TEST(test_registering),
        TEST(test_restart),
        TEST(test_other_features_start_anew),
        TEST(test_drift),
        TEST(test_drift_summary),
        TEST(test_events_sent_again_count_once),
        TEST(test_fallback),
        TEST(test_explanation),
        TEST(test_census_and_paging),
        TEST(test_without_model),
        TEST(test_failed_save_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
