/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal against a real SQLite file: ids, order, one running migration a VM, what survives a reopening. */
#include "executor/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <sqlite3.h>

#include "common/clock.h"

static char path[256];

static int make_folder(void **state)
{
    (void)state;
    char dir[] = "/tmp/reseat-journal-XXXXXX";
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/journal.db", dir);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    static const char *const tails[] = { "", "-wal", "-shm" };
    char name[300];
    for (size_t i = 0; i < RS_LEN(tails); i++) {
        snprintf(name, sizeof name, "%s%s", path, tails[i]);
        unlink(name);
    }
    *strrchr(path, '/') = 0;
    return rmdir(path);
}

static rs_journal *open_journal(void)
{
    rs_journal *j = NULL;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_journal_open(path, &j, &err) < 0)
        fail_msg("%s", err.msg);
    return j;
}

static void test_decisions(void **state)
{
    (void)state;
    RS_AUTO(rs_journal) *j = open_journal();
    char id[32];
    const char *const vms[] = { "web-1", "web-2", "web-1" };
    for (size_t i = 0; i < RS_LEN(vms); i++) {
        json_t *body = json_pack("{s:s, s:f}", "vm", vms[i], "p_source", 0.1 + (double)i);
        assert_int_equal(rs_journal_decision(j, vms[i], 1700000000, "stay", body, id, NULL), RS_OK);
        json_decref(body);
    }
    assert_string_equal(id, "d-000003");

    json_t *list = NULL;
    assert_int_equal(rs_journal_decisions(j, "web-1", NULL, 10, &list, NULL), RS_OK);
    assert_int_equal(json_array_size(list), 2);
    json_t *newest = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(newest, "id")), "d-000003");
    assert_true(json_is_null(json_object_get(newest, "migration")));
    assert_true(json_real_value(json_object_get(newest, "p_source")) == 0.1 + 2.0); /* to the last bit */
    json_decref(list);

    assert_int_equal(rs_journal_decisions(j, NULL, "d-000003", 1, &list, NULL), RS_OK);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "id")), "d-000002");
    json_decref(list);

    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_journal_decisions(j, NULL, "d-x", 1, &list, &err), RS_ENOTFOUND);
    assert_non_null(strstr(err.msg, "d-x: no such decision"));
    assert_int_equal(rs_journal_decision_get(j, "d-000009", &list, &err), RS_ENOTFOUND);
    assert_int_equal(rs_journal_decision_get(j, "d-000001", &list, &err), RS_OK);
    assert_string_equal(json_string_value(json_object_get(list, "vm")), "web-1");
    json_decref(list);
}

static struct rs_migration_row sample_row(const char *uuid)
{
    struct rs_migration_row row = { .started = 1700000100, .with_temp = true, .plan = NULL };
    snprintf(row.decision, sizeof row.decision, "d-000001");
    snprintf(row.vm, sizeof row.vm, "web-1");
    snprintf(row.uuid, sizeof row.uuid, "%s", uuid);
    snprintf(row.source, sizeof row.source, "host-a");
    snprintf(row.dest, sizeof row.dest, "host-b");
    return row;
}

static void test_one_migration_a_vm(void **state)
{
    (void)state;
    RS_AUTO(rs_journal) *j = open_journal();
    struct rs_error err = RS_ERROR_INIT;
    struct rs_migration_row first = sample_row("u1"), second = sample_row("u1"), other = sample_row("u2");
    assert_int_equal(rs_journal_migration_begin(j, &first, &err), RS_OK);
    assert_string_equal(first.id, "m-000001");
    assert_int_equal(rs_journal_migration_begin(j, &second, &err), RS_EBUSY);
    assert_non_null(strstr(err.msg, "VM web-1: a migration of it is running already"));
    assert_int_equal(rs_journal_migration_begin(j, &other, &err), RS_OK);
    assert_true(other.token > first.token);
    assert_int_equal(rs_journal_migration_end(j, first.id, RS_MIGRATION_STAYED, "copy stalled", 1700000200, &err),
                     RS_OK);
    assert_int_equal(rs_journal_migration_begin(j, &second, &err), RS_OK);
    assert_true(second.token > other.token);
    assert_int_equal(rs_journal_migration_end(j, first.id, RS_MIGRATION_MOVED, "", 1700000201, &err), RS_ENOTFOUND);
}

