/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What others may see of hosts and components: risks, ages, cohorts, explanations. Scores are computed when asked for
 * and kept until the next sample, attribute or model. */
#include "executor/telemetry.h"

#include <math.h>
#include <search.h>

#include "executor/telemetry_impl.h"

static int64_t newest(const rs_telemetry *t, const struct entity *e)
{
    return t->model && e->state ? rs_state_time(&t->model->program, e->state) : RS_TIME_NONE;
}

bool rs_entity_is_stale(const rs_telemetry *t, const struct entity *e)
{
    int64_t time = newest(t, e);
    return time != RS_TIME_NONE && (double)(rs_clock_wall_s(t->clock) - time) > t->stale_after_s;
}

double rs_entity_risk(rs_telemetry *t, struct entity *e)
{
    if (newest(t, e) == RS_TIME_NONE)
        return NAN;
    if (!e->is_scored) {
        const struct rs_program *p = &t->model->program;
        rs_state_features(p, e->state, e->attrs, t->x);
        e->risk = rs_model_risk(t->model, rs_program_cohort(p, e->attrs), t->x);
        e->is_scored = true;
    }
    return e->risk;
}

static double fresh_risk(rs_telemetry *t, struct entity *e)
{
    return rs_entity_is_stale(t, e) ? NAN : rs_entity_risk(t, e);
}

/* math.md R1: 1 - prod(1 - p) over what is known; one p alone is itself, to the last bit. */
static double host_risk(rs_telemetry *t, struct entity *host, size_t *out_unknown_parts)
{
    double alone = fresh_risk(t, host);
    double log_survival = isnan(alone) ? 0 : log1p(-alone);
    size_t n = isnan(alone) ? 0u : 1u;
    size_t unknown = 0;
    for (size_t i = 0; i < host->n_parts; i++) {
        double p = rs_entity_is_known(host->parts[i]) ? fresh_risk(t, host->parts[i]) : NAN;
        if (isnan(p)) {
            unknown += rs_entity_is_known(host->parts[i]) ? 1 : 0;
            continue;
        }
        alone = p;
        log_survival += log1p(-p);
        n++;
    }
    *out_unknown_parts = unknown;
    return n == 0 ? NAN : n == 1 ? alone : -expm1(log_survival);
}

static void view_cohort(const rs_telemetry *t, const struct entity *e, struct rs_entity_view *v)
{
    if (!t->model || !e->attrs)
        return;
    uint32_t cohort = rs_program_cohort(&t->model->program, e->attrs);
    snprintf(v->cohort, sizeof v->cohort, "%s", t->model->program.cohorts[cohort].name);
    v->support = t->model->support[cohort];
    uint32_t attr;
    if (rs_program_fallback(&t->model->program, e->attrs, &attr))
        snprintf(v->fallback, sizeof v->fallback, "%s", t->model->program.attrs[attr].name);
}

static void view(rs_telemetry *t, struct entity *e, struct rs_entity_view *v)
{
    *v = (struct rs_entity_view){ .newest = newest(t, e),
                                  .is_stale = rs_entity_is_stale(t, e),
                                  .own_risk = fresh_risk(t, e) };
    snprintf(v->id, sizeof v->id, "%s", e->id);
    snprintf(v->parent, sizeof v->parent, "%s", e->parent ? e->parent->id : "");
    for (size_t i = 0; i < e->n_parts; i++)
        v->n_parts += rs_entity_is_known(e->parts[i]);
    v->risk = e->parent ? v->own_risk : host_risk(t, e, &v->n_unknown_parts);
    view_cohort(t, e, v);
}

void rs_telemetry_model(rs_telemetry *t, struct rs_model_facts *out)
{
    pthread_mutex_lock(&t->lock);
    *out = (struct rs_model_facts){ .base_rate = NAN, .threshold = NAN };
    const struct rs_model *m = t->model;
    if (m)
        *out = (struct rs_model_facts){ .is_loaded = true,
                                        .digest = t->digest,
                                        .horizon_s = m->meta.horizon_s,
                                        .base_rate = m->meta.base_rate,
                                        .threshold = m->meta.threshold,
                                        .n_features = m->program.n_steps,
                                        .learner = m->learner };
    pthread_mutex_unlock(&t->lock);
}

struct listing {
    rs_telemetry *t;
    const char *after;
    size_t limit, n;
    struct rs_entity_view *views;
};

/* tsearch's tree in order of id. */
static void list_node(const void *node, VISIT visit, void *arg)
{
    struct listing *l = arg;
    struct entity *e = *(struct entity *const *)node;
    if ((visit != postorder && visit != leaf) || l->n == l->limit || e->parent || !rs_entity_is_known(e))
        return;
    if (!l->after || strcmp(e->id, l->after) > 0)
        view(l->t, e, &l->views[l->n++]);
}

enum rs_status rs_telemetry_hosts(rs_telemetry *t, const char *after, size_t limit, struct rs_entity_view **out,
                                  size_t *out_n, struct rs_error *err)
{
    pthread_mutex_lock(&t->lock);
    struct listing l = { .t = t, .after = after, .limit = RS_MIN(limit, t->n_all) };
    l.views = rs_alloc(l.limit, sizeof *l.views);
    if (l.views)
        twalk_r(t->index, list_node, &l);
    pthread_mutex_unlock(&t->lock);
    if (!l.views)
        return rs_error_set(err, RS_ENOMEM, "telemetry: out of memory for %zu hosts", l.limit);
    *out = l.views;
    *out_n = l.n;
    return RS_OK;
}

