/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Boosted trees, grown best split first. */
#include "predictor/boost.h"

#include <math.h>

#include "common/cli.h"
#include "common/parallel.h"

#define CURVATURE_MIN 1e-3 /* of a leaf */

/* Sums of rows in whole numbers, so that they are exact in any order and a leaf's are those of its parent less its
 * sibling's: the gradients, and the curvatures above the number of rows. One addition adds a row. */
typedef int64_t sums __attribute__((vector_size(2 * sizeof(int64_t))));

struct unit {
    double g, h;         /* of a whole number */
    unsigned count_bits; /* of the number of rows */
};

struct split {
    double gain; /* not positive: none */
    struct rs_cut cut;
};

struct leaf {
    size_t begin, end; /* in order */
    struct rs_boost_leaf is;
    sums *bins; /* d x RS_BOOST_BINS */
    struct split best;
};

/* The leaves whose columns are looked at: small, and large, whose bins are still its parent's; of the root, small
 * alone. */
struct look {
    struct leaf *small, *large;
    struct split *of_small, *of_large; /* d of each */
};

struct grower {
    const struct rs_bins *b;
    const uint8_t *y;
    const float *weight;
    const uint32_t *unit_of;
    const struct rs_boost_options *opt;
    double *z, *g, *h;
    sums *row; /* n */
    struct unit unit;
    uint32_t *order, *spare; /* rows that the tree is grown on, leaf by leaf, ascending within each; then the others */
    size_t n_in;             /* of the former */
    sums *bins;              /* of all leaves */
    struct look look;
    struct leaf leaves[RS_BOOST_LEAVES_MAX];
    unsigned n_leaves;
};

struct total {
    double g, h;
    size_t n;
};

static struct total total_of(const struct grower *gr, sums s)
{
    const struct unit *u = &gr->unit;
    return (struct total){ (double)s[0] * u->g, (double)(s[1] >> u->count_bits) * u->h,
                           (size_t)(s[1] & (((int64_t)1 << u->count_bits) - 1)) };
}

/* math.md F31: loss that a leaf takes away */
static double worth(double g, double h, double l2)
{
    return g * g / (h + l2);
}

static bool may_be_leaf(const struct grower *gr, struct total s)
{
    return s.n >= gr->opt->leaf_rows && s.h >= CURVATURE_MIN;
}

/* Two sets of bins in turn, so that neighbours in one bin need not wait for each other. */
static void fill_bins(const struct grower *gr, const struct leaf *leaf, size_t j, sums *out)
{
    sums other[RS_BOOST_BINS] = { 0 };
    const uint8_t *code = gr->b->code + j * gr->b->n;
    size_t k = leaf->begin;
    memset(out, 0, RS_BOOST_BINS * sizeof *out);
    for (; k + 1 < leaf->end; k += 2) {
        uint32_t i = gr->order[k], i2 = gr->order[k + 1];
        out[code[i]] += gr->row[i];
        other[code[i2]] += gr->row[i2];
    }
    if (k < leaf->end)
        out[code[gr->order[k]]] += gr->row[gr->order[k]];
    for (size_t c = 0; c <= gr->b->n_knots[j]; c++)
        out[c] += other[c];
}

static struct split best_split(const struct grower *gr, size_t j, const sums *bin)
{
    struct split best = { 0 };
    sums all = { 0 }, below = { 0 };
    size_t n_knots = gr->b->n_knots[j];
    for (size_t c = 0; c <= n_knots; c++)
        all += bin[c];
    double l2 = gr->opt->l2;
    struct total whole = total_of(gr, all);
    double before = worth(whole.g, whole.h, l2);
    for (size_t c = 0; c < n_knots; c++) {
        below += bin[c];
        if (bin[c][1] == 0)
            continue;
        struct total low = total_of(gr, below), high = total_of(gr, all - below);
        if (!may_be_leaf(gr, low) || !may_be_leaf(gr, high))
            continue;
        double gain = worth(low.g, low.h, l2) + worth(high.g, high.h, l2) - before;
        if (gain > best.gain)
            best = (struct split){ gain, { (uint32_t)j, (uint32_t)c } };
    }
    return best;
}

static void look_at_column(void *arg, size_t j, unsigned worker)
{
    (void)worker;
    struct grower *gr = arg;
    struct look *l = &gr->look;
    l->of_small[j].gain = l->of_large[j].gain = 0;
    if (gr->b->n_knots[j] == 0)
        return;
    sums *small = l->small->bins + j * RS_BOOST_BINS;
    fill_bins(gr, l->small, j, small);
    l->of_small[j] = best_split(gr, j, small);
    if (!l->large)
        return;
    sums *large = l->large->bins + j * RS_BOOST_BINS;
    for (size_t c = 0; c <= gr->b->n_knots[j]; c++)
        large[c] -= small[c];
    l->of_large[j] = best_split(gr, j, large);
}

