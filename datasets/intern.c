/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An open-addressing hash table over FNV-1a, at most half full. */
#include "datasets/intern.h"

#define FIRST_SLOTS 64u

void rs_intern_clear(struct rs_intern *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        free(t->strings[i]);
    free(t->strings);
    free(t->slots);
    *t = (struct rs_intern){ 0 };
}

static uint32_t hash(const char *text, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)text[i]) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 32);
}

static uint32_t slot_of(const struct rs_intern *t, const char *text, size_t len)
{
    uint32_t at = hash(text, len) & (t->n_slots - 1);
    while (t->slots[at] != RS_INTERN_NONE) {
        const char *known = t->strings[t->slots[at]];
        if (strncmp(known, text, len) == 0 && !known[len])
            break;
        at = (at + 1) & (t->n_slots - 1);
    }
    return at;
}

static bool grow(struct rs_intern *t)
{
    uint32_t cap = t->cap ? 2 * t->cap : FIRST_SLOTS / 2;
    if (cap > UINT32_MAX / 4)
        return false;
    char **strings = rs_realloc(t->strings, cap, sizeof *strings);
    if (!strings)
        return false;
    t->strings = strings;
    uint32_t *slots = rs_alloc(2 * (size_t)cap, sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0xff, 2 * (size_t)cap * sizeof *slots);
    free(t->slots);
    t->slots = slots;
    t->n_slots = 2 * cap;
    t->cap = cap;
    for (uint32_t i = 0; i < t->n; i++)
        t->slots[slot_of(t, t->strings[i], strlen(t->strings[i]))] = i;
    return true;
}

uint32_t rs_intern_find(const struct rs_intern *t, const char *text, size_t len)
{
    return t->n_slots ? t->slots[slot_of(t, text, len)] : RS_INTERN_NONE;
}

uint32_t rs_intern_add(struct rs_intern *t, const char *text, size_t len)
{
    uint32_t known = rs_intern_find(t, text, len);
    if (known != RS_INTERN_NONE)
        return known;
    if (t->n == t->cap && !grow(t))
        return RS_INTERN_NONE;
    char *copy = strndup(text, len);
    if (!copy)
        return RS_INTERN_NONE;
    t->strings[t->n] = copy;
    t->slots[slot_of(t, text, len)] = t->n;
    return t->n++;
}
