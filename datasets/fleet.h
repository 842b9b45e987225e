/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The fleet file: one HDF5 file with a fleet's entities, signals, samples, failures, reboots, VMs. docs/fleet-file.md
 * is its description, byte for byte; files open as they stand in h5py and pandas.
 *
 * Reading streams in chunks: memory never grows with rows or entities. Every reader of foreign files runs inside
 * rs_contain() (datasets/contain.h), so that a crash of the HDF5 library on a damaged file becomes an error too.
 * An open rs_fleet may serve several threads, each with scans of its own; a scan belongs to one thread at a time. */
#ifndef RS_DATASETS_FLEET_H
#define RS_DATASETS_FLEET_H

#include "common/base.h"
#include "common/clock.h"
#include "common/error.h"
#include "models/feature.h" /* struct rs_signal */

#define RS_FLEET_VERSION 1

enum rs_entity_kind { RS_ENTITY_HOST = 0, RS_ENTITY_COMPONENT = 1 };

/* An attribute column: categorical by code + dictionary (sorted), or a number. */
struct rs_fleet_attr {
    char *name;
    bool is_number;
    char **values;
    uint32_t n_values;
};

struct rs_failure {
    uint64_t entity;
    int64_t time;
    int64_t back; /* return to service, RS_TIME_NONE where it never came back */
    int32_t kind; /* index into fleet_info.failure_kinds, -1 where unnamed */
};

/* Something known of an entity besides its samples: a failure ("failure", and "failure/KIND" where it has a kind), a
 * return to service ("repair"), the start of a maintenance ("maintenance/KIND"), a row of /events ("event/KIND"); where
 * the file has both failures and events, each of them is "any", too. */
struct rs_fleet_event {
    int64_t time;
    uint32_t kind; /* index into rs_fleet_info.events */
};

/* The entity was drained, or its VMs were moved, so that no failure after it could be seen as one. */
struct rs_mitigation {
    int64_t time, until; /* until: RS_TIME_NONE: for good */
    bool is_control;     /* would have been, but was left alone on purpose: its labels are good */
};

struct rs_fleet_info {
    uint32_t version;
    const char *source; /* who wrote it: "reseat import backblaze", ... */
    uint64_t n_entities, n_rows, n_failures;
    uint32_t n_signals, n_attrs;
    const struct rs_signal *signals;
    const struct rs_fleet_attr *attrs;
    const char *const *failure_kinds;
    uint32_t n_failure_kinds;
    bool has_labels;     /* samples carry a ready label */
    int64_t first, last; /* time of the first and the last sample; last is the end of observation */
    uint64_t n_reboots, n_vms, n_placements, n_maintenance;
    uint64_t n_event_rows, n_mitigations; /* of /events and /mitigations */
    double control_share;                 /* of the hosts to be mitigated, left alone by lot; 0: none declared */
    const char *const *events;            /* names of what struct rs_fleet_event tells; only those that occur */
    uint32_t n_events;                    /* of the names */
};

typedef struct rs_fleet rs_fleet;

/* RS_ENOTFOUND; RS_EFORMAT (no HDF5, or no fleet file); RS_EVERSION; RS_ECORRUPT, with what is wrong where. */
enum rs_status rs_fleet_open(const char *path, rs_fleet **out, struct rs_error *err);
void rs_fleet_close(rs_fleet *f);
RS_DEFINE_AUTO(rs_fleet, rs_fleet_close)
const struct rs_fleet_info *rs_fleet_info(const rs_fleet *f); /* borrowed until close */

/* Reads the tables beside the samples (VMs, placements, reboots, maintenance, truth) and checks every row: indices in
 * range, times in order. RS_ECORRUPT. */
enum rs_status rs_fleet_check_tables(rs_fleet *f, struct rs_error *err);

/* A run of rows of one entity, in time order; a long entity comes in several blocks. Pointers live until the next step.
 */
struct rs_fleet_block {
    uint64_t entity; /* index */
    const char *id;
    enum rs_entity_kind kind;
    int64_t parent;                    /* index of the host of a component, -1 where none */
    const int32_t *attr_codes;         /* n_attrs; -1 missing or numeric */
    const double *attr_numbers;        /* n_attrs; NaN missing or categorical */
    int64_t first_seen, last_seen;     /* of its samples */
    const struct rs_failure *failures; /* of this entity, in time order; two at once differ in kind */
    size_t n_failures;
    const struct rs_fleet_event *events; /* all of this entity, in time order */
    size_t n_events;
    const struct rs_mitigation *mitigations; /* of this entity, in time order */
    size_t n_mitigations;
    uint64_t n_entity_rows; /* rows of the entity in all; 0 gives one block with n = 0 */
    bool is_first, is_last; /* block of its entity */
    size_t n;
    uint64_t row;        /* index of the first row in the file */
    const int64_t *time; /* n */
    const float *values; /* n x n_signals, row-major, NaN = missing */
    const int8_t *label; /* n, 1/0/-1 unknown; NULL unless has_labels */
};

typedef struct rs_fleet_scan rs_fleet_scan;

/* Scans entities [first, first + n), n = UINT64_MAX for all the rest. Scans of one fleet may run in several threads at
 * once: calls of the library take turns, decoding does not. One scan alone decodes on all cores, some 8 MiB ahead. */
enum rs_status rs_fleet_scan_new(rs_fleet *f, uint64_t first, uint64_t n, rs_fleet_scan **out, struct rs_error *err);
/* Goes on with entities [first, first + n): cheaper than a new scan. */
enum rs_status rs_fleet_scan_move(rs_fleet_scan *s, uint64_t first, uint64_t n, struct rs_error *err);
/* RS_CONTINUE with *out filled, RS_OK at the end, an error otherwise (RS_ECORRUPT: damaged chunk, rows out of order,
 * index out of range). */
enum rs_status rs_fleet_scan_step(rs_fleet_scan *s, struct rs_fleet_block *out, struct rs_error *err);
void rs_fleet_scan_free(rs_fleet_scan *s);
RS_DEFINE_AUTO(rs_fleet_scan, rs_fleet_scan_free)

#endif
