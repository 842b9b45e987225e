/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Radial machines: samples to libsvm, and what it finds back. rbf_sample.c picks the rows, rbf_kernel.c has the loops,
 * rbf_grid.c runs many at once. */
#include "predictor/rbf_svm.h"

#include <math.h>
#include <pthread.h>

static void say_nothing(const char *text)
{
    (void)text;
}

static void silence(void)
{
    svm_set_print_string_function(say_nothing);
}

void rbf_svm_silence(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, silence);
}

enum rs_status rbf_check(const struct rs_problem *p, const struct rs_rbf_options *opt, struct rs_error *err)
{
    if (p->offset)
        return rs_error_set(err, RS_EUNSUPPORTED, "RBF machine: offsets of rows cannot be taken into account");
    if (!(opt->tolerance >= 0) || opt->max_rows == 1 || opt->max_rows > RS_RBF_ROWS_MAX || p->n > UINT32_MAX ||
        p->d == 0 || p->d > INT32_MAX / 2)
        return rs_error_set(err, RS_EDOMAIN, "RBF machine: tolerance %g, at most %zu rows, %zu features: out of range",
                            opt->tolerance, opt->max_rows, p->d);
    return RS_OK;
}

bool rbf_is_positive(double x)
{
    return isfinite(x) && x > 0;
}

/* math.md X2: c_y = weight_y stands_y, scaled so that the mean over the kept rows is 1 */
struct svm_parameter rbf_parameter(const struct rs_problem *p, const struct rs_rbf_options *opt,
                                   const struct rbf_sample *s, const size_t n_of[2], double weight[2])
{
    static int labels[2] = { -1, 1 };
    weight[0] = p->weight_negative * s->stands_negative;
    weight[1] = p->weight_positive * s->stands_positive;
    double mean = (weight[0] * (double)n_of[0] + weight[1] * (double)n_of[1]) / (double)(n_of[0] + n_of[1]);
    weight[0] /= mean;
    weight[1] /= mean;
    double n = (double)(n_of[0] + n_of[1]);
    return (struct svm_parameter){ .svm_type = C_SVC,
                                   .kernel_type = RBF,
                                   .gamma = opt->gamma,
                                   .cache_size = n * n * 4e-6 + 1, /* MB: every kernel value */
                                   .eps = opt->tolerance > 0 ? opt->tolerance : 1e-3,
                                   .C = opt->C,
                                   .nr_weight = 2,
                                   .weight_label = labels,
                                   .weight = weight,
                                   .shrinking = 1 };
}

/* The kept rows as libsvm takes them: index and value of what is not zero, index -1 behind the last. */
struct nodes {
    struct svm_node *all, **row;
    double *y;
};

static void clear_nodes(struct nodes *n)
{
    free(n->all);
    free(n->row);
    free(n->y);
}

static enum rs_status make_nodes(const struct rs_problem *p, const struct rbf_sample *s, struct nodes *out,
                                 struct rs_error *err)
{
    size_t cells = 0;
    if (rs_mul_size(s->n, p->d + 1, &cells))
        out->all = rs_alloc(cells, sizeof *out->all);
    out->row = rs_alloc(s->n, sizeof *out->row);
    out->y = rs_alloc(s->n, sizeof *out->y);
    if (!out->all || !out->row || !out->y)
        return rs_error_set(err, RS_ENOMEM, "RBF machine: %zu rows of %zu features: out of memory", s->n, p->d);
    struct svm_node *to = out->all;
    for (size_t i = 0; i < s->n; i++) {
        const float *x = rbf_x(p, s->at[i]);
        out->row[i] = to;
        out->y[i] = i < s->n_positive ? 1 : -1;
        for (size_t j = 0; j < p->d; j++)
            if (x[j] != 0)
                *to++ = (struct svm_node){ (int)j + 1, (double)x[j] };
        *to++ = (struct svm_node){ -1, 0 };
    }
    return RS_OK;
}

/* Positive rows come first, so libsvm's first label, whose side is positive, is ours. */
static enum rs_status take_machine(const struct svm_model *m, const struct rs_problem *p, const struct rbf_sample *s,
                                   struct rs_rbf *out, double *out_bias, struct rs_error *err)
{
    size_t n_sv = (size_t)m->l, cells;
    rs_autofree double *coef = rs_alloc(n_sv, sizeof *coef);
    rs_autofree float *sv = NULL;
    if (rs_mul_size(n_sv, p->d, &cells))
        sv = rs_alloc(cells, sizeof *sv);
    if (!coef || !sv)
        return rs_error_set(err, RS_ENOMEM, "RBF machine: %zu support vectors: out of memory", n_sv);
    for (size_t k = 0; k < n_sv; k++) {
        coef[k] = m->sv_coef[0][k];
        memcpy(sv + k * p->d, rbf_x(p, s->at[m->sv_indices[k] - 1]), p->d * sizeof *sv);
    }
    *out = (struct rs_rbf){ .n_sv = (uint32_t)n_sv, .gamma = m->param.gamma, .coef = rs_take(coef), .sv = rs_take(sv) };
    *out_bias = -m->rho[0];
    return RS_OK;
}

enum rs_status rs_rbf_fit(const struct rs_problem *p, const struct rs_rbf_options *opt, struct rs_rbf *out,
                          double *out_bias, struct rs_error *err)
{
    struct rs_rbf_options o = *opt;
    if (o.gamma == 0 && p->d)
        o.gamma = 1 / (double)p->d;
    enum rs_status st = rbf_check(p, &o, err);
    if (st < 0)
        return st;
    if (!rbf_is_positive(o.C) || !rbf_is_positive(o.gamma))
        return rs_error_set(err, RS_EDOMAIN, "RBF machine: C = %g, gamma = %g: above 0 needed", o.C, o.gamma);
    rbf_auto_sample s = { 0 };
    struct nodes nodes __attribute__((cleanup(clear_nodes))) = { 0 };
    st = rbf_sample_draw(p, NULL, &o, &s, err);
    if (st == RS_OK)
        st = make_nodes(p, &s, &nodes, err);
    if (st < 0)
        return st;
    double weight[2];
    struct svm_parameter param = rbf_parameter(p, &o, &s, (size_t[2]){ s.n - s.n_positive, s.n_positive }, weight);
    struct svm_problem problem = { .l = (int)s.n, .y = nodes.y, .x = nodes.row };
    rbf_svm_silence();
    struct svm_model *m = svm_train(&problem, &param);
    st = take_machine(m, p, &s, out, out_bias, err);
    svm_free_and_destroy_model(&m);
    return st;
}
