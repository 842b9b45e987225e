/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the migrator's files share: the plan of one migration, its run, and the migrator itself. */
#ifndef RS_EXECUTOR_MIGRATE_PRIVATE_H
#define RS_EXECUTOR_MIGRATE_PRIVATE_H

#include "executor/migrate.h"

#include <pthread.h>

#include "executor/copy.h"

struct plan_disk {
    char target[32], format[16];
    char source_pool[128], source_volume[256];
    char dest_volume[256], dest_path[1024];
    bool is_carried;         /* false: made empty at the destination */
    uint64_t capacity_bytes; /* what the guest sees */
    uint64_t size_bytes;     /* length of the file */
    uint64_t data_bytes;     /* to copy */
    char sum[RS_COPY_SUM_MAX];
};

/* All that a later reseatd needs to finish or undo the migration; kept in the journal as JSON. It holds the domain XML
 * with its secrets, as the source host may be dead by then. */
struct plan {
    char *xml;
    bool has_autostart;
    bool may_be_defined; /* define at the destination was begun */
    bool may_be_started; /* start at the destination was begun */
    uint64_t memory_bytes;
    int64_t suspended_at; /* s UTC; RS_TIME_NONE before */
    struct plan_disk disks[RS_DISKS_MAX];
    size_t n_disks;
};

char *rs_plan_encode(const struct plan *p); /* NULL on want of memory */
enum rs_status rs_plan_decode(const char *json, struct plan *out, struct rs_error *err);
void rs_plan_clear(struct plan *p);
uint64_t rs_plan_bytes(const struct plan *p); /* to copy */

struct run { /* one migration under way, and its worker thread */
    rs_migrator *m;
    struct run *next;
    struct rs_migration_row row;
    struct plan plan;
    size_t source, dest;
    double deadline_s;
    bool is_recovery;
    bool may_be_suspended; /* the worker has called suspend, whatever came of it */
    bool may_have_run;     /* an earlier reseatd may have started it at the destination */
    int64_t suspended_ns;  /* steady time; 0 before */
    /* Guarded by the migrator's lock: */
    pthread_cond_t changed;
    struct rs_migration_progress progress;
    bool is_cancelled;
    bool is_committed;
    bool is_armed; /* the next reset is ours to catch */
    bool is_reset; /* it has come */
    int64_t reset_ns;
    bool is_stopped;                         /* the guest powered off instead */
    bool is_host_lost;                       /* events may have been missed */
    uint64_t reserved_memory, reserved_disk; /* at the destination */
};

struct chore { /* something to be cleaned up later: a retired copy, or a volume that a failed move left */
    struct chore *next;
    size_t host;
    char uuid[RS_UUID_LEN]; /* "" for a volume */
    uint64_t token;
    char volume[256];
    int64_t due; /* s UTC */
};

struct rs_migrator {
    rs_virt *virt;
    rs_journal *journal;
    char **names;
    size_t n_hosts;
    struct rs_migrator_options opt;
    const struct rs_clock *clock;
    rs_migration_end_fn on_end;
    void *arg;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t idle;  /* a worker has ended */
    pthread_cond_t chores_changed;
    struct run *runs;
    size_t n_workers;
    bool is_stopping;
    struct chore *chores;
    bool *needs_scan; /* per host: look for copies to retire */
    pthread_t janitor;
    bool has_janitor;
};

/* migrate_steps.c */
/* Runs a migration from its beginning to its end. False where it must be left unfinished: the journal keeps it, and the
 * next start resumes it. */
bool rs_run_forward(struct run *r);
/* migrate_recover.c */
bool rs_run_recovered(struct run *r);

/* Before the commit: resumes the VM, drops what was made, ends `stayed`. */
bool rs_run_undo(struct run *r, const char *why);
/* After the commit: forward to `moved`, or back to `stayed`, or `held`. */
bool rs_run_finish_committed(struct run *r);
/* After the commit, where a step failed: back to the source where the destination is known to be off, else `held`. */
bool rs_run_go_back(struct run *r, const char *why);
/* It runs at the destination: what is left at the source is retired now or later, ends `moved`. */
bool rs_run_end_moved(struct run *r);
void rs_run_end(struct run *r, enum rs_migration_end end, const char *why);

/* Pieces that both need. */
#define RS_RETRY_MS 500
double rs_run_seconds_since(struct run *r, int64_t ns);
bool rs_run_hits_fault(const char *step, const char *when, struct rs_error *err);
enum rs_status rs_run_write_intent(struct run *r, const char *step, struct rs_error *err);
/* Books the time since the suspension against the VM's SLO, once. */
void rs_run_book(struct run *r, const char *cause);
void rs_run_drop_volumes(struct run *r);

/* migrate.c */
bool rs_migrator_is_stopping(rs_migrator *m);
/* Sleeps for ms or until the migrator stops. */
void rs_migrator_pause(rs_migrator *m, int ms);
/* Waits up to ms on the run's condition; the lock is held. */
void rs_run_wait(struct run *r, int ms);
void rs_run_set_step(struct run *r, const char *step, uint64_t bytes_total);

/* migrate_retire.c */
/* Deletes the disks that a move left at host and their definition: only where it is fenced as moved under that token,
 * is off, and another host owns the VM under that token or a later one. RS_EBUSY where that cannot be seen now. */
enum rs_status rs_migrator_retire(rs_migrator *m, size_t host, const char *uuid, uint64_t token, struct rs_error *err);
void rs_migrator_retire_later(rs_migrator *m, size_t host, const char *uuid, uint64_t token, int64_t due);
void rs_migrator_delete_later(rs_migrator *m, size_t host, const char *volume);
void *rs_migrator_janitor(void *arg);

#endif
