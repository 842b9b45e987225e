/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Entities in a tree by id, each with its attributes, its feature state and its cached risk. A push works on the states
 * in place and keeps what it needs to put them back should the journal refuse. */
#include "executor/telemetry.h"

#include <math.h>
#include <search.h>

#include "common/log.h"
#include "executor/telemetry_impl.h"

#define ENTITIES_MAX 1000000

static enum rs_status out_of_memory(struct rs_error *err)
{
    return rs_error_set(err, RS_ENOMEM, "telemetry: out of memory");
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct entity *)a)->id, ((const struct entity *)b)->id);
}

struct entity *rs_telemetry_find(rs_telemetry *t, const char *id)
{
    struct entity key = { .id = (char *)(uintptr_t)id };
    struct entity **found = tfind(&key, &t->index, by_id);
    return found ? *found : NULL;
}

static void free_entity(struct entity *e)
{
    free(e->id);
    free(e->parts);
    json_decref(e->config_attrs);
    json_decref(e->pushed_attrs);
    free(e->attrs);
    free(e->state);
    free(e);
}

/* Grows an array of pointers by doubling. */
static bool push_pointer(struct entity ***array, size_t *n, size_t *cap, struct entity *e)
{
    if (*n == *cap) {
        size_t more = *cap ? 2 * *cap : 16;
        struct entity **grown = rs_realloc(*array, more, sizeof *grown);
        if (!grown)
            return false;
        *array = grown;
        *cap = more;
    }
    (*array)[(*n)++] = e;
    return true;
}

static const char *attr_text(const struct entity *e, const char *name)
{
    const json_t *v = json_object_get(e->pushed_attrs, name);
    return json_string_value(v ? v : json_object_get(e->config_attrs, name));
}

/* Sees the entity's attributes as the model's program knows them. */
static enum rs_status bind_attrs(const struct rs_model *m, struct entity *e, struct rs_error *err)
{
    if (!m)
        return RS_OK;
    struct rs_attr_value *attrs = rs_alloc(m->program.n_attrs, sizeof *attrs);
    if (!attrs)
        return out_of_memory(err);
    for (uint32_t i = 0; i < m->program.n_attrs; i++)
        attrs[i] = rs_attr_bind(&m->program.attrs[i], attr_text(e, m->program.attrs[i].name));
    free(e->attrs);
    e->attrs = attrs;
    e->is_scored = false;
    return RS_OK;
}

static enum rs_status add_entity(rs_telemetry *t, const char *id, struct entity **out, struct rs_error *err)
{
    if (t->n_all >= ENTITIES_MAX)
        return rs_error_set(err, RS_ENOSPACE, "entity %s: %d entities are known already", id, ENTITIES_MAX);
    struct entity *e = rs_alloc(1, sizeof *e);
    if (!e)
        return out_of_memory(err);
    e->id = strdup(id);
    e->config_attrs = json_object();
    e->pushed_attrs = json_object();
    if (!e->id || !e->config_attrs || !e->pushed_attrs || bind_attrs(t->model, e, NULL) < 0 ||
        !push_pointer(&t->all, &t->n_all, &t->cap_all, e)) {
        free_entity(e);
        return out_of_memory(err);
    }
    if (!tsearch(e, &t->index, by_id)) {
        t->n_all--;
        free_entity(e);
        return out_of_memory(err);
    }
    *out = e;
    return RS_OK;
}

static void detach(struct entity *e)
{
    struct entity *host = e->parent;
    e->parent = NULL;
    for (size_t i = 0; host && i < host->n_parts; i++) {
        if (host->parts[i] != e)
            continue;
        host->parts[i] = host->parts[--host->n_parts];
        return;
    }
}

static enum rs_status attach(struct entity *e, struct entity *host, struct rs_error *err)
{
    if (e->parent == host)
        return RS_OK;
    if (host && !push_pointer(&host->parts, &host->n_parts, &host->cap_parts, e))
        return out_of_memory(err);
    detach(e);
    e->parent = host;
    return RS_OK;
}

enum rs_status rs_telemetry_new(rs_journal *journal, const struct rs_clock *clock, rs_telemetry **out,
                                struct rs_error *err)
{
    rs_telemetry *t = rs_alloc(1, sizeof *t);
    if (!t)
        return out_of_memory(err);
    pthread_mutex_init(&t->push_lock, NULL);
    pthread_mutex_init(&t->lock, NULL);
    t->journal = journal;
    t->clock = clock;
    *out = t;
    return RS_OK;
}

