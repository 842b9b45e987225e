/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat train: reads a fleet file, writes a model, reports how it was chosen. */
#include "predictor/cmd.h"

#include <math.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/log.h"
#include "datasets/contain.h"
#include "predictor/scan.h"
#include "predictor/train_report.h"

#define OWN_CHOICE UINT64_MAX
#define MEMORY_SHARE 4 /* of the physical memory, the rows may take one part in this */

struct train_args {
    const char *fleet, *model, *cohorts, *learner_word, *kind_word, *target_word, *calibration_word, *features_word;
    double horizon_s, C;
    uint64_t seed, folds, memory_bytes;
    bool is_json, is_quiet, no_pooling;
    struct rs_train_options opt;
};

/* The index of a word in a list that ends with NULL. */
static enum rs_status parse_word(const char *option, const char *word, const char *const *words, int *out,
                                 struct rs_error *err)
{
    rs_auto_buf all = { 0 };
    for (int i = 0; words[i]; i++) {
        if (rs_streq(word, words[i])) {
            *out = i;
            return RS_OK;
        }
        rs_buf_printf(&all, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
    }
    return rs_error_set(err, RS_EUSAGE, "--%s: %s: %s needed", option, word, all.failed ? "another" : (char *)all.data);
}

static enum rs_status parse_words(struct train_args *a, struct rs_error *err)
{
    static const char *const learners[] = { "auto", "logistic", "svm", "rbf", NULL };
    static const char *const features[] = { "auto", "base", "values", NULL };
    static const char *const calibrations[] = { "auto", "platt", "beta", "isotonic", NULL };
    int learner = 0, feature = 0, calibration = 0;
    enum rs_status st = parse_word("learner", a->learner_word, learners, &learner, err);
    if (st == RS_OK)
        st = parse_word("features", a->features_word, features, &feature, err);
    if (st == RS_OK)
        st = parse_word("calibration", a->calibration_word, calibrations, &calibration, err);
    a->opt.learner = (enum rs_learner_choice)learner;
    a->opt.features = (enum rs_feature_choice)feature;
    a->opt.calibration = calibration - 1;
    if (st == RS_OK)
        st = rs_target_parse(a->target_word, &a->opt.target, err);
    return st < 0 ? st : rs_kind_parse(a->kind_word, &a->opt.kind, err);
}

static enum rs_status check_folds(const struct train_args *a, struct rs_error *err)
{
    if (a->folds != 0 && a->folds != RS_FOLDS)
        return rs_error_set(err, RS_EUSAGE, "--folds: %llu: %d, or 0 for no validation, needed",
                            (unsigned long long)a->folds, RS_FOLDS);
    if (a->folds == 0 && (a->opt.learner != RS_LEARN_LOGISTIC || isnan(a->C)))
        return rs_error_set(err, RS_EUSAGE,
                            "--folds: 0: nothing can be chosen or calibrated then: --learner logistic and -C needed");
    return RS_OK;
}

static enum rs_status check_args(struct train_args *a, struct rs_error *err)
{
    if (!a->model)
        return rs_error_set(err, RS_EUSAGE, "--output: the model file to write is missing");
    if (a->horizon_s < 1 || a->horizon_s > (double)RS_STEP_TIME_MAX / 4)
        return rs_error_set(err, RS_EUSAGE, "--horizon: 1 s or more needed");
    if (!isnan(a->C) && !(a->C > 0))
        return rs_error_set(err, RS_EUSAGE, "-C: a penalty above 0 needed");
    enum rs_status st = parse_words(a, err);
    a->opt.horizon_s = (int64_t)a->horizon_s;
    a->opt.cohorts = a->cohorts;
    a->opt.C = a->C;
    a->opt.has_validation = a->folds != 0;
    a->opt.has_pooling = !a->no_pooling;
    a->opt.memory_bytes = (size_t)a->memory_bytes;
    a->opt.seed = a->seed;
    a->opt.is_quiet = a->is_quiet;
    return st < 0 ? st : check_folds(a, err);
}

static enum rs_status print(const struct train_args *a, const struct rs_training *t, struct rs_error *err)
{
    if (a->is_json)
        return rs_json_print(rs_train_report_json(a->model, t), err);
    if (!a->is_quiet)
        rs_train_report_text(stderr, a->model, t);
    return RS_OK;
}

/* The options that shape the model, as a command line would give them. */
static bool describe(const struct train_args *a, struct rs_buf *to)
{
    char horizon[RS_TIME_MAX];
    rs_buf_printf(
        to, "--horizon %s --learner %s --features %s --target %s --calibration %s --kind %s --folds %llu --seed %llu",
        rs_duration_format((double)a->opt.horizon_s, horizon), a->learner_word, a->features_word, a->target_word,
        a->calibration_word, a->kind_word, (unsigned long long)a->folds, (unsigned long long)a->seed);
    if (!isnan(a->C))
        rs_buf_printf(to, " -C %.17g", a->C);
    if (a->no_pooling)
        rs_buf_printf(to, " --no-pooling");
    if (a->cohorts)
        rs_buf_printf(to, " --cohorts %s", a->cohorts);
    return !to->failed && to->len < RS_MODEL_TEXT_MAX;
}

static uint64_t default_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages / MEMORY_SHARE * (uint64_t)size : (uint64_t)1 << 30;
}

