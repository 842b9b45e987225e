/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two models on the same rows: the difference of each measure, its paired interval and what that shows. */
#include <inttypes.h>
#include <math.h>

#include "common/clock.h"
#include "predictor/json.h"
#include "predictor/report.h"

/* ---- text ---- */

static void print_difference(const struct rs_eval_group *g, const char *name, size_t index, int direction, FILE *to)
{
    double value = rs_stat(&g->value, index), other = rs_stat(&g->other, index);
    double low = rs_stat(&g->difference_low, index), high = rs_stat(&g->difference_high, index);
    const char *verdict = rs_verdict(low, high, direction);
    if (!isfinite(value - other))
        return;
    fprintf(to, "  %-36s %12.6g %12.6g %+13.6g", name, value, other, value - other);
    if (isfinite(low) && isfinite(high))
        fprintf(to, " [%+.6g, %+.6g]", low, high);
    fprintf(to, "%s%s\n", verdict ? "  " : "", verdict ? verdict : "");
}

static void print_budget_differences(const struct rs_report *r, const struct rs_eval_group *g, FILE *to)
{
    for (size_t b = 0; b < r->opt->n_budgets; b++) {
        fprintf(to, "  alerts for %g %% of a day's samples\n", 100 * r->opt->budgets[b]);
        for (size_t k = 0; k < RS_ALERT_MEASURES; k++)
            if (rs_alert_measures[k].direction)
                print_difference(g, rs_alert_measures[k].name, rs_alert_index(b, k), rs_alert_measures[k].direction,
                                 to);
    }
}

static void print_group(const struct rs_report *r, size_t group, FILE *to)
{
    const struct rs_eval_group *g = &r->ev->groups[group];
    for (size_t k = 0; k < RS_MEASURES; k++)
        if (rs_measures[k].direction)
            print_difference(g, rs_measures[k].name, rs_measures[k].index, rs_measures[k].direction, to);
}

static void print_cohorts(const struct rs_report *r, FILE *to)
{
    static const size_t shown[] = { 1, 2 }; /* ROC-AUC, PR-AUC */
    for (size_t g = 1; g < r->ev->n_groups; g++) {
        fprintf(to, "  %s\n", r->model->program.cohorts[r->ev->groups[g].cohort].name);
        for (size_t k = 0; k < RS_LEN(shown); k++)
            print_difference(&r->ev->groups[g], rs_measures[shown[k]].name, rs_measures[shown[k]].index, 1, to);
    }
}

void rs_report_compare_text(const struct rs_report *r, FILE *to)
{
    char horizon[RS_TIME_MAX];
    if (!r->other)
        return;
    fprintf(to, "\nCompared with %s, on the same samples, under the same resamplings\n", r->other_path);
    if (r->other->meta.horizon_s != r->model->meta.horizon_s)
        fprintf(to,
                "  It predicts within %s: judged by the labels of the other horizon, its risks cannot be calibrated.\n",
                rs_duration_format((double)r->other->meta.horizon_s, horizon));
    fprintf(to, "  %-36s %12s %12s %13s\n", "", "this model", "that model", "difference");
    print_group(r, 0, to);
    print_budget_differences(r, &r->ev->groups[0], to);
    print_cohorts(r, to);
}

/* ---- JSON ---- */

static json_t *difference_json(const struct rs_eval_group *g, size_t index, int direction)
{
    double low = rs_stat(&g->difference_low, index), high = rs_stat(&g->difference_high, index);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:s?}", "value", rs_json_number(rs_stat(&g->value, index)), "other",
                     rs_json_number(rs_stat(&g->other, index)), "difference",
                     rs_json_number(rs_stat(&g->difference, index)), "low", rs_json_number(low), "high",
                     rs_json_number(high), "verdict", rs_verdict(low, high, direction));
}

/* Takes to; NULL where something could not be made. */
static json_t *set(json_t *to, const char *key, json_t *value)
{
    if (json_object_set_new(to, key, value) == 0)
        return to;
    json_decref(to);
    return NULL;
}

static json_t *budgets_json(const struct rs_report *r, const struct rs_eval_group *g)
{
    json_t *budgets = json_array();
    for (size_t b = 0; b < r->opt->n_budgets; b++) {
        json_t *item = json_pack("{s:f}", "budget", r->opt->budgets[b]);
        for (size_t k = 0; item && k < RS_ALERT_MEASURES; k++)
            item = set(item, rs_alert_measures[k].key,
                       difference_json(g, rs_alert_index(b, k), rs_alert_measures[k].direction));
        budgets = rs_json_append(budgets, item);
    }
    return budgets;
}

static json_t *group_json(const struct rs_report *r, const struct rs_eval_group *g)
{
    json_t *group = json_pack("{s:s}", "cohort", r->model->program.cohorts[g->cohort].name);
    for (size_t k = 0; group && k < RS_MEASURES; k++)
        group = set(group, rs_measures[k].key, difference_json(g, rs_measures[k].index, rs_measures[k].direction));
    return group ? set(group, "budgets", budgets_json(r, g)) : NULL;
}

json_t *rs_report_compare_json(const struct rs_report *r)
{
    json_t *cohorts = json_array();
    for (size_t g = 1; g < r->ev->n_groups; g++)
        cohorts = rs_json_append(cohorts, group_json(r, &r->ev->groups[g]));
    return json_pack("{s:s, s:o, s:I, s:o, s:o}", "model", r->other_path, "model_digest",
                     rs_json_digest(rs_model_digest(r->other)), "horizon_s", (json_int_t)r->other->meta.horizon_s,
                     "pooled", group_json(r, &r->ev->groups[0]), "cohorts", cohorts);
}
