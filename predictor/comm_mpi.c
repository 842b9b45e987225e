/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several processes, over MPI; its one door. See comm.h.
 *
 * Each exchange begins with a call in which every process says whether it has failed and what it is about to do, so
 * that an error of one is met by the others wherever they are. Sums are made on one process and handed to all, so that
 * all hold the same bits. */
#include "predictor/comm.h"

#include <mpi.h>

#include "common/fault.h"

#define PIECE ((size_t)1 << 28) /* bytes of one message at most */

struct rs_comm {
    MPI_Comm mpi;
    int rank, size;
    unsigned neighbours;
    bool is_lost;    /* MPI itself failed: nothing can be exchanged any more */
    bool has_failed; /* all know of this error: */
    struct rs_error error;
};

/* Whether a starter of MPI programs has started this process. MPI is left alone elsewhere: it would cost the time and
 * the helper process of its start. */
static bool is_started_by_mpi(void)
{
    static const char *const names[] = { "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK" };
    for (size_t i = 0; i < RS_LEN(names); i++)
        if (getenv(names[i]))
            return true;
    return false;
}

static unsigned count_neighbours(MPI_Comm all)
{
    MPI_Comm here;
    int n = 1;
    if (MPI_Comm_split_type(all, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here) != MPI_SUCCESS)
        return 1;
    MPI_Comm_size(here, &n);
    MPI_Comm_free(&here);
    return (unsigned)n;
}

static void finalize(void)
{
    int is_final = 0;
    MPI_Finalized(&is_final);
    if (!is_final)
        MPI_Finalize();
}

enum rs_status rs_comm_open(rs_comm **out, struct rs_error *err)
{
    *out = NULL;
    if (!is_started_by_mpi())
        return RS_OK;
    int provided, size = 1;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
        return rs_error_set(err, RS_EIO, "MPI does not start");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size == 1) {
        finalize();
        return RS_OK;
    }
    rs_comm *c = rs_alloc(1, sizeof *c);
    if (!c) {
        MPI_Abort(MPI_COMM_WORLD, 1);
        return rs_error_set(err, RS_ENOMEM, "no memory for %d processes", size);
    }
    c->mpi = MPI_COMM_WORLD;
    c->size = size;
    MPI_Comm_rank(c->mpi, &c->rank);
    c->neighbours = count_neighbours(c->mpi);
    *out = c;
    return RS_OK;
}

void rs_comm_close(rs_comm *c)
{
    if (!c)
        return;
    if (c->is_lost)
        MPI_Abort(c->mpi, 1);
    else
        finalize();
    free(c);
}

unsigned rs_comm_rank(const rs_comm *c)
{
    return c ? (unsigned)c->rank : 0;
}

unsigned rs_comm_size(const rs_comm *c)
{
    return c ? (unsigned)c->size : 1;
}

unsigned rs_comm_neighbours(const rs_comm *c)
{
    return c ? c->neighbours : 1;
}

static enum rs_status repeat_error(const rs_comm *c, struct rs_error *err)
{
    return rs_error_set(err, c->error.status, "%s", c->error.msg);
}

/* Translates what MPI returns; a failure is for good. */
static enum rs_status check(rs_comm *c, int code, struct rs_error *err)
{
    if (code == MPI_SUCCESS)
        return RS_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    int len = 0;
    MPI_Error_string(code, text, &len);
    c->is_lost = c->has_failed = true;
    rs_error_set(&c->error, RS_EIO, "a process is lost: %s", text);
    return repeat_error(c, err);
}

/* All learn the error of the process `from`. */
static enum rs_status spread_error(rs_comm *c, int from, struct rs_error *err)
{
    enum rs_status st = check(c, MPI_Bcast(&c->error, (int)sizeof c->error, MPI_BYTE, from, c->mpi), err);
    if (st < 0)
        return st;
    if (from > 0) {
        char msg[RS_ERROR_MAX];
        memcpy(msg, c->error.msg, sizeof msg);
        rs_error_set(&c->error, c->error.status, "process %d of %d: %s", from + 1, c->size, msg);
    }
    c->has_failed = true;
    return repeat_error(c, err);
}

