/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Problems of many shapes, good and bad: each fit must reach the optimum by the definition of the subgradient
 * (math.md L7), and do so with the same bits on 1, 2 and 3 threads and with every width of vectors. */
#include "predictor/test_fit_rows.h"

#include "predictor/pass.h"

#define PASSES_MAX 40 /* well-behaved fits need 10 to 20, the hardest ones here 26 */

enum {
    SCALES = 1,    /* columns from 1e-6 to 1e6 */
    COLLINEAR = 2, /* every third column is a sum of the two before */
    CONSTANT = 4,  /* column 0 is 3.25 in all rows */
    ZERO_ROWS = 8, /* every other row is all zero */
    ONE_POSITIVE = 16,
    SEPARABLE = 32,
    WEIGHTS = 64,
    OFFSETS = 128,
    ROWS = 256,       /* two of three rows, from the back */
    SPARSE = 512,     /* 19 of 20 values are 0 */
    PENALTIES = 1024, /* 0, 0.25, 1, 1e6 by turns */
    COPIES = 2048,    /* all rows are the same one, of both classes */
    RARE = 4096,      /* one positive in 100 */
    ENORMOUS = 8192,  /* every other column in units of 1e-25: squares overflow float */
};

static const struct shape {
    const char *name;
    size_t n, d, more; /* more: floats between rows that are not the problem's */
    int traits;
    double C, l1_ratio;
    enum rs_learner learner;
    enum rs_bias bias;
} shapes[] = {
    { "one column", 2500, 1, 0, 0, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "seven", 2500, 7, 3, WEIGHTS | OFFSETS, 0.3, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "sixteen", 2500, 16, 0, ROWS, 0.3, 0, RS_LOGISTIC, RS_BIAS_PENALISED },
    { "seventeen", 2500, 17, 5, ROWS | WEIGHTS | OFFSETS, 0.3, 0, RS_LOGISTIC, RS_BIAS_NONE },
    { "seventeen, hinge", 2500, 17, 0, WEIGHTS, 0.03, 0, RS_LINEAR_SVM, RS_BIAS_FREE },
    { "seventeen, elastic net", 2500, 17, 0, OFFSETS, 0.03, 0.7, RS_LOGISTIC, RS_BIAS_FREE },
    { "forty, sampled", 18000, 40, 0, RARE | SPARSE, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "seven, sampled, all options", 18000, 7, 2, WEIGHTS | OFFSETS | RARE, 1, 0, RS_LOGISTIC, RS_BIAS_PENALISED },
    { "seven, sampled, rows", 27000, 7, 0, ROWS | RARE | PENALTIES, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "seven, sampled, hinge", 18000, 7, 0, RARE, 0.1, 0, RS_LINEAR_SVM, RS_BIAS_FREE },
    { "seven, sampled, elastic net", 18000, 7, 0, RARE, 0.02, 0.9, RS_LOGISTIC, RS_BIAS_FREE },
    { "seven, sampled, scales", 18000, 7, 0, SCALES, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "sampled, one positive", 18000, 7, 0, ONE_POSITIVE, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "sampled, separable", 18000, 7, 0, SEPARABLE, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "sampled, zero rows, collinear", 18000, 7, 0, ZERO_ROWS | COLLINEAR | CONSTANT, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "sixty-five", 1300, 65, 0, WEIGHTS, 0.1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "sixty-five, elastic net", 1300, 65, 0, 0, 0.05, 0.5, RS_LOGISTIC, RS_BIAS_FREE },
    { "two hundred", 1100, 200, 0, 0, 0.1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "two hundred, hinge", 1100, 200, 0, ROWS, 0.01, 0, RS_LINEAR_SVM, RS_BIAS_PENALISED },
    { "fewer rows than columns", 30, 65, 0, 0, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "fewer rows than columns, hinge", 30, 65, 0, 0, 1, 0, RS_LINEAR_SVM, RS_BIAS_FREE },
    { "fewer rows than columns, elastic net", 30, 65, 0, 0, 1, 0.8, RS_LOGISTIC, RS_BIAS_FREE },
    { "fewer rows than columns, L1 alone", 30, 65, 0, 0, 1, 1, RS_LOGISTIC, RS_BIAS_FREE },
    { "two rows", 2, 7, 0, SEPARABLE, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "scales", 1300, 17, 0, SCALES, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "scales, hinge", 1300, 17, 0, SCALES, 0.1, 0, RS_LINEAR_SVM, RS_BIAS_FREE },
    { "scales, elastic net", 1300, 17, 0, SCALES, 1, 0.5, RS_LOGISTIC, RS_BIAS_FREE },
    { "enormous", 1300, 7, 0, ENORMOUS, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "enormous, hinge", 1300, 7, 0, ENORMOUS, 1, 0, RS_LINEAR_SVM, RS_BIAS_FREE },
    { "enormous, elastic net", 1300, 7, 0, ENORMOUS, 1, 0.5, RS_LOGISTIC, RS_BIAS_FREE },
    { "enormous, sampled", 18000, 7, 0, ENORMOUS, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "collinear", 1300, 17, 0, COLLINEAR | CONSTANT, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "collinear, hardly penalised", 1300, 7, 0, COLLINEAR, 1e6, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "collinear, constant, elastic net", 1300, 17, 0, COLLINEAR | CONSTANT, 1, 0.5, RS_LOGISTIC, RS_BIAS_FREE },
    { "collinear, constant, hinge", 1300, 17, 0, COLLINEAR | CONSTANT, 1, 0, RS_LINEAR_SVM, RS_BIAS_FREE },
    { "zero rows", 1300, 7, 0, ZERO_ROWS, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "zero rows, no intercept", 1300, 7, 0, ZERO_ROWS, 1, 0, RS_LOGISTIC, RS_BIAS_NONE },
    { "copies of one row", 1300, 7, 0, COPIES, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "one positive", 1300, 7, 0, ONE_POSITIVE, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "one positive, hinge", 1300, 7, 0, ONE_POSITIVE, 1, 0, RS_LINEAR_SVM, RS_BIAS_FREE },
    { "one positive, elastic net", 1300, 7, 0, ONE_POSITIVE, 1, 0.5, RS_LOGISTIC, RS_BIAS_FREE },
    { "separable", 1300, 7, 0, SEPARABLE, 1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "separable, hardly penalised", 1300, 7, 0, SEPARABLE, 1e6, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "separable, hinge", 1300, 7, 0, SEPARABLE, 1e4, 0, RS_LINEAR_SVM, RS_BIAS_FREE },
    { "separable, elastic net", 1300, 7, 0, SEPARABLE, 100, 0.5, RS_LOGISTIC, RS_BIAS_FREE },
    { "penalties of all sizes", 1300, 17, 0, PENALTIES, 0.1, 0, RS_LOGISTIC, RS_BIAS_FREE },
    { "penalties of all sizes, elastic net", 1300, 17, 0, PENALTIES, 0.1, 0.5, RS_LOGISTIC, RS_BIAS_FREE },
};

