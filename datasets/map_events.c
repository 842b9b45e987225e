/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of a mapping that is about what happened to entities: failures, maintenance, events, mitigations, counters
 * of events, tables of attributes, and the grid of times at which an entity without telemetry is looked at. */
#include "datasets/map_private.h"

/* ---- release ---- */

static void source_clear(struct rs_map_source *s)
{
    rs_map_text_clear(&s->entity);
    free(s->when.values);
}

void rs_map_events_free(struct rs_map *m)
{
    for (size_t s = 0; s < RS_MAP_SORTS; s++) {
        struct rs_map_event_list *list = &m->events[s];
        for (size_t i = 0; list->items && i < list->n; i++) {
            source_clear(&list->items[i].source);
            rs_map_text_clear(&list->items[i].kind);
        }
        free(list->items);
    }
    for (size_t i = 0; m->counters && i < m->n_counters; i++) {
        source_clear(&m->counters[i].source);
        rs_map_text_clear(&m->counters[i].name);
    }
    for (size_t i = 0; m->tables && i < m->n_tables; i++) {
        source_clear(&m->tables[i].source);
        rs_map_attrs_free(m->tables[i].attrs, m->tables[i].n_attrs);
    }
    free(m->counters);
    free(m->tables);
}

/* ---- sources ---- */

static enum rs_status read_when(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_when *out,
                                struct rs_error *err)
{
    static const char *const keys[] = { "column", "equals", "given", NULL };
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    if (st == RS_OK)
        st = rs_map_need_column(m, n, "column", &out->column, err);
    if (st == RS_OK)
        st = rs_map_opt_bool(m, n, "given", &out->must_be_given, err);
    if (st == RS_OK && out->must_be_given == (rs_yaml_get(n, "equals") != NULL))
        return rs_yaml_error(m->doc, n, err, out->must_be_given ? "equals or given, not both" : "equals: missing");
    return st < 0 || out->must_be_given ? st
                                        : rs_map_read_words(m, rs_yaml_get(n, "equals"), &out->values, &out->n, err);
}

/* The keys that every source has. A source with a file of its own (a role) must say who and when there. */
static enum rs_status read_source(const struct rs_map *m, const rs_yaml_node *n, const char *default_role,
                                  struct rs_map_source *out, struct rs_error *err)
{
    out->line = rs_yaml_line(n);
    enum rs_status st = rs_map_opt_str(m, n, "file", &out->file, err);
    if (st == RS_OK)
        st = rs_map_opt_str(m, n, "role", &out->role, err);
    if (st == RS_OK)
        st = rs_map_opt_text(m, n, "entity", &out->entity, err);
    if (st == RS_OK)
        st = rs_map_opt_time(m, n, "time", &out->time, err);
    if (st == RS_OK && rs_yaml_get(n, "when"))
        st = read_when(m, rs_yaml_get(n, "when"), &out->when, err);
    if (st < 0)
        return st;
    if (out->file && !out->role)
        out->role = default_role;
    if (out->role && strpbrk(out->role, "=/"))
        return rs_yaml_error(m->doc, n, err, "role: %s: must not hold = or /", out->role);
    if (out->role && !out->entity.n)
        return rs_yaml_error(m->doc, n, err, "entity: missing; which entity is a row of the %s file about?", out->role);
    if (!out->role && out->entity.n)
        return rs_yaml_error(m->doc, n, err, "entity: belongs to a file of its own; give role or file too");
    return RS_OK;
}

static enum rs_status need_time(const struct rs_map *m, const rs_yaml_node *n, const struct rs_map_source *s,
                                struct rs_error *err)
{
    if (s->role && !s->time.is_given)
        return rs_yaml_error(m->doc, n, err, "time: missing; when did a row of the %s file happen?", s->role);
    return RS_OK;
}

static enum rs_status read_back(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_events *out,
                                struct rs_error *err)
{
    static const char *const words[] = { "never", "instant", NULL };
    const rs_yaml_node *back = rs_yaml_get(n, "back");
    if (!back)
        return RS_OK;
    if (rs_yaml_kind(back) == RS_YAML_MAP) {
        out->back = RS_MAP_BACK_COLUMN;
        enum rs_status st = rs_map_read_time(m, back, &out->back_time, err);
        out->back_time.may_be_empty = true; /* empty: not back */
        return st;
    }
    int word = 0;
    enum rs_status st = rs_map_opt_word(m, n, "back", words, &word, err);
    out->back = word == 1 ? RS_MAP_BACK_INSTANT : RS_MAP_BACK_NEVER;
    return st;
}

