/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calibrators with a weight per row: Platt and beta by Newton's method on at most three parameters, isotonic by pooling
 * adjacent violators. See calibrate.h. */
#include <float.h>
#include <math.h>

#include "predictor/calibrate.h"

#define INPUTS_MAX 2
#define PARAMS_MAX (INPUTS_MAX + 1)
#define NEWTON_ITER_MAX 200

static double softplus(double z) /* math.md L3: log(1 + e^z), finite for every finite z */
{
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

struct rows {
    const double *z, *weight;
    const uint8_t *y;
    size_t n;
    double target[2]; /* math.md C1: t- and t+ */
    double share;     /* weighted mean target */
};

static double row_weight(const struct rows *r, size_t i)
{
    return r->weight ? r->weight[i] : 1;
}

static enum rs_status check_rows(struct rows *r, struct rs_error *err)
{
    double count[2] = { 0, 0 };
    for (size_t i = 0; i < r->n; i++) {
        double k = row_weight(r, i);
        if (!isfinite(r->z[i]) || r->y[i] > 1 || !(k >= 0 && isfinite(k)))
            return rs_error_set(err, RS_EDOMAIN,
                                "calibration row %zu: score %g, label %u, weight %g: finite, 0 or 1, and >= 0 needed",
                                i, r->z[i], r->y[i], k);
        count[r->y[i]] += k;
    }
    double total = count[0] + count[1];
    if (!(total > 0))
        return rs_error_set(err, RS_ENODATA, "calibration: none of the %zu rows has weight", r->n);
    r->target[0] = 1 / (count[0] + 2);
    r->target[1] = (count[1] + 1) / (count[1] + 2);
    r->share = (count[0] * r->target[0] + count[1] * r->target[1]) / total;
    return RS_OK;
}

/* ---- the sigmoids: a weighted logistic regression on one or two inputs made of z ---- */

enum input { INPUT_Z, INPUT_LOG_S, INPUT_MINUS_LOG_1_S };

static double input_value(enum input input, double z)
{
    switch (input) {
    case INPUT_LOG_S:
        return -softplus(-z);
    case INPUT_MINUS_LOG_1_S:
        return softplus(z);
    case INPUT_Z:
        break;
    }
    return z;
}

/* Inputs are standardised, so that the Hessian stays well conditioned whatever the scale of z. */
struct sigmoid_fit {
    const struct rows *rows;
    size_t n_inputs;
    enum input input[INPUTS_MAX];
    double mean[INPUTS_MAX], scale[INPUTS_MAX];
    double w[PARAMS_MAX]; /* of the standardised inputs; the last one is the constant */
};

struct sums {
    double loss, g[PARAMS_MAX], h[PARAMS_MAX][PARAMS_MAX];
};

/* False where an input does not vary. */
static bool standardise(struct sigmoid_fit *f)
{
    const struct rows *r = f->rows;
    for (size_t j = 0; j < f->n_inputs; j++) {
        double total = 0, sum = 0, squares = 0;
        for (size_t i = 0; i < r->n; i++) {
            total += row_weight(r, i);
            sum += row_weight(r, i) * input_value(f->input[j], r->z[i]);
        }
        f->mean[j] = sum / total;
        for (size_t i = 0; i < r->n; i++) {
            double d = input_value(f->input[j], r->z[i]) - f->mean[j];
            squares += row_weight(r, i) * d * d;
        }
        f->scale[j] = sqrt(squares / total);
        if (!(f->scale[j] > 1e-12 * (1 + fabs(f->mean[j]))))
            return false;
    }
    return true;
}

/* math.md C1: cross entropy against the smoothed targets, its gradient and Hessian */
static void sum_up(const struct sigmoid_fit *f, const double *w, struct sums *s)
{
    const struct rows *r = f->rows;
    size_t d = f->n_inputs + 1;
    *s = (struct sums){ 0 };
    for (size_t i = 0; i < r->n; i++) {
        double x[PARAMS_MAX] = { 0 }, k = row_weight(r, i), t = r->target[r->y[i]];
        if (k == 0)
            continue;
        x[f->n_inputs] = 1;
        double logit = w[f->n_inputs];
        for (size_t j = 0; j < f->n_inputs; j++) {
            x[j] = (input_value(f->input[j], r->z[i]) - f->mean[j]) / f->scale[j];
            logit += w[j] * x[j];
        }
        double e = exp(-fabs(logit)), p = (logit >= 0 ? 1 : e) / (1 + e), h = k * p * (1 - p);
        s->loss += k * (RS_MAX(logit, 0.0) + log1p(e) - t * logit); /* math.md L3, with the exponential at hand */
        for (size_t a = 0; a < d; a++) {
            s->g[a] += k * (p - t) * x[a];
            for (size_t b = 0; b <= a; b++)
                s->h[a][b] += h * x[a] * x[b];
        }
    }
}

/* Cholesky's factor of h in place, then step = -h^-1 g. False where h is not positive. */
static bool newton_step(struct sums *s, size_t d, double *step)
{
    for (size_t a = 0; a < d; a++) {
        s->h[a][a] *= 1 + 1e-14;
        for (size_t b = 0; b <= a; b++) {
            double v = s->h[a][b];
            for (size_t k = 0; k < b; k++)
                v -= s->h[a][k] * s->h[b][k];
            if (a == b && !(v > 0))
                return false;
            s->h[a][b] = a == b ? sqrt(v) : v / s->h[b][b];
        }
    }
    for (size_t a = 0; a < d; a++) {
        step[a] = -s->g[a];
        for (size_t k = 0; k < a; k++)
            step[a] -= s->h[a][k] * step[k];
        step[a] /= s->h[a][a];
    }
    for (size_t a = d; a-- > 0;) {
        for (size_t k = a + 1; k < d; k++)
            step[a] -= s->h[k][a] * step[k];
        step[a] /= s->h[a][a];
    }
    return true;
}

/* Goes from w along step, halved until the loss falls (Armijo 1966). Returns the share of the step that was taken. */
static double advance(const struct sigmoid_fit *f, double *w, const double *step, struct sums *s)
{
    size_t d = f->n_inputs + 1;
    double slope = 0, before = s->loss;
    for (size_t a = 0; a < d; a++)
        slope += s->g[a] * step[a];
    for (double t = 1; t > 1e-10; t /= 2) {
        double next[PARAMS_MAX];
        for (size_t a = 0; a < d; a++)
            next[a] = w[a] + t * step[a];
        sum_up(f, next, s);
        if (s->loss <= before + 1e-4 * t * slope + 4 * DBL_EPSILON * fabs(before)) {
            memcpy(w, next, d * sizeof *w);
            return t;
        }
    }
    return 0;
}

/* Ends where a step moves no parameter by more than rounding, or no step lowers the loss. */
static void run_newton(struct sigmoid_fit *f)
{
    size_t d = f->n_inputs + 1;
    struct sums s;
    memset(f->w, 0, sizeof f->w);
    f->w[f->n_inputs] = log(f->rows->share / (1 - f->rows->share));
    sum_up(f, f->w, &s);
    for (int iter = 0; iter < NEWTON_ITER_MAX; iter++) {
        double step[PARAMS_MAX], largest = 0;
        if (!newton_step(&s, d, step))
            return;
        for (size_t a = 0; a < d; a++)
            largest = RS_MAX(largest, fabs(step[a]) / (1 + fabs(f->w[a])));
        if (largest < 1e-14 || advance(f, f->w, step, &s) == 0)
            return;
        if (largest < 1e-9) /* convergence is quadratic: what is left is rounding */
            return;
    }
}

/* Slopes of the raw inputs and the constant. */
static double unscale(const struct sigmoid_fit *f, double slope[INPUTS_MAX])
{
    double constant = f->w[f->n_inputs];
    for (size_t j = 0; j < f->n_inputs; j++) {
        slope[j] = f->w[j] / f->scale[j];
        constant -= slope[j] * f->mean[j];
    }
    return constant;
}

/* One input, its slope not negative; flat where it would be. */
static void fit_one(const struct rows *r, enum input input, double *slope, double *constant)
{
    struct sigmoid_fit f = { .rows = r, .n_inputs = 1, .input = { input } };
    double raw[INPUTS_MAX] = { 0 };
    *slope = 0;
    *constant = log(r->share / (1 - r->share));
    if (!standardise(&f))
        return;
    run_newton(&f);
    double at = unscale(&f, raw);
    if (!(raw[0] > 0))
        return;
    *slope = raw[0];
    *constant = at;
}

static void fit_platt(const struct rows *r, struct rs_calibrator *out)
{
    fit_one(r, INPUT_Z, &out->a, &out->b);
}

static double total_loss(const struct rows *r, const struct rs_calibrator *c)
{
    double loss = 0;
    for (size_t i = 0; i < r->n; i++) {
        double logit =
            c->a * input_value(INPUT_LOG_S, r->z[i]) + c->b * input_value(INPUT_MINUS_LOG_1_S, r->z[i]) + c->c;
        loss += row_weight(r, i) * (softplus(logit) - r->target[r->y[i]] * logit);
    }
    return loss;
}

/* math.md C20: both inputs; where a slope comes out negative, the better of the fits with one of them. */
static void fit_beta(const struct rows *r, struct rs_calibrator *out)
{
    struct sigmoid_fit f = { .rows = r, .n_inputs = 2, .input = { INPUT_LOG_S, INPUT_MINUS_LOG_1_S } };
    double slope[INPUTS_MAX] = { -1, -1 };
    if (standardise(&f)) {
        run_newton(&f);
        out->c = unscale(&f, slope);
    }
    out->a = slope[0];
    out->b = slope[1];
    if (slope[0] >= 0 && slope[1] >= 0)
        return;
    struct rs_calibrator left = { .kind = RS_BETA }, right = { .kind = RS_BETA };
    fit_one(r, INPUT_LOG_S, &left.a, &left.c);
    fit_one(r, INPUT_MINUS_LOG_1_S, &right.b, &right.c);
    *out = total_loss(r, &left) <= total_loss(r, &right) ? left : right;
}

/* ---- isotonic: pool adjacent violators ---- */

struct block {
    double first, last; /* z */
    double weight, sum; /* of labels */
};

static int by_score(const void *pa, const void *pb)
{
    const struct block *a = pa, *b = pb;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* Blocks of one value of z each, ascending. Returns their number. */
static size_t make_blocks(const struct rows *r, struct block *blocks)
{
    size_t n = 0, merged = 0;
    for (size_t i = 0; i < r->n; i++) {
        double k = row_weight(r, i);
        if (k > 0)
            blocks[n++] = (struct block){ r->z[i], r->z[i], k, r->y[i] ? k : 0 };
    }
    qsort(blocks, n, sizeof *blocks, by_score);
    for (size_t i = 0; i < n; i++) {
        if (merged > 0 && blocks[merged - 1].first == blocks[i].first) {
            blocks[merged - 1].weight += blocks[i].weight;
            blocks[merged - 1].sum += blocks[i].sum;
        } else {
            blocks[merged++] = blocks[i];
        }
    }
    return merged;
}

/* math.md C21. In place; returns the number of blocks whose means rise strictly. */
static size_t pool_violators(struct block *blocks, size_t n)
{
    size_t top = 0;
    for (size_t i = 0; i < n; i++) {
        struct block b = blocks[i];
        while (top > 0 && !(blocks[top - 1].sum / blocks[top - 1].weight < b.sum / b.weight)) {
            top--;
            b.first = blocks[top].first;
            b.weight += blocks[top].weight;
            b.sum += blocks[top].sum;
        }
        blocks[top++] = b;
    }
    return top;
}

static enum rs_status fit_isotonic(const struct rows *r, struct rs_calibrator *out, struct rs_error *err)
{
    rs_autofree struct block *blocks = rs_alloc(r->n, sizeof *blocks);
    if (!blocks)
        return rs_error_set(err, RS_ENOMEM, "calibration of %zu rows: out of memory", r->n);
    size_t n = pool_violators(blocks, make_blocks(r, blocks));
    rs_autofree double *z = rs_alloc(2 * n, sizeof *z);
    rs_autofree double *p = rs_alloc(2 * n, sizeof *p);
    if (!z || !p || 2 * n > UINT32_MAX)
        return rs_error_set(err, RS_ENOMEM, "calibration of %zu rows: out of memory", r->n);
    for (size_t i = 0; i < n; i++) {
        double mean = RS_MIN(blocks[i].sum / blocks[i].weight, 1);
        z[out->n] = blocks[i].first;
        p[out->n++] = mean;
        if (blocks[i].last == blocks[i].first)
            continue;
        z[out->n] = blocks[i].last;
        p[out->n++] = mean;
    }
    out->z = rs_take(z);
    out->p = rs_take(p);
    return RS_OK;
}

enum rs_status rs_calibrator_fit(enum rs_calibration kind, const double *z, const uint8_t *y, const double *weight,
                                 size_t n, struct rs_calibrator *out, struct rs_error *err)
{
    struct rows rows = { .z = z, .weight = weight, .y = y, .n = n };
    enum rs_status st = check_rows(&rows, err);
    if (st < 0)
        return st;
    struct rs_calibrator made = { .kind = kind };
    if (kind == RS_ISOTONIC)
        st = fit_isotonic(&rows, &made, err);
    else if (kind == RS_BETA)
        fit_beta(&rows, &made);
    else
        fit_platt(&rows, &made);
    if (st == RS_OK)
        *out = made;
    return st;
}

double rs_calibrator_loss(const struct rs_calibrator *c, double z, bool is_positive)
{
    double logit = 0;
    switch (c->kind) {
    case RS_PLATT:
        logit = c->a * z + c->b;
        break;
    case RS_BETA:
        logit = c->a * input_value(INPUT_LOG_S, z) + c->b * input_value(INPUT_MINUS_LOG_1_S, z) + c->c;
        break;
    case RS_ISOTONIC: {
        double p = RS_MIN(RS_MAX(rs_calibrate(c, z), DBL_EPSILON), 1 - DBL_EPSILON);
        return is_positive ? -log(p) : -log1p(-p);
    }
    }
    return softplus(is_positive ? -logit : logit);
}
