/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one entity under a feature program: taking in samples, yielding features. The formulas are docs/math.md
 * F1 to F9. Trainer and daemon run this code, so it must not depend on anything but program, state and sample. */
#include "models/feature.h"

#include <float.h>
#include <math.h>

#include "common/clock.h"
#include "models/layout.h"

#define DAY ((double)RS_DAY_S)

double rs_transform(enum rs_transform g, double x)
{
    return g == RS_LOG1P ? log1p(x > 0 ? x : 0) : x;
}

float rs_to_float(double x)
{
    if (x > FLT_MAX)
        return FLT_MAX;
    if (x < -FLT_MAX)
        return -FLT_MAX;
    return (float)x;
}

static int64_t bucket_of(int64_t time, int64_t bucket_s)
{
    int64_t b = time / bucket_s;
    return b * bucket_s > time ? b - 1 : b;
}

static size_t slot_of(int64_t bucket, size_t n_slots)
{
    int64_t m = bucket % (int64_t)n_slots;
    return (size_t)(m < 0 ? m + (int64_t)n_slots : m);
}

static struct signal_state *signals_of(void *state)
{
    return (struct signal_state *)((struct state_head *)state + 1);
}

static const struct signal_state *signals_in(const void *state)
{
    return (const struct signal_state *)((const struct state_head *)state + 1);
}

static struct event_state *events_of(const struct rs_program *p, void *state)
{
    return (struct event_state *)(signals_of(state) + p->layout->n_slots);
}

static const struct event_state *events_in(const struct rs_program *p, const void *state)
{
    return (const struct event_state *)(signals_in(state) + p->layout->n_slots);
}

void rs_state_init(const struct rs_program *p, void *state)
{
    const struct rs_program_layout *l = p->layout;
    memset(state, 0, l->state_size);
    *(struct state_head *)state =
        (struct state_head){ .digest = l->digest, .first = RS_TIME_NONE, .newest = RS_TIME_NONE };
    struct signal_state *signals = signals_of(state);
    for (uint32_t i = 0; i < l->n_slots; i++)
        signals[i].time = signals[i].changed = RS_TIME_NONE;
    for (uint32_t i = 0; i < l->n_event_slots; i++)
        events_of(p, state)[i] = (struct event_state){ RS_TIME_NONE, RS_TIME_NONE };
    for (uint32_t i = 0; i < l->n_rings; i++) {
        const struct ring *r = &l->rings[i];
        size_t n = (size_t)p->windows[r->window].n + 1;
        void *ring = (char *)state + r->offset;
        for (size_t k = 0; k < n; k++) {
            if (r->kind == RING_MOMENTS)
                ((struct moment_slot *)ring)[k].bucket = NO_BUCKET;
            else
                ((struct first_slot *)ring)[k].bucket = NO_BUCKET;
        }
    }
}

static bool first_slot_is_sound(const struct first_slot *s, const struct rs_window *w, size_t at, int64_t newest)
{
    if (s->zero)
        return false;
    if (s->bucket == NO_BUCKET)
        return s->time == 0 && s->value == 0;
    return s->time <= newest && s->time >= -RS_STEP_TIME_MAX && bucket_of(s->time, w->bucket_s) == s->bucket &&
           slot_of(s->bucket, (size_t)w->n + 1) == at && isfinite(s->value);
}

static bool moment_slot_is_sound(const struct moment_slot *s, const struct rs_window *w, size_t at, int64_t newest)
{
    if (s->bucket == NO_BUCKET)
        return s->n == 0 && s->mean == 0 && s->m2 == 0 && s->max == 0;
    return s->bucket <= bucket_of(newest, w->bucket_s) && slot_of(s->bucket, (size_t)w->n + 1) == at && s->n > 0 &&
           s->n <= (uint64_t)RS_STEP_TIME_MAX && isfinite(s->mean) && isfinite(s->m2) && s->m2 >= 0 && isfinite(s->max);
}

