/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The only door to libvirt: hosts, domains, volumes, events. docs/hypervisor.md has the facts it rests on.
 *
 * An rs_virt owns the event loop thread and one connection per host, reopened with backoff when it is lost. Functions
 * block (libvirt calls do) and may be called from any thread but an event callback. libvirt's event loop is one per
 * process, and so is an rs_virt at a time. A libvirt error becomes RS_EVIRT (or
 * RS_EUNREACHABLE, RS_EUNKNOWN_VM, RS_ENOSPACE where that is what it means) with libvirt's own message. */
#ifndef RS_EXECUTOR_VIRT_H
#define RS_EXECUTOR_VIRT_H

#include "common/base.h"
#include "common/clock.h"
#include "common/error.h"

#define RS_UUID_LEN 37 /* with the NUL */
#define RS_VM_NAME_MAX 256
#define RS_DISKS_MAX 16

typedef struct rs_virt rs_virt;

enum rs_vm_state { RS_VM_OFF, RS_VM_RUNNING, RS_VM_PAUSED, RS_VM_OTHER };

struct rs_vm_disk {
    char target[32];   /* "vdb" */
    char source[1024]; /* path on its host */
    char format[16];   /* "raw", "qcow2" */
    bool is_temp;      /* marked as the VM's temp disk */
    bool is_shared;    /* on shared storage, or read-only, or removable: left where it is */
    uint64_t bytes;    /* to copy: physical size for what is allocated */
};

struct rs_vm_facts {
    char name[RS_VM_NAME_MAX];
    char uuid[RS_UUID_LEN];
    char class_name[64]; /* "" where the domain's metadata names none */
    enum rs_vm_state state;
    bool is_persistent, has_autostart;
    bool is_movable;
    char why_not[256]; /* "" where movable: host device, snapshot, managed save, ... */
    char machine[64], arch[16], virt_type[16];
    uint32_t vcpus;
    uint64_t memory_bytes;
    struct rs_vm_disk disks[RS_DISKS_MAX];
    size_t n_disks;
    char fence_role[16]; /* Reseat's own metadata: "", "owner", "moved" */
    uint64_t fence_token;
    int64_t fence_retire_at; /* when a moved definition and its disks may go; RS_TIME_NONE where it does not say */
};

struct rs_host_facts {
    bool is_reachable;
    char why[256];
    uint32_t n_vms, cpus;
    uint64_t memory_free, pool_free;
};

enum rs_virt_event {
    RS_VIRT_REBOOT,
    RS_VIRT_STOPPED,
    RS_VIRT_STARTED,
    RS_VIRT_SUSPENDED,
    RS_VIRT_RESUMED,
    RS_VIRT_HOST_LOST,
    RS_VIRT_HOST_BACK
};
/* Runs on the event thread: be short, call nothing here. uuid is "" for host events. */
typedef void (*rs_virt_event_fn)(void *arg, size_t host, const char *uuid, enum rs_virt_event event);

struct rs_virt_host {
    const char *name, *uri, *pool; /* pool: storage pool of the VMs' local disks; all borrowed for the rs_virt's life */
};

/* Connects to what answers; a host that does not is retried in the background and is RS_EUNREACHABLE meanwhile. */
enum rs_status rs_virt_new(const struct rs_virt_host *hosts, size_t n, rs_virt_event_fn fn, void *arg, rs_virt **out,
                           struct rs_error *err);
void rs_virt_free(rs_virt *v);
/* No callback runs after this returns: call it before what the callback uses goes away. */
void rs_virt_mute(rs_virt *v);
RS_DEFINE_AUTO(rs_virt, rs_virt_free)

enum rs_status rs_virt_host_facts(rs_virt *v, size_t host, struct rs_host_facts *out, struct rs_error *err);

/* Finds a VM by name or UUID on all hosts. RS_EUNKNOWN_VM; RS_EAMBIGUOUS where two hosts have one of that name (a
 * definition marked as moved away does not count); RS_EUNREACHABLE where it was not found and a host does not answer.
 */
enum rs_status rs_virt_find(rs_virt *v, const char *name_or_uuid, size_t *out_host, struct rs_vm_facts *out,
                            struct rs_error *err);
enum rs_status rs_virt_vm_facts(rs_virt *v, size_t host, const char *uuid, struct rs_vm_facts *out,
                                struct rs_error *err);
/* All VMs of a host; *out is the caller's to free. */
enum rs_status rs_virt_list(rs_virt *v, size_t host, struct rs_vm_facts **out, size_t *out_n, struct rs_error *err);

/* Whether dest could run the VM as it is on source: CPU, machine type, devices, networks. Each false bit has a word in
 * why. Memory and disk space are the caller's arithmetic. */
struct rs_virt_fit {
    bool has_cpu, has_machine, has_devices;
    char why[256];
};
enum rs_status rs_virt_check_fit(rs_virt *v, size_t source, const char *uuid, size_t dest, struct rs_virt_fit *out,
                                 struct rs_error *err);

