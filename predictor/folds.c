/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Entities to folds, rows to the sides of a date. */
#include "predictor/folds.h"

#define CUT_CANDIDATES 64
#define CUT_VALID_SHARE 0.3     /* of the failing entities should be left for validation */
#define CUT_ROWS_PER_ENTITY 2.0 /* with fewer the set is a snapshot, not a history */

void rs_folds_clear(struct rs_folds *f)
{
    free(f->of_unit);
    *f = (struct rs_folds){ 0 };
}

struct ranked_unit {
    uint64_t hash;
    uint32_t rank, unit; /* process, and its unit */
};

static int compare_units(const void *a, const void *b)
{
    const struct ranked_unit *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return (x->unit > y->unit) - (x->unit < y->unit);
}

/* Failing entities are dealt out in the order of their hashes, so that every fold gets its share; the others go by
 * hash. */
static enum rs_status deal(const struct rs_matrix *m, rs_comm *comm, struct rs_folds *f, struct rs_error *err)
{
    rs_autofree struct ranked_unit *mine = rs_alloc(m->n_failing, sizeof *mine);
    f->of_unit = rs_alloc(m->n_units, sizeof *f->of_unit);
    if (!mine || !f->of_unit)
        return rs_error_set(err, RS_ENOMEM, "folds of %u entities: out of memory", m->n_units);
    size_t n = 0;
    uint32_t rank = rs_comm_rank(comm);
    for (uint32_t u = 0; u < m->n_units; u++) {
        f->of_unit[u] = (uint8_t)(m->unit_hash[u] % f->n);
        if (m->unit_fails[u])
            mine[n++] = (struct ranked_unit){ m->unit_hash[u], rank, u };
    }
    void *all = NULL;
    enum rs_status st = rs_comm_gather(comm, mine, n, sizeof *mine, &all, &n, err);
    if (st < 0)
        return st;
    rs_autofree struct ranked_unit *failing = all;
    qsort(failing, n, sizeof *failing, compare_units);
    for (size_t i = 0; i < n; i++)
        if (failing[i].rank == rank)
            f->of_unit[failing[i].unit] = (uint8_t)(i % f->n);
    return RS_OK;
}

/* Failing entities with a positive row that ends by the date, and with one from the date on. */
static void count_sides(const struct rs_matrix *m, int64_t horizon_s, int64_t cut, uint64_t *before, uint64_t *after)
{
    uint32_t last_before = UINT32_MAX, last_after = UINT32_MAX;
    *before = *after = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (!m->y[i])
            continue;
        if (m->time[i] + horizon_s <= cut && m->unit[i] != last_before) {
            last_before = m->unit[i];
            ++*before;
        }
        if (m->time[i] >= cut && m->unit[i] != last_after) {
            last_after = m->unit[i];
            ++*after;
        }
    }
}

/* The latest date that leaves enough failing entities behind it. */
static enum rs_status choose_cut(const struct rs_matrix *m, const struct rs_matrix_total *all, int64_t horizon_s,
                                 rs_comm *comm, struct rs_folds *f, struct rs_error *err)
{
    const struct rs_tally *t = &m->tally; /* as the file has them: rows may have been thinned */
    if ((double)t->n_rows < CUT_ROWS_PER_ENTITY * (double)t->n_entities) {
        f->why_no_cut = "a snapshot: about one row an entity";
        return RS_OK;
    }
    uint64_t want = RS_MAX((uint64_t)RS_CUT_FAILING_MIN, (uint64_t)(CUT_VALID_SHARE * (double)all->n_failing));
    for (int64_t k = CUT_CANDIDATES - 1; k > 0; k--) {
        int64_t span = m->tally.last - m->tally.first;
        int64_t cut = m->tally.first + span / CUT_CANDIDATES * k + span % CUT_CANDIDATES * k / CUT_CANDIDATES;
        uint64_t sides[2]; /* before, after */
        count_sides(m, horizon_s, cut, &sides[0], &sides[1]);
        enum rs_status st = rs_comm_sum_counts(comm, sides, 2, err);
        if (st < 0)
            return st;
        if (sides[1] < want)
            continue;
        if (sides[0] >= RS_CUT_FAILING_MIN) {
            f->has_cut = true;
            f->cut = cut;
            f->n_train_failing = sides[0];
            f->n_valid_failing = sides[1];
        }
        break;
    }
    if (!f->has_cut)
        f->why_no_cut = "no date has 10 failing entities on both sides";
    return RS_OK;
}

static enum rs_status check(const struct rs_matrix_total *all, struct rs_error *err)
{
    if (all->n_failing < RS_FOLDS_MIN)
        return rs_error_set(
            err, RS_ENODATA,
            "%llu entities fail within the horizon, at least %d needed: give a longer history, a longer "
            "horizon, or more entities",
            (unsigned long long)all->n_failing, RS_FOLDS_MIN);
    if (all->n_positive == all->n)
        return rs_error_set(err, RS_ENODATA,
                            "every sample is followed by a failure within the horizon: there is nothing to tell apart");
    return RS_OK;
}

enum rs_status rs_folds_make(const struct rs_matrix *m, int64_t horizon_s, rs_comm *comm, struct rs_folds *out,
                             struct rs_error *err)
{
    struct rs_matrix_total all;
    enum rs_status st = rs_matrix_total(m, comm, &all, err);
    if (st == RS_OK)
        st = check(&all, err);
    if (st < 0)
        return st;
    rs_auto_folds f = { .n = (unsigned)RS_MIN(all.n_failing, (uint64_t)RS_FOLDS) };
    st = deal(m, comm, &f, err);
    if (st == RS_OK)
        st = choose_cut(m, &all, horizon_s, comm, &f, err);
    if (st < 0)
        return st;
    *out = f;
    f = (struct rs_folds){ 0 };
    return RS_OK;
}

bool rs_fold_trains(const struct rs_folds *f, unsigned fold, int64_t time, unsigned k, int64_t horizon_s)
{
    return fold != k && (!f->has_cut || time + horizon_s <= f->cut);
}

bool rs_fold_validates(const struct rs_folds *f, unsigned fold, int64_t time, unsigned k)
{
    return fold == k && (!f->has_cut || time >= f->cut);
}
