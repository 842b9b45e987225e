/* SPDX-License-Identifier: Apache-2.0 */
/* The model file: bytes out and in, every truncation and every flipped bit, files of every version that must stay
 * readable, and the score. Run with the arguments "write PATH" or "write-rbf PATH" it writes the
 * golden files of the newest version. */
#include "models/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <zlib.h>

#include <cmocka.h>

#include "common/file.h"

#ifndef RS_GOLDEN
#define RS_GOLDEN "tests/golden"
#endif

static char *text(const char *s)
{
    char *out = strdup(s);
    if (!out)
        abort();
    return out;
}

static void *items(size_t n, size_t size, const void *from)
{
    void *out = rs_alloc(n, size);
    if (!out)
        abort();
    memcpy(out, from, n * size);
    return out;
}

static void add_parts(struct rs_program *p)
{
    p->n_signals = 2;
    p->signals = items(2, sizeof *p->signals,
                       (struct rs_signal[]){ { text("smart_5_raw"), text("sectors"), RS_COUNTER },
                                             { text("temp_\xc2\xb0"), text(""), RS_GAUGE } });
    p->n_attrs = 2;
    p->attrs =
        items(2, sizeof *p->attrs,
              (struct rs_attr[]){ { .name = text("model") }, { .name = text("capacity_bytes"), .is_number = true } });
    p->attrs[0].n_values = 2;
    p->attrs[0].values = items(2, sizeof(char *), (char *[]){ text("HDS722020ALA330"), text("ST3000DM001") });
    p->n_windows = 1;
    p->windows = items(1, sizeof *p->windows, (struct rs_window[]){ { 86400, 7 } });
    p->n_cohorts = 2;
    p->cohorts = items(2, sizeof *p->cohorts,
                       (struct rs_cohort[]){ { 0, 0, 0, text("all") }, { 0, 0, 1, text("model=ST3000DM001") } });
    p->n_steps = 4;
    p->steps = items(4, sizeof *p->steps,
                     (struct rs_step[]){ { .op = RS_STEP_VALUE, .transform = RS_LOG1P, .impute = 0.375f },
                                         { .op = RS_STEP_DELTA, .transform = RS_LOG1P, .impute = 0.0625f },
                                         { .op = RS_STEP_NUMBER, .arg = 1, .impute = 2.5e12f },
                                         { .op = RS_STEP_COHORT, .arg = 1 } });
}

static void prepare(struct rs_model *m)
{
    if (rs_program_finish(&m->program, NULL) != RS_OK || rs_model_prepare(m, NULL) != RS_OK)
        abort();
}

/* The model that tests/golden/model-v1.rsm holds. */
static struct rs_model *sample_model(void)
{
    struct rs_model *m = rs_alloc(1, sizeof *m);
    if (!m)
        abort();
    m->meta = (struct rs_model_meta){
        .tool = text("reseat 0.1.0"),
        .options = text("--horizon 7d"),
        .seed = 7,
        .data_digest = 0x0123456789abcdefu,
        .horizon_s = 604800,
        .span_first = 1365552000,
        .span_last = 1368316800,
        .n_rows = 496704,
        .n_positive = 572,
        .n_entities = 15364,
        .n_failing = 87,
        .base_rate = 0.00115,
        .threshold = 0.0103,
    };
    add_parts(&m->program);
    m->learner = RS_LINEAR_SVM;
    m->bias = -1.375;
    m->weight = items(4, sizeof(double), (double[]){ 0.8125, 1.0625, -2.5e-13, 0.40625 });
    m->mean = items(4, sizeof(double), (double[]){ 0.375, 0.0625, 2.25e12, 0.21875 });
    m->scale = items(4, sizeof(double), (double[]){ 1.1, 0.3, 9e11, 0.4133 });
    m->calibrator.a = 1.75;
    m->calibrator.b = -4.5;
    m->support = items(2, sizeof *m->support,
                       (struct rs_cohort_support[]){ { 15364, 87, 496704, 572 }, { 3195, 16, 104000, 110 } });
    prepare(m);
    return m;
}

