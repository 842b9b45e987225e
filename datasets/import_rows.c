/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of the data files to samples: a wide row is one sample; long rows of one entity and time in a run make one, and
 * the builder merges what comes later. */
#include "datasets/import_csv.h"

#define SPAN_SAMPLES_MAX 100000 /* of one row */

struct plan_cell { /* a signal's cell of a wide row */
    size_t at;
    uint32_t signal;
    double scale, offset;
};

struct long_signal { /* what the map makes of a signal's name */
    bool is_used;
    uint32_t signal;
    double scale, offset;
};

struct rows {
    const struct rs_header *header; /* of the file at hand */
    struct plan_cell *cells;        /* in order of their signal */
    size_t n_cells;
    struct rs_intern long_names;
    struct long_signal *long_signals; /* by number of the name */
    size_t cap_long;
    uint32_t *counter_signals; /* by the tally's counter; declared first, so below all others */
    float *counts;
    struct rs_reading *readings;
    size_t n_readings, cap_readings;
    struct rs_attr_text *attrs;
    size_t n_attrs;
    char (*attr_bufs)[RS_MAP_TEXT_MAX];
    char id[RS_MAP_TEXT_MAX], parent[RS_MAP_TEXT_MAX]; /* of the row at hand; long: of the run */
    size_t id_len, parent_len;
    int64_t time;
    int8_t label;
    uint32_t group_attr; /* of the builder: the attribute that a grid groups by */
    bool is_pending;     /* long: a run waits to be written */
};

static void rows_clear(struct rows *r)
{
    free(r->cells);
    rs_intern_clear(&r->long_names);
    free(r->long_signals);
    free(r->counter_signals);
    free(r->counts);
    free(r->readings);
    free(r->attrs);
    free(r->attr_bufs);
}

static enum rs_status no_memory(struct rs_error *err)
{
    return rs_error_set(err, RS_ENOMEM, "import: out of memory");
}

/* ---- the plan of a header ---- */

static void claim(bool *claimed, const struct rs_map_column *c)
{
    if (c->name && c->at != RS_MAP_NOWHERE)
        claimed[c->at] = true;
}

static void claim_text(bool *claimed, const struct rs_map_text *t)
{
    for (size_t i = 0; i < t->n; i++)
        claim(claimed, &t->parts[i].column);
}

static void claim_source(bool *claimed, const struct rs_map_source *s)
{
    claim(claimed, &s->time.column);
    claim(claimed, &s->when.column);
}

/* Marks each column that the map names for something else than a signal: a pattern must not take it, lest a time, an
 * outcome or a serial number become a signal. */
static void claim_named(const struct rs_map *m, const struct rs_header *h, bool *claimed)
{
    claim_text(claimed, &m->entity);
    claim_text(claimed, &m->parent);
    claim(claimed, &m->time.column);
    claim(claimed, &m->until.column);
    if (m->has_label)
        claim(claimed, &m->label);
    for (size_t i = 0; i < m->n_attrs; i++)
        claim_text(claimed, &m->attrs[i].text);
    for (size_t s = 0; s < RS_MAP_SORTS; s++)
        for (size_t i = 0; i < m->events[s].n; i++) {
            const struct rs_map_events *ev = &m->events[s].items[i];
            if (ev->source.role)
                continue;
            claim_source(claimed, &ev->source);
            claim_text(claimed, &ev->kind);
            claim(claimed, &ev->back_time.column);
        }
    for (size_t i = 0; i < m->n_counters; i++) {
        if (m->counters[i].source.role)
            continue;
        claim_source(claimed, &m->counters[i].source);
        claim_text(claimed, &m->counters[i].name);
    }
    for (uint32_t c = 0; c < h->names.n; c++)
        for (size_t i = 0; i < m->n_ignore; i++)
            if (rs_map_match(m->ignore[i], h->names.strings[c]))
                claimed[c] = true;
}

