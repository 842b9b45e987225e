/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, times, bytes, files, faults and command lines. */
#include "base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bytes.h"
#include "cli.h"
#include "clock.h"
#include "error.h"
#include "fault.h"
#include "file.h"
#include "log.h"
#include "progress.h"

static void test_error_gathers_context(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_error_set(&err, RS_ECORRUPT, "weights: %d declared\n%d left", 512, 96), RS_ECORRUPT);
    assert_int_equal(rs_error_prefix(&err, RS_ECORRUPT, "model %s", "a.rsm"), RS_ECORRUPT);
    assert_string_equal(err.msg, "model a.rsm: weights: 512 declared 96 left");
    assert_int_equal(rs_error_prefix(&err, RS_EIO, "model %s", "a.rsm"), RS_EIO);
    assert_string_equal(err.msg, "model a.rsm: weights: 512 declared 96 left"); /* said once */
    rs_error_prefix(&err, RS_EIO, "model");
    assert_string_equal(err.msg, "model: model a.rsm: weights: 512 declared 96 left");
    rs_error_set(&err, RS_ECORRUPT, "weights: 512 declared 96 left");
    rs_error_prefix(&err, RS_ECORRUPT, "model %s", "a.rsm");
    assert_int_equal(rs_error_set(NULL, RS_EIO, "nobody listens"), RS_EIO);
    errno = ENOSPC;
    rs_error_errno(&err, RS_ENOSPACE, "write x");
    assert_string_equal(err.msg, "write x: No space left on device");
    assert_int_equal(errno, ENOSPC);
}

static void test_error_cuts_long_messages(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    char big[3000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    rs_error_set(&err, RS_EIO, "%s", big);
    assert_int_equal(strlen(err.msg), RS_ERROR_MAX - 1);
    assert_string_equal(err.msg + RS_ERROR_MAX - 5, "x...");
}

static void test_error_words_are_unique(void **state)
{
    (void)state;
    static const enum rs_status all[] = {
#define RS_ERROR(name, value, word, http, meaning) name,
#include "error.def"
#undef RS_ERROR
    };
    for (size_t i = 0; i < RS_LEN(all); i++) {
        assert_true(rs_status_http(all[i]) >= 400);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(rs_status_word(all[i]), rs_status_word(all[k]));
    }
    assert_string_equal(rs_status_word(RS_EUNKNOWN_VM), "unknown-vm");
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want; /* GNU date -u -d TEXT +%s */
    } good[] = {
        { "1970-01-01", 0 },
        { "2013-04-10", 1365552000 },
        { "2000-02-29T23:59:59Z", 951868799 },
        { "1969-12-31 23:59:58", -2 },
        { "2026-11-24T05:16:07.25+02:00", 1795490167 },
        { "2023-12-31T18:30-0530", 1704067200 },
    };
    for (size_t i = 0; i < RS_LEN(good); i++) {
        int64_t t = 1;
        assert_int_equal(rs_time_parse(good[i].text, &t), RS_OK);
        assert_int_equal(t, good[i].want);
    }
    static const char *const bad[] = { "",           "2013-4-10",        "2013-02-29",        "1900-02-29",
                                       "2013-13-01", "2013-04-10T24:00", "2013-04-10T10:60",  "2013-04-10x",
                                       "20130410",   "2013-04-10T1",     "2013-04-10T10:10:", "2013-04-10T10:10:10." };
    for (size_t i = 0; i < RS_LEN(bad); i++) {
        int64_t t = 77;
        assert_int_equal(rs_time_parse(bad[i], &t), RS_EFORMAT);
        assert_int_equal(t, 77);
    }
    char buf[RS_TIME_MAX];
    for (int64_t t = -5000000000; t < 5000000000; t += 7654321) {
        int64_t back;
        assert_int_equal(rs_time_parse(rs_time_format(t, buf), &back), RS_OK);
        assert_int_equal(back, t);
    }
    assert_string_equal(rs_time_format(RS_TIME_NONE, buf), "-");
}

static void test_durations(void **state)
{
    (void)state;
    double s = 0;
    assert_int_equal(rs_duration_parse("1.5h", &s), RS_OK);
    assert_true(s == 5400);
    assert_int_equal(rs_duration_parse("150ms", &s), RS_OK);
    assert_true(fabs(s - 0.15) < 1e-12);
    assert_int_equal(rs_duration_parse("7d", &s), RS_OK);
    char buf[RS_TIME_MAX];
    assert_string_equal(rs_duration_format(s, buf), "7d");
    assert_string_equal(rs_duration_format(90, buf), "90s");
    assert_string_equal(rs_duration_format(0.15, buf), "0.15s");
    static const char *const bad[] = { "", "-3s", "7days", "nan", "1e999", "d", "inf" };
    for (size_t i = 0; i < RS_LEN(bad); i++)
        assert_int_equal(rs_duration_parse(bad[i], &s), RS_EFORMAT);
}