static enum rs_status read_end(const struct rs_map *m, const rs_yaml_node *n, const char *key,
                               struct rs_map_events *out, struct rs_error *err)
{
    if (out->sort == RS_MAP_FAILURES)
        return read_back(m, n, out, err);
    bool is_given = key && rs_yaml_get(n, key);
    bool is_brief = out->sort == RS_MAP_MAINTENANCE || out->sort == RS_MAP_EVENTS;
    out->back = is_given ? RS_MAP_BACK_COLUMN : is_brief ? RS_MAP_BACK_INSTANT : RS_MAP_BACK_NEVER;
    enum rs_status st = is_given ? rs_map_opt_time(m, n, key, &out->back_time, err) : RS_OK;
    out->back_time.may_be_empty = true;
    return st;
}

/* One block of failures, maintenance, events or mitigations. */
static enum rs_status read_event(const struct rs_map *m, const rs_yaml_node *n, enum rs_map_sort sort, void *item,
                                 struct rs_error *err)
{
    static const struct {
        const char *role, *end, *rows; /* end: the key of when it was over; NULL: none */
        bool must_have_kind;
    } sorts[RS_MAP_SORTS] = {
        [RS_MAP_FAILURES] = { "failures", "back", "failures", false },
        [RS_MAP_MAINTENANCE] = { "maintenance", "end", "maintenance", false },
        [RS_MAP_EVENTS] = { "events", NULL, "events", true },
        [RS_MAP_MITIGATIONS] = { "mitigations", "until", "mitigations", true },
    };
    const char *const keys[] = { "file", "role", "entity", "time", "when", "kind", sorts[sort].end, NULL };
    struct rs_map_events *out = item;
    out->sort = sort;
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    if (st == RS_OK)
        st = read_source(m, n, sorts[sort].role, &out->source, err);
    if (st == RS_OK)
        st = need_time(m, n, &out->source, err);
    if (st == RS_OK)
        st = rs_map_opt_text(m, n, "kind", &out->kind, err);
    if (st == RS_OK)
        st = read_end(m, n, sorts[sort].end, out, err);
    if (st == RS_OK && sorts[sort].must_have_kind && !out->kind.n)
        return rs_yaml_error(m->doc, n, err, "kind: missing; of what kind are the %s?", sorts[sort].rows);
    if (st == RS_OK && !out->source.role && !out->source.when.column.name)
        return rs_yaml_error(m->doc, n, err, "when: missing; which rows of the data are %s?", sorts[sort].rows);
    return st;
}

static enum rs_status read_failures(const struct rs_map *m, const rs_yaml_node *n, void *item, struct rs_error *err)
{
    return read_event(m, n, RS_MAP_FAILURES, item, err);
}

static enum rs_status read_maintenance(const struct rs_map *m, const rs_yaml_node *n, void *item, struct rs_error *err)
{
    return read_event(m, n, RS_MAP_MAINTENANCE, item, err);
}

static enum rs_status read_others(const struct rs_map *m, const rs_yaml_node *n, void *item, struct rs_error *err)
{
    return read_event(m, n, RS_MAP_EVENTS, item, err);
}

static enum rs_status read_mitigations(const struct rs_map *m, const rs_yaml_node *n, void *item, struct rs_error *err)
{
    return read_event(m, n, RS_MAP_MITIGATIONS, item, err);
}

static enum rs_status read_counter(const struct rs_map *m, const rs_yaml_node *n, void *item, struct rs_error *err)
{
    static const char *const keys[] = { "file", "role", "entity", "time", "when", "name", NULL };
    struct rs_map_counter *out = item;
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    if (st == RS_OK)
        st = read_source(m, n, "counters", &out->source, err);
    if (st == RS_OK)
        st = need_time(m, n, &out->source, err);
    if (st == RS_OK && !rs_yaml_get(n, "name"))
        return rs_yaml_error(m->doc, n, err, "name: missing; it names the signal, such as \"{errorID}_total\"");
    return st < 0 ? st : rs_map_opt_text(m, n, "name", &out->name, err);
}

static enum rs_status read_table(const struct rs_map *m, const rs_yaml_node *n, void *item, struct rs_error *err)
{
    static const char *const keys[] = { "file", "role", "entity", "attributes", "optional", NULL };
    struct rs_map_table *out = item;
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    if (st == RS_OK)
        st = read_source(m, n, "attributes", &out->source, err);
    if (st == RS_OK)
        st = rs_map_opt_bool(m, n, "optional", &out->source.is_optional, err);
    if (st < 0)
        return st;
    if (!out->source.role)
        return rs_yaml_error(m->doc, n, err, "role: missing; attributes_from is about a file of its own");
    if (!rs_yaml_get(n, "attributes"))
        return rs_yaml_error(m->doc, n, err, "attributes: missing");
    return rs_map_read_attrs(m, rs_yaml_get(n, "attributes"), &out->attrs, &out->n_attrs, err);
}

