/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Domains: what they are (facts), where they are (find, list), whether another host could run them (fit), and the few
 * things that Reseat does to them. Each action first looks at the state, so that it may be asked twice. */
#include "virt_private.h"

#include "executor/domxml.h"

#define XML_CARRIED (VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE)

enum rs_status virt_domain(rs_virt *v, size_t host, const char *uuid, virConnectPtr *conn, virDomainPtr *out,
                           struct rs_error *err)
{
    enum rs_status rc = virt_conn(v, host, conn, err);
    if (rc < 0)
        return rc;
    *out = virDomainLookupByUUIDString(*conn, uuid);
    if (*out)
        return RS_OK;
    if (virt_last_code() == VIR_ERR_NO_DOMAIN)
        return rs_error_set(err, RS_EUNKNOWN_VM, "host %s has no VM %s", v->hosts[host].name, uuid);
    return rs_virt_error(err, "look up VM %s on %s", uuid, v->hosts[host].name);
}

/* ---- state and actions ---- */

static enum rs_status state_of(virDomainPtr dom, enum rs_vm_state *out, struct rs_error *err)
{
    int state = 0;
    if (virDomainGetState(dom, &state, NULL, 0) < 0)
        return rs_virt_error(err, "state of VM %s", virDomainGetName(dom));
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
        *out = RS_VM_RUNNING;
        break;
    case VIR_DOMAIN_PAUSED:
        *out = RS_VM_PAUSED;
        break;
    case VIR_DOMAIN_SHUTOFF:
        *out = RS_VM_OFF;
        break;
    default:
        *out = RS_VM_OTHER;
        break;
    }
    return RS_OK;
}

static const char *const state_names[] = { "off", "running", "paused", "in transition" };

/* Looks up the domain and its state, runs action unless the state is already the wanted one. */
static enum rs_status act(rs_virt *v, size_t host, const char *uuid, enum rs_vm_state needed, enum rs_vm_state wanted,
                          int (*action)(virDomainPtr dom), const char *verb, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_dom dom = NULL;
    enum rs_vm_state state = RS_VM_OTHER;
    enum rs_status rc = virt_domain(v, host, uuid, &conn, &dom, err);
    if (rc == RS_OK)
        rc = state_of(dom, &state, err);
    if (rc < 0 || state == wanted)
        return rc;
    if (state != needed)
        return rs_error_set(err, RS_EBUSY, "cannot %s VM %s on %s: it is %s", verb, virDomainGetName(dom),
                            v->hosts[host].name, state_names[state]);
    if (action(dom) < 0)
        return rs_virt_error(err, "%s VM %s on %s", verb, virDomainGetName(dom), v->hosts[host].name);
    return RS_OK;
}

enum rs_status rs_virt_state(rs_virt *v, size_t host, const char *uuid, enum rs_vm_state *out, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_dom dom = NULL;
    enum rs_status rc = virt_domain(v, host, uuid, &conn, &dom, err);
    return rc < 0 ? rc : state_of(dom, out, err);
}

enum rs_status rs_virt_suspend(rs_virt *v, size_t host, const char *uuid, struct rs_error *err)
{
    return act(v, host, uuid, RS_VM_RUNNING, RS_VM_PAUSED, virDomainSuspend, "suspend", err);
}

enum rs_status rs_virt_resume(rs_virt *v, size_t host, const char *uuid, struct rs_error *err)
{
    return act(v, host, uuid, RS_VM_PAUSED, RS_VM_RUNNING, virDomainResume, "resume", err);
}

enum rs_status rs_virt_start(rs_virt *v, size_t host, const char *uuid, struct rs_error *err)
{
    return act(v, host, uuid, RS_VM_OFF, RS_VM_RUNNING, virDomainCreate, "start", err);
}

