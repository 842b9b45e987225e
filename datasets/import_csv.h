/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The insides of `reseat import csv`, shared by its two halves: import_csv.c finds files and reads events and
 * attributes, import_rows.c turns the data's rows into samples. The door for others is rs_import_csv() in import.h. */
#ifndef RS_DATASETS_IMPORT_CSV_H
#define RS_DATASETS_IMPORT_CSV_H

#include "common/progress.h"
#include "datasets/grid.h"
#include "datasets/import.h"
#include "datasets/map_row.h"
#include "datasets/tally.h"

struct rs_import_job {
    const struct rs_import_options *opt;
    struct rs_import_report *report;
    struct rs_map *map;
    rs_builder *builder;
    struct rs_map_reader reader;
    struct rs_tally tally; /* of the map's counters, sealed before the data is read */
    struct rs_grid grid;   /* of the map's grid */
    struct rs_progress progress;
    uint64_t done_bytes; /* of files read to their end */
};

/* What a file's rows are for. bind: finds the columns in the file's header. row: uses one row; *why is set where the
 * row is malformed, errors end the import. end (may be NULL) follows the last row. */
struct rs_import_use {
    void *item;
    bool is_data;   /* rows count as read */
    bool is_silent; /* the file is read again later: bad rows are counted then */
    enum rs_status (*bind)(struct rs_import_job *job, void *item, const struct rs_header *h, struct rs_error *err);
    enum rs_status (*row)(struct rs_import_job *job, void *item, const struct rs_csv_record *rec, const char **why,
                          struct rs_error *err);
    enum rs_status (*end)(struct rs_import_job *job, void *item, struct rs_error *err);
};
enum rs_status rs_import_each_row(struct rs_import_job *job, const char *path, const struct rs_import_use *use,
                                  struct rs_error *err);

/* What the row says that happened to the entity; row_time counts where the event has no time of its own. Nothing
 * happens where the row is no such event. */
enum rs_status rs_import_event(struct rs_import_job *job, const struct rs_map_events *ev, const char *entity,
                               int64_t row_time, const struct rs_csv_record *rec, const char **why,
                               struct rs_error *err);

/* Samples of all data files into the builder. */
enum rs_status rs_import_data(struct rs_import_job *job, char **files, size_t n_files, struct rs_error *err);

#endif
