/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat train: reads a fleet file, writes a model, reports how it was chosen. */
#include "predictor/cmd.h"

#include "common/clock.h"
#include "datasets/contain.h"
#include "predictor/json.h"
#include "predictor/train.h"

struct train_args {
    const char *fleet, *model, *cohorts, *learner_word, *kind_word;
    double horizon_s;
    uint64_t seed;
    bool is_json, is_quiet;
    struct rs_train_options opt;
};

static enum rs_status parse_learner(const char *word, enum rs_learner_choice *out, struct rs_error *err)
{
    static const char *const words[] = {
        [RS_LEARN_AUTO] = "auto", [RS_LEARN_LOGISTIC] = "logistic", [RS_LEARN_SVM] = "svm"
    };
    for (size_t i = 0; i < RS_LEN(words); i++)
        if (rs_streq(word, words[i])) {
            *out = (enum rs_learner_choice)i;
            return RS_OK;
        }
    return rs_error_set(err, RS_EUSAGE, "--learner: %s: auto, logistic or svm needed", word);
}

static enum rs_status check_args(int n_operands, struct train_args *a, struct rs_error *err)
{
    if (n_operands != 1)
        return rs_error_set(err, RS_EUSAGE, "one fleet file needed, %d given; see --help", n_operands);
    if (!a->model)
        return rs_error_set(err, RS_EUSAGE, "--output: the model file to write is missing");
    if (a->horizon_s < 1 || a->horizon_s > (double)RS_STEP_TIME_MAX / 4)
        return rs_error_set(err, RS_EUSAGE, "--horizon: 1 s or more needed");
    a->opt.horizon_s = (int64_t)a->horizon_s;
    a->opt.cohorts = a->cohorts;
    a->opt.seed = a->seed;
    a->opt.is_quiet = a->is_quiet;
    enum rs_status st = parse_learner(a->learner_word, &a->opt.learner, err);
    return st < 0 ? st : rs_kind_parse(a->kind_word, &a->opt.kind, err);
}

static const char *learner_name(const struct rs_candidate *c)
{
    return c->learner == RS_LOGISTIC ? "logistic" : c->is_balanced ? "svm, balanced" : "svm";
}

static void print_candidates(const struct rs_selection *s)
{
    fprintf(stderr, "\n  %-14s %8s %11s %22s %9s\n", "learner", "C", "log loss", "behind the best (s.e.)", "ROC-AUC");
    for (size_t i = 0; i < s->n; i++) {
        const struct rs_candidate *c = &s->candidates[i];
        fprintf(stderr, "%c %-14s %8g %11.7f %12.7f (%.7f) %9.4f%s\n", i == s->chosen ? '*' : ' ', learner_name(c),
                c->C, c->mean_loss, c->gap, c->gap_se, c->auc, c->has_converged ? "" : "  did not converge");
    }
}

static void print_text(const struct train_args *a, const struct rs_training *t)
{
    const struct rs_model_meta *meta = &t->model->meta;
    char time[RS_TIME_MAX];
    fprintf(stderr, "%llu samples of %llu entities; %llu samples of %llu entities precede a failure\n",
            (unsigned long long)meta->n_rows, (unsigned long long)meta->n_entities,
            (unsigned long long)meta->n_positive, (unsigned long long)meta->n_failing);
    fprintf(stderr, "%u features (%u tried), %u cohorts\n", t->model->program.n_steps, t->n_tried,
            t->model->program.n_cohorts);
    if (t->has_cut)
        fprintf(stderr,
                "validation: %d folds of entities; training ends and validation begins at %s (%llu and %llu failing)\n",
                RS_FOLDS, rs_time_format(t->cut, time), (unsigned long long)t->n_train_failing,
                (unsigned long long)t->n_valid_failing);
    else
        fprintf(stderr, "validation: %d folds of entities, at all times (%s)\n", RS_FOLDS, t->why_no_cut);
    print_candidates(&t->selection);
    fprintf(stderr, "\n%s: calibration slope %.4g, alert threshold %.4g (1 %% of samples)%s\n", a->model,
            t->model->calibrator.a, meta->threshold, t->fit.has_converged ? "" : "; the final fit did not converge");
}

static json_t *candidates_json(const struct rs_selection *s)
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->n; i++) {
        const struct rs_candidate *c = &s->candidates[i];
        all = rs_json_append(all,
                             json_pack("{s:s, s:b, s:f, s:o, s:o, s:o, s:o, s:b, s:b}", "learner",
                                       c->learner == RS_LOGISTIC ? "logistic" : "svm", "balanced", c->is_balanced, "C",
                                       c->C, "log_loss", rs_json_number(c->mean_loss), "gap", rs_json_number(c->gap),
                                       "gap_se", rs_json_number(c->gap_se), "roc_auc", rs_json_number(c->auc),
                                       "converged", c->has_converged, "chosen", i == s->chosen));
    }
    return all;
}

