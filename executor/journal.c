/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal in SQLite: one connection behind one mutex, WAL with synchronous=FULL, so that what was answered is on
 * disk. The only door to SQLite. The schema is an append-only array of steps; PRAGMA user_version counts those applied.
 * Every value is bound. docs/journal.md lists the tables. */
#include "executor/journal.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>

#include "common/clock.h"
#include "common/fault.h"
#include "executor/json.h"

/* Append only: a step that was ever released must not change. */
static const char *const schema[] = {
    "CREATE TABLE decisions("
    "  n INTEGER PRIMARY KEY AUTOINCREMENT, vm TEXT NOT NULL, time INTEGER NOT NULL, outcome TEXT NOT NULL,"
    "  body TEXT NOT NULL);"
    "CREATE INDEX decisions_vm ON decisions(vm, n);"
    "CREATE TABLE migrations("
    "  n INTEGER PRIMARY KEY AUTOINCREMENT, decision TEXT NOT NULL, vm TEXT NOT NULL, uuid TEXT NOT NULL,"
    "  source TEXT NOT NULL, dest TEXT NOT NULL, with_temp INTEGER NOT NULL, started INTEGER NOT NULL,"
    "  ended INTEGER, end INTEGER NOT NULL DEFAULT 0, committed INTEGER NOT NULL DEFAULT 0,"
    "  step TEXT NOT NULL DEFAULT '', why TEXT NOT NULL DEFAULT '', plan TEXT NOT NULL DEFAULT '');"
    "CREATE UNIQUE INDEX migrations_running ON migrations(uuid) WHERE end = 0;"
    "CREATE INDEX migrations_decision ON migrations(decision);"
    "CREATE INDEX migrations_ended ON migrations(ended);"
    "CREATE TABLE steps("
    "  n INTEGER PRIMARY KEY AUTOINCREMENT, migration INTEGER NOT NULL REFERENCES migrations(n), step TEXT NOT NULL,"
    "  started INTEGER NOT NULL, seconds REAL, detail TEXT);"
    "CREATE INDEX steps_migration ON steps(migration, n);"
    "CREATE TABLE downtime(uuid TEXT NOT NULL, time INTEGER NOT NULL, seconds REAL NOT NULL, cause TEXT NOT NULL);"
    "CREATE INDEX downtime_uuid ON downtime(uuid, time);"
    "CREATE TABLE rates(n INTEGER PRIMARY KEY, source TEXT NOT NULL, dest TEXT NOT NULL, time INTEGER NOT NULL,"
    "  bytes_per_s REAL NOT NULL);"
    "CREATE INDEX rates_pair ON rates(source, dest, n);"
    "CREATE TABLE states("
    "  entity TEXT PRIMARY KEY, digest INTEGER NOT NULL, time INTEGER NOT NULL, state BLOB NOT NULL, attrs TEXT,"
    "  parent TEXT) WITHOUT ROWID;",
};

struct rs_journal {
    pthread_mutex_t lock; /* guards db: every public function holds it from first to last statement */
    sqlite3 *db;
    char *path;
};

typedef sqlite3_stmt rs_stmt;
static void finalize(rs_stmt **s)
{
    sqlite3_finalize(*s);
}
#define rs_auto_stmt __attribute__((cleanup(finalize))) rs_stmt

static void unlock(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}
#define HOLD(j)                                                                                                        \
    __attribute__((cleanup(unlock))) pthread_mutex_t *held_ = &(j)->lock;                                              \
    pthread_mutex_lock(held_)

static enum rs_status db_error(const rs_journal *j, const char *what, struct rs_error *err)
{
    int code = sqlite3_errcode(j->db);
    enum rs_status st = code == SQLITE_FULL ? RS_ENOSPACE : RS_EDB;
    return rs_error_set(err, st, "journal %s: %s: %s (SQLite %d)", j->path, what, sqlite3_errmsg(j->db),
                        sqlite3_extended_errcode(j->db));
}

static enum rs_status out_of_memory(const rs_journal *j, struct rs_error *err)
{
    return rs_error_set(err, RS_ENOMEM, "journal %s: out of memory", j->path);
}