enum rs_status rs_virt_reboot(rs_virt *v, size_t host, const char *uuid, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_dom dom = NULL;
    enum rs_vm_state state = RS_VM_OTHER;
    enum rs_status rc = virt_domain(v, host, uuid, &conn, &dom, err);
    if (rc == RS_OK)
        rc = state_of(dom, &state, err);
    if (rc < 0)
        return rc;
    if (state != RS_VM_RUNNING)
        return rs_error_set(err, RS_EBUSY, "cannot reboot VM %s on %s: it is %s", virDomainGetName(dom),
                            v->hosts[host].name, state_names[state]);
    /* The agent's way blocks until the guest answers, so the power button comes first. */
    if (virDomainReboot(dom, VIR_DOMAIN_REBOOT_ACPI_POWER_BTN) == 0 ||
        virDomainReboot(dom, VIR_DOMAIN_REBOOT_GUEST_AGENT) == 0)
        return RS_OK;
    return rs_virt_error(err, "reboot VM %s on %s", virDomainGetName(dom), v->hosts[host].name);
}

enum rs_status rs_virt_destroy(rs_virt *v, size_t host, const char *uuid, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_dom dom = NULL;
    enum rs_vm_state state = RS_VM_OTHER;
    enum rs_status rc = virt_domain(v, host, uuid, &conn, &dom, err);
    if (rc == RS_OK)
        rc = state_of(dom, &state, err);
    if (rc < 0 || state == RS_VM_OFF)
        return rc;
    if (virDomainDestroyFlags(dom, VIR_DOMAIN_DESTROY_GRACEFUL) == 0 || virDomainDestroy(dom) == 0)
        return RS_OK;
    return rs_virt_error(err, "stop VM %s on %s", virDomainGetName(dom), v->hosts[host].name);
}

enum rs_status rs_virt_undefine(rs_virt *v, size_t host, const char *uuid, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_dom dom = NULL;
    enum rs_status rc = virt_domain(v, host, uuid, &conn, &dom, err);
    if (rc == RS_EUNKNOWN_VM)
        return RS_OK;
    if (rc < 0)
        return rc;
    /* The files of a definition are kept where the driver knows how to; older ones refuse flags they do not know. */
    static const unsigned flags[] = {
        VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_TPM | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
        VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
        0,
    };
    for (size_t i = 0; i < RS_LEN(flags); i++) {
        if (virDomainUndefineFlags(dom, flags[i]) == 0)
            return RS_OK;
        if (virt_last_code() != VIR_ERR_INVALID_ARG)
            break;
    }
    return rs_virt_error(err, "undefine VM %s on %s", virDomainGetName(dom), v->hosts[host].name);
}

enum rs_status rs_virt_define(rs_virt *v, size_t host, const char *xml, struct rs_error *err)
{
    auto_conn conn = NULL;
    enum rs_status rc = virt_conn(v, host, &conn, err);
    if (rc < 0)
        return rc;
    auto_dom dom = virDomainDefineXMLFlags(conn, xml, 0);
    return dom ? RS_OK : rs_virt_error(err, "define the VM on %s", v->hosts[host].name);
}

enum rs_status rs_virt_set_autostart(rs_virt *v, size_t host, const char *uuid, bool on, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_dom dom = NULL;
    enum rs_status rc = virt_domain(v, host, uuid, &conn, &dom, err);
    if (rc < 0)
        return rc;
    if (virDomainSetAutostart(dom, on) == 0)
        return RS_OK;
    return rs_virt_error(err, "autostart of VM %s on %s", virDomainGetName(dom), v->hosts[host].name);
}

enum rs_status rs_virt_set_fence(rs_virt *v, size_t host, const char *uuid, const char *role, uint64_t token,
                                 int64_t retire_at, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_dom dom = NULL;
    enum rs_status rc = virt_domain(v, host, uuid, &conn, &dom, err);
    if (rc < 0)
        return rc;
    char fence[RS_FENCE_MAX];
    rs_domxml_fence(role, token, retire_at, fence);
    if (virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, fence, "reseat-fence", RS_FENCE_URI,
                             VIR_DOMAIN_AFFECT_CONFIG) == 0)
        return RS_OK;
    return rs_virt_error(err, "fence of VM %s on %s", virDomainGetName(dom), v->hosts[host].name);
}

