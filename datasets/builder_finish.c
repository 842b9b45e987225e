/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The builder's end: sorted rows become entities, samples and failures, the file gets its name. */
#include "builder.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "common/cli.h"
#include "common/fault.h"
#include "common/file.h"
#include "common/progress.h"
#include "datasets/builder_private.h"

/* The entity whose records come by, and its newest sample, which a later row of the same time may still replace. */
struct merge {
    rs_builder *b;
    rs_fleet_writer *w;
    const struct rs_fleet_schema *schema;
    struct rs_ranking *values;      /* of each attribute */
    const struct rs_ranking *kinds; /* of failures */
    struct rs_builder_counts counts;

    uint64_t key[RS_KEY_WORDS]; /* of its id */
    size_t n_words;             /* 0 before the first entity */
    char id[256];
    size_t id_len;
    struct rs_fleet_entity entity;
    int32_t *codes;
    double *numbers;
    char parent[256];
    size_t parent_len;

    bool has_sample, is_failure;
    int64_t time;
    float *row;
    int8_t label;
    int32_t failure_kind;

    bool has_failure;
    struct rs_failure failure; /* not yet written: one more of the same time adds to it */
    uint64_t n_failures;       /* of the entity */
    bool has_positive;         /* a label of the entity says so */
};

static int by_string(const void *a, const void *b, void *strings)
{
    char **s = strings;
    return strcmp(s[*(const int32_t *)a], s[*(const int32_t *)b]);
}

bool rs_ranking_make(const struct rs_intern *t, struct rs_ranking *out)
{
    rs_autofree int32_t *order = rs_alloc(t->n, sizeof *order);
    out->n = t->n;
    out->sorted = rs_alloc(t->n, sizeof *out->sorted);
    out->rank = rs_alloc(t->n, sizeof *out->rank);
    if (!order || !out->sorted || !out->rank)
        return false;
    for (uint32_t i = 0; i < t->n; i++)
        order[i] = (int32_t)i;
    qsort_r(order, t->n, sizeof *order, by_string, t->strings);
    for (uint32_t i = 0; i < t->n; i++) {
        out->sorted[i] = t->strings[order[i]];
        out->rank[order[i]] = (int32_t)i;
    }
    return true;
}

void rs_ranking_clear(struct rs_ranking *r)
{
    free(r->sorted);
    free(r->rank);
    *r = (struct rs_ranking){ 0 };
}

/* Failures. */

static enum rs_status write_failure(struct merge *m, struct rs_error *err)
{
    if (!m->has_failure)
        return RS_OK;
    m->has_failure = false;
    m->n_failures++;
    m->counts.failures++;
    m->failure.entity = rs_fleet_writer_entities(m->w);
    return rs_fleet_writer_failure(m->w, &m->failure, err);
}

static enum rs_status note_failure(struct merge *m, int64_t time, int64_t back, int32_t kind, struct rs_error *err)
{
    int32_t rank = kind < 0 ? -1 : m->kinds->rank[kind];
    bool is_other = m->has_failure && rank >= 0 && m->failure.kind >= 0 && rank != m->failure.kind;
    if (!m->has_failure || m->failure.time != time || is_other) {
        enum rs_status st = write_failure(m, err);
        if (st < 0)
            return st;
        m->has_failure = true;
        m->failure = (struct rs_failure){ .time = time, .back = back, .kind = rank };
        return RS_OK;
    }
    if (back != RS_TIME_NONE)
        m->failure.back = back;
    if (rank >= 0)
        m->failure.kind = rank;
    return RS_OK;
}

/* Samples. */

static enum rs_status write_sample(struct merge *m, struct rs_error *err)
{
    if (!m->has_sample)
        return RS_OK;
    m->has_sample = false;
    if (m->entity.first_seen == RS_TIME_NONE)
        m->entity.first_seen = m->time;
    m->entity.last_seen = m->time;
    m->counts.rows++;
    m->has_positive |= m->label == 1;
    enum rs_status st = rs_fleet_writer_sample(m->w, m->time, m->row, m->label, err);
    if (st == RS_OK && m->is_failure)
        st = note_failure(m, m->time, RS_TIME_NONE, m->failure_kind, err);
    return st;
}

static void take_attrs(struct merge *m, const struct rs_row_view *v)
{
    m->entity.kind = v->kind;
    for (size_t i = 0; i < v->n_attrs; i++) {
        const struct rs_set_value *a = &v->attrs[i];
        m->numbers[a->attr] = m->schema->attrs[a->attr].is_number ? a->number : NAN;
        m->codes[a->attr] = a->code < 0 ? -1 : m->values[a->attr].rank[a->code];
    }
    if (v->parent) {
        memcpy(m->parent, v->parent, v->parent_len);
        m->parent_len = v->parent_len;
    }
}

