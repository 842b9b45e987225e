/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What happened to entities, beside their samples: failures, returns to service, maintenance, events and mitigations
 * of one entity, read along with the entities and merged in time order. Tables sorted by entity are walked; that of
 * maintenance is sorted by time and is kept in memory by entity, 24 bytes a row, shared by all scans of a file. */
#include "fleet.h"

#include "datasets/contain.h"
#include "datasets/fleet_private.h"

/* ---- names ---- */

/* Adds "PREFIX" or "PREFIX/KIND"; *out is its index, -1 where it is too long for a name. */
static enum rs_status add_name(rs_fleet *f, const char *prefix, const char *kind, int32_t *out, struct rs_error *err)
{
    char name[2 * RS_NAME_MAX];
    *out = -1;
    int len = snprintf(name, sizeof name, "%s%s%s", prefix, kind ? "/" : "", kind ? kind : "");
    if (len < 0 || len >= RS_NAME_MAX)
        return RS_OK;
    char **grown = rs_realloc(f->event_names, (size_t)f->info.n_events + 1, sizeof *grown);
    if (grown)
        f->event_names = grown;
    if (!grown || !(grown[f->info.n_events] = strdup(name)))
        return rs_error_set(err, RS_ENOMEM, "no memory for the names of events");
    *out = (int32_t)f->info.n_events++;
    return RS_OK;
}

static enum rs_status read_kinds(rs_fleet *f, const char *path, const char *prefix, uint64_t n_rows,
                                 struct rs_event_kinds *out, struct rs_error *err)
{
    enum rs_status st = rs_fleet_read_texts(f, path, RS_ATTR_VALUES_MAX, false, true, &out->kinds, &out->n, err);
    if (st == RS_OK && !(out->event_of = rs_alloc(out->n, sizeof *out->event_of)))
        st = rs_error_set(err, RS_ENOMEM, "no memory for %s", path);
    for (uint32_t i = 0; i < out->n && st == RS_OK; i++) {
        out->event_of[i] = -1;
        if (n_rows)
            st = add_name(f, prefix, out->kinds[i], &out->event_of[i], err);
    }
    return st;
}

static void clear_kinds(struct rs_event_kinds *k)
{
    rs_fleet_free_texts(k->kinds, k->n);
    free(k->event_of);
}

/* Whether any failure has a return to service. */
static enum rs_status has_repairs(rs_fleet *f, bool *out, struct rs_error *err)
{
    struct rs_column_window back = { .data = NULL };
    enum rs_status st = rs_column_open(f, "/failures/back", RS_H5_I64, f->info.n_failures, &back, err);
    *out = false;
    for (uint64_t i = 0; i < f->info.n_failures && st == RS_OK && !*out; i++) {
        const void *p;
        int64_t t;
        st = rs_column_at(&back, i, &p, err);
        if (st < 0)
            break;
        memcpy(&t, p, sizeof t);
        *out = t != RS_TIME_NONE;
    }
    rs_column_clear(&back);
    return st;
}

static enum rs_status read_failure_names(rs_fleet *f, struct rs_error *err)
{
    bool has_any = f->info.n_failures > 0, is_repaired = false;
    enum rs_status st = has_any ? add_name(f, "failure", NULL, &f->failure_event, err) : RS_OK;
    if (st == RS_OK)
        st = read_kinds(f, "/failures/kinds", "failure", f->info.n_failures, &f->failures, err);
    if (st == RS_OK && has_any)
        st = has_repairs(f, &is_repaired, err);
    if (st == RS_OK && is_repaired)
        st = add_name(f, "repair", NULL, &f->repair_event, err);
    f->info.failure_kinds = (const char *const *)f->failures.kinds;
    f->info.n_failure_kinds = f->failures.n;
    return st;
}

/* ---- sizes ---- */

/* Files of before there were these groups lack them. */
static enum rs_status count_optional(rs_fleet *f, const char *group, const char *path, uint64_t *out,
                                     struct rs_error *err)
{
    RS_AUTO(rs_h5_data) *d = NULL;
    *out = 0;
    if (!rs_h5_has(f->file, group))
        return RS_OK;
    enum rs_status st = rs_h5_data_open(f->file, path, RS_H5_I64, 0, &d, err);
    if (st == RS_OK)
        *out = rs_h5_rows(d);
    return st;
}

