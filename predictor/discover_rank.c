/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Telling findings apart: which name the same entities, which are only the shadow of a stronger one, and what is left
 * of each within the values of every other attribute (math.md K7 to K9). */
#include "predictor/discover_private.h"

#include <math.h>

#include "common/cli.h"

#define SAME_OVERLAP 0.9   /* entities in common over entities of either */
#define GIVEN_MAX 6        /* findings that a comparison is made within */
#define INFORMED_SHARE 0.5 /* of the group's time, in strata that can be compared */
#define ADJUST_CELLS_MAX ((uint64_t)1 << 21)

struct ranking {
    const struct rs_tests *t;
    rs_discovery *d;
    uint64_t (*common)[RS_FINDINGS_MAX]; /* entities that meet both findings; of one and itself: its own */
};

/* ---- what each finding holds ---- */

static uint64_t membership(const rs_discovery *d, const struct rs_unit *u)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < d->n; i++)
        if (rs_meets(u, d->findings[i].condition, d->findings[i].n_conditions))
            mask |= (uint64_t)1 << i;
    return mask;
}

static void count_members(struct ranking *r)
{
    rs_discovery *d = r->d;
    for (uint64_t i = 0; i < r->t->units->n; i++) {
        const struct rs_unit *u = rs_units_at(r->t->units, i);
        for (uint64_t mask = membership(d, u), m = mask; m; m &= m - 1) {
            int a = __builtin_ctzll(m);
            d->findings[a].n_entities++;
            d->findings[a].n_failed += u->failed;
            d->findings[a].time_days += (double)u->time_days;
            for (uint64_t o = mask; o; o &= o - 1)
                r->common[a][__builtin_ctzll(o)]++;
        }
    }
}

static bool is_same(const struct ranking *r, size_t i, size_t j)
{
    const struct rs_finding *f = r->d->findings;
    double both = (double)r->common[i][j];
    return f[i].is_fewer == f[j].is_fewer &&
           both >= SAME_OVERLAP * ((double)f[i].n_entities + (double)f[j].n_entities - both);
}

/* ---- comparisons within strata ---- */

/* Cells of the group and of all, for n strata each. */
struct cut {
    struct rs_cell *in, *all;
    struct rs_stratum *strata;
    size_t n;
};

static void cut_clear(struct cut *c)
{
    free(c->in);
    free(c->all);
    free(c->strata);
}

static bool cut_init(struct cut *c, size_t n)
{
    *c = (struct cut){ .n = n };
    c->in = rs_alloc(n, sizeof *c->in);
    c->all = rs_alloc(n, sizeof *c->all);
    c->strata = rs_alloc(n, sizeof *c->strata);
    return c->in && c->all && c->strata;
}

static void cut_add(struct cut *c, size_t stratum, const struct rs_unit *u, bool is_in)
{
    rs_cell_add(&c->all[stratum], u);
    if (is_in)
        rs_cell_add(&c->in[stratum], u);
}

/* Share of the group's time in strata where the others have time too. */
static double informed_share(const struct cut *c)
{
    double told = 0, all = 0;
    for (size_t s = 0; s < c->n; s++) {
        all += c->in[s].time;
        told += c->all[s].n > c->in[s].n ? c->in[s].time : 0;
    }
    return all > 0 ? told / all : 0;
}

/* math.md K8: finding i within the memberships of the findings in mask. False for want of memory. */
static bool compare_given(const struct ranking *r, size_t i, uint64_t mask, struct rs_ratio *out, double *out_log_p)
{
    const struct rs_units *units = r->t->units;
    const struct rs_finding *f = r->d->findings;
    size_t given[GIVEN_MAX], n_given = 0;
    for (size_t j = 0; j < r->d->n && n_given < GIVEN_MAX; j++)
        if (mask >> j & 1)
            given[n_given++] = j;
    struct cut c __attribute__((cleanup(cut_clear))) = { .n = 0 };
    if (!cut_init(&c, (size_t)units->n_strata << n_given))
        return false;
    for (uint64_t k = 0; k < units->n; k++) {
        const struct rs_unit *u = rs_units_at(units, k);
        size_t stratum = u->stratum;
        for (size_t g = 0; g < n_given; g++)
            stratum = stratum << 1 | rs_meets(u, f[given[g]].condition, f[given[g]].n_conditions);
        cut_add(&c, stratum, u, rs_meets(u, f[i].condition, f[i].n_conditions));
    }
    rs_strata_fill(c.in, c.all, c.n, c.strata);
    struct rs_tails tails = rs_ratio_tails(c.strata, c.n, 1);
    *out_log_p = RS_MIN(0, M_LN2 + (f[i].is_fewer ? tails.log_fewer : tails.log_more));
    *out = rs_ratio_estimate(c.strata, c.n, r->t->opt->coverage);
    return true;
}

