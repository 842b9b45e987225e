/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The steps of a migration, in the order of their tables. Before the commit a failed step is followed by
 * rs_run_undo(); after it, by rs_run_go_back() where that is safe. Each step may run twice. Fault points:
 * "migrate.STEP.before" and "migrate.STEP.after" for each, and "journal.commit". */
#include "migrate_private.h"

#include "common/fault.h"
#include "common/log.h"
#include "executor/domxml.h"

/* A reset is caught inside the firmware or not at all: a guest that has run on for longer than this may have mounted
 * its disks again, and a copy of them would be as after a power cut. */
#define CATCH_LIMIT_S 1.0
#define CONFIRM_S 0.5 /* a VM that does not survive this at the destination has not started */
#define POLL_MS 50
#define SPACE_MARGIN ((uint64_t)16 << 20)

typedef enum rs_status (*step_fn)(struct run *r, struct rs_error *err);

struct step {
    const char *name;
    step_fn run;
};

double rs_run_seconds_since(struct run *r, int64_t ns)
{
    return (double)(rs_clock_mono_ns(r->m->clock) - ns) * 1e-9;
}

/* Why the migration must stop here, where it must: asked before each step that can still be undone, and during waits.
 */
static enum rs_status check_abort(struct run *r, struct rs_error *err)
{
    pthread_mutex_lock(&r->m->lock);
    bool is_cancelled = r->is_cancelled, is_stopping = r->m->is_stopping;
    pthread_mutex_unlock(&r->m->lock);
    if (is_cancelled)
        return rs_error_set(err, RS_ECANCELLED, "cancelled on request");
    if (is_stopping)
        return rs_error_set(err, RS_ECANCELLED, "reseatd is shutting down");
    if (r->suspended_ns && rs_run_seconds_since(r, r->suspended_ns) > r->deadline_s)
        return rs_error_set(err, RS_ETIMEOUT, "the longest blackout allowed, %.3g s, is over", r->deadline_s);
    return RS_OK;
}

/* ---- check ---- */

/* "web-1-temp.raw" and "web-1-temp.m-000001.raw" become "web-1-temp.m-000007.raw": libvirt cannot rename a volume, so
 * it gets its last name at once, which no copy of an earlier move can have. */
static bool dest_volume_name(const char *source, const char *id, char *out, size_t size)
{
    const char *dot = strrchr(source, '.');
    size_t stem = dot && dot != source ? (size_t)(dot - source) : strlen(source);
    const char *suffix = source + stem;
    size_t cut = stem;
    while (cut > 0 && source[cut - 1] >= '0' && source[cut - 1] <= '9')
        cut--;
    if (cut < stem && cut > 3 && strncmp(source + cut - 3, ".m-", 3) == 0)
        stem = cut - 3;
    int len = snprintf(out, size, "%.*s.%s%s", (int)stem, source, id, suffix);
    return len > 0 && (size_t)len < size;
}

static enum rs_status plan_disk(struct run *r, const struct rs_vm_disk *d, struct plan_disk *out, struct rs_error *err)
{
    struct rs_virt_volume vol;
    enum rs_status rc = rs_virt_volume_of_path(r->m->virt, r->source, d->source, &vol, err);
    if (rc < 0)
        return rs_error_prefix(err, rc, "disk %s", d->target);
    *out = (struct plan_disk){ .is_carried = r->row.with_temp || !d->is_temp,
                               .capacity_bytes = vol.capacity_bytes,
                               .size_bytes = vol.physical_bytes,
                               .data_bytes = d->bytes };
    snprintf(out->target, sizeof out->target, "%s", d->target);
    snprintf(out->format, sizeof out->format, "%s", d->format);
    snprintf(out->source_pool, sizeof out->source_pool, "%s", vol.pool);
    snprintf(out->source_volume, sizeof out->source_volume, "%s", vol.name);
    if (!dest_volume_name(vol.name, r->row.id, out->dest_volume, sizeof out->dest_volume))
        return rs_error_set(err, RS_EUNSUPPORTED, "disk %s: volume name %.80s... is too long", d->target, vol.name);
    return RS_OK;
}