static struct rs_reference reference(void)
{
    return (struct rs_reference){ .n_edges = 2, .edge = { -1.5f, 40 }, .share = { 0.25, 0.5, 0.25 }, .missing = 0.125 };
}

static void add_events(struct rs_program *p)
{
    p->n_events = 2;
    p->events = items(2, sizeof(char *), (char *[]){ text("failure"), text("event/reboot") });
    free(p->steps);
    p->n_steps = 10;
    p->steps = items(10, sizeof *p->steps,
                     (struct rs_step[]){ { .op = RS_STEP_VALUE, .transform = RS_LOG1P, .impute = 0.375f },
                                         { .op = RS_STEP_DELTA, .transform = RS_LOG1P, .impute = 0.0625f },
                                         { .op = RS_STEP_NUMBER, .arg = 1, .impute = 2.5e12f },
                                         { .op = RS_STEP_COHORT, .arg = 1 },
                                         { .op = RS_STEP_ABOVE, .arg = 0, .knot = 3.5f },
                                         { .op = RS_STEP_GREATER, .arg = 1, .knot = -0.25f },
                                         { .op = RS_STEP_PRODUCT, .arg = 0, .value = 4 },
                                         { .op = RS_STEP_EVENTS, .transform = RS_LOG1P, .arg = 1 },
                                         { .op = RS_STEP_SINCE_EVENT, .impute = 2.75f },
                                         { .op = RS_STEP_MISSING, .arg = 1 } });
}

static const double numbers[10] = {
    0.8125, 1.0625, -2.5e-13, 0.40625, -0.3125, 0.1875, 0.6875, -0.4375, 0.5625, -0.15
};

/* The model that tests/golden/model-v2.rsm holds: sample_model() with what version 2 added. */
static struct rs_model *full_model(void)
{
    struct rs_model *m = sample_model();
    add_events(&m->program);
    m->meta.n_mitigated = 1234;
    m->meta.control_share = 0.05;
    free(m->weight);
    free(m->mean);
    free(m->scale);
    m->weight = items(10, sizeof(double), numbers);
    m->mean = items(10, sizeof(double), (double[]){ 0.375, 0.0625, 2.25e12, 0.21875, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6 });
    m->scale = items(10, sizeof(double), (double[]){ 1.1, 0.3, 9e11, 0.4133, 1, 2, 3, 4, 5, 6 });
    m->calibrator = (struct rs_calibrator){ .kind = RS_ISOTONIC, .n = 3 };
    m->calibrator.z = items(3, sizeof(double), (double[]){ -4, 0.5, 3 });
    m->calibrator.p = items(3, sizeof(double), (double[]){ 0.0001, 0.0125, 0.75 });
    m->n_deltas = 2;
    m->deltas = items(2, sizeof *m->deltas, (struct rs_cohort_delta[]){ { 0, 0.0625, NULL }, { 1, -0.375, NULL } });
    m->deltas[1].weight = items(10, sizeof(double), numbers);
    m->refs = items(2, sizeof *m->refs, (struct rs_reference[]){ reference(), { .missing = 1 } });
    m->score_ref = reference();
    m->score_ref.missing = 0;
    prepare(m);
    return m;
}

/* Two support vectors; sigmoid of a beta calibration. */
static struct rs_model *rbf_model(void)
{
    struct rs_model *m = sample_model();
    m->learner = RS_RBF_SVM;
    memset(m->weight, 0, 4 * sizeof *m->weight);
    m->calibrator = (struct rs_calibrator){ .kind = RS_BETA, .a = 1.25, .b = 0.75, .c = -2.5 };
    m->rbf = (struct rs_rbf){ .n_sv = 2, .gamma = 0.3 };
    m->rbf.coef = items(2, sizeof(double), (double[]){ 1.75, -0.6 });
    m->rbf.sv = items(8, sizeof(float), (float[]){ 0.5f, -0.25f, 1, 0, -1.5f, 0.75f, 0.125f, 2 });
    prepare(m);
    return m;
}

static void encode(const struct rs_model *m, uint8_t **bytes, size_t *len)
{
    struct rs_error err = RS_ERROR_INIT;
    if (rs_model_encode(m, bytes, len, &err) != RS_OK)
        fail_msg("%s", err.msg);
}