static enum rs_status read_mitigation_names(rs_fleet *f, struct rs_error *err)
{
    if (!rs_h5_has(f->file, "/mitigations"))
        return RS_OK;
    enum rs_status st = rs_fleet_read_texts(f, "/mitigations/kinds", RS_ATTR_VALUES_MAX, false, true,
                                            &f->mitigation_kinds, &f->n_mitigation_kinds, err);
    if (st < 0 || !rs_h5_has_attr(f->file, "/mitigations", "control_share"))
        return st;
    double *share = &f->info.control_share;
    st = rs_h5_get_f64(f->file, "/mitigations", "control_share", share, err);
    if (st == RS_OK && !(*share > 0 && *share < 1))
        st = rs_error_set(err, RS_ECORRUPT, "/mitigations: control_share is not between 0 and 1");
    return st;
}

enum rs_status rs_fleet_read_events(rs_fleet *f, struct rs_error *err)
{
    struct rs_fleet_info *i = &f->info;
    f->failure_event = f->repair_event = f->any_event = -1;
    enum rs_status st = read_failure_names(f, err);
    if (st == RS_OK)
        st = read_kinds(f, "/maintenance/kinds", "maintenance", i->n_maintenance, &f->maintenance_kinds, err);
    if (st == RS_OK)
        st = count_optional(f, "/events", "/events/time", &i->n_event_rows, err);
    if (st == RS_OK && rs_h5_has(f->file, "/events"))
        st = read_kinds(f, "/events/kinds", "event", i->n_event_rows, &f->event_kinds, err);
    if (st == RS_OK && i->n_event_rows && i->n_failures) /* of one sort alone it would tell nothing new */
        st = add_name(f, "any", NULL, &f->any_event, err);
    if (st == RS_OK)
        st = count_optional(f, "/mitigations", "/mitigations/time", &i->n_mitigations, err);
    if (st == RS_OK)
        st = read_mitigation_names(f, err);
    i->events = (const char *const *)f->event_names;
    return st;
}

void rs_fleet_clear_events(rs_fleet *f)
{
    clear_kinds(&f->failures);
    clear_kinds(&f->maintenance_kinds);
    clear_kinds(&f->event_kinds);
    rs_fleet_free_texts(f->event_names, f->info.n_events);
    rs_fleet_free_texts(f->mitigation_kinds, f->n_mitigation_kinds);
    free(f->maintenance);
}

/* ---- maintenance ---- */

static int by_entity_start(const void *pa, const void *pb)
{
    const struct rs_maintenance *a = pa, *b = pb;
    if (a->entity != b->entity)
        return a->entity < b->entity ? -1 : 1;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return (a->kind > b->kind) - (a->kind < b->kind);
}

static enum rs_status maintenance_at(rs_fleet *f, struct rs_column_window columns[3], uint64_t i,
                                     struct rs_maintenance *out, struct rs_error *err)
{
    const void *p[3];
    for (size_t c = 0; c < 3; c++) {
        enum rs_status st = rs_column_at(&columns[c], i, &p[c], err);
        if (st < 0)
            return st;
    }
    memcpy(&out->entity, p[0], sizeof out->entity);
    memcpy(&out->start, p[1], sizeof out->start);
    memcpy(&out->kind, p[2], sizeof out->kind);
    bool is_sound = out->entity < f->info.n_entities && out->start != RS_TIME_NONE && out->kind >= -1 &&
                    out->kind < (int64_t)f->maintenance_kinds.n;
    return is_sound ? RS_OK
                    : rs_error_set(err, RS_ECORRUPT, "/maintenance: row %llu: entity, start or kind is impossible",
                                   (unsigned long long)i);
}

