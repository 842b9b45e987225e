/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The builder's promises, read back through a scan: order, duplicates, attributes, failures, hosts and VMs that are
 * only named, the same bytes from any order, nothing left behind by a failure. */
#include "builder.c"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/file.h"

#define DAY RS_DAY_S

static char folder[] = "/tmp/test_builder.XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[2][512];
    static int turn;
    turn ^= 1;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static rs_builder *begin(const char *name, bool has_labels)
{
    rs_builder *b = NULL;
    struct rs_error err = RS_ERROR_INIT;
    struct rs_builder_options opt = { .memory = 1, .source = "test", .has_labels = has_labels, .is_quiet = true };
    uint32_t i;
    assert_int_equal(rs_builder_new(in_folder(name), &opt, &b, &err), RS_OK);
    assert_int_equal(rs_builder_signal(b, "errors", "1", RS_COUNTER, &i, &err), RS_OK);
    assert_int_equal(rs_builder_signal(b, "temp", "Cel", RS_GAUGE, &i, &err), RS_OK);
    assert_int_equal(i, 1);
    assert_int_equal(rs_builder_attr(b, "model/x", false, &i, &err), RS_OK);
    assert_int_equal(rs_builder_attr(b, "age", true, &i, &err), RS_OK);
    return b;
}

/* A row; NAN leaves a reading out, NULL an attribute. */
static struct rs_row make_row(const char *id, int64_t time, float errors, float temp, const char *model,
                              const char *age)
{
    static struct rs_reading readings[2];
    static struct rs_attr_text attrs[2];
    struct rs_row row = { .id = id, .id_len = strlen(id), .time = time, .readings = readings, .attrs = attrs };
    if (!isnan(errors))
        readings[row.n_readings++] = (struct rs_reading){ 0, errors };
    if (!isnan(temp))
        readings[row.n_readings++] = (struct rs_reading){ 1, temp };
    if (model)
        attrs[row.n_attrs++] = (struct rs_attr_text){ 0, model, strlen(model) };
    if (age)
        attrs[row.n_attrs++] = (struct rs_attr_text){ 1, age, strlen(age) };
    row.label = -1;
    return row;
}

static void put(rs_builder *b, const char *id, int64_t time, float errors, float temp, const char *model,
                const char *age)
{
    struct rs_row row = make_row(id, time, errors, temp, model, age);
    assert_int_equal(rs_builder_row(b, &row, NULL), RS_OK);
}

static struct rs_builder_counts finish(rs_builder *b)
{
    struct rs_error err = RS_ERROR_INIT;
    struct rs_builder_counts counts;
    enum rs_status st = rs_builder_finish(b, &counts, &err);
    assert_string_equal(err.msg, "");
    assert_int_equal(st, RS_OK);
    rs_builder_free(b);
    return counts;
}

static void step(rs_fleet_scan *s, struct rs_fleet_block *b)
{
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_fleet_scan_step(s, b, &err), RS_CONTINUE);
}

