/* SPDX-License-Identifier: Apache-2.0 */
/* Population stability indices and what chance makes of them. See drift.h and docs/math.md, section G. */
#include "models/drift.h"

#include <math.h>

/* math.md G1: bin i holds what lies in (edge[i - 1], edge[i]]. */
static uint32_t bin_of(const struct rs_reference *ref, double value)
{
    uint32_t low = 0, high = ref->n_edges;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (value <= (double)ref->edge[mid])
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

uint8_t rs_drift_bin(const struct rs_reference *ref, double value)
{
    return isfinite(value) ? (uint8_t)bin_of(ref, value) : RS_DRIFT_NO_BIN;
}

void rs_drift_count_bin(uint8_t bin, double weight, struct rs_drift_counts *c)
{
    if (bin <= RS_REF_EDGES)
        c->bin[bin] += weight;
    else
        c->missing += weight;
}

void rs_drift_count(const struct rs_reference *ref, double value, double weight, struct rs_drift_counts *c)
{
    rs_drift_count_bin(rs_drift_bin(ref, value), weight, c);
}

/* Chance that a chi-squared variable with df degrees of freedom exceeds x, by the recurrence of the incomplete gamma
 * function from df = 1 or 2 upwards. */
static double chi2_tail(double x, unsigned df)
{
    if (!(x > 0))
        return 1;
    double h = x / 2, sum = df % 2 ? erfc(sqrt(h)) : exp(-h);
    double term = df % 2 ? 2 * sqrt(h / M_PI) * exp(-h) : h * exp(-h);
    for (unsigned k = df % 2 ? 1 : 2; k < df; k += 2) {
        sum += term;
        term *= h / (k / 2.0 + 1);
    }
    return RS_MIN(sum, 1);
}

/* The x that a chi-squared variable stays below with the chance given. */
static double chi2_quantile(double chance, unsigned df)
{
    double low = 0, high = 1;
    while (chi2_tail(high, df) > 1 - chance)
        high *= 2;
    for (int i = 0; i < 60; i++) {
        double mid = (low + high) / 2;
        if (chi2_tail(mid, df) > 1 - chance)
            low = mid;
        else
            high = mid;
    }
    return high;
}

/* math.md G2: the index over shares with half a count added to each bin on both sides. */
static double stability_index(const struct rs_reference *ref, const struct rs_drift_counts *c, double n, double m)
{
    double psi = 0, half_bins = (ref->n_edges + 1) / 2.0;
    for (uint32_t i = 0; i <= ref->n_edges; i++) {
        double now = (c->bin[i] + 0.5) / (n + half_bins), then = (ref->share[i] * m + 0.5) / (m + half_bins);
        psi += (now - then) * log(now / then);
    }
    return psi;
}

/* math.md G4: the same index over two bins, with a reading and without. */
static double missing_chance(double missing_now, double missing_then, double n, double m)
{
    struct rs_reference ref = { .n_edges = 1, .share = { 1 - missing_then, missing_then } };
    struct rs_drift_counts c = { .bin = { n * (1 - missing_now), n * missing_now } };
    return chi2_tail(stability_index(&ref, &c, n, m) / (1 / n + 1 / m), 1);
}

void rs_drift_measure(const struct rs_reference *ref, const struct rs_drift_counts *c, double n_reference,
                      struct rs_drift *out)
{
    *out = (struct rs_drift){ .psi = NAN,
                              .expected = NAN,
                              .bound = NAN,
                              .p = 1,
                              .missing_then = ref->missing,
                              .missing_now = NAN,
                              .missing_p = 1 };
    for (uint32_t i = 0; i <= ref->n_edges; i++)
        out->n += c->bin[i];
    double counted = out->n + c->missing;
    if (!(n_reference > 0 && counted > 0))
        return;
    out->missing_now = c->missing / counted;
    out->missing_p = missing_chance(out->missing_now, ref->missing, counted, n_reference);
    double m = n_reference * (1 - ref->missing), scale = 1 / out->n + 1 / m;
    if (ref->n_edges == 0 || !(out->n > 0 && m > 0))
        return;
    /* math.md G3 */
    out->psi = stability_index(ref, c, out->n, m);
    out->expected = ref->n_edges * scale;
    out->bound = scale * chi2_quantile(0.95, ref->n_edges);
    out->p = chi2_tail(out->psi / scale, ref->n_edges);
}

double rs_drift_base(const struct rs_model_meta *meta)
{
    return (double)RS_MIN(meta->n_entities, (uint64_t)RS_REF_ROWS);
}

static int ascending(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return a < b ? -1 : a > b;
}

/* math.md G5: the largest chance that still counts as a finding (Benjamini, Hochberg 1995); below 0 where none does. */
static double finding_limit(double *p, size_t n)
{
    double limit = -1;
    qsort(p, n, sizeof *p, ascending);
    for (size_t i = 0; i < n; i++)
        if (p[i] <= RS_DRIFT_RATE * (double)(i + 1) / (double)n)
            limit = p[i];
    return limit;
}

enum rs_status rs_drift_judge(struct rs_drift *d, size_t n, struct rs_error *err)
{
    rs_autofree double *p = rs_alloc(n, 2 * sizeof *p);
    if (!p)
        return rs_error_set(err, RS_ENOMEM, "drift of %zu signals: out of memory", n);
    for (size_t i = 0; i < n; i++) {
        p[2 * i] = d[i].p;
        p[2 * i + 1] = d[i].missing_p;
    }
    double limit = finding_limit(p, 2 * n);
    for (size_t i = 0; i < n; i++) {
        double gone = fabs(d[i].missing_now - d[i].missing_then);
        d[i].has_moved = d[i].p <= limit && d[i].psi > d[i].bound && d[i].psi >= RS_DRIFT_PSI_FLOOR;
        d[i].has_gone = d[i].missing_p <= limit && gone >= RS_DRIFT_MISS_FLOOR;
    }
    return RS_OK;
}

static bool goes_before(const struct rs_drift *a, const struct rs_drift *b)
{
    if (rs_drift_is_found(a) != rs_drift_is_found(b))
        return rs_drift_is_found(a);
    return (isfinite(a->psi) ? a->psi : -1) > (isfinite(b->psi) ? b->psi : -1);
}

/* Insertion: there are few signals. */
void rs_drift_order(const struct rs_drift *d, size_t n, size_t *out_order)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && goes_before(&d[i], &d[out_order[at - 1]]); at--)
            out_order[at] = out_order[at - 1];
        out_order[at] = i;
    }
}
