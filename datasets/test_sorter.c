/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sorter against qsort: keys with long common beginnings, equal keys, payloads of all sizes, memory so small that
 * runs are merged in several levels. */
#include "sorter.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct item {
    char id[24];
    int64_t time;
    uint32_t seq;
};

static uint64_t random_state = 0x2545f4914f6cdd1du;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int by_key(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int c = strcmp(x->id, y->id);
    if (c)
        return c;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->seq < y->seq ? -1 : 1;
}

static size_t key_of(const struct item *it, uint64_t *key)
{
    size_t n = rs_key_put_id(key, it->id, strlen(it->id));
    key[n] = rs_key_of_i64(it->time);
    return n + 1;
}

/* A payload from which the item's number can be told, of a length that the number tells. */
static size_t payload_of(uint32_t seq, uint8_t *out)
{
    size_t len = seq % 977 == 0 ? 5000 : 4 + seq % 60;
    memset(out, (int)(seq & 0xff), len);
    memcpy(out, &seq, 4);
    return len;
}

static void check_sorted(rs_sorter *s, struct item *items, size_t n)
{
    struct rs_sort_record r;
    uint64_t key[RS_KEY_WORDS];
    uint8_t payload[8192];
    qsort(items, n, sizeof *items, by_key);
    assert_int_equal(rs_sorter_sort(s, NULL), RS_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(rs_sorter_next(s, &r, NULL), RS_CONTINUE);
        assert_int_equal(r.n_words, key_of(&items[i], key));
        assert_memory_equal(r.key, key, r.n_words * sizeof *key);
        assert_int_equal(r.len, payload_of(items[i].seq, payload));
        assert_memory_equal(r.payload, payload, r.len);
    }
    assert_int_equal(rs_sorter_next(s, &r, NULL), RS_OK);
}

static void sort_items(struct item *items, size_t n, size_t memory, size_t *out_runs)
{
    RS_AUTO(rs_sorter) *s = NULL;
    uint64_t key[RS_KEY_WORDS];
    uint8_t payload[8192];
    assert_int_equal(rs_sorter_new("/tmp", memory, &s, NULL), RS_OK);
    for (size_t i = 0; i < n; i++) {
        items[i].seq = (uint32_t)i;
        assert_int_equal(rs_sorter_add(s, key, key_of(&items[i], key), payload, payload_of((uint32_t)i, payload), NULL),
                         RS_OK);
    }
    *out_runs = s->n_runs;
    check_sorted(s, items, n);
}

static void fill(struct item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t r = next_random();
        snprintf(items[i].id, sizeof items[i].id, "SERIAL-%.*s%u", (int)(r % 9), "00000000", (unsigned)(r >> 20) % 500);
        items[i].time = (int64_t)(next_random() % 7) - 3;
    }
}

static void test_in_memory(void **state)
{
    (void)state;
    size_t n = 3000, runs;
    rs_autofree struct item *items = rs_alloc(n, sizeof *items);
    fill(items, n);
    sort_items(items, n, (size_t)8 << 20, &runs);
    assert_int_equal(runs, 0);
}

static void test_many_runs(void **state)
{
    (void)state;
    size_t n = 60000, runs; /* 256 KiB hold some 1,500 of them, and merge 2 runs at once: six levels */
    rs_autofree struct item *items = rs_alloc(n, sizeof *items);
    fill(items, n);
    sort_items(items, n, 1, &runs);
    assert_in_range(runs, 20, 100);
}

static void test_sorted_input_is_one_run(void **state)
{
    (void)state;
    size_t n = 20000, runs;
    rs_autofree struct item *items = rs_alloc(n, sizeof *items);
    fill(items, n);
    qsort(items, n, sizeof *items, by_key);
    sort_items(items, n, 1, &runs);
    assert_int_equal(runs, 1);
}

/* The first test: the fault of main() strikes at the first spill. */
static void test_full_disk(void **state)
{
    (void)state;
    RS_AUTO(rs_sorter) *s = NULL;
    struct rs_error err = RS_ERROR_INIT;
    uint64_t key[1] = { 1 };
    uint8_t payload[60000] = { 0 };
    enum rs_status st = RS_OK;
    assert_int_equal(rs_sorter_new("/tmp", 1, &s, &err), RS_OK);
    for (int i = 0; i < 20 && st == RS_OK; i++)
        st = rs_sorter_add(s, key, 1, payload, sizeof payload, &err);
    assert_int_equal(st, RS_ENOSPACE);
    assert_non_null(strstr(err.msg, "No space left on device"));
}

static void test_keys(void **state)
{
    (void)state;
    static const char *const ids[] = { "", "A", "AB", "ABCDEFG", "ABCDEFGH", "ABCDEFGHI", "B", "\xff\xfe" };
    for (size_t i = 1; i < RS_LEN(ids); i++) {
        uint64_t a[RS_KEY_WORDS], b[RS_KEY_WORDS];
        char back[256];
        size_t n = rs_key_put_id(a, ids[i - 1], strlen(ids[i - 1])), m = rs_key_put_id(b, ids[i], strlen(ids[i])), len;
        size_t k = 0;
        while (k < RS_MIN(n, m) && a[k] == b[k])
            k++;
        assert_true(k < RS_MIN(n, m) && a[k] < b[k]); /* no key begins another */
        assert_int_equal(rs_key_get_id(b, m, back, &len), m);
        assert_int_equal(len, strlen(ids[i]));
        assert_memory_equal(back, ids[i], len);
    }
    assert_true(rs_key_of_i64(INT64_MIN) < rs_key_of_i64(-1) && rs_key_of_i64(-1) < rs_key_of_i64(0));
    assert_int_equal(rs_key_to_i64(rs_key_of_i64(-12345)), -12345);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_in_memory),
        cmocka_unit_test(test_many_runs),
        cmocka_unit_test(test_sorted_input_is_one_run),
    };
    setenv("RS_FAULT", "sorter.spill:1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
