/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Newton's method with a line search for linear classifiers (math.md L5 to L8). A large problem is first fitted on
 * samples of it, and its Hessian is that of a sample too; whenever such a step does not do what it should, the model is
 * made from all rows, and at last in double. The gradient is always that of all rows. */
#include "predictor/solver.h"

#include <math.h>

#include "common/cli.h"
#include "common/parallel.h"
#include "predictor/cholesky.h"
#include "predictor/fit.h"

#define GROUPS_MAX 16
#define GROUP_CELLS_MAX ((size_t)1 << 22)
#define STRIPES_MAX 256
#define ARMIJO 1e-4
#define TRIES_MAX 30
#define LOST_TRIES_MAX 4   /* of them where all that is to be gained drowns in rounding */
#define SLOPE_LEFT 0.9     /* of the slope, where f cannot tell any more */
#define NOISE_FLOAT 2.4e-7 /* of |terms| that one row brings; rows of the rarer class even it out */
#define NOISE_ROWS 64
#define NOISE_DOUBLE 2e-16
#define NOISE_OBJECTIVE 3e-7 /* of f, in float */
#define DECREMENT 1e-2       /* times rel_gradient: expected excess of f over the optimum, in f */
#define FRESH 0.15           /* a model that shrinks the decrement's root to this is kept */
#define SLOW 0.6             /* one that does not to this is not trusted for long */
#define SHORT 0.5            /* a step of which less is taken speaks against a sampled model too */
#define SLOW_STEPS_MAX 2
#define PILOT_DECREMENT 0.05 /* a column: below what the sample itself is worth */
#define PILOT_STEPS_MAX 40
#define PILOT_NEST 8 /* the first sample is this part of the second */
#define DRAW_SHARE 0.75

void rs_solver_free(rs_solver *ws)
{
    if (!ws)
        return;
    rs_subset_clear(&ws->sample);
    free(ws->stripes);
    free(ws->sums);
    free(ws->groups);
    free(ws->scratch);
    free(ws->h);
    free(ws->factor);
    free(ws->vectors);
    free(ws->used);
    free(ws);
}

/* Hands out the vectors of d + 1. */
static enum rs_status make_vectors(rs_solver *ws, struct rs_error *err)
{
    double **all[] = { &ws->l1,    &ws->l2,      &ws->step, &ws->trial_step, &ws->solution, &ws->inverse,
                       &ws->scale, &ws->product, &ws->at.w, &ws->at.g,       &ws->trial.w,  &ws->trial.g };
    size_t n = ws->d_max + 1, k = 0;
    ws->vectors = rs_alloc((RS_LEN(all) + 2 * RS_PAIRS) * n, sizeof *ws->vectors);
    if (!ws->vectors)
        return rs_error_set(err, RS_ENOMEM, "fit of %zu features: out of memory", ws->d_max);
    for (; k < RS_LEN(all); k++)
        *all[k] = ws->vectors + k * n;
    for (size_t i = 0; i < RS_PAIRS; i++) {
        ws->pair_s[i] = ws->vectors + k++ * n;
        ws->pair_y[i] = ws->vectors + k++ * n;
    }
    return RS_OK;
}

enum rs_status rs_solver_new(size_t n_max, size_t d_max, rs_solver **out, struct rs_error *err)
{
    if (d_max > RS_SOLVER_FEATURES_MAX)
        return rs_error_set(err, RS_EUNSUPPORTED, "%zu features, at most %d: leave out signals or attributes", d_max,
                            RS_SOLVER_FEATURES_MAX);
    RS_AUTO(rs_solver) *ws = rs_alloc(1, sizeof *ws);
    if (!ws)
        return rs_error_set(err, RS_ENOMEM, "fit: out of memory");
    size_t n = d_max + 1;
    ws->n_max = n_max;
    ws->d_max = d_max;
    ws->width = rs_pass_width(d_max);
    ws->n_groups_max = RS_MAX(RS_MIN(GROUP_CELLS_MAX / (ws->width * ws->width), (size_t)GROUPS_MAX), (size_t)1);
    ws->stripes = rs_alloc(STRIPES_MAX * rs_sum_len(d_max), sizeof *ws->stripes);
    ws->sums = rs_alloc(rs_sum_len(d_max) + RS_FLAGS, sizeof *ws->sums);
    ws->groups = rs_alloc(ws->n_groups_max * ws->width * ws->width, sizeof *ws->groups);
    ws->h = rs_alloc(n * n, sizeof *ws->h);
    ws->factor = rs_alloc(n * n, sizeof *ws->factor);
    ws->used = rs_alloc(n, sizeof *ws->used);
    if (!ws->used || !ws->stripes || !ws->sums || !ws->groups || !ws->h || !ws->factor)
        return rs_error_set(err, RS_ENOMEM, "fit of %zu features: out of memory", d_max);
    enum rs_status st = make_vectors(ws, err);
    if (st == RS_OK)
        st = rs_subset_init(&ws->sample, n_max, d_max, err);
    if (st < 0)
        return st;
    *out = rs_take(ws);
    return RS_OK;
}

