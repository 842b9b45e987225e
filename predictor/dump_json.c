/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model as JSON, with all digits. */
#include "predictor/dump.h"
#include "predictor/train_report.h"

static json_t *meta_json(const struct rs_model *m)
{
    const struct rs_model_meta *t = &m->meta;
    return json_pack("{s:s, s:s, s:I, s:o, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:f, s:f}", "tool", t->tool,
                     "options", t->options, "seed", (json_int_t)t->seed, "data_digest", rs_json_digest(t->data_digest),
                     "horizon_s", (json_int_t)t->horizon_s, "span_first", rs_json_time(t->span_first), "span_last",
                     rs_json_time(t->span_last), "samples", (json_int_t)t->n_rows, "positive_samples",
                     (json_int_t)t->n_positive, "entities", (json_int_t)t->n_entities, "failing_entities",
                     (json_int_t)t->n_failing, "mitigated_samples", (json_int_t)t->n_mitigated, "control_share",
                     t->control_share > 0 ? json_real(t->control_share) : json_null(), "base_rate", t->base_rate,
                     "threshold", t->threshold);
}

static json_t *signals_json(const struct rs_program *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_signals; i++)
        list = rs_json_append(list, json_pack("{s:s, s:s, s:s}", "name", p->signals[i].name, "unit", p->signals[i].unit,
                                              "kind", rs_signal_kind_name(p->signals[i].kind)));
    return list;
}

static json_t *values_json(const struct rs_attr *a)
{
    json_t *list = json_array();
    for (uint32_t v = 0; v < a->n_values; v++)
        list = rs_json_append(list, json_string(a->values[v]));
    return list;
}

static json_t *attrs_json(const struct rs_program *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_attrs; i++)
        list = rs_json_append(list, json_pack("{s:s, s:b, s:b, s:o}", "name", p->attrs[i].name, "is_number",
                                              (int)p->attrs[i].is_number, "in_cohorts",
                                              (int)rs_attr_is_in_cohorts(p, i), "values", values_json(&p->attrs[i])));
    return list;
}

static json_t *windows_json(const struct rs_program *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_windows; i++)
        list = rs_json_append(list, json_pack("{s:I, s:I}", "bucket_s", (json_int_t)p->windows[i].bucket_s, "buckets",
                                              (json_int_t)p->windows[i].n));
    return list;
}

static json_t *cohorts_json(const struct rs_model *m)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < m->program.n_cohorts; i++) {
        const struct rs_cohort *c = &m->program.cohorts[i];
        const struct rs_cohort_support *s = &m->support[i];
        list = rs_json_append(list, json_pack("{s:s, s:o, s:I, s:I, s:I, s:I}", "name", c->name, "parent",
                                              i ? json_string(m->program.cohorts[c->parent].name) : json_null(),
                                              "entities", (json_int_t)s->n_entities, "failing_entities",
                                              (json_int_t)s->n_failing, "samples", (json_int_t)s->n_rows,
                                              "positive_samples", (json_int_t)s->n_positive));
    }
    return list;
}

static json_t *events_json(const struct rs_program *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_events; i++)
        list = rs_json_append(list, json_string(p->events[i]));
    return list;
}

static json_t *steps_json(const struct rs_model *m, const struct rs_ranked_step *ranked)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < m->program.n_steps; i++) {
        uint32_t k = ranked[i].step;
        const struct rs_step *s = &m->program.steps[k];
        char name[RS_NAME_MAX * 2];
        bool has_knot = s->op == RS_STEP_ABOVE || s->op == RS_STEP_GREATER;
        list = rs_json_append(list, json_pack("{s:I, s:s, s:f, s:f, s:f, s:f, s:f, s:o}", "index", (json_int_t)k,
                                              "name", rs_step_name(&m->program, k, name, sizeof name),
                                              "standard_weight", ranked[i].weight, "weight", m->weight[k], "mean",
                                              m->mean[k], "scale", m->scale[k], "impute", (double)s->impute, "knot",
                                              has_knot ? json_real((double)s->knot) : json_null()));
    }
    return list;
}

static json_t *knots_json(const struct rs_calibrator *c)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->n; i++)
        list = rs_json_append(list, json_pack("{s:f, s:f}", "z", c->z[i], "p", c->p[i]));
    return list;
}

