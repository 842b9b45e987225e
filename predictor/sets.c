/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base columns, and the terms grown on training rows. */
#include "predictor/sets.h"

#include <math.h>
#include <xxhash.h>

#include "common/parallel.h"
#include "predictor/gather.h"

#define BLOCK 1024 /* rows of one task */

enum rs_status rs_sets_init(struct rs_sets *s, const struct rs_matrix *m, struct rs_program *p, unsigned n_sets,
                            struct rs_error *err)
{
    *s = (struct rs_sets){ .program = p, .n = n_sets, .d = { m->d, m->d } };
    s->penalty = rs_alloc(rs_sets_stride(s), sizeof *s->penalty);
    if (!s->penalty)
        return rs_error_set(err, RS_ENOMEM, "%zu features", rs_sets_stride(s));
    for (size_t j = 0; j < rs_sets_stride(s); j++)
        s->penalty[j] = j < m->d ? 1 : RS_TERMS_PENALTY;
    return RS_OK;
}

void rs_sets_clear(struct rs_sets *s)
{
    free(s->penalty);
    for (size_t k = 0; k < RS_FOLDS; k++)
        rs_terms_clear(&s->grown[k].terms);
    *s = (struct rs_sets){ 0 };
}

size_t rs_sets_stride(const struct rs_sets *s)
{
    return s->d[0] + (s->n > 1 ? RS_TERMS_MAX : 0);
}

struct job {
    const struct rs_terms *terms;
    const struct rs_matrix *m; /* that terms go into; NULL: the sample */
    struct rs_sample *sample;
    const double *mean, *scale;
    size_t first, d;
};

/* Terms of sample rows, from the raw rows of the matrix. */
static void fill_sample(void *arg, size_t task, unsigned worker)
{
    (void)worker;
    const struct job *job = arg;
    struct rs_sample *s = job->sample;
    for (size_t i = task * BLOCK; i < RS_MIN((task + 1) * BLOCK, s->n); i++)
        rs_terms_row(job->terms, s->m->x + s->row[i] * s->m->stride, s->x + i * s->stride + job->first);
}

static void standardise_sample(void *arg, size_t task, unsigned worker)
{
    (void)worker;
    const struct job *job = arg;
    struct rs_sample *s = job->sample;
    for (size_t i = task * BLOCK; i < RS_MIN((task + 1) * BLOCK, s->n); i++)
        for (size_t j = job->first; j < job->d; j++) {
            float *x = &s->x[i * s->stride + j];
            *x = (float)(((double)*x - job->mean[j - job->first]) / job->scale[j - job->first]);
        }
}

/* A column that is constant here keeps its numbers; its weight stays 0. */
static void scales_of(double *square, size_t n, double weight)
{
    for (size_t j = 0; j < n; j++) {
        square[j] = weight > 0 ? sqrt(square[j] / weight) : 0;
        square[j] = square[j] > 0 ? square[j] : 1;
    }
}

