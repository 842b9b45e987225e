/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What fleet.c (opening, names, checks of the whole) and fleet_scan.c (the walk over entities) share. */
#ifndef RS_DATASETS_FLEET_PRIVATE_H
#define RS_DATASETS_FLEET_PRIVATE_H

#include "datasets/fleet.h"
#include "datasets/h5.h"

/* A maintenance, as it is kept in memory: its table is sorted by time, a scan wants it by entity. */
struct rs_maintenance {
    uint64_t entity;
    int64_t start;
    int32_t kind;
};

/* Where the names of one dictionary lie among rs_fleet_info.events: event_of[code], -1 where it has no name there. */
struct rs_event_kinds {
    char **kinds;
    int32_t *event_of;
    uint32_t n;
};

struct rs_fleet {
    char *path;
    rs_h5 *file;
    char *source;
    struct rs_signal *signals;
    struct rs_fleet_attr *attrs;
    char **event_names;
    int32_t failure_event, repair_event, any_event; /* indices of "failure", "repair", "any"; -1 where absent */
    struct rs_event_kinds failures, maintenance_kinds, event_kinds;
    char **mitigation_kinds;
    uint32_t n_mitigation_kinds;
    struct rs_maintenance
        *maintenance; /* info.n_maintenance, sorted by entity, then start; NULL before the first scan */
    struct rs_fleet_info info;
};

/* A window of a column, moved onwards as rows are asked for. */
struct rs_column_window {
    rs_h5_data *data;
    uint8_t *rows;
    size_t cap, size; /* rows that fit; bytes of a row */
    uint64_t first;
    size_t n;
};

/* Opens the column and checks that it has n rows. */
enum rs_status rs_column_open(rs_fleet *f, const char *path, enum rs_h5_type type, uint64_t n,
                              struct rs_column_window *out, struct rs_error *err);
void rs_column_clear(struct rs_column_window *c);
/* Moves the window so that the row is inside. */
enum rs_status rs_column_move(struct rs_column_window *c, uint64_t row, struct rs_error *err);

/* *out points at the row until the next call. */
static inline enum rs_status rs_column_at(struct rs_column_window *c, uint64_t row, const void **out,
                                          struct rs_error *err)
{
    if (row - c->first >= c->n) { /* before it, too: the difference wraps */
        enum rs_status st = rs_column_move(c, row, err);
        if (st < 0)
            return st;
    }
    *out = c->rows + (size_t)(row - c->first) * c->size;
    return RS_OK;
}

/* Texts of a dataset; see fleet.c. */
enum rs_status rs_fleet_read_texts(rs_fleet *f, const char *path, uint32_t max, bool may_be_empty, bool need_order,
                                   char ***out, uint32_t *out_n, struct rs_error *err);
void rs_fleet_free_texts(char **texts, uint32_t n);

/* fleet_side.c: what happened to entities, beside their samples. */

/* Sizes and names of /events and /mitigations, names of all events. After the other sizes are known. */
enum rs_status rs_fleet_read_events(rs_fleet *f, struct rs_error *err);
void rs_fleet_clear_events(rs_fleet *f);

/* A table sorted by entity, walked beside the entities. */
struct rs_entity_table {
    struct rs_column_window entity, time, until, kind;
    uint64_t n, next;
};

/* All that happened to one entity; filled anew for each. */
struct rs_fleet_side {
    struct rs_entity_table failure_rows, event_rows, mitigation_rows;
    size_t next_maintenance;
    struct rs_failure *failures;
    struct rs_fleet_event *events;
    struct rs_mitigation *mitigations;
    size_t n_failures, n_events, n_mitigations;
    size_t failures_cap, events_cap, mitigations_cap;
};

enum rs_status rs_side_open(rs_fleet *f, struct rs_fleet_side *out, struct rs_error *err);
/* Goes to where the entity's rows begin. */
enum rs_status rs_side_seek(const rs_fleet *f, uint64_t entity, struct rs_fleet_side *s, struct rs_error *err);
/* The rows of the entity: the one that was gone to, or the one after that of the last call. */
enum rs_status rs_side_read(rs_fleet *f, struct rs_fleet_side *s, uint64_t entity, struct rs_error *err);
void rs_side_clear(struct rs_fleet_side *s);

#endif
