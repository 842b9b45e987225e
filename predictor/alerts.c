/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Alert budgets over rows sorted by day and risk. See alerts.h and docs/math.md E7 to E9. */
#include "predictor/alerts.h"

#include <float.h>
#include <math.h>

#include "predictor/metrics.h"

/* What a pass needs of a row. */
struct slim_row {
    int32_t day;
    uint32_t unit, episode;
    int32_t lead_s;
};

struct rs_alerts {
    size_t n_rows, n_units, n_groups, n_episodes, n_budgets;
    double budgets[RS_BUDGETS_MAX];
    struct slim_row *rows;
    uint32_t *unit_group, *group_parent;
    uint32_t *unit_positives, *unit_days; /* rows with label 1; distinct days */
    uint32_t *episode_unit;
};

/* Sums of a group, or of one budget in it. */
struct base_sums {
    double positives, failing, entity_days;
};
struct budget_sums {
    double alerts, true_alerts, caught, false_days;
};
struct lead {
    double lead_s;
    uint32_t episode;
};

struct rs_alerts_ws {
    struct base_sums *base;     /* n_groups */
    struct budget_sums *budget; /* n_groups x n_budgets */
    int32_t *false_day;         /* n_units x n_budgets: the last day with a false alarm */
    int32_t *episode_lead;      /* n_episodes x n_budgets: longest lead of an alert; LEAD_NONE without one */
    struct lead *leads;         /* n_episodes */
    double *sorted;             /* n_episodes */
    uint32_t *sorted_weight;    /* n_episodes */
};

#define DAY_NONE INT32_MIN
#define LEAD_NONE INT32_MIN

/* Sorting key: rows of equal risk stand in the order of a hash, so that the order of the file favours nobody. */
struct key {
    double risk;
    uint64_t hash;
    int32_t day;
    uint32_t row;
};

