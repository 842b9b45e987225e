/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What happened to entities: written by the builder, merged by a scan in time order, and refused where the tables of
 * the file do not hold together. */
#include "fleet_side.c"

#include <hdf5.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "datasets/builder.h"

static char path[] = "/tmp/test_fleet_side.XXXXXX";

static void put_row(rs_builder *b, const char *id, int64_t time, int8_t label)
{
    struct rs_row row = { .id = id, .id_len = strlen(id), .time = time, .label = label };
    assert_int_equal(rs_builder_row(b, &row, NULL), RS_OK);
}

/* Hosts a, b and c; b has all sorts of events, given out of order. */
static void build(void)
{
    struct rs_builder_options opt = { .source = "test", .is_quiet = true };
    struct rs_builder_counts counts;
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_builder) *b = NULL;
    assert_int_equal(rs_builder_new(path, &opt, &b, &err), RS_OK);
    for (int64_t t = 100; t <= 900; t += 100)
        put_row(b, "a", t, -1), put_row(b, "b", t, -1);
    assert_int_equal(rs_builder_event(b, "b", 350, "error2", &err), RS_OK);
    assert_int_equal(rs_builder_event(b, "b", 50, "error1", &err), RS_OK);
    assert_int_equal(rs_builder_event(b, "c", 10, "error1", &err), RS_OK);
    assert_int_equal(rs_builder_maintenance(b, "b", 340, 345, "firmware", &err), RS_OK);
    assert_int_equal(rs_builder_maintenance(b, "a", 700, 710, "firmware", &err), RS_OK);
    assert_int_equal(rs_builder_maintenance(b, "b", 120, 130, "disk", &err), RS_OK);
    assert_int_equal(rs_builder_failure(b, "b", 320, 340, "dimm", &err), RS_OK);
    assert_int_equal(rs_builder_failure(b, "b", 800, RS_TIME_NONE, NULL, &err), RS_OK);
    assert_int_equal(rs_builder_mitigation(b, "b", 600, RS_TIME_NONE, "drained", &err), RS_OK);
    assert_int_equal(rs_builder_mitigation(b, "b", 500, 550, "control", &err), RS_OK);
    assert_int_equal(rs_builder_control_share(b, 0.125, &err), RS_OK);
    assert_int_equal(rs_builder_finish(b, &counts, &err), RS_OK);
}

/* Scans the file from entity first on; the events of the entities as text. */
static enum rs_status scan_events(uint64_t first, char *out, size_t size, struct rs_error *err)
{
    RS_AUTO(rs_fleet) *f = NULL;
    RS_AUTO(rs_fleet_scan) *s = NULL;
    struct rs_fleet_block k;
    size_t n = 0;
    out[0] = 0;
    enum rs_status st = rs_fleet_open(path, &f, err);
    if (st == RS_OK)
        st = rs_fleet_scan_new(f, first, UINT64_MAX, &s, err);
    while (st >= 0 && (st = rs_fleet_scan_step(s, &k, err)) == RS_CONTINUE) {
        n += (size_t)snprintf(out + n, size - n, "[%s]", k.id);
        for (size_t i = 0; i < k.n_events; i++)
            n += (size_t)snprintf(out + n, size - n, " %lld %s", (long long)k.events[i].time,
                                  rs_fleet_info(f)->events[k.events[i].kind]);
        for (size_t i = 0; i < k.n_mitigations; i++)
            n += (size_t)snprintf(out + n, size - n, " %lld-%lld%s", (long long)k.mitigations[i].time,
                                  k.mitigations[i].until == RS_TIME_NONE ? -1LL : (long long)k.mitigations[i].until,
                                  k.mitigations[i].is_control ? "c" : "");
    }
    return st < 0 ? st : rs_fleet_check_tables(f, err);
}

#define OF_B                                                                                                           \
    "[b] 50 event/error1 50 any 120 maintenance/disk 320 failure 320 failure/dimm 320 any 340 repair 340 "             \
    "maintenance/firmware 350 event/error2 350 any 800 failure 800 any 500-550c 600--1"

static void test_merged(void **state)
{
    (void)state;
    char got[1024];
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_fleet) *f = NULL;
    build();
    assert_int_equal(scan_events(0, got, sizeof got, &err), RS_OK);
    assert_string_equal(got, "[a] 700 maintenance/firmware" OF_B "[c] 10 event/error1 10 any");
    assert_int_equal(scan_events(1, got, sizeof got, &err), RS_OK);
    assert_string_equal(got, OF_B "[c] 10 event/error1 10 any");
    assert_int_equal(rs_fleet_open(path, &f, &err), RS_OK);
    assert_int_equal(rs_fleet_info(f)->n_event_rows, 3);
    assert_int_equal(rs_fleet_info(f)->n_mitigations, 2);
    assert_int_equal(rs_fleet_info(f)->n_events, 8);
    assert_true(rs_fleet_info(f)->control_share == 0.125);
}

