/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What we write, HDF5's own filters read, and the other way round: the codec is theirs to the byte. */
#include "h5_data.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ROWS 20011
#define WIDTH 4

static char path[] = "/tmp/test_h5.XXXXXX";

/* Between 1 and 2, each bit of the mantissa by lot: the finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static float noise_at(size_t row)
{
    uint64_t z = (row + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return 1 + (float)(z >> 41) * 0x1p-23f;
}

static float value_at(size_t row, size_t column)
{
    return column == 0   ? (float)(row % 97)
           : column == 1 ? (float)row * 1.25e-3f
           : column == 2 ? (float)(row * 2654435761u % 1000003)
                         : noise_at(row);
}

static void write_file(void)
{
    RS_AUTO(rs_h5) *h = NULL;
    RS_AUTO(rs_h5_data) *values = NULL;
    RS_AUTO(rs_h5_data) *ids = NULL;
    struct rs_h5_shape matrix = { RS_H5_F32, 0, WIDTH, 4096 }, text = { RS_H5_STR, 11, 0, 1000 };
    assert_int_equal(rs_h5_create(path, &h, NULL), RS_OK);
    assert_int_equal(rs_h5_group(h, "/g", NULL), RS_OK);
    assert_int_equal(rs_h5_data_create(h, "/g/values", &matrix, &values, NULL), RS_OK);
    assert_int_equal(rs_h5_data_create(h, "/g/ids", &text, &ids, NULL), RS_OK);
    for (size_t i = 0; i < ROWS; i++) {
        float row[WIDTH] = { value_at(i, 0), value_at(i, 1), value_at(i, 2), value_at(i, 3) };
        char id[12] = "";
        snprintf(id, sizeof id, "id-%zu", i);
        assert_int_equal(rs_h5_append(values, row, 1, NULL), RS_OK);
        assert_int_equal(rs_h5_append(ids, id, 1, NULL), RS_OK);
    }
    assert_int_equal(rs_h5_data_finish(values, NULL), RS_OK);
    assert_int_equal(rs_h5_data_finish(ids, NULL), RS_OK);
    assert_int_equal(rs_h5_put_str(h, "/g", "word", "nine lives", NULL), RS_OK);
    assert_int_equal(rs_h5_put_i64(h, "/", "number", -7, NULL), RS_OK);
    assert_int_equal(rs_h5_close(rs_take(h), NULL), RS_OK);
}

static void check_values(const float *all)
{
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < WIDTH; j++)
            assert_true(all[i * WIDTH + j] == value_at(i, j));
}

static void test_library_reads_ours(void **state)
{
    (void)state;
    write_file();
    rs_autofree float *all = rs_alloc((size_t)ROWS * WIDTH, sizeof *all);
    hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), d = H5Dopen2(f, "/g/values", H5P_DEFAULT);
    assert_true(H5Dread(d, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, all) >= 0);
    check_values(all);
    H5Dclose(d);
    H5Fclose(f);
}

/* The same dataset through the library's filters, as another writer would make it. */
static void write_by_library(const float *all)
{
    hsize_t dims[2] = { ROWS, WIDTH }, chunk[2] = { 4096, 1 };
    hid_t f = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), plan = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(2, dims, NULL);
    H5Pset_chunk(plan, 2, chunk);
    H5Pset_shuffle(plan);
    H5Pset_deflate(plan, 6);
    H5Pset_fletcher32(plan);
    hid_t d = H5Dcreate2(f, "values", H5T_IEEE_F32LE, space, H5P_DEFAULT, plan, H5P_DEFAULT);
    assert_true(H5Dwrite(d, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, all) >= 0);
    H5Dclose(d);
    H5Sclose(space);
    H5Pclose(plan);
    H5Fclose(f);
}

static void test_ours_reads_library(void **state)
{
    (void)state;
    rs_autofree float *all = rs_alloc((size_t)ROWS * WIDTH, sizeof *all);
    for (size_t i = 0; i < (size_t)ROWS * WIDTH; i++)
        all[i] = value_at(i / WIDTH, i % WIDTH);
    write_by_library(all);
    memset(all, 0, (size_t)ROWS * WIDTH * sizeof *all);
    RS_AUTO(rs_h5) *h = NULL;
    RS_AUTO(rs_h5_data) *d = NULL;
    assert_int_equal(rs_h5_open(path, &h, NULL), RS_OK);
    assert_int_equal(rs_h5_data_open(h, "/values", RS_H5_F32, WIDTH, &d, NULL), RS_OK);
    assert_true(d->is_ours);
    for (size_t i = 0; i < ROWS; i += 777) /* parts of chunks, and whole ones */
        assert_int_equal(rs_h5_read(d, i, RS_MIN((size_t)777, ROWS - i), all + i * WIDTH, NULL), RS_OK);
    check_values(all);
    assert_int_equal(rs_h5_read(d, 4096, 8192, all + (size_t)4096 * WIDTH, NULL), RS_OK);
    check_values(all);
    assert_int_equal(rs_h5_read(d, ROWS - 1, 2, all, NULL), RS_ECORRUPT);
}