static enum rs_status take_sample(struct merge *m, const struct rs_row_view *v, int64_t time, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    bool is_same = m->has_sample && m->time == time, is_merged = is_same && m->b->opt.is_merged;
    if (is_same)
        m->counts.duplicates++;
    else
        st = write_sample(m, err);
    take_attrs(m, v);
    m->has_sample = true;
    m->time = time;
    m->label = is_merged && v->label < 0 ? m->label : v->label;
    m->is_failure = v->is_failure;
    m->failure_kind = v->failure_kind;
    for (uint32_t i = 0; i < m->schema->n_signals && !is_merged; i++)
        m->row[i] = NAN;
    for (size_t i = 0; i < v->n_readings; i++)
        if (isfinite(v->values[i]))
            m->row[v->signals[i]] = v->values[i];
    return st;
}

/* Entities. */

static void begin_entity(struct merge *m, const uint64_t *key, size_t n_words)
{
    memcpy(m->key, key, n_words * sizeof *key);
    m->n_words = n_words;
    memset(m->id, 0, sizeof m->id);
    rs_key_get_id(key, n_words, m->id, &m->id_len);
    m->entity = (struct rs_fleet_entity){ .id = m->id,
                                          .kind = RS_ENTITY_HOST,
                                          .first_seen = RS_TIME_NONE,
                                          .last_seen = RS_TIME_NONE,
                                          .codes = m->codes,
                                          .numbers = m->numbers };
    for (uint32_t i = 0; i < m->schema->n_attrs; i++) {
        m->codes[i] = -1;
        m->numbers[i] = NAN;
    }
    m->parent_len = 0;
    m->n_failures = 0;
    m->has_positive = false;
}

static enum rs_status end_entity(struct merge *m, struct rs_error *err)
{
    if (!m->n_words)
        return RS_OK;
    enum rs_status st = write_sample(m, err);
    if (st == RS_OK)
        st = write_failure(m, err);
    bool has_parent = m->parent_len && !(m->parent_len == m->id_len && memcmp(m->parent, m->id, m->id_len) == 0);
    uint64_t index = rs_fleet_writer_entities(m->w);
    if (st == RS_OK && has_parent)
        st = rs_builder_refer(m->b, m->parent, m->parent_len, RS_REF_PARENT, &index, sizeof index, err);
    if (st == RS_OK)
        st = rs_fleet_writer_entity(m->w, &m->entity, err);
    m->counts.entities++;
    m->counts.failing_entities += m->n_failures > 0 || (m->b->opt.has_labels && m->has_positive);
    return st;
}

static enum rs_status take_record(struct merge *m, const struct rs_sort_record *r, struct rs_error *err)
{
    size_t n_words = r->n_words - 1;
    int64_t time = rs_key_to_i64(r->key[n_words]);
    enum rs_status st = RS_OK;
    if (n_words != m->n_words || memcmp(r->key, m->key, n_words * sizeof *r->key) != 0) {
        st = end_entity(m, err);
        begin_entity(m, r->key, n_words);
    }
    if (st < 0)
        return st;
    struct rs_row_view v;
    rs_rowcode_get(m->b->code, r->payload, &v);
    switch (v.type) {
    case RS_ROW_SAMPLE:
        return take_sample(m, &v, time, err);
    case RS_ROW_DECLARE:
        take_attrs(m, &v);
        return RS_OK;
    case RS_ROW_FAILURE:
        if (m->has_sample && m->time != time)
            st = write_sample(m, err);
        return st == RS_OK ? note_failure(m, time, v.back, v.failure_kind, err) : st;
    case RS_ROW_MENTION:
        break;
    }
    return RS_OK;
}

static enum rs_status merge_rows(struct merge *m, struct rs_progress *progress, struct rs_error *err)
{
    struct rs_sort_record r;
    uint64_t n = 0;
    enum rs_status st = rs_sorter_sort(m->b->rows, err);
    while (st == RS_OK && (st = rs_sorter_next(m->b->rows, &r, err)) == RS_CONTINUE) {
        st = take_record(m, &r, err);
        if (st == RS_OK && (++n & 4095) == 0) {
            rs_progress_update(progress, n, NULL);
            if (rs_cli_interrupted())
                st = rs_error_set(err, RS_ECANCELLED, "interrupted");
        }
    }
    return st == RS_OK ? end_entity(m, err) : st;
}

/* The schema as it stands once all rows are in. */

struct layout {
    struct rs_fleet_schema schema;
    struct rs_signal *signals;
    struct rs_fleet_attr *attrs;
    struct rs_ranking *values; /* n_attrs */
    struct rs_ranking kinds;
};

static void layout_clear(struct layout *l)
{
    for (uint32_t i = 0; l->values && i < l->schema.n_attrs; i++)
        rs_ranking_clear(&l->values[i]);
    rs_ranking_clear(&l->kinds);
    free(l->signals);
    free(l->attrs);
    free(l->values);
}

