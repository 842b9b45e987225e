/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting and testing: every value of every attribute against the rest of the fleet. */
#include "predictor/discover_private.h"

#include <math.h>

#include "common/cli.h"

#define CELLS_MAX ((uint64_t)1 << 23) /* of one attribute's values x strata */
#define UNIQUE_MIN 50                 /* values; fewer are never called nearly unique */

void rs_strata_fill(const struct rs_cell *in, const struct rs_cell *all, size_t n, struct rs_stratum *out)
{
    for (size_t s = 0; s < n; s++)
        out[s] = (struct rs_stratum){ .failed_in = (double)in[s].failed,
                                      .failed_out = (double)(all[s].failed - in[s].failed),
                                      .time_in = in[s].time,
                                      .time_out = all[s].n > in[s].n ? all[s].time - in[s].time : 0 };
}

double rs_side_p(const struct rs_tails *t, double failed, uint64_t min_failures, bool *out_fewer)
{
    struct rs_tails sides = *t;
    if (failed < (double)min_failures)
        sides.log_more = 0;
    *out_fewer = sides.log_fewer < sides.log_more;
    return rs_tails_two_sided(&sides);
}

bool rs_tests_push(struct rs_tests *t, const struct rs_cohort_test *test)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 256;
        struct rs_cohort_test *list = rs_realloc(t->list, cap, sizeof *list);
        if (!list)
            return false;
        t->list = list;
        t->cap = cap;
    }
    t->list[t->n++] = *test;
    return true;
}

/* One group against the rest. False for want of memory. */
static bool test_group(struct rs_tests *t, const struct rs_cell *in, const struct rs_condition *c)
{
    struct rs_stratum strata[RS_STRATA_MAX];
    size_t n_strata = t->units->n_strata;
    uint64_t n = 0, failed = 0, all = 0;
    for (size_t s = 0; s < n_strata; s++) {
        n += in[s].n;
        failed += in[s].failed;
        all += t->total[s].n;
    }
    if (n < t->opt->min_entities || all - n < t->opt->min_entities)
        return true;
    rs_strata_fill(in, t->total, n_strata, strata);
    struct rs_tails tails = rs_ratio_tails(strata, n_strata, 1);
    struct rs_cohort_test test = { .condition = { *c }, .n_conditions = 1 };
    test.log_p = rs_side_p(&tails, (double)failed, t->opt->min_failures, &test.is_fewer);
    test.log_rest = test.log_p;
    t->n_single++;
    return rs_tests_push(t, &test);
}

static bool test_values(struct rs_tests *t, uint32_t a, const struct rs_cell *cells)
{
    size_t n_strata = t->units->n_strata;
    for (uint32_t v = 0; v < t->units->attrs[a].n_values; v++) {
        struct rs_condition c = { a, RS_IS, (int32_t)v };
        if (!test_group(t, cells + v * n_strata, &c))
            return false;
    }
    return true;
}

/* Of a number: all splits between its bins. */
static bool test_splits(struct rs_tests *t, uint32_t a, const struct rs_cell *cells)
{
    struct rs_cell above[RS_STRATA_MAX] = { { 0 } };
    size_t n_strata = t->units->n_strata;
    for (uint32_t v = t->units->attrs[a].n_values; v-- > 1;) {
        for (size_t s = 0; s < n_strata; s++) {
            const struct rs_cell *cell = &cells[v * n_strata + s];
            above[s].n += cell->n;
            above[s].failed += cell->failed;
            above[s].time += cell->time;
        }
        struct rs_condition c = { a, RS_ABOVE, (int32_t)v - 1 };
        if (!test_group(t, above, &c))
            return false;
    }
    return true;
}

static enum rs_skip reason_to_skip(const struct rs_tests *t, uint32_t a)
{
    const struct rs_unit_attr *attr = &t->units->attrs[a];
    if (t->opt->within == (int64_t)a)
        return RS_SKIP_WITHIN;
    if (attr->n_present == 0 || (attr->n_values < 2 && attr->n_present == t->units->n))
        return RS_SKIP_CONSTANT;
    bool is_unique = attr->n_values > UNIQUE_MIN && (uint64_t)attr->n_values * 2 > attr->n_present;
    if (is_unique || (uint64_t)attr->n_values * t->units->n_strata > CELLS_MAX)
        return RS_SKIP_UNIQUE;
    return RS_SKIP_NOT;
}

static enum rs_status test_attr(struct rs_tests *t, uint32_t a, struct rs_error *err)
{
    const struct rs_unit_attr *attr = &t->units->attrs[a];
    size_t n_strata = t->units->n_strata;
    rs_autofree struct rs_cell *cells = rs_alloc(attr->n_values * n_strata, sizeof *cells);
    if (!cells)
        return rs_error_set(err, RS_ENOMEM, "no memory for the values of %s", attr->name);
    for (uint64_t i = 0; i < t->units->n; i++) {
        const struct rs_unit *u = rs_units_at(t->units, i);
        if (u->code[a] >= 0)
            rs_cell_add(&cells[(size_t)u->code[a] * n_strata + u->stratum], u);
    }
    uint64_t before = t->n_single;
    if (!(attr->is_number ? test_splits : test_values)(t, a, cells))
        return rs_error_set(err, RS_ENOMEM, "no memory for the tests of %s", attr->name);
    if (t->n_single == before)
        t->skipped[a] = RS_SKIP_SMALL;
    return RS_OK;
}

enum rs_status rs_tests_single(struct rs_tests *t, struct rs_error *err)
{
    for (uint64_t i = 0; i < t->units->n; i++) {
        const struct rs_unit *u = rs_units_at(t->units, i);
        rs_cell_add(&t->total[u->stratum], u);
    }
    enum rs_status st = RS_OK;
    for (uint32_t a = 0; a < t->units->n_attrs && st == RS_OK; a++) {
        t->skipped[a] = reason_to_skip(t, a);
        if (t->skipped[a] == RS_SKIP_NOT)
            st = test_attr(t, a, err);
        if (st == RS_OK && rs_cli_interrupted())
            st = rs_error_set(err, RS_ECANCELLED, "interrupted");
    }
    return st;
}
