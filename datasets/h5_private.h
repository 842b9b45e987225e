/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What h5.c, h5_data.c and h5_chunks.c share: the library itself. Nobody else may include this. */
#ifndef RS_DATASETS_H5_PRIVATE_H
#define RS_DATASETS_H5_PRIVATE_H

#include <hdf5.h>

#include "datasets/codec.h"
#include "datasets/h5.h"

#define RS_H5_NO_CHUNK UINT64_MAX
#define RS_H5_WORKERS_MAX 16u

struct rs_h5 {
    hid_t file;
};

#define RS_H5_GROUP 16u /* columns of one task, where chunks have one column */

/* A chunk as it is in the file: where in rs_h5_worker.raw, and which filters it lacks, in the bits of codec.h. */
struct rs_h5_encoded {
    size_t at, len;
    unsigned mask;
};

/* What one thread needs to decode chunks; codec and scratch are made at the first use. */
struct rs_h5_worker {
    rs_codec *codec;
    uint8_t *raw; /* encoded chunks, those of one task */
    size_t raw_cap;
    struct rs_h5_encoded encoded[RS_H5_GROUP];
    uint8_t *scratch; /* decoded chunks that are still to be laid out by rows */
};

struct rs_h5_data {
    hid_t id;
    char *path;
    struct rs_h5_shape shape;
    size_t item_size, row_size;
    uint64_t rows;   /* in the file; when writing, also those still in the buffer */
    bool is_ours;    /* chunk layout and filters are those that codec.h knows */
    rs_codec *codec; /* for writing */
    uint8_t *buffer; /* chunk_rows rows: gathered for writing; the decoded chunk of a column when reading */
    size_t n_buffered;
    uint64_t chunk; /* reading: index of the chunk in buffer */
    uint32_t chunk_columns;
    unsigned absent, n_filters; /* absent: filters that the dataset lacks, in the bits of codec.h */
    uint8_t bit_of[3];          /* bit of each of its filters there */
    struct rs_h5_worker *workers;
    size_t n_workers;
};

/* The library is not made for threads: whoever calls it holds this lock. It may be taken again by its holder. */
typedef struct {
    int unused;
} rs_h5_guard_t;
rs_h5_guard_t rs_h5_lock(void);
void rs_h5_unlock(const rs_h5_guard_t *guard);
#define rs_h5_guard __attribute__((cleanup(rs_h5_unlock), unused)) rs_h5_guard_t

/* Rows of any layout, by the library. */
enum rs_status rs_h5_read_hyperslab(const struct rs_h5_range *r, struct rs_error *err);

static inline void rs_cleanup_hid(hid_t *id)
{
    if (*id > 0)
        H5Idec_ref(*id);
}
#define rs_auto_hid __attribute__((cleanup(rs_cleanup_hid))) hid_t

/* "object: what: the library's innermost message", and forgets it there. RS_ENOSPACE instead of status where the disk
 * is full. */
enum rs_status rs_h5_error(struct rs_error *err, enum rs_status status, const char *what, const char *object);

/* Fixed-length UTF-8 text padded with NULs, a new handle. */
hid_t rs_h5_str_type(size_t size);

#endif
