/* SPDX-License-Identifier: Apache-2.0 */
/* Scoring: every path gives the bits of the plain one, batches those of single rows, and both what the formulas say,
 * worked out here in the plainest way. */
#include "models/score.c"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "models/log1p.h"

#define N_ROWS 101

static uint32_t random_state = 1;

static double uniform(void) /* in [-1, 1) */
{
    random_state = random_state * 1664525 + 1013904223;
    return (double)(random_state >> 8) * 0x1p-23 - 1;
}

static double *numbers(size_t n, double scale, double shift)
{
    double *out = rs_alloc(n, sizeof *out);
    for (size_t i = 0; out && i < n; i++)
        out[i] = uniform() * scale + shift;
    return out;
}

/* A model of d steps in three cohorts, 0 > 1 > 2; not to be saved. */
static struct rs_model *make_model(uint32_t d, uint32_t n_sv)
{
    struct rs_model *m = rs_alloc(1, sizeof *m);
    m->program.n_steps = d;
    m->program.n_cohorts = 3;
    m->program.cohorts = rs_alloc(3, sizeof *m->program.cohorts);
    m->program.cohorts[2].parent = 1;
    m->bias = 0.375;
    m->weight = numbers(d, n_sv ? 0 : 0.5, 0);
    m->mean = numbers(d, 3, 0);
    m->scale = numbers(d, 0.5, 1.5);
    m->calibrator = (struct rs_calibrator){ .kind = RS_PLATT, .a = 1.25, .b = -0.5 };
    if (n_sv) {
        m->learner = RS_RBF_SVM;
        m->rbf = (struct rs_rbf){ .n_sv = n_sv, .gamma = 0.7 / d, .coef = numbers(n_sv, 2, 0) };
        m->rbf.sv = rs_alloc((size_t)n_sv * d, sizeof *m->rbf.sv);
        for (size_t i = 0; i < (size_t)n_sv * d; i++)
            m->rbf.sv[i] = (float)uniform();
    }
    assert_int_equal(rs_model_prepare(m, NULL), RS_OK);
    return m;
}

static void add_some_deltas(struct rs_model *m)
{
    m->n_deltas = 2;
    m->deltas = rs_alloc(2, sizeof *m->deltas);
    m->deltas[0] =
        (struct rs_cohort_delta){ .cohort = 1, .bias = 0.625, .weight = numbers(m->program.n_steps, 0.2, 0) };
    m->deltas[1] =
        (struct rs_cohort_delta){ .cohort = 2, .bias = -1.375, .weight = numbers(m->program.n_steps, 0.1, 0) };
    assert_int_equal(rs_model_prepare(m, NULL), RS_OK);
}

static float *make_rows(uint32_t d)
{
    float *x = rs_alloc((size_t)N_ROWS * d, sizeof *x);
    for (size_t i = 0; i < (size_t)N_ROWS * d; i++)
        x[i] = (float)(uniform() * 4);
    return x;
}

/* M1 and M6 as they stand, feature by feature. */
static double naive_linear(const struct rs_model *m, uint32_t cohort, const float *x)
{
    double z = m->bias;
    for (uint32_t j = 0; j < m->program.n_steps; j++)
        z += m->weight[j] * ((double)x[j] - m->mean[j]);
    for (uint32_t c = cohort; c; c = m->program.cohorts[c].parent)
        for (uint32_t i = 0; i < m->n_deltas; i++) {
            z += m->deltas[i].cohort == c ? m->deltas[i].bias : 0;
            for (uint32_t j = 0; m->deltas[i].cohort == c && j < m->program.n_steps; j++)
                z += m->deltas[i].weight[j] * ((double)x[j] - m->mean[j]);
        }
    return z;
}

/* M5 as it stands. */
static double naive_rbf(const struct rs_model *m, const float *x)
{
    double z = m->bias;
    for (uint32_t k = 0; k < m->rbf.n_sv; k++) {
        double square = 0;
        for (uint32_t j = 0; j < m->program.n_steps; j++) {
            double off = ((double)x[j] - m->mean[j]) / m->scale[j] - (double)m->rbf.sv[k * m->program.n_steps + j];
            square += off * off;
        }
        z += m->rbf.coef[k] * exp(-m->rbf.gamma * square);
    }
    return z;
}

static const struct score_ops *const paths[] = {
    &ops_plain,
#ifdef __x86_64__
    &ops_avx2,
    &ops_avx512,
#endif
};

/* Makes a path the one in use; false where the processor cannot. */
static bool use_path(const struct score_ops *path)
{
    setenv("RESEAT_CPU", path->name, 1);
    chosen = best_ops();
    return chosen == path;
}

