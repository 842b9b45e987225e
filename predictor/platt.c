/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Platt scaling (Platt 1999) by Newton's method on two parameters, with the numerically safe forms of Lin, Lin and Weng
 * (2007). */
#include "predictor/calibrate.h"

#include <math.h>

#define MAX_ITER 100
#define RIDGE 1e-12

static double softplus(double z) /* math.md L3: log(1 + e^z), finite for every finite z */
{
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

double rs_platt_risk(const struct rs_platt *c, double z)
{
    return 1 / (1 + exp(-(c->a * z + c->b)));
}

double rs_platt_loss(const struct rs_platt *c, double z, bool is_positive)
{
    double logit = c->a * z + c->b;
    return softplus(is_positive ? -logit : logit);
}

struct sums {
    double loss, ga, gb, haa, hab, hbb;
};

/* math.md C1: cross entropy against the smoothed targets, its gradient and Hessian */
static struct sums sum_up(const double *z, const uint8_t *y, size_t n, const double target[2], const double weight[2],
                          struct rs_platt c)
{
    struct sums s = { 0 };
    for (size_t i = 0; i < n; i++) {
        double logit = c.a * z[i] + c.b, t = target[y[i]], k = weight[y[i]];
        double p = 1 / (1 + exp(-logit)), h = k * p * (1 - p);
        s.loss += k * (softplus(logit) - t * logit);
        s.ga += k * (p - t) * z[i];
        s.gb += k * (p - t);
        s.haa += h * z[i] * z[i];
        s.hab += h * z[i];
        s.hbb += h;
    }
    return s;
}

struct rs_platt rs_platt_fit(const double *z, const uint8_t *y, size_t n, double weight_negative)
{
    double count[2] = { 0, 0 }, weight[2] = { weight_negative, 1 };
    for (size_t i = 0; i < n; i++)
        count[y[i]] += weight[y[i]];
    /* math.md C1: t+ = (N+ + 1) / (N+ + 2), t- = 1 / (N- + 2) */
    double target[2] = { 1 / (count[0] + 2), (count[1] + 1) / (count[1] + 2) };
    double share = (count[0] * target[0] + count[1] * target[1]) / (count[0] + count[1] > 0 ? count[0] + count[1] : 1);
    struct rs_platt flat = { .a = 0, .b = share > 0 ? log(share / (1 - share)) : 0 }, c = flat;
    struct sums s = sum_up(z, y, n, target, weight, c);
    for (int iter = 0; iter < MAX_ITER; iter++) {
        double haa = s.haa + RIDGE * (1 + s.haa), hbb = s.hbb + RIDGE * (1 + s.hbb);
        double det = haa * hbb - s.hab * s.hab;
        if (!(det > 0))
            break;
        double da = -(hbb * s.ga - s.hab * s.gb) / det, db = -(haa * s.gb - s.hab * s.ga) / det;
        double slope = s.ga * da + s.gb * db, t = 1;
        struct rs_platt next = c;
        struct sums to = s;
        for (; t > 1e-10; t /= 2) {
            next = (struct rs_platt){ c.a + t * da, c.b + t * db };
            to = sum_up(z, y, n, target, weight, next);
            if (to.loss <= s.loss + 1e-4 * t * slope)
                break;
        }
        if (t <= 1e-10)
            break;
        c = next;
        s = to;
        if (-slope <= 1e-14 * (1 + s.loss))
            break;
    }
    return c.a > 0 ? c : flat;
}