static void test_refused_by_builder(void **state)
{
    (void)state;
    struct rs_builder_options opt = { .source = "test", .is_quiet = true };
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_builder) *b = NULL;
    assert_int_equal(rs_builder_new(path, &opt, &b, &err), RS_OK);
    assert_int_equal(rs_builder_event(b, "h", 5, "", &err), RS_EINVAL);
    assert_string_equal(err.msg, "h: an event without a kind");
    assert_int_equal(rs_builder_mitigation(b, "h", 5, 6, "rebooted", &err), RS_EINVAL);
    assert_string_equal(err.msg, "h: mitigation \"rebooted\": drained, moved or control is wanted");
    assert_int_equal(rs_builder_mitigation(b, "h", 5, 4, "moved", &err), RS_EINVAL);
    assert_string_equal(err.msg, "h: a mitigation that ends before it begins");
    assert_int_equal(rs_builder_control_share(b, 1, &err), RS_EINVAL);
    assert_string_equal(err.msg, "control share 1: more than 0 and less than 1 is wanted");
}

/* Overwrites one number of a column of the file. */
static void overwrite(const char *column, hsize_t row, int64_t v)
{
    hsize_t one = 1;
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), set = H5Dopen2(file, column, H5P_DEFAULT);
    hid_t space = H5Dget_space(set), memory = H5Screate_simple(1, &one, NULL);
    assert_true(H5Sselect_hyperslab(space, H5S_SELECT_SET, &row, NULL, &one, NULL) >= 0);
    assert_true(H5Dwrite(set, H5T_NATIVE_INT64, memory, space, H5P_DEFAULT, &v) >= 0);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(set);
    assert_true(H5Fclose(file) >= 0);
}

static void test_damaged_tables(void **state)
{
    (void)state;
    static const struct {
        const char *column;
        hsize_t row;
        int64_t v;
        const char *message;
    } cases[] = {
        { "/events/entity", 0, 2, "entity 2: an event comes out of order" },
        { "/events/entity", 2, 3, "entity 1: an event comes out of order" },
        { "/events/time", 0, 351, "entity 1: an event comes out of order in time" },
        { "/events/time", 0, INT64_MIN, "entity 1: an event's times are impossible" },
        { "/events/kind", 1, 2, "entity 1: an event's kind is outside its dictionary" },
        { "/mitigations/entity", 1, 0, "entity 1: a mitigation comes out of order" },
        { "/mitigations/time", 0, 601, "entity 1: a mitigation's times are impossible" },
        { "/mitigations/until", 1, 0, "entity 1: a mitigation's times are impossible" },
        { "/mitigations/kind", 0, -2, "entity 1: a mitigation's kind is outside its dictionary" },
        { "/maintenance/entity", 1, 3, "/maintenance: row 1: entity, start or kind is impossible" },
        { "/maintenance/kind", 2, 2, "/maintenance: row 2: entity, start or kind is impossible" },
        { "/failures/back", 0, 319, "entity 1: a failure's times are impossible" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        char got[1024], want[512];
        struct rs_error err = RS_ERROR_INIT;
        build();
        overwrite(cases[i].column, cases[i].row, cases[i].v);
        assert_int_equal(scan_events(0, got, sizeof got, &err), RS_ECORRUPT);
        snprintf(want, sizeof want, "%s: %s", path, cases[i].message);
        assert_string_equal(err.msg, want);
    }
}

/* A file of before /events and /mitigations is read as one without any. */
static void test_older_file(void **state)
{
    (void)state;
    char got[1024];
    struct rs_error err = RS_ERROR_INIT;
    build();
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Ldelete(file, "/events", H5P_DEFAULT) >= 0 && H5Ldelete(file, "/mitigations", H5P_DEFAULT) >= 0);
    assert_true(H5Fclose(file) >= 0);
    assert_int_equal(scan_events(2, got, sizeof got, &err), RS_OK);
    assert_string_equal(got, "[c]");
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t group = H5Gcreate2(file, "/events", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Gclose(group) >= 0 && H5Fclose(file) >= 0);
    assert_int_equal(scan_events(0, got, sizeof got, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "/events/time: dataset cannot be opened"));
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_refused_by_builder),
        cmocka_unit_test(test_damaged_tables),
        cmocka_unit_test(test_older_file),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