/* The destination must not know the VM, except for what an earlier move away from there left. */
static enum rs_status check_dest_is_free(struct run *r, struct rs_error *err)
{
    struct rs_vm_facts f;
    enum rs_status rc = rs_virt_vm_facts(r->m->virt, r->dest, r->row.uuid, &f, err);
    if (rc == RS_EUNKNOWN_VM)
        return RS_OK;
    if (rc < 0)
        return rc;
    if (f.state == RS_VM_OFF && rs_streq(f.fence_role, "moved") && f.fence_token < r->row.token)
        return RS_OK;
    return rs_error_set(err, RS_EEXIST, "%s has a definition of VM %s already: undefine it there first", r->row.dest,
                        r->row.vm);
}

static enum rs_status check(struct run *r, struct rs_error *err)
{
    struct rs_vm_facts f;
    enum rs_status rc = rs_virt_vm_facts(r->m->virt, r->source, r->row.uuid, &f, err);
    if (rc == RS_OK && (!f.is_movable || f.state != RS_VM_RUNNING))
        rc = rs_error_set(err, RS_EBUSY, "VM %s is no longer running and movable: %s", r->row.vm, f.why_not);
    if (rc == RS_OK)
        rc = check_dest_is_free(r, err);
    if (rc == RS_OK)
        rc = rs_virt_domain_xml(r->m->virt, r->source, r->row.uuid, &r->plan.xml, err);
    r->plan.has_autostart = f.has_autostart;
    r->plan.memory_bytes = f.memory_bytes;
    for (size_t i = 0; i < f.n_disks && rc == RS_OK; i++)
        if (!f.disks[i].is_shared)
            rc = plan_disk(r, &f.disks[i], &r->plan.disks[r->plan.n_disks++], err);
    return rc;
}

/* ---- reserve ---- */

static void set_reserved(struct run *r, uint64_t memory, uint64_t disk)
{
    pthread_mutex_lock(&r->m->lock);
    r->reserved_memory = memory;
    r->reserved_disk = disk;
    pthread_mutex_unlock(&r->m->lock);
}

/* Promises first and looks then, so that two moves to one host see each other. */
static enum rs_status check_space(struct run *r, struct rs_error *err)
{
    uint64_t free_bytes = 0, memory = 0, promised = 0;
    set_reserved(r, r->plan.memory_bytes, rs_plan_bytes(&r->plan) + SPACE_MARGIN);
    rs_migrator_reserved(r->m, r->dest, &memory, &promised);
    enum rs_status rc = rs_virt_pool_free(r->m->virt, r->dest, &free_bytes, err);
    if (rc < 0)
        return rc;
    if (free_bytes < promised)
        return rs_error_set(err, RS_ENOSPACE, "the pool of %s has %llu bytes free; this and other moves need %llu",
                            r->row.dest, (unsigned long long)free_bytes, (unsigned long long)promised);
    return RS_OK;
}

/* A carried disk is received as the bytes of its file, so its container is raw whatever is inside. */
static enum rs_status make_volume(struct run *r, struct plan_disk *d, struct rs_error *err)
{
    struct rs_virt_volume vol;
    const char *format = d->is_carried ? "raw" : d->format;
    uint64_t bytes = d->is_carried ? d->size_bytes : d->capacity_bytes;
    enum rs_status rc = rs_virt_volume_create(r->m->virt, r->dest, d->dest_volume, format, bytes, &vol, err);
    if (rc == RS_OK)
        snprintf(d->dest_path, sizeof d->dest_path, "%s", vol.path);
    return rc;
}

static enum rs_status reserve(struct run *r, struct rs_error *err)
{
    enum rs_status rc = check_space(r, err);
    for (size_t i = 0; i < r->plan.n_disks && rc == RS_OK; i++)
        rc = make_volume(r, &r->plan.disks[i], err);
    return rc;
}

/* ---- reboot ---- */

static void set_armed(struct run *r, bool is_armed)
{
    pthread_mutex_lock(&r->m->lock);
    r->is_armed = is_armed;
    if (is_armed)
        r->is_reset = r->is_stopped = r->is_host_lost = false;
    pthread_mutex_unlock(&r->m->lock);
}

enum wait_end { WAIT_RESET, WAIT_OFF, WAIT_LOST, WAIT_ABORT };

