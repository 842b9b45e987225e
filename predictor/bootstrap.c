/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Resampling of entities on all cores. See bootstrap.h and docs/math.md E10. */
#include "predictor/bootstrap.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/cli.h"
#include "predictor/metrics.h"

#define THREADS_MAX 64

/* splitmix64 (Steele, Lea, Flood 2014): small, and good from any seed. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in [0, n): the high half of a 64 x 32 bit product; the bias is below n / 2^64. */
static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(((unsigned __int128)next_random(state) * n) >> 64);
}

void rs_bootstrap_draw(uint64_t seed, uint64_t replicate, size_t n_units, uint32_t *weight)
{
    uint64_t mix = seed;
    uint64_t state = next_random(&mix) ^ (replicate * 0xd1342543de82ef95u + 0x2545f4914f6cdd1du);
    memset(weight, 0, n_units * sizeof *weight);
    for (size_t i = 0; i < n_units; i++)
        weight[below(&state, n_units)]++;
}

struct job {
    const struct rs_bootstrap *b;
    double *stats; /* n_replicates x n_stats */
    atomic_size_t next, done;
    pthread_mutex_t progress_lock;
};

struct worker {
    struct job *job;
    unsigned number;
    pthread_t thread;
};

static void report(struct job *job)
{
    size_t done = atomic_fetch_add(&job->done, 1) + 1;
    if (!job->b->progress || pthread_mutex_trylock(&job->progress_lock) != 0)
        return;
    job->b->progress(job->b->arg, done);
    pthread_mutex_unlock(&job->progress_lock);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct job *job = w->job;
    const struct rs_bootstrap *b = job->b;
    rs_autofree uint32_t *weight = rs_alloc(b->n_units, sizeof *weight);
    if (!weight)
        return NULL; /* the others take its share; rs_bootstrap_run() sees where none could */
    for (size_t r; !rs_cli_interrupted() && (r = atomic_fetch_add(&job->next, 1)) < b->n_replicates;) {
        rs_bootstrap_draw(b->seed, r, b->n_units, weight);
        b->measure(b->arg, w->number, weight, job->stats + r * b->n_stats);
        report(job);
    }
    return NULL;
}

unsigned rs_bootstrap_threads(const struct rs_bootstrap *b)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = b->n_threads ? b->n_threads : (size_t)RS_MAX(cores, 1);
    return (unsigned)RS_MIN(RS_MIN(n, b->n_replicates), (size_t)THREADS_MAX);
}

/* The calling thread is worker 0; those that cannot be started leave their share to the others. */
static void run_workers(struct job *job, unsigned n)
{
    struct worker workers[THREADS_MAX];
    unsigned started = 1;
    for (; started < n; started++) {
        workers[started] = (struct worker){ .job = job, .number = started };
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
            break;
    }
    workers[0] = (struct worker){ .job = job, .number = 0 };
    work(&workers[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
}

static int ascending(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return a < b ? -1 : a > b;
}

/* math.md E10. column: room for n_replicates. */
static void percentiles(const struct rs_bootstrap *b, const double *stats, size_t k, double *column, double *low,
                        double *high)
{
    size_t n = 0;
    for (size_t r = 0; r < b->n_replicates; r++) {
        double v = stats[r * b->n_stats + k];
        if (isfinite(v))
            column[n++] = v;
    }
    *low = *high = NAN;
    if (2 * n < b->n_replicates)
        return;
    qsort(column, n, sizeof *column, ascending);
    *low = rs_quantile(column, NULL, n, (1 - b->coverage) / 2);
    *high = rs_quantile(column, NULL, n, (1 + b->coverage) / 2);
}

enum rs_status rs_bootstrap_run(const struct rs_bootstrap *b, double *low, double *high, struct rs_error *err)
{
    size_t cells;
    if (!rs_mul_size(b->n_replicates, b->n_stats, &cells))
        return rs_error_set(err, RS_ENOMEM, "%zu replicates of %zu statistics: out of memory", b->n_replicates,
                            b->n_stats);
    rs_autofree double *stats = rs_alloc(cells, sizeof *stats);
    rs_autofree double *column = rs_alloc(b->n_replicates, sizeof *column);
    if (!stats || !column)
        return rs_error_set(err, RS_ENOMEM, "%zu replicates of %zu statistics: out of memory", b->n_replicates,
                            b->n_stats);
    struct job job = { .b = b, .stats = stats, .progress_lock = PTHREAD_MUTEX_INITIALIZER };
    run_workers(&job, rs_bootstrap_threads(b));
    if (rs_cli_interrupted())
        return rs_error_set(err, RS_ECANCELLED, "interrupted after %zu of %zu replicates", (size_t)job.done,
                            b->n_replicates);
    if ((size_t)job.done < b->n_replicates)
        return rs_error_set(err, RS_ENOMEM, "weights of %zu entities: out of memory", b->n_units);
    for (size_t k = 0; k < b->n_stats; k++)
        percentiles(b, stats, k, column, &low[k], &high[k]);
    return RS_OK;
}
