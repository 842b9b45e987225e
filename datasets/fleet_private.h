/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What fleet.c (opening, names, checks of the whole) and fleet_scan.c (the walk over entities) share. */
#ifndef RS_DATASETS_FLEET_PRIVATE_H
#define RS_DATASETS_FLEET_PRIVATE_H

#include "datasets/fleet.h"
#include "datasets/h5.h"

struct rs_fleet {
    char *path;
    rs_h5 *file;
    char *source;
    struct rs_signal *signals;
    struct rs_fleet_attr *attrs;
    char **failure_kinds;
    struct rs_fleet_info info;
};

#define RS_FLEET_CHUNK_MAX (1u << 20) /* rows of a window that a scan holds */

/* A window of a column, moved onwards as rows are asked for. */
struct rs_column_window {
    rs_h5_data *data;
    uint8_t *rows;
    size_t cap; /* rows that fit */
    uint64_t first;
    size_t n;
};

/* Opens the column and checks that it has n rows. */
enum rs_status rs_column_open(rs_fleet *f, const char *path, enum rs_h5_type type, uint64_t n,
                              struct rs_column_window *out, struct rs_error *err);
void rs_column_clear(struct rs_column_window *c);
/* *out points at the row until the next call. */
enum rs_status rs_column_at(struct rs_column_window *c, uint64_t row, const void **out, struct rs_error *err);

#endif
