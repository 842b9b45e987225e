/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `reseat import csv`: any CSV by a mapping. Events that feed counters are read first and kept in memory; then the
 * attribute tables and event files; then the data, streaming. */
#include "datasets/import_csv.h"

#include <sys/stat.h>

#include "common/cli.h"

struct role_file {
    const char *role; /* borrowed from the operand; len bytes */
    size_t len;
    const char *path;
};

struct roles {
    struct role_file *files;
    size_t n;
};

/* ---- one file, row by row ---- */

static enum rs_status use_row(struct rs_import_job *job, const struct rs_import_use *use, const char *path,
                              size_t n_columns, const struct rs_csv_record *rec, struct rs_error *err)
{
    char shape[96];
    const char *why = rec->bad;
    enum rs_status st = RS_OK;
    if (!why && rec->n != n_columns) {
        snprintf(shape, sizeof shape, "%zu fields where the header has %zu", rec->n, n_columns);
        why = shape;
    }
    if (!why)
        st = use->row(job, use->item, rec, &why, err);
    if (st < 0)
        return rs_error_prefix(err, st, "%s:%llu", path, (unsigned long long)rec->line);
    if (use->is_data)
        job->report->n_read++;
    if (!why || use->is_silent)
        return RS_OK;
    rs_import_bad(job->report, path, rec->line, "%s", why);
    bool is_limited = job->opt->max_bad_rows != UINT64_MAX;
    return is_limited ? rs_import_check_bad(job->opt, job->report, err) : RS_OK;
}

enum rs_status rs_import_each_row(struct rs_import_job *job, const char *path, const struct rs_import_use *use,
                                  struct rs_error *err)
{
    RS_AUTO(rs_csv) *csv = NULL;
    rs_auto_header header = { .path = path };
    enum rs_status st = rs_csv_open(path, job->map->delimiter, &csv, err);
    if (st == RS_OK)
        st = rs_header_read(&header, csv, err);
    if (st == RS_OK)
        st = use->bind(job, use->item, &header, err);
    if (st < 0)
        return st;
    struct rs_csv_record rec;
    while ((st = rs_csv_next(csv, &rec, err)) == RS_CONTINUE) {
        if (rs_cli_interrupted())
            return rs_error_set(err, RS_ECANCELLED, "interrupted; nothing was written");
        st = use_row(job, use, path, header.names.n, &rec, err);
        if (st < 0)
            return st;
        rs_progress_update(&job->progress, job->done_bytes + rs_csv_offset(csv), path);
    }
    job->done_bytes += rs_csv_offset(csv);
    if (st == RS_OK && use->end)
        st = use->end(job, use->item, err);
    return st;
}

/* ---- files by role ---- */

/* Every source of the map, one after the other; NULL behind the last. */
static struct rs_map_source *source_at(struct rs_map *m, size_t i)
{
    for (size_t s = 0; s < RS_MAP_SORTS; s++) {
        if (i < m->events[s].n)
            return &m->events[s].items[i].source;
        i -= m->events[s].n;
    }
    if (i < m->n_counters)
        return &m->counters[i].source;
    i -= m->n_counters;
    return i < m->n_tables ? &m->tables[i].source : NULL;
}

static bool is_role(struct rs_map *m, const char *role, size_t len)
{
    const struct rs_map_source *s;
    for (size_t i = 0; (s = source_at(m, i)); i++)
        if (s->role && strlen(s->role) == len && strncmp(s->role, role, len) == 0)
            return true;
    return false;
}

/* Moves ROLE=FILE operands into roles and leaves the data's in *data. */
static enum rs_status sort_operands(struct rs_import_job *job, char *const *operands, size_t n, struct roles *roles,
                                    char **data, size_t *n_data, struct rs_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(operands[i], '=');
        size_t len = equals ? (size_t)(equals - operands[i]) : 0;
        if (equals && is_role(job->map, operands[i], len)) {
            roles->files[roles->n++] = (struct role_file){ operands[i], len, equals + 1 };
            continue;
        }
        if (equals && access(operands[i], F_OK) != 0)
            return rs_error_set(err, RS_EUSAGE, "%s: no such file, and the mapping %s has no role %.*s", operands[i],
                                job->map->path, (int)len, operands[i]);
        data[(*n_data)++] = operands[i];
    }
    return *n_data ? RS_OK : rs_error_set(err, RS_EUSAGE, "no data files given; see --help");
}

/* The path of the source's file: as the command line gives it, else as the map does, relative to the map. NULL where
 * neither does and the source is optional. */
