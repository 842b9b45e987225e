/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Boosted trees as a linear model: bins [x > knot] of base columns, products of two or three of them, and a weight for
 * each, which together are the sum of the trees (docs/math.md F30 to F33; rules of trees as terms: RuleFit, Friedman,
 * Popescu 2008).
 *
 * A row with its terms is [base | bins | products]. The terms are steps of the feature program that follow the base
 * steps, and rs_terms_row() yields the same bits as rs_state_features(). They are chosen with a look at the labels:
 * grow them on the rows that a fold trains on, never on those that judge it. */
#ifndef RS_PREDICTOR_TERMS_H
#define RS_PREDICTOR_TERMS_H

#include "models/feature.h"

#define RS_TERMS_BINS_MAX 384
#define RS_TERMS_PRODUCTS_MAX 896
#define RS_TERMS_MAX (RS_TERMS_BINS_MAX + RS_TERMS_PRODUCTS_MAX)
#define RS_TERMS_ROWS 40000 /* rows looked at, about; with few positive rows among them, all of those */

struct rs_terms {
    size_t n_base, n_bins, n_products;
    struct rs_step *steps; /* n_bins + n_products, to follow the base steps of the program */
    double *mean;          /* n_bins + n_products, over the rows looked at */
    double bias, *weight;  /* n_base + n_bins + n_products, per raw unit: log odds by the trees */
};

/* Training rows. x is in raw units with missing entries filled in, as rs_state_features() yields it. */
struct rs_terms_input {
    const struct rs_program *program; /* of the base columns: n_steps of them */
    const float *x;                   /* row-major */
    size_t stride;                    /* at least n_steps */
    const uint32_t *rows;             /* n rows of x, rows of an entity together */
    size_t n;
    const uint8_t *y;                   /* n: of rows[i] */
    const float *weight;                /* n, or NULL: 1 */
    const uint32_t *unit;               /* n: entity, or NULL: each row its own */
    unsigned n_threads;                 /* 0: all cores; the result is the same */
    const struct rs_terms_whole *whole; /* where the rows are chosen from more already; NULL: they are all there are */
};

/* What rows were chosen from by rs_terms_looks_at(). */
struct rs_terms_whole {
    uint64_t n_class[2];
};
/* Whether row i of all, of class y, is among the RS_TERMS_ROWS or so that are looked at. */
bool rs_terms_looks_at(const struct rs_terms_whole *whole, size_t i, bool y);

/* No terms where one class is missing (the bias is then 0) or nothing gains. Deterministic. RS_ENOMEM, RS_ECANCELLED.
 */
enum rs_status rs_terms_grow(const struct rs_terms_input *in, struct rs_terms *out, struct rs_error *err);
void rs_terms_clear(struct rs_terms *t);
#define rs_auto_terms __attribute__((cleanup(rs_terms_clear))) struct rs_terms

/* The terms of one row: base has n_base columns, out gets n_bins + n_products. out may follow base in memory. */
void rs_terms_row(const struct rs_terms *t, const float *base, float *out);
/* bias + sum_j weight[j] x[j], the sum of the trees; scratch has room for the terms. */
double rs_terms_z(const struct rs_terms *t, const float *base, float *scratch);
/* Appends the first n terms to the program, which has the n_base steps, and finishes it. RS_ENOMEM, RS_EINVAL. */
enum rs_status rs_terms_append(const struct rs_terms *t, size_t n, struct rs_program *p, struct rs_error *err);

#endif
