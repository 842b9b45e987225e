/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Newton's method on at most three parameters. A pass works on a few rows side by side. See sigmoid.h. */
#include "predictor/sigmoid.h"

#include <math.h>

#define RS_DOUBLE 1
#include "predictor/lanes.h"

#define NEWTON_ITER_MAX 200
#define NEAR 1e-4      /* relative size of a step from which on convergence is quadratic */
#define NEAREST 1e-9   /* and from which on what is left is rounding */
#define LOSS_EPS 1e-13 /* relative rounding error of a sum of losses */

enum rs_status rs_sigmoid_init(struct rs_sigmoid *s, size_t n_rows, size_t n_inputs, struct rs_error *err)
{
    size_t n = (n_rows + N_PER - 1) / N_PER * N_PER;
    *s = (struct rs_sigmoid){ .n = n, .n_inputs = n_inputs, .memory = rs_alloc(n, (n_inputs + 2) * sizeof(double)) };
    if (!s->memory)
        return rs_error_set(err, RS_ENOMEM, "calibration of %zu rows: out of memory", n_rows);
    s->weight = s->memory;
    s->target = s->memory + n;
    for (size_t j = 0; j < n_inputs; j++)
        s->x[j] = s->memory + (2 + j) * n;
    return RS_OK;
}

void rs_sigmoid_clear(struct rs_sigmoid *s)
{
    free(s->memory);
    *s = (struct rs_sigmoid){ 0 };
}

bool rs_sigmoid_standardise(struct rs_sigmoid *s)
{
    for (size_t j = 0; j < s->n_inputs; j++) {
        double *x = s->x[j], sums[2] = { 0, 0 }, squares = 0; /* weights, and weighted inputs */
        for (size_t i = 0; i < s->n; i++) {
            sums[0] += s->weight[i];
            sums[1] += s->weight[i] * x[i];
        }
        rs_comm_sum(s->comm, sums, RS_LEN(sums), NULL);
        double mean = sums[1] / sums[0];
        for (size_t i = 0; i < s->n; i++)
            squares += s->weight[i] * (x[i] - mean) * (x[i] - mean);
        rs_comm_sum(s->comm, &squares, 1, NULL);
        double scale = sqrt(squares / sums[0]);
        if (!(scale > 1e-12 * (1 + fabs(mean))))
            return false;
        for (size_t i = 0; i < s->n; i++)
            x[i] = (x[i] - mean) / scale;
        s->mean[j] = mean;
        s->scale[j] = scale;
    }
    return true;
}

struct sums {
    double loss, g[RS_SIGMOID_PARAMS], h[RS_SIGMOID_PARAMS][RS_SIGMOID_PARAMS];
};

struct partial {
    vec loss, g[RS_SIGMOID_PARAMS], h[RS_SIGMOID_PARAMS][RS_SIGMOID_PARAMS];
};

/* math.md C1: cross entropy against the targets, its gradient and Hessian, of N_PER rows from row i on */
INLINE void add_rows(const struct rs_sigmoid *s, size_t n_inputs, const double *w, size_t i, struct partial *to)
{
    vec x[RS_SIGMOID_PARAMS] = { 0 }, k = vec_load(s->weight + i), t = vec_load(s->target + i);
    vec logit = vec_all(w[n_inputs]);
    for (size_t j = 0; j < n_inputs; j++) {
        x[j] = vec_load(s->x[j] + i);
        logit += w[j] * x[j];
    }
    x[n_inputs] = vec_all(1);
    vec e = expm(-vec_abs(logit)), q = 1 / (1 + e), p = vec_pick(logit >= 0, q, e * q);
    vec r = k * (p - t), h = k * (e * q * q);
    to->loss += k * (vec_max0(logit) + log1p01(e) - t * logit); /* math.md L3, with the exponential at hand */
    for (size_t a = 0; a <= n_inputs; a++) {
        to->g[a] += r * x[a];
        for (size_t b = 0; b <= a; b++)
            to->h[a][b] += h * x[a] * x[b];
    }
}

static double across(vec v)
{
    double sum = 0;
    for (int k = 0; k < N_PER; k++)
        sum += v[k];
    return sum;
}

INLINE void sum_rows(const struct rs_sigmoid *s, size_t n_inputs, const double *w, struct sums *out)
{
    struct partial p = { 0 };
    for (size_t i = 0; i < s->n; i += N_PER)
        add_rows(s, n_inputs, w, i, &p);
    out->loss = across(p.loss);
    for (size_t a = 0; a <= n_inputs; a++) {
        out->g[a] = across(p.g[a]);
        for (size_t b = 0; b <= a; b++)
            out->h[a][b] = across(p.h[a][b]);
    }
}

static void sum_up(const struct rs_sigmoid *s, const double *w, struct sums *out)
{
    *out = (struct sums){ 0 };
    if (s->n_inputs == 1)
        sum_rows(s, 1, w, out);
    else
        sum_rows(s, 2, w, out);
    rs_comm_sum(s->comm, (double *)out, sizeof *out / sizeof(double), NULL);
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

/* Goes from w along step, halved until the loss falls (Armijo 1966). False where no step lowers it. */
static bool advance(const struct rs_sigmoid *f, double *w, const double *step, struct sums *s)
{
    size_t d = f->n_inputs + 1;
    double slope = 0, before = s->loss;
    for (size_t a = 0; a < d; a++)
        slope += s->g[a] * step[a];
    for (double t = 1; t > 1e-10; t /= 2) {
        double next[RS_SIGMOID_PARAMS];
        for (size_t a = 0; a < d; a++)
            next[a] = w[a] + t * step[a];
        sum_up(f, next, s);
        if (s->loss <= before + 1e-4 * t * slope + LOSS_EPS * fabs(before)) {
            memcpy(w, next, d * sizeof *w);
            return true;
        }
    }
    return false;
}

static double relative_size(const double *step, const double *w, size_t d)
{
    double largest = 0;
    for (size_t a = 0; a < d; a++)
        largest = RS_MAX(largest, fabs(step[a]) / (1 + fabs(w[a])));
    return largest;
}

/* A small step is taken whole: the losses before and after differ by less than their rounding errors. Ends where it
 * moves no parameter by more than rounding, or where small steps stop shrinking. */
static void run_newton(const struct rs_sigmoid *f, double *w)
{
    size_t d = f->n_inputs + 1;
    struct sums s;
    double last = INFINITY;
    sum_up(f, w, &s);
    for (int iter = 0; iter < NEWTON_ITER_MAX; iter++) {
        double step[RS_SIGMOID_PARAMS];
        if (!newton_step(&s, d, step))
            return;
        double size = relative_size(step, w, d);
        if (size >= NEAR) {
            if (!advance(f, w, step, &s))
                return;
            continue;
        }
        if (size > last / 2)
            return;
        last = size;
        for (size_t a = 0; a < d; a++)
            w[a] += step[a];
        if (size < NEAREST)
            return;
        sum_up(f, w, &s);
    }
}

void rs_sigmoid_fit(const struct rs_sigmoid *s, double base, double *slope, double *constant)
{
    double w[RS_SIGMOID_PARAMS] = { 0 };
    w[s->n_inputs] = base;
    run_newton(s, w);
    *constant = w[s->n_inputs];
    for (size_t j = 0; j < s->n_inputs; j++) {
        slope[j] = w[j] / s->scale[j];
        *constant -= slope[j] * s->mean[j];
    }
}