/* Grows as rows are truly there, whatever size the file claims. */
static enum rs_status read_maintenance(rs_fleet *f, struct rs_column_window columns[3], struct rs_error *err)
{
    rs_autofree struct rs_maintenance *all = rs_alloc(1, sizeof *all);
    size_t cap = all ? 1 : 0;
    for (uint64_t i = 0; i < f->info.n_maintenance; i++) {
        if (i == cap) {
            struct rs_maintenance *grown = rs_realloc(all, 2 * cap, sizeof *grown);
            if (!grown)
                return rs_error_set(err, RS_ENOMEM, "no memory for %zu rows of /maintenance", 2 * cap);
            all = grown;
            cap *= 2;
        }
        enum rs_status st = maintenance_at(f, columns, i, &all[i], err);
        if (st < 0)
            return st;
    }
    if (!all)
        return rs_error_set(err, RS_ENOMEM, "no memory for /maintenance");
    qsort(all, (size_t)f->info.n_maintenance, sizeof *all, by_entity_start);
    f->maintenance = rs_take(all);
    return RS_OK;
}

static enum rs_status load_maintenance(rs_fleet *f, struct rs_error *err)
{
    struct rs_column_window columns[3] = { { .data = NULL } };
    uint64_t n = f->info.n_maintenance;
    if (f->maintenance)
        return RS_OK;
    enum rs_status st = rs_column_open(f, "/maintenance/entity", RS_H5_I64, n, &columns[0], err);
    if (st == RS_OK)
        st = rs_column_open(f, "/maintenance/start", RS_H5_I64, n, &columns[1], err);
    if (st == RS_OK)
        st = rs_column_open(f, "/maintenance/kind", RS_H5_I32, n, &columns[2], err);
    if (st == RS_OK)
        st = read_maintenance(f, columns, err);
    for (size_t i = 0; i < RS_LEN(columns); i++)
        rs_column_clear(&columns[i]);
    return st;
}

static size_t find_maintenance(const rs_fleet *f, uint64_t entity)
{
    size_t low = 0, high = (size_t)f->info.n_maintenance;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->maintenance[middle].entity < entity)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- tables sorted by entity ---- */

static void close_rows(struct rs_entity_table *t)
{
    struct rs_column_window *columns[] = { &t->entity, &t->time, &t->until, &t->kind };
    for (size_t i = 0; i < RS_LEN(columns); i++)
        rs_column_clear(columns[i]);
}

/* until: NULL where the table has no such column. */
static enum rs_status open_rows(rs_fleet *f, const char *group, const char *until, uint64_t n,
                                struct rs_entity_table *out, struct rs_error *err)
{
    const struct {
        const char *name;
        enum rs_h5_type type;
        struct rs_column_window *column;
    } columns[] = { { "entity", RS_H5_I64, &out->entity },
                    { "time", RS_H5_I64, &out->time },
                    { "kind", RS_H5_I32, &out->kind },
                    { until, RS_H5_I64, &out->until } };
    enum rs_status st = RS_OK;
    out->n = n;
    for (size_t i = 0; i < RS_LEN(columns) && n && st == RS_OK; i++) {
        char path[64];
        if (!columns[i].name)
            continue;
        snprintf(path, sizeof path, "%s/%s", group, columns[i].name);
        st = rs_column_open(f, path, columns[i].type, n, columns[i].column, err);
    }
    return st;
}

static enum rs_status entity_at(struct rs_entity_table *t, uint64_t i, int64_t *out, struct rs_error *err)
{
    const void *p;
    enum rs_status st = rs_column_at(&t->entity, i, &p, err);
    if (st == RS_OK)
        memcpy(out, p, sizeof *out);
    return st;
}

/* Goes to the first row of an entity at or after this one. */
static enum rs_status seek_rows(struct rs_entity_table *t, uint64_t entity, struct rs_error *err)
{
    uint64_t low = 0, high = t->n;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int64_t e = 0;
        enum rs_status st = entity_at(t, middle, &e, err);
        if (st < 0)
            return st;
        if (e < (int64_t)entity)
            low = middle + 1;
        else
            high = middle;
    }
    t->next = low;
    return RS_OK;
}

struct entity_row {
    int64_t time, until;
    int32_t kind;
};

