/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables beside the samples, read and checked row by row. */
#include "fleet.h"

#include "datasets/contain.h"
#include "datasets/fleet_private.h"

enum check { ANY, INDEX, CODE, ASCENDING };

/* One column: what its rows must be. INDEX: 0 .. limit - 1; CODE: -1 .. rows of the dictionary - 1. */
struct check_column {
    const char *path;
    enum rs_h5_type type;
    enum check check;
    const char *dictionary;
    uint64_t limit;
};

static enum rs_status dictionary_size(rs_fleet *f, const char *path, int64_t *out, struct rs_error *err)
{
    RS_AUTO(rs_h5_data) *d = NULL;
    enum rs_status st = rs_h5_data_open(f->file, path, RS_H5_STR, 0, &d, err);
    if (st < 0)
        return st;
    *out = (int64_t)RS_MIN(rs_h5_rows(d), (uint64_t)INT64_MAX);
    return RS_OK;
}

/* A row of an integer column as a signed number. */
static int64_t number_of(enum rs_h5_type type, const void *p)
{
    int64_t wide = 0;
    int32_t narrow;
    if (type == RS_H5_I64) {
        memcpy(&wide, p, sizeof wide);
        return wide;
    }
    memcpy(&narrow, p, sizeof narrow);
    return narrow;
}

static bool is_sound(const struct check_column *c, int64_t v, int64_t last, int64_t n_codes)
{
    switch (c->check) {
    case INDEX:
        return v >= 0 && v < (int64_t)c->limit;
    case CODE:
        return v >= -1 && v < n_codes;
    case ASCENDING:
        return v >= last;
    case ANY:
        break;
    }
    return true;
}

static enum rs_status check_column(rs_fleet *f, const struct check_column *c, uint64_t n, struct rs_error *err)
{
    struct rs_column_window w;
    int64_t n_codes = 0, last = INT64_MIN;
    enum rs_status st = c->dictionary ? dictionary_size(f, c->dictionary, &n_codes, err) : RS_OK;
    if (st == RS_OK)
        st = rs_column_open(f, c->path, c->type, n, &w, err);
    if (st < 0)
        return st;
    for (uint64_t i = 0; i < n && st == RS_OK; i++) {
        const void *p;
        rs_contain_enter();
        st = rs_column_at(&w, i, &p, err);
        rs_contain_leave();
        if (st < 0 || c->check == ANY)
            continue;
        int64_t v = number_of(c->type, p);
        if (!is_sound(c, v, last, n_codes))
            st = rs_error_set(err, RS_ECORRUPT, "%s: row %llu: %lld is out of range or order", c->path,
                              (unsigned long long)i, (long long)v);
        last = v;
    }
    rs_column_clear(&w);
    return st;
}

static enum rs_status check_table(rs_fleet *f, const struct check_column *columns, size_t n_columns, uint64_t n,
                                  struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < n_columns && st == RS_OK; i++)
        st = check_column(f, &columns[i], n, err);
    return st;
}

static enum rs_status check_truth(rs_fleet *f, struct rs_error *err)
{
    const struct check_column columns[] = {
        { "/truth/entity", RS_H5_I64, INDEX, NULL, f->info.n_entities },
        { "/truth/time", RS_H5_I64, ASCENDING, NULL, 0 },
        { "/truth/cause", RS_H5_I32, CODE, "/truth/causes", 0 },
        { "/truth/value", RS_H5_F64, ANY, NULL, 0 }, /* absent in older files */
    };
    size_t n_columns = RS_LEN(columns) - !rs_h5_has(f->file, "/truth/value");
    RS_AUTO(rs_h5_data) *d = NULL;
    enum rs_status st = rs_h5_data_open(f->file, "/truth/entity", RS_H5_I64, 0, &d, err);
    return st == RS_OK ? check_table(f, columns, n_columns, rs_h5_rows(d), err) : st;
}