static void compare(const struct rs_model *m, const float *x, const uint32_t *cohort)
{
    double first[N_ROWS], first_p[N_ROWS];
    uint32_t d = m->program.n_steps;
    for (size_t k = 0; k < RS_LEN(paths); k++) {
        double z[N_ROWS], p[N_ROWS];
        if (!use_path(paths[k])) {
            print_message("no %s here\n", paths[k]->name);
            continue;
        }
        assert_string_equal(rs_score_path(), paths[k]->name);
        assert_int_equal(rs_score_batch_z(m, x, N_ROWS, cohort, 2, z), RS_OK);
        assert_int_equal(rs_score_batch(m, x, N_ROWS, cohort, 1, p), RS_OK);
        for (size_t i = 0; i < N_ROWS; i++) {
            uint32_t c = cohort ? cohort[i] : 0;
            double want = m->rbf.n_sv ? naive_rbf(m, x + i * d) : naive_linear(m, c, x + i * d);
            assert_true(fabs(z[i] - want) <= (m->rbf.n_sv ? 1e-5 : 1e-12) * (1 + fabs(want)));
            assert_true(z[i] == rs_model_z(m, c, x + i * d));
            assert_true(p[i] == rs_model_risk(m, c, x + i * d));
        }
        if (k == 0) {
            memcpy(first, z, sizeof z);
            memcpy(first_p, p, sizeof p);
        }
        assert_memory_equal(first, z, sizeof z);
        assert_memory_equal(first_p, p, sizeof p);
    }
}

static void test_paths_agree(void **unused)
{
    (void)unused;
    static const uint32_t sizes[] = { 1, 3, 7, 8, 9, 16, 23, 40, 131 };
    uint32_t cohort[N_ROWS];
    for (size_t i = 0; i < N_ROWS; i++)
        cohort[i] = (uint32_t)(i / 7 % 3);
    for (size_t s = 0; s < RS_LEN(sizes); s++) {
        RS_AUTO_STRUCT(rs_model) *m = make_model(sizes[s], 0);
        RS_AUTO_STRUCT(rs_model) *rbf = make_model(sizes[s], (uint32_t)(s * s) * 9 + 1);
        rs_autofree float *x = make_rows(sizes[s]);
        compare(m, x, NULL);
        compare(rbf, x, NULL);
        add_some_deltas(m);
        compare(m, x, cohort);
    }
}

/* Rows far out, right beside a support vector, where a sum of products would lose all digits; and a vector and a row
 * beyond all that counts. */
static void test_rbf_far_rows(void **unused)
{
    (void)unused;
    enum { D = 19, N_SV = 70 };
    RS_AUTO_STRUCT(rs_model) *m = make_model(D, N_SV);
    rs_autofree float *x = make_rows(D);
    size_t n_far = 0;
    for (size_t k = 0; k < N_SV; k += 2)
        for (size_t j = 0; j < D; j++)
            m->rbf.sv[k * D + j] *= 300;
    m->rbf.sv[5] = -1e30f;
    assert_int_equal(rs_model_prepare(m, NULL), RS_OK);
    for (size_t i = 0; i < N_SV; i++)
        for (size_t j = 0; j < D; j++)
            x[i * D + j] = (float)((double)m->rbf.sv[i * D + j] * m->scale[j] + m->mean[j] + 0.1 * uniform());
    for (size_t i = 0; i < N_ROWS; i++) {
        float standard[RBF_STEPS_MAX];
        n_far += standardise_plain(m, x + i * D, standard) < m->tables->far_norm;
    }
    assert_true(n_far >= N_SV / 2 && n_far < N_ROWS); /* both ways are gone */
    compare(m, x, NULL);
}

static void test_unknown_cohort(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_model) *m = make_model(8, 0);
    rs_autofree float *x = make_rows(8);
    double p[2] = { -1, -1 };
    const uint32_t cohort[2] = { 2, 3 };
    assert_int_equal(rs_score_batch(m, x, 2, cohort, 1, p), RS_EINVAL);
    assert_true(p[0] == -1 && p[1] == -1);
    assert_int_equal(rs_score_batch(m, x, 0, NULL, 1, p), RS_OK);
}

