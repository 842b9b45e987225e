/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Models of every learner and calibration, made here, in the formats of others: libsvm's library gives their decision
 * values, the C file, compiled and loaded, their bits; lists and text models come back; broken ones are refused. */
#include "export.c"

#include <dlfcn.h>
#include <libsvm/svm.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/file.h"
#include "predictor/import_model.h"

/* More than eight features, and no multiple of eight: the last ones are read together. */
static const char list_text[] =
    "# a comment\n@counter smart_5_raw\tsectors\n@number age_days\n@window 7d 12h\n"
    "smart_5_raw\t0.5\t12.25\t3.5\nlog1p(smart_5_raw)\nsmart_5_raw>0\n"
    "log1p(delta[7d](smart_5_raw))\nmean[1d](log1p(temp))\nsince_change(temp)\nmissing(temp)\n"
    "age\nmodel=B\nmodel=A firmware=2\nlog1p(age_days)\nevents[30d](failure)\n"
    "(#1-0.75)+\nlog1p(smart_5_raw)>2.5\n#0 * #4\n";
#define D 15

static double next(void)
{
    static uint64_t state = 11;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-52 - 1;
}

static void fill_row(float *x)
{
    for (size_t j = 0; j < D; j++)
        x[j] = (float)(3 * next());
}

static struct rs_model *linear_model(void)
{
    struct rs_feature_list list = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    if (rs_feature_list_read(list_text, sizeof list_text - 1, &list, &err) != RS_OK)
        fail_msg("%s", err.msg);
    struct rs_model *m = rs_alloc(1, sizeof *m);
    m->program = list.program;
    m->mean = list.mean;
    m->scale = list.scale;
    assert_int_equal(m->program.n_steps, D);
    m->weight = rs_alloc(D, sizeof *m->weight);
    m->support = rs_alloc(m->program.n_cohorts, sizeof *m->support);
    m->meta = (struct rs_model_meta){ .tool = strdup("reseat */ \\"), .options = strdup(""), .horizon_s = 86400 };
    for (size_t j = 0; j < D; j++) {
        m->weight[j] = next();
        m->mean[j] = next();
        m->scale[j] = 1.5 + next();
    }
    m->bias = -0.37;
    m->calibrator = (struct rs_calibrator){ .kind = RS_PLATT, .a = 1.3, .b = -0.7 };
    return m;
}

static struct rs_model *delta_model(void)
{
    struct rs_model *m = linear_model();
    assert_int_equal(m->program.n_cohorts, 3); /* all, model=A, model=A firmware=2 */
    m->n_deltas = 2;
    m->deltas = rs_alloc(2, sizeof *m->deltas);
    m->deltas[0] = (struct rs_cohort_delta){ .cohort = 1, .bias = 0.21, .weight = rs_alloc(D, sizeof(double)) };
    m->deltas[1] = (struct rs_cohort_delta){ .cohort = 2, .bias = -0.4 };
    for (size_t j = 0; j < D; j++)
        m->deltas[0].weight[j] = 0.3 * next();
    return m;
}

static struct rs_model *radial_model(void)
{
    struct rs_model *m = linear_model();
    m->learner = RS_RBF_SVM;
    memset(m->weight, 0, D * sizeof *m->weight);
    m->rbf = (struct rs_rbf){ 37, 0.061, rs_alloc(37, sizeof(double)), rs_alloc(37 * D, sizeof(float)) };
    for (size_t k = 0; k < 37; k++) {
        m->rbf.coef[k] = next();
        fill_row(m->rbf.sv + k * D);
    }
    return m;
}

static struct svm_model *load_svm(const struct rs_buf *text)
{
    char path[] = "/tmp/test_export.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text->data, text->len), (ssize_t)text->len);
    close(fd);
    struct svm_model *m = svm_load_model(path);
    unlink(path);
    assert_non_null(m);
    return m;
}

/* "LABEL index:value ..." as libsvm takes it. */
static void parse_nodes(const struct rs_buf *row, struct svm_node *out)
{
    int index, used;
    double value;
    const char *at = strchr((const char *)row->data, ' ');
    for (; at && sscanf(at, " %d:%lf%n", &index, &value, &used) == 2; at += used)
        *out++ = (struct svm_node){ index, value };
    out->index = -1;
}

