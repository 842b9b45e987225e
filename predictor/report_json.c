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

static json_t *budgets_json(const struct rs_report *r, const struct rs_eval_group *g)
{
    json_t *budgets = json_array();
    for (size_t b = 0; b < r->opt->n_budgets; b++) {
        const struct rs_alert_stats *a = &g->value.alerts[b];
        json_t *item =
            json_pack("{s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "budget", r->opt->budgets[b], "alerts",
                      with_interval(g, &a->alerts), "precision", with_interval(g, &a->precision), "recall",
                      with_interval(g, &a->recall), "entities_caught", with_interval(g, &a->caught), "entity_recall",
                      with_interval(g, &a->entity_recall), "false_alarms_per_1000_entity_days",
                      with_interval(g, &a->false_alarms), "lead_q1_s", with_interval(g, &a->lead_q1_s), "lead_median_s",
                      with_interval(g, &a->lead_median_s), "lead_q3_s", with_interval(g, &a->lead_q3_s));
        budgets = rs_json_append(budgets, item);
    }
    return budgets;
}

static json_t *measures_json(const struct rs_eval_group *g)
{
    const struct rs_metrics *m = &g->value.m;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "base_rate", with_interval(g, &m->base_rate),
                     "roc_auc", with_interval(g, &m->roc_auc), "average_precision",
                     with_interval(g, &m->average_precision), "brier", with_interval(g, &m->brier), "brier_skill",
                     with_interval(g, &m->brier_skill), "log_loss", with_interval(g, &m->log_loss), "mean_risk",
                     with_interval(g, &m->mean_risk), "calibration_in_the_large", with_interval(g, &m->in_the_large),
                     "calibration_slope", with_interval(g, &m->slope), "calibration_intercept",
                     with_interval(g, &m->intercept));
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
    return json_pack("{s:s, s:s, s:o, s:I, s:s, s:I, s:I, s:I, s:o, s:o, s:{s:I, s:I, s:f}, s:o, s:I, s:o}", "fleet",
                     r->fleet_path, "model", r->model_path, "model_digest", rs_json_digest(rs_model_digest(r->model)),
                     "horizon_s", (json_int_t)r->model->meta.horizon_s, "training_overlap", overlap[r->overlap],
                     "samples", (json_int_t)r->ev->n_samples, "labelled", (json_int_t)r->ev->n_rows, "entities",
                     (json_int_t)r->ev->n_entities, "first", rs_json_time(r->ev->first), "last",
                     rs_json_time(r->ev->last), "bootstrap", "replicates", (json_int_t)r->opt->n_replicates, "seed",
                     (json_int_t)r->opt->seed, "coverage", r->opt->coverage, "pooled", group_json(r, &r->ev->groups[0]),
                     "cohorts_left_out", (json_int_t)r->ev->n_cohorts_left_out, "cohorts", cohorts_json(r));
}
