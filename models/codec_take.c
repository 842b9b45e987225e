/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of a model file on their way in, as docs/model-format.md lists them. Each moves only through the cursor,
 * and allocates only what the bytes left can fill. */
#include "models/codec.h"

/* Takes a count whose items need at least item_size bytes each, allocates them and points *out_items there. */
static enum rs_status take_items(struct rs_cursor *c, uint32_t max, size_t item_size, size_t memory_size,
                                 uint32_t *out_n, void *out_items, struct rs_error *err)
{
    uint32_t n;
    if (!rs_take_u32(c, &n))
        return rs_error_set(err, RS_ECORRUPT, "cut short");
    if (n > max)
        return rs_error_set(err, RS_ECORRUPT, "%u declared, at most %u allowed", n, max);
    if (n > c->left / item_size)
        return rs_error_set(err, RS_ECORRUPT, "%u declared, %zu bytes left", n, c->left);
    void *items = rs_alloc(n, memory_size);
    if (!items)
        return rs_error_set(err, RS_ENOMEM, "%u items", n);
    *out_n = n;
    memcpy(out_items, &items, sizeof items);
    return RS_OK;
}

static enum rs_status cut(struct rs_error *err, uint32_t i)
{
    return rs_error_set(err, RS_ECORRUPT, "item %u is cut short or no text", i);
}

/* What META has in every version. */
static bool take_common_meta(struct rs_cursor *c, struct rs_model_meta *meta)
{
    return rs_take_str(c, RS_MODEL_TEXT_MAX, &meta->tool) && rs_take_str(c, RS_MODEL_TEXT_MAX, &meta->options) &&
           rs_take_u64(c, &meta->seed) && rs_take_u64(c, &meta->data_digest) && rs_take_i64(c, &meta->horizon_s) &&
           rs_take_i64(c, &meta->span_first) && rs_take_i64(c, &meta->span_last) && rs_take_u64(c, &meta->n_rows) &&
           rs_take_u64(c, &meta->n_positive) && rs_take_u64(c, &meta->n_entities) && rs_take_u64(c, &meta->n_failing) &&
           rs_take_f64(c, &meta->base_rate) && rs_take_f64(c, &meta->threshold);
}

enum rs_status rs_take_model_meta_v1(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    return take_common_meta(c, &m->meta) ? RS_OK : rs_error_set(err, RS_ECORRUPT, "cut short or no text");
}

enum rs_status rs_take_model_meta(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    bool ok =
        take_common_meta(c, &m->meta) && rs_take_u64(c, &m->meta.n_mitigated) && rs_take_f64(c, &m->meta.control_share);
    return ok ? RS_OK : rs_error_set(err, RS_ECORRUPT, "cut short or no text");
}

enum rs_status rs_take_model_signals(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_SIGNALS_MAX, 9, sizeof *p->signals, &p->n_signals, &p->signals, err);
    for (uint32_t i = 0; st == RS_OK && i < p->n_signals; i++) {
        struct rs_signal *s = &p->signals[i];
        uint8_t kind;
        if (!rs_take_str(c, RS_NAME_MAX, &s->name) || !rs_take_str(c, RS_NAME_MAX, &s->unit) || !rs_take_u8(c, &kind))
            return cut(err, i);
        s->kind = (enum rs_signal_kind)kind;
    }
    return st;
}

static enum rs_status take_attr(struct rs_cursor *c, struct rs_attr *a, uint32_t i, struct rs_error *err)
{
    uint8_t is_number;
    if (!rs_take_str(c, RS_NAME_MAX, &a->name) || !rs_take_u8(c, &is_number))
        return cut(err, i);
    if (is_number > 1)
        return rs_error_set(err, RS_ECORRUPT, "item %u: neither number nor category", i);
    a->is_number = is_number;
    enum rs_status st = take_items(c, RS_ATTR_VALUES_MAX, 4, sizeof *a->values, &a->n_values, &a->values, err);
    for (uint32_t v = 0; st == RS_OK && v < a->n_values; v++)
        if (!rs_take_str(c, RS_NAME_MAX, &a->values[v]))
            return cut(err, i);
    return st;
}

enum rs_status rs_take_model_attrs(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_ATTRS_MAX, 9, sizeof *p->attrs, &p->n_attrs, &p->attrs, err);
    for (uint32_t i = 0; st == RS_OK && i < p->n_attrs; i++)
        st = take_attr(c, &p->attrs[i], i, err);
    return st;
}

enum rs_status rs_take_model_windows(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_WINDOWS_MAX, 12, sizeof *p->windows, &p->n_windows, &p->windows, err);
    for (uint32_t i = 0; st == RS_OK && i < p->n_windows; i++)
        if (!rs_take_i64(c, &p->windows[i].bucket_s) || !rs_take_u32(c, &p->windows[i].n))
            return cut(err, i);
    return st;
}