static enum rs_status check_all(rs_fleet *f, struct rs_error *err)
{
    const struct rs_fleet_info *i = &f->info;
    const struct check_column vms[] = {
        { "/vms/id", RS_H5_STR, ANY, NULL, 0 },         { "/vms/class", RS_H5_I32, CODE, "/vms/classes", 0 },
        { "/vms/vcpus", RS_H5_U32, ANY, NULL, 0 },      { "/vms/memory_bytes", RS_H5_U64, ANY, NULL, 0 },
        { "/vms/disk_bytes", RS_H5_U64, ANY, NULL, 0 }, { "/vms/temp_bytes", RS_H5_U64, ANY, NULL, 0 },
        { "/vms/slo", RS_H5_F64, ANY, NULL, 0 },
    };
    const struct check_column placements[] = {
        { "/vms/placement/vm", RS_H5_I64, INDEX, NULL, i->n_vms },
        { "/vms/placement/vm", RS_H5_I64, ASCENDING, NULL, 0 },
        { "/vms/placement/host", RS_H5_I64, INDEX, NULL, i->n_entities },
        { "/vms/placement/start", RS_H5_I64, ANY, NULL, 0 },
        { "/vms/placement/end", RS_H5_I64, ANY, NULL, 0 },
    };
    const struct check_column reboots[] = {
        { "/reboots/vm", RS_H5_I64, INDEX, NULL, i->n_vms },
        { "/reboots/time", RS_H5_I64, ASCENDING, NULL, 0 },
        { "/reboots/cause", RS_H5_I32, CODE, "/reboots/causes", 0 },
    };
    const struct check_column maintenance[] = {
        { "/maintenance/entity", RS_H5_I64, INDEX, NULL, i->n_entities },
        { "/maintenance/start", RS_H5_I64, ASCENDING, NULL, 0 },
        { "/maintenance/end", RS_H5_I64, ANY, NULL, 0 },
        { "/maintenance/kind", RS_H5_I32, CODE, "/maintenance/kinds", 0 },
    };
    const struct check_column events[] = {
        { "/events/entity", RS_H5_I64, INDEX, NULL, i->n_entities },
        { "/events/entity", RS_H5_I64, ASCENDING, NULL, 0 },
        { "/events/time", RS_H5_I64, ANY, NULL, 0 },
        { "/events/kind", RS_H5_I32, CODE, "/events/kinds", 0 },
    };
    const struct check_column mitigations[] = {
        { "/mitigations/entity", RS_H5_I64, INDEX, NULL, i->n_entities },
        { "/mitigations/entity", RS_H5_I64, ASCENDING, NULL, 0 },
        { "/mitigations/time", RS_H5_I64, ANY, NULL, 0 },
        { "/mitigations/until", RS_H5_I64, ANY, NULL, 0 },
        { "/mitigations/kind", RS_H5_I32, CODE, "/mitigations/kinds", 0 },
    };
    enum rs_status st = check_table(f, vms, RS_LEN(vms), i->n_vms, err);
    if (st == RS_OK)
        st = check_table(f, placements, RS_LEN(placements), i->n_placements, err);
    if (st == RS_OK)
        st = check_table(f, reboots, RS_LEN(reboots), i->n_reboots, err);
    if (st == RS_OK)
        st = check_table(f, maintenance, RS_LEN(maintenance), i->n_maintenance, err);
    if (st == RS_OK && rs_h5_has(f->file, "/events"))
        st = check_table(f, events, RS_LEN(events), i->n_event_rows, err);
    if (st == RS_OK && rs_h5_has(f->file, "/mitigations"))
        st = check_table(f, mitigations, RS_LEN(mitigations), i->n_mitigations, err);
    return st == RS_OK ? check_truth(f, err) : st;
}

enum rs_status rs_fleet_check_tables(rs_fleet *f, struct rs_error *err)
{
    enum rs_status st = check_all(f, err);
    return st < 0 ? rs_error_prefix(err, st, "%s", f->path) : RS_OK;
}
