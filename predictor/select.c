/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cross-validation of the candidates. Fits along a path of penalties start from the one before. */
#include "predictor/select.h"

#include <math.h>

#include "common/progress.h"
#include "predictor/metrics.h"

#define ALERT_BUDGET 0.01
#define T_QUANTILE 2.132 /* 95 %, one-sided, of Student's t with RS_FOLDS - 1 = 4 degrees of freedom */
#define CV_GRADIENT 1e-5
#define CV_MAX_ITER 60

struct path {
    enum rs_learner learner;
    bool is_balanced;
    double C[4];
    size_t n;
};

/* In order of preference: what wins by less than chance explains loses to what stands before it. A middling penalty
 * leads, because a handful of failing entities cannot tell the strengths apart. */
static const struct path paths[] = {
    { RS_LOGISTIC, false, { 0.1, 0.01, 1 }, 3 },
    { RS_LINEAR_SVM, false, { 0.01, 0.1 }, 2 },
    { RS_LINEAR_SVM, true, { 0.001, 0.01 }, 2 },
};

/* What the folds share. pos counts places in folds->rows. */
struct cv {
    const struct rs_matrix *m;
    const struct rs_folds *f;
    int64_t horizon_s;
    struct rs_selection *out;
    double *z;               /* n candidates x n_rows: held-out decision values */
    bool *is_held_out;       /* n_rows: validated in its own fold */
    uint32_t *train, *valid; /* rows and places of the fold under way */
    size_t n_train, n_valid;
    rs_solver *ws;
    double *w;
    struct rs_progress progress;
};

static void cv_clear(struct cv *v)
{
    free(v->z);
    free(v->is_held_out);
    free(v->train);
    free(v->valid);
    free(v->w);
    rs_solver_free(v->ws);
}

static void list_candidates(struct rs_selection *s, enum rs_learner_choice choice)
{
    for (size_t i = 0; i < RS_LEN(paths); i++) {
        if ((choice == RS_LEARN_LOGISTIC && paths[i].learner != RS_LOGISTIC) ||
            (choice == RS_LEARN_SVM && paths[i].learner != RS_LINEAR_SVM))
            continue;
        for (size_t k = 0; k < paths[i].n; k++)
            s->candidates[s->n++] = (struct rs_candidate){ .learner = paths[i].learner,
                                                           .is_balanced = paths[i].is_balanced,
                                                           .C = paths[i].C[k],
                                                           .has_converged = true };
    }
}

static enum rs_status cv_init(struct cv *v, struct rs_error *err)
{
    size_t n = v->f->n_rows;
    v->z = rs_alloc(v->out->n * n, sizeof *v->z);
    v->is_held_out = rs_alloc(n, sizeof *v->is_held_out);
    v->train = rs_alloc(n, sizeof *v->train);
    v->valid = rs_alloc(n, sizeof *v->valid);
    v->w = rs_alloc(v->m->d + 1, sizeof *v->w);
    if (!v->z || !v->is_held_out || !v->train || !v->valid || !v->w)
        return rs_error_set(err, RS_ENOMEM, "validation on %zu rows", n);
    return rs_solver_new(n, v->m->d, &v->ws, err);
}

static void part_rows(struct cv *v, unsigned fold)
{
    v->n_train = v->n_valid = 0;
    for (size_t pos = 0; pos < v->f->n_rows; pos++) {
        uint32_t row = v->f->rows[pos];
        if (rs_fold_trains(v->f, v->m, row, fold, v->horizon_s))
            v->train[v->n_train++] = row;
        if (rs_fold_validates(v->f, v->m, row, fold)) {
            v->valid[v->n_valid++] = (uint32_t)pos;
            v->is_held_out[pos] = true;
        }
    }
}

void rs_candidate_weights(const struct rs_candidate *c, double n_positive, double n_negative, double weight_negative,
                          struct rs_problem *p)
{
    p->weight_positive = 1;
    p->weight_negative = weight_negative;
    if (!c->is_balanced)
        return;
    double all = n_positive + n_negative * weight_negative;
    p->weight_positive = all / (2 * RS_MAX(n_positive, 1.0));
    p->weight_negative = all / (2 * RS_MAX(n_negative * weight_negative, 1.0)) * weight_negative;
}

