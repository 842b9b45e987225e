/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Domain, volume, pool and capabilities XML of any bytes; what is read as a domain must survive being rewritten. */
#include <assert.h>

#include "executor/domxml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrite(const char *xml, size_t len, const struct rs_vm_facts *f)
{
    struct rs_domxml_path paths[RS_DISKS_MAX];
    rs_autofree char *out = NULL;
    size_t n = 0;
    for (size_t i = 0; i < f->n_disks; i++)
        if (!f->disks[i].is_shared)
            paths[n++] = (struct rs_domxml_path){ f->disks[i].target, "/pool/other.raw" };
    if (rs_domxml_rewrite(xml, len, paths, n, 7, &out, NULL) < 0)
        return;
    struct rs_vm_facts again = { .state = RS_VM_OFF };
    if (rs_domxml_facts(out, strlen(out), &again, NULL) != RS_OK || again.fence_token != 7 ||
        !rs_streq(again.fence_role, "owner") || !rs_streq(again.name, f->name))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *xml = (const char *)data;
    struct rs_vm_facts f = { .state = RS_VM_OFF };
    struct rs_domxml_needs needs;
    char format[16], type[32];
    bool yes;
    if (rs_domxml_facts(xml, size, &f, NULL) == RS_OK) {
        assert(memchr(f.why_not, 0, sizeof f.why_not) && (f.is_movable || f.why_not[0]));
        rewrite(xml, size, &f);
    }
    if (rs_domxml_needs(xml, size, &needs, NULL) == RS_OK)
        free(needs.cpu_xml);
    rs_domxml_volume(xml, size, format, &yes, NULL);
    rs_domxml_pool_type(xml, size, type, NULL);
    rs_domxml_has_cpu_mode(xml, size, "maximum", &yes, NULL);
    return 0;
}
