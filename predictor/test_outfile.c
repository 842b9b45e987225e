/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A streamed file appears whole or not at all, and leaves nothing beside it. */
#include "predictor/outfile.c"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_outfile.XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/out.csv", folder);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails where something was left behind */
}

static void check_content(const char *want)
{
    rs_autofree uint8_t *got = NULL;
    size_t len = 0;
    assert_int_equal(rs_read_file(path, 1000, &got, &len, NULL), RS_OK);
    assert_string_equal((const char *)got, want);
}

static size_t count_files(void)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    size_t n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void write_text(const char *text, bool is_committed)
{
    rs_auto_outfile o = { 0 };
    assert_int_equal(rs_outfile_open(&o, path, NULL), RS_OK);
    fputs(text, o.stream);
    if (is_committed)
        assert_int_equal(rs_outfile_commit(&o, NULL), RS_OK);
}

static void test_commit_replaces(void **state)
{
    (void)state;
    write_text("old", true);
    check_content("old");
    write_text("new and longer", true);
    check_content("new and longer");
    assert_int_equal(count_files(), 1);
}

static void test_without_commit_nothing_changes(void **state)
{
    (void)state;
    write_text("kept", true);
    write_text("lost", false);
    check_content("kept");
    assert_int_equal(count_files(), 1);
}

static void test_missing_folder(void **state)
{
    (void)state;
    struct rs_outfile o;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_outfile_open(&o, "/nonexistent/x.csv", &err), RS_ENOTFOUND);
    assert_string_equal(err.msg, "/nonexistent/x.csv: create beside it: No such file or directory");
    assert_null(o.stream);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    rs_auto_outfile o = { .path = "full", .stream = fopen("/dev/full", "w") };
    if (!o.stream)
        skip();
    fputs("text", o.stream);
    assert_int_equal(rs_outfile_commit(&o, &err), RS_ENOSPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_replaces),
        cmocka_unit_test(test_without_commit_nothing_changes),
        cmocka_unit_test(test_missing_folder),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