struct data {
    float *x, *weight;
    uint8_t *y;
    uint32_t *rows;
    double *offset, *penalty;
};

static void data_free(struct data *m)
{
    free(m->x);
    free(m->weight);
    free(m->y);
    free(m->rows);
    free(m->offset);
    free(m->penalty);
    free(m);
}
RS_DEFINE_AUTO_STRUCT(data, data_free)

static void make_row(const struct shape *s, uint64_t *state, size_t i, float *x)
{
    for (size_t j = 0; j < s->d; j++) {
        double value = 4 * fit_draw(state) - 2;
        if (s->traits & SPARSE && fit_draw(state) > 0.05)
            value = 0;
        if (s->traits & SCALES)
            value *= pow(10, (double)(j % 13) - 6);
        if (s->traits & ENORMOUS && j % 2)
            value *= 1e25;
        if (s->traits & COLLINEAR && j % 3 == 2)
            value = (double)(x[j - 1] + x[j - 2]);
        if (s->traits & CONSTANT && j == 0)
            value = 3.25;
        x[j] = s->traits & ZERO_ROWS && i % 2 ? 0 : (float)value;
    }
}

static bool label(const struct shape *s, uint64_t *state, size_t i, const float *x)
{
    double z = s->traits & RARE ? -5 : -0.4, u = fit_draw(state);
    for (size_t j = 0; j < s->d && j < 5; j++) {
        double unit = s->traits & SCALES ? pow(10, (double)(j % 13) - 6) : s->traits & ENORMOUS && j % 2 ? 1e25 : 1;
        z += (double)x[j] / unit * (1 - 0.4 * (double)j);
    }
    if (s->traits & ONE_POSITIVE)
        return i == s->n / 3;
    if (s->traits & COPIES)
        return i % 5 == 0;
    if (i < 2) /* of each class one */
        return i;
    return s->traits & SEPARABLE ? z > -0.4 : u < 1 / (1 + exp(-z));
}

