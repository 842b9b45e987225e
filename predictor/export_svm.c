/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text models of libsvm and liblinear, and rows of features for svm-predict and liblinear-predict.
 *
 * A linear model is put into raw features: weights of what rs_state_features() yields, the means moved into the bias.
 * What a cohort adds to it becomes columns of its own behind the features (X6). A radial machine stays on standardised
 * features, and so do its rows. */
#include "predictor/export_private.h"

/* z' = scale z + shift, over raw features: z' = bias + w . x */
struct raw_form {
    const struct rs_model *m;
    double scale, shift;
};

/* math.md X5: bias' = a (bias - sum_j weight_j mean_j) + b */
static double raw_bias(const struct raw_form *f)
{
    double sum = f->m->bias;
    for (uint32_t j = 0; j < f->m->program.n_steps; j++)
        sum -= f->m->weight[j] * f->m->mean[j];
    return f->scale * sum + f->shift;
}

static double delta_bias(const struct raw_form *f, const struct rs_cohort_delta *d)
{
    double sum = d->bias;
    for (uint32_t j = 0; d->weight && j < f->m->program.n_steps; j++)
        sum -= d->weight[j] * f->m->mean[j];
    return f->scale * sum;
}

/* Columns that a cohort's delta takes: whether the entity is in it, and then each feature again. */
static size_t delta_columns(const struct rs_model *m, const struct rs_cohort_delta *d)
{
    return d->weight ? (size_t)m->program.n_steps + 1 : 1;
}

static size_t n_columns(const struct rs_model *m)
{
    size_t n = m->program.n_steps;
    for (uint32_t i = 0; i < m->n_deltas; i++)
        n += delta_columns(m, &m->deltas[i]);
    return n;
}

/* Calls put for the weight of every column, in their order. */
static void each_weight(const struct raw_form *f, void (*put)(struct rs_buf *out, size_t column, double weight),
                        struct rs_buf *out)
{
    const struct rs_model *m = f->m;
    size_t column = 1;
    for (uint32_t j = 0; j < m->program.n_steps; j++)
        put(out, column++, f->scale * m->weight[j]);
    for (uint32_t i = 0; i < m->n_deltas; i++) {
        const struct rs_cohort_delta *d = &m->deltas[i];
        put(out, column++, delta_bias(f, d));
        for (uint32_t j = 0; d->weight && j < m->program.n_steps; j++)
            put(out, column++, f->scale * d->weight[j]);
    }
}

static void put_line(struct rs_buf *out, size_t column, double weight)
{
    (void)column;
    rs_buf_printf(out, "%.17g\n", weight);
}

static void put_pair(struct rs_buf *out, size_t column, double value)
{
    if (value != 0)
        rs_buf_printf(out, " %zu:%.17g", column, value);
}

/* With Platt's sigmoid folded in, the logistic function of the decision value is the risk. */
static enum rs_status put_liblinear(const struct rs_model *m, struct rs_buf *out, struct rs_error *err)
{
    if (m->learner == RS_RBF_SVM)
        return rs_error_set(err, RS_EUNSUPPORTED, "liblinear knows no radial kernel; --format libsvm does");
    bool is_platt = m->calibrator.kind == RS_PLATT;
    struct raw_form f = { m, is_platt ? m->calibrator.a : 1, is_platt ? m->calibrator.b : 0 };
    bool is_logistic = is_platt || m->learner == RS_LOGISTIC;
    rs_buf_printf(out, "solver_type %s\nnr_class 2\nlabel 1 -1\nnr_feature %zu\nbias 1\nw\n",
                  is_logistic ? "L2R_LR" : "L2R_L2LOSS_SVC", n_columns(m));
    each_weight(&f, put_line, out);
    put_line(out, 0, raw_bias(&f));
    return RS_OK;
}

