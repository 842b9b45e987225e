/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a text model and a feature list to a model of ours: the other direction of export.h (docs/math.md X8). */
#ifndef RS_PREDICTOR_IMPORT_MODEL_H
#define RS_PREDICTOR_IMPORT_MODEL_H

#include "models/model.h"
#include "predictor/stepparse.h"
#include "predictor/textmodel.h"

struct rs_import_options {
    int64_t horizon_s;
    double threshold;
    bool is_standardised;         /* the text model takes (x - mean) / scale */
    bool has_calibration;         /* else what the text model brings */
    double calib_a, calib_b;      /* p = 1 / (1 + exp(-(a z + b))) */
    const char *tool, *arguments; /* for the model's meta */
};

/* Takes program and numbers out of both, which are left cleared on success. RS_EUSAGE where there is no calibration;
 * RS_EUNSUPPORTED where its numbers are out of range; RS_ENOMEM. */
enum rs_status rs_import_model(struct rs_text_model *text, struct rs_feature_list *list,
                               const struct rs_import_options *opt, struct rs_model **out, struct rs_error *err);

#endif
