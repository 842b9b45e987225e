/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Formats by name, and the rows of features as CSV. export_svm.c, export_pmml.c, export_json.c, export_c.c and
 * export_features.c write one format each. */
#include "predictor/export_private.h"

static const char *const words[] = {
    [RS_EXPORT_LIBSVM] = "libsvm", [RS_EXPORT_LIBLINEAR] = "liblinear",
    [RS_EXPORT_PMML] = "pmml",     [RS_EXPORT_JSON] = "json",
    [RS_EXPORT_C] = "c",           [RS_EXPORT_FEATURES] = "features",
};

enum rs_status rs_export_format_parse(const char *word, enum rs_export_format *out, struct rs_error *err)
{
    for (size_t i = 0; i < RS_LEN(words); i++)
        if (rs_streq(word, words[i])) {
            *out = (enum rs_export_format)i;
            return RS_OK;
        }
    return rs_error_set(err, RS_EUSAGE, "--format: %s: libsvm, liblinear, pmml, json, c or features needed", word);
}

const char *export_learner_name(enum rs_learner learner)
{
    return learner == RS_RBF_SVM ? "rbf-svm" : learner == RS_LINEAR_SVM ? "linear-svm" : "logistic";
}

const char *export_calibration_name(enum rs_calibration kind)
{
    return kind == RS_ISOTONIC ? "isotonic" : kind == RS_BETA ? "beta" : "platt";
}

enum rs_status rs_export_model(const struct rs_model *m, enum rs_export_format format, const char *name,
                               struct rs_buf *out, struct rs_error *err)
{
    enum rs_status st;
    switch (format) {
    case RS_EXPORT_PMML:
        st = export_pmml(m, out, err);
        break;
    case RS_EXPORT_JSON:
        st = export_json(m, out, err);
        break;
    case RS_EXPORT_C:
        st = export_c(m, name, out, err);
        break;
    case RS_EXPORT_FEATURES:
        st = export_features(m, out, err);
        break;
    default:
        st = export_svm(m, format, out, err);
    }
    if (st == RS_OK && out->failed)
        st = rs_error_set(err, RS_ENOMEM, "export: out of memory");
    return st;
}

static bool is_csv(enum rs_export_format format)
{
    return format != RS_EXPORT_LIBSVM && format != RS_EXPORT_LIBLINEAR;
}

/* RFC 4180: quoted where it holds a comma, a quote or a line break. */
static void put_field(struct rs_buf *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        rs_put_bytes(out, text, strlen(text));
        return;
    }
    rs_put_u8(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            rs_put_u8(out, '"');
        rs_put_u8(out, (uint8_t)*text);
    }
    rs_put_u8(out, '"');
}

void rs_export_rows_head(const struct rs_model *m, enum rs_export_format format, struct rs_buf *out)
{
    if (!is_csv(format))
        return;
    rs_buf_printf(out, "entity,time,label,cohort,cohort_index");
    for (uint32_t j = 0; j < m->program.n_steps; j++) {
        char name[EXPORT_NAME_MAX];
        rs_put_u8(out, ',');
        put_field(out, rs_step_name(&m->program, j, name, sizeof name));
    }
    rs_put_u8(out, '\n');
}

void rs_export_row(const struct rs_model *m, enum rs_export_format format, const struct rs_export_row *row,
                   struct rs_buf *out)
{
    if (!is_csv(format)) {
        export_svm_row(m, row, out);
        return;
    }
    put_field(out, row->entity);
    rs_buf_printf(out, ",%s,%s,", row->time, row->label < 0 ? "" : row->label ? "1" : "0");
    put_field(out, m->program.cohorts[row->cohort].name);
    rs_buf_printf(out, ",%u", row->cohort);
    for (uint32_t j = 0; j < m->program.n_steps; j++)
        rs_buf_printf(out, ",%.17g", (double)row->x[j]);
    rs_put_u8(out, '\n');
}
