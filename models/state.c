/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one entity under a feature program: taking in samples and events. extract.c makes features of it. The
 * formulas are docs/math.md F1 to F9, F18 and F19. Trainer and daemon run this code, so it must not depend on anything
 * but program, state and sample. */
#include <math.h>

#include "common/clock.h"
#include "models/layout.h"

double rs_transform(enum rs_transform g, double x)
{
    return g == RS_LOG1P ? log1p(x > 0 ? x : 0) : x;
}

static void fill_float(float *p, size_t n, float v)
{
    for (size_t i = 0; i < n; i++)
        p[i] = v;
}

/* Empties one row of a window. */
static void clear_row(const struct window_rows *w, void *state, uint32_t row)
{
    size_t offset_size = w->is_wide ? sizeof(int64_t) : sizeof(uint32_t);
    fill_float((float *)part_of(state, w->first_at) + (size_t)row * w->n_first, w->n_first, NAN);
    memset((char *)part_of(state, w->rate_at) + (size_t)row * w->n_rate * offset_size, 0, w->n_rate * offset_size);
    memset((struct moment *)part_of(state, w->moments_at) + (size_t)row * w->n_moments, 0,
           w->n_moments * sizeof(struct moment));
}

static bool has_rings(const struct window_rows *w)
{
    return w->n_first || w->n_moments;
}

void rs_state_init(const struct rs_program *p, void *state)
{
    const struct rs_program_layout *l = p->layout;
    memset(state, 0, l->state_size);
    *(struct state_head *)state =
        (struct state_head){ .digest = l->digest, .first = RS_TIME_NONE, .newest = RS_TIME_NONE };
    for (uint32_t i = 0; i < l->n_times; i++)
        ((int64_t *)part_of(state, l->time_at))[i] = RS_TIME_NONE;
    for (uint32_t i = 0; i < l->n_changes; i++)
        ((int64_t *)part_of(state, l->changed_at))[i] = RS_TIME_NONE;
    for (uint32_t i = 0; i < l->n_since; i++)
        ((struct since_state *)part_of(state, l->since_at))[i] = (struct since_state){ RS_TIME_NONE, RS_TIME_NONE };
    for (uint32_t i = 0; i < l->n_counts; i++)
        *(int64_t *)part_of(state, l->counts[i].at) = NO_BUCKET;
    for (uint32_t i = 0; i < p->n_windows; i++)
        for (uint32_t row = 0; row < l->windows[i].n_rows; row++)
            clear_row(&l->windows[i], state, row);
    fill_float(part_of(state, l->value_at), l->n_values, NAN);
    memset(part_of(state, l->lacks_at), 1, l->n_lacks);
}

/* ---- samples ---- */

/* math.md F5: running mean and sum of squared deviations */
static void push_moment(struct moment *m, double gx)
{
    if (m->n == UINT32_MAX)
        return;
    m->max = m->n == 0 ? rs_to_float(gx) : RS_MAX(m->max, rs_to_float(gx));
    m->n++;
    double off = gx - m->mean;
    m->mean += off / (double)m->n;
    m->m2 += off * (gx - m->mean);
}

/* Brings the window's rows up to the bucket of `time` and returns its row. */
static uint32_t enter_bucket(const struct window_rows *w, void *state, int64_t before, int64_t time)
{
    int64_t bucket = bucket_of(time, w->bucket_s);
    uint32_t row = row_of(bucket, w->n_rows);
    if (before == RS_TIME_NONE)
        return row; /* all rows are empty */
    int64_t n = bucket - bucket_of(before, w->bucket_s);
    n = RS_MIN(n, (int64_t)w->n_rows);
    for (uint32_t k = 0, r = row; k < n; k++, r = r ? r - 1 : w->n_rows - 1)
        clear_row(w, state, r);
    return row;
}

static void push_offset(const struct window_rows *w, void *state, uint32_t row, uint32_t rate, int64_t offset)
{
    size_t at = (size_t)row * w->n_rate + rate;
    if (w->is_wide)
        ((int64_t *)part_of(state, w->rate_at))[at] = offset;
    else
        ((uint32_t *)part_of(state, w->rate_at))[at] = (uint32_t)offset;
}

static void push_rows(const struct window_rows *w, void *state, int64_t before, int64_t time, const float *values)
{
    uint32_t row = enter_bucket(w, state, before, time);
    float *first = (float *)part_of(state, w->first_at) + (size_t)row * w->n_first;
    for (uint32_t i = 0; i < w->n_rate; i++)
        if (isnan(first[w->rate[i]]) && isfinite(values[w->first[w->rate[i]]]))
            push_offset(w, state, row, i, time - bucket_of(time, w->bucket_s) * w->bucket_s);
    for (uint32_t i = 0; i < w->n_first; i++) {
        float x = values[w->first[i]];
        first[i] = isnan(first[i]) && isfinite(x) ? x : first[i];
    }
    struct moment *moments = (struct moment *)part_of(state, w->moments_at) + (size_t)row * w->n_moments;
    for (uint32_t i = 0; i < w->n_moments; i++) {
        float x = values[w->moments[i].signal];
        if (isfinite(x))
            push_moment(&moments[i], rs_transform(w->moments[i].transform, (double)x));
    }
}

