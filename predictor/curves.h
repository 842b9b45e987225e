/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Curves to draw: ROC and precision over recall of ranked rows, lead times of caught failures; a few hundred points
 * that keep the shape of millions (Ramer 1972, Douglas and Peucker 1973: no point that was left out lies farther than a
 * tolerance from the line that is drawn). */
#ifndef RS_PREDICTOR_CURVES_H
#define RS_PREDICTOR_CURVES_H

#include "predictor/metrics.h"

#define RS_CURVE_POINTS 400

struct rs_curve {
    size_t n;
    double x[RS_CURVE_POINTS], y[RS_CURVE_POINTS];
};

/* E1: x = share of negative rows at or above a risk, y = share of positive rows; from (0, 0) to (1, 1). RS_ENOMEM. */
enum rs_status rs_curve_roc(const struct rs_ranked *r, struct rs_curve *out, struct rs_error *err);
/* E2: x = recall, y = precision, from the highest risk down. RS_ENOMEM. */
enum rs_status rs_curve_pr(const struct rs_ranked *r, struct rs_curve *out, struct rs_error *err);
/* E9: x = days, y = share of n_total failures that were alerted at least x days ahead. leads_s: n, ascending.
 * RS_ENOMEM.
 */
enum rs_status rs_curve_leads(const double *leads_s, size_t n, size_t n_total, struct rs_curve *out,
                              struct rs_error *err);

#endif
