/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening a fleet file: its version, its names (signals, attributes, dictionaries), the sizes of its parts held against
 * each other. Nothing that the file says is believed before it was checked here; rows are checked as they are scanned.
 */
#include "fleet.h"

#include "datasets/contain.h"
#include "datasets/fleet_private.h"
#include "datasets/fleet_write.h"

#define WINDOW_ROWS 8192

/* Columns. */

enum rs_status rs_column_open(rs_fleet *f, const char *path, enum rs_h5_type type, uint64_t n,
                              struct rs_column_window *out, struct rs_error *err)
{
    struct rs_column_window c = { .cap = WINDOW_ROWS };
    enum rs_status st = rs_h5_data_open(f->file, path, type, 0, &c.data, err);
    if (st < 0)
        return st;
    if (rs_h5_rows(c.data) != n)
        st = rs_error_set(err, RS_ECORRUPT, "%s: %llu rows where %llu belong", path,
                          (unsigned long long)rs_h5_rows(c.data), (unsigned long long)n);
    else if (!(c.rows = rs_alloc(c.cap, c.size = rs_h5_row_size(c.data))))
        st = rs_error_set(err, RS_ENOMEM, "no memory for %s", path);
    if (st == RS_OK)
        *out = c;
    else
        rs_column_clear(&c);
    return st;
}

void rs_column_clear(struct rs_column_window *c)
{
    rs_h5_data_free(c->data);
    free(c->rows);
    *c = (struct rs_column_window){ .data = NULL };
}

enum rs_status rs_column_move(struct rs_column_window *c, uint64_t row, struct rs_error *err)
{
    uint64_t first = row - row % c->cap, rest = rs_h5_rows(c->data) - RS_MIN(rs_h5_rows(c->data), first);
    size_t n = (size_t)RS_MIN(rest, (uint64_t)c->cap);
    c->n = 0;
    rs_contain_enter();
    enum rs_status st = rs_h5_read(c->data, first, n, c->rows, err);
    rs_contain_leave();
    if (st == RS_OK && row - first >= n)
        st = rs_error_set(err, RS_ECORRUPT, "row %llu asked for behind the end", (unsigned long long)row);
    if (st < 0)
        return st;
    c->first = first;
    c->n = n;
    return RS_OK;
}

/* Texts. */

void rs_fleet_free_texts(char **texts, uint32_t n)
{
    for (uint32_t i = 0; texts && i < n; i++)
        free(texts[i]);
    free(texts);
}