double rs_linear_z(const double *w, const float *x, size_t d)
{
    /* four sums, so that the additions need not wait for each other */
    double a = w[d], b = 0, c = 0, e = 0;
    size_t j = 0;
    for (; j + 4 <= d; j += 4) {
        a += w[j] * (double)x[j];
        b += w[j + 1] * (double)x[j + 1];
        c += w[j + 2] * (double)x[j + 2];
        e += w[j + 3] * (double)x[j + 3];
    }
    for (; j < d; j++)
        a += w[j] * (double)x[j];
    return (a + b) + (c + e);
}

static void swap_points(rs_solver *ws)
{
    struct rs_point t = ws->at;
    ws->at = ws->trial;
    ws->trial = t;
}

/* What rounding makes of f. */
static double noise_of(const struct rs_fit *f)
{
    return (f->is_double ? 1e-13 : NOISE_OBJECTIVE) * fabs(f->ws->at.f);
}

/* What f and its derivative say of ws->trial, t of the step away. Where the change of f drowns in rounding, the
 * derivative decides. */
static bool is_lower(const struct rs_fit *f, double t, double slope)
{
    const rs_solver *ws = f->ws;
    double gain = ws->trial.f - ws->at.f, derivative = 0;
    if (gain <= ARMIJO * t * slope && gain < 0)
        return true;
    if (!(fabs(gain) <= noise_of(f)))
        return false;
    for (size_t j = 0; j <= f->p.d; j++) {
        double w = ws->trial.w[j], v = ws->step[j];
        derivative += (ws->trial.g[j] + (w != 0 ? copysign(ws->l1[j], w) : copysign(ws->l1[j], v))) * v;
    }
    return fabs(derivative) <= SLOPE_LEFT * fabs(slope);
}

/* Moves ws->at along the step; *out_t is how far, 0 where nothing lowers f. */
static enum rs_status search(struct rs_fit *f, double slope, double *out_t)
{
    rs_solver *ws = f->ws;
    size_t n = f->p.d + 1;
    double t = RS_MIN(1.0, 2 * ws->at.f / -slope); /* else the model would have f fall below 0 */
    int n_lost = 0;
    for (int k = 0; k < TRIES_MAX && n_lost < LOST_TRIES_MAX; k++) {
        n_lost += -t * slope <= noise_of(f);
        for (size_t j = 0; j < n; j++) {
            double w = ws->at.w[j] + t * ws->step[j];
            bool vanishes = ws->l1[j] > 0 && t == 1 && fabs(w) <= 1e-15 * fabs(ws->at.w[j]);
            ws->trial.w[j] = vanishes ? 0 : w; /* math.md L4: exactly */
        }
        enum rs_status st = rs_fit_evaluate(f, &ws->trial, 1, 0);
        if (st < 0)
            return st;
        if (is_lower(f, t, slope)) {
            rs_fit_remember(f, &ws->at, &ws->trial);
            swap_points(ws);
            *out_t = t;
            return RS_OK;
        }
        double rise = ws->trial.f - ws->at.f - t * slope, next = -slope * t * t / (2 * rise);
        t = isfinite(next) ? RS_MIN(RS_MAX(next, 0.1 * t), 0.5 * t) : 0.1 * t;
    }
    *out_t = 0;
    return RS_OK;
}

