/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An evaluation as aligned text: what was measured, then ranking, calibration, alert budgets, cohorts. */
#include "predictor/report.h"

#include <inttypes.h>
#include <math.h>

#include "common/clock.h"

enum rs_overlap rs_overlap_find(const struct rs_model *model, uint64_t data_digest, int64_t first, int64_t last)
{
    const struct rs_model_meta *meta = &model->meta;
    if (data_digest == meta->data_digest)
        return RS_OVERLAP_SAME_DATA;
    bool is_apart = first > meta->span_last + meta->horizon_s || last + meta->horizon_s < meta->span_first;
    return is_apart ? RS_OVERLAP_NONE : RS_OVERLAP_SAME_TIME;
}

#define CELL_MAX 48

/* 1,234,567 */
static const char *count(double n, char buf[CELL_MAX])
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%.0f", n), out = 0;
    for (int i = 0; i < len && out + 2 < CELL_MAX; i++) {
        if (i && (len - i) % 3 == 0)
            buf[out++] = ',';
        buf[out++] = digits[i];
    }
    buf[out] = 0;
    return buf;
}

static const char *date(int64_t t, char buf[RS_TIME_MAX])
{
    rs_time_format(t, buf);
    char *blank = strchr(buf, 'T');
    if (blank)
        *blank = 0;
    return buf;
}

/* "0.893 [0.871, 0.912]": value and interval times a factor; "-" where undefined, no brackets without an interval. */
static const char *cell(const struct rs_eval_group *g, const double *value, double factor, int digits,
                        char buf[CELL_MAX])
{
    size_t k = (size_t)(value - (const double *)&g->value);
    double low = ((const double *)&g->low)[k] * factor, high = ((const double *)&g->high)[k] * factor;
    if (!isfinite(*value))
        return "-";
    if (isfinite(low) && isfinite(high))
        snprintf(buf, CELL_MAX, "%.*f [%.*f, %.*f]", digits, *value * factor, digits, low, digits, high);
    else
        snprintf(buf, CELL_MAX, "%.*f", digits, *value * factor);
    return buf;
}

static void print_head(const struct rs_report *r, FILE *to)
{
    const struct rs_eval_group *all = &r->ev->groups[0];
    char a[CELL_MAX], b[CELL_MAX], first[RS_TIME_MAX], last[RS_TIME_MAX], horizon[RS_TIME_MAX];
    fprintf(to, "%s under %s: risk of failure within %s\n", r->fleet_path, r->model_path,
            rs_duration_format((double)r->model->meta.horizon_s, horizon));
    fprintf(to, "  %s labelled samples of %s entities", count((double)r->ev->n_rows, a),
            count((double)r->ev->n_entities, b));
    fprintf(to, ", %s to %s\n", date(r->ev->first, first), date(r->ev->last, last));
    fprintf(to, "  %s of them positive, of %s failing entities", count(all->value.m.positives, a),
            count((double)all->n_failing, b));
    fprintf(to, " (%.3g %%)", 100 * all->value.m.base_rate);
    fprintf(to, "; %s samples have no label\n", count((double)(r->ev->n_samples - r->ev->n_rows), a));
    if (r->opt->n_replicates)
        fprintf(to, "  [ , ]: %.0f %% interval from %zu resamplings of entities\n", 100 * r->opt->coverage,
                r->opt->n_replicates);
}

static void print_overlap(const struct rs_report *r, FILE *to)
{
    switch (r->overlap) {
    case RS_OVERLAP_SAME_DATA:
        fputs("\nThese entities were trained on: the figures are optimistic. Evaluate on entities that the model has "
              "not seen.\n",
              to);
        break;
    case RS_OVERLAP_SAME_TIME:
        fputs("\nThe samples are of the time that the model was trained on: the figures hold for entities that were "
              "not trained on.\n",
              to);
        break;
    case RS_OVERLAP_NONE:
        break;
    }
}

static void print_line(FILE *to, const char *name, const char *value, const char *note)
{
    fprintf(to, "  %-22s %-34s %s\n", name, value, note);
}

