/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every C with every gamma on every fold: one sample, one table of kernel values a gamma, cells on all threads, and the
 * held-out rows scored for all cells in one go. See rbf.h. */
#include <math.h>

#include "common/cli.h"
#include "common/parallel.h"
#include "predictor/rbf_svm.h"

#define SCORE_BLOCK 128 /* validated rows of one task */

struct work {
    const struct rs_rbf_grid *g;
    const struct rs_problem *p;
    struct rbf_sample sample;
    struct rbf_tiles tiles; /* of the sample */
    size_t n_padded;        /* of the sample, a multiple of RBF_LANES */
    /* Kernel values in the form of libsvm's precomputed kernel: row i is table[i * (n + 1)], whose first node holds the
     * row's number and whose node j + 1 the value with row j. */
    struct svm_node *table;
    double *square;  /* n: |x|^2 */
    double *scratch; /* n_padded for each thread */
    double gamma;    /* of the table */
    size_t i_gamma;
    /* Of each machine, cell * n_folds + fold. */
    double *coef; /* n_padded: 0 where a row is no support vector */
    double *bias;
    uint32_t *n_sv;
    enum rs_status *status; /* n_cells * n_folds */
    uint32_t *validated;    /* places */
    size_t n_validated;
    float *distance, *kernel; /* n_padded for each thread */
    double *out_z;
    unsigned threads;
};

static size_t n_cells(const struct work *w)
{
    return w->g->n_C * w->g->n_gamma;
}

static void clear_work(struct work *w)
{
    rbf_sample_clear(&w->sample);
    rbf_tiles_clear(&w->tiles);
    void *owned[] = { w->table, w->square, w->scratch,   w->coef,     w->bias,
                      w->n_sv,  w->status, w->validated, w->distance, w->kernel };
    for (size_t i = 0; i < RS_LEN(owned); i++)
        free(owned[i]);
}

static bool is_in_fold(const struct work *w, size_t i, size_t fold)
{
    return w->g->trains[w->sample.at[i]] >> fold & 1;
}

static void count_fold(const struct work *w, size_t fold, size_t out_n[2])
{
    out_n[0] = out_n[1] = 0;
    for (size_t i = 0; i < w->sample.n; i++)
        out_n[i < w->sample.n_positive] += is_in_fold(w, i, fold);
}

static enum rs_status check_grid(const struct rs_rbf_grid *g, struct rs_error *err)
{
    if (!g->n_folds || g->n_folds > RS_RBF_FOLDS_MAX || !g->n_C || !g->n_gamma)
        return rs_error_set(err, RS_EDOMAIN, "RBF grid: %u folds, %zu x %zu cells: out of range", g->n_folds, g->n_C,
                            g->n_gamma);
    for (size_t i = 0; i < g->n_C; i++)
        if (!rbf_is_positive(g->C[i]))
            return rs_error_set(err, RS_EDOMAIN, "RBF grid: C = %g: above 0 needed", g->C[i]);
    for (size_t i = 0; i < g->n_gamma; i++)
        if (!rbf_is_positive(g->gamma[i]))
            return rs_error_set(err, RS_EDOMAIN, "RBF grid: gamma = %g: above 0 needed", g->gamma[i]);
    return rbf_check(g->problem, &g->options, err);
}

static enum rs_status check_folds(const struct work *w, struct rs_error *err)
{
    for (size_t fold = 0; fold < w->g->n_folds; fold++) {
        size_t n[2];
        count_fold(w, fold, n);
        if (!n[0] || !n[1])
            return rs_error_set(err, RS_ENODATA, "RBF grid: fold %zu trains on %zu positive and %zu negative rows",
                                fold, n[1], n[0]);
    }
    return RS_OK;
}

static enum rs_status list_validated(struct work *w, struct rs_error *err)
{
    w->validated = rs_alloc(w->p->n, sizeof *w->validated);
    if (!w->validated)
        return rs_error_set(err, RS_ENOMEM, "RBF grid: %zu rows: out of memory", w->p->n);
    for (size_t i = 0; i < w->p->n; i++)
        if (w->g->validates[i] < w->g->n_folds)
            w->validated[w->n_validated++] = (uint32_t)i;
    return RS_OK;
}

