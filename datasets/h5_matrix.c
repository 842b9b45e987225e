/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of a matrix out of its chunks, on all cores: each task decodes a few chunks and lays them out by rows. A chunk
 * of one column is a stretch of numbers that lie a row apart in the result; sixteen such columns together fill whole
 * cache lines, so that the copying stays a small part of the decoding. */
#include "datasets/h5_private.h"

#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "common/parallel.h"

#define GROUP 16u /* columns of one task, where chunks have one column */

struct job {
    rs_h5_data *d;
    uint64_t first; /* row */
    size_t n;
    uint8_t *out;
    uint64_t first_chunk;
    uint32_t columns_per_task;
    size_t tasks_across; /* tasks of one row of chunks */
    size_t failed_task;  /* the first that failed, and why; under the lock of the library */
    enum rs_status status;
    struct rs_error error;
};

/* n rows of `columns` stretches of floats, each rows_of_stretch long, into rows that lie stride bytes apart. */
static void lay_out_floats(const float *in, size_t rows_of_stretch, size_t columns, size_t n, uint8_t *out,
                           size_t stride)
{
    size_t j = 0;
#ifdef __SSE__
    for (size_t i0 = 0; i0 + 4 <= n; i0 += 4)
        for (j = 0; j + 4 <= columns; j += 4) {
            const float *p = in + j * rows_of_stretch + i0;
            __m128 a = _mm_loadu_ps(p), b = _mm_loadu_ps(p + rows_of_stretch);
            __m128 c = _mm_loadu_ps(p + 2 * rows_of_stretch), d = _mm_loadu_ps(p + 3 * rows_of_stretch);
            uint8_t *q = out + i0 * stride + j * sizeof *in;
            _MM_TRANSPOSE4_PS(a, b, c, d);
            _mm_storeu_ps((float *)q, a);
            _mm_storeu_ps((float *)(q + stride), b);
            _mm_storeu_ps((float *)(q + 2 * stride), c);
            _mm_storeu_ps((float *)(q + 3 * stride), d);
        }
    j = columns - columns % 4;
    for (size_t i = n - n % 4; i < n; i++)
        for (size_t k = 0; k < j; k++)
            memcpy(out + i * stride + k * sizeof *in, in + k * rows_of_stretch + i, sizeof *in);
#endif
    for (size_t i = 0; i < n; i++)
        for (size_t k = j; k < columns; k++)
            memcpy(out + i * stride + k * sizeof *in, in + k * rows_of_stretch + i, sizeof *in);
}

static void lay_out_bytes(const uint8_t *in, size_t rows_of_stretch, size_t columns, size_t n, size_t size,
                          uint8_t *out, size_t stride)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < columns; k++)
            memcpy(out + i * stride + k * size, in + (k * rows_of_stretch + i) * size, size);
}

/* The worker's codec and scratch memory, made at its first task. */
static enum rs_status prepare(const rs_h5_data *d, struct rs_h5_worker *w, uint32_t chunks, struct rs_error *err)
{
    size_t items = (size_t)d->shape.chunk_rows * d->chunk_columns, bytes;
    if (!w->codec)
        w->codec = rs_codec_new(items, d->item_size);
    if (!w->scratch && rs_mul_size(items * d->item_size, chunks, &bytes))
        w->scratch = rs_alloc(bytes, 1);
    return w->codec && w->scratch ? RS_OK : rs_error_set(err, RS_ENOMEM, "no memory for a chunk of %s", d->path);
}

