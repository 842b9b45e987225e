/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From boosted trees to weighted steps. */
#include "predictor/terms.h"

#include "models/derive.h"
#include "predictor/boost.h"

#define DEPTH_MAX 3                   /* of a tree, and cuts of a rule */
#define TREE_PRODUCTS (8 * DEPTH_MAX) /* at most that many a tree adds */
#define POSITIVES_MAX (RS_TERMS_ROWS / 2)

static const struct rs_boost_options boosting = {
    .n_trees = 100,
    .n_leaves = 8,
    .depth_max = DEPTH_MAX,
    .rate = 0.1,
    .l2 = 1,
    .share = 0.5,
    .leaf_rows = 20,
    .leaf_units = 5,
};

/* Holds where all of its cuts do; they stand in the order of compare_cuts(), in different columns. */
struct rule {
    struct rs_cut cut[DEPTH_MAX];
    unsigned n;
    double weight;
};

struct found {
    struct rule bins[RS_TERMS_BINS_MAX], products[RS_TERMS_PRODUCTS_MAX];
    size_t n_bins, n_products;
    double bias;
};

/* The rows looked at. */
struct look {
    uint32_t *rows, *unit;
    uint8_t *y;
    float *weight;
    size_t n;
};

static void look_clear(struct look *l)
{
    free(l->rows);
    free(l->unit);
    free(l->y);
    free(l->weight);
}

static int compare_cuts(const void *a, const void *b)
{
    const struct rs_cut *x = a, *y = b;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return (x->bin > y->bin) - (x->bin < y->bin);
}

static struct rule *rule_of(struct rule *rules, size_t *n, const struct rs_cut *cut, unsigned n_cuts)
{
    for (size_t i = 0; i < *n; i++)
        if (rules[i].n == n_cuts && memcmp(rules[i].cut, cut, n_cuts * sizeof *cut) == 0)
            return &rules[i];
    struct rule *made = &rules[(*n)++];
    *made = (struct rule){ .n = n_cuts };
    memcpy(made->cut, cut, n_cuts * sizeof *cut);
    return made;
}

/* The rule and those that its step refers to. */
static void add_rule(struct found *f, const struct rs_cut *cut, unsigned n, double weight)
{
    for (unsigned k = 0; n > 1 && k < n; k++)
        rule_of(f->bins, &f->n_bins, cut + k, 1);
    for (unsigned k = 2; k < n; k++)
        rule_of(f->products, &f->n_products, cut, k);
    if (n == 0)
        f->bias += weight;
    else if (n == 1)
        rule_of(f->bins, &f->n_bins, cut, 1)->weight += weight;
    else
        rule_of(f->products, &f->n_products, cut, n)->weight += weight;
}

/* The cuts of a path that the mask picks; of two in one column the higher implies the other. */
static unsigned conjunction(const struct rs_boost_leaf *leaf, unsigned mask, struct rs_cut out[DEPTH_MAX])
{
    unsigned n = 0;
    for (unsigned k = 0; k < leaf->depth; k++) {
        unsigned same = 0;
        if (!(mask >> k & 1))
            continue;
        while (same < n && out[same].column != leaf->path[k].column)
            same++;
        if (same == n)
            out[n++] = leaf->path[k];
        else
            out[same].bin = RS_MAX(out[same].bin, leaf->path[k].bin);
    }
    qsort(out, n, sizeof *out, compare_cuts);
    return n;
}

/* math.md F32: v prod_above g_k prod_others (1 - g_k), multiplied out */
static bool take_tree(void *arg, const struct rs_boost_leaf *leaves, unsigned n)
{
    struct found *f = arg;
    if (f->n_bins + n - 1 > RS_TERMS_BINS_MAX || f->n_products + TREE_PRODUCTS > RS_TERMS_PRODUCTS_MAX)
        return false;
    for (unsigned i = 0; i < n; i++) {
        const struct rs_boost_leaf *leaf = &leaves[i];
        unsigned above = leaf->above, all = (1u << leaf->depth) - 1;
        for (unsigned mask = 0; mask <= all; mask++) {
            struct rs_cut cut[DEPTH_MAX];
            if ((mask & above) != above)
                continue;
            unsigned n_cuts = conjunction(leaf, mask, cut);
            bool is_odd = __builtin_popcount(mask & ~above) & 1;
            add_rule(f, cut, n_cuts, is_odd ? -leaf->value : leaf->value);
        }
    }
    return true;
}

/* A hash of the index, for a sample without rhythm. */
static uint32_t scatter(size_t i)
{
    uint64_t h = (i + 1) * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32);
}

bool rs_terms_looks_at(const struct rs_terms_whole *whole, size_t i, bool y)
{
    uint64_t max = RS_MIN(whole->n_class[1], (uint64_t)POSITIVES_MAX);
    if (!y)
        max = RS_TERMS_ROWS - max;
    return whole->n_class[y] <= max || scatter(i) < (uint32_t)((double)max / (double)whole->n_class[y] * 0x1p32);
}

