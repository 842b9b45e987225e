/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base columns, and the trees grown on training rows. */
#include "predictor/sets.h"

#include <math.h>
#include <xxhash.h>

#include "common/parallel.h"
#include "predictor/gather.h"

#define BLOCK 1024 /* rows of one task */

void rs_sets_init(struct rs_sets *s, struct rs_program *p, unsigned n_sets)
{
    *s = (struct rs_sets){ .program = p, .n = n_sets };
}

void rs_sets_clear(struct rs_sets *s)
{
    free(s->tree_z);
    rs_terms_clear(&s->terms);
    for (size_t k = 0; k < RS_FOLDS; k++)
        rs_terms_clear(&s->grown[k].terms);
    *s = (struct rs_sets){ 0 };
}

struct fall {
    const struct rs_terms *terms;
    const struct rs_matrix *m;
    const uint32_t *rows; /* NULL: 0..n-1 */
    size_t n;
    double *z;
};

static void fall_block(void *arg, size_t task, unsigned worker)
{
    (void)worker;
    const struct fall *f = arg;
    float scratch[RS_TERMS_MAX];
    for (size_t i = task * BLOCK; i < RS_MIN((task + 1) * BLOCK, f->n); i++)
        f->z[i] = rs_terms_z(f->terms, f->m->x + (f->rows ? f->rows[i] : i) * f->m->stride, scratch);
}

/* rows of m to tree_z */
static enum rs_status fall(struct rs_sets *s, const struct rs_terms *terms, const struct rs_matrix *m,
                           const uint32_t *rows, size_t n, struct rs_error *err)
{
    free(s->tree_z);
    s->tree_z = rs_alloc(n, sizeof *s->tree_z);
    if (!s->tree_z)
        return rs_error_set(err, RS_ENOMEM, "trees over %zu rows: out of memory", n);
    struct fall job = { terms, m, rows, n, s->tree_z };
    rs_parallel(0, (n + BLOCK - 1) / BLOCK, fall_block, &job);
    return RS_OK;
}

/* What the growing looks at, gathered. */
static enum rs_status grow(const struct rs_sets *s, const struct rs_matrix *m, const uint32_t *rows, size_t n,
                           const float *weight, const struct rs_terms_whole *whole, struct rs_terms *out,
                           struct rs_error *err)
{
    rs_autofree uint8_t *y = rs_alloc(n, 1);
    rs_autofree uint32_t *unit = rs_alloc(n, sizeof *unit);
    if (!y || !unit)
        return rs_error_set(err, RS_ENOMEM, "trees over %zu rows: out of memory", n);
    for (size_t i = 0; i < n; i++) {
        y[i] = m->y[rows[i]];
        unit[i] = (uint32_t)m->unit_hash[m->unit[rows[i]]]; /* the same in any order */
    }
    struct rs_terms_input in = { .program = s->program,
                                 .x = m->x,
                                 .stride = m->stride,
                                 .rows = rows,
                                 .n = n,
                                 .y = y,
                                 .weight = weight,
                                 .unit = unit,
                                 .whole = whole };
    return rs_terms_grow(&in, out, err);
}

static enum rs_status grow_in_fold(const struct rs_sets *s, const struct rs_sample *sample, const uint32_t *train,
                                   size_t n_train, struct rs_terms *out, struct rs_error *err)
{
    rs_autofree uint32_t *rows = rs_alloc(n_train, sizeof *rows);
    rs_autofree float *weight = rs_alloc(n_train, sizeof *weight);
    if (!rows || !weight)
        return rs_error_set(err, RS_ENOMEM, "trees over %zu rows: out of memory", n_train);
    for (size_t i = 0; i < n_train; i++) {
        rows[i] = sample->row[train[i]];
        weight[i] = sample->weight[train[i]];
    }
    return grow(s, sample->m, rows, n_train, weight, NULL, out, err);
}

enum rs_status rs_sets_refresh(struct rs_sets *s, const struct rs_sample *sample, const uint32_t *train, size_t n_train,
                               struct rs_error *err)
{
    if (s->n < 2)
        return RS_OK;
    enum rs_status st = RS_OK;
    uint64_t hash = XXH3_64bits(train, n_train * sizeof *train);
    size_t k = 0, n = RS_MIN(s->n_grown, (size_t)RS_FOLDS);
    while (k < n && s->grown[k].rows != hash)
        k++;
    if (k == n) {
        k = s->n_grown++ % RS_FOLDS;
        rs_terms_clear(&s->grown[k].terms);
        s->grown[k].rows = hash;
        st = grow_in_fold(s, sample, train, n_train, &s->grown[k].terms, err);
    }
    return st < 0 ? st : fall(s, &s->grown[k].terms, sample->m, sample->row, sample->n, err);
}

