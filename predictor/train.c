/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a fleet file to a model. */
#include "predictor/train.h"

#include <math.h>

#include "predictor/autofeat.h"

#define FINAL_GRADIENT 1e-8
#define FINAL_MAX_ITER 200

void rs_training_clear(struct rs_training *t)
{
    rs_model_free(t->model);
    *t = (struct rs_training){ 0 };
}

static enum rs_status check_horizon(const struct rs_fleet_info *info, int64_t horizon_s, struct rs_error *err)
{
    if (info->has_labels || info->n_rows == 0 || info->last - info->first >= horizon_s)
        return RS_OK;
    char span[RS_TIME_MAX], horizon[RS_TIME_MAX];
    return rs_error_set(err, RS_ENODATA, "the samples span %s, less than the horizon of %s",
                        rs_duration_format((double)(info->last - info->first), span),
                        rs_duration_format((double)horizon_s, horizon));
}

static enum rs_status build_program(rs_fleet *fleet, const struct rs_train_options *opt, struct rs_survey *survey,
                                    struct rs_program *out, struct rs_error *err)
{
    const struct rs_fleet_info *info = rs_fleet_info(fleet);
    rs_auto_cohort_tree tree = { 0 };
    enum rs_status st = check_horizon(info, opt->horizon_s, err);
    if (st == RS_OK)
        st = rs_cohort_tree_init(&tree, info, opt->cohorts, err);
    if (st < 0)
        return st;
    struct rs_survey_options survey_opt = { opt->horizon_s, opt->kind, opt->seed, opt->is_quiet, &tree };
    st = rs_survey_take(fleet, &survey_opt, survey, err);
    if (st < 0)
        return st;
    if (survey->n_positive == 0)
        return rs_error_set(err, RS_ENODATA,
                            "no sample is followed by a failure within the horizon: there is nothing to "
                            "learn from");
    return rs_autofeat_build(info, survey, &tree, out, err);
}

static enum rs_status load_matrix(rs_fleet *fleet, const struct rs_train_options *opt, size_t n_rows,
                                  struct rs_program *p, struct rs_matrix *m, struct rs_error *err)
{
    struct rs_matrix_options matrix_opt = { opt->horizon_s, opt->kind, opt->seed, n_rows, opt->is_quiet };
    enum rs_status st = rs_matrix_load(fleet, p, &matrix_opt, m, err);
    if (st < 0)
        return st;
    rs_autofree bool *keep = rs_alloc(m->d, sizeof *keep);
    if (!keep)
        return rs_error_set(err, RS_ENOMEM, "%zu features", m->d);
    st = rs_matrix_useful(m, keep, err);
    if (st < 0)
        return st;
    rs_matrix_prune(m, keep);
    if (m->d == 0)
        return rs_error_set(err, RS_ENODATA, "every feature is constant: there is nothing to learn from");
    rs_matrix_standardise(m);
    return rs_autofeat_prune(p, keep, err);
}

/* Fits the chosen candidate on every labelled row, from a first fit on the rows of the validation. */
static enum rs_status fit_all(const struct rs_matrix *m, const struct rs_folds *f, const struct rs_candidate *c,
                              double *w, struct rs_fit_report *report, struct rs_error *err)
{
    RS_AUTO(rs_solver) *ws = NULL;
    enum rs_status st = rs_solver_new(m->n, m->d, &ws, err);
    struct rs_fit_options opt = {
        .learner = c->learner, .C = c->C, .rel_gradient = FINAL_GRADIENT, .max_iter = FINAL_MAX_ITER
    };
    double n_positive = (double)m->n_positive, n_negative = (double)(m->n - m->n_positive);
    if (st == RS_OK && f->n_rows < m->n) {
        struct rs_problem few = { .x = m->x, .y = m->y, .rows = f->rows, .n = f->n_rows, .d = m->d, .stride = m->d };
        rs_candidate_weights(c, n_positive, (double)f->n_rows - n_positive, f->weight_negative, &few);
        st = rs_solver_fit(ws, &few, &opt, w, report, err);
    }
    if (st < 0)
        return st;
    struct rs_problem all = { .x = m->x, .y = m->y, .n = m->n, .d = m->d, .stride = m->d };
    rs_candidate_weights(c, n_positive, n_negative, 1, &all);
    return rs_solver_fit(ws, &all, &opt, w, report, err);
}

