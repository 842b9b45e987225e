/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the migrator does about an unfinished migration, on libvirt's in-memory test driver: two hosts, one VM in each
 * state that a death can leave, a journal row that says how far it had come. The copy itself needs real hosts
 * (tests/migrate.sh, tests/crash.sh). The source is included for its statics. */
#include "migrate_steps.c"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

#define UUID "c7a5fdbd-cdaf-9455-926a-d65c16db1809"
#define VM_XML                                                                                                         \
    "<domain type='test'><name>web-1</name><uuid>" UUID "</uuid><memory>131072</memory><vcpu>1</vcpu>"                 \
    "<os><type>hvm</type></os></domain>"

enum { A, B };
static const char *const names[] = { "host-a", "host-b" };

struct bench {
    char dir[64], uris[2][128], journal[96];
    rs_virt *virt;
    rs_journal *j;
    struct rs_migration_row row; /* the one that is unfinished */
    struct plan plan;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool has_ended;
    struct rs_migration_row end;
};

static void must(enum rs_status rc, const struct rs_error *err)
{
    if (rc < 0)
        fail_msg("%s", err->msg);
}

/* ---- bench ---- */

static void write_host(const char *path)
{
    rs_auto_file FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("<node><cpu><mhz>2400</mhz><model>x86_64</model><active>8</active><nodes>1</nodes><sockets>1</sockets>"
          "<cores>8</cores><threads>1</threads></cpu><memory>8388608</memory><pool type='dir'><name>local</name>"
          "<target><path>/nowhere</path></target></pool></node>",
          f);
}

static void open_hosts(struct bench *b, const char *uri_a, const char *uri_b)
{
    struct rs_error err = RS_ERROR_INIT;
    struct rs_virt_host hosts[] = { { names[A], uri_a, "local" }, { names[B], uri_b, "local" } };
    must(rs_virt_new(hosts, 2, NULL, NULL, &b->virt, &err), &err);
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    strcpy(b->dir, "/tmp/reseat-migrate-XXXXXX");
    if (!mkdtemp(b->dir))
        return -1;
    for (int i = 0; i < 2; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s.xml", b->dir, names[i]);
        write_host(path);
        snprintf(b->uris[i], sizeof b->uris[i], "test://%s", path);
    }
    snprintf(b->journal, sizeof b->journal, "%s/journal.db", b->dir);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    b->plan = (struct plan){ .xml = strdup(VM_XML), .has_autostart = true, .suspended_at = RS_TIME_NONE };
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    static const char *const files[] = { "host-a.xml", "host-b.xml", "journal.db", "journal.db-wal", "journal.db-shm" };
    rs_virt_free(b->virt);
    rs_journal_close(b->j);
    for (size_t i = 0; i < RS_LEN(files); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", b->dir, files[i]);
        unlink(path);
    }
    int rc = rmdir(b->dir);
    rs_plan_clear(&b->plan);
    free(b->row.plan);
    free(b);
    return rc;
}

static void define_vm(struct bench *b, size_t host, enum rs_vm_state state)
{
    struct rs_error err = RS_ERROR_INIT;
    must(rs_virt_define(b->virt, host, VM_XML, &err), &err);
    if (state != RS_VM_OFF)
        must(rs_virt_start(b->virt, host, UUID, &err), &err);
    if (state == RS_VM_PAUSED)
        must(rs_virt_suspend(b->virt, host, UUID, &err), &err);
}

/* The journal of a reseatd that died during step. */
static void journal_row(struct bench *b, const char *step, bool is_committed)
{
    struct rs_error err = RS_ERROR_INIT;
    rs_autofree char *plan = rs_plan_encode(&b->plan);
    must(rs_journal_open(b->journal, &b->j, &err), &err);
    b->row = (struct rs_migration_row){ .decision = "d-000001",
                                        .vm = "web-1",
                                        .uuid = UUID,
                                        .source = "host-a",
                                        .dest = "host-b",
                                        .with_temp = true,
                                        .started = 1700000000 };
    must(rs_journal_migration_begin(b->j, &b->row, &err), &err);
    must(rs_journal_step(b->j, b->row.id, step, plan, &err), &err);
    if (is_committed)
        must(rs_journal_commit(b->j, b->row.id, &err), &err);
}