/* Binds by a format: s text (NULL is NULL), i int64_t, d double, b blob (pointer, size_t). Values must outlive the
 * statement. */
static int bind_all(rs_stmt *s, const char *fmt, va_list ap)
{
    int rc = SQLITE_OK;
    for (int i = 1; *fmt && rc == SQLITE_OK; fmt++, i++) {
        switch (*fmt) {
        case 's':
            rc = sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
            break;
        case 'i':
            rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
            break;
        case 'd':
            rc = sqlite3_bind_double(s, i, va_arg(ap, double));
            break;
        default: {
            const void *data = va_arg(ap, const void *);
            rc = sqlite3_bind_blob64(s, i, data, va_arg(ap, size_t), SQLITE_STATIC);
        }
        }
    }
    return rc;
}

static enum rs_status prepare_v(rs_journal *j, rs_stmt **out, const char *what, const char *sql, const char *fmt,
                                va_list ap, struct rs_error *err)
{
    if (sqlite3_prepare_v2(j->db, sql, -1, out, NULL) != SQLITE_OK || bind_all(*out, fmt, ap) != SQLITE_OK)
        return db_error(j, what, err);
    return RS_OK;
}

static enum rs_status prepare(rs_journal *j, rs_stmt **out, struct rs_error *err, const char *what, const char *sql,
                              const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    enum rs_status st = prepare_v(j, out, what, sql, fmt, ap, err);
    va_end(ap);
    return st;
}

/* Runs one statement that returns no rows. */
static enum rs_status run(rs_journal *j, struct rs_error *err, const char *what, const char *sql, const char *fmt, ...)
{
    if (rs_fault_hit("journal.write"))
        return rs_error_set(err, RS_EDB, "journal %s: %s: fault journal.write", j->path, what);
    rs_auto_stmt *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    enum rs_status st = prepare_v(j, &s, what, sql, fmt, ap, err);
    va_end(ap);
    if (st < 0)
        return st;
    return sqlite3_step(s) == SQLITE_DONE ? RS_OK : db_error(j, what, err);
}

/* True while there are rows; *st becomes an error where reading them fails. */
static bool next_row(rs_journal *j, rs_stmt *s, const char *what, enum rs_status *st, struct rs_error *err)
{
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        *st = db_error(j, what, err);
    return false;
}

static enum rs_status begin(rs_journal *j, struct rs_error *err)
{
    return run(j, err, "begin", "BEGIN IMMEDIATE", "");
}

/* Ends a transaction: commits where st is RS_OK, else rolls back and hands st on. */
static enum rs_status finish(rs_journal *j, enum rs_status st, struct rs_error *err)
{
    if (st == RS_OK)
        st = run(j, err, "commit", "COMMIT", "");
    if (st < 0 && !sqlite3_get_autocommit(j->db))
        sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
    return st;
}

static const char *text(rs_stmt *s, int column)
{
    const char *t = (const char *)sqlite3_column_text(s, column);
    return t ? t : "";
}

static void make_id(char out[32], char letter, int64_t n)
{
    snprintf(out, 32, "%c-%06lld", letter, (long long)n);
}

static enum rs_status parse_id(const rs_journal *j, const char *id, char letter, int64_t *out, struct rs_error *err)
{
    char *end = NULL;
    errno = 0;
    long long n = id[0] == letter && id[1] == '-' && id[2] >= '0' && id[2] <= '9' ? strtoll(id + 2, &end, 10) : 0;
    if (n <= 0 || errno || *end)
        return rs_error_set(err, RS_ENOTFOUND, "journal %s: %s: no such %s", j->path, id,
                            letter == 'd' ? "decision" : "migration");
    *out = n;
    return RS_OK;
}