static json_t *calibration_json(const struct rs_calibrator *c)
{
    return json_pack("{s:s, s:f, s:f, s:f, s:o}", "kind", rs_calibration_name(c->kind), "a", c->a, "b", c->b, "c", c->c,
                     "knots", knots_json(c));
}

/* What a cohort adds, heaviest first, without what it leaves as it is. */
static json_t *added_json(const struct rs_model *m, const struct rs_cohort_delta *d, struct rs_ranked_step *ranked)
{
    json_t *list = json_array();
    if (!d->weight)
        return list;
    rs_rank_steps(m, d->weight, ranked);
    for (uint32_t i = 0; i < m->program.n_steps && ranked[i].weight != 0; i++) {
        uint32_t k = ranked[i].step;
        char name[RS_NAME_MAX * 2];
        list =
            rs_json_append(list, json_pack("{s:s, s:f, s:f}", "name", rs_step_name(&m->program, k, name, sizeof name),
                                           "standard_weight", ranked[i].weight, "weight", d->weight[k]));
    }
    return list;
}

static json_t *deltas_json(const struct rs_model *m)
{
    rs_autofree struct rs_ranked_step *ranked = rs_alloc(m->program.n_steps, sizeof *ranked);
    if (!ranked)
        return NULL;
    json_t *list = json_array();
    for (uint32_t i = 0; i < m->n_deltas; i++) {
        const struct rs_cohort_delta *d = &m->deltas[i];
        list = rs_json_append(list, json_pack("{s:s, s:f, s:o}", "cohort", m->program.cohorts[d->cohort].name, "bias",
                                              d->bias, "weights", added_json(m, d, ranked)));
    }
    return list;
}

static json_t *floats_json(const float *x, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        list = rs_json_append(list, json_real((double)x[i]));
    return list;
}

static json_t *rbf_json(const struct rs_model *m)
{
    const struct rs_rbf *r = &m->rbf;
    size_t d = m->program.n_steps;
    if (m->learner != RS_RBF_SVM)
        return json_null();
    json_t *vectors = json_array();
    for (uint32_t k = 0; k < r->n_sv; k++)
        vectors =
            rs_json_append(vectors, json_pack("{s:f, s:o}", "coef", r->coef[k], "x", floats_json(r->sv + k * d, d)));
    return json_pack("{s:f, s:o}", "gamma", r->gamma, "vectors", vectors);
}

static json_t *reference_json(const struct rs_reference *r)
{
    json_t *shares = json_array();
    for (uint32_t i = 0; r->n_edges && i <= r->n_edges; i++)
        shares = rs_json_append(shares, json_real(r->share[i]));
    return json_pack("{s:o, s:o, s:f}", "edges", floats_json(r->edge, r->n_edges), "shares", shares, "missing",
                     r->missing);
}

static json_t *references_json(const struct rs_model *m)
{
    json_t *list = json_array();
    for (uint32_t i = 0; m->refs && i < m->program.n_signals; i++)
        list = rs_json_append(list, json_pack("{s:s, s:o}", "signal", m->program.signals[i].name, "reference",
                                              reference_json(&m->refs[i])));
    return json_pack("{s:o, s:o}", "signals", list, "risk", reference_json(&m->score_ref));
}

enum rs_status rs_dump_json(const struct rs_dump *d, struct rs_error *err)
{
    const struct rs_model *m = d->m;
    const struct rs_program *p = &m->program;
    json_t *root = json_pack("{s:s, s:o, s:I, s:o, s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                             "model", d->path, "digest", rs_json_digest(rs_model_digest(m)), "format",
                             (json_int_t)RS_MODEL_VERSION, "meta", meta_json(m), "learner", rs_learner_name(m->learner),
                             "bias", m->bias, "calibration", calibration_json(&m->calibrator), "signals",
                             signals_json(p), "attributes", attrs_json(p), "events", events_json(p), "windows",
                             windows_json(p), "cohorts", cohorts_json(m), "features", steps_json(m, d->ranked),
                             "deltas", deltas_json(m), "rbf", rbf_json(m), "references", references_json(m));
    return rs_json_print(root, err);
}
