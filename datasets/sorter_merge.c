/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The runs of the temporary file: how a record is written there, and the merge of many runs by a tree of losers.
 *
 * A record of a run is the number of key words (1 byte); for each word the number of low bytes in which it differs from
 * the same word of the record before (4 bits each), then those bytes of their exclusive or; the payload's length
 * (1 byte, 255 for a 4-byte length behind); the payload. Neighbours in a sorted run share most of their keys, so that
 * this takes a third of the plain words. */
#include "sorter.h"

#include <fcntl.h>

#include "datasets/sorter_private.h"

#define RECORD_MAX (1 + RS_KEY_WORDS / 2 + 1 + RS_KEY_WORDS * 8 + 5 + RS_SORT_PAYLOAD_MAX)
#define READ_MIN ((size_t)128 << 10) /* the least that one run reads at once; more than RECORD_MAX */
#define SLACK 8                      /* words are read and written whole, past their last byte */

_Static_assert(RECORD_MAX + SLACK <= READ_MIN, "a record must fit the smallest read buffer");
_Static_assert(RECORD_MAX + SLACK <= RS_SPILL_BUFFER, "a record must fit the write buffer");

enum rs_status rs_spill_put(rs_sorter *s, const uint64_t *key, size_t n_words, const uint8_t *payload, size_t len,
                            struct rs_error *err)
{
    if (s->spill_len + RECORD_MAX + SLACK > RS_SPILL_BUFFER) {
        enum rs_status st = rs_spill_flush(s, err);
        if (st < 0)
            return st;
    }
    uint8_t *p = s->spill + s->spill_len;
    *p++ = (uint8_t)n_words;
    uint8_t *nibbles = p;
    memset(nibbles, 0, (n_words + 1) / 2);
    p += (n_words + 1) / 2;
    for (size_t i = 0; i < n_words; i++) {
        uint64_t x = key[i] ^ (i < s->spill_prev_words ? s->spill_prev[i] : 0);
        unsigned bytes = x ? (unsigned)(71 - __builtin_clzll(x)) / 8 : 0;
        nibbles[i / 2] |= (uint8_t)(bytes << (4 * (i & 1)));
        memcpy(p, &x, 8);
        p += bytes;
        s->spill_prev[i] = key[i];
    }
    s->spill_prev_words = n_words;
    if (len < 255) {
        *p++ = (uint8_t)len;
    } else {
        uint32_t n = (uint32_t)len;
        *p++ = 255;
        memcpy(p, &n, 4);
        p += 4;
    }
    memcpy(p, payload, len);
    s->spill_len = (size_t)(p + len - s->spill);
    return RS_OK;
}

struct head { /* of one run: its foremost record */
    uint64_t key[RS_KEY_WORDS];
    size_t n_words; /* 0: the run is used up */
    const uint8_t *payload;
    size_t len;
    uint8_t *buffer;
    size_t start, end;   /* unread part of buffer */
    uint64_t next, stop; /* what the file still has */
};

struct rs_merge {
    rs_sorter *sorter;
    size_t n;    /* runs */
    size_t room; /* bytes of each buffer */
    struct head *heads;
    uint32_t *losers; /* [1, n): inner nodes of the tree; [0]: the winner */
    bool is_started;
};

static enum rs_status refill(const struct rs_merge *m, struct head *h, struct rs_error *err)
{
    memmove(h->buffer, h->buffer + h->start, h->end - h->start);
    h->end -= h->start;
    h->start = 0;
    while (h->end < m->room - SLACK && h->next < h->stop) {
        size_t want = (size_t)RS_MIN((uint64_t)(m->room - SLACK - h->end), h->stop - h->next);
        ssize_t n = pread(m->sorter->fd, h->buffer + h->end, want, (off_t)h->next);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rs_error_errno(err, RS_EIO, "%s: temporary file for sorting", m->sorter->folder);
        if (n == 0)
            return rs_error_set(err, RS_EIO, "%s: temporary file for sorting ended early", m->sorter->folder);
        h->end += (size_t)n;
        h->next += (uint64_t)n;
    }
    return RS_OK;
}

/* Decodes the next record of a run; its payload stays in the buffer until the next call. */
static enum rs_status advance(const struct rs_merge *m, struct head *h, struct rs_error *err)
{
    if (h->end - h->start < RECORD_MAX && h->next < h->stop) {
        enum rs_status st = refill(m, h, err);
        if (st < 0)
            return st;
    }
    if (h->start == h->end) {
        h->n_words = 0;
        return RS_OK;
    }
    const uint8_t *p = h->buffer + h->start;
    size_t n_words = *p++;
    const uint8_t *nibbles = p;
    p += (n_words + 1) / 2;
    for (size_t i = 0; i < n_words; i++) {
        unsigned bytes = nibbles[i / 2] >> (4 * (i & 1)) & 15;
        uint64_t x;
        memcpy(&x, p, 8);
        x = bytes == 8 ? x : x & (((uint64_t)1 << 8 * bytes) - 1);
        h->key[i] = x ^ (i < h->n_words ? h->key[i] : 0);
        p += bytes;
    }
    h->n_words = n_words;
    h->len = *p++;
    if (h->len == 255) {
        uint32_t n;
        memcpy(&n, p, 4);
        h->len = n;
        p += 4;
    }
    h->payload = p;
    h->start = (size_t)(p + h->len - h->buffer);
    return RS_OK;
}