static void check_svm(struct rs_model *m)
{
    rs_auto_buf text = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_model_prepare(m, &err), RS_OK);
    assert_int_equal(rs_export_model(m, RS_EXPORT_LIBSVM, "", &text, &err), RS_OK);
    struct svm_model *theirs = load_svm(&text);
    for (uint32_t i = 0; i < 60; i++) {
        float x[D];
        struct svm_node nodes[4 * D];
        double z;
        rs_auto_buf row = { 0 };
        fill_row(x);
        struct rs_export_row r = { "e", "t", (int)i % 3 - 1, i % m->program.n_cohorts, x };
        rs_export_row(m, RS_EXPORT_LIBSVM, &r, &row);
        parse_nodes(&row, nodes);
        svm_predict_values(theirs, nodes, &z);
        double want = rs_model_z(m, r.cohort, x);
        assert_true(fabs(z - want) < (m->rbf.n_sv ? 1e-5 : 1e-12));
    }
    svm_free_and_destroy_model(&theirs);
    rs_model_free(m);
}

static void libsvm_gives_our_values(void **unused)
{
    (void)unused;
    check_svm(linear_model());
    check_svm(delta_model());
    check_svm(radial_model());
}

static void check_c(struct rs_model *m)
{
    rs_auto_buf text = { 0 };
    char folder[] = "/tmp/test_export.XXXXXX", path[64], command[256];
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_model_prepare(m, &err), RS_OK);
    assert_int_equal(rs_export_model(m, RS_EXPORT_C, "ours", &text, &err), RS_OK);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.c", folder);
    assert_int_equal(rs_write_file(path, text.data, text.len, &err), RS_OK);
    snprintf(command, sizeof command,
             "cc -std=c99 -O2 -fPIC -shared -ffp-contract=off -Wall -Wextra -Wconversion -Werror %s -o %s/m.so -lm",
             path, folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/m.so", folder);
    void *so = dlopen(path, RTLD_NOW);
    assert_non_null(so);
    double (*risk)(const float *, unsigned);
    *(void **)&risk = dlsym(so, "ours_risk");
    assert_non_null(risk);
    for (uint32_t i = 0; i < 200; i++) {
        float x[D];
        fill_row(x);
        double want = rs_model_risk(m, i % m->program.n_cohorts, x), got = risk(x, i % m->program.n_cohorts);
        /* kernels in single precision, here by differences, there by products: math.md M8 */
        assert_true(m->rbf.n_sv ? fabs(got - want) < 1e-5 : got == want);
    }
    dlclose(so);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    rs_model_free(m);
}

static void c_file_gives_our_bits(void **unused)
{
    (void)unused;
    check_c(linear_model());
    check_c(radial_model());
    struct rs_model *m = delta_model();
    m->calibrator = (struct rs_calibrator){ .kind = RS_BETA, .a = 0.8, .b = 1.9, .c = -0.3 };
    check_c(m);
    m = linear_model();
    m->calibrator = (struct rs_calibrator){ .kind = RS_ISOTONIC, .n = 3, .z = rs_alloc(3, 8), .p = rs_alloc(3, 8) };
    for (size_t i = 0; i < 3; i++) {
        m->calibrator.z[i] = (double)i * 1.7 - 2.1;
        m->calibrator.p[i] = (double)i * 0.31 + 0.007;
    }
    check_c(m);
}

/* Out as text and list, and in again: the same risks. */
static void check_round(struct rs_model *m, enum rs_export_format out, enum rs_text_format in)
{
    rs_auto_buf text = { 0 }, names = { 0 };
    rs_auto_feature_list list = { 0 };
    rs_auto_text_model parsed = { 0 };
    RS_AUTO_STRUCT(rs_model) *back = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_model_prepare(m, &err), RS_OK);
    assert_int_equal(rs_export_model(m, out, "", &text, &err), RS_OK);
    assert_int_equal(rs_export_model(m, RS_EXPORT_FEATURES, "", &names, &err), RS_OK);
    if (rs_feature_list_read((const char *)names.data, names.len, &list, &err) != RS_OK ||
        rs_text_model_read(in, (const char *)text.data, text.len, D, &parsed, &err) != RS_OK)
        fail_msg("%s", err.msg);
    for (uint32_t j = 0; j < D; j++) {
        char a[EXPORT_NAME_MAX], b[EXPORT_NAME_MAX];
        assert_string_equal(rs_step_name(&m->program, j, a, sizeof a), rs_step_name(&list.program, j, b, sizeof b));
    }
    assert_int_equal(rs_program_digest(&m->program), rs_program_digest(&list.program));
    struct rs_import_options opt = {
        .horizon_s = 86400, .tool = "t", .arguments = "", .is_standardised = m->rbf.n_sv > 0
    };
    assert_int_equal(rs_import_model(&parsed, &list, &opt, &back, &err), RS_OK);
    for (size_t i = 0; i < 50; i++) {
        float x[D];
        fill_row(x);
        double want = rs_model_risk(m, 0, x);
        assert_true(fabs(rs_model_risk(back, 0, x) - want) < (m->rbf.n_sv ? 1e-6 : 1e-12));
    }
    rs_model_free(m);
}