static void print_measures(const struct rs_report *r, const struct rs_eval_group *g, FILE *to)
{
    const struct rs_metrics *m = &g->value.m;
    char buf[CELL_MAX];
    fputs("\nRanking and accuracy\n", to);
    print_line(to, "ROC-AUC", cell(g, &m->roc_auc, 1, 4, buf), "0.5 is chance, 1 is perfect");
    print_line(to, "PR-AUC", cell(g, &m->average_precision, 1, 4, buf),
               "average precision; chance is the share of positives");
    if (r->model->program.n_cohorts > 1) {
        print_line(to, "  within cohorts", cell(g, &g->value.within_roc_auc, 1, 4, buf),
                   "ROC-AUC among samples of the same cohort");
        print_line(to, "  within cohorts", cell(g, &g->value.within_average_precision, 1, 4, buf), "PR-AUC, the same");
    }
    print_line(to, "Brier score", cell(g, &m->brier, 1, 6, buf), "0 is perfect");
    print_line(to, "Brier skill", cell(g, &m->brier_skill, 1, 4, buf),
               "against the share of positives: 0 is no skill, 1 is perfect");
    print_line(to, "log loss", cell(g, &m->log_loss, 1, 5, buf), "nats");
    fputs("\nCalibration\n", to);
    print_line(to, "calibration error", cell(g, &g->value.calibration_error, 1, 6, buf),
               "mean distance of risk and observed share, over the bins below");
    print_line(to, "slope", cell(g, &m->slope, 1, 3, buf), "1 is perfect; below: risks too extreme");
    print_line(to, "intercept", cell(g, &m->intercept, 1, 3, buf), "0 is perfect, at that slope");
    print_line(to, "in the large", cell(g, &m->in_the_large, 1, 3, buf),
               "log odds to add on average; above 0: risks too low");
}

static void print_bins(const struct rs_eval_group *g, FILE *to)
{
    char rows[CELL_MAX], positives[CELL_MAX], buf[CELL_MAX];
    fprintf(to, "\n  %25s  %12s %10s %12s   %s\n", "risk, %", "rows", "positive", "mean risk, %", "observed, %");
    for (size_t b = 0; b < g->bins.n; b++) {
        char range[CELL_MAX];
        snprintf(range, sizeof range, "%.4f to %.4f", 100 * g->bin_low[b], 100 * g->bin_high[b]);
        fprintf(to, "  %25s  %12s %10s %12.4f   %s\n", range, count(g->bin[b].rows, rows),
                count(g->bin[b].positives, positives), 100 * g->bin[b].mean_risk,
                cell(g, &g->value.observed[b], 100, 4, buf));
    }
}

/* One line of the table of budgets: a name and a cell under each budget, none after the last. */
static void print_budget_cell(const struct rs_report *r, size_t budget, const char *text, FILE *to)
{
    if (budget + 1 < r->opt->n_budgets)
        fprintf(to, " %-22s", text);
    else
        fprintf(to, " %s\n", text);
}

static void print_budget_head(const struct rs_report *r, FILE *to)
{
    fprintf(to, "\n%-28s", "Alerts, share of a day");
    for (size_t b = 0; b < r->opt->n_budgets; b++) {
        char buf[CELL_MAX];
        snprintf(buf, sizeof buf, "%g %%", 100 * r->opt->budgets[b]);
        print_budget_cell(r, b, buf, to);
    }
}

/* member: its address in the first budget's struct. */
static void print_budget_row(const struct rs_report *r, const struct rs_eval_group *g, const char *name,
                             const double *member, double factor, int digits, FILE *to)
{
    const size_t stride = sizeof(struct rs_alert_stats) / sizeof(double);
    char buf[CELL_MAX];
    fprintf(to, "  %-26s", name);
    for (size_t b = 0; b < r->opt->n_budgets; b++)
        print_budget_cell(r, b, cell(g, member + b * stride, factor, digits, buf), to);
}

static void print_budget_counts(const struct rs_report *r, const struct rs_eval_group *g, FILE *to)
{
    char part[CELL_MAX], whole[CELL_MAX], both[2 * CELL_MAX];
    fprintf(to, "  %-26s", "samples alerted");
    for (size_t b = 0; b < r->opt->n_budgets; b++)
        print_budget_cell(r, b, count(g->value.alerts[b].alerts, part), to);
    fprintf(to, "  %-26s", "failing entities caught");
    count((double)g->n_failing, whole);
    for (size_t b = 0; b < r->opt->n_budgets; b++) {
        snprintf(both, sizeof both, "%s of %s", count(g->value.alerts[b].caught, part), whole);
        print_budget_cell(r, b, both, to);
    }
}

