/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Figures of gathered rows, for one model or for two on the same rows, and their intervals under resampled entities. */
#include "predictor/measure.h"

#include <math.h>

#include "common/progress.h"
#include "predictor/bootstrap.h"
#include "predictor/strata.h"

#define STATS_LEN (sizeof(struct rs_eval_stats) / sizeof(double))

/* The rows as one model ranks them. */
struct side {
    rs_alerts *alerts;
    struct rs_strata *strata;
    struct rs_ranked *ranked[RS_EVAL_GROUPS_MAX];
    struct rs_bins bins[RS_EVAL_GROUPS_MAX];
};

/* Scratch memory of one thread. */
struct worker {
    rs_alerts_ws *ws[2];
    struct rs_alert_stats *alerts; /* n_groups x n_budgets */
    struct rs_rank_sums *strata;   /* n_strata */
    struct rs_rank_sums *groups;   /* n_groups */
    struct rs_eval_stats *other;   /* n_groups */
};

struct measuring {
    const struct rs_eval *rows;
    const struct rs_grouping *grouping;
    const struct rs_eval_options *opt;
    struct rs_evaluation *ev;
    struct side side[2];
    size_t n_sides;
    struct worker *workers;
    unsigned n_workers;
    struct rs_progress progress;
};

static void side_clear(struct side *s)
{
    rs_alerts_free(s->alerts);
    rs_strata_free(s->strata);
    for (size_t g = 0; g < RS_EVAL_GROUPS_MAX; g++)
        rs_ranked_free(s->ranked[g]);
}

static void worker_clear(struct worker *w)
{
    rs_alerts_ws_free(w->ws[0]);
    rs_alerts_ws_free(w->ws[1]);
    free(w->alerts);
    free(w->strata);
    free(w->groups);
    free(w->other);
}

static void measuring_clear(struct measuring *m)
{
    side_clear(&m->side[0]);
    side_clear(&m->side[1]);
    for (unsigned i = 0; m->workers && i < m->n_workers; i++)
        worker_clear(&m->workers[i]);
    free(m->workers);
}

/* ---- sorting ---- */

/* Columns of the rows under one model. */
struct columns {
    double *risk;
    uint8_t *label;
    uint32_t *unit;
};

static void columns_clear(struct columns *c)
{
    free(c->risk);
    free(c->label);
    free(c->unit);
}

static bool is_in_group(const struct rs_grouping *g, uint32_t unit, size_t group)
{
    uint32_t at = g->of_unit[unit];
    while (at > group)
        at = g->parent[at];
    return at == group;
}

static double risk_of(const struct rs_eval *e, size_t row, size_t side)
{
    return side ? e->other_risk[row] : e->rows[row].risk;
}

/* Columns of the rows of one group; returns their number. */
static size_t fill_columns(const struct measuring *m, size_t side, size_t group, struct columns *c)
{
    size_t n = 0;
    for (size_t i = 0; i < m->rows->n_rows; i++) {
        const struct rs_alert_row *r = &m->rows->rows[i];
        if (!is_in_group(m->grouping, r->unit, group))
            continue;
        c->risk[n] = risk_of(m->rows, i, side);
        c->label[n] = r->episode != RS_NO_EPISODE;
        c->unit[n++] = r->unit;
    }
    return n;
}

/* math.md E12: strata are the deepest cohorts, whether they are reported or not. */
static enum rs_status sort_strata(struct measuring *m, size_t side, struct columns *c, struct rs_error *err)
{
    rs_autofree uint32_t *stratum = rs_alloc(m->rows->n_units, sizeof *stratum);
    if (!stratum)
        return rs_error_set(err, RS_ENOMEM, "%zu entities: out of memory", m->rows->n_units);
    for (size_t u = 0; u < m->rows->n_units; u++)
        stratum[u] = m->rows->units[u].cohort;
    size_t n = fill_columns(m, side, 0, c);
    return rs_strata_new(c->risk, c->label, c->unit, n, stratum, m->rows->program->n_cohorts, &m->side[side].strata,
                         err);
}

