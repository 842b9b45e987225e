/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passes over the rows on all cores and processes. Rows go in stripes that depend on the problem alone; their sums are
 * joined in order, so that the number of threads changes no bit. */
#include "predictor/fit.h"

#include <math.h>

#include "common/cli.h"
#include "common/parallel.h"

#define STRIPES_MAX 256
#define STRIPE_ROWS_MIN 1024
#define GROUP_ROWS_MIN 2048

static size_t stripe_rows(size_t n)
{
    size_t rows = RS_MAX((n + STRIPES_MAX - 1) / STRIPES_MAX, (size_t)STRIPE_ROWS_MIN);
    return (rows + RS_FLUSH_ROWS - 1) / RS_FLUSH_ROWS * RS_FLUSH_ROWS;
}

/* The part of a sample that one stripe draws: a chain of chunks. */
struct drawn {
    struct pass_job *job;
    uint32_t first, last;
    size_t n;
};

struct pass_job {
    struct rs_fit *f;
    struct rs_pass pass;
    const struct rs_pass_kernels *kernels;
    size_t rows; /* a stripe */
    double kappa;
    struct drawn drawn[STRIPES_MAX];
    uint32_t n_chunks; /* taken, over all stripes; may pass what there is */
};

static bool keep_row(void *arg, size_t i, double probability)
{
    struct drawn *own = arg;
    struct rs_subset *s = &own->job->f->ws->sample;
    const struct rs_problem *p = own->job->pass.p;
    if (own->n % RS_DRAW_CHUNK == 0) {
        uint32_t chunk = __atomic_fetch_add(&own->job->n_chunks, 1, __ATOMIC_RELAXED);
        if ((chunk + 1) * (size_t)RS_DRAW_CHUNK > s->capacity)
            return false; /* the count tells */
        if (own->n)
            s->next[own->last] = chunk;
        else
            own->first = chunk;
        own->last = chunk;
    }
    size_t slot = own->last * (size_t)RS_DRAW_CHUNK + own->n++ % RS_DRAW_CHUNK, row = p->rows ? p->rows[i] : i;
    memcpy(s->x + slot * p->d, p->x + row * p->stride, p->d * sizeof *s->x);
    s->y[slot] = p->y[row];
    s->weight[slot] = (float)((p->row_weight ? (double)p->row_weight[row] : 1.0) / probability);
    if (p->offset)
        s->offset[slot] = p->offset[row];
    return true;
}

static void pass_stripe(void *arg, size_t task, unsigned worker)
{
    struct pass_job *job = arg;
    const rs_solver *ws = job->f->ws;
    size_t n = job->pass.p->n, from = task * job->rows, to = RS_MIN(from + job->rows, n);
    job->drawn[task] = (struct drawn){ .job = job };
    struct rs_draw draw = {
        .kappa = job->kappa, .inverse = ws->inverse, .salt = 0x5bd1e995u, .keep = keep_row, .arg = &job->drawn[task]
    };
    job->kernels->gradient(&job->pass, job->kappa > 0 ? &draw : NULL, from, to,
                           ws->scratch + worker * ws->scratch_bytes, ws->stripes + task * rs_sum_len(job->pass.p->d));
}

/* The slots in the order of the stripes, which is that of the rows. */
static void order_sample(struct pass_job *job, size_t n_stripes)
{
    struct rs_subset *s = &job->f->ws->sample;
    s->n = 0;
    if (job->n_chunks * (size_t)RS_DRAW_CHUNK > s->capacity) {
        job->f->ws->sums[rs_sum_len(job->pass.p->d) + RS_FLAG_OVERFLOW] = 1;
        return;
    }
    for (size_t t = 0; t < n_stripes; t++) {
        uint32_t chunk = job->drawn[t].first;
        for (size_t i = 0; i < job->drawn[t].n; i++) {
            if (i && i % RS_DRAW_CHUNK == 0)
                chunk = s->next[chunk];
            s->order[s->n++] = (uint32_t)(chunk * RS_DRAW_CHUNK + i % RS_DRAW_CHUNK);
        }
    }
}

static double penalty_at(const struct rs_fit *f, const double *w)
{
    double sum = 0;
    for (size_t j = 0; j <= f->p.d; j++)
        sum += f->ws->l2[j] * w[j] * w[j] / 2 + f->ws->l1[j] * fabs(w[j]);
    return sum;
}

static double norm(const double *x, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += x[j] * x[j];
    return sqrt(sum);
}

/* math.md L7: the subgradient of least norm, which vanishes at the optimum alone */
static double kkt_norm(const struct rs_fit *f, const struct rs_point *at)
{
    double sum = 0;
    for (size_t j = 0; j <= f->p.d; j++) {
        double l1 = f->ws->l1[j], g = at->g[j];
        double r = at->w[j] > 0 ? g + l1 : at->w[j] < 0 ? g - l1 : RS_MAX(fabs(g) - l1, 0.0);
        sum += r * r;
    }
    return sqrt(sum);
}

void rs_fit_penalise(const struct rs_fit *f, struct rs_point *at, double loss)
{
    size_t d = f->p.d;
    const double *sums = f->ws->sums + rs_sum_at(d, RS_SUM_GRADIENT);
    for (size_t j = 0; j <= d; j++)
        at->g[j] = f->opt->C * sums[j] + f->ws->l2[j] * at->w[j];
    if (f->opt->bias == RS_BIAS_NONE)
        at->g[d] = 0;
    at->f = f->opt->C * loss + penalty_at(f, at->w);
    at->kkt = kkt_norm(f, at);
}

