/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finding VMs, host facts, actions and events, on libvirt's in-memory test driver; what needs QEMU is in
 * tests/migrate.sh. */
#include "executor/virt.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <cmocka.h>

#define UUID_1 "c7a5fdbd-cdaf-9455-926a-d65c16db1809"
#define UUID_2 "b2f8a1d0-0000-4000-8000-d65c16db1809"
#define VM(name, uuid, fence)                                                                                          \
    "<domain type='test'><name>" name "</name><uuid>" uuid "</uuid><metadata>" fence "</metadata>"                     \
    "<memory>131072</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>"
#define FENCE(role, token) "<f:fence xmlns:f='urn:reseat:fence:1' role='" role "' token='" token "'/>"

struct bench {
    char dir[64], uris[2][128];
    rs_virt *virt;
    pthread_mutex_t lock;
    uint32_t seen; /* bits of events */
};

static void on_event(void *arg, size_t host, const char *uuid, enum rs_virt_event event)
{
    struct bench *b = arg;
    (void)host;
    (void)uuid;
    pthread_mutex_lock(&b->lock);
    b->seen |= 1u << event;
    pthread_mutex_unlock(&b->lock);
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    strcpy(b->dir, "/tmp/reseat-virt-XXXXXX");
    if (!mkdtemp(b->dir))
        return -1;
    pthread_mutex_init(&b->lock, NULL);
    for (int i = 0; i < 2; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%d.xml", b->dir, i);
        snprintf(b->uris[i], sizeof b->uris[i], "test://%s", path);
        rs_auto_file FILE *f = fopen(path, "w");
        if (!f)
            return -1;
        fputs("<node><cpu><mhz>2400</mhz><model>x86_64</model><active>8</active><nodes>1</nodes><sockets>1</sockets>"
              "<cores>8</cores><threads>1</threads></cpu><memory>8388608</memory><pool type='dir'><name>local</name>"
              "<target><path>/nowhere</path></target></pool></node>",
              f);
    }
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    rs_virt_free(b->virt);
    for (int i = 0; i < 2; i++)
        unlink(b->uris[i] + strlen("test://"));
    int rc = rmdir(b->dir);
    free(b);
    return rc;
}

static void open_hosts(struct bench *b, const char *uri_b)
{
    struct rs_error err = RS_ERROR_INIT;
    struct rs_virt_host hosts[] = { { "host-a", b->uris[0], "local" }, { "host-b", uri_b, "local" } };
    if (rs_virt_new(hosts, 2, on_event, b, &b->virt, &err) < 0)
        fail_msg("%s", err.msg);
}

static void define_vm(struct bench *b, size_t host, const char *xml)
{
    struct rs_error err = RS_ERROR_INIT;
    if (rs_virt_define(b->virt, host, xml, &err) < 0)
        fail_msg("%s", err.msg);
}

static void expect_found(struct bench *b, const char *key, size_t host, const char *uuid)
{
    size_t found = SIZE_MAX;
    struct rs_vm_facts f;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_virt_find(b->virt, key, &found, &f, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(found, host);
    assert_string_equal(f.uuid, uuid);
}

static void expect_not_found(struct bench *b, const char *key, enum rs_status rc, const char *says)
{
    size_t found = 7;
    struct rs_vm_facts f;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_virt_find(b->virt, key, &found, &f, &err), rc);
    if (!strstr(err.msg, says))
        fail_msg("'%s' does not say '%s'", err.msg, says);
    assert_int_equal(found, 7);
}

static void test_find(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[1]);
    define_vm(b, 0, VM("web-1", UUID_1, ""));
    define_vm(b, 1, VM("web-2", UUID_2, ""));
    expect_found(b, "web-1", 0, UUID_1);
    expect_found(b, "web-2", 1, UUID_2);
    expect_found(b, UUID_2, 1, UUID_2);
    expect_not_found(b, "web-3", RS_EUNKNOWN_VM, "no host has a VM web-3");
    expect_not_found(b, "", RS_EUNKNOWN_VM, "no host has a VM ");
}

static void test_two_of_one_name(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[1]);
    define_vm(b, 0, VM("web-1", UUID_1, ""));
    define_vm(b, 1, VM("web-1", UUID_2, ""));
    expect_not_found(b, "web-1", RS_EAMBIGUOUS, "VM web-1 is on both host-a and host-b: name it by its UUID");
    expect_found(b, UUID_2, 1, UUID_2);
}

static void test_one_uuid_twice(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[1]);
    define_vm(b, 0, VM("web-1", UUID_1, FENCE("owner", "1")));
    define_vm(b, 1, VM("web-1", UUID_1, ""));
    expect_not_found(b, UUID_1, RS_EAMBIGUOUS, "undefine the wrong one");
}