static void test_bytes_round_trip_and_never_pass_the_end(void **state)
{
    (void)state;
    rs_auto_buf b = { 0 };
    rs_put_u8(&b, 0xa5);
    rs_put_u16(&b, 0x1234);
    rs_put_u32(&b, 0x89abcdef);
    rs_put_i64(&b, -7);
    rs_put_f32(&b, 2.385f);
    rs_put_f64(&b, -0.731);
    rs_put_str(&b, "fan");
    assert_false(b.failed);
    static const uint8_t head[] = { 0xa5, 0x34, 0x12, 0xef, 0xcd, 0xab, 0x89, 0xf9 };
    assert_memory_equal(b.data, head, sizeof head);
    for (size_t len = 0; len <= b.len; len++) {
        struct rs_cursor c = { b.data, len };
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
        int64_t i64;
        float f32;
        double f64;
        rs_autofree char *s = NULL;
        bool ok = rs_take_u8(&c, &u8) && rs_take_u16(&c, &u16) && rs_take_u32(&c, &u32) && rs_take_i64(&c, &i64) &&
                  rs_take_f32(&c, &f32) && rs_take_f64(&c, &f64) && rs_take_str(&c, 3, &s);
        assert_int_equal(ok, len == b.len);
        if (!ok)
            continue;
        assert_true(u8 == 0xa5 && u16 == 0x1234 && u32 == 0x89abcdef && i64 == -7 && f32 == 2.385f && f64 == -0.731);
        assert_string_equal(s, "fan");
        assert_int_equal(c.left, 0);
    }
    struct rs_cursor c = { b.data + b.len - 7, 7 };
    char *s = NULL;
    assert_false(rs_take_str(&c, 2, &s)); /* longer than allowed */
    assert_int_equal(c.left, 7);
}

static void test_checked_sizes(void **state)
{
    (void)state;
    size_t n;
    assert_true(rs_mul_size(3, 7, &n) && n == 21);
    assert_false(rs_mul_size(SIZE_MAX / 2, 3, &n));
    assert_null(rs_alloc(SIZE_MAX / 2, 3));
}

static void test_files_appear_whole(void **state)
{
    (void)state;
    char dir[] = "/tmp/reseat-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char path[64];
    snprintf(path, sizeof path, "%s/a", dir);
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_write_file(path, "hello", 5, &err), RS_OK);
    assert_int_equal(rs_write_file(path, "again!", 6, &err), RS_OK);
    rs_autofree uint8_t *data = NULL;
    size_t len = 0;
    assert_int_equal(rs_read_file(path, 6, &data, &len, &err), RS_OK);
    assert_string_equal((char *)data, "again!");
    uint8_t *none = NULL;
    assert_int_equal(rs_read_file(path, 5, &none, &len, &err), RS_EINVAL);
    assert_int_equal(rs_read_file("/nonexistent/x", 5, &none, &len, &err), RS_ENOTFOUND);
    assert_string_equal(err.msg, "/nonexistent/x: No such file or directory");
    assert_int_equal(rs_write_file("/nonexistent/x", "x", 1, &err), RS_ENOTFOUND);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0); /* no temporary was left */
}