/* What is global in a run on several processes: the first of them alone speaks and writes. */
static enum rs_status work(struct train_args *a, rs_comm *comm, struct rs_error *err)
{
    RS_AUTO(rs_fleet) *fleet = NULL;
    rs_auto_training t = { 0 };
    rs_auto_buf command = { 0 };
    bool is_first = rs_comm_rank(comm) == 0;
    enum rs_status st = describe(a, &command) ? RS_OK : rs_error_set(err, RS_EUSAGE, "--cohorts: too long");
    a->opt.command = (const char *)command.data;
    if (st == RS_OK)
        st = rs_fleet_open(a->fleet, &fleet, err);
    if (st == RS_OK && (st = rs_train(fleet, &a->opt, &t, err)) < 0 && st != RS_EUSAGE)
        st = rs_error_prefix(err, st, "%s", a->fleet);
    if (rs_comm_join(comm, st, err) < 0) /* nobody is lost: what is written now is whole */
        return err->status;
    if (is_first)
        st = rs_model_save(t.model, a->model, err);
    if (st == RS_OK && is_first)
        st = print(a, &t, err);
    return rs_comm_join(comm, st, err);
}

static int train(void *arg)
{
    struct train_args *a = arg;
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_comm) *comm = NULL;
    enum rs_status st = rs_comm_open(&comm, &err);
    rs_cli_catch_signals();
    a->opt.comm = comm;
    if (a->memory_bytes == OWN_CHOICE)
        a->opt.memory_bytes = (size_t)(default_memory() / rs_comm_neighbours(comm));
    if (rs_comm_rank(comm) > 0) {
        a->opt.is_quiet = true;
        rs_log_set_level(RS_LOG_ERROR);
    }
    if (st == RS_OK)
        st = work(a, comm, &err);
    if (st < 0 && rs_comm_rank(comm) > 0)
        return RS_EXIT_FAILED;
    return rs_cli_end("train", st, &err);
}

/* A mistake in the arguments. Processes that were started together all make it, or one of them does and the others wait
 * for it; they meet, so that the first can say it for all before any of them ends. */
static int refuse(enum rs_status st, struct rs_error *err)
{
    RS_AUTO(rs_comm) *comm = NULL;
    if (rs_comm_open(&comm, NULL) == RS_OK)
        st = rs_comm_join(comm, st, err);
    return rs_comm_rank(comm) > 0 ? RS_EXIT_USAGE : rs_cli_end("train", st, err);
}

int rs_cmd_train(int argc, char **argv, const struct rs_verb *self)
{
    struct train_args a = { .learner_word = "auto",
                            .kind_word = "all",
                            .target_word = "precision@1%",
                            .calibration_word = "auto",
                            .features_word = "auto",
                            .horizon_s = 7.0 * (double)RS_DAY_S,
                            .C = NAN,
                            .folds = RS_FOLDS,
                            .memory_bytes = OWN_CHOICE,
                            .seed = 1 };
    const struct rs_opt opts[] = {
        { "output", 'o', RS_OPT_STRING, &a.model, "MODEL", "Model file to write; needed." },
        { "horizon", 'H', RS_OPT_DURATION, &a.horizon_s, "TIME", "Predict failures within TIME of a sample (7d)." },
        { "cohorts", 'c', RS_OPT_STRING, &a.cohorts, "A,B", "Attributes that make cohorts, nested (automatic)." },
        { "no-pooling", 0, RS_OPT_FLAG, &a.no_pooling, NULL, "One model for all cohorts; no deltas of their own." },
        { "learner", 'l', RS_OPT_STRING, &a.learner_word, "WORD", "auto, logistic, svm or rbf (auto)." },
        { "penalty", 'C', RS_OPT_DOUBLE, &a.C, "C", "Weight of the loss against the penalty (chosen)." },
        { "features", 0, RS_OPT_STRING, &a.features_word, "WORD", "auto, base (no terms) or values (auto)." },
        { "target", 't', RS_OPT_STRING, &a.target_word, "WORD",
          "What candidates compete on: precision@P%, logloss, auc, ap (precision@1%)." },
        { "calibration", 0, RS_OPT_STRING, &a.calibration_word, "WORD", "auto, platt, beta or isotonic (auto)." },
        { "folds", 0, RS_OPT_U64, &a.folds, "N", "5, or 0: no validation, for --learner logistic -C alone (5)." },
        { "memory", 0, RS_OPT_SIZE, &a.memory_bytes, "SIZE", "Memory for the rows (a quarter of the machine's)." },
        { "kind", 'k', RS_OPT_STRING, &a.kind_word, "WORD", "Entities: all, host or component (all)." },
        { "seed", 's', RS_OPT_U64, &a.seed, "N", "Seed of folds and samples (1)." },
        { "json", 0, RS_OPT_FLAG, &a.is_json, NULL, "Print the report as JSON on stdout." },
        { "quiet", 'q', RS_OPT_FLAG, &a.is_quiet, NULL, "No progress, no text report." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse_one(argc, argv, self, opts, "fleet file", &a.fleet, &err);
    if (st == RS_OK)
        st = check_args(&a, &err);
    if (st < 0)
        return refuse(st, &err);
    return st == RS_CONTINUE ? RS_EXIT_OK : rs_contain("train", a.fleet, train, &a);
}
