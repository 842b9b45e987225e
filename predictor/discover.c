/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cohort discovery: tests, then false discovery control, then telling findings apart. See discover.h. */
#include "predictor/discover_private.h"

#include <math.h>

#define PAIR_HANDICAP 3.0 /* nats that a pair must be stronger by to come before a single value */

void rs_discovery_free(rs_discovery *d)
{
    if (!d)
        return;
    free(d->findings);
    free(d->skipped);
    free(d);
}

const char *rs_condition_text(const rs_units *units, const struct rs_condition *c, char *out, size_t size)
{
    const struct rs_unit_attr *a = &units->attrs[c->attr];
    if (c->relation == RS_IS)
        snprintf(out, size, "%s=%s", a->name, a->values[c->code]);
    else
        snprintf(out, size, "%s %s %.7g", a->name, c->relation == RS_ABOVE ? ">" : "<=", a->edge[c->code]);
    return out;
}

/* ---- false discovery control ---- */

/* math.md K5: half of the weight is the single values', half the pairs', where both are. */
double rs_log_weight(const struct rs_tests *t, uint32_t n_conditions)
{
    if (t->n_single == 0 || t->n_pair == 0)
        return 0;
    uint64_t own = n_conditions == 1 ? t->n_single : t->n_pair;
    return log((double)(t->n_single + t->n_pair) / (2 * (double)own));
}

static int by_q(const void *a, const void *b)
{
    const struct rs_cohort_test *x = a, *y = b;
    return (x->q > y->q) - (x->q < y->q);
}

/* math.md K5: q of rank k is the least of m p_j / (w_j j) over the ranks j >= k. Sorts the tests by it. */
static void find_q(struct rs_tests *t)
{
    double log_m = log((double)(t->n_single + t->n_pair)), least = 0;
    for (size_t i = 0; i < t->n; i++)
        t->list[i].q = t->list[i].log_p - rs_log_weight(t, t->list[i].n_conditions);
    qsort(t->list, t->n, sizeof *t->list, by_q);
    for (size_t i = t->n; i-- > 0;) {
        least = RS_MIN(least, t->list[i].q + log_m - log((double)(i + 1)));
        t->list[i].q = exp(least);
    }
}

static int by_code(int32_t a, int32_t b)
{
    return (a > b) - (a < b);
}

static int by_strength(const void *a, const void *b)
{
    const struct rs_cohort_test *x = a, *y = b;
    double p = x->log_rest + (x->n_conditions == 2 ? PAIR_HANDICAP : 0);
    double q = y->log_rest + (y->n_conditions == 2 ? PAIR_HANDICAP : 0);
    if (p != q)
        return p < q ? -1 : 1;
    if (x->n_conditions != y->n_conditions)
        return x->n_conditions < y->n_conditions ? -1 : 1;
    for (uint32_t i = 0; i < x->n_conditions; i++) {
        const struct rs_condition *c = &x->condition[i], *d = &y->condition[i];
        if (c->attr != d->attr)
            return c->attr < d->attr ? -1 : 1;
        if (c->code != d->code)
            return by_code(c->code, d->code);
    }
    return 0;
}

/* Splits of one number say the same: the strongest stays. */
static bool is_weaker_split(const struct rs_tests *t, size_t n, const struct rs_cohort_test *test)
{
    if (test->n_conditions != 1 || test->condition[0].relation == RS_IS)
        return false;
    for (size_t i = 0; i < n; i++)
        if (t->list[i].n_conditions == 1 && t->list[i].condition[0].attr == test->condition[0].attr)
            return true;
    return false;
}

/* A number is shown by the side that fails more often. */
static void turn_split(struct rs_cohort_test *test)
{
    if (test->n_conditions == 1 && test->condition[0].relation == RS_ABOVE && test->is_fewer) {
        test->condition[0].relation = RS_AT_MOST;
        test->is_fewer = false;
    }
}

/* Leaves the significant tests, the strongest first. */
static void keep_significant(struct rs_tests *t)
{
    size_t n = 0;
    find_q(t);
    while (n < t->n && t->list[n].q <= t->opt->fdr)
        n++;
    t->n = t->n_significant = n;
    qsort(t->list, t->n, sizeof *t->list, by_strength);
    n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!is_weaker_split(t, n, &t->list[i])) {
            t->list[n] = t->list[i];
            turn_split(&t->list[n++]);
        }
    t->n = n;
}

/* ---- all ---- */

static enum rs_status count_all(const struct rs_tests *t, rs_discovery *d, struct rs_error *err)
{
    for (size_t s = 0; s < t->units->n_strata; s++) {
        d->n_entities += t->total[s].n;
        d->n_failed += t->total[s].failed;
        d->time_days += t->total[s].time;
    }
    if (d->n_entities == 0)
        return rs_error_set(err, RS_ENODATA, "no entity was watched");
    if (d->n_failed == 0)
        return rs_error_set(err, RS_ENODATA, "none of the %llu entities failed while it was watched",
                            (unsigned long long)d->n_entities);
    return d->time_days > 0 ? RS_OK : rs_error_set(err, RS_ENODATA, "no entity was watched for any time");
}

static enum rs_status discover(struct rs_tests *t, rs_discovery *d, struct rs_error *err)
{
    enum rs_status st = rs_tests_single(t, err);
    if (st == RS_OK)
        st = count_all(t, d, err);
    if (st == RS_OK && t->opt->with_pairs)
        st = rs_tests_pair(t, err);
    if (st < 0)
        return st;
    d->n_single = t->n_single;
    d->n_pair = t->n_pair;
    keep_significant(t);
    return rs_findings_tell_apart(t, d, err);
}

enum rs_status rs_discover(const rs_units *units, const struct rs_discover_options *opt, rs_discovery **out,
                           struct rs_error *err)
{
    RS_AUTO(rs_discovery) *d = rs_alloc(1, sizeof *d);
    rs_autofree struct rs_tests *t = rs_alloc(1, sizeof *t);
    if (!d || !t || !(d->skipped = rs_alloc(units->n_attrs, sizeof *d->skipped)))
        return rs_error_set(err, RS_ENOMEM, "no memory for the tests");
    t->units = units;
    t->opt = opt;
    t->skipped = d->skipped;
    enum rs_status st = discover(t, d, err);
    free(t->list);
    if (st == RS_OK)
        *out = rs_take(d);
    return st;
}
