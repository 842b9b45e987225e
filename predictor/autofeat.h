/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Automatic features: from the survey of a fleet file to a feature program (docs/math.md F12 to F14). Never features:
 * time, identifiers, the order of rows. */
#ifndef RS_PREDICTOR_AUTOFEAT_H
#define RS_PREDICTOR_AUTOFEAT_H

#include "models/feature.h"
#include "predictor/cohorts.h"
#include "predictor/survey.h"

/* What a step yields where it has nothing to say until the training means are known (matrix.h). */
#define RS_NOTHING_TO_SAY 3.40282346638528859812e+38f /* FLT_MAX */

/* Builds and finishes the program; impute values are RS_NOTHING_TO_SAY, but for the time since an event. tree is sorted. RS_ENODATA where nothing in the
 * file could be a feature; RS_EUNSUPPORTED where there would be too many. */
enum rs_status rs_autofeat_build(const struct rs_fleet_info *info, const struct rs_survey *survey,
                                 const rs_cohort_tree *tree, struct rs_program *out, struct rs_error *err);

/* Keeps only the steps with keep[j], drops the signals, attributes and windows that nothing reads any more, and
 * finishes the program again. */
enum rs_status rs_autofeat_prune(struct rs_program *p, const bool *keep, struct rs_error *err);

#endif