static void test_rows_and_attributes(void **state)
{
    (void)state;
    rs_builder *b = begin("a.h5", false);
    put(b, "b", 2 * DAY, 5, NAN, NULL, NULL);
    put(b, "b", 1 * DAY, 3, 40.5f, "new", "12.5");
    put(b, "a", 9 * DAY, 1, 20, "zeta", "");
    put(b, "b", 2 * DAY, 7, 41, "newer", NULL); /* replaces the row of this time */
    put(b, "ab", 3 * DAY, INFINITY, NAN, NULL, NULL);
    put(b, "b", 0, 0, 39, "old", "1");
    struct rs_builder_counts counts = finish(b);
    assert_int_equal(counts.rows, 5);
    assert_int_equal(counts.entities, 3);
    assert_int_equal(counts.duplicates, 1);

    RS_AUTO(rs_fleet) *f = NULL;
    RS_AUTO(rs_fleet_scan) *s = NULL;
    struct rs_fleet_block k;
    assert_int_equal(rs_fleet_open(in_folder("a.h5"), &f, NULL), RS_OK);
    const struct rs_fleet_info *i = rs_fleet_info(f);
    assert_string_equal(i->attrs[0].name, "model/x");
    assert_int_equal(i->attrs[0].n_values, 4);
    assert_string_equal(i->attrs[0].values[0], "new");
    assert_int_equal(i->first, 0);
    assert_int_equal(i->last, 9 * DAY);
    assert_int_equal(rs_fleet_scan_new(f, 0, UINT64_MAX, &s, NULL), RS_OK);
    step(s, &k);
    assert_string_equal(k.id, "a");
    assert_string_equal(i->attrs[0].values[k.attr_codes[0]], "zeta");
    assert_true(isnan(k.attr_numbers[1]));
    step(s, &k);
    assert_string_equal(k.id, "ab");
    assert_true(isnan(k.values[0]) && isnan(k.values[1]) && k.attr_codes[0] == -1);
    step(s, &k);
    assert_string_equal(k.id, "b");
    assert_int_equal(k.n, 3);
    assert_true(k.time[1] == DAY && k.values[2] == 3 && k.values[3] == 40.5f);
    assert_true(k.values[4] == 7 && k.values[5] == 41);
    assert_string_equal(i->attrs[0].values[k.attr_codes[0]], "newer");
    assert_true(k.attr_numbers[1] == 12.5); /* a later row without it erases nothing */
    assert_int_equal(rs_fleet_scan_step(s, &k, NULL), RS_OK);
}

static void test_failures_and_labels(void **state)
{
    (void)state;
    rs_builder *b = begin("f.h5", true);
    struct rs_row row = make_row("h", 5 * DAY, 1, NAN, NULL, NULL);
    row.is_failure = true;
    row.failure_kind = "disk";
    row.label = 1;
    assert_int_equal(rs_builder_row(b, &row, NULL), RS_OK);
    put(b, "h", 6 * DAY, 1, NAN, NULL, NULL);
    assert_int_equal(rs_builder_failure(b, "h", 5 * DAY, 6 * DAY, NULL, NULL), RS_OK); /* the same one, told more of */
    assert_int_equal(rs_builder_failure(b, "h", 2 * DAY, RS_TIME_NONE, "board", NULL), RS_OK);
    assert_int_equal(rs_builder_failure(b, "never-seen", 3 * DAY, RS_TIME_NONE, NULL, NULL), RS_OK);
    assert_int_equal(rs_builder_failure(b, "h", 2 * DAY, 1 * DAY, NULL, NULL), RS_EINVAL);
    struct rs_builder_counts counts = finish(b);
    assert_int_equal(counts.failures, 3);
    assert_int_equal(counts.failing_entities, 2);
    assert_int_equal(counts.entities, 2);

    RS_AUTO(rs_fleet) *f = NULL;
    RS_AUTO(rs_fleet_scan) *s = NULL;
    struct rs_fleet_block k;
    assert_int_equal(rs_fleet_open(in_folder("f.h5"), &f, NULL), RS_OK);
    assert_int_equal(rs_fleet_scan_new(f, 0, UINT64_MAX, &s, NULL), RS_OK);
    step(s, &k);
    assert_int_equal(k.n_failures, 2);
    assert_true(k.failures[0].time == 2 * DAY && k.failures[0].back == RS_TIME_NONE);
    assert_string_equal(rs_fleet_info(f)->failure_kinds[k.failures[0].kind], "board");
    assert_true(k.failures[1].time == 5 * DAY && k.failures[1].back == 6 * DAY);
    assert_string_equal(rs_fleet_info(f)->failure_kinds[k.failures[1].kind], "disk");
    assert_true(k.label[0] == 1 && k.label[1] == -1);
    step(s, &k);
    assert_true(k.n == 0 && k.is_first && k.is_last && k.first_seen == RS_TIME_NONE);
    assert_int_equal(k.failures[0].kind, -1);
    /* A scan of a part finds the failures of that part. */
    rs_fleet_scan_free(rs_take(s));
    assert_int_equal(rs_fleet_scan_new(f, 1, 1, &s, NULL), RS_OK);
    step(s, &k);
    assert_true(k.n_failures == 1 && k.entity == 1);
}

