/* SPDX-License-Identifier: Apache-2.0 */
/* The model in memory: checking, scoring, explaining; loading and saving whole files. codec.c knows the bytes. */
#include "models/model.h"

#include <math.h>
#include <xxhash.h>

#include "common/file.h"

void rs_model_free(struct rs_model *m)
{
    if (!m)
        return;
    rs_program_clear(&m->program);
    free(m->meta.tool);
    free(m->meta.options);
    free(m->weight);
    free(m->mean);
    free(m->scale);
    free(m->support);
    free(m);
}

static bool is_share(double x)
{
    return x >= 0 && x <= 1;
}

static bool is_within(double x, double limit)
{
    return fabs(x) <= limit; /* false for NaN */
}

static enum rs_status check_meta(const struct rs_model_meta *meta, struct rs_error *err)
{
    if (!rs_name_is_sound(meta->tool, RS_MODEL_TEXT_MAX) || !rs_name_is_sound(meta->options, RS_MODEL_TEXT_MAX))
        return rs_error_set(err, RS_EINVAL, "meta: tool or options is no text, or too long");
    if (meta->horizon_s < 1 || meta->horizon_s > RS_STEP_TIME_MAX)
        return rs_error_set(err, RS_EINVAL, "meta: a horizon of %lld s", (long long)meta->horizon_s);
    if (meta->span_first < -RS_STEP_TIME_MAX || meta->span_first > meta->span_last ||
        meta->span_last > RS_STEP_TIME_MAX)
        return rs_error_set(err, RS_EINVAL, "meta: impossible span of samples");
    if (meta->n_positive > meta->n_rows || meta->n_failing > meta->n_entities)
        return rs_error_set(err, RS_EINVAL, "meta: more failing rows or entities than there are");
    if (!is_share(meta->base_rate) || !is_share(meta->threshold))
        return rs_error_set(err, RS_EINVAL, "meta: base rate or threshold is outside 0..1");
    return RS_OK;
}

static enum rs_status check_weights(const struct rs_model *m, struct rs_error *err)
{
    if (m->learner != RS_LOGISTIC && m->learner != RS_LINEAR_SVM)
        return rs_error_set(err, RS_EINVAL, "unknown learner");
    if (!is_within(m->bias, RS_WEIGHT_MAX) || !is_within(m->calib_a, RS_WEIGHT_MAX) ||
        !is_within(m->calib_b, RS_WEIGHT_MAX))
        return rs_error_set(err, RS_EINVAL, "bias or calibration is out of range");
    for (uint32_t j = 0; j < m->program.n_steps; j++)
        if (!is_within(m->weight[j], RS_WEIGHT_MAX) || !is_within(m->mean[j], RS_MEAN_MAX) ||
            !is_within(m->scale[j], RS_MEAN_MAX) || m->scale[j] <= 0)
            return rs_error_set(err, RS_EINVAL, "weight, mean or scale of feature %u is out of range", j);
    return RS_OK;
}

static enum rs_status check_support(const struct rs_model *m, struct rs_error *err)
{
    for (uint32_t c = 0; c < m->program.n_cohorts; c++) {
        const struct rs_cohort_support *s = &m->support[c], *all = &m->support[m->program.cohorts[c].parent];
        if (s->n_failing > s->n_entities || s->n_positive > s->n_rows)
            return rs_error_set(err, RS_EINVAL, "cohort %u: more failing rows or entities than it has", c);
        if (s->n_entities > all->n_entities || s->n_rows > all->n_rows || s->n_failing > all->n_failing ||
            s->n_positive > all->n_positive)
            return rs_error_set(err, RS_EINVAL, "cohort %u: larger than the one it is nested in", c);
    }
    return RS_OK;
}

enum rs_status rs_model_check(const struct rs_model *m, struct rs_error *err)
{
    enum rs_status st = check_meta(&m->meta, err);
    if (st == RS_OK)
        st = check_weights(m, err);
    if (st == RS_OK)
        st = check_support(m, err);
    return st;
}

/* Errors of reading and writing name the file already; those of the model itself do not. */
enum rs_status rs_model_load(const char *path, struct rs_model **out, struct rs_error *err)
{
    rs_autofree uint8_t *bytes = NULL;
    size_t len = 0;
    enum rs_status st = rs_read_file(path, RS_MODEL_SIZE_MAX, &bytes, &len, err);
    if (st < 0)
        return rs_error_prefix(err, st, "model");
    st = rs_model_decode(bytes, len, out, err);
    return st < 0 ? rs_error_prefix(err, st, "model %s", path) : RS_OK;
}

enum rs_status rs_model_save(const struct rs_model *m, const char *path, struct rs_error *err)
{
    rs_autofree uint8_t *bytes = NULL;
    size_t len = 0;
    enum rs_status st = rs_model_encode(m, &bytes, &len, err);
    if (st < 0)
        return rs_error_prefix(err, st, "model %s", path);
    st = rs_write_file(path, bytes, len, err);
    return st < 0 ? rs_error_prefix(err, st, "model") : RS_OK;
}

uint64_t rs_model_digest(const struct rs_model *m)
{
    rs_autofree uint8_t *bytes = NULL;
    size_t len = 0;
    if (rs_model_encode(m, &bytes, &len, NULL) != RS_OK)
        return 0;
    return XXH3_64bits(bytes, len);
}

double rs_model_z(const struct rs_model *m, const float *x)
{
    /* math.md M1: z = bias + sum_j weight[j] * (x[j] - mean[j]) */
    double z = m->bias;
    for (uint32_t j = 0; j < m->program.n_steps; j++)
        z += m->weight[j] * ((double)x[j] - m->mean[j]);
    return z;
}

double rs_model_risk(const struct rs_model *m, const float *x)
{
    /* math.md M2: p = 1 / (1 + exp(-(a * z + b))) */
    return 1 / (1 + exp(-(m->calib_a * rs_model_z(m, x) + m->calib_b)));
}

double rs_model_explain(const struct rs_model *m, const float *x, double *out)
{
    /* math.md M3: logit(p) = a * bias + b + sum_j a * weight[j] * (x[j] - mean[j]) */
    for (uint32_t j = 0; j < m->program.n_steps; j++)
        out[j] = m->calib_a * m->weight[j] * ((double)x[j] - m->mean[j]);
    return m->calib_a * m->bias + m->calib_b;
}
