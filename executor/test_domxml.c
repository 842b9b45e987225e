/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Domain XML: facts, obstacles, rewriting, and XML that means harm. */
#include "executor/domxml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define UUID "c7a5fdbd-cdaf-9455-926a-d65c16db1809"
#define HEAD "<domain type='kvm'><name>web-1</name><uuid>" UUID "</uuid><memory unit='MiB'>128</memory><vcpu>2</vcpu>"
#define OS "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>"
#define META                                                                                                           \
    "<metadata><r:vm xmlns:r='urn:reseat:vm:1' class='gold'><r:temp-disk target='vdb'/></r:vm>"                        \
    "<x:fence xmlns:x='urn:reseat:fence:1' role='moved' token='18446744073709551615' "                                 \
    "retire-at='2026-11-24T04:56:03Z'/><vm class='not-ours'/></metadata>"
#define TEMP                                                                                                           \
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/pool/t.qcow2' index='1'/>"       \
    "<backingStore/><target dev='vdb' bus='virtio'/></disk>"
#define ROOT                                                                                                           \
    "<disk type='network' device='disk'><driver type='raw'/><source protocol='rbd' name='p/root'/>"                    \
    "<target dev='vda'/></disk>"
#define TAIL "</domain>"

static enum rs_status facts_of(const char *xml, struct rs_vm_facts *f, struct rs_error *err)
{
    *f = (struct rs_vm_facts){ .state = RS_VM_RUNNING, .has_autostart = true };
    return rs_domxml_facts(xml, strlen(xml), f, err);
}

