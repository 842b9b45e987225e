/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Builds a fleet file from rows in any order, in flat memory.
 *
 * Rows are gathered in a buffer of fixed size, sorted by (entity id, time), spilled to an unlinked temporary file
 * beside the output, and merged at the end: memory depends on --memory alone, not on rows or entities. Entities appear
 * in the file in order of their id (bytewise). Importers and the simulator feed this one door. Not thread-safe.
 *
 * The file appears at its path only by rs_builder_finish() (write, fsync, rename); a builder freed before leaves
 * nothing behind. */
#ifndef RS_DATASETS_BUILDER_H
#define RS_DATASETS_BUILDER_H

#include "datasets/fleet.h"

typedef struct rs_builder rs_builder;

struct rs_builder_options {
    size_t memory;      /* bytes for sorting; 0 = 96 MiB */
    const char *source; /* written into the file; borrowed */
    bool has_labels;    /* rows carry labels */
    bool is_merged;     /* rows of one entity and time complete each other, reading by reading */
    bool is_quiet;
};

struct rs_builder_counts { /* what finish() wrote */
    uint64_t rows, entities, failures;
    uint64_t failing_entities; /* with a failure, or a sample labelled 1 */
    uint64_t duplicates;       /* further rows of an (entity, time): the last given wins, unless they are merged */
};

enum rs_status rs_builder_new(const char *path, const struct rs_builder_options *opt, rs_builder **out,
                              struct rs_error *err);
void rs_builder_free(rs_builder *b);
RS_DEFINE_AUTO(rs_builder, rs_builder_free)

/* Columns may be declared until finish(); a row added before a column was declared lacks it. Returns the column's
 * index; declaring a known name returns the old index (kind and unit of the first time count). */
enum rs_status rs_builder_signal(rs_builder *b, const char *name, const char *unit, enum rs_signal_kind kind,
                                 uint32_t *out, struct rs_error *err);
enum rs_status rs_builder_attr(rs_builder *b, const char *name, bool is_number, uint32_t *out, struct rs_error *err);

/* One attribute of a row's entity. text is not NUL-terminated; an empty one is missing. Of several values of one
 * entity that of the latest row counts; a later missing one never erases. */
struct rs_attr_text {
    uint32_t attr;
    const char *text;
    size_t len;
};
struct rs_reading {
    uint32_t signal;
    float value;
};
struct rs_row {
    const char *id;                    /* entity, not NUL-terminated */
    size_t id_len;                     /* 1..255 */
    int64_t time;                      /* RS_TIME_NONE: declares the entity and its attributes without a sample */
    const struct rs_reading *readings; /* present readings only, signals ascending */
    size_t n_readings;
    const struct rs_attr_text *attrs;
    size_t n_attrs;
    int8_t label;             /* with has_labels: 1, 0, -1 */
    bool is_failure;          /* a failure of the entity at time */
    const char *failure_kind; /* NUL-terminated or NULL */
    enum rs_entity_kind kind;
    const char *parent; /* id of the component's host, NUL-terminated or NULL */
};
enum rs_status rs_builder_row(rs_builder *b, const struct rs_row *row, struct rs_error *err);

/* A failure that no row carries, with return to service (RS_TIME_NONE: none). An entity known only by failures is
 * written with no samples. */
enum rs_status rs_builder_failure(rs_builder *b, const char *id, int64_t time, int64_t back, const char *kind,
                                  struct rs_error *err);

/* Side tables; entity and VM are ids. Written sorted by time (placements by VM, then start; events and mitigations by
 * entity, then time). */
struct rs_vm {
    const char *id, *vm_class;
    uint32_t vcpus;
    uint64_t memory_bytes, disk_bytes, temp_bytes;
    double slo; /* availability objective, 0.999 */
};
enum rs_status rs_builder_vm(rs_builder *b, const struct rs_vm *vm, struct rs_error *err);
enum rs_status rs_builder_placement(rs_builder *b, const char *vm, const char *host, int64_t start, int64_t end,
                                    struct rs_error *err);
enum rs_status rs_builder_reboot(rs_builder *b, const char *vm, int64_t time, const char *cause, struct rs_error *err);
enum rs_status rs_builder_maintenance(rs_builder *b, const char *entity, int64_t start, int64_t end, const char *kind,
                                      struct rs_error *err);
/* Something else that happened to an entity: an error logged, an operator's doing. kind is not empty. */
enum rs_status rs_builder_event(rs_builder *b, const char *entity, int64_t time, const char *kind,
                                struct rs_error *err);
/* From time until (RS_TIME_NONE: for good) the entity was out of harm's way: kind "drained", "moved", or "control" for
 * one that would have been, and was left alone on purpose. RS_EINVAL for other kinds. */
enum rs_status rs_builder_mitigation(rs_builder *b, const char *entity, int64_t time, int64_t until, const char *kind,
                                     struct rs_error *err);
/* The share of the hosts to be mitigated that was left alone, drawn by lot: in (0, 1). RS_EINVAL. */
enum rs_status rs_builder_control_share(rs_builder *b, double share, struct rs_error *err);
/* The simulator's truth: why an entity failed (or "none"), for evaluation only; never a feature. */
enum rs_status rs_builder_truth(rs_builder *b, const char *entity, int64_t time, const char *cause,
                                struct rs_error *err);
/* The same with a number: a true rate. NaN is none. */
enum rs_status rs_builder_truth_value(rs_builder *b, const char *entity, int64_t time, const char *cause, double value,
                                      struct rs_error *err);

/* Merges, writes, fsyncs, renames. RS_ENOSPACE and RS_EIO leave path as it was. RS_ECANCELLED where interrupted. */
enum rs_status rs_builder_finish(rs_builder *b, struct rs_builder_counts *out, struct rs_error *err);

#endif
