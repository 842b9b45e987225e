/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Drives the migrator on real hosts for tests/migrate.sh and tests/crash.sh, without the daemon and its policy around
 * it, so that each move and each fault is the test's own choice:
 *
 *     test_migrate_lab JOURNAL NAME=URI... -- recover
 *     test_migrate_lab JOURNAL NAME=URI... -- move VM DEST [WORD=VALUE...]
 *
 * Words: retire=S grace time (3600), deadline=S longest blackout (60), reboot=S reboot timeout (60), stall=S (30),
 * hold=S (60), temp=no leave the temp disk behind, cancel=STEP cancel when that step is seen, linger=S stay after the
 * end. Several VMs, separated by commas, move at once. Prints one line per ended migration: id, end, why. Exits 0 where
 * all moved, 3 where one stayed, 4 where one is held, 1 on an error. */
#include "executor/migrate.h"

#include <pthread.h>
#include <time.h>

#define HOSTS_MAX 8

struct lab {
    struct rs_virt_host hosts[HOSTS_MAX];
    const char *names[HOSTS_MAX];
    size_t n_hosts;
    rs_virt *virt;
    rs_journal *journal;
    rs_migrator *migrator; /* set before events can matter */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    size_t n_ended, n_stayed, n_held;
};

struct words {
    double retire_s, deadline_s, reboot_s, stall_s, hold_s, linger_s;
    bool with_temp;
    const char *cancel_at;
};

static void fail(const char *what, const struct rs_error *err)
{
    fprintf(stderr, "test_migrate_lab: %s: %s\n", what, err->msg);
    exit(1);
}

static void on_event(void *arg, size_t host, const char *uuid, enum rs_virt_event event)
{
    struct lab *lab = arg;
    rs_migrator *m = __atomic_load_n(&lab->migrator, __ATOMIC_ACQUIRE);
    if (m)
        rs_migrator_event(m, host, uuid, event);
}

static void on_end(void *arg, const struct rs_migration_row *row)
{
    struct lab *lab = arg;
    pthread_mutex_lock(&lab->lock);
    printf("%s %s %s\n", row->id, rs_migration_end_name(row->end), row->why);
    fflush(stdout);
    lab->n_ended++;
    lab->n_stayed += row->end == RS_MIGRATION_STAYED;
    lab->n_held += row->end == RS_MIGRATION_HELD;
    pthread_cond_broadcast(&lab->ended);
    pthread_mutex_unlock(&lab->lock);
}

static void pause_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
    nanosleep(&t, NULL);
}

static void parse_words(int argc, char **argv, struct words *w)
{
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            continue;
        size_t len = (size_t)(value++ - argv[i]);
        struct {
            const char *name;
            double *out;
        } table[] = { { "retire", &w->retire_s }, { "deadline", &w->deadline_s }, { "reboot", &w->reboot_s },
                      { "stall", &w->stall_s },   { "hold", &w->hold_s },         { "linger", &w->linger_s } };
        for (size_t k = 0; k < RS_LEN(table); k++)
            if (strlen(table[k].name) == len && strncmp(argv[i], table[k].name, len) == 0)
                *table[k].out = atof(value);
        if (strncmp(argv[i], "temp=", 5) == 0)
            w->with_temp = !rs_streq(value, "no");
        if (strncmp(argv[i], "cancel=", 7) == 0)
            w->cancel_at = value;
    }
}

static void cancel_at(struct lab *lab, const char *id, const char *step)
{
    struct rs_migration_progress p;
    struct rs_error err = RS_ERROR_INIT;
    while (rs_migrator_progress(lab->migrator, id, &p) == RS_OK && !rs_streq(p.step, step))
        pause_ms(1);
    enum rs_status rc = rs_migrator_cancel(lab->migrator, id, &err);
    printf("%s cancel %s %s\n", id, rs_status_word(rc), err.msg);
}

static size_t move(struct lab *lab, char *vms, const char *dest, const struct words *w)
{
    size_t n = 0;
    char id[32] = "", *rest = NULL;
    for (char *vm = strtok_r(vms, ",", &rest); vm; vm = strtok_r(NULL, ",", &rest), n++) {
        struct rs_vm_facts f;
        struct rs_error err = RS_ERROR_INIT;
        struct rs_migration_request req = { .decision = "d-test",
                                            .with_temp = w->with_temp,
                                            .deadline_s = w->deadline_s };
        if (rs_virt_find(lab->virt, vm, &req.source, &f, &err) < 0)
            fail(vm, &err);
        req.uuid = f.uuid;
        while (req.dest < lab->n_hosts && !rs_streq(lab->names[req.dest], dest))
            req.dest++;
        if (rs_migrator_start(lab->migrator, &req, id, &err) < 0)
            fail(vm, &err);
        if (w->cancel_at)
            cancel_at(lab, id, w->cancel_at);
    }
    return n;
}

static int run(struct lab *lab, int argc, char **argv)
{
    struct words w = { 3600, 60, 60, 30, 60, 0, true, NULL };
    struct rs_error err = RS_ERROR_INIT;
    parse_words(argc, argv, &w);
    struct rs_migrator_options opt = { w.reboot_s, w.retire_s, w.stall_s, w.hold_s };
    rs_migrator *m = NULL;
    if (rs_migrator_new(lab->virt, lab->journal, lab->names, lab->n_hosts, &opt, rs_clock_system(), on_end, lab, &m,
                        &err) < 0)
        fail("migrator", &err);
    __atomic_store_n(&lab->migrator, m, __ATOMIC_RELEASE);
    size_t n_wanted = 0;
    if (rs_streq(argv[0], "recover")) {
        if (rs_migrator_recover(m, &err) < 0)
            fail("recover", &err);
        n_wanted = rs_migrator_moves(m, SIZE_MAX) + lab->n_ended;
    } else if (argc >= 3) {
        n_wanted = move(lab, argv[1], argv[2], &w);
    }
    pthread_mutex_lock(&lab->lock);
    while (lab->n_ended < n_wanted)
        pthread_cond_wait(&lab->ended, &lab->lock);
    pthread_mutex_unlock(&lab->lock);
    pause_ms((long)(w.linger_s * 1000));
    rs_virt_mute(lab->virt);
    rs_migrator_free(m);
    rs_virt_free(lab->virt);
    return lab->n_held ? 4 : lab->n_stayed ? 3 : 0;
}

int main(int argc, char **argv)
{
    static struct lab lab = { .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER };
    struct rs_error err = RS_ERROR_INIT;
    int i = 2;
    for (; i < argc && !rs_streq(argv[i], "--") && lab.n_hosts < HOSTS_MAX; i++) {
        char *uri = strchr(argv[i], '=');
        if (!uri)
            continue;
        *uri++ = '\0';
        lab.names[lab.n_hosts] = argv[i];
        lab.hosts[lab.n_hosts++] = (struct rs_virt_host){ argv[i], uri, "local" };
    }
    if (i + 1 >= argc)
        return 2;
    if (rs_journal_open(argv[1], &lab.journal, &err) < 0)
        fail("journal", &err);
    if (rs_virt_new(lab.hosts, lab.n_hosts, on_event, &lab, &lab.virt, &err) < 0)
        fail("hosts", &err);
    int rc = run(&lab, argc - i - 1, argv + i + 1);
    rs_journal_close(lab.journal);
    return rc;
}