static enum rs_status plan_cell(struct rs_import_job *job, struct rows *r, const struct rs_map_signal *s,
                                const char *column, size_t at, struct rs_error *err)
{
    struct plan_cell *cell = &r->cells[r->n_cells];
    enum rs_status st =
        rs_builder_signal(job->builder, s->name ? s->name : column, s->unit, s->kind, &cell->signal, err);
    if (st < 0)
        return st;
    cell->at = at;
    cell->scale = s->scale;
    cell->offset = s->offset;
    r->n_cells++;
    return RS_OK;
}

static enum rs_status plan_named(struct rs_import_job *job, struct rows *r, const struct rs_header *h, bool *claimed,
                                 struct rs_error *err)
{
    for (size_t i = 0; i < job->map->n_signals; i++) {
        const struct rs_map_signal *s = &job->map->signals[i];
        if (s->is_pattern)
            continue;
        uint32_t at = rs_intern_find(&h->names, s->match, strlen(s->match));
        if (at == RS_INTERN_NONE && s->is_optional)
            continue;
        if (at == RS_INTERN_NONE)
            return rs_error_set(err, RS_EFORMAT,
                                "%s: has no column %s, which the mapping takes as a signal (optional: true allows it)",
                                h->path, s->match);
        claimed[at] = true;
        enum rs_status st = plan_cell(job, r, s, s->match, at, err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

static enum rs_status plan_patterns(struct rs_import_job *job, struct rows *r, const struct rs_header *h, bool *claimed,
                                    struct rs_error *err)
{
    for (size_t i = 0; i < job->map->n_signals; i++) {
        const struct rs_map_signal *s = &job->map->signals[i];
        for (uint32_t c = 0; s->is_pattern && c < h->names.n; c++) {
            if (claimed[c] || !rs_map_match(s->match, h->names.strings[c]))
                continue;
            claimed[c] = true;
            enum rs_status st = plan_cell(job, r, s, h->names.strings[c], c, err);
            if (st < 0)
                return st;
        }
    }
    return RS_OK;
}

static int by_signal(const void *pa, const void *pb)
{
    const struct plan_cell *a = pa, *b = pb;
    return (a->signal > b->signal) - (a->signal < b->signal);
}

static enum rs_status plan_wide(struct rs_import_job *job, struct rows *r, const struct rs_header *h,
                                struct rs_error *err)
{
    rs_autofree bool *claimed = rs_alloc(h->names.n, sizeof *claimed);
    free(r->cells);
    r->cells = rs_alloc((size_t)h->names.n + job->map->n_signals, sizeof *r->cells);
    r->n_cells = 0;
    if (!claimed || !r->cells)
        return no_memory(err);
    claim_named(job->map, h, claimed);
    enum rs_status st = plan_named(job, r, h, claimed, err);
    if (st == RS_OK)
        st = plan_patterns(job, r, h, claimed, err);
    if (st < 0)
        return st;
    if (job->map->n_signals && !r->n_cells)
        return rs_error_set(err, RS_EFORMAT, "%s: no column fits a signal of the mapping %s", h->path, job->map->path);
    qsort(r->cells, r->n_cells, sizeof *r->cells, by_signal);
    for (size_t i = 1; i < r->n_cells; i++)
        if (r->cells[i].signal == r->cells[i - 1].signal)
            return rs_error_set(err, RS_EFORMAT, "%s: columns %s and %s become one signal", h->path,
                                h->names.strings[r->cells[i - 1].at], h->names.strings[r->cells[i].at]);
    if (r->n_cells && r->cells[0].signal < job->tally.counters.n)
        return rs_error_set(err, RS_EFORMAT, "%s: column %s and a counter become one signal", h->path,
                            h->names.strings[r->cells[0].at]);
    return RS_OK;
}

static enum rs_status bind_events(const struct rs_header *h, struct rs_map_event_list *list, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < list->n && st == RS_OK; i++) {
        struct rs_map_events *ev = &list->items[i];
        if (ev->source.role)
            continue;
        st = rs_map_bind_time(&ev->source.time, h, err);
        if (st == RS_OK)
            st = rs_map_bind_when(&ev->source.when, h, err);
        if (st == RS_OK)
            st = rs_map_bind_text(&ev->kind, h, err);
        if (st == RS_OK)
            st = rs_map_bind_time(&ev->back_time, h, err);
    }
    return st;
}

static enum rs_status bind_rows(struct rs_import_job *job, void *item, const struct rs_header *h, struct rs_error *err)
{
    struct rs_map *m = job->map;
    ((struct rows *)item)->header = h;
    enum rs_status st = rs_map_bind_text(&m->entity, h, err);
    if (st == RS_OK)
        st = rs_map_bind_text(&m->parent, h, err);
    if (st == RS_OK)
        st = rs_map_bind_time(&m->time, h, err);
    if (st == RS_OK)
        st = rs_map_bind_time(&m->until, h, err);
    if (st == RS_OK && m->has_label)
        st = rs_map_bind_column(&m->label, h, err);
    if (st == RS_OK)
        st = rs_map_bind_attrs(m->attrs, m->n_attrs, h, err);
    for (size_t s = 0; s < RS_MAP_SORTS && st == RS_OK; s++)
        st = bind_events(h, &m->events[s], err);
    if (st == RS_OK && m->is_long)
        st = rs_map_bind_column(&m->long_signal, h, err);
    if (st == RS_OK && m->is_long)
        return rs_map_bind_column(&m->long_value, h, err);
    return st < 0 ? st : plan_wide(job, item, h, err);
}

/* ---- one row ---- */

static bool push_reading(struct rows *r, uint32_t signal, float value)
{
    if (r->n_readings == r->cap_readings) {
        size_t cap = r->cap_readings ? 2 * r->cap_readings : 64;
        struct rs_reading *readings = rs_realloc(r->readings, cap, sizeof *readings);
        if (!readings)
            return false;
        r->readings = readings;
        r->cap_readings = cap;
    }
    r->readings[r->n_readings++] = (struct rs_reading){ signal, value };
    return true;
}

/* NULL, or why the cell is malformed; *is_present false where it is missing. */
static const char *read_value(struct rs_import_job *job, const struct rows *r, const struct rs_csv_record *rec,
                              size_t at, double scale, double offset, float *out, bool *is_present)
{
    const struct rs_csv_field *cell = &rec->fields[at];
    bool is_scaled = scale != 1 || offset != 0;
    double v = 0;
    *is_present = false;
    if (rs_map_is_missing(&job->reader, cell))
        return NULL;
    if (is_scaled ? !rs_csv_double(cell, &v) : !rs_csv_float(cell, out)) {
        snprintf(job->reader.why, sizeof job->reader.why, "%.100s: \"%.*s\": no number", r->header->names.strings[at],
                 (int)RS_MIN(cell->len, 60), cell->text);
        return job->reader.why;
    }
    if (is_scaled)
        *out = (float)(v * scale + offset);
    *is_present = true;
    return NULL;
}

static bool holds(const struct rs_csv_field *cell, const char **words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rs_csv_is(cell, words[i]))
            return true;
    return false;
}

/* Label, parent and attributes of the row. */
static const char *read_about(struct rs_import_job *job, struct rows *r, const struct rs_csv_record *rec)
{
    const struct rs_map *m = job->map;
    r->label = -1;
    if (m->has_label) {
        const struct rs_csv_field *cell = &rec->fields[m->label.at];
        r->label = holds(cell, m->label_one, m->n_one) ? 1 : holds(cell, m->label_zero, m->n_zero) ? 0 : -1;
    }
    const char *why = rs_map_text_of(&job->reader, &m->parent, rec, r->parent, &r->parent_len);
    if (!why && r->parent_len > 255)
        return "the parent's name has over 255 bytes";
    r->n_attrs = 0;
    for (size_t i = 0; i < m->n_attrs && !why; i++) {
        struct rs_attr_text *a = &r->attrs[r->n_attrs];
        *a = (struct rs_attr_text){ .attr = m->attrs[i].index, .text = r->attr_bufs[i] };
        why = rs_map_attr_of(&job->reader, &m->attrs[i], rec, r->attr_bufs[i], &a->len);
        r->n_attrs += a->len > 0;
    }
    return why;
}

static enum rs_status row_events(struct rs_import_job *job, const char *entity, int64_t time,
                                 const struct rs_csv_record *rec, const char **why, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t s = 0; s < RS_MAP_SORTS; s++)
        for (size_t i = 0; i < job->map->events[s].n && st == RS_OK && !*why; i++)
            if (!job->map->events[s].items[i].source.role)
                st = rs_import_event(job, &job->map->events[s].items[i], entity, time, rec, why, err);
    return st;
}