static enum rs_status schema_version(rs_journal *j, size_t *out, struct rs_error *err)
{
    rs_auto_stmt *s = NULL;
    enum rs_status st = prepare(j, &s, err, "read its version", "PRAGMA user_version", "");
    if (st < 0)
        return st;
    if (!next_row(j, s, "read its version", &st, err))
        return st < 0 ? st : rs_error_set(err, RS_EDB, "journal %s: no schema version", j->path);
    int version = sqlite3_column_int(s, 0);
    if (version < 0 || (size_t)version > RS_LEN(schema))
        return rs_error_set(err, RS_EVERSION,
                            "journal %s: schema %d, and this reseatd knows up to %zu: run the newer one, or move the "
                            "file away to start anew",
                            j->path, version, RS_LEN(schema));
    *out = (size_t)version;
    return RS_OK;
}

static enum rs_status exec(rs_journal *j, const char *what, const char *sql, struct rs_error *err)
{
    return sqlite3_exec(j->db, sql, NULL, NULL, NULL) == SQLITE_OK ? RS_OK : db_error(j, what, err);
}

static enum rs_status upgrade(rs_journal *j, struct rs_error *err)
{
    size_t version = 0;
    enum rs_status st = schema_version(j, &version, err);
    for (; st == RS_OK && version < RS_LEN(schema); version++) {
        char stamp[64];
        snprintf(stamp, sizeof stamp, "PRAGMA user_version = %zu", version + 1);
        st = begin(j, err);
        if (st == RS_OK)
            st = exec(j, "create its tables", schema[version], err);
        if (st == RS_OK)
            st = exec(j, "write its version", stamp, err);
        st = finish(j, st, err);
    }
    return st;
}

/* The journal keeps domain XML, with its passwords: the file is its owner's alone from the first byte. */
static enum rs_status create_private(const char *path, struct rs_error *err)
{
    if (rs_streq(path, ":memory:"))
        return RS_OK;
    rs_auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? rs_error_errno(err, RS_EDB, "journal %s", path) : RS_OK;
}

enum rs_status rs_journal_open(const char *path, rs_journal **out, struct rs_error *err)
{
    enum rs_status st = create_private(path, err);
    if (st < 0)
        return st;
    RS_AUTO(rs_journal) *j = rs_alloc(1, sizeof *j);
    if (!j)
        return rs_error_set(err, RS_ENOMEM, "journal %s: out of memory", path);
    pthread_mutex_init(&j->lock, NULL);
    if (!(j->path = strdup(path)))
        return rs_error_set(err, RS_ENOMEM, "journal %s: out of memory", path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &j->db, flags, NULL) != SQLITE_OK)
        return db_error(j, "open", err);
    sqlite3_busy_timeout(j->db, 5000);
    st = exec(j, "open", "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", err);
    if (st == RS_OK)
        st = upgrade(j, err);
    if (st < 0)
        return st;
    *out = rs_take(j);
    return RS_OK;
}

void rs_journal_close(rs_journal *j)
{
    if (!j)
        return;
    sqlite3_close(j->db);
    pthread_mutex_destroy(&j->lock);
    free(j->path);
    free(j);
}

enum rs_status rs_journal_check(rs_journal *j, struct rs_error *err)
{
    HOLD(j);
    size_t version;
    return schema_version(j, &version, err);
}

enum rs_status rs_journal_decision(rs_journal *j, const char *vm, int64_t time, const char *outcome, json_t *body,
                                   char out_id[32], struct rs_error *err)
{
    rs_autofree char *dump = json_dumps(body, RS_JSON_DUMP);
    if (!dump)
        return out_of_memory(j, err);
    HOLD(j);
    enum rs_status st =
        run(j, err, "write a decision", "INSERT INTO decisions(vm, time, outcome, body) VALUES(?, ?, ?, ?)", "siss", vm,
            time, outcome, dump);
    if (st == RS_OK)
        make_id(out_id, 'd', sqlite3_last_insert_rowid(j->db));
    return st;
}

/* One decision as JSON: its body with what the journal knows beside it. */
static json_t *decision_json(rs_stmt *s)
{
    char id[32];
    make_id(id, 'd', sqlite3_column_int64(s, 0));
    json_t *body = json_loads(text(s, 1), 0, NULL);
    if (!body)
        return NULL;
    bool ok = json_object_set_new(body, "id", json_string(id)) == 0;
    json_t *migration = json_null();
    if (sqlite3_column_type(s, 2) != SQLITE_NULL) {
        char mid[32];
        make_id(mid, 'm', sqlite3_column_int64(s, 2));
        migration = json_string(mid);
    }
    ok = json_object_set_new(body, "migration", migration) == 0 && ok;
    if (ok)
        return body;
    json_decref(body);
    return NULL;
}