/* |gradient| that can and need be reached in the precision at hand (math.md L7). */
static double goal_of(const struct rs_fit *f)
{
    double noise = f->terms_norm * (f->is_double ? NOISE_DOUBLE : f->noise_float);
    return RS_MAX(f->opt->rel_gradient * f->start_norm, noise);
}

static bool needs_double(const struct rs_fit *f)
{
    return !f->is_double && f->opt->rel_gradient * f->start_norm < f->terms_norm * f->noise_float;
}

static bool is_finite(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] - x[i]; /* NaN of an infinity too */
    return sum == 0;
}

/* Columns of numbers above 1e18 have squares that only double holds. */
static enum rs_status build_model(struct rs_fit *f)
{
    size_t n = f->p.d + 1;
    for (;; f->curvature++) {
        struct rs_problem rows = f->p;
        if (f->curvature == RS_CURVATURE_SAMPLE)
            rows = rs_subset_problem(&f->ws->sample, &f->p);
        enum rs_status st = rs_fit_hessian(f, &rows, f->ws->at.w);
        if (st < 0 || f->curvature == RS_CURVATURE_DOUBLE || is_finite(f->ws->h, n * n))
            return st;
    }
}

/* How the steps went: by it models are refreshed and made more exact. */
struct course {
    double root, last; /* of the decrement now, and before the last step */
    unsigned n_slow;
    bool was_full, was_short; /* the last step was taken whole, or less than SHORT of it */
};

static void judge(struct rs_fit *f, struct course *c)
{
    bool is_short = c->was_short && f->curvature == RS_CURVATURE_SAMPLE;
    bool is_slow = c->last > 0 && (is_short || (c->was_full && c->root > SLOW * c->last));
    c->n_slow = is_slow ? c->n_slow + 1 : 0;
    if (c->n_slow <= SLOW_STEPS_MAX || f->curvature == RS_CURVATURE_DOUBLE)
        return;
    f->curvature++;
    f->has_factor = false;
    f->n_pairs = 0;
    c->n_slow = 0;
}

/* Fresh step at ws->at. A model that has served well is used again. */
static enum rs_status make_step(struct rs_fit *f, struct course *c, double *slope)
{
    bool refresh = !f->has_factor;
    enum rs_status st = RS_OK;
    if (!refresh) {
        st = rs_fit_step(f, false, slope);
        c->root = sqrt(RS_MAX(-*slope, 0.0));
        judge(f, c);
        refresh = !f->has_factor || (c->root > FRESH * c->last && f->ws->at.kkt > goal_of(f));
    }
    if (st < 0 || !refresh)
        return st;
    st = build_model(f);
    if (st == RS_OK)
        st = rs_fit_step(f, true, slope);
    f->has_factor = st == RS_OK;
    c->root = sqrt(RS_MAX(-*slope, 0.0));
    return st;
}

static enum rs_status go_double(struct rs_fit *f)
{
    f->is_double = true;
    return rs_fit_evaluate(f, &f->ws->at, RS_SUM_VECTORS, 0);
}

/* True where a step has shown that float tells neither f nor the gradient any more: f changed by less than its
 * rounding, and the gradient did not shrink. */
static bool is_float_used_up(const struct rs_fit *f, const struct rs_point *from)
{
    const struct rs_point *at = &f->ws->at;
    return !f->is_double && fabs(at->f - from->f) <= NOISE_OBJECTIVE * fabs(at->f) && at->kkt >= SLOPE_LEFT * from->kkt;
}