static void test_migration_survives_reopening(void **state)
{
    (void)state;
    rs_journal *j = open_journal();
    struct rs_migration_row row = sample_row("u1");
    assert_int_equal(rs_journal_migration_begin(j, &row, NULL), RS_OK);
    assert_int_equal(rs_journal_step(j, row.id, "copy", "{\"disks\":1}", NULL), RS_OK);
    json_t *detail = json_pack("{s:i}", "bytes", 4096);
    assert_int_equal(rs_journal_step_done(j, row.id, "copy", 1.25, detail, NULL), RS_OK);
    json_decref(detail);
    assert_int_equal(rs_journal_step(j, row.id, "commit", NULL, NULL), RS_OK);
    assert_int_equal(rs_journal_commit(j, row.id, NULL), RS_OK);
    assert_int_equal(rs_journal_step_done(j, row.id, "start", 1, NULL, NULL), RS_ENOTFOUND);
    rs_journal_close(j);

    j = open_journal();
    struct rs_migration_row *rows = NULL;
    size_t n = 0;
    assert_int_equal(rs_journal_unfinished(j, &rows, &n, NULL), RS_OK);
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].plan, "{\"disks\":1}");
    assert_string_equal(rows[0].step, "commit");
    assert_true(rows[0].is_committed && rows[0].with_temp && rows[0].ended == RS_TIME_NONE);
    rs_journal_rows_free(rows, n);

    json_t *list = NULL;
    assert_int_equal(rs_journal_migrations(j, row.id, 1, &list, NULL), RS_OK);
    json_t *m = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(m, "state")), "running");
    assert_string_equal(json_string_value(json_object_get(m, "started")), "2023-11-14T22:15:00Z"); /* date -u -d @ */
    json_t *steps = json_object_get(m, "steps");
    assert_int_equal(json_array_size(steps), 2);
    json_t *copied = json_array_get(steps, 0);
    assert_true(json_real_value(json_object_get(copied, "seconds")) == 1.25);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(copied, "detail"), "bytes")), 4096);
    assert_true(json_is_null(json_object_get(json_array_get(steps, 1), "seconds")));
    json_decref(list);
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_journal_migrations(j, "m-000077", 1, &list, &err), RS_ENOTFOUND);
    rs_journal_close(j);
}

static void test_failures_and_budget(void **state)
{
    (void)state;
    RS_AUTO(rs_journal) *j = open_journal();
    const enum rs_migration_end ends[] = { RS_MIGRATION_MOVED, RS_MIGRATION_STAYED, RS_MIGRATION_HELD };
    for (size_t i = 0; i < RS_LEN(ends); i++) {
        struct rs_migration_row row = sample_row("u1");
        assert_int_equal(rs_journal_migration_begin(j, &row, NULL), RS_OK);
        assert_int_equal(rs_journal_migration_end(j, row.id, ends[i], NULL, 1000 + (int64_t)i, NULL), RS_OK);
    }
    uint32_t failed = 99;
    assert_int_equal(rs_journal_failures_since(j, 0, &failed, NULL), RS_OK);
    assert_int_equal(failed, 2);
    assert_int_equal(rs_journal_failures_since(j, 1002, &failed, NULL), RS_OK);
    assert_int_equal(failed, 1);

    double booked = -1;
    assert_int_equal(rs_journal_booked(j, "u1", 0, &booked, NULL), RS_OK);
    assert_true(booked == 0);
    rs_journal_book(j, "u1", 100, 12.5, "move", NULL);
    rs_journal_book(j, "u1", 200, 30.25, "reboot", NULL);
    rs_journal_book(j, "u2", 200, 1000, "reboot", NULL);
    assert_int_equal(rs_journal_booked(j, "u1", 100, &booked, NULL), RS_OK);
    assert_true(booked == 42.75);
    assert_int_equal(rs_journal_booked(j, "u1", 101, &booked, NULL), RS_OK);
    assert_true(booked == 30.25);

    double rates[2];
    size_t n = 9;
    assert_int_equal(rs_journal_rates(j, "a", "b", rates, 2, &n, NULL), RS_OK);
    assert_int_equal(n, 0);
    for (int i = 1; i <= 3; i++)
        rs_journal_rate(j, "a", "b", i, 1e8 * i, NULL);
    assert_int_equal(rs_journal_rates(j, "a", "b", rates, 2, &n, NULL), RS_OK);
    assert_true(n == 2 && rates[0] == 3e8 && rates[1] == 2e8);
}

