/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small boosted trees over columns cut into bins. Only their splits are of interest: terms.h turns them into steps of a
 * feature program, the trees themselves are forgotten.
 *
 * Gradient boosting with a second-order gain (docs/math.md F31; Friedman 2001; Chen, Guestrin 2016). The same inputs
 * give the same splits on any number of threads. */
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
    double rate, l2;    /* step of a tree; added to the curvature of a leaf */
    size_t leaf_rows;   /* that a leaf has at least */
    unsigned n_threads; /* 0: all cores */
};

/* Told of each split: path holds the n_path cuts above it, root first. */
typedef void rs_boost_split(void *arg, struct rs_cut cut, const struct rs_cut *path, size_t n_path);

/* y, weight: n of each, in the order of the bins' rows; both classes occur. RS_ENOMEM, RS_ECANCELLED after a signal. */
enum rs_status rs_boost_grow(const struct rs_bins *b, const uint8_t *y, const float *weight,
                             const struct rs_boost_options *opt, rs_boost_split *on_split, void *arg,
                             struct rs_error *err);

#endif
