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

#define NOT_THERE RS_VM_OTHER         /* of a VM: the host does not know it */
#define LOST ((enum rs_vm_state) - 1) /* of a host: nobody answers */

/* What a death has left, and what must come of it. */
struct recovery {
    const char *what;
    enum rs_vm_state left[2]; /* on host-a and host-b */
    bool is_fenced;           /* the VM on host-b carries our token */
    bool may_be_started;      /* the plan says that host-b was told to define and start it */
    const char *step;         /* of the journal */
    bool is_committed;
    enum rs_migration_end end;
    enum rs_vm_state want[2]; /* LOST: not asked */
    const char *fence_a;      /* role of the VM on host-a; NULL: not asked */
    const char *why;          /* stands in the reason; NULL: not asked */
};

struct bench {
    const struct recovery *r;
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

static void open_hosts(struct bench *b)
{
    struct rs_error err = RS_ERROR_INIT;
    struct rs_virt_host hosts[2];
    for (int i = 0; i < 2; i++) {
        const char *uri = b->r->left[i] == LOST ? "test:///nowhere/host.xml" : b->uris[i];
        hosts[i] = (struct rs_virt_host){ names[i], uri, "local" };
    }
    must(rs_virt_new(hosts, 2, NULL, NULL, &b->virt, &err), &err);
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    b->r = *state;
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

/* token 0: without a fence */
static void define_vm(struct bench *b, size_t host, enum rs_vm_state state, uint64_t token)
{
    rs_autofree char *xml = NULL;
    struct rs_error err = RS_ERROR_INIT;
    if (state == NOT_THERE || state == LOST)
        return;
    if (token)
        must(rs_domxml_rewrite(VM_XML, strlen(VM_XML), NULL, 0, token, &xml, &err), &err);
    must(rs_virt_define(b->virt, host, xml ? xml : VM_XML, &err), &err);
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
    if (want == LOST)
        return;
    enum rs_status st = rs_virt_state(b->virt, host, UUID, &state, &err);
    assert_int_equal(st, want == NOT_THERE ? RS_EUNKNOWN_VM : RS_OK);
    if (want != NOT_THERE)
        assert_int_equal(state, want);
}

/* The owner starts with its host where it did before; one that moved away never does. */
static void assert_fence(struct bench *b, size_t host, const char *role)
{
    struct rs_vm_facts f;
    struct rs_error err = RS_ERROR_INIT;
    must(rs_virt_vm_facts(b->virt, host, UUID, &f, &err), &err);
    assert_string_equal(f.fence_role, role);
    assert_int_equal(f.fence_token, b->row.token);
    assert_int_equal(f.has_autostart, rs_streq(role, "owner"));
}

static const struct recovery recoveries[] = {
    { .what = "suspended before the commit",
      .left = { RS_VM_PAUSED, NOT_THERE },
      .step = "copy",
      .end = RS_MIGRATION_STAYED,
      .want = { RS_VM_RUNNING, NOT_THERE },
      .why = "reseatd ended during copy, before the commit" },
    { .what = "powered off before the commit",
      .left = { RS_VM_OFF, NOT_THERE },
      .step = "reboot",
      .end = RS_MIGRATION_STAYED,
      .want = { RS_VM_OFF, NOT_THERE } },
    { .what = "suspended after the commit",
      .left = { RS_VM_PAUSED, NOT_THERE },
      .step = "commit",
      .is_committed = true,
      .end = RS_MIGRATION_MOVED,
      .want = { RS_VM_OFF, RS_VM_RUNNING },
      .fence_a = "moved" },
    { .what = "stopped after the commit",
      .left = { RS_VM_OFF, NOT_THERE },
      .step = "define",
      .is_committed = true,
      .end = RS_MIGRATION_MOVED,
      .want = { RS_VM_OFF, RS_VM_RUNNING } },
    { .what = "running at the destination",
      .left = { RS_VM_OFF, RS_VM_RUNNING },
      .may_be_started = true,
      .step = "start",
      .is_committed = true,
      .end = RS_MIGRATION_MOVED,
      .want = { RS_VM_OFF, RS_VM_RUNNING } },
    { .what = "resumed after the commit by a person: its disk at the source is the newer one, so it stays",
      .left = { RS_VM_RUNNING, NOT_THERE },
      .step = "commit",
      .is_committed = true,
      .end = RS_MIGRATION_STAYED,
      .want = { RS_VM_RUNNING, NOT_THERE },
      .fence_a = "owner",
      .why = "somebody resumed it" },
    { .what = "going back",
      .left = { RS_VM_OFF, RS_VM_OFF },
      .is_fenced = true,
      .may_be_started = true,
      .step = "back",
      .is_committed = true,
      .end = RS_MIGRATION_STAYED,
      .want = { RS_VM_RUNNING, NOT_THERE },
      .fence_a = "owner" },
    { .what = "going back was decided, and yet it runs there, and nowhere else: it has moved",
      .left = { RS_VM_OFF, RS_VM_RUNNING },
      .is_fenced = true,
      .may_be_started = true,
      .step = "back",
      .is_committed = true,
      .end = RS_MIGRATION_MOVED,
      .want = { RS_VM_OFF, RS_VM_RUNNING } },
    { .what = "destination lost, and nothing was defined there yet: the source goes on",
      .left = { RS_VM_PAUSED, LOST },
      .step = "disarm",
      .is_committed = true,
      .end = RS_MIGRATION_STAYED,
      .want = { RS_VM_RUNNING, LOST },
      .fence_a = "owner" },
    { .what = "destination lost after the start: whether it runs there cannot be known, so nothing is started",
      .left = { RS_VM_OFF, LOST },
      .may_be_started = true,
      .step = "start",
      .is_committed = true,
      .end = RS_MIGRATION_HELD,
      .want = { RS_VM_OFF, LOST },
      .fence_a = "moved",
      .why = "start it on one of them only" },
    { .what = "source lost after the commit",
      .left = { LOST, NOT_THERE },
      .step = "commit",
      .is_committed = true,
      .end = RS_MIGRATION_HELD,
      .want = { LOST, NOT_THERE } },
};

static void test_recovery(void **state)
{
    struct bench *b = *state;
    const struct recovery *r = b->r;
    open_hosts(b);
    b->plan.may_be_defined = b->plan.may_be_started = r->may_be_started;
    journal_row(b, r->step, r->is_committed);
    for (size_t i = 0; i < 2; i++)
        define_vm(b, i, r->left[i], i == B && r->is_fenced ? b->row.token : 0);
    assert_int_equal(recover(b), r->end);
    for (size_t i = 0; i < 2; i++)
        assert_state(b, i, r->want[i]);
    if (r->fence_a)
        assert_fence(b, A, r->fence_a);
    if (r->end == RS_MIGRATION_MOVED && r->left[B] == NOT_THERE) /* it was defined by us */
        assert_fence(b, B, "owner");
    if (r->why)
        assert_non_null(strstr(b->end.why, r->why));
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
    struct CMUnitTest tests[RS_LEN(recoveries) + 3] = {
        cmocka_unit_test(test_volume_names),
        cmocka_unit_test(test_plan_round_trip),
        cmocka_unit_test(test_damaged_plan),
    };
    for (size_t i = 0; i < RS_LEN(recoveries); i++)
        tests[i + 3] =
            (struct CMUnitTest){ recoveries[i].what, test_recovery, set_up, tear_down, (void *)&recoveries[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