/* Whether either side of the cut has rows of enough entities. */
static bool has_units(const struct grower *gr, const struct leaf *leaf, struct rs_cut cut)
{
    const uint8_t *code = gr->b->code + cut.column * gr->b->n;
    size_t n[2] = { 0, 0 }, want = gr->opt->leaf_units;
    uint32_t last[2] = { 0, 0 };
    for (size_t k = leaf->begin; k < leaf->end && (n[0] < want || n[1] < want); k++) {
        uint32_t row = gr->order[k], unit = gr->unit_of ? gr->unit_of[row] : row;
        bool side = code[row] > cut.bin;
        if (n[side] && last[side] == unit)
            continue;
        last[side] = unit;
        n[side]++;
    }
    return n[0] >= want && n[1] >= want;
}

static struct split *best_column(const struct grower *gr, struct split *of_column)
{
    struct split *best = of_column;
    for (size_t j = 1; j < gr->b->d; j++)
        if (of_column[j].gain > best->gain * (1 + 1e-9))
            best = &of_column[j];
    return best;
}

static void choose_split(const struct grower *gr, struct leaf *leaf, struct split *of_column)
{
    struct split *best = best_column(gr, of_column);
    while (best->gain > 0 && !has_units(gr, leaf, best->cut)) {
        best->gain = 0;
        best = best_column(gr, of_column);
    }
    leaf->best = *best;
}

static void find_splits(struct grower *gr, struct leaf *small, struct leaf *large)
{
    gr->look.small = small;
    gr->look.large = large;
    rs_parallel(gr->opt->n_threads, gr->b->d, look_at_column, gr);
    choose_split(gr, small, gr->look.of_small);
    if (large)
        choose_split(gr, large, gr->look.of_large);
}

/* Rows of the leaf: first those that are not above the cut, in their order; returns how many. */
static size_t part(struct grower *gr, const struct leaf *leaf, struct rs_cut cut)
{
    const uint8_t *code = gr->b->code + cut.column * gr->b->n;
    size_t n_low = 0, n_high = 0;
    for (size_t k = leaf->begin; k < leaf->end; k++) {
        uint32_t i = gr->order[k];
        if (code[i] > cut.bin)
            gr->spare[n_high++] = i;
        else
            gr->order[leaf->begin + n_low++] = i;
    }
    memcpy(gr->order + leaf->begin + n_low, gr->spare, n_high * sizeof *gr->spare);
    return n_low;
}

static bool is_full(const struct grower *gr)
{
    return gr->n_leaves >= RS_MIN(gr->opt->n_leaves, RS_BOOST_LEAVES_MAX);
}

static void split_leaf(struct grower *gr, struct leaf *leaf)
{
    struct rs_cut cut = leaf->best.cut;
    size_t n_low = part(gr, leaf, cut);
    sums *bins = gr->bins + gr->n_leaves * gr->b->d * RS_BOOST_BINS;
    struct leaf *high = &gr->leaves[gr->n_leaves++];
    leaf->is.path[leaf->is.depth++] = cut;
    leaf->best.gain = 0;
    *high = *leaf;
    high->is.above |= 1u << (leaf->is.depth - 1);
    high->begin = leaf->end = leaf->begin + n_low;
    if (is_full(gr) || leaf->is.depth >= RS_MIN(gr->opt->depth_max, RS_BOOST_DEPTH_MAX))
        return;
    struct leaf *small = high->end - high->begin < n_low ? high : leaf;
    small->bins = bins;
    find_splits(gr, small, small == high ? leaf : high);
}

static struct leaf *best_leaf(struct grower *gr)
{
    struct leaf *best = NULL;
    for (unsigned k = 0; k < gr->n_leaves; k++)
        if (gr->leaves[k].best.gain > (best ? best->best.gain : 0))
            best = &gr->leaves[k];
    return best;
}

/* math.md F31: one step of Newton's, damped */
static void settle(struct grower *gr, struct leaf *leaf)
{
    sums all = { 0 };
    for (size_t k = leaf->begin; k < leaf->end; k++)
        all += gr->row[gr->order[k]];
    struct total t = total_of(gr, all);
    leaf->is.value = -gr->opt->rate * t.g / (t.h + gr->opt->l2);
    for (size_t k = leaf->begin; k < leaf->end; k++)
        gr->z[gr->order[k]] += leaf->is.value;
}

static bool is_in_leaf(const struct rs_bins *b, const struct rs_boost_leaf *leaf, uint32_t row)
{
    for (unsigned k = 0; k < leaf->depth; k++) {
        bool is_above = b->code[leaf->path[k].column * b->n + row] > leaf->path[k].bin;
        if (is_above != ((leaf->above >> k & 1) != 0))
            return false;
    }
    return true;
}

/* z of the rows that the tree was not grown on. */
static void settle_others(struct grower *gr)
{
    for (size_t k = gr->n_in; k < gr->b->n; k++)
        for (unsigned i = 0; i < gr->n_leaves; i++)
            if (is_in_leaf(gr->b, &gr->leaves[i].is, gr->order[k])) {
                gr->z[gr->order[k]] += gr->leaves[i].is.value;
                break;
            }
}

/* A hash, for draws without a state. */
static uint32_t draw(uint32_t unit, unsigned tree)
{
    uint64_t h = ((uint64_t)unit << 20 ^ (tree + 1)) * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32);
}

