/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The layout of a fleet file, from the writing side: /signals, /attributes, /entities, /samples, /failures. */
#include "fleet_write.h"

#define CHUNK_ROWS 16384u
#define BLOCK_BYTES ((size_t)4 << 20)

struct rs_fleet_writer {
    rs_h5 *file;
    const struct rs_fleet_schema *schema;
    rs_h5_data *time, *values, *label, *offsets;
    rs_h5_data *id, *kind, *first_seen, *last_seen;
    rs_h5_data **attrs; /* n_attrs */
    rs_h5_data *failure_entity, *failure_time, *failure_back, *failure_kind;
    uint64_t n_rows, n_entities;
    int64_t first, last;
};

uint32_t rs_fleet_chunk_rows(uint32_t n_columns)
{
    uint32_t rows = CHUNK_ROWS;
    while (rows > 256 && (size_t)rows * n_columns * sizeof(float) > BLOCK_BYTES)
        rows /= 2;
    return rows;
}

void rs_fleet_link_name(const char *name, char *out, size_t size)
{
    size_t n = 0;
    for (const char *p = name; *p && n + 4 < size; p++) {
        if (*p == '/' || *p == '%' || (p == name && *p == '.'))
            n += (size_t)snprintf(out + n, size - n, "%%%02X", (unsigned char)*p);
        else
            out[n++] = *p;
    }
    out[n] = 0;
}

static enum rs_status create(rs_h5 *h, const char *path, enum rs_h5_type type, size_t str_size, rs_h5_data **out,
                             struct rs_error *err)
{
    struct rs_h5_shape shape = { .type = type, .str_size = str_size, .chunk_rows = CHUNK_ROWS };
    return rs_h5_data_create(h, path, &shape, out, err);
}

enum rs_status rs_h5_put_texts(rs_h5 *h, const char *path, char *const *texts, uint32_t n, struct rs_error *err)
{
    size_t size = 1;
    for (uint32_t i = 0; i < n; i++)
        size = RS_MAX(size, strlen(texts[i]));
    RS_AUTO(rs_h5_data) *d = NULL;
    struct rs_h5_shape shape = { .type = RS_H5_STR, .str_size = size, .chunk_rows = RS_MIN(RS_MAX(n, 1u), 1024u) };
    enum rs_status st = rs_h5_data_create(h, path, &shape, &d, err);
    rs_autofree char *padded = rs_alloc(size + 1, 1);
    if (st == RS_OK && !padded)
        st = rs_error_set(err, RS_ENOMEM, "no memory for %s", path);
    for (uint32_t i = 0; i < n && st == RS_OK; i++) {
        strncpy(padded, texts[i], size);
        st = rs_h5_append(d, padded, 1, err);
    }
    return st == RS_OK ? rs_h5_data_finish(d, err) : st;
}

static enum rs_status put_signals(rs_h5 *h, const struct rs_fleet_schema *s, struct rs_error *err)
{
    rs_autofree char **names = rs_alloc(s->n_signals, sizeof *names);
    rs_autofree char **units = rs_alloc(s->n_signals, sizeof *units);
    rs_autofree int8_t *kinds = rs_alloc(s->n_signals, sizeof *kinds);
    if (!names || !units || !kinds)
        return rs_error_set(err, RS_ENOMEM, "no memory for the signals");
    for (uint32_t i = 0; i < s->n_signals; i++) {
        names[i] = s->signals[i].name;
        units[i] = s->signals[i].unit;
        kinds[i] = (int8_t)s->signals[i].kind;
    }
    RS_AUTO(rs_h5_data) *kind = NULL;
    enum rs_status st = rs_h5_group(h, "/signals", err);
    if (st == RS_OK)
        st = rs_h5_put_texts(h, "/signals/name", names, s->n_signals, err);
    if (st == RS_OK)
        st = rs_h5_put_texts(h, "/signals/unit", units, s->n_signals, err);
    if (st == RS_OK)
        st = create(h, "/signals/kind", RS_H5_I8, 0, &kind, err);
    if (st == RS_OK)
        st = rs_h5_append(kind, kinds, s->n_signals, err);
    return st == RS_OK ? rs_h5_data_finish(kind, err) : st;
}

static enum rs_status put_attributes(rs_h5 *h, const struct rs_fleet_schema *s, struct rs_error *err)
{
    rs_autofree char **names = rs_alloc(s->n_attrs, sizeof *names);
    if (!names)
        return rs_error_set(err, RS_ENOMEM, "no memory for the attributes");
    RS_AUTO(rs_h5_data) *kind = NULL;
    enum rs_status st = rs_h5_group(h, "/attributes", err);
    if (st == RS_OK)
        st = create(h, "/attributes/kind", RS_H5_I8, 0, &kind, err);
    for (uint32_t i = 0; i < s->n_attrs && st == RS_OK; i++) {
        int8_t k = s->attrs[i].is_number;
        names[i] = s->attrs[i].name;
        st = rs_h5_append(kind, &k, 1, err);
    }
    if (st == RS_OK)
        st = rs_h5_data_finish(kind, err);
    return st == RS_OK ? rs_h5_put_texts(h, "/attributes/name", names, s->n_attrs, err) : st;
}

