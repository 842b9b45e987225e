/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What sorter.c (pool, temporary file) and sorter_merge.c (runs, merge) share. */
#ifndef RS_DATASETS_SORTER_PRIVATE_H
#define RS_DATASETS_SORTER_PRIVATE_H

#include "datasets/sorter.h"

#define RS_SPILL_BUFFER ((size_t)1 << 20)

/* In the pool a record is a head word (number of key words, payload length << 8), its key, its payload. */
static inline size_t rs_head_words(uint64_t head)
{
    return (size_t)(head & 0xff);
}
static inline size_t rs_head_len(uint64_t head)
{
    return (size_t)(head >> 8);
}

struct rs_sort_entry {
    uint64_t word; /* one word of the key, the first at the beginning */
    uint32_t at;   /* where the record is in the pool, in words */
    uint32_t unused;
};

struct rs_sort_run { /* a stretch of the temporary file */
    uint64_t begin, end;
};

struct rs_merge;

struct rs_sorter {
    char *folder;
    uint64_t *pool;
    size_t pool_words, pool_used;
    size_t n_entries;
    uint32_t last;  /* the record added last */
    bool is_sorted; /* what is in the pool came in order */
    uint64_t count;
    size_t next_entry; /* handing out from memory */

    int fd;
    uint64_t file_size; /* without what is in spill */
    uint8_t *spill;     /* RS_SPILL_BUFFER bytes on their way to the file */
    size_t spill_len;
    uint64_t spill_prev[RS_KEY_WORDS]; /* key before, in the run being written */
    size_t spill_prev_words;
    struct rs_sort_run *runs;
    size_t n_runs, runs_cap;
    struct rs_merge *merge;
};

/* The lowest entry, which is the newest until rs_sorter_order_pool() has sorted them. */
static inline struct rs_sort_entry *rs_sorter_entries(const rs_sorter *s)
{
    return (struct rs_sort_entry *)(void *)(s->pool + s->pool_words) - s->n_entries;
}
void rs_sorter_order_pool(rs_sorter *s);

enum rs_status rs_spill_begin(rs_sorter *s, struct rs_error *err);
enum rs_status rs_spill_put(rs_sorter *s, const uint64_t *key, size_t n_words, const uint8_t *payload, size_t len,
                            struct rs_error *err);
enum rs_status rs_spill_flush(rs_sorter *s, struct rs_error *err);

/* Takes the pool as its read buffers. */
enum rs_status rs_merge_start(rs_sorter *s, struct rs_error *err);
enum rs_status rs_merge_next(struct rs_merge *m, struct rs_sort_record *out, struct rs_error *err);
void rs_merge_free(struct rs_merge *m);

#endif
