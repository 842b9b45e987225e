/* SPDX-License-Identifier: Apache-2.0 */
/* Lays out the state of a feature program, and puts its steps into the order in which extract.c runs them. layout.h
 * shows the result. */
#include "models/layout.h"

#include <xxhash.h>

#include "common/bytes.h"

void rs_layout_free(struct rs_program_layout *l)
{
    if (!l)
        return;
    for (uint32_t i = 0; l->windows && i < RS_WINDOWS_MAX; i++) {
        free(l->windows[i].first);
        free(l->windows[i].rate);
        free(l->windows[i].moments);
    }
    free(l->value_signal);
    free(l->signal_value);
    free(l->signal_time);
    free(l->signal_change);
    free(l->signal_lacks);
    free(l->event_since);
    free(l->timed);
    free(l->changing);
    free(l->watched);
    free(l->windows);
    free(l->counts);
    free(l->runs);
    free(l);
}
RS_DEFINE_AUTO_STRUCT(rs_program_layout, rs_layout_free)

static bool make_slots(uint32_t **out, uint32_t n)
{
    *out = rs_alloc(n, sizeof **out);
    for (uint32_t i = 0; *out && i < n; i++)
        (*out)[i] = NO_SLOT;
    return *out != NULL;
}

static bool make_arrays(const struct rs_program *p, struct rs_program_layout *l)
{
    l->value_signal = rs_alloc(p->n_signals, sizeof *l->value_signal);
    l->timed = rs_alloc(p->n_signals, sizeof *l->timed);
    l->changing = rs_alloc(p->n_signals, sizeof *l->changing);
    l->watched = rs_alloc(p->n_signals, sizeof *l->watched);
    l->windows = rs_alloc(RS_WINDOWS_MAX, sizeof *l->windows);
    l->counts = rs_alloc(p->n_steps, sizeof *l->counts);
    l->runs = rs_alloc(p->n_steps, sizeof *l->runs);
    return make_slots(&l->signal_value, p->n_signals) && make_slots(&l->signal_time, p->n_signals) &&
           make_slots(&l->signal_change, p->n_signals) && make_slots(&l->signal_lacks, p->n_signals) &&
           make_slots(&l->event_since, p->n_events) && l->value_signal && l->timed && l->changing && l->watched &&
           l->windows && l->counts && l->runs;
}

/* Marks (with 0) what the steps read, then numbers it in the order of the signals. */
static void place_signals(const struct rs_program *p, struct rs_program_layout *l)
{
    for (uint32_t i = 0; i < p->n_steps; i++) {
        const struct rs_step *s = &p->steps[i];
        if (step_has_signal(s->op) && step_has_value(s->op))
            l->signal_value[s->arg] = 0;
        if (s->op == RS_STEP_RATE)
            l->signal_time[s->arg] = 0;
        if (s->op == RS_STEP_SINCE_CHANGE)
            l->signal_change[s->arg] = 0;
        if (s->op == RS_STEP_MISSING)
            l->signal_lacks[s->arg] = 0;
        if (s->op == RS_STEP_SINCE_EVENT)
            l->event_since[s->arg] = 0;
    }
    for (uint32_t i = 0; i < p->n_signals; i++) {
        if (l->signal_value[i] != NO_SLOT) {
            l->signal_value[i] = l->n_values;
            l->value_signal[l->n_values++] = i;
        }
        if (l->signal_time[i] != NO_SLOT) {
            l->signal_time[i] = l->n_times;
            l->timed[l->n_times++] = (struct slot_of_signal){ i, l->signal_value[i] };
        }
        if (l->signal_change[i] != NO_SLOT) {
            l->signal_change[i] = l->n_changes;
            l->changing[l->n_changes++] = (struct slot_of_signal){ i, l->signal_value[i] };
        }
        if (l->signal_lacks[i] != NO_SLOT) {
            l->signal_lacks[i] = l->n_lacks;
            l->watched[l->n_lacks++] = i;
        }
    }
    for (uint32_t i = 0; i < p->n_events; i++)
        if (l->event_since[i] != NO_SLOT)
            l->event_since[i] = l->n_since++;
    l->is_plain = l->n_values == p->n_signals;
}

/* ---- rings: each of a window and what it holds once, however many steps read it ---- */

static uint32_t first_ring(struct window_rows *w, uint32_t signal)
{
    uint32_t i = 0;
    while (i < w->n_first && w->first[i] != signal)
        i++;
    if (i == w->n_first)
        w->first[w->n_first++] = signal;
    return i;
}

static uint32_t rate_ring(struct window_rows *w, uint32_t first)
{
    uint32_t i = 0;
    while (i < w->n_rate && w->rate[i] != first)
        i++;
    if (i == w->n_rate)
        w->rate[w->n_rate++] = first;
    return i;
}

static uint32_t moment_ring(struct window_rows *w, uint32_t signal, enum rs_transform g)
{
    uint32_t i = 0;
    while (i < w->n_moments && (w->moments[i].signal != signal || w->moments[i].transform != g))
        i++;
    if (i == w->n_moments)
        w->moments[w->n_moments++] = (struct moment_ring){ signal, g };
    return i;
}

