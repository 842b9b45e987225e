/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The walk over entities: columns of /entities and the samples through windows, failures alongside. A block ends
 * where its entity ends or the window does. Every number is checked as it comes by. */
#include "fleet.h"

#include <math.h>

#include "common/reserve.h"
#include "datasets/contain.h"
#include "datasets/fleet_private.h"
#include "datasets/fleet_write.h"

#define WINDOW_BYTES ((size_t)8 << 20)

struct rs_fleet_scan {
    rs_fleet *f;
    uint64_t next, stop; /* entities */

    struct rs_column_window offsets, id, kind, parent, first_seen, last_seen;
    struct rs_column_window *attrs; /* n_attrs */
    struct rs_fleet_side side;

    rs_h5_data *time, *values, *label;
    size_t chunk_rows, window_rows; /* a window: whole chunks */
    uint64_t rows_end;              /* of the entities to visit */
    uint64_t window_first;
    size_t window_n;
    int64_t *times;
    float *rows;
    int8_t *labels;

    bool is_inside; /* of the entity in block */
    struct rs_fleet_block block;
    uint64_t row, row_end; /* what is left of it */
    int64_t last_time;
    char id_text[256], last_id[256];
    int32_t *codes;
    double *numbers;
};

static enum rs_status corrupt(const rs_fleet_scan *s, struct rs_error *err, const char *what)
{
    return rs_error_set(err, RS_ECORRUPT, "entity %llu: %s", (unsigned long long)s->next, what);
}

/* Opening. */

static enum rs_status open_attrs(rs_fleet_scan *s, struct rs_error *err)
{
    const struct rs_fleet_info *info = &s->f->info;
    enum rs_status st = RS_OK;
    for (uint32_t i = 0; i < info->n_attrs && st == RS_OK; i++) {
        const struct rs_fleet_attr *a = &info->attrs[i];
        char link[RS_NAME_MAX * 3], path[RS_LINK_NAME_MAX];
        rs_fleet_link_name(a->name, link, sizeof link);
        snprintf(path, sizeof path, "/entities/attributes/%s", link);
        st = rs_column_open(s->f, path, a->is_number ? RS_H5_F64 : RS_H5_I32, info->n_entities, &s->attrs[i], err);
    }
    return st;
}

static enum rs_status open_columns(rs_fleet_scan *s, struct rs_error *err)
{
    rs_fleet *f = s->f;
    uint64_t n = f->info.n_entities;
    const struct {
        const char *path;
        enum rs_h5_type type;
        uint64_t n;
        struct rs_column_window *column;
    } columns[] = {
        { "/samples/offsets", RS_H5_U64, n + 1, &s->offsets },
        { "/entities/id", RS_H5_STR, n, &s->id },
        { "/entities/kind", RS_H5_I8, n, &s->kind },
        { "/entities/parent", RS_H5_I64, n, &s->parent },
        { "/entities/first_seen", RS_H5_I64, n, &s->first_seen },
        { "/entities/last_seen", RS_H5_I64, n, &s->last_seen },
    };
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < RS_LEN(columns) && st == RS_OK; i++)
        st = rs_column_open(f, columns[i].path, columns[i].type, columns[i].n, columns[i].column, err);
    if (st == RS_OK && rs_h5_row_size(s->id.data) >= sizeof s->id_text)
        st = rs_error_set(err, RS_ECORRUPT, "/entities/id: texts too long for ids");
    return st == RS_OK ? open_attrs(s, err) : st;
}

/* As many whole chunks as keep all cores busy, within a few MiB. */
static void choose_window(rs_fleet_scan *s)
{
    size_t chunk = s->values ? rs_h5_shape(s->values)->chunk_rows : rs_fleet_chunk_rows(0);
    size_t row = s->values ? rs_h5_row_size(s->values) : sizeof(int64_t), fit = WINDOW_BYTES / row;
    if (chunk <= fit)
        s->window_rows = fit - fit % chunk;
    else
        s->window_rows = chunk = RS_MIN(chunk, RS_MAX(RS_H5_CHUNK_MAX / row, (size_t)1));
    s->chunk_rows = chunk;
}

/* Where the rows of the last entity end: what lies behind is not worth decoding. Checked when they are reached. */
static enum rs_status find_end(rs_fleet_scan *s, struct rs_error *err)
{
    const void *p;
    enum rs_status st = rs_column_at(&s->offsets, s->stop, &p, err);
    if (st < 0)
        return st;
    memcpy(&s->rows_end, p, sizeof s->rows_end);
    s->rows_end = RS_MIN(s->rows_end, s->f->info.n_rows);
    return RS_OK;
}