/* The loop. Leaves ws->at at the last point. */
static enum rs_status minimise(struct rs_fit *f, unsigned max_steps, bool is_pilot, struct rs_fit_report *out)
{
    rs_solver *ws = f->ws;
    struct course course = { 0 };
    double t = 1, slope = 0;
    for (unsigned step = 0;; step++) {
        enum rs_status st = make_step(f, &course, &slope);
        if (st < 0)
            return st;
        if (is_pilot && (-slope <= PILOT_DECREMENT * (double)(f->p.d + 1) || step == max_steps))
            return RS_OK;
        bool is_settled = ws->at.kkt <= goal_of(f) && -slope / 2 <= DECREMENT * f->opt->rel_gradient * ws->at.f;
        if ((is_settled || !(slope < 0)) && !needs_double(f)) {
            out->has_converged = is_settled;
            return RS_OK;
        }
        if (step == max_steps)
            return RS_OK;
        t = 0;
        if (!is_settled && slope < 0)
            st = search(f, slope, &t);
        if (st < 0)
            return st;
        if (t > 0) {
            out->iterations++;
            if (!is_pilot && is_float_used_up(f, &ws->trial)) /* trial: where the step began */
                st = go_double(f);
            if (st < 0)
                return st;
        } else if (!is_pilot && !f->is_double) {
            st = go_double(f);
            if (st < 0)
                return st;
        } else if (f->curvature < RS_CURVATURE_DOUBLE) {
            f->curvature++;
            f->has_factor = false;
        } else {
            return RS_OK; /* no lower f to be had */
        }
        course.last = t > 0 ? course.root : 0;
        course.was_full = t == 1;
        course.was_short = t < SHORT;
    }
}

static enum rs_status check(const rs_solver *ws, const struct rs_problem *p, const struct rs_fit_options *opt,
                            struct rs_error *err)
{
    if (p->d > ws->d_max || p->n > ws->n_max || p->stride < p->d)
        return rs_error_set(err, RS_ESHAPE, "fit of %zu rows by %zu features in a workspace of %zu by %zu", p->n, p->d,
                            ws->n_max, ws->d_max);
    if (!(opt->C > 0) || !isfinite(opt->C) || !(opt->l1_ratio >= 0 && opt->l1_ratio <= 1))
        return rs_error_set(err, RS_EINVAL, "fit with C = %g, l1_ratio = %g: C > 0 and a ratio from 0 to 1 needed",
                            opt->C, opt->l1_ratio);
    if (opt->learner != RS_LOGISTIC && (opt->learner != RS_LINEAR_SVM || opt->l1_ratio > 0))
        return rs_error_set(err, RS_EUNSUPPORTED, "elastic net: logistic regression only");
    return RS_OK;
}

static void set_penalties(rs_solver *ws, const struct rs_problem *p, const struct rs_fit_options *opt)
{
    for (size_t j = 0; j <= p->d; j++) {
        double by = j == p->d ? opt->bias == RS_BIAS_PENALISED : p->penalty ? p->penalty[j] : 1;
        ws->l1[j] = opt->l1_ratio * by;
        ws->l2[j] = (1 - opt->l1_ratio) * by;
    }
}

/* Rows of each class, and their weights, over all processes; n_local in this one. */
struct classes {
    double n[2], weight[2], n_local[2];
};

/* How many of n bytes are 1, the others being 0: eight at a time, in bytes that do not overflow. */
static size_t count_ones(const uint8_t *y, size_t n)
{
    size_t sum = 0, i = 0;
    while (i + 8 <= n) {
        uint64_t word, bytes = 0;
        for (size_t to = RS_MIN(i + 255 * 8, n); i + 8 <= to; i += 8) {
            memcpy(&word, y + i, sizeof word);
            bytes += word;
        }
        bytes = (bytes & 0x00ff00ff00ff00ff) + (bytes >> 8 & 0x00ff00ff00ff00ff);
        sum += bytes * 0x0001000100010001 >> 48;
    }
    for (; i < n; i++)
        sum += y[i];
    return sum;
}

static enum rs_status count_classes(const struct rs_problem *p, const struct rs_fit_options *opt, struct classes *out,
                                    struct rs_error *err)
{
    double sums[4] = { 0 };
    if (!p->rows && !p->row_weight) {
        size_t n_positive = count_ones(p->y, p->n);
        sums[1] = sums[3] = (double)n_positive;
        sums[0] = sums[2] = (double)(p->n - n_positive);
    } else {
        for (size_t i = 0; i < p->n; i++) {
            size_t row = p->rows ? p->rows[i] : i;
            sums[p->y[row]]++;
            sums[2 + p->y[row]] += p->row_weight ? (double)p->row_weight[row] : 1;
        }
    }
    *out = (struct classes){ .n_local = { sums[0], sums[1] } };
    enum rs_status st = rs_comm_sum(opt->comm, sums, RS_LEN(sums), err);
    if (st < 0)
        return st;
    for (int k = 0; k < 2; k++)
        out->n[k] = sums[k];
    out->weight[0] = p->weight_negative * sums[2];
    out->weight[1] = p->weight_positive * sums[3];
    if (sums[0] + sums[1] == 0)
        return rs_error_set(err, RS_ENODATA, "fit: no rows");
    if (opt->learner == RS_LOGISTIC && opt->bias == RS_BIAS_FREE && !(out->weight[0] > 0 && out->weight[1] > 0))
        return rs_error_set(err, RS_ENODATA, "fit: all rows are of one class: a free intercept has no optimum");
    return RS_OK;
}

