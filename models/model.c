/* SPDX-License-Identifier: Apache-2.0 */
/* The model in memory: checking; loading and saving whole files. codec.c knows the bytes, score.c and explain.c what
 * the numbers mean. */
#include "models/model.h"

#include <math.h>
#include <xxhash.h>

#include "common/file.h"
#include "models/tables.h"

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
    rs_calibrator_clear(&m->calibrator);
    free(m->support);
    for (uint32_t i = 0; m->deltas && i < m->n_deltas; i++)
        free(m->deltas[i].weight);
    free(m->deltas);
    free(m->rbf.coef);
    free(m->rbf.sv);
    free(m->refs);
    rs_model_tables_free(m->tables);
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
    if (!is_share(meta->control_share))
        return rs_error_set(err, RS_EINVAL, "meta: the control share is outside 0..1");
    return RS_OK;
}

static enum rs_status check_weights(const struct rs_model *m, struct rs_error *err)
{
    if (m->learner != RS_LOGISTIC && m->learner != RS_LINEAR_SVM && m->learner != RS_RBF_SVM)
        return rs_error_set(err, RS_EINVAL, "unknown learner");
    if (!is_within(m->bias, RS_WEIGHT_MAX))
        return rs_error_set(err, RS_EINVAL, "bias is out of range");
    for (uint32_t j = 0; j < m->program.n_steps; j++) {
        if (!is_within(m->weight[j], RS_WEIGHT_MAX) || !is_within(m->mean[j], RS_MEAN_MAX) ||
            !is_within(m->scale[j], RS_MEAN_MAX) || m->scale[j] <= 0)
            return rs_error_set(err, RS_EINVAL, "weight, mean or scale of feature %u is out of range", j);
        if (m->learner == RS_RBF_SVM && m->weight[j] != 0)
            return rs_error_set(err, RS_EINVAL, "an RBF machine with a weight of feature %u", j);
    }
    return RS_OK;
}

static enum rs_status check_knots(const struct rs_calibrator *c, struct rs_error *err)
{
    if (c->n < 1 || c->n > RS_KNOTS_MAX)
        return rs_error_set(err, RS_EINVAL, "calibration: %u knots, 1 to %d needed", c->n, RS_KNOTS_MAX);
    for (uint32_t i = 0; i < c->n; i++) {
        if (!is_within(c->z[i], RS_WEIGHT_MAX) || !is_share(c->p[i]))
            return rs_error_set(err, RS_EINVAL, "calibration: knot %u is out of range", i);
        if (i && (c->z[i] <= c->z[i - 1] || c->p[i] < c->p[i - 1]))
            return rs_error_set(err, RS_EINVAL, "calibration: knot %u does not ascend", i);
    }
    return RS_OK;
}

static enum rs_status check_calibrator(const struct rs_calibrator *c, struct rs_error *err)
{
    if (c->kind != RS_PLATT && c->kind != RS_BETA && c->kind != RS_ISOTONIC)
        return rs_error_set(err, RS_EINVAL, "calibration: of an unknown kind");
    if (!is_within(c->a, RS_WEIGHT_MAX) || !is_within(c->b, RS_WEIGHT_MAX) || !is_within(c->c, RS_WEIGHT_MAX))
        return rs_error_set(err, RS_EINVAL, "bias or calibration is out of range");
    if (c->kind == RS_ISOTONIC)
        return c->a != 0 || c->b != 0 || c->c != 0
                   ? rs_error_set(err, RS_EINVAL, "calibration: knots and coefficients both")
                   : check_knots(c, err);
    if (c->n)
        return rs_error_set(err, RS_EINVAL, "calibration: knots and coefficients both");
    if (c->kind == RS_PLATT && c->c != 0)
        return rs_error_set(err, RS_EINVAL, "calibration: Platt's has no third coefficient");
    if (c->kind == RS_BETA && (c->a < 0 || c->b < 0))
        return rs_error_set(err, RS_EINVAL, "calibration: a negative slope");
    return RS_OK;
}