static void test_ours_reads_ours(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_h5) *h = NULL;
    RS_AUTO(rs_h5_data) *ids = NULL;
    RS_AUTO(rs_h5_data) *none = NULL;
    rs_autofree char *word = NULL;
    char id[12] = "", want[12];
    int64_t number;
    write_file();
    assert_int_equal(rs_h5_open(path, &h, &err), RS_OK);
    assert_int_equal(rs_h5_get_str(h, "/g", "word", &word, &err), RS_OK);
    assert_string_equal(word, "nine lives");
    assert_int_equal(rs_h5_get_i64(h, "/", "number", &number, &err), RS_OK);
    assert_int_equal(number, -7);
    assert_int_equal(rs_h5_get_i64(h, "/g", "word", &number, &err), RS_ECORRUPT);
    assert_int_equal(rs_h5_data_open(h, "/g/ids", RS_H5_STR, 0, &ids, &err), RS_OK);
    for (size_t i = 0; i < ROWS; i += 501) {
        snprintf(want, sizeof want, "id-%zu", i);
        assert_int_equal(rs_h5_read(ids, i, 1, id, &err), RS_OK);
        assert_string_equal(id, want);
    }
    assert_int_equal(rs_h5_data_open(h, "/g/ids", RS_H5_F64, 0, &none, &err), RS_ECORRUPT);
    assert_int_equal(rs_h5_data_open(h, "/g/values", RS_H5_F32, WIDTH + 1, &none, &err), RS_ECORRUPT);
    assert_int_equal(rs_h5_data_open(h, "/g/absent", RS_H5_F32, 0, &none, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "/g/absent"));
}

