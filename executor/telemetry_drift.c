/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Drift of the fleet as the daemon sees it: the newest sample of each entity, by the bins that stand behind its state,
 * against the references of the model. The figures are those of `reseat drift` on a file with the same samples. */
#include <math.h>

#include "executor/telemetry_impl.h"

/* Results 0 is the risk, i + 1 the signal i. */
struct comparison {
    size_t n;
    struct rs_drift_counts *counts;
    struct rs_drift *results;
    size_t *order; /* of the signals */
};

static void clear_comparison(struct comparison *c)
{
    free(c->counts);
    free(c->results);
    free(c->order);
}

void rs_drift_view_clear(struct rs_drift_view *v)
{
    free(v->signals);
    free(v->names);
    *v = (struct rs_drift_view){ 0 };
}

static enum rs_status out_of_memory(struct rs_error *err)
{
    return rs_error_set(err, RS_ENOMEM, "drift: out of memory");
}

static bool is_counted(const rs_telemetry *t, const struct entity *e)
{
    return rs_entity_is_known(e) && e->state && rs_entity_bins(&t->model->program, e->state)->digest == t->digest &&
           !rs_entity_is_stale(t, e);
}

static void count(rs_telemetry *t, struct comparison *c, struct rs_drift_view *v)
{
    const struct rs_program *p = &t->model->program;
    for (size_t i = 0; i < t->n_all; i++) {
        struct entity *e = t->all[i];
        if (!is_counted(t, e))
            continue;
        const struct drift_bins *bins = rs_entity_bins(p, e->state);
        rs_drift_count(&t->model->score_ref, rs_entity_risk(t, e), 1, &c->counts[0]);
        for (uint32_t k = 0; k < p->n_signals; k++)
            rs_drift_count_bin(bins->bin[k], 1, &c->counts[k + 1]);
        int64_t time = rs_state_time(p, e->state);
        v->oldest = v->oldest == RS_TIME_NONE ? time : RS_MIN(time, v->oldest);
        v->n_entities++;
    }
}

static enum rs_status compare(rs_telemetry *t, struct comparison *c, struct rs_drift_view *v, struct rs_error *err)
{
    const struct rs_model *m = t->model;
    c->n = (size_t)m->program.n_signals + 1;
    c->counts = rs_alloc(c->n, sizeof *c->counts);
    c->results = rs_alloc(c->n, sizeof *c->results);
    c->order = rs_alloc(c->n, sizeof *c->order);
    if (!c->counts || !c->results || !c->order)
        return out_of_memory(err);
    count(t, c, v);
    for (size_t i = 0; i < c->n; i++)
        rs_drift_measure(i ? &m->refs[i - 1] : &m->score_ref, &c->counts[i], v->n_reference, &c->results[i]);
    enum rs_status st = rs_drift_judge(c->results, c->n, err);
    if (st == RS_OK)
        rs_drift_order(c->results + 1, c->n - 1, c->order);
    return st;
}

/* Names are copied: the model may be gone when they are read. */
static enum rs_status fill(const struct rs_program *p, const struct comparison *c, struct rs_drift_view *v,
                           struct rs_error *err)
{
    size_t len = 0;
    for (uint32_t i = 0; i < p->n_signals; i++)
        len += strlen(p->signals[i].name) + 1;
    v->signals = rs_alloc(p->n_signals, sizeof *v->signals);
    v->names = rs_alloc(len, 1);
    if (!v->signals || !v->names)
        return out_of_memory(err);
    char *at = v->names;
    v->risk = (struct rs_drift_item){ "risk", c->results[0] };
    v->n_found = rs_drift_is_found(&c->results[0]);
    for (uint32_t i = 0; i < p->n_signals; i++) {
        const char *name = p->signals[c->order[i]].name;
        v->signals[i] = (struct rs_drift_item){ at, c->results[c->order[i] + 1] };
        v->n_found += rs_drift_is_found(&v->signals[i].result);
        at = stpcpy(at, name) + 1;
    }
    v->n_signals = p->n_signals;
    return RS_OK;
}

static enum rs_status measure(rs_telemetry *t, struct rs_drift_view *v, struct rs_error *err)
{
    if (!t->model)
        return rs_error_set(err, RS_ENODATA, "no model is loaded");
    if (!t->model->refs)
        return rs_error_set(err, RS_ENODATA, "the model has no references to compare with: train it anew");
    __attribute__((cleanup(clear_comparison))) struct comparison c = { 0 };
    *v = (struct rs_drift_view){ .digest = t->digest,
                                 .oldest = RS_TIME_NONE,
                                 .n_reference = rs_drift_base(&t->model->meta) };
    enum rs_status st = compare(t, &c, v, err);
    return st == RS_OK ? fill(&t->model->program, &c, v, err) : st;
}

enum rs_status rs_telemetry_drift(rs_telemetry *t, struct rs_drift_view *out, struct rs_error *err)
{
    struct rs_drift_view v = { 0 };
    pthread_mutex_lock(&t->lock);
    enum rs_status st = measure(t, &v, err);
    pthread_mutex_unlock(&t->lock);
    if (st < 0)
        rs_drift_view_clear(&v);
    else
        *out = v;
    return st;
}

static double beyond_chance(const struct rs_drift_item *item)
{
    double beyond = item->result.psi - item->result.expected;
    return beyond < 0 ? 0 : beyond; /* NAN where the index is unknown */
}

static struct rs_drift_summary summarise(const struct rs_drift_view *v)
{
    struct rs_drift_summary s = { .risk = beyond_chance(&v->risk), .signal = NAN };
    for (size_t i = 0; i < v->n_signals; i++) {
        s.signal = fmax(s.signal, beyond_chance(&v->signals[i]));
        s.n_found += rs_drift_is_found(&v->signals[i].result);
    }
    return s;
}

static bool is_fresh(const rs_telemetry *t, int64_t now_ns)
{
    return t->drift_digest && t->drift_digest == t->digest &&
           now_ns - t->drift_ns < RS_DRIFT_SUMMARY_AGE_S * INT64_C(1000000000);
}

struct rs_drift_summary rs_telemetry_drift_summary(rs_telemetry *t)
{
    rs_auto_drift_view v = { 0 };
    struct rs_drift_summary s = { .risk = NAN, .signal = NAN };
    int64_t now_ns = rs_clock_mono_ns(t->clock);
    pthread_mutex_lock(&t->lock);
    if (is_fresh(t, now_ns)) {
        s = t->drift;
    } else if (measure(t, &v, NULL) == RS_OK) {
        s = t->drift = summarise(&v);
        t->drift_digest = t->digest;
        t->drift_ns = now_ns;
    }
    pthread_mutex_unlock(&t->lock);
    return s;
}
