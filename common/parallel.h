/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks on the cores of this process.
 *
 *     rs_parallel(0, n_stripes, sum_stripe, &job);       every stripe once, on all usable cores
 *
 * Workers are started at the first call and kept, so that a call costs microseconds. Results must not depend on which
 * worker ran a task or when: write to a place of the task's own and join in the order of tasks, and any number of
 * threads gives the same bits. Any thread may call; while one call is under way, another one (from another thread, or
 * from inside a task) runs its tasks itself. A child after fork() starts workers of its own. */
#ifndef RS_COMMON_PARALLEL_H
#define RS_COMMON_PARALLEL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RS_THREADS_MAX 256

/* Cores that this process may use (its affinity mask), 1 to RS_THREADS_MAX. RESEAT_THREADS=N in the environment
 * overrides. */
unsigned rs_threads(void);

/* Calls fn(arg, task, worker) for each task 0..n_tasks-1, handed out in order to at most n_threads threads (0:
 * rs_threads()), and returns when all are done. The caller is worker 0; the others are numbered below n_threads. Where
 * threads cannot be had, fewer do the work. Allocates nothing after the threads are up. */
void rs_parallel(unsigned n_threads, size_t n_tasks, void (*fn)(void *arg, size_t task, unsigned worker), void *arg);

#ifdef __cplusplus
}
#endif
#endif
