/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat export-model: a model, or the features of a fleet's samples, in the formats of others. `reseat export` hands
 * over to it where its operand is a model. */
#include "predictor/cmd.h"

#include "common/file.h"
#include "predictor/export.h"
#include "predictor/outfile.h"
#include "predictor/scoring.h"

struct args {
    const char *model, *format_word, *output, *name, *fleet, *kind_word;
    enum rs_export_format format;
    int kind;
    bool is_quiet;
    struct rs_outfile out;
};

static enum rs_status put(struct args *a, struct rs_buf *text, struct rs_error *err)
{
    if (text->failed)
        return rs_error_set(err, RS_ENOMEM, "export: out of memory");
    if (text->len && fwrite(text->data, 1, text->len, a->out.stream) != text->len)
        return rs_error_errno(err, RS_EIO, "%s", a->output);
    text->len = 0;
    return RS_OK;
}

static enum rs_status write_rows(struct args *a, struct rs_error *err)
{
    rs_auto_scoring s = { 0 };
    rs_auto_buf text = { 0 };
    struct rs_scored_row row;
    enum rs_status st = rs_scoring_open(&s, a->fleet, a->model, a->kind, 0, "export", a->is_quiet, err);
    if (st < 0)
        return st;
    rs_export_rows_head(s.model, a->format, &text);
    while ((st = rs_scoring_step(&s, &row, err)) == RS_CONTINUE) {
        char time[RS_TIME_MAX];
        struct rs_export_row r = { .entity = row.sample.id,
                                   .time = rs_time_format(row.sample.time, time),
                                   .label = row.sample.label,
                                   .cohort = row.sample.cohort,
                                   .x = row.sample.x };
        rs_export_row(s.model, a->format, &r, &text);
        st = put(a, &text, err);
        if (st < 0)
            return st;
    }
    if (st == RS_OK)
        st = put(a, &text, err);
    return st < 0 ? rs_error_prefix(err, st, "%s", a->fleet) : rs_outfile_flush(&a->out, err);
}

static int work(void *arg)
{
    struct rs_error err = RS_ERROR_INIT;
    return rs_cli_end("export", write_rows(arg, &err), &err);
}

static int export_model(const struct args *a)
{
    RS_AUTO_STRUCT(rs_model) *m = NULL;
    rs_auto_buf text = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_model_load(a->model, &m, &err);
    if (st == RS_OK) {
        st = rs_export_model(m, a->format, a->name, &text, &err);
        if (st < 0)
            rs_error_prefix(&err, st, "%s", a->model);
    }
    if (st == RS_OK)
        st = rs_write_file(a->output, text.data, text.len, &err);
    return rs_cli_end("export", st, &err);
}

static enum rs_status check_args(struct args *a, struct rs_error *err)
{
    if (!a->format_word)
        return rs_error_set(err, RS_EUSAGE,
                            "--format: missing: libsvm, liblinear, pmml, json, c or features needed for a model");
    enum rs_status st = rs_export_format_parse(a->format_word, &a->format, err);
    if (st == RS_OK && *a->name && a->format != RS_EXPORT_C)
        st = rs_error_set(err, RS_EUSAGE, "--name: only --format c has a use for it");
    if (st == RS_OK && a->fleet && a->format == RS_EXPORT_FEATURES)
        st = rs_error_set(err, RS_EUSAGE,
                          "--features: --format features already lists them; name the format of the rows");
    return st == RS_OK ? rs_kind_parse(a->kind_word, &a->kind, err) : st;
}

int rs_cmd_export_model(int argc, char **argv, const struct rs_verb *self)
{
    struct args a = { .output = "-", .name = "", .kind_word = "all" };
    const struct rs_opt opts[] = {
        { "format", 'f', RS_OPT_STRING, &a.format_word, "FORMAT",
          "libsvm, liblinear, pmml, json, c or features (needed)." },
        { "output", 'o', RS_OPT_STRING, &a.output, "FILE", "File to write; - is standard output (default -)." },
        { "features", 0, RS_OPT_STRING, &a.fleet, "FLEET.h5",
          "Write the features of the fleet's samples in place of the model." },
        { "name", 0, RS_OPT_STRING, &a.name, "NAME", "What names in the C file begin with (default reseat)." },
        { "kind", 0, RS_OPT_STRING, &a.kind_word, "KIND", "Entities: all, host or component (default all)." },
        { "quiet", 'q', RS_OPT_FLAG, &a.is_quiet, NULL, "No progress." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse_one(argc, argv, self, opts, "model file", &a.model, &err);
    if (st == RS_OK)
        st = check_args(&a, &err);
    if (st != RS_OK)
        return rs_cli_end("export", st, &err);
    rs_cli_catch_signals();
    if (!a.fleet)
        return export_model(&a);
    return rs_outfile_contain(&a.out, a.output, "export", a.fleet, work, &a);
}