/* Begins the sample of r's entity and time with its counters. False on want of memory. */
static bool start_sample(struct rs_import_job *job, struct rows *r)
{
    r->n_readings = 0;
    if (!job->tally.counters.n || r->time == RS_TIME_NONE)
        return true;
    rs_tally_at(&job->tally, r->id, r->id_len, r->time, r->counts);
    for (uint32_t c = 0; c < job->tally.counters.n; c++)
        if (!push_reading(r, r->counter_signals[c], r->counts[c]))
            return false;
    return true;
}

/* The counters that start_sample() put first, as of r's time. */
static void count_again(struct rs_import_job *job, struct rows *r)
{
    if (!job->tally.counters.n)
        return;
    rs_tally_at(&job->tally, r->id, r->id_len, r->time, r->counts);
    for (uint32_t c = 0; c < job->tally.counters.n; c++)
        r->readings[c].value = r->counts[c];
}

/* Where the row's span ends; at its own time where it has none. */
static const char *span_end(struct rs_import_job *job, int64_t time, const struct rs_csv_record *rec, int64_t *out)
{
    int64_t end;
    *out = time;
    if (time == RS_TIME_NONE)
        return NULL;
    const char *why = rs_map_time_of(&job->reader, &job->map->until, rec, &end);
    if (why || end == RS_TIME_NONE)
        return why;
    if (end < time)
        return "a span that ends before it begins";
    if ((end - time) / job->map->every_s > SPAN_SAMPLES_MAX)
        return "a span of over 100000 samples";
    *out = end;
    return NULL;
}

