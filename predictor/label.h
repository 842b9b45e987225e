/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a sample teaches: did its entity fail within the horizon? (docs/math.md F10) */
#ifndef RS_PREDICTOR_LABEL_H
#define RS_PREDICTOR_LABEL_H

#include "datasets/fleet.h"

#define RS_LABEL_CENSORED (-1)

/* Label of a sample at time t of an entity observed until last_seen, with its failures in time order.
 *      1  the next failure f has 0 < f - t <= horizon_s
 *      0  it comes later, or none does and the entity was still observed at t + horizon_s
 *     -1  nobody knows: the entity is out of service (from a failure to its return; for good where it never returned),
 *         or left before t + horizon_s, or t is later than obs_end - horizon_s (for every entity, so that no stretch of
 *         time holds positives alone)
 * All times in s UTC; t and horizon_s within RS_STEP_TIME_MAX. */
int rs_label(int64_t t, int64_t horizon_s, int64_t obs_end, int64_t last_seen, const struct rs_failure *failures,
             size_t n);

#endif
