/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat eval: how well does a model predict the failures of a fleet? Reads a fleet file and a model, prints a report.
 */
#include "predictor/cmd.h"

#include "predictor/bootstrap.h"
#include "predictor/json.h"
#include "predictor/outfile.h"
#include "predictor/report.h"
#include "predictor/scoring.h"

#define COVERAGE 0.95

struct eval_args {
    const char *fleet, *model, *compare, *html, *budgets, *kind_word;
    int kind;
    double min_auc;
    uint64_t n_bins, n_replicates;
    bool is_json, is_quiet, has_cohort_tables;
    struct rs_outfile page; /* of --html */
    struct rs_eval_options opt;
};

/* "0.1%,1%" or "0.001,0.01": shares above 0 and up to 1, in rising order. */
static enum rs_status parse_budgets(const char *text, struct rs_eval_options *opt, struct rs_error *err)
{
    for (const char *at = text;; at++) {
        char *end = NULL;
        double share = strtod(at, &end);
        bool is_number = end != at;
        if (*end == '%') {
            share /= 100;
            end++;
        }
        bool is_rising = opt->n_budgets == 0 || share > opt->budgets[opt->n_budgets - 1];
        if (!is_number || (*end && *end != ',') || !(share > 0 && share <= 1) || !is_rising)
            return rs_error_set(err, RS_EUSAGE, "--budget: %s: shares such as 0.1%%,1%% in rising order needed", text);
        if (opt->n_budgets == RS_BUDGETS_MAX)
            return rs_error_set(err, RS_EUSAGE, "--budget: %s: at most %d budgets", text, RS_BUDGETS_MAX);
        opt->budgets[opt->n_budgets++] = share;
        if (!*end)
            return RS_OK;
        at = end;
    }
}

static enum rs_status check_args(struct eval_args *a, struct rs_error *err)
{
    if (!a->model)
        return rs_error_set(err, RS_EUSAGE, "--model: the model to evaluate is missing");
    if (a->n_bins < 1 || a->n_bins > RS_BINS_MAX)
        return rs_error_set(err, RS_EUSAGE, "--bins: 1 to %d needed", RS_BINS_MAX);
    if (a->n_replicates > RS_REPLICATES_MAX)
        return rs_error_set(err, RS_EUSAGE, "--bootstrap: at most %d", RS_REPLICATES_MAX);
    if (a->min_auc > 1)
        return rs_error_set(err, RS_EUSAGE, "--min-auc: a value from 0 to 1 needed");
    if (a->html && rs_streq(a->html, "-"))
        return rs_error_set(err, RS_EUSAGE, "--html: a file needed, the report goes to standard output");
    a->opt.n_bins = a->n_bins;
    a->opt.n_replicates = a->n_replicates;
    a->opt.is_quiet = a->is_quiet;
    enum rs_status st = rs_kind_parse(a->kind_word, &a->kind, err);
    return st < 0 ? st : parse_budgets(a->budgets, &a->opt, err);
}

static int64_t next_failure(const struct rs_scan_row *s)
{
    for (size_t i = 0; i < s->n_failures; i++)
        if (s->failures[i].time > s->time)
            return s->failures[i].time;
    return RS_TIME_NONE;
}

/* Adds every sample by `add`: those of the first model, or of the second. */
static enum rs_status gather(struct rs_scoring *s, rs_eval *e,
                             enum rs_status (*add)(rs_eval *, const struct rs_eval_sample *, struct rs_error *),
                             struct rs_error *err)
{
    struct rs_scored_row row;
    enum rs_status st;
    while ((st = rs_scoring_step(s, &row, err)) == RS_CONTINUE) {
        struct rs_eval_sample sample = {
            .entity = row.sample.entity,
            .cohort = row.sample.cohort,
            .time = row.sample.time,
            .risk = row.risk,
            .label = row.sample.label,
            .failure = next_failure(&row.sample),
        };
        st = add(e, &sample, err);
        if (st < 0)
            return st;
    }
    return st;
}

/* Scores the same rows with the second model, whose labels are the first one's, and hands it out for the report. */
static enum rs_status gather_other(const struct eval_args *a, const struct rs_model *first, rs_eval *e,
                                   struct rs_model **out, struct rs_error *err)
{
    rs_auto_scoring s = { 0 };
    enum rs_status st = rs_scoring_open(&s, a->fleet, a->compare, a->kind, first->meta.horizon_s, "eval: second model",
                                        a->is_quiet, err);
    if (st < 0)
        return st;
    st = gather(&s, e, rs_eval_add_other, err);
    if (st < 0)
        return rs_error_prefix(err, st, "%s", a->compare);
    *out = rs_take(s.model);
    return RS_OK;
}

static enum rs_status print(const struct eval_args *a, const struct rs_report *report, struct rs_error *err)
{
    if (a->is_json)
        return rs_json_print(rs_report_json(report), err);
    rs_report_text(report, a->has_cohort_tables, stdout);
    return rs_cli_flush(err);
}

