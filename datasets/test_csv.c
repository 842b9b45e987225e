/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tokenizer against RFC 4180 and against what real files do to it; window edges by lines of every length. */
#include "csv.c"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char path[] = "/tmp/test_csv.XXXXXX";

static rs_csv *open_text(const char *text, size_t len)
{
    rs_csv *c = NULL;
    struct rs_error err = RS_ERROR_INIT;
    FILE *f = fopen(path, "w");
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);
    assert_int_equal(rs_csv_open(path, ',', &c, &err), RS_OK);
    return c;
}

static void append(char *out, size_t size, const char *text, size_t len)
{
    size_t used = strlen(out);
    assert_true(used + len + 1 < size);
    memcpy(out + used, text, len);
    out[used + len] = 0;
}

/* "LINE:[a][b]\n" for each record, "LINE:!why\n" for a bad one. */
static void render(const char *text, size_t len, char *out, size_t size)
{
    RS_AUTO(rs_csv) *c = open_text(text, len);
    struct rs_csv_record rec;
    enum rs_status st;
    *out = 0;
    while ((st = rs_csv_next(c, &rec, NULL)) == RS_CONTINUE) {
        char line[32];
        append(out, size, line, (size_t)snprintf(line, sizeof line, "%llu:", (unsigned long long)rec.line));
        if (rec.bad) {
            append(out, size, "!", 1);
            append(out, size, rec.bad, strlen(rec.bad));
        }
        for (size_t i = 0; i < rec.n; i++) {
            append(out, size, "[", 1);
            append(out, size, rec.fields[i].text, rec.fields[i].len);
            append(out, size, "]", 1);
        }
        append(out, size, "\n", 1);
    }
    assert_int_equal(st, RS_OK);
}

static void test_records(void **state)
{
    (void)state;
    /* text, and what RFC 4180 (section 2) makes of it */
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "" },
        { "a,b\n1,2\n", "1:[a][b]\n2:[1][2]\n" },
        { "a,b\r\n1,2", "1:[a][b]\n2:[1][2]\n" },
        { "\xef\xbb\xbf"
          "a,b\n\n\r\n1,\n",
          "1:[a][b]\n4:[1][]\n" },
        { ",,\n", "1:[][][]\n" },
        { "\"a\",\"b,\n c\"\nx,y\n", "1:[a][b,\n c]\n3:[x][y]\n" },
        { "\"say \"\"hi\"\"\",2\r\nx,y", "1:[say \"hi\"][2]\n2:[x][y]\n" },
        { "a,\"\"\nb,\"\"\"\"\n", "1:[a][]\n2:[b][\"]\n" },
        { "a,b\nx,\"open\n1,2\n", "1:[a][b]\n2:!a quote without end\n3:[1][2]\n" },
        { "\n\n", "" },
        { "\r\n", "" },
        { "a\r\nb\r", "1:[a]\n2:[b]\n" },
    };
    char got[512];
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        render(cases[i].text, strlen(cases[i].text), got, sizeof got);
        assert_string_equal(got, cases[i].want);
    }
    render("a,b\n1,\0\n3,4\n", 12, got, sizeof got);
    assert_string_equal(got, "1:[a][b]\n2:!holds a NUL byte\n3:[3][4]\n");
}

/* Every line length, so that fields and ends fall on every place of a lane and of the window. */
static void test_window(void **state)
{
    (void)state;
    size_t n_lines = 9000, cap = (size_t)8 << 20, len = 0;
    rs_autofree char *text = malloc(cap);
    for (size_t i = 0; i < n_lines; i++)
        len += (size_t)snprintf(text + len, cap - len, "%zu,%0*d,%zu\n", i, (int)(i % 700 + 1), 7, i * 3);
    RS_AUTO(rs_csv) *c = open_text(text, len);
    struct rs_csv_record rec;
    for (size_t i = 0; i < n_lines; i++) {
        double first, third;
        assert_int_equal(rs_csv_next(c, &rec, NULL), RS_CONTINUE);
        assert_int_equal(rec.n, 3);
        assert_int_equal(rec.line, i + 1);
        assert_true(rs_csv_double(&rec.fields[0], &first) && rs_csv_double(&rec.fields[2], &third));
        assert_true(first == (double)i && third == (double)(3 * i));
        assert_int_equal(rec.fields[1].len, i % 700 + 1);
    }
    assert_int_equal(rs_csv_next(c, &rec, NULL), RS_OK);
    assert_int_equal(rs_csv_offset(c), len);
}

static void test_long_line(void **state)
{
    (void)state;
    size_t len = 3 * RS_CSV_LINE_MAX;
    rs_autofree char *text = malloc(len + 16);
    memset(text, 'x', len);
    memcpy(text, "a,b\n", 4);
    memcpy(text + len, "\n1,2\n", 6);
    char got[256];
    render(text, len + 5, got, sizeof got);
    assert_string_equal(got, "1:[a][b]\n2:!line too long\n3:[1][2]\n");
    for (size_t i = 4; i < len; i += 2)
        text[i] = ',';
    text[RS_CSV_LINE_MAX / 2] = '\n';
    render(text, RS_CSV_LINE_MAX / 2 + 1, got, sizeof got);
    assert_string_equal(got, "1:[a][b]\n2:!too many fields\n");
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_number;
        double want;
    } cases[] = {
        { "0", true, 0 },
        { "117", true, 117 },
        { "-0.5", true, -0.5 },
        { "1e3", true, 1000 },
        { " 42\t", true, 42 },
        { "+7", true, 7 },
        { ".25", true, 0.25 },
        { "5.", true, 5 },
        { "18446744073709551616", true, 18446744073709551616.0 },
        { "2.5E-3", true, 0.0025 },
        { "", false, 0 },
        { " ", false, 0 },
        { "nan", false, 0 },
        { "inf", false, 0 },
        { "0x10", false, 0 },
        { "12 GB", false, 0 },
        { "1e", false, 0 },
        { "--1", false, 0 },
        { "1e999", false, 0 },
        { "9007199254740993", true, 9007199254740992.0 },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct rs_csv_field f = { cases[i].text, strlen(cases[i].text) };
        double got = 0;
        assert_int_equal(rs_csv_double(&f, &got), cases[i].is_number);
        assert_true(!cases[i].is_number || got == cases[i].want);
    }
    float single;
    struct rs_csv_field large = { "1e39", 4 }, exact = { "16777217", 8 };
    assert_false(rs_csv_float(&large, &single));
    assert_true(rs_csv_float(&exact, &single) && single == 16777216.0f); /* halfway, to even */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_numbers),
    };
    close(mkstemp(path));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
