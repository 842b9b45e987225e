/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Routes by the table in api.def: each handler reads its parameters, asks the engine, and answers JSON. */
#include "executor/api.h"

#include <math.h>

#include "executor/json.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 100000
#define TOP_DEFAULT 8

struct call {
    rs_engine *e;
    const struct rs_api_request *req;
    char id[RS_API_ID_MAX]; /* what stood for {} */
    struct rs_api_response *out;
};

/* A handler sets *out (JSON) or answers itself through out and leaves it NULL. */
typedef enum rs_status (*handler)(struct call *c, json_t **out, struct rs_error *err);

static const char *param(const struct call *c, const char *name)
{
    for (size_t i = 0; i < c->req->n_query; i++)
        if (rs_streq(c->req->query[i].name, name))
            return c->req->query[i].value;
    return NULL;
}

static enum rs_status number_param(const struct call *c, const char *name, size_t most, size_t *out,
                                   struct rs_error *err)
{
    const char *text = param(c, name);
    if (!text)
        return RS_OK;
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || v == 0 || v > most)
        return rs_error_set(err, RS_EINVAL, "%s=%s: a whole number of 1 to %zu is wanted", name, text, most);
    *out = (size_t)v;
    return RS_OK;
}

static enum rs_status answer_text(struct call *c, const char *type, char *body, size_t len)
{
    c->out->content_type = type;
    c->out->body = body;
    c->out->body_len = len;
    return RS_OK;
}

static enum rs_status healthz(struct call *c, json_t **out, struct rs_error *err)
{
    (void)out;
    char *body = strdup("ok\n");
    return body ? answer_text(c, "text/plain; charset=utf-8", body, 3) : rs_error_set(err, RS_ENOMEM, "out of memory");
}

static enum rs_status readyz(struct call *c, json_t **out, struct rs_error *err)
{
    (void)err;
    bool is_ready = false;
    *out = rs_engine_ready(c->e, &is_ready);
    c->out->status = is_ready ? 200 : 503;
    return RS_OK;
}

static enum rs_status metrics(struct call *c, json_t **out, struct rs_error *err)
{
    (void)out;
    struct rs_buf b = { 0 };
    rs_engine_metrics(c->e, &b);
    if (b.failed) {
        rs_buf_clear(&b);
        return rs_error_set(err, RS_ENOMEM, "out of memory");
    }
    return answer_text(c, "text/plain; version=0.0.4; charset=utf-8", (char *)b.data, b.len);
}

static json_t *digest_json(uint64_t digest)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)digest);
    return json_string(hex);
}

static enum rs_status model(struct call *c, json_t **out, struct rs_error *err)
{
    static const char *const learners[] = {
        [RS_LOGISTIC] = "logistic", [RS_LINEAR_SVM] = "linear-svm", [RS_RBF_SVM] = "rbf-svm"
    };
    struct rs_model_facts m;
    rs_telemetry_model(rs_engine_telemetry(c->e), &m);
    if (!m.is_loaded)
        return rs_error_set(err, RS_ENODATA, "no model is loaded");
    *out = json_pack("{s:o, s:s, s:I, s:I, s:o, s:o}", "digest", digest_json(m.digest), "learner", learners[m.learner],
                     "features", (json_int_t)m.n_features, "horizon_s", (json_int_t)m.horizon_s, "base_rate",
                     rs_json_number(m.base_rate), "threshold", rs_json_number(m.threshold));
    return RS_OK;
}

static json_t *drift_json(const struct rs_drift_item *item)
{
    const struct rs_drift *r = &item->result;
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "name", item->name, "entities",
                     rs_json_number(r->n), "psi", rs_json_number(r->psi), "expected", rs_json_number(r->expected),
                     "bound", rs_json_number(r->bound), "p", rs_json_number(r->p), "missing_then",
                     rs_json_number(r->missing_then), "missing_now", rs_json_number(r->missing_now), "missing_p",
                     rs_json_number(r->missing_p), "moved", r->has_moved, "missing_changed", r->has_gone);
}

