/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The migration: a journaled table of steps that carries one VM and its local disks from one host to another around its
 * reboot. Intent is committed before each effect, every step may run twice, and recovery goes by what the hypervisors
 * say.
 *
 *     check, reserve -> reboot, suspended at the reset -> copy, verified -> commit -> destroy and disarm the source
 *     -> define and start at the destination -> confirm -> retire the source's copy
 * Before the commit every failure ends `stayed`: the VM is resumed into its reboot where it is. After it only forward,
 * or back when the destination is known to be off; `held` where its state cannot be known. */
#ifndef RS_EXECUTOR_MIGRATE_H
#define RS_EXECUTOR_MIGRATE_H

#include "common/clock.h"
#include "executor/journal.h"
#include "executor/virt.h"

typedef struct rs_migrator rs_migrator;

struct rs_migrator_options {
    double reboot_timeout_s; /* guest asked to reboot until its reset */
    double retire_after_s;   /* grace time of the source's copy */
    double copy_stall_s;     /* no progress for this long aborts */
    double hold_after_s;     /* after the commit, a host silent for this long makes it `held`; 0: a minute */
};

struct rs_migration_progress {
    char step[32];
    uint64_t bytes_done, bytes_total;
};

struct rs_migration_request {
    const char *decision; /* id */
    size_t source, dest;  /* host indices */
    const char *uuid;
    bool with_temp;
    double deadline_s; /* longest blackout from now on the VM is suspended; beyond it abort, before the commit */
};

/* The migrator itself books each blackout against the VM's SLO (rs_journal_book: causes "move" and "aborted move") and
 * keeps measured rates (rs_journal_rate); callers must not book a move again. Events stop, by rs_virt_mute() or the
 * caller's own lock, before rs_migrator_free().
 *
 * on_end is called once per migration, on its worker thread, after the journal has the end. */
typedef void (*rs_migration_end_fn)(void *arg, const struct rs_migration_row *row);

enum rs_status rs_migrator_new(rs_virt *virt, rs_journal *journal, const char *const *host_names, size_t n_hosts,
                               const struct rs_migrator_options *opt, const struct rs_clock *clock,
                               rs_migration_end_fn on_end, void *arg, rs_migrator **out, struct rs_error *err);
/* Waits for workers to reach a safe point (before the commit: abort; after: the end), then frees. */
void rs_migrator_free(rs_migrator *m);

/* Finishes or undoes what an earlier run left. Call once, before serving. Blocks until done or handed to workers. */
enum rs_status rs_migrator_recover(rs_migrator *m, struct rs_error *err);

/* Journals the migration and starts its worker. RS_EBUSY where the VM has one. */
enum rs_status rs_migrator_start(rs_migrator *m, const struct rs_migration_request *req, char out_id[32],
                                 struct rs_error *err);
/* Asks a running one to abort; RS_EBUSY after the commit, RS_ENOTFOUND. */
enum rs_status rs_migrator_cancel(rs_migrator *m, const char *id, struct rs_error *err);
/* RS_ENOTFOUND where it does not run. */
enum rs_status rs_migrator_progress(rs_migrator *m, const char *id, struct rs_migration_progress *out);
/* Moves under way to or from a host; host SIZE_MAX counts all. */
uint32_t rs_migrator_moves(rs_migrator *m, size_t host);
/* Bytes and memory reserved at a destination by moves under way. */
void rs_migrator_reserved(rs_migrator *m, size_t host, uint64_t *out_memory, uint64_t *out_disk);

/* The event thread's entry: hand every rs_virt_event here. Returns at once. */
void rs_migrator_event(rs_migrator *m, size_t host, const char *uuid, enum rs_virt_event event);

#endif