/* Times and values of the newest readings. */
static void push_readings(const struct rs_program_layout *l, void *state, int64_t time, const float *values)
{
    float *value = part_of(state, l->value_at);
    int64_t *changed = part_of(state, l->changed_at), *times = part_of(state, l->time_at);
    uint8_t *lacks = part_of(state, l->lacks_at);
    for (uint32_t i = 0; i < l->n_changes; i++) {
        float x = values[l->changing[i].signal];
        if (isfinite(x) && !(value[l->changing[i].value] == x))
            changed[i] = time;
    }
    for (uint32_t i = 0; i < l->n_times; i++)
        times[i] = isfinite(values[l->timed[i].signal]) ? time : times[i];
    for (uint32_t i = 0; i < l->n_lacks; i++)
        lacks[i] = (uint8_t)!isfinite(values[l->watched[i]]);
    if (l->is_plain)
        for (uint32_t i = 0; i < l->n_values; i++)
            value[i] = isfinite(values[i]) ? values[i] : value[i];
    else
        for (uint32_t i = 0; i < l->n_values; i++)
            value[i] = isfinite(values[l->value_signal[i]]) ? values[l->value_signal[i]] : value[i];
}

enum rs_status rs_state_push(const struct rs_program *p, void *state, int64_t time, const float *values)
{
    const struct rs_program_layout *l = p->layout;
    struct state_head *head = state;
    int64_t before = head->newest;
    if (time < -RS_STEP_TIME_MAX || time > RS_STEP_TIME_MAX)
        return RS_EDOMAIN;
    if (before != RS_TIME_NONE && time <= before)
        return RS_ESTALE;
    if (head->first == RS_TIME_NONE)
        head->first = time;
    head->newest = time;
    for (uint32_t i = 0; i < p->n_windows; i++)
        if (has_rings(&l->windows[i]))
            push_rows(&l->windows[i], state, before, time, values);
    push_readings(l, state, time, values);
    return RS_OK;
}

int64_t rs_state_time(const struct rs_program *p, const void *state)
{
    (void)p;
    return ((const struct state_head *)state)->newest;
}

/* ---- events ---- */

/* math.md F18: one more in the bucket of the event, unless that is older than all that are kept */
static void push_count(const struct count_ring *r, void *state, int64_t time)
{
    int64_t *newest = part_of(state, r->at);
    uint16_t *count = (uint16_t *)(newest + 1);
    int64_t bucket = bucket_of(time, r->bucket_s);
    if (*newest == NO_BUCKET || bucket >= *newest + r->n_rows)
        memset(count, 0, r->n_rows * sizeof *count);
    else
        for (int64_t b = *newest + 1; b <= bucket; b++)
            count[row_of(b, r->n_rows)] = 0;
    if (*newest != NO_BUCKET && bucket <= *newest - r->n_rows)
        return;
    *newest = RS_MAX(*newest, bucket);
    uint16_t *here = &count[row_of(bucket, r->n_rows)];
    *here = (uint16_t)(*here + (*here < UINT16_MAX));
}

static enum rs_status push_since(struct since_state *s, int64_t newest_sample, int64_t time)
{
    if (s->newest != RS_TIME_NONE) {
        if (time < s->newest)
            return RS_ESTALE;
        if (newest_sample != RS_TIME_NONE && s->newest <= newest_sample)
            s->visible = s->newest;
    }
    s->newest = time;
    return RS_OK;
}

enum rs_status rs_state_event(const struct rs_program *p, void *state, uint32_t event, int64_t time)
{
    const struct rs_program_layout *l = p->layout;
    if (event >= p->n_events)
        return RS_EINVAL;
    if (time < -RS_STEP_TIME_MAX || time > RS_STEP_TIME_MAX)
        return RS_EDOMAIN;
    if (l->event_since[event] != NO_SLOT) {
        struct since_state *s = (struct since_state *)part_of(state, l->since_at) + l->event_since[event];
        enum rs_status st = push_since(s, ((const struct state_head *)state)->newest, time);
        if (st < 0)
            return st;
    }
    for (uint32_t i = 0; i < l->n_counts; i++)
        if (l->counts[i].event == event)
            push_count(&l->counts[i], state, time);
    return RS_OK;
}

int64_t rs_state_event_time(const struct rs_program *p, const void *state, uint32_t event)
{
    const struct rs_program_layout *l = p->layout;
    if (l->event_since[event] == NO_SLOT)
        return RS_TIME_NONE;
    const char *all = (const char *)state + l->since_at;
    return ((const struct since_state *)(const void *)all)[l->event_since[event]].newest;
}