/* Chunks of one column each. */
static enum rs_status decode_columns(const struct job *j, struct rs_h5_worker *w, uint64_t chunk, uint32_t column,
                                     size_t skip, size_t take, uint8_t *out, struct rs_error *err)
{
    rs_h5_data *d = j->d;
    uint32_t n = RS_MIN(j->columns_per_task, d->shape.width - column);
    size_t rows = d->shape.chunk_rows, size = d->item_size;
    enum rs_status st = prepare(d, w, j->columns_per_task, err);
    for (uint32_t k = 0; k < n && st == RS_OK; k++)
        st = rs_h5_decode_chunk(d, w, chunk, column + k, w->scratch + k * rows * size, err);
    if (st < 0)
        return st;
    out += column * size;
    if (size == sizeof(float))
        lay_out_floats((const float *)(const void *)w->scratch + skip, rows, n, take, out, d->row_size);
    else
        lay_out_bytes(w->scratch + skip * size, rows, n, take, size, out, d->row_size);
    return RS_OK;
}

/* A chunk of several columns, as other writers make them: rows of it are copied as they are. */
static enum rs_status decode_rows(const struct job *j, struct rs_h5_worker *w, uint64_t chunk, uint32_t column,
                                  size_t skip, size_t take, uint8_t *out, struct rs_error *err)
{
    rs_h5_data *d = j->d;
    size_t pitch = d->chunk_columns * d->item_size;
    bool is_whole = d->chunk_columns == d->shape.width && take == d->shape.chunk_rows;
    enum rs_status st = prepare(d, w, 1, err);
    if (st == RS_OK)
        st = rs_h5_decode_chunk(d, w, chunk, column, is_whole ? out : w->scratch, err);
    if (st < 0 || is_whole)
        return st;
    size_t len = RS_MIN(d->chunk_columns, d->shape.width - column) * d->item_size;
    for (size_t i = 0; i < take; i++)
        memcpy(out + i * d->row_size + column * d->item_size, w->scratch + (skip + i) * pitch, len);
    return RS_OK;
}

static void run_task(void *arg, size_t task, unsigned worker)
{
    struct job *j = arg;
    rs_h5_data *d = j->d;
    struct rs_error err = RS_ERROR_INIT;
    uint64_t rows = d->shape.chunk_rows, chunk = j->first_chunk + task / j->tasks_across;
    uint32_t column = (uint32_t)(task % j->tasks_across) * j->columns_per_task;
    uint64_t from = RS_MAX(j->first, chunk * rows), to = RS_MIN(j->first + j->n, (chunk + 1) * rows);
    uint8_t *out = j->out + (size_t)(from - j->first) * d->row_size;
    enum rs_status (*decode)(const struct job *, struct rs_h5_worker *, uint64_t, uint32_t, size_t, size_t, uint8_t *,
                             struct rs_error *) = d->chunk_columns == 1 ? decode_columns : decode_rows;
    enum rs_status st =
        decode(j, &d->workers[worker], chunk, column, (size_t)(from - chunk * rows), (size_t)(to - from), out, &err);
    if (st >= 0)
        return;
    rs_h5_guard guard = rs_h5_lock();
    if (task > j->failed_task)
        return;
    j->failed_task = task;
    j->status = st;
    j->error = err;
}

enum rs_status rs_h5_read_matrix(rs_h5_data *d, uint64_t first, size_t n, uint8_t *out, struct rs_error *err)
{
    uint32_t rows = d->shape.chunk_rows;
    struct job j = { .d = d,
                     .first = first,
                     .n = n,
                     .out = out,
                     .first_chunk = first / rows,
                     .columns_per_task = d->chunk_columns == 1 ? RS_MIN(GROUP, d->shape.width) : d->chunk_columns,
                     .failed_task = SIZE_MAX,
                     .error = RS_ERROR_INIT };
    if (!n)
        return RS_OK;
    j.tasks_across = (d->shape.width + j.columns_per_task - 1) / j.columns_per_task;
    size_t n_tasks = (size_t)((first + n - 1) / rows - j.first_chunk + 1) * j.tasks_across;
    rs_parallel((unsigned)d->n_workers, n_tasks, run_task, &j);
    return j.status < 0 ? rs_error_set(err, j.status, "%s", j.error.msg) : RS_OK;
}
