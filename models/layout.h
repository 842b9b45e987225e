/* SPDX-License-Identifier: Apache-2.0 */
/* Inside models/: how a feature program lays out the state of an entity. feature.c computes it, state.c works on it.
 *
 *     struct state_head | struct signal_state per signal that a step reads | rings
 * A ring holds the n + 1 buckets of one window over one signal; bucket number b lives in slot b mod (n + 1). */
#ifndef RS_MODELS_LAYOUT_H
#define RS_MODELS_LAYOUT_H

#include "models/feature.h"

#define NO_SLOT UINT32_MAX
#define NO_BUCKET INT64_MIN

struct state_head {
    uint64_t digest;
    int64_t first, newest; /* RS_TIME_NONE before the first sample */
};

struct signal_state {
    int64_t time;    /* of the newest reading, RS_TIME_NONE before the first */
    int64_t changed; /* when the reading took its present value */
    float value;     /* newest reading, 0 before the first */
    uint32_t zero;   /* padding, always 0, so that equal states are equal bytes */
};

/* A bucket's first reading, for differences. */
struct first_slot {
    int64_t bucket; /* NO_BUCKET while empty */
    int64_t time;
    float value;
    uint32_t zero;
};

/* A bucket's moments of g(x), for mean, maximum and deviation. */
struct moment_slot {
    int64_t bucket; /* NO_BUCKET while empty */
    double mean, m2;
    double max;
    uint64_t n;
};

/* Of one kind of event. */
struct event_state {
    int64_t newest;  /* RS_TIME_NONE before the first */
    int64_t visible; /* newest as of the sample before which `newest` came in */
};

enum ring_kind { RING_FIRST, RING_MOMENTS, RING_EVENTS };

struct ring {
    uint32_t signal, window;     /* signal: kind of event where RING_EVENTS */
    enum rs_transform transform; /* of moments; RS_RAW for the others */
    enum ring_kind kind;
    size_t offset; /* in the state */
};

struct rs_program_layout {
    size_t state_size;
    uint64_t digest;
    uint32_t n_rings;
    uint32_t *signal_slot; /* n_signals: place among the signal states, NO_SLOT where no step reads it */
    uint32_t n_slots;
    uint32_t *event_slot; /* n_events: place among the event states, NO_SLOT where no step asks for its time */
    uint32_t n_event_slots;
    struct ring *rings;
    uint32_t *step_ring; /* n_steps: NO_SLOT where the step has no window */
};

static inline bool step_has_window(enum rs_step_op op)
{
    return (op >= RS_STEP_DELTA && op <= RS_STEP_STD) || op == RS_STEP_EVENTS;
}

static inline bool step_has_signal(enum rs_step_op op)
{
    return op <= RS_STEP_MISSING;
}

static inline bool step_has_event(enum rs_step_op op)
{
    return op == RS_STEP_EVENTS || op == RS_STEP_SINCE_EVENT;
}

static inline bool step_is_derived(enum rs_step_op op)
{
    return op >= RS_STEP_ABOVE && op <= RS_STEP_PRODUCT;
}

double rs_transform(enum rs_transform g, double x);
/* The nearest finite float. */
float rs_to_float(double x);

#endif