static void fix_checksum(uint8_t *bytes, size_t len)
{
    uint32_t crc = (uint32_t)crc32_z(crc32(0, NULL, 0), bytes, len - 4);
    for (int i = 0; i < 4; i++)
        bytes[len - 4 + (size_t)i] = (uint8_t)(crc >> (8 * i));
}

static void test_round_trip(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_model) *m = sample_model();
    RS_AUTO_STRUCT(rs_model) *back = NULL;
    rs_autofree uint8_t *bytes = NULL, *again = NULL;
    size_t len = 0, len_again = 0;
    encode(m, &bytes, &len);
    assert_int_equal(rs_model_decode(bytes, len, &back, NULL), RS_OK);
    encode(back, &again, &len_again);
    assert_int_equal(len, len_again);
    assert_memory_equal(bytes, again, len);
    assert_string_equal(back->meta.tool, "reseat 0.1.0");
    assert_true(back->meta.data_digest == 0x0123456789abcdefu && back->meta.threshold == 0.0103);
    assert_string_equal(back->program.attrs[0].values[1], "ST3000DM001");
    assert_true(back->program.steps[2].impute == 2.5e12f && back->weight[2] == -2.5e-13);
    assert_true(back->support[1].n_failing == 16);
    assert_true(rs_model_digest(m) == rs_model_digest(back) && rs_model_digest(m) != 0);
}

/* The model encodes to the bytes of the file, which can be read. */
static void check_golden(const struct rs_model *m, const char *path)
{
    rs_autofree uint8_t *want = NULL, *got = NULL;
    size_t n_want = 0, n_got = 0;
    struct rs_error err = RS_ERROR_INIT;
    encode(m, &got, &n_got);
    if (rs_read_file(path, RS_MODEL_SIZE_MAX, &want, &n_want, &err) != RS_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(n_got, n_want);
    assert_memory_equal(got, want, n_want);
    RS_AUTO_STRUCT(rs_model) *loaded = NULL;
    assert_int_equal(rs_model_load(path, &loaded, &err), RS_OK);
}

static void test_golden_file(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_model) *m = full_model();
    RS_AUTO_STRUCT(rs_model) *rbf = rbf_model();
    check_golden(m, RS_GOLDEN "/model-v2.rsm");
    check_golden(rbf, RS_GOLDEN "/model-v2-rbf.rsm");
}

/* A file of version 1 is the same model as it was. */
static void test_golden_file_of_version_1(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_model) *m = sample_model();
    RS_AUTO_STRUCT(rs_model) *old = NULL;
    rs_autofree uint8_t *want = NULL, *got = NULL;
    size_t n_want = 0, n_got = 0;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_model_load(RS_GOLDEN "/model-v1.rsm", &old, &err) != RS_OK)
        fail_msg("%s", err.msg);
    encode(m, &want, &n_want);
    encode(old, &got, &n_got);
    assert_int_equal(n_got, n_want);
    assert_memory_equal(got, want, n_want);
}