enum rs_status rs_virt_domain_xml(rs_virt *v, size_t host, const char *uuid, char **out, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_dom dom = NULL;
    enum rs_status rc = virt_domain(v, host, uuid, &conn, &dom, err);
    if (rc < 0)
        return rc;
    *out = virDomainGetXMLDesc(dom, XML_CARRIED);
    return *out ? RS_OK : rs_virt_error(err, "definition of VM %s on %s", uuid, v->hosts[host].name);
}

/* ---- facts ---- */

static void forbid(struct rs_vm_facts *f, const char *why, const char *detail)
{
    if (!f->is_movable)
        return;
    f->is_movable = false;
    snprintf(f->why_not, sizeof f->why_not, "%.120s%.120s", why, detail);
}

/* A move goes by the stored definition: what was only plugged into the running VM would be left behind. */
static void compare_with_live(virDomainPtr dom, struct rs_vm_facts *f)
{
    rs_autofree char *xml = virDomainGetXMLDesc(dom, 0);
    struct rs_vm_facts live = { .state = f->state };
    if (!xml || rs_domxml_facts(xml, strlen(xml), &live, NULL) < 0) {
        forbid(f, "its live definition cannot be read", "");
        return;
    }
    if (!live.is_movable)
        forbid(f, live.why_not, "");
    if (live.n_disks != f->n_disks)
        forbid(f, "a disk was plugged or unplugged without changing its stored definition", "");
    for (size_t i = 0; i < f->n_disks && f->is_movable; i++)
        if (!rs_streq(live.disks[i].source, f->disks[i].source) || !rs_streq(live.disks[i].target, f->disks[i].target))
            forbid(f, "its stored definition has another file or place for disk ", live.disks[i].target);
}

static void check_domain(virDomainPtr dom, struct rs_vm_facts *f)
{
    int on = 0;
    f->is_persistent = virDomainIsPersistent(dom) == 1;
    f->has_autostart = virDomainGetAutostart(dom, &on) == 0 && on;
    if (!f->is_persistent)
        forbid(f, "it is transient: it has no stored definition to come back to", "");
    if (virDomainHasManagedSaveImage(dom, 0) == 1)
        forbid(f, "it has a managed save image: start or discard it first", "");
    if (virDomainSnapshotNum(dom, 0) > 0)
        forbid(f, "it has snapshots, which would not go along", "");
    if (f->state == RS_VM_RUNNING || f->state == RS_VM_PAUSED)
        compare_with_live(dom, f);
}

static void measure_disks(rs_virt *v, size_t host, struct rs_vm_facts *f)
{
    for (size_t i = 0; i < f->n_disks; i++) {
        struct rs_vm_disk *d = &f->disks[i];
        if (d->is_shared)
            continue;
        struct rs_virt_volume vol;
        struct rs_error err = RS_ERROR_INIT;
        if (rs_virt_volume_of_path(v, host, d->source, &vol, &err) < 0) {
            forbid(f, "", err.msg);
            continue;
        }
        d->is_shared = vol.is_shared;
        d->bytes = vol.is_shared ? 0 : RS_MIN(vol.allocated_bytes, vol.physical_bytes);
        if (vol.has_backing && !vol.is_shared)
            forbid(f, "it needs a backing file for disk ", d->target);
    }
}

static enum rs_status read_facts(rs_virt *v, size_t host, virDomainPtr dom, struct rs_vm_facts *out,
                                 struct rs_error *err)
{
    rs_autofree char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE);
    if (!xml)
        return rs_virt_error(err, "definition of a VM on %s", v->hosts[host].name);
    struct rs_vm_facts f = { .state = RS_VM_OTHER };
    enum rs_status rc = state_of(dom, &f.state, err);
    if (rc == RS_OK)
        rc = rs_domxml_facts(xml, strlen(xml), &f, err);
    if (rc < 0)
        return rs_error_prefix(err, rc, "host %s", v->hosts[host].name);
    check_domain(dom, &f);
    measure_disks(v, host, &f);
    *out = f;
    return RS_OK;
}

