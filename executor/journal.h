/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal: decisions, migrations and their steps, feature states, flags. SQLite (WAL, synchronous=FULL), created
 * and migrated by an append-only array of schema steps. Every function is one transaction and durable when it returns,
 * except rs_journal_states() which may be batched by its caller. Any thread may call; calls are serialised.
 * docs/journal.md lists the tables. Errors: RS_EDB, RS_ENOSPACE, RS_ENOTFOUND, RS_EVERSION (written by a newer
 * reseatd). */
#ifndef RS_EXECUTOR_JOURNAL_H
#define RS_EXECUTOR_JOURNAL_H

#include <jansson.h>

#include "common/base.h"
#include "common/error.h"

typedef struct rs_journal rs_journal;

enum rs_status rs_journal_open(const char *path, rs_journal **out, struct rs_error *err);
void rs_journal_close(rs_journal *j);
RS_DEFINE_AUTO(rs_journal, rs_journal_close)
/* RS_OK where the database still answers (for /readyz). */
enum rs_status rs_journal_check(rs_journal *j, struct rs_error *err);

/* A decision as docs/openapi.yaml shows it; id is given by the journal ("d-000001"). Takes no ownership. */
enum rs_status rs_journal_decision(rs_journal *j, const char *vm, int64_t time, const char *outcome, json_t *body,
                                   char out_id[32], struct rs_error *err);
/* Newest first, at most limit, those before the id before (NULL: from the newest). *out is a new array. */
enum rs_status rs_journal_decisions(rs_journal *j, const char *vm, const char *before, size_t limit, json_t **out,
                                    struct rs_error *err);
/* One decision; RS_ENOTFOUND. Its "migration" is the id of the move it led to, or null. */
enum rs_status rs_journal_decision_get(rs_journal *j, const char *id, json_t **out, struct rs_error *err);

/* Migrations. One row each, plus an append-only list of step records. */
enum rs_migration_end { RS_MIGRATION_RUNNING = 0, RS_MIGRATION_MOVED, RS_MIGRATION_STAYED, RS_MIGRATION_HELD };
const char *rs_migration_end_name(enum rs_migration_end e); /* "running", "moved", "stayed", "held" */

struct rs_migration_row {
    char id[32]; /* "m-000001"; given by rs_journal_migration_begin */
    char decision[32];
    char vm[256], uuid[37];
    char source[128], dest[128]; /* host names */
    bool with_temp;
    uint64_t token;         /* fencing token: unique, rising */
    int64_t started, ended; /* s UTC; ended RS_TIME_NONE while running */
    enum rs_migration_end end;
    bool is_committed;
    char step[32]; /* the step whose intent was last written */
    char why[512]; /* why it stayed or is held; "" otherwise */
    char *plan;    /* JSON text that the migration needs to resume: disks, volumes, domain XML; caller frees */
};

/* Writes the row; RS_EBUSY where the VM (by uuid) has a running one. Fills id and token. */
enum rs_status rs_journal_migration_begin(rs_journal *j, struct rs_migration_row *row, struct rs_error *err);
/* Intent before effect: the step is about to run. plan NULL keeps the old one. */
enum rs_status rs_journal_step(rs_journal *j, const char *id, const char *step, const char *plan, struct rs_error *err);
/* The step has run: its record with duration and detail (a JSON object or NULL). */
enum rs_status rs_journal_step_done(rs_journal *j, const char *id, const char *step, double seconds, json_t *detail,
                                    struct rs_error *err);
/* The commit: after it only forward. Fault point "journal.commit". */
enum rs_status rs_journal_commit(rs_journal *j, const char *id, struct rs_error *err);
enum rs_status rs_journal_migration_end(rs_journal *j, const char *id, enum rs_migration_end end, const char *why,
                                        int64_t time, struct rs_error *err);
/* Rows that still run (for recovery), oldest first; free with rs_journal_rows_free(). */
enum rs_status rs_journal_unfinished(rs_journal *j, struct rs_migration_row **out, size_t *out_n, struct rs_error *err);
void rs_journal_rows_free(struct rs_migration_row *rows, size_t n);
/* For the API: migrations with their steps, newest first. id NULL: all. */
enum rs_status rs_journal_migrations(rs_journal *j, const char *id, size_t limit, json_t **out, struct rs_error *err);
/* Moves that failed (stayed after start, or held) since a time: the circuit breaker's count. */
enum rs_status rs_journal_failures_since(rs_journal *j, int64_t since, uint32_t *out, struct rs_error *err);

/* Downtime booked against a VM's SLO, and its sum since a time. */
enum rs_status rs_journal_book(rs_journal *j, const char *uuid, int64_t time, double seconds, const char *cause,
                               struct rs_error *err);
enum rs_status rs_journal_booked(rs_journal *j, const char *uuid, int64_t since, double *out_s, struct rs_error *err);

/* Measured copy rates of a pair of hosts, newest first, at most n. */
enum rs_status rs_journal_rate(rs_journal *j, const char *source, const char *dest, int64_t time, double bytes_per_s,
                               struct rs_error *err);
enum rs_status rs_journal_rates(rs_journal *j, const char *source, const char *dest, double *out, size_t n,
                                size_t *out_n, struct rs_error *err);

/* Feature states: many in one transaction. attrs is JSON text. */
struct rs_journal_state {
    const char *entity;
    uint64_t digest; /* of the program */
    int64_t time;
    const void *state;
    size_t size;
    const char *attrs, *parent; /* NULL: keep */
};
enum rs_status rs_journal_states(rs_journal *j, const struct rs_journal_state *states, size_t n, struct rs_error *err);
/* Calls fn for each saved state; pointers live during the call. A negative return stops and is returned. */
enum rs_status rs_journal_each_state(rs_journal *j, enum rs_status (*fn)(void *arg, const struct rs_journal_state *s),
                                     void *arg, struct rs_error *err);

#endif
