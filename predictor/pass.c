/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passes over the rows, sixteen rows a tile. Compiled once for each width of vectors and precision (RS_VECTOR,
 * RS_DOUBLE, RS_PASS_NAME; see CMakeLists.txt); lanes.h keeps the bits equal. */
#include "predictor/pass.h"

#include <math.h>

#include "predictor/lanes.h"

#ifndef RS_PASS_NAME
#define RS_PASS_NAME plain_float
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

#define TILE RS_LANES
#define ALIGNED __attribute__((aligned(64)))
#define HESSIAN_FLUSH 128  /* rows; a multiple of TILE */
#define PREFETCH (8 << 10) /* bytes ahead: what the processor's own prefetching, ended by each page, misses */
#define AHEAD_COLUMNS 512

struct tile {
    const float *x[TILE]; /* rows */
    size_t row[TILE];     /* of x */
    real sign[TILE] ALIGNED, weight[TILE] ALIGNED, base[TILE] ALIGNED;
    real z[TILE] ALIGNED, slope[TILE] ALIGNED, start[TILE] ALIGNED, curve[TILE] ALIGNED, leverage[TILE] ALIGNED;
    float narrow[TILE][RS_LANES]; /* rows of fewer than sixteen columns */
};

/* A pass's memory; behind it lie the blocks: weights, 1/diagonal, three vectors of partial sums. */
struct work {
    struct tile t;
    size_t n_blocks, last; /* blocks of sixteen columns; the last one starts at column last, and may overlap */
    real *w, *inverse, *part[RS_SUM_VECTORS];
    struct lanes loss, one[RS_SUM_VECTORS]; /* partial sums of the intercept */
    double *sum[RS_SUM_VECTORS];            /* n_blocks x sixteen */
    double sum_one[RS_SUM_VECTORS], sum_loss;
    char *rest; /* of the scratch */
};

INLINE size_t start_of(const struct work *k, size_t n_blocks, size_t b)
{
    return b + 1 < n_blocks ? b * RS_LANES : k->last;
}

static void *take(char **at, size_t bytes)
{
    void *p = *at;
    *at += (bytes + 63) / 64 * 64;
    return p;
}

/* Column j of a vector of d lies in block and lane; columns that the last block repeats belong to the one before. */
static void to_blocks(const struct work *k, size_t d, const double *from, real *to)
{
    memset(to, 0, k->n_blocks * RS_LANES * sizeof *to);
    for (size_t j = 0; j < d; j++) {
        size_t b = RS_MIN(j / RS_LANES, k->n_blocks - 1);
        to[b * RS_LANES + j - start_of(k, k->n_blocks, b)] = (real)from[j];
    }
}

static struct work *work_new(const struct rs_pass *a, const struct rs_draw *draw, void *scratch)
{
    char *at = scratch;
    struct work *k = take(&at, sizeof *k);
    size_t d = a->p->d;
    memset(k, 0, sizeof *k);
    k->n_blocks = RS_MAX((d + RS_LANES - 1) / RS_LANES, (size_t)1);
    k->last = d < RS_LANES ? 0 : d - RS_LANES;
    size_t n = k->n_blocks * RS_LANES;
    k->w = take(&at, n * sizeof(real));
    to_blocks(k, d, a->w, k->w);
    k->inverse = take(&at, n * sizeof(real));
    if (draw)
        to_blocks(k, d, draw->inverse, k->inverse);
    for (int v = 0; v < RS_SUM_VECTORS; v++) {
        k->part[v] = memset(take(&at, n * sizeof(real)), 0, n * sizeof(real));
        k->sum[v] = memset(take(&at, n * sizeof(double)), 0, n * sizeof(double));
    }
    k->rest = at;
    return k;
}

static void take_row(const struct rs_problem *p, const double *w, struct tile *t, size_t i, size_t r)
{
    size_t row = p->rows ? p->rows[i] : i;
    const float *x = p->x + row * p->stride;
    t->row[r] = row;
    if (p->d < RS_LANES) {
        memcpy(t->narrow[r], x, p->d * sizeof *x);
        x = t->narrow[r];
    }
    t->x[r] = x;
    bool is_positive = p->y[row];
    t->sign[r] = is_positive ? 1 : -1;
    t->weight[r] = (real)((is_positive ? p->weight_positive : p->weight_negative) *
                          (p->row_weight ? (double)p->row_weight[row] : 1.0));
    t->base[r] = (real)(w[p->d] + (p->offset ? p->offset[row] : 0.0));
}