static void keep_node(void *node)
{
    (void)node; /* entities are freed through t->all */
}

void rs_telemetry_free(rs_telemetry *t)
{
    if (!t)
        return;
    tdestroy(t->index, keep_node);
    for (size_t i = 0; i < t->n_all; i++)
        free_entity(t->all[i]);
    free(t->all);
    free(t->touched);
    free(t->signals);
    free(t->values);
    free(t->x);
    free(t->contributions);
    rs_model_free(t->model);
    pthread_mutex_destroy(&t->push_lock);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static enum rs_status list_entity(rs_telemetry *t, const char *id, const struct rs_config_attr *attrs, size_t n,
                                  struct entity **out, struct rs_error *err)
{
    struct entity *e = rs_telemetry_find(t, id);
    enum rs_status st = e ? RS_OK : add_entity(t, id, &e, err);
    if (st < 0)
        return st;
    json_object_clear(e->config_attrs);
    for (size_t i = 0; i < n; i++)
        if (json_object_set_new(e->config_attrs, attrs[i].name, json_string(attrs[i].value)) != 0)
            return rs_error_set(err, RS_ECONFIG, "%s: attribute %s: not UTF-8", id, attrs[i].name);
    e->is_listed = true;
    *out = e;
    return bind_attrs(t->model, e, err);
}

static enum rs_status list_host(rs_telemetry *t, const struct rs_config_host *h, struct rs_error *err)
{
    struct entity *host = NULL, *part = NULL;
    enum rs_status st = list_entity(t, h->name, h->attrs, h->n_attrs, &host, err);
    if (st == RS_OK)
        detach(host);
    for (size_t i = 0; st == RS_OK && i < h->n_components; i++) {
        const struct rs_config_component *c = &h->components[i];
        st = list_entity(t, c->id, c->attrs, c->n_attrs, &part, err);
        if (st == RS_OK)
            st = attach(part, host, err);
    }
    return st;
}

enum rs_status rs_telemetry_configure(rs_telemetry *t, const rs_config *config, struct rs_error *err)
{
    pthread_mutex_lock(&t->push_lock);
    pthread_mutex_lock(&t->lock);
    t->stale_after_s = config->telemetry.stale_after_s;
    t->max_skew_s = config->telemetry.max_skew_s;
    t->register_unknown = config->telemetry.register_unknown;
    for (size_t i = 0; i < t->n_all; i++) {
        t->all[i]->is_listed = false;
        t->all[i]->is_registered = t->all[i]->is_registered && t->register_unknown;
    }
    enum rs_status st = RS_OK;
    for (size_t i = 0; st == RS_OK && i < config->n_hosts; i++)
        st = list_host(t, &config->hosts[i], err);
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_unlock(&t->push_lock);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct signal_name *)a)->name, ((const struct signal_name *)b)->name);
}

/* Everything that a model needs beside it, made before the swap so that the swap cannot fail. */
struct model_room {
    struct signal_name *signals;
    float *values, *x;
    double *contributions;
    struct rs_attr_value **attrs; /* n_all */
};

static void free_room(struct model_room *r, size_t n)
{
    free(r->signals);
    free(r->values);
    free(r->x);
    free(r->contributions);
    for (size_t i = 0; r->attrs && i < n; i++)
        free(r->attrs[i]);
    free(r->attrs);
}

static bool make_room(const rs_telemetry *t, const struct rs_model *m, struct model_room *r)
{
    const struct rs_program *p = &m->program;
    r->signals = rs_alloc(p->n_signals, sizeof *r->signals);
    r->values = rs_alloc(p->n_signals, sizeof *r->values);
    r->x = rs_alloc(p->n_steps, sizeof *r->x);
    r->contributions = rs_alloc(p->n_steps, sizeof *r->contributions);
    r->attrs = rs_alloc(t->n_all, sizeof(struct rs_attr_value *));
    if (!r->signals || !r->values || !r->x || !r->contributions || !r->attrs)
        return false;
    for (uint32_t i = 0; i < p->n_signals; i++)
        r->signals[i] = (struct signal_name){ p->signals[i].name, i };
    qsort(r->signals, p->n_signals, sizeof *r->signals, by_name);
    for (size_t i = 0; i < t->n_all; i++) {
        if (!(r->attrs[i] = rs_alloc(p->n_attrs, sizeof **r->attrs)))
            return false;
        for (uint32_t k = 0; k < p->n_attrs; k++)
            r->attrs[i][k] = rs_attr_bind(&p->attrs[k], attr_text(t->all[i], p->attrs[k].name));
    }
    return true;
}