/* Whether run a's record goes before run b's; equal keys by age, a run used up behind all others. */
static bool goes_before(const struct rs_merge *m, uint32_t a, uint32_t b)
{
    const struct head *x = &m->heads[a], *y = &m->heads[b];
    if (!x->n_words || !y->n_words)
        return x->n_words && (!y->n_words || a < b);
    size_t n = RS_MIN(x->n_words, y->n_words);
    for (size_t i = 0; i < n; i++)
        if (x->key[i] != y->key[i])
            return x->key[i] < y->key[i];
    return a < b;
}

/* The new record of run `w` climbs from its leaf; at each node the loser stays. */
static void replay(struct rs_merge *m, uint32_t w)
{
    for (size_t node = (m->n + w) / 2; node >= 1; node /= 2)
        if (goes_before(m, m->losers[node], w)) {
            uint32_t loser = w;
            w = m->losers[node];
            m->losers[node] = loser;
        }
    m->losers[0] = w;
}

/* Winner of the subtree at node; leaves are the nodes n .. 2n - 1. */
static uint32_t build(struct rs_merge *m, size_t node)
{
    if (node >= m->n)
        return (uint32_t)(node - m->n);
    uint32_t a = build(m, 2 * node), b = build(m, 2 * node + 1);
    bool is_a = goes_before(m, a, b);
    m->losers[node] = is_a ? b : a;
    return is_a ? a : b;
}

/* A merge of n runs that reads through slices of the pool. */
static enum rs_status merge_new(rs_sorter *s, const struct rs_sort_run *runs, size_t n, struct rs_merge **out,
                                struct rs_error *err)
{
    struct rs_merge *m = rs_alloc(1, sizeof *m);
    if (!m)
        return rs_error_set(err, RS_ENOMEM, "no memory to merge");
    m->sorter = s;
    m->n = n;
    m->room = s->pool_words * sizeof(uint64_t) / n;
    m->heads = rs_alloc(n, sizeof *m->heads);
    m->losers = rs_alloc(n, sizeof *m->losers);
    enum rs_status st = m->heads && m->losers ? RS_OK : rs_error_set(err, RS_ENOMEM, "no memory to merge");
    for (size_t i = 0; i < n && st == RS_OK; i++) {
        struct head *h = &m->heads[i];
        h->buffer = (uint8_t *)s->pool + i * m->room;
        h->next = runs[i].begin;
        h->stop = runs[i].end;
        st = advance(m, h, err);
    }
    if (st < 0) {
        rs_merge_free(m);
        return st;
    }
    m->losers[0] = n > 1 ? build(m, 1) : 0;
    *out = m;
    return RS_OK;
}

void rs_merge_free(struct rs_merge *m)
{
    if (!m)
        return;
    free(m->heads);
    free(m->losers);
    free(m);
}

enum rs_status rs_merge_next(struct rs_merge *m, struct rs_sort_record *out, struct rs_error *err)
{
    uint32_t w = m->losers[0];
    if (m->is_started) {
        enum rs_status st = advance(m, &m->heads[w], err);
        if (st < 0)
            return st;
        if (m->n > 1)
            replay(m, w);
        w = m->losers[0];
    }
    m->is_started = true;
    const struct head *h = &m->heads[w];
    if (!h->n_words)
        return RS_OK;
    *out = (struct rs_sort_record){ h->key, h->n_words, h->payload, h->len };
    return RS_CONTINUE;
}

/* Merges runs [first, first + n), neighbours so that equal keys keep their order, into one run at the file's end, and
 * gives their space back. */
static enum rs_status merge_runs(rs_sorter *s, size_t first, size_t n, struct rs_sort_run *out, struct rs_error *err)
{
    struct rs_merge *m = NULL;
    s->spill_prev_words = 0;
    out->begin = s->file_size;
    enum rs_status st = merge_new(s, s->runs + first, n, &m, err);
    struct rs_sort_record r;
    while (st == RS_OK && (st = rs_merge_next(m, &r, err)) == RS_CONTINUE)
        st = rs_spill_put(s, r.key, r.n_words, r.payload, r.len, err);
    rs_merge_free(m);
    if (st == RS_OK)
        st = rs_spill_flush(s, err);
    out->end = s->file_size;
    for (size_t i = first; i < first + n; i++) /* where the file system cannot, the space comes back at the end */
        fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)s->runs[i].begin,
                  (off_t)(s->runs[i].end - s->runs[i].begin));
    return st;
}

enum rs_status rs_merge_start(rs_sorter *s, struct rs_error *err)
{
    size_t fan_in = s->pool_words * sizeof(uint64_t) / READ_MIN;
    while (s->n_runs > fan_in) {
        size_t n_merged = 0;
        for (size_t first = 0; first < s->n_runs; first += fan_in) {
            struct rs_sort_run merged;
            enum rs_status st = merge_runs(s, first, RS_MIN(fan_in, s->n_runs - first), &merged, err);
            if (st < 0)
                return st;
            s->runs[n_merged++] = merged;
        }
        s->n_runs = n_merged;
    }
    return merge_new(s, s->runs, s->n_runs, &s->merge, err);
}