static void choose_rows(struct grower *gr, unsigned tree)
{
    size_t n = gr->b->n, n_out = 0;
    double limit = gr->opt->share * 0x1p32;
    gr->n_in = 0;
    for (size_t i = 0; i < n; i++) {
        if ((double)draw(gr->unit_of ? gr->unit_of[i] : (uint32_t)i, tree) < limit)
            gr->order[gr->n_in++] = (uint32_t)i;
        else
            gr->spare[n_out++] = (uint32_t)i;
    }
    memcpy(gr->order + gr->n_in, gr->spare, n_out * sizeof *gr->order);
}

/* The smallest power of two of which a sum of magnitudes holds fewer than 2^bits. */
static double unit_for(double sum, int bits)
{
    int exponent;
    frexp(sum, &exponent);
    return ldexp(1, exponent - bits);
}

static void take_rows(struct grower *gr)
{
    double sum_g = 0, sum_h = 0;
    size_t n = gr->b->n;
    for (size_t i = 0; i < n; i++) {
        double p = 1 / (1 + exp(-gr->z[i])), w = (double)gr->weight[i];
        gr->g[i] = w * (p - gr->y[i]);
        gr->h[i] = w * p * (1 - p);
        sum_g += fabs(gr->g[i]);
        sum_h += gr->h[i];
    }
    unsigned bits = gr->unit.count_bits;
    gr->unit.g = unit_for(sum_g, 60);
    gr->unit.h = unit_for(sum_h, 60 - (int)bits);
    for (size_t i = 0; i < n; i++)
        gr->row[i] = (sums){ (int64_t)rint(gr->g[i] / gr->unit.g), ((int64_t)rint(gr->h[i] / gr->unit.h) << bits) + 1 };
}

/* False where nobody wants more. */
static bool grow_tree(struct grower *gr, unsigned tree, rs_boost_tree *on_tree, void *arg)
{
    struct rs_boost_leaf out[RS_BOOST_LEAVES_MAX];
    take_rows(gr);
    choose_rows(gr, tree);
    gr->leaves[0] = (struct leaf){ .end = gr->n_in, .bins = gr->bins };
    gr->n_leaves = 1;
    if (gr->opt->depth_max > 0 && gr->b->d > 0)
        find_splits(gr, &gr->leaves[0], NULL);
    struct leaf *leaf;
    while (!is_full(gr) && (leaf = best_leaf(gr)))
        split_leaf(gr, leaf);
    if (gr->n_leaves < 2)
        return true;
    for (unsigned k = 0; k < gr->n_leaves; k++) {
        settle(gr, &gr->leaves[k]);
        out[k] = gr->leaves[k].is;
    }
    settle_others(gr);
    return on_tree(arg, out, gr->n_leaves);
}

static double base_log_odds(const uint8_t *y, const float *weight, size_t n)
{
    double sum[2] = { 0, 0 };
    for (size_t i = 0; i < n; i++)
        sum[y[i] != 0] += (double)weight[i];
    return log(sum[1] / sum[0]);
}

enum rs_status rs_boost_grow(const struct rs_bins *b, const uint8_t *y, const float *weight, const uint32_t *unit,
                             const struct rs_boost_options *opt, rs_boost_tree *on_tree, void *arg, double *base,
                             struct rs_error *err)
{
    size_t n = b->n, n_bins;
    rs_autofree double *z = rs_alloc(n, 3 * sizeof *z);
    rs_autofree sums *row = rs_alloc(n, sizeof *row), *bins = NULL;
    rs_autofree uint32_t *order = rs_alloc(n, 2 * sizeof *order);
    rs_autofree struct split *of_column = rs_alloc(b->d, 2 * sizeof *of_column);
    rs_autofree struct grower *gr = rs_alloc(1, sizeof *gr);
    if (rs_mul_size(b->d, (size_t)RS_BOOST_BINS * RS_BOOST_LEAVES_MAX, &n_bins))
        bins = rs_alloc(n_bins, sizeof *bins);
    if (!z || !row || !bins || !order || !of_column || !gr)
        return rs_error_set(err, RS_ENOMEM, "trees over %zu rows: out of memory", n);
    *gr = (struct grower){ .b = b, .y = y, .weight = weight, .unit_of = unit, .opt = opt };
    gr->z = z;
    gr->g = z + n;
    gr->h = z + 2 * n;
    gr->row = row;
    gr->bins = bins;
    gr->order = order;
    gr->spare = order + n;
    gr->look.of_small = of_column;
    gr->look.of_large = of_column + b->d;
    while (n >> gr->unit.count_bits)
        gr->unit.count_bits++;
    *base = base_log_odds(y, weight, n);
    for (size_t i = 0; i < n; i++)
        z[i] = *base;
    for (unsigned t = 0; t < opt->n_trees && grow_tree(gr, t, on_tree, arg); t++)
        if (rs_cli_interrupted())
            return rs_error_set(err, RS_ECANCELLED, "interrupted");
    return RS_OK;
}
