/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measures of scored rows: one pass each over rows sorted by risk. See metrics.h and docs/math.md section E. */
#include "predictor/metrics.h"

#include <float.h>
#include <math.h>

#define CALIB_ITER_MAX 60
#define CALIB_STEP_MIN 1e-9 /* log odds */
#define CALIB_SLOPE_MAX 1e3 /* beyond it the labels are separable and the fit has no answer */

struct ranked_row {
    double risk;
    uint32_t source;
};

static int by_risk_down(const void *pa, const void *pb)
{
    const struct ranked_row *a = pa, *b = pb;
    if (a->risk != b->risk)
        return a->risk > b->risk ? -1 : 1;
    return a->source < b->source ? -1 : a->source > b->source;
}

/* math.md E4: p clipped to [eps, 1 - eps], eps = 2^-52. */
static double clip(double p)
{
    return RS_MIN(RS_MAX(p, DBL_EPSILON), 1 - DBL_EPSILON);
}

static double sigmoid(double z)
{
    return z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z));
}

static enum rs_status check_rows(const double *risk, const uint8_t *label, size_t n, struct rs_error *err)
{
    if (n == 0 || n > UINT32_MAX)
        return rs_error_set(err, RS_EINVAL, "%zu rows: 1 to %u can be ranked", n, UINT32_MAX);
    for (size_t i = 0; i < n; i++)
        if (!(risk[i] >= 0 && risk[i] <= 1) || label[i] > 1)
            return rs_error_set(err, RS_EDOMAIN,
                                "row %zu: risk %g, label %u: a risk in [0, 1] and a label 0 or 1 needed", i, risk[i],
                                label[i]);
    return RS_OK;
}

static void fill(struct rs_ranked *r, const struct ranked_row *order, const uint8_t *label, const uint32_t *unit)
{
    for (size_t i = 0; i < r->n; i++) {
        uint32_t s = order[i].source;
        double p = clip(order[i].risk);
        r->risk[i] = order[i].risk;
        r->logit[i] = log(p) - log1p(-p);
        r->label[i] = label[s];
        r->loss[i] = label[s] ? -log(p) : -log1p(-p);
        r->unit[i] = unit ? unit[s] : s;
        r->source[i] = s;
    }
}

enum rs_status rs_ranked_new(const double *risk, const uint8_t *label, const uint32_t *unit, size_t n,
                             struct rs_ranked **out, struct rs_error *err)
{
    enum rs_status st = check_rows(risk, label, n, err);
    if (st < 0)
        return st;
    rs_autofree struct ranked_row *order = rs_alloc(n, sizeof *order);
    RS_AUTO_STRUCT(rs_ranked) *r = rs_alloc(1, sizeof *r);
    if (!order || !r)
        return rs_error_set(err, RS_ENOMEM, "%zu rows to rank: out of memory", n);
    r->n = n;
    r->risk = rs_alloc(n, sizeof *r->risk);
    r->logit = rs_alloc(n, sizeof *r->logit);
    r->loss = rs_alloc(n, sizeof *r->loss);
    r->label = rs_alloc(n, sizeof *r->label);
    r->unit = rs_alloc(n, sizeof *r->unit);
    r->source = rs_alloc(n, sizeof *r->source);
    if (!r->risk || !r->logit || !r->loss || !r->label || !r->unit || !r->source)
        return rs_error_set(err, RS_ENOMEM, "%zu rows to rank: out of memory", n);
    for (size_t i = 0; i < n; i++)
        order[i] = (struct ranked_row){ risk[i], (uint32_t)i };
    qsort(order, n, sizeof *order, by_risk_down);
    fill(r, order, label, unit);
    *out = rs_take(r);
    return RS_OK;
}

void rs_ranked_free(struct rs_ranked *r)
{
    if (!r)
        return;
    free(r->risk);
    free(r->logit);
    free(r->loss);
    free(r->label);
    free(r->unit);
    free(r->source);
    free(r);
}

static double weight_of(const struct rs_ranked *r, const uint32_t *weight, size_t i)
{
    return weight ? weight[r->unit[i]] : 1;
}

