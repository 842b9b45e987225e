/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The digest of labelled samples, by which a model names what it was trained on and an evaluation recognises it:
 * docs/math.md F11. It depends on the samples of the file alone, not on the features made of them. It is a sum over
 * entities, so that the digests of disjoint ranges of entities add up (modulo 2^64) to that of the whole. */
#ifndef RS_PREDICTOR_DIGEST_H
#define RS_PREDICTOR_DIGEST_H

#include "predictor/scan.h"

typedef struct rs_digest rs_digest;

/* NULL on want of memory. */
rs_digest *rs_digest_new(void);
void rs_digest_free(rs_digest *d);
RS_DEFINE_AUTO(rs_digest, rs_digest_free)

/* Takes in a sample that has a label; others must not be given. The samples of an entity come one after the other. */
void rs_digest_add(rs_digest *d, const struct rs_scan_row *row);
uint64_t rs_digest_value(const rs_digest *d);

#endif