/* libsvm's sigmoid is 1 / (1 + exp(A z + B)). */
static void put_svm_head(const struct rs_model *m, const char *kernel, size_t n_sv, double rho, size_t n_positive,
                         struct rs_buf *out)
{
    rs_buf_printf(out, "svm_type c_svc\nkernel_type %s\n", kernel);
    if (m->learner == RS_RBF_SVM)
        rs_buf_printf(out, "gamma %.17g\n", m->rbf.gamma);
    rs_buf_printf(out, "nr_class 2\ntotal_sv %zu\nrho %.17g\nlabel 1 -1\n", n_sv, rho);
    if (m->calibrator.kind == RS_PLATT)
        rs_buf_printf(out, "probA %.17g\nprobB %.17g\n", -m->calibrator.a, -m->calibrator.b);
    rs_buf_printf(out, "nr_sv %zu %zu\nSV\n", n_positive, n_sv - n_positive);
}

/* Support vectors of the positive class, whose coefficients are positive, come first in libsvm's files. */
static void put_rbf(const struct rs_model *m, struct rs_buf *out)
{
    uint32_t n_positive = 0, d = m->program.n_steps;
    for (uint32_t k = 0; k < m->rbf.n_sv; k++)
        n_positive += m->rbf.coef[k] > 0;
    put_svm_head(m, "rbf", m->rbf.n_sv, -m->bias, n_positive, out);
    for (int side = 1; side >= 0; side--)
        for (uint32_t k = 0; k < m->rbf.n_sv; k++) {
            if ((m->rbf.coef[k] > 0) != side)
                continue;
            rs_buf_printf(out, "%.17g", m->rbf.coef[k]);
            for (uint32_t j = 0; j < d; j++)
                put_pair(out, j + 1, (double)m->rbf.sv[(size_t)k * d + j]);
            rs_buf_printf(out, " \n");
        }
}

enum rs_status export_svm(const struct rs_model *m, enum rs_export_format format, struct rs_buf *out,
                          struct rs_error *err)
{
    if (format == RS_EXPORT_LIBLINEAR)
        return put_liblinear(m, out, err);
    if (m->learner == RS_RBF_SVM) {
        put_rbf(m, out);
        return RS_OK;
    }
    struct raw_form f = { m, 1, 0 };
    put_svm_head(m, "linear", 1, -raw_bias(&f), 1, out);
    rs_buf_printf(out, "1");
    each_weight(&f, put_pair, out);
    rs_buf_printf(out, " \n");
    return RS_OK;
}

static bool is_on_path(const struct rs_program *p, uint32_t cohort, uint32_t wanted)
{
    for (uint32_t c = cohort;; c = p->cohorts[c].parent) {
        if (c == wanted)
            return true;
        if (c == 0)
            return false;
    }
}

/* math.md X6: columns of the cohorts that the entity belongs to */
static void put_deltas(const struct rs_model *m, const struct rs_export_row *row, struct rs_buf *out)
{
    size_t column = (size_t)m->program.n_steps + 1;
    for (uint32_t i = 0; i < m->n_deltas; i++) {
        const struct rs_cohort_delta *d = &m->deltas[i];
        if (is_on_path(&m->program, row->cohort, d->cohort)) {
            put_pair(out, column, 1);
            for (uint32_t j = 0; d->weight && j < m->program.n_steps; j++)
                put_pair(out, column + 1 + j, (double)row->x[j]);
        }
        column += delta_columns(m, d);
    }
}

void export_svm_row(const struct rs_model *m, const struct rs_export_row *row, struct rs_buf *out)
{
    bool is_rbf = m->learner == RS_RBF_SVM;
    rs_buf_printf(out, "%d", row->label < 0 ? 0 : row->label ? 1 : -1);
    for (uint32_t j = 0; j < m->program.n_steps; j++) {
        double x = (double)row->x[j];
        put_pair(out, j + 1, is_rbf ? (double)(float)((x - m->mean[j]) / m->scale[j]) : x);
    }
    put_deltas(m, row, out);
    rs_put_u8(out, '\n');
}
