/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows out of encoded chunks, on all cores: each task fetches a few chunks in one turn at the library, decodes them
 * and lays them out by rows. A chunk of one column is a stretch of numbers that lie a row apart in the result; sixteen
 * such columns together fill whole cache lines, so that the copying stays a small part of the decoding. */
#include "datasets/h5_private.h"

#include <assert.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "common/parallel.h"
#include "common/reserve.h"

/* What one task reads of one dataset: chunks side by side, from a row of chunks and a column on. */
struct piece {
    rs_h5_data *d;
    uint64_t chunk;
    uint32_t column, n_chunks;
};

/* One dataset's share of a job. */
struct share {
    struct rs_h5_range range;
    uint64_t first_chunk;
    uint32_t columns_per_task;
    size_t tasks_across; /* tasks of one row of chunks */
    size_t n_tasks;
};

struct job {
    struct share shares[RS_H5_RANGES_MAX];
    size_t n_shares;
    size_t failed_task; /* the first that failed, and why; under the lock of the library */
    enum rs_status status;
    struct rs_error error;
};

/* Fetching and decoding. */

static enum rs_status grow_raw(struct rs_h5_worker *w, size_t want, struct rs_error *err)
{
    if (want <= w->raw_cap)
        return RS_OK;
    size_t cap = RS_MAX(want, 2 * w->raw_cap);
    uint8_t *grown = rs_realloc(w->raw, cap, 1);
    if (!grown)
        return rs_error_set(err, RS_ENOMEM, "no memory for encoded chunks");
    w->raw = grown;
    w->raw_cap = cap;
    return RS_OK;
}

/* The encoded chunk at d's row and column to w->raw + at. */
static enum rs_status fetch_chunk(rs_h5_data *d, struct rs_h5_worker *w, const hsize_t offset[2], size_t at,
                                  struct rs_h5_encoded *out, struct rs_error *err)
{
    uint32_t mask = 0;
    hsize_t len;
    if (H5Dget_chunk_storage_size(d->id, offset, &len) < 0)
        return rs_h5_error(err, RS_ECORRUPT, "its index of chunks is damaged", d->path);
    /* Another writer's deflate may do somewhat worse than ours at its worst. */
    if (len == 0 || len > 2 * rs_codec_bound(w->codec) + 1024)
        return rs_error_set(err, RS_ECORRUPT, "%s: row %llu: its chunk is missing or of an impossible length", d->path,
                            (unsigned long long)offset[0]);
    enum rs_status st = grow_raw(w, at + (size_t)len + RS_CODEC_PAD, err);
    if (st < 0)
        return st;
    if (H5Dread_chunk(d->id, H5P_DEFAULT, offset, &mask, w->raw + at) < 0)
        return rs_h5_error(err, RS_ECORRUPT, "a chunk cannot be read", d->path);
    *out = (struct rs_h5_encoded){ at, (size_t)len, d->absent };
    for (unsigned i = 0; i < d->n_filters; i++)
        if (mask >> i & 1)
            out->mask |= 1u << d->bit_of[i];
    return RS_OK;
}

/* All chunks of a piece, in one turn at the library: a turn costs more than what it is taken for. */
static enum rs_status fetch(const struct piece *p, struct rs_h5_worker *w, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    hsize_t offset[2] = { p->chunk * p->d->shape.chunk_rows, p->column };
    size_t at = 0;
    for (uint32_t k = 0; k < p->n_chunks; k++, offset[1]++) {
        enum rs_status st = fetch_chunk(p->d, w, offset, at, &w->encoded[k], err);
        if (st < 0)
            return st;
        at += w->encoded[k].len;
    }
    memset(w->raw + at, 0, RS_CODEC_PAD);
    return RS_OK;
}

/* The piece's chunks into out, one after the other: chunk_rows x chunk_columns items each. */
static enum rs_status decode(const struct piece *p, struct rs_h5_worker *w, void *out, struct rs_error *err)
{
    const rs_h5_data *d = p->d;
    size_t n = (size_t)d->shape.chunk_rows * d->chunk_columns;
    uint8_t *to = out;
    enum rs_status st = fetch(p, w, err);
    for (uint32_t k = 0; k < p->n_chunks && st == RS_OK; k++, to += n * d->item_size) {
        const struct rs_h5_encoded *e = &w->encoded[k];
        const char *wrong = rs_codec_decode(w->codec, w->raw + e->at, e->len, e->mask, to, n, d->item_size);
        if (wrong)
            st = rs_error_set(err, RS_ECORRUPT, "%s: chunk at row %llu: %s", d->path,
                              (unsigned long long)(p->chunk * d->shape.chunk_rows), wrong);
    }
    return st;
}

