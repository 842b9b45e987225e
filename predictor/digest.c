/* SPDX-License-Identifier: GPL-3.0-or-later */
/* XXH3 over labelled samples. See digest.h. */
#include "predictor/digest.h"

#include <xxhash.h>

struct rs_digest {
    uint64_t sum; /* of the entities before */
    uint64_t entity, hash;
};

rs_digest *rs_digest_new(void)
{
    rs_digest *d = rs_alloc(1, sizeof *d);
    if (d)
        d->entity = UINT64_MAX;
    return d;
}

void rs_digest_free(rs_digest *d)
{
    free(d);
}

/* math.md F11: h := XXH3(readings; XXH3(time, label; h)), from the hash of the id on */
void rs_digest_add(rs_digest *d, const struct rs_scan_row *row)
{
    if (row->entity != d->entity) {
        d->sum = rs_digest_value(d);
        d->hash = XXH3_64bits(row->id, strlen(row->id));
        d->entity = row->entity;
    }
    int64_t key[2] = { row->time, row->label };
    uint64_t seed = XXH3_64bits_withSeed(key, sizeof key, d->hash);
    d->hash = XXH3_64bits_withSeed(row->readings, row->n_readings * sizeof *row->readings, seed);
}

uint64_t rs_digest_value(const rs_digest *d)
{
    return d->entity == UINT64_MAX ? d->sum : d->sum + d->hash;
}