static enum rs_status drift(struct call *c, json_t **out, struct rs_error *err)
{
    rs_auto_drift_view v = { 0 };
    enum rs_status st = rs_telemetry_drift(rs_engine_telemetry(c->e), &v, err);
    if (st < 0)
        return st;
    json_t *signals = json_array();
    for (size_t i = 0; i < v.n_signals; i++)
        json_array_append_new(signals, drift_json(&v.signals[i]));
    *out = json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "model_digest", digest_json(v.digest), "entities",
                     rs_json_number(v.n_entities), "reference_entities", rs_json_number(v.n_reference), "oldest_sample",
                     rs_json_time(v.oldest), "moved", (json_int_t)v.n_found, "risk", drift_json(&v.risk), "signals",
                     signals);
    return RS_OK;
}

static json_t *support_json(const struct rs_cohort_support *s)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "entities", (json_int_t)s->n_entities, "failing", (json_int_t)s->n_failing,
                     "rows", (json_int_t)s->n_rows, "positive", (json_int_t)s->n_positive);
}

/* What hosts and components have in common. */
static json_t *entity_json(const struct rs_entity_view *v, int64_t now)
{
    json_t *age = v->newest == RS_TIME_NONE ? json_null() : json_integer(now - v->newest);
    json_t *cohort = *v->cohort ? json_string(v->cohort) : json_null();
    json_t *fallback = *v->fallback ? json_string(v->fallback) : json_null();
    return json_pack("{s:s, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "id", v->id, "own_risk", rs_json_number(v->own_risk),
                     "newest_sample", rs_json_time(v->newest), "telemetry_age_s", age, "stale", v->is_stale, "cohort",
                     cohort, "fallback", fallback, "support", *v->cohort ? support_json(&v->support) : json_null());
}

static json_t *config_reasons_json(const struct rs_config_host *h)
{
    json_t *list = json_array();
    for (int r = 0; h && r < RS_REASONS; r++)
        if (h->reasons[r])
            json_array_append_new(list, json_string(rs_reason_name((enum rs_reason)r)));
    return list;
}

static json_t *host_json(const rs_config *config, const struct rs_entity_view *v, int64_t now)
{
    size_t i = rs_config_host(config, v->id);
    const struct rs_config_host *h = i == SIZE_MAX ? NULL : &config->hosts[i];
    json_t *o = entity_json(v, now);
    if (!o)
        return NULL;
    json_object_set_new(o, "risk", rs_json_number(v->risk));
    json_object_set_new(o, "components", json_integer((json_int_t)v->n_parts));
    json_object_set_new(o, "components_unknown", json_integer((json_int_t)v->n_unknown_parts));
    json_object_set_new(o, "uri", h && *h->uri ? json_string(h->uri) : json_null());
    json_object_set_new(o, "rack", h && *h->rack ? json_string(h->rack) : json_null());
    json_object_set_new(o, "cordoned", json_boolean(h && h->is_cordoned));
    json_object_set_new(o, "reasons", config_reasons_json(h));
    return o;
}

static enum rs_status hosts(struct call *c, json_t **out, struct rs_error *err)
{
    size_t limit = LIMIT_DEFAULT, n = 0;
    enum rs_status st = number_param(c, "limit", LIMIT_MAX, &limit, err);
    if (st < 0)
        return st;
    rs_autofree struct rs_entity_view *views = NULL;
    st = rs_telemetry_hosts(rs_engine_telemetry(c->e), param(c, "after"), limit, &views, &n, err);
    if (st < 0)
        return st;
    RS_AUTO(rs_config) *config = rs_engine_config(c->e);
    int64_t now = rs_clock_wall_s(rs_engine_clock(c->e));
    struct rs_model_facts m;
    rs_telemetry_model(rs_engine_telemetry(c->e), &m);
    double threshold = rs_config_policy(config, m.threshold).risk_threshold;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, host_json(config, &views[i], now));
    *out = json_pack("{s:o, s:o}", "hosts", list, "risk_threshold", rs_json_number(threshold));
    return RS_OK;
}

static json_t *explanation_json(const struct rs_explanation *x)
{
    json_t *list = json_array();
    for (size_t i = 0; i < x->n; i++) {
        const struct rs_contribution *k = &x->top[i];
        json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o}", "feature", k->feature, "value",
                                              rs_json_number(k->value), "mean", rs_json_number(k->mean), "log_odds",
                                              rs_json_number(k->log_odds)));
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "log_odds", rs_json_number(x->log_odds), "base", rs_json_number(x->base),
                     "others", rs_json_number(x->others), "features", list);
}