/* Where w says nothing, the intercept starts at the base rate. */
static void start_at(const struct rs_fit *f, const struct classes *c, double *w)
{
    size_t d = f->p.d;
    if (f->opt->bias == RS_BIAS_NONE)
        w[d] = 0;
    for (size_t j = 0; j <= d; j++)
        if (w[j] != 0)
            return;
    if (f->opt->bias == RS_BIAS_NONE || f->p.offset || !(c->weight[0] > 0 && c->weight[1] > 0))
        return;
    w[d] = f->opt->learner == RS_LOGISTIC ? log(c->weight[1] / c->weight[0])
                                          : (c->weight[1] - c->weight[0]) / (c->weight[1] + c->weight[0]);
}

/* Sums at the start; a start that is worse than w = 0, of which f is known, is given up for it. */
static enum rs_status evaluate_start(struct rs_fit *f, const struct classes *c)
{
    enum rs_status st = rs_fit_evaluate(f, &f->ws->at, RS_SUM_VECTORS, 0);
    double at_zero = f->opt->C * (c->weight[0] + c->weight[1]) * (f->opt->learner == RS_LOGISTIC ? M_LN2 : 1);
    if (st < 0 || f->p.offset || f->ws->at.f <= at_zero)
        return st;
    memset(f->ws->at.w, 0, (f->p.d + 1) * sizeof *f->ws->at.w);
    return rs_fit_evaluate(f, &f->ws->at, RS_SUM_VECTORS, 0);
}

/* Fits two samples, one in the other, from ws->at on; leaves the diagonal of the last Hessian for the draw. */
static enum rs_status fit_pilots(struct rs_fit *f, size_t n_rows, const struct classes *c)
{
    struct rs_problem all = f->p, pilot;
    struct rs_fit_report unused = { 0 };
    enum rs_status st = rs_subset_pick(f, &all, n_rows, c->n_local, &pilot);
    if (st < 0)
        return st;
    struct rs_problem part = pilot;
    uint32_t *order = f->ws->sample.order;
    part.n = pilot.n / PILOT_NEST;
    for (size_t k = 0; k < part.n; k++)
        order[k] = (uint32_t)(k * PILOT_NEST);
    part.weight_positive *= PILOT_NEST;
    part.weight_negative *= PILOT_NEST;
    f->curvature = RS_CURVATURE_FLOAT;
    for (int stage = 0; stage < 2 && st == RS_OK; stage++) {
        f->p = stage ? pilot : part;
        f->has_factor = false;
        f->n_pairs = 0;
        for (size_t k = 0; stage && k < pilot.n; k++)
            order[k] = (uint32_t)k;
        st = stage ? rs_fit_evaluate(f, &f->ws->at, RS_SUM_VECTORS, 0) : evaluate_start(f, c);
        if (st == RS_OK)
            st = minimise(f, PILOT_STEPS_MAX, true, &unused);
    }
    f->p = all;
    f->n_pairs = 0;
    f->has_factor = false;
    f->curvature = RS_CURVATURE_SAMPLE;
    for (size_t j = 0; j <= all.d; j++) {
        double diagonal = f->ws->h[j * (all.d + 2)];
        f->ws->inverse[j] = f->opt->C / (diagonal > 0 ? diagonal : 1);
    }
    f->leverage = f->opt->learner == RS_LOGISTIC ? 0 : rs_subset_leverage(f, &pilot);
    return st;
}

