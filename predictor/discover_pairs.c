/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pairs of values: does their meeting fail more often than the two explain? A pair counts only where it differs from
 * the rest of either value, and from the product of the two effects (math.md K6). */
#include "predictor/discover_private.h"

#include <math.h>

#include "common/cli.h"

#define ATTRS_MAX 24      /* that take part: those with the smallest p of a value */
#define VALUES_MAX 256    /* of an attribute, likewise */
#define LOG_SCREEN (-1.6) /* ln 0.2: a larger p is never a finding */

/* The values of an attribute that take part. Of a number: at most and above its best edge. */
struct side {
    uint32_t attr;
    double log_best;
    uint32_t n;
    struct rs_condition condition[VALUES_MAX];
    struct rs_cell *cells; /* n x strata: all entities of the value */
    int32_t *local;        /* by code, -1: takes no part */
};

struct sides {
    struct side *list;
    size_t n;
};

static void sides_clear(struct sides *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->list[i].cells);
        free(s->list[i].local);
    }
    free(s->list);
}

/* ---- who takes part ---- */

static int by_attr_then_p(const void *a, const void *b)
{
    const struct rs_cohort_test *x = a, *y = b;
    if (x->condition[0].attr != y->condition[0].attr)
        return x->condition[0].attr < y->condition[0].attr ? -1 : 1;
    if (x->log_p != y->log_p)
        return x->log_p < y->log_p ? -1 : 1;
    return (x->condition[0].code > y->condition[0].code) - (x->condition[0].code < y->condition[0].code);
}

static int by_best(const void *a, const void *b)
{
    const struct side *x = a, *y = b;
    if (x->log_best != y->log_best)
        return x->log_best < y->log_best ? -1 : 1;
    return (x->attr > y->attr) - (x->attr < y->attr);
}

static void take_value(struct side *s, const struct rs_cohort_test *test)
{
    struct rs_condition c = test->condition[0];
    if (c.relation == RS_IS && s->n < VALUES_MAX)
        s->condition[s->n++] = c;
    if (c.relation != RS_IS && s->n == 0) {
        s->condition[s->n++] = c;
        c.relation = RS_AT_MOST;
        s->condition[s->n++] = c;
    }
}

/* Sides from the tests of single values; they are sorted by attribute and p first. */
static bool choose_sides(const struct rs_tests *t, struct sides *out)
{
    rs_autofree struct rs_cohort_test *sorted = rs_alloc(t->n, sizeof *sorted);
    out->list = rs_alloc(t->units->n_attrs, sizeof *out->list);
    if (!sorted || !out->list)
        return false;
    if (t->n > 0)
        memcpy(sorted, t->list, t->n * sizeof *sorted);
    qsort(sorted, t->n, sizeof *sorted, by_attr_then_p);
    for (size_t i = 0; i < t->n; i++) {
        uint32_t attr = sorted[i].condition[0].attr;
        if (out->n == 0 || out->list[out->n - 1].attr != attr)
            out->list[out->n++] = (struct side){ .attr = attr, .log_best = sorted[i].log_p };
        take_value(&out->list[out->n - 1], &sorted[i]);
    }
    qsort(out->list, out->n, sizeof *out->list, by_best);
    out->n = RS_MIN(out->n, (size_t)ATTRS_MAX);
    return true;
}

static bool fill_side(const struct rs_tests *t, struct side *s)
{
    size_t n_strata = t->units->n_strata;
    uint32_t n_codes = t->units->attrs[s->attr].n_values;
    s->local = rs_alloc(n_codes, sizeof *s->local);
    s->cells = rs_alloc(s->n * n_strata, sizeof *s->cells);
    if (!s->local || !s->cells)
        return false;
    for (uint32_t v = 0; v < n_codes; v++)
        s->local[v] = -1;
    for (uint32_t k = 0; k < s->n; k++) {
        const struct rs_condition *c = &s->condition[k];
        for (int32_t v = 0; v < (int32_t)n_codes; v++)
            if (c->relation == RS_IS ? v == c->code : (v > c->code) == (c->relation == RS_ABOVE))
                s->local[v] = (int32_t)k;
    }
    return true;
}

static int32_t local_of(const struct side *s, const struct rs_unit *u)
{
    int32_t code = u->code[s->attr];
    return code >= 0 ? s->local[code] : -1;
}

static bool fill_sides(const struct rs_tests *t, struct sides *sides)
{
    for (size_t i = 0; i < sides->n; i++)
        if (!fill_side(t, &sides->list[i]))
            return false;
    for (uint64_t i = 0; i < t->units->n; i++) {
        const struct rs_unit *u = rs_units_at(t->units, i);
        for (size_t k = 0; k < sides->n; k++) {
            int32_t v = local_of(&sides->list[k], u);
            if (v >= 0)
                rs_cell_add(&sides->list[k].cells[(size_t)v * t->units->n_strata + u->stratum], u);
        }
    }
    return true;
}

/* ---- one pair ---- */

struct meeting {
    const struct rs_cell *both, *first, *second; /* by stratum */
    size_t n_strata;
    uint64_t n_both, n_first, n_second, failed_both, failed_first, failed_second;
};

static struct meeting sum_up(const struct rs_cell *both, const struct rs_cell *first, const struct rs_cell *second,
                             size_t n_strata)
{
    struct meeting m = { both, first, second, n_strata, 0, 0, 0, 0, 0, 0 };
    for (size_t s = 0; s < n_strata; s++) {
        m.n_both += both[s].n;
        m.n_first += first[s].n;
        m.n_second += second[s].n;
        m.failed_both += both[s].failed;
        m.failed_first += first[s].failed;
        m.failed_second += second[s].failed;
    }
    return m;
}