static enum rs_status fill_meta(const struct rs_train_options *opt, const struct rs_matrix *m, double threshold,
                                struct rs_model_meta *meta, struct rs_error *err)
{
    *meta = (struct rs_model_meta){
        .tool = strdup("reseat " RS_VERSION),
        .options = strdup(opt->command),
        .seed = opt->seed,
        .data_digest = m->digest,
        .horizon_s = opt->horizon_s,
        .span_first = m->first,
        .span_last = m->last,
        .n_rows = m->n,
        .n_positive = m->n_positive,
        .n_entities = m->n_units,
        .n_failing = m->n_failing,
        .base_rate = (double)m->n_positive / (double)m->n,
        .threshold = threshold,
    };
    return meta->tool && meta->options ? RS_OK : rs_error_set(err, RS_ENOMEM, "model");
}

/* math.md M1: weights per raw unit. Takes mean, scale and support out of the matrix. */
static enum rs_status assemble(struct rs_matrix *m, const struct rs_selection *s, const double *w, struct rs_model *out,
                               struct rs_error *err)
{
    out->learner = s->candidates[s->chosen].learner;
    out->calibrator.a = s->platt.a;
    out->calibrator.b = s->platt.b;
    out->bias = w[m->d];
    out->weight = rs_alloc(m->d, sizeof *out->weight);
    if (!out->weight)
        return rs_error_set(err, RS_ENOMEM, "model");
    for (size_t j = 0; j < m->d; j++)
        out->weight[j] = w[j] / m->scale[j];
    out->mean = rs_take(m->mean);
    out->scale = rs_take(m->scale);
    out->support = rs_take(m->support);
    enum rs_status st = rs_model_check(out, err);
    if (st == RS_OK)
        st = rs_model_prepare(out, err);
    return st < 0 ? rs_error_prefix(err, st, "trained model") : RS_OK;
}

enum rs_status rs_train(rs_fleet *fleet, const struct rs_train_options *opt, struct rs_training *out,
                        struct rs_error *err)
{
    rs_auto_survey survey = { 0 };
    rs_auto_matrix m = { 0 };
    rs_auto_folds folds = { 0 };
    rs_auto_training t = { 0 };
    t.model = rs_alloc(1, sizeof *t.model);
    if (!t.model)
        return rs_error_set(err, RS_ENOMEM, "model");
    struct rs_program *p = &t.model->program;
    enum rs_status st = build_program(fleet, opt, &survey, p, err);
    t.n_tried = p->n_steps;
    if (st == RS_OK)
        st = load_matrix(fleet, opt, survey.n_rows, p, &m, err);
    if (st == RS_OK)
        st = rs_folds_make(&m, opt->horizon_s, opt->seed, &folds, err);
    if (st == RS_OK)
        st = rs_select(&m, &folds, opt->learner, opt->horizon_s, opt->is_quiet, &t.selection, err);
    if (st < 0)
        return st;
    rs_autofree double *w = rs_alloc(m.d + 1, sizeof *w);
    if (!w)
        return rs_error_set(err, RS_ENOMEM, "%zu features", m.d);
    st = fit_all(&m, &folds, &t.selection.candidates[t.selection.chosen], w, &t.fit, err);
    if (st == RS_OK)
        st = fill_meta(opt, &m, t.selection.threshold, &t.model->meta, err);
    if (st == RS_OK)
        st = assemble(&m, &t.selection, w, t.model, err);
    if (st < 0)
        return st;
    t.has_cut = folds.has_cut;
    t.cut = folds.cut;
    t.n_train_failing = folds.n_train_failing;
    t.n_valid_failing = folds.n_valid_failing;
    t.why_no_cut = folds.why_no_cut;
    *out = t;
    t = (struct rs_training){ 0 };
    return RS_OK;
}
