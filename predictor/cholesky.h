/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cholesky's factor of a small dense matrix (Golub, Van Loan 2013, sec. 4.2), row by row, so that every sum runs along
 * the memory. The same bits on any processor. */
#ifndef RS_PREDICTOR_CHOLESKY_H
#define RS_PREDICTOR_CHOLESKY_H

#include "common/base.h"

/* a: n x n, symmetric; its lower triangle becomes L with a = L L'. The upper one is neither read nor written. False
 * where a is not positive definite to rounding; a is then spoilt. */
bool rs_cholesky_factor(double *a, size_t n);
/* Solves L L' x = b: x holds b at first. Neither function allocates. */
void rs_cholesky_solve(const double *factor, double *x, size_t n);
/* out[j] := (L L')^-1 at row and column j. scratch: n. */
void rs_cholesky_inverse_diagonal(const double *factor, size_t n, double *scratch, double *out);

#endif
