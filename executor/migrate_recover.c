/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is done about a migration that did not go straight through: the way back to the source after the commit, and the
 * rows that an earlier reseatd left unfinished. Both go by what the hypervisors say now, and nothing is started on one
 * host while the VM's state on the other is unknown. */
#include "migrate_private.h"

#include "common/log.h"

/* RS_CONTINUE where the VM runs at the destination and the source is off: then it has moved, whatever failed. */
static enum rs_status judge_running_dest(struct run *r, struct rs_error *err)
{
    enum rs_vm_state state = RS_VM_OFF;
    enum rs_status rc = rs_virt_state(r->m->virt, r->source, r->row.uuid, &state, err);
    if (rc == RS_EUNKNOWN_VM || (rc == RS_OK && state == RS_VM_OFF))
        return RS_CONTINUE;
    if (rc < 0)
        return rc;
    return rs_error_set(err, RS_EBUSY, "VM %s is not off on %s and runs on %s", r->row.vm, r->row.source, r->row.dest);
}

/* The destination must be seen off, by its own answer, unless nothing was ever defined there. */
static enum rs_status clear_dest(struct run *r, struct rs_error *err)
{
    struct rs_vm_facts f;
    if (!r->plan.may_be_defined)
        return RS_OK;
    enum rs_status rc = rs_virt_vm_facts(r->m->virt, r->dest, r->row.uuid, &f, err);
    if (rc == RS_EUNKNOWN_VM)
        return RS_OK;
    if (rc < 0)
        return rc;
    if (f.fence_token != r->row.token)
        return RS_OK; /* what an earlier move away from there left: off, fenced, not ours */
    if (f.state == RS_VM_RUNNING)
        return judge_running_dest(r, err);
    /* What an earlier reseatd may have started has had time to write what only this disk has. */
    if (r->may_have_run)
        return rs_error_set(err, RS_EBUSY, "VM %s may have run on %s", r->row.vm, r->row.dest);
    rc = rs_virt_destroy(r->m->virt, r->dest, r->row.uuid, err);
    return rc < 0 ? rc : rs_virt_undefine(r->m->virt, r->dest, r->row.uuid, err);
}

static enum rs_status rearm_source(struct run *r, struct rs_error *err)
{
    enum rs_vm_state state = RS_VM_OTHER;
    enum rs_status rc = rs_virt_set_fence(r->m->virt, r->source, r->row.uuid, "owner", r->row.token, RS_TIME_NONE, err);
    if (rc == RS_OK)
        rc = rs_virt_set_autostart(r->m->virt, r->source, r->row.uuid, r->plan.has_autostart, err);
    if (rc == RS_OK)
        rc = rs_virt_state(r->m->virt, r->source, r->row.uuid, &state, err);
    if (rc == RS_OK && state == RS_VM_PAUSED)
        rc = rs_virt_resume(r->m->virt, r->source, r->row.uuid, err);
    else if (rc == RS_OK)
        rc = rs_virt_start(r->m->virt, r->source, r->row.uuid, err);
    return rc;
}

static enum rs_status back(struct run *r, struct rs_error *err)
{
    if (rs_run_hits_fault("back", "before", err))
        return err->status;
    enum rs_status rc = clear_dest(r, err);
    if (rc == RS_OK)
        rc = rearm_source(r, err);
    if (rc == RS_OK && rs_run_hits_fault("back", "after", err))
        return err->status;
    return rc;
}

static void hold(struct run *r, const char *why, const char *obstacle)
{
    char text[900];
    bool is_same = rs_streq(why, obstacle);
    snprintf(text, sizeof text,
             "%.180s%s%.180s. See on which of %s and %s the VM runs, start it on one of them "
             "only, and undefine it on the other",
             why, is_same ? "" : "; and it cannot go back: ", is_same ? "" : obstacle, r->row.source, r->row.dest);
    rs_run_end(r, RS_MIGRATION_HELD, text);
}

bool rs_run_go_back(struct run *r, const char *why)
{
    struct rs_error err = RS_ERROR_INIT;
    int64_t start_ns = rs_clock_mono_ns(r->m->clock);
    char reason[sizeof r->row.why];
    snprintf(reason, sizeof reason, "%.*s", (int)sizeof reason - 1, why);
    rs_run_set_step(r, "back", 0);
    /* Without this record a later start would go forward again, find the same obstacle, and come here. */
    if (rs_run_write_intent(r, "back", &err) < 0)
        rs_log_warn("journal", "id=%s step=back reason=\"%s\"", r->row.id, err.msg);
    for (;;) {
        enum rs_status rc = back(r, &err);
        if (rc == RS_OK)
            break;
        if (rc == RS_CONTINUE)
            return rs_run_end_moved(r);
        rs_log_warn("back_failed", "id=%s vm=%s reason=\"%s\"", r->row.id, r->row.vm, err.msg);
        if (rc != RS_EUNREACHABLE || rs_run_seconds_since(r, start_ns) > r->m->opt.hold_after_s) {
            hold(r, reason, err.msg);
            return true;
        }
        if (rs_migrator_is_stopping(r->m))
            return false;
        rs_migrator_pause(r->m, RS_RETRY_MS);
    }
    rs_run_book(r, "aborted move");
    rs_run_drop_volumes(r);
    rs_run_end(r, RS_MIGRATION_STAYED, reason);
    return true;
}

bool rs_run_recovered(struct run *r)
{
    char why[128];
    if (r->row.is_committed && rs_streq(r->row.step, "back")) {
        r->may_have_run = false; /* who decided to go back had just seen it fail to start */
        return rs_run_go_back(r, "going back was under way when reseatd ended");
    }
    if (r->row.is_committed)
        return rs_run_finish_committed(r);
    snprintf(why, sizeof why, "reseatd ended during %s, before the commit", r->row.step[0] ? r->row.step : "the start");
    return rs_run_undo(r, why);
}