static enum wait_end wait_for_reset(struct run *r, struct rs_error *err)
{
    int64_t start_ns = rs_clock_mono_ns(r->m->clock);
    for (;;) {
        pthread_mutex_lock(&r->m->lock);
        if (!r->is_reset && !r->is_stopped && !r->is_host_lost)
            rs_run_wait(r, POLL_MS);
        bool is_reset = r->is_reset, is_stopped = r->is_stopped, is_lost = r->is_host_lost;
        pthread_mutex_unlock(&r->m->lock);
        if (is_reset)
            return WAIT_RESET;
        if (is_stopped)
            return WAIT_OFF;
        if (is_lost)
            return WAIT_LOST;
        if (check_abort(r, err) < 0)
            return WAIT_ABORT;
        if (rs_run_seconds_since(r, start_ns) > r->m->opt.reboot_timeout_s) {
            rs_error_set(err, RS_ETIMEOUT, "the guest did not reset within %.3g s of being asked to reboot",
                         r->m->opt.reboot_timeout_s);
            return WAIT_ABORT;
        }
    }
}

static enum rs_status suspend_at_reset(struct run *r, struct rs_error *err)
{
    r->may_be_suspended = true;
    enum rs_status rc = rs_virt_suspend(r->m->virt, r->source, r->row.uuid, err);
    if (rc < 0)
        return rs_error_prefix(err, rc, "suspend at the reset");
    double latency_s = rs_run_seconds_since(r, r->reset_ns);
    r->suspended_ns = r->reset_ns;
    r->plan.suspended_at = rs_clock_wall_s(r->m->clock);
    rs_log_info("migration_caught", "id=%s vm=%s latency_ms=%.1f", r->row.id, r->row.vm, latency_s * 1e3);
    if (latency_s > CATCH_LIMIT_S)
        return rs_error_set(err, RS_ETIMEOUT, "suspended %.2f s after the reset, too late to trust its disks",
                            latency_s);
    return RS_OK;
}

static enum rs_status reboot(struct run *r, struct rs_error *err)
{
    set_armed(r, true);
    enum rs_status rc = rs_virt_reboot(r->m->virt, r->source, r->row.uuid, err);
    enum wait_end end = rc == RS_OK ? wait_for_reset(r, err) : WAIT_ABORT;
    set_armed(r, false);
    switch (end) {
    case WAIT_RESET:
        return suspend_at_reset(r, err);
    case WAIT_OFF:
        return rs_error_set(err, RS_ECANCELLED, "the guest powered off instead of rebooting, and stays off");
    case WAIT_LOST:
        return rs_error_set(err, RS_EUNREACHABLE, "lost contact with %s while waiting for the reset", r->row.source);
    default:
        return err->status;
    }
}

/* ---- copy and verify ---- */

static enum rs_status watch_copy(struct run *r, rs_copy *c, uint64_t done_before, struct rs_copy_result *out,
                                 struct rs_error *err)
{
    uint64_t done = 0;
    int64_t moved_ns = rs_clock_mono_ns(r->m->clock);
    while (!rs_copy_wait(c, POLL_MS)) {
        enum rs_status rc = check_abort(r, err);
        if (rc < 0)
            return rc;
        uint64_t now = rs_copy_done_bytes(c);
        if (now != done)
            moved_ns = rs_clock_mono_ns(r->m->clock);
        else if (rs_run_seconds_since(r, moved_ns) > r->m->opt.copy_stall_s)
            return rs_error_set(err, RS_ETIMEOUT, "no byte came through for %.3g s", r->m->opt.copy_stall_s);
        done = now;
        pthread_mutex_lock(&r->m->lock);
        r->progress.bytes_done = RS_MIN(done_before + done, r->progress.bytes_total);
        pthread_mutex_unlock(&r->m->lock);
    }
    return rs_copy_result(c, out, err);
}