/* time holds the count */
static bool event_slot_is_sound(const struct first_slot *s, const struct rs_window *w, size_t at)
{
    if (s->zero || s->value != 0)
        return false;
    if (s->bucket == NO_BUCKET)
        return s->time == 0;
    return s->bucket >= -RS_STEP_TIME_MAX && s->bucket <= RS_STEP_TIME_MAX &&
           slot_of(s->bucket, (size_t)w->n + 1) == at && s->time > 0 && s->time <= RS_STEP_TIME_MAX;
}

static bool event_is_sound(const struct event_state *e)
{
    if (e->newest == RS_TIME_NONE)
        return e->visible == RS_TIME_NONE;
    return e->newest >= -RS_STEP_TIME_MAX && e->newest <= RS_STEP_TIME_MAX &&
           (e->visible == RS_TIME_NONE || (e->visible >= -RS_STEP_TIME_MAX && e->visible <= e->newest));
}

static bool ring_is_sound(const struct rs_program *p, const struct ring *r, const void *state, int64_t newest)
{
    const struct rs_window *w = &p->windows[r->window];
    const void *ring = (const char *)state + r->offset;
    for (size_t k = 0; k <= w->n; k++) {
        const struct first_slot *slot = (const struct first_slot *)ring + k;
        bool is_sound = r->kind == RING_MOMENTS
                            ? moment_slot_is_sound((const struct moment_slot *)ring + k, w, k, newest)
                        : r->kind == RING_FIRST ? first_slot_is_sound(slot, w, k, newest)
                                                : event_slot_is_sound(slot, w, k);
        if (!is_sound)
            return false;
    }
    return true;
}

static bool signal_is_sound(const struct signal_state *s, const struct state_head *head)
{
    if (s->zero)
        return false;
    if (s->time == RS_TIME_NONE)
        return s->changed == RS_TIME_NONE && s->value == 0;
    return s->changed >= head->first && s->changed <= s->time && s->time <= head->newest && isfinite(s->value);
}

static bool head_is_sound(const struct state_head *head)
{
    if (head->newest == RS_TIME_NONE || head->first == RS_TIME_NONE)
        return head->newest == head->first;
    return head->first >= -RS_STEP_TIME_MAX && head->first <= head->newest && head->newest <= RS_STEP_TIME_MAX;
}

enum rs_status rs_state_check(const struct rs_program *p, const void *state, size_t size, struct rs_error *err)
{
    const struct rs_program_layout *l = p->layout;
    if (size != l->state_size)
        return rs_error_set(err, RS_ECORRUPT, "state: %zu bytes, the program's states have %zu", size, l->state_size);
    const struct state_head *head = state;
    if (head->digest != l->digest)
        return rs_error_set(err, RS_ECORRUPT, "state: of another feature program");
    if (!head_is_sound(head))
        return rs_error_set(err, RS_ECORRUPT, "state: impossible sample times");
    for (uint32_t i = 0; i < l->n_slots; i++)
        if (!signal_is_sound(&signals_in(state)[i], head))
            return rs_error_set(err, RS_ECORRUPT, "state: impossible reading in slot %u", i);
    for (uint32_t i = 0; i < l->n_event_slots; i++)
        if (!event_is_sound(&events_in(p, state)[i]))
            return rs_error_set(err, RS_ECORRUPT, "state: impossible time of an event in slot %u", i);
    for (uint32_t i = 0; i < l->n_rings; i++)
        if (!ring_is_sound(p, &l->rings[i], state, head->newest))
            return rs_error_set(err, RS_ECORRUPT, "state: impossible bucket of %s",
                                l->rings[i].kind == RING_EVENTS ? p->events[l->rings[i].signal]
                                                                : p->signals[l->rings[i].signal].name);
    return RS_OK;
}