static struct rs_terms_whole count_all(const struct rs_terms_input *in)
{
    struct rs_terms_whole all = { 0 };
    for (size_t i = 0; i < in->n; i++)
        all.n_class[in->y[i] != 0]++;
    return all;
}

static enum rs_status look_at(const struct rs_terms_input *in, struct look *l, struct rs_error *err)
{
    struct rs_terms_whole all = in->whole ? *in->whole : count_all(in);
    size_t kept[2] = { 0, 0 };
    l->rows = rs_alloc(in->n, sizeof *l->rows);
    l->unit = rs_alloc(in->n, sizeof *l->unit);
    l->y = rs_alloc(in->n, sizeof *l->y);
    l->weight = rs_alloc(in->n, sizeof *l->weight);
    if (!l->rows || !l->unit || !l->y || !l->weight)
        return rs_error_set(err, RS_ENOMEM, "%zu rows: out of memory", in->n);
    for (size_t i = 0; i < in->n; i++) {
        bool c = in->y[i] != 0;
        if (!in->whole && !rs_terms_looks_at(&all, i, c))
            continue;
        l->rows[l->n] = in->rows[i];
        l->unit[l->n] = in->unit ? in->unit[i] : (uint32_t)i;
        l->y[l->n] = c;
        l->weight[l->n++] = in->weight ? in->weight[i] : 1;
        kept[c]++;
    }
    for (size_t k = 0; k < l->n; k++)
        l->weight[k] *= (float)all.n_class[l->y[k]] / (float)RS_MAX(kept[l->y[k]], (size_t)1);
    return RS_OK;
}

static bool is_flag(const struct rs_program *p, uint32_t step)
{
    enum rs_step_op op = p->steps[step].op;
    return op == RS_STEP_POSITIVE || op == RS_STEP_MISSING || op == RS_STEP_ONEHOT || op == RS_STEP_COHORT;
}

/* What the steps are written from. */
struct writer {
    const struct rs_program *program;
    const struct rs_bins *b;
    struct rs_terms *t;
};

/* A flag is its own bin: its step is the base step. */
static uint32_t bin_step(const struct writer *w, struct rs_cut cut)
{
    const struct rs_terms *t = w->t;
    if (is_flag(w->program, cut.column))
        return cut.column;
    float knot = w->b->knot[cut.column * RS_BOOST_BINS + cut.bin];
    size_t i = 0;
    while (t->steps[i].arg != cut.column || t->steps[i].knot != knot)
        i++;
    return (uint32_t)(t->n_base + i);
}

static void write_bins(const struct writer *w, const struct found *f)
{
    struct rs_terms *t = w->t;
    for (size_t i = 0; i < f->n_bins; i++) {
        struct rs_cut c = f->bins[i].cut[0];
        if (is_flag(w->program, c.column)) {
            t->weight[c.column] += f->bins[i].weight;
            continue;
        }
        t->weight[t->n_base + t->n_bins] = f->bins[i].weight;
        t->steps[t->n_bins++] = (struct rs_step){ .op = RS_STEP_GREATER,
                                                  .arg = c.column,
                                                  .knot = w->b->knot[c.column * RS_BOOST_BINS + c.bin] };
    }
}

/* Rules of n cuts; those of n - 1 are written. A product of three is one of its first two and a bin. */
static void write_products(const struct writer *w, struct found *f, unsigned n, uint32_t *step_of)
{
    struct rs_terms *t = w->t;
    for (size_t i = 0; i < f->n_products; i++) {
        const struct rule *r = &f->products[i];
        if (r->n != n)
            continue;
        const struct rule *head = n > 2 ? rule_of(f->products, &f->n_products, r->cut, n - 1) : NULL;
        struct rs_step step = { .op = RS_STEP_PRODUCT,
                                .arg = head ? step_of[head - f->products] : bin_step(w, r->cut[0]),
                                .value = bin_step(w, r->cut[n - 1]) };
        size_t at = t->n_bins + t->n_products++;
        t->steps[at] = step;
        t->weight[t->n_base + at] = r->weight;
        step_of[i] = (uint32_t)(t->n_base + at);
    }
}

static int compare_rules(const void *a, const void *b)
{
    const struct rule *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    for (unsigned k = 0; k < x->n; k++) {
        int order = compare_cuts(&x->cut[k], &y->cut[k]);
        if (order)
            return order;
    }
    return 0;
}