/* math.md K9: finding i within the values of attribute a. NaN where too little can be compared. */
static bool compare_within(const struct ranking *r, size_t i, uint32_t a, struct rs_ratio *out)
{
    const struct rs_units *units = r->t->units;
    const struct rs_finding *f = &r->d->findings[i];
    size_t n_values = (size_t)units->attrs[a].n_values + 1;
    struct cut c __attribute__((cleanup(cut_clear))) = { .n = 0 };
    *out = (struct rs_ratio){ NAN, NAN, NAN };
    if ((uint64_t)n_values * units->n_strata > ADJUST_CELLS_MAX)
        return true;
    if (!cut_init(&c, n_values * units->n_strata))
        return false;
    for (uint64_t k = 0; k < units->n; k++) {
        const struct rs_unit *u = rs_units_at(units, k);
        size_t stratum = (size_t)(u->code[a] + 1) * units->n_strata + u->stratum;
        cut_add(&c, stratum, u, rs_meets(u, f->condition, f->n_conditions));
    }
    if (informed_share(&c) < INFORMED_SHARE)
        return true;
    rs_strata_fill(c.in, c.all, c.n, c.strata);
    *out = rs_ratio_estimate(c.strata, c.n, r->t->opt->coverage);
    return true;
}

/* ---- the steps ---- */

/* The finding in mask that shares most entities with i; the first where none shares any. */
static int nearest(const struct ranking *r, size_t i, uint64_t mask)
{
    int best = -1;
    for (size_t j = 0; j < r->d->n; j++)
        if (mask >> j & 1 && (best < 0 || r->common[i][j] > r->common[i][best]))
            best = (int)j;
    return best;
}

/* math.md K8: ln of the p-value that a finding must keep given others: the limit that K5 set for its sort. The rest of
 * the fleet holds the stronger flaws, so that sound values look better than it; a lenient limit lets these by. */
static double limit_of(const struct ranking *r, const struct rs_finding *f)
{
    const struct rs_tests *t = r->t;
    double log_limit = log(t->opt->fdr * (double)t->n_significant / (double)(t->n_single + t->n_pair));
    return RS_MIN(log(t->opt->fdr), log_limit + rs_log_weight(t, f->n_conditions));
}

/* Forwards: a finding stands on its own where something is left of it given the stronger ones that do. */
static bool go_forward(struct ranking *r, uint64_t *out_standing)
{
    uint64_t standing = 0;
    struct rs_finding *f = r->d->findings;
    for (size_t i = 0; i < r->d->n; i++) {
        double log_p = 0;
        for (size_t j = 0; j < i && f[i].same_as < 0; j++)
            if (f[j].same_as < 0 && is_same(r, i, j))
                f[i].same_as = (int)j;
        if (f[i].same_as >= 0)
            continue;
        if (standing && !compare_given(r, i, standing, &f[i].given, &log_p))
            return false;
        if (standing && log_p > limit_of(r, &f[i]))
            f[i].explained_by = nearest(r, i, standing);
        else
            standing |= (uint64_t)1 << i;
    }
    *out_standing = standing;
    return true;
}

/* Backwards: what a weaker one that was found later explains falls too; the others are compared given all that stand.
 */
static bool go_backward(struct ranking *r, uint64_t standing)
{
    struct rs_finding *f = r->d->findings;
    for (size_t i = r->d->n; i-- > 0;) {
        uint64_t others = standing & ~((uint64_t)1 << i);
        double log_p;
        if (!(standing >> i & 1) || !others)
            continue;
        if (!compare_given(r, i, others, &f[i].given, &log_p))
            return false;
        if (log_p <= limit_of(r, &f[i]))
            continue;
        f[i].explained_by = nearest(r, i, others);
        standing = others;
    }
    return true;
}

