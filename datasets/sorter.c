/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filling the pool, sorting it, and the temporary file; the runs' format and their merge are in sorter_merge.c.
 *
 * The pool holds records from its front (header word, key words, payload) and from its back one entry of 16 bytes for
 * each of them, with as much room again below for the radix sort. */
#include "sorter.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "common/fault.h"
#include "common/file.h"
#include "datasets/sorter_private.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define SMALL 40 /* entries that an insertion sort does faster than counting */

/* Sorting jumps about in the pool: with huge pages it spends its time on data rather than on page tables. */
static uint64_t *pool_new(size_t size)
{
    void *pool = NULL;
    if (size < HUGE_PAGE)
        return malloc(size);
    if (posix_memalign(&pool, HUGE_PAGE, size) != 0)
        return NULL;
    madvise(pool, size, MADV_HUGEPAGE);
    return pool;
}

enum rs_status rs_sorter_new(const char *folder, size_t memory, rs_sorter **out, struct rs_error *err)
{
    RS_AUTO(rs_sorter) *s = rs_alloc(1, sizeof *s);
    if (s)
        s->fd = -1;
    size_t words = RS_MAX(memory, (size_t)256 << 10) / sizeof(uint64_t) & ~(size_t)1;
    if (!s || !(s->folder = strdup(folder)) || !(s->pool = pool_new(words * sizeof(uint64_t))))
        return rs_error_set(err, RS_ENOMEM, "no memory to sort in (%zu bytes asked for)", memory);
    s->pool_words = RS_MIN(words, (size_t)UINT32_MAX - 1);
    s->is_sorted = true;
    *out = rs_take(s);
    return RS_OK;
}

void rs_sorter_free(rs_sorter *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    rs_merge_free(s->merge);
    free(s->runs);
    free(s->spill);
    free(s->pool);
    free(s->folder);
    free(s);
}

uint64_t rs_sorter_count(const rs_sorter *s)
{
    return s->count;
}

/* Keys. */

size_t rs_key_put_id(uint64_t *key, const char *id, size_t len)
{
    size_t words = rs_key_id_words(len), whole = len / 8;
    uint64_t w;
    for (size_t i = 0; i < whole; i++) {
        memcpy(&w, id + 8 * i, 8);
        key[i] = __builtin_bswap64(w);
    }
    w = 0;
    memcpy(&w, id + 8 * whole, len % 8);
    key[whole] = __builtin_bswap64(w);
    return words;
}

size_t rs_key_get_id(const uint64_t *key, size_t n_words, char buf[256], size_t *out_len)
{
    size_t words = 0;
    while (words < n_words && words < 256 / 8) {
        uint64_t w = __builtin_bswap64(key[words]);
        memcpy(buf + 8 * words++, &w, 8);
        if (memchr(&w, 0, 8))
            break;
    }
    *out_len = strnlen(buf, 8 * words);
    return words;
}

/* Sorting the pool. */

static inline const uint64_t *record(const rs_sorter *s, uint32_t at)
{
    return s->pool + at;
}

/* Order of two keys whose first `from` words are equal. */
static bool is_less(const rs_sorter *s, const struct rs_sort_entry *a, const struct rs_sort_entry *b, size_t from)
{
    if (a->word != b->word)
        return a->word < b->word;
    const uint64_t *x = record(s, a->at), *y = record(s, b->at);
    size_t n = RS_MIN(rs_head_words(*x), rs_head_words(*y));
    for (size_t i = from + 1; i < n; i++)
        if (x[1 + i] != y[1 + i])
            return x[1 + i] < y[1 + i];
    return false;
}

static void sort_small(const rs_sorter *s, struct rs_sort_entry *e, size_t n, size_t from)
{
    for (size_t i = 1; i < n; i++) {
        struct rs_sort_entry x = e[i];
        size_t j = i;
        for (; j > 0 && is_less(s, &x, &e[j - 1], from); j--)
            e[j] = e[j - 1];
        e[j] = x;
    }
}

/* Stable radix sort by the entries' word, skipping the bytes in which all of them agree. */
static void sort_by_word(struct rs_sort_entry *e, struct rs_sort_entry *scratch, size_t n)
{
    uint64_t differ = 0;
    for (size_t i = 1; i < n; i++)
        differ |= e[i].word ^ e[0].word;
    struct rs_sort_entry *from = e, *to = scratch;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (!(differ >> shift & 0xff))
            continue;
        uint32_t place[256] = { 0 }, sum = 0;
        for (size_t i = 0; i < n; i++)
            place[from[i].word >> shift & 0xff]++;
        for (size_t b = 0; b < 256; b++) {
            uint32_t count = place[b];
            place[b] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            to[place[from[i].word >> shift & 0xff]++] = from[i];
        struct rs_sort_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != e)
        memcpy(e, from, n * sizeof *e);
}