static enum rs_status copy_disk(struct run *r, struct plan_disk *d, uint64_t done_before, struct rs_copy_result *out,
                                struct rs_error *err)
{
    RS_AUTO(rs_copy) *c = NULL;
    struct rs_copy_volume from = { r->source, d->source_pool, d->source_volume };
    struct rs_copy_volume to = { r->dest, NULL, d->dest_volume };
    enum rs_status rc = rs_copy_start(r->m->virt, &from, &to, d->size_bytes, &c, err);
    if (rc == RS_OK)
        rc = watch_copy(r, c, done_before, out, err);
    if (rc < 0)
        return rs_error_prefix(err, rc, "disk %s", d->target);
    d->size_bytes = out->size_bytes;
    d->data_bytes = out->data_bytes;
    memcpy(d->sum, out->sum, sizeof d->sum);
    return RS_OK;
}

static enum rs_status verify_disk(struct run *r, struct plan_disk *d, uint64_t done_before, struct rs_copy_result *out,
                                  struct rs_error *err)
{
    RS_AUTO(rs_copy) *c = NULL;
    struct rs_copy_volume from = { r->dest, NULL, d->dest_volume };
    enum rs_status rc = rs_copy_start(r->m->virt, &from, NULL, 0, &c, err);
    if (rc == RS_OK)
        rc = watch_copy(r, c, done_before, out, err);
    if (rc == RS_OK && (out->size_bytes != d->size_bytes || !rs_streq(out->sum, d->sum)))
        rc = rs_error_set(err, RS_ECHECKSUM, "read back at %s: %llu bytes, sum %s; sent: %llu bytes, sum %s",
                          r->row.dest, (unsigned long long)out->size_bytes, out->sum, (unsigned long long)d->size_bytes,
                          d->sum);
    return rc < 0 ? rs_error_prefix(err, rc, "disk %s", d->target) : RS_OK;
}

/* The file may have grown up to the suspension, and so must the volume that receives it. */
static enum rs_status make_room(struct run *r, struct plan_disk *d, struct rs_error *err)
{
    struct rs_virt_volume vol = { .physical_bytes = 0 };
    enum rs_status rc = rs_virt_volume_of_name(r->m->virt, r->source, d->source_pool, d->source_volume, &vol, err);
    if (rc < 0 || vol.physical_bytes == d->size_bytes)
        return rc;
    d->size_bytes = vol.physical_bytes;
    return make_volume(r, d, err);
}

static enum rs_status copy(struct run *r, struct rs_error *err)
{
    uint64_t done = 0;
    double seconds = 0;
    enum rs_status rc = RS_OK;
    for (size_t i = 0; i < r->plan.n_disks && rc == RS_OK; i++) {
        struct rs_copy_result result = { .data_bytes = 0 };
        struct plan_disk *d = &r->plan.disks[i];
        if (!d->is_carried)
            continue;
        rc = make_room(r, d, err);
        if (rc == RS_OK)
            rc = copy_disk(r, d, done, &result, err);
        done += result.data_bytes;
        seconds += result.seconds;
    }
    if (rc == RS_OK && done > 0 && seconds > 0 &&
        rs_journal_rate(r->m->journal, r->row.source, r->row.dest, rs_clock_wall_s(r->m->clock), (double)done / seconds,
                        err) < 0)
        rs_log_warn("journal", "id=%s reason=\"%s\"", r->row.id, err->msg);
    return rc;
}

static enum rs_status verify(struct run *r, struct rs_error *err)
{
    uint64_t done = 0;
    enum rs_status rc = RS_OK;
    for (size_t i = 0; i < r->plan.n_disks && rc == RS_OK; i++) {
        struct rs_copy_result result = { .data_bytes = 0 };
        if (r->plan.disks[i].is_carried)
            rc = verify_disk(r, &r->plan.disks[i], done, &result, err);
        done += result.data_bytes;
    }
    return rc;
}

/* ---- commit ---- */

static enum rs_status commit(struct run *r, struct rs_error *err)
{
    enum rs_vm_state state = RS_VM_OTHER;
    enum rs_status rc = check_dest_is_free(r, err);
    if (rc == RS_OK)
        rc = rs_virt_state(r->m->virt, r->source, r->row.uuid, &state, err);
    if (rc == RS_OK && state != RS_VM_PAUSED)
        rc = rs_error_set(err, RS_EBUSY, "somebody resumed or stopped VM %s on %s during the copy", r->row.vm,
                          r->row.source);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&r->m->lock); /* no cancel is accepted from here */
    bool is_cancelled = r->is_cancelled;
    r->is_committed = !is_cancelled;
    pthread_mutex_unlock(&r->m->lock);
    if (is_cancelled)
        return rs_error_set(err, RS_ECANCELLED, "cancelled on request");
    rc = rs_journal_commit(r->m->journal, r->row.id, err);
    r->row.is_committed = rc == RS_OK;
    return rc;
}