/* Asks the guest to reboot (by ACPI, by its agent where ACPI is refused) and returns at once. */
enum rs_status rs_virt_reboot(rs_virt *v, size_t host, const char *uuid, struct rs_error *err);

/* What follows is the migrator's. Each of these says RS_OK where the thing is already as asked, so that a step may run
 * twice; RS_EUNKNOWN_VM where the host has no such definition. */
enum rs_status rs_virt_state(rs_virt *v, size_t host, const char *uuid, enum rs_vm_state *out, struct rs_error *err);
enum rs_status rs_virt_suspend(rs_virt *v, size_t host, const char *uuid, struct rs_error *err);
enum rs_status rs_virt_resume(rs_virt *v, size_t host, const char *uuid, struct rs_error *err);
enum rs_status rs_virt_start(rs_virt *v, size_t host, const char *uuid, struct rs_error *err);
/* Ends QEMU by SIGTERM, so that it flushes; by SIGKILL where it does not go. */
enum rs_status rs_virt_destroy(rs_virt *v, size_t host, const char *uuid, struct rs_error *err);
/* RS_OK also where there is no such definition. NVRAM and TPM state stay on disk. */
enum rs_status rs_virt_undefine(rs_virt *v, size_t host, const char *uuid, struct rs_error *err);
enum rs_status rs_virt_define(rs_virt *v, size_t host, const char *xml, struct rs_error *err);
enum rs_status rs_virt_set_autostart(rs_virt *v, size_t host, const char *uuid, bool on, struct rs_error *err);
/* Writes the fence into the stored definition. retire_at RS_TIME_NONE leaves it out. */
enum rs_status rs_virt_set_fence(rs_virt *v, size_t host, const char *uuid, const char *role, uint64_t token,
                                 int64_t retire_at, struct rs_error *err);
/* The stored definition with its secrets, as another host can define it; *out is the caller's. */
enum rs_status rs_virt_domain_xml(rs_virt *v, size_t host, const char *uuid, char **out, struct rs_error *err);

struct rs_virt_volume {
    char pool[128], name[256], path[1024], format[16];
    uint64_t capacity_bytes;  /* what the guest sees */
    uint64_t physical_bytes;  /* length of the file */
    uint64_t allocated_bytes; /* of it, not holes */
    bool is_shared;           /* its pool is network storage */
    bool has_backing;         /* needs another file below it */
};

/* Refreshes the host's pool and says how much is free in it. */
enum rs_status rs_virt_pool_free(rs_virt *v, size_t host, uint64_t *out_bytes, struct rs_error *err);
/* The volume whose file is path, in any pool of the host. RS_ENOTFOUND where no pool has it. */
enum rs_status rs_virt_volume_of_path(rs_virt *v, size_t host, const char *path, struct rs_virt_volume *out,
                                      struct rs_error *err);
enum rs_status rs_virt_volume_of_name(rs_virt *v, size_t host, const char *pool, const char *name,
                                      struct rs_virt_volume *out, struct rs_error *err);
/* In the host's own pool: an empty sparse volume. One of that name from an earlier attempt is replaced. */
enum rs_status rs_virt_volume_create(rs_virt *v, size_t host, const char *name, const char *format,
                                     uint64_t capacity_bytes, struct rs_virt_volume *out, struct rs_error *err);
/* RS_OK also where there is none. pool NULL: the host's own. */
enum rs_status rs_virt_volume_delete(rs_virt *v, size_t host, const char *pool, const char *name, struct rs_error *err);

/* A volume's bytes as a sparse stream, on a connection of its own, so that nobody else waits behind it. One thread. */
typedef struct rs_virt_stream rs_virt_stream;
enum rs_status rs_virt_volume_read(rs_virt *v, size_t host, const char *pool, const char *name, rs_virt_stream **out,
                                   struct rs_error *err);
enum rs_status rs_virt_volume_write(rs_virt *v, size_t host, const char *pool, const char *name, uint64_t size,
                                    rs_virt_stream **out, struct rs_error *err);
/* Up to size bytes, or a hole: one of *out_len and *out_hole is above 0, both are 0 at the end. */
enum rs_status rs_virt_stream_recv(rs_virt_stream *s, void *buf, size_t size, size_t *out_len, uint64_t *out_hole,
                                   struct rs_error *err);
enum rs_status rs_virt_stream_send(rs_virt_stream *s, const void *buf, size_t len, struct rs_error *err);
enum rs_status rs_virt_stream_send_hole(rs_virt_stream *s, uint64_t len, struct rs_error *err);
/* Ends well and says whether the other side agrees. */
enum rs_status rs_virt_stream_finish(rs_virt_stream *s, struct rs_error *err);
/* Aborts what is not finished. */
void rs_virt_stream_free(rs_virt_stream *s);
RS_DEFINE_AUTO(rs_virt_stream, rs_virt_stream_free)

#endif
