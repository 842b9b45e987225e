/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a move leaves at its source, and when it goes: the old definition stays, off and fenced as `moved`, with its
 * disks, until the time that its fence names. The fence is the only record, so a new reseatd finds the copies by asking
 * the hosts. The janitor thread also deletes volumes that could not be deleted when their move failed. */
#include "migrate_private.h"

#include <time.h>

#include "common/log.h"

#define CHORE_RETRY_S 60
#define JANITOR_PAUSE_MS 5000

static bool is_owned_elsewhere(rs_migrator *m, size_t host, const char *uuid, uint64_t token)
{
    for (size_t i = 0; i < m->n_hosts; i++) {
        struct rs_vm_facts f;
        if (i != host && rs_virt_vm_facts(m->virt, i, uuid, &f, NULL) == RS_OK && rs_streq(f.fence_role, "owner") &&
            f.fence_token >= token)
            return true;
    }
    return false;
}

static enum rs_status delete_disks(rs_migrator *m, size_t host, const struct rs_vm_facts *f, struct rs_error *err)
{
    for (size_t i = 0; i < f->n_disks; i++) {
        struct rs_virt_volume vol;
        if (f->disks[i].is_shared)
            continue;
        enum rs_status rc = rs_virt_volume_of_path(m->virt, host, f->disks[i].source, &vol, err);
        if (rc == RS_OK && !vol.is_shared)
            rc = rs_virt_volume_delete(m->virt, host, vol.pool, vol.name, err);
        if (rc < 0 && rc != RS_ENOTFOUND)
            return rc;
    }
    return RS_OK;
}

enum rs_status rs_migrator_retire(rs_migrator *m, size_t host, const char *uuid, uint64_t token, struct rs_error *err)
{
    struct rs_vm_facts f;
    enum rs_status rc = rs_virt_vm_facts(m->virt, host, uuid, &f, err);
    if (rc == RS_EUNKNOWN_VM)
        return RS_OK;
    if (rc < 0)
        return rc;
    if (!rs_streq(f.fence_role, "moved") || f.fence_token != token)
        return RS_OK; /* a later move brought the VM back: nothing here is a leftover any more */
    if (f.state != RS_VM_OFF)
        return rs_error_set(err, RS_EBUSY, "what was left of VM %s on %s is not off", f.name, m->names[host]);
    if (!is_owned_elsewhere(m, host, uuid, token))
        return rs_error_set(err, RS_EBUSY, "no other host is seen to own VM %s: its copy on %s stays", f.name,
                            m->names[host]);
    rc = delete_disks(m, host, &f, err);
    if (rc == RS_OK)
        rc = rs_virt_undefine(m->virt, host, uuid, err);
    if (rc == RS_OK)
        rs_log_info("retired", "vm=%s host=%s token=%llu", f.name, m->names[host], (unsigned long long)token);
    return rc;
}

/* ---- chores ---- */

static bool is_same(const struct chore *a, const struct chore *b)
{
    return a->host == b->host && a->token == b->token && rs_streq(a->uuid, b->uuid) && rs_streq(a->volume, b->volume);
}

static void add_chore(rs_migrator *m, const struct chore *proto)
{
    struct chore *c = rs_alloc(1, sizeof *c);
    if (!c)
        return; /* the next start finds retired copies again; a volume stays to be seen in its pool */
    *c = *proto;
    pthread_mutex_lock(&m->lock);
    for (struct chore *old = m->chores; old; old = old->next) {
        if (is_same(old, c)) {
            free(c);
            c = NULL;
            break;
        }
    }
    if (c) {
        c->next = m->chores;
        m->chores = c;
        pthread_cond_broadcast(&m->chores_changed);
    }
    pthread_mutex_unlock(&m->lock);
}

void rs_migrator_retire_later(rs_migrator *m, size_t host, const char *uuid, uint64_t token, int64_t due)
{
    struct chore c = { .host = host, .token = token, .due = due };
    snprintf(c.uuid, sizeof c.uuid, "%s", uuid);
    add_chore(m, &c);
}

void rs_migrator_delete_later(rs_migrator *m, size_t host, const char *volume)
{
    struct chore c = { .host = host, .due = rs_clock_wall_s(m->clock) + CHORE_RETRY_S };
    snprintf(c.volume, sizeof c.volume, "%s", volume);
    add_chore(m, &c);
}

static bool take_scan(rs_migrator *m, size_t host)
{
    pthread_mutex_lock(&m->lock);
    bool is_wanted = m->needs_scan[host];
    m->needs_scan[host] = false;
    pthread_mutex_unlock(&m->lock);
    return is_wanted;
}

/* A host that does not answer is scanned when it is back. */
static void scan(rs_migrator *m, size_t host)
{
    rs_autofree struct rs_vm_facts *list = NULL;
    size_t n = 0;
    if (rs_virt_list(m->virt, host, &list, &n, NULL) < 0)
        return;
    for (size_t i = 0; i < n; i++)
        if (rs_streq(list[i].fence_role, "moved") && list[i].fence_retire_at != RS_TIME_NONE)
            rs_migrator_retire_later(m, host, list[i].uuid, list[i].fence_token, list[i].fence_retire_at);
}

static struct chore *take_due(rs_migrator *m)
{
    int64_t now = rs_clock_wall_s(m->clock);
    struct chore *found = NULL;
    pthread_mutex_lock(&m->lock);
    for (struct chore **p = &m->chores; *p && !found && !m->is_stopping; p = &(*p)->next) {
        if ((*p)->due <= now) {
            found = *p;
            *p = found->next;
            break;
        }
    }
    pthread_mutex_unlock(&m->lock);
    return found;
}

static void do_chore(rs_migrator *m, struct chore *c)
{
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status rc = c->uuid[0] ? rs_migrator_retire(m, c->host, c->uuid, c->token, &err)
                                   : rs_virt_volume_delete(m->virt, c->host, NULL, c->volume, &err);
    if (rc == RS_OK)
        return;
    rs_log_debug("chore_failed", "host=%s reason=\"%s\"", m->names[c->host], err.msg);
    c->due = rs_clock_wall_s(m->clock) + CHORE_RETRY_S;
    add_chore(m, c);
}

/* Until the next chore is due, but no longer than a few seconds, as the wall clock may be set. */
static void wait_for_chores(rs_migrator *m)
{
    struct timespec until;
    int64_t now = rs_clock_wall_s(m->clock);
    pthread_mutex_lock(&m->lock);
    int64_t wait_ms = JANITOR_PAUSE_MS;
    bool has_scan = false;
    for (struct chore *c = m->chores; c; c = c->next)
        wait_ms = RS_MIN(wait_ms, RS_MAX(c->due - now, 0) * 1000);
    for (size_t i = 0; i < m->n_hosts; i++)
        has_scan |= m->needs_scan[i];
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    if (!m->is_stopping && !has_scan && wait_ms > 0)
        pthread_cond_timedwait(&m->chores_changed, &m->lock, &until);
    pthread_mutex_unlock(&m->lock);
}

void *rs_migrator_janitor(void *arg)
{
    rs_migrator *m = arg;
    while (!rs_migrator_is_stopping(m)) {
        for (size_t i = 0; i < m->n_hosts; i++)
            if (take_scan(m, i))
                scan(m, i);
        for (struct chore *c; (c = take_due(m));) {
            do_chore(m, c);
            free(c);
        }
        wait_for_chores(m);
    }
    return NULL;
}
