/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Domain XML by libxml2: walks over the elements that matter here, no XPath, no schema. What a move cannot carry is
 * found by a table of obstacles, so that a definition with anything unforeseen that lives on its host is refused rather
 * than moved without it. */
#include "domxml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <pthread.h>

#define XML_BYTES_MAX ((size_t)4 << 20)
#define VM_URI "urn:reseat:vm:1"

/* ---- reading ---- */

static void release_doc(xmlDocPtr *doc)
{
    if (*doc)
        xmlFreeDoc(*doc);
}
#define auto_doc __attribute__((cleanup(release_doc))) xmlDocPtr

static void release_xml(xmlChar **s)
{
    if (*s)
        xmlFree(*s);
}
#define auto_xml __attribute__((cleanup(release_xml))) xmlChar

static pthread_once_t parser_once = PTHREAD_ONCE_INIT;

void rs_domxml_prepare(void)
{
    pthread_once(&parser_once, xmlInitParser);
}

static xmlNodePtr parse(const char *xml, size_t len, const char *root_name, xmlDocPtr *out, struct rs_error *err)
{
    rs_domxml_prepare();
    if (len > XML_BYTES_MAX) {
        rs_error_set(err, RS_EFORMAT, "%s XML: %zu bytes are more than the %zu allowed", root_name, len, XML_BYTES_MAX);
        return NULL;
    }
    xmlParserCtxtPtr ctxt = xmlNewParserCtxt();
    if (!ctxt) {
        rs_error_set(err, RS_ENOMEM, "%s XML: parser", root_name);
        return NULL;
    }
    auto_doc doc = xmlCtxtReadMemory(ctxt, xml, (int)len, NULL, NULL,
                                     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
    if (!doc)
        rs_error_set(err, RS_EFORMAT, "%s XML: line %d: %s", root_name, ctxt->lastError.line,
                     ctxt->lastError.message ? ctxt->lastError.message : "not well-formed");
    xmlFreeParserCtxt(ctxt);
    if (!doc)
        return NULL;
    xmlNodePtr root = xmlDocGetRootElement(doc);
    if (!root || !rs_streq((const char *)root->name, root_name)) {
        rs_error_set(err, RS_EFORMAT, "%s XML: the root element is <%.40s>", root_name,
                     root ? (const char *)root->name : "none");
        return NULL;
    }
    *out = rs_take(doc);
    return root;
}

static bool is_element(xmlNodePtr n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && rs_streq((const char *)n->name, name);
}

static bool is_in(xmlNodePtr n, const char *uri)
{
    return n->ns && n->ns->href && rs_streq((const char *)n->ns->href, uri);
}

/* The first child element of that name; NULL also for a NULL parent, so that paths can be chained. */
static xmlNodePtr child(xmlNodePtr parent, const char *name)
{
    for (xmlNodePtr n = parent ? parent->children : NULL; n; n = n->next)
        if (is_element(n, name))
            return n;
    return NULL;
}

static xmlNodePtr next_same(xmlNodePtr node)
{
    for (xmlNodePtr n = node->next; n; n = n->next)
        if (is_element(n, (const char *)node->name))
            return n;
    return NULL;
}

/* Copies text where it fits whole; false, and out "", where it is missing or too long. */
static bool copy(const xmlChar *text, char *out, size_t size)
{
    out[0] = '\0';
    if (!text || strlen((const char *)text) >= size)
        return false;
    memcpy(out, text, strlen((const char *)text) + 1);
    return true;
}

static bool content(xmlNodePtr n, char *out, size_t size)
{
    auto_xml *text = n ? xmlNodeGetContent(n) : NULL;
    return copy(text, out, size);
}

static bool attribute(xmlNodePtr n, const char *name, char *out, size_t size)
{
    auto_xml *text = n ? xmlGetNoNsProp(n, (const xmlChar *)name) : NULL;
    return copy(text, out, size);
}

static bool attribute_is(xmlNodePtr n, const char *name, const char *value)
{
    auto_xml *text = n ? xmlGetNoNsProp(n, (const xmlChar *)name) : NULL;
    return text && rs_streq((const char *)text, value);
}

static uint64_t number(const char *s)
{
    char *end;
    errno = 0;
    uint64_t v = strtoull(s, &end, 10);
    return errno || end == s || *end || *s == '-' ? 0 : v;
}

/* ---- obstacles ---- */

static void forbid(struct rs_vm_facts *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void forbid(struct rs_vm_facts *f, const char *fmt, ...)
{
    if (!f->is_movable)
        return; /* the first obstacle is the one told */
    f->is_movable = false;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->why_not, sizeof f->why_not, fmt, ap);
    va_end(ap);
}

static const struct {
    const char *element, *attribute, *value; /* attribute NULL: the element alone is an obstacle */
    const char *why;
} obstacles[] = {
    { "hostdev", NULL, NULL, "it uses a device of its host (hostdev)" },
    { "mdev", NULL, NULL, "it uses a mediated device of its host" },
    { "filesystem", NULL, NULL, "it shares a folder of its host (filesystem)" },
    { "shmem", NULL, NULL, "it shares memory with its host (shmem)" },
    { "tpm", NULL, NULL, "its TPM state lives on its host" },
    { "interface", "type", "hostdev", "an interface is a device of its host" },
    { "interface", "type", "direct", "an interface sits on a network card of its host (macvtap)" },
    { "interface", "type", "vhostuser", "an interface uses a vhost-user socket of its host" },
    { "interface", "type", "vdpa", "an interface is a vDPA device of its host" },
    { "serial", "type", "dev", "a serial port is a device of its host" },
    { "parallel", "type", "dev", "a parallel port is a device of its host" },
    { "memory", "model", "nvdimm", "it has an NVDIMM backed by its host" },
    { "memory", "model", "virtio-pmem", "it has persistent memory backed by its host" },
};

static void check_devices(xmlNodePtr devices, struct rs_vm_facts *f)
{
    for (xmlNodePtr n = devices ? devices->children : NULL; n; n = n->next)
        for (size_t i = 0; n->type == XML_ELEMENT_NODE && i < RS_LEN(obstacles); i++)
            if (is_element(n, obstacles[i].element) &&
                (!obstacles[i].attribute || attribute_is(n, obstacles[i].attribute, obstacles[i].value)))
                forbid(f, "%s", obstacles[i].why);
}

static void check_firmware(xmlNodePtr os, struct rs_vm_facts *f)
{
    if (child(os, "nvram") || attribute_is(os, "firmware", "efi") ||
        attribute_is(child(os, "loader"), "type", "pflash"))
        forbid(f, "its UEFI variables live on its host, outside the storage pools");
}

/* A display that listens on an address of this one host would not start on another, and opening it wider is not ours
 * to do. */
static void check_graphics(xmlNodePtr devices, struct rs_vm_facts *f)
{
    static const char *const anywhere[] = { "", "0.0.0.0", "127.0.0.1", "::", "::1" };
    for (xmlNodePtr g = child(devices, "graphics"); g; g = next_same(g)) {
        char address[64];
        bool fits = !attribute(g, "listen", address, sizeof address);
        for (size_t i = 0; i < RS_LEN(anywhere); i++)
            fits |= rs_streq(address, anywhere[i]);
        if (!fits)
            forbid(f, "its display listens on %s, an address of its host", address);
    }
}

/* ---- disks ---- */

static void read_disk_source(xmlNodePtr disk, struct rs_vm_disk *d, struct rs_vm_facts *f)
{
    char type[16];
    attribute(disk, "type", type, sizeof type);
    bool has_file = attribute(child(disk, "source"), "file", d->source, sizeof d->source);
    bool is_removable = attribute_is(disk, "device", "cdrom") || attribute_is(disk, "device", "floppy");
    d->is_shared = rs_streq(type, "network") || is_removable || child(disk, "shareable") || child(disk, "readonly");
    if (d->is_shared)
        return;
    if (!rs_streq(type, "file"))
        forbid(f, "disk %s is a %s of its host, not a file", d->target, type[0] ? type : "thing");
    else if (!has_file)
        forbid(f, "disk %s has no file, or one with too long a path", d->target);
    else if (!rs_streq(d->format, "raw") && !rs_streq(d->format, "qcow2"))
        forbid(f, "disk %s is %s; raw and qcow2 can be moved", d->target,
               d->format[0] ? d->format : "of no stated format");
    if (child(child(disk, "backingStore"), "source"))
        forbid(f, "disk %s needs a backing file", d->target);
    if (child(disk, "mirror"))
        forbid(f, "disk %s is being copied by a block job", d->target);
}

static void read_disks(xmlNodePtr devices, struct rs_vm_facts *f)
{
    for (xmlNodePtr disk = child(devices, "disk"); disk; disk = next_same(disk)) {
        if (f->n_disks == RS_DISKS_MAX) {
            forbid(f, "it has more than %d disks", RS_DISKS_MAX);
            return;
        }
        struct rs_vm_disk *d = &f->disks[f->n_disks++];
        if (!attribute(child(disk, "target"), "dev", d->target, sizeof d->target))
            forbid(f, "a disk has no target name, or too long a one");
        attribute(child(disk, "driver"), "type", d->format, sizeof d->format);
        read_disk_source(disk, d, f);
    }
}

static struct rs_vm_disk *find_disk(struct rs_vm_facts *f, const char *target)
{
    for (size_t i = 0; i < f->n_disks; i++)
        if (rs_streq(f->disks[i].target, target))
            return &f->disks[i];
    return NULL;
}

/* ---- metadata ---- */

static void read_vm_metadata(xmlNodePtr vm, struct rs_vm_facts *f)
{
    attribute(vm, "class", f->class_name, sizeof f->class_name);
    for (xmlNodePtr t = child(vm, "temp-disk"); t; t = next_same(t)) {
        char target[32];
        attribute(t, "target", target, sizeof target);
        struct rs_vm_disk *d = find_disk(f, target);
        if (!d)
            forbid(f, "its metadata names temp disk \"%s\", which it lacks", target);
        else if (d->is_shared)
            forbid(f, "its temp disk %s is shared or read-only", target);
        else
            d->is_temp = true;
    }
}

static void read_fence(xmlNodePtr fence, struct rs_vm_facts *f)
{
    char token[24], retire[RS_TIME_MAX];
    attribute(fence, "role", f->fence_role, sizeof f->fence_role);
    attribute(fence, "token", token, sizeof token);
    f->fence_token = number(token);
    if (attribute(fence, "retire-at", retire, sizeof retire) && rs_time_parse(retire, &f->fence_retire_at) != RS_OK)
        f->fence_retire_at = RS_TIME_NONE;
}

static void read_metadata(xmlNodePtr metadata, struct rs_vm_facts *f)
{
    for (xmlNodePtr n = metadata ? metadata->children : NULL; n; n = n->next) {
        if (is_element(n, "vm") && is_in(n, VM_URI))
            read_vm_metadata(n, f);
        else if (is_element(n, "fence") && is_in(n, RS_FENCE_URI))
            read_fence(n, f);
    }
}

/* ---- facts ---- */

static const struct {
    const char *unit;
    uint64_t bytes;
} units[] = { { "", 1024 },
              { "b", 1 },
              { "bytes", 1 },
              { "KB", 1000 },
              { "k", 1024 },
              { "KiB", 1024 },
              { "MB", 1000000 },
              { "M", 1048576 },
              { "MiB", 1048576 },
              { "GB", 1000000000 },
              { "G", 1073741824 },
              { "GiB", 1073741824 },
              { "TB", 1000000000000 },
              { "T", (uint64_t)1 << 40 },
              { "TiB", (uint64_t)1 << 40 } };

static uint64_t memory_bytes(xmlNodePtr memory)
{
    char text[32], unit[16];
    content(memory, text, sizeof text);
    attribute(memory, "unit", unit, sizeof unit);
    uint64_t bytes = 0;
    for (size_t i = 0; i < RS_LEN(units); i++)
        if (rs_streq(unit, units[i].unit) && __builtin_mul_overflow(number(text), units[i].bytes, &bytes))
            return 0;
    return bytes;
}

enum rs_status rs_domxml_facts(const char *xml, size_t len, struct rs_vm_facts *out, struct rs_error *err)
{
    auto_doc doc = NULL;
    xmlNodePtr root = parse(xml, len, "domain", &doc, err);
    if (!root)
        return RS_EFORMAT;
    struct rs_vm_facts f = { .state = out->state,
                             .is_persistent = out->is_persistent,
                             .has_autostart = out->has_autostart,
                             .is_movable = true,
                             .fence_retire_at = RS_TIME_NONE };
    if (!content(child(root, "name"), f.name, sizeof f.name) || !content(child(root, "uuid"), f.uuid, sizeof f.uuid) ||
        !f.name[0] || strlen(f.uuid) != RS_UUID_LEN - 1)
        return rs_error_set(err, RS_EFORMAT, "domain XML: name or UUID is missing or too long");
    char vcpus[16];
    content(child(root, "vcpu"), vcpus, sizeof vcpus);
    f.vcpus = (uint32_t)number(vcpus);
    f.memory_bytes = memory_bytes(child(root, "memory"));
    attribute(root, "type", f.virt_type, sizeof f.virt_type);
    xmlNodePtr os = child(root, "os"), devices = child(root, "devices");
    attribute(child(os, "type"), "machine", f.machine, sizeof f.machine);
    attribute(child(os, "type"), "arch", f.arch, sizeof f.arch);
    read_disks(devices, &f);
    read_metadata(child(root, "metadata"), &f);
    check_devices(devices, &f);
    check_firmware(os, &f);
    check_graphics(devices, &f);
    *out = f;
    return RS_OK;
}

/* ---- needs ---- */

static char *element_text(xmlDocPtr doc, xmlNodePtr n)
{
    xmlBufferPtr b = xmlBufferCreate();
    char *text = NULL;
    if (b && xmlNodeDump(b, doc, n, 0, 0) >= 0)
        text = strdup((const char *)xmlBufferContent(b));
    if (b)
        xmlBufferFree(b);
    return text;
}

static void read_nets(xmlNodePtr devices, struct rs_domxml_needs *out)
{
    for (xmlNodePtr n = child(devices, "interface"); n && out->n_nets < RS_DOMXML_NETS_MAX; n = next_same(n)) {
        bool is_bridge = attribute_is(n, "type", "bridge");
        if (!is_bridge && !attribute_is(n, "type", "network"))
            continue;
        out->nets[out->n_nets].is_bridge = is_bridge;
        attribute(child(n, "source"), is_bridge ? "bridge" : "network", out->nets[out->n_nets].name,
                  sizeof out->nets[0].name);
        out->n_nets++;
    }
}

enum rs_status rs_domxml_needs(const char *xml, size_t len, struct rs_domxml_needs *out, struct rs_error *err)
{
    auto_doc doc = NULL;
    xmlNodePtr root = parse(xml, len, "domain", &doc, err);
    if (!root)
        return RS_EFORMAT;
    *out = (struct rs_domxml_needs){ .n_nets = 0 };
    xmlNodePtr devices = child(root, "devices"), cpu = child(root, "cpu");
    content(child(devices, "emulator"), out->emulator, sizeof out->emulator);
    read_nets(devices, out);
    if (!cpu)
        return RS_OK;
    attribute(cpu, "mode", out->cpu_mode, sizeof out->cpu_mode);
    out->cpu_xml = element_text(doc, cpu);
    return out->cpu_xml ? RS_OK : rs_error_set(err, RS_ENOMEM, "domain XML: CPU");
}

/* ---- rewriting ---- */

static enum rs_status set_path(xmlNodePtr devices, const struct rs_domxml_path *p, struct rs_error *err)
{
    for (xmlNodePtr disk = child(devices, "disk"); disk; disk = next_same(disk)) {
        if (!attribute_is(child(disk, "target"), "dev", p->target))
            continue;
        xmlNodePtr source = child(disk, "source");
        if (!source || !xmlSetProp(source, (const xmlChar *)"file", (const xmlChar *)p->path))
            return rs_error_set(err, RS_EFORMAT, "domain XML: disk %s has no source to rewrite", p->target);
        return RS_OK;
    }
    return rs_error_set(err, RS_ENOTFOUND, "domain XML: no disk %s", p->target);
}

static enum rs_status set_fence(xmlNodePtr root, uint64_t token, struct rs_error *err)
{
    xmlNodePtr metadata = child(root, "metadata");
    if (!metadata)
        metadata = xmlNewChild(root, NULL, (const xmlChar *)"metadata", NULL);
    for (xmlNodePtr n = metadata ? metadata->children : NULL, next; n; n = next) {
        next = n->next;
        if (is_element(n, "fence") && is_in(n, RS_FENCE_URI)) {
            xmlUnlinkNode(n);
            xmlFreeNode(n);
        }
    }
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)token);
    xmlNodePtr fence = metadata ? xmlNewChild(metadata, NULL, (const xmlChar *)"fence", NULL) : NULL;
    xmlNsPtr ns = fence ? xmlNewNs(fence, (const xmlChar *)RS_FENCE_URI, (const xmlChar *)"reseat-fence") : NULL;
    if (!ns || !xmlNewProp(fence, (const xmlChar *)"role", (const xmlChar *)"owner") ||
        !xmlNewProp(fence, (const xmlChar *)"token", (const xmlChar *)digits))
        return rs_error_set(err, RS_ENOMEM, "domain XML: fence");
    xmlSetNs(fence, ns);
    return RS_OK;
}