static enum rs_status make_room(struct work *w, struct rs_error *err)
{
    size_t n = w->sample.n, n_machines = n_cells(w) * w->g->n_folds;
    w->n_padded = w->tiles.n_tiles * RBF_LANES;
    w->table = rs_alloc(n * (n + 1), sizeof *w->table); /* n is at most RS_RBF_ROWS_MAX */
    w->square = rs_alloc(n, sizeof *w->square);
    w->scratch = rs_alloc(w->threads * w->n_padded, sizeof *w->scratch);
    w->distance = rs_alloc(w->threads * w->n_padded, sizeof *w->distance);
    w->kernel = rs_alloc(w->threads * w->n_padded, sizeof *w->kernel);
    size_t cells = 0;
    if (rs_mul_size(n_machines, w->n_padded, &cells))
        w->coef = rs_alloc(cells, sizeof *w->coef);
    w->bias = rs_alloc(n_machines, sizeof *w->bias);
    w->n_sv = rs_alloc(n_machines, sizeof *w->n_sv);
    w->status = rs_alloc(n_machines, sizeof *w->status);
    if (!w->table || !w->square || !w->scratch || !w->distance || !w->kernel || !w->coef || !w->bias || !w->n_sv ||
        !w->status)
        return rs_error_set(err, RS_ENOMEM, "RBF grid: kernel values of %zu rows: out of memory", n);
    return RS_OK;
}

static enum rs_status open_work(struct work *w, struct rs_error *err)
{
    enum rs_status st = rbf_sample_draw(w->p, w->g->trains, &w->g->options, &w->sample, err);
    if (st == RS_OK)
        st = check_folds(w, err);
    if (st == RS_OK)
        st = rbf_tiles_new(w->sample.n, w->p->d, &w->tiles, err);
    if (st == RS_OK)
        st = make_room(w, err);
    if (st == RS_OK)
        st = list_validated(w, err);
    if (st < 0)
        return st;
    for (size_t i = 0; i < w->sample.n; i++) {
        const float *x = rbf_x(w->p, w->sample.at[i]);
        rbf_tiles_put(&w->tiles, i, x);
        for (size_t j = 0; j < w->p->d; j++)
            w->square[i] += (double)x[j] * (double)x[j];
    }
    return RS_OK;
}

/* Row i of the table. In libsvm's own form and order, so that the floats that it keeps are the same. */
static void fill_row(void *arg, size_t i, unsigned worker)
{
    const struct work *w = arg;
    size_t n = w->sample.n;
    double *product = w->scratch + worker * w->n_padded;
    struct svm_node *row = w->table + i * (n + 1);
    rbf_products(&w->tiles, rbf_x(w->p, w->sample.at[i]), product);
    row[0].value = (double)(i + 1);
    for (size_t j = 0; j < n; j++) /* math.md X3: exp(-gamma |x - sv_k|^2) */
        row[j + 1].value = exp(-w->gamma * (w->square[i] + w->square[j] - 2 * product[j]));
}

/* Longest first, so that no thread is left with a long one: time grows with C. */
static size_t cell_of_task(const struct work *w, size_t task)
{
    const double *C = w->g->C;
    size_t wanted = task / w->g->n_folds;
    for (size_t i = 0; i < w->g->n_C; i++) {
        size_t rank = 0;
        for (size_t k = 0; k < w->g->n_C; k++)
            rank += C[k] > C[i] || (C[k] == C[i] && k < i);
        if (rank == wanted)
            return w->i_gamma * w->g->n_C + i;
    }
    return 0;
}

static void keep_machine(struct work *w, size_t machine, const struct svm_model *m, const uint32_t *in_sample)
{
    double *coef = w->coef + machine * w->n_padded;
    for (int k = 0; k < m->l; k++)
        coef[in_sample[m->sv_indices[k] - 1]] = m->sv_coef[0][k];
    w->bias[machine] = -m->rho[0];
    w->n_sv[machine] = (uint32_t)m->l;
}

