/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside telemetry: telemetry.c changes these, telemetry_view.c reads them. */
#ifndef RS_EXECUTOR_TELEMETRY_IMPL_H
#define RS_EXECUTOR_TELEMETRY_IMPL_H

#include <pthread.h>

#include "executor/telemetry.h"

/* Behind an entity's state, in the same memory, so that they are saved, restored and put back together: in which bin of
 * the model's references each signal of the newest sample lies. */
struct drift_bins {
    uint64_t digest; /* of the model whose references they are of; 0 before a sample */
    uint8_t bin[];   /* n_signals; RS_DRIFT_NO_BIN where the reading is missing */
};

struct entity {
    char *id;
    struct entity *parent; /* NULL: a host */
    struct entity **parts; /* components, of a host */
    size_t n_parts, cap_parts;
    json_t *config_attrs, *pushed_attrs; /* name -> text; pushed ones win */
    struct rs_attr_value *attrs;         /* bound to the program; NULL without a model */
    void *state;                         /* and its bins; NULL before the first sample or event */
    double risk;                         /* own, of the newest sample; valid while is_scored */
    bool is_scored, is_listed, is_registered;
    size_t touched; /* place in rs_telemetry.touched plus 1, during a push that changed it; else 0 */
};

/* What a push changed of one entity, to save it, or to put it back. */
struct touched {
    struct entity *e;
    void *old_state; /* NULL: had none */
    json_t *old_attrs;
    bool was_registered, has_new_attrs;
};

struct signal_name {
    const char *name;
    uint32_t index;
};

struct rs_telemetry {
    pthread_mutex_t push_lock; /* held through a push, a model change, a reconfiguration; taken before lock */
    pthread_mutex_t lock;      /* guards all below */
    rs_journal *journal;
    const struct rs_clock *clock;
    double stale_after_s, max_skew_s;
    bool register_unknown;

    struct rs_model *model; /* NULL: none */
    uint64_t digest, program_digest;
    struct signal_name *signals; /* of the model, by name */
    float *values, *x;           /* scratch: readings of a sample, features */
    double *contributions;       /* scratch */

    void *index; /* tsearch tree of entities by id */
    struct entity **all;
    size_t n_all, cap_all;

    struct touched *touched; /* of the push under way */
    size_t n_touched, cap_touched;
    uint64_t unknown_signals, ignored_events;

    struct rs_drift_summary drift; /* of the model of that digest, at drift_ns by the steady clock */
    uint64_t drift_digest;         /* 0: of none */
    int64_t drift_ns;
};

/* Bytes of a state with its bins, which the size of a state alone, a multiple of 8, aligns. */
static inline size_t rs_entity_state_size(const struct rs_program *p)
{
    return rs_program_state_size(p) + sizeof(struct drift_bins) + p->n_signals;
}
static inline struct drift_bins *rs_entity_bins(const struct rs_program *p, void *state)
{
    return (struct drift_bins *)((char *)state + rs_program_state_size(p));
}

/* Whether the newest sample is too old to say anything. Under the lock, as those below. */
bool rs_entity_is_stale(const rs_telemetry *t, const struct entity *e);
/* The entity's own risk as of its newest sample, however old; NAN before the first. */
double rs_entity_risk(rs_telemetry *t, struct entity *e);
/* The entity of that id, known or not; NULL where there is none. Under the lock. */
struct entity *rs_telemetry_find(rs_telemetry *t, const char *id);
/* Listed in the configuration or registered: others are not shown. */
static inline bool rs_entity_is_known(const struct entity *e)
{
    return e->is_listed || e->is_registered;
}

#endif
