/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: every task once, whatever the threads; calls inside calls, from several threads, and after fork(). */
#include "parallel.c"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#define N 1009

struct job {
    atomic_uint hits[N];
    atomic_uint worker_max, n_inner;
    bool is_nested;
};

static void count_inner(void *arg, size_t task, unsigned worker)
{
    (void)task;
    (void)worker;
    atomic_fetch_add(&((struct job *)arg)->n_inner, 1);
}

static void hit(void *arg, size_t task, unsigned worker)
{
    struct job *j = arg;
    atomic_fetch_add(&j->hits[task], 1);
    if (worker > atomic_load(&j->worker_max))
        atomic_store(&j->worker_max, worker);
    if (j->is_nested)
        rs_parallel(3, 5, count_inner, j);
}

/* Zero where every task ran once. */
static int run(unsigned n_threads, bool is_nested)
{
    static struct job zero;
    struct job *j = malloc(sizeof *j);
    int bad = 0;
    *j = zero;
    j->is_nested = is_nested;
    rs_parallel(n_threads, N, hit, j);
    for (size_t i = 0; i < N; i++)
        bad += atomic_load(&j->hits[i]) != 1;
    bad += atomic_load(&j->n_inner) != (is_nested ? 5 * N : 0);
    bad += atomic_load(&j->worker_max) >= RS_MAX(n_threads, 1u) && n_threads;
    free(j);
    return bad;
}

static void test_every_task_once(void **unused)
{
    (void)unused;
    for (unsigned threads = 0; threads <= 5; threads++)
        for (int k = 0; k < 200; k++)
            assert_int_equal(run(threads, false), 0);
    rs_parallel(4, 0, hit, NULL); /* no task, no call */
}

static void test_nested(void **unused)
{
    (void)unused;
    assert_int_equal(run(3, true), 0);
    assert_int_equal(run(1, true), 0);
}

static void *run_many(void *arg)
{
    int bad = 0;
    for (int k = 0; k < 100; k++)
        bad += run(3, false);
    *(int *)arg = bad;
    return NULL;
}

static void test_from_several_threads(void **unused)
{
    (void)unused;
    pthread_t thread[3];
    int bad[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, run_many, &bad[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(bad[i], 0);
    }
}

static void test_after_fork(void **unused)
{
    (void)unused;
#if defined(__SANITIZE_THREAD__)
    print_message("skipped: ThreadSanitizer ends a process that starts threads after a fork() of many\n");
    skip();
#endif
    assert_int_equal(run(2, false), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(run(3, false) == 0 ? 7 : 8);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(run(2, false), 0);
}

static void test_environment_overrides(void **unused)
{
    (void)unused;
    unsetenv("RESEAT_THREADS");
    unsigned usable = rs_threads();
    assert_true(usable >= 1 && usable <= RS_THREADS_MAX);
    setenv("RESEAT_THREADS", "7", 1);
    assert_int_equal(rs_threads(), 7);
    setenv("RESEAT_THREADS", "100000", 1);
    assert_int_equal(rs_threads(), RS_THREADS_MAX);
    static const char *const wrong[] = { "", "0", "4x", "many" };
    for (size_t i = 0; i < RS_LEN(wrong); i++) {
        setenv("RESEAT_THREADS", wrong[i], 1);
        assert_int_equal(rs_threads(), usable);
    }
    unsetenv("RESEAT_THREADS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_once),       cmocka_unit_test(test_nested),
        cmocka_unit_test(test_from_several_threads),  cmocka_unit_test(test_after_fork),
        cmocka_unit_test(test_environment_overrides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