static void test_a_failed_write_keeps_the_old_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/reseat-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char path[64];
    snprintf(path, sizeof path, "%s/a", dir);
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_write_file(path, "old", 3, &err), RS_OK);
    /* main() set RS_FAULT=file.write:4, and three writes came before. */
    assert_int_equal(rs_write_file(path, "new", 3, &err), RS_EIO);
    rs_autofree uint8_t *data = NULL;
    size_t len = 0;
    assert_int_equal(rs_read_file(path, 9, &data, &len, &err), RS_OK);
    assert_string_equal((char *)data, "old");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void test_options(void **state)
{
    (void)state;
    bool flag = false;
    const char *out = "default";
    uint64_t n = 5;
    double horizon = 0;
    uint64_t memory = 0;
    const struct rs_opt opts[] = {
        { "quiet", 'q', RS_OPT_FLAG, &flag, NULL, "" },    { "output", 'o', RS_OPT_STRING, &out, "FILE", "" },
        { "folds", 0, RS_OPT_U64, &n, "N", "" },           { "horizon", 0, RS_OPT_DURATION, &horizon, "TIME", "" },
        { "memory", 0, RS_OPT_SIZE, &memory, "SIZE", "" }, { 0 },
    };
    const struct rs_verb verb = { .name = "train", .synopsis = "", .summary = "" };
    struct rs_error err = RS_ERROR_INIT;
    int first = 0;
    char *good[] = { "train", "fleet.h5", "-o", "x.rsm", "--horizon=7d", "-q", "--folds", "3", "--memory", "3M", NULL };
    assert_int_equal(rs_cli_parse(10, good, &verb, opts, &first, &err), RS_OK);
    assert_true(flag && n == 3 && horizon == 604800 && memory == 3 * 1048576);
    assert_string_equal(out, "x.rsm");
    assert_int_equal(first, 9);
    assert_string_equal(good[first], "fleet.h5"); /* operands come last */
    static const struct {
        const char *arg, *value, *want;
    } bad[] = {
        { "--fold", "-1", "--folds: -1: a whole number of 0 or more needed" },
        { "--horizon", "7x", "--horizon: 7x: a duration such as 90s, 12h or 7d needed" },
        { "--memory", "3MB", "--memory: 3MB: a size such as 512M or 2G needed" },
        { "--nonsense", "1", "--nonsense: no such option; see --help" },
    };
    for (size_t i = 0; i < RS_LEN(bad); i++) {
        char a[32], v[32];
        snprintf(a, sizeof a, "%s", bad[i].arg);
        snprintf(v, sizeof v, "%s", bad[i].value);
        char *args[] = { "train", a, v, NULL };
        assert_int_equal(rs_cli_parse(3, args, &verb, opts, &first, &err), RS_EUSAGE);
        assert_string_equal(err.msg, bad[i].want);
    }
    char *missing[] = { "train", "--output", NULL };
    assert_int_equal(rs_cli_parse(2, missing, &verb, opts, &first, &err), RS_EUSAGE);
    assert_string_equal(err.msg, "--output: an argument is missing; see --help");
}

static void test_one_operand(void **state)
{
    (void)state;
    bool flag = false;
    const struct rs_opt opts[] = { { "json", 0, RS_OPT_FLAG, &flag, NULL, "" }, { 0 } };
    const struct rs_verb verb = { .name = "info", .synopsis = "", .summary = "" };
    struct rs_error err = RS_ERROR_INIT;
    const char *path = "untouched";
    char *none[] = { "info", "--json", NULL }, *two[] = { "info", "a.h5", "b.h5", NULL };
    char *one[] = { "info", "a.h5", "--json", NULL };
    assert_int_equal(rs_cli_parse_one(2, none, &verb, opts, "fleet file", &path, &err), RS_EUSAGE);
    assert_string_equal(err.msg, "one fleet file needed, 0 given; see --help");
    assert_int_equal(rs_cli_parse_one(3, two, &verb, opts, "fleet file", &path, &err), RS_EUSAGE);
    assert_string_equal(err.msg, "one fleet file needed, 2 given; see --help");
    assert_string_equal(path, "untouched");
    assert_int_equal(rs_cli_parse_one(3, one, &verb, opts, "fleet file", &path, &err), RS_OK);
    assert_string_equal(path, "a.h5");
    assert_true(flag);
}

static void test_exit_codes(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_cli_end("info", RS_OK, &err), RS_EXIT_OK);
    assert_int_equal(rs_cli_end("info", RS_CONTINUE, &err), RS_EXIT_OK);
    assert_int_equal(rs_cli_end("info", rs_error_set(&err, RS_EUSAGE, "mistake"), &err), RS_EXIT_USAGE);
    assert_int_equal(rs_cli_end("info", rs_error_set(&err, RS_EQUALITY, "too low"), &err), RS_EXIT_QUALITY);
    assert_int_equal(rs_cli_end("info", rs_error_set(&err, RS_EIO, "broken"), &err), RS_EXIT_FAILED);
}

static void test_sizes_for_people(void **state)
{
    (void)state;
    char buf[32];
    assert_string_equal(rs_format_size(999, buf), "999 B");
    assert_string_equal(rs_format_size(999999, buf), "1.0 MB");
    assert_string_equal(rs_format_size(UINT64_MAX, buf), "18.4 EB");
}

static void test_faults_hit_as_told(void **state)
{
    (void)state;
    assert_false(rs_fault_hit("test.second"));
    assert_true(rs_fault_hit("test.second"));
    assert_false(rs_fault_hit("test.second"));
    assert_false(rs_fault_hit("test.unnamed"));
}

int main(void)
{
    setenv("RS_FAULT", "test.second:2,file.write:4", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_gathers_context),
        cmocka_unit_test(test_error_cuts_long_messages),
        cmocka_unit_test(test_error_words_are_unique),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_bytes_round_trip_and_never_pass_the_end),
        cmocka_unit_test(test_checked_sizes),
        cmocka_unit_test(test_files_appear_whole),
        cmocka_unit_test(test_a_failed_write_keeps_the_old_file),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_one_operand),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_sizes_for_people),
        cmocka_unit_test(test_faults_hit_as_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
