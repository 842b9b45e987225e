/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exact stratified rate ratios. See ratio.h. */
#include "predictor/ratio.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_sf_erf.h>
#include <math.h>

#define LOG_THETA_MAX 60.0
#define BISECTIONS 48
#define SUPPORT_MAX 2000 /* of a distribution that is written out */

/* ---- what a set of strata says ---- */

static bool says_something(const struct rs_stratum *s)
{
    return s->time_in > 0 && s->time_out > 0 && s->failed_in + s->failed_out > 0;
}

struct summary {
    size_t n;        /* strata that say something */
    double x, total; /* their failures in the group, and in all */
    const struct rs_stratum *only;
};

static struct summary summarise(const struct rs_stratum *s, size_t n)
{
    struct summary sum = { .n = 0 };
    for (size_t i = 0; i < n; i++)
        if (says_something(&s[i])) {
            sum.n++;
            sum.x += s[i].failed_in;
            sum.total += s[i].failed_in + s[i].failed_out;
            sum.only = &s[i];
        }
    return sum;
}

/* math.md K2: the chance that a failure of the stratum is the group's */
static double chance_in(const struct rs_stratum *s, double theta)
{
    return 1 / (1 + s->time_out / s->time_in / theta);
}

/* ---- tails ---- */

static struct rs_tails one_stratum(const struct rs_stratum *s, double theta)
{
    unsigned x = (unsigned)s->failed_in, n = (unsigned)(s->failed_in + s->failed_out);
    double p = chance_in(s, theta);
    return (struct rs_tails){ x ? log(gsl_cdf_binomial_Q(x - 1, p, n)) : 0,
                              x < n ? log(gsl_cdf_binomial_P(x, p, n)) : 0 };
}

/* out[0 .. n + m] = a[0 .. n] * b[0 .. m], in place of a. */
static void convolve(double *a, size_t n, const double *b, size_t m)
{
    for (size_t k = n + m + 1; k-- > 0;) {
        double sum = 0;
        for (size_t j = k > n ? k - n : 0; j <= RS_MIN(k, m); j++)
            sum += b[j] * a[k - j];
        a[k] = sum;
    }
}

static struct rs_tails tails_of(const double *chance, size_t n, size_t x)
{
    double more = 0, fewer = 0;
    for (size_t k = n + 1; k-- > x;)
        more += chance[k];
    for (size_t k = 0; k <= x; k++)
        fewer += chance[k];
    return (struct rs_tails){ log(RS_MIN(more, 1)), log(RS_MIN(fewer, 1)) };
}

static struct rs_tails by_convolution(const struct rs_stratum *s, size_t n, double theta, size_t x)
{
    double sum[RS_RATIO_EXACT + 1] = { 1 }, one[RS_RATIO_EXACT + 1];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (!says_something(&s[i]))
            continue;
        size_t d = (size_t)(s[i].failed_in + s[i].failed_out);
        for (size_t k = 0; k <= d; k++)
            one[k] = gsl_ran_binomial_pdf((unsigned)k, chance_in(&s[i], theta), (unsigned)d);
        convolve(sum, len, one, d);
        len += d;
    }
    return tails_of(sum, len, x);
}

struct cumulants {
    double k0, k1, k2; /* of the sum of binomials at the tilt t: value and derivatives */
};

static struct cumulants cumulants_at(const struct rs_stratum *s, size_t n, double theta, double t)
{
    struct cumulants k = { 0 };
    for (size_t i = 0; i < n; i++) {
        if (!says_something(&s[i]))
            continue;
        double d = s[i].failed_in + s[i].failed_out, p = chance_in(&s[i], theta);
        double tilted = 1 / (1 + (1 - p) / p * exp(-t));
        k.k0 += d * (t > 0 ? t + log(p + (1 - p) * exp(-t)) : log1p(p * expm1(t)));
        k.k1 += d * tilted;
        k.k2 += d * tilted * (1 - tilted);
    }
    return k;
}

/* The tilt at which the mean is x: the mean rises with it. Newton's steps, kept within a shrinking bracket. */
static double find_tilt(const struct rs_stratum *s, size_t n, double theta, double x)
{
    double low = -LOG_THETA_MAX, high = LOG_THETA_MAX, t = 0;
    for (int i = 0; i < 100; i++) {
        struct cumulants k = cumulants_at(s, n, theta, t);
        if (fabs(k.k1 - x) <= 1e-10 * (1 + x))
            break;
        *(k.k1 < x ? &low : &high) = t;
        double next = k.k2 > 0 ? t - (k.k1 - x) / k.k2 : low - 1;
        t = next > low && next < high ? next : (low + high) / 2;
    }
    return t;
}

