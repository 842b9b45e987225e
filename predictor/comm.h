/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The processes that train together, each on rows of its own. All that they exchange are sums of a few thousand
 * numbers. Every process takes the same decisions, because each decision rests on a sum. NULL stands for one process.
 */
#ifndef RS_PREDICTOR_COMM_H
#define RS_PREDICTOR_COMM_H

#include "common/base.h"
#include "common/error.h"

typedef struct rs_comm rs_comm;

unsigned rs_comm_rank(const rs_comm *c); /* 0 of NULL */
unsigned rs_comm_size(const rs_comm *c); /* 1 of NULL */

/* values[i] := the sum of values[i] over all processes, the same bits on each; all call it, with the same n. Does
 * nothing for NULL. RS_EIO where a process is lost. */
enum rs_status rs_comm_sum(rs_comm *c, double *values, size_t n, struct rs_error *err);

#endif