static json_t *explain(struct call *c, const char *id, size_t top)
{
    struct rs_explanation x;
    if (rs_telemetry_explain(rs_engine_telemetry(c->e), id, top, &x, NULL) < 0)
        return json_null();
    return explanation_json(&x);
}

static json_t *hypervisor_json(struct call *c, const char *host)
{
    struct rs_host_facts f;
    rs_engine_host_facts(c->e, host, &f);
    if (!f.is_reachable)
        return json_pack("{s:b, s:s}", "reachable", 0, "why", f.why);
    return json_pack("{s:b, s:I, s:I, s:I, s:I}", "reachable", 1, "vms", (json_int_t)f.n_vms, "cpus",
                     (json_int_t)f.cpus, "memory_free", (json_int_t)f.memory_free, "pool_free",
                     (json_int_t)f.pool_free);
}

static enum rs_status host(struct call *c, json_t **out, struct rs_error *err)
{
    size_t top = TOP_DEFAULT, n = 0;
    enum rs_status st = number_param(c, "top", RS_LEN(((struct rs_explanation *)0)->top), &top, err);
    if (st < 0)
        return st;
    struct rs_entity_view v;
    rs_autofree struct rs_entity_view *parts = NULL;
    if ((st = rs_telemetry_entity(rs_engine_telemetry(c->e), c->id, &v, &parts, &n, err)) < 0)
        return st;
    RS_AUTO(rs_config) *config = rs_engine_config(c->e);
    int64_t now = rs_clock_wall_s(rs_engine_clock(c->e));
    struct rs_model_facts m;
    rs_telemetry_model(rs_engine_telemetry(c->e), &m);
    json_t *o = host_json(config, &v, now), *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *part = entity_json(&parts[i], now);
        json_object_set_new(part, "explanation", explain(c, parts[i].id, top));
        json_array_append_new(list, part);
    }
    json_object_set_new(o, "parent", *v.parent ? json_string(v.parent) : json_null());
    json_object_set_new(o, "explanation", explain(c, v.id, top));
    json_object_set_new(o, "parts", list);
    json_object_set_new(o, "hypervisor", hypervisor_json(c, v.id));
    json_object_set_new(o, "model", m.is_loaded ? digest_json(m.digest) : json_null());
    json_object_set_new(o, "base_rate", rs_json_number(m.base_rate));
    json_object_set_new(o, "horizon_s", m.is_loaded ? json_integer(m.horizon_s) : json_null());
    *out = o;
    return RS_OK;
}

static enum rs_status decisions(struct call *c, json_t **out, struct rs_error *err)
{
    size_t limit = LIMIT_DEFAULT;
    enum rs_status st = number_param(c, "limit", LIMIT_MAX, &limit, err);
    json_t *list = NULL;
    if (st == RS_OK)
        st = rs_journal_decisions(rs_engine_journal(c->e), param(c, "vm"), param(c, "before"), limit, &list, err);
    if (st == RS_OK)
        *out = json_pack("{s:o}", "decisions", list);
    return st;
}

static enum rs_status decision(struct call *c, json_t **out, struct rs_error *err)
{
    return rs_journal_decision_get(rs_engine_journal(c->e), c->id, out, err);
}

static enum rs_status migrations(struct call *c, json_t **out, struct rs_error *err)
{
    size_t limit = LIMIT_DEFAULT;
    enum rs_status st = number_param(c, "limit", LIMIT_MAX, &limit, err);
    json_t *list = NULL;
    if (st == RS_OK)
        st = rs_journal_migrations(rs_engine_journal(c->e), NULL, limit, &list, err);
    if (st < 0)
        return st;
    for (size_t i = 0; i < json_array_size(list); i++)
        rs_engine_add_progress(c->e, json_array_get(list, i));
    *out = json_pack("{s:o}", "migrations", list);
    return RS_OK;
}

static enum rs_status migration(struct call *c, json_t **out, struct rs_error *err)
{
    rs_auto_json *list = NULL;
    enum rs_status st = rs_journal_migrations(rs_engine_journal(c->e), c->id, 1, &list, err);
    if (st < 0)
        return st;
    *out = json_incref(json_array_get(list, 0));
    rs_engine_add_progress(c->e, *out);
    return RS_OK;
}