/* Parts and rest add up to logit(p), whatever the calibration. */
static void test_explanations_add_up(void **unused)
{
    (void)unused;
    double knots_z[] = { -6, -1, 0.5, 7 }, knots_p[] = { 0.001, 0.02, 0.02, 0.9 };
    const struct rs_calibrator kinds[] = { { .kind = RS_PLATT, .a = 1.25, .b = -0.5 },
                                           { .kind = RS_BETA, .a = 0.75, .b = 1.5, .c = -2 },
                                           { .kind = RS_ISOTONIC, .n = 4, .z = knots_z, .p = knots_p } };
    for (uint32_t n_sv = 0; n_sv <= 20; n_sv += 20)
        for (size_t k = 0; k < RS_LEN(kinds); k++) {
            RS_AUTO_STRUCT(rs_model) *m = make_model(11, n_sv);
            rs_autofree float *x = make_rows(11);
            double parts[11];
            m->calibrator = kinds[k];
            for (size_t i = 0; i < N_ROWS; i++) {
                double sum = rs_model_explain(m, 0, x + i * 11, parts), p = rs_model_risk(m, 0, x + i * 11);
                for (size_t j = 0; j < 11; j++)
                    sum += parts[j];
                assert_true(fabs(sum - log(p / (1 - p))) < 1e-9 * (1 + fabs(sum)));
            }
            m->calibrator = (struct rs_calibrator){ 0 };
        }
}

/* At the mean point nothing adds anything. */
static void test_explanation_of_the_mean(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_model) *m = make_model(9, 0);
    float x[9];
    double parts[9];
    for (size_t j = 0; j < 9; j++) {
        x[j] = (float)m->mean[j];
        m->mean[j] = (double)x[j];
    }
    assert_int_equal(rs_model_prepare(m, NULL), RS_OK);
    m->calibrator = (struct rs_calibrator){ .kind = RS_BETA, .a = 1, .b = 1, .c = 0 }; /* logit(p) = z */
    assert_true(fabs(rs_model_explain(m, 0, x, parts) - 0.375) < 1e-12);
    for (size_t j = 0; j < 9; j++)
        assert_true(parts[j] == 0);
}

static void test_calibrators(void **unused)
{
    (void)unused;
    double z[] = { -1, 0.5, 2 }, p[] = { 0.125, 0.125, 0.5 };
    const struct rs_calibrator iso = { .kind = RS_ISOTONIC, .n = 3, .z = z, .p = p };
    static const struct {
        double z, want;
    } lines[] = {
        { -7, 0.125 }, { -1, 0.125 }, { 0, 0.125 }, { 0.5, 0.125 }, { 1.25, 0.3125 }, { 2, 0.5 }, { 3, 0.5 }
    };
    for (size_t i = 0; i < RS_LEN(lines); i++)
        assert_true(rs_calibrate(&iso, lines[i].z) == lines[i].want);
    const struct rs_calibrator beta = { .kind = RS_BETA, .a = 0.75, .b = 1.5, .c = -2 };
    /* Python: s = 1/(1+exp(-0.731)); t = 0.75*log(s) - 1.5*log(1-s) - 2; 1/(1+exp(-t)) */
    assert_true(fabs(rs_calibrate(&beta, 0.731) - 0.3523454245076231) < 1e-15);
    assert_true(isfinite(rs_calibrate(&beta, 1e30)) && isfinite(rs_calibrate(&beta, -1e30)));
}

/* Against the library's exp(), itself off by less than one unit. */
static void test_sigmoid(void **unused)
{
    (void)unused;
    for (int i = 0; i < 200000; i++) {
        double t = uniform() * (i % 2 ? 700 : 3), e = exp(t);
        assert_true(fabs(exp_plain(t) - e) <= 2.5 * 0x1p-53 * 2 * e);
    }
    assert_true(rs_sigmoid(0) == 0.5 && rs_sigmoid(1e300) == 1 && rs_sigmoid(-1e300) > 0);
}

/* The library's log1p(), rounded, to the last bit: of floats of all sizes and of doubles between them. */
static void test_log1p(void **unused)
{
    (void)unused;
    enum { N = 64 };
    uint32_t at[N];
    for (uint32_t i = 0; i < N; i++)
        at[i] = i;
    for (int round = 0; round < 8000; round++) {
        double x[N];
        float out[N];
        for (size_t i = 0; i < N; i++) {
            x[i] = exp(uniform() * (round % 2 ? 88 : 9));
            x[i] = round % 3 == 0 ? (double)(float)x[i] : round % 3 == 1 ? floor(x[i]) : x[i];
        }
        log1p_floats(x, N, at, out);
        for (size_t i = 0; i < N; i++)
            assert_true(out[i] == (float)log1p(x[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_agree),
        cmocka_unit_test(test_rbf_far_rows),
        cmocka_unit_test(test_unknown_cohort),
        cmocka_unit_test(test_explanations_add_up),
        cmocka_unit_test(test_explanation_of_the_mean),
        cmocka_unit_test(test_calibrators),
        cmocka_unit_test(test_sigmoid),
        cmocka_unit_test(test_log1p),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
