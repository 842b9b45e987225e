/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The quadratic model of f around a point, and the step to its minimum: by a Cholesky factor, or with an L1 penalty by
 * coordinate descent that ends with a factor of the columns in use (math.md L4). */
#include "predictor/fit.h"

#include <math.h>

#include "predictor/cholesky.h"
#include "common/each_unit.h"

#define SWEEPS_MAX 2000
#define SWEEPS_A_TURN 10       /* between tries to end with a factor */
#define CURVATURE_LEAST 1e-100 /* of a column that is flat here: its step stays finite, and goes one way or to 0 */
#define RIDGE_FIRST 1e-9       /* of the diagonal, where the model is not positive definite; then ten times more each */
#define RIDGE_TRIES 12

static double dot(const double *a, const double *b, size_t n)
{
    double s = 0;
    for (size_t j = 0; j < n; j++)
        s += a[j] * b[j];
    return s;
}

static void times_h(const double *h, const double *x, size_t n, double *out)
{
    for (size_t j = 0; j < n; j++)
        out[j] = dot(h + j * n, x, n);
}

void rs_fit_remember(struct rs_fit *f, const struct rs_point *from, const struct rs_point *to)
{
    rs_solver *ws = f->ws;
    size_t n = f->p.d + 1;
    if (f->n_pairs == RS_PAIRS) { /* the oldest goes */
        double *s = ws->pair_s[0], *y = ws->pair_y[0];
        memmove(ws->pair_s, ws->pair_s + 1, (RS_PAIRS - 1) * sizeof *ws->pair_s);
        memmove(ws->pair_y, ws->pair_y + 1, (RS_PAIRS - 1) * sizeof *ws->pair_y);
        ws->pair_s[RS_PAIRS - 1] = s;
        ws->pair_y[RS_PAIRS - 1] = y;
        f->n_pairs--;
        f->n_corrected -= f->n_corrected > 0;
    }
    double *s = ws->pair_s[f->n_pairs], *y = ws->pair_y[f->n_pairs];
    for (size_t j = 0; j < n; j++) {
        s[j] = to->w[j] - from->w[j];
        y[j] = to->g[j] - from->g[j];
    }
    double sy = dot(s, y, n);
    if (isfinite(sy) && sy > 1e-10 * sqrt(dot(s, s, n) * dot(y, y, n)))
        f->n_pairs++;
}

/* math.md L8: the sampled Hessian learns what the gradients have shown since it was made, or last corrected. True where
 * that was something. */
static bool correct(struct rs_fit *f)
{
    size_t n = f->p.d + 1;
    double *h = f->ws->h, *hs = f->ws->product;
    bool has_learnt = f->n_corrected < f->n_pairs;
    for (; f->n_corrected < f->n_pairs; f->n_corrected++) {
        size_t k = f->n_corrected;
        const double *s = f->ws->pair_s[k], *y = f->ws->pair_y[k];
        times_h(h, s, n, hs);
        double shs = dot(s, hs, n), sy = dot(s, y, n);
        if (shs <= 0 || sy <= 0)
            continue;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                h[i * n + j] += y[i] * y[j] / sy - hs[i] * hs[j] / shs;
    }
    return has_learnt;
}

/* factor := of the n rows and columns `used` of a (rows of lda; NULL: the first n), each times its scale, which makes
 * the diagonal 1; adds a ridge where it must. False where nothing helps. */
static bool factorise(const double *a, size_t lda, const size_t *used, size_t n, double *factor, double *scale)
{
    double ridge = 0;
    for (size_t i = 0; i < n; i++) {
        double diagonal = a[(used ? used[i] : i) * (lda + 1)];
        scale[i] = diagonal > 0 ? 1 / sqrt(diagonal) : 1;
    }
    for (int k = 0; k <= RIDGE_TRIES; k++, ridge = ridge > 0 ? 10 * ridge : RIDGE_FIRST) {
        for (size_t i = 0; i < n; i++) {
            const double *row = a + (used ? used[i] : i) * lda;
            for (size_t j = 0; j < i; j++)
                factor[i * n + j] = row[used ? used[j] : j] * scale[i] * scale[j];
            factor[i * n + i] = 1 + ridge;
        }
        if (rs_cholesky_factor(factor, n))
            return true;
    }
    return false;
}

static void solve_factor(const double *factor, const double *scale, double *x, size_t n)
{
    for (size_t j = 0; j < n; j++)
        x[j] *= scale[j];
    rs_cholesky_solve(factor, x, n);
    for (size_t j = 0; j < n; j++)
        x[j] *= scale[j];
}