/* RS_CONTINUE with the entity's next row, RS_OK where there is none left. */
static enum rs_status next_row(rs_fleet *f, struct rs_entity_table *t, uint64_t entity, uint32_t n_kinds,
                               const char *what, struct entity_row *out, struct rs_error *err)
{
    const void *time, *until = NULL, *kind;
    int64_t e = 0;
    if (t->next == t->n)
        return RS_OK;
    enum rs_status st = entity_at(t, t->next, &e, err);
    if (st < 0)
        return st;
    if (e < (int64_t)entity || e >= (int64_t)f->info.n_entities)
        return rs_error_set(err, RS_ECORRUPT, "%s comes out of order", what);
    if (e > (int64_t)entity)
        return RS_OK;
    st = rs_column_at(&t->time, t->next, &time, err);
    if (st == RS_OK)
        st = rs_column_at(&t->kind, t->next, &kind, err);
    if (st == RS_OK && t->until.data)
        st = rs_column_at(&t->until, t->next, &until, err);
    if (st < 0)
        return st;
    int64_t last = out->time;
    memcpy(&out->time, time, sizeof out->time);
    memcpy(&out->until, until ? until : time, sizeof out->until);
    memcpy(&out->kind, kind, sizeof out->kind);
    if (out->kind < -1 || out->kind >= (int64_t)n_kinds)
        return rs_error_set(err, RS_ECORRUPT, "%s's kind is outside its dictionary", what);
    if (out->time == RS_TIME_NONE || (out->until != RS_TIME_NONE && out->until < out->time))
        return rs_error_set(err, RS_ECORRUPT, "%s's times are impossible", what);
    if (out->time < last)
        return rs_error_set(err, RS_ECORRUPT, "%s comes out of order in time", what);
    t->next++;
    return RS_CONTINUE;
}

/* ---- one entity ---- */

static bool push_event(struct rs_fleet_side *s, int64_t time, int32_t kind)
{
    if (kind < 0)
        return true;
    if (s->n_events == s->events_cap) {
        size_t cap = s->events_cap ? 2 * s->events_cap : 64;
        struct rs_fleet_event *grown = rs_realloc(s->events, cap, sizeof *grown);
        if (!grown)
            return false;
        s->events = grown;
        s->events_cap = cap;
    }
    s->events[s->n_events++] = (struct rs_fleet_event){ time, (uint32_t)kind };
    return true;
}

static bool push_failure(struct rs_fleet_side *s, const struct rs_failure *x)
{
    if (s->n_failures == s->failures_cap) {
        size_t cap = s->failures_cap ? 2 * s->failures_cap : 16;
        struct rs_failure *grown = rs_realloc(s->failures, cap, sizeof *grown);
        if (!grown)
            return false;
        s->failures = grown;
        s->failures_cap = cap;
    }
    s->failures[s->n_failures++] = *x;
    return true;
}

static bool push_mitigation(struct rs_fleet_side *s, const struct rs_mitigation *x)
{
    if (s->n_mitigations == s->mitigations_cap) {
        size_t cap = s->mitigations_cap ? 2 * s->mitigations_cap : 4;
        struct rs_mitigation *grown = rs_realloc(s->mitigations, cap, sizeof *grown);
        if (!grown)
            return false;
        s->mitigations = grown;
        s->mitigations_cap = cap;
    }
    s->mitigations[s->n_mitigations++] = *x;
    return true;
}

static int32_t event_of(const struct rs_event_kinds *k, int32_t code)
{
    return code < 0 ? -1 : k->event_of[code];
}

static enum rs_status no_memory(struct rs_error *err)
{
    return rs_error_set(err, RS_ENOMEM, "no memory for what happened to it");
}

static enum rs_status read_failures(rs_fleet *f, struct rs_fleet_side *s, uint64_t entity, struct rs_error *err)
{
    struct entity_row r = { .time = RS_TIME_NONE };
    enum rs_status st;
    while ((st = next_row(f, &s->failure_rows, entity, f->failures.n, "a failure", &r, err)) == RS_CONTINUE) {
        struct rs_failure x = { .entity = entity, .time = r.time, .back = r.until, .kind = r.kind };
        bool is_put = push_failure(s, &x) && push_event(s, r.time, f->any_event) &&
                      push_event(s, r.time, f->failure_event) && push_event(s, r.time, event_of(&f->failures, r.kind));
        if (is_put && r.until != RS_TIME_NONE)
            is_put = push_event(s, r.until, f->repair_event);
        if (!is_put)
            return no_memory(err);
    }
    return st;
}