static bool layout_fill(struct layout *l, const rs_builder *b)
{
    uint32_t n_attrs = b->column_names.n, n_signals = b->signal_names.n;
    l->signals = rs_alloc(n_signals, sizeof *l->signals);
    l->attrs = rs_alloc(n_attrs, sizeof *l->attrs);
    l->values = rs_alloc(n_attrs, sizeof *l->values);
    if (!l->signals || !l->attrs || !l->values || !rs_ranking_make(&b->failure_kinds, &l->kinds))
        return false;
    l->schema = (struct rs_fleet_schema){ .source = b->source,
                                          .signals = l->signals,
                                          .n_signals = n_signals,
                                          .attrs = l->attrs,
                                          .n_attrs = n_attrs,
                                          .failure_kinds = l->kinds.sorted,
                                          .n_failure_kinds = l->kinds.n,
                                          .has_labels = b->opt.has_labels,
                                          .id_size = b->id_size };
    for (uint32_t i = 0; i < n_signals; i++) {
        l->signals[i] = b->signals[i];
        l->signals[i].name = b->signal_names.strings[i];
    }
    for (uint32_t i = 0; i < n_attrs; i++) {
        if (!rs_ranking_make(&b->columns[i].values, &l->values[i]))
            return false;
        l->attrs[i] = (struct rs_fleet_attr){ .name = b->column_names.strings[i],
                                              .is_number = b->columns[i].is_number,
                                              .values = l->values[i].sorted,
                                              .n_values = l->values[i].n };
    }
    return true;
}

/* The file. */

static enum rs_status make_partial(rs_builder *b, struct rs_error *err)
{
    size_t size = strlen(b->path) + sizeof ".partial-XXXXXX";
    rs_autofree char *name = rs_alloc(size, 1);
    if (!name)
        return rs_error_set(err, RS_ENOMEM, "%s: no memory to write it", b->path);
    snprintf(name, size, "%s.partial-XXXXXX", b->path);
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return rs_error_errno(err, rs_status_from_errno(errno), "%s", name);
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
    close(fd);
    b->partial = rs_take(name);
    return RS_OK;
}

static enum rs_status sync_path(const char *path, int flags, struct rs_error *err)
{
    rs_auto_fd int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return rs_error_errno(err, rs_status_from_errno(errno), "%s", path);
    return RS_OK;
}

static enum rs_status publish(rs_builder *b, struct rs_error *err)
{
    enum rs_status st = sync_path(b->partial, O_RDWR, err);
    if (st < 0)
        return st;
    if (rs_fault_hit("builder.rename"))
        return rs_error_set(err, RS_EIO, "%s: cannot be renamed", b->partial);
    if (rename(b->partial, b->path) < 0)
        return rs_error_errno(err, rs_status_from_errno(errno), "%s", b->path);
    free(rs_take(b->partial));
    return sync_path(b->folder, O_RDONLY | O_DIRECTORY, err);
}

static enum rs_status write_file(rs_builder *b, const struct layout *l, struct merge *m, struct rs_progress *progress,
                                 struct rs_error *err)
{
    enum rs_status st = rs_fleet_writer_new(b->partial, &l->schema, &m->w, err);
    if (st == RS_OK)
        st = merge_rows(m, progress, err);
    if (st == RS_OK)
        st = rs_fleet_writer_end_entities(m->w, err);
    if (st == RS_OK)
        st = rs_builder_write_tables(b, m->w, err);
    if (st == RS_OK)
        return rs_fleet_writer_close(rs_take(m->w), err);
    rs_fleet_writer_free(rs_take(m->w));
    return st;
}

static enum rs_status build(rs_builder *b, const struct layout *l, struct rs_progress *progress,
                            struct rs_builder_counts *out, struct rs_error *err)
{
    rs_autofree int32_t *codes = rs_alloc(l->schema.n_attrs, sizeof *codes);
    rs_autofree double *numbers = rs_alloc(l->schema.n_attrs, sizeof *numbers);
    rs_autofree float *row = rs_alloc(l->schema.n_signals, sizeof *row);
    rs_autofree struct merge *m = rs_alloc(1, sizeof *m);
    if (!codes || !numbers || !row || !m)
        return rs_error_set(err, RS_ENOMEM, "%s: no memory to write it", b->path);
    *m = (struct merge){ .b = b, .schema = &l->schema, .values = l->values, .kinds = &l->kinds };
    m->codes = codes;
    m->numbers = numbers;
    m->row = row;
    enum rs_status st = make_partial(b, err);
    if (st == RS_OK)
        st = write_file(b, l, m, progress, err);
    if (st == RS_OK)
        st = publish(b, err);
    if (st == RS_OK)
        *out = m->counts;
    return st;
}

enum rs_status rs_builder_finish(rs_builder *b, struct rs_builder_counts *out, struct rs_error *err)
{
    struct layout l __attribute__((cleanup(layout_clear))) = { .values = NULL };
    if (!layout_fill(&l, b))
        return rs_error_set(err, RS_ENOMEM, "%s: no memory to write it", b->path);
    struct rs_progress progress;
    rs_progress_start(&progress, "write", "rows", rs_sorter_count(b->rows), b->opt.is_quiet);
    enum rs_status st = build(b, &l, &progress, out, err);
    rs_progress_end(&progress);
    if (st < 0 && b->partial) {
        unlink(b->partial);
        free(rs_take(b->partial));
    }
    return st < 0 ? rs_error_prefix(err, st, "%s", b->path) : RS_OK;
}
