/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Held-out values of one candidate under every kind of pooling. See crossfit.h. */
#include "predictor/crossfit.h"

#include <math.h>

#include "common/parallel.h"
#include "common/progress.h"
#include "predictor/calibrate.h"
#include "predictor/reference.h"

#define REPLICATES 200

struct run {
    struct rs_sample *s;
    const struct rs_folds *f;
    struct rs_sets *sets;
    const struct rs_candidate *c;
    const struct rs_crossfit_options *opt;
    struct rs_crossfit *out;
    struct rs_fold_rows rows;
    rs_solver *solver;
    struct rs_fitted fitted;
    double *z_pooled, *z_log_odds; /* of every row, in the fold under way */
    double *z, *log_odds;          /* n_kinds x n, n: held out; the latter without pooling */
    struct rs_progress progress;
};

void rs_crossfit_clear(struct rs_crossfit *x)
{
    free(x->z);
    free(x->weight);
    *x = (struct rs_crossfit){ 0 };
}

static void run_clear(struct run *r)
{
    free(r->rows.train);
    free(r->rows.valid);
    free(r->z_pooled);
    free(r->z_log_odds);
    free(r->z);
    free(r->log_odds);
    rs_solver_free(r->solver);
    rs_fitted_clear(&r->fitted);
}

static enum rs_status run_init(struct run *r, struct rs_error *err)
{
    size_t n = r->s->n;
    r->out->n = n;
    r->out->z = rs_alloc(n, sizeof *r->out->z);
    r->out->weight = rs_alloc(n, sizeof *r->out->weight);
    r->rows.train = rs_alloc(n, sizeof *r->rows.train);
    r->rows.valid = rs_alloc(n, sizeof *r->rows.valid);
    r->z_pooled = rs_alloc(n, sizeof *r->z_pooled);
    r->z_log_odds = rs_alloc(n, sizeof *r->z_log_odds);
    r->z = rs_alloc(r->out->n_kinds * n, sizeof *r->z);
    r->log_odds = rs_alloc(n, sizeof *r->log_odds);
    if (!r->log_odds || !r->out->z || !r->out->weight || !r->rows.train || !r->rows.valid || !r->z_pooled ||
        !r->z_log_odds || !r->z)
        return rs_error_set(err, RS_ENOMEM, "validation on %zu rows: out of memory", n);
    for (size_t i = 0; i < n; i++)
        r->out->weight[i] = (double)r->s->weight[i];
    enum rs_status st = rs_fitted_init(&r->fitted, r->s->stride, err);
    return st < 0 ? st : rs_solver_new(n, r->s->stride, &r->solver, err);
}

static enum rs_status fit_pooled(struct run *r, struct rs_error *err)
{
    struct rs_problem p = { .x = r->s->x,
                            .stride = r->s->stride,
                            .y = r->s->y,
                            .rows = r->rows.train,
                            .n = r->rows.n_train,
                            .d = r->s->d,
                            .row_weight = r->s->weight,
                            .weight_positive = 1,
                            .weight_negative = 1 };
    struct rs_learner_ws ws = {
        .solver = r->solver, .rel_gradient = RS_CV_TOLERANCE, .max_iter = RS_CV_MAX_ITER, .seed = r->opt->seed
    };
    r->fitted.d = SIZE_MAX;
    enum rs_status st = r->c->ops->fit(&ws, &p, r->c, &r->fitted, err);
    if (st == RS_OK)
        st = r->c->ops->decide(&r->fitted, r->s->x, r->s->stride, NULL, r->s->n, r->z_pooled, err);
    if (st == RS_OK)
        rs_sets_mix(r->sets, r->c, NULL, r->s->n, r->z_pooled);
    return st;
}

enum rs_status rs_log_odds_scale(const struct rs_candidate *c, const double *z, const uint8_t *y, const float *weight,
                                 const uint32_t *rows, size_t n, rs_comm *comm, struct rs_calibrator *out,
                                 struct rs_error *err)
{
    *out = (struct rs_calibrator){ .kind = RS_PLATT, .a = 1 };
    if (c->ops->learner == RS_LOGISTIC)
        return RS_OK;
    rs_autofree double *of = rs_alloc(n, sizeof *of), *w = rs_alloc(n, sizeof *w);
    rs_autofree uint8_t *label = rs_alloc(n, 1);
    if (!of || !w || !label)
        return rs_error_set(err, RS_ENOMEM, "calibration of %zu rows: out of memory", n);
    for (size_t i = 0; i < n; i++) {
        size_t row = rows ? rows[i] : i;
        of[i] = z[row];
        w[i] = (double)weight[row];
        label[i] = y[row];
    }
    return rs_calibrator_fit_all(of, label, w, n, comm, out, err);
}

