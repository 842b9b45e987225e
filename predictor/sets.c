/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base columns, and the terms grown on training rows. */
#include "predictor/sets.h"

#include <math.h>

#include "common/parallel.h"
#include "predictor/terms.h"

#define BLOCK 1024 /* rows of one task */

enum rs_status rs_sets_init(struct rs_sets *s, const struct rs_matrix *m, struct rs_program *p, unsigned n_sets,
                            struct rs_error *err)
{
    *s = (struct rs_sets){ .m = m, .program = p, .n = n_sets, .d = { m->d, m->d } };
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
    *s = (struct rs_sets){ 0 };
}

size_t rs_sets_stride(const struct rs_sets *s)
{
    return s->d[0] + (s->n > 1 ? RS_TERMS_MAX : 0);
}

struct job {
    const struct rs_terms *terms;
    const struct rs_matrix *m;
    struct rs_sample *sample; /* NULL: terms go into the matrix */
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
        rs_terms_row(job->terms, job->m->x + s->row[i] * job->m->stride, s->x + i * s->stride + job->first);
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
    struct job job = { t, s->m, sample, moments.mean, moments.square, first, s->d[1] };
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
static enum rs_status grow(const struct rs_sets *s, const uint32_t *rows, size_t n, const float *weight,
                           struct rs_terms *out, struct rs_error *err)
{
    rs_autofree uint8_t *y = rs_alloc(n, 1);
    rs_autofree uint32_t *unit = rs_alloc(n, sizeof *unit);
    if (!y || !unit)
        return rs_error_set(err, RS_ENOMEM, "terms of %zu rows", n);
    for (size_t i = 0; i < n; i++) {
        y[i] = s->m->y[rows[i]];
        unit[i] = s->m->unit[rows[i]];
    }
    struct rs_terms_input in = { .program = s->program,
                                 .x = s->m->x,
                                 .stride = s->m->stride,
                                 .rows = rows,
                                 .n = n,
                                 .y = y,
                                 .weight = weight,
                                 .unit = unit };
    return rs_terms_grow(&in, out, err);
}

enum rs_status rs_sets_refresh(struct rs_sets *s, struct rs_sample *sample, const uint32_t *train, size_t n_train,
                               struct rs_error *err)
{
    if (s->n < 2)
        return RS_OK;
    rs_auto_terms terms = { 0 };
    rs_autofree uint32_t *rows = rs_alloc(n_train, sizeof *rows);
    rs_autofree float *weight = rs_alloc(n_train, sizeof *weight);
    if (!rows || !weight)
        return rs_error_set(err, RS_ENOMEM, "terms of %zu rows", n_train);
    for (size_t i = 0; i < n_train; i++) {
        rows[i] = sample->row[train[i]];
        weight[i] = sample->weight[train[i]];
    }
    enum rs_status st = grow(s, rows, n_train, weight, &terms, err);
    return st < 0 ? st : fill_columns(s, sample, &terms, err);
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

enum rs_status rs_sets_finish(struct rs_sets *s, struct rs_matrix *m, unsigned set, rs_comm *comm, struct rs_error *err)
{
    if (set == 0)
        return RS_OK;
    rs_auto_terms terms = { 0 };
    rs_autofree uint32_t *rows = rs_alloc(m->n, sizeof *rows);
    if (!rows)
        return rs_error_set(err, RS_ENOMEM, "terms of %zu rows", m->n);
    for (size_t i = 0; i < m->n; i++)
        rows[i] = (uint32_t)i;
    enum rs_status st = grow(s, rows, m->n, m->weight, &terms, err);
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
