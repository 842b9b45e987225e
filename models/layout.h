/* SPDX-License-Identifier: Apache-2.0 */
/* Inside models/: how a feature program lays out the state of an entity. layout.c computes it, state.c takes samples
 * in, extract.c makes features of it, state_check.c holds foreign bytes to it.
 *
 * A state is a struct state_head and arrays behind it, of 8-byte items first; only what a step reads is there:
 *     time, changed         int64 per signal that a rate, or a time since change, is taken of
 *     since                 struct since_state per kind of event whose time is asked for
 *     counts                per kind of event and window: the newest bucket, then a count per bucket
 *     of each window        (n + 1) rows, one per bucket: a struct moment per ring; an offset per rate ring (int64
 *                           where the buckets are longer than 2^32 s, else uint32); a float per first-reading ring
 *     value                 float per signal, NaN before the first reading
 *     lacks                 byte per signal that a missing-indicator watches
 *
 * Row b mod (n + 1) of a window is for bucket b. The rows are always those of the bucket of the newest sample and of
 * the n before it: a sample in a new bucket clears the rows of the buckets that it enters. */
#ifndef RS_MODELS_LAYOUT_H
#define RS_MODELS_LAYOUT_H

#include "models/derive.h"

#define NO_SLOT UINT32_MAX
#define NO_BUCKET INT64_MIN

struct state_head {
    uint64_t digest;
    int64_t first, newest; /* RS_TIME_NONE before the first sample */
};

/* Of one kind of event. */
struct since_state {
    int64_t newest;  /* RS_TIME_NONE before the first */
    int64_t visible; /* the one before `newest` came in, where a sample had come up to it; else RS_TIME_NONE */
};

/* A bucket's moments of g(x); all 0 while empty. */
struct moment {
    double mean, m2;
    float max; /* of g(x), rounded; rounding keeps the order, so this is the rounded maximum */
    uint32_t n;
};

/* A signal, and where the state keeps it. */
struct slot_of_signal {
    uint32_t signal;
    uint32_t value; /* index into the values; NO_SLOT where they have none */
};

struct moment_ring {
    uint32_t signal;
    enum rs_transform transform;
};

/* The rows of one window. */
struct window_rows {
    int64_t bucket_s;
    uint32_t n_rows; /* n + 1 */
    uint32_t n_first, n_rate, n_moments;
    uint32_t *first;                      /* n_first: signals */
    uint32_t *rate;                       /* n_rate: which of the first-reading rings */
    struct moment_ring *moments;          /* n_moments */
    bool is_wide;                         /* offsets of rate rings are int64 */
    size_t first_at, rate_at, moments_at; /* offsets in the state */
};

struct count_ring {
    uint32_t event;
    uint32_t n_rows; /* of the longest window */
    int64_t bucket_s;
    size_t at; /* int64 newest bucket, then n_rows uint16, saturating */
};

/* What a step is made of, ready to be run; the ops with a transform are parted by it. */
enum run_kind {
    RUN_VALUE,
    RUN_VALUE_LOG,
    RUN_POSITIVE,
    RUN_CHANGE, /* delta and rate */
    RUN_MOMENT,
    RUN_SINCE_CHANGE,
    RUN_MISSING,
    RUN_AGE,
    RUN_ONEHOT,
    RUN_NUMBER,
    RUN_COHORT,
    RUN_EVENTS,
    RUN_SINCE_EVENT,
    RUN_DERIVED, /* last, in the order of the steps */
    RUN_KINDS
};

struct run_step {
    uint32_t step;
    uint32_t slot; /* of the state's array that the kind reads; of counts, the rows of the window */
    uint32_t ring; /* within the window's rows: first, moments or counts */
    uint32_t rate; /* within the window's rate rings */
    float impute;
};

struct rs_program_layout {
    size_t state_size;
    uint64_t digest;
    uint32_t n_values;
    uint32_t *value_signal;                  /* n_values: the signal of each */
    uint32_t *signal_value;                  /* n_signals: its value, or NO_SLOT */
    uint32_t *signal_time;                   /* n_signals: its place in time, or NO_SLOT */
    uint32_t *signal_change;                 /* n_signals: its place in changed, or NO_SLOT */
    uint32_t *signal_lacks;                  /* n_signals: its place in lacks, or NO_SLOT */
    uint32_t *event_since;                   /* n_events: its place in since, or NO_SLOT */
    struct slot_of_signal *timed, *changing; /* n_times, n_changes */
    uint32_t *watched;                       /* n_lacks: signals */
    uint32_t n_times, n_changes, n_lacks, n_since, n_counts;
    bool is_plain;               /* value i is signal i, for all */
    struct window_rows *windows; /* n_windows of the program */
    struct count_ring *counts;
    size_t time_at, changed_at, since_at, value_at, lacks_at;
    struct run_step *runs;            /* n_steps, kind by kind */
    uint32_t run_from[RUN_KINDS + 1]; /* of each kind the first, and the end */
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

static inline bool step_has_first(enum rs_step_op op)
{
    return op == RS_STEP_DELTA || op == RS_STEP_RATE;
}

static inline bool step_has_moments(enum rs_step_op op)
{
    return op == RS_STEP_MEAN || op == RS_STEP_MAX || op == RS_STEP_STD;
}

/* Whether the newest reading itself is needed. */
static inline bool step_has_value(enum rs_step_op op)
{
    return op <= RS_STEP_RATE || op == RS_STEP_SINCE_CHANGE;
}

static inline int64_t bucket_of(int64_t time, int64_t bucket_s)
{
    int64_t b = time / bucket_s;
    return b * bucket_s > time ? b - 1 : b;
}

static inline uint32_t row_of(int64_t bucket, uint32_t n_rows)
{
    int64_t m = bucket % (int64_t)n_rows;
    return (uint32_t)(m < 0 ? m + (int64_t)n_rows : m);
}

static inline void *part_of(void *state, size_t at)
{
    return (char *)state + at;
}

static inline const void *part_in(const void *state, size_t at)
{
    return (const char *)state + at;
}

double rs_transform(enum rs_transform g, double x);

/* Lays out the state of a program that was checked; replaces p->layout. RS_ENOMEM. */
enum rs_status rs_lay_out(struct rs_program *p, struct rs_error *err);
void rs_layout_free(struct rs_program_layout *l);

#endif