static void read_i64(rs_h5 *h, const char *path, int64_t *out, size_t n)
{
    RS_AUTO(rs_h5_data) *d = NULL;
    assert_int_equal(rs_h5_data_open(h, path, RS_H5_I64, 0, &d, NULL), RS_OK);
    assert_int_equal(rs_h5_rows(d), n);
    assert_int_equal(rs_h5_read(d, 0, n, out, NULL), RS_OK);
}

static void test_tables(void **state)
{
    (void)state;
    rs_builder *b = begin("t.h5", false);
    struct rs_row row = make_row("c1", DAY, 1, NAN, NULL, NULL);
    row.kind = RS_ENTITY_COMPONENT;
    row.parent = "z-host"; /* behind its component in the file */
    assert_int_equal(rs_builder_row(b, &row, NULL), RS_OK);
    struct rs_vm vms[] = { { "vm-b", "gold", 4, 1, 2, 3, 0.999 }, { "vm-a", NULL, 2, 1, 2, 3, 0.9 } };
    assert_int_equal(rs_builder_vm(b, &vms[0], NULL), RS_OK);
    assert_int_equal(rs_builder_vm(b, &vms[1], NULL), RS_OK);
    assert_int_equal(rs_builder_placement(b, "vm-b", "z-host", 20, 30, NULL), RS_OK);
    assert_int_equal(rs_builder_placement(b, "vm-b", "a-host", 10, 20, NULL), RS_OK);
    assert_int_equal(rs_builder_placement(b, "vm-a", "a-host", 15, 99, NULL), RS_OK);
    assert_int_equal(rs_builder_reboot(b, "vm-b", 7, "user", NULL), RS_OK);
    assert_int_equal(rs_builder_reboot(b, "vm-a", 8, "update", NULL), RS_OK);
    assert_int_equal(rs_builder_reboot(b, "vm-b", 3, "user", NULL), RS_OK);
    assert_int_equal(rs_builder_maintenance(b, "z-host", 50, 60, "firmware", NULL), RS_OK);
    assert_int_equal(rs_builder_truth(b, "c1", 70, "wear", NULL), RS_OK);
    assert_int_equal(finish(b).entities, 3); /* a-host, c1, z-host */

    RS_AUTO(rs_fleet) *f = NULL;
    RS_AUTO(rs_h5) *h = NULL;
    struct rs_error err = RS_ERROR_INIT;
    int64_t got[3];
    assert_int_equal(rs_fleet_open(in_folder("t.h5"), &f, &err), RS_OK);
    assert_int_equal(rs_fleet_check_tables(f, &err), RS_OK);
    assert_int_equal(rs_h5_open(in_folder("t.h5"), &h, &err), RS_OK);
    read_i64(h, "/entities/parent", got, 3);
    assert_memory_equal(got, ((int64_t[]){ -1, 2, -1 }), sizeof got);
    read_i64(h, "/vms/placement/vm", got, 3);
    assert_memory_equal(got, ((int64_t[]){ 0, 1, 1 }), sizeof got);
    read_i64(h, "/vms/placement/host", got, 3);
    assert_memory_equal(got, ((int64_t[]){ 0, 0, 2 }), sizeof got);
    read_i64(h, "/reboots/time", got, 3);
    assert_memory_equal(got, ((int64_t[]){ 3, 7, 8 }), sizeof got);
    read_i64(h, "/reboots/vm", got, 3);
    assert_memory_equal(got, ((int64_t[]){ 1, 1, 0 }), sizeof got);
    read_i64(h, "/truth/entity", got, 1);
    assert_int_equal(got[0], 1);
}