/* A mapping, or a list of them, each read by `read` into an item of `size` bytes. */
static enum rs_status read_blocks(const struct rs_map *m, const rs_yaml_node *n, size_t size,
                                  enum rs_status (*read)(const struct rs_map *, const rs_yaml_node *, void *,
                                                         struct rs_error *),
                                  void **out, size_t *out_n, struct rs_error *err)
{
    if (!n)
        return RS_OK;
    bool is_list = rs_yaml_kind(n) == RS_YAML_LIST;
    size_t len = is_list ? rs_yaml_len(n) : 1;
    uint8_t *items = rs_alloc(len, size);
    if (!items)
        return rs_map_no_memory(m, err);
    *out = items;
    *out_n = len;
    for (size_t i = 0; i < len; i++) {
        enum rs_status st = read(m, is_list ? rs_yaml_item(n, i) : n, items + i * size, err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

enum rs_status rs_map_read_events(struct rs_map *m, const rs_yaml_node *root, struct rs_error *err)
{
    typedef enum rs_status reader(const struct rs_map *, const rs_yaml_node *, void *, struct rs_error *);
    static reader *const readers[RS_MAP_SORTS] = { read_failures, read_maintenance, read_others, read_mitigations };
    static const char *const keys[RS_MAP_SORTS] = { "failures", "maintenance", "events", "mitigations" };
    const rs_yaml_node *share = rs_yaml_get(root, "control_share");
    enum rs_status st = share ? rs_yaml_double(m->doc, share, &m->control_share, err) : RS_OK;
    if (st == RS_OK && share && !(m->control_share > 0 && m->control_share < 1))
        return rs_yaml_error(m->doc, share, err, "control_share: more than 0 and less than 1 is wanted");
    for (size_t s = 0; s < RS_MAP_SORTS && st == RS_OK; s++) {
        void *items = NULL;
        st = read_blocks(m, rs_yaml_get(root, keys[s]), sizeof *m->events[s].items, readers[s], &items, &m->events[s].n,
                         err);
        m->events[s].items = items;
    }
    void *counters = NULL, *tables = NULL;
    if (st == RS_OK)
        st = read_blocks(m, rs_yaml_get(root, "counters"), sizeof *m->counters, read_counter, &counters, &m->n_counters,
                         err);
    m->counters = counters;
    if (st == RS_OK)
        st = read_blocks(m, rs_yaml_get(root, "attributes_from"), sizeof *m->tables, read_table, &tables, &m->n_tables,
                         err);
    m->tables = tables;
    return st;
}

/* ---- the grid ---- */

static enum rs_status opt_duration(const struct rs_map *m, const rs_yaml_node *map, const char *key, int64_t *out,
                                   struct rs_error *err)
{
    const rs_yaml_node *n = rs_yaml_get(map, key);
    double s = 0;
    if (!n)
        return RS_OK;
    enum rs_status st = rs_yaml_duration(m->doc, n, &s, err);
    if (st == RS_OK && !(s >= 0 && s <= 1e10))
        return rs_yaml_error(m->doc, n, err, "%s: 0 to 1e10 s is wanted", key);
    *out = (int64_t)s;
    return st;
}

static bool has_attr(const struct rs_map *m, const char *name)
{
    for (size_t i = 0; i < m->n_attrs; i++)
        if (rs_streq(m->attrs[i].name, name))
            return true;
    return false;
}

static enum rs_status check_grid(const struct rs_map *m, const rs_yaml_node *n, struct rs_error *err)
{
    const struct rs_map_grid *g = &m->grid;
    if (g->every_s < 1)
        return rs_yaml_error(m->doc, n, err, "grid: every: at least 1s is wanted");
    if (m->n_signals || m->is_long || m->has_label || m->every_s)
        return rs_yaml_error(m->doc, n, err,
                             "grid: not with signals, long, label or span: its samples have only times");
    if (g->group && !has_attr(m, g->group))
        return rs_yaml_error(m->doc, n, err, "grid: group: %s: not an attribute of the mapping", g->group);
    return RS_OK;
}

enum rs_status rs_map_read_grid(struct rs_map *m, const rs_yaml_node *n, struct rs_error *err)
{
    static const char *const keys[] = { "every", "group", "after_first", "before_last", "min_records", NULL };
    struct rs_map_grid *g = &m->grid;
    double min_records = 1;
    if (!n)
        return RS_OK;
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    if (st == RS_OK)
        st = opt_duration(m, n, "every", &g->every_s, err);
    if (st == RS_OK)
        st = opt_duration(m, n, "after_first", &g->after_first_s, err);
    if (st == RS_OK)
        st = opt_duration(m, n, "before_last", &g->before_last_s, err);
    if (st == RS_OK)
        st = rs_map_opt_str(m, n, "group", &g->group, err);
    if (st == RS_OK && rs_yaml_get(n, "min_records"))
        st = rs_yaml_double(m->doc, rs_yaml_get(n, "min_records"), &min_records, err);
    if (st == RS_OK && !(min_records >= 1 && min_records <= 1e15))
        return rs_yaml_error(m->doc, n, err, "min_records: at least 1 is wanted");
    g->min_records = (uint64_t)min_records;
    return st < 0 ? st : check_grid(m, n, err);
}
