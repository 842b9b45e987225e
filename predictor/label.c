/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Labels from failure times. */
#include "predictor/label.h"

int rs_label(int64_t t, int64_t horizon_s, int64_t obs_end, int64_t last_seen, const struct rs_failure *failures,
             size_t n)
{
    if (t + horizon_s > obs_end)
        return RS_LABEL_CENSORED;
    for (size_t i = 0; i < n; i++) {
        const struct rs_failure *f = &failures[i];
        if (f->time > t) /* math.md F10: y = [0 < f - t <= H] */
            return f->time <= t + horizon_s;
        if (f->back == RS_TIME_NONE || t < f->back)
            return RS_LABEL_CENSORED;
    }
    return last_seen >= t + horizon_s ? 0 : RS_LABEL_CENSORED;
}
