/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attributes whose values do not differ in how often entities fail (docs/math.md F35). Indicators of each of fifty
 * racks cost more than they tell where racks do not matter. */
#ifndef RS_PREDICTOR_EXCESS_H
#define RS_PREDICTOR_EXCESS_H

#include "predictor/sample.h"

/* keep[j] of the d columns := false where column j is an indicator of a value of such an attribute; cohorts stay, for
 * how much of them is used is decided later. All true where there is nothing to ask. RS_ENOMEM, what the fit reports.
 */
enum rs_status rs_excess_keep(const struct rs_sample *s, const struct rs_program *p, uint64_t seed, bool *keep,
                              struct rs_error *err);

#endif
