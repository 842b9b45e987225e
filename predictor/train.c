/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a fleet file to a model: the order of the steps, each of which lives in a file of its own. */
#include "predictor/train.h"

#include <math.h>

#include "predictor/assemble.h"
#include "predictor/autofeat.h"
#include "predictor/excess.h"
#include "predictor/load.h"
#include "predictor/probe.h"
#include "predictor/terms.h"

#define FINAL_GRADIENT 1e-14 /* asked of the final fit: as exact as sums in double are */
#define FINAL_ENOUGH 1e-10   /* at this it has converged */
#define FINAL_MAX_ITER 200
#define ALERT_BUDGET 0.01 /* of the suggested threshold */
#define THRESHOLD_ROWS 50000
#define RARE_SCALE 0.3 /* the least scale of an indicator */

void rs_training_clear(struct rs_training *t)
{
    rs_model_free(t->model);
    rs_crossfit_clear(&t->crossfit);
    rs_leak_clear(&t->leak);
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

/* Newest readings and attributes, one step for each signal. */
static enum rs_status keep_values(struct rs_program *p, struct rs_error *err)
{
    rs_autofree bool *keep = rs_alloc(p->n_steps, sizeof *keep);
    if (!keep)
        return rs_error_set(err, RS_ENOMEM, "%u features: out of memory", p->n_steps);
    bool any = false;
    for (uint32_t j = 0; j < p->n_steps; j++) {
        const struct rs_step *s = &p->steps[j];
        keep[j] =
            s->op == RS_STEP_VALUE || s->op == RS_STEP_NUMBER || s->op == RS_STEP_ONEHOT || s->op == RS_STEP_COHORT;
        for (uint32_t k = 0; keep[j] && s->op == RS_STEP_VALUE && k < j; k++)
            keep[j] = p->steps[k].op != RS_STEP_VALUE || p->steps[k].arg != s->arg;
        any |= keep[j];
    }
    return any ? rs_autofeat_prune(p, keep, err)
               : rs_error_set(err, RS_ENODATA, "no signal's value could be a feature");
}

static enum rs_status build_program(rs_fleet *fleet, const struct rs_train_options *opt, struct rs_program *out,
                                    uint32_t *n_tried, struct rs_load_options *load, struct rs_error *err)
{
    const struct rs_fleet_info *info = rs_fleet_info(fleet);
    rs_auto_survey survey = { 0 };
    rs_auto_cohort_tree tree = { 0 };
    enum rs_status st = check_horizon(info, opt->horizon_s, err);
    if (st == RS_OK)
        st = rs_cohort_tree_init(&tree, info, opt->cohorts, err);
    if (st < 0)
        return st;
    struct rs_survey_options survey_opt = {
        .horizon_s = opt->horizon_s, .kind = opt->kind, .seed = opt->seed, .is_quiet = opt->is_quiet, .tree = &tree
    };
    st = rs_survey_take(fleet, &survey_opt, &survey, err);
    if (st == RS_OK)
        st = rs_autofeat_build(info, &survey, &tree, out, err);
    *n_tried = out->n_steps;
    if (st == RS_OK) {
        load->n_expected = (uint64_t)((double)survey.n_rows / survey.share);
        load->n_positive_expected = (uint64_t)((double)survey.n_positive / survey.share);
    }
    return st == RS_OK && opt->features == RS_FEATURES_VALUES ? keep_values(out, err) : st;
}

static enum rs_status check_classes(const struct rs_matrix *m, struct rs_error *err)
{
    if (m->tally.n_positive == 0)
        return rs_error_set(err, RS_ENODATA,
                            "no sample is followed by a failure within the horizon: there is nothing to learn from");
    if (m->tally.n_positive == m->tally.n_rows)
        return rs_error_set(err, RS_ENODATA,
                            "every sample is followed by a failure within the horizon: there is nothing to tell apart");
    return RS_OK;
}

/* math.md F15: a value of an attribute that few entities have is held back as one that a tenth of them have */
static void widen_indicators(const struct rs_program *p, struct rs_matrix *m)
{
    for (size_t j = 0; j < m->d; j++)
        if (p->steps[j].op == RS_STEP_ONEHOT || p->steps[j].op == RS_STEP_COHORT)
            m->scale[j] = fmax(m->scale[j], RARE_SCALE);
}

static enum rs_status load_matrix(rs_fleet *fleet, const struct rs_train_options *opt,
                                  const struct rs_load_options *load, struct rs_program *p, struct rs_matrix *m,
                                  struct rs_error *err)
{
    enum rs_status st = rs_load(fleet, p, load, m, err);
    if (st == RS_OK)
        st = check_classes(m, err);
    if (st == RS_OK)
        st = rs_matrix_impute(m, p, opt->comm, err);
    if (st < 0)
        return st;
    rs_autofree bool *keep = rs_alloc(m->d, sizeof *keep);
    if (!keep)
        return rs_error_set(err, RS_ENOMEM, "%zu features: out of memory", m->d);
    st = rs_matrix_useful(m, opt->comm, keep, err);
    if (st < 0)
        return st;
    rs_matrix_prune(m, keep);
    if (m->d == 0)
        return rs_error_set(err, RS_ENODATA, "every feature is constant: there is nothing to learn from");
    st = rs_autofeat_prune(p, keep, err);
    if (st == RS_OK && isnan(opt->C)) /* who names C gets the penalty of the textbook */
        widen_indicators(p, m);
    return st;
}

/* The rows that validation looks at; without the attributes that make no difference, where the penalty is chosen. */
static enum rs_status take_sample(const struct rs_train_options *opt, struct rs_matrix *m, const struct rs_folds *folds,
                                  struct rs_program *p, struct rs_sample *out, struct rs_error *err)
{
    enum rs_status st = rs_sample_take(m, folds, opt->seed, m->d, opt->comm, out, err);
    if (st < 0 || !isnan(opt->C))
        return st;
    rs_autofree bool *keep = rs_alloc(m->d, sizeof *keep);
    if (!keep)
        return rs_error_set(err, RS_ENOMEM, "%zu features: out of memory", m->d);
    size_t n_kept = 0;
    st = rs_excess_keep(out, p, opt->seed, keep, err);
    for (size_t j = 0; j < m->d; j++)
        n_kept += keep[j];
    if (st < 0 || n_kept == 0 || n_kept == m->d)
        return st;
    rs_sample_clear(out);
    rs_matrix_prune(m, keep);
    st = rs_autofeat_prune(p, keep, err);
    return st < 0 ? st : rs_sample_take(m, folds, opt->seed, m->d, opt->comm, out, err);
}

/* What validation decides: the candidate, the kind of pooling, the calibration, the threshold. */
static enum rs_status validate(const struct rs_train_options *opt, struct rs_matrix *m, struct rs_sets *sets,
                               struct rs_training *t, struct rs_error *err)
{
    rs_auto_folds folds = { 0 };
    rs_auto_sample sample = { 0 };
    struct rs_program *p = &t->model->program;
    enum rs_status st = rs_folds_make(m, opt->horizon_s, opt->comm, &folds, err);
    if (st == RS_OK)
        st = take_sample(opt, m, &folds, p, &sample, err);
    if (st == RS_OK)
        st = rs_leak_look(&sample, p, &t->leak, err);
    struct rs_select_options select_opt = { .learner = opt->learner,
                                            .C = opt->C,
                                            .target = opt->target,
                                            .horizon_s = opt->horizon_s,
                                            .seed = opt->seed,
                                            .is_quiet = opt->is_quiet,
                                            .comm = opt->comm };
    if (st == RS_OK)
        st = rs_select(&sample, &folds, sets, &select_opt, &t->selection, err);
    if (st < 0)
        return st;
    struct rs_crossfit_options cross_opt = { .cohorts = p->cohorts,
                                             .n_cohorts = p->n_cohorts,
                                             .horizon_s = opt->horizon_s,
                                             .has_pooling = opt->has_pooling,
                                             .seed = opt->seed,
                                             .is_quiet = opt->is_quiet,
                                             .comm = opt->comm };
    st = rs_crossfit(&sample, &folds, sets, &t->selection.of[t->selection.chosen].candidate, &cross_opt, &t->crossfit,
                     err);
    if (st == RS_OK)
        st = rs_crossfit_calibrate(&t->crossfit, &sample, &folds, opt->calibration, opt->seed, opt->comm,
                                   &t->model->calibrator, err);
    if (st == RS_OK)
        st = rs_crossfit_threshold(&t->crossfit, &t->model->calibrator, ALERT_BUDGET, &t->model->meta.threshold, err);
    t->n_folds = folds.n;
    t->has_cut = folds.has_cut;
    t->cut = folds.cut;
    t->n_train_failing = folds.n_train_failing;
    t->n_valid_failing = folds.n_valid_failing;
    t->why_no_cut = folds.why_no_cut;
    return st;
}

/* Without validation: the first candidate, its log odds as they are, and the threshold of its own training rows. */
static void skip_validation(const struct rs_train_options *opt, const struct rs_sets *sets, struct rs_training *t)
{
    struct rs_select_options select_opt = { .learner = opt->learner, .C = opt->C, .target = opt->target };
    rs_select_list(sets, 0, &select_opt, &t->selection);
    t->model->calibrator = (struct rs_calibrator){ .kind = RS_PLATT, .a = 1 };
    t->model->meta.threshold = NAN;
}

static enum rs_status fit_all(const struct rs_train_options *opt, const struct rs_matrix *m,
                              const struct rs_candidate *c, struct rs_fitted *f, struct rs_error *err)
{
    RS_AUTO(rs_solver) *solver = NULL;
    enum rs_status st = rs_fitted_init(f, m->d, err);
    if (st == RS_OK)
        st = rs_solver_new(m->n, m->d, &solver, err);
    if (st < 0)
        return st;
    struct rs_problem p = { .x = m->x,
                            .stride = m->stride,
                            .y = m->y,
                            .n = m->n,
                            .d = m->d,
                            .row_weight = m->weight,
                            .weight_positive = 1,
                            .weight_negative = 1 };
    struct rs_learner_ws ws = { .solver = solver,
                                .rel_gradient = FINAL_GRADIENT,
                                .max_iter = FINAL_MAX_ITER,
                                .seed = opt->seed,
                                .comm = opt->comm };
    f->d = SIZE_MAX;
    st = c->ops->fit(&ws, &p, c, f, err);
    f->report.has_converged |= f->report.rel_gradient <= FINAL_ENOUGH;
    return st;
}

/* Cohort deltas on top of the final fit, and the slope of its line to log odds; z: n of the matrix. */
static enum rs_status pool_all(const struct rs_train_options *opt, const struct rs_matrix *m,
                               const struct rs_program *p, const struct rs_pool_strength *strength,
                               const struct rs_candidate *c, double *z, double *slope, struct rs_deltas *out,
                               struct rs_error *err)
{
    rs_autofree uint32_t *cohort = rs_alloc(m->n, sizeof *cohort);
    if (!cohort)
        return rs_error_set(err, RS_ENOMEM, "pooling of %zu rows: out of memory", m->n);
    struct rs_calibrator scale;
    enum rs_status st = rs_log_odds_scale(c, z, m->y, m->weight, NULL, m->n, opt->comm, &scale, err);
    if (st < 0 || !(scale.a > 0))
        return st;
    for (size_t i = 0; i < m->n; i++) {
        cohort[i] = m->unit_cohort[m->unit[i]];
        z[i] = scale.a * z[i] + scale.b;
    }
    *slope = scale.a;
    struct rs_pool_problem problem = { .x = m->x,
                                       .stride = m->stride,
                                       .d = m->d,
                                       .y = m->y,
                                       .row_weight = m->weight,
                                       .unit = m->unit,
                                       .cohort = cohort,
                                       .z = z,
                                       .n = m->n,
                                       .cohorts = p->cohorts,
                                       .n_cohorts = p->n_cohorts,
                                       .steps = p->steps,
                                       .is_final = true,
                                       .comm = opt->comm };
    return rs_pool_fit(&problem, strength, out, err);
}

/* Every step-th of the numbers of all rows. */
static enum rs_status spread(const struct rs_matrix *m, const struct rs_matrix_total *all, const double *of_row,
                             rs_comm *comm, double **out, size_t *out_n, struct rs_error *err)
{
    size_t step = all->n / THRESHOLD_ROWS + 1, n = 0;
    rs_autofree double *mine = rs_alloc(m->n / step + 1, sizeof *mine);
    if (!mine)
        return rs_error_set(err, RS_ENOMEM, "threshold of %zu rows: out of memory", m->n);
    for (size_t i = (step - all->first % step) % step; i < m->n; i += step)
        mine[n++] = of_row[i];
    void *got = NULL;
    enum rs_status st = rs_comm_gather(comm, mine, n, sizeof *mine, &got, out_n, err);
    *out = got;
    return st;
}

/* Without validation: the threshold of training rows, spread over the matrix; z and the weight of each row. */
static enum rs_status own_threshold(const struct rs_matrix *m, const double *z, rs_comm *comm, struct rs_model *model,
                                    struct rs_error *err)
{
    struct rs_matrix_total all;
    rs_auto_crossfit x = { 0 };
    rs_autofree double *weight = rs_alloc(m->n, sizeof *weight);
    if (!weight)
        return rs_error_set(err, RS_ENOMEM, "threshold of %zu rows: out of memory", m->n);
    for (size_t i = 0; i < m->n; i++)
        weight[i] = (double)m->weight[i];
    enum rs_status st = rs_matrix_total(m, comm, &all, err);
    if (st == RS_OK)
        st = spread(m, &all, z, comm, &x.z, &x.n, err);
    if (st == RS_OK)
        st = spread(m, &all, weight, comm, &x.weight, &x.n, err);
    return st < 0 ? st : rs_crossfit_threshold(&x, &model->calibrator, ALERT_BUDGET, &model->meta.threshold, err);
}

static bool is_pooled(const struct rs_crossfit *x)
{
    return x->n_kinds && rs_pool_has_deltas(&x->of[x->chosen].strength);
}

/* Whether the end needs decision values of the matrix's rows. */
static bool wants_rows(const struct rs_training *t)
{
    return is_pooled(&t->crossfit) || isnan(t->model->meta.threshold);
}

/* The final fit of what was chosen; m is standardised. */
static enum rs_status finish(rs_fleet *fleet, const struct rs_train_options *opt, struct rs_matrix *m,
                             struct rs_sets *sets, struct rs_training *t, struct rs_error *err)
{
    const struct rs_candidate *c = &t->selection.of[t->selection.chosen].candidate;
    const struct rs_crossfit *x = &t->crossfit;
    rs_auto_fitted fitted = { 0 };
    rs_auto_deltas deltas = { 0 };
    double slope = 1;
    struct rs_matrix_total all;
    enum rs_status st = rs_matrix_total(m, opt->comm, &all, err);
    if (st == RS_OK)
        st = fit_all(opt, m, c, &fitted, err);
    if (st < 0)
        return st;
    if (wants_rows(t)) {
        rs_autofree double *z = rs_alloc(m->n, sizeof *z);
        if (!z)
            return rs_error_set(err, RS_ENOMEM, "%zu rows: out of memory", m->n);
        st = c->ops->decide(&fitted, m->x, m->stride, NULL, m->n, z, err);
        if (st == RS_OK)
            rs_sets_mix(sets, c, NULL, m->n, z);
        if (st == RS_OK && is_pooled(x))
            st = pool_all(opt, m, &t->model->program, &x->of[x->chosen].strength, c, z, &slope, &deltas, err);
        if (st == RS_OK && isnan(t->model->meta.threshold))
            st = own_threshold(m, z, opt->comm, t->model, err);
    }
    if (st == RS_OK)
        st = rs_sets_merge(sets, c, m, &fitted, err);
    t->fit = fitted.report;
    t->n_fitted = all.n;
    t->keep_share = m->keep_share;
    t->n_control = m->tally.n_control;
    return st < 0 ? st : rs_assemble(rs_fleet_info(fleet), opt, m, c, &fitted, &deltas, slope, t->model, err);
}

static enum rs_status run(rs_fleet *fleet, const struct rs_train_options *opt, struct rs_training *t,
                          struct rs_error *err)
{
    rs_auto_matrix m = { 0 };
    rs_auto_sets sets = { 0 };
    rs_auto_probe probe = { 0 };
    struct rs_program *p = &t->model->program;
    struct rs_load_options load = { .horizon_s = opt->horizon_s,
                                    .kind = opt->kind,
                                    .seed = opt->seed,
                                    .memory_bytes = opt->memory_bytes,
                                    .is_quiet = opt->is_quiet,
                                    .comm = opt->comm };
    enum rs_status st = build_program(fleet, opt, p, &t->n_tried, &load, err);
    load.stride_max = p->n_steps;
    if (st == RS_OK)
        st = load_matrix(fleet, opt, &load, p, &m, err);
    if (st < 0)
        return st;
    rs_sets_init(&sets, p, opt->features == RS_FEATURES_AUTO ? RS_SETS_MAX : 1);
    if (opt->has_validation)
        st = validate(opt, &m, &sets, t, err);
    else
        skip_validation(opt, &sets, t);
    if (st == RS_OK)
        st = rs_sets_finish(&sets, &t->selection.of[t->selection.chosen].candidate, &m, wants_rows(t), opt->comm, err);
    if (st == RS_OK)
        st = rs_probe_take(&m, opt->comm, &probe, err);
    if (st < 0)
        return st;
    rs_matrix_standardise(&m);
    st = finish(fleet, opt, &m, &sets, t, err);
    return st < 0 ? st : rs_probe_refer(&probe, &sets.terms, t->model, opt->comm, &t->model->score_ref, err);
}

enum rs_status rs_train(rs_fleet *fleet, const struct rs_train_options *opt, struct rs_training *out,
                        struct rs_error *err)
{
    rs_auto_training t = { 0 };
    t.model = rs_alloc(1, sizeof *t.model);
    if (!t.model)
        return rs_error_set(err, RS_ENOMEM, "model: out of memory");
    enum rs_status st = run(fleet, opt, &t, err);
    if (st < 0)
        return st;
    *out = t;
    t = (struct rs_training){ 0 };
    return RS_OK;
}
