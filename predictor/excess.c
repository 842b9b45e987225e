/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A permutation test of each attribute, within cohorts. See excess.h. */
#include "predictor/excess.h"

#include <math.h>

#include "datasets/random.h"
#include "predictor/learner.h"
#include "predictor/select.h"

#define FIT_C 0.1
#define FIT_PENALTY 1e9 /* of an indicator: it takes no part */
#define SHUFFLES 199
#define P_MAX 0.05

struct unit {
    uint32_t cohort, number;   /* of the sample */
    size_t row;                /* its first */
    double residual, expected; /* failing rows less those expected; expected */
};

struct test {
    const struct rs_sample *s;
    const struct rs_program *p;
    struct unit *units;          /* by cohort */
    size_t *column;              /* of each unit, in their order: of its value of the attribute at hand; d: none */
    double *residual, *expected; /* d + 1: by column */
};

static void test_clear(struct test *t)
{
    free(t->units);
    free(t->column);
    free(t->residual);
    free(t->expected);
}

static bool is_asked(const struct rs_program *p, size_t j)
{
    return p->steps[j].op == RS_STEP_ONEHOT;
}

/* Log odds of the sample's rows by all columns but the indicators. */
static enum rs_status fit_others(const struct test *t, double *z, struct rs_error *err)
{
    const struct rs_sample *s = t->s;
    RS_AUTO(rs_solver) *solver = NULL;
    rs_auto_fitted fitted = { 0 };
    rs_autofree double *penalty = rs_alloc(s->d, sizeof *penalty);
    if (!penalty)
        return rs_error_set(err, RS_ENOMEM, "%zu features", s->d);
    for (size_t j = 0; j < s->d; j++)
        penalty[j] = is_asked(t->p, j) ? FIT_PENALTY : 1;
    enum rs_status st = rs_fitted_init(&fitted, s->d, err);
    if (st == RS_OK)
        st = rs_solver_new(s->n, s->d, &solver, err);
    if (st < 0)
        return st;
    struct rs_problem problem = { .x = s->x,
                                  .stride = s->stride,
                                  .y = s->y,
                                  .n = s->n,
                                  .d = s->d,
                                  .row_weight = s->weight,
                                  .penalty = penalty,
                                  .weight_positive = 1,
                                  .weight_negative = 1 };
    struct rs_learner_ws ws = { .solver = solver, .rel_gradient = RS_CV_TOLERANCE, .max_iter = RS_CV_MAX_ITER };
    struct rs_candidate c = { .ops = &rs_logistic_ops, .C = FIT_C };
    fitted.d = SIZE_MAX;
    st = c.ops->fit(&ws, &problem, &c, &fitted, err);
    return st < 0 ? st : c.ops->decide(&fitted, s->x, s->stride, NULL, s->n, z, err);
}

