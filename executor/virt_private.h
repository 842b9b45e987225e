/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What virt.c, virt_domain.c and virt_volume.c share: connections, libvirt handles released by scope, error
 * translation. Included by no other file, so that libvirt stays behind one door. */
#ifndef RS_EXECUTOR_VIRT_PRIVATE_H
#define RS_EXECUTOR_VIRT_PRIVATE_H

#include "executor/virt.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>

struct virt_host {
    rs_virt *virt;
    size_t index;
    char *name, *uri, *pool;
    pthread_t keeper; /* the thread that opens the connection and opens it again */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    virConnectPtr conn;          /* NULL while the host does not answer */
    int reboot_id, lifecycle_id; /* of its event callbacks; -1 for none */
    bool is_tried;               /* the first attempt is over */
    bool is_lost;                /* libvirt says that the connection has ended */
    bool is_stopping;
    char why[256]; /* the last failure */
};

struct rs_virt {
    struct virt_host *hosts;
    size_t n_hosts, n_keepers;
    pthread_mutex_t fn_lock; /* held while fn runs */
    rs_virt_event_fn fn;     /* NULL once muted */
    void *arg;
    pthread_t loop;
    bool has_loop;
    int wake_timer;
    bool is_stopping; /* atomic */
};

static inline void virt_release_conn(virConnectPtr *p)
{
    if (*p)
        virConnectClose(*p);
}
static inline void virt_release_dom(virDomainPtr *p)
{
    if (*p)
        virDomainFree(*p);
}
static inline void virt_release_pool(virStoragePoolPtr *p)
{
    if (*p)
        virStoragePoolFree(*p);
}
static inline void virt_release_vol(virStorageVolPtr *p)
{
    if (*p)
        virStorageVolFree(*p);
}
#define auto_conn __attribute__((cleanup(virt_release_conn))) virConnectPtr
#define auto_dom __attribute__((cleanup(virt_release_dom))) virDomainPtr
#define auto_pool __attribute__((cleanup(virt_release_pool))) virStoragePoolPtr
#define auto_vol __attribute__((cleanup(virt_release_vol))) virStorageVolPtr

/* A reference to the host's connection (close it), or RS_EUNREACHABLE with the reason. */
enum rs_status virt_conn(rs_virt *v, size_t host, virConnectPtr *out, struct rs_error *err);
/* A new connection to the host, with keepalive. */
enum rs_status virt_open(rs_virt *v, size_t host, virConnectPtr *out, struct rs_error *err);
/* The host's definition of that UUID and the connection it lives on. */
enum rs_status virt_domain(rs_virt *v, size_t host, const char *uuid, virConnectPtr *conn, virDomainPtr *out,
                           struct rs_error *err);

/* Turns libvirt's last error of this thread into ours: "what: libvirt's message", with the status that fits. */
enum rs_status rs_virt_error(struct rs_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* libvirt's code of that error (VIR_ERR_OK where there is none). */
int virt_last_code(void);

#endif
