/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside the engine: engine.c makes and reloads it, engine_reboot.c decides with it. */
#ifndef RS_EXECUTOR_ENGINE_IMPL_H
#define RS_EXECUTOR_ENGINE_IMPL_H

#include <pthread.h>

#include "executor/engine.h"

struct rs_engine {
    pthread_mutex_t config_lock; /* guards config, held for a pointer's swap only */
    rs_config *config;
    pthread_mutex_t reload_lock; /* one reload at a time */
    pthread_mutex_t decide_lock; /* from counting the moves under way until the new one is counted */
    pthread_mutex_t event_lock;  /* held while the event thread is inside the migrator */

    /* Fixed from the start; each looks after its own locks. */
    rs_config *first_config; /* keeps the names and URIs that virt and migrator borrow; a reload cannot change them */
    rs_journal *journal;
    rs_telemetry *telemetry;
    rs_metrics *metrics;
    rs_virt *virt;         /* NULL without any uri */
    rs_migrator *migrator; /* atomic: the event thread may ask before it is there */
    const struct rs_clock *clock;
    const char *config_path;
    bool dry_run; /* by the command line */
    int lock_fd;

    /* Hosts with a uri, in the file's order: rs_virt knows them by their place here. */
    struct rs_virt_host *virt_hosts;
    const char **virt_names;
    size_t *config_index; /* of each */
    size_t n_virt;
};

static inline rs_migrator *rs_engine_migrator(rs_engine *e)
{
    return __atomic_load_n(&e->migrator, __ATOMIC_ACQUIRE);
}

#endif
