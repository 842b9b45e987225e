/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The radial support vector machine (docs/math.md X1 to X4) as a learner: a small grid, on the base features. */
#include <math.h>

#include "common/parallel.h"
#include "predictor/learner.h"
#include "predictor/rbf.h"

#define BLOCK 64 /* rows of one task */

static const double grid_C[] = { 1, 10 };
static const double grid_gamma[] = { 0.25, 1 }; /* times 1 / d, libsvm's own choice */

static size_t propose(double C, bool has_trees, struct rs_candidate *out, size_t max)
{
    size_t n = 0;
    (void)has_trees;
    for (size_t i = 0; i < RS_LEN(grid_C); i++)
        for (size_t k = 0; k < RS_LEN(grid_gamma) && n < max; k++)
            if (isnan(C) || i == 0)
                out[n++] =
                    (struct rs_candidate){ .ops = &rs_rbf_ops, .C = isnan(C) ? grid_C[i] : C, .gamma = grid_gamma[k] };
    return n;
}

/* A row on its way to the other processes, before its d features. */
struct nominee {
    uint64_t number;
    float weight;
    uint8_t y;
};

/* What all processes nominate, the same on each. */
struct nominees {
    struct nominee *of;
    float *x;
    uint8_t *y;
    float *weight;
    uint64_t *number;
    size_t n;
};

static void nominees_clear(struct nominees *s)
{
    free(s->of);
    free(s->x);
    free(s->y);
    free(s->weight);
    free(s->number);
}

/* The number of this process's first row among all. */
static enum rs_status first_row(const struct rs_problem *p, rs_comm *comm, uint64_t *out, struct rs_error *err)
{
    uint64_t n = p->n;
    void *all = NULL;
    size_t n_processes;
    enum rs_status st = rs_comm_gather(comm, &n, 1, sizeof n, &all, &n_processes, err);
    *out = 0;
    for (unsigned k = 0; st == RS_OK && k < rs_comm_rank(comm); k++)
        *out += ((const uint64_t *)all)[k];
    free(all);
    return st;
}

static enum rs_status send_round(const struct rs_problem *p, const uint32_t *rows, size_t n, const uint64_t *number,
                                 rs_comm *comm, struct nominees *out, struct rs_error *err)
{
    rs_autofree struct nominee *mine = rs_alloc(n, sizeof *mine);
    rs_autofree float *x = rs_alloc(n, p->d * sizeof *x);
    if (!mine || !x)
        return rs_error_set(err, RS_ENOMEM, "RBF machine: %zu rows of %zu features: out of memory", n, p->d);
    for (size_t i = 0; i < n; i++) {
        size_t row = rows[i];
        mine[i] = (struct nominee){ number[row], p->row_weight ? p->row_weight[row] : 1, p->y[row] };
        memcpy(x + i * p->d, p->x + row * p->stride, p->d * sizeof *x);
    }
    void *got = NULL, *got_x = NULL;
    size_t cells;
    enum rs_status st = rs_comm_gather(comm, mine, n, sizeof *mine, &got, &out->n, err);
    out->of = got;
    if (st == RS_OK)
        st = rs_comm_gather(comm, x, n * p->d, sizeof *x, &got_x, &cells, err);
    out->x = got_x;
    return st;
}

static enum rs_status unpack(struct nominees *s, struct rs_error *err)
{
    s->y = rs_alloc(s->n, 1);
    s->weight = rs_alloc(s->n, sizeof *s->weight);
    s->number = rs_alloc(s->n, sizeof *s->number);
    if (!s->y || !s->weight || !s->number)
        return rs_error_set(err, RS_ENOMEM, "RBF machine: %zu rows: out of memory", s->n);
    for (size_t i = 0; i < s->n; i++) {
        s->y[i] = s->of[i].y;
        s->weight[i] = s->of[i].weight;
        s->number[i] = s->of[i].number;
    }
    return RS_OK;
}

