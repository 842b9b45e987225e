/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Domain XML read and rewritten: the only door to libxml2. Pure functions of text; the text may be hostile (a guest's
 * owner may have written it). Nothing is fetched, no entity is expanded. RS_EFORMAT where it is not such XML. */
#ifndef RS_EXECUTOR_DOMXML_H
#define RS_EXECUTOR_DOMXML_H

#include "executor/virt.h"

/* Prepares libxml2, which libvirt parses with too: its globals must be there before two threads want them at once. The
 * functions below do it themselves. */
void rs_domxml_prepare(void);

/* What the definition alone can tell: names, sizes, disks (their bytes 0), class, fence, and whether anything in it
 * forbids a move (is_movable, why_not: the first obstacle). state, is_persistent and has_autostart are left alone. */
enum rs_status rs_domxml_facts(const char *xml, size_t len, struct rs_vm_facts *out, struct rs_error *err);

#define RS_DOMXML_NETS_MAX 16
struct rs_domxml_needs { /* what a destination must have; cpu_xml is the caller's to free, NULL where any CPU will do */
    char emulator[256], cpu_mode[32];
    char *cpu_xml;
    struct {
        bool is_bridge; /* a bridge of the host; else a libvirt network */
        char name[64];
    } nets[RS_DOMXML_NETS_MAX];
    size_t n_nets;
};
enum rs_status rs_domxml_needs(const char *xml, size_t len, struct rs_domxml_needs *out, struct rs_error *err);

struct rs_domxml_path { /* the disk with this target gets this file */
    const char *target, *path;
};
/* The definition for the destination: disks at their new paths, the fence of its new owner. RS_ENOTFOUND where a target
 * is not among its disks. *out is the caller's. */
enum rs_status rs_domxml_rewrite(const char *xml, size_t len, const struct rs_domxml_path *paths, size_t n_paths,
                                 uint64_t token, char **out, struct rs_error *err);

/* The fence element for a definition's metadata, into buf, which it returns. retire_at RS_TIME_NONE leaves it out. */
#define RS_FENCE_MAX 192
#define RS_FENCE_URI "urn:reseat:fence:1"
const char *rs_domxml_fence(const char *role, uint64_t token, int64_t retire_at, char buf[RS_FENCE_MAX]);

/* The description of a new, sparse volume; NULL on want of memory. The caller's to free. */
char *rs_domxml_new_volume(const char *name, const char *format, uint64_t capacity_bytes);

/* Of a storage volume: its format, and whether it needs a backing file. Of a pool: its type ("dir"). */
enum rs_status rs_domxml_volume(const char *xml, size_t len, char format[16], bool *out_has_backing,
                                struct rs_error *err);
enum rs_status rs_domxml_pool_type(const char *xml, size_t len, char type[32], struct rs_error *err);
/* Whether a host's domain capabilities support a CPU mode ("host-passthrough"). */
enum rs_status rs_domxml_has_cpu_mode(const char *xml, size_t len, const char *mode, bool *out, struct rs_error *err);

#endif
