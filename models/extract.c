/* SPDX-License-Identifier: Apache-2.0 */
/* Features of a state, as of its newest sample: docs/math.md F1 to F9, F16 to F19. The steps are run kind by kind
 * (layout.h), and all logarithms that they end with are taken together. */
#include <math.h>

#include "common/clock.h"
#include "models/layout.h"
#include "models/log1p.h"

#define DAY ((double)RS_DAY_S)
#define LOGS_MAX 64

/* What the steps of one state share while they run. */
struct extraction {
    const struct rs_program *p;
    const struct rs_program_layout *l;
    const void *state;
    int64_t first, newest;
    const struct rs_attr_value *attrs;
    float *out;
    size_t n_logs;
    uint32_t log_at[LOGS_MAX];
    double log_of[LOGS_MAX];
};

static void flush_logs(struct extraction *e)
{
    for (size_t i = e->n_logs; i % LOG_LANES; i++)
        e->log_of[i] = 0;
    log1p_floats(e->log_of, e->n_logs, e->log_at, e->out);
    e->n_logs = 0;
}

/* out[step] = log1p(max(x, 0)), with the next flush. */
static inline void put_log(struct extraction *e, uint32_t step, double x)
{
    e->log_at[e->n_logs] = step;
    e->log_of[e->n_logs] = x > 0 ? x : 0;
    if (++e->n_logs == LOGS_MAX)
        flush_logs(e);
}

static inline void put(struct extraction *e, uint32_t step, double x)
{
    if (e->p->steps[step].transform == RS_LOG1P)
        put_log(e, step, x);
    else
        e->out[step] = rs_to_float(x);
}

static void run_values(struct extraction *e, const struct run_step *r, size_t n) /* math.md F1: g(x_u) */
{
    const float *value = part_in(e->state, e->l->value_at);
    for (size_t i = 0; i < n; i++) {
        float x = value[r[i].slot];
        e->out[r[i].step] = isnan(x) ? r[i].impute : x;
    }
}

static void run_value_logs(struct extraction *e, const struct run_step *r, size_t n) /* math.md F1: g(x_u) */
{
    const float *value = part_in(e->state, e->l->value_at);
    for (size_t i = 0; i < n; i++) {
        float x = value[r[i].slot];
        e->out[r[i].step] = isnan(x) ? r[i].impute : 0;
        if (x > 0) /* not where it is NaN; most counters are 0 */
            put_log(e, r[i].step, (double)x);
    }
}

static void run_positives(struct extraction *e, const struct run_step *r, size_t n) /* math.md F2: [x_u > 0] */
{
    const float *value = part_in(e->state, e->l->value_at);
    for (size_t i = 0; i < n; i++) {
        float x = value[r[i].slot];
        e->out[r[i].step] = isnan(x) ? r[i].impute : (float)(x > 0);
    }
}

static double difference(const struct rs_signal *signal, float now, float then)
{
    /* math.md F3: a counter that fell began anew, so that all it shows is new */
    if (signal->kind == RS_COUNTER && now < then)
        return (double)now;
    return (double)now - (double)then;
}

/* Time of the first reading in the bucket of a row. */
static int64_t first_time(const struct window_rows *w, const void *state, uint32_t row, int64_t bucket, uint32_t rate)
{
    size_t at = (size_t)row * w->n_rate + rate;
    const void *offsets = part_in(state, w->rate_at);
    return bucket * w->bucket_s + (w->is_wide ? ((const int64_t *)offsets)[at] : ((const uint32_t *)offsets)[at]);
}

/* math.md F4: the change by day, 0 where there is no time between the readings */
static double by_day(const struct extraction *e, const struct run_step *r, uint32_t row, int64_t age, double d)
{
    const struct rs_step *s = &e->p->steps[r->step];
    const struct window_rows *w = &e->l->windows[s->window];
    int64_t then = first_time(w, e->state, row, bucket_of(e->newest, w->bucket_s) - age, r->rate);
    int64_t now = ((const int64_t *)part_in(e->state, e->l->time_at))[e->l->signal_time[s->arg]];
    return now > then ? d / ((double)(now - then) / DAY) : 0;
}

