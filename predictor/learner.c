/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the learners share. */
#include "predictor/learner.h"

#include <math.h>

#include "common/parallel.h"

#define BLOCK 1024 /* rows whose decision values one task computes */

enum rs_status rs_fitted_init(struct rs_fitted *f, size_t d_max, struct rs_error *err)
{
    *f = (struct rs_fitted){ 0 };
    f->w = rs_alloc(d_max + 1, sizeof *f->w);
    return f->w ? RS_OK : rs_error_set(err, RS_ENOMEM, "%zu features: out of memory", d_max);
}

void rs_fitted_clear(struct rs_fitted *f)
{
    free(f->w);
    free(f->rbf.coef);
    free(f->rbf.sv);
    *f = (struct rs_fitted){ 0 };
}

bool rs_candidates_are_kin(const struct rs_candidate *a, const struct rs_candidate *b)
{
    return a->ops == b->ops && a->is_balanced == b->is_balanced && a->l1_ratio == b->l1_ratio;
}

bool rs_candidates_share_fit(const struct rs_candidate *a, const struct rs_candidate *b)
{
    return rs_candidates_are_kin(a, b) && a->C == b->C && a->gamma == b->gamma;
}

const char *rs_candidate_name(const struct rs_candidate *c)
{
    switch (c->ops->learner) {
    case RS_LOGISTIC:
        return c->l1_ratio > 0 ? "elastic net" : "logistic";
    case RS_LINEAR_SVM:
        return c->is_balanced ? "svm, balanced" : "svm";
    case RS_RBF_SVM:
        break;
    }
    return "rbf svm";
}

struct rs_class_sums rs_class_sums(const struct rs_problem *p)
{
    double sums[2] = { 0, 0 };
    for (size_t i = 0; i < p->n; i++) {
        size_t row = p->rows ? p->rows[i] : i;
        sums[p->y[row]] += p->row_weight ? (double)p->row_weight[row] : 1;
    }
    return (struct rs_class_sums){ sums[1], sums[0] };
}

enum rs_status rs_linear_fit(const struct rs_learner_ws *ws, const struct rs_problem *p, const struct rs_candidate *c,
                             struct rs_fitted *f, struct rs_error *err)
{
    struct rs_problem mine = *p;
    double sums[2];
    struct rs_class_sums s = rs_class_sums(p);
    sums[0] = s.negative;
    sums[1] = s.positive;
    enum rs_status st = rs_comm_sum(ws->comm, sums, 2, err);
    if (st < 0)
        return st;
    mine.weight_positive = mine.weight_negative = 1;
    if (c->is_balanced && sums[0] > 0 && sums[1] > 0) {
        mine.weight_positive = (sums[0] + sums[1]) / (2 * sums[1]);
        mine.weight_negative = (sums[0] + sums[1]) / (2 * sums[0]);
    }
    if (f->d != p->d) { /* no answer of a relative to start from: the base rate */
        memset(f->w, 0, p->d * sizeof *f->w);
        f->w[p->d] = log((mine.weight_positive * sums[1] + 1) / (mine.weight_negative * sums[0] + 1));
        f->d = p->d;
    }
    struct rs_fit_options opt = {
        .learner = c->ops->learner,
        .C = c->C,
        .l1_ratio = c->l1_ratio,
        .bias = RS_BIAS_FREE,
        .rel_gradient = ws->rel_gradient,
        .max_iter = ws->max_iter,
        .comm = ws->comm,
    };
    return rs_solver_fit(ws->solver, &mine, &opt, f->w, &f->report, err);
}

struct decide_job {
    const struct rs_fitted *f;
    const float *x;
    const uint32_t *rows;
    size_t stride, n;
    double *z;
};

static void decide_block(void *arg, size_t task, unsigned worker)
{
    (void)worker;
    const struct decide_job *job = arg;
    for (size_t i = task * BLOCK; i < RS_MIN((task + 1) * BLOCK, job->n); i++)
        job->z[i] = rs_linear_z(job->f->w, job->x + (job->rows ? job->rows[i] : i) * job->stride, job->f->d);
}

enum rs_status rs_linear_decide(const struct rs_fitted *f, const float *x, size_t stride, const uint32_t *rows,
                                size_t n, double *out_z, struct rs_error *err)
{
    (void)err;
    struct decide_job job = { f, x, rows, stride, n, out_z };
    rs_parallel(0, (n + BLOCK - 1) / BLOCK, decide_block, &job);
    return RS_OK;
}
