/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gathers labelled rows, picks the cohorts to report, and measures all of it under resampled entities. */
#include "predictor/evaluate.h"

#include <math.h>

#include "common/clock.h"
#include "common/progress.h"
#include "predictor/bootstrap.h"

struct unit {
    uint64_t entity;
    uint32_t cohort;
    bool is_failing;
};

struct rs_eval {
    const struct rs_program *program;
    struct rs_alert_row *rows;
    size_t n_rows, cap_rows;
    struct unit *units;
    size_t n_units, cap_units;
    size_t n_episodes;
    int64_t episode_failure; /* of the newest episode */
    uint64_t n_samples;
    int64_t first, last;
};

void rs_evaluation_free(struct rs_evaluation *ev)
{
    if (!ev)
        return;
    free(ev->groups);
    free(ev);
}

enum rs_status rs_eval_new(const struct rs_program *program, rs_eval **out, struct rs_error *err)
{
    rs_eval *e = rs_alloc(1, sizeof *e);
    if (!e)
        return rs_error_set(err, RS_ENOMEM, "evaluation: out of memory");
    e->program = program;
    e->first = INT64_MAX;
    e->last = INT64_MIN;
    *out = e;
    return RS_OK;
}

void rs_eval_free(rs_eval *e)
{
    if (!e)
        return;
    free(e->rows);
    free(e->units);
    free(e);
}

/* Room for one more item; false on want of memory. */
static bool grow(void **items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap ? 2 * *cap : 1024;
    void *p = rs_realloc(*items, more, size);
    if (!p)
        return false;
    *items = p;
    *cap = more;
    return true;
}

static bool is_new_unit(const rs_eval *e, const struct rs_eval_sample *s)
{
    return e->n_units == 0 || e->units[e->n_units - 1].entity != s->entity;
}

/* The episode of a positive row: rows before the same failure of the same entity share it. */
static uint32_t episode_of(rs_eval *e, const struct rs_eval_sample *s)
{
    struct unit *u = &e->units[e->n_units - 1];
    if (!u->is_failing || e->episode_failure != s->failure)
        e->n_episodes++;
    u->is_failing = true;
    e->episode_failure = s->failure;
    return (uint32_t)(e->n_episodes - 1);
}

static int32_t lead_of(const struct rs_eval_sample *s)
{
    if (s->failure == RS_TIME_NONE)
        return RS_NO_LEAD;
    return (int32_t)RS_MIN(s->failure - s->time, (int64_t)INT32_MAX);
}

static int32_t day_of(int64_t t)
{
    return (int32_t)(t / RS_DAY_S - (t % RS_DAY_S < 0));
}

enum rs_status rs_eval_add(rs_eval *e, const struct rs_eval_sample *s, struct rs_error *err)
{
    e->n_samples++;
    if (s->label < 0)
        return RS_OK;
    if (e->n_rows == UINT32_MAX)
        return rs_error_set(err, RS_EUNSUPPORTED, "more than %u labelled rows", UINT32_MAX);
    if (!grow((void **)&e->rows, e->n_rows, &e->cap_rows, sizeof *e->rows) ||
        !grow((void **)&e->units, e->n_units, &e->cap_units, sizeof *e->units))
        return rs_error_set(err, RS_ENOMEM, "%zu labelled rows: out of memory", e->n_rows);
    if (is_new_unit(e, s))
        e->units[e->n_units++] = (struct unit){ .entity = s->entity, .cohort = s->cohort };
    e->rows[e->n_rows++] = (struct rs_alert_row){
        .risk = s->risk,
        .day = day_of(s->time),
        .unit = (uint32_t)(e->n_units - 1),
        .episode = s->label ? episode_of(e, s) : RS_NO_EPISODE,
        .lead_s = s->label ? lead_of(s) : RS_NO_LEAD,
    };
    e->first = RS_MIN(e->first, s->time);
    e->last = RS_MAX(e->last, s->time);
    return RS_OK;
}

/* ---- cohorts to report ---- */

struct grouping {
    uint32_t *of_cohort; /* the deepest group that holds the cohort */
    uint32_t *of_unit;   /* the same for each unit */
    uint32_t *parent;    /* of each group */
    size_t n_groups;
};

static void grouping_clear(struct grouping *g)
{
    free(g->of_cohort);
    free(g->of_unit);
    free(g->parent);
}

