/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the training samples looked like, for `reseat drift`: of each signal, and of the risk, up to 19 cuts and the
 * share of the samples between them (struct rs_reference of models/model.h, docs/math.md G1).
 *
 * References describe entities, not rows: an entity with many samples would otherwise speak for all. So a row is added
 * with the weight 1 / (rows of its entity), and the references are made of a sample of RS_REF_ROWS rows at most, drawn
 * with chances in proportion to the weights. The sample depends on keys and weights alone: not on the order of the
 * rows, nor on how they were dealt out to builders that were joined later. */
#ifndef RS_PREDICTOR_REFERENCE_H
#define RS_PREDICTOR_REFERENCE_H

#include "common/base.h"
#include "common/error.h"
#include "models/model.h"
#include "predictor/comm.h"

typedef struct rs_references rs_references;

/* n_signals: readings of a row. Memory is fixed here: 8 bytes a signal and kept row, at most about 64 MB. RS_ENOMEM. */
enum rs_status rs_references_new(size_t n_signals, rs_references **out, struct rs_error *err);
void rs_references_free(rs_references *b);
RS_DEFINE_AUTO(rs_references, rs_references_free)

/* Adds a row: cheap, since nearly all of many rows are passed over by one hash. One thread at a time. key: distinct for
 * each row and the same in every run, such as the entity's hash mixed with the row's number in it. weight: above 0,
 * finite; the row's chance is in proportion. readings: n_signals, NaN where missing. */
void rs_references_add(rs_references *b, uint64_t key, double weight, const float *readings);

/* Adds all rows of another builder of as many signals, which stays as it is. */
void rs_references_join(rs_references *b, const rs_references *from);
/* Adds what the builders of the other processes hold, so that all hold the same. RS_ENOMEM and what comm.h reports. */
enum rs_status rs_references_share(rs_references *b, rs_comm *comm, struct rs_error *err);

/* References of n signals; signal[i] is the index of the i-th among the readings (NULL: i). *out is the caller's to
 * free; all unknown (n_edges 0, missing 1) where no row was added. RS_ENOMEM. */
enum rs_status rs_references_finish(rs_references *b, const uint32_t *signal, size_t n, struct rs_reference **out,
                                    struct rs_error *err);

/* The reference of one column: cuts and weighted shares of n values (NaN: missing; weight NULL: 1 each), such as the
 * risks of the training rows (probe.h). RS_ENOMEM. */
enum rs_status rs_reference_fit(const float *values, const double *weight, size_t n, struct rs_reference *out,
                                struct rs_error *err);

#endif