#define SWAP(a, b)                                                                                                     \
    do {                                                                                                               \
        __typeof__(a) swap_ = (a);                                                                                     \
        (a) = (b);                                                                                                     \
        (b) = swap_;                                                                                                   \
    } while (0)

/* Puts the model in place; r leaves with what the old one had. */
static size_t swap_model(rs_telemetry *t, struct rs_model *m, struct model_room *r)
{
    uint64_t program = m ? rs_program_digest(&m->program) : 0;
    bool is_same = m && t->model && program == t->program_digest;
    size_t dropped = 0;
    for (size_t i = 0; i < t->n_all; i++) {
        struct entity *e = t->all[i];
        if (m)
            SWAP(e->attrs, r->attrs[i]);
        e->is_scored = false;
        dropped += !is_same && e->state;
        if (!is_same) {
            free(e->state);
            e->state = NULL;
        }
    }
    SWAP(t->signals, r->signals);
    SWAP(t->values, r->values);
    SWAP(t->x, r->x);
    SWAP(t->contributions, r->contributions);
    t->model = m;
    t->program_digest = program;
    t->digest = m ? rs_model_digest(m) : 0;
    return dropped;
}

enum rs_status rs_telemetry_set_model(rs_telemetry *t, struct rs_model *m, struct rs_error *err)
{
    struct model_room room = { 0 };
    pthread_mutex_lock(&t->push_lock);
    pthread_mutex_lock(&t->lock);
    struct rs_model *old = t->model;
    size_t dropped = 0;
    bool ok = !m || make_room(t, m, &room);
    if (ok)
        dropped = swap_model(t, m, &room);
    free_room(&room, t->n_all);
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_unlock(&t->push_lock);
    rs_model_free(ok ? old : m);
    if (dropped)
        rs_log_warn("states_anew", "entities=%zu why=\"the new model has other features\"", dropped);
    return ok ? RS_OK : out_of_memory(err);
}

struct restoring {
    rs_telemetry *t;
    size_t restored, of_other_program, damaged, unlisted;
    struct rs_error *err;
};

/* The entity of a saved state or a sample: known, or registered where that is allowed. */
static enum rs_status known_entity(rs_telemetry *t, const char *id, const char *parent, struct entity **out,
                                   struct rs_error *err)
{
    struct entity *e = rs_telemetry_find(t, id), *host = NULL;
    if (e && rs_entity_is_known(e)) {
        *out = e;
        return RS_OK;
    }
    if (!t->register_unknown)
        return rs_error_set(err, RS_EUNKNOWN_HOST,
                            "entity %s: not in the configuration; add it to hosts, or set telemetry.unknown_entities: "
                            "register",
                            id);
    enum rs_status st = RS_OK;
    if (parent && !rs_streq(parent, id))
        st = known_entity(t, parent, NULL, &host, err);
    if (st == RS_OK && host && host->parent)
        st = rs_error_set(err, RS_EINVAL, "entity %s: its parent %s is itself a component", id, parent);
    if (st == RS_OK && !e)
        st = add_entity(t, id, &e, err);
    if (st == RS_OK)
        st = attach(e, host, err);
    if (st < 0)
        return st;
    e->is_registered = true;
    *out = e;
    return RS_OK;
}

static enum rs_status restore_attrs(rs_telemetry *t, struct entity *e, const char *text, struct rs_error *err)
{
    json_t *attrs = text ? json_loads(text, 0, NULL) : NULL;
    if (!json_is_object(attrs)) {
        json_decref(attrs);
        return RS_OK;
    }
    json_decref(e->pushed_attrs);
    e->pushed_attrs = attrs;
    return bind_attrs(t->model, e, err);
}