/* Sixteen rows that lie one after the other and have neither weight nor offset of their own. */
INLINE void take_plain_rows(const struct rs_problem *p, const double *w, struct tile *t, size_t i)
{
    const float *x = p->x + i * p->stride;
    for (size_t r = 0; r < TILE; r++) {
        t->row[r] = i + r;
        t->x[r] = x + r * p->stride;
    }
    if (p->stride < AHEAD_COLUMNS)
        for (size_t j = 0; j < TILE * p->stride; j += 64 / sizeof *x) /* never read; may lie behind the rows */
            __builtin_prefetch((const void *)((uintptr_t)(x + j) + PREFETCH));
    EACH(v)
    {
        ivec y = vec_of_labels(p->y + i + (size_t)v * N_PER);
        vec_store(t->sign + v * N_PER, vec_pick(y, vec_all(1), vec_all(-1)));
        vec_store(t->weight + v * N_PER,
                  vec_pick(y, vec_all((real)p->weight_positive), vec_all((real)p->weight_negative)));
        vec_store(t->base + v * N_PER, vec_all((real)w[p->d]));
    }
}

/* Rows that a tile lacks are the last one again, of no weight. */
INLINE void take_rows(const struct rs_problem *p, const double *w, struct tile *t, size_t i, size_t n)
{
    if (n == TILE && !p->rows && !p->row_weight && !p->offset && p->d >= RS_LANES) {
        take_plain_rows(p, w, t, i);
        return;
    }
    for (size_t r = 0; r < n; r++)
        take_row(p, w, t, i + r, r);
    for (size_t r = n; r < TILE; r++) {
        take_row(p, w, t, i + n - 1, r);
        t->weight[r] = 0;
    }
}

/* z = w . x + base of each row */
INLINE void multiply(struct work *k, size_t n_blocks)
{
    struct tile *t = &k->t;
    for (size_t r = 0; r < TILE; r += FOLD_ROWS) {
        struct lanes s[FOLD_ROWS];
        for (size_t i = 0; i < FOLD_ROWS; i++) {
            EACH(v)
            s[i].v[v] = vec_load(k->w + v * N_PER) * vec_of_floats(t->x[r + i] + start_of(k, n_blocks, 0) + v * N_PER);
            for (size_t b = 1; b < n_blocks; b++) {
                const float *x = t->x[r + i] + start_of(k, n_blocks, b);
                EACH(v) s[i].v[v] += vec_load(k->w + b * RS_LANES + v * N_PER) * vec_of_floats(x + v * N_PER);
            }
        }
        fold_rows(s, t->z + r);
    }
    EACH(v) vec_store(t->z + v * N_PER, vec_load(t->z + v * N_PER) + vec_load(t->base + v * N_PER));
}

/* leverage = curve (sum_j inverse_j x_j^2 + inverse of the intercept), math.md L6 */
INLINE void weigh(struct work *k, size_t n_blocks, real intercept)
{
    struct tile *t = &k->t;
    for (size_t r = 0; r < TILE; r += FOLD_ROWS) {
        struct lanes s[FOLD_ROWS];
        for (size_t i = 0; i < FOLD_ROWS; i++) {
            s[i] = (struct lanes){ 0 };
            for (size_t b = 0; b < n_blocks; b++) {
                const float *x = t->x[r + i] + start_of(k, n_blocks, b);
                EACH(v)
                {
                    vec y = vec_of_floats(x + v * N_PER);
                    s[i].v[v] += vec_load(k->inverse + b * RS_LANES + v * N_PER) * y * y;
                }
            }
        }
        fold_rows(s, t->leverage + r);
    }
    EACH(v)
    vec_store(t->leverage + v * N_PER,
              (vec_load(t->leverage + v * N_PER) + intercept) * vec_load(t->curve + v * N_PER));
}

/* Slope and curvature by z, and the loss, each times the weight. math.md L1: with e = exp(-|m|), m = s z, the slope by
 * m is -e / (1 + e) for m > 0 and -1 / (1 + e) else. */
INLINE void derive_logistic(struct work *k, int v)
{
    struct tile *t = &k->t;
    vec s = vec_load(t->sign + v * N_PER), c = vec_load(t->weight + v * N_PER), m = s * vec_load(t->z + v * N_PER);
    vec e = expm(-vec_abs(m)), inverse = 1 / (e + 1);
    vec q = vec_pick(m > 0, e * inverse, inverse);
    vec_store(t->slope + v * N_PER, -(c * s * q));
    vec_store(t->curve + v * N_PER, c * (e * inverse * inverse));
    k->loss.v[v] += c * (vec_max0(-m) + log1p01(e)); /* math.md L3 */
}