static void push_first(struct first_slot *ring, const struct rs_window *w, int64_t time, float x)
{
    int64_t bucket = bucket_of(time, w->bucket_s);
    struct first_slot *s = &ring[slot_of(bucket, (size_t)w->n + 1)];
    if (s->bucket != bucket)
        *s = (struct first_slot){ .bucket = bucket, .time = time, .value = x };
}

static void push_moment(struct moment_slot *ring, const struct rs_window *w, int64_t time, double gx)
{
    int64_t bucket = bucket_of(time, w->bucket_s);
    struct moment_slot *s = &ring[slot_of(bucket, (size_t)w->n + 1)];
    if (s->bucket != bucket)
        *s = (struct moment_slot){ .bucket = bucket, .max = gx };
    /* math.md F5: running mean and sum of squared deviations */
    s->n++;
    double off = gx - s->mean;
    s->mean += off / (double)s->n;
    s->m2 += off * (gx - s->mean);
    s->max = RS_MAX(s->max, gx);
}

static void push_reading(struct signal_state *s, int64_t time, float x)
{
    if (s->time == RS_TIME_NONE || s->value != x)
        s->changed = time;
    s->time = time;
    s->value = x;
}

enum rs_status rs_state_push(const struct rs_program *p, void *state, int64_t time, const float *values)
{
    const struct rs_program_layout *l = p->layout;
    struct state_head *head = state;
    if (time < -RS_STEP_TIME_MAX || time > RS_STEP_TIME_MAX)
        return RS_EDOMAIN;
    if (head->newest != RS_TIME_NONE && time <= head->newest)
        return RS_ESTALE;
    if (head->first == RS_TIME_NONE)
        head->first = time;
    head->newest = time;
    struct signal_state *signals = signals_of(state);
    for (uint32_t i = 0; i < p->n_signals; i++)
        if (l->signal_slot[i] != NO_SLOT && isfinite(values[i]))
            push_reading(&signals[l->signal_slot[i]], time, values[i]);
    for (uint32_t i = 0; i < l->n_rings; i++) {
        const struct ring *r = &l->rings[i];
        if (r->kind == RING_EVENTS)
            continue;
        float x = values[r->signal];
        if (!isfinite(x))
            continue;
        void *ring = (char *)state + r->offset;
        if (r->kind == RING_MOMENTS)
            push_moment(ring, &p->windows[r->window], time, rs_transform(r->transform, x));
        else
            push_first(ring, &p->windows[r->window], time, x);
    }
    return RS_OK;
}

static void push_event(struct first_slot *ring, const struct rs_window *w, int64_t time)
{
    int64_t bucket = bucket_of(time, w->bucket_s);
    struct first_slot *s = &ring[slot_of(bucket, (size_t)w->n + 1)];
    if (s->bucket > bucket)
        return; /* older than the window by now */
    if (s->bucket != bucket)
        *s = (struct first_slot){ .bucket = bucket };
    s->time++;
}

enum rs_status rs_state_event(const struct rs_program *p, void *state, uint32_t event, int64_t time)
{
    const struct rs_program_layout *l = p->layout;
    if (event >= p->n_events)
        return RS_EINVAL;
    if (time < -RS_STEP_TIME_MAX || time > RS_STEP_TIME_MAX)
        return RS_EDOMAIN;
    int64_t newest = ((const struct state_head *)state)->newest;
    if (l->event_slot[event] != NO_SLOT) {
        struct event_state *e = &events_of(p, state)[l->event_slot[event]];
        if (e->newest != RS_TIME_NONE && time < e->newest)
            return RS_ESTALE;
        if (e->newest != RS_TIME_NONE && newest != RS_TIME_NONE && e->newest <= newest)
            e->visible = e->newest;
        e->newest = time;
    }
    for (uint32_t i = 0; i < l->n_rings; i++)
        if (l->rings[i].kind == RING_EVENTS && l->rings[i].signal == event)
            push_event((struct first_slot *)((char *)state + l->rings[i].offset), &p->windows[l->rings[i].window],
                       time);
    return RS_OK;
}