static enum rs_status rank_groups(struct measuring *m, size_t side, struct rs_error *err)
{
    size_t n = m->rows->n_rows;
    __attribute__((cleanup(columns_clear))) struct columns c = {
        .risk = rs_alloc(n, sizeof *c.risk),
        .label = rs_alloc(n, sizeof *c.label),
        .unit = rs_alloc(n, sizeof *c.unit),
    };
    if (!c.risk || !c.label || !c.unit)
        return rs_error_set(err, RS_ENOMEM, "%zu labelled rows: out of memory", n);
    enum rs_status st = sort_strata(m, side, &c, err);
    for (size_t g = 0; st == RS_OK && g < m->ev->n_groups; g++) {
        size_t n_group = fill_columns(m, side, g, &c);
        st = rs_ranked_new(c.risk, c.label, c.unit, n_group, &m->side[side].ranked[g], err);
        if (st == RS_OK)
            rs_bins_cut(m->side[side].ranked[g], m->opt->n_bins, &m->side[side].bins[g]);
    }
    return st;
}

static enum rs_status sort_alerts(struct measuring *m, size_t side, struct rs_error *err)
{
    const struct rs_eval *e = m->rows;
    rs_autofree struct rs_alert_row *copy = NULL;
    if (side) {
        copy = rs_alloc(e->n_rows, sizeof *copy);
        if (!copy)
            return rs_error_set(err, RS_ENOMEM, "%zu labelled rows: out of memory", e->n_rows);
        memcpy(copy, e->rows, e->n_rows * sizeof *copy);
        for (size_t i = 0; i < e->n_rows; i++)
            copy[i].risk = e->other_risk[i];
    }
    struct rs_alert_input in = {
        .rows = copy ? copy : e->rows,
        .n_rows = e->n_rows,
        .unit_group = m->grouping->of_unit,
        .n_units = e->n_units,
        .group_parent = m->grouping->parent,
        .n_groups = m->ev->n_groups,
        .n_episodes = e->n_episodes,
        .n_budgets = m->opt->n_budgets,
    };
    memcpy(in.budgets, m->opt->budgets, sizeof in.budgets);
    return rs_alerts_new(&in, &m->side[side].alerts, err);
}

static enum rs_status make_worker(const struct measuring *m, struct worker *w, struct rs_error *err)
{
    size_t n_groups = m->ev->n_groups;
    for (size_t side = 0; side < m->n_sides; side++) {
        enum rs_status st = rs_alerts_ws_new(m->side[side].alerts, &w->ws[side], err);
        if (st < 0)
            return st;
    }
    w->alerts = rs_alloc(n_groups * m->opt->n_budgets, sizeof *w->alerts);
    w->strata = rs_alloc(m->side[0].strata->n_strata, sizeof *w->strata);
    w->groups = rs_alloc(n_groups, sizeof *w->groups);
    w->other = rs_alloc(n_groups, sizeof *w->other);
    if (!w->alerts || !w->strata || !w->groups || !w->other)
        return rs_error_set(err, RS_ENOMEM, "evaluation: out of memory");
    return RS_OK;
}

static enum rs_status make_workers(struct measuring *m, unsigned n, struct rs_error *err)
{
    m->workers = rs_alloc(n, sizeof *m->workers);
    if (!m->workers)
        return rs_error_set(err, RS_ENOMEM, "%u workers: out of memory", n);
    m->n_workers = n;
    enum rs_status st = RS_OK;
    for (unsigned i = 0; st == RS_OK && i < n; i++)
        st = make_worker(m, &m->workers[i], err);
    return st;
}

/* ---- measuring ---- */

/* Sums of the strata, added up to each group that holds them. */
static void measure_strata(const struct measuring *m, size_t side, const uint32_t *weight, struct worker *w)
{
    const struct rs_strata *s = m->side[side].strata;
    rs_strata_measure(s, weight, w->strata);
    memset(w->groups, 0, m->ev->n_groups * sizeof *w->groups);
    for (size_t k = 0; k < s->n_strata; k++)
        rs_rank_sums_add(&w->groups[m->grouping->of_cohort[k]], &w->strata[k]);
    for (size_t g = m->ev->n_groups; g-- > 1;)
        rs_rank_sums_add(&w->groups[m->grouping->parent[g]], &w->groups[g]);
}

