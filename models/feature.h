/* SPDX-License-Identifier: Apache-2.0 */
/* Feature programs: raw signals of one entity in, finite numbers out, one sample at a time.
 *
 * A program is a list of steps; step j yields feature x[j]. It travels inside the model, so that the trainer (over
 * history) and the daemon (sample by sample) run the very same code and get the same bits. What a program must remember
 * of an entity is its *state*: one flat block of rs_program_state_size() bytes, made of fixed buckets, so that memory
 * per entity is bounded and a sample costs O(steps + buckets). docs/math.md (F1..F9, F16..F19) has the formulas.
 *
 * Windows are aligned to absolute time: bucket(t) = floor(t / bucket_s); a window of n buckets looks at the bucket of
 * the newest sample and the n before it. A reading is missing where it is NaN or infinite; out of a program come only
 * finite numbers: where a step has nothing to say it yields its `impute` value (the training mean, or for events that never
 * happened a time long ago).
 *
 * Counters: a reading below the one that it is compared with means that the counter began anew, so that all of it is
 * new (F3). All functions are pure, allocate nothing unless they say so, and may be called from any thread; a state
 * belongs to one thread at a time. */
#ifndef RS_MODELS_FEATURE_H
#define RS_MODELS_FEATURE_H

#include "common/base.h"
#include "common/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Never renumber: the values stand in model files. */
enum rs_step_op {
    RS_STEP_VALUE = 0,        /* F1: g(x) of the newest reading */
    RS_STEP_POSITIVE = 1,     /* F2: 1 where x > 0, else 0 */
    RS_STEP_DELTA = 2,        /* F3: g(x_t - x_r), r = first reading in the oldest bucket of the window that has one */
    RS_STEP_RATE = 3,         /* F4: g((x_t - x_r) / days between them); 0 where r = t */
    RS_STEP_MEAN = 4,         /* F5: mean of g(x) over the window */
    RS_STEP_MAX = 5,          /* F5: maximum of g(x) over the window */
    RS_STEP_STD = 6,          /* F5: population standard deviation of g(x) over the window */
    RS_STEP_SINCE_CHANGE = 7, /* F6: log1p(days since the reading last changed) */
    RS_STEP_MISSING = 8,      /* F7: 1 where the newest sample lacks the signal, else 0 */
    RS_STEP_AGE = 9,          /* F8: log1p(days since the entity's first sample) */
    RS_STEP_ONEHOT = 10,      /* F9: 1 where the attribute has the value, else 0 */
    RS_STEP_NUMBER = 11,      /* F9: g(number) of a numeric attribute */
    RS_STEP_COHORT = 12,      /* F9: 1 where the entity belongs to the cohort or to one nested in it, else 0 */
    RS_STEP_ABOVE = 13,       /* F16: hinge max(0, x[arg] - knot) of an earlier step */
    RS_STEP_GREATER = 14,     /* F16: 1 where x[arg] > knot, arg an earlier step, else 0 */
    RS_STEP_PRODUCT = 15,     /* F17: x[arg] * x[value], both earlier steps */
    RS_STEP_EVENTS = 16,      /* F18: g(number of events of kind arg in the window) */
    RS_STEP_SINCE_EVENT = 17, /* F19: log1p(days since the newest event of kind arg) */
    RS_STEP_OPS
};

enum rs_transform { RS_RAW = 0, RS_LOG1P = 1 /* ln(1 + max(x, 0)) */ };

#define RS_SIGNALS_MAX 4096
#define RS_STEPS_MAX 16384
#define RS_WINDOWS_MAX 16
#define RS_BUCKETS_MAX 64
#define RS_ATTRS_MAX 256
#define RS_ATTR_VALUES_MAX 65536
#define RS_COHORTS_MAX 65536
#define RS_COHORT_DEPTH_MAX 8
#define RS_EVENTS_MAX 64
#define RS_NAME_MAX                                                                                                    \
    256 /* bytes of a name, unit or value, without the NUL; cohort names may have four times as many                   \
         */
#define RS_STEP_TIME_MAX ((int64_t)1 << 53) /* samples stand within +- this many seconds of 1970 */

enum rs_signal_kind { RS_GAUGE = 0, RS_COUNTER = 1 };

struct rs_signal {
    char *name;
    char *unit; /* "" where it has none */
    enum rs_signal_kind kind;
};

struct rs_window {
    int64_t bucket_s; /* width of a bucket, > 0 */
    uint32_t n;       /* buckets behind the newest one, 1..RS_BUCKETS_MAX - 1; the window spans n * bucket_s */
};

struct rs_step {
    enum rs_step_op op;
    enum rs_transform transform; /* g; RS_RAW for the ops that have none */
    uint32_t arg;                /* signal, attribute, cohort, event or earlier step, by op; 0 for AGE */
    uint32_t value;              /* ONEHOT: index into the attribute's values; PRODUCT: the other step; else 0 */
    uint32_t window;             /* index into windows, for DELTA, RATE, MEAN, MAX, STD, EVENTS; else 0 */
    float impute;                /* finite; used where the step has nothing to say */
    float knot;                  /* finite; ABOVE, GREATER: the threshold in units of x[arg]; else 0 */
};

struct rs_attr {
    char *name;
    bool is_number; /* else categorical, with the values that the program knows */
    char **values;  /* strictly ascending, bytewise */
    uint32_t n_values;
};