static enum rs_status fill_columns(struct rs_sets *s, struct rs_sample *sample, const struct rs_terms *t,
                                   struct rs_error *err)
{
    size_t first = s->d[0], n = t->n_bins + t->n_products, blocks = (sample->n + BLOCK - 1) / BLOCK;
    s->d[1] = first + n;
    if (n == 0)
        return RS_OK;
    rs_autofree double *numbers = rs_alloc(3 * n, sizeof *numbers);
    if (!numbers)
        return rs_error_set(err, RS_ENOMEM, "%zu terms", n);
    struct rs_moments moments = { numbers, numbers + n, numbers + 2 * n };
    struct job job = { t, NULL, sample, moments.mean, moments.square, first, s->d[1] };
    rs_parallel(0, blocks, fill_sample, &job);
    enum rs_status st =
        rs_moments_take(sample->x, sample->n, sample->stride, first, s->d[1], sample->weight, NULL, &moments, err);
    if (st < 0)
        return st;
    scales_of(moments.square, n, moments.weight[0]);
    rs_parallel(0, blocks, standardise_sample, &job);
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
        return rs_error_set(err, RS_ENOMEM, "terms of %zu rows", n);
    for (size_t i = 0; i < n; i++) {
        y[i] = m->y[rows[i]];
        unit[i] = m->unit[rows[i]];
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
        return rs_error_set(err, RS_ENOMEM, "terms of %zu rows", n_train);
    for (size_t i = 0; i < n_train; i++) {
        rows[i] = sample->row[train[i]];
        weight[i] = sample->weight[train[i]];
    }
    return grow(s, sample->m, rows, n_train, weight, NULL, out, err);
}

enum rs_status rs_sets_refresh(struct rs_sets *s, struct rs_sample *sample, const uint32_t *train, size_t n_train,
                               struct rs_error *err)
{
    if (s->n < 2)
        return RS_OK;
    uint64_t hash = XXH3_64bits(train, n_train * sizeof *train);
    for (size_t k = 0; k < RS_MIN(s->n_grown, (size_t)RS_FOLDS); k++)
        if (s->grown[k].rows == hash)
            return fill_columns(s, sample, &s->grown[k].terms, err);
    size_t k = s->n_grown++ % RS_FOLDS;
    rs_terms_clear(&s->grown[k].terms);
    s->grown[k].rows = hash;
    enum rs_status st = grow_in_fold(s, sample, train, n_train, &s->grown[k].terms, err);
    return st < 0 ? st : fill_columns(s, sample, &s->grown[k].terms, err);
}

static void fill_matrix(void *arg, size_t task, unsigned worker)
{
    (void)worker;
    const struct job *job = arg;
    for (size_t i = task * BLOCK; i < RS_MIN((task + 1) * BLOCK, job->m->n); i++) {
        float *row = job->m->x + i * job->m->stride;
        rs_terms_row(job->terms, row, row + job->first);
    }
}

static enum rs_status count_all(const struct rs_matrix *m, const struct rs_matrix_total *all, rs_comm *comm,
                                struct rs_terms_whole *out, struct rs_error *err)
{
    uint64_t n_units_positive = 0;
    uint32_t last = UINT32_MAX;
    for (size_t i = 0; i < m->n; i++)
        if (m->y[i] && m->unit[i] != last) {
            last = m->unit[i];
            n_units_positive++;
        }
    enum rs_status st = rs_comm_sum_counts(comm, &n_units_positive, 1, err);
    *out = (struct rs_terms_whole){ { all->n - all->n_positive, all->n_positive }, n_units_positive };
    return st;
}

static enum rs_status grow_on_rows(const struct rs_sets *s, const struct rs_matrix *m, const uint32_t *rows, size_t n,
                                   const struct rs_terms_whole *whole, struct rs_terms *out, struct rs_error *err)
{
    rs_autofree float *weight = rs_alloc(n, sizeof *weight);
    if (!weight)
        return rs_error_set(err, RS_ENOMEM, "terms of %zu rows", n);
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
        return rs_error_set(err, RS_ENOMEM, "terms of %zu rows", all.n);
    for (size_t i = 0; i < all.n; i++)
        each[i] = (uint32_t)i;
    return grow_on_rows(s, &all, each, all.n, whole, out, err);
}

/* Terms of every row of every process: what the growing looks at is brought together, the rest is counted. */
static enum rs_status grow_on_all(const struct rs_sets *s, const struct rs_matrix *m, rs_comm *comm,
                                  struct rs_terms *out, struct rs_error *err)
{
    struct rs_matrix_total all;
    struct rs_terms_whole whole;
    enum rs_status st = rs_matrix_total(m, comm, &all, err);
    if (st == RS_OK)
        st = count_all(m, &all, comm, &whole, err);
    if (st < 0)
        return st;
    rs_autofree uint32_t *rows = rs_alloc(m->n, sizeof *rows);
    if (!rows)
        return rs_error_set(err, RS_ENOMEM, "terms of %zu rows", m->n);
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (rs_terms_looks_at(&whole, all.first + i, m->y[i]))
            rows[n++] = (uint32_t)i;
    return rs_comm_size(comm) > 1 ? grow_on_gathered(s, m, rows, n, &whole, comm, out, err)
                                  : grow_on_rows(s, m, rows, n, &whole, out, err);
}

enum rs_status rs_sets_finish(struct rs_sets *s, struct rs_matrix *m, unsigned set, rs_comm *comm, struct rs_error *err)
{
    if (set == 0)
        return RS_OK;
    rs_auto_terms terms = { 0 };
    enum rs_status st = grow_on_all(s, m, comm, &terms, err);
    size_t n = terms.n_bins + terms.n_products, first = m->d;
    if (st == RS_OK)
        st = rs_matrix_widen(m, first + n, err);
    if (st < 0)
        return st;
    rs_parallel(0, (m->n + BLOCK - 1) / BLOCK, fill_matrix, &(struct job){ .terms = &terms, .m = m, .first = first });
    st = rs_matrix_extend(m, first + n, comm, err);
    for (size_t j = first; st == RS_OK && j < first + n; j++)
        m->scale[j] = m->scale[j] > 0 ? m->scale[j] : 1;
    return st < 0 ? st : rs_terms_append(&terms, n, s->program, err);
}
