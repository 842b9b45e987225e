/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chosen rows of all processes, brought together, so that each of them can look at the same small matrix. */
#ifndef RS_PREDICTOR_GATHER_H
#define RS_PREDICTOR_GATHER_H

#include "predictor/matrix.h"

/* rows: n rows of m, ascending. *out gets those of every process, in the order of the processes, with the entities that
 * they belong to; mean and scale are those of m; there is neither tally nor references. *out_fold (may be NULL, as may
 * fold, by unit of m) gets the fold of each row. The caller clears and frees. RS_ENOMEM and what comm.h reports. */
enum rs_status rs_gather_rows(const struct rs_matrix *m, const uint32_t *rows, size_t n, const uint8_t *fold,
                              rs_comm *comm, struct rs_matrix *out, uint8_t **out_fold, struct rs_error *err);

#endif
