/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of a model file on their way out, as docs/model-format.md lists them. */
#include "models/codec.h"

void rs_put_model_meta(struct rs_buf *b, const struct rs_model *m)
{
    const struct rs_model_meta *meta = &m->meta;
    rs_put_str(b, meta->tool);
    rs_put_str(b, meta->options);
    rs_put_u64(b, meta->seed);
    rs_put_u64(b, meta->data_digest);
    rs_put_i64(b, meta->horizon_s);
    rs_put_i64(b, meta->span_first);
    rs_put_i64(b, meta->span_last);
    rs_put_u64(b, meta->n_rows);
    rs_put_u64(b, meta->n_positive);
    rs_put_u64(b, meta->n_entities);
    rs_put_u64(b, meta->n_failing);
    rs_put_f64(b, meta->base_rate);
    rs_put_f64(b, meta->threshold);
    rs_put_u64(b, meta->n_mitigated);
    rs_put_f64(b, meta->control_share);
}

void rs_put_model_signals(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_signals);
    for (uint32_t i = 0; i < m->program.n_signals; i++) {
        rs_put_str(b, m->program.signals[i].name);
        rs_put_str(b, m->program.signals[i].unit);
        rs_put_u8(b, (uint8_t)m->program.signals[i].kind);
    }
}

void rs_put_model_attrs(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_attrs);
    for (uint32_t i = 0; i < m->program.n_attrs; i++) {
        const struct rs_attr *a = &m->program.attrs[i];
        rs_put_str(b, a->name);
        rs_put_u8(b, a->is_number);
        rs_put_u32(b, a->n_values);
        for (uint32_t v = 0; v < a->n_values; v++)
            rs_put_str(b, a->values[v]);
    }
}

void rs_put_model_windows(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_windows);
    for (uint32_t i = 0; i < m->program.n_windows; i++) {
        rs_put_i64(b, m->program.windows[i].bucket_s);
        rs_put_u32(b, m->program.windows[i].n);
    }
}

void rs_put_model_cohorts(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_cohorts);
    for (uint32_t i = 0; i < m->program.n_cohorts; i++) {
        const struct rs_cohort *c = &m->program.cohorts[i];
        const struct rs_cohort_support *s = &m->support[i];
        rs_put_u32(b, c->parent);
        rs_put_u32(b, c->attr);
        rs_put_u32(b, c->value);
        rs_put_str(b, c->name);
        rs_put_u64(b, s->n_entities);
        rs_put_u64(b, s->n_failing);
        rs_put_u64(b, s->n_rows);
        rs_put_u64(b, s->n_positive);
    }
}

void rs_put_model_steps(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_steps);
    for (uint32_t i = 0; i < m->program.n_steps; i++) {
        const struct rs_step *s = &m->program.steps[i];
        rs_put_u8(b, (uint8_t)s->op);
        rs_put_u8(b, (uint8_t)s->transform);
        rs_put_u32(b, s->arg);
        rs_put_u32(b, s->value);
        rs_put_u32(b, s->window);
        rs_put_f32(b, s->impute);
        rs_put_f32(b, s->knot);
        rs_put_f64(b, m->weight[i]);
        rs_put_f64(b, m->mean[i]);
        rs_put_f64(b, m->scale[i]);
    }
}

void rs_put_model_events(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_events);
    for (uint32_t i = 0; i < m->program.n_events; i++)
        rs_put_str(b, m->program.events[i]);
}

void rs_put_model_score(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u8(b, (uint8_t)m->learner);
    rs_put_f64(b, m->bias);
}

void rs_put_model_calibrator(struct rs_buf *b, const struct rs_model *m)
{
    const struct rs_calibrator *c = &m->calibrator;
    rs_put_u8(b, (uint8_t)c->kind);
    if (c->kind == RS_ISOTONIC) {
        rs_put_u32(b, c->n);
        for (uint32_t i = 0; i < c->n; i++) {
            rs_put_f64(b, c->z[i]);
            rs_put_f64(b, c->p[i]);
        }
        return;
    }
    rs_put_f64(b, c->a);
    rs_put_f64(b, c->b);
    if (c->kind == RS_BETA)
        rs_put_f64(b, c->c);
}

void rs_put_model_deltas(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->n_deltas);
    for (uint32_t i = 0; i < m->n_deltas; i++) {
        const struct rs_cohort_delta *d = &m->deltas[i];
        rs_put_u32(b, d->cohort);
        rs_put_f64(b, d->bias);
        rs_put_u8(b, d->weight != NULL);
        for (uint32_t j = 0; d->weight && j < m->program.n_steps; j++)
            rs_put_f64(b, d->weight[j]);
    }
}

void rs_put_model_vectors(struct rs_buf *b, const struct rs_model *m)
{
    const struct rs_rbf *r = &m->rbf;
    rs_put_f64(b, r->gamma);
    rs_put_u32(b, r->n_sv);
    for (uint32_t k = 0; k < r->n_sv; k++) {
        rs_put_f64(b, r->coef[k]);
        for (size_t j = 0; j < m->program.n_steps; j++)
            rs_put_f32(b, r->sv[k * (size_t)m->program.n_steps + j]);
    }
}

static void put_reference(struct rs_buf *b, const struct rs_reference *r)
{
    rs_put_u8(b, (uint8_t)r->n_edges);
    rs_put_f64(b, r->missing);
    for (uint32_t i = 0; i < r->n_edges; i++)
        rs_put_f32(b, r->edge[i]);
    for (uint32_t i = 0; r->n_edges && i <= r->n_edges; i++)
        rs_put_f64(b, r->share[i]);
}

void rs_put_model_references(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u8(b, m->refs != NULL);
    for (uint32_t i = 0; m->refs && i < m->program.n_signals; i++)
        put_reference(b, &m->refs[i]);
    put_reference(b, &m->score_ref);
}