struct seen {
    size_t n;
    char attrs[64], parent[64];
    uint64_t digest;
};

static enum rs_status see(void *arg, const struct rs_journal_state *s)
{
    struct seen *seen = arg;
    seen->n++;
    seen->digest = s->digest;
    snprintf(seen->attrs, sizeof seen->attrs, "%s", s->attrs ? s->attrs : "-");
    snprintf(seen->parent, sizeof seen->parent, "%s", s->parent ? s->parent : "-");
    assert_memory_equal(s->state, "\1\0\2", 3);
    return RS_OK;
}

static void test_states(void **state)
{
    (void)state;
    RS_AUTO(rs_journal) *j = open_journal();
    struct rs_journal_state s = { .entity = "disk-1",
                                  .digest = UINT64_MAX - 5, /* over INT64_MAX: SQLite's integers are signed */
                                  .time = 10,
                                  .state = "\1\0\2",
                                  .size = 3,
                                  .attrs = "{\"model\":\"X\"}",
                                  .parent = "host-a" };
    assert_int_equal(rs_journal_states(j, &s, 1, NULL), RS_OK);
    s.attrs = s.parent = NULL;
    s.time = 11;
    assert_int_equal(rs_journal_states(j, &s, 1, NULL), RS_OK);
    struct seen seen = { 0 };
    assert_int_equal(rs_journal_each_state(j, see, &seen, NULL), RS_OK);
    assert_int_equal(seen.n, 1);
    assert_true(seen.digest == UINT64_MAX - 5);
    assert_string_equal(seen.attrs, "{\"model\":\"X\"}");
    assert_string_equal(seen.parent, "host-a");
}

static void test_private_and_versioned(void **state)
{
    (void)state;
    rs_journal_close(open_journal());
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);

    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 9999", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    rs_journal *j = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_journal_open(path, &j, &err), RS_EVERSION);
    assert_non_null(strstr(err.msg, "schema 9999"));
}

static void test_not_a_database(void **state)
{
    (void)state;
    FILE *f = fopen(path, "w");
    fputs("this is a shopping list, and a rather long one: milk, eggs, bread, butter, tea, and so on and on.\n", f);
    fclose(f);
    rs_journal *j = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_journal_open(path, &j, &err), RS_EDB);
    assert_non_null(strstr(err.msg, "not a database"));
}

static void test_write_fault_rolls_back(void **state)
{
    (void)state;
    RS_AUTO(rs_journal) *j = open_journal();
    struct rs_migration_row row = sample_row("u1");
    assert_int_equal(rs_journal_migration_begin(j, &row, NULL), RS_OK);
    assert_int_equal(rs_journal_step(j, "m-000042", "copy", NULL, NULL), RS_ENOTFOUND);
    assert_int_equal(rs_journal_step(j, row.id, "copy", NULL, NULL), RS_OK); /* no transaction left open */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_decisions),
        TEST(test_one_migration_a_vm),
        TEST(test_migration_survives_reopening),
        TEST(test_failures_and_budget),
        TEST(test_states),
        TEST(test_private_and_versioned),
        TEST(test_not_a_database),
        TEST(test_write_fault_rolls_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