static enum rs_status collect_decisions(rs_journal *j, rs_stmt *s, json_t **out, struct rs_error *err)
{
    json_t *list = json_array();
    enum rs_status st = list ? RS_OK : out_of_memory(j, err);
    while (st == RS_OK && next_row(j, s, "read decisions", &st, err)) {
        if (json_array_append_new(list, decision_json(s)) != 0)
            st = rs_error_set(err, RS_EDB, "journal %s: decision %lld is not readable JSON", j->path,
                              (long long)sqlite3_column_int64(s, 0));
    }
    if (st < 0) {
        json_decref(list);
        return st;
    }
    *out = list;
    return RS_OK;
}

#define SELECT_DECISIONS                                                                                               \
    "SELECT d.n, d.body, (SELECT m.n FROM migrations m WHERE m.decision = printf('d-%06d', d.n)) FROM decisions d "

enum rs_status rs_journal_decisions(rs_journal *j, const char *vm, const char *before, size_t limit, json_t **out,
                                    struct rs_error *err)
{
    int64_t last = INT64_MAX;
    enum rs_status st = before ? parse_id(j, before, 'd', &last, err) : RS_OK;
    if (st < 0)
        return st;
    HOLD(j);
    rs_auto_stmt *s = NULL;
    st = vm ? prepare(j, &s, err, "read decisions", SELECT_DECISIONS "WHERE vm = ? AND n < ? ORDER BY n DESC LIMIT ?",
                      "sii", vm, last, (int64_t)limit)
            : prepare(j, &s, err, "read decisions", SELECT_DECISIONS "WHERE n < ? ORDER BY n DESC LIMIT ?", "ii", last,
                      (int64_t)limit);
    return st < 0 ? st : collect_decisions(j, s, out, err);
}

enum rs_status rs_journal_decision_get(rs_journal *j, const char *id, json_t **out, struct rs_error *err)
{
    int64_t n;
    enum rs_status st = parse_id(j, id, 'd', &n, err);
    if (st < 0)
        return st;
    HOLD(j);
    rs_auto_stmt *s = NULL;
    json_t *list = NULL;
    st = prepare(j, &s, err, "read a decision", SELECT_DECISIONS "WHERE n = ?", "i", n);
    if (st == RS_OK)
        st = collect_decisions(j, s, &list, err);
    if (st < 0)
        return st;
    json_t *one = json_incref(json_array_get(list, 0));
    json_decref(list);
    if (!one)
        return rs_error_set(err, RS_ENOTFOUND, "%s: no such decision", id);
    *out = one;
    return RS_OK;
}

static const char *const end_names[] = { "running", "moved", "stayed", "held" };

const char *rs_migration_end_name(enum rs_migration_end e)
{
    return (size_t)e < RS_LEN(end_names) ? end_names[e] : "unknown";
}

enum rs_status rs_journal_migration_begin(rs_journal *j, struct rs_migration_row *row, struct rs_error *err)
{
    HOLD(j);
    enum rs_status st = run(j, err, "begin a migration",
                            "INSERT INTO migrations(decision, vm, uuid, source, dest, with_temp, started, step, plan) "
                            "VALUES(?, ?, ?, ?, ?, ?, ?, ?, coalesce(?, ''))",
                            "sssssiiss", row->decision, row->vm, row->uuid, row->source, row->dest,
                            (int64_t)row->with_temp, row->started, row->step, row->plan);
    if (st == RS_EDB && sqlite3_extended_errcode(j->db) == SQLITE_CONSTRAINT_UNIQUE)
        return rs_error_set(err, RS_EBUSY, "VM %s: a migration of it is running already", row->vm);
    if (st < 0)
        return st;
    /* The row number never comes again (AUTOINCREMENT) and only rises, which is what a fencing token must do. */
    row->token = (uint64_t)sqlite3_last_insert_rowid(j->db);
    make_id(row->id, 'm', (int64_t)row->token);
    row->ended = RS_TIME_NONE;
    row->end = RS_MIGRATION_RUNNING;
    row->is_committed = false;
    return RS_OK;
}

