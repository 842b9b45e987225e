/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Imputes, prunes and standardises the training matrix. */
#include "predictor/matrix.h"

#include <math.h>

#include "common/parallel.h"
#include "predictor/autofeat.h"

#define STRIPES 64      /* of rows, over which sums are taken; fixed, so that sums have one order */
#define LOOKED_AT 4096u /* rows that the search for equal columns hashes */

void rs_matrix_clear(struct rs_matrix *m)
{
    free(m->x);
    free(m->y);
    free(m->time);
    free(m->unit);
    free(m->weight);
    free(m->unit_hash);
    free(m->unit_fails);
    free(m->unit_cohort);
    free(m->unit_first);
    free(m->mean);
    free(m->scale);
    free(m->tally.support);
    rs_references_free(m->references);
    *m = (struct rs_matrix){ 0 };
}

enum rs_status rs_matrix_total(const struct rs_matrix *m, rs_comm *comm, struct rs_matrix_total *out,
                               struct rs_error *err)
{
    uint64_t mine[] = { m->n, m->n_positive, m->n_units, m->n_failing };
    void *all = NULL;
    size_t n = 0;
    enum rs_status st = rs_comm_gather(comm, mine, 1, sizeof mine, &all, &n, err);
    if (st < 0)
        return st;
    *out = (struct rs_matrix_total){ 0 };
    for (size_t k = 0; k < n; k++) {
        const uint64_t *of = (const uint64_t *)all + k * RS_LEN(mine);
        out->first += k < rs_comm_rank(comm) ? of[0] : 0;
        out->n += of[0];
        out->n_positive += of[1];
        out->n_units += of[2];
        out->n_failing += of[3];
    }
    free(all);
    return RS_OK;
}

/* Rows of a stripe. */
static void stripe_rows(size_t n, size_t stripe, size_t *from, size_t *to)
{
    *from = n / STRIPES * stripe + RS_MIN(stripe, n % STRIPES);
    *to = *from + n / STRIPES + (stripe < n % STRIPES);
}

struct moments_job {
    const float *x, *weight;
    size_t n, stride, first, d;
    const double *mean; /* NULL in the first pass */
    double *sums;       /* STRIPES x 2 x (d - first): sums, then weights of the readings (first pass) */
};

static void sum_stripe(void *arg, size_t stripe, unsigned worker)
{
    (void)worker;
    const struct moments_job *job = arg;
    size_t k = job->d - job->first, from, to;
    double *sum = job->sums + stripe * 2 * k, *weight = sum + k;
    stripe_rows(job->n, stripe, &from, &to);
    for (size_t i = from; i < to; i++) {
        const float *x = job->x + i * job->stride + job->first;
        double w = job->weight ? (double)job->weight[i] : 1;
        for (size_t j = 0; j < k; j++) {
            double there = x[j] < RS_NOTHING_TO_SAY ? w : 0;
            double value = job->mean ? ((double)x[j] - job->mean[j]) * ((double)x[j] - job->mean[j]) : (double)x[j];
            sum[j] += there > 0 ? there * value : 0;
            weight[j] += there;
        }
    }
}

static enum rs_status sum_up(struct moments_job *job, rs_comm *comm, double *out, struct rs_error *err)
{
    size_t k = job->d - job->first;
    memset(job->sums, 0, STRIPES * 2 * k * sizeof *job->sums);
    rs_parallel(0, STRIPES, sum_stripe, job);
    memset(out, 0, 2 * k * sizeof *out);
    for (size_t s = 0; s < STRIPES; s++)
        for (size_t j = 0; j < 2 * k; j++)
            out[j] += job->sums[s * 2 * k + j];
    return rs_comm_sum(comm, out, 2 * k, err);
}

enum rs_status rs_moments_take(const float *x, size_t n, size_t stride, size_t first, size_t d, const float *weight,
                               rs_comm *comm, const struct rs_moments *out, struct rs_error *err)
{
    size_t k = d - first;
    rs_autofree double *sums = rs_alloc(STRIPES * 2 * k, sizeof *sums), *all = rs_alloc(2 * k, sizeof *all);
    if (!sums || !all)
        return rs_error_set(err, RS_ENOMEM, "%zu features: out of memory", d);
    struct moments_job job = {
        .x = x, .weight = weight, .n = n, .stride = stride, .first = first, .d = d, .sums = sums
    };
    enum rs_status st = sum_up(&job, comm, all, err);
    if (st < 0)
        return st;
    for (size_t j = 0; j < k; j++) {
        out->weight[j] = all[k + j];
        out->mean[j] = all[k + j] > 0 ? all[j] / all[k + j] : 0;
    }
    job.mean = out->mean;
    st = sum_up(&job, comm, all, err);
    for (size_t j = 0; j < k && st == RS_OK; j++)
        out->square[j] = all[j];
    return st;
}

struct rows_job {
    struct rs_matrix *m;
    const float *impute;
};

static void impute_stripe(void *arg, size_t stripe, unsigned worker)
{
    (void)worker;
    const struct rows_job *job = arg;
    size_t from, to;
    stripe_rows(job->m->n, stripe, &from, &to);
    for (size_t i = from; i < to; i++) {
        float *x = job->m->x + i * job->m->stride;
        for (size_t j = 0; j < job->m->d; j++)
            x[j] = x[j] < RS_NOTHING_TO_SAY ? x[j] : job->impute[j];
    }
}