static enum rs_status restore_one(void *arg, const struct rs_journal_state *s)
{
    struct restoring *r = arg;
    rs_telemetry *t = r->t;
    struct entity *e = NULL;
    struct rs_error why = RS_ERROR_INIT;
    if (known_entity(t, s->entity, s->parent, &e, &why) < 0) {
        r->unlisted++;
        return RS_OK;
    }
    enum rs_status st = restore_attrs(t, e, s->attrs, r->err);
    if (st < 0)
        return st;
    if (!t->model || s->digest != t->program_digest) {
        r->of_other_program++;
        return RS_OK;
    }
    size_t size = rs_program_state_size(&t->model->program);
    size_t whole = rs_entity_state_size(&t->model->program);
    bool has_size = s->size == whole || s->size == size; /* without bins: of before there were any */
    void *state = rs_alloc(1, whole);
    if (!state)
        return out_of_memory(r->err);
    if (has_size)
        memcpy(state, s->state, s->size); /* aligned memory: SQLite's is not */
    if (!has_size || rs_state_check(&t->model->program, state, size, &why) < 0) {
        rs_log_warn("state_damaged", "entity=\"%s\" why=\"%s\"", s->entity, why.msg);
        free(state);
        r->damaged++;
        return RS_OK;
    }
    free(e->state);
    e->state = state;
    e->is_scored = false;
    r->restored++;
    return RS_OK;
}

enum rs_status rs_telemetry_restore(rs_telemetry *t, struct rs_error *err)
{
    if (!t->journal)
        return RS_OK;
    struct restoring r = { .t = t, .err = err };
    pthread_mutex_lock(&t->push_lock);
    pthread_mutex_lock(&t->lock);
    enum rs_status st = rs_journal_each_state(t->journal, restore_one, &r, err);
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_unlock(&t->push_lock);
    if (st == RS_OK)
        rs_log_info("states_restored", "entities=%zu anew=%zu damaged=%zu not_listed=%zu", r.restored,
                    r.of_other_program, r.damaged, r.unlisted);
    return st;
}

/* Remembers the entity as it was before the push first touches it. */
static enum rs_status touch(rs_telemetry *t, struct entity *e, bool was_registered, struct touched **out,
                            struct rs_error *err)
{
    if (e->touched) {
        *out = &t->touched[e->touched - 1];
        return RS_OK;
    }
    if (t->n_touched == t->cap_touched) {
        size_t cap = t->cap_touched ? 2 * t->cap_touched : 64;
        struct touched *more = rs_realloc(t->touched, cap, sizeof *more);
        if (!more)
            return out_of_memory(err);
        t->touched = more;
        t->cap_touched = cap;
    }
    struct touched old = { .e = e, .was_registered = was_registered };
    size_t size = rs_entity_state_size(&t->model->program);
    if (e->state && !(old.old_state = rs_alloc(1, size)))
        return out_of_memory(err);
    if (e->state)
        memcpy(old.old_state, e->state, size);
    old.old_attrs = json_incref(e->pushed_attrs);
    t->touched[t->n_touched] = old;
    *out = &t->touched[t->n_touched++];
    e->touched = t->n_touched;
    return RS_OK;
}

static void fill_values(rs_telemetry *t, json_t *signals)
{
    const struct rs_program *p = &t->model->program;
    for (uint32_t i = 0; i < p->n_signals; i++)
        t->values[i] = NAN;
    const char *name;
    json_t *v;
    json_object_foreach(signals, name, v)
    {
        struct signal_name key = { .name = name };
        struct signal_name *s = bsearch(&key, t->signals, p->n_signals, sizeof key, by_name);
        if (!s)
            t->unknown_signals++;
        else if (!json_is_null(v))
            t->values[s->index] = (float)json_number_value(v);
    }
}

/* The entity's pushed attributes with those of the sample; NULL where nothing is new. A missing one never erases. */
static enum rs_status merge_attrs(const struct entity *e, json_t *given, json_t **out, struct rs_error *err)
{
    json_t *merged = NULL;
    const char *name;
    json_t *v;
    json_object_foreach(given, name, v)
    {
        char buf[32];
        const char *text = rs_sample_attr_text(v, buf);
        const char *old = json_string_value(json_object_get(e->pushed_attrs, name));
        if (!text || !*text || (old && rs_streq(old, text)))
            continue;
        if (!merged && !(merged = json_copy(e->pushed_attrs)))
            return out_of_memory(err);
        if (json_object_set_new(merged, name, json_string(text)) != 0) {
            json_decref(merged);
            return out_of_memory(err);
        }
    }
    *out = merged;
    return RS_OK;
}

/* Of before the first sample; NULL where memory is short. */
static void *new_state(const struct rs_program *p)
{
    void *state = rs_alloc(1, rs_entity_state_size(p));
    if (state)
        rs_state_init(p, state);
    return state;
}

