/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model in the formats of others: what `reseat export MODEL.rsm` writes. docs/man/reseat-export-model.md says what
 * each format carries, docs/math.md X5 to X7 how a model is put into it. All functions are pure and belong to no
 * thread. */
#ifndef RS_PREDICTOR_EXPORT_H
#define RS_PREDICTOR_EXPORT_H

#include "common/bytes.h"
#include "models/model.h"

enum rs_export_format {
    RS_EXPORT_LIBSVM,
    RS_EXPORT_LIBLINEAR,
    RS_EXPORT_PMML,
    RS_EXPORT_JSON,
    RS_EXPORT_C,
    RS_EXPORT_FEATURES, /* the feature list that import-model reads */
};

/* RS_EUSAGE. */
enum rs_status rs_export_format_parse(const char *word, enum rs_export_format *out, struct rs_error *err);

/* Appends the model. name: prefix of the C identifiers, "" for "reseat"; otherwise unused. RS_EUNSUPPORTED where the
 * format cannot hold such a model, RS_EUSAGE for a name that is no identifier, RS_ENOMEM. */
enum rs_status rs_export_model(const struct rs_model *m, enum rs_export_format format, const char *name,
                               struct rs_buf *out, struct rs_error *err);

/* A sample with its features, as the programs that read the format take them: a line for svm-predict or
 * liblinear-predict, CSV for the rest. */
struct rs_export_row {
    const char *entity;
    const char *time; /* "2013-04-10T00:00:00Z" */
    int label;        /* 1, 0, below 0: unknown */
    uint32_t cohort;  /* the entity's deepest */
    const float *x;   /* n_steps */
};
/* The line before the first row; nothing for libsvm and liblinear. */
void rs_export_rows_head(const struct rs_model *m, enum rs_export_format format, struct rs_buf *out);
void rs_export_row(const struct rs_model *m, enum rs_export_format format, const struct rs_export_row *row,
                   struct rs_buf *out);

#endif