static enum rs_status make_scratch(rs_solver *ws, size_t d, unsigned n_threads, struct rs_error *err)
{
    size_t bytes = rs_pass_scratch(d), all;
    free(ws->scratch);
    ws->scratch = NULL;
    ws->scratch_bytes = bytes;
    if (!rs_mul_size(bytes, n_threads, &all) || !(ws->scratch = aligned_alloc(64, all)))
        return rs_error_set(err, RS_ENOMEM, "fit on %u threads: out of memory", n_threads);
    return RS_OK;
}

static enum rs_status fit(struct rs_fit *f, const struct classes *c, struct rs_fit_report *out)
{
    rs_solver *ws = f->ws;
    size_t d = f->p.d, n_rows = rs_subset_size(ws, f->p.n, d);
    /* all processes sample or none: rows of all samples, and processes that have too few rows for one */
    double sampled[2] = { (double)n_rows, n_rows == 0 && f->p.n > 0 };
    enum rs_status st = rs_comm_sum(f->opt->comm, sampled, 2, f->err);
    f->curvature = RS_CURVATURE_FLOAT;
    if (st == RS_OK && (sampled[0] == 0 || sampled[1] > 0)) {
        st = evaluate_start(f, c);
    } else if (st == RS_OK) {
        st = fit_pilots(f, n_rows / 2, c);
        if (st == RS_OK && f->opt->learner != RS_LOGISTIC)
            st = rs_comm_sum(f->opt->comm, &f->leverage, 1, f->err);
        double kappa = DRAW_SHARE * sampled[0] / RS_MAX((double)(d + 1), f->leverage);
        if (st == RS_OK) /* the sample's terms have told the noise as well as all would */
            st = rs_fit_evaluate(f, &ws->at, RS_SUM_TERMS, kappa);
    }
    if (st == RS_OK && f->has_overflowed)
        f->curvature = RS_CURVATURE_FLOAT;
    return st == RS_OK ? minimise(f, f->opt->max_iter, false, out) : st;
}

enum rs_status rs_solver_fit(rs_solver *ws, const struct rs_problem *p, const struct rs_fit_options *opt, double *w,
                             struct rs_fit_report *out, struct rs_error *err)
{
    struct rs_fit f = { .ws = ws, .opt = opt, .p = *p, .err = err };
    struct rs_fit_report report = { 0 };
    struct classes classes = { 0 };
    f.n_threads = opt->n_threads ? RS_MIN(opt->n_threads, (unsigned)RS_THREADS_MAX) : rs_threads();
    enum rs_status st = check(ws, p, opt, err);
    if (st == RS_OK)
        st = make_scratch(ws, p->d, f.n_threads, err);
    if (st == RS_OK)
        st = count_classes(p, opt, &classes, err);
    if (st < 0)
        return st;
    f.n_all = classes.n[0] + classes.n[1];
    double n_rare = RS_MIN(classes.n[0], classes.n[1]);
    f.noise_float = NOISE_FLOAT / sqrt(RS_MIN(RS_MAX(n_rare, 1.0), (double)NOISE_ROWS));
    set_penalties(ws, p, opt);
    memcpy(ws->at.w, w, (p->d + 1) * sizeof *w);
    start_at(&f, &classes, ws->at.w);
    st = fit(&f, &classes, &report);
    if (st < 0)
        return st;
    st = rs_comm_sum(opt->comm, &f.passes, 1, err);
    if (st < 0)
        return st;
    memcpy(w, ws->at.w, (p->d + 1) * sizeof *w);
    report.passes = f.passes;
    report.objective = ws->at.f;
    report.rel_gradient = f.start_norm > 0 ? ws->at.kkt / f.start_norm : 0;
    *out = report;
    return RS_OK;
}

enum rs_status rs_solver_variances(rs_solver *ws, size_t d, double *out, struct rs_error *err)
{
    memcpy(ws->factor, ws->h, (d + 1) * (d + 1) * sizeof *ws->factor);
    if (!rs_cholesky_factor(ws->factor, d + 1))
        return rs_error_set(err, RS_EINTERNAL, "variances of %zu weights: no positive definite Hessian", d);
    rs_cholesky_inverse_diagonal(ws->factor, d + 1, ws->product, out);
    return RS_OK;
}
