/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections to the hypervisors: the event loop's thread, one keeper thread per host that opens its connection and,
 * when it is lost, opens it again with growing pauses, the events on their way up, and libvirt's errors as ours.
 * Domains are in virt_domain.c, volumes in virt_volume.c. */
#include "virt_private.h"

#include <time.h>

#include "common/log.h"
#include "executor/domxml.h"

#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3 /* a host silent for 15 to 20 s counts as lost */
#define RETRY_FIRST_MS 200
#define RETRY_LAST_MS 15000
#define FIRST_CONTACT_S 5 /* rs_virt_new() waits no longer for hosts that do not answer */

/* ---- errors ---- */

static bool says_full(const virError *e)
{
    return (e->code == VIR_ERR_SYSTEM_ERROR && e->int1 == ENOSPC) ||
           (e->message && strstr(e->message, "No space left on device"));
}

static bool says_gone(const virError *e)
{
    if (e->code == VIR_ERR_NO_CONNECT || e->code == VIR_ERR_RPC)
        return true;
    /* The client side reports a dead peer as an internal or system error of the RPC layer. */
    return e->domain == VIR_FROM_RPC &&
           (e->code == VIR_ERR_INTERNAL_ERROR || e->code == VIR_ERR_SYSTEM_ERROR || e->code == VIR_ERR_GNUTLS_ERROR);
}

static enum rs_status status_of(const virError *e)
{
    if (says_full(e))
        return RS_ENOSPACE;
    if (says_gone(e))
        return RS_EUNREACHABLE;
    switch (e->code) {
    case VIR_ERR_NO_DOMAIN:
        return RS_EUNKNOWN_VM;
    case VIR_ERR_NO_STORAGE_VOL:
    case VIR_ERR_NO_STORAGE_POOL:
    case VIR_ERR_NO_NETWORK:
        return RS_ENOTFOUND;
    case VIR_ERR_STORAGE_VOL_EXIST:
    case VIR_ERR_DOM_EXIST:
        return RS_EEXIST;
    case VIR_ERR_OPERATION_TIMEOUT:
        return RS_ETIMEOUT;
    case VIR_ERR_RESOURCE_BUSY:
        return RS_EBUSY;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_ACCESS_DENIED:
        return RS_EDENIED;
    case VIR_ERR_NO_MEMORY:
        return RS_ENOMEM;
    default:
        return RS_EVIRT;
    }
}

enum rs_status rs_virt_error(struct rs_error *err, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    virErrorPtr e = virGetLastError();
    if (!e || e->code == VIR_ERR_OK)
        return rs_error_set(err, RS_EVIRT, "%s: libvirt gave no reason", what);
    return rs_error_set(err, status_of(e), "%s: %s", what, e->message ? e->message : "libvirt gave no reason");
}

int virt_last_code(void)
{
    virErrorPtr e = virGetLastError();
    return e ? e->code : VIR_ERR_OK;
}

static void print_nothing(void *arg, virErrorPtr e)
{
    (void)arg;
    (void)e; /* libvirt would print each error on stderr; ours travel in struct rs_error */
}

/* ---- the event loop ---- */

static pthread_once_t libvirt_once = PTHREAD_ONCE_INIT;
static bool libvirt_is_ready;

static void prepare_libvirt(void)
{
    rs_domxml_prepare();
    libvirt_is_ready = virInitialize() == 0 && virEventRegisterDefaultImpl() == 0;
    virSetErrorFunc(NULL, print_nothing);
}

static void *run_loop(void *arg)
{
    rs_virt *v = arg;
    while (!__atomic_load_n(&v->is_stopping, __ATOMIC_ACQUIRE))
        if (virEventRunDefaultImpl() < 0)
            rs_log_error("event_loop", "reason=\"%s\"", virGetLastErrorMessage());
    return NULL;
}

static void wake(int timer, void *arg)
{
    (void)arg;
    virEventUpdateTimeout(timer, -1);
}

/* ---- events ---- */