static void comes_back(void **unused)
{
    (void)unused;
    check_round(linear_model(), RS_EXPORT_LIBLINEAR, RS_TEXT_LIBLINEAR);
    check_round(linear_model(), RS_EXPORT_LIBSVM, RS_TEXT_LIBSVM);
    check_round(radial_model(), RS_EXPORT_LIBSVM, RS_TEXT_LIBSVM);
}

static void refuses_lists(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "", "no feature in the list" },
        { "x\nx\t1\t2\t0\n", "line 2: 0: no scale above 0" },
        { "x\tmany\n", "line 1: many: no number for a missing value" },
        { "@colour x\n", "line 1: @colour x: @counter, @gauge, @number or @window needed" },
        { "x\ndelta[100d](x)\n", "line 2: 100d: say how it is cut with @window SPAN BUCKET" },
        { "mean[soon](x)\n", "line 1: soon: no span of a window such as 7d or 24h" },
        { "(#3-1)+\n#3>1\n", "line 2: #3>1: no such earlier step, or nothing that is made of one" },
        { "=x\n", "line 1: =x: ATTRIBUTE=VALUE expected" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        rs_auto_feature_list list = { 0 };
        struct rs_error err = RS_ERROR_INIT;
        assert_int_equal(rs_feature_list_read(cases[i].text, strlen(cases[i].text), &list, &err), RS_EFORMAT);
        assert_string_equal(err.msg, cases[i].says);
    }
}

static void refuses_models(void **unused)
{
    (void)unused;
#define LINEAR "solver_type L2R_LR\nnr_class 2\nlabel 1 -1\nnr_feature 1\nbias -1\nw\n"
#define SVM "svm_type c_svc\nkernel_type rbf\ngamma 0.5\nnr_class 2\ntotal_sv 1\nrho 0\nlabel 1 -1\nnr_sv 1 0\nSV\n"
    static const struct {
        enum rs_text_format format;
        const char *text;
        enum rs_status want;
        const char *says;
    } cases[] = {
        { RS_TEXT_LIBLINEAR, "", RS_EFORMAT, "line 1: the file ends before w" },
        { RS_TEXT_LIBLINEAR, LINEAR, RS_EFORMAT, "line 7: a number is missing" },
        { RS_TEXT_LIBLINEAR, LINEAR "1 2\n", RS_EUNSUPPORTED, "line 7: one weight a line needed" },
        { RS_TEXT_LIBLINEAR, LINEAR "1\n2\n", RS_EFORMAT, "line 8: more than the model announces" },
        { RS_TEXT_LIBLINEAR, "solver_type MCSVM_CS\nw\n", RS_EUNSUPPORTED,
          "solver_type MCSVM_CS: a classifier of two classes needed" },
        { RS_TEXT_LIBLINEAR, "label 3 7\n", RS_EUNSUPPORTED, "line 1: labels 3 and 7: 1 beside 0 or -1 needed" },
        { RS_TEXT_LIBSVM, "nr_class 3\n", RS_EUNSUPPORTED, "line 1: two classes needed" },
        { RS_TEXT_LIBSVM, SVM "1 2:1\n", RS_ESHAPE, "line 10: input 2, the feature list has 1" },
        { RS_TEXT_LIBSVM, SVM "1 one\n", RS_EFORMAT, "line 10: one: index:value needed" },
        { RS_TEXT_LIBSVM, SVM "nan 1:1\n", RS_EFORMAT, "line 10: nan: no number" },
        { RS_TEXT_LIBSVM, "total_sv 1e9\n", RS_EFORMAT, "line 2: the file ends before SV" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        rs_auto_text_model m = { 0 };
        struct rs_error err = RS_ERROR_INIT;
        enum rs_status st = rs_text_model_read(cases[i].format, cases[i].text, strlen(cases[i].text), 1, &m, &err);
        assert_string_equal(err.msg, cases[i].says);
        assert_int_equal(st, cases[i].want);
    }
}

/* With the labels turned round every sign turns: the same model. */
static void knows_the_order_of_labels(void **unused)
{
    (void)unused;
    static const char turned[] = "solver_type L1R_LR\nnr_class 2\nlabel 0 1\nnr_feature 1\nbias 2\nw\n-1.5\n0.25\n";
    rs_auto_text_model m = { 0 };
    assert_int_equal(rs_text_model_read(RS_TEXT_LIBLINEAR, turned, sizeof turned - 1, 1, &m, NULL), RS_OK);
    assert_true(m.w[0] == 1.5 && m.bias == -0.5 && m.is_logistic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libsvm_gives_our_values),
        cmocka_unit_test(c_file_gives_our_bits),
        cmocka_unit_test(comes_back),
        cmocka_unit_test(refuses_lists),
        cmocka_unit_test(refuses_models),
        cmocka_unit_test(knows_the_order_of_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
