/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Columns cut into bins. */
#include "common/parallel.h"
#include "predictor/boost.h"

#define KNOTS_MAX (RS_BOOST_BINS - 1)
#define QUANTILES (KNOTS_MAX - 3) /* each side of the most common value may need a knot of its own */

struct job {
    const float *x;
    size_t stride;
    const uint32_t *rows;
    struct rs_bins *b;
    float *sorted; /* n for each worker */
};

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Between two neighbours, and below the upper one for certain. */
static float middle(float low, float high)
{
    float m = low / 2 + high / 2;
    return m >= low && m < high ? m : low;
}

struct runs {
    size_t n, longest; /* runs of equal values, and rows of the longest */
    float mode;
};

static struct runs count_runs(const float *v, size_t n)
{
    struct runs r = { 0 };
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && v[end] == v[i];)
            end++;
        r.n++;
        if (end - i > r.longest) {
            r.longest = end - i;
            r.mode = v[i];
        }
    }
    return r;
}

/* math.md F30 */
static size_t place_knots(const float *v, size_t n, float *knot)
{
    struct runs r = count_runs(v, n);
    size_t n_knots = 0, rows = 0;
    size_t rows_min = r.n <= RS_BOOST_BINS ? 1 : (n - r.longest) / QUANTILES + 1;
    for (size_t i = 0, end; i < n && n_knots < KNOTS_MAX; i = end) {
        for (end = i + 1; end < n && v[end] == v[i];)
            end++;
        rows += end - i;
        if (end == n)
            break;
        if (rows < rows_min && v[i] != r.mode && v[end] != r.mode)
            continue;
        knot[n_knots++] = middle(v[i], v[end]);
        rows = 0;
    }
    return n_knots;
}

static uint8_t code_of(const float *knot, size_t n_knots, float x)
{
    size_t low = 0, high = n_knots; /* knots below low are < x, those from high on are not */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (x > knot[mid])
            low = mid + 1;
        else
            high = mid;
    }
    return (uint8_t)low;
}

static void cut_column(void *arg, size_t j, unsigned worker)
{
    struct job *job = arg;
    struct rs_bins *b = job->b;
    float *v = job->sorted + worker * b->n, *knot = b->knot + j * RS_BOOST_BINS;
    for (size_t i = 0; i < b->n; i++)
        v[i] = job->x[job->rows[i] * job->stride + j];
    qsort(v, b->n, sizeof *v, compare_floats);
    b->n_knots[j] = (uint8_t)place_knots(v, b->n, knot);
    for (size_t i = 0; i < b->n; i++)
        b->code[j * b->n + i] = code_of(knot, b->n_knots[j], job->x[job->rows[i] * job->stride + j]);
}

enum rs_status rs_bins_make(const float *x, size_t stride, size_t d, const uint32_t *rows, size_t n, unsigned n_threads,
                            struct rs_bins *out, struct rs_error *err)
{
    size_t cells;
    unsigned threads = n_threads ? n_threads : rs_threads();
    rs_auto_bins b = { .n = n, .d = d };
    rs_autofree float *sorted = rs_alloc(RS_MAX(n, (size_t)1), threads * sizeof *sorted);
    if (rs_mul_size(n, d, &cells))
        b.code = rs_alloc(cells, 1);
    b.knot = rs_alloc(d, RS_BOOST_BINS * sizeof *b.knot);
    b.n_knots = rs_alloc(d, 1);
    if (!sorted || !b.code || !b.knot || !b.n_knots)
        return rs_error_set(err, RS_ENOMEM, "bins of %zu rows by %zu features", n, d);
    struct job job = { .x = x, .stride = stride, .rows = rows, .b = &b, .sorted = sorted };
    rs_parallel(threads, d, cut_column, &job);
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