/* All rows of a dataset of names: at most max, none longer than a name, where need_order ascending without equals. */
enum rs_status rs_fleet_read_texts(rs_fleet *f, const char *path, uint32_t max, bool may_be_empty, bool need_order,
                                   char ***out, uint32_t *out_n, struct rs_error *err)
{
    RS_AUTO(rs_h5_data) *d = NULL;
    enum rs_status st = rs_h5_data_open(f->file, path, RS_H5_STR, 0, &d, err);
    if (st < 0)
        return st;
    if (rs_h5_rows(d) > max)
        return rs_error_set(err, RS_ECORRUPT, "%s: %llu entries, at most %u can be", path,
                            (unsigned long long)rs_h5_rows(d), max);
    uint32_t n = (uint32_t)rs_h5_rows(d);
    size_t size = rs_h5_row_size(d);
    rs_autofree char *row = rs_alloc(size + 1, 1);
    char **texts = rs_alloc(n, sizeof *texts);
    if (!row || !texts)
        st = rs_error_set(err, RS_ENOMEM, "no memory for %s", path);
    for (uint32_t i = 0; i < n && st == RS_OK; i++) {
        st = rs_h5_read(d, i, 1, row, err);
        if (st < 0)
            break;
        size_t len = strlen(row);
        bool is_sound = len < RS_NAME_MAX && (len > 0 || may_be_empty);
        if (!is_sound || (need_order && i && strcmp(texts[i - 1], row) >= 0))
            st = rs_error_set(err, RS_ECORRUPT, "%s: entry %u is empty, too long or out of order", path, i);
        else if (!(texts[i] = strdup(row)))
            st = rs_error_set(err, RS_ENOMEM, "no memory for %s", path);
    }
    if (st < 0) {
        rs_fleet_free_texts(texts, n);
        return st;
    }
    *out = texts;
    *out_n = n;
    return RS_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum rs_status check_distinct(const char *path, char **texts, uint32_t n, struct rs_error *err)
{
    rs_autofree char **sorted = rs_alloc(n, sizeof *sorted);
    if (!sorted)
        return rs_error_set(err, RS_ENOMEM, "no memory for %s", path);
    memcpy(sorted, texts, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_text);
    for (uint32_t i = 1; i < n; i++)
        if (rs_streq(sorted[i], sorted[i - 1]))
            return rs_error_set(err, RS_ECORRUPT, "%s: %s stands there twice", path, sorted[i]);
    return RS_OK;
}

/* n small numbers of 0 or 1. */
static enum rs_status read_flags(rs_fleet *f, const char *path, uint32_t n, int8_t *out, struct rs_error *err)
{
    RS_AUTO(rs_h5_data) *d = NULL;
    enum rs_status st = rs_h5_data_open(f->file, path, RS_H5_I8, 0, &d, err);
    if (st == RS_OK && rs_h5_rows(d) != n)
        st =
            rs_error_set(err, RS_ECORRUPT, "%s: %llu rows where %u belong", path, (unsigned long long)rs_h5_rows(d), n);
    if (st == RS_OK)
        st = rs_h5_read(d, 0, n, out, err);
    for (uint32_t i = 0; i < n && st == RS_OK; i++)
        if (out[i] != 0 && out[i] != 1)
            st = rs_error_set(err, RS_ECORRUPT, "%s: entry %u is %d, neither 0 nor 1", path, i, out[i]);
    return st;
}

/* Parts. */

static enum rs_status read_head(rs_fleet *f, struct rs_error *err)
{
    rs_autofree char *format = NULL;
    struct rs_error hidden = RS_ERROR_INIT;
    if (rs_h5_get_str(f->file, "/", "format", &format, &hidden) < 0 || !rs_streq(format, "reseat-fleet"))
        return rs_error_set(err, RS_EFORMAT, "an HDF5 file, but no fleet file of Reseat");
    int64_t version;
    enum rs_status st = rs_h5_get_i64(f->file, "/", "schema_version", &version, err);
    if (st < 0)
        return st;
    if (version > RS_FLEET_VERSION)
        return rs_error_set(err, RS_EVERSION, "schema version %lld; this program reads up to %d", (long long)version,
                            RS_FLEET_VERSION);
    if (version < 1)
        return rs_error_set(err, RS_ECORRUPT, "schema version %lld", (long long)version);
    f->info.version = (uint32_t)version;
    st = rs_h5_get_str(f->file, "/", "source", &f->source, err);
    f->info.source = f->source;
    return st;
}

static enum rs_status read_signals(rs_fleet *f, struct rs_error *err)
{
    char **names = NULL, **units = NULL;
    uint32_t n = 0, n_units = 0;
    enum rs_status st = rs_fleet_read_texts(f, "/signals/name", RS_SIGNALS_MAX, false, false, &names, &n, err);
    if (st < 0)
        return st;
    st = rs_fleet_read_texts(f, "/signals/unit", RS_SIGNALS_MAX, true, false, &units, &n_units, err);
    rs_autofree int8_t *kinds = rs_alloc(n, sizeof *kinds);
    if (st == RS_OK && n_units != n)
        st = rs_error_set(err, RS_ECORRUPT, "/signals/unit: %u rows where %u belong", n_units, n);
    if (st == RS_OK)
        st = check_distinct("/signals/name", names, n, err);
    if (st == RS_OK && !kinds)
        st = rs_error_set(err, RS_ENOMEM, "no memory for the signals");
    if (st == RS_OK)
        st = read_flags(f, "/signals/kind", n, kinds, err);
    if (st == RS_OK && !(f->signals = rs_alloc(n, sizeof *f->signals)))
        st = rs_error_set(err, RS_ENOMEM, "no memory for the signals");
    if (st < 0) {
        rs_fleet_free_texts(names, n);
        rs_fleet_free_texts(units, n_units);
        return st;
    }
    for (uint32_t i = 0; i < n; i++)
        f->signals[i] = (struct rs_signal){ names[i], units[i], (enum rs_signal_kind)kinds[i] };
    free(names);
    free(units);
    f->info.signals = f->signals;
    f->info.n_signals = n;
    return RS_OK;
}

static enum rs_status read_attrs(rs_fleet *f, struct rs_error *err)
{
    char **names = NULL;
    uint32_t n = 0;
    enum rs_status st = rs_fleet_read_texts(f, "/attributes/name", RS_ATTRS_MAX, false, false, &names, &n, err);
    if (st < 0)
        return st;
    rs_autofree int8_t *kinds = rs_alloc(n, sizeof *kinds);
    f->attrs = rs_alloc(n, sizeof *f->attrs);
    if (!kinds || !f->attrs) {
        rs_fleet_free_texts(names, n);
        return rs_error_set(err, RS_ENOMEM, "no memory for the attributes");
    }
    for (uint32_t i = 0; i < n; i++)
        f->attrs[i].name = names[i];
    f->info.attrs = f->attrs;
    f->info.n_attrs = n;
    st = check_distinct("/attributes/name", names, n, err);
    free(names);
    if (st == RS_OK)
        st = read_flags(f, "/attributes/kind", n, kinds, err);
    for (uint32_t i = 0; i < n && st == RS_OK; i++) {
        struct rs_fleet_attr *a = &f->attrs[i];
        char link[RS_NAME_MAX * 3], path[RS_LINK_NAME_MAX];
        a->is_number = kinds[i] == 1;
        rs_fleet_link_name(a->name, link, sizeof link);
        snprintf(path, sizeof path, "/entities/dictionaries/%s", link);
        if (!a->is_number)
            st = rs_fleet_read_texts(f, path, RS_ATTR_VALUES_MAX, false, true, &a->values, &a->n_values, err);
    }
    return st;
}

/* Number of rows of a column, which is opened for that. */
static enum rs_status count_rows(rs_fleet *f, const char *path, enum rs_h5_type type, uint64_t *out,
                                 struct rs_error *err)
{
    RS_AUTO(rs_h5_data) *d = NULL;
    enum rs_status st = rs_h5_data_open(f->file, path, type, 0, &d, err);
    if (st == RS_OK)
        *out = rs_h5_rows(d);
    return st;
}

static enum rs_status read_sizes(rs_fleet *f, struct rs_error *err)
{
    struct rs_fleet_info *i = &f->info;
    uint64_t n_offsets = 0;
    enum rs_status st = count_rows(f, "/samples/time", RS_H5_I64, &i->n_rows, err);
    if (st == RS_OK)
        st = count_rows(f, "/samples/offsets", RS_H5_U64, &n_offsets, err);
    if (st == RS_OK)
        st = count_rows(f, "/entities/id", RS_H5_STR, &i->n_entities, err);
    if (st == RS_OK && n_offsets != i->n_entities + 1)
        st = rs_error_set(err, RS_ECORRUPT, "/samples/offsets: %llu rows for %llu entities",
                          (unsigned long long)n_offsets, (unsigned long long)i->n_entities);
    if (st == RS_OK)
        st = count_rows(f, "/failures/time", RS_H5_I64, &i->n_failures, err);
    if (st == RS_OK)
        st = count_rows(f, "/reboots/time", RS_H5_I64, &i->n_reboots, err);
    if (st == RS_OK)
        st = count_rows(f, "/vms/id", RS_H5_STR, &i->n_vms, err);
    if (st == RS_OK)
        st = count_rows(f, "/vms/placement/vm", RS_H5_I64, &i->n_placements, err);
    if (st == RS_OK)
        st = count_rows(f, "/maintenance/start", RS_H5_I64, &i->n_maintenance, err);
    return st;
}

static enum rs_status read_span(rs_fleet *f, struct rs_error *err)
{
    struct rs_fleet_info *i = &f->info;
    enum rs_status st = rs_h5_get_i64(f->file, "/samples", "first_time", &i->first, err);
    if (st == RS_OK)
        st = rs_h5_get_i64(f->file, "/samples", "last_time", &i->last, err);
    bool is_sound = i->n_rows ? i->first != RS_TIME_NONE && i->first <= i->last
                              : i->first == RS_TIME_NONE && i->last == RS_TIME_NONE;
    if (st == RS_OK && !is_sound)
        st = rs_error_set(err, RS_ECORRUPT, "/samples: first_time and last_time are impossible");
    return st;
}

static enum rs_status read_all(rs_fleet *f, struct rs_error *err)
{
    enum rs_status st = rs_h5_open(f->path, &f->file, err);
    if (st < 0)
        return st;
    st = read_head(f, err);
    if (st == RS_OK)
        st = read_signals(f, err);
    if (st == RS_OK)
        st = read_attrs(f, err);
    if (st == RS_OK)
        st = read_sizes(f, err);
    if (st == RS_OK)
        st = read_span(f, err);
    if (st == RS_OK)
        st = rs_fleet_read_events(f, err);
    f->info.has_labels = rs_h5_has(f->file, "/samples/label");
    return st < 0 ? rs_error_prefix(err, st, "%s", f->path) : RS_OK;
}

enum rs_status rs_fleet_open(const char *path, rs_fleet **out, struct rs_error *err)
{
    RS_AUTO(rs_fleet) *f = rs_alloc(1, sizeof *f);
    if (!f || !(f->path = strdup(path)))
        return rs_error_set(err, RS_ENOMEM, "%s: no memory to open it", path);
    rs_contain_enter();
    enum rs_status st = read_all(f, err);
    rs_contain_leave();
    if (st == RS_OK)
        *out = rs_take(f);
    return st;
}

void rs_fleet_close(rs_fleet *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; i < f->info.n_signals; i++) {
        free(f->signals[i].name);
        free(f->signals[i].unit);
    }
    for (uint32_t i = 0; i < f->info.n_attrs; i++) {
        free(f->attrs[i].name);
        rs_fleet_free_texts(f->attrs[i].values, f->attrs[i].n_values);
    }
    rs_fleet_clear_events(f);
    free(f->signals);
    free(f->attrs);
    free(f->source);
    rs_h5_abandon(f->file);
    free(f->path);
    free(f);
}

const struct rs_fleet_info *rs_fleet_info(const rs_fleet *f)
{
    return &f->info;
}