int64_t rs_state_time(const struct rs_program *p, const void *state)
{
    (void)p;
    return ((const struct state_head *)state)->newest;
}

/* math.md F3: the first reading in the oldest bucket of the window that has one; NULL where none has. */
static const struct first_slot *oldest_first(const struct first_slot *ring, const struct rs_window *w, int64_t newest)
{
    int64_t last = bucket_of(newest, w->bucket_s);
    for (int64_t b = last - w->n; b <= last; b++) {
        const struct first_slot *s = &ring[slot_of(b, (size_t)w->n + 1)];
        if (s->bucket == b)
            return s;
    }
    return NULL;
}

static double difference(const struct rs_signal *signal, float now, float then)
{
    /* math.md F3: a counter that fell began anew, so that all it shows is new */
    if (signal->kind == RS_COUNTER && now < then)
        return now;
    return (double)now - (double)then;
}

static float step_change(const struct rs_program *p, uint32_t step, const struct signal_state *sig, const void *state)
{
    const struct rs_step *s = &p->steps[step];
    const struct ring *r = &p->layout->rings[p->layout->step_ring[step]];
    int64_t newest = ((const struct state_head *)state)->newest;
    const void *ring = (const char *)state + r->offset;
    const struct first_slot *then = oldest_first(ring, &p->windows[r->window], newest);
    if (!then)
        return s->impute;
    double d = difference(&p->signals[s->arg], sig->value, then->value);
    if (s->op == RS_STEP_RATE) /* math.md F4: g((x_t - x_r) / days) */
        d = sig->time > then->time ? d / ((double)(sig->time - then->time) / DAY) : 0;
    return rs_to_float(rs_transform(s->transform, d));
}

/* math.md F5: moments of the buckets of the window, joined from the oldest on; n = 0 where all are empty. */
static struct moment_slot window_moments(const struct moment_slot *ring, const struct rs_window *w, int64_t newest)
{
    struct moment_slot all = { .bucket = NO_BUCKET };
    int64_t last = bucket_of(newest, w->bucket_s);
    for (int64_t b = last - w->n; b <= last; b++) {
        const struct moment_slot *s = &ring[slot_of(b, (size_t)w->n + 1)];
        if (s->bucket != b)
            continue;
        double n = (double)all.n + (double)s->n;
        double off = s->mean - all.mean;
        all.max = all.n ? RS_MAX(all.max, s->max) : s->max;
        all.m2 += s->m2 + off * off * ((double)all.n * (double)s->n / n);
        all.mean += off * ((double)s->n / n);
        all.n += s->n;
    }
    return all;
}

static float step_moment(const struct rs_program *p, uint32_t step, const void *state)
{
    const struct rs_step *s = &p->steps[step];
    const struct ring *r = &p->layout->rings[p->layout->step_ring[step]];
    const void *ring = (const char *)state + r->offset;
    struct moment_slot all = window_moments(ring, &p->windows[r->window], ((const struct state_head *)state)->newest);
    if (!all.n)
        return s->impute;
    if (s->op == RS_STEP_MEAN)
        return rs_to_float(all.mean);
    if (s->op == RS_STEP_MAX)
        return rs_to_float(all.max);
    return rs_to_float(sqrt(all.m2 / (double)all.n));
}

static float step_signal(const struct rs_program *p, uint32_t step, const void *state)
{
    const struct rs_step *s = &p->steps[step];
    const struct signal_state *sig = &signals_in(state)[p->layout->signal_slot[s->arg]];
    int64_t newest = ((const struct state_head *)state)->newest;
    if (s->op == RS_STEP_MISSING)
        return sig->time == newest ? 0 : 1; /* math.md F7 */
    if (sig->time == RS_TIME_NONE)
        return s->impute;
    switch (s->op) {
    case RS_STEP_VALUE: /* math.md F1: g(x_t) */
        return rs_to_float(rs_transform(s->transform, sig->value));
    case RS_STEP_POSITIVE: /* math.md F2: [x_t > 0] */
        return sig->value > 0;
    case RS_STEP_DELTA:
    case RS_STEP_RATE:
        return step_change(p, step, sig, state);
    case RS_STEP_SINCE_CHANGE: /* math.md F6: log1p(days since the change) */
        return rs_to_float(log1p((double)(newest - sig->changed) / DAY));
    default:
        return step_moment(p, step, state);
    }
}