static void note_bins(rs_telemetry *t, void *state)
{
    const struct rs_program *p = &t->model->program;
    struct drift_bins *to = rs_entity_bins(p, state);
    if (!t->model->refs)
        return;
    for (uint32_t i = 0; i < p->n_signals; i++)
        to->bin[i] = rs_drift_bin(&t->model->refs[i], (double)t->values[i]);
    to->digest = t->digest;
}

static enum rs_status push_state(rs_telemetry *t, struct entity *e, int64_t time, struct rs_error *err)
{
    const struct rs_program *p = &t->model->program;
    rs_autofree void *fresh = e->state ? NULL : new_state(p);
    if (!e->state && !fresh)
        return out_of_memory(err);
    void *state = e->state ? e->state : fresh;
    enum rs_status st = rs_state_push(p, state, time, t->values);
    if (st < 0) {
        char a[RS_TIME_MAX], b[RS_TIME_MAX];
        rs_error_set(err, st, "entity %s: a sample of %s, and its newest is of %s", e->id, rs_time_format(time, a),
                     rs_time_format(rs_state_time(p, state), b));
        return st;
    }
    note_bins(t, state);
    if (fresh)
        e->state = rs_take(fresh);
    e->is_scored = false;
    return RS_OK;
}

/* Takes the event into a state where the program knows its kind. */
static enum rs_status feed_event(const struct rs_program *p, void *state, const char *name, int64_t time,
                                 bool *io_is_known)
{
    for (uint32_t i = 0; i < p->n_events; i++) {
        if (!rs_streq(p->events[i], name))
            continue;
        *io_is_known = true;
        return rs_state_event(p, state, i, time);
    }
    return RS_OK;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The event, and what it counts as too, as datasets/fleet_side.c does offline. */
static enum rs_status feed_all(const struct rs_program *p, void *state, const char *name, int64_t time,
                               bool *io_is_known)
{
    bool is_named = has_prefix(name, "failure/");
    enum rs_status st = feed_event(p, state, name, time, io_is_known);
    if (st == RS_OK && is_named)
        st = feed_event(p, state, "failure", time, io_is_known);
    if (st == RS_OK && (is_named || rs_streq(name, "failure") || has_prefix(name, "event/")))
        st = feed_event(p, state, "any", time, io_is_known);
    return st;
}

/* Whether an earlier push brought an event of that kind at that time or later. */
static bool is_old_event(const rs_telemetry *t, const struct entity *e, const char *name, int64_t time)
{
    const struct rs_program *p = &t->model->program;
    const void *before = t->touched[e->touched - 1].old_state;
    for (uint32_t i = 0; before && i < p->n_events; i++)
        if (rs_streq(p->events[i], name) && rs_state_event_time(p, before, i) != RS_TIME_NONE)
            return time <= rs_state_event_time(p, before, i);
    return false;
}

/* One row may be several events; they go into a copy of the state, so that a refusal leaves no half. */
static enum rs_status push_event(rs_telemetry *t, struct entity *e, const char *name, int64_t time,
                                 struct rs_error *err)
{
    const struct rs_program *p = &t->model->program;
    bool is_known = false;
    rs_autofree void *next = new_state(p);
    if (!next)
        return out_of_memory(err);
    if (e->state)
        memcpy(next, e->state, rs_entity_state_size(p));
    enum rs_status st = is_old_event(t, e, name, time) ? RS_ESTALE : feed_all(p, next, name, time, &is_known);
    if (st < 0) {
        char at[RS_TIME_MAX];
        return rs_error_set(err, st, "entity %s: event %s of %s: it, or a later one of its kind, is known already",
                            e->id, name, rs_time_format(time, at));
    }
    t->ignored_events += !is_known;
    if (!is_known)
        return RS_OK;
    free(e->state);
    e->state = rs_take(next);
    e->is_scored = false;
    return RS_OK;
}

/* Under the lock. Whatever fails leaves the entity as it was. */
static enum rs_status take_sample(rs_telemetry *t, const struct rs_sample *s, struct rs_error *err)
{
    char a[RS_TIME_MAX], b[RS_TIME_MAX];
    int64_t now = rs_clock_wall_s(t->clock);
    if ((double)s->time > (double)now + t->max_skew_s)
        return rs_error_set(err, RS_EFUTURE, "entity %s: %s of %s, and it is %s here", s->entity,
                            s->event ? "an event" : "a sample", rs_time_format(s->time, a), rs_time_format(now, b));
    struct entity *e = rs_telemetry_find(t, s->entity);
    bool was_registered = e && e->is_registered;
    enum rs_status st = known_entity(t, s->entity, s->parent, &e, err);
    if (st < 0)
        return st;
    struct touched *old = NULL;
    json_t *merged = NULL;
    st = touch(t, e, was_registered, &old, err);
    if (st == RS_OK)
        st = merge_attrs(e, s->attributes, &merged, err);
    if (st < 0)
        return st;
    if (s->event) {
        st = push_event(t, e, s->event, s->time, err);
    } else {
        fill_values(t, s->signals);
        st = push_state(t, e, s->time, err);
    }
    if (st == RS_OK && merged) {
        SWAP(e->pushed_attrs, merged);
        old->has_new_attrs = true;
        st = bind_attrs(t->model, e, err);
    }
    json_decref(merged);
    return st;
}

static enum rs_status take_row(void *arg, const struct rs_sample *s, struct rs_error *err)
{
    rs_telemetry *t = arg;
    pthread_mutex_lock(&t->lock);
    enum rs_status st = take_sample(t, s, err);
    pthread_mutex_unlock(&t->lock);
    return st;
}

static void put_back(rs_telemetry *t)
{
    for (size_t i = 0; i < t->n_touched; i++) {
        struct touched *old = &t->touched[i];
        SWAP(old->e->state, old->old_state);
        SWAP(old->e->pushed_attrs, old->old_attrs);
        old->e->is_registered = old->was_registered;
        bind_attrs(t->model, old->e, NULL);
    }
}

static void forget_touched(rs_telemetry *t)
{
    for (size_t i = 0; i < t->n_touched; i++) {
        t->touched[i].e->touched = 0;
        free(t->touched[i].old_state);
        json_decref(t->touched[i].old_attrs);
    }
    t->n_touched = 0;
}

/* One transaction with every state that the push changed. Only pushes write states, so the push lock is enough. */
static enum rs_status save_touched(rs_telemetry *t, struct rs_error *err)
{
    if (!t->journal || t->n_touched == 0)
        return RS_OK;
    const struct rs_program *p = &t->model->program;
    size_t n = 0;
    rs_autofree struct rs_journal_state *states = rs_alloc(t->n_touched, sizeof *states);
    rs_autofree char **texts = rs_alloc(t->n_touched, sizeof(char *));
    enum rs_status st = states && texts ? RS_OK : out_of_memory(err);
    for (size_t i = 0; st == RS_OK && i < t->n_touched; i++) {
        const struct entity *e = t->touched[i].e;
        if (!e->state) /* every row of it was refused */
            continue;
        texts[i] = t->touched[i].has_new_attrs ? json_dumps(e->pushed_attrs, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
        states[n++] = (struct rs_journal_state){ .entity = e->id,
                                                 .digest = t->program_digest,
                                                 .time = rs_state_time(p, e->state),
                                                 .state = e->state,
                                                 .size = rs_entity_state_size(p),
                                                 .attrs = texts[i],
                                                 .parent = e->parent ? e->parent->id : NULL };
    }
    if (st == RS_OK && n)
        st = rs_journal_states(t->journal, states, n, err);
    for (size_t i = 0; texts && i < t->n_touched; i++)
        free(texts[i]);
    return st;
}

enum rs_status rs_telemetry_push(rs_telemetry *t, const char *body, size_t len, struct rs_push_report *out,
                                 struct rs_error *err)
{
    *out = (struct rs_push_report){ 0 };
    pthread_mutex_lock(&t->push_lock);
    t->unknown_signals = t->ignored_events = 0;
    enum rs_status st = RS_OK;
    if (!t->model)
        st = rs_error_set(err, RS_ENODATA, "no model is loaded, so samples cannot be taken in");
    if (st == RS_OK)
        st = rs_samples_read(body, len, take_row, t, &out->rows, err);
    if (st == RS_OK)
        st = save_touched(t, err);
    out->unknown_signals = t->unknown_signals;
    out->ignored_events = t->ignored_events;
    pthread_mutex_lock(&t->lock);
    if (st < 0)
        put_back(t);
    forget_touched(t);
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_unlock(&t->push_lock);
    return st;
}