enum rs_status rs_virt_vm_facts(rs_virt *v, size_t host, const char *uuid, struct rs_vm_facts *out,
                                struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_dom dom = NULL;
    enum rs_status rc = virt_domain(v, host, uuid, &conn, &dom, err);
    return rc < 0 ? rc : read_facts(v, host, dom, out, err);
}

enum rs_status rs_virt_list(rs_virt *v, size_t host, struct rs_vm_facts **out, size_t *out_n, struct rs_error *err)
{
    auto_conn conn = NULL;
    enum rs_status rc = virt_conn(v, host, &conn, err);
    if (rc < 0)
        return rc;
    virDomainPtr *doms = NULL;
    int n = virConnectListAllDomains(conn, &doms, 0);
    if (n < 0)
        return rs_virt_error(err, "list VMs of %s", v->hosts[host].name);
    rs_autofree struct rs_vm_facts *list = rs_alloc((size_t)n, sizeof *list);
    size_t n_read = 0;
    for (int i = 0; i < n; i++) {
        /* One that went away since the listing is simply not listed. */
        if (list && read_facts(v, host, doms[i], &list[n_read], NULL) == RS_OK)
            n_read++;
        virDomainFree(doms[i]);
    }
    free(doms);
    if (!list)
        return rs_error_set(err, RS_ENOMEM, "list VMs of %s", v->hosts[host].name);
    *out = rs_take(list);
    *out_n = n_read;
    return RS_OK;
}

/* ---- find ---- */

struct candidate {
    size_t host;
    char uuid[RS_UUID_LEN];
    uint64_t token;
    bool is_moved; /* what a move left behind: off, fenced */
};

static virDomainPtr look_up(virConnectPtr conn, const char *name_or_uuid)
{
    unsigned char raw[VIR_UUID_BUFLEN];
    virDomainPtr dom = NULL;
    if (strlen(name_or_uuid) == RS_UUID_LEN - 1)
        dom = virDomainLookupByUUIDString(conn, name_or_uuid);
    if (!dom)
        dom = virDomainLookupByName(conn, name_or_uuid);
    if (dom && virDomainGetUUID(dom, raw) < 0) {
        virDomainFree(dom);
        dom = NULL;
    }
    return dom;
}

/* True where the host has it; *out_rc is negative where the host could not be asked. */
static bool look_on(rs_virt *v, size_t host, const char *name_or_uuid, struct candidate *out, enum rs_status *out_rc,
                    struct rs_error *err)
{
    auto_conn conn = NULL;
    *out_rc = virt_conn(v, host, &conn, err);
    if (*out_rc < 0)
        return false;
    auto_dom dom = look_up(conn, name_or_uuid);
    if (!dom) {
        if (virt_last_code() != VIR_ERR_NO_DOMAIN)
            *out_rc = rs_virt_error(err, "look up VM %s on %s", name_or_uuid, v->hosts[host].name);
        return false;
    }
    rs_autofree char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE);
    struct rs_vm_facts f = { .state = RS_VM_OTHER };
    if (!xml || state_of(dom, &f.state, err) < 0 || rs_domxml_facts(xml, strlen(xml), &f, err) < 0) {
        *out_rc = RS_EUNREACHABLE;
        return false;
    }
    *out = (struct candidate){ .host = host, .token = f.fence_token };
    memcpy(out->uuid, f.uuid, sizeof out->uuid);
    out->is_moved = rs_streq(f.fence_role, "moved") && f.state == RS_VM_OFF;
    return true;
}