struct cohort_counts {
    uint64_t n_entities, n_failing;
};

/* Entities of each cohort, those of nested ones included. */
static void count_cohorts(const rs_eval *e, struct cohort_counts *counts)
{
    for (size_t u = 0; u < e->n_units; u++) {
        counts[e->units[u].cohort].n_entities++;
        counts[e->units[u].cohort].n_failing += e->units[u].is_failing;
    }
    for (uint32_t c = e->program->n_cohorts; c-- > 1;) {
        struct cohort_counts *up = &counts[e->program->cohorts[c].parent];
        up->n_entities += counts[c].n_entities;
        up->n_failing += counts[c].n_failing;
    }
}

/* Gives each cohort with enough failures a group of its own, every other that of its parent. */
static void pick_groups(const rs_eval *e, const struct rs_eval_options *opt, const struct cohort_counts *counts,
                        struct grouping *g, struct rs_evaluation *ev)
{
    for (uint32_t c = 0; c < e->program->n_cohorts; c++) {
        bool is_reported = c == 0 || (counts[c].n_failing >= RS_MAX(opt->min_failing, (uint64_t)1) &&
                                      g->n_groups < RS_EVAL_GROUPS_MAX);
        uint32_t up = c ? g->of_cohort[e->program->cohorts[c].parent] : 0;
        g->of_cohort[c] = up;
        if (!is_reported) {
            ev->n_cohorts_left_out += counts[c].n_entities > 0;
            continue;
        }
        g->of_cohort[c] = (uint32_t)g->n_groups;
        g->parent[g->n_groups] = up;
        ev->groups[g->n_groups].cohort = c;
        ev->groups[g->n_groups].n_entities = counts[c].n_entities;
        ev->groups[g->n_groups].n_failing = counts[c].n_failing;
        g->n_groups++;
    }
    for (size_t u = 0; u < e->n_units; u++)
        g->of_unit[u] = g->of_cohort[e->units[u].cohort];
    ev->n_groups = g->n_groups;
}

static enum rs_status make_groups(const rs_eval *e, const struct rs_eval_options *opt, struct grouping *g,
                                  struct rs_evaluation *ev, struct rs_error *err)
{
    uint32_t n = e->program->n_cohorts;
    rs_autofree struct cohort_counts *counts = rs_alloc(n, sizeof *counts);
    g->of_cohort = rs_alloc(n, sizeof *g->of_cohort);
    g->of_unit = rs_alloc(e->n_units, sizeof *g->of_unit);
    g->parent = rs_alloc(RS_EVAL_GROUPS_MAX, sizeof *g->parent);
    ev->groups = rs_alloc(RS_EVAL_GROUPS_MAX, sizeof *ev->groups);
    if (!counts || !g->of_cohort || !g->of_unit || !g->parent || !ev->groups)
        return rs_error_set(err, RS_ENOMEM, "%u cohorts: out of memory", n);
    count_cohorts(e, counts);
    pick_groups(e, opt, counts, g, ev);
    return RS_OK;
}

/* ---- measuring ---- */

struct worker {
    rs_alerts_ws *ws;
    struct rs_alert_stats *alerts; /* n_groups x n_budgets */
};

struct measuring {
    const struct rs_eval_options *opt;
    struct rs_evaluation *ev;
    rs_alerts *alerts;
    struct rs_ranked *ranked[RS_EVAL_GROUPS_MAX];
    struct worker *workers;
    unsigned n_workers;
    struct rs_progress progress;
};

static void measuring_clear(struct measuring *m)
{
    rs_alerts_free(m->alerts);
    for (size_t g = 0; g < RS_EVAL_GROUPS_MAX; g++)
        rs_ranked_free(m->ranked[g]);
    for (unsigned i = 0; m->workers && i < m->n_workers; i++) {
        rs_alerts_ws_free(m->workers[i].ws);
        free(m->workers[i].alerts);
    }
    free(m->workers);
}

static bool is_in_group(const struct grouping *g, uint32_t unit, size_t group)
{
    uint32_t at = g->of_unit[unit];
    while (at > group)
        at = g->parent[at];
    return at == group;
}

