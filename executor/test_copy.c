/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The copy's checksum: the same for the same bytes however they are cut and whether zeros are written or holes, and
 * different for any other bytes, places or lengths. Jobs are tested on real hosts (tests/migrate.sh). */
#include "copy.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SIZE ((size_t)5 * 4096 + 1234)

static uint8_t content[SIZE];

static int fill(void **state)
{
    (void)state;
    uint32_t x = 2463534242u; /* Marsaglia's xorshift, so that a failure repeats */
    for (size_t i = 0; i < SIZE; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        content[i] = (uint8_t)x;
    }
    memset(content + 4096, 0, 2 * 4096 + 100); /* two whole zero blocks and a part */
    return 0;
}

static const char *sum_of(const uint8_t *p, size_t len, char out[RS_COPY_SUM_MAX])
{
    RS_AUTO(rs_copy_sum) *s = rs_copy_sum_new();
    assert_non_null(s);
    rs_copy_sum_data(s, p, len);
    return rs_copy_sum_end(s, out);
}

static void test_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = { 1, 7, 512, 4095, 4096, 4097, 10000 };
    char want[RS_COPY_SUM_MAX], got[RS_COPY_SUM_MAX];
    sum_of(content, SIZE, want);
    for (size_t k = 0; k < RS_LEN(pieces); k++) {
        RS_AUTO(rs_copy_sum) *s = rs_copy_sum_new();
        for (size_t i = 0; i < SIZE; i += pieces[k])
            rs_copy_sum_data(s, content + i, RS_MIN(pieces[k], SIZE - i));
        assert_string_equal(rs_copy_sum_end(s, got), want);
    }
}

static void test_holes(void **state)
{
    (void)state;
    static const struct {
        size_t from, to; /* given as a hole */
    } cases[] = { { 4096, 12288 }, { 4096, 12388 }, { 5000, 12000 }, { 4096, 4097 }, { 6000, 6000 } };
    char want[RS_COPY_SUM_MAX], got[RS_COPY_SUM_MAX];
    sum_of(content, SIZE, want);
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        RS_AUTO(rs_copy_sum) *s = rs_copy_sum_new();
        rs_copy_sum_data(s, content, cases[i].from);
        rs_copy_sum_hole(s, cases[i].to - cases[i].from);
        rs_copy_sum_data(s, content + cases[i].to, SIZE - cases[i].to);
        assert_string_equal(rs_copy_sum_end(s, got), want);
    }
}

static void test_differences(void **state)
{
    (void)state;
    static const size_t places[] = { 0, 4095, 4096, 9000, 12388, SIZE - 1 };
    uint8_t *other = test_malloc(SIZE + 1);
    char want[RS_COPY_SUM_MAX], got[RS_COPY_SUM_MAX];
    sum_of(content, SIZE, want);
    for (size_t i = 0; i < RS_LEN(places); i++) {
        memcpy(other, content, SIZE);
        other[places[i]] ^= 1;
        assert_string_not_equal(sum_of(other, SIZE, got), want);
    }
    memcpy(other, content, SIZE);
    other[SIZE] = 0;
    assert_string_not_equal(sum_of(other, SIZE + 1, got), want); /* a zero more */
    assert_string_not_equal(sum_of(other, SIZE - 1, got), want);
    test_free(other);
}

/* The same block elsewhere, between zeros. */
static void test_places(void **state)
{
    (void)state;
    char sums[2][RS_COPY_SUM_MAX];
    for (uint64_t i = 0; i < 2; i++) {
        RS_AUTO(rs_copy_sum) *s = rs_copy_sum_new();
        rs_copy_sum_hole(s, (1 + i) * 4096);
        rs_copy_sum_data(s, content, 4096);
        rs_copy_sum_hole(s, (2 - i) * 4096);
        rs_copy_sum_end(s, sums[i]);
    }
    assert_string_not_equal(sums[0], sums[1]);
}

static void test_nothing(void **state)
{
    (void)state;
    char empty[RS_COPY_SUM_MAX], hole[RS_COPY_SUM_MAX], zeros[RS_COPY_SUM_MAX];
    static const uint8_t zero[10000];
    RS_AUTO(rs_copy_sum) *s = rs_copy_sum_new();
    rs_copy_sum_hole(s, sizeof zero);
    rs_copy_sum_end(s, hole);
    sum_of(content, 0, empty);
    assert_string_equal(sum_of(zero, sizeof zero, zeros), hole);
    assert_string_not_equal(empty, hole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces), cmocka_unit_test(test_holes),   cmocka_unit_test(test_differences),
        cmocka_unit_test(test_places), cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
