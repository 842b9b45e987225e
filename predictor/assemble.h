/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the parts that training made to a model. */
#ifndef RS_PREDICTOR_ASSEMBLE_H
#define RS_PREDICTOR_ASSEMBLE_H

#include "predictor/train.h"

/* Fills everything of the model but its program (there already), calibrator and threshold. Takes mean, scale and
 * support out of the matrix, and the support vectors out of the fit. slope: of the line to log odds in which deltas are
 * (rs_log_odds_scale()). The model is checked and prepared. RS_ENOMEM, RS_EINVAL. */
/* info: of the file, to find the signals in the matrix's references. */
enum rs_status rs_assemble(const struct rs_fleet_info *info, const struct rs_train_options *opt, struct rs_matrix *m,
                           const struct rs_candidate *c, struct rs_fitted *f, const struct rs_deltas *deltas,
                           double slope, struct rs_model *out, struct rs_error *err);

#endif