static enum rs_status write_row(struct rs_import_job *job, struct rows *r, struct rs_error *err)
{
    struct rs_row row = {
        .id = r->id,
        .id_len = r->id_len,
        .time = r->time,
        .readings = r->readings,
        .n_readings = r->n_readings,
        .attrs = r->attrs,
        .n_attrs = r->n_attrs,
        .label = r->label,
        .kind = job->map->kind,
        .parent = r->parent_len ? r->parent : NULL,
    };
    return rs_builder_row(job->builder, &row, err);
}

/* A row of a map with a grid: the entity and its attributes; samples come when all rows were seen. */
static enum rs_status grid_row(struct rs_import_job *job, struct rows *r, const struct rs_csv_record *rec,
                               const char **why, struct rs_error *err)
{
    const char *group = "";
    size_t group_len = 0;
    int64_t time = r->time;
    for (size_t i = 0; job->map->grid.group && i < r->n_attrs; i++)
        if (r->attrs[i].attr == r->group_attr) {
            group = r->attrs[i].text;
            group_len = r->attrs[i].len;
        }
    enum rs_status st = row_events(job, r->id, time, rec, why, err);
    if (st < 0 || *why)
        return st;
    if (!rs_grid_note(&job->grid, r->id, r->id_len, group, group_len, time))
        return no_memory(err);
    r->time = RS_TIME_NONE;
    r->n_readings = 0;
    return write_row(job, r, err);
}

