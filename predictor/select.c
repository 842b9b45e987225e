/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cross-validation of the candidates. Fits along a path of penalties start from the one before. */
#include "predictor/select.h"

#include <math.h>

#include "common/parallel.h"
#include "common/progress.h"
#include "predictor/calibrate.h"

#define REPLICATES 200

/* What the folds share. */
struct cv {
    struct rs_sample *s;
    const struct rs_folds *f;
    struct rs_sets *sets;
    const struct rs_select_options *opt;
    struct rs_selection *out;
    double *z;         /* n candidates x n rows: held-out decision values */
    bool *is_held_out; /* n rows: validated in its own fold */
    struct rs_fold_rows rows;
    double *z_fold;
    rs_solver *solver;
    struct rs_fitted fitted;
    struct rs_progress progress;
};

static void cv_clear(struct cv *v)
{
    free(v->z);
    free(v->is_held_out);
    free(v->rows.train);
    free(v->rows.valid);
    free(v->z_fold);
    rs_solver_free(v->solver);
    rs_fitted_clear(&v->fitted);
}

static bool is_wanted(enum rs_learner_choice choice, enum rs_learner learner, size_t n_rows)
{
    switch (choice) {
    case RS_LEARN_LOGISTIC:
        return learner == RS_LOGISTIC;
    case RS_LEARN_SVM:
        return learner == RS_LINEAR_SVM;
    case RS_LEARN_RBF:
        return learner == RS_RBF_SVM;
    case RS_LEARN_AUTO:
        break;
    }
    return learner != RS_RBF_SVM || n_rows <= RS_RBF_ROWS_AUTO;
}

void rs_select_list(const struct rs_sets *sets, size_t n_rows, const struct rs_select_options *opt,
                    struct rs_selection *out)
{
    static const struct rs_learner_ops *const learners[] = { &rs_logistic_ops, &rs_svm_ops, &rs_rbf_ops };
    struct rs_candidate found[RS_CANDIDATES_MAX];
    *out = (struct rs_selection){ .target = opt->target };
    size_t n = 0;
    for (size_t k = 0; k < RS_LEN(learners); k++)
        if (is_wanted(opt->learner, learners[k]->learner, n_rows))
            n += learners[k]->propose(opt->C, sets->n > 1, found + n, RS_CANDIDATES_MAX - n);
    for (; out->n < n; out->n++)
        out->of[out->n] = (struct rs_scored){ .candidate = found[out->n], .has_converged = true };
}

static enum rs_status cv_init(struct cv *v, struct rs_error *err)
{
    size_t n = v->s->n, d = v->s->stride;
    v->z = rs_alloc(v->out->n * n, sizeof *v->z);
    v->is_held_out = rs_alloc(n, sizeof *v->is_held_out);
    v->rows.train = rs_alloc(n, sizeof *v->rows.train);
    v->rows.valid = rs_alloc(n, sizeof *v->rows.valid);
    v->z_fold = rs_alloc(n, sizeof *v->z_fold);
    if (!v->z || !v->is_held_out || !v->rows.train || !v->rows.valid || !v->z_fold)
        return rs_error_set(err, RS_ENOMEM, "validation on %zu rows: out of memory", n);
    enum rs_status st = rs_fitted_init(&v->fitted, d, err);
    return st < 0 ? st : rs_solver_new(n, d, &v->solver, err);
}

void rs_fold_rows(const struct rs_sample *s, const struct rs_folds *f, unsigned k, int64_t horizon_s, bool has_date,
                  struct rs_fold_rows *out)
{
    struct rs_folds dateless = { .n = f->n };
    const struct rs_folds *by = has_date ? f : &dateless;
    out->n_train = out->n_valid = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (rs_fold_trains(by, s->fold[i], s->time[i], k, horizon_s))
            out->train[out->n_train++] = (uint32_t)i;
        if (rs_fold_validates(by, s->fold[i], s->time[i], k))
            out->valid[out->n_valid++] = (uint32_t)i;
    }
}

