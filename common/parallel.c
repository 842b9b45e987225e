/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of threads that wait for a job, one job at a time. A worker looks for work a little before it sleeps, because
 * the next pass of a fit follows at once. */
#include "parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#define SPINS 2000 /* looks before a sleep, some 20 us */

static struct {
    pthread_mutex_t busy; /* held by the caller whose job runs */
    pthread_mutex_t lock; /* guards the waits below */
    pthread_cond_t has_job, is_done;
    unsigned n_workers; /* started, besides the caller */
    void (*fn)(void *, size_t, unsigned);
    void *arg;
    size_t n_tasks;
    unsigned n_wanted;    /* workers 1..n_wanted take part */
    atomic_ulong job;     /* number of the job; a change wakes */
    atomic_size_t next;   /* task */
    atomic_uint n_inside; /* workers that have not left the job */
} pool = { .busy = PTHREAD_MUTEX_INITIALIZER,
           .lock = PTHREAD_MUTEX_INITIALIZER,
           .has_job = PTHREAD_COND_INITIALIZER,
           .is_done = PTHREAD_COND_INITIALIZER };

unsigned rs_threads(void)
{
    const char *text = getenv("RESEAT_THREADS");
    if (text) {
        char *end;
        unsigned long n = strtoul(text, &end, 10);
        if (end != text && !*end && n >= 1)
            return (unsigned)RS_MIN(n, (unsigned long)RS_THREADS_MAX);
    }
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return (unsigned)RS_MIN(RS_MAX(n, 1), RS_THREADS_MAX);
}

static void pause_core(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void take_tasks(unsigned worker)
{
    size_t task;
    while ((task = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed)) < pool.n_tasks)
        pool.fn(pool.arg, task, worker);
}

/* Returns the number of a job other than the last one. */
static unsigned long wait_for_job(unsigned long last)
{
    for (int k = 0; k < SPINS; k++) {
        unsigned long job = atomic_load_explicit(&pool.job, memory_order_acquire);
        if (job != last)
            return job;
        pause_core();
    }
    pthread_mutex_lock(&pool.lock);
    while (atomic_load_explicit(&pool.job, memory_order_acquire) == last)
        pthread_cond_wait(&pool.has_job, &pool.lock);
    unsigned long job = atomic_load_explicit(&pool.job, memory_order_acquire);
    pthread_mutex_unlock(&pool.lock);
    return job;
}

struct start {
    unsigned worker;
    unsigned long job;
};

static void *work(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    for (unsigned long job = start.job;;) {
        job = wait_for_job(job);
        if (start.worker <= pool.n_wanted)
            take_tasks(start.worker);
        if (atomic_fetch_sub_explicit(&pool.n_inside, 1, memory_order_acq_rel) != 1)
            continue;
        pthread_mutex_lock(&pool.lock);
        pthread_cond_signal(&pool.is_done);
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

/* The child has the caller's thread alone. */
static void forget_workers(void)
{
    pool.n_workers = 0;
    atomic_store(&pool.n_inside, 0);
    pthread_mutex_init(&pool.busy, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.has_job, NULL);
    pthread_cond_init(&pool.is_done, NULL);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_workers);
}

static bool start_worker(void)
{
    struct start *start = malloc(sizeof *start);
    if (!start)
        return false;
    *start = (struct start){ pool.n_workers + 1, atomic_load(&pool.job) };
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals go to the program's own threads */
    bool is_up = pthread_create(&thread, &attr, work, start) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (!is_up)
        free(start);
    pool.n_workers += is_up;
    return is_up;
}

static void wait_for_workers(void)
{
    for (int k = 0; k < SPINS; k++) {
        if (atomic_load_explicit(&pool.n_inside, memory_order_acquire) == 0)
            return;
        pause_core();
    }
    pthread_mutex_lock(&pool.lock);
    while (atomic_load_explicit(&pool.n_inside, memory_order_acquire) != 0)
        pthread_cond_wait(&pool.is_done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

static void run_job(unsigned n_threads)
{
    pool.n_wanted = n_threads - 1;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.n_inside, pool.n_workers, memory_order_relaxed);
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add_explicit(&pool.job, 1, memory_order_release);
    pthread_cond_broadcast(&pool.has_job);
    pthread_mutex_unlock(&pool.lock);
    take_tasks(0);
    wait_for_workers();
}

void rs_parallel(unsigned n_threads, size_t n_tasks, void (*fn)(void *arg, size_t task, unsigned worker), void *arg)
{
    if (n_threads == 0)
        n_threads = rs_threads();
    n_threads = (unsigned)RS_MIN((size_t)RS_MIN(n_threads, (unsigned)RS_THREADS_MAX), n_tasks);
    if (n_threads <= 1 || pthread_mutex_trylock(&pool.busy) != 0) {
        for (size_t task = 0; task < n_tasks; task++)
            fn(arg, task, 0);
        return;
    }
    pthread_once(&once, watch_forks);
    while (pool.n_workers < n_threads - 1 && start_worker())
        ;
    pool.fn = fn;
    pool.arg = arg;
    pool.n_tasks = n_tasks;
    run_job(n_threads);
    pthread_mutex_unlock(&pool.busy);
}
