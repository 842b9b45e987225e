/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Columns cut into bins. A task takes as many columns as a row has in a cache line, and sorts each by radix. */
#include <math.h>

#include "common/parallel.h"
#include "predictor/boost.h"

#define KNOTS_MAX (RS_BOOST_BINS - 1)
#define QUANTILES (KNOTS_MAX - 3) /* each side of the most common value may need a knot of its own */
#define COLUMNS 16                /* of a task */
#define DIGIT 11                  /* bits of a key that one pass sorts by */
#define DIGITS 3
#define BUCKETS (1u << DIGIT)

/* Memory of a worker. */
struct scratch {
    float *column[COLUMNS]; /* n of each */
    uint32_t *key, *swap;   /* n */
};

struct job {
    const float *x;
    size_t stride;
    const uint32_t *rows;
    struct rs_bins *b;
    struct scratch *scratch; /* one for each worker */
};

/* Keys ascend as the numbers do. */
static uint32_t key_of(float x)
{
    uint32_t bits;
    x += 0.0f; /* one zero */
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float number_of(uint32_t key)
{
    uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t digit_of(uint32_t key, int d)
{
    return key >> (DIGIT * d) & (BUCKETS - 1);
}

/* Keys of v, ascending: sorted digit by digit, the lowest first. */
static const uint32_t *sort_keys(const float *v, size_t n, const struct scratch *s)
{
    uint32_t count[DIGITS][BUCKETS] = { 0 }, *from = s->key, *to = s->swap;
    for (size_t i = 0; i < n; i++) {
        from[i] = key_of(v[i]);
        for (int d = 0; d < DIGITS; d++)
            count[d][digit_of(from[i], d)]++;
    }
    for (int d = 0; d < DIGITS && n; d++) {
        if (count[d][digit_of(from[0], d)] == n)
            continue; /* all have this digit in common */
        for (uint32_t k = 0, at = 0; k < BUCKETS; k++) {
            uint32_t next = at + count[d][k];
            count[d][k] = at;
            at = next;
        }
        for (size_t i = 0; i < n; i++)
            to[count[d][digit_of(from[i], d)]++] = from[i];
        uint32_t *was = from;
        from = to;
        to = was;
    }
    return from;
}

/* Between two neighbours, and below the upper one for certain. */
static float middle(float low, float high)
{
    float m = low / 2 + high / 2;
    return m >= low && m < high ? m : low;
}

struct runs {
    size_t n, longest; /* runs of equal keys, and rows of the longest */
    uint32_t mode;
};

static struct runs count_runs(const uint32_t *key, size_t n)
{
    struct runs r = { 0 };
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && key[end] == key[i];)
            end++;
        r.n++;
        if (end - i > r.longest) {
            r.longest = end - i;
            r.mode = key[i];
        }
    }
    return r;
}

/* math.md F30 */
static size_t place_knots(const uint32_t *key, size_t n, float *knot)
{
    struct runs r = count_runs(key, n);
    size_t n_knots = 0, rows = 0;
    size_t rows_min = r.n <= RS_BOOST_BINS ? 1 : (n - r.longest) / QUANTILES + 1;
    for (size_t i = 0, end; i < n && n_knots < KNOTS_MAX; i = end) {
        for (end = i + 1; end < n && key[end] == key[i];)
            end++;
        rows += end - i;
        if (end == n)
            break;
        if (rows < rows_min && key[i] != r.mode && key[end] != r.mode)
            continue;
        knot[n_knots++] = middle(number_of(key[i]), number_of(key[end]));
        rows = 0;
    }
    return n_knots;
}

/* How many of 63 knots are below x. */
static uint8_t code_of(const float *knot, float x)
{
    size_t low = 0;
    for (size_t step = RS_BOOST_BINS / 2; step; step /= 2)
        low += x > knot[low + step - 1] ? step : 0;
    return (uint8_t)low;
}

static void cut_column(struct rs_bins *b, size_t j, const float *v, const struct scratch *s)
{
    float *knot = b->knot + j * RS_BOOST_BINS, filled[RS_BOOST_BINS];
    b->n_knots[j] = (uint8_t)place_knots(sort_keys(v, b->n, s), b->n, knot);
    for (size_t k = 0; k < RS_BOOST_BINS; k++)
        filled[k] = k < b->n_knots[j] ? knot[k] : INFINITY;
    for (size_t i = 0; i < b->n; i++)
        b->code[j * b->n + i] = code_of(filled, v[i]);
}

static void cut_columns(void *arg, size_t task, unsigned worker)
{
    struct job *job = arg;
    struct rs_bins *b = job->b;
    const struct scratch *s = &job->scratch[worker];
    size_t first = task * COLUMNS, n = RS_MIN((size_t)COLUMNS, b->d - first);
    for (size_t i = 0; i < b->n; i++) {
        const float *x = job->x + job->rows[i] * job->stride + first;
        for (size_t j = 0; j < n; j++)
            s->column[j][i] = x[j];
    }
    for (size_t j = 0; j < n; j++)
        cut_column(b, first + j, s->column[j], s);
}

/* numbers, keys: the memory of all workers */
static void share_out(struct scratch *scratch, unsigned n_workers, size_t n, float *numbers, uint32_t *keys)
{
    for (unsigned w = 0; w < n_workers; w++) {
        for (size_t j = 0; j < COLUMNS; j++)
            scratch[w].column[j] = numbers + (w * COLUMNS + j) * n;
        scratch[w].key = keys + 2 * w * n;
        scratch[w].swap = scratch[w].key + n;
    }
}

enum rs_status rs_bins_make(const float *x, size_t stride, size_t d, const uint32_t *rows, size_t n, unsigned n_threads,
                            struct rs_bins *out, struct rs_error *err)
{
    size_t cells, tasks = (d + COLUMNS - 1) / COLUMNS;
    unsigned threads = (unsigned)RS_MIN((size_t)(n_threads ? n_threads : rs_threads()), RS_MAX(tasks, (size_t)1));
    rs_auto_bins b = { .n = n, .d = d };
    rs_autofree float *numbers = rs_alloc(RS_MAX(n, (size_t)1), threads * COLUMNS * sizeof *numbers);
    rs_autofree uint32_t *keys = rs_alloc(RS_MAX(n, (size_t)1), threads * 2 * sizeof *keys);
    rs_autofree struct scratch *scratch = rs_alloc(threads, sizeof *scratch);
    if (rs_mul_size(n, d, &cells))
        b.code = rs_alloc(cells, 1);
    b.knot = rs_alloc(d, RS_BOOST_BINS * sizeof *b.knot);
    b.n_knots = rs_alloc(d, 1);
    if (!numbers || !keys || !scratch || !b.code || !b.knot || !b.n_knots)
        return rs_error_set(err, RS_ENOMEM, "bins of %zu rows by %zu features: out of memory", n, d);
    share_out(scratch, threads, n, numbers, keys);
    struct job job = { .x = x, .stride = stride, .rows = rows, .b = &b, .scratch = scratch };
    rs_parallel(threads, tasks, cut_columns, &job);
    *out = b;
    b = (struct rs_bins){ 0 };
    return RS_OK;
}

void rs_bins_clear(struct rs_bins *b)
{
    free(b->code);
    free(b->knot);
    free(b->n_knots);
    *b = (struct rs_bins){ 0 };
}
