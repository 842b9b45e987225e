/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of rbf*.c: the sample of rows that a machine is trained on, and its kernel values. */
#ifndef RS_PREDICTOR_RBF_PRIVATE_H
#define RS_PREDICTOR_RBF_PRIVATE_H

#include "predictor/rbf.h"

/* ---- rbf_sample.c ---- */

struct rbf_sample {
    uint32_t *at; /* n: places in the problem, positive rows first, each class in ascending order */
    size_t n, n_positive;
    double stands_positive, stands_negative; /* weight that a kept row of the class stands for */
};

/* trains: places with 0 are left out; NULL: all take part. RS_ENODATA where a class is missing. */
enum rs_status rbf_sample_draw(const struct rs_problem *p, const uint32_t *trains, const struct rs_rbf_options *opt,
                               struct rbf_sample *out, struct rs_error *err);
void rbf_sample_clear(struct rbf_sample *s);
#define rbf_auto_sample __attribute__((cleanup(rbf_sample_clear))) struct rbf_sample

static inline uint32_t rbf_row(const struct rs_problem *p, size_t place)
{
    return p->rows ? p->rows[place] : (uint32_t)place;
}

static inline const float *rbf_x(const struct rs_problem *p, size_t place)
{
    return p->x + (size_t)rbf_row(p, place) * p->stride;
}

/* ---- rbf_kernel.c ---- */

#define RBF_LANES 16

/* Rows side by side in tiles of RBF_LANES, feature by feature, the last tile filled up with zeros: what a vector unit
 * reads in one go belongs to as many rows. */
struct rbf_tiles {
    size_t n, n_tiles, d;
    float *x; /* [n_tiles][d][RBF_LANES] */
};

enum rs_status rbf_tiles_new(size_t n, size_t d, struct rbf_tiles *out, struct rs_error *err);
void rbf_tiles_put(struct rbf_tiles *t, size_t i, const float *row);
void rbf_tiles_clear(struct rbf_tiles *t);

/* |x - row|^2 for each row of the tiles. out: n_tiles * RBF_LANES */
void rbf_distances(const struct rbf_tiles *t, const float *x, float *out);
/* exp(-gamma distance) of n, a multiple of RBF_LANES. Relative error below 1e-6. */
void rbf_exp(const float *distance, size_t n, float gamma, float *out);
/* sum_i coef[i] k[i], n a multiple of RBF_LANES; one order on every machine. */
double rbf_dot(const double *coef, const float *k, size_t n);
/* x . row of every row of the tiles, each sum in the order of the features, as libsvm takes it. */
void rbf_products(const struct rbf_tiles *t, const float *x, double *out);

#endif