/* math.md E15: the mean distance of risk and observed share, over the bins of E5. */
static double calibration_error(const struct rs_bin *bin, size_t n)
{
    double sum = 0, rows = 0;
    for (size_t b = 0; b < n; b++) {
        if (!(bin[b].rows > 0))
            continue;
        rows += bin[b].rows;
        sum += bin[b].rows * fabs(bin[b].mean_risk - bin[b].observed);
    }
    return rows > 0 ? sum / rows : NAN;
}

static void measure_group(const struct measuring *m, size_t side, size_t group, const uint32_t *weight,
                          const struct worker *w, struct rs_eval_stats *out)
{
    const struct rs_ranked *ranked = m->side[side].ranked[group];
    const struct rs_bins *bins = &m->side[side].bins[group];
    struct rs_bin bin[RS_BINS_MAX];
    rs_metrics_compute(ranked, weight, &out->m);
    rs_bins_measure(ranked, bins, weight, bin);
    for (size_t b = 0; b < bins->n; b++)
        out->observed[b] = bin[b].observed;
    out->calibration_error = calibration_error(bin, bins->n);
    out->within_roc_auc = rs_rank_sums_auc(&w->groups[group]);
    out->within_average_precision = rs_rank_sums_ap(&w->groups[group]);
    memcpy(out->alerts, w->alerts + group * m->opt->n_budgets, m->opt->n_budgets * sizeof *out->alerts);
}

/* Everything of one model under weights. out: n_groups. */
static void measure_side(const struct measuring *m, size_t side, const uint32_t *weight, struct worker *w,
                         struct rs_eval_stats *out)
{
    rs_alerts_measure(m->side[side].alerts, w->ws[side], weight, w->alerts);
    measure_strata(m, side, weight, w);
    for (size_t g = 0; g < m->ev->n_groups; g++)
        measure_group(m, side, g, weight, w, &out[g]);
}

/* math.md E14: first minus second; the bins of two models hold different rows. */
static void subtract(const struct rs_eval_stats *a, const struct rs_eval_stats *b, struct rs_eval_stats *out)
{
    for (size_t k = 0; k < STATS_LEN; k++)
        ((double *)out)[k] = ((const double *)a)[k] - ((const double *)b)[k];
    for (size_t k = 0; k < RS_BINS_MAX; k++)
        out->observed[k] = NAN;
}

/* One replicate: the groups of the first model, then the differences from the second. */
static void measure_replicate(void *arg, unsigned worker, const uint32_t *weight, double *out_stats)
{
    const struct measuring *m = arg;
    struct worker *w = &m->workers[worker];
    struct rs_eval_stats *out = (struct rs_eval_stats *)out_stats;
    measure_side(m, 0, weight, w, out);
    if (m->n_sides < 2)
        return;
    measure_side(m, 1, weight, w, w->other);
    for (size_t g = 0; g < m->ev->n_groups; g++)
        subtract(&out[g], &w->other[g], &out[m->ev->n_groups + g]);
}

static void describe_bins(struct rs_eval_group *g, const struct side *s, size_t group)
{
    const struct rs_ranked *r = s->ranked[group];
    g->bins = s->bins[group];
    rs_bins_measure(r, &g->bins, NULL, g->bin);
    for (size_t b = 0; b < g->bins.n; b++) {
        g->bin_high[b] = r->risk[b ? g->bins.end[b - 1] : 0];
        g->bin_low[b] = r->risk[g->bins.end[b] - 1];
    }
}

static void blank(struct rs_eval_stats *s)
{
    for (size_t k = 0; k < STATS_LEN; k++)
        ((double *)s)[k] = NAN;
}

static void keep_values(struct measuring *m, const struct rs_eval_stats *values, const struct rs_eval_stats *other)
{
    for (size_t g = 0; g < m->ev->n_groups; g++) {
        struct rs_eval_group *to = &m->ev->groups[g];
        describe_bins(to, &m->side[0], g);
        to->value = values[g];
        blank(&to->low);
        blank(&to->high);
        blank(&to->difference_low);
        blank(&to->difference_high);
        if (other) {
            to->other = other[g];
            subtract(&values[g], &other[g], &to->difference);
        } else {
            blank(&to->other);
            blank(&to->difference);
        }
    }
}