static enum rs_status source_path(const struct rs_import_job *job, const struct roles *roles,
                                  const struct rs_map_source *s, char **out, struct rs_error *err)
{
    const char *map_path = job->map->path;
    const char *slash = strrchr(map_path, '/');
    for (size_t i = 0; i < roles->n; i++) {
        const struct role_file *f = &roles->files[i];
        if (strlen(s->role) == f->len && strncmp(s->role, f->role, f->len) == 0) {
            *out = strdup(f->path);
            return *out ? RS_OK : rs_error_set(err, RS_ENOMEM, "import: out of memory");
        }
    }
    if (!s->file && s->is_optional)
        return RS_OK;
    if (!s->file)
        return rs_error_set(err, RS_EUSAGE, "%s:%zu: no file of %s; give %s=FILE on the command line", map_path,
                            s->line, s->role, s->role);
    int folder = slash && s->file[0] != '/' ? (int)(slash - map_path + 1) : 0;
    if (asprintf(out, "%.*s%s", folder, map_path, s->file) < 0)
        return rs_error_set(err, RS_ENOMEM, "import: out of memory");
    return RS_OK;
}

/* ---- events ---- */

static const char *event_time(struct rs_import_job *job, const struct rs_map_source *s, int64_t row_time,
                              const struct rs_csv_record *rec, int64_t *out)
{
    *out = row_time;
    if (s->time.is_given)
        return rs_map_time_of(&job->reader, &s->time, rec, out);
    return *out == RS_TIME_NONE ? "an event without a time" : NULL;
}

/* Time, end and kind of an event; kind is empty where it has none. */
static const char *read_event(struct rs_import_job *job, const struct rs_map_events *ev, int64_t row_time,
                              const struct rs_csv_record *rec, int64_t *time, int64_t *back, char kind[RS_MAP_TEXT_MAX])
{
    size_t kind_len;
    *back = RS_TIME_NONE;
    const char *why = event_time(job, &ev->source, row_time, rec, time);
    if (!why && ev->back == RS_MAP_BACK_COLUMN)
        why = rs_map_time_of(&job->reader, &ev->back_time, rec, back);
    if (!why && *time != RS_TIME_NONE && ev->back == RS_MAP_BACK_INSTANT)
        *back = *time;
    if (!why && *back != RS_TIME_NONE && *back < *time)
        return "an event that ends before it begins";
    if (!why)
        why = rs_map_text_of(&job->reader, &ev->kind, rec, kind, &kind_len);
    if (!why && kind_len == 0)
        kind[0] = '\0';
    return why;
}

/* What the builder makes of an event that was read. */
static enum rs_status put_event(struct rs_import_job *job, enum rs_map_sort sort, const char *entity, int64_t time,
                                int64_t end, const char *kind, const char **why, struct rs_error *err)
{
    switch (sort) {
    case RS_MAP_FAILURES:
        return rs_builder_failure(job->builder, entity, time, end, kind[0] ? kind : NULL, err);
    case RS_MAP_MAINTENANCE:
        return rs_builder_maintenance(job->builder, entity, time, end == RS_TIME_NONE ? time : end,
                                      kind[0] ? kind : "maintenance", err);
    case RS_MAP_EVENTS:
        return kind[0] ? rs_builder_event(job->builder, entity, time, kind, err) : RS_OK;
    case RS_MAP_MITIGATIONS:
    case RS_MAP_SORTS:
        break;
    }
    if (!rs_streq(kind, "drained") && !rs_streq(kind, "moved") && !rs_streq(kind, "control")) {
        *why = "a mitigation that is neither drained, moved nor control";
        return RS_OK;
    }
    return rs_builder_mitigation(job->builder, entity, time, end, kind, err);
}

enum rs_status rs_import_event(struct rs_import_job *job, const struct rs_map_events *ev, const char *entity,
                               int64_t row_time, const struct rs_csv_record *rec, const char **why,
                               struct rs_error *err)
{
    char kind[RS_MAP_TEXT_MAX];
    int64_t time, end;
    if (!rs_map_when_holds(&job->reader, &ev->source.when, rec))
        return RS_OK;
    *why = read_event(job, ev, row_time, rec, &time, &end, kind);
    if (*why || time == RS_TIME_NONE)
        return RS_OK;
    return put_event(job, ev->sort, entity, time, end, kind, why, err);
}