/* The samples of the grid, once all rows are in. */
static enum rs_status put_grid(struct rs_import_job *job, struct rows *r, struct rs_error *err)
{
    r->n_attrs = r->parent_len = 0;
    r->label = -1;
    for (uint32_t e = 0; e < job->grid.entities.n; e++) {
        struct rs_grid_walk walk;
        enum rs_status st = RS_OK;
        r->id_len = strlen(job->grid.entities.strings[e]);
        memcpy(r->id, job->grid.entities.strings[e], r->id_len + 1);
        rs_grid_start(&job->grid, &job->map->grid, e, &walk);
        while (st == RS_OK && rs_grid_next(&walk, &r->time))
            st = start_sample(job, r) ? write_row(job, r, err) : no_memory(err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

static enum rs_status wide_row(struct rs_import_job *job, void *item, const struct rs_csv_record *rec, const char **why,
                               struct rs_error *err)
{
    struct rows *r = item;
    *why = rs_map_entity_of(&job->reader, &job->map->entity, rec, r->id, &r->id_len);
    if (!*why)
        *why = rs_map_time_of(&job->reader, &job->map->time, rec, &r->time);
    if (!*why)
        *why = read_about(job, r, rec);
    if (!*why && job->map->grid.every_s)
        return grid_row(job, r, rec, why, err);
    if (!*why && !start_sample(job, r))
        return no_memory(err);
    for (size_t i = 0; i < r->n_cells && !*why; i++) {
        const struct plan_cell *c = &r->cells[i];
        float v;
        bool is_present;
        *why = read_value(job, r, rec, c->at, c->scale, c->offset, &v, &is_present);
        if (is_present && !push_reading(r, c->signal, v))
            return no_memory(err);
    }
    if (*why)
        return RS_OK;
    int64_t until = r->time;
    if (job->map->until.is_given)
        *why = span_end(job, r->time, rec, &until);
    enum rs_status st = *why ? RS_OK : row_events(job, r->id, r->time, rec, why, err);
    if (st < 0 || *why)
        return st;
    if (r->time == RS_TIME_NONE)
        r->n_readings = 0;
    st = write_row(job, r, err);
    while (st == RS_OK && r->time < until) {
        r->time = RS_MIN(until, r->time + job->map->every_s);
        count_again(job, r);
        st = write_row(job, r, err);
    }
    return st;
}

/* ---- long rows ---- */

static enum rs_status declare_long(struct rs_import_job *job, const char *name, struct long_signal *out,
                                   struct rs_error *err)
{
    *out = (struct long_signal){ .is_used = false };
    for (size_t i = 0; i < job->map->n_ignore; i++)
        if (rs_map_match(job->map->ignore[i], name))
            return RS_OK;
    for (size_t i = 0; i < job->map->n_signals; i++) {
        const struct rs_map_signal *s = &job->map->signals[i];
        if (s->is_pattern ? !rs_map_match(s->match, name) : !rs_streq(s->match, name))
            continue;
        *out = (struct long_signal){ .is_used = true, .scale = s->scale, .offset = s->offset };
        return rs_builder_signal(job->builder, s->name ? s->name : name, s->unit, s->kind, &out->signal, err);
    }
    return RS_OK;
}

static enum rs_status find_long(struct rs_import_job *job, struct rows *r, const struct rs_csv_field *cell,
                                const struct long_signal **out, struct rs_error *err)
{
    uint32_t known = r->long_names.n;
    uint32_t at = rs_intern_add(&r->long_names, cell->text, cell->len);
    if (at == RS_INTERN_NONE)
        return no_memory(err);
    if (at >= r->cap_long) {
        size_t cap = r->cap_long ? 2 * r->cap_long : 64;
        struct long_signal *signals = rs_realloc(r->long_signals, cap, sizeof *signals);
        if (!signals)
            return no_memory(err);
        r->long_signals = signals;
        r->cap_long = cap;
    }
    enum rs_status st = at < known ? RS_OK : declare_long(job, r->long_names.strings[at], &r->long_signals[at], err);
    *out = &r->long_signals[at];
    return st;
}

static int by_reading(const void *pa, const void *pb)
{
    const struct rs_reading *a = pa, *b = pb;
    return (a->signal > b->signal) - (a->signal < b->signal);
}

static enum rs_status end_run(struct rs_import_job *job, void *item, struct rs_error *err)
{
    struct rows *r = item;
    if (!r->is_pending)
        return RS_OK;
    r->is_pending = false;
    qsort(r->readings, r->n_readings, sizeof *r->readings, by_reading);
    return write_row(job, r, err);
}

static enum rs_status start_run(struct rs_import_job *job, struct rows *r, const char *id, size_t id_len, int64_t time,
                                struct rs_error *err)
{
    enum rs_status st = end_run(job, r, err);
    if (st < 0)
        return st;
    memcpy(r->id, id, id_len + 1);
    r->id_len = id_len;
    r->time = time;
    r->is_pending = true;
    return start_sample(job, r) ? RS_OK : no_memory(err);
}

/* The last reading of a signal in the run counts. */
static bool put_reading(struct rows *r, uint32_t signal, float value)
{
    for (size_t i = 0; i < r->n_readings; i++) {
        if (r->readings[i].signal == signal) {
            r->readings[i].value = value;
            return true;
        }
    }
    return push_reading(r, signal, value);
}

static enum rs_status long_row(struct rs_import_job *job, void *item, const struct rs_csv_record *rec, const char **why,
                               struct rs_error *err)
{
    struct rows *r = item;
    char id[RS_MAP_TEXT_MAX];
    size_t id_len;
    int64_t time;
    *why = rs_map_entity_of(&job->reader, &job->map->entity, rec, id, &id_len);
    if (!*why)
        *why = rs_map_time_of(&job->reader, &job->map->time, rec, &time);
    if (*why)
        return RS_OK;
    const struct long_signal *s = NULL;
    enum rs_status st = find_long(job, r, &rec->fields[job->map->long_signal.at], &s, err);
    float v;
    bool is_present = false;
    if (st == RS_OK && s->is_used)
        *why = read_value(job, r, rec, job->map->long_value.at, s->scale, s->offset, &v, &is_present);
    if (st == RS_OK && !*why)
        st = row_events(job, id, time, rec, why, err);
    if (st < 0 || *why)
        return st;
    if (!r->is_pending || id_len != r->id_len || memcmp(id, r->id, id_len) != 0 || time != r->time)
        st = start_run(job, r, id, id_len, time, err);
    if (st < 0)
        return st;
    *why = read_about(job, r, rec);
    return !is_present || put_reading(r, s->signal, v) ? RS_OK : no_memory(err);
}

/* ---- all files ---- */

static enum rs_status declare(struct rs_import_job *job, struct rows *r, struct rs_error *err)
{
    struct rs_map *m = job->map;
    r->attrs = rs_alloc(m->n_attrs, sizeof *r->attrs);
    r->attr_bufs = rs_alloc(m->n_attrs, sizeof *r->attr_bufs);
    r->counter_signals = rs_alloc(job->tally.counters.n, sizeof *r->counter_signals);
    r->counts = rs_alloc(job->tally.counters.n, sizeof *r->counts);
    if (!r->attrs || !r->attr_bufs || !r->counter_signals || !r->counts)
        return no_memory(err);
    for (size_t i = 0; i < m->n_attrs; i++) {
        enum rs_status st =
            rs_builder_attr(job->builder, m->attrs[i].name, m->attrs[i].is_number, &m->attrs[i].index, err);
        if (st < 0)
            return st;
        if (m->grid.group && rs_streq(m->grid.group, m->attrs[i].name))
            r->group_attr = m->attrs[i].index;
    }
    return RS_OK;
}

static enum rs_status declare_counters(struct rs_import_job *job, struct rows *r, struct rs_error *err)
{
    for (uint32_t c = 0; c < job->tally.counters.n; c++) {
        enum rs_status st = rs_builder_signal(job->builder, job->tally.counters.strings[c], "", RS_COUNTER,
                                              &r->counter_signals[c], err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

enum rs_status rs_import_data(struct rs_import_job *job, char **files, size_t n_files, struct rs_error *err)
{
    __attribute__((cleanup(rows_clear))) struct rows r = { .time = RS_TIME_NONE };
    struct rs_import_use use = {
        .item = &r, .is_data = true, .bind = bind_rows, .row = job->map->is_long ? long_row : wide_row, .end = end_run
    };
    enum rs_status st = declare(job, &r, err);
    if (st == RS_OK)
        st = declare_counters(job, &r, err);
    for (size_t i = 0; i < n_files && st == RS_OK; i++)
        st = rs_import_each_row(job, files[i], &use, err);
    return st == RS_OK && job->map->grid.every_s ? put_grid(job, &r, err) : st;
}