/* Every damaged prefix, and every flipped bit with its checksum made right, of the file of version 1. */
static void test_damaged_version_1(void **unused)
{
    (void)unused;
    rs_autofree uint8_t *bytes = NULL;
    size_t len = 0, n_read = 0;
    assert_int_equal(rs_read_file(RS_GOLDEN "/model-v1.rsm", RS_MODEL_SIZE_MAX, &bytes, &len, NULL), RS_OK);
    for (size_t bit = 0; bit < 8 * (len - 4); bit++) {
        RS_AUTO_STRUCT(rs_model) *out = NULL;
        struct rs_error err = RS_ERROR_INIT;
        float x[4] = { 3e38f, -3e38f, 1, 0 };
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        fix_checksum(bytes, len);
        if (rs_model_decode(bytes, len, &out, &err) == RS_OK) {
            assert_true(isfinite(rs_model_risk(out, 0, x)));
            n_read++;
        } else {
            assert_null(out);
            assert_true(err.msg[0]);
        }
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(n_read > 100);
}

static void test_score(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_model) *m = sample_model();
    const float x[4] = { 2.375f, 1.0625f, 0x1p41f, 1 };
    double out[4];
    /* -1.375 + 0.8125 * 2 + 1.0625 * 1 - 2.5e-13 * (2^41 - 2.25e12) + 0.40625 * 0.78125, 40-digit arithmetic */
    assert_true(fabs(rs_model_z(m, 1, x) - 1.642626998612) < 1e-12);
    /* 1 / (1 + exp(-(1.75 * 1.642626998612 - 4.5))), 40-digit arithmetic */
    assert_true(fabs(rs_model_risk(m, 1, x) - 0.16446111173409292) < 1e-15);
    double logit = rs_model_explain(m, 1, x, out);
    assert_true(logit == 1.75 * -1.375 - 4.5);
    for (size_t j = 0; j < 4; j++)
        logit += out[j];
    assert_true(fabs(logit - log(0.16446111173409292 / (1 - 0.16446111173409292))) < 1e-12);
    assert_true(out[0] == 1.75 * 0.8125 * 2);
    for (uint32_t j = 0; j < 4; j++)
        assert_true(rs_model_z(m, j % 2, x) == rs_model_z(m, 0, x)); /* no deltas: all cohorts alike */
}

static void every_truncation(const struct rs_model *m)
{
    rs_autofree uint8_t *bytes = NULL;
    size_t len = 0;
    encode(m, &bytes, &len);
    for (size_t n = 0; n < len; n++) {
        struct rs_model *out = NULL;
        struct rs_error err = RS_ERROR_INIT;
        rs_autofree uint8_t *cut = malloc(n ? n : 1); /* its own block, so that a read beyond it is seen */
        memcpy(cut, bytes, n);
        assert_int_equal(rs_model_decode(cut, n, &out, &err), n < 8 ? RS_EFORMAT : RS_ECORRUPT);
        assert_null(out);
        assert_true(err.msg[0]);
    }
}

static void test_every_truncation(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_model) *linear = full_model();
    RS_AUTO_STRUCT(rs_model) *rbf = rbf_model();
    every_truncation(linear);
    every_truncation(rbf);
}

static void every_bit(const struct rs_model *m)
{
    rs_autofree uint8_t *bytes = NULL;
    size_t len = 0;
    encode(m, &bytes, &len);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        struct rs_model *out = NULL;
        struct rs_error err = RS_ERROR_INIT;
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum rs_status st = rs_model_decode(bytes, len, &out, &err);
        assert_true(st == RS_ECORRUPT || st == RS_EFORMAT || st == RS_EVERSION);
        assert_null(out);
        assert_true(err.msg[0]);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_every_bit(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_model) *linear = full_model();
    RS_AUTO_STRUCT(rs_model) *rbf = rbf_model();
    every_bit(linear);
    every_bit(rbf);
}

/* With the checksum made right again: refused, or a model that encodes to exactly these bytes. */
static void every_bit_with_checksum(const struct rs_model *m)
{
    rs_autofree uint8_t *bytes = NULL;
    size_t len = 0, n_read = 0;
    encode(m, &bytes, &len);
    for (size_t bit = 0; bit < 8 * (len - 4); bit++) {
        RS_AUTO_STRUCT(rs_model) *out = NULL;
        struct rs_error err = RS_ERROR_INIT;
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        fix_checksum(bytes, len);
        if (rs_model_decode(bytes, len, &out, &err) == RS_OK) {
            rs_autofree uint8_t *again = NULL;
            size_t n = 0;
            float x[10] = { 3e38f, -3e38f, 1, 0 };
            encode(out, &again, &n);
            assert_int_equal(n, len);
            assert_memory_equal(again, bytes, len);
            assert_true(isfinite(rs_model_risk(out, 0, x)));
            n_read++;
        } else {
            assert_null(out);
            assert_true(err.msg[0]);
        }
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(n_read > 100); /* a seed, say, may be anything */
}

static void test_every_bit_with_checksum(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_model) *linear = full_model();
    RS_AUTO_STRUCT(rs_model) *rbf = rbf_model();
    every_bit_with_checksum(linear);
    every_bit_with_checksum(rbf);
}