static enum rs_status join_sums(struct rs_fit *f, size_t n_stripes)
{
    size_t len = rs_sum_len(f->p.d);
    double *sums = f->ws->sums;
    for (size_t t = 0; t < n_stripes; t++)
        for (size_t k = 0; k < len; k++)
            sums[k] += f->ws->stripes[t * len + k];
    if (rs_cli_interrupted())
        sums[len + RS_FLAG_INTERRUPTED] = 1;
    enum rs_status st = rs_comm_sum(f->opt->comm, sums, len + RS_FLAGS, f->err);
    if (st < 0)
        return st;
    if (sums[len + RS_FLAG_INTERRUPTED] > 0)
        return rs_error_set(f->err, RS_ECANCELLED, "interrupted");
    f->has_overflowed = sums[len + RS_FLAG_OVERFLOW] > 0;
    return RS_OK;
}

enum rs_status rs_fit_evaluate(struct rs_fit *f, struct rs_point *at, int n_vectors, double kappa)
{
    size_t d = f->p.d, len = rs_sum_len(d), rows = stripe_rows(f->p.n), n_stripes = (f->p.n + rows - 1) / rows;
    struct pass_job job = { .f = f,
                            .pass = { &f->p, f->opt->learner, at->w, n_vectors },
                            .kernels = rs_pass_kernels(f->is_double),
                            .rows = rows,
                            .kappa = kappa };
    memset(f->ws->sums, 0, (len + RS_FLAGS) * sizeof *f->ws->sums);
    rs_parallel(f->n_threads, n_stripes, pass_stripe, &job);
    if (kappa > 0)
        order_sample(&job, n_stripes);
    enum rs_status st = join_sums(f, n_stripes);
    if (st < 0)
        return st;
    rs_fit_penalise(f, at, f->ws->sums[rs_sum_loss(d)]);
    f->passes += (double)f->p.n / RS_MAX(f->n_all, 1.0);
    if (n_vectors <= RS_SUM_START)
        return RS_OK;
    size_t n = f->opt->bias == RS_BIAS_NONE ? d : d + 1;
    f->start_norm = f->opt->C * norm(f->ws->sums + rs_sum_at(d, RS_SUM_START), n);
    if (n_vectors > RS_SUM_TERMS)
        f->terms_norm = f->opt->C * norm(f->ws->sums + rs_sum_at(d, RS_SUM_TERMS), n);
    return isfinite(at->f) && isfinite(f->terms_norm) && isfinite(f->start_norm)
               ? RS_OK
               : rs_error_set(f->err, RS_EDOMAIN, "a row or the start holds a NaN, an infinity or too large a number");
}

struct hessian_job {
    struct rs_fit *f;
    struct rs_pass pass;
    const struct rs_pass_kernels *kernels;
    size_t n_groups, rows, n_strips, width;
};

static void hessian_part(void *arg, size_t task, unsigned worker)
{
    struct hessian_job *job = arg;
    const rs_solver *ws = job->f->ws;
    size_t group = task / job->n_strips, j0 = task % job->n_strips * RS_STRIP_COLUMNS, d = job->pass.p->d;
    size_t from = group * job->rows, to = RS_MIN(from + job->rows, job->pass.p->n);
    if (from < to && !rs_cli_interrupted())
        job->kernels->hessian(&job->pass, j0, RS_MIN(j0 + RS_STRIP_COLUMNS, d + 1), from, to,
                              ws->scratch + worker * ws->scratch_bytes, ws->groups + group * job->width * job->width);
}

/* The lower triangle of the sum of the groups, packed, for the sum over processes; then both halves, with C. */
static enum rs_status join_groups(struct rs_fit *f, const struct hessian_job *job)
{
    size_t d = job->pass.p->d, width = job->width, n = 0;
    double *packed = f->ws->groups, C = f->opt->C;
    for (size_t j = 0; j <= d; j++)
        for (size_t k = 0; k <= j; k++) {
            double sum = 0;
            for (size_t g = 0; g < job->n_groups; g++)
                sum += f->ws->groups[(g * width + j) * width + k];
            packed[n++] = sum; /* never ahead of what is still to be read */
        }
    enum rs_status st = rs_comm_sum(f->opt->comm, packed, n, f->err);
    if (st < 0)
        return st;
    double *h = f->ws->h;
    n = 0;
    for (size_t j = 0; j <= d; j++)
        for (size_t k = 0; k <= j; k++)
            h[j * (d + 1) + k] = h[k * (d + 1) + j] = C * packed[n++];
    for (size_t j = 0; j <= d; j++)
        h[j * (d + 2)] += f->ws->l2[j];
    if (f->opt->bias != RS_BIAS_NONE)
        return RS_OK;
    for (size_t j = 0; j <= d; j++)
        h[d * (d + 1) + j] = h[j * (d + 1) + d] = j == d;
    return RS_OK;
}

enum rs_status rs_fit_hessian(struct rs_fit *f, const struct rs_problem *rows, const double *w)
{
    struct hessian_job job = { .f = f,
                               .pass = { rows, f->opt->learner, w, 1 },
                               .kernels = rs_pass_kernels(f->curvature == RS_CURVATURE_DOUBLE),
                               .width = rs_pass_width(rows->d) };
    job.n_groups = RS_MIN(f->ws->n_groups_max, RS_MAX(rows->n / GROUP_ROWS_MIN, (size_t)1));
    job.rows = (rows->n + job.n_groups - 1) / job.n_groups;
    job.n_strips = (rows->d + RS_STRIP_COLUMNS) / RS_STRIP_COLUMNS;
    memset(f->ws->groups, 0, job.n_groups * job.width * job.width * sizeof *f->ws->groups);
    rs_parallel(f->n_threads, job.n_groups * job.n_strips, hessian_part, &job);
    f->passes += (double)rows->n / RS_MAX(f->n_all, 1.0);
    return join_groups(f, &job);
}
