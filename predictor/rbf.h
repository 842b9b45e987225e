/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Support vector machines with the radial kernel, by libsvm; this is its one door (docs/math.md X1 to X4).
 *
 *     z(x) = bias + sum_k coef_k exp(-gamma |x - sv_k|^2)
 * libsvm's time grows with the square of the rows, so it sees a sample of them: all positive rows up to half of
 * max_rows, and negative rows for the rest, both picked by a hash of seed and row, with a chance that grows with
 * row_weight. What each kept row stands for goes into the weight of its class, so C weighs the same whatever the
 * sample. z says nothing about the prior: the calibration, fitted on held-out rows at their full weights, is what puts
 * the sample right (X2).
 *
 * libsvm's training keeps no state between calls apart from its print hook, which is silenced once, and draws no random
 * numbers: `probability` stays 0 and the folds are ours. So the cells of a grid run on several threads, and a fit gives
 * the same bits on any number of them. Where its memory runs out libsvm itself ends the process. */
#ifndef RS_PREDICTOR_RBF_H
#define RS_PREDICTOR_RBF_H

#include "models/model.h" /* struct rs_rbf */
#include "predictor/solver.h"

#define RS_RBF_ROWS 3000     /* max_rows where it is 0 */
#define RS_RBF_ROWS_MAX 8000 /* the kernel values of a grid take 16 bytes for each pair of rows: 1 GB */
#define RS_RBF_FOLDS_MAX 32
#define RS_RBF_NO_FOLD 255

struct rs_rbf_options {
    double C;         /* > 0; penalty of a kept row of mean weight */
    double gamma;     /* > 0; 0: 1 / d, libsvm's own choice */
    double tolerance; /* of the optimality conditions, libsvm's -e; 0: 0.001 */
    size_t max_rows;  /* kept for training; 0: RS_RBF_ROWS */
    uint64_t seed;
    /* Where the problem holds what several processes have nominated (rs_rbf_nominate()); else NULL and 0: */
    const uint64_t *number; /* of each row of x among all, by which it is picked */
    double whole_weight[2]; /* of the negative and the positive rows of all */
};

/* Fits one machine on a sample of p's rows (standardised, finite). p->offset must be NULL (RS_EUNSUPPORTED) and
 * p->penalty is not used. *out is the caller's: free coef and sv. RS_ENODATA where one class only is left; RS_EDOMAIN
 * for impossible options; RS_ENOMEM. */
enum rs_status rs_rbf_fit(const struct rs_problem *p, const struct rs_rbf_options *opt, struct rs_rbf *out,
                          double *out_bias, struct rs_error *err);

/* The rows of p among which those of a fit of all processes' rows are: at most max_rows of each class, ascending.
 * opt->number says what each row is among all. *out is the caller's to free. RS_ENOMEM. */
enum rs_status rs_rbf_nominate(const struct rs_problem *p, const struct rs_rbf_options *opt, uint32_t **out,
                               size_t *out_n, struct rs_error *err);

/* Every C with every gamma on every fold. Row i of the problem (its i-th, not the row of x) trains in the folds whose
 * bits are set in trains[i] and is scored by fold validates[i], RS_RBF_NO_FOLD for none. */
struct rs_rbf_grid {
    const struct rs_problem *problem;
    const uint32_t *trains;
    const uint8_t *validates;
    unsigned n_folds;
    const double *C, *gamma;
    size_t n_C, n_gamma;
    struct rs_rbf_options options; /* C and gamma are not used */
    unsigned n_threads;            /* 0: rs_threads() */
};

/* Decision values of the validated rows: out_z[cell * n + i] with cell = index of gamma * n_C + index of C and n the
 * problem's rows; other places stay as they are. out_n_sv (may be NULL): support vectors, [cell * n_folds + fold].
 * The sample is drawn once, from the rows that train anywhere; a fold trains on its part of it. Kernel values of a
 * gamma are computed once and shared by all its cells, and give what libsvm computes itself, to the bit on machines
 * without fused multiply-add. Errors as rs_rbf_fit(), naming the fold; RS_ECANCELLED after a signal, between two cells.
 */
enum rs_status rs_rbf_grid_run(const struct rs_rbf_grid *g, double *out_z, uint32_t *out_n_sv, struct rs_error *err);

#endif