/* An entity that perhaps only an event knows. */
static enum rs_status declare_entity(struct rs_import_job *job, const char *id, size_t len,
                                     const struct rs_attr_text *attrs, size_t n_attrs, struct rs_error *err)
{
    struct rs_row row = { .id = id,
                          .id_len = len,
                          .time = RS_TIME_NONE,
                          .attrs = attrs,
                          .n_attrs = n_attrs,
                          .label = -1,
                          .kind = job->map->kind };
    return rs_builder_row(job->builder, &row, err);
}

static enum rs_status bind_source(struct rs_map_source *s, const struct rs_header *h, struct rs_error *err)
{
    enum rs_status st = rs_map_bind_text(&s->entity, h, err);
    if (st == RS_OK)
        st = rs_map_bind_time(&s->time, h, err);
    return st < 0 ? st : rs_map_bind_when(&s->when, h, err);
}

static enum rs_status bind_event_file(struct rs_import_job *job, void *item, const struct rs_header *h,
                                      struct rs_error *err)
{
    (void)job;
    struct rs_map_events *ev = item;
    enum rs_status st = bind_source(&ev->source, h, err);
    if (st == RS_OK)
        st = rs_map_bind_text(&ev->kind, h, err);
    return st < 0 ? st : rs_map_bind_time(&ev->back_time, h, err);
}

static enum rs_status event_row(struct rs_import_job *job, void *item, const struct rs_csv_record *rec,
                                const char **why, struct rs_error *err)
{
    const struct rs_map_events *ev = item;
    char id[RS_MAP_TEXT_MAX];
    size_t len;
    *why = rs_map_entity_of(&job->reader, &ev->source.entity, rec, id, &len);
    if (*why)
        return RS_OK;
    enum rs_status st = rs_import_event(job, ev, id, RS_TIME_NONE, rec, why, err);
    return st < 0 || *why ? st : declare_entity(job, id, len, NULL, 0, err);
}

/* ---- counters ---- */

static enum rs_status bind_counter(struct rs_import_job *job, void *item, const struct rs_header *h,
                                   struct rs_error *err)
{
    struct rs_map_counter *c = item;
    enum rs_status st = bind_source(&c->source, h, err);
    if (st == RS_OK)
        st = rs_map_bind_text(&c->name, h, err);
    if (st == RS_OK && !c->source.role)
        st = rs_map_bind_text(&job->map->entity, h, err);
    if (st == RS_OK && !c->source.role)
        st = rs_map_bind_time(&job->map->time, h, err);
    return st;
}

static enum rs_status counter_row(struct rs_import_job *job, void *item, const struct rs_csv_record *rec,
                                  const char **why, struct rs_error *err)
{
    const struct rs_map_counter *c = item;
    const struct rs_map_text *entity = c->source.role ? &c->source.entity : &job->map->entity;
    const struct rs_map_time *when = c->source.time.is_given ? &c->source.time : &job->map->time;
    char id[RS_MAP_TEXT_MAX], name[RS_MAP_TEXT_MAX];
    size_t id_len, name_len;
    int64_t time;
    if (!rs_map_when_holds(&job->reader, &c->source.when, rec))
        return RS_OK;
    *why = rs_map_entity_of(&job->reader, entity, rec, id, &id_len);
    if (!*why)
        *why = rs_map_time_of(&job->reader, when, rec, &time);
    if (!*why)
        *why = rs_map_text_of(&job->reader, &c->name, rec, name, &name_len);
    if (*why || name_len == 0 || time == RS_TIME_NONE)
        return RS_OK;
    if (!rs_tally_add(&job->tally, id, id_len, name, name_len, time))
        return rs_error_set(err, RS_ENOMEM, "import: out of memory");
    return RS_OK;
}

static enum rs_status read_counters(struct rs_import_job *job, const struct roles *roles, char **files, size_t n_files,
                                    struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < job->map->n_counters && st == RS_OK; i++) {
        struct rs_map_counter *c = &job->map->counters[i];
        struct rs_import_use use = {
            .item = c, .is_silent = !c->source.role, .bind = bind_counter, .row = counter_row
        };
        rs_autofree char *path = NULL;
        if (c->source.role) {
            st = source_path(job, roles, &c->source, &path, err);
            if (st == RS_OK)
                st = rs_import_each_row(job, path, &use, err);
            continue;
        }
        for (size_t f = 0; f < n_files && st == RS_OK; f++)
            st = rs_import_each_row(job, files[f], &use, err);
    }
    if (st == RS_OK && !rs_tally_seal(&job->tally))
        return rs_error_set(err, RS_ENOMEM, "import: out of memory");
    return st;
}

