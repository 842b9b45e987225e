/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Events in one array, sorted by entity, counter and time; a count is a binary search. */
#include "datasets/tally.h"

void rs_tally_clear(struct rs_tally *t)
{
    rs_intern_clear(&t->entities);
    rs_intern_clear(&t->counters);
    free(t->events);
    free(t->first);
    *t = (struct rs_tally){ 0 };
}

bool rs_tally_add(struct rs_tally *t, const char *entity, size_t entity_len, const char *counter, size_t counter_len,
                  int64_t time)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 256;
        struct rs_tally_event *events = rs_realloc(t->events, cap, sizeof *events);
        if (!events)
            return false;
        t->events = events;
        t->cap = cap;
    }
    uint32_t e = rs_intern_add(&t->entities, entity, entity_len);
    uint32_t c = rs_intern_add(&t->counters, counter, counter_len);
    if (e == RS_INTERN_NONE || c == RS_INTERN_NONE)
        return false;
    t->events[t->n++] = (struct rs_tally_event){ e, c, time };
    return true;
}

static int by_entity_counter_time(const void *pa, const void *pb)
{
    const struct rs_tally_event *a = pa, *b = pb;
    if (a->entity != b->entity)
        return a->entity < b->entity ? -1 : 1;
    if (a->counter != b->counter)
        return a->counter < b->counter ? -1 : 1;
    return (a->time > b->time) - (a->time < b->time);
}

bool rs_tally_seal(struct rs_tally *t)
{
    t->first = rs_alloc((size_t)t->entities.n + 1, sizeof *t->first);
    if (!t->first)
        return false;
    if (t->n)
        qsort(t->events, t->n, sizeof *t->events, by_entity_counter_time);
    size_t i = 0;
    for (uint32_t e = 0; e <= t->entities.n; e++) {
        while (i < t->n && t->events[i].entity < e)
            i++;
        t->first[e] = i;
    }
    return true;
}

void rs_tally_at(const struct rs_tally *t, const char *entity, size_t entity_len, int64_t time, float *out)
{
    memset(out, 0, t->counters.n * sizeof *out);
    uint32_t e = rs_intern_find(&t->entities, entity, entity_len);
    if (e == RS_INTERN_NONE)
        return;
    size_t end = t->first[e + 1];
    for (size_t i = t->first[e]; i < end;) {
        uint32_t counter = t->events[i].counter;
        size_t low = i, high = end;
        while (low < high) { /* the first event of a later counter or time */
            size_t middle = low + (high - low) / 2;
            const struct rs_tally_event *v = &t->events[middle];
            if (v->counter > counter || v->time > time)
                high = middle;
            else
                low = middle + 1;
        }
        out[counter] = (float)(low - i);
        for (i = low; i < end && t->events[i].counter == counter;)
            i++;
    }
}
