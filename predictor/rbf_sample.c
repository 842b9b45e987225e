/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which rows a radial machine is trained on. See rbf.h. */
#include "predictor/rbf_private.h"

#include <math.h>

struct ranked_row {
    double key;
    uint32_t at;
};

/* The rows of lowest keys so far, as a heap with the highest on top. */
struct chosen {
    struct ranked_row *heap;
    size_t n, cap;
};

static bool is_above(const struct ranked_row *a, const struct ranked_row *b)
{
    return a->key != b->key ? a->key > b->key : a->at > b->at;
}

static void sink(struct chosen *c, size_t i)
{
    for (;;) {
        size_t top = i, left = 2 * i + 1;
        for (size_t k = left; k < c->n && k < left + 2; k++)
            if (is_above(&c->heap[k], &c->heap[top]))
                top = k;
        if (top == i)
            return;
        struct ranked_row swap = c->heap[i];
        c->heap[i] = c->heap[top];
        c->heap[top] = swap;
        i = top;
    }
}

static void offer(struct chosen *c, struct ranked_row row)
{
    if (c->n < c->cap) {
        c->heap[c->n++] = row;
        if (c->n == c->cap)
            for (size_t i = c->n / 2; i-- > 0;)
                sink(c, i);
        return;
    }
    if (c->cap == 0 || !is_above(&c->heap[0], &row))
        return;
    c->heap[0] = row;
    sink(c, 0);
}

/* A number in (0, 1) from seed and row: the finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static double uniform(uint64_t seed, uint64_t row)
{
    uint64_t z = seed + (row + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return ((double)(z >> 11) + 0.5) * 0x1p-53;
}

static double weight_of(const struct rs_problem *p, size_t place)
{
    return p->row_weight ? (double)p->row_weight[rbf_row(p, place)] : 1;
}

static int by_place(const void *pa, const void *pb)
{
    const struct ranked_row *a = pa, *b = pb;
    return (a->at > b->at) - (a->at < b->at);
}

struct census {
    size_t n[2];
    double weight[2];
};

static bool takes_part(const struct rs_problem *p, const uint32_t *trains, size_t i)
{
    return (!trains || trains[i]) && weight_of(p, i) > 0;
}

static struct census count(const struct rs_problem *p, const uint32_t *trains)
{
    struct census c = { 0 };
    for (size_t i = 0; i < p->n; i++) {
        if (!takes_part(p, trains, i))
            continue;
        unsigned y = p->y[rbf_row(p, i)] != 0;
        c.n[y]++;
        c.weight[y] += weight_of(p, i);
    }
    return c;
}

/* math.md X1: rows of the lowest -ln(u) / weight, u from a hash of seed and row */
static void choose(const struct rs_problem *p, const uint32_t *trains, const struct rs_rbf_options *opt,
                   struct chosen *by_class)
{
    for (size_t i = 0; i < p->n; i++) {
        if (!takes_part(p, trains, i))
            continue;
        uint32_t row = rbf_row(p, i);
        double u = uniform(opt->seed, opt->number ? opt->number[row] : row);
        double key = p->row_weight ? -log(u) / weight_of(p, i) : 1 - u;
        offer(&by_class[p->y[row] != 0], (struct ranked_row){ key, (uint32_t)i });
    }
    for (int y = 0; y < 2; y++)
        qsort(by_class[y].heap, by_class[y].n, sizeof *by_class[y].heap, by_place);
}

enum rs_status rbf_sample_draw(const struct rs_problem *p, const uint32_t *trains, const struct rs_rbf_options *opt,
                               struct rbf_sample *out, struct rs_error *err)
{
    size_t max = opt->max_rows ? opt->max_rows : RS_RBF_ROWS;
    struct census c = count(p, trains);
    if (!c.n[0] || !c.n[1])
        return rs_error_set(err, RS_ENODATA, "RBF machine: %zu positive and %zu negative rows to train on", c.n[1],
                            c.n[0]);
    size_t n_positive = RS_MIN(c.n[1], max / 2), n_negative = RS_MIN(c.n[0], max - n_positive);
    rs_autofree struct ranked_row *rows = rs_alloc(n_positive + n_negative, sizeof *rows);
    rs_autofree uint32_t *at = rs_alloc(n_positive + n_negative, sizeof *at);
    if (!rows || !at)
        return rs_error_set(err, RS_ENOMEM, "RBF machine: a sample of %zu rows: out of memory",
                            n_positive + n_negative);
    struct chosen by_class[2] = { { rows + n_positive, 0, n_negative }, { rows, 0, n_positive } };
    choose(p, trains, opt, by_class);
    for (size_t i = 0; i < n_positive + n_negative; i++)
        at[i] = rows[i].at;
    *out =
        (struct rbf_sample){ .at = rs_take(at),
                             .n = n_positive + n_negative,
                             .n_positive = n_positive,
                             .stands_positive = (opt->number ? opt->whole_weight[1] : c.weight[1]) / (double)n_positive,
                             .stands_negative =
                                 (opt->number ? opt->whole_weight[0] : c.weight[0]) / (double)n_negative };
    return RS_OK;
}

enum rs_status rs_rbf_nominate(const struct rs_problem *p, const struct rs_rbf_options *opt, uint32_t **out,
                               size_t *out_n, struct rs_error *err)
{
    size_t max = RS_MIN(opt->max_rows ? opt->max_rows : RS_RBF_ROWS, p->n);
    rs_autofree struct ranked_row *rows = rs_alloc(2 * max, sizeof *rows);
    rs_autofree uint32_t *places = rs_alloc(2 * max, sizeof *places);
    if (!rows || !places)
        return rs_error_set(err, RS_ENOMEM, "RBF machine: a sample of %zu rows: out of memory", 2 * max);
    struct chosen by_class[2] = { { rows, 0, max }, { rows + max, 0, max } };
    choose(p, NULL, opt, by_class);
    size_t n = 0;
    for (size_t a = 0, b = 0; a < by_class[0].n || b < by_class[1].n; n++) {
        bool takes_negative = b == by_class[1].n || (a < by_class[0].n && rows[a].at < rows[max + b].at);
        places[n] = takes_negative ? rows[a++].at : rows[max + b++].at;
    }
    *out = rs_take(places);
    *out_n = n;
    return RS_OK;
}

void rbf_sample_clear(struct rbf_sample *s)
{
    free(s->at);
    *s = (struct rbf_sample){ 0 };
}