/* math.md F3: the change since the first reading in the oldest bucket of the window that has one. oldest: row of each
 * window's oldest bucket */
static void run_changes(struct extraction *e, const struct run_step *r, size_t n, const uint32_t *oldest)
{
    const float *value = part_in(e->state, e->l->value_at);
    for (size_t i = 0; i < n; i++, r++) {
        const struct rs_step *s = &e->p->steps[r->step];
        const struct window_rows *w = &e->l->windows[s->window];
        const float *first = (const float *)part_in(e->state, w->first_at) + r->ring;
        uint32_t row = oldest[s->window], age = w->n_rows - 1;
        while (isnan(first[(size_t)row * w->n_first]) && age) {
            row = row + 1 == w->n_rows ? 0 : row + 1;
            age--;
        }
        float then = first[(size_t)row * w->n_first];
        if (isnan(value[r->slot]) || isnan(then)) {
            e->out[r->step] = r->impute;
            continue;
        }
        double d = difference(&e->p->signals[s->arg], value[r->slot], then);
        put(e, r->step, s->op == RS_STEP_RATE ? by_day(e, r, row, age, d) : d);
    }
}

struct moments {
    double n, mean, m2;
    float max;
};

/* math.md F5: moments of the buckets of the window, joined from the oldest on; n = 0 where all are empty */
static struct moments window_moments(const struct window_rows *w, const void *state, uint32_t ring, uint32_t row)
{
    struct moments all = { 0 };
    const struct moment *ring_of = (const struct moment *)part_in(state, w->moments_at) + ring;
    for (uint32_t k = 0; k < w->n_rows; k++, row = row + 1 == w->n_rows ? 0 : row + 1) {
        const struct moment *s = &ring_of[(size_t)row * w->n_moments];
        if (!s->n)
            continue;
        double n = all.n + (double)s->n, off = s->mean - all.mean;
        all.max = all.n > 0 ? RS_MAX(all.max, s->max) : s->max;
        all.m2 += s->m2 + off * off * (all.n * (double)s->n / n);
        all.mean += off * ((double)s->n / n);
        all.n = n;
    }
    return all;
}

static void run_moments(struct extraction *e, const struct run_step *r, size_t n, const uint32_t *oldest)
{
    for (size_t i = 0; i < n; i++) {
        const struct rs_step *s = &e->p->steps[r[i].step];
        struct moments all = window_moments(&e->l->windows[s->window], e->state, r[i].ring, oldest[s->window]);
        float x = r[i].impute;
        if (all.n > 0)
            x = s->op == RS_STEP_MAX    ? all.max
                : s->op == RS_STEP_MEAN ? rs_to_float(all.mean)
                                        : rs_to_float(sqrt(all.m2 / all.n));
        e->out[r[i].step] = x;
    }
}

static void run_since_changes(struct extraction *e, const struct run_step *r, size_t n)
{
    const int64_t *changed = part_in(e->state, e->l->changed_at);
    for (size_t i = 0; i < n; i++) {
        int64_t c = changed[e->l->signal_change[e->p->steps[r[i].step].arg]];
        if (c == RS_TIME_NONE)
            e->out[r[i].step] = r[i].impute;
        else /* math.md F6: log1p(days since the change) */
            put_log(e, r[i].step, (double)(e->newest - c) / DAY);
    }
}

static void run_missing(struct extraction *e, const struct run_step *r, size_t n) /* math.md F7 */
{
    const uint8_t *lacks = part_in(e->state, e->l->lacks_at);
    for (size_t i = 0; i < n; i++)
        e->out[r[i].step] = (float)lacks[r[i].slot];
}

/* math.md F9: what the entity is */
static void run_attrs(struct extraction *e, const struct run_step *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct rs_step *s = &e->p->steps[r[i].step];
        if (s->op == RS_STEP_ONEHOT)
            e->out[r[i].step] = e->attrs[s->arg].code == (int32_t)s->value;
        else if (s->op == RS_STEP_COHORT)
            e->out[r[i].step] = rs_program_in_cohort(e->p, s->arg, e->attrs);
        else if (isfinite(e->attrs[s->arg].number))
            put(e, r[i].step, (double)e->attrs[s->arg].number);
        else
            e->out[r[i].step] = r[i].impute;
    }
}