static enum rs_status check_auc(const struct eval_args *a, const struct rs_evaluation *ev, struct rs_error *err)
{
    double auc = ev->groups[0].value.m.roc_auc;
    if (a->min_auc >= 0 && !(auc >= a->min_auc))
        return rs_error_set(err, RS_EQUALITY, "ROC-AUC %.4f is below the %g asked for", auc, a->min_auc);
    return RS_OK;
}

static enum rs_status write_page(struct eval_args *a, const struct rs_report *report, struct rs_error *err)
{
    enum rs_status st = rs_report_page(report, a->page.stream, err);
    if (st == RS_OK)
        st = rs_outfile_flush(&a->page, err);
    return st < 0 ? rs_error_prefix(err, st, "%s", a->html) : RS_OK;
}

static enum rs_status evaluate(struct eval_args *a, struct rs_error *err)
{
    rs_auto_scoring s = { 0 };
    enum rs_status st = rs_scoring_open(&s, a->fleet, a->model, a->kind, 0, "eval", a->is_quiet, err);
    if (st < 0)
        return st;
    RS_AUTO(rs_eval) *e = NULL;
    RS_AUTO_STRUCT(rs_evaluation) *ev = NULL;
    RS_AUTO_STRUCT(rs_model) *other = NULL;
    st = rs_eval_new(&s.model->program, &e, err);
    if (st == RS_OK)
        st = gather(&s, e, rs_eval_add, err);
    if (st == RS_OK && a->compare)
        st = gather_other(a, s.model, e, &other, err);
    if (st == RS_OK)
        st = rs_eval_measure(e, &a->opt, &ev, err);
    if (st < 0)
        return rs_error_prefix(err, st, "%s", a->fleet);
    struct rs_report report = { a->fleet, a->model, s.model, &a->opt, ev, RS_OVERLAP_NONE, a->compare, other };
    report.overlap = rs_overlap_find(s.model, rs_digest_value(s.digest), ev->first, ev->last);
    st = a->html ? write_page(a, &report, err) : RS_OK;
    if (st == RS_OK)
        st = print(a, &report, err);
    return st < 0 ? st : check_auc(a, ev, err);
}

static int work(void *arg)
{
    struct rs_error err = RS_ERROR_INIT;
    return rs_cli_end("eval", evaluate(arg, &err), &err);
}

int rs_cmd_eval(int argc, char **argv, const struct rs_verb *self)
{
    struct eval_args a = {
        .budgets = "0.1%,0.5%,1%,5%",
        .kind_word = "all",
        .min_auc = -1,
        .n_bins = 10,
        .n_replicates = 200,
        .opt = { .seed = 1, .min_failing = 10, .coverage = COVERAGE },
    };
    const struct rs_opt opts[] = {
        { "model", 'm', RS_OPT_STRING, &a.model, "MODEL.rsm", "Model to evaluate (needed)." },
        { "compare", 0, RS_OPT_STRING, &a.compare, "OTHER.rsm", "Second model, measured on the same samples." },
        { "html", 0, RS_OPT_STRING, &a.html, "REPORT.html", "Also write a page with plots." },
        { "cohort-tables", 0, RS_OPT_FLAG, &a.has_cohort_tables, NULL, "Print the calibration table of each cohort." },
        { "kind", 0, RS_OPT_STRING, &a.kind_word, "KIND", "Entities: all, host or component (default all)." },
        { "budget", 0, RS_OPT_STRING, &a.budgets, "SHARES",
          "Shares of a day's samples that may alert (default 0.1%,0.5%,1%,5%)." },
        { "bins", 0, RS_OPT_U64, &a.n_bins, "N", "Bins of the calibration table (default 10)." },
        { "bootstrap", 0, RS_OPT_U64, &a.n_replicates, "N",
          "Resamplings for the intervals, 0 for none (default 200)." },
        { "seed", 0, RS_OPT_U64, &a.opt.seed, "N", "Seed of the resampling (default 1)." },
        { "min-failing", 0, RS_OPT_U64, &a.opt.min_failing, "N",
          "Failing entities a cohort needs to be shown (default 10)." },
        { "min-auc", 0, RS_OPT_DOUBLE, &a.min_auc, "X", "Exit with 3 where the pooled ROC-AUC is below X." },
        { "json", 0, RS_OPT_FLAG, &a.is_json, NULL, "Print JSON." },
        { "quiet", 'q', RS_OPT_FLAG, &a.is_quiet, NULL, "No progress." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse_one(argc, argv, self, opts, "fleet file", &a.fleet, &err);
    if (st == RS_OK)
        st = check_args(&a, &err);
    if (st != RS_OK)
        return rs_cli_end("eval", st, &err);
    rs_cli_catch_signals();
    return rs_outfile_contain(&a.page, a.html, "eval", a.fleet, work, &a);
}