static enum rs_status open_samples(rs_fleet_scan *s, struct rs_error *err)
{
    const struct rs_fleet_info *info = &s->f->info;
    enum rs_status st = rs_h5_data_open(s->f->file, "/samples/time", RS_H5_I64, 0, &s->time, err);
    if (st == RS_OK && info->n_signals)
        st = rs_h5_data_open(s->f->file, "/samples/values", RS_H5_F32, info->n_signals, &s->values, err);
    if (st == RS_OK && info->has_labels)
        st = rs_h5_data_open(s->f->file, "/samples/label", RS_H5_I8, 0, &s->label, err);
    if (st < 0)
        return st;
    if ((s->values && rs_h5_rows(s->values) != info->n_rows) || (s->label && rs_h5_rows(s->label) != info->n_rows))
        return rs_error_set(err, RS_ECORRUPT, "/samples: its datasets differ in length");
    choose_window(s);
    s->times = rs_alloc(s->window_rows, sizeof *s->times);
    s->rows = rs_reserve(s->window_rows * (info->n_signals ? info->n_signals : 1), sizeof *s->rows);
    s->labels = rs_alloc(s->window_rows, sizeof *s->labels);
    return s->times && s->rows && s->labels ? RS_OK : rs_error_set(err, RS_ENOMEM, "no memory for a chunk of samples");
}

static enum rs_status start(rs_fleet_scan *s, struct rs_error *err)
{
    const struct rs_fleet_info *info = &s->f->info;
    s->codes = rs_alloc(info->n_attrs, sizeof *s->codes);
    s->numbers = rs_alloc(info->n_attrs, sizeof *s->numbers);
    s->attrs = rs_alloc(info->n_attrs, sizeof *s->attrs);
    if (!s->codes || !s->numbers || !s->attrs)
        return rs_error_set(err, RS_ENOMEM, "no memory for a scan");
    enum rs_status st = open_columns(s, err);
    if (st == RS_OK)
        st = open_samples(s, err);
    return st == RS_OK ? rs_side_open(s->f, &s->side, err) : st;
}

enum rs_status rs_fleet_scan_move(rs_fleet_scan *s, uint64_t first, uint64_t n, struct rs_error *err)
{
    s->next = RS_MIN(first, s->f->info.n_entities);
    s->stop = s->next + RS_MIN(n, s->f->info.n_entities - s->next);
    s->is_inside = false;
    s->id_text[0] = 0;
    enum rs_status st = find_end(s, err);
    if (st == RS_OK)
        st = rs_side_seek(s->f, s->next, &s->side, err);
    return st < 0 ? rs_error_prefix(err, st, "%s", s->f->path) : RS_OK;
}

enum rs_status rs_fleet_scan_new(rs_fleet *f, uint64_t first, uint64_t n, rs_fleet_scan **out, struct rs_error *err)
{
    RS_AUTO(rs_fleet_scan) *s = rs_alloc(1, sizeof *s);
    if (!s)
        return rs_error_set(err, RS_ENOMEM, "no memory for a scan");
    s->f = f;
    rs_contain_enter();
    rs_h5_enter(); /* the first scan reads what all scans of the file share */
    enum rs_status st = start(s, err);
    rs_h5_leave();
    rs_contain_leave();
    if (st < 0)
        return rs_error_prefix(err, st, "%s", f->path);
    st = rs_fleet_scan_move(s, first, n, err);
    if (st < 0)
        return st;
    *out = rs_take(s);
    return RS_OK;
}

void rs_fleet_scan_free(rs_fleet_scan *s)
{
    if (!s)
        return;
    struct rs_column_window *columns[] = { &s->offsets, &s->id, &s->kind, &s->parent, &s->first_seen, &s->last_seen };
    for (size_t i = 0; i < RS_LEN(columns); i++)
        rs_column_clear(columns[i]);
    for (uint32_t i = 0; s->attrs && i < s->f->info.n_attrs; i++)
        rs_column_clear(&s->attrs[i]);
    rs_h5_data_free(s->time);
    rs_h5_data_free(s->values);
    rs_h5_data_free(s->label);
    free(s->attrs);
    free(s->times);
    free(s->rows);
    free(s->labels);
    free(s->codes);
    free(s->numbers);
    rs_side_clear(&s->side);
    free(s);
}