static void send_event(struct virt_host *h, virDomainPtr dom, enum rs_virt_event event)
{
    char uuid[RS_UUID_LEN] = "";
    if (dom && virDomainGetUUIDString(dom, uuid) < 0)
        return;
    pthread_mutex_lock(&h->virt->fn_lock);
    if (h->virt->fn)
        h->virt->fn(h->virt->arg, h->index, uuid, event);
    pthread_mutex_unlock(&h->virt->fn_lock);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *arg)
{
    (void)conn;
    (void)detail;
    switch (event) {
    case VIR_DOMAIN_EVENT_STOPPED:
        send_event(arg, dom, RS_VIRT_STOPPED);
        break;
    case VIR_DOMAIN_EVENT_STARTED:
        send_event(arg, dom, RS_VIRT_STARTED);
        break;
    case VIR_DOMAIN_EVENT_SUSPENDED:
        send_event(arg, dom, RS_VIRT_SUSPENDED);
        break;
    case VIR_DOMAIN_EVENT_RESUMED:
        send_event(arg, dom, RS_VIRT_RESUMED);
        break;
    default:
        break;
    }
    return 0;
}

static void on_reboot(virConnectPtr conn, virDomainPtr dom, void *arg)
{
    (void)conn;
    send_event(arg, dom, RS_VIRT_REBOOT);
}

static void on_close(virConnectPtr conn, int reason, void *arg)
{
    struct virt_host *h = arg;
    (void)conn;
    if (reason == VIR_CONNECT_CLOSE_REASON_CLIENT)
        return;
    pthread_mutex_lock(&h->lock);
    h->is_lost = true;
    snprintf(h->why, sizeof h->why, "connection lost (%s)",
             reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE ? "no answer to keepalive" : "closed by the host");
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

/* ---- connections ---- */

enum rs_status virt_open(rs_virt *v, size_t host, virConnectPtr *out, struct rs_error *err)
{
    struct virt_host *h = &v->hosts[host];
    auto_conn conn = virConnectOpenAuth(h->uri, virConnectAuthPtrDefault, 0);
    if (!conn) {
        enum rs_status rc = rs_virt_error(err, "host %s (%s)", h->name, h->uri);
        return rc == RS_EDENIED ? rc : rs_error_prefix(err, RS_EUNREACHABLE, "cannot connect");
    }
    /* The test driver has no keepalive and needs none. */
    if (virConnectSetKeepAlive(conn, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT) < 0 &&
        virt_last_code() != VIR_ERR_NO_SUPPORT)
        return rs_virt_error(err, "host %s: keepalive", h->name);
    *out = rs_take(conn);
    return RS_OK;
}

/* The callbacks hold references, so a connection is closed only after unwatch(). */
static void unwatch(struct virt_host *h, virConnectPtr conn)
{
    if (h->reboot_id >= 0)
        virConnectDomainEventDeregisterAny(conn, h->reboot_id);
    if (h->lifecycle_id >= 0)
        virConnectDomainEventDeregisterAny(conn, h->lifecycle_id);
    h->reboot_id = h->lifecycle_id = -1;
    virConnectUnregisterCloseCallback(conn, on_close);
}

static enum rs_status watch(struct virt_host *h, virConnectPtr conn, struct rs_error *err)
{
    if (virConnectRegisterCloseCallback(conn, on_close, h, NULL) < 0)
        return rs_virt_error(err, "host %s: close callback", h->name);
    h->reboot_id = virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_REBOOT,
                                                    VIR_DOMAIN_EVENT_CALLBACK(on_reboot), h, NULL);
    if (h->reboot_id >= 0)
        h->lifecycle_id = virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                           VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), h, NULL);
    if (h->reboot_id < 0 || h->lifecycle_id < 0) {
        enum rs_status rc = rs_virt_error(err, "host %s: domain events", h->name);
        unwatch(h, conn);
        return rc;
    }
    return RS_OK;
}