enum rs_status rs_take_model_cohorts(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_COHORTS_MAX, 48, sizeof *p->cohorts, &p->n_cohorts, &p->cohorts, err);
    if (st < 0)
        return st;
    m->support = rs_alloc(p->n_cohorts, sizeof *m->support);
    if (!m->support)
        return rs_error_set(err, RS_ENOMEM, "%u cohorts", p->n_cohorts);
    for (uint32_t i = 0; i < p->n_cohorts; i++) {
        struct rs_cohort *k = &p->cohorts[i];
        struct rs_cohort_support *s = &m->support[i];
        if (!rs_take_u32(c, &k->parent) || !rs_take_u32(c, &k->attr) || !rs_take_u32(c, &k->value) ||
            !rs_take_str(c, (size_t)4 * RS_NAME_MAX, &k->name) || !rs_take_u64(c, &s->n_entities) ||
            !rs_take_u64(c, &s->n_failing) || !rs_take_u64(c, &s->n_rows) || !rs_take_u64(c, &s->n_positive))
            return cut(err, i);
    }
    return RS_OK;
}

static bool take_step(struct rs_cursor *c, struct rs_model *m, uint32_t i, bool has_knot)
{
    struct rs_step *s = &m->program.steps[i];
    uint8_t op, transform;
    if (!rs_take_u8(c, &op) || !rs_take_u8(c, &transform) || !rs_take_u32(c, &s->arg) || !rs_take_u32(c, &s->value) ||
        !rs_take_u32(c, &s->window) || !rs_take_f32(c, &s->impute) || (has_knot && !rs_take_f32(c, &s->knot)))
        return false;
    s->op = (enum rs_step_op)op;
    s->transform = (enum rs_transform)transform;
    return rs_take_f64(c, &m->weight[i]) && rs_take_f64(c, &m->mean[i]) && rs_take_f64(c, &m->scale[i]);
}

static enum rs_status take_steps(struct rs_cursor *c, struct rs_model *m, bool has_knot, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_STEPS_MAX, has_knot ? 46 : 42, sizeof *p->steps, &p->n_steps, &p->steps, err);
    if (st < 0)
        return st;
    m->weight = rs_alloc(p->n_steps, sizeof *m->weight);
    m->mean = rs_alloc(p->n_steps, sizeof *m->mean);
    m->scale = rs_alloc(p->n_steps, sizeof *m->scale);
    if (!m->weight || !m->mean || !m->scale)
        return rs_error_set(err, RS_ENOMEM, "%u steps", p->n_steps);
    for (uint32_t i = 0; i < p->n_steps; i++)
        if (!take_step(c, m, i, has_knot))
            return cut(err, i);
    return RS_OK;
}

enum rs_status rs_take_model_steps(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    return take_steps(c, m, true, err);
}

enum rs_status rs_take_model_steps_v1(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    enum rs_status st = take_steps(c, m, false, err);
    for (uint32_t i = 0; st == RS_OK && i < m->program.n_steps; i++)
        if (m->program.steps[i].op > RS_STEP_COHORT)
            return rs_error_set(err, RS_ECORRUPT, "item %u: version 1 has no such operation", i);
    return st;
}

enum rs_status rs_take_model_events(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_EVENTS_MAX, 4, sizeof *p->events, &p->n_events, &p->events, err);
    for (uint32_t i = 0; st == RS_OK && i < p->n_events; i++)
        if (!rs_take_str(c, RS_NAME_MAX, &p->events[i]))
            return cut(err, i);
    return st;
}

enum rs_status rs_take_model_score(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    uint8_t learner;
    if (!rs_take_u8(c, &learner) || !rs_take_f64(c, &m->bias))
        return rs_error_set(err, RS_ECORRUPT, "cut short");
    m->learner = (enum rs_learner)learner;
    return RS_OK;
}

enum rs_status rs_take_model_score_v1(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    enum rs_status st = rs_take_model_score(c, m, err);
    if (st < 0)
        return st;
    if (m->learner > RS_LINEAR_SVM)
        return rs_error_set(err, RS_ECORRUPT, "version 1 has no such learner");
    bool ok = rs_take_f64(c, &m->calibrator.a) && rs_take_f64(c, &m->calibrator.b);
    return ok ? RS_OK : rs_error_set(err, RS_ECORRUPT, "cut short");
}

/* Pairs z, p in the file, two lists in memory. */
static enum rs_status take_knots(struct rs_cursor *c, struct rs_calibrator *k, struct rs_error *err)
{
    uint32_t n;
    rs_autofree double *z = NULL;
    enum rs_status st = take_items(c, RS_KNOTS_MAX, 16, sizeof *z, &n, &z, err);
    if (st < 0)
        return st;
    k->z = rs_take(z);
    k->p = rs_alloc(n, sizeof *k->p);
    if (!k->p)
        return rs_error_set(err, RS_ENOMEM, "%u knots", n);
    k->n = n;
    for (uint32_t i = 0; i < n; i++)
        if (!rs_take_f64(c, &k->z[i]) || !rs_take_f64(c, &k->p[i]))
            return cut(err, i);
    return RS_OK;
}

