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
#define HESSIAN_FLUSH 128 /* rows; a multiple of TILE */
#define SVM_NEAR 0.5      /* rows this far beyond the margin are drawn as if they were within */
#define SVM_FAR 0.02      /* what the others count for */

struct tile {
    const float *x[TILE]; /* rows */
    size_t row[TILE];     /* of x */
    real sign[TILE], weight[TILE], base[TILE];
    real z[TILE], slope[TILE], start[TILE], curve[TILE], leverage[TILE];
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

/* Rows that a tile lacks are the last one again, of no weight. */
INLINE void take_rows(const struct rs_problem *p, const double *w, struct tile *t, size_t i, size_t n)
{
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
    for (size_t r = 0; r < TILE; r += 4) {
        quad q[4];
        for (size_t i = 0; i < 4; i++) {
            struct lanes s;
            EACH(v)
            s.v[v] = vec_load(k->w + v * N_PER) * vec_of_floats(t->x[r + i] + start_of(k, n_blocks, 0) + v * N_PER);
            for (size_t b = 1; b < n_blocks; b++) {
                const float *x = t->x[r + i] + start_of(k, n_blocks, b);
                EACH(v) s.v[v] += vec_load(k->w + b * RS_LANES + v * N_PER) * vec_of_floats(x + v * N_PER);
            }
            q[i] = fold(s);
        }
        *(quad_u *)(t->z + r) = sum_quads(q) + *(const quad_u *)(t->base + r);
    }
}

/* leverage = curve (sum_j inverse_j x_j^2 + inverse of the intercept), math.md L6 */
INLINE void weigh(struct work *k, size_t n_blocks, real intercept)
{
    struct tile *t = &k->t;
    for (size_t r = 0; r < TILE; r += 4) {
        quad q[4];
        for (size_t i = 0; i < 4; i++) {
            struct lanes s = { 0 };
            for (size_t b = 0; b < n_blocks; b++) {
                const float *x = t->x[r + i] + start_of(k, n_blocks, b);
                EACH(v)
                {
                    vec y = vec_of_floats(x + v * N_PER);
                    s.v[v] += vec_load(k->inverse + b * RS_LANES + v * N_PER) * y * y;
                }
            }
            q[i] = fold(s);
        }
        *(quad_u *)(t->leverage + r) = (sum_quads(q) + intercept) * *(const quad_u *)(t->curve + r);
    }
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
    for (size_t r = 0; r < TILE; r++) {
        double s = (double)t->sign[r], m = p->offset ? s * p->offset[t->row[r]] : 0;
        double slope = learner == RS_LOGISTIC ? 1 / (1 + exp(m)) : 2 * RS_MAX(1 - m, 0.0);
        t->start[r] = (real)(-s * slope) * t->weight[r];
    }
}

/* part += sum over the tile of scale_r x_r */
INLINE void add_rows(struct work *k, size_t n_blocks, const real *scale, real *part, bool is_absolute)
{
    const struct tile *t = &k->t;
    for (size_t b = 0; b < n_blocks; b++) {
        size_t from = start_of(k, n_blocks, b);
        struct lanes even, odd = { 0 };
        EACH(v) even.v[v] = vec_load(part + b * RS_LANES + v * N_PER);
        for (size_t r = 0; r < TILE; r += 2)
            EACH(v)
            {
                vec one = scale[r] * vec_of_floats(t->x[r] + from + v * N_PER);
                vec two = scale[r + 1] * vec_of_floats(t->x[r + 1] + from + v * N_PER);
                even.v[v] += is_absolute ? vec_abs(one) : one;
                odd.v[v] += is_absolute ? vec_abs(two) : two;
            }
        EACH(v) vec_store(part + b * RS_LANES + v * N_PER, even.v[v] + odd.v[v]);
    }
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

static void flush(struct work *k, int n_vectors)
{
    for (int i = 0; i < n_vectors; i++) {
        for (size_t j = 0; j < k->n_blocks * RS_LANES; j++) {
            k->sum[i][j] += (double)k->part[i][j];
            k->part[i][j] = 0;
        }
        k->sum_one[i] += sum_lanes(&k->one[i]);
    }
    k->sum_loss += sum_lanes(&k->loss);
}

static void draw_rows(struct work *k, const struct rs_draw *draw, size_t i, size_t n)
{
    for (size_t r = 0; r < n; r++) {
        double p = draw->kappa * (double)k->t.leverage[r];
        uint32_t h = ((uint32_t)(i + r) + draw->salt) * 0x9e3779b1u; /* a uniform number of the row's own */
        h = (h ^ h >> 15) * 0x85ebca77u;
        h = (h ^ h >> 13) * 0xc2b2ae3du;
        if ((double)(h ^ h >> 16) * 0x1p-32 < p)
            draw->keep(draw->arg, i + r, RS_MIN(p, 1.0));
    }
}

/* Rows that the hinge leaves flat may become steep by the next step. */
static void widen_curve(struct tile *t)
{
    for (size_t r = 0; r < TILE; r++)
        t->curve[r] = 2 * t->weight[r] * (t->sign[r] * t->z[r] < (real)(1 + SVM_NEAR) ? 1 : (real)SVM_FAR);
}

INLINE void add_tile(struct work *k, const struct rs_pass *a, struct rs_draw *draw, size_t n_blocks, size_t i, size_t n)
{
    multiply(k, n_blocks);
    if (a->learner == RS_LOGISTIC)
        EACH(v) derive_logistic(k, v);
    else
        EACH(v) derive_hinge(k, v);
    add_rows(k, n_blocks, k->t.slope, k->part[RS_SUM_GRADIENT], false);
    add_intercept(k, k->t.slope, RS_SUM_GRADIENT);
    if (a->is_first) {
        derive_start(k, a->p, a->learner);
        add_rows(k, n_blocks, k->t.start, k->part[RS_SUM_START], false);
        add_intercept(k, k->t.start, RS_SUM_START);
        add_rows(k, n_blocks, k->t.slope, k->part[RS_SUM_TERMS], true);
        add_intercept(k, k->t.slope, RS_SUM_TERMS);
    }
    if (!draw)
        return;
    if (a->learner != RS_LOGISTIC)
        widen_curve(&k->t);
    weigh(k, n_blocks, (real)draw->inverse[a->p->d]);
    draw_rows(k, draw, i, n);
}

INLINE void add_stripe(struct work *k, const struct rs_pass *a, struct rs_draw *draw, size_t n_blocks, size_t from,
                       size_t to)
{
    int n_vectors = a->is_first ? RS_SUM_VECTORS : 1;
    for (size_t i = from; i < to; i += TILE) {
        size_t n = RS_MIN(to - i, (size_t)TILE);
        take_rows(a->p, a->w, &k->t, i, n);
        add_tile(k, a, draw, n_blocks, i, n);
        if ((i + TILE) % RS_FLUSH_ROWS == 0)
            flush(k, n_vectors);
    }
    flush(k, n_vectors);
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

/* The Hessian's rows: TILE of them with their ones and zeros behind, and scaled, turned by 90 degrees. */
struct block {
    struct work *k;
    real *x;      /* TILE x width */
    real *scaled; /* RS_STRIP_COLUMNS x TILE */
    real *part;   /* RS_STRIP_COLUMNS x width */
    size_t width, n;
    real curve[TILE];
};

/* part[j][..] += sum_r scaled[j][r] x[r][..] for four rows j of the strip */
INLINE void add_four(const struct block *m, size_t j, size_t column)
{
    struct lanes s[4];
    real *part = m->part + j * m->width + column;
    for (size_t i = 0; i < 4; i++)
        EACH(v) s[i].v[v] = vec_load(part + i * m->width + v * N_PER);
    for (size_t r = 0; r < TILE; r++) {
        struct lanes x;
        EACH(v) x.v[v] = vec_load(m->x + r * m->width + column + v * N_PER);
        for (size_t i = 0; i < 4; i++)
            EACH(v) s[i].v[v] += m->scaled[(j + i) * TILE + r] * x.v[v];
    }
    for (size_t i = 0; i < 4; i++)
        EACH(v) vec_store(part + i * m->width + v * N_PER, s[i].v[v]);
}

static void close_block(struct block *m, size_t j0, size_t n_columns)
{
    for (size_t r = m->n; r < TILE; r++)
        m->curve[r] = 0;
    for (size_t j = 0; j < n_columns; j++)
        for (size_t r = 0; r < TILE; r++)
            m->scaled[j * TILE + r] = m->curve[r] * m->x[r * m->width + j0 + j];
    for (size_t j = 0; j < n_columns; j += 4)
        for (size_t column = 0; column <= j0 + j; column += RS_LANES)
            add_four(m, j, column);
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
    for (size_t j = 0; j < d; j++)
        to[j] = (real)t->x[r][j];
    to[d] = 1;
}

static void hessian(const struct rs_pass *a, size_t j0, size_t j1, size_t from, size_t to, void *scratch, double *out)
{
    struct work *k = work_new(a, NULL, scratch);
    size_t d = a->p->d, width = rs_pass_width(d), n_columns = RS_MIN((j1 - j0 + 3) / 4 * 4, width - j0), n_rows = 0;
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
