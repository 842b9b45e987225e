/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An evaluation as JSON: stable names, times in UTC, durations in seconds, null for what is undefined. */
#include "predictor/report.h"

#include "common/clock.h"
#include "predictor/json.h"

/* One measure with its interval: {"value": 0.9, "low": 0.87, "high": 0.92}. The members lie at one offset in all three.
 */
static json_t *with_interval(const struct rs_eval_group *g, const double *value)
{
    size_t k = (size_t)(value - (const double *)&g->value);
    return json_pack("{s:o, s:o, s:o}", "value", rs_json_number(*value), "low",
                     rs_json_number(((const double *)&g->low)[k]), "high",
                     rs_json_number(((const double *)&g->high)[k]));
}

static json_t *calibration_json(const struct rs_eval_group *g)
{
    json_t *bins = json_array();
    for (size_t b = 0; b < g->bins.n; b++)
        bins = rs_json_append(
            bins, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "risk_low", rs_json_number(g->bin_low[b]), "risk_high",
                            rs_json_number(g->bin_high[b]), "rows", rs_json_number(g->bin[b].rows), "positive_rows",
                            rs_json_number(g->bin[b].positives), "mean_risk", rs_json_number(g->bin[b].mean_risk),
                            "observed", with_interval(g, &g->value.observed[b])));
    return bins;
}

/* Adds each measure of a table under its key; NULL where one could not be. Takes to. */
static json_t *add_measures(json_t *to, const struct rs_eval_group *g, const struct rs_measure *table, size_t n,
                            const double *values)
{
    for (size_t i = 0; i < n; i++)
        if (json_object_set_new(to, table[i].key, with_interval(g, values + table[i].index)) < 0) {
            json_decref(to);
            return NULL;
        }
    return to;
}

static json_t *budgets_json(const struct rs_report *r, const struct rs_eval_group *g)
{
    json_t *budgets = json_array();
    for (size_t b = 0; b < r->opt->n_budgets; b++) {
        json_t *item = json_pack("{s:f}", "budget", r->opt->budgets[b]);
        budgets = rs_json_append(
            budgets, add_measures(item, g, rs_alert_measures, RS_ALERT_MEASURES, (const double *)&g->value.alerts[b]));
    }
    return budgets;
}

static json_t *measures_json(const struct rs_eval_group *g)
{
    return add_measures(json_object(), g, rs_measures, RS_MEASURES, (const double *)&g->value);
}

static json_t *group_json(const struct rs_report *r, const struct rs_eval_group *g)
{
    json_t *head = json_pack("{s:s, s:I, s:I, s:I, s:I}", "cohort", r->model->program.cohorts[g->cohort].name,
                             "entities", (json_int_t)g->n_entities, "failing_entities", (json_int_t)g->n_failing,
                             "rows", (json_int_t)g->value.m.rows, "positive_rows", (json_int_t)g->value.m.positives);
    json_t *measures = measures_json(g);
    json_t *tables = json_pack("{s:o, s:o}", "calibration", calibration_json(g), "budgets", budgets_json(r, g));
    bool ok = json_object_update(head, measures) == 0 && json_object_update(head, tables) == 0;
    json_decref(measures);
    json_decref(tables);
    if (ok)
        return head;
    json_decref(head);
    return NULL;
}

static json_t *cohorts_json(const struct rs_report *r)
{
    json_t *cohorts = json_array();
    for (size_t g = 1; g < r->ev->n_groups; g++)
        cohorts = rs_json_append(cohorts, group_json(r, &r->ev->groups[g]));
    return cohorts;
}

json_t *rs_report_json(const struct rs_report *r)
{
    static const char *const overlap[] = {
        [RS_OVERLAP_SAME_DATA] = "same-data", [RS_OVERLAP_SAME_TIME] = "same-time", [RS_OVERLAP_NONE] = "other-time"
    };
    return json_pack(
        "{s:s, s:s, s:o, s:I, s:s, s:I, s:I, s:I, s:o, s:o, s:{s:I, s:I, s:f}, s:o, s:I, s:o, s:o*}", "fleet",
        r->fleet_path, "model", r->model_path, "model_digest", rs_json_digest(rs_model_digest(r->model)), "horizon_s",
        (json_int_t)r->model->meta.horizon_s, "training_overlap", overlap[r->overlap], "samples",
        (json_int_t)r->ev->n_samples, "labelled", (json_int_t)r->ev->n_rows, "entities", (json_int_t)r->ev->n_entities,
        "first", rs_json_time(r->ev->first), "last", rs_json_time(r->ev->last), "bootstrap", "replicates",
        (json_int_t)r->opt->n_replicates, "seed", (json_int_t)r->opt->seed, "coverage", r->opt->coverage, "pooled",
        group_json(r, &r->ev->groups[0]), "cohorts_left_out", (json_int_t)r->ev->n_cohorts_left_out, "cohorts",
        cohorts_json(r), "comparison", r->other ? rs_report_compare_json(r) : NULL);
}