static void print_budgets(const struct rs_report *r, const struct rs_eval_group *g, FILE *to)
{
    const struct rs_alert_stats *a = g->value.alerts;
    const double days = 1.0 / (double)RS_DAY_S;
    print_budget_head(r, to);
    print_budget_counts(r, g, to);
    print_budget_row(r, g, "  their share, %", &a->entity_recall, 100, 1, to);
    print_budget_row(r, g, "precision of samples, %", &a->precision, 100, 2, to);
    print_budget_row(r, g, "recall of samples, %", &a->recall, 100, 1, to);
    print_budget_row(r, g, "false alarms (*)", &a->false_alarms, 1, 2, to);
    print_budget_row(r, g, "lead time, days: median", &a->lead_median_s, days, 1, to);
    print_budget_row(r, g, "  lower quartile", &a->lead_q1_s, days, 1, to);
    print_budget_row(r, g, "  upper quartile", &a->lead_q3_s, days, 1, to);
    fputs("  (*) entity-days with a false alarm, of 1,000\n", to);
}

/* The budget that the table of cohorts shows: the first of 1 % or more, else the last. */
static size_t main_budget(const struct rs_report *r)
{
    for (size_t b = 0; b < r->opt->n_budgets; b++)
        if (r->opt->budgets[b] >= 0.01)
            return b;
    return r->opt->n_budgets - 1;
}

static void print_cohort(const struct rs_report *r, const struct rs_eval_group *g, size_t budget, FILE *to)
{
    const struct rs_metrics *m = &g->value.m;
    char entities[CELL_MAX], auc[CELL_MAX], ap[CELL_MAX], large[CELL_MAX], recall[CELL_MAX];
    fprintf(to, "  %-36s %9s %8" PRIu64 "  %-22s %-22s %-22s %s\n", r->model->program.cohorts[g->cohort].name,
            count((double)g->n_entities, entities), g->n_failing, cell(g, &m->roc_auc, 1, 3, auc),
            cell(g, &m->average_precision, 1, 3, ap), cell(g, &m->in_the_large, 1, 2, large),
            cell(g, &g->value.alerts[budget].entity_recall, 100, 1, recall));
}

static void print_cohorts(const struct rs_report *r, FILE *to)
{
    if (r->ev->n_groups > 1) {
        size_t budget = main_budget(r);
        char caught[CELL_MAX];
        snprintf(caught, sizeof caught, "caught at %g %%, %%", 100 * r->opt->budgets[budget]);
        fprintf(to, "\n%-38s %9s %8s  %-22s %-22s %-22s %s\n", "Cohorts", "entities", "failing", "ROC-AUC", "PR-AUC",
                "in the large", caught);
        for (size_t g = 1; g < r->ev->n_groups; g++)
            print_cohort(r, &r->ev->groups[g], budget, to);
    }
    if (r->ev->n_cohorts_left_out)
        fprintf(to, "%s%zu cohort%s with fewer than %" PRIu64 " failing entities not shown\n",
                r->ev->n_groups > 1 ? "  " : "\n", r->ev->n_cohorts_left_out, r->ev->n_cohorts_left_out == 1 ? "" : "s",
                r->opt->min_failing);
}

static void print_cohort_tables(const struct rs_report *r, FILE *to)
{
    for (size_t g = 1; g < r->ev->n_groups; g++) {
        fprintf(to, "\nCalibration of %s", r->model->program.cohorts[r->ev->groups[g].cohort].name);
        print_bins(&r->ev->groups[g], to);
    }
}

void rs_report_text(const struct rs_report *r, bool has_cohort_tables, FILE *to)
{
    const struct rs_eval_group *all = &r->ev->groups[0];
    print_head(r, to);
    print_overlap(r, to);
    print_measures(r, all, to);
    print_bins(all, to);
    print_budgets(r, all, to);
    print_cohorts(r, to);
    if (has_cohort_tables)
        print_cohort_tables(r, to);
    rs_report_compare_text(r, to);
}
