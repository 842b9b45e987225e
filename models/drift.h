/* SPDX-License-Identifier: Apache-2.0 */
/* Drift: does a fleet still look like what the model was trained on? (docs/math.md, section G)
 *
 * The model keeps of each signal, and of the risk itself, how the training samples spread over a few bins. A fleet's
 * newest values are counted into the same bins and compared by the population stability index (PSI). An index is never
 * 0 by chance alone, so each comes with what sampling explains at this size of the fleet, and a signal has *moved* only
 * where its index passes both the chance bound, with all signals tested at once, and a floor below which nobody cares.
 *
 * Each entity counts once, however many samples it has: with k samples in view each weighs 1 / k. Functions are pure,
 * allocate nothing (rs_drift_judge() excepted) and may be called from any thread. */
#ifndef RS_MODELS_DRIFT_H
#define RS_MODELS_DRIFT_H

#include "models/model.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RS_REF_ROWS 20000        /* samples at most that a reference is made of */
#define RS_DRIFT_RATE 0.05       /* share of false findings among all findings (Benjamini, Hochberg 1995) */
#define RS_DRIFT_PSI_FLOOR 0.1   /* below it a change is small, whatever its significance */
#define RS_DRIFT_MISS_FLOOR 0.05 /* the same for the share of missing readings */

/* Weights counted into the bins of one reference. Zeroed by its owner. */
struct rs_drift_counts {
    double bin[RS_REF_EDGES + 1];
    double missing;
};

#define RS_DRIFT_NO_BIN 255
/* Bin of a value (math.md G1), by which it can be kept in a byte; RS_DRIFT_NO_BIN for NaN and infinities. */
uint8_t rs_drift_bin(const struct rs_reference *ref, double value);
/* Adds one value by its bin; what is none counts as missing. */
void rs_drift_count_bin(uint8_t bin, double weight, struct rs_drift_counts *c);
/* Adds one value; NaN and infinities are missing. */
void rs_drift_count(const struct rs_reference *ref, double value, double weight, struct rs_drift_counts *c);

struct rs_drift {
    double n;            /* entities with a value: the sum of the bins */
    double psi;          /* G2; NaN where the reference is unknown or no entity has a value */
    double expected;     /* G3: what chance alone yields on average */
    double bound;        /* G3: what chance alone stays below in 95 of 100 cases */
    double p;            /* G3: chance of such an index or a larger one without drift; 1 where psi is NaN */
    double missing_then; /* share of the training samples without a reading */
    double missing_now;  /* NaN where no entity was counted */
    double missing_p;    /* G4 */
    bool has_moved;      /* the values; by rs_drift_judge() */
    bool has_gone;       /* the share of missing readings; by rs_drift_judge() */
};

/* The index and its null distribution. n_reference: entities that the reference stands for (rs_drift_base()). Sets
 * neither verdict. */
void rs_drift_measure(const struct rs_reference *ref, const struct rs_drift_counts *c, double n_reference,
                      struct rs_drift *out);

/* Entities behind a model's references: those trained on, at most RS_REF_ROWS. */
double rs_drift_base(const struct rs_model_meta *meta);

/* G5: verdicts over n results at once, so that the more signals there are, the more each must show. RS_ENOMEM. */
enum rs_status rs_drift_judge(struct rs_drift *d, size_t n, struct rs_error *err);

static inline bool rs_drift_is_found(const struct rs_drift *d)
{
    return d->has_moved || d->has_gone;
}

/* Indices of n judged results: findings first, then by the size of the index, unknown ones last. out_order: n. */
void rs_drift_order(const struct rs_drift *d, size_t n, size_t *out_order);

#ifdef __cplusplus
}
#endif
#endif