/* ---- after the commit ---- */

static int64_t retire_at(struct run *r)
{
    return rs_clock_wall_s(r->m->clock) + (int64_t)r->m->opt.retire_after_s;
}

/* Before the source is stopped, so that no restart of its host can ever find it off and start it again. */
static enum rs_status disarm(struct run *r, struct rs_error *err)
{
    enum rs_status rc = rs_virt_set_autostart(r->m->virt, r->source, r->row.uuid, false, err);
    if (rc == RS_OK)
        rc = rs_virt_set_fence(r->m->virt, r->source, r->row.uuid, "moved", r->row.token, retire_at(r), err);
    return rc == RS_EUNKNOWN_VM ? RS_OK : rc; /* a definition that is gone cannot start */
}

static enum rs_status stop(struct run *r, struct rs_error *err)
{
    enum rs_vm_state state = RS_VM_OTHER;
    enum rs_status rc = rs_virt_state(r->m->virt, r->source, r->row.uuid, &state, err);
    if (rc == RS_EUNKNOWN_VM)
        return RS_OK;
    if (rc == RS_OK && state == RS_VM_RUNNING)
        return rs_error_set(err, RS_EBUSY, "VM %s runs on %s again: somebody resumed it", r->row.vm, r->row.source);
    if (rc == RS_OK)
        rc = rs_virt_destroy(r->m->virt, r->source, r->row.uuid, err);
    if (rc == RS_OK)
        rc = rs_virt_state(r->m->virt, r->source, r->row.uuid, &state, err);
    if (rc == RS_OK && state != RS_VM_OFF)
        return rs_error_set(err, RS_EVIRT, "VM %s does not go off on %s", r->row.vm, r->row.source);
    return rc;
}

/* A destination that is gone is noticed before anything is defined there, while the way back needs no word from it. */
static enum rs_status recheck(struct run *r, struct rs_error *err)
{
    enum rs_vm_state state = RS_VM_OTHER;
    enum rs_status rc = rs_virt_state(r->m->virt, r->dest, r->row.uuid, &state, err);
    return rc == RS_EUNKNOWN_VM ? RS_OK : rc;
}

static enum rs_status define(struct run *r, struct rs_error *err)
{
    rs_autofree char *xml = NULL;
    struct rs_domxml_path paths[RS_DISKS_MAX];
    for (size_t i = 0; i < r->plan.n_disks; i++)
        paths[i] = (struct rs_domxml_path){ r->plan.disks[i].target, r->plan.disks[i].dest_path };
    enum rs_status rc =
        rs_domxml_rewrite(r->plan.xml, strlen(r->plan.xml), paths, r->plan.n_disks, r->row.token, &xml, err);
    return rc < 0 ? rc : rs_virt_define(r->m->virt, r->dest, xml, err);
}

static enum rs_status start(struct run *r, struct rs_error *err)
{
    return rs_virt_start(r->m->virt, r->dest, r->row.uuid, err);
}

void rs_run_book(struct run *r, const char *cause)
{
    struct rs_error err = RS_ERROR_INIT;
    int64_t now = rs_clock_wall_s(r->m->clock);
    double seconds;
    if (r->suspended_ns)
        seconds = rs_run_seconds_since(r, r->suspended_ns);
    else if (r->plan.suspended_at != RS_TIME_NONE)
        seconds = (double)(now - r->plan.suspended_at); /* suspended by an earlier reseatd */
    else
        return;
    if (rs_journal_book(r->m->journal, r->row.uuid, now, seconds, cause, &err) < 0)
        rs_log_warn("journal", "id=%s reason=\"%s\"", r->row.id, err.msg);
    r->suspended_ns = 0;
    r->plan.suspended_at = RS_TIME_NONE;
}

