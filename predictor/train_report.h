/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What reseat train tells of a training: text for people, JSON for programs. */
#ifndef RS_PREDICTOR_TRAIN_REPORT_H
#define RS_PREDICTOR_TRAIN_REPORT_H

#include "predictor/json.h"
#include "predictor/train.h"

void rs_train_report_text(FILE *to, const char *model_path, const struct rs_training *t);
json_t *rs_train_report_json(const char *model_path, const struct rs_training *t);
/* "platt", "beta", "isotonic" */
const char *rs_calibration_name(enum rs_calibration kind);

#endif