enum rs_status rs_take_model_calibrator(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_calibrator *k = &m->calibrator;
    uint8_t kind;
    if (!rs_take_u8(c, &kind))
        return rs_error_set(err, RS_ECORRUPT, "cut short");
    k->kind = (enum rs_calibration)kind;
    if (kind == RS_ISOTONIC)
        return take_knots(c, k, err);
    if (!rs_take_f64(c, &k->a) || !rs_take_f64(c, &k->b) || (kind == RS_BETA && !rs_take_f64(c, &k->c)))
        return rs_error_set(err, RS_ECORRUPT, "cut short");
    return RS_OK;
}

static enum rs_status take_delta(struct rs_cursor *c, struct rs_model *m, uint32_t i, struct rs_error *err)
{
    struct rs_cohort_delta *d = &m->deltas[i];
    uint8_t has_weight;
    if (!rs_take_u32(c, &d->cohort) || !rs_take_f64(c, &d->bias) || !rs_take_u8(c, &has_weight))
        return cut(err, i);
    if (has_weight > 1)
        return rs_error_set(err, RS_ECORRUPT, "item %u: neither with weights nor without", i);
    if (!has_weight)
        return RS_OK;
    if (c->left / sizeof(double) < m->program.n_steps)
        return cut(err, i);
    d->weight = rs_alloc(m->program.n_steps, sizeof *d->weight);
    if (!d->weight)
        return rs_error_set(err, RS_ENOMEM, "delta of %u features", m->program.n_steps);
    for (uint32_t j = 0; j < m->program.n_steps; j++)
        if (!rs_take_f64(c, &d->weight[j]))
            return cut(err, i);
    return RS_OK;
}

enum rs_status rs_take_model_deltas(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    enum rs_status st = take_items(c, RS_COHORTS_MAX, 13, sizeof *m->deltas, &m->n_deltas, &m->deltas, err);
    for (uint32_t i = 0; st == RS_OK && i < m->n_deltas; i++)
        st = take_delta(c, m, i, err);
    return st;
}

enum rs_status rs_take_model_vectors(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_rbf *r = &m->rbf;
    size_t d = m->program.n_steps;
    if (!rs_take_f64(c, &r->gamma))
        return rs_error_set(err, RS_ECORRUPT, "cut short");
    size_t item = sizeof(double) + d * sizeof(float);
    enum rs_status st = take_items(c, RS_VECTORS_MAX, item, sizeof *r->coef, &r->n_sv, &r->coef, err);
    if (st < 0)
        return st;
    r->sv = rs_alloc(r->n_sv, d * sizeof *r->sv);
    if (!r->sv)
        return rs_error_set(err, RS_ENOMEM, "%u support vectors", r->n_sv);
    for (size_t k = 0; k < r->n_sv; k++) {
        bool ok = rs_take_f64(c, &r->coef[k]);
        for (size_t j = 0; ok && j < d; j++)
            ok = rs_take_f32(c, &r->sv[k * d + j]);
        if (!ok)
            return cut(err, (uint32_t)k);
    }
    return RS_OK;
}

static bool take_reference(struct rs_cursor *c, struct rs_reference *r)
{
    uint8_t n;
    if (!rs_take_u8(c, &n) || n > RS_REF_EDGES || !rs_take_f64(c, &r->missing))
        return false;
    r->n_edges = n;
    bool ok = true;
    for (uint32_t i = 0; ok && i < n; i++)
        ok = rs_take_f32(c, &r->edge[i]);
    for (uint32_t i = 0; ok && n && i <= n; i++)
        ok = rs_take_f64(c, &r->share[i]);
    return ok;
}

enum rs_status rs_take_model_references(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    uint8_t has_refs;
    if (!rs_take_u8(c, &has_refs))
        return rs_error_set(err, RS_ECORRUPT, "cut short");
    if (has_refs > 1 || (has_refs && c->left / 9 < m->program.n_signals))
        return rs_error_set(err, RS_ECORRUPT, "those of the signals are neither there nor absent");
    if (has_refs) {
        m->refs = rs_alloc(m->program.n_signals, sizeof *m->refs);
        if (!m->refs)
            return rs_error_set(err, RS_ENOMEM, "references of %u signals", m->program.n_signals);
    }
    for (uint32_t i = 0; has_refs && i < m->program.n_signals; i++)
        if (!take_reference(c, &m->refs[i]))
            return rs_error_set(err, RS_ECORRUPT, "item %u is cut short or has too many edges", i);
    if (!take_reference(c, &m->score_ref))
        return rs_error_set(err, RS_ECORRUPT, "that of the risk is cut short or has too many edges");
    return RS_OK;
}