static enum rs_status rank_group(const rs_eval *e, const struct grouping *g, size_t group, struct rs_ranked **out,
                                 struct rs_error *err)
{
    rs_autofree double *risk = rs_alloc(e->n_rows, sizeof *risk);
    rs_autofree uint8_t *label = rs_alloc(e->n_rows, sizeof *label);
    rs_autofree uint32_t *unit = rs_alloc(e->n_rows, sizeof *unit);
    if (!risk || !label || !unit)
        return rs_error_set(err, RS_ENOMEM, "%zu labelled rows: out of memory", e->n_rows);
    size_t n = 0;
    for (size_t i = 0; i < e->n_rows; i++) {
        const struct rs_alert_row *r = &e->rows[i];
        if (!is_in_group(g, r->unit, group))
            continue;
        risk[n] = r->risk;
        label[n] = r->episode != RS_NO_EPISODE;
        unit[n++] = r->unit;
    }
    return rs_ranked_new(risk, label, unit, n, out, err);
}

static enum rs_status sort_alerts(const rs_eval *e, const struct grouping *g, struct measuring *m, struct rs_error *err)
{
    struct rs_alert_input in = {
        .rows = e->rows,
        .n_rows = e->n_rows,
        .unit_group = g->of_unit,
        .n_units = e->n_units,
        .group_parent = g->parent,
        .n_groups = g->n_groups,
        .n_episodes = e->n_episodes,
        .n_budgets = m->opt->n_budgets,
    };
    memcpy(in.budgets, m->opt->budgets, sizeof in.budgets);
    return rs_alerts_new(&in, &m->alerts, err);
}

static void cut_bins(struct rs_eval_group *g, const struct rs_ranked *r, size_t n_bins)
{
    rs_bins_cut(r, n_bins, &g->bins);
    rs_bins_measure(r, &g->bins, NULL, g->bin);
    for (size_t b = 0; b < g->bins.n; b++) {
        g->bin_high[b] = r->risk[b ? g->bins.end[b - 1] : 0];
        g->bin_low[b] = r->risk[g->bins.end[b] - 1];
    }
}

/* Everything of one group under weights. */
static void measure_group(const struct measuring *m, size_t group, const uint32_t *weight, const struct worker *w,
                          struct rs_eval_stats *out)
{
    const struct rs_eval_group *g = &m->ev->groups[group];
    struct rs_bin bin[RS_BINS_MAX];
    rs_metrics_compute(m->ranked[group], weight, &out->m);
    rs_bins_measure(m->ranked[group], &g->bins, weight, bin);
    for (size_t b = 0; b < g->bins.n; b++)
        out->observed[b] = bin[b].observed;
    memcpy(out->alerts, w->alerts + group * m->opt->n_budgets, m->opt->n_budgets * sizeof *out->alerts);
}

static void measure_replicate(void *arg, unsigned worker, const uint32_t *weight, double *out_stats)
{
    const struct measuring *m = arg;
    const struct worker *w = &m->workers[worker];
    struct rs_eval_stats *out = (struct rs_eval_stats *)out_stats;
    rs_alerts_measure(m->alerts, w->ws, weight, w->alerts);
    for (size_t g = 0; g < m->ev->n_groups; g++)
        measure_group(m, g, weight, w, &out[g]);
}

static void draw_progress(void *arg, size_t done)
{
    struct measuring *m = arg;
    rs_progress_update(&m->progress, done, NULL);
}

static enum rs_status make_workers(struct measuring *m, unsigned n, struct rs_error *err)
{
    m->workers = rs_alloc(n, sizeof *m->workers);
    if (!m->workers)
        return rs_error_set(err, RS_ENOMEM, "%u workers: out of memory", n);
    m->n_workers = n;
    for (unsigned i = 0; i < n; i++) {
        enum rs_status st = rs_alerts_ws_new(m->alerts, &m->workers[i].ws, err);
        if (st < 0)
            return st;
        m->workers[i].alerts = rs_alloc(m->ev->n_groups * m->opt->n_budgets, sizeof *m->workers[i].alerts);
        if (!m->workers[i].alerts)
            return rs_error_set(err, RS_ENOMEM, "%u workers: out of memory", n);
    }
    return RS_OK;
}

#define STATS_LEN (sizeof(struct rs_eval_stats) / sizeof(double))