/* An update of one running migration; RS_ENOTFOUND where it has none. */
static enum rs_status changed_one(rs_journal *j, enum rs_status st, const char *id, struct rs_error *err)
{
    if (st == RS_OK && sqlite3_changes(j->db) == 0)
        return rs_error_set(err, RS_ENOTFOUND, "%s: no such running migration", id);
    return st;
}

enum rs_status rs_journal_step(rs_journal *j, const char *id, const char *step, const char *plan, struct rs_error *err)
{
    int64_t n;
    enum rs_status st = parse_id(j, id, 'm', &n, err);
    if (st < 0)
        return st;
    HOLD(j);
    st = begin(j, err);
    if (st == RS_OK) {
        st = run(j, err, "write a step",
                 "UPDATE migrations SET step = ?, plan = coalesce(?, plan) WHERE n = ? AND end = 0", "ssi", step, plan,
                 n);
        st = changed_one(j, st, id, err);
    }
    if (st == RS_OK)
        st = run(j, err, "write a step", "INSERT INTO steps(migration, step, started) VALUES(?, ?, ?)", "isi", n, step,
                 rs_clock_wall_s(rs_clock_system()));
    return finish(j, st, err);
}

enum rs_status rs_journal_step_done(rs_journal *j, const char *id, const char *step, double seconds, json_t *detail,
                                    struct rs_error *err)
{
    int64_t n;
    enum rs_status st = parse_id(j, id, 'm', &n, err);
    if (st < 0)
        return st;
    rs_autofree char *dump = detail ? json_dumps(detail, RS_JSON_DUMP) : NULL;
    if (detail && !dump)
        return out_of_memory(j, err);
    HOLD(j);
    st = run(j, err, "write a step's end",
             "UPDATE steps SET seconds = ?, detail = ? WHERE n = "
             "(SELECT max(n) FROM steps WHERE migration = ? AND step = ?)",
             "dsis", seconds, dump, n, step);
    if (st == RS_OK && sqlite3_changes(j->db) == 0)
        return rs_error_set(err, RS_ENOTFOUND, "%s: step %s was never begun", id, step);
    return st;
}

enum rs_status rs_journal_commit(rs_journal *j, const char *id, struct rs_error *err)
{
    int64_t n;
    enum rs_status st = parse_id(j, id, 'm', &n, err);
    if (st < 0)
        return st;
    if (rs_fault_hit("journal.commit"))
        return rs_error_set(err, RS_EDB, "journal %s: commit of %s: fault journal.commit", j->path, id);
    HOLD(j);
    st = run(j, err, "commit a migration", "UPDATE migrations SET committed = 1 WHERE n = ? AND end = 0", "i", n);
    return changed_one(j, st, id, err);
}

enum rs_status rs_journal_migration_end(rs_journal *j, const char *id, enum rs_migration_end end, const char *why,
                                        int64_t time, struct rs_error *err)
{
    int64_t n;
    enum rs_status st = parse_id(j, id, 'm', &n, err);
    if (st < 0)
        return st;
    HOLD(j);
    st = run(j, err, "end a migration",
             "UPDATE migrations SET end = ?, why = coalesce(?, ''), ended = ? WHERE n = ? AND end = 0", "isii",
             (int64_t)end, why, time, n);
    return changed_one(j, st, id, err);
}

#define SELECT_MIGRATIONS                                                                                              \
    "SELECT n, decision, vm, uuid, source, dest, with_temp, started, ended, end, committed, step, why, plan "          \
    "FROM migrations "

static void copy_text(char *out, size_t size, rs_stmt *s, int column)
{
    snprintf(out, size, "%s", text(s, column));
}

