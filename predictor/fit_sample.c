/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows chosen before the whole data are read: a first sample by class, from which the fit starts (math.md L6). */
#include "predictor/fit.h"

#include <math.h>

#include "common/parallel.h"
#include "common/reserve.h"

#define SAMPLE_ROWS_MIN 8192
#define SAMPLE_ROWS_PER_COLUMN 48
#define SAMPLE_TENTH 100000 /* a tenth of the rows, but no more than this, unless a twenty-fifth is more */
#define GATHER_ROWS 1024
#define RARE 0.1
#define LEVERAGE_STEP 16 /* one row in so many tells the leverage of all */

static size_t sample_rows(size_t n, size_t d)
{
    return RS_MAX(RS_MAX((size_t)SAMPLE_ROWS_MIN, SAMPLE_ROWS_PER_COLUMN * (d + 1)),
                  RS_MAX(RS_MIN(n / 10, (size_t)SAMPLE_TENTH), n / 25));
}

enum rs_status rs_subset_init(struct rs_subset *s, size_t n_max, size_t d_max, struct rs_error *err)
{
    size_t rows = RS_MIN(n_max / 2, sample_rows(n_max, d_max)), cells;
    /* chunks that are not full, one a stripe; and chance */
    s->capacity = (rows + rows / 3 + 8192) / RS_DRAW_CHUNK * RS_DRAW_CHUNK;
    s->d_max = d_max;
    if (!rs_mul_size(s->capacity, d_max, &cells))
        return rs_error_set(err, RS_ENOMEM, "sample of %zu rows: out of memory", s->capacity);
    s->x = rs_reserve(cells, sizeof *s->x);
    s->weight = rs_reserve(s->capacity, sizeof *s->weight);
    s->y = malloc(s->capacity + 1);
    s->offset = rs_reserve(s->capacity, sizeof *s->offset);
    s->order = rs_reserve(s->capacity, sizeof *s->order);
    s->next = malloc(s->capacity / RS_DRAW_CHUNK * sizeof *s->next + 1);
    if (!s->x || !s->weight || !s->y || !s->offset || !s->order || !s->next)
        return rs_error_set(err, RS_ENOMEM, "sample of %zu rows: out of memory", s->capacity);
    return RS_OK;
}

void rs_subset_clear(struct rs_subset *s)
{
    free(s->x);
    free(s->weight);
    free(s->y);
    free(s->offset);
    free(s->order);
    free(s->next);
}

size_t rs_subset_size(const struct rs_solver *ws, size_t n, size_t d)
{
    size_t rows = sample_rows(n, d);
    if (n < 2 * rows || rows + rows / 3 > ws->sample.capacity)
        return 0;
    return rows;
}

struct rs_problem rs_subset_problem(const struct rs_subset *s, const struct rs_problem *p)
{
    struct rs_problem q = *p;
    q.x = s->x;
    q.stride = p->d;
    q.y = s->y;
    q.rows = s->order;
    q.n = s->n;
    q.row_weight = s->weight;
    q.offset = p->offset ? s->offset : NULL;
    return q;
}

/* math.md L6: with the loss'' of the hinge as a draw sees it */
double rs_subset_leverage(const struct rs_fit *f, const struct rs_problem *sample)
{
    const double *inverse = f->ws->inverse;
    double sum = 0;
    for (size_t i = 0; i < sample->n; i += LEVERAGE_STEP) {
        size_t row = sample->rows[i];
        const float *x = sample->x + row * sample->stride;
        double z = rs_linear_z(f->ws->at.w, x, sample->d) + (sample->offset ? sample->offset[row] : 0);
        double curve = 2 * ((sample->y[row] ? z : -z) < 1 + RS_DRAW_NEAR ? 1 : RS_DRAW_FAR);
        double square = inverse[sample->d], c = sample->y[row] ? sample->weight_positive : sample->weight_negative;
        for (size_t j = 0; j < sample->d; j++)
            square += inverse[j] * (double)x[j] * (double)x[j];
        sum += c * (double)sample->row_weight[row] * curve * square;
    }
    return LEVERAGE_STEP * sum;
}

static bool label_at(const struct rs_problem *p, size_t i)
{
    return p->y[p->rows ? p->rows[i] : i];
}