static void count_rows(const struct rs_ranked *r, const uint32_t *weight, struct rs_metrics *m)
{
    double rows = 0, positives = 0;
    for (size_t i = 0; i < r->n; i++) {
        double w = weight_of(r, weight, i);
        rows += w;
        positives += r->label[i] ? w : 0;
    }
    m->rows = rows;
    m->positives = positives;
    m->base_rate = rows > 0 ? positives / rows : NAN;
}

/* math.md E1, E2: both close at the end of each run of equal risks. */
static void measure_ranks(const struct rs_ranked *r, const uint32_t *weight, struct rs_metrics *m)
{
    double above_pos = 0, above_neg = 0, pairs = 0, precision_sum = 0;
    for (size_t i = 0; i < r->n;) {
        double pos = 0, neg = 0, p = r->risk[i];
        for (; i < r->n && r->risk[i] == p; i++) {
            double w = weight_of(r, weight, i);
            if (r->label[i])
                pos += w;
            else
                neg += w;
        }
        pairs += neg * (above_pos + pos / 2);
        above_pos += pos;
        above_neg += neg;
        if (pos > 0)
            precision_sum += pos * above_pos / (above_pos + above_neg);
    }
    bool has_both = above_pos > 0 && above_neg > 0;
    m->roc_auc = has_both ? pairs / (above_pos * above_neg) : NAN;
    m->average_precision = above_pos > 0 ? precision_sum / above_pos : NAN;
}

/* math.md E3, E4. */
static void measure_accuracy(const struct rs_ranked *r, const uint32_t *weight, struct rs_metrics *m)
{
    double squares = 0, losses = 0, risks = 0;
    for (size_t i = 0; i < r->n; i++) {
        double w = weight_of(r, weight, i);
        if (w == 0)
            continue;
        double miss = r->risk[i] - r->label[i];
        squares += w * miss * miss;
        losses += w * r->loss[i];
        risks += w * r->risk[i];
    }
    double spread = m->base_rate * (1 - m->base_rate);
    m->brier = m->rows > 0 ? squares / m->rows : NAN;
    m->brier_skill = spread > 0 ? 1 - m->brier / spread : NAN;
    m->log_loss = m->rows > 0 ? losses / m->rows : NAN;
    m->mean_risk = m->rows > 0 ? risks / m->rows : NAN;
}

/* Rows of nearly equal logit, taken together: the fits below cost by points, not by rows. */
struct point {
    double logit, weight;
    double positives, positive_logits; /* of its positive rows: weight, sum of weight x logit */
};

/* The clipped logits span 72.1, so that no more points than this can arise. */
#define POINTS_MAX 4096
#define POINT_WIDTH 0.02

/* math.md E6: a point ends where the logit has fallen by POINT_WIDTH since its first row, and lies at the weighted
 * mean. */
static size_t gather_points(const struct rs_ranked *r, const uint32_t *weight, struct point points[POINTS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < r->n;) {
        double first = r->logit[i], sum = 0, rows = 0, positives = 0, positive_logits = 0;
        for (; i < r->n && first - r->logit[i] <= POINT_WIDTH; i++) {
            double w = weight_of(r, weight, i);
            rows += w;
            sum += w * (first - r->logit[i]);
            positives += r->label[i] ? w : 0;
            positive_logits += r->label[i] ? w * r->logit[i] : 0;
        }
        if (rows > 0)
            points[n++] = (struct point){ first - sum / rows, rows, positives, positive_logits };
    }
    return n;
}

/* Gradient and Hessian of the weighted log loss of sigmoid(a + b * logit). */
struct calib_sums {
    double ga, gb, haa, hab, hbb;
};

static struct calib_sums calib_pass(const struct point *points, size_t n, double a, double b)
{
    struct calib_sums s = { 0 };
    for (size_t i = 0; i < n; i++) {
        double l = points[i].logit, p = sigmoid(a + b * l), expected = points[i].weight * p, h = expected * (1 - p);
        s.ga += expected - points[i].positives;
        s.gb += expected * l - points[i].positive_logits;
        s.haa += h;
        s.hab += h * l;
        s.hbb += h * l * l;
    }
    return s;
}

/* math.md E6: the shift c with mean sigmoid(logit + c) = base rate. Steps of at most 2 keep Newton from overshooting.
 */