static void on_end(void *arg, const struct rs_migration_row *row)
{
    struct bench *b = arg;
    pthread_mutex_lock(&b->lock);
    b->end = *row;
    b->has_ended = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

/* Recovers and waits for the end; retire_after_s keeps what is left at the source. */
static enum rs_migration_end recover(struct bench *b)
{
    struct rs_error err = RS_ERROR_INIT;
    struct rs_migrator_options opt = {
        .reboot_timeout_s = 1, .retire_after_s = 3600, .copy_stall_s = 1, .hold_after_s = 0.2
    };
    rs_migrator *m = NULL;
    must(rs_migrator_new(b->virt, b->j, names, 2, &opt, rs_clock_system(), on_end, b, &m, &err), &err);
    must(rs_migrator_recover(m, &err), &err);
    pthread_mutex_lock(&b->lock);
    while (!b->has_ended)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
    rs_migrator_free(m);
    return b->end.end;
}

/* ---- what must hold ---- */

static void assert_state(struct bench *b, size_t host, enum rs_vm_state want)
{
    enum rs_vm_state state = RS_VM_OTHER;
    struct rs_error err = RS_ERROR_INIT;
    must(rs_virt_state(b->virt, host, UUID, &state, &err), &err);
    assert_int_equal(state, want);
}

static void assert_unknown(struct bench *b, size_t host)
{
    enum rs_vm_state state;
    assert_int_equal(rs_virt_state(b->virt, host, UUID, &state, NULL), RS_EUNKNOWN_VM);
}

static void assert_fence(struct bench *b, size_t host, const char *role, bool has_autostart)
{
    struct rs_vm_facts f;
    struct rs_error err = RS_ERROR_INIT;
    must(rs_virt_vm_facts(b->virt, host, UUID, &f, &err), &err);
    assert_string_equal(f.fence_role, role);
    assert_int_equal(f.fence_token, role[0] ? b->row.token : 0);
    assert_int_equal(f.has_autostart, has_autostart);
}

static void test_suspended_before_the_commit(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[A], b->uris[B]);
    define_vm(b, A, RS_VM_PAUSED);
    journal_row(b, "copy", false);
    assert_int_equal(recover(b), RS_MIGRATION_STAYED);
    assert_string_equal(b->end.why, "reseatd ended during copy, before the commit");
    assert_state(b, A, RS_VM_RUNNING);
    assert_unknown(b, B);
}

static void test_powered_off_before_the_commit(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[A], b->uris[B]);
    define_vm(b, A, RS_VM_OFF);
    journal_row(b, "reboot", false);
    assert_int_equal(recover(b), RS_MIGRATION_STAYED);
    assert_state(b, A, RS_VM_OFF);
}

static void test_suspended_after_the_commit(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[A], b->uris[B]);
    define_vm(b, A, RS_VM_PAUSED);
    journal_row(b, "commit", true);
    assert_int_equal(recover(b), RS_MIGRATION_MOVED);
    assert_state(b, A, RS_VM_OFF);
    assert_fence(b, A, "moved", false);
    assert_state(b, B, RS_VM_RUNNING);
    assert_fence(b, B, "owner", true);
}

static void test_stopped_after_the_commit(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[A], b->uris[B]);
    define_vm(b, A, RS_VM_OFF);
    journal_row(b, "define", true);
    assert_int_equal(recover(b), RS_MIGRATION_MOVED);
    assert_state(b, A, RS_VM_OFF);
    assert_state(b, B, RS_VM_RUNNING);
}

static void test_running_at_the_destination(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[A], b->uris[B]);
    define_vm(b, A, RS_VM_OFF);
    define_vm(b, B, RS_VM_RUNNING);
    b->plan.may_be_defined = b->plan.may_be_started = true;
    journal_row(b, "start", true);
    assert_int_equal(recover(b), RS_MIGRATION_MOVED);
    assert_state(b, A, RS_VM_OFF);
    assert_state(b, B, RS_VM_RUNNING);
}

/* A person resumed it after the commit: its disk at the source is the newer one, so it stays. */
static void test_resumed_after_the_commit(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[A], b->uris[B]);
    define_vm(b, A, RS_VM_RUNNING);
    journal_row(b, "commit", true);
    assert_int_equal(recover(b), RS_MIGRATION_STAYED);
    assert_non_null(strstr(b->end.why, "somebody resumed it"));
    assert_state(b, A, RS_VM_RUNNING);
    assert_fence(b, A, "owner", true);
    assert_unknown(b, B);
}

static void test_going_back(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[A], b->uris[B]);
    define_vm(b, A, RS_VM_OFF);
    b->plan.may_be_defined = b->plan.may_be_started = true;
    journal_row(b, "back", true);
    rs_autofree char *xml = NULL;
    struct rs_error err = RS_ERROR_INIT;
    must(rs_domxml_rewrite(VM_XML, strlen(VM_XML), NULL, 0, b->row.token, &xml, &err), &err);
    must(rs_virt_define(b->virt, B, xml, &err), &err);
    assert_int_equal(recover(b), RS_MIGRATION_STAYED);
    assert_state(b, A, RS_VM_RUNNING);
    assert_fence(b, A, "owner", true);
    assert_unknown(b, B);
}

/* Going back was decided, and yet it runs there, and nowhere else: it has moved. */
static void test_going_back_from_where_it_runs(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[A], b->uris[B]);
    define_vm(b, A, RS_VM_OFF);
    b->plan.may_be_defined = b->plan.may_be_started = true;
    journal_row(b, "back", true);
    rs_autofree char *xml = NULL;
    struct rs_error err = RS_ERROR_INIT;
    must(rs_domxml_rewrite(VM_XML, strlen(VM_XML), NULL, 0, b->row.token, &xml, &err), &err);
    must(rs_virt_define(b->virt, B, xml, &err), &err);
    must(rs_virt_start(b->virt, B, UUID, &err), &err);
    assert_int_equal(recover(b), RS_MIGRATION_MOVED);
    assert_state(b, A, RS_VM_OFF);
    assert_state(b, B, RS_VM_RUNNING);
}

