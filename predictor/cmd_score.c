/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat score: the risk of each sample of a fleet, as CSV. Reads a fleet file and a model, writes a CSV file. */
#include "predictor/cmd.h"

#include "predictor/outfile.h"
#include "predictor/scoring.h"

struct score_args {
    const char *fleet, *model, *output, *kind_word;
    int kind;
    bool is_last_only, is_quiet;
    struct rs_outfile out;
};

/* RFC 4180: quoted where it holds a comma, a quote or a line break. */
static void put_field(FILE *to, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, to);
        return;
    }
    putc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', to);
        putc(*text, to);
    }
    putc('"', to);
}

static void put_row(FILE *to, const struct rs_model *model, const struct rs_scored_row *row)
{
    char time[RS_TIME_MAX];
    put_field(to, row->sample.id);
    fprintf(to, ",%s,", rs_time_format(row->sample.time, time));
    put_field(to, model->program.cohorts[row->sample.cohort].name);
    fprintf(to, ",%.17g,%s,", row->risk, row->sample.label < 0 ? "" : row->sample.label ? "1" : "0");
    uint32_t attr;
    if (rs_program_fallback(&model->program, row->sample.attrs, &attr))
        put_field(to, model->program.attrs[attr].name);
    putc('\n', to);
}

static enum rs_status write_rows(struct score_args *a, struct rs_error *err)
{
    rs_auto_scoring s = { 0 };
    enum rs_status st = rs_scoring_open(&s, a->fleet, a->model, a->kind, 0, "score", a->is_quiet, err);
    if (st < 0)
        return st;
    struct rs_scored_row row;
    fputs("entity,time,cohort,risk,label,fallback\n", a->out.stream);
    while ((st = rs_scoring_step(&s, &row, err)) == RS_CONTINUE) {
        if (!a->is_last_only || row.sample.is_last)
            put_row(a->out.stream, s.model, &row);
        if (ferror(a->out.stream))
            break;
    }
    return st < 0 ? rs_error_prefix(err, st, "%s", a->fleet) : rs_outfile_flush(&a->out, err);
}

static int work(void *arg)
{
    struct rs_error err = RS_ERROR_INIT;
    return rs_cli_end("score", write_rows(arg, &err), &err);
}

static enum rs_status check_args(struct score_args *a, struct rs_error *err)
{
    if (!a->model)
        return rs_error_set(err, RS_EUSAGE, "--model: the model to score with is missing");
    return rs_kind_parse(a->kind_word, &a->kind, err);
}

int rs_cmd_score(int argc, char **argv, const struct rs_verb *self)
{
    struct score_args a = { .output = "-", .kind_word = "all" };
    const struct rs_opt opts[] = {
        { "model", 'm', RS_OPT_STRING, &a.model, "MODEL.rsm", "Model to score with (needed)." },
        { "output", 'o', RS_OPT_STRING, &a.output, "SCORES.csv", "File to write; - is standard output (default -)." },
        { "last", 0, RS_OPT_FLAG, &a.is_last_only, NULL, "Only the newest sample of each entity." },
        { "kind", 0, RS_OPT_STRING, &a.kind_word, "KIND", "Entities: all, host or component (default all)." },
        { "quiet", 'q', RS_OPT_FLAG, &a.is_quiet, NULL, "No progress." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse_one(argc, argv, self, opts, "fleet file", &a.fleet, &err);
    if (st == RS_OK)
        st = check_args(&a, &err);
    if (st != RS_OK)
        return rs_cli_end("score", st, &err);
    rs_cli_catch_signals();
    return rs_outfile_contain(&a.out, a.output, "score", a.fleet, work, &a);
}