static enum rs_status train_cell(struct work *w, size_t cell, size_t fold)
{
    size_t n[2];
    count_fold(w, fold, n);
    rs_autofree uint32_t *in_sample = rs_alloc(n[0] + n[1], sizeof *in_sample);
    rs_autofree struct svm_node **x = rs_alloc(n[0] + n[1], sizeof *x);
    rs_autofree double *y = rs_alloc(n[0] + n[1], sizeof *y);
    if (!in_sample || !x || !y)
        return RS_ENOMEM;
    size_t l = 0;
    for (size_t i = 0; i < w->sample.n; i++) {
        if (!is_in_fold(w, i, fold))
            continue;
        in_sample[l] = (uint32_t)i;
        x[l] = w->table + i * (w->sample.n + 1);
        y[l++] = i < w->sample.n_positive ? 1 : -1;
    }
    struct rs_rbf_options opt = w->g->options;
    opt.C = w->g->C[cell % w->g->n_C];
    opt.gamma = w->gamma;
    double weight[2];
    struct svm_parameter param = rbf_parameter(w->p, &opt, &w->sample, n, weight);
    param.kernel_type = PRECOMPUTED;
    struct svm_problem problem = { .l = (int)l, .y = y, .x = x };
    struct svm_model *m = svm_train(&problem, &param);
    keep_machine(w, cell * w->g->n_folds + fold, m, in_sample);
    svm_free_and_destroy_model(&m);
    return RS_OK;
}

static void run_cell(void *arg, size_t task, unsigned worker)
{
    struct work *w = arg;
    size_t cell = cell_of_task(w, task), fold = task % w->g->n_folds;
    (void)worker;
    w->status[cell * w->g->n_folds + fold] = rs_cli_interrupted() ? RS_ECANCELLED : train_cell(w, cell, fold);
}

static enum rs_status run_gamma(struct work *w, size_t i_gamma, struct rs_error *err)
{
    const struct rs_rbf_grid *g = w->g;
    size_t n_tasks = g->n_C * g->n_folds;
    w->i_gamma = i_gamma;
    w->gamma = g->gamma[i_gamma];
    rs_parallel(w->threads, w->sample.n, fill_row, w);
    rs_parallel(w->threads, n_tasks, run_cell, w);
    for (size_t t = 0; t < n_tasks; t++) {
        enum rs_status st = w->status[i_gamma * n_tasks + t];
        if (st < 0)
            return rs_error_set(err, st, "RBF grid: fold %zu: %s", t % g->n_folds,
                                st == RS_ECANCELLED ? "interrupted" : "out of memory");
    }
    return RS_OK;
}

static void score_row(struct work *w, size_t place, float *distance, float *kernel)
{
    const struct rs_rbf_grid *g = w->g;
    rbf_distances(&w->tiles, rbf_x(w->p, place), distance);
    for (size_t cell = 0; cell < n_cells(w); cell++) {
        size_t machine = cell * g->n_folds + g->validates[place];
        if (cell % g->n_C == 0)
            rbf_exp(distance, w->n_padded, (float)g->gamma[cell / g->n_C], kernel);
        w->out_z[cell * w->p->n + place] =
            w->bias[machine] + rbf_dot(w->coef + machine * w->n_padded, kernel, w->n_padded);
    }
}

static void score_block(void *arg, size_t block, unsigned worker)
{
    struct work *w = arg;
    float *distance = w->distance + worker * w->n_padded, *kernel = w->kernel + worker * w->n_padded;
    size_t end = RS_MIN((block + 1) * SCORE_BLOCK, w->n_validated);
    for (size_t i = block * SCORE_BLOCK; i < end; i++)
        score_row(w, w->validated[i], distance, kernel);
}

enum rs_status rs_rbf_grid_run(const struct rs_rbf_grid *g, double *out_z, uint32_t *out_n_sv, struct rs_error *err)
{
    struct work w __attribute__((cleanup(clear_work))) = {
        .g = g, .p = g->problem, .out_z = out_z, .threads = g->n_threads ? g->n_threads : rs_threads()
    };
    enum rs_status st = check_grid(g, err);
    if (st == RS_OK)
        st = open_work(&w, err);
    if (st < 0)
        return st;
    rbf_svm_silence();
    for (size_t i = 0; i < g->n_gamma && st == RS_OK; i++)
        st = run_gamma(&w, i, err);
    if (st < 0)
        return st;
    rs_parallel(w.threads, (w.n_validated + SCORE_BLOCK - 1) / SCORE_BLOCK, score_block, &w);
    if (out_n_sv)
        memcpy(out_n_sv, w.n_sv, n_cells(&w) * g->n_folds * sizeof *out_n_sv);
    return RS_OK;
}
