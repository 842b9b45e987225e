/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gathers labelled rows and picks the cohorts to report; measure.c then measures all of it under resampled entities. */
#include "predictor/measure.h"

#include "common/clock.h"

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
    free(e->other_risk);
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
    struct rs_eval_unit *u = &e->units[e->n_units - 1];
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
        e->units[e->n_units++] = (struct rs_eval_unit){ .entity = s->entity, .cohort = s->cohort };
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

enum rs_status rs_eval_add_other(rs_eval *e, const struct rs_eval_sample *s, struct rs_error *err)
{
    if (s->label < 0)
        return RS_OK;
    if (!e->other_risk)
        e->other_risk = rs_alloc(e->n_rows, sizeof *e->other_risk);
    if (!e->other_risk)
        return rs_error_set(err, RS_ENOMEM, "%zu labelled rows: out of memory", e->n_rows);
    size_t i = e->n_other;
    const struct rs_alert_row *r = &e->rows[i];
    if (i == e->n_rows || e->units[r->unit].entity != s->entity || r->day != day_of(s->time))
        return rs_error_set(err, RS_EINVAL, "labelled row %zu is another one under the second model", i);
    e->other_risk[e->n_other++] = s->risk;
    return RS_OK;
}

/* ---- cohorts to report ---- */

static void grouping_clear(struct rs_grouping *g)
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
                        struct rs_grouping *g, struct rs_evaluation *ev)
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

static enum rs_status make_groups(const rs_eval *e, const struct rs_eval_options *opt, struct rs_grouping *g,
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
    if (e->other_risk && e->n_other != e->n_rows)
        return rs_error_set(err, RS_EINVAL, "the second model has %zu labelled rows, the first %zu", e->n_other,
                            e->n_rows);
    RS_AUTO_STRUCT(rs_evaluation) *ev = rs_alloc(1, sizeof *ev);
    if (!ev)
        return rs_error_set(err, RS_ENOMEM, "evaluation: out of memory");
    ev->n_samples = e->n_samples;
    ev->n_rows = e->n_rows;
    ev->n_entities = e->n_units;
    ev->first = e->first;
    ev->last = e->last;
    __attribute__((cleanup(grouping_clear))) struct rs_grouping g = { 0 };
    st = make_groups(e, opt, &g, ev, err);
    if (st == RS_OK)
        st = rs_eval_measure_groups(e, &g, opt, ev, err);
    if (st < 0)
        return st;
    *out = rs_take(ev);
    return RS_OK;
}
