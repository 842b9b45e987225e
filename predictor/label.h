/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a sample teaches: did its entity fail within the horizon, and would we know? (docs/math.md F10, F40) */
#ifndef RS_PREDICTOR_LABEL_H
#define RS_PREDICTOR_LABEL_H

#include "datasets/fleet.h"

#define RS_LABEL_CENSORED (-1)

/* What happened to an entity: when it was last seen, its failures and its mitigations, each in time order. */
struct rs_history {
    int64_t last_seen;
    const struct rs_failure *failures;
    size_t n_failures;
    const struct rs_mitigation *mitigations;
    size_t n_mitigations;
};

/* Label of a sample at time t.
 *      1  the next failure f has 0 < f - t <= horizon_s
 *      0  it comes later, or none does and the entity was still observed at t + horizon_s
 *     -1  nobody knows: the entity is out of service (from a failure to its return; for good where it never returned),
 *         or left before t + horizon_s, or t is later than obs_end - horizon_s (for every entity, so that no stretch of
 *         time holds positives alone)
 * Mitigations are ignored here: rs_label_mitigated() tells of them. All times in s UTC; t and horizon_s within
 * RS_STEP_TIME_MAX. */
int rs_label(int64_t t, int64_t horizon_s, int64_t obs_end, const struct rs_history *h);

/* How mitigations touch a sample (math.md F40): it lies within one, or one begins within the horizon after it and
 * before any failure, so that what would have happened is unknown. Of a control (marked, but left alone on purpose) the
 * outcome is known, and the sample stands for the mitigated ones too. */
enum rs_touch { RS_UNTOUCHED, RS_CONTROL, RS_MITIGATED };
enum rs_touch rs_label_mitigated(int64_t t, int64_t horizon_s, const struct rs_history *h);

#endif