INLINE void derive_hinge(struct work *k, int v) /* math.md L2 */
{
    struct tile *t = &k->t;
    vec s = vec_load(t->sign + v * N_PER), c = vec_load(t->weight + v * N_PER), m = s * vec_load(t->z + v * N_PER);
    vec gap = vec_max0(1 - m);
    vec_store(t->slope + v * N_PER, -2 * (c * s * gap));
    vec_store(t->curve + v * N_PER, 2 * vec_pick(gap > 0, c, vec_all(0)));
    k->loss.v[v] += c * (gap * gap);
}

/* The slope at w = 0, where z is the offset alone. */
INLINE void derive_start(struct work *k, const struct rs_problem *p, enum rs_learner learner)
{
    struct tile *t = &k->t;
    real flat = learner == RS_LOGISTIC ? (real)0.5 : 2;
    EACH(v)
    vec_store(t->start + v * N_PER, -(vec_load(t->sign + v * N_PER) * flat) * vec_load(t->weight + v * N_PER));
    if (!p->offset)
        return;
    for (size_t r = 0; r < TILE; r++) {
        double s = (double)t->sign[r], m = s * p->offset[t->row[r]];
        double slope = learner == RS_LOGISTIC ? 1 / (1 + exp(m)) : 2 * RS_MAX(1 - m, 0.0);
        t->start[r] = (real)(-s * slope) * t->weight[r];
    }
}

/* part += sum over the tile of scale_r x_r, even rows and odd ones apart; for n_blocks blocks from b on */
INLINE void add_blocks(struct work *k, size_t all, size_t b, size_t n_blocks, const real *scale, real *part,
                       bool is_absolute)
{
    const struct tile *t = &k->t;
    struct lanes even[3], odd[3] = { 0 };
    for (size_t i = 0; i < n_blocks; i++)
        EACH(v) even[i].v[v] = vec_load(part + (b + i) * RS_LANES + v * N_PER);
    for (size_t r = 0; r < TILE; r += 2)
        for (size_t i = 0; i < n_blocks; i++)
            EACH(v)
            {
                size_t from = start_of(k, all, b + i) + (size_t)v * N_PER;
                vec one = scale[r] * vec_of_floats(t->x[r] + from);
                vec two = scale[r + 1] * vec_of_floats(t->x[r + 1] + from);
                even[i].v[v] += is_absolute ? vec_abs(one) : one;
                odd[i].v[v] += is_absolute ? vec_abs(two) : two;
            }
    for (size_t i = 0; i < n_blocks; i++)
        EACH(v) vec_store(part + (b + i) * RS_LANES + v * N_PER, even[i].v[v] + odd[i].v[v]);
}

INLINE void add_rows(struct work *k, size_t n_blocks, const real *scale, real *part, bool is_absolute)
{
    if (N_VEC <= 2 && n_blocks == 3) /* as many as the registers hold */
        add_blocks(k, n_blocks, 0, 3, scale, part, is_absolute);
    else if (N_VEC <= 2 && n_blocks == 2)
        add_blocks(k, n_blocks, 0, 2, scale, part, is_absolute);
    else
        for (size_t b = 0; b < n_blocks; b++)
            add_blocks(k, n_blocks, b, 1, scale, part, is_absolute);
}

INLINE void add_intercept(struct work *k, const real *scale, int vector)
{
    EACH(v)
    {
        vec x = vec_load(scale + v * N_PER);
        k->one[vector].v[v] += vector == RS_SUM_TERMS ? vec_abs(x) : x;
    }
}

static double sum_lanes(struct lanes *x)
{
    double s = 0;
    for (int l = 0; l < N_LANES; l++)
        s += (double)x->v[l / N_PER][l % N_PER];
    *x = (struct lanes){ 0 };
    return s;
}

INLINE void flush(struct work *k, size_t n_blocks, int n_vectors)
{
    for (int i = 0; i < n_vectors; i++) {
        double *restrict sum = k->sum[i];
        real *restrict part = k->part[i];
        for (size_t j = 0; j < n_blocks * RS_LANES; j++) {
            sum[j] += (double)part[j];
            part[j] = 0;
        }
        k->sum_one[i] += sum_lanes(&k->one[i]);
    }
    k->sum_loss += sum_lanes(&k->loss);
}

