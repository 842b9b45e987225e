/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Everything that a model file holds, as JSON: docs/man/reseat-export-model.md lists the members. */
#include "predictor/export_private.h"
#include "predictor/json.h"

static const char *const ops[RS_STEP_OPS] = {
    [RS_STEP_VALUE] = "value",     [RS_STEP_POSITIVE] = "positive",
    [RS_STEP_DELTA] = "delta",     [RS_STEP_RATE] = "rate",
    [RS_STEP_MEAN] = "mean",       [RS_STEP_MAX] = "max",
    [RS_STEP_STD] = "std",         [RS_STEP_SINCE_CHANGE] = "since_change",
    [RS_STEP_MISSING] = "missing", [RS_STEP_AGE] = "age",
    [RS_STEP_ONEHOT] = "onehot",   [RS_STEP_NUMBER] = "number",
    [RS_STEP_COHORT] = "cohort",   [RS_STEP_ABOVE] = "above",
    [RS_STEP_GREATER] = "greater", [RS_STEP_PRODUCT] = "product",
    [RS_STEP_EVENTS] = "events",   [RS_STEP_SINCE_EVENT] = "since_event",
};

static json_t *doubles(const double *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n && list; i++)
        list = rs_json_append(list, json_real(v[i]));
    return list;
}

static json_t *floats(const float *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n && list; i++)
        list = rs_json_append(list, json_real((double)v[i]));
    return list;
}

static json_t *texts(char *const *v, uint32_t n)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n && list; i++)
        list = rs_json_append(list, json_string(v[i]));
    return list;
}

static json_t *meta_json(const struct rs_model_meta *t)
{
    return json_pack("{s:s, s:s, s:I, s:o, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "tool", t->tool,
                     "options", t->options, "seed", (json_int_t)t->seed, "data_digest", rs_json_digest(t->data_digest),
                     "horizon_s", (json_int_t)t->horizon_s, "span_first", rs_json_time(t->span_first), "span_last",
                     rs_json_time(t->span_last), "samples", (json_int_t)t->n_rows, "positive_samples",
                     (json_int_t)t->n_positive, "entities", (json_int_t)t->n_entities, "failing_entities",
                     (json_int_t)t->n_failing, "mitigated_samples", (json_int_t)t->n_mitigated, "base_rate",
                     t->base_rate, "threshold", t->threshold, "control_share", t->control_share);
}

static json_t *signals_json(const struct rs_program *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_signals && list; i++)
        list = rs_json_append(list, json_pack("{s:s, s:s, s:s}", "name", p->signals[i].name, "unit", p->signals[i].unit,
                                              "kind", p->signals[i].kind == RS_COUNTER ? "counter" : "gauge"));
    return list;
}

static json_t *attrs_json(const struct rs_program *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_attrs && list; i++)
        list = rs_json_append(list, json_pack("{s:s, s:b, s:o}", "name", p->attrs[i].name, "is_number",
                                              (int)p->attrs[i].is_number, "values",
                                              texts(p->attrs[i].values, p->attrs[i].n_values)));
    return list;
}

static json_t *windows_json(const struct rs_program *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_windows && list; i++)
        list = rs_json_append(list, json_pack("{s:I, s:I}", "bucket_s", (json_int_t)p->windows[i].bucket_s, "buckets",
                                              (json_int_t)p->windows[i].n));
    return list;
}

static json_t *cohorts_json(const struct rs_model *m)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < m->program.n_cohorts && list; i++) {
        const struct rs_cohort *c = &m->program.cohorts[i];
        const struct rs_cohort_support *s = &m->support[i];
        list = rs_json_append(list, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", c->name, "parent",
                                              (json_int_t)c->parent, "attribute", (json_int_t)c->attr, "value",
                                              (json_int_t)c->value, "entities", (json_int_t)s->n_entities,
                                              "failing_entities", (json_int_t)s->n_failing, "samples",
                                              (json_int_t)s->n_rows, "positive_samples", (json_int_t)s->n_positive));
    }
    return list;
}

