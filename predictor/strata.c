/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ranks within strata: one pass over rows sorted by stratum and risk. See strata.h. */
#include "predictor/strata.h"

#include <math.h>

struct key {
    double risk;
    uint32_t stratum, row;
};

static int by_stratum_and_risk(const void *pa, const void *pb)
{
    const struct key *a = pa, *b = pb;
    if (a->stratum != b->stratum)
        return a->stratum < b->stratum ? -1 : 1;
    if (a->risk != b->risk)
        return a->risk > b->risk ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

enum rs_status rs_strata_new(const double *risk, const uint8_t *label, const uint32_t *unit, size_t n,
                             const uint32_t *stratum, size_t n_strata, struct rs_strata **out, struct rs_error *err)
{
    if (n > UINT32_MAX)
        return rs_error_set(err, RS_EINVAL, "%zu rows: at most %u can be ranked", n, UINT32_MAX);
    rs_autofree struct key *keys = rs_alloc(n, sizeof *keys);
    RS_AUTO_STRUCT(rs_strata) *s = rs_alloc(1, sizeof *s);
    if (!keys || !s)
        return rs_error_set(err, RS_ENOMEM, "%zu rows to rank: out of memory", n);
    s->n = n;
    s->n_strata = n_strata;
    s->end = rs_alloc(n_strata, sizeof *s->end);
    s->risk = rs_alloc(n, sizeof *s->risk);
    s->label = rs_alloc(n, sizeof *s->label);
    s->unit = rs_alloc(n, sizeof *s->unit);
    if (!s->end || !s->risk || !s->label || !s->unit)
        return rs_error_set(err, RS_ENOMEM, "%zu rows to rank: out of memory", n);
    for (size_t i = 0; i < n; i++)
        keys[i] = (struct key){ risk[i], stratum[unit[i]], (uint32_t)i };
    qsort(keys, n, sizeof *keys, by_stratum_and_risk);
    for (size_t i = 0; i < n; i++) {
        s->risk[i] = keys[i].risk;
        s->label[i] = label[keys[i].row];
        s->unit[i] = unit[keys[i].row];
        s->end[keys[i].stratum] = i + 1;
    }
    for (size_t k = 1; k < n_strata; k++)
        s->end[k] = RS_MAX(s->end[k], s->end[k - 1]);
    *out = rs_take(s);
    return RS_OK;
}

void rs_strata_free(struct rs_strata *s)
{
    if (!s)
        return;
    free(s->end);
    free(s->risk);
    free(s->label);
    free(s->unit);
    free(s);
}

/* Rows [first, last) of one stratum; both sums close at the end of each run of equal risks (math.md E1, E2). */
static struct rs_rank_sums measure(const struct rs_strata *s, const uint32_t *weight, size_t first, size_t last)
{
    struct rs_rank_sums sums = { 0 };
    double above_pos = 0, above_neg = 0;
    for (size_t i = first; i < last;) {
        double pos = 0, neg = 0, p = s->risk[i];
        for (; i < last && s->risk[i] == p; i++) {
            double w = weight ? weight[s->unit[i]] : 1;
            pos += s->label[i] ? w : 0;
            neg += s->label[i] ? 0 : w;
        }
        sums.pairs_won += neg * (above_pos + pos / 2);
        above_pos += pos;
        above_neg += neg;
        if (pos > 0)
            sums.precision_sum += pos * above_pos / (above_pos + above_neg);
    }
    sums.positives = above_pos;
    sums.pairs = above_pos * above_neg;
    return sums;
}

void rs_strata_measure(const struct rs_strata *s, const uint32_t *weight, struct rs_rank_sums *out)
{
    for (size_t k = 0; k < s->n_strata; k++)
        out[k] = measure(s, weight, k ? s->end[k - 1] : 0, s->end[k]);
}

void rs_rank_sums_add(struct rs_rank_sums *to, const struct rs_rank_sums *from)
{
    to->positives += from->positives;
    to->pairs += from->pairs;
    to->pairs_won += from->pairs_won;
    to->precision_sum += from->precision_sum;
}

double rs_rank_sums_auc(const struct rs_rank_sums *s)
{
    return s->pairs > 0 ? s->pairs_won / s->pairs : NAN;
}

double rs_rank_sums_ap(const struct rs_rank_sums *s)
{
    return s->positives > 0 ? s->precision_sum / s->positives : NAN;
}