static enum rs_status create_attr_column(rs_fleet_writer *w, uint32_t i, struct rs_error *err)
{
    const struct rs_fleet_attr *a = &w->schema->attrs[i];
    char link[RS_NAME_MAX * 3], path[RS_LINK_NAME_MAX];
    rs_fleet_link_name(a->name, link, sizeof link);
    snprintf(path, sizeof path, "/entities/attributes/%s", link);
    enum rs_status st = create(w->file, path, a->is_number ? RS_H5_F64 : RS_H5_I32, 0, &w->attrs[i], err);
    if (st < 0 || a->is_number)
        return st;
    snprintf(path, sizeof path, "/entities/dictionaries/%s", link);
    return rs_h5_put_texts(w->file, path, a->values, a->n_values, err);
}

static enum rs_status create_entities(rs_fleet_writer *w, struct rs_error *err)
{
    const struct rs_fleet_schema *s = w->schema;
    enum rs_status st = rs_h5_group(w->file, "/entities", err);
    if (st == RS_OK)
        st = rs_h5_group(w->file, "/entities/attributes", err);
    if (st == RS_OK)
        st = rs_h5_group(w->file, "/entities/dictionaries", err);
    if (st == RS_OK)
        st = create(w->file, "/entities/id", RS_H5_STR, s->id_size ? s->id_size : 1, &w->id, err);
    if (st == RS_OK)
        st = create(w->file, "/entities/kind", RS_H5_I8, 0, &w->kind, err);
    if (st == RS_OK)
        st = create(w->file, "/entities/first_seen", RS_H5_I64, 0, &w->first_seen, err);
    if (st == RS_OK)
        st = create(w->file, "/entities/last_seen", RS_H5_I64, 0, &w->last_seen, err);
    for (uint32_t i = 0; i < s->n_attrs && st == RS_OK; i++)
        st = create_attr_column(w, i, err);
    return st;
}

static enum rs_status create_samples(rs_fleet_writer *w, struct rs_error *err)
{
    const struct rs_fleet_schema *s = w->schema;
    struct rs_h5_shape shape = { RS_H5_I64, 0, 0, rs_fleet_chunk_rows(s->n_signals) };
    enum rs_status st = rs_h5_group(w->file, "/samples", err);
    if (st == RS_OK)
        st = rs_h5_data_create(w->file, "/samples/time", &shape, &w->time, err);
    shape.type = RS_H5_I8;
    if (st == RS_OK && s->has_labels)
        st = rs_h5_data_create(w->file, "/samples/label", &shape, &w->label, err);
    shape.type = RS_H5_F32;
    shape.width = s->n_signals;
    if (st == RS_OK && s->n_signals)
        st = rs_h5_data_create(w->file, "/samples/values", &shape, &w->values, err);
    if (st == RS_OK)
        st = create(w->file, "/samples/offsets", RS_H5_U64, 0, &w->offsets, err);
    return st == RS_OK ? rs_h5_append(w->offsets, &w->n_rows, 1, err) : st;
}

static enum rs_status create_failures(rs_fleet_writer *w, struct rs_error *err)
{
    enum rs_status st = rs_h5_group(w->file, "/failures", err);
    if (st == RS_OK)
        st = create(w->file, "/failures/entity", RS_H5_I64, 0, &w->failure_entity, err);
    if (st == RS_OK)
        st = create(w->file, "/failures/time", RS_H5_I64, 0, &w->failure_time, err);
    if (st == RS_OK)
        st = create(w->file, "/failures/back", RS_H5_I64, 0, &w->failure_back, err);
    if (st == RS_OK)
        st = create(w->file, "/failures/kind", RS_H5_I32, 0, &w->failure_kind, err);
    if (st == RS_OK)
        st = rs_h5_put_texts(w->file, "/failures/kinds", w->schema->failure_kinds, w->schema->n_failure_kinds, err);
    return st;
}

static enum rs_status create_all(rs_fleet_writer *w, const char *path, struct rs_error *err)
{
    const struct rs_fleet_schema *s = w->schema;
    enum rs_status st = rs_h5_create(path, &w->file, err);
    if (st == RS_OK)
        st = rs_h5_put_str(w->file, "/", "format", "reseat-fleet", err);
    if (st == RS_OK)
        st = rs_h5_put_i64(w->file, "/", "schema_version", RS_FLEET_VERSION, err);
    if (st == RS_OK)
        st = rs_h5_put_str(w->file, "/", "source", s->source ? s->source : "", err);
    if (st == RS_OK)
        st = put_signals(w->file, s, err);
    if (st == RS_OK)
        st = put_attributes(w->file, s, err);
    if (st == RS_OK)
        st = create_entities(w, err);
    if (st == RS_OK)
        st = create_samples(w, err);
    if (st == RS_OK)
        st = create_failures(w, err);
    return st;
}