enum rs_status rs_domxml_rewrite(const char *xml, size_t len, const struct rs_domxml_path *paths, size_t n_paths,
                                 uint64_t token, char **out, struct rs_error *err)
{
    auto_doc doc = NULL;
    xmlNodePtr root = parse(xml, len, "domain", &doc, err);
    if (!root)
        return RS_EFORMAT;
    enum rs_status rc = RS_OK;
    for (size_t i = 0; i < n_paths && rc == RS_OK; i++)
        rc = set_path(child(root, "devices"), &paths[i], err);
    if (rc == RS_OK)
        rc = set_fence(root, token, err);
    if (rc < 0)
        return rc;
    *out = element_text(doc, root);
    return *out ? RS_OK : rs_error_set(err, RS_ENOMEM, "domain XML: text");
}

const char *rs_domxml_fence(const char *role, uint64_t token, int64_t retire_at, char buf[RS_FENCE_MAX])
{
    char when[RS_TIME_MAX], retire[64] = "";
    if (retire_at != RS_TIME_NONE)
        snprintf(retire, sizeof retire, " retire-at='%s'", rs_time_format(retire_at, when));
    snprintf(buf, RS_FENCE_MAX, "<fence role='%s' token='%llu'%s/>", role, (unsigned long long)token, retire);
    return buf;
}

