/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sorts any number of records in flat memory: fills a pool, sorts it, spills it as a run to an unlinked temporary file,
 * and merges the runs at the end.
 *
 * A key is a sequence of 64-bit words compared one after the other; no key may be the beginning of another one. Equal
 * keys keep the order in which they were added. Input that comes sorted, or in long sorted stretches, is not sorted
 * again and makes long runs. A struct rs_sorter belongs to one thread. */
#ifndef RS_DATASETS_SORTER_H
#define RS_DATASETS_SORTER_H

#include "common/base.h"
#include "common/error.h"

#define RS_KEY_WORDS 66 /* two ids of 255 bytes and two numbers */
#define RS_SORT_PAYLOAD_MAX ((size_t)64 << 10)

typedef struct rs_sorter rs_sorter;

struct rs_sort_record {
    const uint64_t *key;
    size_t n_words;
    const uint8_t *payload;
    size_t len;
};

/* folder is where a temporary file may lie; memory is the size of the pool (at least 256 KiB is taken). */
enum rs_status rs_sorter_new(const char *folder, size_t memory, rs_sorter **out, struct rs_error *err);
void rs_sorter_free(rs_sorter *s);
RS_DEFINE_AUTO(rs_sorter, rs_sorter_free)

uint64_t rs_sorter_count(const rs_sorter *s);

/* RS_ENOSPACE and RS_EIO where the temporary file cannot be written. */
enum rs_status rs_sorter_add(rs_sorter *s, const uint64_t *key, size_t n_words, const void *payload, size_t len,
                             struct rs_error *err);
/* Room for a record of at most len bytes of payload, which the caller fills in and rs_sorter_commit() adds. */
enum rs_status rs_sorter_reserve(rs_sorter *s, const uint64_t *key, size_t n_words, size_t len, uint8_t **out_payload,
                                 struct rs_error *err);
void rs_sorter_commit(rs_sorter *s, size_t len);

/* Ends the input. */
enum rs_status rs_sorter_sort(rs_sorter *s, struct rs_error *err);
/* RS_CONTINUE with the next record, whose memory lives until the next call; RS_OK at the end; RS_EIO. */
enum rs_status rs_sorter_next(rs_sorter *s, struct rs_sort_record *out, struct rs_error *err);

/* Keys. An id takes rs_key_id_words(len) words: its bytes, at least one NUL, padded with NULs, big-endian, so that the
 * order of words is that of bytes and no id's words begin another's. */
static inline size_t rs_key_id_words(size_t len)
{
    return len / 8 + 1;
}
/* Writes the words; returns their number. */
size_t rs_key_put_id(uint64_t *key, const char *id, size_t len);
/* The id back as text; returns the number of words it took. buf has room for 256 bytes. */
size_t rs_key_get_id(const uint64_t *key, size_t n_words, char buf[256], size_t *out_len);
/* A signed number as a word of the same order, and back. */
static inline uint64_t rs_key_of_i64(int64_t v)
{
    return (uint64_t)v ^ (uint64_t)1 << 63;
}
static inline int64_t rs_key_to_i64(uint64_t w)
{
    return (int64_t)(w ^ (uint64_t)1 << 63);
}

#endif
