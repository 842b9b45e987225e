/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weighted logistic regression on one or two inputs against targets in (0, 1): what calibration fits, many times over
 * (docs/math.md C1, C20). */
#ifndef RS_PREDICTOR_SIGMOID_H
#define RS_PREDICTOR_SIGMOID_H

#include "common/base.h"
#include "common/error.h"
#include "predictor/comm.h"

#define RS_SIGMOID_INPUTS 2
#define RS_SIGMOID_PARAMS (RS_SIGMOID_INPUTS + 1)

/* Rows column by column, standardised; a row without weight at the end fills each column up to n. */
struct rs_sigmoid {
    size_t n, n_inputs;
    double *x[RS_SIGMOID_INPUTS], *weight, *target; /* n of each */
    double mean[RS_SIGMOID_INPUTS], scale[RS_SIGMOID_INPUTS];
    double *memory;
    rs_comm *comm; /* of processes that have more of the rows; NULL. Its errors stay, and are the caller's to ask for */
};

/* Room for n_rows rows, of which s->x, s->weight and s->target are to be filled in raw units. RS_ENOMEM. */
enum rs_status rs_sigmoid_init(struct rs_sigmoid *s, size_t n_rows, size_t n_inputs, struct rs_error *err);
void rs_sigmoid_clear(struct rs_sigmoid *s);
#define rs_auto_sigmoid __attribute__((cleanup(rs_sigmoid_clear))) struct rs_sigmoid

/* Once, after the columns are filled: brings the inputs to mean 0 and standard deviation 1, so that the Hessian stays
 * well conditioned whatever their scale. False where an input does not vary. */
bool rs_sigmoid_standardise(struct rs_sigmoid *s);

/* Minimises sum_i k_i (ln(1 + e^u) - t_i u), u = constant + sum_j slope[j] x_j in raw units, by Newton's method to the
 * precision of the sums. base: the log odds to start from. slope: n_inputs. The same bits on any processor. */
void rs_sigmoid_fit(const struct rs_sigmoid *s, double base, double *slope, double *constant);

#endif
