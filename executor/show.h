/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the client prints for people: aligned tables, colours on a terminal alone (and not with NO_COLOR), decisions. */
#ifndef RS_EXECUTOR_SHOW_H
#define RS_EXECUTOR_SHOW_H

#include "executor/json.h"

enum rs_colour { RS_PLAIN, RS_BOLD, RS_DIM, RS_RED, RS_GREEN, RS_YELLOW };

/* Escape sequences to begin a colour and to end it; "" where stdout takes none. */
const char *rs_colour(enum rs_colour c);
const char *rs_colour_end(void);

#define RS_TABLE_COLUMNS 10
struct rs_table {
    size_t n_columns, n_rows, cap;
    struct rs_table_row {
        char *cells[RS_TABLE_COLUMNS];
        enum rs_colour colour;
    } * rows;
};
/* Cells are copied; the first row is the head. Where memory is short a row is left out. */
void rs_table_add(struct rs_table *t, enum rs_colour colour, const char *const *cells);
/* Prints it and frees the rows. */
void rs_table_print(struct rs_table *t);

/* "2.31 %", or "unknown" for null. */
const char *rs_show_risk(const json_t *v, char buf[32]);
/* "3m", "2h", "5d": seconds for people; "-" for null. */
const char *rs_show_age(const json_t *seconds, char buf[32]);
/* A text of an object, "-" where it is null or absent. */
const char *rs_show_text(const json_t *object, const char *key);

/* A decision with its gates and hosts. */
void rs_show_decision(const json_t *decision);
/* One line a step, with its duration. */
void rs_show_migration(const json_t *migration);
/* Prints JSON on stdout as --json does. */
void rs_show_json(const json_t *v);
/* What a verb ends with: the daemon's JSON as it stands, or in the form for people. */
void rs_show_answer(const json_t *answer, bool as_json, void (*for_people)(const json_t *));

#endif