static enum rs_status cancel(struct call *c, json_t **out, struct rs_error *err)
{
    enum rs_status st = rs_engine_cancel(c->e, c->id, err);
    if (st < 0)
        return st;
    c->out->status = 202;
    return migration(c, out, err);
}

/* The fields of a reboot request; strings live in the parsed body. */
static enum rs_status read_reboot(json_t *body, struct rs_reboot_request *req, struct rs_error *err)
{
    json_error_t e;
    int dry_run = 0, approved = 0;
    json_t *deadline = NULL;
    req->cause = "operator";
    req->deadline_s = INFINITY;
    if (json_unpack_ex(body, &e, JSON_STRICT, "{s:s, s?s, s?b, s?b, s?o}", "vm", &req->vm, "cause", &req->cause,
                       "dry_run", &dry_run, "approved", &approved, "deadline_s", &deadline) < 0)
        return rs_error_set(err, RS_EINVAL, "body: %s; vm, cause, dry_run, approved, deadline_s are possible", e.text);
    if (deadline && !json_is_null(deadline)) {
        req->deadline_s = json_number_value(deadline);
        if (!json_is_number(deadline) || req->deadline_s < 0)
            return rs_error_set(err, RS_EINVAL, "deadline_s: seconds of 0 or more are wanted");
    }
    if (!*req->vm || strlen(req->vm) >= RS_VM_NAME_MAX)
        return rs_error_set(err, RS_EINVAL, "vm: a name or UUID of 1 to %d bytes is wanted", RS_VM_NAME_MAX - 1);
    if (strlen(req->cause) > 64)
        return rs_error_set(err, RS_EINVAL, "cause: at most 64 bytes are possible");
    req->dry_run = dry_run;
    req->is_approved = approved;
    return RS_OK;
}

static enum rs_status reboots(struct call *c, json_t **out, struct rs_error *err)
{
    json_error_t e;
    rs_auto_json *body = json_loadb(c->req->body, c->req->body_len, JSON_REJECT_DUPLICATES, &e);
    if (!body)
        return rs_error_set(err, RS_EFORMAT, "body: not JSON: %s", e.text);
    struct rs_reboot_request req = { .uid = c->req->uid };
    enum rs_status st = read_reboot(body, &req, err);
    if (st == RS_OK)
        st = rs_engine_reboot(c->e, &req, out, err);
    if (st == RS_OK)
        c->out->status = 202;
    return st;
}

static json_t *push_json(const struct rs_push_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->rows.n_errors; i++) {
        const struct rs_sample_error *x = &r->rows.errors[i];
        json_array_append_new(list, json_pack("{s:I, s:s, s:s}", "line", (json_int_t)x->line, "code",
                                              rs_status_word(x->error.status), "message", x->error.msg));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "accepted", (json_int_t)r->rows.accepted, "rejected",
                     (json_int_t)r->rows.rejected, "unknown_signals", (json_int_t)r->unknown_signals, "ignored_events",
                     (json_int_t)r->ignored_events, "errors", list);
}

static enum rs_status telemetry(struct call *c, json_t **out, struct rs_error *err)
{
    struct rs_push_report *r = rs_alloc(1, sizeof *r);
    if (!r)
        return rs_error_set(err, RS_ENOMEM, "out of memory");
    enum rs_status st = rs_telemetry_push(rs_engine_telemetry(c->e), c->req->body, c->req->body_len, r, err);
    if (st == RS_OK) {
        rs_metrics *m = rs_engine_counters(c->e);
        rs_metrics_count(m, RS_METRIC_samples, "accepted", r->rows.accepted);
        rs_metrics_count(m, RS_METRIC_samples, "rejected", r->rows.rejected);
        rs_metrics_count(m, RS_METRIC_unknown_signals, NULL, r->unknown_signals);
        rs_metrics_count(m, RS_METRIC_ignored_events, NULL, r->ignored_events);
        *out = push_json(r);
        if (r->rows.accepted == 0 && r->rows.n_errors)
            c->out->status = rs_status_http(r->rows.errors[0].error.status);
    }
    free(r);
    return st;
}