static enum rs_status fit_one(struct cv *v, size_t c, struct rs_error *err)
{
    struct rs_scored *scored = &v->out->of[c];
    const struct rs_candidate *cand = &scored->candidate;
    struct rs_problem p = { .x = v->s->x,
                            .stride = v->s->stride,
                            .y = v->s->y,
                            .rows = v->rows.train,
                            .n = v->rows.n_train,
                            .d = v->s->d,
                            .row_weight = v->s->weight,
                            .weight_positive = 1,
                            .weight_negative = 1 };
    const struct rs_scored *before = c ? scored - 1 : NULL;
    if (!before || !rs_candidates_are_kin(&before->candidate, cand))
        v->fitted.d = SIZE_MAX; /* starts afresh */
    struct rs_learner_ws ws = {
        .solver = v->solver, .rel_gradient = RS_CV_TOLERANCE, .max_iter = RS_CV_MAX_ITER, .seed = v->opt->seed
    };
    bool is_fitted = /* within a set: what another set leaves here is not this one's */
        before && before->candidate.set == cand->set && rs_candidates_share_fit(&before->candidate, cand);
    enum rs_status st = is_fitted ? RS_OK : cand->ops->fit(&ws, &p, cand, &v->fitted, err);
    if (st < 0)
        return st;
    scored->has_converged &= v->fitted.report.has_converged;
    st = cand->ops->decide(&v->fitted, v->s->x, v->s->stride, v->rows.valid, v->rows.n_valid, v->z_fold, err);
    if (st == RS_OK)
        rs_sets_mix(v->sets, cand, v->rows.valid, v->rows.n_valid, v->z_fold);
    for (size_t i = 0; st == RS_OK && i < v->rows.n_valid; i++)
        v->z[c * v->s->n + v->rows.valid[i]] = v->z_fold[i];
    return st;
}

/* Processes take turns at the sets of the folds, the larger sets first. */
static bool is_mine(const struct cv *v, unsigned k, unsigned set)
{
    return rs_comm_is_turn(v->opt->comm, (v->sets->n - 1 - set) * v->f->n + k);
}

static enum rs_status do_set(struct cv *v, unsigned k, unsigned set, struct rs_error *err)
{
    enum rs_status st = set > 0 ? rs_sets_refresh(v->sets, v->s, v->rows.train, v->rows.n_train, err) : RS_OK;
    for (size_t c = 0; st == RS_OK && c < v->out->n; c++) {
        if (v->out->of[c].candidate.set != set)
            continue;
        st = fit_one(v, c, err);
        rs_progress_update(&v->progress, k * v->out->n + c + 1, NULL);
    }
    return st;
}

static enum rs_status do_fold(struct cv *v, unsigned k, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    rs_fold_rows(v->s, v->f, k, v->opt->horizon_s, true, &v->rows);
    for (size_t i = 0; i < v->rows.n_valid; i++)
        v->is_held_out[v->rows.valid[i]] = true;
    for (unsigned set = 0; st == RS_OK && set < v->sets->n; set++)
        if (is_mine(v, k, set))
            st = do_set(v, k, set, err);
    return st;
}

/* What each process has fitted, to all; the values that it has not are 0, so the sums are exact. */
static enum rs_status share(struct cv *v, struct rs_error *err)
{
    uint64_t n_failed[RS_CANDIDATES_MAX];
    for (size_t c = 0; c < v->out->n; c++)
        n_failed[c] = !v->out->of[c].has_converged;
    enum rs_status st = rs_comm_sum(v->opt->comm, v->z, v->out->n * v->s->n, err);
    if (st == RS_OK)
        st = rs_comm_sum_counts(v->opt->comm, n_failed, v->out->n, err);
    for (size_t c = 0; st == RS_OK && c < v->out->n; c++)
        v->out->of[c].has_converged = n_failed[c] == 0;
    return st;
}

/* The held-out rows, close together. */
struct held_out {
    size_t n;
    uint32_t *row; /* of the sample */
    uint8_t *y;
    float *weight;
    uint32_t *unit;
    double *risk, *loss; /* n of each candidate */
};

static void held_out_clear(struct held_out *h)
{
    free(h->row);
    free(h->y);
    free(h->weight);
    free(h->unit);
    free(h->risk);
    free(h->loss);
}