/* One entity. */

static enum rs_status read_id(rs_fleet_scan *s, struct rs_error *err)
{
    const void *p;
    enum rs_status st = rs_column_at(&s->id, s->next, &p, err);
    if (st < 0)
        return st;
    memcpy(s->last_id, s->id_text, s->id.size + 1);
    memcpy(s->id_text, p, s->id.size);
    s->id_text[s->id.size] = 0;
    if (!s->id_text[0])
        return corrupt(s, err, "its id is empty");
    if (strcmp(s->last_id, s->id_text) >= 0)
        return corrupt(s, err, "its id is out of order");
    return RS_OK;
}

static enum rs_status read_kind(rs_fleet_scan *s, struct rs_error *err)
{
    const void *p, *q;
    enum rs_status st = rs_column_at(&s->kind, s->next, &p, err);
    if (st == RS_OK)
        st = rs_column_at(&s->parent, s->next, &q, err);
    if (st < 0)
        return st;
    int8_t kind = *(const int8_t *)p;
    memcpy(&s->block.parent, q, sizeof s->block.parent);
    if (kind != RS_ENTITY_HOST && kind != RS_ENTITY_COMPONENT)
        return corrupt(s, err, "its kind is neither host nor component");
    if (s->block.parent < -1 || s->block.parent >= (int64_t)s->f->info.n_entities)
        return corrupt(s, err, "its parent is no entity");
    s->block.kind = (enum rs_entity_kind)kind;
    return RS_OK;
}

static enum rs_status read_attrs(rs_fleet_scan *s, struct rs_error *err)
{
    for (uint32_t i = 0; i < s->f->info.n_attrs; i++) {
        const struct rs_fleet_attr *a = &s->f->info.attrs[i];
        const void *p;
        enum rs_status st = rs_column_at(&s->attrs[i], s->next, &p, err);
        if (st < 0)
            return st;
        s->codes[i] = -1;
        s->numbers[i] = NAN;
        if (a->is_number)
            memcpy(&s->numbers[i], p, sizeof s->numbers[i]);
        else
            memcpy(&s->codes[i], p, sizeof s->codes[i]);
        if (s->codes[i] < -1 || s->codes[i] >= (int64_t)a->n_values)
            return corrupt(s, err, "an attribute's code is outside its dictionary");
        if (isinf(s->numbers[i]))
            return corrupt(s, err, "an attribute is infinite");
    }
    return RS_OK;
}

static enum rs_status read_extent(rs_fleet_scan *s, struct rs_error *err)
{
    const void *p;
    enum rs_status st = rs_column_at(&s->offsets, s->next, &p, err);
    if (st < 0)
        return st;
    memcpy(&s->row, p, sizeof s->row);
    st = rs_column_at(&s->offsets, s->next + 1, &p, err);
    if (st < 0)
        return st;
    memcpy(&s->row_end, p, sizeof s->row_end);
    bool is_sound = s->row <= s->row_end && s->row_end <= s->f->info.n_rows && (s->next > 0 || s->row == 0) &&
                    (s->next + 1 < s->f->info.n_entities || s->row_end == s->f->info.n_rows);
    if (!is_sound)
        return corrupt(s, err, "its offsets are out of order");
    s->block.n_entity_rows = s->row_end - s->row;
    return RS_OK;
}

static enum rs_status read_seen(rs_fleet_scan *s, struct rs_error *err)
{
    const void *p;
    enum rs_status st = rs_column_at(&s->first_seen, s->next, &p, err);
    if (st < 0)
        return st;
    memcpy(&s->block.first_seen, p, sizeof s->block.first_seen);
    st = rs_column_at(&s->last_seen, s->next, &p, err);
    if (st < 0)
        return st;
    memcpy(&s->block.last_seen, p, sizeof s->block.last_seen);
    bool is_sound = s->block.n_entity_rows
                        ? s->block.first_seen <= s->block.last_seen && s->block.first_seen >= s->f->info.first &&
                              s->block.last_seen <= s->f->info.last
                        : s->block.first_seen == RS_TIME_NONE && s->block.last_seen == RS_TIME_NONE;
    return is_sound ? RS_OK : corrupt(s, err, "first_seen and last_seen are impossible");
}

