/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The processes that train together, each on the entities of its own. What they exchange are sums of a few thousand
 * numbers, and bounded samples of rows. Every process takes the same decisions, because each decision rests on what all
 * of them hold. NULL stands for one process, and costs nothing.
 *
 * A process that fails says so in the next exchange, whichever that is, and every process then returns its error; so no
 * function needs to agree on errors before it returns one. Calls belong to one thread of each process, and all
 * processes make the same ones. comm.c is the body without MPI, comm_mpi.c that with it (cmake -D RESEAT_MPI=ON). */
#ifndef RS_PREDICTOR_COMM_H
#define RS_PREDICTOR_COMM_H

#include "common/base.h"
#include "common/error.h"

typedef struct rs_comm rs_comm;

/* Joins the processes that mpirun or srun has started; *out is NULL where there is one. RS_EUNSUPPORTED where there are
 * several and this program was built without MPI; RS_ENOMEM. */
enum rs_status rs_comm_open(rs_comm **out, struct rs_error *err);
/* Waits for the others, unless one of them is lost. */
void rs_comm_close(rs_comm *c);
RS_DEFINE_AUTO(rs_comm, rs_comm_close)

unsigned rs_comm_rank(const rs_comm *c);       /* 0 of NULL */
unsigned rs_comm_size(const rs_comm *c);       /* 1 of NULL */
unsigned rs_comm_neighbours(const rs_comm *c); /* processes on this machine, this one included; 1 of NULL */

/* Whether the k-th of some tasks that the processes share out is this one's. */
static inline bool rs_comm_is_turn(const rs_comm *c, size_t k)
{
    return k % rs_comm_size(c) == rs_comm_rank(c);
}

/* st and err are what this process has come to. Returns RS_OK where all have come to RS_OK; else the error of one that
 * has not, the same in each process. */
enum rs_status rs_comm_join(rs_comm *c, enum rs_status st, struct rs_error *err);

/* values[i] := the sum (modulo 2^64; the maximum) of values[i] over all processes, the same bits on each; all call it,
 * with the same n. Does nothing for NULL. The error of a process that failed; RS_EIO where one is lost. */
enum rs_status rs_comm_sum(rs_comm *c, double *values, size_t n, struct rs_error *err);
enum rs_status rs_comm_sum_counts(rs_comm *c, uint64_t *values, size_t n, struct rs_error *err);
enum rs_status rs_comm_max(rs_comm *c, double *values, size_t n, struct rs_error *err);

/* What all processes hold, n items of `size` bytes from each, in the order of their ranks: *out is the caller's to
 * free, *out_n items. Errors as above, and RS_ENOMEM. */
enum rs_status rs_comm_gather(rs_comm *c, const void *mine, size_t n, size_t size, void **out, size_t *out_n,
                              struct rs_error *err);

#endif