static void start_at_base_rate(double *w, size_t d, double weighted_positive, double weighted_negative)
{
    memset(w, 0, d * sizeof *w);
    w[d] = log((weighted_positive + 1) / (weighted_negative + 1));
}

static enum rs_status fit_fold(struct cv *v, struct rs_error *err)
{
    size_t n_positive = 0;
    for (size_t i = 0; i < v->n_train; i++)
        n_positive += v->m->y[v->train[i]];
    for (size_t c = 0; c < v->out->n; c++) {
        struct rs_candidate *cand = &v->out->candidates[c];
        struct rs_problem p = {
            .x = v->m->x, .y = v->m->y, .rows = v->train, .n = v->n_train, .d = v->m->d, .stride = v->m->d
        };
        rs_candidate_weights(cand, (double)n_positive, (double)(v->n_train - n_positive), v->f->weight_negative, &p);
        bool goes_on = c && cand[-1].learner == cand->learner && cand[-1].is_balanced == cand->is_balanced;
        if (!goes_on)
            start_at_base_rate(v->w, p.d, p.weight_positive * (double)n_positive,
                               p.weight_negative * (double)(v->n_train - n_positive));
        struct rs_fit_options opt = {
            .learner = cand->learner, .C = cand->C, .rel_gradient = CV_GRADIENT, .max_iter = CV_MAX_ITER
        };
        struct rs_fit_report fit;
        enum rs_status st = rs_solver_fit(v->ws, &p, &opt, v->w, &fit, err);
        if (st < 0)
            return st;
        cand->has_converged &= fit.has_converged;
        for (size_t i = 0; i < v->n_valid; i++)
            v->z[c * v->f->n_rows + v->valid[i]] =
                rs_linear_z(v->w, v->m->x + (size_t)v->f->rows[v->valid[i]] * p.d, p.d);
    }
    return RS_OK;
}

/* Held-out rows of one fold, or of all the others. */
static size_t gather(const struct cv *v, size_t c, unsigned fold, bool of_fold, double *z, uint8_t *y)
{
    size_t n = 0;
    for (size_t pos = 0; pos < v->f->n_rows; pos++) {
        uint32_t row = v->f->rows[pos];
        if (!v->is_held_out[pos] || (v->f->of_unit[v->m->unit[row]] == fold) != of_fold)
            continue;
        z[n] = v->z[c * v->f->n_rows + pos];
        y[n++] = v->m->y[row];
    }
    return n;
}

static double weighted_loss(const struct rs_platt *platt, const double *z, const uint8_t *y, size_t n, double weight)
{
    double loss = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        double k = y[i] ? 1 : weight;
        loss += k * rs_platt_loss(platt, z[i], y[i]);
        all += k;
    }
    return all > 0 ? loss / all : NAN;
}

/* math.md C4: each fold's loss under the calibration of the other folds */
static enum rs_status judge(const struct cv *v, size_t c, double *z, uint8_t *y, double *risk, uint8_t *label,
                            struct rs_error *err)
{
    struct rs_candidate *cand = &v->out->candidates[c];
    size_t n_all = 0, n_folds = 0;
    for (unsigned k = 0; k < RS_FOLDS; k++) {
        size_t n = gather(v, c, k, false, z, y);
        struct rs_platt platt = rs_platt_fit(z, y, n, v->f->weight_negative);
        n = gather(v, c, k, true, z, y);
        cand->loss[k] = weighted_loss(&platt, z, y, n, v->f->weight_negative);
        for (size_t i = 0; i < n; i++) {
            risk[n_all] = rs_platt_risk(&platt, z[i]);
            label[n_all++] = y[i];
        }
        if (isnan(cand->loss[k]))
            continue;
        cand->mean_loss += cand->loss[k];
        n_folds++;
    }
    cand->mean_loss = n_folds ? cand->mean_loss / (double)n_folds : NAN;
    RS_AUTO_STRUCT(rs_ranked) *ranked = NULL;
    enum rs_status st = rs_ranked_new(risk, label, NULL, n_all, &ranked, err);
    if (st < 0)
        return rs_error_prefix(err, st, "validation");
    struct rs_metrics metrics;
    rs_metrics_compute(ranked, NULL, &metrics);
    cand->auc = metrics.roc_auc;
    return RS_OK;
}