static enum rs_status gather(const struct cv *v, struct held_out *h, struct rs_error *err)
{
    size_t n = v->s->n;
    h->row = rs_alloc(n, sizeof *h->row);
    h->y = rs_alloc(n, 1);
    h->weight = rs_alloc(n, sizeof *h->weight);
    h->unit = rs_alloc(n, sizeof *h->unit);
    h->risk = rs_alloc(v->out->n * n, sizeof *h->risk);
    h->loss = rs_alloc(v->out->n * n, sizeof *h->loss);
    if (!h->row || !h->y || !h->weight || !h->unit || !h->risk || !h->loss)
        return rs_error_set(err, RS_ENOMEM, "validation on %zu rows: out of memory", n);
    for (size_t i = 0; i < n; i++) {
        if (!v->is_held_out[i])
            continue;
        h->row[h->n] = (uint32_t)i;
        h->y[h->n] = v->s->y[i];
        h->weight[h->n] = v->s->weight[i];
        h->unit[h->n++] = v->s->unit[i];
    }
    return RS_OK;
}

struct judging {
    const struct cv *v;
    struct held_out *h;
    enum rs_status *status; /* of each candidate */
};

/* math.md C4: the risk of each row under the calibration of the other folds */
static enum rs_status calibrate_candidate(const struct judging *g, size_t c, struct rs_error *err)
{
    const struct cv *v = g->v;
    struct held_out *h = g->h;
    rs_autofree double *z = rs_alloc(h->n, sizeof *z), *weight = rs_alloc(h->n, sizeof *weight);
    rs_autofree uint8_t *y = rs_alloc(h->n, 1);
    if (!z || !weight || !y)
        return rs_error_set(err, RS_ENOMEM, "validation on %zu rows: out of memory", h->n);
    for (unsigned k = 0; k < v->f->n; k++) {
        size_t n = 0;
        for (size_t i = 0; i < h->n; i++) {
            if (v->s->fold[h->row[i]] == k)
                continue;
            z[n] = v->z[c * v->s->n + h->row[i]];
            weight[n] = (double)h->weight[i];
            y[n++] = h->y[i];
        }
        struct rs_calibrator platt;
        enum rs_status st = rs_calibrator_fit(RS_PLATT, z, y, weight, n, &platt, err);
        if (st < 0)
            return st;
        for (size_t i = 0; i < h->n; i++) {
            if (v->s->fold[h->row[i]] != k)
                continue;
            double value = v->z[c * v->s->n + h->row[i]];
            h->risk[c * h->n + i] = rs_calibrate(&platt, value);
            h->loss[c * h->n + i] = rs_calibrator_loss(&platt, value, h->y[i]);
        }
    }
    return RS_OK;
}

static void judge_candidate(void *arg, size_t c, unsigned worker)
{
    (void)worker;
    struct judging *g = arg;
    g->status[c] = rs_comm_is_turn(g->v->opt->comm, c) ? calibrate_candidate(g, c, NULL) : RS_OK;
}

static enum rs_status calibrate_all(const struct cv *v, struct held_out *h, struct rs_error *err)
{
    enum rs_status status[RS_CANDIDATES_MAX];
    struct judging g = { v, h, status };
    rs_parallel(0, v->out->n, judge_candidate, &g);
    for (size_t c = 0; c < v->out->n; c++)
        if (status[c] < 0)
            return rs_error_set(err, status[c], "calibration of candidate %zu on %zu rows: %s", c + 1, h->n,
                                rs_status_meaning(status[c]));
    return RS_OK;
}

/* math.md C5: of those that differ in strength, the lowest log loss; of those that differ in the share of the trees,
 * too, a mixture, unless another is better by more than a standard error. */
static void find_champions(struct rs_selection *s, const struct rs_contest *contest)
{
    bool is_seen[RS_CANDIDATES_MAX] = { false };
    for (size_t first = 0; first < s->n; first++) {
        size_t best = first, mixed = SIZE_MAX;
        if (is_seen[first])
            continue;
        for (size_t c = first; c < s->n; c++) {
            double share = s->of[c].candidate.trees, loss = s->of[c].log_loss;
            if (!rs_candidates_are_kin(&s->of[first].candidate, &s->of[c].candidate))
                continue;
            is_seen[c] = true;
            if (loss < s->of[best].log_loss)
                best = c;
            if (share > 0 && share < 1 && (mixed == SIZE_MAX || loss < s->of[mixed].log_loss))
                mixed = c;
        }
        if (mixed != SIZE_MAX &&
            s->of[mixed].log_loss - s->of[best].log_loss <= rs_contest_loss_se(contest, mixed, best))
            best = mixed;
        s->of[best].is_champion = true;
    }
}

