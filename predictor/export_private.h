/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of export*.c. */
#ifndef RS_PREDICTOR_EXPORT_PRIVATE_H
#define RS_PREDICTOR_EXPORT_PRIVATE_H

#include "predictor/export.h"

#define EXPORT_NAME_MAX (4 * RS_NAME_MAX + 64) /* bytes of a feature's name with its NUL */

/* One file per format. */
enum rs_status export_svm(const struct rs_model *m, enum rs_export_format format, struct rs_buf *out,
                          struct rs_error *err);
void export_svm_row(const struct rs_model *m, const struct rs_export_row *row, struct rs_buf *out);
enum rs_status export_pmml(const struct rs_model *m, struct rs_buf *out, struct rs_error *err);
enum rs_status export_json(const struct rs_model *m, struct rs_buf *out, struct rs_error *err);
enum rs_status export_c(const struct rs_model *m, const char *name, struct rs_buf *out, struct rs_error *err);
enum rs_status export_features(const struct rs_model *m, struct rs_buf *out, struct rs_error *err);

const char *export_learner_name(enum rs_learner learner);
const char *export_calibration_name(enum rs_calibration kind);

#endif