/* ---- attribute tables ---- */

static enum rs_status bind_table(struct rs_import_job *job, void *item, const struct rs_header *h, struct rs_error *err)
{
    struct rs_map_table *t = item;
    enum rs_status st = bind_source(&t->source, h, err);
    if (st == RS_OK)
        st = rs_map_bind_attrs(t->attrs, t->n_attrs, h, err);
    for (size_t i = 0; i < t->n_attrs && st == RS_OK; i++)
        st = rs_builder_attr(job->builder, t->attrs[i].name, t->attrs[i].is_number, &t->attrs[i].index, err);
    return st;
}

static enum rs_status table_row(struct rs_import_job *job, void *item, const struct rs_csv_record *rec,
                                const char **why, struct rs_error *err)
{
    const struct rs_map_table *t = item;
    char id[RS_MAP_TEXT_MAX], text[RS_MAP_TEXT_MAX];
    size_t id_len;
    *why = rs_map_entity_of(&job->reader, &t->source.entity, rec, id, &id_len);
    for (size_t i = 0; i < t->n_attrs && !*why; i++) {
        struct rs_attr_text a = { .attr = t->attrs[i].index, .text = text };
        *why = rs_map_attr_of(&job->reader, &t->attrs[i], rec, text, &a.len);
        if (*why)
            break;
        enum rs_status st = declare_entity(job, id, id_len, &a, 1, err);
        if (st < 0)
            return st;
        bool is_group = job->map->grid.group && rs_streq(job->map->grid.group, t->attrs[i].name);
        if (is_group && a.len && !rs_grid_note(&job->grid, id, id_len, text, a.len, RS_TIME_NONE))
            return rs_error_set(err, RS_ENOMEM, "import: out of memory");
    }
    if (!*why && job->map->grid.every_s && !job->map->grid.group &&
        !rs_grid_note(&job->grid, id, id_len, "", 0, RS_TIME_NONE))
        return rs_error_set(err, RS_ENOMEM, "import: out of memory");
    return RS_OK;
}

/* ---- the whole ---- */

static enum rs_status read_role_file(struct rs_import_job *job, const struct roles *roles,
                                     const struct rs_map_source *s, const struct rs_import_use *use,
                                     struct rs_error *err)
{
    rs_autofree char *path = NULL;
    if (!s->role)
        return RS_OK;
    enum rs_status st = source_path(job, roles, s, &path, err);
    return st == RS_OK && path ? rs_import_each_row(job, path, use, err) : st;
}

/* Role files of events and attributes. */
static enum rs_status read_role_files(struct rs_import_job *job, const struct roles *roles, struct rs_error *err)
{
    struct rs_map *m = job->map;
    enum rs_status st = RS_OK;
    for (size_t s = 0; s < RS_MAP_SORTS; s++)
        for (size_t i = 0; i < m->events[s].n && st == RS_OK; i++) {
            struct rs_import_use use = { .item = &m->events[s].items[i], .bind = bind_event_file, .row = event_row };
            st = read_role_file(job, roles, &m->events[s].items[i].source, &use, err);
        }
    for (size_t i = 0; i < m->n_tables && st == RS_OK; i++) {
        struct rs_import_use use = { .item = &m->tables[i], .bind = bind_table, .row = table_row };
        st = read_role_file(job, roles, &m->tables[i].source, &use, err);
    }
    return st;
}

static uint64_t bytes_of(char **files, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        struct stat s;
        if (stat(files[i], &s) == 0)
            sum += (uint64_t)s.st_size;
    }
    return sum;
}

/* Counters of the data itself read it twice, which standard input does not allow. */
static enum rs_status check_stdin(const struct rs_map *m, char **files, size_t n_files, struct rs_error *err)
{
    bool has_stdin = false;
    for (size_t i = 0; i < n_files; i++)
        has_stdin |= rs_streq(files[i], "-");
    for (size_t i = 0; i < m->n_counters && has_stdin; i++)
        if (!m->counters[i].source.role)
            return rs_error_set(err, RS_EUSAGE, "-: %s:%zu: a counter of the data itself needs a file", m->path,
                                m->counters[i].source.line);
    return RS_OK;
}