static json_t *validation_json(const struct rs_training *t)
{
    return json_pack("{s:i, s:o, s:s?, s:I, s:I}", "folds", RS_FOLDS, "cut",
                     rs_json_time(t->has_cut ? t->cut : RS_TIME_NONE), "why_no_cut", t->why_no_cut, "train_failing",
                     (json_int_t)t->n_train_failing, "valid_failing", (json_int_t)t->n_valid_failing);
}

static json_t *training_json(const struct train_args *a, const struct rs_training *t)
{
    const struct rs_model *m = t->model;
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:o, s:o, s:f, s:f, s:f, s:b}", "model",
                     a->model, "digest", rs_json_digest(rs_model_digest(m)), "horizon_s", (json_int_t)m->meta.horizon_s,
                     "rows", (json_int_t)m->meta.n_rows, "positive_rows", (json_int_t)m->meta.n_positive, "entities",
                     (json_int_t)m->meta.n_entities, "failing_entities", (json_int_t)m->meta.n_failing, "features",
                     (int)m->program.n_steps, "features_tried", (int)t->n_tried, "cohorts", (int)m->program.n_cohorts,
                     "validation", validation_json(t), "candidates", candidates_json(&t->selection), "calibration_a",
                     m->calibrator.a, "calibration_b", m->calibrator.b, "threshold", m->meta.threshold, "converged",
                     t->fit.has_converged);
}

static enum rs_status print(const struct train_args *a, const struct rs_training *t, struct rs_error *err)
{
    if (a->is_json)
        return rs_json_print(training_json(a, t), err);
    if (!a->is_quiet)
        print_text(a, t);
    return RS_OK;
}

/* The options that shape the model, as a command line would give them. */
static void describe(const struct train_args *a, char *out, size_t size)
{
    char horizon[RS_TIME_MAX];
    snprintf(out, size, "--horizon %s --learner %s --kind %s --seed %llu%s%s",
             rs_duration_format((double)a->opt.horizon_s, horizon), a->learner_word, a->kind_word,
             (unsigned long long)a->seed, a->cohorts ? " --cohorts " : "", a->cohorts ? a->cohorts : "");
}

static int train(void *arg)
{
    struct train_args *a = arg;
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_fleet) *fleet = NULL;
    rs_auto_training t = { 0 };
    char command[RS_MODEL_TEXT_MAX];
    rs_cli_catch_signals();
    describe(a, command, sizeof command);
    a->opt.command = command;
    enum rs_status st = rs_fleet_open(a->fleet, &fleet, &err);
    if (st == RS_OK && (st = rs_train(fleet, &a->opt, &t, &err)) < 0 && st != RS_EUSAGE)
        st = rs_error_prefix(&err, st, "%s", a->fleet);
    if (st == RS_OK)
        st = rs_model_save(t.model, a->model, &err);
    if (st == RS_OK)
        st = print(a, &t, &err);
    return st < 0 ? rs_cli_fail("train", &err) : RS_EXIT_OK;
}

int rs_cmd_train(int argc, char **argv, const struct rs_verb *self)
{
    struct train_args a = {
        .learner_word = "auto", .kind_word = "all", .horizon_s = 7.0 * (double)RS_DAY_S, .seed = 1
    };
    const struct rs_opt opts[] = {
        { "output", 'o', RS_OPT_STRING, &a.model, "MODEL", "Model file to write; needed." },
        { "horizon", 'H', RS_OPT_DURATION, &a.horizon_s, "TIME", "Predict failures within TIME of a sample (7d)." },
        { "cohorts", 'c', RS_OPT_STRING, &a.cohorts, "A,B", "Attributes that make cohorts, nested (automatic)." },
        { "learner", 'l', RS_OPT_STRING, &a.learner_word, "WORD", "auto, logistic or svm (auto)." },
        { "kind", 'k', RS_OPT_STRING, &a.kind_word, "WORD", "Entities: all, host or component (all)." },
        { "seed", 's', RS_OPT_U64, &a.seed, "N", "Seed of folds and samples (1)." },
        { "json", 0, RS_OPT_FLAG, &a.is_json, NULL, "Print the report as JSON on stdout." },
        { "quiet", 'q', RS_OPT_FLAG, &a.is_quiet, NULL, "No progress, no text report." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    struct rs_error err = RS_ERROR_INIT;
    int first = 0;
    enum rs_status st = rs_cli_parse(argc, argv, self, opts, &first, &err);
    if (st == RS_CONTINUE)
        return RS_EXIT_OK;
    if (st == RS_OK) {
        a.fleet = argv[first];
        st = check_args(argc - first, &a, &err);
    }
    return st < 0 ? rs_cli_fail(self->name, &err) : rs_contain(self->name, a.fleet, train, &a);
}