static void test_what_a_move_left_does_not_count(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[1]);
    define_vm(b, 0, VM("web-1", UUID_1, FENCE("moved", "4")));
    define_vm(b, 1, VM("web-1", UUID_1, FENCE("owner", "4")));
    expect_found(b, "web-1", 1, UUID_1);
    /* Fenced as moved and yet running: then it is a VM like any other. */
    assert_int_equal(rs_virt_start(b->virt, 0, UUID_1, NULL), RS_OK);
    expect_not_found(b, "web-1", RS_EAMBIGUOUS, "on both");
}

static void test_unreachable_host(void **state)
{
    struct bench *b = *state;
    open_hosts(b, "test:///nowhere/b.xml");
    define_vm(b, 0, VM("web-1", UUID_1, ""));
    define_vm(b, 0, VM("web-2", UUID_2, FENCE("moved", "2")));
    expect_found(b, "web-1", 0, UUID_1);
    expect_not_found(b, "web-3", RS_EUNREACHABLE, "host host-b does not answer");
    expect_not_found(b, "web-2", RS_EUNREACHABLE, "not every host could be asked");
    struct rs_host_facts h;
    assert_int_equal(rs_virt_host_facts(b->virt, 1, &h, NULL), RS_OK);
    assert_false(h.is_reachable);
    assert_non_null(strstr(h.why, "/nowhere/b.xml"));
    assert_int_equal(rs_virt_host_facts(b->virt, 2, &h, NULL), RS_EUNKNOWN_HOST);
}

static void test_actions_may_be_asked_twice(void **state)
{
    struct bench *b = *state;
    struct rs_error err = RS_ERROR_INIT;
    struct rs_vm_facts *list = NULL, f;
    size_t n = 0;
    open_hosts(b, b->uris[1]);
    define_vm(b, 0, VM("web-1", UUID_1, ""));
    assert_int_equal(rs_virt_reboot(b->virt, 0, UUID_1, &err), RS_EBUSY);
    assert_string_equal(err.msg, "cannot reboot VM web-1 on host-a: it is off");
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(rs_virt_start(b->virt, 0, UUID_1, NULL), RS_OK);
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(rs_virt_suspend(b->virt, 0, UUID_1, NULL), RS_OK);
    assert_int_equal(rs_virt_vm_facts(b->virt, 0, UUID_1, &f, NULL), RS_OK);
    assert_int_equal(f.state, RS_VM_PAUSED);
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(rs_virt_resume(b->virt, 0, UUID_1, NULL), RS_OK);
    assert_int_equal(rs_virt_set_fence(b->virt, 0, UUID_1, "owner", 9, RS_TIME_NONE, NULL), RS_OK);
    assert_int_equal(rs_virt_list(b->virt, 0, &list, &n, NULL), RS_OK);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].fence_role, "owner");
    assert_int_equal(list[0].fence_token, 9);
    free(list);
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(rs_virt_destroy(b->virt, 0, UUID_1, NULL), RS_OK);
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(rs_virt_undefine(b->virt, 0, UUID_1, NULL), RS_OK);
    assert_int_equal(rs_virt_start(b->virt, 0, UUID_1, &err), RS_EUNKNOWN_VM);
    assert_string_equal(err.msg, "host host-a has no VM " UUID_1);
}

static void test_events(void **state)
{
    struct bench *b = *state;
    const uint32_t wanted = 1u << RS_VIRT_STARTED | 1u << RS_VIRT_SUSPENDED | 1u << RS_VIRT_RESUMED |
                            1u << RS_VIRT_STOPPED | 1u << RS_VIRT_HOST_BACK;
    uint32_t seen = 0;
    open_hosts(b, b->uris[1]);
    define_vm(b, 0, VM("web-1", UUID_1, ""));
    assert_int_equal(rs_virt_start(b->virt, 0, UUID_1, NULL), RS_OK);
    assert_int_equal(rs_virt_suspend(b->virt, 0, UUID_1, NULL), RS_OK);
    assert_int_equal(rs_virt_resume(b->virt, 0, UUID_1, NULL), RS_OK);
    assert_int_equal(rs_virt_destroy(b->virt, 0, UUID_1, NULL), RS_OK);
    for (int tries = 0; tries < 500 && (seen & wanted) != wanted; tries++) {
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
        pthread_mutex_lock(&b->lock);
        seen = b->seen;
        pthread_mutex_unlock(&b->lock);
    }
    assert_int_equal(seen & wanted, wanted);
    rs_virt_mute(b->virt);
    b->seen = 0; /* nobody else touches it now */
    assert_int_equal(rs_virt_start(b->virt, 0, UUID_1, NULL), RS_OK);
    nanosleep(&(struct timespec){ 0, 100000000 }, NULL);
    assert_int_equal(b->seen, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_of_one_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_uuid_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_move_left_does_not_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unreachable_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_actions_may_be_asked_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