/* Each process nominates rows of its own; all fit the same machine on the best of them. p: rows 0..n-1 of x. */
static enum rs_status fit_together(const struct rs_learner_ws *ws, const struct rs_problem *p,
                                   struct rs_rbf_options *opt, struct rs_fitted *f, struct rs_error *err)
{
    __attribute__((cleanup(nominees_clear))) struct nominees all = { 0 };
    rs_autofree uint64_t *number = rs_alloc(p->n, sizeof *number);
    uint64_t first;
    if (!number)
        return rs_error_set(err, RS_ENOMEM, "RBF machine: %zu rows: out of memory", p->n);
    struct rs_class_sums sums = rs_class_sums(p);
    opt->whole_weight[0] = sums.negative;
    opt->whole_weight[1] = sums.positive;
    enum rs_status st = first_row(p, ws->comm, &first, err);
    if (st == RS_OK)
        st = rs_comm_sum(ws->comm, opt->whole_weight, 2, err);
    if (st < 0)
        return st;
    for (size_t i = 0; i < p->n; i++)
        number[i] = first + i;
    opt->number = number;
    uint32_t *nominated = NULL;
    size_t n;
    st = rs_rbf_nominate(p, opt, &nominated, &n, err);
    rs_autofree uint32_t *rows = nominated;
    if (st == RS_OK)
        st = send_round(p, rows, n, number, ws->comm, &all, err);
    if (st == RS_OK)
        st = unpack(&all, err);
    if (st < 0)
        return st;
    opt->number = all.number;
    struct rs_problem whole = *p;
    whole.x = all.x;
    whole.stride = p->d;
    whole.y = all.y;
    whole.n = all.n;
    whole.row_weight = all.weight;
    return rs_rbf_fit(&whole, opt, &f->rbf, &f->rbf_bias, err);
}

static enum rs_status fit(const struct rs_learner_ws *ws, const struct rs_problem *p, const struct rs_candidate *c,
                          struct rs_fitted *f, struct rs_error *err)
{
    struct rs_problem mine = *p;
    mine.penalty = NULL;
    struct rs_rbf_options opt = { .C = c->C, .gamma = c->gamma / (double)p->d, .seed = ws->seed };
    free(f->rbf.coef);
    free(f->rbf.sv);
    f->rbf = (struct rs_rbf){ 0 };
    f->d = p->d;
    f->report = (struct rs_fit_report){ .has_converged = true };
    return rs_comm_size(ws->comm) > 1 ? fit_together(ws, &mine, &opt, f, err)
                                      : rs_rbf_fit(&mine, &opt, &f->rbf, &f->rbf_bias, err);
}

struct job {
    const struct rs_fitted *f;
    const float *x;
    const uint32_t *rows;
    size_t stride, n;
    double *z;
};

/* math.md M5 */
static double z_of(const struct rs_fitted *f, const float *x)
{
    double z = f->rbf_bias;
    for (uint32_t k = 0; k < f->rbf.n_sv; k++) {
        const float *sv = f->rbf.sv + (size_t)k * f->d;
        double square = 0;
        for (size_t j = 0; j < f->d; j++)
            square += (double)((x[j] - sv[j]) * (x[j] - sv[j]));
        z += f->rbf.coef[k] * exp(-f->rbf.gamma * square);
    }
    return z;
}

static void decide_block(void *arg, size_t task, unsigned worker)
{
    (void)worker;
    const struct job *job = arg;
    for (size_t i = task * BLOCK; i < RS_MIN((task + 1) * BLOCK, job->n); i++)
        job->z[i] = z_of(job->f, job->x + (job->rows ? job->rows[i] : i) * job->stride);
}

static enum rs_status decide(const struct rs_fitted *f, const float *x, size_t stride, const uint32_t *rows, size_t n,
                             double *out_z, struct rs_error *err)
{
    (void)err;
    rs_parallel(0, (n + BLOCK - 1) / BLOCK, decide_block, &(struct job){ f, x, rows, stride, n, out_z });
    return RS_OK;
}

const struct rs_learner_ops rs_rbf_ops = {
    .name = "rbf",
    .learner = RS_RBF_SVM,
    .propose = propose,
    .fit = fit,
    .decide = decide,
};
