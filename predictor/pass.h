/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sums over rows that a fit consists of: loss, gradient and Hessian of a linear classifier (docs/math.md L1, L2,
 * L5).
 *
 * pass.c is compiled for plain C, AVX2 and AVX-512, in float and in double each; rs_pass_kernels() picks. Rows are
 * taken sixteen at a time in sixteen fixed lanes, without contraction, so the instruction set changes no bit. The float
 * kernels add 64 rows in float, then in double. Allocates nothing; any thread may call, with a scratch of its own. */
#ifndef RS_PREDICTOR_PASS_H
#define RS_PREDICTOR_PASS_H

#include "predictor/solver.h"

#define RS_LANES 16
#define RS_FLUSH_ROWS 64 /* stripes are multiples of it */

/* Rows to keep while passing (math.md L6): row i with probability min(1, kappa l_i). Stripes fill slots in chunks. */
#define RS_DRAW_CHUNK 16
#define RS_DRAW_NEAR 0.5 /* hinge: rows this far beyond the margin are drawn as if they were within */
#define RS_DRAW_FAR 0.02 /* what the others count for */
struct rs_draw {
    double kappa;
    const double *inverse; /* d + 1: 1 / diagonal of the Hessian, by which rows are weighed */
    uint32_t salt;
    bool (*keep)(void *arg, size_t row, double probability); /* row: of the problem */
    void *arg;
};

struct rs_pass {
    const struct rs_problem *p;
    enum rs_learner learner;
    const double *w; /* d + 1 */
    int n_vectors;   /* of RS_SUM_VECTORS, in their order: those that are wanted; the others come out as 0 */
};

/* Where the sums stand in the result of a pass over a problem of d columns; without the factor C and without penalty.
 */
/* Vectors of d + 1: the gradient, that at w = 0, and the sums of the gradient's |terms|. */
enum { RS_SUM_GRADIENT, RS_SUM_START, RS_SUM_TERMS, RS_SUM_VECTORS };
static inline size_t rs_sum_at(size_t d, int vector)
{
    return (size_t)vector * (d + 1);
}
static inline size_t rs_sum_loss(size_t d) /* after them the loss */
{
    return RS_SUM_VECTORS * (d + 1);
}
static inline size_t rs_sum_len(size_t d)
{
    return RS_SUM_VECTORS * (d + 1) + 1;
}

struct rs_pass_kernels {
    const char *name; /* "avx512", "avx2", "plain" */
    /* out (rs_sum_len(d)) := sums over rows [from, to) of the problem; from is a multiple of RS_FLUSH_ROWS. */
    void (*gradient)(const struct rs_pass *a, struct rs_draw *draw, size_t from, size_t to, void *scratch, double *out);
    /* out[j * width + k] += sum of c_i loss'' x_ij x_ik for j in [j0, j1), k <= j, over rows [from, to); column d is
     * the intercept; j0 is a multiple of RS_LANES; width = rs_pass_width(d). */
    void (*hessian)(const struct rs_pass *a, size_t j0, size_t j1, size_t from, size_t to, void *scratch, double *out);
};

/* The widest that the processor has, or what RESEAT_ISA names (plain, avx2), for comparison. */
const struct rs_pass_kernels *rs_pass_kernels(bool is_double);
const struct rs_pass_kernels *rs_pass_kernels_named(const char *name, bool is_double); /* NULL: cannot run here */

static inline size_t rs_pass_width(size_t d) /* d + 1 rounded up to lanes */
{
    return (d + RS_LANES) / RS_LANES * RS_LANES;
}
#define RS_STRIP_COLUMNS 64       /* of the Hessian, that one call makes at most */
size_t rs_pass_scratch(size_t d); /* bytes, to be aligned to 64 */

#endif