/* Each row has a uniform number of its own. Rows of no weight are never drawn. */
static void draw_rows(struct work *k, const struct rs_draw *draw, size_t i)
{
    const struct tile *t = &k->t;
    uint32_t first = (uint32_t)i + draw->salt, drawn = 0;
    real kappa = (real)draw->kappa;
    for (uint32_t r = 0; r < TILE; r++) {
        uint32_t h = (first + r) * 0x9e3779b1u;
        h = (h ^ h >> 15) * 0x85ebca77u;
        h = (h ^ h >> 13) * 0xc2b2ae3du;
        drawn |= (uint32_t)((real)(int32_t)((h ^ h >> 16) >> 8) * (real)0x1p-24 < kappa * t->leverage[r]) << r;
    }
    for (; drawn; drawn &= drawn - 1) {
        int r = __builtin_ctz(drawn);
        draw->keep(draw->arg, i + (size_t)r, RS_MIN((double)(kappa * t->leverage[r]), 1.0));
    }
}

/* Rows that the hinge leaves flat may become steep by the next step. */
INLINE void widen_curve(struct tile *t)
{
    EACH(v)
    {
        vec m = vec_load(t->sign + v * N_PER) * vec_load(t->z + v * N_PER);
        vec share = vec_pick(m < vec_all((real)(1 + RS_DRAW_NEAR)), vec_all(1), vec_all((real)RS_DRAW_FAR));
        vec_store(t->curve + v * N_PER, 2 * vec_load(t->weight + v * N_PER) * share);
    }
}

INLINE void add_tile(struct work *k, const struct rs_pass *a, struct rs_draw *draw, size_t n_blocks, size_t i)
{
    multiply(k, n_blocks);
    if (a->learner == RS_LOGISTIC)
        EACH(v) derive_logistic(k, v);
    else
        EACH(v) derive_hinge(k, v);
    add_rows(k, n_blocks, k->t.slope, k->part[RS_SUM_GRADIENT], false);
    add_intercept(k, k->t.slope, RS_SUM_GRADIENT);
    if (a->n_vectors > RS_SUM_START) {
        derive_start(k, a->p, a->learner);
        add_rows(k, n_blocks, k->t.start, k->part[RS_SUM_START], false);
        add_intercept(k, k->t.start, RS_SUM_START);
    }
    if (a->n_vectors > RS_SUM_TERMS) {
        add_rows(k, n_blocks, k->t.slope, k->part[RS_SUM_TERMS], true);
        add_intercept(k, k->t.slope, RS_SUM_TERMS);
    }
    if (!draw)
        return;
    if (a->learner != RS_LOGISTIC)
        widen_curve(&k->t);
    weigh(k, n_blocks, (real)draw->inverse[a->p->d]);
    draw_rows(k, draw, i);
}

INLINE void add_stripe(struct work *k, const struct rs_pass *a, struct rs_draw *draw, size_t n_blocks, size_t from,
                       size_t to)
{
    for (size_t i = from; i < to; i += TILE) {
        size_t n = RS_MIN(to - i, (size_t)TILE);
        take_rows(a->p, a->w, &k->t, i, n);
        add_tile(k, a, draw, n_blocks, i);
        if ((i + TILE) % RS_FLUSH_ROWS == 0)
            flush(k, n_blocks, a->n_vectors);
    }
    flush(k, n_blocks, a->n_vectors);
}

static void gradient(const struct rs_pass *a, struct rs_draw *draw, size_t from, size_t to, void *scratch, double *out)
{
    struct work *k = work_new(a, draw, scratch);
    size_t d = a->p->d;
    switch (k->n_blocks) {
    case 1:
        add_stripe(k, a, draw, 1, from, to);
        break;
    case 2:
        add_stripe(k, a, draw, 2, from, to);
        break;
    case 3:
        add_stripe(k, a, draw, 3, from, to);
        break;
    default:
        add_stripe(k, a, draw, k->n_blocks, from, to);
    }
    for (int v = 0; v < RS_SUM_VECTORS; v++) {
        double *g = out + rs_sum_at(d, v);
        for (size_t j = 0; j < d; j++) {
            size_t b = RS_MIN(j / RS_LANES, k->n_blocks - 1);
            g[j] = k->sum[v][b * RS_LANES + j - start_of(k, k->n_blocks, b)];
        }
        g[d] = k->sum_one[v];
    }
    out[rs_sum_loss(d)] = k->sum_loss;
}

/* The Hessian's rows: TILE of them with their ones and zeros behind, and times their curvature. */
struct block {
    struct work *k;
    real *x;      /* TILE x width */
    real *scaled; /* TILE x RS_STRIP_COLUMNS */
    real *part;   /* RS_STRIP_COLUMNS x width */
    size_t width, n;
    real curve[TILE];
};