/* Changes one place of a sound file, whose new bytes are named by what stands there now. */
static void refuses(const void *from, const void *to, size_t n, enum rs_status want, const char *msg)
{
    RS_AUTO_STRUCT(rs_model) *m = full_model();
    struct rs_model *out = NULL;
    struct rs_error err = RS_ERROR_INIT;
    rs_autofree uint8_t *bytes = NULL;
    size_t len = 0;
    encode(m, &bytes, &len);
    uint8_t *at = memmem(bytes, len, from, n);
    assert_non_null(at);
    memcpy(at, to, n);
    fix_checksum(bytes, len);
    assert_int_equal(rs_model_decode(bytes, len, &out, &err), want);
    assert_string_equal(err.msg, msg);
    assert_int_equal(err.status, want);
}

static void test_refusals(void **unused)
{
    (void)unused;
    refuses("\x0a\x1a\x0a\x02", "\x0a\x1a\x0a\x03", 4, RS_EVERSION, "version 3, this program reads up to 2");
    refuses("RSM", "RSN", 3, RS_EFORMAT, "not a Reseat model");
    refuses("STEP\xd0\x01", "STEP\xd1\x01", 6, RS_ECORRUPT, "steps: 1 bytes too many");
    refuses("WNDS", "WNDX", 4, RS_ECORRUPT, "windows: section missing");
    refuses("SIGS\x2f\0\0\0\0\0\0\0\x02", "SIGS\x2f\0\0\0\0\0\0\0\x7f", 13, RS_ECORRUPT,
            "signals: 127 declared, 43 bytes left");
    refuses("ST3000DM001",
            "HDS72\xff"
            "20ALA",
            11, RS_ECORRUPT, "attribute 0: one of its values is no text, or too long");
    double one = 1.1, nan = NAN, minus = -1.1, risk = 0.0103, two = 2;
    refuses(&one, &nan, sizeof one, RS_ECORRUPT, "weight, mean or scale of feature 0 is out of range");
    refuses(&one, &minus, sizeof one, RS_ECORRUPT, "weight, mean or scale of feature 0 is out of range");
    refuses(&risk, &two, sizeof risk, RS_ECORRUPT, "meta: base rate or threshold is outside 0..1");
    uint64_t rows = 104000, more = 496705;
    refuses(&rows, &more, sizeof rows, RS_ECORRUPT, "cohort 1: larger than the one it is nested in");
}

static void test_encode_refuses(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_model) *m = sample_model();
    uint8_t *bytes = NULL;
    size_t len = 0;
    struct rs_error err = RS_ERROR_INIT;
    m->weight[1] = INFINITY;
    assert_int_equal(rs_model_encode(m, &bytes, &len, &err), RS_EINVAL);
    assert_string_equal(err.msg, "weight, mean or scale of feature 1 is out of range");
    assert_null(bytes);
}

static void test_load_names_the_file(void **unused)
{
    (void)unused;
    struct rs_model *m = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_model_load("/dev/null", &m, &err), RS_EFORMAT);
    assert_string_equal(err.msg, "model /dev/null: not a Reseat model");
    assert_int_equal(rs_model_load("/nowhere/x.rsm", &m, &err), RS_ENOTFOUND);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_golden_file),
        cmocka_unit_test(test_golden_file_of_version_1),
        cmocka_unit_test(test_damaged_version_1),
        cmocka_unit_test(test_score),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_every_bit_with_checksum),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_encode_refuses),
        cmocka_unit_test(test_load_names_the_file),
    };
    if (argc == 3 && rs_streq(argv[1], "write")) {
        RS_AUTO_STRUCT(rs_model) *m = full_model();
        return rs_model_save(m, argv[2], NULL) == RS_OK ? 0 : 1;
    }
    if (argc == 3 && rs_streq(argv[1], "write-rbf")) {
        RS_AUTO_STRUCT(rs_model) *m = rbf_model();
        return rs_model_save(m, argv[2], NULL) == RS_OK ? 0 : 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