static void connect_host(struct virt_host *h)
{
    struct rs_error err = RS_ERROR_INIT;
    auto_conn conn = NULL;
    enum rs_status rc = virt_open(h->virt, h->index, &conn, &err);
    pthread_mutex_lock(&h->lock);
    h->is_lost = false; /* before watch(), whose callback may already say otherwise */
    pthread_mutex_unlock(&h->lock);
    if (rc == RS_OK)
        rc = watch(h, conn, &err);
    pthread_mutex_lock(&h->lock);
    h->is_tried = true;
    if (rc == RS_OK) {
        h->conn = rs_take(conn);
        h->why[0] = '\0';
    } else {
        snprintf(h->why, sizeof h->why, "%.*s", (int)sizeof h->why - 1, err.msg);
    }
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    if (rc == RS_OK) {
        rs_log_info("host_connected", "host=%s", h->name);
        send_event(h, NULL, RS_VIRT_HOST_BACK);
    } else {
        rs_log_debug("host_unreachable", "host=%s reason=\"%s\"", h->name, err.msg);
    }
}

static void drop_connection(struct virt_host *h)
{
    pthread_mutex_lock(&h->lock);
    auto_conn conn = rs_take(h->conn);
    pthread_mutex_unlock(&h->lock);
    if (conn)
        unwatch(h, conn);
}

static void wait_ms(struct virt_host *h, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (!h->is_stopping && pthread_cond_timedwait(&h->changed, &h->lock, &until) != ETIMEDOUT)
        ;
}

static void *keep(void *arg)
{
    struct virt_host *h = arg;
    int pause_ms = RETRY_FIRST_MS;
    pthread_mutex_lock(&h->lock);
    while (!h->is_stopping) {
        if (h->conn && !h->is_lost) {
            pause_ms = RETRY_FIRST_MS;
            pthread_cond_wait(&h->changed, &h->lock);
            continue;
        }
        bool was_connected = h->conn != NULL;
        pthread_mutex_unlock(&h->lock);
        if (was_connected) {
            rs_log_warn("host_lost", "host=%s reason=\"%s\"", h->name, h->why);
            drop_connection(h);
            send_event(h, NULL, RS_VIRT_HOST_LOST);
        }
        connect_host(h);
        pthread_mutex_lock(&h->lock);
        if (!h->conn) {
            wait_ms(h, pause_ms);
            pause_ms = RS_MIN(2 * pause_ms, RETRY_LAST_MS);
        }
    }
    pthread_mutex_unlock(&h->lock);
    drop_connection(h);
    return NULL;
}

enum rs_status virt_conn(rs_virt *v, size_t host, virConnectPtr *out, struct rs_error *err)
{
    if (host >= v->n_hosts)
        return rs_error_set(err, RS_EUNKNOWN_HOST, "host %zu of %zu", host, v->n_hosts);
    struct virt_host *h = &v->hosts[host];
    enum rs_status rc = RS_OK;
    pthread_mutex_lock(&h->lock);
    if (h->conn && !h->is_lost && virConnectRef(h->conn) == 0)
        *out = h->conn;
    else
        rc = rs_error_set(err, RS_EUNREACHABLE, "host %s does not answer: %s", h->name,
                          h->why[0] ? h->why : "not connected yet");
    pthread_mutex_unlock(&h->lock);
    return rc;
}

/* ---- life ---- */

static enum rs_status start_host(rs_virt *v, size_t i, const struct rs_virt_host *src, struct rs_error *err)
{
    struct virt_host *h = &v->hosts[i];
    *h = (struct virt_host){ .virt = v, .index = i, .reboot_id = -1, .lifecycle_id = -1 };
    h->name = strdup(src->name);
    h->uri = strdup(src->uri);
    h->pool = strdup(src->pool);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->changed, &attr);
    pthread_condattr_destroy(&attr);
    v->n_hosts = i + 1;
    if (!h->name || !h->uri || !h->pool)
        return rs_error_set(err, RS_ENOMEM, "host %s", src->name);
    return RS_OK;
}