static enum rs_status read_migration(const rs_journal *j, rs_stmt *s, struct rs_migration_row *row,
                                     struct rs_error *err)
{
    *row = (struct rs_migration_row){ .token = (uint64_t)sqlite3_column_int64(s, 0) };
    make_id(row->id, 'm', (int64_t)row->token);
    copy_text(row->decision, sizeof row->decision, s, 1);
    copy_text(row->vm, sizeof row->vm, s, 2);
    copy_text(row->uuid, sizeof row->uuid, s, 3);
    copy_text(row->source, sizeof row->source, s, 4);
    copy_text(row->dest, sizeof row->dest, s, 5);
    row->with_temp = sqlite3_column_int(s, 6) != 0;
    row->started = sqlite3_column_int64(s, 7);
    row->ended = sqlite3_column_type(s, 8) == SQLITE_NULL ? RS_TIME_NONE : sqlite3_column_int64(s, 8);
    row->end = (enum rs_migration_end)sqlite3_column_int(s, 9);
    row->is_committed = sqlite3_column_int(s, 10) != 0;
    copy_text(row->step, sizeof row->step, s, 11);
    copy_text(row->why, sizeof row->why, s, 12);
    row->plan = strdup(text(s, 13));
    return row->plan ? RS_OK : out_of_memory(j, err);
}

void rs_journal_rows_free(struct rs_migration_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(rows[i].plan);
    free(rows);
}

static enum rs_status read_migrations(rs_journal *j, rs_stmt *s, struct rs_migration_row **out, size_t *out_n,
                                      struct rs_error *err)
{
    struct rs_migration_row *rows = NULL;
    size_t n = 0, cap = 0;
    enum rs_status st = RS_OK;
    while (st == RS_OK && next_row(j, s, "read migrations", &st, err)) {
        if (n == cap) {
            cap = cap ? 2 * cap : 8;
            struct rs_migration_row *more = rs_realloc(rows, cap, sizeof *rows);
            if (!more) {
                st = out_of_memory(j, err);
                break;
            }
            rows = more;
        }
        st = read_migration(j, s, &rows[n], err);
        n += st == RS_OK;
    }
    if (st < 0) {
        rs_journal_rows_free(rows, n);
        return st;
    }
    *out = rows;
    *out_n = n;
    return RS_OK;
}

enum rs_status rs_journal_unfinished(rs_journal *j, struct rs_migration_row **out, size_t *out_n, struct rs_error *err)
{
    HOLD(j);
    rs_auto_stmt *s = NULL;
    enum rs_status st = prepare(j, &s, err, "read migrations", SELECT_MIGRATIONS "WHERE end = 0 ORDER BY n", "");
    return st < 0 ? st : read_migrations(j, s, out, out_n, err);
}

static enum rs_status steps_json(rs_journal *j, int64_t migration, json_t **out, struct rs_error *err)
{
    rs_auto_stmt *s = NULL;
    enum rs_status st =
        prepare(j, &s, err, "read steps",
                "SELECT step, started, seconds, detail FROM steps WHERE migration = ? ORDER BY n", "i", migration);
    if (st < 0)
        return st;
    json_t *list = json_array();
    while (list && next_row(j, s, "read steps", &st, err)) {
        bool has_run = sqlite3_column_type(s, 2) != SQLITE_NULL;
        bool has_detail = sqlite3_column_type(s, 3) != SQLITE_NULL;
        json_t *detail = has_detail ? json_loads(text(s, 3), 0, NULL) : NULL;
        json_t *one = json_pack(
            "{s:s, s:o, s:o, s:o}", "step", text(s, 0), "started", rs_json_time(sqlite3_column_int64(s, 1)), "seconds",
            has_run ? json_real(sqlite3_column_double(s, 2)) : json_null(), "detail", detail ? detail : json_null());
        if (json_array_append_new(list, one) != 0)
            st = out_of_memory(j, err);
        if (st < 0)
            break;
    }
    if (!list)
        return out_of_memory(j, err);
    if (st < 0) {
        json_decref(list);
        return st;
    }
    *out = list;
    return RS_OK;
}

