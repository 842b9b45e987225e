/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weights per raw unit, deltas, provenance. */
#include "predictor/assemble.h"

/* The command; and the memory, which is the machine's by default, where rows were left out for it. */
static char *describe_options(const struct rs_train_options *opt, const struct rs_matrix *m)
{
    char *text = NULL;
    if (!(m->keep_share < 1))
        return strdup(opt->command);
    return asprintf(&text, "%s --memory %zu", opt->command, opt->memory_bytes) < 0 ? NULL : text;
}

static enum rs_status fill_meta(const struct rs_train_options *opt, const struct rs_matrix *m, struct rs_model *out,
                                struct rs_error *err)
{
    const struct rs_tally *t = &m->tally;
    double threshold = out->meta.threshold;
    out->meta = (struct rs_model_meta){
        .tool = strdup("reseat " RS_VERSION),
        .options = describe_options(opt, m),
        .seed = opt->seed,
        .data_digest = t->digest,
        .horizon_s = opt->horizon_s,
        .span_first = t->first,
        .span_last = t->last,
        .n_rows = t->n_rows,
        .n_positive = t->n_positive,
        .n_entities = t->n_entities,
        .n_failing = t->n_failing,
        .n_mitigated = t->n_mitigated,
        .control_share = t->control_share,
        .base_rate = (double)t->n_positive / (double)t->n_rows,
        .threshold = threshold,
    };
    return out->meta.tool && out->meta.options ? RS_OK : rs_error_set(err, RS_ENOMEM, "model: out of memory");
}

/* math.md M1: weights per raw unit. */
static enum rs_status fill_weights(const struct rs_matrix *m, struct rs_fitted *f, struct rs_model *out,
                                   struct rs_error *err)
{
    out->weight = rs_alloc(m->d, sizeof *out->weight);
    if (!out->weight)
        return rs_error_set(err, RS_ENOMEM, "model: out of memory");
    if (out->learner == RS_RBF_SVM) {
        out->bias = f->rbf_bias;
        out->rbf = f->rbf;
        f->rbf = (struct rs_rbf){ 0 };
        return RS_OK;
    }
    out->bias = f->w[m->d];
    for (size_t j = 0; j < m->d; j++)
        out->weight[j] = f->w[j] / m->scale[j];
    return RS_OK;
}

/* math.md M6, P1: from log odds and standardised units to the model's own */
static enum rs_status fill_deltas(const struct rs_matrix *m, const struct rs_deltas *deltas, double slope,
                                  struct rs_model *out, struct rs_error *err)
{
    if (deltas->n == 0)
        return RS_OK;
    out->deltas = rs_alloc(deltas->n, sizeof *out->deltas);
    if (!out->deltas)
        return rs_error_set(err, RS_ENOMEM, "model: out of memory");
    for (; out->n_deltas < deltas->n; out->n_deltas++) {
        const struct rs_cohort_delta *from = &deltas->of[out->n_deltas];
        struct rs_cohort_delta *to = &out->deltas[out->n_deltas];
        *to = (struct rs_cohort_delta){ .cohort = from->cohort, .bias = from->bias / slope };
        if (!from->weight)
            continue;
        to->weight = rs_alloc(m->d, sizeof *to->weight);
        if (!to->weight)
            return rs_error_set(err, RS_ENOMEM, "model: out of memory");
        for (size_t j = 0; j < deltas->d; j++) /* of base columns alone */
            to->weight[j] = from->weight[j] / (slope * m->scale[j]);
    }
    return RS_OK;
}

/* What the signals looked like, for reseat drift. */
static enum rs_status fill_references(const struct rs_fleet_info *info, const struct rs_matrix *m, struct rs_model *out,
                                      struct rs_error *err)
{
    const struct rs_program *p = &out->program;
    rs_autofree uint32_t *column = rs_alloc(p->n_signals, sizeof *column);
    if (!column)
        return rs_error_set(err, RS_ENOMEM, "model: out of memory");
    for (uint32_t i = 0; i < p->n_signals; i++)
        for (uint32_t k = 0; k < info->n_signals; k++)
            if (rs_streq(p->signals[i].name, info->signals[k].name))
                column[i] = k;
    return rs_references_finish(m->references, column, p->n_signals, &out->refs, err);
}

enum rs_status rs_assemble(const struct rs_fleet_info *info, const struct rs_train_options *opt, struct rs_matrix *m,
                           const struct rs_candidate *c, struct rs_fitted *f, const struct rs_deltas *deltas,
                           double slope, struct rs_model *out, struct rs_error *err)
{
    out->learner = c->ops->learner;
    enum rs_status st = fill_meta(opt, m, out, err);
    if (st == RS_OK)
        st = fill_weights(m, f, out, err);
    if (st == RS_OK)
        st = fill_deltas(m, deltas, slope, out, err);
    if (st == RS_OK)
        st = fill_references(info, m, out, err);
    if (st < 0)
        return st;
    out->mean = rs_take(m->mean);
    out->scale = rs_take(m->scale);
    out->support = rs_take(m->tally.support);
    st = rs_model_check(out, err);
    if (st == RS_OK)
        st = rs_model_prepare(out, err);
    return st < 0 ? rs_error_prefix(err, st, "trained model") : RS_OK;
}