static struct rs_problem make(const struct shape *s, struct data *m)
{
    size_t stride = s->d + s->more, n_rows = s->traits & ROWS ? s->n * 2 / 3 : s->n;
    uint64_t state = 977 + s->d;
    m->x = rs_alloc(s->n * stride, sizeof *m->x);
    m->weight = rs_alloc(s->n, sizeof *m->weight);
    m->y = rs_alloc(s->n, sizeof *m->y);
    m->rows = rs_alloc(s->n, sizeof *m->rows);
    m->offset = rs_alloc(s->n, sizeof *m->offset);
    m->penalty = rs_alloc(s->d, sizeof *m->penalty);
    assert_true(m->x && m->weight && m->y && m->rows && m->offset && m->penalty);
    for (size_t i = 0; i < s->n; i++) {
        float *x = m->x + i * stride;
        if (s->traits & COPIES && i)
            memcpy(x, m->x, s->d * sizeof *x);
        else
            make_row(s, &state, i, x);
        for (size_t j = s->d; j < stride; j++)
            x[j] = NAN; /* must not be read into a sum */
        m->y[i] = label(s, &state, i, x);
        if (s->traits & SEPARABLE && s->n == 2)
            x[0] = (float)i;
        m->weight[i] = (float)(floor(13 * fit_draw(&state)) / 4);
        m->offset[i] = 2 * fit_draw(&state) - 1.5;
        m->rows[i] = (uint32_t)((3 * i + s->n - 1) % s->n);
    }
    for (size_t j = 0; j < s->d; j++)
        m->penalty[j] = (double[]){ 0, 0.25, 1, 1e6 }[j % 4];
    return (struct rs_problem){ .x = m->x,
                                .stride = stride,
                                .y = m->y,
                                .rows = s->traits & ROWS ? m->rows : NULL,
                                .n = n_rows,
                                .d = s->d,
                                .row_weight = s->traits & WEIGHTS ? m->weight : NULL,
                                .offset = s->traits & OFFSETS ? m->offset : NULL,
                                .penalty = s->traits & PENALTIES ? m->penalty : NULL,
                                .weight_positive = 1.75,
                                .weight_negative = 0.5 };
}

static void check_bits(const struct shape *s, const struct rs_problem *p, struct rs_fit_options opt, const double *want,
                       const char *isa, unsigned n_threads)
{
    rs_autofree double *w = rs_alloc(s->d + 1, sizeof *w);
    assert_non_null(w);
    if (isa && !rs_pass_kernels_named(isa, true)) {
        print_message("%s: this processor has no %s\n", s->name, isa);
        return;
    }
    if (isa)
        setenv("RESEAT_ISA", isa, 1);
    opt.n_threads = n_threads;
    fit_all(p, &opt, w);
    unsetenv("RESEAT_ISA");
    for (size_t j = 0; j <= s->d; j++)
        if (memcmp(w + j, want + j, sizeof *w) != 0)
            fail_msg("%s: w[%zu] = %.17g on 1 thread, %.17g on %u, %s", s->name, j, want[j], w[j], n_threads,
                     isa ? isa : "widest vectors");
}

static void check_shape(const struct shape *s)
{
    RS_AUTO_STRUCT(data) *m = rs_alloc(1, sizeof *m);
    assert_non_null(m);
    struct rs_problem p = make(s, m);
    struct rs_fit_options opt = fit_exactly(s->learner, s->C, s->l1_ratio, s->bias);
    rs_autofree double *w = rs_alloc(s->d + 1, sizeof *w);
    assert_non_null(w);
    opt.rel_gradient = 1e-10;
    struct rs_fit_report r = fit_all(&p, &opt, w);
    struct fit_gradient g = fit_gradient_at(&p, &opt, w);
    print_message("%s: %u steps, %.1f passes, gradient %.2g\n", s->name, r.iterations, r.passes, g.norm / g.start);
    if (!(g.norm <= 1.01e-10 * g.start))
        fail_msg("%s: gradient %g of %g", s->name, g.norm, g.start);
    if (r.passes > PASSES_MAX) /* it walks about in the rounding of float */
        fail_msg("%s: %.1f passes", s->name, r.passes);
    check_bits(s, &p, opt, w, NULL, 2);
    check_bits(s, &p, opt, w, NULL, 3);
    check_bits(s, &p, opt, w, "plain", 1);
    check_bits(s, &p, opt, w, "avx2", 2);
    check_bits(s, &p, opt, w, "avx512", 1);
}

static void test_shapes(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < RS_LEN(shapes); i++)
        check_shape(&shapes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