static json_t *migration_json(const struct rs_migration_row *r, json_t *steps)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:o, s:o, s:s, s:b, s:s, s:s, s:o}", "id", r->id,
                     "decision", r->decision, "vm", r->vm, "uuid", r->uuid, "source", r->source, "dest", r->dest,
                     "with_temp", r->with_temp, "token", (json_int_t)r->token, "started", rs_json_time(r->started),
                     "ended", rs_json_time(r->ended), "state", rs_migration_end_name(r->end), "committed",
                     r->is_committed, "step", r->step, "why", r->why, "steps", steps);
}

static enum rs_status migrations_json(rs_journal *j, const struct rs_migration_row *rows, size_t n, json_t **out,
                                      struct rs_error *err)
{
    json_t *list = json_array();
    enum rs_status st = list ? RS_OK : out_of_memory(j, err);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        json_t *steps = NULL;
        st = steps_json(j, (int64_t)rows[i].token, &steps, err);
        if (st == RS_OK && json_array_append_new(list, migration_json(&rows[i], steps)) != 0)
            st = out_of_memory(j, err);
    }
    if (st < 0) {
        json_decref(list);
        return st;
    }
    *out = list;
    return RS_OK;
}

enum rs_status rs_journal_migrations(rs_journal *j, const char *id, size_t limit, json_t **out, struct rs_error *err)
{
    int64_t n = 0;
    enum rs_status st = id ? parse_id(j, id, 'm', &n, err) : RS_OK;
    if (st < 0)
        return st;
    HOLD(j);
    rs_auto_stmt *s = NULL;
    st = id ? prepare(j, &s, err, "read migrations", SELECT_MIGRATIONS "WHERE n = ?", "i", n)
            : prepare(j, &s, err, "read migrations", SELECT_MIGRATIONS "ORDER BY n DESC LIMIT ?", "i", (int64_t)limit);
    struct rs_migration_row *rows = NULL;
    size_t n_rows = 0;
    if (st == RS_OK)
        st = read_migrations(j, s, &rows, &n_rows, err);
    if (st == RS_OK && id && n_rows == 0)
        st = rs_error_set(err, RS_ENOTFOUND, "%s: no such migration", id);
    if (st == RS_OK)
        st = migrations_json(j, rows, n_rows, out, err);
    rs_journal_rows_free(rows, n_rows);
    return st;
}

/* Reads one number that a query yields. */
static enum rs_status read_number(rs_journal *j, rs_stmt *s, const char *what, double *out, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    if (!next_row(j, s, what, &st, err))
        return st < 0 ? st : rs_error_set(err, RS_EDB, "journal %s: %s: no row", j->path, what);
    *out = sqlite3_column_double(s, 0);
    return RS_OK;
}

enum rs_status rs_journal_failures_since(rs_journal *j, int64_t since, uint32_t *out, struct rs_error *err)
{
    HOLD(j);
    rs_auto_stmt *s = NULL;
    double n = 0;
    enum rs_status st =
        prepare(j, &s, err, "count failed moves", "SELECT count(*) FROM migrations WHERE end >= ? AND ended >= ?", "ii",
                (int64_t)RS_MIGRATION_STAYED, since);
    if (st == RS_OK)
        st = read_number(j, s, "count failed moves", &n, err);
    if (st == RS_OK)
        *out = (uint32_t)n;
    return st;
}

enum rs_status rs_journal_book(rs_journal *j, const char *uuid, int64_t time, double seconds, const char *cause,
                               struct rs_error *err)
{
    HOLD(j);
    return run(j, err, "book downtime", "INSERT INTO downtime(uuid, time, seconds, cause) VALUES(?, ?, ?, ?)", "sids",
               uuid, time, seconds, cause);
}

enum rs_status rs_journal_booked(rs_journal *j, const char *uuid, int64_t since, double *out_s, struct rs_error *err)
{
    HOLD(j);
    rs_auto_stmt *s = NULL;
    enum rs_status st = prepare(j, &s, err, "sum downtime",
                                "SELECT total(seconds) FROM downtime WHERE uuid = ? AND time >= ?", "si", uuid, since);
    return st < 0 ? st : read_number(j, s, "sum downtime", out_s, err);
}