static double fit_in_the_large(const struct point *points, size_t n)
{
    double c = 0;
    for (int iter = 0; iter < CALIB_ITER_MAX; iter++) {
        struct calib_sums s = calib_pass(points, n, c, 1);
        if (!(s.haa > 0))
            return NAN;
        double step = s.ga / s.haa;
        c -= RS_MIN(RS_MAX(step, -2), 2);
        if (fabs(step) < CALIB_STEP_MIN)
            return c;
    }
    return NAN;
}

/* math.md E6: damped Newton for intercept and slope. NaN where the labels are separable or all logits equal. */
static void fit_slope(const struct point *points, size_t n, double *intercept, double *slope)
{
    double a = 0, b = 1;
    *intercept = *slope = NAN;
    for (int iter = 0; iter < CALIB_ITER_MAX && fabs(b) < CALIB_SLOPE_MAX; iter++) {
        struct calib_sums s = calib_pass(points, n, a, b);
        double det = s.haa * s.hbb - s.hab * s.hab;
        if (!(det > DBL_EPSILON * s.haa * s.hbb))
            return;
        double da = (s.hbb * s.ga - s.hab * s.gb) / det;
        double db = (s.haa * s.gb - s.hab * s.ga) / det;
        double damp = RS_MIN(1, 1 / RS_MAX(fabs(da) / 4, fabs(db)));
        a -= damp * da;
        b -= damp * db;
        if (fabs(da) < CALIB_STEP_MIN && fabs(db) < CALIB_STEP_MIN) {
            *intercept = a;
            *slope = b;
            return;
        }
    }
}

static void measure_calibration(const struct rs_ranked *r, const uint32_t *weight, struct rs_metrics *m)
{
    m->in_the_large = m->slope = m->intercept = NAN;
    if (!(m->positives > 0 && m->positives < m->rows))
        return;
    struct point points[POINTS_MAX];
    size_t n = gather_points(r, weight, points);
    m->in_the_large = fit_in_the_large(points, n);
    fit_slope(points, n, &m->intercept, &m->slope);
}

void rs_metrics_compute(const struct rs_ranked *r, const uint32_t *weight, struct rs_metrics *out)
{
    count_rows(r, weight, out);
    measure_ranks(r, weight, out);
    measure_accuracy(r, weight, out);
    measure_calibration(r, weight, out);
}

/* math.md E5. */
void rs_bins_cut(const struct rs_ranked *r, size_t n_bins, struct rs_bins *out)
{
    n_bins = RS_MIN(n_bins, (size_t)RS_BINS_MAX);
    out->n = 0;
    size_t end = 0;
    for (size_t b = 1; b <= n_bins && end < r->n; b++) {
        size_t want = b == n_bins ? r->n : (size_t)((double)r->n * (double)b / (double)n_bins + 0.5);
        if (want <= end)
            continue;
        end = want;
        while (end < r->n && r->risk[end] == r->risk[end - 1])
            end++;
        out->end[out->n++] = end;
    }
}

void rs_bins_measure(const struct rs_ranked *r, const struct rs_bins *b, const uint32_t *weight, struct rs_bin *out)
{
    size_t i = 0;
    for (size_t k = 0; k < b->n; k++) {
        double rows = 0, positives = 0, risks = 0;
        for (; i < b->end[k]; i++) {
            double w = weight_of(r, weight, i);
            rows += w;
            positives += r->label[i] ? w : 0;
            risks += w * r->risk[i];
        }
        out[k] = (struct rs_bin){ rows, positives, rows > 0 ? risks / rows : NAN, rows > 0 ? positives / rows : NAN };
    }
}

/* The value at position k of the expanded list. */
static double expanded(const double *sorted, const uint32_t *weight, size_t n, double k)
{
    double passed = 0;
    for (size_t i = 0; i < n; i++) {
        passed += weight[i];
        if (k < passed)
            return sorted[i];
    }
    return sorted[n - 1];
}

/* math.md E11. */
double rs_quantile(const double *sorted, const uint32_t *weight, size_t n, double q)
{
    double total = (double)n;
    if (weight) {
        total = 0;
        for (size_t i = 0; i < n; i++)
            total += weight[i];
    }
    if (total == 0)
        return NAN;
    double pos = q * (total - 1), low = floor(pos), high = ceil(pos);
    double a = weight ? expanded(sorted, weight, n, low) : sorted[(size_t)low];
    double b = weight ? expanded(sorted, weight, n, high) : sorted[(size_t)high];
    return a + (pos - low) * (b - a);
}