static json_t *step_json(const struct rs_model *m, uint32_t j)
{
    const struct rs_step *s = &m->program.steps[j];
    char name[EXPORT_NAME_MAX];
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "name",
                     rs_step_name(&m->program, j, name, sizeof name), "op", ops[s->op], "transform",
                     s->transform == RS_LOG1P ? "log1p" : "raw", "arg", (json_int_t)s->arg, "value",
                     (json_int_t)s->value, "window", (json_int_t)s->window, "impute", (double)s->impute, "knot",
                     (double)s->knot, "weight", m->weight[j], "mean", m->mean[j], "scale", m->scale[j]);
}

static json_t *steps_json(const struct rs_model *m)
{
    json_t *list = json_array();
    for (uint32_t j = 0; j < m->program.n_steps && list; j++)
        list = rs_json_append(list, step_json(m, j));
    return list;
}

static json_t *calibrator_json(const struct rs_calibrator *c)
{
    return json_pack("{s:s, s:f, s:f, s:f, s:o, s:o}", "kind", export_calibration_name(c->kind), "a", c->a, "b", c->b,
                     "c", c->c, "z", doubles(c->z, c->n), "p", doubles(c->p, c->n));
}

static json_t *deltas_json(const struct rs_model *m)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < m->n_deltas && list; i++) {
        const struct rs_cohort_delta *d = &m->deltas[i];
        json_t *weights = d->weight ? doubles(d->weight, m->program.n_steps) : json_null();
        list = rs_json_append(
            list, json_pack("{s:I, s:f, s:o}", "cohort", (json_int_t)d->cohort, "bias", d->bias, "weights", weights));
    }
    return list;
}

static json_t *rbf_json(const struct rs_model *m)
{
    if (m->learner != RS_RBF_SVM)
        return json_null();
    json_t *vectors = json_array();
    for (uint32_t k = 0; k < m->rbf.n_sv && vectors; k++)
        vectors = rs_json_append(vectors, floats(m->rbf.sv + (size_t)k * m->program.n_steps, m->program.n_steps));
    return json_pack("{s:f, s:o, s:o}", "gamma", m->rbf.gamma, "coefficients", doubles(m->rbf.coef, m->rbf.n_sv),
                     "vectors", vectors);
}

static json_t *reference_json(const struct rs_reference *r)
{
    return json_pack("{s:o, s:o, s:f}", "edges", floats(r->edge, r->n_edges), "shares",
                     doubles(r->share, r->n_edges ? r->n_edges + 1 : 0), "missing", r->missing);
}

static json_t *references_json(const struct rs_model *m)
{
    json_t *list = json_array();
    for (uint32_t i = 0; m->refs && i < m->program.n_signals && list; i++)
        list = rs_json_append(list, reference_json(&m->refs[i]));
    return json_pack("{s:o, s:o}", "signals", list, "risk", reference_json(&m->score_ref));
}

enum rs_status export_json(const struct rs_model *m, struct rs_buf *out, struct rs_error *err)
{
    const struct rs_program *p = &m->program;
    json_t *root = json_pack(
        "{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:f, s:o, s:o, s:o, s:o}", "format", "reseat-model",
        "version", RS_MODEL_VERSION, "digest", rs_json_digest(rs_model_digest(m)), "meta", meta_json(&m->meta),
        "signals", signals_json(p), "attributes", attrs_json(p), "windows", windows_json(p), "events",
        texts(p->events, p->n_events), "cohorts", cohorts_json(m), "features", steps_json(m), "learner",
        export_learner_name(m->learner), "bias", m->bias, "calibrator", calibrator_json(&m->calibrator), "deltas",
        deltas_json(m), "rbf", rbf_json(m), "references", references_json(m));
    rs_autofree char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(root);
    if (!text)
        return rs_error_set(err, RS_ENOMEM, "export as JSON: out of memory");
    rs_buf_printf(out, "%s\n", text);
    return RS_OK;
}