#define RS_CODE_MISSING (-1)
#define RS_CODE_UNSEEN (-2) /* a text that the program does not know */

/* One entity's attribute, bound to a program by rs_attr_bind(). */
struct rs_attr_value {
    int32_t code; /* index into values; RS_CODE_UNSEEN; RS_CODE_MISSING where missing or a number */
    float number; /* NaN where missing or categorical */
};

/* Cohorts nest: 0 is "all"; each other has a parent of a lower index and one more condition than it. */
struct rs_cohort {
    uint32_t parent;
    uint32_t attr, value; /* the condition that it adds; unused in cohort 0 */
    char *name;           /* "all", "model=ST3000DM001", "model=ST3000DM001 firmware=CC4H" */
};

struct rs_program {
    struct rs_signal *signals;
    uint32_t n_signals;
    struct rs_attr *attrs;
    uint32_t n_attrs;
    struct rs_window *windows;
    uint32_t n_windows;
    struct rs_cohort *cohorts;
    uint32_t n_cohorts; /* at least 1 once finished */
    /* Kinds of events: "failure" (any), "failure/KIND", "repair" (return to service), "maintenance/KIND",
     * "event/KIND", "any" (every failure and event); no name twice. */
    char **events;
    uint32_t n_events;
    struct rs_step *steps;
    uint32_t n_steps;
    /* Derived by rs_program_finish(): where each step finds its state. */
    struct rs_program_layout *layout;
};

/* Checks every index, limit, name (UTF-8 without control characters) and number, and lays out the state. Call it once
 * after filling the struct, before anything else. RS_EINVAL names what is wrong; RS_ENOMEM. After a change call it
 * again; states of before are void then. */
enum rs_status rs_program_finish(struct rs_program *p, struct rs_error *err);
/* Frees everything that the struct owns and zeroes it. */
void rs_program_clear(struct rs_program *p);

size_t rs_program_state_size(const struct rs_program *p);
/* A digest of everything that shapes the state; a state saved under another digest must not be loaded. */
uint64_t rs_program_digest(const struct rs_program *p);
/* Name of a feature, "log1p(smart_5_raw)", "log1p(delta[7d](smart_5_raw))", "model=ST3000DM001"; cut to fit. */
const char *rs_step_name(const struct rs_program *p, uint32_t step, char *buf, size_t size);

/* The attribute's value as the program knows it; text NULL or "" is missing. */
struct rs_attr_value rs_attr_bind(const struct rs_attr *attr, const char *text);
/* The deepest cohort that the entity belongs to; of several as deep the first. attrs: n_attrs values. */
uint32_t rs_program_cohort(const struct rs_program *p, const struct rs_attr_value *attrs);
/* Whether the entity belongs to the cohort or to one nested in it. */
bool rs_program_in_cohort(const struct rs_program *p, uint32_t cohort, const struct rs_attr_value *attrs);
/* True where an attribute that conditions of cohorts are about has a value that the program does not know, so that the
 * entity is judged by a parent cohort; *out_attr (may be NULL) is then the first such attribute. */
bool rs_program_fallback(const struct rs_program *p, const struct rs_attr_value *attrs, uint32_t *out_attr);

/* Whether a name is UTF-8 without control characters and has at most max bytes; the trainer leaves out those that are
 * not. */
bool rs_name_is_sound(const char *name, size_t max);

/* A state is opaque memory of rs_program_state_size() bytes, aligned for int64_t; it holds no pointers and may be saved
 * and loaded as it stands on the same architecture. */
void rs_state_init(const struct rs_program *p, void *state);
/* RS_ECORRUPT where bytes loaded from elsewhere cannot be a state of this program. */
enum rs_status rs_state_check(const struct rs_program *p, const void *state, size_t size, struct rs_error *err);
/* Takes in one sample. values: n_signals readings in the program's order, NaN where missing. Samples come in time
 * order: RS_ESTALE for time <= the newest one, RS_EDOMAIN beyond RS_STEP_TIME_MAX; nothing changes then. */
enum rs_status rs_state_push(const struct rs_program *p, void *state, int64_t time, const float *values);
/* Takes in one event (index into events). Events of a kind come in time order: RS_ESTALE for time < the newest of its
 * kind, RS_EDOMAIN beyond RS_STEP_TIME_MAX, RS_EINVAL for a kind that there is not; nothing changes then. An event
 * counts from the next sample with time >= its own on, so that offline all events with time <= t go before the sample
 * at t. A sample older than events taken in already sees, of those, the ones in buckets that are not after its own:
 * within that one bucket, and for the oldest buckets whose place the later ones took, counts are inexact then, and only
 * then. */
enum rs_status rs_state_event(const struct rs_program *p, void *state, uint32_t event, int64_t time);
/* Time of the newest event of the kind (below n_events); RS_TIME_NONE before the first, and where no step asks for the
 * time since it. */
int64_t rs_state_event_time(const struct rs_program *p, const void *state, uint32_t event);
/* Time of the newest sample, RS_TIME_NONE before the first. */
int64_t rs_state_time(const struct rs_program *p, const void *state);
/* Features as of the newest sample. attrs: n_attrs values; out_x: n_steps finite numbers. At least one sample needed.
 */
void rs_state_features(const struct rs_program *p, const void *state, const struct rs_attr_value *attrs, float *out_x);

#ifdef __cplusplus
}
#endif
#endif
