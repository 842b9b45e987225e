/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Strings to dense numbers: the first new string is 0, the next 1, and so on. Not thread-safe. */
#ifndef RS_DATASETS_INTERN_H
#define RS_DATASETS_INTERN_H

#include "common/base.h"

#define RS_INTERN_NONE UINT32_MAX

struct rs_intern {
    char **strings; /* by number */
    uint32_t n, cap;
    uint32_t *slots; /* hash table of numbers, RS_INTERN_NONE where free */
    uint32_t n_slots;
};

void rs_intern_clear(struct rs_intern *t);
/* The number of the text, new where it is unknown. RS_INTERN_NONE on want of memory. */
uint32_t rs_intern_add(struct rs_intern *t, const char *text, size_t len);
/* RS_INTERN_NONE where it is unknown. */
uint32_t rs_intern_find(const struct rs_intern *t, const char *text, size_t len);

#define rs_auto_intern __attribute__((cleanup(rs_intern_clear))) struct rs_intern

#endif
