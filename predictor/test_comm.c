/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exchanges between processes. Alone it checks the body for one process; tests/mpi.sh runs it under mpirun. */
#include "predictor/comm.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static rs_comm *comm;

static void test_sums(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    unsigned rank = rs_comm_rank(comm), n = rs_comm_size(comm);
    double sums[2] = { 1.25, rank };
    uint64_t counts[2] = { UINT64_MAX - 2, rank + 1 };
    double most[2] = { rank, -(double)rank };
    assert_int_equal(rs_comm_sum(comm, sums, 2, &err), RS_OK);
    assert_int_equal(rs_comm_sum_counts(comm, counts, 2, &err), RS_OK);
    assert_int_equal(rs_comm_max(comm, most, 2, &err), RS_OK);
    assert_true(sums[0] == 1.25 * n && sums[1] == n * (n - 1) / 2.0);
    assert_true(counts[0] == UINT64_MAX - 3 * (uint64_t)n + 1); /* modulo 2^64 */
    assert_true(counts[1] == n * (n + 1) / 2);
    assert_true(most[0] == n - 1 && most[1] == 0);
}

/* Rank r gives r items that say r * 100 + k. */
static void test_gather(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    unsigned rank = rs_comm_rank(comm), n = rs_comm_size(comm);
    uint32_t mine[64];
    for (uint32_t k = 0; k < rank && k < 64; k++)
        mine[k] = rank * 100 + k;
    void *out = NULL;
    size_t n_out = 99;
    assert_int_equal(rs_comm_gather(comm, mine, rank, sizeof *mine, &out, &n_out, &err), RS_OK);
    assert_int_equal(n_out, n * (n - 1) / 2);
    const uint32_t *all = out;
    for (uint32_t r = 0, i = 0; r < n; r++)
        for (uint32_t k = 0; k < r; k++)
            assert_int_equal(all[i++], r * 100 + k);
    free(out);
}

/* The last process fails while the others are about to add. */
static void test_error_reaches_all(void **state)
{
    (void)state;
    struct rs_error err = RS_ERROR_INIT;
    unsigned rank = rs_comm_rank(comm), n = rs_comm_size(comm);
    double x = 1;
    assert_int_equal(rs_comm_join(comm, RS_OK, &err), RS_OK);
    enum rs_status st = RS_OK;
    if (rank == n - 1)
        st = rs_comm_join(comm, rs_error_set(&err, RS_ENOSPACE, "no room on %s", "here"), &err);
    else
        st = rs_comm_sum(comm, &x, 1, &err);
    assert_int_equal(st, RS_ENOSPACE);
    char want[64];
    snprintf(want, sizeof want, n == 1 ? "no room on here" : "process %u of %u: no room on here", n, n);
    assert_string_equal(err.msg, want);
    if (n == 1)
        return;
    err = (struct rs_error)RS_ERROR_INIT;
    assert_int_equal(rs_comm_sum(comm, &x, 1, &err), RS_ENOSPACE); /* for good */
    assert_string_equal(err.msg, want);
    assert_true(x == 1);
}

int main(void)
{
    struct rs_error err = RS_ERROR_INIT;
    if (rs_comm_open(&comm, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_error_reaches_all),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rs_comm_close(comm);
    return failed;
}