/* Of the sample's rows, or of n of them. */
static struct rs_pool_problem pool_problem(const struct run *r, const double *log_odds, const uint32_t *rows, size_t n)
{
    const struct rs_sample *s = r->s;
    return (struct rs_pool_problem){ .x = s->x,
                                     .stride = s->stride,
                                     .d = s->d,
                                     .y = s->y,
                                     .row_weight = s->weight,
                                     .unit = s->unit,
                                     .cohort = s->cohort,
                                     .z = log_odds,
                                     .time = s->time,
                                     .horizon_s = r->opt->horizon_s,
                                     .rows = rows,
                                     .n = n,
                                     .cohorts = r->opt->cohorts,
                                     .n_cohorts = r->opt->n_cohorts,
                                     .steps = r->sets->program->steps };
}

/* Held-out values of one kind of pooling: z in the units of the candidate's own decision value (math.md P1). */
static enum rs_status do_kind(struct run *r, enum rs_pool_kind kind, double slope, struct rs_error *err)
{
    const struct rs_sample *s = r->s;
    struct rs_pool_problem p = pool_problem(r, r->z_log_odds, r->rows.train, r->rows.n_train);
    rs_auto_deltas deltas = { 0 };
    struct rs_pool_strength strength;
    bool has_deltas = kind != RS_POOL_NONE && slope > 0;
    enum rs_status st = has_deltas ? rs_pool_learn(&p, kind, &strength, &deltas, err) : RS_OK;
    for (size_t i = 0; st == RS_OK && i < r->rows.n_valid; i++) {
        uint32_t row = r->rows.valid[i];
        double add = has_deltas ? rs_deltas_z(&deltas, p.cohorts, s->cohort[row], s->x + row * s->stride) / slope : 0;
        r->z[kind * s->n + row] = r->z_pooled[row] + add;
        if (kind == RS_POOL_NONE)
            r->log_odds[row] = r->z_log_odds[row];
    }
    return st;
}

/* Processes take turns at the folds; at those that do not go round, at their kinds of pooling. */
static bool is_mine(const struct run *r, unsigned fold, size_t kind)
{
    unsigned size = rs_comm_size(r->opt->comm);
    return rs_comm_is_turn(r->opt->comm, fold < r->f->n / size * size ? fold : kind);
}

static bool is_any_mine(const struct run *r, unsigned fold)
{
    for (size_t k = 0; k < r->out->n_kinds; k++)
        if (is_mine(r, fold, k))
            return true;
    return false;
}

static enum rs_status do_kinds(struct run *r, unsigned fold, double slope, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t k = 0; st == RS_OK && k < r->out->n_kinds; k++)
        if (is_mine(r, fold, k))
            st = do_kind(r, (enum rs_pool_kind)k, slope, err);
    return st;
}

static enum rs_status do_fold(struct run *r, unsigned fold, struct rs_error *err)
{
    if (!is_any_mine(r, fold))
        return RS_OK;
    const struct rs_sample *s = r->s;
    rs_fold_rows(s, r->f, fold, 0, false, &r->rows);
    enum rs_status st = RS_OK;
    if (r->c->set > 0)
        st = rs_sets_refresh(r->sets, r->s, r->rows.train, r->rows.n_train, err);
    if (st == RS_OK)
        st = fit_pooled(r, err);
    struct rs_calibrator scale;
    if (st == RS_OK)
        st = rs_log_odds_scale(r->c, r->z_pooled, s->y, s->weight, r->rows.train, r->rows.n_train, NULL, &scale, err);
    for (size_t i = 0; st == RS_OK && i < s->n; i++)
        r->z_log_odds[i] = scale.a * r->z_pooled[i] + scale.b;
    if (st == RS_OK)
        st = do_kinds(r, fold, scale.a, err);
    rs_progress_update(&r->progress, (fold + 1) * r->out->n_kinds, NULL);
    return st;
}