/* What begins every exchange: what, n and size are the same everywhere, or a process has failed with st. */
static enum rs_status meet(rs_comm *c, int what, size_t n, enum rs_status st, struct rs_error *err)
{
    if (c->has_failed)
        return repeat_error(c, err);
    if (st == RS_OK && rs_fault_hit("comm.meet"))
        st = rs_error_set(err, RS_EIO, "named fault comm.meet");
    if (st < 0) {
        const char *msg = err && err->msg[0] ? err->msg : rs_status_meaning(st);
        rs_error_set(&c->error, st, "%s", msg);
    }
    int64_t call = (int64_t)n * 8 + what;
    int64_t lowest[3] = { st < 0 ? c->rank : c->size, call, -call }, all[3];
    enum rs_status met = check(c, MPI_Allreduce(lowest, all, 3, MPI_INT64_T, MPI_MIN, c->mpi), err);
    if (met < 0)
        return met;
    if (all[0] < c->size)
        return spread_error(c, (int)all[0], err);
    if (all[1] == -all[2])
        return RS_OK;
    c->has_failed = true;
    rs_error_set(&c->error, RS_EINTERNAL, "the processes have lost step with each other");
    return repeat_error(c, err);
}

enum { CALL_JOIN, CALL_SUM, CALL_SUM_COUNTS, CALL_MAX, CALL_GATHER, CALL_PIECES };

enum rs_status rs_comm_join(rs_comm *c, enum rs_status st, struct rs_error *err)
{
    return c ? meet(c, CALL_JOIN, 0, st, err) : st;
}

static enum rs_status reduce(rs_comm *c, int what, void *values, size_t n, MPI_Datatype type, MPI_Op op,
                             struct rs_error *err)
{
    if (!c)
        return RS_OK;
    enum rs_status st = meet(c, what, n, RS_OK, err);
    for (size_t from = 0; st == RS_OK && from < n; from += PIECE / 8) {
        char *at = (char *)values + from * 8;
        int count = (int)RS_MIN(n - from, PIECE / 8);
        st = check(c, MPI_Reduce(c->rank ? at : MPI_IN_PLACE, at, count, type, op, 0, c->mpi), err);
        if (st == RS_OK)
            st = check(c, MPI_Bcast(at, count, type, 0, c->mpi), err);
    }
    return st;
}

enum rs_status rs_comm_sum(rs_comm *c, double *values, size_t n, struct rs_error *err)
{
    return reduce(c, CALL_SUM, values, n, MPI_DOUBLE, MPI_SUM, err);
}

enum rs_status rs_comm_sum_counts(rs_comm *c, uint64_t *values, size_t n, struct rs_error *err)
{
    return reduce(c, CALL_SUM_COUNTS, values, n, MPI_UINT64_T, MPI_SUM, err);
}

enum rs_status rs_comm_max(rs_comm *c, double *values, size_t n, struct rs_error *err)
{
    return reduce(c, CALL_MAX, values, n, MPI_DOUBLE, MPI_MAX, err);
}

/* The bytes of each process in its turn, to all. */
static enum rs_status hand_round(rs_comm *c, char *all, const uint64_t *bytes, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (int from = 0; from < c->size; all += bytes[from++])
        for (size_t at = 0; st == RS_OK && at < bytes[from]; at += PIECE)
            st = check(c, MPI_Bcast(all + at, (int)RS_MIN(bytes[from] - at, PIECE), MPI_BYTE, from, c->mpi), err);
    return st;
}

enum rs_status rs_comm_gather(rs_comm *c, const void *mine, size_t n, size_t size, void **out, size_t *out_n,
                              struct rs_error *err)
{
    size_t n_processes = rs_comm_size(c), sum = 0, before = 0;
    uint64_t own = n * size;
    rs_autofree uint64_t *bytes = rs_alloc(n_processes, sizeof *bytes);
    enum rs_status st = bytes ? RS_OK : rs_error_set(err, RS_ENOMEM, "%zu processes: out of memory", n_processes);
    if (c)
        st = meet(c, CALL_GATHER, size, st, err);
    if (st == RS_OK && c)
        st = check(c, MPI_Allgather(&own, 1, MPI_UINT64_T, bytes, 1, MPI_UINT64_T, c->mpi), err);
    if (st < 0)
        return st;
    if (!c)
        bytes[0] = own;
    for (size_t k = 0; k < n_processes; k++) {
        before += k < rs_comm_rank(c) ? bytes[k] : 0;
        sum += bytes[k];
    }
    rs_autofree char *all = rs_alloc(sum, 1);
    if (!all)
        st = rs_error_set(err, RS_ENOMEM, "%zu bytes of %zu processes: out of memory", sum, n_processes);
    if (c)
        st = meet(c, CALL_PIECES, 0, st, err);
    if (st < 0)
        return st;
    if (own)
        memcpy(all + before, mine, own);
    st = c ? hand_round(c, all, bytes, err) : RS_OK;
    if (st < 0)
        return st;
    *out = rs_take(all);
    *out_n = sum / size;
    return RS_OK;
}
