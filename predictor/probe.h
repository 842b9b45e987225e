/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows set aside before they are standardised, to see what the finished model makes of them: the reference that the
 * drift of the risk is measured against (docs/math.md G1).
 *
 * They are the model's own risks, not held-out ones: in most fleets the healthy share one vector of features, hence one
 * risk, and each fold's model puts that risk elsewhere; against such a mixture the model's own fleet would seem to have
 * moved. */
#ifndef RS_PREDICTOR_PROBE_H
#define RS_PREDICTOR_PROBE_H

#include "predictor/matrix.h"
#include "predictor/terms.h"

struct rs_probe { /* of one process */
    size_t n, d;
    float *x;         /* n x d, base columns in raw units, nothing missing */
    uint32_t *cohort; /* n: deepest cohort of the row's entity */
    double *weight;   /* n: what the row stands for, as a share of its entity */
};
void rs_probe_clear(struct rs_probe *p);
#define rs_auto_probe __attribute__((cleanup(rs_probe_clear))) struct rs_probe

/* Copies every so many-th row of m, which has its final columns and is not yet standardised: at most RS_REF_ROWS in all
 * processes together. RS_ENOMEM and what comm.h reports. */
enum rs_status rs_probe_take(const struct rs_matrix *m, rs_comm *comm, struct rs_probe *out, struct rs_error *err);

/* The distribution of the model's risks of these rows, over all processes. terms: those that follow the base columns,
 * where the model has such; model: prepared. RS_ENOMEM and what comm.h reports; *out then untouched. */
enum rs_status rs_probe_refer(const struct rs_probe *p, const struct rs_terms *terms, const struct rs_model *model,
                              rs_comm *comm, struct rs_reference *out, struct rs_error *err);

#endif