/* math.md K3: ln P(X >= at) for side 1, ln P(X <= at) for side -1; at lies half between two whole numbers */
static double saddle(const struct rs_stratum *s, size_t n, double theta, double at, int side)
{
    double t = find_tilt(s, n, theta, at);
    if (fabs(t) < 1e-4) /* beside the removable singularity */
        t = t < 0 ? -1e-4 : 1e-4;
    struct cumulants k = cumulants_at(s, n, theta, t);
    double w = side * copysign(sqrt(2 * RS_MAX(t * k.k1 - k.k0, 0)), t);
    double u = side * 2 * sinh(t / 2) * sqrt(k.k2);
    double log_normal = gsl_sf_log_erfc(w * M_SQRT1_2) - M_LN2;
    if (w == 0 || u == 0)
        return log_normal;
    double log_density = -w * w / 2 - log(2 * M_PI) / 2;
    double mills = exp(log_normal - log_density) + 1 / u - 1 / w;
    return mills > 0 ? RS_MIN(0, log_density + log(mills)) : log_normal;
}

static struct rs_tails by_saddlepoint(const struct rs_stratum *s, size_t n, double theta, const struct summary *sum)
{
    return (struct rs_tails){ sum->x > 0 ? saddle(s, n, theta, sum->x - 0.5, 1) : 0,
                              sum->x < sum->total ? saddle(s, n, theta, sum->x + 0.5, -1) : 0 };
}

struct rs_tails rs_ratio_tails(const struct rs_stratum *s, size_t n, double theta)
{
    struct summary sum = summarise(s, n);
    struct rs_tails t = { 0, 0 };
    if (sum.n == 0)
        return t;
    if (sum.n == 1)
        t = one_stratum(sum.only, theta);
    else if (sum.total <= RS_RATIO_EXACT)
        t = by_convolution(s, n, theta, (size_t)sum.x);
    else
        return by_saddlepoint(s, n, theta, &sum);
    struct rs_tails far = { 0, 0 };
    if (!(t.log_more > -600) || !(t.log_fewer > -600)) /* underflow is near: logarithms from here */
        far = by_saddlepoint(s, n, theta, &sum);
    t.log_more = t.log_more > -600 ? t.log_more : far.log_more;
    t.log_fewer = t.log_fewer > -600 ? t.log_fewer : far.log_fewer;
    return t;
}

double rs_tails_two_sided(const struct rs_tails *t)
{
    return RS_MIN(0, M_LN2 + RS_MIN(t->log_more, t->log_fewer));
}

/* ---- estimate and interval ---- */

struct search {
    const struct rs_stratum *s;
    size_t n;
    double target;
    double (*value)(const struct search *a, double theta); /* rises with theta */
};

static double expected(const struct search *a, double theta)
{
    double sum = 0;
    for (size_t i = 0; i < a->n; i++)
        if (says_something(&a->s[i]))
            sum += (a->s[i].failed_in + a->s[i].failed_out) * chance_in(&a->s[i], theta);
    return sum;
}

static double tail_more(const struct search *a, double theta)
{
    return rs_ratio_tails(a->s, a->n, theta).log_more;
}

static double tail_fewer_falling(const struct search *a, double theta)
{
    return -rs_ratio_tails(a->s, a->n, theta).log_fewer;
}

/* The theta at which the value meets its target: a bracket that doubles, then bisection, both in ln theta. */
static double find_theta(const struct search *a, double start)
{
    double low = start, high = start, step = 0.5;
    bool is_above = a->value(a, exp(start)) >= a->target;
    while (fabs(is_above ? low : high) < LOG_THETA_MAX) {
        *(is_above ? &low : &high) += is_above ? -step : step;
        if ((a->value(a, exp(is_above ? low : high)) >= a->target) != is_above)
            break;
        *(is_above ? &high : &low) = is_above ? low : high;
        step *= 2;
    }
    for (int i = 0; i < BISECTIONS && high - low > 1e-9; i++) {
        double middle = (low + high) / 2;
        *(a->value(a, exp(middle)) >= a->target ? &high : &low) = middle;
    }
    return exp((low + high) / 2);
}