/* Cross-fitted risks and losses of held-out values: each fold under the calibration of the others. */
static enum rs_status cross_calibrate(enum rs_calibration kind, const double *z, const struct rs_sample *s,
                                      const struct rs_folds *f, double *risk, double *loss, struct rs_error *err)
{
    rs_autofree double *some = rs_alloc(s->n, sizeof *some), *weight = rs_alloc(s->n, sizeof *weight);
    rs_autofree uint8_t *y = rs_alloc(s->n, 1);
    if (!some || !weight || !y)
        return rs_error_set(err, RS_ENOMEM, "calibration of %zu rows: out of memory", s->n);
    for (unsigned k = 0; k < f->n; k++) {
        size_t n = 0;
        for (size_t i = 0; i < s->n; i++) {
            if (s->fold[i] == k)
                continue;
            some[n] = z[i];
            weight[n] = (double)s->weight[i];
            y[n++] = s->y[i];
        }
        struct rs_calibrator c = { 0 };
        enum rs_status st = rs_calibrator_fit(kind, some, y, weight, n, &c, err);
        for (size_t i = 0; st == RS_OK && i < s->n; i++) {
            if (s->fold[i] != k)
                continue;
            risk[i] = rs_calibrate(&c, z[i]);
            loss[i] = rs_calibrator_loss(&c, z[i], s->y[i]);
        }
        rs_calibrator_clear(&c);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

struct calibrate_job {
    const struct rs_sample *s;
    const struct rs_folds *f;
    const double *const *z;
    const enum rs_calibration *kinds;
    double *figures; /* of each contender n risks, n losses */
    rs_comm *comm;
    enum rs_status status[RS_POOL_KINDS];
};

static void calibrate_task(void *arg, size_t k, unsigned worker)
{
    (void)worker;
    struct calibrate_job *job = arg;
    double *risk = job->figures + 2 * k * job->s->n, *loss = risk + job->s->n;
    if (!rs_comm_is_turn(job->comm, k))
        return;
    job->status[k] =
        cross_calibrate(job->kinds ? job->kinds[k] : RS_PLATT, job->z[k], job->s, job->f, risk, loss, NULL);
}

/* Contenders of which the rows' losses are compared; kinds NULL: Platt for each. */
static enum rs_status compete(const struct rs_sample *s, const struct rs_folds *f, const double *const *z,
                              const enum rs_calibration *kinds, size_t n_of, uint64_t seed, rs_comm *comm,
                              struct rs_contest *c, struct rs_contender *of, double **out_figures, struct rs_error *err)
{
    double *figures = rs_alloc(2 * n_of * s->n, sizeof *figures);
    *out_figures = figures;
    if (!figures)
        return rs_error_set(err, RS_ENOMEM, "calibration of %zu rows: out of memory", s->n);
    struct calibrate_job job = { .s = s, .f = f, .z = z, .kinds = kinds, .figures = figures, .comm = comm };
    for (size_t k = 0; k < n_of; k++)
        of[k] = (struct rs_contender){ .risk = figures + 2 * k * s->n, .loss = figures + (2 * k + 1) * s->n };
    rs_parallel(0, n_of, calibrate_task, &job);
    for (size_t k = 0; k < n_of; k++)
        if (job.status[k] < 0)
            return rs_error_set(err, job.status[k], "calibration of %zu rows: %s", s->n,
                                rs_status_meaning(job.status[k]));
    *c = (struct rs_contest){ .target = { .kind = RS_TARGET_LOG_LOSS },
                              .n = s->n,
                              .y = s->y,
                              .weight = s->weight,
                              .unit = s->unit,
                              .n_units = s->n_units,
                              .seed = seed,
                              .of = of,
                              .n_of = n_of,
                              .comm = comm };
    return rs_contest_measure(c, REPLICATES, err);
}

/* math.md P2: the simplest kind within a standard error of the leader */
static void choose(struct rs_crossfit *x, const struct rs_contest *c)
{
    x->leader = 0;
    for (size_t k = 0; k < x->n_kinds; k++) {
        x->of[k].log_loss = c->of[k].log_loss;
        if (x->of[k].log_loss < x->of[x->leader].log_loss)
            x->leader = k;
    }
    x->chosen = x->leader;
    for (size_t k = x->n_kinds; k-- > 0;) {
        x->of[k].loss_gap = x->of[k].log_loss - x->of[x->leader].log_loss;
        x->of[k].loss_gap_se = rs_contest_loss_se(c, k, x->leader);
        if (k < x->leader && x->of[k].loss_gap <= x->of[k].loss_gap_se)
            x->chosen = k;
    }
}

/* math.md P2: the strengths under which all rows learn, told by all held-out log odds */
static enum rs_status learn_strengths(struct run *r, struct rs_error *err)
{
    struct rs_pool_problem p = pool_problem(r, r->log_odds, NULL, r->s->n);
    enum rs_status st = RS_OK;
    for (size_t k = 0; st == RS_OK && k < r->out->n_kinds; k++) {
        rs_auto_deltas unused = { 0 };
        st = rs_pool_learn(&p, (enum rs_pool_kind)k, &r->out->of[k].strength, &unused, err);
    }
    return st;
}

static enum rs_status judge(struct run *r, struct rs_error *err)
{
    struct rs_contest contest = { 0 };
    struct rs_contender of[RS_POOL_KINDS];
    const double *z[RS_POOL_KINDS];
    rs_autofree double *figures = NULL;
    enum rs_status st = RS_OK;
    for (size_t k = 0; k < r->out->n_kinds; k++)
        z[k] = r->z + k * r->s->n;
    if (r->out->n_kinds > 1) {
        st = compete(r->s, r->f, z, NULL, r->out->n_kinds, r->opt->seed, r->opt->comm, &contest, of, &figures, err);
        if (st == RS_OK)
            choose(r->out, &contest);
        rs_contest_clear(&contest);
    }
    if (st == RS_OK)
        memcpy(r->out->z, z[r->out->chosen], r->s->n * sizeof *r->out->z);
    return st;
}

enum rs_status rs_crossfit(struct rs_sample *s, const struct rs_folds *f, struct rs_sets *sets,
                           const struct rs_candidate *c, const struct rs_crossfit_options *opt, struct rs_crossfit *out,
                           struct rs_error *err)
{
    rs_auto_crossfit x = { 0 };
    bool is_linear = c->ops->learner != RS_RBF_SVM;
    x.n_kinds = opt->has_pooling && is_linear && opt->n_cohorts > 1 ? RS_POOL_KINDS : 1;
    struct run r = { .s = s, .f = f, .sets = sets, .c = c, .opt = opt, .out = &x };
    rs_progress_start(&r.progress, "calibrate", "fits", f->n * x.n_kinds, opt->is_quiet);
    enum rs_status st = run_init(&r, err);
    for (unsigned k = 0; st == RS_OK && k < f->n; k++)
        st = do_fold(&r, k, err);
    if (st == RS_OK) /* what another process has fitted is 0 here: the sum is exact */
        st = rs_comm_sum(opt->comm, r.z, x.n_kinds * s->n, err);
    if (st == RS_OK)
        st = rs_comm_sum(opt->comm, r.log_odds, s->n, err);
    if (st == RS_OK)
        st = learn_strengths(&r, err);
    if (st == RS_OK)
        st = judge(&r, err);
    rs_progress_end(&r.progress);
    run_clear(&r);
    if (st < 0)
        return st;
    *out = x;
    x = (struct rs_crossfit){ 0 };
    return RS_OK;
}

/* math.md C11 */
static enum rs_status choose_kind(const struct rs_crossfit *x, const struct rs_sample *s, const struct rs_folds *f,
                                  uint64_t seed, rs_comm *comm, enum rs_calibration *out, struct rs_error *err)
{
    static const enum rs_calibration kinds[] = { RS_PLATT, RS_BETA, RS_ISOTONIC };
    const double *z[RS_LEN(kinds)] = { x->z, x->z, x->z };
    struct rs_contest contest = { 0 };
    struct rs_contender of[RS_LEN(kinds)];
    rs_autofree double *figures = NULL;
    enum rs_status st = compete(s, f, z, kinds, RS_LEN(kinds), seed, comm, &contest, of, &figures, err);
    size_t best = 0;
    for (size_t k = 1; st == RS_OK && k < RS_LEN(kinds); k++)
        if (of[best].log_loss - of[k].log_loss > rs_contest_loss_se(&contest, k, best))
            best = k;
    rs_contest_clear(&contest);
    *out = kinds[best];
    return st;
}

enum rs_status rs_crossfit_calibrate(const struct rs_crossfit *x, const struct rs_sample *s, const struct rs_folds *f,
                                     int kind, uint64_t seed, rs_comm *comm, struct rs_calibrator *out,
                                     struct rs_error *err)
{
    enum rs_calibration which = (enum rs_calibration)RS_MAX(kind, 0);
    enum rs_status st = kind < 0 ? choose_kind(x, s, f, seed, comm, &which, err) : RS_OK;
    return st < 0 ? st : rs_calibrator_fit(which, x->z, s->y, x->weight, x->n, out, err);
}

struct weighted_risk {
    double risk, weight;
};

static int compare_risks(const void *a, const void *b)
{
    double x = ((const struct weighted_risk *)a)->risk, y = ((const struct weighted_risk *)b)->risk;
    return (x < y) - (x > y);
}

enum rs_status rs_crossfit_threshold(const struct rs_crossfit *x, const struct rs_calibrator *c, double budget,
                                     double *out, struct rs_error *err)
{
    rs_autofree struct weighted_risk *risks = rs_alloc(x->n, sizeof *risks);
    if (!risks)
        return rs_error_set(err, RS_ENOMEM, "threshold of %zu rows: out of memory", x->n);
    double all = 0, above = 0;
    for (size_t i = 0; i < x->n; i++) {
        risks[i] = (struct weighted_risk){ rs_calibrate(c, x->z[i]), x->weight[i] };
        all += x->weight[i];
    }
    qsort(risks, x->n, sizeof *risks, compare_risks);
    for (size_t i = 0; i < x->n && above <= budget * all;) {
        double risk = risks[i].risk, tied = 0;
        while (i < x->n && risks[i].risk == risk)
            tied += risks[i++].weight;
        if (above > 0 && above + tied > 2 * budget * all)
            break;
        above += tied;
        *out = risk;
    }
    return RS_OK;
}