static enum rs_status read_event_rows(rs_fleet *f, struct rs_fleet_side *s, uint64_t entity, struct rs_error *err)
{
    struct entity_row r = { .time = RS_TIME_NONE };
    enum rs_status st;
    while ((st = next_row(f, &s->event_rows, entity, f->event_kinds.n, "an event", &r, err)) == RS_CONTINUE)
        if (!push_event(s, r.time, f->any_event) || !push_event(s, r.time, event_of(&f->event_kinds, r.kind)))
            return no_memory(err);
    return st;
}

static enum rs_status read_mitigations(rs_fleet *f, struct rs_fleet_side *s, uint64_t entity, struct rs_error *err)
{
    struct entity_row r = { .time = RS_TIME_NONE };
    enum rs_status st;
    while ((st = next_row(f, &s->mitigation_rows, entity, f->n_mitigation_kinds, "a mitigation", &r, err)) ==
           RS_CONTINUE) {
        struct rs_mitigation x = { .time = r.time,
                                   .until = r.until,
                                   .is_control = r.kind >= 0 && rs_streq(f->mitigation_kinds[r.kind], "control") };
        if (!push_mitigation(s, &x))
            return no_memory(err);
    }
    return st;
}

static int by_time(const void *pa, const void *pb)
{
    const struct rs_fleet_event *a = pa, *b = pb;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return (a->kind > b->kind) - (a->kind < b->kind);
}

enum rs_status rs_side_read(rs_fleet *f, struct rs_fleet_side *s, uint64_t entity, struct rs_error *err)
{
    s->n_failures = s->n_events = s->n_mitigations = 0;
    enum rs_status st = read_failures(f, s, entity, err);
    if (st == RS_OK)
        st = read_event_rows(f, s, entity, err);
    if (st == RS_OK)
        st = read_mitigations(f, s, entity, err);
    size_t *i = &s->next_maintenance;
    for (; st == RS_OK && *i < f->info.n_maintenance && f->maintenance[*i].entity == entity; ++*i)
        if (!push_event(s, f->maintenance[*i].start, event_of(&f->maintenance_kinds, f->maintenance[*i].kind)))
            return no_memory(err);
    if (st == RS_OK && s->n_events > 1)
        qsort(s->events, s->n_events, sizeof *s->events, by_time);
    return st;
}

enum rs_status rs_side_open(rs_fleet *f, struct rs_fleet_side *out, struct rs_error *err)
{
    enum rs_status st = load_maintenance(f, err);
    if (st == RS_OK)
        st = open_rows(f, "/failures", "back", f->info.n_failures, &out->failure_rows, err);
    if (st == RS_OK)
        st = open_rows(f, "/events", NULL, f->info.n_event_rows, &out->event_rows, err);
    if (st == RS_OK)
        st = open_rows(f, "/mitigations", "until", f->info.n_mitigations, &out->mitigation_rows, err);
    return st;
}

enum rs_status rs_side_seek(const rs_fleet *f, uint64_t entity, struct rs_fleet_side *s, struct rs_error *err)
{
    enum rs_status st = seek_rows(&s->failure_rows, entity, err);
    if (st == RS_OK)
        st = seek_rows(&s->event_rows, entity, err);
    if (st == RS_OK)
        st = seek_rows(&s->mitigation_rows, entity, err);
    if (st == RS_OK)
        s->next_maintenance = find_maintenance(f, entity);
    return st;
}

void rs_side_clear(struct rs_fleet_side *s)
{
    close_rows(&s->failure_rows);
    close_rows(&s->event_rows);
    close_rows(&s->mitigation_rows);
    free(s->failures);
    free(s->events);
    free(s->mitigations);
}