static void test_unknown_vm(void **state)
{
    (void)state;
    rs_builder *b = begin("u.h5", false);
    struct rs_error err = RS_ERROR_INIT;
    struct rs_builder_counts counts;
    put(b, "h", 0, 1, 1, NULL, NULL);
    assert_int_equal(rs_builder_reboot(b, "ghost", 1, "user", NULL), RS_OK);
    assert_int_equal(rs_builder_finish(b, &counts, &err), RS_EINVAL);
    assert_non_null(strstr(err.msg, "a reboot of VM ghost"));
    rs_builder_free(b);
    assert_int_equal(access(in_folder("u.h5"), F_OK), -1);
}

/* 200 entities of 90 rows in an order of its own for each seed; memory for a fraction of them. */
static void build_shuffled(const char *name, uint64_t seed)
{
    enum { N = 18000 };
    rs_builder *b = begin(name, false);
    rs_autofree uint32_t *order = rs_alloc(N, sizeof *order);
    for (uint32_t i = 0; i < N; i++)
        order[i] = i;
    for (uint32_t i = N - 1; i > 0 && seed; i--) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t j = (uint32_t)(seed >> 33) % (i + 1), x = order[i];
        order[i] = order[j];
        order[j] = x;
    }
    for (uint32_t i = 0; i < N; i++) {
        uint32_t entity = order[i] / 90, day = order[i] % 90;
        char id[32], model[16];
        snprintf(id, sizeof id, "host-%u-of-rack", entity);
        snprintf(model, sizeof model, "m%u", entity % 5);
        put(b, id, day * DAY, (float)(order[i] % 70000), entity % 3 ? (float)day / 3 : NAN, model, "4");
    }
    struct rs_builder_counts counts = finish(b);
    assert_int_equal(counts.rows, N);
    assert_int_equal(counts.entities, 200);
}

static void test_order_does_not_matter(void **state)
{
    (void)state;
    rs_autofree uint8_t *a = NULL, *b = NULL;
    size_t n_a, n_b;
    build_shuffled("s0.h5", 0);
    build_shuffled("s1.h5", 4711);
    assert_int_equal(rs_read_file(in_folder("s0.h5"), SIZE_MAX / 2, &a, &n_a, NULL), RS_OK);
    assert_int_equal(rs_read_file(in_folder("s1.h5"), SIZE_MAX / 2, &b, &n_b, NULL), RS_OK);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a);
}

/* The first test, as the fault of main() strikes at the second rename. A failure at the very end leaves the older file
 * as it was, and nothing beside it. */