enum rs_status rs_fleet_writer_new(const char *path, const struct rs_fleet_schema *schema, rs_fleet_writer **out,
                                   struct rs_error *err)
{
    RS_AUTO(rs_fleet_writer) *w = rs_alloc(1, sizeof *w);
    if (!w || !(w->attrs = rs_alloc(schema->n_attrs, sizeof *w->attrs)))
        return rs_error_set(err, RS_ENOMEM, "no memory to write a fleet file");
    w->schema = schema;
    w->first = w->last = RS_TIME_NONE;
    enum rs_status st = create_all(w, path, err);
    if (st == RS_OK)
        *out = rs_take(w);
    return st;
}

enum rs_status rs_fleet_writer_sample(rs_fleet_writer *w, int64_t time, const float *values, int8_t label,
                                      struct rs_error *err)
{
    enum rs_status st = rs_h5_append(w->time, &time, 1, err);
    if (st == RS_OK && w->values)
        st = rs_h5_append(w->values, values, 1, err);
    if (st == RS_OK && w->label)
        st = rs_h5_append(w->label, &label, 1, err);
    if (w->n_rows == 0 || time < w->first)
        w->first = time;
    if (w->n_rows == 0 || time > w->last)
        w->last = time;
    w->n_rows++;
    return st;
}

enum rs_status rs_fleet_writer_entity(rs_fleet_writer *w, const struct rs_fleet_entity *e, struct rs_error *err)
{
    int8_t kind = (int8_t)e->kind;
    enum rs_status st = rs_h5_append(w->id, e->id, 1, err);
    if (st == RS_OK)
        st = rs_h5_append(w->kind, &kind, 1, err);
    if (st == RS_OK)
        st = rs_h5_append(w->first_seen, &e->first_seen, 1, err);
    if (st == RS_OK)
        st = rs_h5_append(w->last_seen, &e->last_seen, 1, err);
    for (uint32_t i = 0; i < w->schema->n_attrs && st == RS_OK; i++) {
        const void *v = &e->codes[i];
        if (w->schema->attrs[i].is_number)
            v = &e->numbers[i];
        st = rs_h5_append(w->attrs[i], v, 1, err);
    }
    if (st == RS_OK)
        st = rs_h5_append(w->offsets, &w->n_rows, 1, err);
    w->n_entities++;
    return st;
}

enum rs_status rs_fleet_writer_failure(rs_fleet_writer *w, const struct rs_failure *f, struct rs_error *err)
{
    int64_t entity = (int64_t)f->entity;
    enum rs_status st = rs_h5_append(w->failure_entity, &entity, 1, err);
    if (st == RS_OK)
        st = rs_h5_append(w->failure_time, &f->time, 1, err);
    if (st == RS_OK)
        st = rs_h5_append(w->failure_back, &f->back, 1, err);
    if (st == RS_OK)
        st = rs_h5_append(w->failure_kind, &f->kind, 1, err);
    return st;
}

/* Finishes a dataset and lets it go. */
static enum rs_status finish(rs_h5_data **d, enum rs_status st, struct rs_error *err)
{
    if (st == RS_OK && *d)
        st = rs_h5_data_finish(*d, err);
    rs_h5_data_free(rs_take(*d));
    return st;
}

enum rs_status rs_fleet_writer_end_entities(rs_fleet_writer *w, struct rs_error *err)
{
    rs_h5_data **all[] = { &w->time,         &w->values,      &w->label,     &w->offsets,        &w->id,
                           &w->kind,         &w->first_seen,  &w->last_seen, &w->failure_entity, &w->failure_time,
                           &w->failure_back, &w->failure_kind };
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < RS_LEN(all); i++)
        st = finish(all[i], st, err);
    for (uint32_t i = 0; i < w->schema->n_attrs; i++)
        st = finish(&w->attrs[i], st, err);
    if (st == RS_OK)
        st = rs_h5_put_i64(w->file, "/samples", "first_time", w->first, err);
    if (st == RS_OK)
        st = rs_h5_put_i64(w->file, "/samples", "last_time", w->last, err);
    return st;
}

uint64_t rs_fleet_writer_entities(const rs_fleet_writer *w)
{
    return w->n_entities;
}

uint64_t rs_fleet_writer_rows(const rs_fleet_writer *w)
{
    return w->n_rows;
}

rs_h5 *rs_fleet_writer_file(rs_fleet_writer *w)
{
    return w->file;
}

enum rs_status rs_fleet_writer_close(rs_fleet_writer *w, struct rs_error *err)
{
    enum rs_status st = rs_h5_close(rs_take(w->file), err);
    rs_fleet_writer_free(w);
    return st;
}

void rs_fleet_writer_free(rs_fleet_writer *w)
{
    if (!w)
        return;
    rs_h5_data *all[] = { w->time,         w->values,      w->label,     w->offsets,        w->id,
                          w->kind,         w->first_seen,  w->last_seen, w->failure_entity, w->failure_time,
                          w->failure_back, w->failure_kind };
    for (size_t i = 0; i < RS_LEN(all); i++)
        rs_h5_data_free(all[i]);
    for (uint32_t i = 0; w->attrs && i < w->schema->n_attrs; i++)
        rs_h5_data_free(w->attrs[i]);
    free(w->attrs);
    rs_h5_abandon(w->file);
    free(w);
}