struct rs_ratio rs_ratio_estimate(const struct rs_stratum *s, size_t n, double coverage)
{
    struct summary sum = summarise(s, n);
    double log_tail = log((1 - coverage) / 2);
    struct rs_ratio r = { NAN, NAN, NAN };
    if (sum.n == 0)
        return r;
    struct search mean = { s, n, sum.x, expected };
    struct search least = { s, n, log_tail, tail_more }, most = { s, n, -log_tail, tail_fewer_falling };
    bool has_in = sum.x > 0, has_out = sum.x < sum.total;
    /* math.md K4 */
    r.ratio = !has_in ? 0 : !has_out ? INFINITY : find_theta(&mean, 0);
    double start = has_in && has_out ? log(r.ratio) : 0;
    r.low = has_in ? find_theta(&least, start) : 0;
    r.high = has_out ? find_theta(&most, start) : INFINITY;
    return r;
}

/* ---- two conditions ---- */

/* One stratum's distribution of the failures with both: support and chances. */
struct inner {
    size_t low, high;
    double log_odds; /* of the times */
    double row, column, total;
};

static bool cross_says_something(const struct rs_cross *s, struct inner *out)
{
    const double(*f)[2] = s->failed, (*t)[2] = s->time;
    if (!(t[0][0] > 0 && t[0][1] > 0 && t[1][0] > 0 && t[1][1] > 0))
        return false;
    double row = f[0][0] + f[0][1], column = f[0][0] + f[1][0], total = row + f[1][0] + f[1][1];
    *out = (struct inner){ .low = (size_t)RS_MAX(0, row + column - total),
                           .high = (size_t)RS_MIN(row, column),
                           .log_odds = log(t[0][0]) + log(t[1][1]) - log(t[0][1]) - log(t[1][0]),
                           .row = row,
                           .column = column,
                           .total = total };
    return out->high > out->low;
}

/* ln of the weight of k + 1 over that of k (math.md K6) */
static double log_step(const struct inner *h, double k)
{
    return h->log_odds + log((h->row - k) * (h->column - k)) - log((k + 1) * (h->total - h->row - h->column + k + 1));
}

/* Chances of low .. high, and their mean and variance. The weights' logarithms are concave: they rise, then fall. */
static void write_out(const struct inner *h, double *out, double *out_mean, double *out_variance)
{
    size_t n = h->high - h->low + 1;
    double log_weight = 0, top = 0, sum = 0, mean = 0, square = 0;
    for (size_t k = 0; k + 1 < n; k++) {
        log_weight += log_step(h, (double)(h->low + k));
        top = RS_MAX(top, log_weight);
    }
    log_weight = -top;
    for (size_t k = 0; k < n; k++) {
        double weight = exp(log_weight), x = (double)k;
        sum += weight;
        mean += weight * x;
        square += weight * x * x;
        if (out)
            out[k] = weight;
        if (k + 1 < n)
            log_weight += log_step(h, (double)(h->low + k));
    }
    for (size_t k = 0; out && k < n; k++)
        out[k] /= sum;
    mean /= sum;
    *out_mean += mean + (double)h->low;
    *out_variance += square / sum - mean * mean;
}

struct rs_tails rs_cross_tails(const struct rs_cross *s, size_t n)
{
    double chance[SUPPORT_MAX + 1] = { 1 }, one[SUPPORT_MAX + 1];
    double x = 0, mean = 0, variance = 0;
    size_t low = 0, len = 0, width = 0;
    struct inner h;
    for (size_t i = 0; i < n; i++)
        width += cross_says_something(&s[i], &h) ? h.high - h.low : 0;
    for (size_t i = 0; i < n; i++) {
        if (!cross_says_something(&s[i], &h))
            continue;
        x += s[i].failed[0][0];
        write_out(&h, width <= SUPPORT_MAX ? one : NULL, &mean, &variance);
        if (width > SUPPORT_MAX)
            continue;
        convolve(chance, len, one, h.high - h.low);
        len += h.high - h.low;
        low += h.low;
    }
    if (width == 0)
        return (struct rs_tails){ 0, 0 };
    if (width <= SUPPORT_MAX)
        return tails_of(chance, len, (size_t)x - low);
    double sd = sqrt(variance);
    return (struct rs_tails){ gsl_sf_log_erfc((x - 0.5 - mean) / sd * M_SQRT1_2) - M_LN2,
                              gsl_sf_log_erfc((mean - x - 0.5) / sd * M_SQRT1_2) - M_LN2 };
}