/* g . step plus the change of the L1 terms; joined column by column, because near the optimum they cancel. */
static double slope_of(const struct rs_fit *f, const double *w, const double *step)
{
    double sum = 0;
    for (size_t j = 0; j <= f->p.d; j++) {
        double l1 = f->ws->l1[j], g = f->ws->at.g[j], next = w[j] + step[j];
        if (w[j] > 0 ? next >= 0 : w[j] < 0 ? next <= 0 : true)
            sum += (g + (w[j] != 0 ? copysign(l1, w[j]) : copysign(l1, step[j]))) * step[j];
        else
            sum += g * step[j] + l1 * (fabs(next) - fabs(w[j]));
    }
    return sum;
}

/* One sweep of coordinate descent on g.v + v.H.v / 2 + sum l1 |w + v|; product = H v. Returns the largest drop. */
RS_EACH_UNIT static double sweep(const struct rs_fit *f, const double *h, double *v)
{
    size_t n = f->p.d + 1;
    const double *w = f->ws->at.w, *g = f->ws->at.g;
    double *hv = f->ws->product, largest = 0;
    for (size_t j = 0; j < n; j++) {
        double a = RS_MAX(h[j * n + j], CURVATURE_LEAST);
        double slope = g[j] + hv[j], at = w[j] + v[j], u = at - slope / a, l = f->ws->l1[j] / a;
        double next = u > l ? u - l : u < -l ? u + l : 0, change = next - at;
        if (change == 0)
            continue;
        v[j] = next - w[j];
        for (size_t k = 0; k < n; k++)
            hv[k] += change * h[j * n + k];
        largest = RS_MAX(largest, a * change * change);
    }
    return largest;
}

/* Solves exactly for the signs that v has; true where that is the minimum. */
static bool finish(struct rs_fit *f, double *v)
{
    rs_solver *ws = f->ws;
    size_t n = f->p.d + 1, m = 0;
    size_t *used = ws->used;
    double *x = ws->solution, *u = ws->trial_step;
    memset(u, 0, n * sizeof *u);
    for (size_t j = 0; j < n; j++)
        if (ws->l1[j] == 0 || ws->at.w[j] + v[j] != 0)
            used[m++] = j;
        else
            u[j] = -ws->at.w[j];
    for (size_t i = 0; i < m; i++) {
        size_t j = used[i];
        double sign = ws->at.w[j] + v[j] > 0 ? 1 : -1;
        x[i] = -(ws->at.g[j] + (ws->l1[j] > 0 ? sign * ws->l1[j] : 0) + dot(ws->h + j * n, u, n));
    }
    if (m && !factorise(ws->h, n, used, m, ws->factor, ws->scale))
        return false;
    if (m)
        solve_factor(ws->factor, ws->scale, x, m);
    for (size_t i = 0; i < m; i++) {
        size_t j = used[i];
        u[j] = x[i];
        if (ws->l1[j] > 0 && (ws->at.w[j] + u[j]) * (ws->at.w[j] + v[j]) <= 0)
            return false;
    }
    times_h(ws->h, u, n, x);
    for (size_t j = 0; j < n; j++)
        if (ws->l1[j] > 0 && ws->at.w[j] + v[j] == 0 && fabs(ws->at.g[j] + x[j]) > ws->l1[j] * (1 + 1e-12))
            return false;
    memcpy(v, u, n * sizeof *v);
    return true;
}

static void descend(struct rs_fit *f, double *v)
{
    size_t n = f->p.d + 1;
    memset(v, 0, n * sizeof *v);
    memset(f->ws->product, 0, n * sizeof *v);
    double first = 0;
    for (int k = 1; k <= SWEEPS_MAX; k++) {
        double largest = sweep(f, f->ws->h, v);
        first = RS_MAX(first, largest);
        if (k % SWEEPS_A_TURN == 0 && finish(f, v))
            return;
        if (largest <= 1e-28 * first)
            return;
    }
}

enum rs_status rs_fit_step(struct rs_fit *f, bool refresh, double *out_slope)
{
    rs_solver *ws = f->ws;
    size_t n = f->p.d + 1;
    bool has_l1 = f->opt->l1_ratio > 0;
    bool is_new = refresh, is_cheap = (double)(n * n) <= f->n_all; /* n^3 against a pass */
    if (refresh)
        f->n_corrected = 0;
    if (f->curvature == RS_CURVATURE_SAMPLE && (refresh || is_cheap))
        is_new |= correct(f);
    if (has_l1) {
        descend(f, ws->step);
    } else {
        if (is_new && !factorise(ws->h, n, NULL, n, ws->factor, ws->scale))
            return rs_error_set(f->err, RS_EINTERNAL, "fit with C = %g: no positive definite Hessian", f->opt->C);
        for (size_t j = 0; j < n; j++)
            ws->step[j] = -ws->at.g[j];
        solve_factor(ws->factor, ws->scale, ws->step, n);
    }
    if (f->opt->bias == RS_BIAS_NONE)
        ws->step[n - 1] = 0;
    *out_slope = slope_of(f, ws->at.w, ws->step);
    return isfinite(*out_slope) ? RS_OK
                                : rs_error_set(f->err, RS_EINTERNAL, "fit with C = %g: no finite step", f->opt->C);
}
