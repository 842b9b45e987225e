/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Puts a foreign model on our features. See import_model.h. */
#include "predictor/import_model.h"

static enum rs_status choose_calibration(const struct rs_text_model *t, const struct rs_import_options *opt,
                                         struct rs_calibrator *out, struct rs_error *err)
{
    *out = (struct rs_calibrator){ .kind = RS_PLATT, .a = 1 };
    if (opt->has_calibration) {
        out->a = opt->calib_a;
        out->b = opt->calib_b;
    } else if (t->has_sigmoid) {
        out->a = t->sigmoid_a;
        out->b = t->sigmoid_b;
    } else if (!t->is_logistic) {
        return rs_error_set(err, RS_EUSAGE,
                            "--calibration: needed: what a support vector machine yields is no log odds");
    }
    return RS_OK;
}

/* math.md X8: weight_j = w_j / scale_j where the inputs are standardised, and the bias as it is; else
 * bias + sum_j w_j mean_j, so that explanations count from the mean */
static void place_weights(const struct rs_text_model *t, bool is_standardised, struct rs_model *m)
{
    m->bias = t->bias;
    for (size_t j = 0; t->w && j < t->n; j++) {
        m->weight[j] = is_standardised ? t->w[j] / m->scale[j] : t->w[j];
        if (!is_standardised)
            m->bias += t->w[j] * m->mean[j];
    }
}

/* A radial machine of raw inputs stands on standardised ones with mean 0 and scale 1. */
static void place_vectors(struct rs_text_model *t, bool is_standardised, struct rs_model *m)
{
    m->learner = RS_RBF_SVM;
    m->rbf =
        (struct rs_rbf){ .n_sv = (uint32_t)t->n_sv, .gamma = t->gamma, .coef = rs_take(t->coef), .sv = rs_take(t->sv) };
    for (size_t j = 0; !is_standardised && j < t->n; j++) {
        m->mean[j] = 0;
        m->scale[j] = 1;
    }
}

static enum rs_status fill_meta(const struct rs_import_options *opt, struct rs_model_meta *meta, struct rs_error *err)
{
    *meta = (struct rs_model_meta){ .horizon_s = opt->horizon_s,
                                    .threshold = opt->threshold,
                                    .tool = strdup(opt->tool),
                                    .options = strdup(opt->arguments) };
    return meta->tool && meta->options ? RS_OK : rs_error_set(err, RS_ENOMEM, "model: out of memory");
}

enum rs_status rs_import_model(struct rs_text_model *text, struct rs_feature_list *list,
                               const struct rs_import_options *opt, struct rs_model **out, struct rs_error *err)
{
    RS_AUTO_STRUCT(rs_model) *m = rs_alloc(1, sizeof *m);
    if (!m)
        return rs_error_set(err, RS_ENOMEM, "model: out of memory");
    enum rs_status st = choose_calibration(text, opt, &m->calibrator, err);
    if (st == RS_OK)
        st = fill_meta(opt, &m->meta, err);
    if (st < 0)
        return st;
    m->program = list->program;
    m->mean = list->mean;
    m->scale = list->scale;
    *list = (struct rs_feature_list){ 0 };
    m->learner = text->is_logistic ? RS_LOGISTIC : RS_LINEAR_SVM;
    m->weight = rs_alloc(m->program.n_steps, sizeof *m->weight);
    m->support = rs_alloc(m->program.n_cohorts, sizeof *m->support);
    if (!m->weight || !m->support)
        return rs_error_set(err, RS_ENOMEM, "model: out of memory");
    place_weights(text, opt->is_standardised, m);
    if (!text->w)
        place_vectors(text, opt->is_standardised, m);
    rs_text_model_clear(text);
    st = rs_model_check(m, err);
    if (st == RS_EINVAL)
        st = rs_error_prefix(err, RS_EUNSUPPORTED, "the model does not fit");
    if (st == RS_OK)
        st = rs_model_prepare(m, err);
    if (st == RS_OK)
        *out = rs_take(m);
    return st;
}
