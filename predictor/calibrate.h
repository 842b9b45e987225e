/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From decision values to probabilities: Platt's sigmoid (docs/math.md C1), fitted on scores that the model did not
 * train on. */
#ifndef RS_PREDICTOR_CALIBRATE_H
#define RS_PREDICTOR_CALIBRATE_H

#include "common/base.h"

struct rs_platt {
    double a, b; /* p = 1 / (1 + exp(-(a z + b))), a >= 0 */
};

/* Fits n decision values with their labels; negatives count weight_negative times each. Where the scores rank no better
 * than chance, a is 0 and p the base rate. Never fails; with one class only it yields Platt's smoothed share. */
struct rs_platt rs_platt_fit(const double *z, const uint8_t *y, size_t n, double weight_negative);

double rs_platt_risk(const struct rs_platt *c, double z);
/* Log loss of one row, finite (docs/math.md C2). */
double rs_platt_loss(const struct rs_platt *c, double z, bool is_positive);

#endif
