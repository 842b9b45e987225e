/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside telemetry: telemetry.c changes these, telemetry_view.c reads them. */
#ifndef RS_EXECUTOR_TELEMETRY_IMPL_H
#define RS_EXECUTOR_TELEMETRY_IMPL_H

#include <pthread.h>

#include "executor/telemetry.h"

struct entity {
    char *id;
    struct entity *parent; /* NULL: a host */
    struct entity **parts; /* components, of a host */
    size_t n_parts, cap_parts;
    json_t *config_attrs, *pushed_attrs; /* name -> text; pushed ones win */
    struct rs_attr_value *attrs;         /* bound to the program; NULL without a model */
    void *state;                         /* NULL before the first sample */
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
};

/* The entity of that id, known or not; NULL where there is none. Under the lock. */
struct entity *rs_telemetry_find(rs_telemetry *t, const char *id);
/* Listed in the configuration or registered: others are not shown. */
static inline bool rs_entity_is_known(const struct entity *e)
{
    return e->is_listed || e->is_registered;
}

#endif
