/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes the parts of a fleet file in their final order (docs/fleet-file.md); datasets/builder.h brings rows into it.
 * Memory is one chunk per column. Not thread-safe. */
#ifndef RS_DATASETS_FLEET_WRITE_H
#define RS_DATASETS_FLEET_WRITE_H

#include "datasets/fleet.h"
#include "datasets/h5.h"

typedef struct rs_fleet_writer rs_fleet_writer;

struct rs_fleet_schema {
    const char *source;
    const struct rs_signal *signals;
    uint32_t n_signals;
    const struct rs_fleet_attr *attrs; /* values sorted */
    uint32_t n_attrs;
    char *const *failure_kinds; /* sorted */
    uint32_t n_failure_kinds;
    bool has_labels;
    size_t id_size; /* of the longest entity id */
};

struct rs_fleet_entity {
    const char *id; /* padded with NULs to id_size */
    enum rs_entity_kind kind;
    int64_t first_seen, last_seen;
    const int32_t *codes;  /* n_attrs, -1 missing or numeric */
    const double *numbers; /* n_attrs, NaN missing or categorical */
};

/* Creates the file at path. The schema is borrowed for the writer's life. */
enum rs_status rs_fleet_writer_new(const char *path, const struct rs_fleet_schema *schema, rs_fleet_writer **out,
                                   struct rs_error *err);
void rs_fleet_writer_free(rs_fleet_writer *w);
RS_DEFINE_AUTO(rs_fleet_writer, rs_fleet_writer_free)

/* Samples of one entity in time order, then the entity; entities in the order of their ids. */
enum rs_status rs_fleet_writer_sample(rs_fleet_writer *w, int64_t time, const float *values, int8_t label,
                                      struct rs_error *err);
enum rs_status rs_fleet_writer_entity(rs_fleet_writer *w, const struct rs_fleet_entity *e, struct rs_error *err);
/* Failures by entity, then time; of entities written before or to be written. */
enum rs_status rs_fleet_writer_failure(rs_fleet_writer *w, const struct rs_failure *f, struct rs_error *err);
/* After the last entity: writes out what is buffered, so that the ids can be read back. */
enum rs_status rs_fleet_writer_end_entities(rs_fleet_writer *w, struct rs_error *err);
uint64_t rs_fleet_writer_entities(const rs_fleet_writer *w);
uint64_t rs_fleet_writer_rows(const rs_fleet_writer *w);

/* The file itself, for the tables beside the samples. Borrowed. */
rs_h5 *rs_fleet_writer_file(rs_fleet_writer *w);
/* Flushes and closes the file; takes w even where it fails. */
enum rs_status rs_fleet_writer_close(rs_fleet_writer *w, struct rs_error *err);

/* A dataset of texts at path, as long as the longest of them. */
enum rs_status rs_h5_put_texts(rs_h5 *h, const char *path, char *const *texts, uint32_t n, struct rs_error *err);
/* Rows per chunk of a matrix of so many columns: a block of whole chunks stays below 4 MiB. */
uint32_t rs_fleet_chunk_rows(uint32_t n_columns);
/* An attribute's name as the name of a dataset: "/" and "%" become %2F and %25, a leading "." becomes %2E. */
void rs_fleet_link_name(const char *name, char *out, size_t size);
#define RS_LINK_NAME_MAX (3 * RS_NAME_MAX + 64)

#endif