/* math.md E10. */
static enum rs_status find_intervals(struct measuring *m, const struct rs_bootstrap *plan, struct rs_error *err)
{
    rs_autofree struct rs_eval_stats *bounds = rs_alloc(2 * m->ev->n_groups, sizeof *bounds);
    if (!bounds)
        return rs_error_set(err, RS_ENOMEM, "intervals: out of memory");
    struct rs_eval_stats *low = bounds, *high = bounds + m->ev->n_groups;
    rs_progress_start(&m->progress, "eval: resampling", "replicates", plan->n_replicates, m->opt->is_quiet);
    enum rs_status st = rs_bootstrap_run(plan, (double *)low, (double *)high, err);
    rs_progress_end(&m->progress);
    for (size_t g = 0; st == RS_OK && g < m->ev->n_groups; g++) {
        m->ev->groups[g].low = low[g];
        m->ev->groups[g].high = high[g];
    }
    return st;
}

static void mark_without_intervals(struct rs_evaluation *ev)
{
    for (size_t g = 0; g < ev->n_groups; g++)
        for (size_t k = 0; k < STATS_LEN; k++)
            ((double *)&ev->groups[g].low)[k] = ((double *)&ev->groups[g].high)[k] = NAN;
}

static enum rs_status measure_all(const rs_eval *e, const struct grouping *g, struct measuring *m, struct rs_error *err)
{
    enum rs_status st = sort_alerts(e, g, m, err);
    for (size_t i = 0; st == RS_OK && i < g->n_groups; i++)
        st = rank_group(e, g, i, &m->ranked[i], err);
    struct rs_bootstrap plan = {
        .n_units = e->n_units,
        .n_replicates = m->opt->n_replicates,
        .n_stats = g->n_groups * STATS_LEN,
        .seed = m->opt->seed,
        .coverage = m->opt->coverage,
        .measure = measure_replicate,
        .progress = draw_progress,
        .arg = m,
    };
    if (st == RS_OK)
        st = make_workers(m, RS_MAX(rs_bootstrap_threads(&plan), 1U), err);
    if (st < 0)
        return st;
    rs_alerts_measure(m->alerts, m->workers[0].ws, NULL, m->workers[0].alerts);
    for (size_t i = 0; i < g->n_groups; i++) {
        cut_bins(&m->ev->groups[i], m->ranked[i], m->opt->n_bins);
        measure_group(m, i, NULL, &m->workers[0], &m->ev->groups[i].value);
    }
    mark_without_intervals(m->ev);
    return plan.n_replicates ? find_intervals(m, &plan, err) : RS_OK;
}

static enum rs_status check_classes(const rs_eval *e, struct rs_error *err)
{
    if (e->n_rows == 0)
        return rs_error_set(err, RS_ENODATA,
                            "none of the %llu samples has a label: the file must reach the model's horizon beyond them",
                            (unsigned long long)e->n_samples);
    size_t n_positive = 0;
    for (size_t i = 0; i < e->n_rows; i++)
        n_positive += e->rows[i].episode != RS_NO_EPISODE;
    if (n_positive == 0 || n_positive == e->n_rows)
        return rs_error_set(err, RS_ENODATA, "all %zu labelled samples are %s: both classes are needed", e->n_rows,
                            n_positive ? "positive" : "negative");
    return RS_OK;
}

enum rs_status rs_eval_measure(const rs_eval *e, const struct rs_eval_options *opt, struct rs_evaluation **out,
                               struct rs_error *err)
{
    enum rs_status st = check_classes(e, err);
    if (st < 0)
        return st;
    RS_AUTO_STRUCT(rs_evaluation) *ev = rs_alloc(1, sizeof *ev);
    if (!ev)
        return rs_error_set(err, RS_ENOMEM, "evaluation: out of memory");
    ev->n_samples = e->n_samples;
    ev->n_rows = e->n_rows;
    ev->n_entities = e->n_units;
    ev->first = e->first;
    ev->last = e->last;
    __attribute__((cleanup(grouping_clear))) struct grouping g = { 0 };
    __attribute__((cleanup(measuring_clear))) struct measuring m = { .opt = opt, .ev = ev };
    st = make_groups(e, opt, &g, ev, err);
    if (st == RS_OK)
        st = measure_all(e, &g, &m, err);
    if (st < 0)
        return st;
    *out = rs_take(ev);
    return RS_OK;
}
