/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The migrator from outside: starting, watching, cancelling, events, shutdown. What a migration does is in
 * migrate_steps.c, what is done about one that an earlier run left in migrate_recover.c. Each has a worker thread,
 * which also catches its VM's reset: it sleeps on the run's condition, so an event reaches it at once, and a host that
 * hangs delays nobody else's catch. */
#include "migrate.h"

#include <time.h>

#include "common/log.h"
#include "executor/migrate_private.h"

#define HOLD_AFTER_S 60.0

/* ---- small ---- */

static void init_condition(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

static struct timespec from_now(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns = t.tv_nsec + (int64_t)ms * 1000000;
    t.tv_sec += ns / 1000000000;
    t.tv_nsec = ns % 1000000000;
    return t;
}

bool rs_migrator_is_stopping(rs_migrator *m)
{
    pthread_mutex_lock(&m->lock);
    bool is_stopping = m->is_stopping;
    pthread_mutex_unlock(&m->lock);
    return is_stopping;
}

void rs_migrator_pause(rs_migrator *m, int ms)
{
    struct timespec until = from_now(ms);
    pthread_mutex_lock(&m->lock);
    while (!m->is_stopping && pthread_cond_timedwait(&m->chores_changed, &m->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&m->lock);
}

void rs_run_wait(struct run *r, int ms)
{
    struct timespec until = from_now(ms);
    pthread_cond_timedwait(&r->changed, &r->m->lock, &until);
}

void rs_run_set_step(struct run *r, const char *step, uint64_t bytes_total)
{
    snprintf(r->row.step, sizeof r->row.step, "%s", step);
    pthread_mutex_lock(&r->m->lock);
    snprintf(r->progress.step, sizeof r->progress.step, "%s", step);
    r->progress.bytes_done = 0;
    r->progress.bytes_total = bytes_total;
    pthread_mutex_unlock(&r->m->lock);
    rs_log_debug("migration_step", "id=%s vm=%s step=%s", r->row.id, r->row.vm, step);
}

/* ---- runs ---- */

static void free_run(struct run *r)
{
    pthread_cond_destroy(&r->changed);
    rs_plan_clear(&r->plan);
    free(r->row.plan);
    free(r);
}

static void remove_run(struct run *r)
{
    rs_migrator *m = r->m;
    pthread_mutex_lock(&m->lock);
    for (struct run **p = &m->runs; *p; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            break;
        }
    }
    pthread_mutex_unlock(&m->lock);
}

static void worker_ends(rs_migrator *m)
{
    pthread_mutex_lock(&m->lock);
    m->n_workers--;
    pthread_cond_broadcast(&m->idle);
    pthread_mutex_unlock(&m->lock);
}

static void *work(void *arg)
{
    struct run *r = arg;
    rs_migrator *m = r->m;
    bool has_ended = r->is_recovery ? rs_run_recovered(r) : rs_run_forward(r);
    remove_run(r);
    if (has_ended && m->on_end)
        m->on_end(m->arg, &r->row);
    if (!has_ended)
        rs_log_warn("migration_left", "id=%s vm=%s step=%s reason=\"resumed at the next start\"", r->row.id, r->row.vm,
                    r->row.step);
    free_run(r);
    worker_ends(m);
    return NULL;
}

static struct run *new_run(rs_migrator *m)
{
    struct run *r = rs_alloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->m = m;
    r->plan.suspended_at = RS_TIME_NONE;
    init_condition(&r->changed);
    return r;
}

/* Takes r. Its thread owns it from here. */
static enum rs_status launch(struct run *r, struct rs_error *err)
{
    rs_migrator *m = r->m;
    pthread_t thread;
    pthread_mutex_lock(&m->lock);
    r->is_committed = r->row.is_committed;
    r->next = m->runs;
    m->runs = r;
    m->n_workers++;
    pthread_mutex_unlock(&m->lock);
    if (pthread_create(&thread, NULL, work, r) == 0) {
        pthread_detach(thread);
        return RS_OK;
    }
    remove_run(r);
    worker_ends(m);
    enum rs_status rc = rs_error_set(err, RS_ENOMEM, "migration %s: no thread", r->row.id);
    free_run(r);
    return rc;
}

void rs_run_end(struct run *r, enum rs_migration_end end, const char *why)
{
    struct rs_error err = RS_ERROR_INIT;
    rs_migrator *m = r->m;
    r->row.end = end;
    r->row.ended = rs_clock_wall_s(m->clock);
    snprintf(r->row.why, sizeof r->row.why, "%s", why);
    if (rs_journal_migration_end(m->journal, r->row.id, end, r->row.why, r->row.ended, &err) < 0)
        rs_log_error("journal", "id=%s reason=\"%s\"", r->row.id, err.msg);
    rs_log(end == RS_MIGRATION_HELD ? RS_LOG_ERROR : RS_LOG_INFO, "migration_end",
           "id=%s vm=%s from=%s to=%s end=%s why=\"%s\"", r->row.id, r->row.vm, r->row.source, r->row.dest,
           rs_migration_end_name(end), why);
}

/* ---- life ---- */

static enum rs_status set_names(rs_migrator *m, const char *const *names, size_t n)
{
    m->names = rs_alloc(n, sizeof *m->names);
    m->needs_scan = rs_alloc(n, sizeof *m->needs_scan);
    if (!m->names || !m->needs_scan)
        return RS_ENOMEM;
    for (; m->n_hosts < n; m->n_hosts++) {
        m->names[m->n_hosts] = strdup(names[m->n_hosts]);
        if (!m->names[m->n_hosts])
            return RS_ENOMEM;
    }
    return RS_OK;
}

enum rs_status rs_migrator_new(rs_virt *virt, rs_journal *journal, const char *const *host_names, size_t n_hosts,
                               const struct rs_migrator_options *opt, const struct rs_clock *clock,
                               rs_migration_end_fn on_end, void *arg, rs_migrator **out, struct rs_error *err)
{
    rs_migrator *m = rs_alloc(1, sizeof *m);
    if (!m)
        return rs_error_set(err, RS_ENOMEM, "migrator");
    m->virt = virt;
    m->journal = journal;
    m->opt = *opt;
    if (m->opt.hold_after_s <= 0)
        m->opt.hold_after_s = HOLD_AFTER_S;
    m->clock = clock;
    m->on_end = on_end;
    m->arg = arg;
    pthread_mutex_init(&m->lock, NULL);
    init_condition(&m->idle);
    init_condition(&m->chores_changed);
    if (set_names(m, host_names, n_hosts) < 0 || pthread_create(&m->janitor, NULL, rs_migrator_janitor, m) != 0) {
        rs_migrator_free(m);
        return rs_error_set(err, RS_ENOMEM, "migrator");
    }
    m->has_janitor = true;
    *out = m;
    return RS_OK;
}

static void stop_workers(rs_migrator *m)
{
    pthread_mutex_lock(&m->lock);
    m->is_stopping = true;
    for (struct run *r = m->runs; r; r = r->next)
        pthread_cond_broadcast(&r->changed);
    pthread_cond_broadcast(&m->chores_changed);
    while (m->n_workers > 0)
        pthread_cond_wait(&m->idle, &m->lock);
    pthread_mutex_unlock(&m->lock);
}

void rs_migrator_free(rs_migrator *m)
{
    if (!m)
        return;
    stop_workers(m);
    if (m->has_janitor)
        pthread_join(m->janitor, NULL);
    while (m->chores) {
        struct chore *c = m->chores;
        m->chores = c->next;
        free(c);
    }
    for (size_t i = 0; i < m->n_hosts; i++)
        free(m->names[i]);
    free(m->names);
    free(m->needs_scan);
    pthread_mutex_destroy(&m->lock);
    pthread_cond_destroy(&m->idle);
    pthread_cond_destroy(&m->chores_changed);
    free(m);
}

/* ---- starting ---- */

static enum rs_status check_request(rs_migrator *m, const struct rs_migration_request *req, struct rs_vm_facts *f,
                                    struct rs_error *err)
{
    if (req->source >= m->n_hosts || req->dest >= m->n_hosts || req->source == req->dest)
        return rs_error_set(err, RS_EINVAL, "migration from host %zu to host %zu of %zu", req->source, req->dest,
                            m->n_hosts);
    enum rs_status rc = rs_virt_vm_facts(m->virt, req->source, req->uuid, f, err);
    if (rc < 0)
        return rc;
    if (!f->is_movable)
        return rs_error_set(err, RS_EUNSUPPORTED, "VM %s cannot be moved: %s", f->name, f->why_not);
    if (f->state != RS_VM_RUNNING)
        return rs_error_set(err, RS_EBUSY, "VM %s is not running on %s", f->name, m->names[req->source]);
    return RS_OK;
}

enum rs_status rs_migrator_start(rs_migrator *m, const struct rs_migration_request *req, char out_id[32],
                                 struct rs_error *err)
{
    struct rs_vm_facts f;
    enum rs_status rc = check_request(m, req, &f, err);
    if (rc < 0)
        return rc;
    struct run *r = new_run(m);
    if (!r)
        return rs_error_set(err, RS_ENOMEM, "migration of %s", f.name);
    r->source = req->source;
    r->dest = req->dest;
    r->deadline_s = req->deadline_s;
    r->row.with_temp = req->with_temp;
    r->row.started = rs_clock_wall_s(m->clock);
    snprintf(r->row.decision, sizeof r->row.decision, "%s", req->decision);
    snprintf(r->row.vm, sizeof r->row.vm, "%s", f.name);
    snprintf(r->row.uuid, sizeof r->row.uuid, "%s", f.uuid);
    snprintf(r->row.source, sizeof r->row.source, "%s", m->names[req->source]);
    snprintf(r->row.dest, sizeof r->row.dest, "%s", m->names[req->dest]);
    rc = rs_journal_migration_begin(m->journal, &r->row, err);
    if (rc < 0) {
        free_run(r);
        return rc;
    }
    snprintf(out_id, 32, "%s", r->row.id);
    return launch(r, err);
}

/* ---- recovering ---- */

static bool host_index(rs_migrator *m, const char *name, size_t *out)
{
    for (size_t i = 0; i < m->n_hosts; i++) {
        if (rs_streq(m->names[i], name)) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* Takes the row's plan. */
static enum rs_status recover_row(rs_migrator *m, struct rs_migration_row *row, struct rs_error *err)
{
    struct run *r = new_run(m);
    if (!r)
        return rs_error_set(err, RS_ENOMEM, "migration %s", row->id);
    r->row = *row;
    row->plan = NULL;
    r->is_recovery = true;
    r->may_be_suspended = true;
    enum rs_status rc = RS_OK;
    if (!host_index(m, r->row.source, &r->source) || !host_index(m, r->row.dest, &r->dest))
        rc = rs_error_set(err, RS_ECONFIG,
                          "migration %s of VM %s from %s to %s is unfinished, and one of these hosts is no longer "
                          "configured: put it back",
                          r->row.id, r->row.vm, r->row.source, r->row.dest);
    if (rc == RS_OK && r->row.plan && r->row.plan[0])
        rc = rs_plan_decode(r->row.plan, &r->plan, err);
    r->may_have_run = r->plan.may_be_started;
    if (rc == RS_OK)
        return launch(r, err);
    free_run(r);
    return rc;
}

enum rs_status rs_migrator_recover(rs_migrator *m, struct rs_error *err)
{
    struct rs_migration_row *rows = NULL;
    size_t n = 0;
    enum rs_status rc = rs_journal_unfinished(m->journal, &rows, &n, err);
    for (size_t i = 0; i < n && rc == RS_OK; i++) {
        rs_log_info("migration_recover", "id=%s vm=%s step=%s committed=%d", rows[i].id, rows[i].vm, rows[i].step,
                    rows[i].is_committed);
        struct rs_error why = RS_ERROR_INIT;
        if (recover_row(m, &rows[i], &why) < 0) /* stays unfinished: no reason not to serve all the others */
            rs_log_error("migration_recover", "id=%s reason=\"%s\"", rows[i].id, why.msg);
    }
    rs_journal_rows_free(rows, n);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n_hosts; i++)
        m->needs_scan[i] = true;
    pthread_cond_broadcast(&m->chores_changed);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

/* ---- watching ---- */

static struct run *find_run(rs_migrator *m, const char *id)
{
    for (struct run *r = m->runs; r; r = r->next)
        if (rs_streq(r->row.id, id))
            return r;
    return NULL;
}

enum rs_status rs_migrator_cancel(rs_migrator *m, const char *id, struct rs_error *err)
{
    enum rs_status rc = RS_OK;
    pthread_mutex_lock(&m->lock);
    struct run *r = find_run(m, id);
    if (!r) {
        rc = rs_error_set(err, RS_ENOTFOUND, "%s: no such running migration", id);
    } else if (r->is_committed) {
        rc = rs_error_set(err, RS_EBUSY, "%s: too late to cancel: it is committed to %s", id, r->row.dest);
    } else {
        r->is_cancelled = true;
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

enum rs_status rs_migrator_progress(rs_migrator *m, const char *id, struct rs_migration_progress *out)
{
    pthread_mutex_lock(&m->lock);
    struct run *r = find_run(m, id);
    if (r)
        *out = r->progress;
    pthread_mutex_unlock(&m->lock);
    return r ? RS_OK : RS_ENOTFOUND;
}

uint32_t rs_migrator_moves(rs_migrator *m, size_t host)
{
    uint32_t n = 0;
    pthread_mutex_lock(&m->lock);
    for (struct run *r = m->runs; r; r = r->next)
        n += host == SIZE_MAX || r->source == host || r->dest == host;
    pthread_mutex_unlock(&m->lock);
    return n;
}

void rs_migrator_reserved(rs_migrator *m, size_t host, uint64_t *out_memory, uint64_t *out_disk)
{
    *out_memory = *out_disk = 0;
    pthread_mutex_lock(&m->lock);
    for (struct run *r = m->runs; r; r = r->next) {
        if (r->dest != host)
            continue;
        *out_memory += r->reserved_memory;
        *out_disk += r->reserved_disk;
    }
    pthread_mutex_unlock(&m->lock);
}

void rs_migrator_event(rs_migrator *m, size_t host, const char *uuid, enum rs_virt_event event)
{
    pthread_mutex_lock(&m->lock);
    if (event == RS_VIRT_HOST_BACK && host < m->n_hosts) {
        m->needs_scan[host] = true;
        pthread_cond_broadcast(&m->chores_changed);
    }
    for (struct run *r = m->runs; r; r = r->next) {
        if (r->source != host || (uuid[0] && !rs_streq(r->row.uuid, uuid)))
            continue;
        if (event == RS_VIRT_REBOOT && r->is_armed && !r->is_reset) {
            r->is_reset = true;
            r->reset_ns = rs_clock_mono_ns(m->clock);
        } else if (event == RS_VIRT_STOPPED) {
            r->is_stopped = true;
        } else if (event == RS_VIRT_HOST_LOST) {
            r->is_host_lost = true;
        }
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&m->lock);
}