/* Draws what the last measurement of worker 0 left. */
static enum rs_status draw_curves(struct measuring *m, size_t side, struct rs_eval_curves *out, struct rs_error *err)
{
    rs_autofree double *leads = rs_alloc(m->rows->n_episodes, sizeof *leads);
    if (!leads)
        return rs_error_set(err, RS_ENOMEM, "curves: out of memory");
    enum rs_status st = rs_curve_roc(m->side[side].ranked[0], &out->roc, err);
    if (st == RS_OK)
        st = rs_curve_pr(m->side[side].ranked[0], &out->pr, err);
    for (size_t b = 0; st == RS_OK && b < m->opt->n_budgets; b++) {
        size_t n = rs_alerts_leads(m->side[side].alerts, m->workers[0].ws[side], b, leads);
        st = rs_curve_leads(leads, n, m->rows->n_episodes, &out->leads[b], err);
    }
    return st;
}

static enum rs_status measure_values(struct measuring *m, struct rs_error *err)
{
    struct worker *w = &m->workers[0];
    rs_autofree struct rs_eval_stats *values = rs_alloc(m->ev->n_groups, sizeof *values);
    if (!values)
        return rs_error_set(err, RS_ENOMEM, "evaluation: out of memory");
    measure_side(m, 0, NULL, w, values);
    enum rs_status st = draw_curves(m, 0, &m->ev->curves, err);
    if (st == RS_OK && m->n_sides > 1) {
        measure_side(m, 1, NULL, w, w->other);
        st = draw_curves(m, 1, &m->ev->other_curves, err);
    }
    if (st == RS_OK)
        keep_values(m, values, m->n_sides > 1 ? w->other : NULL);
    return st;
}

/* ---- intervals ---- */

static void draw_progress(void *arg, size_t done)
{
    struct measuring *m = arg;
    rs_progress_update(&m->progress, done, NULL);
}

/* math.md E10, E14. */
static enum rs_status find_intervals(struct measuring *m, const struct rs_bootstrap *plan, struct rs_error *err)
{
    size_t n_groups = m->ev->n_groups, n = m->n_sides * n_groups;
    rs_autofree struct rs_eval_stats *bounds = rs_alloc(2 * n, sizeof *bounds);
    if (!bounds)
        return rs_error_set(err, RS_ENOMEM, "intervals: out of memory");
    struct rs_eval_stats *low = bounds, *high = bounds + n;
    rs_progress_start(&m->progress, "eval: resampling", "replicates", plan->n_replicates, m->opt->is_quiet);
    enum rs_status st = rs_bootstrap_run(plan, (double *)low, (double *)high, err);
    rs_progress_end(&m->progress);
    for (size_t g = 0; st == RS_OK && g < n_groups; g++) {
        m->ev->groups[g].low = low[g];
        m->ev->groups[g].high = high[g];
        if (m->n_sides < 2)
            continue;
        m->ev->groups[g].difference_low = low[n_groups + g];
        m->ev->groups[g].difference_high = high[n_groups + g];
    }
    return st;
}

enum rs_status rs_eval_measure_groups(const struct rs_eval *e, const struct rs_grouping *g,
                                      const struct rs_eval_options *opt, struct rs_evaluation *ev, struct rs_error *err)
{
    __attribute__((cleanup(measuring_clear))) struct measuring m = {
        .rows = e, .grouping = g, .opt = opt, .ev = ev, .n_sides = e->other_risk ? 2 : 1
    };
    ev->is_compared = m.n_sides > 1;
    enum rs_status st = RS_OK;
    for (size_t side = 0; st == RS_OK && side < m.n_sides; side++) {
        st = sort_alerts(&m, side, err);
        if (st == RS_OK)
            st = rank_groups(&m, side, err);
    }
    struct rs_bootstrap plan = {
        .n_units = e->n_units,
        .n_replicates = opt->n_replicates,
        .n_stats = m.n_sides * ev->n_groups * STATS_LEN,
        .seed = opt->seed,
        .coverage = opt->coverage,
        .measure = measure_replicate,
        .progress = draw_progress,
        .arg = &m,
    };
    if (st == RS_OK)
        st = make_workers(&m, RS_MAX(rs_bootstrap_threads(&plan), 1U), err);
    if (st == RS_OK)
        st = measure_values(&m, err);
    return st == RS_OK && plan.n_replicates ? find_intervals(&m, &plan, err) : st;
}