static enum rs_status confirm(struct run *r, struct rs_error *err)
{
    rs_run_book(r, "move");
    int64_t start_ns = rs_clock_mono_ns(r->m->clock);
    enum rs_vm_state state = RS_VM_OTHER;
    do {
        enum rs_status rc = rs_virt_state(r->m->virt, r->dest, r->row.uuid, &state, err);
        if (rc < 0)
            return rc;
        if (state != RS_VM_RUNNING)
            return rs_error_set(err, RS_EVIRT, "VM %s did not stay up on %s", r->row.vm, r->row.dest);
        rs_migrator_pause(r->m, POLL_MS);
    } while (rs_run_seconds_since(r, start_ns) < CONFIRM_S && !rs_migrator_is_stopping(r->m));
    /* It runs; that it would not start with its host is worth a warning, not the move. */
    if (rs_virt_set_autostart(r->m->virt, r->dest, r->row.uuid, r->plan.has_autostart, err) < 0)
        rs_log_warn("autostart", "id=%s vm=%s host=%s reason=\"%s\"", r->row.id, r->row.vm, r->row.dest, err->msg);
    return RS_OK;
}

/* The move is done; a copy that cannot be deleted yet is a chore, not a failure. */
static enum rs_status retire(struct run *r, struct rs_error *err)
{
    int64_t due = retire_at(r);
    if (r->m->opt.retire_after_s > 0 || rs_migrator_retire(r->m, r->source, r->row.uuid, r->row.token, err) < 0)
        rs_migrator_retire_later(r->m, r->source, r->row.uuid, r->row.token, due);
    return RS_OK;
}

static const struct step before_commit[] = {
    { "check", check }, { "reserve", reserve }, { "reboot", reboot },
    { "copy", copy },   { "verify", verify },   { "commit", commit },
};

static const struct step after_commit[] = {
    { "disarm", disarm }, { "stop", stop },   { "recheck", recheck },
    { "define", define }, { "start", start }, { "confirm", confirm },
};

static const struct step last = { "retire", retire };

/* ---- running them ---- */

bool rs_run_hits_fault(const char *step, const char *when, struct rs_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "migrate.%s.%s", step, when);
    if (!rs_fault_hit(name))
        return false;
    rs_error_set(err, RS_EINTERNAL, "fault %s", name);
    return true;
}

enum rs_status rs_run_write_intent(struct run *r, const char *step, struct rs_error *err)
{
    rs_autofree char *plan = rs_plan_encode(&r->plan);
    if (!plan)
        return rs_error_set(err, RS_ENOMEM, "plan of migration %s", r->row.id);
    return rs_journal_step(r->m->journal, r->row.id, step, plan, err);
}

static void write_done(struct run *r, const char *step, int64_t start_ns)
{
    struct rs_error err = RS_ERROR_INIT;
    json_t *detail = NULL;
    if (rs_streq(step, "copy") || rs_streq(step, "verify"))
        detail = json_pack("{s:I}", "bytes", (json_int_t)rs_plan_bytes(&r->plan));
    if (rs_journal_step_done(r->m->journal, r->row.id, step, rs_run_seconds_since(r, start_ns), detail, &err) < 0)
        rs_log_warn("journal", "id=%s reason=\"%s\"", r->row.id, err.msg);
    json_decref(detail);
}

/* Intent, effect, record. After the commit a journal that cannot take an intent does not stop the move: what has to be
 * done follows from the commit and from the hypervisors. */
static enum rs_status run_step(struct run *r, const struct step *s, struct rs_error *err)
{
    int64_t start_ns = rs_clock_mono_ns(r->m->clock);
    bool has_bytes = rs_streq(s->name, "copy") || rs_streq(s->name, "verify");
    r->plan.may_be_defined |= rs_streq(s->name, "define");
    r->plan.may_be_started |= rs_streq(s->name, "start");
    rs_run_set_step(r, s->name, has_bytes ? rs_plan_bytes(&r->plan) : 0);
    enum rs_status rc = rs_run_write_intent(r, s->name, err);
    if (rc < 0 && r->row.is_committed)
        rs_log_warn("journal", "id=%s step=%s reason=\"%s\"", r->row.id, s->name, err->msg);
    else if (rc < 0)
        return rc;
    if (rs_run_hits_fault(s->name, "before", err))
        return err->status;
    rc = s->run(r, err);
    if (rc == RS_OK && rs_run_hits_fault(s->name, "after", err))
        return err->status;
    if (rc == RS_OK)
        write_done(r, s->name, start_ns);
    return rc;
}