/* math.md F33 */
void rs_sets_mix(const struct rs_sets *s, const struct rs_candidate *c, const uint32_t *rows, size_t n, double *z)
{
    for (size_t i = 0; c->trees > 0 && i < n; i++)
        z[i] += c->trees * (s->tree_z[rows ? rows[i] : i] - z[i]);
}

static enum rs_status grow_on_rows(const struct rs_sets *s, const struct rs_matrix *m, const uint32_t *rows, size_t n,
                                   const struct rs_terms_whole *whole, struct rs_terms *out, struct rs_error *err)
{
    rs_autofree float *weight = rs_alloc(n, sizeof *weight);
    if (!weight)
        return rs_error_set(err, RS_ENOMEM, "trees over %zu rows: out of memory", n);
    for (size_t i = 0; i < n; i++)
        weight[i] = m->weight[rows[i]];
    return grow(s, m, rows, n, weight, whole, out, err);
}

/* rows: n of this process that the growing looks at. */
static enum rs_status grow_on_gathered(const struct rs_sets *s, const struct rs_matrix *m, const uint32_t *rows,
                                       size_t n, const struct rs_terms_whole *whole, rs_comm *comm,
                                       struct rs_terms *out, struct rs_error *err)
{
    rs_auto_matrix all = { 0 };
    enum rs_status st = rs_gather_rows(m, rows, n, NULL, comm, &all, NULL, err);
    if (st < 0)
        return st;
    rs_autofree uint32_t *each = rs_alloc(all.n, sizeof *each);
    if (!each)
        return rs_error_set(err, RS_ENOMEM, "trees over %zu rows: out of memory", all.n);
    for (size_t i = 0; i < all.n; i++)
        each[i] = (uint32_t)i;
    return grow_on_rows(s, &all, each, all.n, whole, out, err);
}

/* Trees over every row of every process: what the growing looks at is brought together, the rest is counted. */
static enum rs_status grow_on_all(const struct rs_sets *s, const struct rs_matrix *m, rs_comm *comm,
                                  struct rs_terms *out, struct rs_error *err)
{
    struct rs_matrix_total all;
    enum rs_status st = rs_matrix_total(m, comm, &all, err);
    if (st < 0)
        return st;
    struct rs_terms_whole whole = { { all.n - all.n_positive, all.n_positive } };
    rs_autofree uint32_t *rows = rs_alloc(m->n, sizeof *rows);
    if (!rows)
        return rs_error_set(err, RS_ENOMEM, "trees over %zu rows: out of memory", m->n);
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (rs_terms_looks_at(&whole, all.first + i, m->y[i]))
            rows[n++] = (uint32_t)i;
    return rs_comm_size(comm) > 1 ? grow_on_gathered(s, m, rows, n, &whole, comm, out, err)
                                  : grow_on_rows(s, m, rows, n, &whole, out, err);
}

enum rs_status rs_sets_finish(struct rs_sets *s, const struct rs_candidate *c, const struct rs_matrix *m, bool wants_z,
                              rs_comm *comm, struct rs_error *err)
{
    if (!(c->trees > 0))
        return RS_OK;
    enum rs_status st = grow_on_all(s, m, comm, &s->terms, err);
    if (st == RS_OK && wants_z)
        st = fall(s, &s->terms, m, NULL, m->n, err);
    return st < 0 ? st : rs_terms_append(&s->terms, s->terms.n_bins + s->terms.n_products, s->program, err);
}

enum rs_status rs_sets_merge(struct rs_sets *s, const struct rs_candidate *c, struct rs_matrix *m, struct rs_fitted *f,
                             struct rs_error *err)
{
    const struct rs_terms *t = &s->terms;
    size_t d = m->d, all = d + t->n_bins + t->n_products;
    if (!(c->trees > 0) || !t->weight)
        return RS_OK;
    double *w = rs_realloc(f->w, all + 1, sizeof *w);
    f->w = w ? w : f->w;
    double *mean = rs_realloc(m->mean, all, sizeof *mean);
    m->mean = mean ? mean : m->mean;
    double *scale = rs_realloc(m->scale, all, sizeof *scale);
    m->scale = scale ? scale : m->scale;
    if (!w || !mean || !scale)
        return rs_error_set(err, RS_ENOMEM, "%zu features: out of memory", all);
    double bias = (1 - c->trees) * w[d] + c->trees * t->bias;
    for (size_t j = 0; j < all; j++) {
        if (j >= d) {
            double share = t->mean[j - d];
            mean[j] = share;
            scale[j] = share > 0 && share < 1 ? sqrt(share * (1 - share)) : 1;
            w[j] = 0;
        }
        w[j] = (1 - c->trees) * w[j] + c->trees * t->weight[j] * scale[j];
        bias += c->trees * t->weight[j] * mean[j];
    }
    w[all] = bias;
    m->d = f->d = all;
    return RS_OK;
}
