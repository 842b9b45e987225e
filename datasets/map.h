/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The mapping that tells `reseat import csv` what the columns of a foreign CSV mean. docs/mapping.md is its
 * description.
 *
 * A struct rs_map is the YAML file checked and laid out; its strings are borrowed from the document that it owns.
 * Columns are named in the map; who reads a file sets each column's `at` to its place in that file's header. */
#ifndef RS_DATASETS_MAP_H
#define RS_DATASETS_MAP_H

#include <regex.h>

#include "common/yaml.h"
#include "datasets/fleet.h"

#define RS_MAP_NOWHERE SIZE_MAX /* the column is not in the header */

struct rs_map_column {
    const char *name; /* len bytes; NULL: none */
    size_t len;
    size_t at;
};

/* A text made of a row's cells: "lanl-{System}-{nodenumz}". */
struct rs_map_part {
    const char *literal; /* len bytes; NULL: the column's cell */
    size_t len;
    struct rs_map_column column;
};
struct rs_map_text {
    struct rs_map_part *parts;
    size_t n; /* 0: not given */
};

enum rs_map_time_form {
    RS_MAP_TIME_ISO,
    RS_MAP_TIME_UNIX,
    RS_MAP_TIME_UNIX_MS,
    RS_MAP_TIME_PATTERN,
    RS_MAP_TIME_CONSTANT
};

struct rs_map_time {
    bool is_given;
    enum rs_map_time_form form;
    struct rs_map_column column;
    const char *pattern; /* strptime */
    int64_t constant;
    bool may_be_empty; /* an empty cell declares the entity and gives no sample */
};

/* Holds for a row whose cell is one of the values, or is not missing; without a column holds always. */
struct rs_map_when {
    struct rs_map_column column;
    bool must_be_given;
    const char **values;
    size_t n;
};

struct rs_map_attr {
    const char *name;
    struct rs_map_text text;
    bool is_number;
    regex_t *regex; /* NULL, or its first group is the value */
    uint32_t index; /* of the builder */
};

struct rs_map_signal {
    const char *match; /* a column name, or a pattern with * and ? */
    bool is_pattern;
    bool is_optional; /* no error where the header lacks it */
    const char *name; /* NULL: the column's own name */
    const char *unit; /* "" where it has none */
    enum rs_signal_kind kind;
    double scale, offset; /* reading = cell * scale + offset */
};

/* Where rows about entities come from: a file of its own, or the data files where role is NULL. */
struct rs_map_source {
    const char *role; /* by which the command line names the file: failures=FILE */
    const char *file; /* as the map gives it, NULL where it does not */
    size_t line;      /* of the map, for messages */
    bool is_optional; /* nothing happens where the command line gives no file */
    struct rs_map_text entity;
    struct rs_map_time time;
    struct rs_map_when when;
};

enum rs_map_back { RS_MAP_BACK_NEVER, RS_MAP_BACK_INSTANT, RS_MAP_BACK_COLUMN };

enum rs_map_sort { RS_MAP_FAILURES, RS_MAP_MAINTENANCE, RS_MAP_EVENTS, RS_MAP_MITIGATIONS, RS_MAP_SORTS };

struct rs_map_events {
    enum rs_map_sort sort;
    struct rs_map_source source;
    struct rs_map_text kind;
    enum rs_map_back back;
    struct rs_map_time back_time;
};

struct rs_map_event_list {
    struct rs_map_events *items;
    size_t n;
};

/* Samples without signals, for records of events without telemetry: of each entity at first + after_first + k * every,
 * up to last - before_last, and at last, where first and last are the times of the first and the last row of the
 * entity's group. */
struct rs_map_grid {
    int64_t every_s; /* 0: no grid */
    int64_t after_first_s, before_last_s;
    const char *group;    /* an attribute; NULL: all entities are one group */
    uint64_t min_records; /* a group of fewer rows has no samples */
};

struct rs_map_counter { /* events counted into a signal */
    struct rs_map_source source;
    struct rs_map_text name;
};

struct rs_map_table { /* attributes in a file of their own */
    struct rs_map_source source;
    struct rs_map_attr *attrs;
    size_t n_attrs;
};

struct rs_map {
    rs_yaml *doc;
    char *path;
    const char *source;
    char delimiter;
    struct rs_map_text entity, parent;
    enum rs_entity_kind kind;
    struct rs_map_time time;
    struct rs_map_time until; /* given: a row stands for the span from its time to here, with a sample at both ends */
    int64_t every_s;          /* and one so often in between */
    const char **missing;     /* words that stand for a missing value, beside the empty cell */
    size_t n_missing;
    bool is_long;
    struct rs_map_column long_signal, long_value;
    struct rs_map_attr *attrs;
    size_t n_attrs;
    struct rs_map_signal *signals;
    size_t n_signals;
    const char **ignore; /* column names or patterns */
    size_t n_ignore;
    bool has_label;
    struct rs_map_column label;
    const char **label_one, **label_zero;
    size_t n_one, n_zero;
    struct rs_map_event_list events[RS_MAP_SORTS];
    double control_share; /* 0: not given */
    struct rs_map_grid grid;
    struct rs_map_counter *counters;
    size_t n_counters;
    struct rs_map_table *tables;
    size_t n_tables;
};

/* Reads and checks a mapping. RS_ENOTFOUND, RS_EIO; RS_ECONFIG with "FILE:LINE: what". */
enum rs_status rs_map_load(const char *path, struct rs_map **out, struct rs_error *err);
/* The same from memory; name stands for the file in messages. */
enum rs_status rs_map_parse(const char *text, size_t len, const char *name, struct rs_map **out, struct rs_error *err);
void rs_map_free(struct rs_map *m);
RS_DEFINE_AUTO_STRUCT(rs_map, rs_map_free)

/* True where pattern (with * for any run and ? for any one character) fits all of text. */
bool rs_map_match(const char *pattern, const char *text);

#endif
