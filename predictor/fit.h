/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of a fit, between solver.c (the loop) and its helpers: fit_sums.c (passes on all cores), fit_sample.c (rows
 * chosen), fit_step.c (the quadratic model and its minimum). Not for callers of the solver. */
#ifndef RS_PREDICTOR_FIT_H
#define RS_PREDICTOR_FIT_H

#include "predictor/pass.h"

#define RS_PAIRS 4 /* of steps and changes of the gradient that correct a sampled Hessian */

/* Where the quadratic model comes from, each more exact and dearer than the one before. */
enum rs_curvature { RS_CURVATURE_SAMPLE, RS_CURVATURE_FLOAT, RS_CURVATURE_DOUBLE };

struct rs_subset {
    size_t capacity, d_max; /* rows */
    float *x, *weight;
    uint8_t *y;
    double *offset;
    uint32_t *order; /* capacity: slots in the order of their rows */
    uint32_t *next;  /* chunk after each chunk of its stripe */
    size_t n;        /* rows in order */
};

struct rs_point {
    double *w, *g; /* d + 1; g: gradient of the smooth part */
    double f;      /* with all penalties */
    double kkt;    /* norm of the smallest subgradient (math.md L7) */
};

struct rs_solver {
    size_t n_max, d_max, width; /* width: of d_max + 1 columns */
    struct rs_subset sample;
    double *stripes; /* sums of each stripe, see rs_sum_len() */
    double *sums;    /* joined, and RS_FLAGS more */
    double *groups;  /* partial Hessians */
    size_t n_groups_max;
    char *scratch; /* one for each worker */
    size_t scratch_bytes;
    double *h, *factor; /* (d + 1) x (d + 1), full symmetric; its Cholesky factor */
    double *l1, *l2, *step, *trial_step, *solution, *inverse, *scale, *product;
    size_t *used; /* d + 1 */
    struct rs_point at, trial;
    double *pair_s[RS_PAIRS], *pair_y[RS_PAIRS];
    double *vectors; /* behind the pointers above */
};

enum { RS_FLAG_INTERRUPTED, RS_FLAG_OVERFLOW, RS_FLAGS }; /* summed along with the sums */

struct rs_fit {
    rs_solver *ws;
    const struct rs_fit_options *opt;
    struct rs_problem p; /* the rows under way */
    unsigned n_threads;
    bool is_double;
    enum rs_curvature curvature;
    size_t n_pairs, n_corrected; /* n_corrected: pairs that ws->h knows */
    bool has_factor;
    double start_norm, terms_norm; /* |gradient at w = 0|, norm of the sums of |terms| */
    double noise_float;            /* what float may get wrong of terms_norm (math.md L7) */
    double leverage;               /* of the rows as the draw sees them, hinge only */
    double passes, n_all;          /* n_all: rows of the whole problem */
    bool has_overflowed;
    struct rs_error *err;
};

/* Sums over f->p at point->w: the first n_vectors of RS_SUM_VECTORS, of which the second sets start_norm and the third
 * terms_norm. kappa > 0 draws a new sample, by ws->inverse. RS_ECANCELLED, RS_EDOMAIN where f is not finite, RS_EIO of
 * comm. */
enum rs_status rs_fit_evaluate(struct rs_fit *f, struct rs_point *at, int n_vectors, double kappa);
void rs_fit_penalise(const struct rs_fit *f, struct rs_point *at, double loss); /* from ws->sums */

/* ws->h := the Hessian of the smooth part at w, from rows. */
enum rs_status rs_fit_hessian(struct rs_fit *f, const struct rs_problem *rows, const double *w);

enum rs_status rs_subset_init(struct rs_subset *s, size_t n_max, size_t d_max, struct rs_error *err);
void rs_subset_clear(struct rs_subset *s);
/* How many rows a sample of a problem should have; 0 where all of them had better be used. */
size_t rs_subset_size(const struct rs_solver *ws, size_t n, size_t d);
/* About n_rows of p, half of them of the rarer class where there are enough, weighted to stand for all. */
enum rs_status rs_subset_pick(struct rs_fit *f, const struct rs_problem *p, size_t n_rows, const double n_class[2],
                              struct rs_problem *out);
/* Sum of l_i (math.md L6), by ws->inverse at ws->at, over the rows that a sample of a problem for the hinge stands for.
 */
double rs_subset_leverage(const struct rs_fit *f, const struct rs_problem *sample);
struct rs_problem rs_subset_problem(const struct rs_subset *s, const struct rs_problem *p);

/* ws->step := the step to the minimum of the quadratic model at ws->at, from a fresh factor where refresh. *out_slope:
 * what f falls by at first order, negative. RS_EINTERNAL where no positive definite model can be had. */
enum rs_status rs_fit_step(struct rs_fit *f, bool refresh, double *out_slope);
void rs_fit_remember(struct rs_fit *f, const struct rs_point *from, const struct rs_point *to);

#endif
