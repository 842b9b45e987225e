/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report of a training: data, validation, candidates, cohorts, warnings. */
#include "predictor/train_report.h"

#include <math.h>

typedef unsigned long long ull;

static const char *features_name(const struct rs_candidate *c)
{
    return !(c->trees > 0) ? "base" : c->trees < 1 ? "base + trees" : "trees";
}

const char *rs_calibration_name(enum rs_calibration kind)
{
    static const char *const names[] = { [RS_PLATT] = "platt", [RS_BETA] = "beta", [RS_ISOTONIC] = "isotonic" };
    return names[kind];
}

/* Steps that were grown on the training rows, from other steps. */
static uint32_t count_terms(const struct rs_program *p)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_steps; i++)
        n += p->steps[i].op == RS_STEP_ABOVE || p->steps[i].op == RS_STEP_GREATER || p->steps[i].op == RS_STEP_PRODUCT;
    return n;
}

static void print_data(FILE *to, const struct rs_training *t)
{
    const struct rs_model_meta *meta = &t->model->meta;
    fprintf(to, "%llu samples of %llu entities; %llu samples of %llu entities precede a failure\n", (ull)meta->n_rows,
            (ull)meta->n_entities, (ull)meta->n_positive, (ull)meta->n_failing);
    if (meta->n_mitigated)
        fprintf(to, "%llu more have no label because a mitigation came first\n", (ull)meta->n_mitigated);
    if (t->n_control)
        fprintf(to, "%llu samples of the control share (%.3g) weigh for the mitigated ones\n", (ull)t->n_control,
                meta->control_share);
    if (t->keep_share < 1)
        fprintf(to, "%zu samples fit into the memory: each negative one stands for %g\n", t->n_fitted,
                1 / t->keep_share);
    uint32_t n_terms = count_terms(&t->model->program);
    fprintf(to, "%u features of %u tried", t->model->program.n_steps - n_terms, t->n_tried);
    if (n_terms)
        fprintf(to, ", %u terms grown from them", n_terms);
    fprintf(to, "; %u cohorts\n", t->model->program.n_cohorts);
}

static void print_validation(FILE *to, const struct rs_training *t)
{
    char time[RS_TIME_MAX];
    if (t->n_folds == 0)
        fprintf(to, "no validation: nothing was chosen, the risks are those of the fit itself\n");
    else if (t->has_cut)
        fprintf(to,
                "validation: %u folds of entities; training ends and validation begins at %s (%llu and %llu failing)\n",
                t->n_folds, rs_time_format(t->cut, time), (ull)t->n_train_failing, (ull)t->n_valid_failing);
    else
        fprintf(to, "validation: %u folds of entities, at all times (%s)\n", t->n_folds, t->why_no_cut);
}

static void print_candidates(FILE *to, const struct rs_selection *s)
{
    char target[32];
    if (s->n < 2)
        return;
    rs_target_name(&s->target, target);
    fprintf(to, "\n  %-13s %-14s %7s %12s %29s %11s %23s %8s %8s\n", "learner", "features", "C", target,
            "behind the best, 95 %", "log loss", "behind the leader (s.e.)", "ROC-AUC", "AP");
    for (size_t i = 0; i < s->n; i++) {
        const struct rs_scored *c = &s->of[i];
        fprintf(to, "%c%c%-13s %-14s %7g %12.5g %11.4g %8.4g %8.4g %11.7f %12.7f (%.7f) %8.4f %8.4f%s\n",
                i == s->chosen ? '*' : ' ', c->is_champion ? '.' : ' ', rs_candidate_name(&c->candidate),
                features_name(&c->candidate), c->candidate.C, c->value, -c->gap, -c->gap_high, -c->gap_low, c->log_loss,
                c->loss_gap, c->loss_gap_se, c->roc_auc, c->average_precision,
                c->has_converged ? "" : "  did not converge");
    }
    fprintf(to, "  * chosen  . best of its kind\n");
}

static const char *const pool_words[RS_POOL_KINDS] = { "none", "bias", "weights" };

/* By depth, as far as there are any. */
static void print_precisions(FILE *to, const char *word, const double *of)
{
    for (unsigned k = 0; k < RS_COHORT_DEPTH_MAX && !isinf(of[k]); k++)
        fprintf(to, "%s %.3g", k ? "" : word, of[k]);
}

static void print_pooling(FILE *to, const struct rs_crossfit *x)
{
    if (x->n_kinds < 2)
        return;
    fprintf(to, "\n  %-16s %11s %23s  %s\n", "cohorts' own", "log loss", "behind the best (s.e.)",
            "pull to the parent by depth");
    for (size_t i = 0; i < x->n_kinds; i++) {
        const struct rs_pool_score *s = &x->of[i];
        fprintf(to, "%c %-16s %11.7f %11.7f (%.7f) ", i == x->chosen ? '*' : ' ', pool_words[i], s->log_loss,
                s->loss_gap, s->loss_gap_se);
        print_precisions(to, " bias", s->strength.bias);
        print_precisions(to, ", weights", s->strength.weight);
        fputc('\n', to);
    }
}

void rs_train_report_text(FILE *to, const char *model_path, const struct rs_training *t)
{
    print_data(to, t);
    print_validation(to, t);
    if (t->leak.warns_time)
        fprintf(to, "warning: the date of a sample alone separates the classes (ROC-AUC %.3f)\n", t->leak.auc_time);
    if (t->leak.warns_age)
        fprintf(to, "warning: the time that an entity was watched alone separates the classes (ROC-AUC %.3f)\n",
                t->leak.auc_age);
    print_candidates(to, &t->selection);
    print_pooling(to, &t->crossfit);
    fprintf(to, "\n%s: calibration %s, alert threshold %.4g (1 %% of samples)%s\n", model_path,
            rs_calibration_name(t->model->calibrator.kind), t->model->meta.threshold,
            t->fit.has_converged ? "" : "; the final fit did not converge");
}

