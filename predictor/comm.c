/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One process: a sum over all of them is what it holds. */
#include "predictor/comm.h"

unsigned rs_comm_rank(const rs_comm *c)
{
    (void)c;
    return 0;
}

unsigned rs_comm_size(const rs_comm *c)
{
    (void)c;
    return 1;
}

enum rs_status rs_comm_sum(rs_comm *c, double *values, size_t n, struct rs_error *err)
{
    (void)c;
    (void)values;
    (void)n;
    (void)err;
    return RS_OK;
}
