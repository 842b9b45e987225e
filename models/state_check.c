/* SPDX-License-Identifier: Apache-2.0 */
/* Whether bytes that come from elsewhere (a database) can be a state of a program, so that everything after may trust
 * them: no index comes from a state, and every number in it is finite or the mark of an empty place. */
#include <float.h>
#include <math.h>

#include "common/clock.h"
#include "models/layout.h"

static bool is_time(int64_t t)
{
    return t >= -RS_STEP_TIME_MAX && t <= RS_STEP_TIME_MAX;
}

static bool head_is_sound(const struct state_head *h)
{
    if (h->newest == RS_TIME_NONE || h->first == RS_TIME_NONE)
        return h->newest == h->first;
    return is_time(h->first) && h->first <= h->newest && is_time(h->newest);
}

/* A reading, or the one NaN that marks an empty place. */
static bool is_reading(const float *v)
{
    const float none = NAN;
    return isfinite(*v) || memcmp(v, &none, sizeof none) == 0;
}

static bool is_seen(const struct state_head *h, int64_t t)
{
    return h->newest != RS_TIME_NONE && t >= h->first && t <= h->newest;
}

static bool readings_are_sound(const struct rs_program_layout *l, const void *state)
{
    const struct state_head *h = state;
    const float *value = part_in(state, l->value_at);
    const int64_t *times = part_in(state, l->time_at), *changed = part_in(state, l->changed_at);
    const uint8_t *lacks = part_in(state, l->lacks_at);
    for (uint32_t i = 0; i < l->n_values; i++)
        if (!is_reading(&value[i]) || (h->newest == RS_TIME_NONE && !isnan(value[i])))
            return false;
    for (uint32_t i = 0; i < l->n_times; i++)
        if (isnan(value[l->timed[i].value]) ? times[i] != RS_TIME_NONE : !is_seen(h, times[i]))
            return false;
    for (uint32_t i = 0; i < l->n_changes; i++)
        if (isnan(value[l->changing[i].value]) ? changed[i] != RS_TIME_NONE : !is_seen(h, changed[i]))
            return false;
    for (uint32_t i = 0; i < l->n_lacks; i++)
        if (lacks[i] > 1)
            return false;
    for (const uint8_t *p = lacks + l->n_lacks; p < (const uint8_t *)state + l->state_size; p++)
        if (*p) /* equal states are equal bytes */
            return false;
    return true;
}

static bool moment_is_sound(const struct moment *m)
{
    if (!m->n)
        return m->mean == 0 && m->m2 == 0 && m->max == 0;
    return isfinite(m->mean) && isfinite(m->m2) && m->m2 >= 0 && isfinite(m->max);
}

static bool offset_is_sound(const struct window_rows *w, const void *state, size_t row, size_t rate, int64_t bucket)
{
    const struct state_head *h = state;
    const float *first = (const float *)part_in(state, w->first_at) + row * w->n_first;
    const void *offsets = part_in(state, w->rate_at);
    size_t at = row * w->n_rate + rate;
    int64_t offset = w->is_wide ? ((const int64_t *)offsets)[at] : ((const uint32_t *)offsets)[at];
    if (isnan(first[w->rate[rate]]))
        return offset == 0;
    return offset >= 0 && offset < w->bucket_s && is_seen(h, bucket * w->bucket_s + offset);
}

/* A row of the bucket that it stands for; before the first sample all are empty. */
static bool row_is_sound(const struct window_rows *w, const void *state, int64_t bucket)
{
    const struct state_head *h = state;
    size_t row = row_of(bucket, w->n_rows);
    const float *first = (const float *)part_in(state, w->first_at) + row * w->n_first;
    const struct moment *moments = (const struct moment *)part_in(state, w->moments_at) + row * w->n_moments;
    for (uint32_t i = 0; i < w->n_first; i++)
        if (!is_reading(&first[i]) || (h->newest == RS_TIME_NONE && !isnan(first[i])))
            return false;
    for (uint32_t i = 0; i < w->n_rate; i++)
        if (!offset_is_sound(w, state, row, i, bucket))
            return false;
    for (uint32_t i = 0; i < w->n_moments; i++)
        if (!moment_is_sound(&moments[i]) || (h->newest == RS_TIME_NONE && moments[i].n))
            return false;
    return true;
}

static bool window_is_sound(const struct window_rows *w, const void *state)
{
    const struct state_head *h = state;
    int64_t last = bucket_of(h->newest == RS_TIME_NONE ? 0 : h->newest, w->bucket_s);
    for (int64_t b = last - w->n_rows + 1; b <= last; b++)
        if (!row_is_sound(w, state, b))
            return false;
    return true;
}

static bool since_is_sound(const struct since_state *s)
{
    if (s->newest == RS_TIME_NONE)
        return s->visible == RS_TIME_NONE;
    return is_time(s->newest) && (s->visible == RS_TIME_NONE || (is_time(s->visible) && s->visible <= s->newest));
}

static bool counts_are_sound(const struct count_ring *r, const void *state)
{
    int64_t newest = *(const int64_t *)part_in(state, r->at);
    const uint16_t *count = (const uint16_t *)part_in(state, r->at + sizeof newest);
    for (uint32_t i = r->n_rows; i % 4; i++) /* padding */
        if (count[i])
            return false;
    for (uint32_t i = 0; newest == NO_BUCKET && i < r->n_rows; i++)
        if (count[i])
            return false;
    return newest == NO_BUCKET ||
           (newest >= bucket_of(-RS_STEP_TIME_MAX, r->bucket_s) && newest <= bucket_of(RS_STEP_TIME_MAX, r->bucket_s));
}

enum rs_status rs_state_check(const struct rs_program *p, const void *state, size_t size, struct rs_error *err)
{
    const struct rs_program_layout *l = p->layout;
    if (size != l->state_size)
        return rs_error_set(err, RS_ECORRUPT, "state: %zu bytes, the program's states have %zu", size, l->state_size);
    if (((const struct state_head *)state)->digest != l->digest)
        return rs_error_set(err, RS_ECORRUPT, "state: of another feature program");
    if (!head_is_sound(state))
        return rs_error_set(err, RS_ECORRUPT, "state: impossible sample times");
    if (!readings_are_sound(l, state))
        return rs_error_set(err, RS_ECORRUPT, "state: impossible reading");
    for (uint32_t i = 0; i < p->n_windows; i++)
        if (!window_is_sound(&l->windows[i], state))
            return rs_error_set(err, RS_ECORRUPT, "state: impossible bucket of window %u", i);
    for (uint32_t i = 0; i < l->n_since; i++)
        if (!since_is_sound((const struct since_state *)part_in(state, l->since_at) + i))
            return rs_error_set(err, RS_ECORRUPT, "state: impossible time of an event");
    for (uint32_t i = 0; i < l->n_counts; i++)
        if (!counts_are_sound(&l->counts[i], state))
            return rs_error_set(err, RS_ECORRUPT, "state: impossible count of %s", p->events[l->counts[i].event]);
    return RS_OK;
}