/* Sorts entries whose keys agree in the words before `from`, their word being the key's word `from`. */
static void sort_range(const rs_sorter *s, struct rs_sort_entry *e, struct rs_sort_entry *scratch, size_t n,
                       size_t from)
{
    if (n <= SMALL) {
        sort_small(s, e, n, from);
        return;
    }
    sort_by_word(e, scratch, n);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && e[j].word == e[i].word; j++)
            ;
        if (j - i < 2 || from + 1 >= rs_head_words(*record(s, e[i].at)))
            continue;
        for (size_t k = i; k < j; k++) {
            __builtin_prefetch(record(s, e[RS_MIN(k + 16, j - 1)].at) + 2 + from);
            e[k].word = record(s, e[k].at)[2 + from];
        }
        sort_range(s, e + i, scratch, j - i, from + 1);
    }
}

void rs_sorter_order_pool(rs_sorter *s)
{
    /* Entries grow downwards: the newest lies lowest. Turn them round so that the sort is stable. */
    struct rs_sort_entry *e = rs_sorter_entries(s);
    for (size_t i = 0, j = s->n_entries; i + 1 < j; i++) {
        struct rs_sort_entry x = e[i];
        e[i] = e[--j];
        e[j] = x;
    }
    if (!s->is_sorted)
        sort_range(s, e, e - s->n_entries, s->n_entries, 0);
}

/* Spilling. */

static enum rs_status open_spill(rs_sorter *s, struct rs_error *err)
{
    s->spill = malloc(RS_SPILL_BUFFER);
    if (!s->spill)
        return rs_error_set(err, RS_ENOMEM, "no memory to spill to %s", s->folder);
    s->fd = open(s->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd >= 0)
        return RS_OK;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/.reseat-sort-XXXXXX", s->folder) >= (int)sizeof path)
        return rs_error_set(err, RS_EINVAL, "%s: path too long", s->folder);
    s->fd = mkostemp(path, O_CLOEXEC); /* the file system knows no O_TMPFILE */
    if (s->fd < 0)
        return rs_error_errno(err, rs_status_from_errno(errno), "%s: no temporary file for sorting", s->folder);
    unlink(path);
    return RS_OK;
}

enum rs_status rs_spill_flush(rs_sorter *s, struct rs_error *err)
{
    for (size_t done = 0; done < s->spill_len;) {
        ssize_t n = write(s->fd, s->spill + done, s->spill_len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n >= 0 && rs_fault_hit("sorter.spill")) {
            n = -1;
            errno = ENOSPC;
        }
        if (n < 0)
            return rs_error_errno(err, rs_status_from_errno(errno), "%s: temporary file for sorting", s->folder);
        done += (size_t)n;
    }
    s->file_size += s->spill_len;
    s->spill_len = 0;
    return RS_OK;
}

enum rs_status rs_spill_begin(rs_sorter *s, struct rs_error *err)
{
    if (s->fd < 0) {
        enum rs_status st = open_spill(s, err);
        if (st < 0)
            return st;
    }
    if (s->n_runs == s->runs_cap) {
        size_t cap = s->runs_cap ? 2 * s->runs_cap : 64;
        struct rs_sort_run *grown = rs_realloc(s->runs, cap, sizeof *grown);
        if (!grown)
            return rs_error_set(err, RS_ENOMEM, "no memory for %zu sorted runs", cap);
        s->runs = grown;
        s->runs_cap = cap;
    }
    s->spill_prev_words = 0;
    return RS_OK;
}

/* Whether the pool's first key is not below the last one spilled, so that it goes on with that run. */
static bool continues_run(const rs_sorter *s, const uint64_t *first)
{
    if (s->n_runs == 0 || s->spill_prev_words == 0)
        return false;
    size_t n = RS_MIN(s->spill_prev_words, rs_head_words(*first));
    for (size_t i = 0; i < n; i++)
        if (first[1 + i] != s->spill_prev[i])
            return first[1 + i] > s->spill_prev[i];
    return true;
}

