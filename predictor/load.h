/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One pass over a fleet file: features of its labelled samples, computed on all cores, into a matrix.
 *
 * The fleet is cut into ranges of entities, each read and computed by one thread, and put together in their order, so
 * that the result does not depend on the number of threads. Where the rows would exceed the memory given, negative
 * samples are thinned by a hash of entity, time and seed, and those that stay weigh as many as they stand for
 * (docs/math.md F42); the positive ones always stay. */
#ifndef RS_PREDICTOR_LOAD_H
#define RS_PREDICTOR_LOAD_H

#include "predictor/matrix.h"
#include "predictor/scan.h"

struct rs_load_options {
    int64_t horizon_s;
    int kind; /* as in scan.h */
    uint64_t seed;
    size_t memory_bytes;          /* for the rows; 0: no limit */
    uint64_t n_expected;          /* samples with a label in the file, about: thinning starts from it; 0: not known */
    uint64_t n_positive_expected; /* of these, positive, which all stay */
    size_t stride_max;            /* columns that a row may have in the end, for the reckoning of memory */
    unsigned n_threads;           /* 0: all cores */
    bool is_quiet;
    rs_comm *comm; /* processes that share the entities out; NULL */
};

/* All processes call it; each gets the rows of its own entities, and tally and references of all. Raw features: missing
 * ones are RS_NOTHING_TO_SAY, mean and scale are not yet known (rs_matrix_impute()). RS_ENODATA where no sample has a
 * label, RS_EUNSUPPORTED where there are too many rows for a matrix, RS_ENOMEM, RS_ECANCELLED, what the reader and
 * comm.h report. *out is the caller's to clear, untouched after an error. */
enum rs_status rs_load(rs_fleet *fleet, const struct rs_program *p, const struct rs_load_options *opt,
                       struct rs_matrix *out, struct rs_error *err);

#endif
