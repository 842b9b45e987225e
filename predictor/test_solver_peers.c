/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The solvers against coefficients that scikit-learn and LIBLINEAR found on the same rows. The figures are what
 * tests/solver_figures.py prints (scikit-learn 1.2.1, LIBLINEAR 2.30); it holds the generator of test_fit_rows.h. */
#include "predictor/test_fit_rows.h"

static const struct peer {
    const char *name;
    enum rs_learner learner;
    double C, l1_ratio;
    enum rs_bias bias;
    double weight_positive;
    bool has_weights; /* of rows */
    double want[FIT_COLUMNS + 1];
} peers[] = {
    { "newton-cholesky, C = 0.03",
      RS_LOGISTIC,
      0.03,
      0,
      RS_BIAS_FREE,
      1,
      false,
      { 0.61577454629491546, -0.26906038127546766, 0.17384282449998675, 0.54432268779479953, -0.18517465016624834,
        0.080069652176708292, -0.59965573694671415 } },
    { "newton-cholesky, C = 1",
      RS_LOGISTIC,
      1,
      0,
      RS_BIAS_FREE,
      1,
      false,
      { 0.66087979650983109, -0.60061296300346678, 0.77259228418322079, 1.4731743189216471, -0.2590043828690074,
        0.11016465376750073, -0.8868789770800326 } },
    { "newton-cholesky, C = 40",
      RS_LOGISTIC,
      40,
      0,
      RS_BIAS_FREE,
      1,
      false,
      { 0.35986749949742342, -0.66501883522158034, 0.89676919621132201, 1.9888342280187548, -0.26038296851665693,
        0.11539092075617405, -0.94948153269663405 } },
    { "newton-cholesky, C = 0.5, row weights",
      RS_LOGISTIC,
      0.5,
      0,
      RS_BIAS_FREE,
      1,
      true,
      { 0.66650243265507891, -0.5779682444192451, 0.96306589953880628, 1.4392254207970332, -0.24026586749859297,
        0.11893779701487001, -0.98261483080116696 } },
    { "liblinear-train -s 0 -B 1 -c 0.03",
      RS_LOGISTIC,
      0.03,
      0,
      RS_BIAS_PENALISED,
      1,
      false,
      { 0.59307819844738763, -0.24169348215730463, 0.16795667266052136, 0.52630901045067569, -0.32041432169402168,
        0.077393213642179007, -0.18886031052921323 } },
    { "liblinear-train -s 0 -B 1 -c 2",
      RS_LOGISTIC,
      2,
      0,
      RS_BIAS_PENALISED,
      1,
      false,
      { 0.55036296672604967, -0.61952989115401236, 0.82527820076702962, 1.6554903259000482, -0.28231104140768376,
        0.11168443178032725, -0.85109478424473262 } },
    { "liblinear-train -s 2 -B 1 -c 0.001",
      RS_LINEAR_SVM,
      0.001,
      0,
      RS_BIAS_PENALISED,
      1,
      false,
      { 0.15778962635415825, -0.052971346025590227, 0.025925892171314097, 0.13352658323843228, -0.1040963602928147,
        0.025825503049833342, -0.045064187650627439 } },
    { "liblinear-train -s 2 -B 1 -c 0.03",
      RS_LINEAR_SVM,
      0.03,
      0,
      RS_BIAS_PENALISED,
      1,
      false,
      { 0.27920377598389085, -0.16882467636933654, 0.20707004769032566, 0.37193678401663355, -0.1185292892578165,
        0.036879692213346534, -0.19234078099432952 } },
    { "liblinear-train -s 2 -B 1 -c 0.01 -w1 2.5",
      RS_LINEAR_SVM,
      0.01,
      0,
      RS_BIAS_PENALISED,
      2.5,
      false,
      { 0.27819946414008412, -0.14348054513457439, 0.18801066686964563, 0.34414652170021265, -0.080320703183771935,
        0.034605854937963185, 0.027602653575386649 } },
    { "saga, C = 0.05, l1_ratio = 0.9",
      RS_LOGISTIC,
      0.05,
      0.9,
      RS_BIAS_FREE,
      1,
      false,
      { 0.88305007492802268, -0.11528834088428401, 0, 0.23883234868646477, 0, 0.061181849868463943,
        -0.89441413302186534 } },
    { "saga, C = 0.05, l1_ratio = 0.4",
      RS_LOGISTIC,
      0.05,
      0.4,
      RS_BIAS_FREE,
      1,
      false,
      { 0.69889540001257944, -0.24771302194248918, 0, 0.57240253868068247, -0.10736765844668854, 0.07441038720669671,
        -0.74942306199005548 } },
    { "saga, C = 1, l1_ratio = 1",
      RS_LOGISTIC,
      1,
      1,
      RS_BIAS_FREE,
      1,
      false,
      { 0.41225656048378639, -0.60874366916455913, 0.75127254277994671, 1.7958350712969504, -0.23196590085883048,
        0.1096773316340471, -0.92912169212026119 } },
};

