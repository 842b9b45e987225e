/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Labels from failure times, and what mitigations take from them. */
#include "predictor/label.h"

int rs_label(int64_t t, int64_t horizon_s, int64_t obs_end, const struct rs_history *h)
{
    if (t + horizon_s > obs_end)
        return RS_LABEL_CENSORED;
    for (size_t i = 0; i < h->n_failures; i++) {
        const struct rs_failure *f = &h->failures[i];
        if (f->time > t) /* math.md F10: y = [0 < f - t <= H] */
            return f->time <= t + horizon_s;
        if (f->back == RS_TIME_NONE || t < f->back)
            return RS_LABEL_CENSORED;
    }
    return h->last_seen >= t + horizon_s ? 0 : RS_LABEL_CENSORED;
}

static bool fails_between(const struct rs_history *h, int64_t after, int64_t until)
{
    for (size_t i = 0; i < h->n_failures; i++)
        if (h->failures[i].time > after)
            return h->failures[i].time <= until;
    return false;
}

/* math.md F40: m <= t < u, or t < m <= t + H with no failure in (t, m] */
static bool touches(const struct rs_mitigation *m, int64_t t, int64_t horizon_s, const struct rs_history *h)
{
    if (m->time <= t)
        return m->until == RS_TIME_NONE || t < m->until;
    return m->time <= t + horizon_s && !fails_between(h, t, m->time);
}

enum rs_touch rs_label_mitigated(int64_t t, int64_t horizon_s, const struct rs_history *h)
{
    enum rs_touch out = RS_UNTOUCHED;
    for (size_t i = 0; i < h->n_mitigations; i++) {
        if (!touches(&h->mitigations[i], t, horizon_s, h))
            continue;
        if (!h->mitigations[i].is_control)
            return RS_MITIGATED;
        out = RS_CONTROL;
    }
    return out;
}
