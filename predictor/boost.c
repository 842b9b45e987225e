/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Boosted trees, grown best split first. */
#include "predictor/boost.h"

#include <math.h>

#include "common/cli.h"
#include "common/parallel.h"

#define CURVATURE_MIN 1e-3 /* of a leaf */

struct slope {
    float g, h; /* of the loss in z, times the row's weight */
};

struct split {
    double gain; /* not positive: none */
    struct rs_cut cut;
};

struct leaf {
    size_t begin, end; /* in order */
    struct rs_cut path[RS_BOOST_DEPTH_MAX];
    unsigned depth;
    struct split best;
};

struct grower {
    const struct rs_bins *b;
    const uint8_t *y;
    const float *weight;
    const struct rs_boost_options *opt;
    double *z;
    struct slope *slope;
    uint32_t *order, *spare; /* rows, leaf by leaf, ascending within each */
    struct split *of_column;
    const struct leaf *looked_at;
    struct leaf leaves[RS_BOOST_LEAVES_MAX];
    unsigned n_leaves;
};

struct sums {
    double g, h;
    size_t n;
};

/* math.md F31: loss that a leaf takes away */
static double worth(double g, double h, double l2)
{
    return g * g / (h + l2);
}

static bool may_be_leaf(const struct grower *gr, struct sums s)
{
    return s.n >= gr->opt->leaf_rows && s.h >= CURVATURE_MIN;
}

static void look_at_column(void *arg, size_t j, unsigned worker)
{
    struct grower *gr = arg;
    (void)worker;
    gr->of_column[j].gain = 0;
    size_t n_knots = gr->b->n_knots[j];
    if (n_knots == 0)
        return;
    struct sums bin[RS_BOOST_BINS] = { 0 }, all = { 0 }, low = { 0 };
    const uint8_t *code = gr->b->code + j * gr->b->n;
    for (size_t k = gr->looked_at->begin; k < gr->looked_at->end; k++) {
        uint32_t i = gr->order[k];
        struct sums *s = &bin[code[i]];
        s->g += (double)gr->slope[i].g;
        s->h += (double)gr->slope[i].h;
        s->n++;
    }
    for (size_t c = 0; c <= n_knots; c++)
        all = (struct sums){ all.g + bin[c].g, all.h + bin[c].h, all.n + bin[c].n };
    double l2 = gr->opt->l2, whole = worth(all.g, all.h, l2);
    for (size_t c = 0; c < n_knots; c++) {
        low = (struct sums){ low.g + bin[c].g, low.h + bin[c].h, low.n + bin[c].n };
        struct sums high = { all.g - low.g, all.h - low.h, all.n - low.n };
        if (bin[c].n == 0 || !may_be_leaf(gr, low) || !may_be_leaf(gr, high))
            continue;
        double gain = worth(low.g, low.h, l2) + worth(high.g, high.h, l2) - whole;
        if (gain > gr->of_column[j].gain)
            gr->of_column[j] = (struct split){ gain, { (uint32_t)j, (uint32_t)c } };
    }
}