/* math.md F18: events in the window */
static void run_events(struct extraction *e, const struct run_step *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct count_ring *c = &e->l->counts[r[i].ring];
        int64_t kept = *(const int64_t *)part_in(e->state, c->at), last = bucket_of(e->newest, c->bucket_s);
        const uint16_t *count = (const uint16_t *)part_in(e->state, c->at + sizeof kept);
        double sum = 0;
        int64_t from = last - r[i].slot + 1, to = RS_MIN(last, kept);
        if (kept != NO_BUCKET)
            from = RS_MAX(from, kept - c->n_rows + 1);
        for (int64_t b = from; kept != NO_BUCKET && b <= to; b++)
            sum += (double)count[row_of(b, c->n_rows)];
        put(e, r[i].step, sum);
    }
}

/* math.md F19: log1p(days since the newest event) */
static void run_since_events(struct extraction *e, const struct run_step *r, size_t n)
{
    const struct since_state *since = part_in(e->state, e->l->since_at);
    for (size_t i = 0; i < n; i++) {
        const struct since_state *s = &since[r[i].slot];
        int64_t event = s->newest <= e->newest ? s->newest : s->visible;
        if (event == RS_TIME_NONE || event > e->newest)
            e->out[r[i].step] = r[i].impute;
        else
            put_log(e, r[i].step, (double)(e->newest - event) / DAY);
    }
}

/* Steps that look at earlier ones' numbers. */
static void run_derived(struct extraction *e, const struct run_step *r, size_t n)
{
    float *x = e->out;
    for (size_t i = 0; i < n; i++) {
        const struct rs_step *s = &e->p->steps[r[i].step];
        float b = s->op == RS_STEP_PRODUCT ? x[s->value] : 0;
        x[r[i].step] = rs_derived(s->op, s->knot, x[s->arg], b);
    }
}

static void run_ages(struct extraction *e, const struct run_step *r,
                     size_t n) /* math.md F8: days since the first sample */
{
    for (size_t i = 0; i < n; i++)
        put_log(e, r[i].step, (double)(e->newest - e->first) / DAY);
}

/* Rows of the oldest buckets of the windows. */
static void find_oldest(const struct extraction *e, uint32_t *out_rows)
{
    for (uint32_t i = 0; i < e->p->n_windows; i++) {
        const struct window_rows *w = &e->l->windows[i];
        out_rows[i] = row_of(bucket_of(e->newest, w->bucket_s) + 1, w->n_rows);
    }
}

void rs_state_features(const struct rs_program *p, const void *state, const struct rs_attr_value *attrs, float *out_x)
{
    const struct state_head *head = state;
    const struct rs_program_layout *l = p->layout;
    const uint32_t *from = l->run_from;
    struct extraction e;
    uint32_t oldest[RS_WINDOWS_MAX];
    e.p = p;
    e.l = l;
    e.state = state;
    e.first = head->first;
    e.newest = head->newest;
    e.attrs = attrs;
    e.out = out_x;
    e.n_logs = 0;
#define RUN(kind) l->runs + from[kind], from[(kind) + 1] - from[kind]
    run_values(&e, RUN(RUN_VALUE));
    run_value_logs(&e, RUN(RUN_VALUE_LOG));
    run_positives(&e, RUN(RUN_POSITIVE));
    if (from[RUN_CHANGE] < from[RUN_MOMENT + 1]) {
        find_oldest(&e, oldest);
        run_changes(&e, RUN(RUN_CHANGE), oldest);
        run_moments(&e, RUN(RUN_MOMENT), oldest);
    }
    run_since_changes(&e, RUN(RUN_SINCE_CHANGE));
    run_missing(&e, RUN(RUN_MISSING));
    run_ages(&e, RUN(RUN_AGE));
    run_attrs(&e, l->runs + from[RUN_ONEHOT], from[RUN_COHORT + 1] - from[RUN_ONEHOT]);
    run_events(&e, RUN(RUN_EVENTS));
    run_since_events(&e, RUN(RUN_SINCE_EVENT));
    flush_logs(&e);
    run_derived(&e, RUN(RUN_DERIVED));
#undef RUN
}