/* The destination is gone, and nothing was defined there yet: the source goes on. */
static void test_destination_lost_before_define(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[A], "test:///nowhere/host-b.xml");
    define_vm(b, A, RS_VM_PAUSED);
    journal_row(b, "disarm", true);
    assert_int_equal(recover(b), RS_MIGRATION_STAYED);
    assert_state(b, A, RS_VM_RUNNING);
    assert_fence(b, A, "owner", true);
}

/* It was told to define and start the VM: whether it runs there cannot be known, so nothing is started. */
static void test_destination_lost_after_start(void **state)
{
    struct bench *b = *state;
    open_hosts(b, b->uris[A], "test:///nowhere/host-b.xml");
    define_vm(b, A, RS_VM_OFF);
    b->plan.may_be_defined = b->plan.may_be_started = true;
    journal_row(b, "start", true);
    assert_int_equal(recover(b), RS_MIGRATION_HELD);
    assert_state(b, A, RS_VM_OFF);
    assert_fence(b, A, "moved", false);
    assert_non_null(strstr(b->end.why, "start it on one of them only"));
}

static void test_source_lost_after_the_commit(void **state)
{
    struct bench *b = *state;
    open_hosts(b, "test:///nowhere/host-a.xml", b->uris[B]);
    journal_row(b, "commit", true);
    assert_int_equal(recover(b), RS_MIGRATION_HELD);
    assert_unknown(b, B);
}

/* ---- without hosts ---- */

static void test_volume_names(void **state)
{
    (void)state;
    static const struct {
        const char *source, *want;
    } cases[] = {
        { "web-1-temp.raw", "web-1-temp.m-000007.raw" },
        { "web-1-temp.m-000001.raw", "web-1-temp.m-000007.raw" },
        { "web-1-temp.m-1234567.qcow2", "web-1-temp.m-000007.qcow2" },
        { "disk", "disk.m-000007" },
        { "m-000001.raw", "m-000001.m-000007.raw" },
        { "a.m-.raw", "a.m-.m-000007.raw" },
        { ".raw", ".raw.m-000007" },
    };
    char name[64];
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        assert_true(dest_volume_name(cases[i].source, "m-000007", name, sizeof name));
        assert_string_equal(name, cases[i].want);
    }
    assert_false(dest_volume_name("web-1-temp.raw", "m-000007", name, 16));
}

static void test_plan_round_trip(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    struct plan p = { .xml = (char *)"<domain>\"\xc3\xa4\"</domain>",
                      .has_autostart = true,
                      .may_be_started = true,
                      .memory_bytes = 134217728,
                      .suspended_at = RS_TIME_NONE,
                      .n_disks = 2 };
    struct plan q = { .xml = NULL };
    p.disks[1] = (struct plan_disk){ .target = "vdb",
                                     .format = "qcow2",
                                     .source_pool = "local",
                                     .source_volume = "a.qcow2",
                                     .dest_volume = "a.m-000001.qcow2",
                                     .dest_path = "/p/a.m-000001.qcow2",
                                     .is_carried = true,
                                     .capacity_bytes = 1 << 30,
                                     .size_bytes = 4097,
                                     .data_bytes = 513,
                                     .sum = "0123456789abcdef0123456789abcdef" };
    rs_autofree char *text = rs_plan_encode(&p);
    assert_non_null(text);
    must(rs_plan_decode(text, &q, &err), &err);
    assert_string_equal(q.xml, p.xml);
    assert_memory_equal(q.disks, p.disks, sizeof q.disks);
    assert_int_equal(q.memory_bytes, p.memory_bytes);
    assert_true(q.suspended_at == RS_TIME_NONE && q.has_autostart && q.may_be_started && !q.may_be_defined);
    assert_int_equal(rs_plan_bytes(&q), 513);
    rs_plan_clear(&q);
}

static void test_damaged_plan(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "{}", "[]", "{\"xml\":\"<d/>\",\"memory_bytes\":-1}",
                                         "{\"xml\":\"<d/>\",\"memory_bytes\":1,\"suspended_at\":0,\"disks\":[{}]}" };
    for (size_t i = 0; i < RS_LEN(texts); i++) {
        struct plan p = { .xml = NULL };
        struct rs_error err = RS_ERROR_INIT;
        assert_int_equal(rs_plan_decode(texts[i], &p, &err), RS_EFORMAT);
        assert_null(p.xml);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_suspended_before_the_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_powered_off_before_the_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_suspended_after_the_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stopped_after_the_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_running_at_the_destination, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resumed_after_the_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_going_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_going_back_from_where_it_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destination_lost_before_define, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destination_lost_after_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_source_lost_after_the_commit, set_up, tear_down),
        cmocka_unit_test(test_volume_names),
        cmocka_unit_test(test_plan_round_trip),
        cmocka_unit_test(test_damaged_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