static enum rs_status spill_pool(rs_sorter *s, struct rs_error *err)
{
    if (s->n_entries == 0)
        return RS_OK;
    rs_sorter_order_pool(s);
    const struct rs_sort_entry *e = rs_sorter_entries(s);
    enum rs_status st = RS_OK;
    if (!continues_run(s, record(s, e[0].at))) {
        st = rs_spill_begin(s, err);
        if (st < 0)
            return st;
        s->runs[s->n_runs++] = (struct rs_sort_run){ .begin = s->file_size };
    }
    size_t n = s->n_entries;
    for (size_t i = 0; i < n && st == RS_OK; i++) {
        __builtin_prefetch(record(s, e[RS_MIN(i + 8, n - 1)].at));
        const uint64_t *r = record(s, e[i].at);
        size_t words = rs_head_words(*r);
        st = rs_spill_put(s, r + 1, words, (const uint8_t *)(r + 1 + words), rs_head_len(*r), err);
    }
    if (st == RS_OK)
        st = rs_spill_flush(s, err);
    s->runs[s->n_runs - 1].end = s->file_size;
    s->pool_used = s->n_entries = 0;
    s->is_sorted = true;
    return st;
}

/* Adding. */

static bool is_below_last(const rs_sorter *s, const uint64_t *key, size_t n_words)
{
    const uint64_t *last = record(s, s->last);
    size_t n = RS_MIN(n_words, rs_head_words(*last));
    for (size_t i = 0; i < n; i++)
        if (key[i] != last[1 + i])
            return key[i] < last[1 + i];
    return false;
}

enum rs_status rs_sorter_reserve(rs_sorter *s, const uint64_t *key, size_t n_words, size_t len, uint8_t **out_payload,
                                 struct rs_error *err)
{
    if (n_words < 1 || n_words > RS_KEY_WORDS || len > RS_SORT_PAYLOAD_MAX)
        return rs_error_set(err, RS_EINVAL, "a record of %zu bytes is too large to sort", len);
    size_t words = 1 + n_words + (len + 7) / 8;
    size_t entry_words = 2 * (s->n_entries + 1) * (sizeof(struct rs_sort_entry) / 8);
    enum rs_status st = RS_OK;
    if (s->pool_used + words + entry_words > s->pool_words)
        st = spill_pool(s, err);
    else if (s->n_entries && s->is_sorted && is_below_last(s, key, n_words)) {
        /* A long sorted stretch ends: better a run of its own than to sort it with what follows. */
        if (s->pool_used > s->pool_words / 4)
            st = spill_pool(s, err);
        else
            s->is_sorted = false;
    }
    if (st < 0)
        return st;
    uint64_t *r = s->pool + s->pool_used;
    r[0] = n_words;
    memcpy(r + 1, key, n_words * sizeof *key);
    *out_payload = (uint8_t *)(r + 1 + n_words);
    return RS_OK;
}

void rs_sorter_commit(rs_sorter *s, size_t len)
{
    uint64_t *r = s->pool + s->pool_used;
    size_t n_words = (size_t)r[0];
    r[0] |= (uint64_t)len << 8;
    s->last = (uint32_t)s->pool_used;
    s->n_entries++;
    *rs_sorter_entries(s) = (struct rs_sort_entry){ .word = r[1], .at = s->last };
    s->pool_used += 1 + n_words + (len + 7) / 8;
    s->count++;
}

enum rs_status rs_sorter_add(rs_sorter *s, const uint64_t *key, size_t n_words, const void *payload, size_t len,
                             struct rs_error *err)
{
    uint8_t *p;
    enum rs_status st = rs_sorter_reserve(s, key, n_words, len, &p, err);
    if (st < 0)
        return st;
    if (len)
        memcpy(p, payload, len);
    rs_sorter_commit(s, len);
    return RS_OK;
}

enum rs_status rs_sorter_sort(rs_sorter *s, struct rs_error *err)
{
    if (s->n_runs == 0) { /* all in memory: no file at all */
        rs_sorter_order_pool(s);
        return RS_OK;
    }
    enum rs_status st = spill_pool(s, err);
    if (st == RS_OK)
        st = rs_merge_start(s, err);
    return st;
}

enum rs_status rs_sorter_next(rs_sorter *s, struct rs_sort_record *out, struct rs_error *err)
{
    if (s->merge)
        return rs_merge_next(s->merge, out, err);
    if (s->next_entry == s->n_entries)
        return RS_OK;
    const uint64_t *r = record(s, rs_sorter_entries(s)[s->next_entry++].at);
    size_t words = rs_head_words(*r);
    *out = (struct rs_sort_record){ r + 1, words, (const uint8_t *)(r + 1 + words), rs_head_len(*r) };
    return RS_CONTINUE;
}