/* The worker's codec and scratch memory, made at its first task. */
static enum rs_status prepare(const rs_h5_data *d, struct rs_h5_worker *w, uint32_t chunks, struct rs_error *err)
{
    size_t items = (size_t)d->shape.chunk_rows * d->chunk_columns, bytes;
    if (!w->codec)
        w->codec = rs_codec_new(items, d->item_size);
    if (!w->scratch && rs_mul_size(items * d->item_size, chunks, &bytes))
        w->scratch = rs_reserve(bytes, 1);
    return w->codec && w->scratch ? RS_OK : rs_error_set(err, RS_ENOMEM, "no memory for a chunk of %s", d->path);
}

/* Laying out. */

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

/* Chunks of one column each: rows [skip, skip + take) of them. */
static enum rs_status read_columns(const struct piece *p, struct rs_h5_worker *w, size_t skip, size_t take,
                                   uint8_t *out, struct rs_error *err)
{
    const rs_h5_data *d = p->d;
    size_t rows = d->shape.chunk_rows, size = d->item_size;
    enum rs_status st = decode(p, w, w->scratch, err);
    if (st < 0)
        return st;
    out += p->column * size;
    if (size == sizeof(float))
        lay_out_floats((const float *)(const void *)w->scratch + skip, rows, p->n_chunks, take, out, d->row_size);
    else
        lay_out_bytes(w->scratch + skip * size, rows, p->n_chunks, take, size, out, d->row_size);
    return RS_OK;
}

/* A chunk of whole rows, or of several columns as other writers make them: rows of it are copied as they are. */
static enum rs_status read_rows(const struct piece *p, struct rs_h5_worker *w, size_t skip, size_t take, uint8_t *out,
                                struct rs_error *err)
{
    const rs_h5_data *d = p->d;
    size_t pitch = d->chunk_columns * d->item_size;
    bool is_row = pitch == d->row_size, is_whole = is_row && take == d->shape.chunk_rows;
    enum rs_status st = decode(p, w, is_whole ? out : w->scratch, err);
    if (st < 0 || is_whole)
        return st;
    if (is_row) {
        memcpy(out, w->scratch + skip * pitch, take * pitch);
        return RS_OK;
    }
    size_t len = RS_MIN(d->chunk_columns * d->item_size, d->row_size - p->column * d->item_size);
    for (size_t i = 0; i < take; i++)
        memcpy(out + i * d->row_size + p->column * d->item_size, w->scratch + (skip + i) * pitch, len);
    return RS_OK;
}

static enum rs_status read_piece(const struct share *s, size_t task, unsigned worker, struct rs_error *err)
{
    const struct rs_h5_range *r = &s->range;
    rs_h5_data *d = r->data;
    uint32_t width = RS_MAX(d->shape.width, 1u), column = (uint32_t)(task % s->tasks_across) * s->columns_per_task;
    struct piece p = { .d = d,
                       .chunk = s->first_chunk + task / s->tasks_across,
                       .column = column,
                       .n_chunks = d->chunk_columns == 1 ? RS_MIN(s->columns_per_task, width - column) : 1 };
    uint64_t rows = d->shape.chunk_rows;
    uint64_t from = RS_MAX(r->first, p.chunk * rows), to = RS_MIN(r->first + r->n, (p.chunk + 1) * rows);
    uint8_t *out = (uint8_t *)r->out + (size_t)(from - r->first) * d->row_size;
    bool is_stretch = d->chunk_columns == 1 && width > 1;
    struct rs_h5_worker *w = &d->workers[worker];
    enum rs_status st = prepare(d, w, is_stretch ? s->columns_per_task : 1, err);
    if (st < 0)
        return st;
    return (is_stretch ? read_columns : read_rows)(&p, w, (size_t)(from - p.chunk * rows), (size_t)(to - from), out,
                                                   err);
}