/* math.md C5: the first candidate that the paired differences do not show to be worse than the best */
static void choose(struct rs_selection *s)
{
    size_t best = 0;
    for (size_t c = 1; c < s->n; c++)
        if (s->candidates[c].mean_loss < s->candidates[best].mean_loss)
            best = c;
    s->chosen = best;
    for (size_t c = s->n; c-- > 0;) {
        struct rs_candidate *cand = &s->candidates[c];
        double sum = 0, square = 0, n = 0;
        for (size_t k = 0; k < RS_FOLDS; k++) {
            double gap = cand->loss[k] - s->candidates[best].loss[k];
            if (isnan(gap))
                continue;
            sum += gap;
            square += gap * gap;
            n++;
        }
        cand->gap = n > 0 ? sum / n : 0;
        cand->gap_se = n > 1 ? sqrt(RS_MAX(square / n - cand->gap * cand->gap, 0.0) / (n - 1)) : 0;
        if (cand->gap <= T_QUANTILE * cand->gap_se)
            s->chosen = c;
    }
}

struct weighted_risk {
    double risk, weight;
};

static int compare_risks(const void *a, const void *b)
{
    double x = ((const struct weighted_risk *)a)->risk, y = ((const struct weighted_risk *)b)->risk;
    return (x < y) - (x > y);
}

static enum rs_status conclude(const struct cv *v, double *z, uint8_t *y, struct rs_error *err)
{
    struct rs_selection *s = v->out;
    size_t n = gather(v, s->chosen, RS_FOLDS, false, z, y);
    s->platt = rs_platt_fit(z, y, n, v->f->weight_negative);
    rs_autofree struct weighted_risk *risks = rs_alloc(n, sizeof *risks);
    if (!risks)
        return rs_error_set(err, RS_ENOMEM, "validation on %zu rows", n);
    double all = 0, above = 0;
    for (size_t i = 0; i < n; i++) {
        risks[i] = (struct weighted_risk){ rs_platt_risk(&s->platt, z[i]), y[i] ? 1 : v->f->weight_negative };
        all += risks[i].weight;
    }
    qsort(risks, n, sizeof *risks, compare_risks);
    for (size_t i = 0; i < n && above <= ALERT_BUDGET * all; i++) {
        above += risks[i].weight;
        s->threshold = risks[i].risk;
    }
    return RS_OK;
}

static enum rs_status run(struct cv *v, struct rs_error *err)
{
    enum rs_status st = cv_init(v, err);
    for (unsigned k = 0; st == RS_OK && k < RS_FOLDS; k++) {
        part_rows(v, k);
        st = fit_fold(v, err);
        rs_progress_update(&v->progress, k + 1, NULL);
    }
    if (st < 0)
        return st;
    size_t n = v->f->n_rows;
    rs_autofree double *z = rs_alloc(n, sizeof *z), *risk = rs_alloc(n, sizeof *risk);
    rs_autofree uint8_t *y = rs_alloc(n, 1), *label = rs_alloc(n, 1);
    if (!z || !risk || !y || !label)
        return rs_error_set(err, RS_ENOMEM, "validation on %zu rows", n);
    for (size_t c = 0; st == RS_OK && c < v->out->n; c++)
        st = judge(v, c, z, y, risk, label, err);
    if (st < 0)
        return st;
    choose(v->out);
    return conclude(v, z, y, err);
}

enum rs_status rs_select(const struct rs_matrix *m, const struct rs_folds *f, enum rs_learner_choice choice,
                         int64_t horizon_s, bool is_quiet, struct rs_selection *out, struct rs_error *err)
{
    *out = (struct rs_selection){ .n = 0 };
    list_candidates(out, choice);
    struct cv v = { .m = m, .f = f, .horizon_s = horizon_s, .out = out };
    rs_progress_start(&v.progress, "validate", "folds", RS_FOLDS, is_quiet);
    enum rs_status st = run(&v, err);
    rs_progress_end(&v.progress);
    cv_clear(&v);
    return st;
}