enum method { GET, POST };

static const struct route {
    enum method method;
    const char *path;
    handler handle;
    const char *params;
} routes[] = {
#define ROUTE(method, path, handle, params) { method, path, handle, params },
#include "executor/api.def"
#undef ROUTE
};

/* True where the path fits the route's; what stands for {} goes to id. */
static bool fits(const char *pattern, const char *path, char id[RS_API_ID_MAX])
{
    const char *hole = strstr(pattern, "{}");
    if (!hole)
        return rs_streq(pattern, path);
    size_t head = (size_t)(hole - pattern);
    const char *tail = hole + 2;
    if (strncmp(pattern, path, head) != 0)
        return false;
    size_t rest = strlen(path + head), tail_len = strlen(tail);
    size_t len = rest > tail_len ? rest - tail_len : 0; /* ids of components may hold a slash */
    if (len == 0 || len >= RS_API_ID_MAX || !rs_streq(path + head + len, tail))
        return false;
    memcpy(id, path + head, len);
    id[len] = 0;
    return true;
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = words; (p = strstr(p, word)); p += len)
        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
            return true;
    return false;
}

static enum rs_status check_params(const struct route *r, const struct rs_api_request *req, struct rs_error *err)
{
    for (size_t i = 0; i < req->n_query; i++)
        if (!*req->query[i].name || !has_word(r->params, req->query[i].name))
            return rs_error_set(err, RS_EINVAL, "%s: no such query parameter of %s", req->query[i].name, r->path);
    return RS_OK;
}

/* The route of the request; RS_ENOTFOUND, or RS_EUNSUPPORTED with out->allow where only the method is wrong. */
static enum rs_status find_route(struct call *c, const struct route **out, struct rs_error *err)
{
    static const char *const method_names[] = { "GET", "POST" };
    for (size_t i = 0; i < RS_LEN(routes); i++) {
        if (!fits(routes[i].path, c->req->path, c->id))
            continue;
        const char *method = method_names[routes[i].method];
        if (rs_streq(c->req->method, method)) {
            *out = &routes[i];
            c->out->allow = NULL; /* another pattern that fits had the wrong method */
            return check_params(&routes[i], c->req, err);
        }
        c->out->allow = method;
    }
    if (c->out->allow)
        return rs_error_set(err, RS_EUNSUPPORTED, "%s %s: %s is what it takes", c->req->method, c->req->path,
                            c->out->allow);
    return rs_error_set(err, RS_ENOTFOUND, "%s %s: no such route", c->req->method, c->req->path);
}

static void answer_json(struct rs_api_response *out, json_t *body)
{
    out->content_type = "application/json";
    out->body = body ? json_dumps(body, RS_JSON_DUMP) : NULL;
    out->body_len = out->body ? strlen(out->body) : 0;
    if (!out->body)
        out->status = 500;
}

void rs_api_error(const struct rs_error *err, struct rs_api_response *out)
{
    const char *message = err->msg[0] ? err->msg : rs_status_meaning(err->status);
    rs_auto_json *body = json_pack("{s:{s:s, s:s}}", "error", "code", rs_status_word(err->status), "message", message);
    if (!body) /* a message with bytes that are not UTF-8 */
        body = json_pack("{s:{s:s, s:s}}", "error", "code", rs_status_word(err->status), "message",
                         rs_status_meaning(err->status));
    out->status = out->allow ? 405 : rs_status_http(err->status);
    answer_json(out, body);
}

void rs_api_handle(rs_engine *e, const struct rs_api_request *req, struct rs_api_response *out)
{
    *out = (struct rs_api_response){ .status = 200 };
    struct call c = { .e = e, .req = req, .out = out };
    const struct route *route = NULL;
    struct rs_error err = RS_ERROR_INIT;
    rs_auto_json *body = NULL;
    enum rs_status st = find_route(&c, &route, &err);
    if (st == RS_OK)
        st = route->handle(&c, &body, &err);
    if (st < 0)
        rs_api_error(&err, out);
    else if (!out->body)
        answer_json(out, body);
    const char *class = out->status < 300 ? "2xx" : out->status < 500 ? "4xx" : "5xx";
    rs_metrics_count(rs_engine_counters(e), RS_METRIC_requests, class, 1);
}