/* Any flipped bit of a chunk is an error or changes nothing. */
static void test_codec_refuses(void **state)
{
    (void)state;
    enum { N = 500 };
    int64_t items[N], back[N];
    RS_AUTO(rs_codec) *c = rs_codec_new(N, sizeof *items);
    RS_AUTO(rs_codec) *d = rs_codec_new(N, sizeof *items);
    const uint8_t *bytes;
    size_t len;
    for (int64_t i = 0; i < N; i++)
        items[i] = i * i * 7919;
    assert_true(rs_codec_encode(c, items, N, sizeof *items, &bytes, &len));
    assert_null(rs_codec_decode(d, bytes, len, 0, back, N, sizeof *back));
    assert_memory_equal(items, back, sizeof items);
    rs_autofree uint8_t *damaged = calloc(len + RS_CODEC_PAD, 1);
    for (size_t bit = 0; bit < 8 * len; bit += 5) {
        memcpy(damaged, bytes, len);
        damaged[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_non_null(rs_codec_decode(d, damaged, len, 0, back, N, sizeof *back));
    }
    assert_non_null(rs_codec_decode(d, bytes, 3, 0, back, N, sizeof *back));
    /* without its checksum: neither too short nor too long by a byte, though what is missing follows */
    memcpy(damaged, bytes, len);
    assert_null(rs_codec_decode(d, damaged, len - 4, RS_CODEC_NO_CHECKSUM, back, N, sizeof *back));
    assert_non_null(rs_codec_decode(d, damaged, len - 5, RS_CODEC_NO_CHECKSUM, back, N, sizeof *back));
    assert_non_null(rs_codec_decode(d, damaged, len - 3, RS_CODEC_NO_CHECKSUM, back, N, sizeof *back));
    assert_non_null(rs_codec_decode(d, bytes, len, 0, back, N - 1, sizeof *back));
}

/* The three low bytes of such numbers, of 8, 8 and 7 bits by lot, are stored as they are, in blocks of at most 65,535
 * bytes (RFC 1951). */
static void test_codec_stores_noise(void **state)
{
    (void)state;
    enum { N = 40000 };
    rs_autofree float *items = rs_alloc(N, sizeof *items), *back = rs_alloc(N, sizeof *back);
    RS_AUTO(rs_codec) *c = rs_codec_new(N, sizeof *items);
    const uint8_t *bytes;
    size_t len;
    for (size_t i = 0; i < N; i++)
        items[i] = noise_at(i);
    assert_true(rs_codec_encode(c, items, N, sizeof *items, &bytes, &len));
    static const uint8_t first[] = { 0x78, 0x01, 0x00, 0xff, 0xff, 0x00, 0x00 };
    static const uint8_t second[] = { 0x00, 0xc1, 0xd4, 0x3e, 0x2b }; /* 120,000 - 65,535 = 0xd4c1 */
    assert_memory_equal(bytes, first, sizeof first);
    assert_memory_equal(bytes + sizeof first + 65535, second, sizeof second);
    assert_true(len < 3 * N + 2 * sizeof second + 2 + 100); /* the fourth byte is always the same */
    assert_null(rs_codec_decode(c, bytes, len, 0, back, N, sizeof *back));
    assert_memory_equal(items, back, N * sizeof *items);
    for (size_t i = 0; i < N; i++)
        items[i] = noise_at(i / 4); /* four times each: no noise, but three repeats of four */
    assert_true(rs_codec_encode(c, items, N, sizeof *items, &bytes, &len));
    assert_true(len < 2 * N);
    assert_null(rs_codec_decode(c, bytes, len, 0, back, N, sizeof *back));
    assert_memory_equal(items, back, N * sizeof *items);
}

/* A third of the numbers are zeros: the low bytes are worth 0.92 + 2/3 * 8 = 6.25 bits each, the third 5.6. */
static void test_codec_stores_half_noise(void **state)
{
    (void)state;
    enum { N = 8192 };
    rs_autofree float *items = rs_alloc(N, sizeof *items), *back = rs_alloc(N, sizeof *back);
    RS_AUTO(rs_codec) *c = rs_codec_new(N, sizeof *items);
    const uint8_t *bytes;
    size_t len;
    for (size_t i = 0; i < N; i++)
        items[i] = i % 3 ? noise_at(i) : 0;
    assert_true(rs_codec_encode(c, items, N, sizeof *items, &bytes, &len));
    static const uint8_t first[] = { 0x78, 0x01, 0x00, 0x00, 0x60, 0xff, 0x9f }; /* one block of 3 N */
    assert_memory_equal(bytes, first, sizeof first);
    assert_null(rs_codec_decode(c, bytes, len, 0, back, N, sizeof *back));
    assert_memory_equal(items, back, N * sizeof *items);
}

static void test_many_at_once(void **state)
{
    (void)state;
    enum { FIRST = 5000, N = 12000 }; /* from within a chunk to within another */
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_h5) *h = NULL;
    RS_AUTO(rs_h5_data) *values = NULL;
    RS_AUTO(rs_h5_data) *ids = NULL;
    rs_autofree float *rows = rs_alloc((size_t)N * WIDTH, sizeof *rows);
    rs_autofree char *texts = rs_alloc(N, 11);
    write_file();
    assert_int_equal(rs_h5_open(path, &h, &err), RS_OK);
    assert_int_equal(rs_h5_data_open(h, "/g/values", RS_H5_F32, WIDTH, &values, &err), RS_OK);
    assert_int_equal(rs_h5_data_open(h, "/g/ids", RS_H5_STR, 0, &ids, &err), RS_OK);
    struct rs_h5_range ranges[] = { { ids, FIRST, N, texts }, { values, FIRST, N, rows }, { values, ROWS, 0, rows } };
    assert_int_equal(rs_h5_read_all(ranges, RS_LEN(ranges), &err), RS_OK);
    for (size_t i = 0; i < N; i++) {
        char want[12];
        snprintf(want, sizeof want, "id-%zu", FIRST + i);
        assert_int_equal(strncmp(texts + 11 * i, want, 11), 0);
        for (size_t j = 0; j < WIDTH; j++)
            assert_true(rows[i * WIDTH + j] == value_at(FIRST + i, j));
    }
    ranges[1].n = ROWS;
    assert_int_equal(rs_h5_read_all(ranges, RS_LEN(ranges), &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "/g/values: rows 5000 to 25011 asked for, 20011 there"));
}

static void test_no_file(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    rs_h5 *h = NULL;
    assert_int_equal(rs_h5_open("/nowhere/fleet.h5", &h, &err), RS_ENOTFOUND);
    assert_int_equal(rs_h5_open("/tmp", &h, &err), RS_EFORMAT);
    FILE *f = fopen(path, "w");
    fputs("date,serial_number\n", f);
    fclose(f);
    assert_int_equal(rs_h5_open(path, &h, &err), RS_EFORMAT);
    assert_non_null(strstr(err.msg, "not an HDF5 file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_library_reads_ours), cmocka_unit_test(test_ours_reads_library),
        cmocka_unit_test(test_ours_reads_ours),    cmocka_unit_test(test_codec_refuses),
        cmocka_unit_test(test_codec_stores_noise), cmocka_unit_test(test_codec_stores_half_noise),
        cmocka_unit_test(test_many_at_once),       cmocka_unit_test(test_no_file),
    };
    close(mkstemp(path));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