enum rs_status rs_virt_find(rs_virt *v, const char *name_or_uuid, size_t *out_host, struct rs_vm_facts *out,
                            struct rs_error *err)
{
    struct candidate best = { .is_moved = true }, c = { 0 };
    bool has_best = false;
    enum rs_status unreachable = RS_OK, rc = RS_OK;
    for (size_t i = 0; i < v->n_hosts; i++) {
        struct rs_error why = RS_ERROR_INIT;
        if (!look_on(v, i, name_or_uuid, &c, &rc, &why)) {
            if (rc < 0)
                unreachable = rs_error_set(err, rc, "VM %s was not found, and not every host could be asked: %.700s",
                                           name_or_uuid, why.msg);
            continue;
        }
        if (has_best && !best.is_moved && !c.is_moved)
            return rs_error_set(err, RS_EAMBIGUOUS, "VM %s is on both %s and %s: %s", name_or_uuid,
                                v->hosts[best.host].name, v->hosts[i].name,
                                rs_streq(best.uuid, c.uuid) ? "undefine the wrong one" : "name it by its UUID");
        if (!has_best || (best.is_moved && (!c.is_moved || c.token > best.token)))
            best = c;
        has_best = true;
    }
    /* Only leftovers of moves: whoever has the VM now may be among those that do not answer. */
    if ((!has_best || best.is_moved) && unreachable < 0)
        return unreachable;
    if (!has_best)
        return rs_error_set(err, RS_EUNKNOWN_VM, "no host has a VM %s", name_or_uuid);
    rc = rs_virt_vm_facts(v, best.host, best.uuid, out, err);
    if (rc == RS_OK)
        *out_host = best.host;
    return rc;
}

/* ---- hosts ---- */

/* Free memory with the caches that the kernel would give up, which virNodeGetFreeMemory() leaves out. */
static uint64_t memory_free(virConnectPtr conn)
{
    int n = 0;
    if (virNodeGetMemoryStats(conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, NULL, &n, 0) < 0 || n <= 0 || n > 64)
        return virNodeGetFreeMemory(conn);
    virNodeMemoryStats stats[64];
    if (virNodeGetMemoryStats(conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, stats, &n, 0) < 0)
        return virNodeGetFreeMemory(conn);
    uint64_t kib = 0;
    for (int i = 0; i < n; i++)
        if (rs_streq(stats[i].field, VIR_NODE_MEMORY_STATS_FREE) ||
            rs_streq(stats[i].field, VIR_NODE_MEMORY_STATS_BUFFERS) ||
            rs_streq(stats[i].field, VIR_NODE_MEMORY_STATS_CACHED))
            kib += stats[i].value;
    return kib * 1024;
}

static enum rs_status ask_host(rs_virt *v, size_t host, struct rs_host_facts *out, struct rs_error *err)
{
    auto_conn conn = NULL;
    virNodeInfo node;
    enum rs_status rc = virt_conn(v, host, &conn, err);
    if (rc < 0)
        return rc;
    int n = virConnectNumOfDomains(conn);
    if (n < 0 || virNodeGetInfo(conn, &node) < 0)
        return rs_virt_error(err, "host %s", v->hosts[host].name);
    out->n_vms = (uint32_t)n;
    out->cpus = node.cpus;
    out->memory_free = memory_free(conn);
    return rs_virt_pool_free(v, host, &out->pool_free, err);
}

enum rs_status rs_virt_host_facts(rs_virt *v, size_t host, struct rs_host_facts *out, struct rs_error *err)
{
    struct rs_error why = RS_ERROR_INIT;
    *out = (struct rs_host_facts){ .is_reachable = true };
    enum rs_status rc = ask_host(v, host, out, &why);
    if (rc == RS_OK)
        return RS_OK;
    if (rc == RS_EUNKNOWN_HOST)
        return rs_error_set(err, rc, "%s", why.msg);
    *out = (struct rs_host_facts){ .is_reachable = false };
    snprintf(out->why, sizeof out->why, "%.*s", (int)sizeof out->why - 1, why.msg);
    return RS_OK;
}

/* ---- fit ---- */