static json_t *candidates_json(const struct rs_selection *s)
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->n; i++) {
        const struct rs_scored *c = &s->of[i];
        all = rs_json_append(
            all, json_pack("{s:s, s:s, s:b, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b}",
                           "learner", c->candidate.ops->name, "features", features_name(&c->candidate), "balanced",
                           c->candidate.is_balanced, "C", c->candidate.C, "l1_ratio", c->candidate.l1_ratio, "gamma",
                           c->candidate.gamma, "target", rs_json_number(c->value), "gap", rs_json_number(c->gap),
                           "gap_low", rs_json_number(c->gap_low), "gap_high", rs_json_number(c->gap_high), "log_loss",
                           rs_json_number(c->log_loss), "loss_gap", rs_json_number(c->loss_gap), "loss_gap_se",
                           rs_json_number(c->loss_gap_se), "roc_auc", rs_json_number(c->roc_auc), "average_precision",
                           rs_json_number(c->average_precision), "converged", c->has_converged, "best_of_kind",
                           c->is_champion, "chosen", i == s->chosen));
    }
    return all;
}

/* The precisions by depth, as far as there are any. */
static json_t *precisions_json(const double *of)
{
    json_t *all = json_array();
    for (unsigned k = 0; k < RS_COHORT_DEPTH_MAX && !isinf(of[k]); k++)
        all = rs_json_append(all, json_real(of[k]));
    return all;
}

static json_t *pooling_json(const struct rs_crossfit *x)
{
    json_t *all = json_array();
    for (size_t i = 0; i < x->n_kinds; i++) {
        const struct rs_pool_score *s = &x->of[i];
        all = rs_json_append(all, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:b}", "kind", pool_words[i], "bias",
                                            precisions_json(s->strength.bias), "weights",
                                            precisions_json(s->strength.weight), "log_loss",
                                            rs_json_number(s->log_loss), "loss_gap", rs_json_number(s->loss_gap),
                                            "loss_gap_se", rs_json_number(s->loss_gap_se), "chosen", i == x->chosen));
    }
    return all;
}

static json_t *validation_json(const struct rs_training *t)
{
    char target[32];
    return json_pack("{s:i, s:o, s:s?, s:I, s:I, s:s}", "folds", (int)t->n_folds, "cut",
                     rs_json_time(t->has_cut ? t->cut : RS_TIME_NONE), "why_no_cut", t->why_no_cut, "train_failing",
                     (json_int_t)t->n_train_failing, "valid_failing", (json_int_t)t->n_valid_failing, "target",
                     rs_target_name(&t->selection.target, target));
}

static json_t *leak_json(const struct rs_training *t)
{
    char name[RS_NAME_MAX];
    json_t *mirrors = json_array();
    for (size_t i = 0; i < t->leak.n_mirrors; i++)
        mirrors = rs_json_append(
            mirrors, json_string(rs_step_name(&t->model->program, (uint32_t)t->leak.mirrors[i], name, sizeof name)));
    bool is_known = t->n_folds > 0;
    return json_pack("{s:o, s:o, s:b, s:b, s:o}", "roc_auc_of_time", rs_json_number(is_known ? t->leak.auc_time : NAN),
                     "roc_auc_of_age", rs_json_number(is_known ? t->leak.auc_age : NAN), "warns_time",
                     t->leak.warns_time, "warns_age", t->leak.warns_age, "features_that_mirror_the_date", mirrors);
}

static json_t *data_json(const struct rs_training *t)
{
    const struct rs_model_meta *meta = &t->model->meta;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:f}", "rows", (json_int_t)meta->n_rows, "positive_rows",
                     (json_int_t)meta->n_positive, "entities", (json_int_t)meta->n_entities, "failing_entities",
                     (json_int_t)meta->n_failing, "mitigated_rows", (json_int_t)meta->n_mitigated, "control_rows",
                     (json_int_t)t->n_control, "control_share", meta->control_share, "fitted_rows",
                     (json_int_t)t->n_fitted, "kept_share_of_negatives", t->keep_share);
}

json_t *rs_train_report_json(const char *model_path, const struct rs_training *t)
{
    const struct rs_model *m = t->model;
    bool has_line = m->calibrator.kind != RS_ISOTONIC;
    json_t *root = json_pack(
        "{s:s, s:o, s:I, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:b}", "model", model_path,
        "digest", rs_json_digest(rs_model_digest(m)), "horizon_s", (json_int_t)m->meta.horizon_s, "features",
        (int)m->program.n_steps, "features_tried", (int)t->n_tried, "terms", (int)count_terms(&m->program), "cohorts",
        (int)m->program.n_cohorts, "validation", validation_json(t), "candidates", candidates_json(&t->selection),
        "pooling", pooling_json(&t->crossfit), "leak", leak_json(t), "calibration",
        rs_calibration_name(m->calibrator.kind), "calibration_a", rs_json_number(has_line ? m->calibrator.a : NAN),
        "calibration_b", rs_json_number(has_line ? m->calibrator.b : NAN), "threshold",
        rs_json_number(m->meta.threshold), "converged", t->fit.has_converged);
    json_t *data = data_json(t);
    if (!root || !data || json_object_update_new(root, data) < 0) {
        json_decref(root);
        return NULL;
    }
    return root;
}