/* The first row from i on that has the label, or n. */
static size_t find_label(const struct rs_problem *p, size_t i, bool label)
{
    if (!p->rows) {
        const uint8_t *at = i < p->n ? memchr(p->y + i, label, p->n - i) : NULL;
        return at ? (size_t)(at - p->y) : p->n;
    }
    while (i < p->n && label_at(p, i) != label)
        i++;
    return i;
}

/* Every row of the class in its turn, as far as share says: the k-th where floor(k share) changes. */
static size_t pick_class(const struct rs_problem *p, bool label, double share, size_t max, uint32_t *out)
{
    size_t n = 0, k = 0;
    for (size_t i = find_label(p, 0, label); i < p->n && n < max; i = find_label(p, i + 1, label), k++)
        if (floor((double)(k + 1) * share) > floor((double)k * share))
            out[n++] = (uint32_t)i;
    return n;
}

/* One row of each of n_rows equal stretches. */
static size_t pick_evenly(const struct rs_problem *p, size_t n_rows, uint32_t *out)
{
    double length = (double)p->n / (double)n_rows;
    uint32_t h = 2463534242u;
    for (size_t k = 0; k < n_rows; k++) {
        h = h * 1664525u + 1013904223u;
        size_t i = (size_t)(((double)k + (double)h * 0x1p-32) * length);
        out[k] = (uint32_t)RS_MIN(i, p->n - 1);
    }
    return n_rows;
}

struct gather {
    const struct rs_problem *p;
    struct rs_subset *s;
    uint32_t *picked; /* becomes the order */
    size_t n, n_rare; /* the first n_rare are of the rare class */
    bool is_rare_first, rare;
    double weight_rare, weight_common;
};

static void gather_rows(void *arg, size_t task, unsigned worker)
{
    (void)worker;
    const struct gather *g = arg;
    const struct rs_problem *p = g->p;
    struct rs_subset *s = g->s;
    size_t to = RS_MIN((task + 1) * GATHER_ROWS, g->n);
    for (size_t k = task * GATHER_ROWS; k < to; k++) {
        size_t row = p->rows ? p->rows[g->picked[k]] : g->picked[k];
        if (k + 8 < to) {
            size_t ahead = p->rows ? p->rows[g->picked[k + 8]] : g->picked[k + 8];
            for (size_t j = 0; j < p->d; j += 16)
                __builtin_prefetch(p->x + ahead * p->stride + j);
            __builtin_prefetch(p->y + ahead);
        }
        memcpy(s->x + k * p->d, p->x + row * p->stride, p->d * sizeof *s->x);
        s->y[k] = p->y[row];
        double weight = k < g->n_rare ? g->weight_rare : g->weight_common;
        if (g->is_rare_first && k >= g->n_rare && (s->y[k] != 0) == g->rare)
            weight = 0; /* its class is there already */
        s->weight[k] = (float)(weight * (p->row_weight ? (double)p->row_weight[row] : 1.0));
        if (p->offset)
            s->offset[k] = p->offset[row];
    }
}

enum rs_status rs_subset_pick(struct rs_fit *f, const struct rs_problem *p, size_t n_rows, const double n_class[2],
                              struct rs_problem *out)
{
    struct rs_subset *s = &f->ws->sample;
    n_rows = RS_MIN(RS_MIN(n_rows, s->capacity), p->n);
    struct gather g = { .p = p, .s = s, .picked = s->order, .weight_common = 1 };
    double n = (double)p->n;
    g.rare = n_class[1] < n_class[0];
    g.is_rare_first = n_class[g.rare] < RARE * n;
    if (g.is_rare_first) {
        double share = RS_MIN(1.0, 0.5 * (double)n_rows / RS_MAX(n_class[g.rare], 1.0));
        g.n_rare = pick_class(p, g.rare, share, n_rows, g.picked);
        g.weight_rare = g.n_rare ? n_class[g.rare] / (double)g.n_rare : 0;
    }
    size_t n_common = n_rows - g.n_rare;
    g.n = g.n_rare;
    if (n_common)
        g.n += pick_evenly(p, n_common, g.picked + g.n_rare);
    g.weight_common = n / RS_MAX((double)n_common, 1.0);
    rs_parallel(f->n_threads, (g.n + GATHER_ROWS - 1) / GATHER_ROWS, gather_rows, &g);
    for (size_t k = 0; k < g.n; k++)
        s->order[k] = (uint32_t)k;
    s->n = g.n;
    f->passes += (double)g.n / RS_MAX(f->n_all, 1.0);
    *out = rs_subset_problem(s, p);
    return RS_OK;
}