bool rs_run_forward(struct run *r)
{
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status rc = RS_OK;
    for (size_t i = 0; i < RS_LEN(before_commit) && rc == RS_OK; i++) {
        rc = check_abort(r, &err);
        if (rc == RS_OK)
            rc = run_step(r, &before_commit[i], &err);
    }
    if (rc < 0 && !r->row.is_committed)
        return rs_run_undo(r, err.msg);
    return rs_run_finish_committed(r);
}

/* Repeats a step while a host does not answer, up to the time after which a person must look. */
static enum rs_status run_patiently(struct run *r, const struct step *s, struct rs_error *err)
{
    int64_t start_ns = rs_clock_mono_ns(r->m->clock);
    for (;;) {
        enum rs_status rc = run_step(r, s, err);
        if (rc != RS_EUNREACHABLE || rs_run_seconds_since(r, start_ns) > r->m->opt.hold_after_s)
            return rc;
        if (rs_migrator_is_stopping(r->m))
            return RS_ECANCELLED;
        rs_migrator_pause(r->m, RS_RETRY_MS);
    }
}

bool rs_run_finish_committed(struct run *r)
{
    struct rs_error err = RS_ERROR_INIT;
    for (size_t i = 0; i < RS_LEN(after_commit); i++) {
        enum rs_status rc = run_patiently(r, &after_commit[i], &err);
        if (rc == RS_ECANCELLED)
            return false;
        if (rc < 0)
            return rs_run_go_back(r, err.msg);
    }
    return rs_run_end_moved(r);
}

bool rs_run_end_moved(struct run *r)
{
    struct rs_error err = RS_ERROR_INIT;
    rs_run_book(r, "move");
    run_step(r, &last, &err); /* fails only by an injected fault; the next start finds the copy by its fence */
    rs_run_end(r, RS_MIGRATION_MOVED, "");
    return true;
}

/* ---- undo, before the commit ---- */

static enum rs_status resume_source(struct run *r, struct rs_error *err)
{
    enum rs_vm_state state = RS_VM_OTHER;
    if (!r->may_be_suspended)
        return RS_OK;
    enum rs_status rc = rs_virt_state(r->m->virt, r->source, r->row.uuid, &state, err);
    if (rc == RS_EUNKNOWN_VM || (rc == RS_OK && state != RS_VM_PAUSED))
        return RS_OK;
    if (rc == RS_OK)
        rc = rs_virt_resume(r->m->virt, r->source, r->row.uuid, err);
    if (rc == RS_OK)
        rs_run_book(r, "aborted move");
    return rc;
}

void rs_run_drop_volumes(struct run *r)
{
    for (size_t i = 0; i < r->plan.n_disks; i++) {
        const char *name = r->plan.disks[i].dest_volume;
        struct rs_error err = RS_ERROR_INIT;
        if (!name[0] || rs_virt_volume_delete(r->m->virt, r->dest, NULL, name, &err) == RS_OK)
            continue;
        rs_log_warn("volume_left", "id=%s host=%s volume=%s reason=\"%s\"", r->row.id, r->row.dest, name, err.msg);
        rs_migrator_delete_later(r->m, r->dest, name);
    }
}

/* A VM that was suspended by us is resumed however long its host takes to answer. */
bool rs_run_undo(struct run *r, const char *why)
{
    struct rs_error err = RS_ERROR_INIT;
    set_armed(r, false);
    while (resume_source(r, &err) < 0) {
        rs_log_warn("resume_failed", "id=%s vm=%s host=%s reason=\"%s\"", r->row.id, r->row.vm, r->row.source, err.msg);
        if (rs_migrator_is_stopping(r->m))
            return false;
        rs_migrator_pause(r->m, RS_RETRY_MS);
    }
    rs_run_drop_volumes(r);
    rs_run_end(r, RS_MIGRATION_STAYED, why);
    return true;
}