static enum rs_status read_all(struct rs_import_job *job, const struct roles *roles, char **files, size_t n_files,
                               struct rs_error *err)
{
    enum rs_status st = check_stdin(job->map, files, n_files, err);
    if (st == RS_OK)
        st = read_counters(job, roles, files, n_files, err);
    if (st == RS_OK)
        st = read_role_files(job, roles, err);
    job->done_bytes = 0; /* progress tells of the data; events are small beside it */
    return st < 0 ? st : rs_import_data(job, files, n_files, err);
}

static enum rs_status import(struct rs_import_job *job, char *const *operands, size_t n, struct rs_error *err)
{
    rs_autofree struct role_file *role_files = rs_alloc(n, sizeof *role_files);
    rs_autofree char **data = rs_alloc(n, sizeof *data);
    struct roles roles = { role_files, 0 };
    size_t n_data = 0, n_files = 0;
    rs_auto_import_files files = NULL;
    if (!role_files || !data)
        return rs_error_set(err, RS_ENOMEM, "import: out of memory");
    enum rs_status st = sort_operands(job, operands, n, &roles, data, &n_data, err);
    if (st == RS_OK)
        st = rs_import_files(data, n_data, &files, &n_files, err);
    if (st < 0)
        return st;
    struct rs_builder_options options = { .memory = job->opt->memory,
                                          .source = job->map->source ? job->map->source : "reseat import csv",
                                          .has_labels = job->map->has_label,
                                          .is_merged = job->map->is_long,
                                          .is_quiet = job->opt->is_quiet };
    RS_AUTO(rs_builder) *builder = NULL;
    st = rs_builder_new(job->opt->out, &options, &builder, err);
    if (st < 0)
        return st;
    job->builder = builder;
    rs_progress_start(&job->progress, "import", "B", bytes_of(files, n_files), job->opt->is_quiet);
    st = read_all(job, &roles, files, n_files, err);
    rs_progress_end(&job->progress);
    if (st == RS_OK && job->map->control_share > 0)
        st = rs_builder_control_share(builder, job->map->control_share, err);
    if (st == RS_OK)
        st = rs_import_check_bad(job->opt, job->report, err);
    return st < 0 ? st : rs_builder_finish(builder, &job->report->counts, err);
}

/* Tries NAME.yaml in a folder. RS_CONTINUE where it is not there. */
static enum rs_status load_from(const char *folder, const char *name, struct rs_map **out, struct rs_error *err)
{
    rs_autofree char *path = NULL;
    if (asprintf(&path, "%s/%s.yaml", folder, name) < 0)
        return rs_error_set(err, RS_ENOMEM, "import: out of memory");
    return access(path, F_OK) == 0 ? rs_map_load(path, out, err) : RS_CONTINUE;
}

/* Mappings that come with Reseat lie beside the program in a build tree, else where they were installed. */
static enum rs_status load_shipped(const char *name, struct rs_map **out, struct rs_error *err)
{
    char beside[4096];
    const char *given = getenv("RESEAT_MAPS");
    if (given && *given)
        return load_from(given, name, out, err);
    ssize_t len = readlink("/proc/self/exe", beside, sizeof beside - sizeof "/maps");
    char *slash = len > 0 ? memrchr(beside, '/', (size_t)len) : NULL;
    enum rs_status st = RS_CONTINUE;
    if (slash) {
        strcpy(slash, "/maps");
        st = load_from(beside, name, out, err);
    }
    return st == RS_CONTINUE ? load_from(RS_MAPS_DIR, name, out, err) : st;
}

/* The mapping of that path, or the one of that name that comes with Reseat. */
static enum rs_status load_map(const char *name, struct rs_map **out, struct rs_error *err)
{
    if (strchr(name, '/') || access(name, F_OK) == 0)
        return rs_map_load(name, out, err);
    enum rs_status st = load_shipped(name, out, err);
    if (st != RS_CONTINUE)
        return st;
    return rs_error_set(err, RS_ENOTFOUND, "%s: no such file, and no mapping of that name comes with Reseat", name);
}

enum rs_status rs_import_csv(const struct rs_import_options *opt, const char *map_path, char *const *operands,
                             size_t n_operands, struct rs_import_report *out, struct rs_error *err)
{
    RS_AUTO_STRUCT(rs_map) *map = NULL;
    *out = (struct rs_import_report){ 0 };
    enum rs_status st = load_map(map_path, &map, err);
    if (st < 0)
        return st;
    struct rs_import_job job = { .opt = opt, .report = out, .map = map, .reader = { .map = map } };
    st = import(&job, operands, n_operands, err);
    rs_tally_clear(&job.tally);
    rs_grid_clear(&job.grid);
    return st;
}
