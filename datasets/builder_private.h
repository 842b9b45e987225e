/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the builder's files share: builder.c takes rows in, builder_finish.c merges them into entities and samples,
 * builder_tables.c resolves ids to indices and writes the tables beside them. */
#ifndef RS_DATASETS_BUILDER_PRIVATE_H
#define RS_DATASETS_BUILDER_PRIVATE_H

#include "datasets/builder.h"
#include "datasets/fleet_write.h"
#include "datasets/rowcode.h"
#include "datasets/sorter.h"

#define RS_ID_MAX 255

/* Tables of things that happened to an entity at a time, perhaps until another. */
enum rs_span_table { RS_SPAN_MAINTENANCE, RS_SPAN_TRUTH, RS_SPAN_EVENTS, RS_SPAN_MITIGATIONS, RS_SPAN_TABLES };

struct rs_builder {
    char *path;    /* of the file to be */
    char *folder;  /* where it lies */
    char *partial; /* the file while it is being written; NULL before and after */
    char *source;
    struct rs_builder_options opt;

    struct rs_signal *signals;
    struct rs_intern signal_names;
    struct rs_column *columns;
    struct rs_intern column_names;
    struct rs_intern failure_kinds, vm_classes, reboot_causes;
    struct rs_intern span_words[RS_SPAN_TABLES];
    double control_share;       /* 0: none declared */
    size_t id_size, vm_id_size; /* of the longest */
    char last_parent[RS_ID_MAX + 1];

    rs_rowcode *code;
    rs_sorter *rows;    /* key: id, time */
    rs_sorter *refs;    /* things that name an entity. key: id, tag; NULL before the first, as the next two are */
    rs_sorter *vms;     /* key: id */
    rs_sorter *reboots; /* key: VM id, time */
};

enum rs_ref_tag { RS_REF_PARENT, RS_REF_PLACEMENT, RS_REF_SPAN /* + enum rs_span_table */ };

/* Payloads of the sorters; copied as they are, within one process. */
struct rs_vm_record {
    int32_t vm_class;
    uint32_t vcpus;
    uint64_t memory_bytes, disk_bytes, temp_bytes;
    double slo;
};
struct rs_placement_record {
    int64_t start, end;
    int64_t host;                  /* entity index, once resolved */
    uint64_t vm[RS_KEY_WORDS / 2]; /* key of its id; n_vm words are kept */
};
struct rs_span_record {
    int64_t start, end;
    double value; /* truth */
    int32_t code;
};

/* A sorter for one of the tables, made at its first use. */
enum rs_status rs_builder_table(rs_builder *b, rs_sorter **table, struct rs_error *err);
/* Adds a reference to an entity, which is declared by it where nothing else does. */
enum rs_status rs_builder_refer(rs_builder *b, const char *id, size_t id_len, unsigned tag, const void *payload,
                                size_t len, struct rs_error *err);

/* The strings of an intern table in bytewise order, and for each number its place among them. */
struct rs_ranking {
    char **sorted; /* borrowed strings */
    int32_t *rank;
    uint32_t n;
};
bool rs_ranking_make(const struct rs_intern *t, struct rs_ranking *out);
void rs_ranking_clear(struct rs_ranking *r);
#define rs_auto_ranking __attribute__((cleanup(rs_ranking_clear))) struct rs_ranking

/* Writes /entities/parent, the tables of spans, /vms and /reboots, once entities and their ids stand in the file. */
enum rs_status rs_builder_write_tables(rs_builder *b, rs_fleet_writer *w, struct rs_error *err);

#endif