#define STRIP (N_VEC == 1 ? 8 : 4) /* rows of the Hessian at a time: what the registers hold */

/* part[j][..] += sum_r scaled[r][j] x[r][..] for some rows j of the strip */
INLINE void add_some(const struct block *m, size_t j, size_t column)
{
    struct lanes s[STRIP];
    real *part = m->part + j * m->width + column;
    for (size_t i = 0; i < STRIP; i++)
        EACH(v) s[i].v[v] = vec_load(part + i * m->width + v * N_PER);
    for (size_t r = 0; r < TILE; r++) {
        struct lanes x;
        const real *scaled = m->scaled + r * RS_STRIP_COLUMNS + j;
        EACH(v) x.v[v] = vec_load(m->x + r * m->width + column + v * N_PER);
        for (size_t i = 0; i < STRIP; i++)
            EACH(v) s[i].v[v] += scaled[i] * x.v[v];
    }
    for (size_t i = 0; i < STRIP; i++)
        EACH(v) vec_store(part + i * m->width + v * N_PER, s[i].v[v]);
}

static void close_block(struct block *m, size_t j0, size_t n_columns)
{
    for (size_t r = m->n; r < TILE; r++)
        m->curve[r] = 0;
    for (size_t r = 0; r < TILE; r++) {
        const real *restrict x = m->x + r * m->width + j0;
        real *restrict scaled = m->scaled + r * RS_STRIP_COLUMNS;
        for (size_t j = 0; j < n_columns; j++)
            scaled[j] = m->curve[r] * x[j];
    }
    for (size_t j = 0; j < n_columns; j += STRIP)
        for (size_t column = 0; column <= j0 + j; column += RS_LANES)
            add_some(m, j, column);
    m->n = 0;
}

static void flush_block(struct block *m, size_t j0, size_t n_columns, double *out)
{
    for (size_t j = 0; j < n_columns; j++) {
        size_t n = (j0 + j) / RS_LANES * RS_LANES + RS_LANES;
        real *part = m->part + j * m->width;
        double *to = out + (j0 + j) * m->width;
        for (size_t c = 0; c < n; c++) {
            to[c] += (double)part[c];
            part[c] = 0;
        }
    }
}

/* Rows of no curvature are left out. Always tile by tile, so that a block never waits for the next call. */
static void stage(struct block *m, size_t d, size_t r)
{
    const struct tile *t = &m->k->t;
    real *to = m->x + m->n * m->width;
    m->curve[m->n++] = t->curve[r];
#if RS_DOUBLE
    for (size_t j = 0; j < d; j++)
        to[j] = (double)t->x[r][j];
#else
    memcpy(to, t->x[r], d * sizeof *to);
#endif
    to[d] = 1;
}

static void hessian(const struct rs_pass *a, size_t j0, size_t j1, size_t from, size_t to, void *scratch, double *out)
{
    struct work *k = work_new(a, NULL, scratch);
    size_t d = a->p->d, width = rs_pass_width(d), n_columns = RS_MIN((j1 - j0 + STRIP - 1) / STRIP * STRIP, width - j0),
           n_rows = 0;
    char *at = k->rest;
    struct block m = { .k = k, .width = width };
    m.x = memset(take(&at, TILE * width * sizeof(real)), 0, TILE * width * sizeof(real));
    m.scaled = take(&at, RS_STRIP_COLUMNS * TILE * sizeof(real));
    m.part = memset(take(&at, n_columns * width * sizeof(real)), 0, n_columns * width * sizeof(real));
    for (size_t i = from; i < to; i += TILE) {
        size_t n = RS_MIN(to - i, (size_t)TILE);
        take_rows(a->p, a->w, &k->t, i, n);
        multiply(k, k->n_blocks);
        if (a->learner == RS_LOGISTIC)
            EACH(v) derive_logistic(k, v);
        else
            EACH(v) derive_hinge(k, v);
        for (size_t r = 0; r < n; r++) {
            if (k->t.curve[r] == 0)
                continue;
            stage(&m, d, r);
            if (m.n < TILE)
                continue;
            close_block(&m, j0, n_columns);
            if ((n_rows += TILE) % HESSIAN_FLUSH == 0)
                flush_block(&m, j0, n_columns, out);
        }
    }
    close_block(&m, j0, n_columns);
    flush_block(&m, j0, n_columns, out);
}

const struct rs_pass_kernels JOIN(rs_pass_, RS_PASS_NAME) = { TEXT(RS_PASS_NAME), gradient, hessian };