static bool is_named(const struct rs_finding *f, uint32_t attr)
{
    return f->condition[0].attr == attr || (f->n_conditions == 2 && f->condition[1].attr == attr);
}

/* How much of the effect the adjustment leaves, as a logarithm in the finding's direction. */
static double left_of(const struct rs_finding *f, const struct rs_ratio *r)
{
    return f->is_fewer ? -log(r->ratio) : log(r->ratio);
}

static bool adjust(const struct ranking *r, size_t i)
{
    struct rs_finding *f = &r->d->findings[i];
    for (uint32_t a = 0; a < r->t->units->n_attrs; a++) {
        struct rs_ratio ratio;
        if (is_named(f, a) || r->t->skipped[a] != RS_SKIP_NOT)
            continue;
        if (!compare_within(r, i, a, &ratio))
            return false;
        if (isnan(ratio.ratio) || (f->adjusted_for >= 0 && left_of(f, &ratio) >= left_of(f, &f->adjusted)))
            continue;
        f->adjusted = ratio;
        f->adjusted_for = a;
    }
    return true;
}

static bool measure(const struct ranking *r)
{
    double log_p;
    for (size_t i = 0; i < r->d->n; i++) {
        struct rs_finding *f = &r->d->findings[i];
        if (!compare_given(r, i, 0, &f->ratio, &log_p))
            return false;
        if (f->same_as < 0 && f->explained_by < 0 && !adjust(r, i))
            return false;
    }
    return true;
}

/* ---- order of the list ---- */

static int rank_of(const struct rs_finding *f)
{
    return f->explained_by >= 0 ? 1 : 0;
}

/* Those that stand first, then the explained ones, each followed by those that say the same; indices follow. */
static void reorder(struct ranking *r)
{
    struct rs_finding sorted[RS_FINDINGS_MAX], *f = r->d->findings;
    int place[RS_FINDINGS_MAX];
    size_t n = 0;
    for (int rank = 0; rank < 2; rank++)
        for (size_t i = 0; i < r->d->n; i++) {
            if (f[i].same_as >= 0 || rank_of(&f[i]) != rank)
                continue;
            place[i] = (int)n;
            sorted[n++] = f[i];
            for (size_t j = 0; j < r->d->n; j++)
                if (f[j].same_as == (int)i) {
                    place[j] = (int)n;
                    sorted[n++] = f[j];
                }
        }
    memcpy(f, sorted, n * sizeof *f);
    for (size_t i = 0; i < n; i++) {
        f[i].same_as = f[i].same_as < 0 ? -1 : place[f[i].same_as];
        f[i].explained_by = f[i].explained_by < 0 ? -1 : place[f[i].explained_by];
    }
}

static void take_tests(const struct rs_tests *t, rs_discovery *d)
{
    const struct rs_ratio unknown = { NAN, NAN, NAN };
    d->n = RS_MIN(t->n, (size_t)RS_FINDINGS_MAX);
    d->n_left_out = t->n - d->n;
    for (size_t i = 0; i < d->n; i++) {
        const struct rs_cohort_test *test = &t->list[i];
        d->findings[i] = (struct rs_finding){ .condition = { test->condition[0], test->condition[1] },
                                              .n_conditions = test->n_conditions,
                                              .is_fewer = test->is_fewer,
                                              .log_p = test->log_p,
                                              .q = test->q,
                                              .ratio = unknown,
                                              .given = unknown,
                                              .adjusted = unknown,
                                              .explained_by = -1,
                                              .same_as = -1,
                                              .adjusted_for = -1 };
    }
}

enum rs_status rs_findings_tell_apart(const struct rs_tests *t, rs_discovery *d, struct rs_error *err)
{
    rs_autofree uint64_t(*common)[RS_FINDINGS_MAX] = rs_alloc(RS_FINDINGS_MAX, sizeof *common);
    struct ranking r = { t, d, common };
    uint64_t standing = 0;
    d->findings = rs_alloc(RS_FINDINGS_MAX, sizeof *d->findings);
    if (!common || !d->findings)
        return rs_error_set(err, RS_ENOMEM, "no memory for the findings");
    take_tests(t, d);
    count_members(&r);
    if (!go_forward(&r, &standing) || !go_backward(&r, standing) || !measure(&r))
        return rs_error_set(err, RS_ENOMEM, "no memory for the findings");
    reorder(&r);
    return RS_OK;
}