static void add_why(struct rs_virt_fit *fit, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add_why(struct rs_virt_fit *fit, const char *fmt, ...)
{
    size_t used = strlen(fit->why);
    if (used && used + 3 < sizeof fit->why)
        used += (size_t)snprintf(fit->why + used, sizeof fit->why - used, "; ");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(fit->why + used, sizeof fit->why - used, fmt, ap);
    va_end(ap);
}

/* A VM that is started afresh takes whatever CPU its host has where its definition says so; a named model must be
 * there with all its features. */
static bool has_cpu(virConnectPtr conn, const struct rs_vm_facts *f, const struct rs_domxml_needs *needs,
                    const char *caps, struct rs_virt_fit *fit)
{
    const char *emulator = needs->emulator[0] ? needs->emulator : NULL;
    if (!needs->cpu_xml)
        return true;
    if (needs->cpu_mode[0] && !rs_streq(needs->cpu_mode, "custom")) {
        bool is_supported = false;
        if (caps && rs_domxml_has_cpu_mode(caps, strlen(caps), needs->cpu_mode, &is_supported, NULL) == RS_OK &&
            is_supported)
            return true;
        add_why(fit, "CPU mode %s is not supported", needs->cpu_mode);
        return false;
    }
    int rc = virConnectCompareHypervisorCPU(conn, emulator, f->arch, f->machine, f->virt_type, needs->cpu_xml,
                                            VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE);
    if (rc == VIR_CPU_COMPARE_IDENTICAL || rc == VIR_CPU_COMPARE_SUPERSET)
        return true;
    add_why(fit, "CPU: %.160s", rc < 0 ? virGetLastErrorMessage() : "incompatible");
    return false;
}

static bool has_bridge(virConnectPtr conn, const char *name)
{
    virNodeDevicePtr *devices = NULL;
    char prefix[80];
    bool found = false;
    int n = virConnectListAllNodeDevices(conn, &devices, VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET);
    snprintf(prefix, sizeof prefix, "net_%s_", name); /* then its MAC address */
    for (int i = 0; i < n; i++) {
        found |= strncmp(virNodeDeviceGetName(devices[i]), prefix, strlen(prefix)) == 0;
        virNodeDeviceFree(devices[i]);
    }
    free(devices);
    return found;
}

static bool has_network(virConnectPtr conn, const char *name)
{
    virNetworkPtr net = virNetworkLookupByName(conn, name);
    bool found = net && virNetworkIsActive(net) == 1;
    if (net)
        virNetworkFree(net);
    return found;
}

static bool has_nets(virConnectPtr conn, const struct rs_domxml_needs *needs, struct rs_virt_fit *fit)
{
    for (size_t i = 0; i < needs->n_nets; i++) {
        const char *name = needs->nets[i].name;
        if (needs->nets[i].is_bridge ? has_bridge(conn, name) : has_network(conn, name))
            continue;
        add_why(fit, "%s %s is missing or inactive", needs->nets[i].is_bridge ? "bridge" : "network", name);
        return false;
    }
    return true;
}

static void compare(virConnectPtr conn, const struct rs_vm_facts *f, const struct rs_domxml_needs *needs,
                    struct rs_virt_fit *fit)
{
    rs_autofree char *caps = virConnectGetDomainCapabilities(conn, needs->emulator[0] ? needs->emulator : NULL, f->arch,
                                                             f->machine, f->virt_type, 0);
    fit->has_machine = caps != NULL;
    if (!caps)
        add_why(fit, "machine %s (%s): %.120s", f->machine, f->virt_type, virGetLastErrorMessage());
    fit->has_cpu = has_cpu(conn, f, needs, caps, fit);
    fit->has_devices = f->is_movable && has_nets(conn, needs, fit);
    if (!f->is_movable)
        add_why(fit, "%s", f->why_not);
}

enum rs_status rs_virt_check_fit(rs_virt *v, size_t source, const char *uuid, size_t dest, struct rs_virt_fit *out,
                                 struct rs_error *err)
{
    auto_conn conn = NULL;
    rs_autofree char *xml = NULL;
    struct rs_vm_facts f = { .state = RS_VM_OTHER };
    struct rs_domxml_needs needs = { .n_nets = 0 };
    enum rs_status rc = rs_virt_domain_xml(v, source, uuid, &xml, err);
    if (rc == RS_OK)
        rc = rs_domxml_facts(xml, strlen(xml), &f, err);
    if (rc == RS_OK)
        rc = rs_domxml_needs(xml, strlen(xml), &needs, err);
    if (rc == RS_OK)
        rc = virt_conn(v, dest, &conn, err);
    if (rc == RS_OK) {
        *out = (struct rs_virt_fit){ .has_cpu = false };
        compare(conn, &f, &needs, out);
    }
    free(needs.cpu_xml);
    return rc;
}