static enum rs_status known(rs_telemetry *t, const char *id, struct entity **out, struct rs_error *err)
{
    struct entity *e = rs_telemetry_find(t, id);
    if (!e || !rs_entity_is_known(e))
        return rs_error_set(err, RS_EUNKNOWN_HOST, "%s: no such host or component", id);
    *out = e;
    return RS_OK;
}

static int by_view_id(const void *a, const void *b)
{
    return strcmp(((const struct rs_entity_view *)a)->id, ((const struct rs_entity_view *)b)->id);
}

static enum rs_status view_with_parts(rs_telemetry *t, const char *id, struct rs_entity_view *out,
                                      struct rs_entity_view **out_parts, size_t *out_n, struct rs_error *err)
{
    struct entity *e = NULL;
    enum rs_status st = known(t, id, &e, err);
    if (st < 0)
        return st;
    struct rs_entity_view *parts = rs_alloc(e->n_parts, sizeof *parts);
    if (!parts)
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", id);
    size_t n = 0;
    for (size_t i = 0; i < e->n_parts; i++)
        if (rs_entity_is_known(e->parts[i]))
            view(t, e->parts[i], &parts[n++]);
    qsort(parts, n, sizeof *parts, by_view_id);
    view(t, e, out);
    *out_parts = parts;
    *out_n = n;
    return RS_OK;
}

enum rs_status rs_telemetry_entity(rs_telemetry *t, const char *id, struct rs_entity_view *out,
                                   struct rs_entity_view **out_parts, size_t *out_n, struct rs_error *err)
{
    pthread_mutex_lock(&t->lock);
    enum rs_status st = view_with_parts(t, id, out, out_parts, out_n, err);
    pthread_mutex_unlock(&t->lock);
    return st;
}

/* Moves the strongest contributions into the list; what is left over is summed. */
static void pick_top(rs_telemetry *t, size_t n_top, struct rs_explanation *x)
{
    const struct rs_program *p = &t->model->program;
    x->n = RS_MIN(RS_MIN(n_top, RS_LEN(x->top)), p->n_steps);
    for (size_t k = 0; k < x->n; k++) {
        uint32_t best = 0;
        for (uint32_t j = 1; j < p->n_steps; j++)
            if (fabs(t->contributions[j]) > fabs(t->contributions[best]))
                best = j;
        struct rs_contribution *c = &x->top[k];
        rs_step_name(p, best, c->feature, sizeof c->feature);
        c->value = (double)t->x[best];
        c->mean = t->model->mean[best];
        c->log_odds = t->contributions[best];
        t->contributions[best] = 0;
    }
    for (uint32_t j = 0; j < p->n_steps; j++)
        x->others += t->contributions[j];
}

static enum rs_status explain(rs_telemetry *t, const char *id, size_t n_top, struct rs_explanation *out,
                              struct rs_error *err)
{
    struct entity *e = NULL;
    enum rs_status st = known(t, id, &e, err);
    if (st < 0)
        return st;
    if (!t->model)
        return rs_error_set(err, RS_ENODATA, "no model is loaded");
    if (newest(t, e) == RS_TIME_NONE)
        return rs_error_set(err, RS_ENODATA, "%s: no sample so far", id);
    struct rs_explanation x = { 0 };
    rs_state_features(&t->model->program, e->state, e->attrs, t->x);
    x.base = rs_model_explain(t->model, rs_program_cohort(&t->model->program, e->attrs), t->x, t->contributions);
    x.log_odds = x.base;
    for (uint32_t j = 0; j < t->model->program.n_steps; j++)
        x.log_odds += t->contributions[j];
    pick_top(t, n_top, &x);
    *out = x;
    return RS_OK;
}

enum rs_status rs_telemetry_explain(rs_telemetry *t, const char *id, size_t n_top, struct rs_explanation *out,
                                    struct rs_error *err)
{
    pthread_mutex_lock(&t->lock);
    enum rs_status st = explain(t, id, n_top, out, err);
    pthread_mutex_unlock(&t->lock);
    return st;
}

double rs_telemetry_risk(rs_telemetry *t, const char *host)
{
    size_t unknown;
    pthread_mutex_lock(&t->lock);
    struct entity *e = rs_telemetry_find(t, host);
    double p = e && rs_entity_is_known(e) ? host_risk(t, e, &unknown) : NAN;
    pthread_mutex_unlock(&t->lock);
    return p;
}

void rs_telemetry_census(rs_telemetry *t, double threshold, struct rs_risk_census *out)
{
    size_t unknown;
    *out = (struct rs_risk_census){ 0 };
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n_all; i++) {
        struct entity *e = t->all[i];
        if (!rs_entity_is_known(e))
            continue;
        out->entities++;
        if (e->parent)
            continue;
        double p = host_risk(t, e, &unknown);
        out->hosts++;
        out->known += isnan(p) ? 0 : 1;
        out->at_risk += p >= threshold ? 1 : 0;
    }
    pthread_mutex_unlock(&t->lock);
}