static void test_rows_are_the_script_s(void **unused)
{
    (void)unused;
    static struct fit_rows r;
    fit_rows_make(&r);
    double x = 0, y = 0, weight = 0;
    for (size_t i = 0; i < FIT_ROWS; i++) {
        for (size_t j = 0; j < FIT_COLUMNS; j++)
            x += (double)r.x[i * FIT_COLUMNS + j];
        y += r.y[i];
        weight += (double)r.weight[i];
    }
    assert_true(y == 86 && x == 484.5625 && weight == 528); /* the script's first line */
}

static void test_peers(void **unused)
{
    (void)unused;
    static struct fit_rows r;
    fit_rows_make(&r);
    for (size_t i = 0; i < RS_LEN(peers); i++) {
        const struct peer *e = &peers[i];
        struct rs_problem p = fit_rows_problem(&r);
        struct rs_fit_options opt = fit_exactly(e->learner, e->C, e->l1_ratio, e->bias);
        double w[FIT_COLUMNS + 1];
        p.weight_positive = e->weight_positive;
        p.row_weight = e->has_weights ? r.weight : NULL;
        fit_all(&p, &opt, w);
        check_near(w, e->want, FIT_COLUMNS + 1, 1e-6, e->name); /* they come within 1e-7 of their optimum */
        for (size_t j = 0; j < FIT_COLUMNS; j++)
            assert_true((w[j] == 0) == (e->want[j] == 0)); /* exact zeros, and the same ones */
        struct fit_gradient g = fit_gradient_at(&p, &opt, w);
        if (!(g.largest <= 1e-8))
            fail_msg("%s: subgradient %g", e->name, g.largest);
    }
}

/* The start changes nothing but the way. */
static void test_peers_from_afar(void **unused)
{
    (void)unused;
    static struct fit_rows r;
    fit_rows_make(&r);
    for (size_t i = 0; i < RS_LEN(peers); i++) {
        const struct peer *e = &peers[i];
        struct rs_problem p = fit_rows_problem(&r);
        struct rs_fit_options opt = fit_exactly(e->learner, e->C, e->l1_ratio, e->bias);
        double w[FIT_COLUMNS + 1] = { -3.1, 2.7, 0, 11.3, 5.5, -0.9, 7.25 };
        RS_AUTO(rs_solver) *ws = NULL;
        struct rs_fit_report report = { 0 };
        struct rs_error err = RS_ERROR_INIT;
        p.weight_positive = e->weight_positive;
        p.row_weight = e->has_weights ? r.weight : NULL;
        assert_int_equal(rs_solver_new(p.n, p.d, &ws, &err), RS_OK);
        assert_int_equal(rs_solver_fit(ws, &p, &opt, w, &report, &err), RS_OK);
        assert_true(report.has_converged);
        check_near(w, e->want, FIT_COLUMNS + 1, 1e-6, e->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_the_script_s),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_peers_from_afar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