static uint64_t hash_row(uint64_t x)
{
    x = (x + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

static int by_day_and_risk(const void *pa, const void *pb)
{
    const struct key *a = pa, *b = pb;
    if (a->day != b->day)
        return a->day < b->day ? -1 : 1;
    if (a->risk != b->risk)
        return a->risk > b->risk ? -1 : 1;
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static int by_unit_and_day(const void *pa, const void *pb)
{
    const struct slim_row *a = pa, *b = pb;
    if (a->unit != b->unit)
        return a->unit < b->unit ? -1 : 1;
    return a->day < b->day ? -1 : a->day > b->day;
}

static void count_units(rs_alerts *a)
{
    for (size_t i = 0; i < a->n_rows; i++) {
        const struct slim_row *r = &a->rows[i];
        bool is_new_day = i == 0 || r->unit != r[-1].unit || r->day != r[-1].day;
        a->unit_days[r->unit] += is_new_day;
        if (r->episode == RS_NO_EPISODE)
            continue;
        a->unit_positives[r->unit]++;
        a->episode_unit[r->episode] = r->unit;
    }
}

static enum rs_status sort_rows(rs_alerts *a, const struct rs_alert_row *rows, struct rs_error *err)
{
    rs_autofree struct key *keys = rs_alloc(a->n_rows, sizeof *keys);
    if (!keys)
        return rs_error_set(err, RS_ENOMEM, "%zu rows to sort: out of memory", a->n_rows);
    for (size_t i = 0; i < a->n_rows; i++)
        keys[i] = (struct key){ rows[i].risk, hash_row(i), rows[i].day, (uint32_t)i };
    qsort(keys, a->n_rows, sizeof *keys, by_day_and_risk);
    for (size_t i = 0; i < a->n_rows; i++) {
        const struct rs_alert_row *r = &rows[keys[i].row];
        a->rows[i] = (struct slim_row){ r->day, r->unit, r->episode, r->lead_s };
    }
    return RS_OK;
}

static bool allocate(rs_alerts *a)
{
    a->rows = rs_alloc(a->n_rows, sizeof *a->rows);
    a->unit_group = rs_alloc(a->n_units, sizeof *a->unit_group);
    a->group_parent = rs_alloc(a->n_groups, sizeof *a->group_parent);
    a->unit_positives = rs_alloc(a->n_units, sizeof *a->unit_positives);
    a->unit_days = rs_alloc(a->n_units, sizeof *a->unit_days);
    a->episode_unit = rs_alloc(a->n_episodes, sizeof *a->episode_unit);
    return a->rows && a->unit_group && a->group_parent && a->unit_positives && a->unit_days && a->episode_unit;
}

enum rs_status rs_alerts_new(const struct rs_alert_input *in, rs_alerts **out, struct rs_error *err)
{
    if (in->n_rows > UINT32_MAX || in->n_units > UINT32_MAX)
        return rs_error_set(err, RS_EINVAL, "%zu rows of %zu entities: at most %u of each", in->n_rows, in->n_units,
                            UINT32_MAX);
    RS_AUTO(rs_alerts) *a = rs_alloc(1, sizeof *a);
    if (!a)
        return rs_error_set(err, RS_ENOMEM, "alert budgets: out of memory");
    a->n_rows = in->n_rows;
    a->n_units = in->n_units;
    a->n_groups = in->n_groups;
    a->n_episodes = in->n_episodes;
    a->n_budgets = in->n_budgets;
    memcpy(a->budgets, in->budgets, sizeof a->budgets);
    if (!allocate(a))
        return rs_error_set(err, RS_ENOMEM, "alert budgets of %zu rows: out of memory", in->n_rows);
    memcpy(a->unit_group, in->unit_group, in->n_units * sizeof *a->unit_group);
    memcpy(a->group_parent, in->group_parent, in->n_groups * sizeof *a->group_parent);
    for (size_t i = 0; i < a->n_rows; i++)
        a->rows[i] = (struct slim_row){ in->rows[i].day, in->rows[i].unit, in->rows[i].episode, in->rows[i].lead_s };
    qsort(a->rows, a->n_rows, sizeof *a->rows, by_unit_and_day);
    count_units(a);
    enum rs_status st = sort_rows(a, in->rows, err);
    if (st < 0)
        return st;
    *out = rs_take(a);
    return RS_OK;
}

void rs_alerts_free(rs_alerts *a)
{
    if (!a)
        return;
    free(a->rows);
    free(a->unit_group);
    free(a->group_parent);
    free(a->unit_positives);
    free(a->unit_days);
    free(a->episode_unit);
    free(a);
}

enum rs_status rs_alerts_ws_new(const rs_alerts *a, rs_alerts_ws **out, struct rs_error *err)
{
    RS_AUTO(rs_alerts_ws) *ws = rs_alloc(1, sizeof *ws);
    if (!ws)
        return rs_error_set(err, RS_ENOMEM, "alert budgets: out of memory");
    ws->base = rs_alloc(a->n_groups, sizeof *ws->base);
    ws->budget = rs_alloc(a->n_groups * a->n_budgets, sizeof *ws->budget);
    ws->false_day = rs_alloc(a->n_units * a->n_budgets, sizeof *ws->false_day);
    ws->episode_lead = rs_alloc(a->n_episodes * a->n_budgets, sizeof *ws->episode_lead);
    ws->leads = rs_alloc(a->n_episodes, sizeof *ws->leads);
    ws->sorted = rs_alloc(a->n_episodes, sizeof *ws->sorted);
    ws->sorted_weight = rs_alloc(a->n_episodes, sizeof *ws->sorted_weight);
    if (!ws->base || !ws->budget || !ws->false_day || !ws->episode_lead || !ws->leads || !ws->sorted ||
        !ws->sorted_weight)
        return rs_error_set(err, RS_ENOMEM, "alert budgets of %zu entities: out of memory", a->n_units);
    *out = rs_take(ws);
    return RS_OK;
}

void rs_alerts_ws_free(rs_alerts_ws *ws)
{
    if (!ws)
        return;
    free(ws->base);
    free(ws->budget);
    free(ws->false_day);
    free(ws->episode_lead);
    free(ws->leads);
    free(ws->sorted);
    free(ws->sorted_weight);
    free(ws);
}

static uint32_t weight_of(const uint32_t *weight, uint32_t unit)
{
    return weight ? weight[unit] : 1;
}

static void clear(const rs_alerts *a, rs_alerts_ws *ws)
{
    memset(ws->base, 0, a->n_groups * sizeof *ws->base);
    memset(ws->budget, 0, a->n_groups * a->n_budgets * sizeof *ws->budget);
    for (size_t i = 0; i < a->n_units * a->n_budgets; i++)
        ws->false_day[i] = DAY_NONE;
    for (size_t i = 0; i < a->n_episodes * a->n_budgets; i++)
        ws->episode_lead[i] = LEAD_NONE;
}

static void sum_units(const rs_alerts *a, rs_alerts_ws *ws, const uint32_t *weight)
{
    for (size_t u = 0; u < a->n_units; u++) {
        double w = weight_of(weight, (uint32_t)u);
        struct base_sums *s = &ws->base[a->unit_group[u]];
        s->positives += w * a->unit_positives[u];
        s->failing += a->unit_positives[u] ? w : 0;
        s->entity_days += w * a->unit_days[u];
    }
}

static void alert(const rs_alerts *a, rs_alerts_ws *ws, const struct slim_row *r, size_t budget, double w)
{
    struct budget_sums *s = &ws->budget[a->unit_group[r->unit] * a->n_budgets + budget];
    s->alerts += w;
    if (r->episode != RS_NO_EPISODE) {
        s->true_alerts += w;
        int32_t *lead = &ws->episode_lead[r->episode * a->n_budgets + budget];
        *lead = RS_MAX(*lead, r->lead_s);
        return;
    }
    int32_t *day = &ws->false_day[r->unit * a->n_budgets + budget];
    if (*day != r->day)
        s->false_days += w;
    *day = r->day;
}

/* Alerts the rows [first, last) of one day from the riskiest down, until the allowance of each budget is used up. */
static void alert_day(const rs_alerts *a, rs_alerts_ws *ws, const uint32_t *weight, size_t first, size_t last,
                      const double *allowed, double *used)
{
    for (size_t b = 0; b < a->n_budgets; b++)
        for (size_t i = first; i < last && used[b] < allowed[b]; i++) {
            uint32_t w = weight_of(weight, a->rows[i].unit);
            if (w == 0)
                continue;
            used[b] += w;
            alert(a, ws, &a->rows[i], b, w);
        }
}

/* math.md E7: the allowance grows with the rows seen, and what a day leaves of it is there the next day. The factor
 * undoes the rounding of products such as 0.29 * 100. */
static void alert_days(const rs_alerts *a, rs_alerts_ws *ws, const uint32_t *weight)
{
    double rows = 0, used[RS_BUDGETS_MAX] = { 0 }, allowed[RS_BUDGETS_MAX];
    for (size_t first = 0, last; first < a->n_rows; first = last) {
        for (last = first; last < a->n_rows && a->rows[last].day == a->rows[first].day; last++)
            rows += weight_of(weight, a->rows[last].unit);
        for (size_t b = 0; b < a->n_budgets; b++)
            allowed[b] = floor(a->budgets[b] * rows * (1 + 4 * DBL_EPSILON));
        alert_day(a, ws, weight, first, last, allowed, used);
    }
}

/* Entities caught; episodes of one entity follow each other. */
static void sum_caught(const rs_alerts *a, rs_alerts_ws *ws, const uint32_t *weight)
{
    for (size_t b = 0; b < a->n_budgets; b++) {
        uint32_t counted = UINT32_MAX;
        for (size_t e = 0; e < a->n_episodes; e++) {
            uint32_t unit = a->episode_unit[e];
            if (unit == counted || ws->episode_lead[e * a->n_budgets + b] == LEAD_NONE)
                continue;
            counted = unit;
            ws->budget[a->unit_group[unit] * a->n_budgets + b].caught += weight_of(weight, unit);
        }
    }
}

/* Adds each group's sums to its parent's, from the deepest up. */
static void roll_up(const rs_alerts *a, rs_alerts_ws *ws)
{
    for (size_t g = a->n_groups; g-- > 1;) {
        uint32_t up = a->group_parent[g];
        ws->base[up].positives += ws->base[g].positives;
        ws->base[up].failing += ws->base[g].failing;
        ws->base[up].entity_days += ws->base[g].entity_days;
        for (size_t b = 0; b < a->n_budgets; b++) {
            const struct budget_sums *from = &ws->budget[g * a->n_budgets + b];
            struct budget_sums *to = &ws->budget[up * a->n_budgets + b];
            to->alerts += from->alerts;
            to->true_alerts += from->true_alerts;
            to->caught += from->caught;
            to->false_days += from->false_days;
        }
    }
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

static int by_lead(const void *pa, const void *pb)
{
    const struct lead *a = pa, *b = pb;
    if (a->lead_s != b->lead_s)
        return a->lead_s < b->lead_s ? -1 : 1;
    return a->episode < b->episode ? -1 : a->episode > b->episode;
}

/* Episodes alerted under a budget whose failure time is known, by lead. */
static size_t gather_leads(const rs_alerts *a, rs_alerts_ws *ws, size_t budget)
{
    size_t n = 0;
    for (size_t e = 0; e < a->n_episodes; e++) {
        int32_t lead_s = ws->episode_lead[e * a->n_budgets + budget];
        if (lead_s != LEAD_NONE && lead_s != RS_NO_LEAD)
            ws->leads[n++] = (struct lead){ lead_s, (uint32_t)e };
    }
    qsort(ws->leads, n, sizeof *ws->leads, by_lead);
    return n;
}

static bool is_in_group(const rs_alerts *a, uint32_t unit, size_t group)
{
    uint32_t g = a->unit_group[unit];
    while (g > group)
        g = a->group_parent[g];
    return g == group;
}

/* math.md E9. */
static void measure_leads(const rs_alerts *a, rs_alerts_ws *ws, const uint32_t *weight, size_t n_leads, size_t group,
                          struct rs_alert_stats *out)
{
    size_t n = 0;
    for (size_t i = 0; i < n_leads; i++) {
        uint32_t unit = a->episode_unit[ws->leads[i].episode];
        if (!is_in_group(a, unit, group))
            continue;
        ws->sorted[n] = ws->leads[i].lead_s;
        ws->sorted_weight[n++] = weight_of(weight, unit);
    }
    out->lead_q1_s = rs_quantile(ws->sorted, ws->sorted_weight, n, 0.25);
    out->lead_median_s = rs_quantile(ws->sorted, ws->sorted_weight, n, 0.5);
    out->lead_q3_s = rs_quantile(ws->sorted, ws->sorted_weight, n, 0.75);
}

/* math.md E8. */
static void measure_group(const rs_alerts *a, const rs_alerts_ws *ws, size_t group, size_t budget,
                          struct rs_alert_stats *out)
{
    const struct base_sums *base = &ws->base[group];
    const struct budget_sums *s = &ws->budget[group * a->n_budgets + budget];
    out->alerts = s->alerts;
    out->precision = ratio(s->true_alerts, s->alerts);
    out->recall = ratio(s->true_alerts, base->positives);
    out->caught = s->caught;
    out->entity_recall = ratio(s->caught, base->failing);
    out->false_alarms = 1000 * ratio(s->false_days, base->entity_days);
}

void rs_alerts_measure(const rs_alerts *a, rs_alerts_ws *ws, const uint32_t *weight, struct rs_alert_stats *out)
{
    clear(a, ws);
    sum_units(a, ws, weight);
    alert_days(a, ws, weight);
    sum_caught(a, ws, weight);
    roll_up(a, ws);
    for (size_t b = 0; b < a->n_budgets; b++) {
        size_t n_leads = gather_leads(a, ws, b);
        for (size_t g = 0; g < a->n_groups; g++) {
            measure_group(a, ws, g, b, &out[g * a->n_budgets + b]);
            measure_leads(a, ws, weight, n_leads, g, &out[g * a->n_budgets + b]);
        }
    }
}

size_t rs_alerts_leads(const rs_alerts *a, rs_alerts_ws *ws, size_t budget, double *out)
{
    size_t n = gather_leads(a, ws, budget);
    for (size_t i = 0; i < n; i++)
        out[i] = ws->leads[i].lead_s;
    return n;
}