static enum rs_status start_threads(rs_virt *v, struct rs_error *err)
{
    v->wake_timer = virEventAddTimeout(-1, wake, NULL, NULL);
    if (v->wake_timer < 0)
        return rs_virt_error(err, "event loop");
    if (pthread_create(&v->loop, NULL, run_loop, v) != 0)
        return rs_error_set(err, RS_ENOMEM, "event loop: no thread");
    v->has_loop = true;
    for (; v->n_keepers < v->n_hosts; v->n_keepers++)
        if (pthread_create(&v->hosts[v->n_keepers].keeper, NULL, keep, &v->hosts[v->n_keepers]) != 0)
            return rs_error_set(err, RS_ENOMEM, "host %s: no thread", v->hosts[v->n_keepers].name);
    return RS_OK;
}

static void await_first_contact(rs_virt *v)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += FIRST_CONTACT_S;
    for (size_t i = 0; i < v->n_hosts; i++) {
        struct virt_host *h = &v->hosts[i];
        pthread_mutex_lock(&h->lock);
        while (!h->is_tried && pthread_cond_timedwait(&h->changed, &h->lock, &until) != ETIMEDOUT)
            ;
        pthread_mutex_unlock(&h->lock);
    }
}

enum rs_status rs_virt_new(const struct rs_virt_host *hosts, size_t n, rs_virt_event_fn fn, void *arg, rs_virt **out,
                           struct rs_error *err)
{
    pthread_once(&libvirt_once, prepare_libvirt);
    if (!libvirt_is_ready)
        return rs_error_set(err, RS_EVIRT, "libvirt does not initialise: %s", virGetLastErrorMessage());
    RS_AUTO(rs_virt) *v = rs_alloc(1, sizeof *v);
    if (!v)
        return rs_error_set(err, RS_ENOMEM, "hypervisor connections");
    pthread_mutex_init(&v->fn_lock, NULL);
    v->fn = fn;
    v->arg = arg;
    v->wake_timer = -1;
    v->hosts = rs_alloc(n, sizeof *v->hosts);
    if (!v->hosts)
        return rs_error_set(err, RS_ENOMEM, "%zu hypervisor connections", n);
    enum rs_status rc = RS_OK;
    for (size_t i = 0; i < n && rc == RS_OK; i++)
        rc = start_host(v, i, &hosts[i], err);
    if (rc == RS_OK)
        rc = start_threads(v, err);
    if (rc < 0)
        return rc;
    await_first_contact(v);
    *out = rs_take(v);
    return RS_OK;
}

void rs_virt_mute(rs_virt *v)
{
    pthread_mutex_lock(&v->fn_lock);
    v->fn = NULL;
    pthread_mutex_unlock(&v->fn_lock);
}

static void stop_loop(rs_virt *v)
{
    __atomic_store_n(&v->is_stopping, true, __ATOMIC_RELEASE);
    if (v->wake_timer >= 0)
        virEventUpdateTimeout(v->wake_timer, 0);
    if (v->has_loop)
        pthread_join(v->loop, NULL);
    if (v->wake_timer >= 0)
        virEventRemoveTimeout(v->wake_timer);
}

void rs_virt_free(rs_virt *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->n_keepers; i++) {
        struct virt_host *h = &v->hosts[i];
        pthread_mutex_lock(&h->lock);
        h->is_stopping = true;
        pthread_cond_broadcast(&h->changed);
        pthread_mutex_unlock(&h->lock);
        pthread_join(h->keeper, NULL);
    }
    stop_loop(v);
    for (size_t i = 0; i < v->n_hosts; i++) {
        struct virt_host *h = &v->hosts[i];
        pthread_mutex_destroy(&h->lock);
        pthread_cond_destroy(&h->changed);
        free(h->name);
        free(h->uri);
        free(h->pool);
    }
    pthread_mutex_destroy(&v->fn_lock);
    free(v->hosts);
    free(v);
}
