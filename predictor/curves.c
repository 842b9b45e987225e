/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Curves and their thinning. See curves.h. */
#include "predictor/curves.h"

#include <math.h>

#include "common/clock.h"

struct point {
    double x, y;
};

#define GRID 2e-4            /* points nearer than this to the last one are passed over: what no screen can show */
#define TOLERANCE_FIRST 1e-4 /* of the height and width of the plot */

/* Points gathered so far: a growing list with coordinates in [0, 1]. */
struct trace {
    struct point *p;
    size_t n, cap;
};

static bool add(struct trace *t, double x, double y)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 1024;
        struct point *p = rs_realloc(t->p, cap, sizeof *p);
        if (!p)
            return false;
        t->p = p;
        t->cap = cap;
    }
    t->p[t->n++] = (struct point){ x, y };
    return true;
}

static bool is_near(const struct trace *t, double x, double y)
{
    return t->n > 0 && fabs(x - t->p[t->n - 1].x) < GRID && fabs(y - t->p[t->n - 1].y) < GRID;
}

static double distance(struct point p, struct point a, struct point b)
{
    double dx = b.x - a.x, dy = b.y - a.y, len = hypot(dx, dy);
    if (len == 0)
        return hypot(p.x - a.x, p.y - a.y);
    return fabs(dy * (p.x - a.x) - dx * (p.y - a.y)) / len;
}

/* Marks the points that a line within the tolerance needs; returns their number. span: scratch, n pairs. */
static size_t mark(const struct trace *t, double tolerance, bool *keep, size_t (*span)[2])
{
    size_t depth = 0, kept = 2;
    memset(keep, 0, t->n * sizeof *keep);
    keep[0] = keep[t->n - 1] = true;
    span[depth][0] = 0;
    span[depth++][1] = t->n - 1;
    while (depth > 0) {
        size_t first = span[--depth][0], last = span[depth][1], far = 0;
        double most = tolerance;
        for (size_t i = first + 1; i < last; i++) {
            double d = distance(t->p[i], t->p[first], t->p[last]);
            if (d > most) {
                most = d;
                far = i;
            }
        }
        if (!far)
            continue;
        keep[far] = true;
        kept++;
        span[depth][0] = first;
        span[depth++][1] = far;
        span[depth][0] = far;
        span[depth++][1] = last;
    }
    return kept;
}

/* Doubles the tolerance until the line fits into a curve. */
static enum rs_status thin(const struct trace *t, struct rs_curve *out, struct rs_error *err)
{
    rs_autofree bool *keep = rs_alloc(t->n, sizeof *keep);
    rs_autofree size_t(*span)[2] = rs_alloc(t->n + 2, sizeof *span);
    if (!keep || !span)
        return rs_error_set(err, RS_ENOMEM, "curve of %zu points: out of memory", t->n);
    out->n = 0;
    if (t->n == 0)
        return RS_OK;
    for (double tolerance = TOLERANCE_FIRST; mark(t, tolerance, keep, span) > RS_CURVE_POINTS;)
        tolerance *= 2;
    for (size_t i = 0; i < t->n; i++)
        if (keep[i]) {
            out->x[out->n] = t->p[i].x;
            out->y[out->n++] = t->p[i].y;
        }
    return RS_OK;
}

struct totals {
    double positives, negatives;
};

static struct totals count(const struct rs_ranked *r)
{
    struct totals t = { 0, 0 };
    for (size_t i = 0; i < r->n; i++) {
        t.positives += r->label[i];
        t.negatives += !r->label[i];
    }
    return t;
}

static enum rs_status rank_curve(const struct rs_ranked *r, bool is_roc, struct rs_curve *out, struct rs_error *err)
{
    struct trace t = { 0 };
    struct totals all = count(r);
    double pos = 0, neg = 0;
    bool ok = !is_roc || add(&t, 0, 0);
    for (size_t i = 0; ok && i < r->n;) {
        for (double p = r->risk[i]; i < r->n && r->risk[i] == p; i++) {
            pos += r->label[i];
            neg += !r->label[i];
        }
        double x = is_roc ? neg / RS_MAX(all.negatives, 1) : pos / RS_MAX(all.positives, 1);
        double y = is_roc ? pos / RS_MAX(all.positives, 1) : pos / (pos + neg);
        if (i == r->n || !is_near(&t, x, y))
            ok = add(&t, x, y);
    }
    enum rs_status st =
        ok ? thin(&t, out, err) : rs_error_set(err, RS_ENOMEM, "curve of %zu rows: out of memory", r->n);
    free(t.p);
    return st;
}

enum rs_status rs_curve_roc(const struct rs_ranked *r, struct rs_curve *out, struct rs_error *err)
{
    return rank_curve(r, true, out, err);
}

enum rs_status rs_curve_pr(const struct rs_ranked *r, struct rs_curve *out, struct rs_error *err)
{
    return rank_curve(r, false, out, err);
}

enum rs_status rs_curve_leads(const double *leads_s, size_t n, size_t n_total, struct rs_curve *out,
                              struct rs_error *err)
{
    struct trace t = { 0 };
    out->n = 0;
    if (n == 0 || n_total == 0)
        return RS_OK;
    double longest = RS_MAX(leads_s[n - 1], 1), total = (double)n_total; /* in units of the plot while thinning */
    bool ok = add(&t, 0, (double)n / total);
    for (size_t i = 0; ok && i < n; i++)
        if (i + 1 == n || leads_s[i + 1] != leads_s[i])
            ok = add(&t, leads_s[i] / longest, (double)(n - i) / total) &&
                 add(&t, leads_s[i] / longest, (double)(n - i - 1) / total);
    enum rs_status st = ok ? thin(&t, out, err) : rs_error_set(err, RS_ENOMEM, "curve of %zu leads: out of memory", n);
    free(t.p);
    for (size_t i = 0; i < out->n; i++)
        out->x[i] *= longest / (double)RS_DAY_S;
    return st;
}
