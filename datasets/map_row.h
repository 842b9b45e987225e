/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A mapping applied to one CSV row: where its columns lie in a file's header, and what its cells say.
 *
 * First rs_header_read() and the rs_map_bind_*() for each part of the map that the file feeds; then, row by row, the
 * readers. They return NULL, or what is wrong with the row, for the tally of bad rows: the text lives until the next
 * call of the same struct rs_map_reader. Not thread-safe. */
#ifndef RS_DATASETS_MAP_ROW_H
#define RS_DATASETS_MAP_ROW_H

#include "datasets/csv.h"
#include "datasets/intern.h"
#include "datasets/map.h"

struct rs_header {
    const char *path;       /* borrowed */
    struct rs_intern names; /* by column; a name that stands twice is refused */
};

#define rs_auto_header __attribute__((cleanup(rs_header_clear))) struct rs_header

/* Reads the first record of csv as the header. RS_EFORMAT where there is none or a name stands twice. */
enum rs_status rs_header_read(struct rs_header *h, rs_csv *csv, struct rs_error *err);
void rs_header_clear(struct rs_header *h);

/* RS_EFORMAT names the file and the column that it lacks. */
enum rs_status rs_map_bind_column(struct rs_map_column *c, const struct rs_header *h, struct rs_error *err);
enum rs_status rs_map_bind_text(struct rs_map_text *t, const struct rs_header *h, struct rs_error *err);
enum rs_status rs_map_bind_time(struct rs_map_time *t, const struct rs_header *h, struct rs_error *err);
enum rs_status rs_map_bind_when(struct rs_map_when *w, const struct rs_header *h, struct rs_error *err);
enum rs_status rs_map_bind_attrs(struct rs_map_attr *attrs, size_t n, const struct rs_header *h, struct rs_error *err);

#define RS_MAP_TEXT_MAX 1024

struct rs_map_reader {
    const struct rs_map *map;
    char why[256];
    char last_time[64]; /* the cell last read as ISO time, and what it said: daily files repeat it */
    size_t last_len;
    int64_t last_s;
};

/* Whether the cell is empty or one of the map's words for a missing value. */
bool rs_map_is_missing(const struct rs_map_reader *r, const struct rs_csv_field *cell);
/* A text of cells into buf, NUL-terminated; *len 0 where one of its cells is missing. */
const char *rs_map_text_of(struct rs_map_reader *r, const struct rs_map_text *t, const struct rs_csv_record *rec,
                           char buf[RS_MAP_TEXT_MAX], size_t *len);
/* As before for an entity: must not be missing, at most 255 bytes. */
const char *rs_map_entity_of(struct rs_map_reader *r, const struct rs_map_text *t, const struct rs_csv_record *rec,
                             char buf[RS_MAP_TEXT_MAX], size_t *len);
/* RS_TIME_NONE for an empty cell where the map allows one. */
const char *rs_map_time_of(struct rs_map_reader *r, const struct rs_map_time *t, const struct rs_csv_record *rec,
                           int64_t *out);
bool rs_map_when_holds(const struct rs_map_reader *r, const struct rs_map_when *w, const struct rs_csv_record *rec);
/* An attribute's value into buf; *len 0 where it is missing or the regex does not fit. */
const char *rs_map_attr_of(struct rs_map_reader *r, const struct rs_map_attr *a, const struct rs_csv_record *rec,
                           char buf[RS_MAP_TEXT_MAX], size_t *len);

#endif