/* What happened to it. */
static enum rs_status read_side(rs_fleet_scan *s, struct rs_error *err)
{
    struct rs_fleet_side *side = &s->side;
    enum rs_status st = rs_side_read(s->f, side, s->next, err);
    if (st < 0)
        return rs_error_prefix(err, st, "entity %llu", (unsigned long long)s->next);
    s->block.failures = side->failures;
    s->block.n_failures = side->n_failures;
    s->block.events = side->events;
    s->block.n_events = side->n_events;
    s->block.mitigations = side->mitigations;
    s->block.n_mitigations = side->n_mitigations;
    return RS_OK;
}

static enum rs_status begin_entity(rs_fleet_scan *s, struct rs_error *err)
{
    s->block.entity = s->next;
    s->block.id = s->id_text;
    s->block.attr_codes = s->codes;
    s->block.attr_numbers = s->numbers;
    s->last_time = RS_TIME_NONE;
    enum rs_status st = read_id(s, err);
    if (st == RS_OK)
        st = read_kind(s, err);
    if (st == RS_OK)
        st = read_attrs(s, err);
    if (st == RS_OK)
        st = read_extent(s, err);
    if (st == RS_OK)
        st = read_seen(s, err);
    return st == RS_OK ? read_side(s, err) : st;
}

/* Its samples. */

static enum rs_status read_window(rs_fleet_scan *s, struct rs_error *err)
{
    uint64_t first = s->row - s->row % s->chunk_rows;
    size_t n = (size_t)RS_MIN((uint64_t)s->window_rows, RS_MAX(s->rows_end, s->row_end) - first);
    s->window_n = 0;
    struct rs_h5_range ranges[3] = { { s->time, first, n, s->times } };
    size_t n_ranges = 1;
    if (s->values)
        ranges[n_ranges++] = (struct rs_h5_range){ s->values, first, n, s->rows };
    if (s->label)
        ranges[n_ranges++] = (struct rs_h5_range){ s->label, first, n, s->labels };
    enum rs_status st = rs_h5_read_all(ranges, n_ranges, err);
    if (st < 0)
        return st;
    s->window_first = first;
    s->window_n = n;
    return RS_OK;
}

static enum rs_status check_rows(rs_fleet_scan *s, const struct rs_fleet_block *b, struct rs_error *err)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->time[i] <= s->last_time)
            return corrupt(s, err, "its samples are out of order");
        s->last_time = b->time[i];
        if (b->label && (b->label[i] < -1 || b->label[i] > 1))
            return corrupt(s, err, "a label is neither -1, 0 nor 1");
    }
    bool begins = b->is_first && b->n && b->time[0] != b->first_seen;
    bool ends = b->is_last && b->n && b->time[b->n - 1] != b->last_seen;
    return begins || ends ? corrupt(s, err, "first_seen and last_seen differ from its samples") : RS_OK;
}

static enum rs_status take_rows(rs_fleet_scan *s, struct rs_error *err)
{
    struct rs_fleet_block *b = &s->block;
    b->row = s->row;
    b->n = 0;
    if (s->row < s->row_end) {
        bool is_here = s->row >= s->window_first && s->row - s->window_first < s->window_n;
        enum rs_status st = RS_OK;
        if (!is_here) {
            rs_contain_enter();
            st = read_window(s, err);
            rs_contain_leave();
        }
        if (st < 0)
            return st;
        size_t skip = (size_t)(s->row - s->window_first);
        b->n = (size_t)RS_MIN(s->row_end - s->row, (uint64_t)(s->window_n - skip));
        b->time = s->times + skip;
        b->values = s->rows + skip * s->f->info.n_signals;
        b->label = s->label ? s->labels + skip : NULL;
    }
    s->row += b->n;
    b->is_last = s->row == s->row_end;
    return check_rows(s, b, err);
}

enum rs_status rs_fleet_scan_step(rs_fleet_scan *s, struct rs_fleet_block *out, struct rs_error *err)
{
    if (!s->is_inside && s->next == s->stop)
        return RS_OK;
    s->block.is_first = !s->is_inside;
    enum rs_status st = s->is_inside ? RS_OK : begin_entity(s, err);
    if (st == RS_OK)
        st = take_rows(s, err);
    if (st < 0)
        return rs_error_prefix(err, st, "%s", s->f->path);
    *out = s->block;
    s->is_inside = !s->block.is_last;
    s->next += s->block.is_last;
    return RS_CONTINUE;
}