/* Whether the pair is tested at all; decided by what the test is conditional on, never by its outcome. */
static bool is_testable(const struct rs_tests *t, const struct meeting *m)
{
    return m->n_both >= t->opt->min_entities && m->n_first > m->n_both && m->n_second > m->n_both &&
           RS_MIN(m->failed_first, m->failed_second) >= t->opt->min_failures;
}

static struct rs_tails against(const struct meeting *m, const struct rs_cell *parent)
{
    struct rs_stratum strata[RS_STRATA_MAX];
    rs_strata_fill(m->both, parent, m->n_strata, strata);
    return rs_ratio_tails(strata, m->n_strata, 1);
}

static struct rs_tails against_product(const struct meeting *m, const struct rs_cell *total)
{
    struct rs_cross cross[RS_STRATA_MAX];
    for (size_t s = 0; s < m->n_strata; s++) {
        struct rs_cross *c = &cross[s];
        const struct rs_cell *b = &m->both[s], *x = &m->first[s], *y = &m->second[s];
        bool has_x = x->n > b->n, has_y = y->n > b->n, has_none = total[s].n + b->n > x->n + y->n;
        c->failed[0][0] = (double)b->failed;
        c->failed[0][1] = (double)(x->failed - b->failed);
        c->failed[1][0] = (double)(y->failed - b->failed);
        c->failed[1][1] = (double)(total[s].failed + b->failed - x->failed - y->failed);
        c->time[0][0] = b->time;
        c->time[0][1] = has_x ? x->time - b->time : 0;
        c->time[1][0] = has_y ? y->time - b->time : 0;
        c->time[1][1] = has_none ? total[s].time + b->time - x->time - y->time : 0;
    }
    return rs_cross_tails(cross, m->n_strata);
}

static void take_larger(struct rs_tails *t, const struct rs_tails *other)
{
    t->log_more = RS_MAX(t->log_more, other->log_more);
    t->log_fewer = RS_MAX(t->log_fewer, other->log_fewer);
}

/* math.md K6: the largest of the three p-values, on either side */
static double test_pair(const struct rs_tests *t, const struct meeting *m, bool *out_fewer)
{
    struct rs_tails tails = against(m, m->first), other = against(m, m->second);
    take_larger(&tails, &other);
    if (RS_MIN(tails.log_more, tails.log_fewer) > LOG_SCREEN)
        return 0;
    other = against_product(m, t->total);
    take_larger(&tails, &other);
    return rs_side_p(&tails, (double)m->failed_both, t->opt->min_failures, out_fewer);
}

/* ---- all pairs of two attributes ---- */

static bool test_meeting(struct rs_tests *t, const struct meeting *m, const struct rs_condition *a,
                         const struct rs_condition *b)
{
    struct rs_cohort_test test = { .condition = { *a, *b }, .n_conditions = 2 };
    t->n_pair++;
    test.log_p = test_pair(t, m, &test.is_fewer);
    if (test.log_p >= LOG_SCREEN)
        return true;
    struct rs_tails rest = against(m, t->total);
    test.log_rest = M_LN2 + (test.is_fewer ? rest.log_fewer : rest.log_more);
    return rs_tests_push(t, &test);
}

static bool test_table(struct rs_tests *t, const struct side *a, const struct side *b, const struct rs_cell *cells)
{
    size_t n_strata = t->units->n_strata;
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t j = 0; j < b->n; j++) {
            struct meeting m =
                sum_up(cells + (i * b->n + j) * n_strata, a->cells + i * n_strata, b->cells + j * n_strata, n_strata);
            if (is_testable(t, &m) && !test_meeting(t, &m, &a->condition[i], &b->condition[j]))
                return false;
        }
    return true;
}

static bool test_attrs(struct rs_tests *t, const struct side *a, const struct side *b)
{
    size_t n_strata = t->units->n_strata, n_cells = (size_t)a->n * b->n * n_strata;
    rs_autofree struct rs_cell *cells = rs_alloc(n_cells, sizeof *cells);
    if (!cells)
        return false;
    for (uint64_t i = 0; i < t->units->n; i++) {
        const struct rs_unit *u = rs_units_at(t->units, i);
        int32_t x = local_of(a, u), y = local_of(b, u);
        if (x >= 0 && y >= 0)
            rs_cell_add(&cells[((size_t)x * b->n + (size_t)y) * n_strata + u->stratum], u);
    }
    return test_table(t, a, b, cells);
}

static enum rs_status test_all(struct rs_tests *t, struct sides *sides, struct rs_error *err)
{
    if (!choose_sides(t, sides) || !fill_sides(t, sides))
        return rs_error_set(err, RS_ENOMEM, "no memory for pairs of attributes");
    for (size_t i = 0; i < sides->n; i++)
        for (size_t j = i + 1; j < sides->n; j++) {
            if (!test_attrs(t, &sides->list[i], &sides->list[j]))
                return rs_error_set(err, RS_ENOMEM, "no memory for pairs of attributes");
            if (rs_cli_interrupted())
                return rs_error_set(err, RS_ECANCELLED, "interrupted");
        }
    return RS_OK;
}

enum rs_status rs_tests_pair(struct rs_tests *t, struct rs_error *err)
{
    struct sides sides = { .n = 0 };
    enum rs_status st = test_all(t, &sides, err);
    sides_clear(&sides);
    return st;
}
