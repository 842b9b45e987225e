/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Events of entities, counted up to a time: how a file of events (errors, repairs) becomes counter signals of the
 * entity's samples. Memory grows with events, never with samples.
 *
 *     rs_tally_add(...) for each event; rs_tally_seal(); then rs_tally_at(...) for each sample. Not thread-safe. */
#ifndef RS_DATASETS_TALLY_H
#define RS_DATASETS_TALLY_H

#include "datasets/intern.h"

struct rs_tally_event {
    uint32_t entity, counter;
    int64_t time;
};

struct rs_tally {
    struct rs_intern entities, counters; /* counters: their names */
    struct rs_tally_event *events;
    size_t n, cap;
    size_t *first; /* of each entity's events, once sealed; entities.n + 1 */
};

void rs_tally_clear(struct rs_tally *t);
/* False on want of memory. */
bool rs_tally_add(struct rs_tally *t, const char *entity, size_t entity_len, const char *counter, size_t counter_len,
                  int64_t time);
bool rs_tally_seal(struct rs_tally *t);
/* out[c] = number of the entity's events of counter c at or before time, for each of counters.n. */
void rs_tally_at(const struct rs_tally *t, const char *entity, size_t entity_len, int64_t time, float *out);

#endif