static void test_facts(void **state)
{
    (void)state;
    struct rs_vm_facts f;
    struct rs_error err = RS_ERROR_INIT;
    if (facts_of(HEAD OS META "<devices>" ROOT TEMP "</devices>" TAIL, &f, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(f.name, "web-1");
    assert_string_equal(f.uuid, UUID);
    assert_string_equal(f.class_name, "gold");
    assert_string_equal(f.machine, "pc-q35-7.2");
    assert_string_equal(f.arch, "x86_64");
    assert_string_equal(f.virt_type, "kvm");
    assert_int_equal(f.vcpus, 2);
    assert_int_equal(f.memory_bytes, 134217728);
    assert_int_equal(f.n_disks, 2);
    assert_true(f.disks[0].is_shared && !f.disks[0].is_temp);
    assert_true(f.disks[1].is_temp && !f.disks[1].is_shared);
    assert_string_equal(f.disks[1].source, "/pool/t.qcow2");
    assert_string_equal(f.disks[1].format, "qcow2");
    assert_string_equal(f.fence_role, "moved");
    assert_true(f.fence_token == UINT64_MAX);
    assert_int_equal(f.fence_retire_at, 1795496163); /* date -u -d 2026-11-24T04:56:03Z +%s */
    assert_true(f.is_movable && f.state == RS_VM_RUNNING && f.has_autostart);
    assert_string_equal(f.why_not, "");
}

static void test_obstacles(void **state)
{
    (void)state;
    static const struct {
        const char *os, *devices, *why;
    } cases[] = {
        { OS, "<hostdev mode='subsystem' type='pci'/>", "it uses a device of its host (hostdev)" },
        { OS, "<filesystem type='mount'/>", "it shares a folder of its host (filesystem)" },
        { OS, "<tpm model='tpm-crb'/>", "its TPM state lives on its host" },
        { OS, "<interface type='direct'/>", "an interface sits on a network card of its host (macvtap)" },
        { OS, "<graphics type='vnc' listen='192.168.1.5'/>",
          "its display listens on 192.168.1.5, an address of its host" },
        { OS, "<disk type='block'><driver type='raw'/><source dev='/dev/vg/a'/><target dev='vdc'/></disk>",
          "disk vdc is a block of its host, not a file" },
        { OS, "<disk type='file'><driver type='vmdk'/><source file='/a'/><target dev='vdc'/></disk>",
          "disk vdc is vmdk; raw and qcow2 can be moved" },
        { OS,
          "<disk type='file'><driver type='qcow2'/><source file='/a'/><backingStore type='file'><source file='/b'/>"
          "</backingStore><target dev='vdc'/></disk>",
          "disk vdc needs a backing file" },
        { OS, "<disk type='file'><driver type='raw'/><target dev='vdc'/></disk>",
          "disk vdc has no file, or one with too long a path" },
        { "<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os>", "",
          "its UEFI variables live on its host, outside the storage pools" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        char xml[4096];
        struct rs_vm_facts f;
        snprintf(xml, sizeof xml, "%s%s<devices>%s</devices>%s", HEAD, cases[i].os, cases[i].devices, TAIL);
        assert_int_equal(facts_of(xml, &f, NULL), RS_OK);
        assert_false(f.is_movable);
        assert_string_equal(f.why_not, cases[i].why);
    }
}

static void test_no_obstacles(void **state)
{
    (void)state;
    struct rs_vm_facts f;
    const char *xml = HEAD OS "<devices><graphics type='vnc' listen='127.0.0.1'/><graphics type='spice'/>"
                              "<interface type='network'><source network='default'/></interface>"
                              "<disk type='file' device='cdrom'><target dev='sda'/></disk></devices>" TAIL;
    assert_int_equal(facts_of(xml, &f, NULL), RS_OK);
    assert_string_equal(f.why_not, "");
    assert_true(f.is_movable && f.disks[0].is_shared);
}

static void test_temp_disk_that_is_not_there(void **state)
{
    (void)state;
    struct rs_vm_facts f;
    assert_int_equal(facts_of(HEAD OS META "<devices>" ROOT "</devices>" TAIL, &f, NULL), RS_OK);
    assert_string_equal(f.why_not, "its metadata names temp disk \"vdb\", which it lacks");
}

static void test_too_many_disks(void **state)
{
    (void)state;
    struct rs_vm_facts f;
    char xml[8192];
    size_t n = (size_t)snprintf(xml, sizeof xml, "%s%s<devices>", HEAD, OS);
    for (int i = 0; i <= RS_DISKS_MAX; i++)
        n += (size_t)snprintf(xml + n, sizeof xml - n, "%s", ROOT);
    snprintf(xml + n, sizeof xml - n, "</devices>%s", TAIL);
    assert_int_equal(facts_of(xml, &f, NULL), RS_OK);
    assert_int_equal(f.n_disks, RS_DISKS_MAX);
    assert_string_equal(f.why_not, "it has more than 16 disks");
}

static void test_hostile(void **state)
{
    (void)state;
    static const struct {
        const char *xml, *says;
    } cases[] = {
        { "", "domain XML: line " },
        { "<domain>", "domain XML: line 1: " },
        { "<volume/>", "domain XML: the root element is <volume>" },
        { "<domain><name>x</name></domain>", "domain XML: name or UUID is missing or too long" },
        { "<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><domain><name>&e;</name><uuid>" UUID
          "</uuid></domain>",
          "domain XML: name or UUID is missing or too long" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct rs_vm_facts f;
        struct rs_error err = RS_ERROR_INIT;
        assert_int_equal(facts_of(cases[i].xml, &f, &err), RS_EFORMAT);
        assert_memory_equal(err.msg, cases[i].says, strlen(cases[i].says));
    }
}

/* A billion laughs: nested entities that would expand to gigabytes stay what they are. */
static void test_entities_are_not_expanded(void **state)
{
    (void)state;
    struct rs_vm_facts f;
    const char *xml = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'>"
                      "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
                      "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>"
                      "<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>"
                      "<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'>]>"
                      "<domain><name>&e;</name><uuid>" UUID "</uuid></domain>";
    assert_int_equal(facts_of(xml, &f, NULL), RS_EFORMAT);
}

static void test_rewrite(void **state)
{
    (void)state;
    const char *xml = HEAD OS META "<devices>" ROOT TEMP "</devices>" TAIL;
    const struct rs_domxml_path paths[] = { { "vdb", "/other/a&b.qcow2" } };
    rs_autofree char *out = NULL;
    struct rs_error err = RS_ERROR_INIT;
    struct rs_vm_facts f;
    if (rs_domxml_rewrite(xml, strlen(xml), paths, 1, 12, &out, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(facts_of(out, &f, NULL), RS_OK);
    assert_string_equal(f.disks[1].source, "/other/a&b.qcow2");
    assert_string_equal(f.fence_role, "owner");
    assert_int_equal(f.fence_token, 12);
    assert_true(f.fence_retire_at == RS_TIME_NONE);
    assert_string_equal(f.class_name, "gold");
    assert_null(strstr(out, "moved"));
    assert_non_null(strstr(out, "not-ours")); /* other people's metadata stays */
    assert_non_null(strstr(out, "name=\"p/root\""));
}

static void test_rewrite_refuses(void **state)
{
    (void)state;
    const char *xml = HEAD OS "<devices>" TEMP "</devices>" TAIL;
    const struct rs_domxml_path paths[] = { { "vdz", "/x" } };
    char *out = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_domxml_rewrite(xml, strlen(xml), paths, 1, 1, &out, &err), RS_ENOTFOUND);
    assert_string_equal(err.msg, "domain XML: no disk vdz");
    assert_null(out);
}

static void test_needs(void **state)
{
    (void)state;
    const char *xml = HEAD OS "<cpu mode='custom'><model>Skylake</model></cpu><devices><emulator>/q</emulator>"
                              "<interface type='bridge'><source bridge='br0'/></interface>"
                              "<interface type='network'><source network='blue'/></interface></devices>" TAIL;
    struct rs_domxml_needs n;
    assert_int_equal(rs_domxml_needs(xml, strlen(xml), &n, NULL), RS_OK);
    assert_string_equal(n.emulator, "/q");
    assert_string_equal(n.cpu_xml, "<cpu mode=\"custom\"><model>Skylake</model></cpu>");
    assert_int_equal(n.n_nets, 2);
    assert_true(n.nets[0].is_bridge && !n.nets[1].is_bridge);
    assert_string_equal(n.nets[0].name, "br0");
    assert_string_equal(n.nets[1].name, "blue");
    free(n.cpu_xml);
}

static void test_volumes_and_capabilities(void **state)
{
    (void)state;
    char format[16], type[32];
    bool yes = false;
    const char *volume = "<volume type='file'><name>a</name><target><format type='qcow2'/></target>"
                         "<backingStore><path>/b</path></backingStore></volume>";
    const char *pool = "<pool type='netfs'><name>p</name></pool>";
    const char *caps = "<domainCapabilities><cpu><mode name='maximum' supported='yes'/>"
                       "<mode name='host-passthrough' supported='no'/></cpu></domainCapabilities>";
    assert_int_equal(rs_domxml_volume(volume, strlen(volume), format, &yes, NULL), RS_OK);
    assert_string_equal(format, "qcow2");
    assert_true(yes);
    assert_int_equal(rs_domxml_pool_type(pool, strlen(pool), type, NULL), RS_OK);
    assert_string_equal(type, "netfs");
    assert_int_equal(rs_domxml_has_cpu_mode(caps, strlen(caps), "host-passthrough", &yes, NULL), RS_OK);
    assert_false(yes);
    assert_int_equal(rs_domxml_has_cpu_mode(caps, strlen(caps), "maximum", &yes, NULL), RS_OK);
    assert_true(yes);
}

static void test_new_volume(void **state)
{
    (void)state;
    char format[16];
    bool has_backing = true;
    rs_autofree char *xml = rs_domxml_new_volume("a</name><x>&", "raw", 12345);
    assert_non_null(strstr(xml, "<name>a&lt;/name&gt;&lt;x&gt;&amp;</name><capacity unit='bytes'>12345<"));
    assert_int_equal(rs_domxml_volume(xml, strlen(xml), format, &has_backing, NULL), RS_OK);
    assert_string_equal(format, "raw");
    assert_false(has_backing);
}

static void test_fence(void **state)
{
    (void)state;
    char buf[RS_FENCE_MAX];
    assert_string_equal(rs_domxml_fence("owner", 7, RS_TIME_NONE, buf), "<fence role='owner' token='7'/>");
    assert_string_equal(rs_domxml_fence("moved", 7, 0, buf),
                        "<fence role='moved' token='7' retire-at='1970-01-01T00:00:00Z'/>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_obstacles),
        cmocka_unit_test(test_no_obstacles),
        cmocka_unit_test(test_temp_disk_that_is_not_there),
        cmocka_unit_test(test_too_many_disks),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_entities_are_not_expanded),
        cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_rewrite_refuses),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_volumes_and_capabilities),
        cmocka_unit_test(test_new_volume),
        cmocka_unit_test(test_fence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