static void test_failure_leaves_nothing(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    struct rs_builder_counts counts;
    struct stat before, after;
    finish(begin("keep.h5", false));
    assert_int_equal(stat(in_folder("keep.h5"), &before), 0);
    rs_builder *b = begin("keep.h5", false);
    put(b, "h", 0, 1, 1, NULL, NULL);
    assert_int_equal(rs_builder_finish(b, &counts, &err), RS_EIO);
    rs_builder_free(b);
    assert_int_equal(stat(in_folder("keep.h5"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        assert_null(strstr(e->d_name, "partial"));
    closedir(d);
}

static void test_refusals(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    rs_builder *b = NULL;
    struct rs_builder_options opt = { .is_quiet = true };
    assert_int_equal(rs_builder_new("/nowhere/x.h5", &opt, &b, &err), RS_ENOTFOUND);
    b = begin("r.h5", false);
    struct rs_reading swapped[2] = { { 1, 1 }, { 0, 1 } }, unknown[1] = { { 2, 1 } };
    struct rs_row row = make_row("h", 0, 1, 1, NULL, NULL);
    row.readings = swapped;
    assert_int_equal(rs_builder_row(b, &row, &err), RS_EINVAL);
    row.readings = unknown;
    row.n_readings = 1;
    assert_int_equal(rs_builder_row(b, &row, &err), RS_EINVAL);
    row = make_row("", 0, 1, 1, NULL, NULL);
    assert_int_equal(rs_builder_row(b, &row, &err), RS_EINVAL);
    row = make_row("h\0x", 0, 1, 1, NULL, NULL);
    row.id_len = 3;
    assert_int_equal(rs_builder_row(b, &row, &err), RS_EINVAL);
    assert_int_equal(finish(b).rows, 0);
}

/* More different sets than the tables of the row code hold. */
static void test_many_sets(void **state)
{
    (void)state;
    enum { N = 20000 };
    rs_builder *b = begin("m.h5", false);
    char id[32], age[32];
    for (unsigned i = 0; i < N; i++) {
        snprintf(id, sizeof id, "e%06u", i);
        snprintf(age, sizeof age, "%u.5", i);
        put(b, id, 0, 1, (float)i, i % 2 ? "odd" : "even", age);
    }
    finish(b);
    RS_AUTO(rs_fleet) *f = NULL;
    RS_AUTO(rs_fleet_scan) *s = NULL;
    struct rs_fleet_block k;
    assert_int_equal(rs_fleet_open(in_folder("m.h5"), &f, NULL), RS_OK);
    assert_int_equal(rs_fleet_scan_new(f, 0, UINT64_MAX, &s, NULL), RS_OK);
    for (unsigned i = 0; i < N; i++) {
        step(s, &k);
        assert_true(k.attr_numbers[1] == i + 0.5 && k.attr_codes[0] == (int)(i % 2) && k.values[1] == (float)i);
    }
}

struct part { /* a scan of some entities, perhaps in a thread of its own */
    rs_fleet *f;
    uint64_t first, n, rows;
    uint64_t digest; /* of rows by their place in the file: the sum over parts is that of the whole */
};

static void *scan_part(void *arg)
{
    struct part *p = arg;
    RS_AUTO(rs_fleet_scan) *s = NULL;
    struct rs_fleet_block k;
    enum rs_status st = rs_fleet_scan_new(p->f, p->first, p->n, &s, NULL);
    while (st >= 0 && (st = rs_fleet_scan_step(s, &k, NULL)) == RS_CONTINUE) {
        for (size_t i = 0; i < k.n; i++) {
            uint32_t bits[2];
            memcpy(bits, k.values + 2 * i, sizeof bits);
            p->digest += (k.row + i + 1) * ((uint64_t)bits[0] * 2654435761u + bits[1] + (uint64_t)k.time[i] * 40503u);
        }
        p->rows += k.n;
    }
    if (st < 0)
        p->rows = UINT64_MAX;
    return NULL;
}

static void test_scans_in_threads(void **state)
{
    (void)state;
    build_shuffled("p.h5", 5);
    RS_AUTO(rs_fleet) *f = NULL;
    assert_int_equal(rs_fleet_open(in_folder("p.h5"), &f, NULL), RS_OK);
    struct part whole = { .f = f, .n = UINT64_MAX }, single = whole;
    struct part parts[2] = { { .f = f, .n = 77 }, { .f = f, .first = 77, .n = UINT64_MAX } };
    pthread_t threads[2];
    for (size_t i = 0; i < RS_LEN(parts); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, scan_part, &parts[i]), 0);
    for (size_t i = 0; i < RS_LEN(parts); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    scan_part(&whole);
    setenv("RESEAT_THREADS", "1", 1);
    scan_part(&single);
    unsetenv("RESEAT_THREADS");
    assert_int_equal(whole.rows, 18000);
    assert_int_equal(parts[0].rows, 77 * 90);
    assert_int_equal(parts[0].rows + parts[1].rows, whole.rows);
    assert_true(parts[0].digest + parts[1].digest == whole.digest);
    assert_true(single.rows == whole.rows && single.digest == whole.digest);
}

static int remove_folder(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlink(in_folder(e->d_name));
    closedir(d);
    return rmdir(folder);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_leaves_nothing),
        cmocka_unit_test(test_rows_and_attributes),
        cmocka_unit_test(test_failures_and_labels),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_unknown_vm),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_many_sets),
        cmocka_unit_test(test_scans_in_threads),
    };
    setenv("RS_FAULT", "builder.rename:2", 1);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