static void find_split(struct grower *gr, struct leaf *leaf)
{
    leaf->best.gain = 0;
    if (leaf->depth >= RS_MIN(gr->opt->depth_max, RS_BOOST_DEPTH_MAX) || leaf->end - leaf->begin < 2)
        return;
    gr->looked_at = leaf;
    rs_parallel(gr->opt->n_threads, gr->b->d, look_at_column, gr);
    for (size_t j = 0; j < gr->b->d; j++)
        if (gr->of_column[j].gain > leaf->best.gain * (1 + 1e-9))
            leaf->best = gr->of_column[j];
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

static void split_leaf(struct grower *gr, struct leaf *leaf, rs_boost_split *on_split, void *arg)
{
    struct rs_cut cut = leaf->best.cut;
    on_split(arg, cut, leaf->path, leaf->depth);
    size_t n_low = part(gr, leaf, cut);
    struct leaf *high = &gr->leaves[gr->n_leaves++];
    leaf->path[leaf->depth++] = cut;
    *high = *leaf;
    high->begin = leaf->end = leaf->begin + n_low;
    find_split(gr, leaf);
    find_split(gr, high);
}

static struct leaf *best_leaf(struct grower *gr)
{
    struct leaf *best = NULL;
    for (unsigned k = 0; k < gr->n_leaves; k++)
        if (gr->leaves[k].best.gain > (best ? best->best.gain : 0))
            best = &gr->leaves[k];
    return best;
}

/* z of the rows of a leaf takes one step of Newton's, damped. */
static void settle(struct grower *gr, const struct leaf *leaf)
{
    double g = 0, h = 0;
    for (size_t k = leaf->begin; k < leaf->end; k++) {
        g += (double)gr->slope[gr->order[k]].g;
        h += (double)gr->slope[gr->order[k]].h;
    }
    for (size_t k = leaf->begin; k < leaf->end; k++)
        gr->z[gr->order[k]] -= gr->opt->rate * g / (h + gr->opt->l2);
}

static void take_slopes(struct grower *gr)
{
    for (size_t i = 0; i < gr->b->n; i++) {
        double p = 1 / (1 + exp(-gr->z[i])), w = (double)gr->weight[i];
        gr->slope[i] = (struct slope){ (float)(w * (p - gr->y[i])), (float)(w * p * (1 - p)) };
    }
}

/* False where nothing is left to split. */
static bool grow_tree(struct grower *gr, rs_boost_split *on_split, void *arg)
{
    take_slopes(gr);
    for (size_t i = 0; i < gr->b->n; i++)
        gr->order[i] = (uint32_t)i;
    gr->leaves[0] = (struct leaf){ .end = gr->b->n };
    gr->n_leaves = 1;
    find_split(gr, &gr->leaves[0]);
    struct leaf *leaf;
    while (gr->n_leaves < RS_MIN(gr->opt->n_leaves, RS_BOOST_LEAVES_MAX) && (leaf = best_leaf(gr)))
        split_leaf(gr, leaf, on_split, arg);
    for (unsigned k = 0; k < gr->n_leaves; k++)
        settle(gr, &gr->leaves[k]);
    return gr->n_leaves > 1;
}

static double base_log_odds(const uint8_t *y, const float *weight, size_t n)
{
    double sum[2] = { 0, 0 };
    for (size_t i = 0; i < n; i++)
        sum[y[i] != 0] += (double)weight[i];
    return log(sum[1] / sum[0]);
}

enum rs_status rs_boost_grow(const struct rs_bins *b, const uint8_t *y, const float *weight,
                             const struct rs_boost_options *opt, rs_boost_split *on_split, void *arg,
                             struct rs_error *err)
{
    rs_autofree double *z = rs_alloc(b->n, sizeof *z);
    rs_autofree struct slope *slope = rs_alloc(b->n, sizeof *slope);
    rs_autofree uint32_t *order = rs_alloc(b->n, 2 * sizeof *order);
    rs_autofree struct split *of_column = rs_alloc(b->d, sizeof *of_column);
    rs_autofree struct grower *gr = rs_alloc(1, sizeof *gr);
    if (!z || !slope || !order || !of_column || !gr)
        return rs_error_set(err, RS_ENOMEM, "trees over %zu rows", b->n);
    *gr = (struct grower){ .b = b, .y = y, .weight = weight, .opt = opt };
    gr->z = z;
    gr->slope = slope;
    gr->order = order;
    gr->spare = order + b->n;
    gr->of_column = of_column;
    double z0 = base_log_odds(y, weight, b->n);
    for (size_t i = 0; i < b->n; i++)
        z[i] = z0;
    for (unsigned t = 0; t < opt->n_trees && grow_tree(gr, on_split, arg); t++)
        if (rs_cli_interrupted())
            return rs_error_set(err, RS_ECANCELLED, "interrupted");
    return RS_OK;
}
