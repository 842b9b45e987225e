/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat import-model: a text model of liblinear or libsvm and the list of its features, as a model of ours. */
#include "predictor/cmd.h"

#include "common/clock.h"
#include "common/file.h"
#include "predictor/import_model.h"

struct args {
    const char *model, *format_word, *list, *output, *calibration;
    enum rs_text_format format;
    double horizon_s;
    struct rs_import_options opt;
    char arguments[RS_MODEL_TEXT_MAX];
};

static enum rs_status parse_calibration(struct args *a, struct rs_error *err)
{
    char *end;
    if (!a->calibration)
        return RS_OK;
    a->opt.has_calibration = true;
    a->opt.calib_a = strtod(a->calibration, &end);
    bool is_sound = end != a->calibration && *end == ',';
    const char *second = is_sound ? end + 1 : "";
    if (is_sound)
        a->opt.calib_b = strtod(second, &end);
    if (!is_sound || end == second || *end)
        return rs_error_set(err, RS_EUSAGE, "--calibration: %s: two numbers A,B needed", a->calibration);
    return RS_OK;
}

static enum rs_status check_args(struct args *a, struct rs_error *err)
{
    if (!a->format_word || (!rs_streq(a->format_word, "liblinear") && !rs_streq(a->format_word, "libsvm")))
        return rs_error_set(err, RS_EUSAGE, "--format: %s: liblinear or libsvm needed",
                            a->format_word ? a->format_word : "missing");
    a->format = rs_streq(a->format_word, "libsvm") ? RS_TEXT_LIBSVM : RS_TEXT_LIBLINEAR;
    if (!a->list)
        return rs_error_set(err, RS_EUSAGE, "--features: the list of the features is missing");
    if (!a->output)
        return rs_error_set(err, RS_EUSAGE, "--output: the model file to write is missing");
    if (a->horizon_s < 1 || a->horizon_s > 1e9)
        return rs_error_set(err, RS_EUSAGE, "--horizon: 1s to 1e9 s needed");
    if (!(a->opt.threshold >= 0 && a->opt.threshold <= 1))
        return rs_error_set(err, RS_EUSAGE, "--threshold: %g: a risk from 0 to 1 needed", a->opt.threshold);
    a->opt.horizon_s = (int64_t)a->horizon_s;
    return parse_calibration(a, err);
}

static enum rs_status read_list(const struct args *a, struct rs_feature_list *out, struct rs_error *err)
{
    rs_autofree uint8_t *text = NULL;
    size_t len;
    enum rs_status st = rs_read_file(a->list, RS_FEATURE_LIST_SIZE_MAX, &text, &len, err);
    if (st < 0)
        return rs_error_prefix(err, st, "feature list");
    st = rs_feature_list_read((const char *)text, len, out, err);
    return st < 0 ? rs_error_prefix(err, st, "%s", a->list) : RS_OK;
}

static enum rs_status read_model(const struct args *a, size_t n, struct rs_text_model *out, struct rs_error *err)
{
    rs_autofree uint8_t *text = NULL;
    size_t len;
    enum rs_status st = rs_read_file(a->model, RS_TEXT_MODEL_SIZE_MAX, &text, &len, err);
    if (st < 0)
        return rs_error_prefix(err, st, "model");
    st = rs_text_model_read(a->format, (const char *)text, len, n, out, err);
    return st < 0 ? rs_error_prefix(err, st, "%s", a->model) : RS_OK;
}

/* What the model's meta tells of where it comes from: paths would make equal models differ. */
static void note_arguments(struct args *a)
{
    char horizon[RS_TIME_MAX];
    snprintf(a->arguments, sizeof a->arguments, "import-model --format %s --horizon %s --threshold %.17g%s%s%s",
             a->format_word, rs_duration_format(a->horizon_s, horizon), a->opt.threshold,
             a->opt.is_standardised ? " --standardised" : "", a->calibration ? " --calibration " : "",
             a->calibration ? a->calibration : "");
    a->opt.tool = "reseat " RS_VERSION;
    a->opt.arguments = a->arguments;
}

static enum rs_status run(struct args *a, struct rs_error *err)
{
    rs_auto_feature_list list = { 0 };
    rs_auto_text_model text = { 0 };
    RS_AUTO_STRUCT(rs_model) *m = NULL;
    enum rs_status st = read_list(a, &list, err);
    if (st == RS_OK)
        st = read_model(a, list.program.n_steps, &text, err);
    if (st == RS_OK) {
        note_arguments(a);
        st = rs_import_model(&text, &list, &a->opt, &m, err);
    }
    return st == RS_OK ? rs_model_save(m, a->output, err) : st;
}

int rs_cmd_import_model(int argc, char **argv, const struct rs_verb *self)
{
    struct args a = { .horizon_s = 7 * (double)RS_DAY_S, .opt = { .threshold = 0.5 } };
    const struct rs_opt opts[] = {
        { "format", 'f', RS_OPT_STRING, &a.format_word, "FORMAT", "Of the text model: liblinear or libsvm (needed)." },
        { "features", 0, RS_OPT_STRING, &a.list, "LIST", "File that names the model's inputs, one a line (needed)." },
        { "output", 'o', RS_OPT_STRING, &a.output, "MODEL.rsm", "Model file to write (needed)." },
        { "horizon", 0, RS_OPT_DURATION, &a.horizon_s, "TIME", "What the risk is about, such as 7d (default 7d)." },
        { "calibration", 0, RS_OPT_STRING, &a.calibration, "A,B",
          "Risk of z: 1 / (1 + exp(-(A z + B))) (default: the model's own)." },
        { "threshold", 0, RS_OPT_DOUBLE, &a.opt.threshold, "RISK", "Alert threshold to suggest (default 0.5)." },
        { "standardised", 0, RS_OPT_FLAG, &a.opt.is_standardised, NULL,
          "The model takes (x - mean) / scale, with the list's mean and scale." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse_one(argc, argv, self, opts, "text model", &a.model, &err);
    if (st == RS_OK)
        st = check_args(&a, &err);
    if (st == RS_OK)
        st = run(&a, &err);
    return rs_cli_end("import-model", st, &err);
}