/* Windows with buckets of one width share the ring of the longest. */
static uint32_t count_ring(struct rs_program_layout *l, const struct rs_program *p, const struct rs_step *s)
{
    const struct rs_window *w = &p->windows[s->window];
    uint32_t i = 0;
    while (i < l->n_counts && (l->counts[i].event != s->arg || l->counts[i].bucket_s != w->bucket_s))
        i++;
    if (i == l->n_counts)
        l->counts[l->n_counts++] = (struct count_ring){ .event = s->arg, .bucket_s = w->bucket_s };
    l->counts[i].n_rows = RS_MAX(l->counts[i].n_rows, w->n + 1);
    return i;
}

/* Room for as many rings as steps ask for. */
static bool make_windows(const struct rs_program *p, struct rs_program_layout *l)
{
    uint32_t first[RS_WINDOWS_MAX] = { 0 }, moments[RS_WINDOWS_MAX] = { 0 };
    for (uint32_t i = 0; i < p->n_steps; i++) {
        first[p->steps[i].window] += step_has_first(p->steps[i].op);
        moments[p->steps[i].window] += step_has_moments(p->steps[i].op);
    }
    for (uint32_t i = 0; i < p->n_windows; i++) {
        struct window_rows *w = &l->windows[i];
        w->bucket_s = p->windows[i].bucket_s;
        w->n_rows = p->windows[i].n + 1;
        w->is_wide = w->bucket_s > (int64_t)UINT32_MAX + 1;
        w->first = rs_alloc(first[i], sizeof *w->first);
        w->rate = rs_alloc(first[i], sizeof *w->rate);
        w->moments = rs_alloc(moments[i], sizeof *w->moments);
        if (!w->first || !w->rate || !w->moments)
            return false;
    }
    return true;
}

/* ---- steps in the order of running ---- */

static enum run_kind kind_of(const struct rs_step *s)
{
    static const enum run_kind kinds[RS_STEP_OPS] = {
        [RS_STEP_VALUE] = RUN_VALUE,     [RS_STEP_POSITIVE] = RUN_POSITIVE,
        [RS_STEP_DELTA] = RUN_CHANGE,    [RS_STEP_RATE] = RUN_CHANGE,
        [RS_STEP_MEAN] = RUN_MOMENT,     [RS_STEP_MAX] = RUN_MOMENT,
        [RS_STEP_STD] = RUN_MOMENT,      [RS_STEP_SINCE_CHANGE] = RUN_SINCE_CHANGE,
        [RS_STEP_MISSING] = RUN_MISSING, [RS_STEP_AGE] = RUN_AGE,
        [RS_STEP_ONEHOT] = RUN_ONEHOT,   [RS_STEP_NUMBER] = RUN_NUMBER,
        [RS_STEP_COHORT] = RUN_COHORT,   [RS_STEP_ABOVE] = RUN_DERIVED,
        [RS_STEP_GREATER] = RUN_DERIVED, [RS_STEP_PRODUCT] = RUN_DERIVED,
        [RS_STEP_EVENTS] = RUN_EVENTS,   [RS_STEP_SINCE_EVENT] = RUN_SINCE_EVENT,
    };
    return s->op == RS_STEP_VALUE && s->transform == RS_LOG1P ? RUN_VALUE_LOG : kinds[s->op];
}

static struct run_step run_of(const struct rs_program *p, struct rs_program_layout *l, uint32_t i)
{
    const struct rs_step *s = &p->steps[i];
    struct run_step r = { .step = i, .slot = NO_SLOT, .ring = NO_SLOT, .rate = NO_SLOT, .impute = s->impute };
    if (step_has_signal(s->op))
        r.slot = s->op == RS_STEP_MISSING ? l->signal_lacks[s->arg] : l->signal_value[s->arg];
    if (step_has_first(s->op))
        r.ring = first_ring(&l->windows[s->window], s->arg);
    if (s->op == RS_STEP_RATE)
        r.rate = rate_ring(&l->windows[s->window], r.ring);
    if (step_has_moments(s->op))
        r.ring = moment_ring(&l->windows[s->window], s->arg, s->transform);
    if (s->op == RS_STEP_EVENTS) {
        r.ring = count_ring(l, p, s);
        r.slot = p->windows[s->window].n + 1;
    }
    if (s->op == RS_STEP_SINCE_EVENT)
        r.slot = l->event_since[s->arg];
    return r;
}

static void order_steps(const struct rs_program *p, struct rs_program_layout *l)
{
    for (uint32_t i = 0; i < p->n_steps; i++)
        l->run_from[kind_of(&p->steps[i]) + 1]++;
    for (uint32_t k = 0; k < RUN_KINDS; k++)
        l->run_from[k + 1] += l->run_from[k];
    uint32_t next[RUN_KINDS];
    memcpy(next, l->run_from, sizeof next);
    for (uint32_t i = 0; i < p->n_steps; i++)
        l->runs[next[kind_of(&p->steps[i])]++] = run_of(p, l, i);
}