/* The deviation is over all rows: what is missing becomes the mean and adds nothing. */
static enum rs_status take_columns(struct rs_matrix *m, size_t first, size_t d, rs_comm *comm, struct rs_error *err)
{
    rs_autofree double *weight = rs_alloc(d - first, sizeof *weight);
    if (!weight)
        return rs_error_set(err, RS_ENOMEM, "%zu features: out of memory", d);
    struct rs_moments moments = { m->mean + first, m->scale + first, weight };
    enum rs_status st = rs_moments_take(m->x, m->n, m->stride, first, d, m->weight, comm, &moments, err);
    double all[1] = { 0 };
    for (size_t i = 0; i < m->n; i++)
        all[0] += (double)m->weight[i];
    if (st == RS_OK)
        st = rs_comm_sum(comm, all, 1, err);
    for (size_t j = first; j < d && st == RS_OK; j++)
        m->scale[j] = all[0] > 0 ? sqrt(m->scale[j] / all[0]) : 0;
    return st;
}

/* math.md F15 */
enum rs_status rs_matrix_impute(struct rs_matrix *m, struct rs_program *p, rs_comm *comm, struct rs_error *err)
{
    rs_autofree float *impute = rs_alloc(m->d, sizeof *impute);
    if (!impute)
        return rs_error_set(err, RS_ENOMEM, "%zu features: out of memory", m->d);
    enum rs_status st = take_columns(m, 0, m->d, comm, err);
    if (st < 0)
        return st;
    for (size_t j = 0; j < m->d; j++) {
        if (!(p->steps[j].impute < RS_NOTHING_TO_SAY))
            p->steps[j].impute = (float)m->mean[j];
        impute[j] = p->steps[j].impute;
    }
    rs_parallel(0, STRIPES, impute_stripe, &(struct rows_job){ m, impute });
    return RS_OK;
}

/* FNV-1a over the cells of each column, a cell at a time, in rows spread over the matrix. */
static void hash_columns(const struct rs_matrix *m, uint64_t *hash)
{
    size_t step = RS_MAX(m->n / LOOKED_AT, (size_t)1);
    for (size_t j = 0; j < m->d; j++)
        hash[j] = 14695981039346656037u;
    for (size_t i = 0; i < m->n; i += step)
        for (size_t j = 0; j < m->d; j++) {
            uint32_t bits;
            memcpy(&bits, &m->x[i * m->stride + j], sizeof bits);
            hash[j] = (hash[j] ^ bits) * 1099511628211u;
        }
}

static bool columns_are_equal(const struct rs_matrix *m, size_t a, size_t b)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->x[i * m->stride + a] != m->x[i * m->stride + b])
            return false;
    return true;
}

static bool is_constant(const struct rs_matrix *m, size_t j)
{
    /* a deviation that rounding alone explains counts as none */
    return !(m->scale[j] > 1e-7 * fabs(m->mean[j])) || m->scale[j] < 1e-20;
}

enum rs_status rs_matrix_useful(const struct rs_matrix *m, rs_comm *comm, bool *keep, struct rs_error *err)
{
    rs_autofree uint64_t *hash = rs_alloc(m->d, sizeof *hash);
    if (!hash)
        return rs_error_set(err, RS_ENOMEM, "%zu features: out of memory", m->d);
    hash_columns(m, hash);
    enum rs_status st = rs_comm_sum_counts(comm, hash, m->d, err); /* equal columns have equal sums */
    for (size_t j = 0; st == RS_OK && j < m->d; j++) {
        keep[j] = !is_constant(m, j);
        for (size_t k = 0; st == RS_OK && keep[j] && k < j; k++) {
            if (!keep[k] || hash[k] != hash[j])
                continue;
            uint64_t n_unequal = !columns_are_equal(m, k, j);
            st = rs_comm_sum_counts(comm, &n_unequal, 1, err);
            keep[j] = n_unequal > 0;
        }
    }
    return st;
}

void rs_matrix_prune(struct rs_matrix *m, const bool *keep)
{
    size_t d = 0;
    for (size_t j = 0; j < m->d; j++)
        if (keep[j]) {
            m->mean[d] = m->mean[j];
            m->scale[d++] = m->scale[j];
        }
    if (d == m->d)
        return;
    float *to = m->x;
    for (size_t i = 0; i < m->n; i++)
        for (size_t j = 0; j < m->d; j++)
            if (keep[j])
                *to++ = m->x[i * m->stride + j];
    m->d = m->stride = d;
}

static void standardise_stripe(void *arg, size_t stripe, unsigned worker)
{
    (void)worker;
    struct rs_matrix *m = arg;
    size_t from, to;
    stripe_rows(m->n, stripe, &from, &to);
    for (size_t i = from; i < to; i++)
        for (size_t j = 0; j < m->d; j++) {
            float *x = &m->x[i * m->stride + j];
            *x = (float)(((double)*x - m->mean[j]) / m->scale[j]);
        }
}

void rs_matrix_standardise(struct rs_matrix *m)
{
    rs_parallel(0, STRIPES, standardise_stripe, m);
}
