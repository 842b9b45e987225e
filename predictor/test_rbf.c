/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Radial machines against libsvm itself: the same support vectors and coefficients as svm_train() called by hand, the
 * decision values of svm_predict_values(), a grid that equals single fits, and the sample of rows. */
#include "rbf.c"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define N 240
#define D 7

static float x[N * D];
static uint8_t y[N];

static uint64_t state;

static double next(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

/* A ring around the middle is positive, with some noise; every third value is 0, as libsvm leaves zeros out. */
static int fill(void **unused)
{
    (void)unused;
    state = 7;
    for (size_t i = 0; i < N; i++) {
        double r = 0;
        for (size_t j = 0; j < D; j++) {
            double v = (i + j) % 3 ? 3 * next() - 1.5 : 0;
            x[i * D + j] = (float)v;
            r += v * v;
        }
        y[i] = r > 4.5 ? next() < 0.8 : next() < 0.05;
    }
    return 0;
}

static struct rs_problem problem(void)
{
    return (struct rs_problem){
        .x = x, .stride = D, .y = y, .n = N, .d = D, .weight_positive = 2.5, .weight_negative = 0.75
    };
}

/* math.md X3 as it stands, in double */
static double z_of(const struct rs_rbf *m, double bias, const float *row)
{
    double z = bias;
    for (uint32_t k = 0; k < m->n_sv; k++) {
        double distance = 0;
        for (size_t j = 0; j < D; j++) {
            double diff = (double)row[j] - (double)m->sv[k * D + j];
            distance += diff * diff;
        }
        z += m->coef[k] * exp(-m->gamma * distance);
    }
    return z;
}

static void release(struct rs_rbf *m)
{
    free(m->coef);
    free(m->sv);
}

/* libsvm as its README says to call it, on all rows, positive ones first. */
struct by_hand {
    struct svm_node nodes[N][D + 1], *row[N];
    double y[N];
    size_t at[N];
    struct svm_model *model;
};

static void train_by_hand(struct by_hand *h, double C, double gamma, double positive, double negative)
{
    size_t n = 0;
    for (int side = 1; side >= 0; side--)
        for (size_t i = 0; i < N; i++)
            if (y[i] == side) {
                for (size_t j = 0; j < D; j++)
                    h->nodes[n][j] = (struct svm_node){ (int)j + 1, (double)x[i * D + j] };
                h->nodes[n][D].index = -1;
                h->row[n] = h->nodes[n];
                h->y[n] = side ? 1 : -1;
                h->at[n++] = i;
            }
    int labels[] = { 1, -1 };
    double weights[] = { positive, negative };
    struct svm_parameter param = { .svm_type = C_SVC,
                                   .kernel_type = RBF,
                                   .gamma = gamma,
                                   .cache_size = 10,
                                   .eps = 1e-3,
                                   .C = C,
                                   .nr_weight = 2,
                                   .weight_label = labels,
                                   .weight = weights,
                                   .shrinking = 1 };
    struct svm_problem p = { N, h->y, h->row };
    svm_set_print_string_function(say_nothing);
    h->model = svm_train(&p, &param);
}

static void equals_libsvm(void **unused)
{
    (void)unused;
    struct rs_problem p = problem();
    struct rs_rbf_options opt = { .C = 1.7, .gamma = 0.23 };
    struct rs_rbf m = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    double bias, n_positive = 0;
    for (size_t i = 0; i < N; i++)
        n_positive += y[i];
    assert_int_equal(rs_rbf_fit(&p, &opt, &m, &bias, &err), RS_OK);

    static struct by_hand h;
    double mean = (2.5 * n_positive + 0.75 * (N - n_positive)) / N; /* X2 with every row kept */
    train_by_hand(&h, 1.7, 0.23, 2.5 / mean, 0.75 / mean);
    assert_int_equal(m.n_sv, h.model->l);
    assert_true(m.n_sv > 20 && m.n_sv < N);
    for (uint32_t k = 0; k < m.n_sv; k++) {
        assert_true(m.coef[k] == h.model->sv_coef[0][k]);
        assert_memory_equal(m.sv + k * D, x + h.at[h.model->sv_indices[k] - 1] * D, D * sizeof *x);
    }
    for (size_t n = 0; n < N; n++) {
        double want;
        svm_predict_values(h.model, h.row[n], &want);
        assert_true(fabs(z_of(&m, bias, x + h.at[n] * D) - want) < 1e-9);
    }
    svm_free_and_destroy_model(&h.model);
    release(&m);
}

#define FOLDS 3

static void grid_equals_fits(void **unused)
{
    (void)unused;
    static const double C[] = { 0.4, 3.5 }, gamma[] = { 0.09, 0.6 };
    static double z[4 * N], again[4 * N];
    uint32_t trains[N], n_sv[4 * FOLDS], rows[N];
    uint8_t validates[N];
    for (size_t i = 0; i < N; i++) {
        validates[i] = i % 10 == 9 ? RS_RBF_NO_FOLD : (uint8_t)(i % FOLDS);
        trains[i] = i % 10 == 9 ? 0 : ~(1u << i % FOLDS);
    }
    struct rs_problem p = problem();
    struct rs_rbf_grid g = { .problem = &p,
                             .trains = trains,
                             .validates = validates,
                             .n_folds = FOLDS,
                             .C = C,
                             .n_C = 2,
                             .gamma = gamma,
                             .n_gamma = 2,
                             .n_threads = 2 };
    struct rs_error err = RS_ERROR_INIT;
    for (size_t i = 0; i < 4 * N; i++)
        z[i] = again[i] = NAN;
    assert_int_equal(rs_rbf_grid_run(&g, z, n_sv, &err), RS_OK);
    g.n_threads = 1;
    assert_int_equal(rs_rbf_grid_run(&g, again, NULL, &err), RS_OK);
    assert_memory_equal(z, again, sizeof z);

    for (size_t cell = 0; cell < 4; cell++)
        for (size_t fold = 0; fold < FOLDS; fold++) {
            struct rs_rbf_options opt = { .C = C[cell % 2], .gamma = gamma[cell / 2] };
            struct rs_rbf m = { 0 };
            double bias, n_pos = 0, n_neg = 0, all_pos = 0, all_neg = 0;
            struct rs_problem part = problem();
            part.rows = rows;
            part.n = 0;
            for (uint32_t i = 0; i < N; i++) {
                if (!trains[i])
                    continue;
                *(y[i] ? &all_pos : &all_neg) += 1;
                if (!(trains[i] >> fold & 1))
                    continue;
                *(y[i] ? &n_pos : &n_neg) += 1;
                rows[part.n++] = i;
            }
            assert_true(n_pos > 0 && n_neg > 0 && all_pos > n_pos && all_neg > n_neg);
            assert_int_equal(rs_rbf_fit(&part, &opt, &m, &bias, &err), RS_OK);
            assert_int_equal(m.n_sv, n_sv[cell * FOLDS + fold]);
            for (size_t i = 0; i < N; i++) {
                double want = z_of(&m, bias, x + i * D);
                if (validates[i] == fold)
                    assert_true(fabs(z[cell * N + i] - want) < 1e-5);
                else if (validates[i] == RS_RBF_NO_FOLD)
                    assert_true(isnan(z[cell * N + i]));
            }
            release(&m);
        }
}

static void picks_rows(void **unused)
{
    (void)unused;
    float weight[N];
    struct rs_problem p = problem();
    struct rs_rbf_options opt = { .max_rows = 60, .seed = 3 };
    rbf_auto_sample s = { 0 }, again = { 0 }, other = { 0 }, weighted = { 0 };
    assert_int_equal(rbf_sample_draw(&p, NULL, &opt, &s, NULL), RS_OK);
    assert_int_equal(rbf_sample_draw(&p, NULL, &opt, &again, NULL), RS_OK);
    assert_int_equal(s.n, 60);
    assert_int_equal(s.n_positive, 30);
    assert_memory_equal(s.at, again.at, s.n * sizeof *s.at);
    size_t n_positive = 0, n_heavy = 0;
    for (size_t i = 0; i < N; i++)
        n_positive += y[i];
    assert_true(s.stands_positive == (double)n_positive / 30 && s.stands_negative == (double)(N - n_positive) / 30);
    for (size_t i = 0; i < s.n; i++) {
        assert_int_equal(y[s.at[i]], i < s.n_positive);
        assert_true(i == 0 || i == s.n_positive || s.at[i] > s.at[i - 1]);
    }
    opt.seed = 4;
    assert_int_equal(rbf_sample_draw(&p, NULL, &opt, &other, NULL), RS_OK);
    assert_memory_not_equal(s.at, other.at, s.n * sizeof *s.at);

    for (size_t i = 0; i < N; i++) /* every fourth row never, every other one ten times as often */
        weight[i] = i % 4 == 0 ? 0 : i % 2 ? 10 : 1;
    p.row_weight = weight;
    assert_int_equal(rbf_sample_draw(&p, NULL, &opt, &weighted, NULL), RS_OK);
    for (size_t i = 0; i < weighted.n; i++) {
        assert_true(weighted.at[i] % 4 != 0);
        n_heavy += weighted.at[i] % 2;
    }
    /* of three that take part two are heavy: 53 of 60 by weight alone, somewhat fewer as heavy ones run out */
    assert_true(n_heavy > 46);
}

static void keeps_every_positive_row(void **unused)
{
    (void)unused;
    uint8_t rare[N] = { 0 };
    rare[17] = rare[201] = 1;
    struct rs_problem p = problem();
    p.y = rare;
    struct rs_rbf_options opt = { .max_rows = 20 };
    rbf_auto_sample s = { 0 };
    assert_int_equal(rbf_sample_draw(&p, NULL, &opt, &s, NULL), RS_OK);
    assert_int_equal(s.n, 20);
    assert_int_equal(s.n_positive, 2);
    assert_int_equal(s.at[0], 17);
    assert_int_equal(s.at[1], 201);
    assert_true(s.stands_positive == 1);
}

static void refuses(void **unused)
{
    (void)unused;
    static const struct {
        double C, gamma;
        enum rs_status want;
        const char *says;
    } cases[] = {
        { 0, 1, RS_EDOMAIN, "RBF machine: C = 0, gamma = 1: above 0 needed" },
        { 1, -1, RS_EDOMAIN, "RBF machine: C = 1, gamma = -1: above 0 needed" },
        { NAN, 1, RS_EDOMAIN, "RBF machine: C = nan, gamma = 1: above 0 needed" },
    };
    struct rs_problem p = problem();
    struct rs_rbf m;
    double bias, offset[N] = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct rs_rbf_options opt = { .C = cases[i].C, .gamma = cases[i].gamma };
        assert_int_equal(rs_rbf_fit(&p, &opt, &m, &bias, &err), cases[i].want);
        assert_string_equal(err.msg, cases[i].says);
    }
    struct rs_rbf_options opt = { .C = 1 };
    p.offset = offset;
    assert_int_equal(rs_rbf_fit(&p, &opt, &m, &bias, &err), RS_EUNSUPPORTED);
    assert_string_equal(err.msg, "RBF machine: offsets of rows cannot be taken into account");
    p.offset = NULL;
    uint8_t none[N] = { 0 };
    p.y = none;
    assert_int_equal(rs_rbf_fit(&p, &opt, &m, &bias, &err), RS_ENODATA);
    assert_string_equal(err.msg, "RBF machine: 0 positive and 240 negative rows to train on");

    uint32_t trains[N];
    uint8_t validates[N] = { 0 }, few[N] = { 0 };
    few[5] = 1;
    for (size_t i = 0; i < N; i++)
        trains[i] = i == 5 ? 1 : 3; /* the only positive row is not in fold 1 */
    p.y = few;
    double one = 1, z[N];
    struct rs_rbf_grid g = { .problem = &p,
                             .trains = trains,
                             .validates = validates,
                             .n_folds = 2,
                             .C = &one,
                             .n_C = 1,
                             .gamma = &one,
                             .n_gamma = 1,
                             .n_threads = 1 };
    assert_int_equal(rs_rbf_grid_run(&g, z, NULL, &err), RS_ENODATA);
    assert_string_equal(err.msg, "RBF grid: fold 1 trains on 0 positive and 239 negative rows");
}

static void exponentials(void **unused)
{
    (void)unused;
    float d[64], e[64];
    for (size_t i = 0; i < 64; i++)
        d[i] = (float)i * 3.37f;
    rbf_exp(d, 64, 0.731f, e);
    assert_true(e[0] == 1);
    for (size_t i = 0; i < 64; i++) {
        double want = exp((double)(-0.731f * d[i])); /* the C library */
        assert_true(fabs((double)e[i] - want) <= 1e-6 * want + 2e-38);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(equals_libsvm, fill), cmocka_unit_test_setup(grid_equals_fits, fill),
        cmocka_unit_test_setup(picks_rows, fill),    cmocka_unit_test_setup(keeps_every_positive_row, fill),
        cmocka_unit_test_setup(refuses, fill),       cmocka_unit_test(exponentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