enum rs_status rs_journal_rate(rs_journal *j, const char *source, const char *dest, int64_t time, double bytes_per_s,
                               struct rs_error *err)
{
    HOLD(j);
    return run(j, err, "write a copy rate", "INSERT INTO rates(source, dest, time, bytes_per_s) VALUES(?, ?, ?, ?)",
               "ssid", source, dest, time, bytes_per_s);
}

enum rs_status rs_journal_rates(rs_journal *j, const char *source, const char *dest, double *out, size_t n,
                                size_t *out_n, struct rs_error *err)
{
    HOLD(j);
    rs_auto_stmt *s = NULL;
    enum rs_status st = prepare(j, &s, err, "read copy rates",
                                "SELECT bytes_per_s FROM rates WHERE source = ? AND dest = ? ORDER BY n DESC LIMIT ?",
                                "ssi", source, dest, (int64_t)n);
    if (st < 0)
        return st;
    size_t got = 0;
    while (got < n && next_row(j, s, "read copy rates", &st, err))
        out[got++] = sqlite3_column_double(s, 0);
    if (st == RS_OK)
        *out_n = got;
    return st;
}

static enum rs_status write_states(rs_journal *j, const struct rs_journal_state *states, size_t n, struct rs_error *err)
{
    static const char sql[] = "INSERT INTO states(entity, digest, time, state, attrs, parent) VALUES(?, ?, ?, ?, ?, ?) "
                              "ON CONFLICT(entity) DO UPDATE SET digest = excluded.digest, time = excluded.time, "
                              "state = excluded.state, attrs = coalesce(excluded.attrs, attrs), "
                              "parent = coalesce(excluded.parent, parent)";
    rs_auto_stmt *s = NULL;
    enum rs_status st = prepare(j, &s, err, "write states", sql, "");
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        const struct rs_journal_state *x = &states[i];
        bool ok = sqlite3_bind_text(s, 1, x->entity, -1, SQLITE_STATIC) == SQLITE_OK &&
                  sqlite3_bind_int64(s, 2, (int64_t)x->digest) == SQLITE_OK &&
                  sqlite3_bind_int64(s, 3, x->time) == SQLITE_OK &&
                  sqlite3_bind_blob64(s, 4, x->state, x->size, SQLITE_STATIC) == SQLITE_OK &&
                  sqlite3_bind_text(s, 5, x->attrs, -1, SQLITE_STATIC) == SQLITE_OK &&
                  sqlite3_bind_text(s, 6, x->parent, -1, SQLITE_STATIC) == SQLITE_OK &&
                  sqlite3_step(s) == SQLITE_DONE && sqlite3_reset(s) == SQLITE_OK;
        if (!ok)
            st = db_error(j, "write states", err);
    }
    return st;
}

enum rs_status rs_journal_states(rs_journal *j, const struct rs_journal_state *states, size_t n, struct rs_error *err)
{
    HOLD(j);
    enum rs_status st = begin(j, err);
    if (st == RS_OK)
        st = write_states(j, states, n, err);
    return finish(j, st, err);
}

enum rs_status rs_journal_each_state(rs_journal *j, enum rs_status (*fn)(void *arg, const struct rs_journal_state *s),
                                     void *arg, struct rs_error *err)
{
    HOLD(j);
    rs_auto_stmt *s = NULL;
    enum rs_status st = prepare(j, &s, err, "read states",
                                "SELECT entity, digest, time, state, attrs, parent FROM states ORDER BY entity", "");
    while (st == RS_OK && next_row(j, s, "read states", &st, err)) {
        const struct rs_journal_state one = {
            .entity = text(s, 0),
            .digest = (uint64_t)sqlite3_column_int64(s, 1),
            .time = sqlite3_column_int64(s, 2),
            .state = sqlite3_column_blob(s, 3),
            .size = (size_t)sqlite3_column_bytes(s, 3),
            .attrs = (const char *)sqlite3_column_text(s, 4),
            .parent = (const char *)sqlite3_column_text(s, 5),
        };
        st = fn(arg, &one);
    }
    return st;
}