/* ---- places ---- */

static size_t place(size_t *offset, size_t n, size_t size)
{
    size_t at = *offset;
    *offset += n * size;
    return at;
}

static size_t aligned(size_t offset)
{
    return (offset + 7) / 8 * 8;
}

static void place_rows(const struct rs_program *p, struct rs_program_layout *l, size_t *offset)
{
    for (uint32_t i = 0; i < p->n_windows; i++) {
        struct window_rows *w = &l->windows[i];
        w->moments_at = place(offset, (size_t)w->n_rows * w->n_moments, sizeof(struct moment));
        if (w->is_wide)
            w->rate_at = place(offset, (size_t)w->n_rows * w->n_rate, sizeof(int64_t));
    }
    for (uint32_t i = 0; i < p->n_windows; i++) {
        struct window_rows *w = &l->windows[i];
        if (!w->is_wide)
            w->rate_at = place(offset, (size_t)w->n_rows * w->n_rate, sizeof(uint32_t));
        w->first_at = place(offset, (size_t)w->n_rows * w->n_first, sizeof(float));
    }
}

static void place_arrays(const struct rs_program *p, struct rs_program_layout *l)
{
    size_t offset = sizeof(struct state_head);
    l->time_at = place(&offset, l->n_times, sizeof(int64_t));
    l->changed_at = place(&offset, l->n_changes, sizeof(int64_t));
    l->since_at = place(&offset, l->n_since, sizeof(struct since_state));
    for (uint32_t i = 0; i < l->n_counts; i++) {
        l->counts[i].at = place(&offset, 1, sizeof(int64_t));
        place(&offset, l->counts[i].n_rows, sizeof(uint16_t));
        offset = aligned(offset);
    }
    place_rows(p, l, &offset);
    l->value_at = place(&offset, l->n_values, sizeof(float));
    l->lacks_at = place(&offset, l->n_lacks, 1);
    l->state_size = aligned(offset);
}

/* ---- the digest: everything that the meaning of a state's bytes depends on ---- */

#define LAYOUT_VERSION 3 /* raised where the same program lays its state out in another way */

static void digest_window(struct rs_buf *b, const struct window_rows *w)
{
    rs_put_i64(b, w->bucket_s);
    rs_put_u32(b, w->n_rows);
    rs_put_u32(b, w->n_first);
    rs_put_u32(b, w->n_rate);
    rs_put_u32(b, w->n_moments);
    for (uint32_t i = 0; i < w->n_first; i++)
        rs_put_u32(b, w->first[i]);
    for (uint32_t i = 0; i < w->n_rate; i++)
        rs_put_u32(b, w->rate[i]);
    for (uint32_t i = 0; i < w->n_moments; i++) {
        rs_put_u32(b, w->moments[i].signal);
        rs_put_u8(b, (uint8_t)w->moments[i].transform);
    }
}

static bool digest_layout(const struct rs_program *p, struct rs_program_layout *l)
{
    rs_auto_buf b = { 0 };
    rs_put_u32(&b, LAYOUT_VERSION);
    rs_put_u32(&b, p->n_signals);
    for (uint32_t i = 0; i < p->n_signals; i++) {
        rs_put_str(&b, p->signals[i].name);
        rs_put_u8(&b, (uint8_t)p->signals[i].kind);
        rs_put_u32(&b, l->signal_value[i]);
        rs_put_u32(&b, l->signal_time[i]);
        rs_put_u32(&b, l->signal_change[i]);
        rs_put_u32(&b, l->signal_lacks[i]);
    }
    rs_put_u32(&b, p->n_events);
    for (uint32_t i = 0; i < p->n_events; i++) {
        rs_put_str(&b, p->events[i]);
        rs_put_u32(&b, l->event_since[i]);
    }
    rs_put_u32(&b, p->n_windows);
    for (uint32_t i = 0; i < p->n_windows; i++)
        digest_window(&b, &l->windows[i]);
    rs_put_u32(&b, l->n_counts);
    for (uint32_t i = 0; i < l->n_counts; i++) {
        rs_put_u32(&b, l->counts[i].event);
        rs_put_i64(&b, l->counts[i].bucket_s);
        rs_put_u32(&b, l->counts[i].n_rows);
    }
    l->digest = b.failed ? 0 : XXH3_64bits(b.data, b.len);
    return !b.failed;
}

enum rs_status rs_lay_out(struct rs_program *p, struct rs_error *err)
{
    RS_AUTO_STRUCT(rs_program_layout) *l = rs_alloc(1, sizeof *l);
    if (!l || !make_arrays(p, l) || !make_windows(p, l))
        return rs_error_set(err, RS_ENOMEM, "layout of %u steps", p->n_steps);
    place_signals(p, l);
    order_steps(p, l);
    place_arrays(p, l);
    if (!digest_layout(p, l))
        return rs_error_set(err, RS_ENOMEM, "digest of %u steps", p->n_steps);
    rs_layout_free(p->layout);
    p->layout = rs_take(l);
    return RS_OK;
}
