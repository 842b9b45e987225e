/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The only door to the HDF5 library: files, groups, attributes, and datasets that are written and read in chunks.
 *
 * Errors of the library become ours, with its innermost message; it prints nothing itself. Datasets are columns (width
 * 0) or matrices of rows x width, chunked by rows (a matrix by rows of one of its columns), filtered by shuffle,
 * deflate and fletcher32. What this door reads may come from anywhere: types, ranks and sizes are checked on opening,
 * and no buffer is larger than the limits below. Chunks of the usual filters are decoded by datasets/codec.h; others,
 * such as a repacked file has, by the library. A handle belongs to one thread at a time;
 * different ones, also of one file, may be used by different threads at once: calls of the library are serialised by
 * one lock, decoding runs outside of it, on all cores (RESEAT_THREADS) where much is read at once. */
#ifndef RS_DATASETS_H5_H
#define RS_DATASETS_H5_H

#include "common/base.h"
#include "common/error.h"

#define RS_H5_CHUNK_MAX ((size_t)64 << 20) /* bytes of one chunk */
#define RS_H5_STR_MAX 4096
#define RS_H5_ROWS_MAX ((uint64_t)1 << 48)

/* Holds the lock of the library over several calls. */
void rs_h5_enter(void);
void rs_h5_leave(void);

typedef struct rs_h5 rs_h5;           /* an open file */
typedef struct rs_h5_data rs_h5_data; /* an open dataset of it; freed before the file is closed */

enum rs_h5_type { RS_H5_I8, RS_H5_I32, RS_H5_U32, RS_H5_I64, RS_H5_U64, RS_H5_F32, RS_H5_F64, RS_H5_STR };

struct rs_h5_shape {
    enum rs_h5_type type;
    size_t str_size;     /* RS_H5_STR: bytes of each, padded with NULs; else 0 */
    uint32_t width;      /* 0 for a column; of a matrix the number of columns */
    uint32_t chunk_rows; /* > 0 when created; found out when opened */
};

/* Creates or truncates path. The same calls always make the same bytes: no times are kept. */
enum rs_status rs_h5_create(const char *path, rs_h5 **out, struct rs_error *err);
/* Opens for reading. RS_ENOTFOUND, RS_EIO; RS_EFORMAT where it is no HDF5 file; RS_ECORRUPT. */
enum rs_status rs_h5_open(const char *path, rs_h5 **out, struct rs_error *err);
/* Flushes and closes; takes h even where it fails. */
enum rs_status rs_h5_close(rs_h5 *h, struct rs_error *err);
void rs_h5_abandon(rs_h5 *h);
RS_DEFINE_AUTO(rs_h5, rs_h5_abandon)

enum rs_status rs_h5_group(rs_h5 *h, const char *path, struct rs_error *err);
bool rs_h5_has(rs_h5 *h, const char *path);

/* Attributes of a group or dataset. Getting: RS_ECORRUPT where it is absent or of another type. */
enum rs_status rs_h5_put_i64(rs_h5 *h, const char *object, const char *name, int64_t v, struct rs_error *err);
enum rs_status rs_h5_put_f64(rs_h5 *h, const char *object, const char *name, double v, struct rs_error *err);
enum rs_status rs_h5_put_str(rs_h5 *h, const char *object, const char *name, const char *text, struct rs_error *err);
enum rs_status rs_h5_get_i64(rs_h5 *h, const char *object, const char *name, int64_t *out, struct rs_error *err);
enum rs_status rs_h5_get_f64(rs_h5 *h, const char *object, const char *name, double *out, struct rs_error *err);
bool rs_h5_has_attr(rs_h5 *h, const char *object, const char *name);
/* *out is the caller's to free; at most RS_H5_STR_MAX bytes. */
enum rs_status rs_h5_get_str(rs_h5 *h, const char *object, const char *name, char **out, struct rs_error *err);

enum rs_status rs_h5_data_create(rs_h5 *h, const char *path, const struct rs_h5_shape *shape, rs_h5_data **out,
                                 struct rs_error *err);
/* Adds n rows, laid out one after the other; whole chunks go to the file. RS_EIO, RS_ENOSPACE where the disk is full,
 * RS_ENOMEM. */
enum rs_status rs_h5_append(rs_h5_data *d, const void *rows, size_t n, struct rs_error *err);
/* Writes the last, partly filled chunk. Call it once, after the last append. */
enum rs_status rs_h5_data_finish(rs_h5_data *d, struct rs_error *err);

/* Opens a dataset and checks that it is of this type and width (width of a matrix may be UINT32_MAX: any). */
enum rs_status rs_h5_data_open(rs_h5 *h, const char *path, enum rs_h5_type type, uint32_t width, rs_h5_data **out,
                               struct rs_error *err);
uint64_t rs_h5_rows(const rs_h5_data *d);
const struct rs_h5_shape *rs_h5_shape(const rs_h5_data *d);
size_t rs_h5_row_size(const rs_h5_data *d); /* bytes */
/* Reads rows [first, first + n) into out; RS_ECORRUPT where the range runs past the end or a chunk is damaged. Reading
 * onwards in small steps decodes each chunk of a column once. */
enum rs_status rs_h5_read(rs_h5_data *d, uint64_t first, size_t n, void *out, struct rs_error *err);

/* Rows [first, first + n) of a dataset, to out. */
struct rs_h5_range {
    rs_h5_data *data;
    uint64_t first;
    size_t n;
    void *out;
};

#define RS_H5_RANGES_MAX 4
/* Reads at most RS_H5_RANGES_MAX ranges of different datasets, all cores busy with all of them. Where several
 * fail, one of their errors, the same in every run; what out holds is unspecified then. */
enum rs_status rs_h5_read_all(const struct rs_h5_range *ranges, size_t n, struct rs_error *err);
void rs_h5_data_free(rs_h5_data *d);
RS_DEFINE_AUTO(rs_h5_data, rs_h5_data_free)

#endif