/* math.md F9: what the entity is */
static float step_attr(const struct rs_program *p, const struct rs_step *s, const struct rs_attr_value *attrs)
{
    switch (s->op) {
    case RS_STEP_ONEHOT:
        return attrs[s->arg].code == (int32_t)s->value;
    case RS_STEP_NUMBER:
        return isfinite(attrs[s->arg].number) ? rs_to_float(rs_transform(s->transform, attrs[s->arg].number))
                                              : s->impute;
    default:
        return rs_program_in_cohort(p, s->arg, attrs);
    }
}

/* math.md F18: events in the window */
static float step_events(const struct rs_program *p, uint32_t step, const void *state)
{
    const struct rs_step *s = &p->steps[step];
    const struct ring *r = &p->layout->rings[p->layout->step_ring[step]];
    const struct rs_window *w = &p->windows[r->window];
    const struct first_slot *ring = (const struct first_slot *)((const char *)state + r->offset);
    int64_t last = bucket_of(((const struct state_head *)state)->newest, w->bucket_s), n = 0;
    for (int64_t b = last - w->n; b <= last; b++) {
        const struct first_slot *slot = &ring[slot_of(b, (size_t)w->n + 1)];
        n += slot->bucket == b ? slot->time : 0;
    }
    return rs_to_float(rs_transform(s->transform, (double)n));
}

/* math.md F19: log1p(days since the newest event) */
static float step_since_event(const struct rs_program *p, const struct rs_step *s, const void *state)
{
    const struct event_state *e = &events_in(p, state)[p->layout->event_slot[s->arg]];
    int64_t newest = ((const struct state_head *)state)->newest;
    int64_t event = e->newest <= newest ? e->newest : e->visible;
    return event == RS_TIME_NONE || event > newest ? s->impute : rs_to_float(log1p((double)(newest - event) / DAY));
}

/* Steps that look at earlier ones' numbers. */
static float step_derived(const struct rs_step *s, const float *x)
{
    switch (s->op) {
    case RS_STEP_ABOVE: /* math.md F16: max(0, x - knot) */
        return x[s->arg] > s->knot ? rs_to_float((double)x[s->arg] - (double)s->knot) : 0;
    case RS_STEP_GREATER: /* math.md F16: [x > knot] */
        return x[s->arg] > s->knot;
    default: /* math.md F17: the product */
        return rs_to_float((double)x[s->arg] * (double)x[s->value]);
    }
}

void rs_state_features(const struct rs_program *p, const void *state, const struct rs_attr_value *attrs, float *out_x)
{
    const struct state_head *head = state;
    for (uint32_t i = 0; i < p->n_steps; i++) {
        const struct rs_step *s = &p->steps[i];
        if (step_has_signal(s->op))
            out_x[i] = step_signal(p, i, state);
        else if (step_is_derived(s->op))
            out_x[i] = step_derived(s, out_x);
        else if (s->op == RS_STEP_EVENTS)
            out_x[i] = step_events(p, i, state);
        else if (s->op == RS_STEP_SINCE_EVENT)
            out_x[i] = step_since_event(p, s, state);
        else if (s->op == RS_STEP_AGE) /* math.md F8: log1p(days since the first sample) */
            out_x[i] = rs_to_float(log1p((double)(head->newest - head->first) / DAY));
        else
            out_x[i] = step_attr(p, s, attrs);
    }
}
