/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The radial support vector machine (docs/math.md X1 to X4) as a learner: a small grid, on the base features. */
#include <math.h>

#include "common/parallel.h"
#include "predictor/learner.h"
#include "predictor/rbf.h"

#define BLOCK 64 /* rows of one task */

static const double grid_C[] = { 1, 10 };
static const double grid_gamma[] = { 0.25, 1 }; /* times 1 / d, libsvm's own choice */

static size_t propose(double C, unsigned set, struct rs_candidate *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; set == 0 && i < RS_LEN(grid_C); i++)
        for (size_t k = 0; k < RS_LEN(grid_gamma) && n < max; k++)
            if (isnan(C) || i == 0)
                out[n++] = (struct rs_candidate){
                    .ops = &rs_rbf_ops, .set = set, .C = isnan(C) ? grid_C[i] : C, .gamma = grid_gamma[k]
                };
    return n;
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
    return rs_rbf_fit(&mine, &opt, &f->rbf, &f->rbf_bias, err);
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
