/* SPDX-License-Identifier: GPL-3.0-or-later */
/* XXH3 over labelled samples. See digest.h. */
#include "predictor/digest.h"

#include <xxhash.h>

struct rs_digest {
    XXH3_state_t *state;
};

rs_digest *rs_digest_new(void)
{
    RS_AUTO(rs_digest) *d = rs_alloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->state = XXH3_createState();
    if (!d->state)
        return NULL;
    XXH3_64bits_reset(d->state);
    return rs_take(d);
}

void rs_digest_free(rs_digest *d)
{
    if (!d)
        return;
    XXH3_freeState(d->state);
    free(d);
}

/* math.md F11: id with its NUL, time, label, readings of the file */
void rs_digest_add(rs_digest *d, const struct rs_scan_row *row)
{
    int8_t label = (int8_t)row->label;
    XXH3_64bits_update(d->state, row->id, strlen(row->id) + 1);
    XXH3_64bits_update(d->state, &row->time, sizeof row->time);
    XXH3_64bits_update(d->state, &label, sizeof label);
    XXH3_64bits_update(d->state, row->readings, row->n_readings * sizeof *row->readings);
}

uint64_t rs_digest_value(const rs_digest *d)
{
    return XXH3_64bits_digest(d->state);
}
