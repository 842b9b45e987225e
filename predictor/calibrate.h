/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From decision values to probabilities (docs/math.md C1, C20, C21), fitted on scores that the model did not train on.
 *
 * Rows carry weights: a sampled negative row counts as often as the rows that it stands for, so that the probabilities
 * are those of the whole population (prior correction), whatever share of it was kept. Functions are pure and may be
 * called from any thread. */
#ifndef RS_PREDICTOR_CALIBRATE_H
#define RS_PREDICTOR_CALIBRATE_H

#include "common/base.h"
#include "common/error.h"
#include "models/model.h"
#include "predictor/comm.h"

/* Fits one kind of calibrator:
 *     RS_PLATT     C1: p = sigmoid(a z + b); where a would not be positive: a = 0 and p the base rate
 *     RS_BETA      C20: p = sigmoid(a ln s - b ln(1 - s) + c), s = sigmoid(z), a, b >= 0
 *     RS_ISOTONIC  C21: least squares among the non-decreasing, linear between its knots (as scikit-learn's)
 * z       n decision values, finite
 * y       n labels, 1 or 0
 * weight  n numbers >= 0; NULL: 1 each
 * out     a new calibrator, the caller's to clear; written only on RS_OK
 * With one class only Platt and beta yield a smoothed share, isotonic 0 or 1. RS_EDOMAIN on a value out of range,
 * RS_ENODATA without any weight, RS_ENOMEM. */
enum rs_status rs_calibrator_fit(enum rs_calibration kind, const double *z, const uint8_t *y, const double *weight,
                                 size_t n, struct rs_calibrator *out, struct rs_error *err);

/* As rs_calibrator_fit() with RS_PLATT, on the rows of all processes, by sums over them. Also what comm.h reports. */
enum rs_status rs_calibrator_fit_all(const double *z, const uint8_t *y, const double *weight, size_t n, rs_comm *comm,
                                     struct rs_calibrator *out, struct rs_error *err);

/* Log loss of one row in nats (C2), finite: isotonic risks are clipped as E4 says. */
double rs_calibrator_loss(const struct rs_calibrator *c, double z, bool is_positive);

#endif