/* ---- volumes, pools, capabilities ---- */

char *rs_domxml_new_volume(const char *name, const char *format, uint64_t capacity_bytes)
{
    auto_xml *safe_name = xmlEncodeSpecialChars(NULL, (const xmlChar *)name);
    char *xml = NULL;
    if (!safe_name ||
        asprintf(&xml,
                 "<volume><name>%s</name><capacity unit='bytes'>%llu</capacity><allocation>0</allocation>"
                 "<target><format type='%s'/><permissions><mode>0600</mode></permissions></target></volume>",
                 (const char *)safe_name, (unsigned long long)capacity_bytes, format) < 0)
        return NULL;
    return xml;
}

enum rs_status rs_domxml_volume(const char *xml, size_t len, char format[16], bool *out_has_backing,
                                struct rs_error *err)
{
    auto_doc doc = NULL;
    xmlNodePtr root = parse(xml, len, "volume", &doc, err);
    if (!root)
        return RS_EFORMAT;
    attribute(child(child(root, "target"), "format"), "type", format, 16);
    *out_has_backing = child(child(root, "backingStore"), "path") != NULL;
    return RS_OK;
}

enum rs_status rs_domxml_pool_type(const char *xml, size_t len, char type[32], struct rs_error *err)
{
    auto_doc doc = NULL;
    xmlNodePtr root = parse(xml, len, "pool", &doc, err);
    if (!root)
        return RS_EFORMAT;
    attribute(root, "type", type, 32);
    return RS_OK;
}

enum rs_status rs_domxml_has_cpu_mode(const char *xml, size_t len, const char *mode, bool *out, struct rs_error *err)
{
    auto_doc doc = NULL;
    xmlNodePtr root = parse(xml, len, "domainCapabilities", &doc, err);
    if (!root)
        return RS_EFORMAT;
    *out = false;
    for (xmlNodePtr m = child(child(root, "cpu"), "mode"); m; m = next_same(m))
        if (attribute_is(m, "name", mode))
            *out = attribute_is(m, "supported", "yes");
    return RS_OK;
}
