/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small boosted trees over columns cut into bins; terms.h turns them into weighted steps of a feature program.
 *
 * Gradient boosting with a second-order gain, each tree on a random part of the entities (docs/math.md F31; Friedman
 * 2001, 2002; Chen, Guestrin 2016). The same inputs give the same trees on any number of threads. */
#ifndef RS_PREDICTOR_BOOST_H
#define RS_PREDICTOR_BOOST_H

#include "common/base.h"
#include "common/error.h"

#define RS_BOOST_BINS 64
#define RS_BOOST_LEAVES_MAX 16
#define RS_BOOST_DEPTH_MAX 8

struct rs_bins {
    size_t n, d;
    uint8_t *code;    /* d x n, column by column */
    float *knot;      /* d x RS_BOOST_BINS, ascending: x > knot[b] where code > b, and only there */
    uint8_t *n_knots; /* d, at most RS_BOOST_BINS - 1 */
};

/* Cuts columns 0..d-1 of the given rows of x (row-major, finite): each distinct value by itself where they are few,
 * else at quantiles of the rows, with the value that is most common by itself (math.md F30). n_threads 0: all cores.
 * RS_ENOMEM. */
enum rs_status rs_bins_make(const float *x, size_t stride, size_t d, const uint32_t *rows, size_t n, unsigned n_threads,
                            struct rs_bins *out, struct rs_error *err);
void rs_bins_clear(struct rs_bins *b);
#define rs_auto_bins __attribute__((cleanup(rs_bins_clear))) struct rs_bins

struct rs_cut {
    uint32_t column, bin; /* [x > knot[bin]] */
};

struct rs_boost_options {
    unsigned n_trees, n_leaves, depth_max;
    double rate, l2;              /* step of a tree; added to the curvature of a leaf */
    double share;                 /* of the entities that each tree is grown on, above 0 up to 1 */
    size_t leaf_rows, leaf_units; /* rows and entities of those that a leaf has at least */
    unsigned n_threads;           /* 0: all cores */
};

/* A leaf of a tree: what it adds to z of the rows that are above the cut path[k] where bit k of `above` is set, and not
 * above it elsewhere. */
struct rs_boost_leaf {
    struct rs_cut path[RS_BOOST_DEPTH_MAX];
    unsigned depth, above;
    double value;
};

/* Told of the leaves of each tree, at least two. False: enough, this tree is not taken and none follows. */
typedef bool rs_boost_tree(void *arg, const struct rs_boost_leaf *leaves, unsigned n);

/* y, weight, unit: n of each, in the order of the bins' rows; both classes occur; unit NULL: each row its own. *base: z
 * before the first tree. RS_ENOMEM, RS_ECANCELLED after a signal. */
enum rs_status rs_boost_grow(const struct rs_bins *b, const uint8_t *y, const float *weight, const uint32_t *unit,
                             const struct rs_boost_options *opt, rs_boost_tree *on_tree, void *arg, double *base,
                             struct rs_error *err);

#endif