/* Whether the target cannot be shown to be below that of the best. */
static bool is_tied(const struct rs_contender *c)
{
    return c->gap >= 0 || c->gap_high >= 0;
}

/* math.md C5 */
static void choose(struct rs_selection *s, struct rs_contest *contest)
{
    for (size_t c = 0; c < s->n; c++)
        s->of[c].log_loss = contest->of[c].log_loss;
    find_champions(s, contest);
    s->best = SIZE_MAX;
    for (size_t c = 0; c < s->n; c++)
        if (s->of[c].is_champion && (s->best == SIZE_MAX || contest->of[c].value > contest->of[s->best].value))
            s->best = c;
    rs_contest_compare(contest, s->best);
    s->leader = s->best;
    for (size_t c = 0; c < s->n; c++)
        if (s->of[c].is_champion && is_tied(&contest->of[c]) && s->of[c].log_loss < s->of[s->leader].log_loss)
            s->leader = c;
    s->chosen = s->leader;
    for (size_t c = s->n; c-- > 0;) {
        const struct rs_contender *of = &contest->of[c];
        struct rs_scored *to = &s->of[c];
        to->value = of->value;
        to->roc_auc = of->roc_auc;
        to->average_precision = of->average_precision;
        to->gap = of->gap;
        to->gap_low = of->gap_low;
        to->gap_high = of->gap_high;
        to->loss_gap = to->log_loss - s->of[s->leader].log_loss;
        to->loss_gap_se = rs_contest_loss_se(contest, c, s->leader);
        if (c < s->leader && to->is_champion && is_tied(of) && to->loss_gap <= to->loss_gap_se)
            s->chosen = c;
    }
}

static enum rs_status judge(const struct cv *v, struct held_out *h, struct rs_error *err)
{
    struct rs_contender of[RS_CANDIDATES_MAX] = { 0 };
    enum rs_status st = gather(v, h, err);
    if (st == RS_OK)
        st = calibrate_all(v, h, err);
    if (st < 0)
        return st;
    for (size_t c = 0; c < v->out->n; c++) {
        of[c].risk = h->risk + c * h->n;
        of[c].loss = h->loss + c * h->n;
    }
    struct rs_contest contest = { .target = v->opt->target,
                                  .n = h->n,
                                  .y = h->y,
                                  .weight = h->weight,
                                  .unit = h->unit,
                                  .n_units = v->s->n_units,
                                  .seed = v->opt->seed,
                                  .of = of,
                                  .n_of = v->out->n,
                                  .comm = v->opt->comm };
    st = rs_contest_measure(&contest, REPLICATES, err);
    if (st == RS_OK)
        choose(v->out, &contest);
    rs_contest_clear(&contest);
    return st;
}

static enum rs_status run(struct cv *v, struct rs_error *err)
{
    struct held_out h = { 0 };
    enum rs_status st = cv_init(v, err);
    for (unsigned k = 0; st == RS_OK && k < v->f->n; k++)
        st = do_fold(v, k, err);
    if (st == RS_OK)
        st = share(v, err);
    if (st == RS_OK)
        st = judge(v, &h, err);
    held_out_clear(&h);
    return st;
}

enum rs_status rs_select(struct rs_sample *s, const struct rs_folds *f, struct rs_sets *sets,
                         const struct rs_select_options *opt, struct rs_selection *out, struct rs_error *err)
{
    rs_select_list(sets, s->n, opt, out);
    if (out->n == 1)
        return RS_OK;
    struct cv v = { .s = s, .f = f, .sets = sets, .opt = opt, .out = out };
    rs_progress_start(&v.progress, "validate", "fits", f->n * out->n, opt->is_quiet);
    enum rs_status st = run(&v, err);
    rs_progress_end(&v.progress);
    cv_clear(&v);
    return st < 0 && st != RS_ECANCELLED ? rs_error_prefix(err, st, "validation") : st;
}