static int by_cohort(const void *a, const void *b)
{
    const struct unit *x = a, *y = b;
    if (x->cohort != y->cohort)
        return x->cohort < y->cohort ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* The end of the units from `from` on that share a cohort. */
static size_t cohort_end(const struct test *t, size_t from)
{
    size_t to = from;
    while (to < t->s->n_units && t->units[to].cohort == t->units[from].cohort)
        to++;
    return to;
}

/* What is left to explain of each entity, the sum over each cohort being 0. */
static void find_residuals(struct test *t, const double *z)
{
    const struct rs_sample *s = t->s;
    for (size_t i = s->n; i-- > 0;) {
        struct unit *u = &t->units[s->unit[i]];
        u->cohort = s->cohort[i];
        u->number = s->unit[i];
        u->row = i;
        u->residual += s->y[i] ? (double)s->weight[i] : 0;
        u->expected += (double)s->weight[i] / (1 + exp(-z[i]));
    }
    qsort(t->units, s->n_units, sizeof *t->units, by_cohort);
    for (size_t from = 0, to; from < s->n_units; from = to) {
        double observed = 0, expected = 0;
        to = cohort_end(t, from);
        for (size_t i = from; i < to; i++) {
            observed += t->units[i].residual;
            expected += t->units[i].expected;
        }
        for (size_t i = from; i < to; i++) {
            t->units[i].expected *= expected > 0 ? observed / expected : 0; /* rows of no weight expect nothing */
            t->units[i].residual -= t->units[i].expected;
        }
    }
}

static void find_columns(struct test *t, uint32_t attr)
{
    const struct rs_sample *s = t->s;
    for (size_t i = 0; i < s->n_units; i++) {
        const float *x = s->x + t->units[i].row * s->stride;
        t->column[i] = s->d;
        for (size_t j = 0; j < s->d; j++)
            if (is_asked(t->p, j) && t->p->steps[j].arg == attr && x[j] > 0) /* above its mean: there */
                t->column[i] = j;
    }
}

/* math.md F35: sum over values of (observed - expected)^2 / expected */
static double statistic(struct test *t)
{
    size_t d = t->s->d;
    double sum = 0;
    memset(t->residual, 0, (d + 1) * sizeof *t->residual);
    memset(t->expected, 0, (d + 1) * sizeof *t->expected);
    for (size_t i = 0; i < t->s->n_units; i++) {
        t->residual[t->column[i]] += t->units[i].residual;
        t->expected[t->column[i]] += t->units[i].expected;
    }
    for (size_t j = 0; j < d; j++)
        sum += t->expected[j] > 0 ? t->residual[j] * t->residual[j] / t->expected[j] : 0;
    return sum;
}

/* Deals the values out anew within each cohort (Fisher, Yates 1938). */
static void shuffle(struct test *t, struct rs_random *r)
{
    for (size_t from = 0, to; from < t->s->n_units; from = to) {
        to = cohort_end(t, from);
        for (size_t i = to - 1; i > from; i--) {
            size_t k = from + rs_random_below(r, i - from + 1), column = t->column[i];
            t->column[i] = t->column[k];
            t->column[k] = column;
        }
    }
}

static bool has_excess(struct test *t, uint32_t attr, uint64_t seed)
{
    struct rs_random r;
    unsigned n_above = 1; /* the values as they are count as one deal */
    rs_random_stream(&r, seed, "excess", attr);
    find_columns(t, attr);
    double seen = statistic(t);
    for (unsigned k = 0; k < SHUFFLES; k++) {
        shuffle(t, &r);
        n_above += statistic(t) >= seen;
    }
    return n_above <= P_MAX * (SHUFFLES + 1);
}

static enum rs_status test_all(struct test *t, uint64_t seed, bool *keep, struct rs_error *err)
{
    const struct rs_sample *s = t->s;
    rs_autofree double *z = rs_alloc(s->n, sizeof *z);
    t->units = rs_alloc(s->n_units, sizeof *t->units);
    t->column = rs_alloc(s->n_units, sizeof *t->column);
    t->residual = rs_alloc(s->d + 1, sizeof *t->residual);
    t->expected = rs_alloc(s->d + 1, sizeof *t->expected);
    if (!z || !t->units || !t->column || !t->residual || !t->expected)
        return rs_error_set(err, RS_ENOMEM, "attributes of %u entities", s->n_units);
    enum rs_status st = fit_others(t, z, err);
    if (st < 0)
        return st;
    find_residuals(t, z);
    for (uint32_t attr = 0; attr < t->p->n_attrs; attr++) {
        bool any = false;
        for (size_t j = 0; j < s->d; j++)
            any |= is_asked(t->p, j) && t->p->steps[j].arg == attr;
        bool excess = any && has_excess(t, attr, seed);
        for (size_t j = 0; j < s->d; j++)
            keep[j] &= excess || !is_asked(t->p, j) || t->p->steps[j].arg != attr;
    }
    return RS_OK;
}

enum rs_status rs_excess_keep(const struct rs_sample *s, const struct rs_program *p, uint64_t seed, bool *keep,
                              struct rs_error *err)
{
    struct test t = { .s = s, .p = p };
    bool any = false;
    for (size_t j = 0; j < s->d; j++) {
        keep[j] = true;
        any |= is_asked(p, j);
    }
    enum rs_status st = any ? test_all(&t, seed, keep, err) : RS_OK;
    test_clear(&t);
    return st < 0 ? rs_error_prefix(err, st, "excess of attributes") : st;
}