static void run_task(void *arg, size_t task, unsigned worker)
{
    struct job *j = arg;
    struct rs_error err = RS_ERROR_INIT;
    const struct share *s = j->shares;
    size_t of_share = task;
    for (; of_share >= s->n_tasks; s++)
        of_share -= s->n_tasks;
    enum rs_status st = read_piece(s, of_share, worker, &err);
    if (st >= 0)
        return;
    rs_h5_guard guard = rs_h5_lock();
    if (task > j->failed_task)
        return;
    j->failed_task = task;
    j->status = st;
    j->error = err;
}

static struct share plan_share(const struct rs_h5_range *r)
{
    const rs_h5_data *d = r->data;
    uint32_t rows = d->shape.chunk_rows, width = RS_MAX(d->shape.width, 1u);
    struct share s = { .range = *r,
                       .first_chunk = r->first / rows,
                       .columns_per_task = d->chunk_columns == 1 ? RS_MIN(RS_H5_GROUP, width) : d->chunk_columns };
    s.tasks_across = (width + s.columns_per_task - 1) / s.columns_per_task;
    s.n_tasks = (size_t)((r->first + r->n - 1) / rows - s.first_chunk + 1) * s.tasks_across;
    return s;
}

/* Onwards in small steps: the chunk is kept. */
static enum rs_status read_column(const struct rs_h5_range *r, struct rs_error *err)
{
    rs_h5_data *d = r->data;
    uint32_t rows = d->shape.chunk_rows;
    uint8_t *out = r->out;
    uint64_t first = r->first;
    for (size_t n = r->n; n;) {
        uint64_t chunk = first / rows;
        if (chunk != d->chunk) {
            struct piece p = { d, chunk, 0, 1 };
            d->chunk = RS_H5_NO_CHUNK;
            if (!d->buffer && !(d->buffer = rs_alloc(rows, d->item_size)))
                return rs_error_set(err, RS_ENOMEM, "no memory for a chunk of %s", d->path);
            enum rs_status st = prepare(d, &d->workers[0], 1, err);
            if (st == RS_OK)
                st = decode(&p, &d->workers[0], d->buffer, err);
            if (st < 0)
                return st;
            d->chunk = chunk;
        }
        size_t skip = (size_t)(first % rows), take = RS_MIN(n, rows - skip);
        memcpy(out, d->buffer + skip * d->item_size, take * d->item_size);
        out += take * d->item_size;
        first += take;
        n -= take;
    }
    return RS_OK;
}

static enum rs_status check_range(const struct rs_h5_range *r, struct rs_error *err)
{
    const rs_h5_data *d = r->data;
    if (r->first <= d->rows && r->n <= d->rows - r->first)
        return RS_OK;
    return rs_error_set(err, RS_ECORRUPT, "%s: rows %llu to %llu asked for, %llu there", d->path,
                        (unsigned long long)r->first, (unsigned long long)(r->first + r->n),
                        (unsigned long long)d->rows);
}

enum rs_status rs_h5_read_all(const struct rs_h5_range *ranges, size_t n, struct rs_error *err)
{
    struct job j = { .failed_task = SIZE_MAX, .error = RS_ERROR_INIT };
    size_t n_tasks = 0, n_workers = RS_H5_WORKERS_MAX;
    assert(n <= RS_H5_RANGES_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct rs_h5_range *r = &ranges[i];
        const rs_h5_data *d = r->data;
        enum rs_status st = check_range(r, err);
        if (st == RS_OK && r->n && !d->is_ours)
            st = rs_h5_read_hyperslab(r, err);
        else if (st == RS_OK && d->shape.width == 0 && r->n < d->shape.chunk_rows)
            st = read_column(r, err);
        else if (st == RS_OK && r->n) {
            j.shares[j.n_shares] = plan_share(r);
            n_tasks += j.shares[j.n_shares++].n_tasks;
            n_workers = RS_MIN(n_workers, d->n_workers);
        }
        if (st < 0)
            return st;
    }
    rs_parallel((unsigned)n_workers, n_tasks, run_task, &j);
    return j.status < 0 ? rs_error_set(err, j.status, "%s", j.error.msg) : RS_OK;
}

enum rs_status rs_h5_read(rs_h5_data *d, uint64_t first, size_t n, void *out, struct rs_error *err)
{
    return rs_h5_read_all(&(struct rs_h5_range){ d, first, n, out }, 1, err);
}