static enum rs_status write_steps(const struct rs_terms_input *in, const struct rs_bins *b, struct found *f,
                                  struct rs_terms *t, struct rs_error *err)
{
    size_t n = f->n_bins + f->n_products;
    rs_autofree uint32_t *step_of = rs_alloc(f->n_products, sizeof *step_of);
    t->steps = rs_alloc(n, sizeof *t->steps);
    t->weight = rs_alloc(t->n_base + n, sizeof *t->weight);
    if (!step_of || !t->steps || !t->weight)
        return rs_error_set(err, RS_ENOMEM, "%zu terms: out of memory", n);
    struct writer w = { in->program, b, t };
    t->bias = f->bias;
    qsort(f->bins, f->n_bins, sizeof *f->bins, compare_rules);
    qsort(f->products, f->n_products, sizeof *f->products, compare_rules);
    write_bins(&w, f);
    for (unsigned k = 2; k <= DEPTH_MAX; k++)
        write_products(&w, f, k, step_of);
    return RS_OK;
}

static enum rs_status take_means(const struct rs_terms_input *in, const struct look *l, struct rs_terms *t,
                                 struct rs_error *err)
{
    size_t n = t->n_bins + t->n_products;
    float row[RS_TERMS_MAX];
    double weight = 0;
    t->mean = rs_alloc(n, sizeof *t->mean);
    if (!t->mean)
        return rs_error_set(err, RS_ENOMEM, "%zu terms: out of memory", n);
    for (size_t i = 0; i < l->n; i++) {
        rs_terms_row(t, in->x + l->rows[i] * in->stride, row);
        weight += (double)l->weight[i];
        for (size_t j = 0; j < n; j++)
            t->mean[j] += (double)(l->weight[i] * row[j]);
    }
    for (size_t j = 0; j < n; j++)
        t->mean[j] /= weight;
    return RS_OK;
}

static enum rs_status grow(const struct rs_terms_input *in, const struct look *l, struct found *f, struct rs_terms *out,
                           struct rs_error *err)
{
    rs_auto_bins b = { 0 };
    struct rs_boost_options opt = boosting;
    double base = 0;
    opt.n_threads = in->n_threads;
    enum rs_status st = rs_bins_make(in->x, in->stride, in->program->n_steps, l->rows, l->n, in->n_threads, &b, err);
    if (st == RS_OK)
        st = rs_boost_grow(&b, l->y, l->weight, l->unit, &opt, take_tree, f, &base, err);
    f->bias += base;
    if (st == RS_OK)
        st = write_steps(in, &b, f, out, err);
    return st < 0 ? st : take_means(in, l, out, err);
}

enum rs_status rs_terms_grow(const struct rs_terms_input *in, struct rs_terms *out, struct rs_error *err)
{
    __attribute__((cleanup(look_clear))) struct look l = { 0 };
    rs_autofree struct found *f = rs_alloc(1, sizeof *f);
    *out = (struct rs_terms){ .n_base = in->program->n_steps };
    if (!f)
        return rs_error_set(err, RS_ENOMEM, "terms: out of memory");
    enum rs_status st = look_at(in, &l, err);
    bool has[2] = { false, false };
    for (size_t i = 0; i < l.n; i++)
        has[l.y[i]] |= l.weight[i] > 0;
    if (st < 0 || !has[0] || !has[1])
        return st;
    st = grow(in, &l, f, out, err);
    if (st < 0)
        rs_terms_clear(out);
    return st;
}

void rs_terms_clear(struct rs_terms *t)
{
    free(t->steps);
    free(t->weight);
    free(t->mean);
    *t = (struct rs_terms){ 0 };
}

void rs_terms_row(const struct rs_terms *t, const float *base, float *out)
{
    for (size_t i = 0; i < t->n_bins; i++)
        out[i] = rs_derived(RS_STEP_GREATER, t->steps[i].knot, base[t->steps[i].arg], 0);
    for (size_t i = t->n_bins; i < t->n_bins + t->n_products; i++) {
        uint32_t a = t->steps[i].arg, b = t->steps[i].value;
        out[i] = rs_derived(RS_STEP_PRODUCT, 0, a < t->n_base ? base[a] : out[a - t->n_base],
                            b < t->n_base ? base[b] : out[b - t->n_base]);
    }
}

double rs_terms_z(const struct rs_terms *t, const float *base, float *scratch)
{
    double z = t->bias;
    if (!t->weight)
        return z;
    rs_terms_row(t, base, scratch);
    for (size_t j = 0; j < t->n_base; j++)
        z += t->weight[j] * (double)base[j];
    for (size_t j = 0; j < t->n_bins + t->n_products; j++)
        z += t->weight[t->n_base + j] * (double)scratch[j];
    return z;
}

enum rs_status rs_terms_append(const struct rs_terms *t, size_t n, struct rs_program *p, struct rs_error *err)
{
    struct rs_step *steps = rs_realloc(p->steps, p->n_steps + n, sizeof *steps);
    if (!steps)
        return rs_error_set(err, RS_ENOMEM, "terms: out of memory");
    if (n) /* where one class was missing there is no array */
        memcpy(steps + p->n_steps, t->steps, n * sizeof *steps);
    p->steps = steps;
    p->n_steps += (uint32_t)n;
    return rs_program_finish(p, err);
}