static enum rs_status check_deltas(const struct rs_model *m, struct rs_error *err)
{
    if (m->n_deltas && m->learner == RS_RBF_SVM)
        return rs_error_set(err, RS_EINVAL, "an RBF machine with cohort deltas");
    for (uint32_t i = 0; i < m->n_deltas; i++) {
        const struct rs_cohort_delta *d = &m->deltas[i];
        if (d->cohort >= m->program.n_cohorts)
            return rs_error_set(err, RS_EINVAL, "delta %u: no such cohort", i);
        if (i && d->cohort <= m->deltas[i - 1].cohort)
            return rs_error_set(err, RS_EINVAL, "delta %u: its cohort does not ascend", i);
        bool is_sound = is_within(d->bias, RS_WEIGHT_MAX);
        for (uint32_t j = 0; d->weight && j < m->program.n_steps; j++)
            is_sound = is_sound && is_within(d->weight[j], RS_WEIGHT_MAX);
        if (!is_sound)
            return rs_error_set(err, RS_EINVAL, "delta %u: bias or weight is out of range", i);
    }
    return RS_OK;
}

static enum rs_status check_rbf(const struct rs_model *m, struct rs_error *err)
{
    const struct rs_rbf *r = &m->rbf;
    if (m->learner != RS_RBF_SVM)
        return r->n_sv || r->gamma != 0 ? rs_error_set(err, RS_EINVAL, "support vectors, but the learner is linear")
                                        : RS_OK;
    if (r->n_sv < 1 || r->n_sv > RS_VECTORS_MAX)
        return rs_error_set(err, RS_EINVAL, "%u support vectors, 1 to %u needed", r->n_sv, RS_VECTORS_MAX);
    if (m->program.n_steps > RBF_STEPS_MAX)
        return rs_error_set(err, RS_EINVAL, "an RBF machine of %u features, at most %d", m->program.n_steps,
                            RBF_STEPS_MAX);
    if (!(r->gamma > 0) || r->gamma > RBF_GAMMA_MAX)
        return rs_error_set(err, RS_EINVAL, "gamma is out of range");
    size_t n = (size_t)r->n_sv * m->program.n_steps;
    bool is_sound = true;
    for (uint32_t k = 0; k < r->n_sv; k++)
        is_sound = is_sound && is_within(r->coef[k], RS_WEIGHT_MAX);
    for (size_t i = 0; i < n; i++)
        is_sound = is_sound && isfinite(r->sv[i]);
    return is_sound ? RS_OK : rs_error_set(err, RS_EINVAL, "a support vector or its coefficient is out of range");
}

static bool reference_is_sound(const struct rs_reference *r)
{
    if (r->n_edges > RS_REF_EDGES || !is_share(r->missing))
        return false;
    for (uint32_t i = 0; i < RS_REF_EDGES; i++)
        if (i < r->n_edges ? !isfinite(r->edge[i]) || (i && r->edge[i] <= r->edge[i - 1]) : r->edge[i] != 0)
            return false;
    for (uint32_t i = 0; i <= RS_REF_EDGES; i++)
        if (r->n_edges && i <= r->n_edges ? !is_share(r->share[i]) : r->share[i] != 0)
            return false;
    return true;
}

static enum rs_status check_references(const struct rs_model *m, struct rs_error *err)
{
    for (uint32_t i = 0; m->refs && i < m->program.n_signals; i++)
        if (!reference_is_sound(&m->refs[i]))
            return rs_error_set(err, RS_EINVAL, "reference of signal %s is out of range", m->program.signals[i].name);
    if (!reference_is_sound(&m->score_ref))
        return rs_error_set(err, RS_EINVAL, "reference of the risk is out of range");
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
        st = check_calibrator(&m->calibrator, err);
    if (st == RS_OK)
        st = check_support(m, err);
    if (st == RS_OK)
        st = check_deltas(m, err);
    if (st == RS_OK)
        st = check_rbf(m, err);
    return st == RS_OK ? check_references(m, err) : st;
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
