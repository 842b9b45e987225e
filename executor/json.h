/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values that jansson has no word for: numbers that may be unknown, calendar times. */
#ifndef RS_EXECUTOR_JSON_H
#define RS_EXECUTOR_JSON_H

#include <jansson.h>

#include "common/base.h"

/* 17 digits, so that a double comes back to the last bit. */
#define RS_JSON_DUMP (JSON_COMPACT | JSON_REAL_PRECISION(17))

/* A number, or null where it is not finite. */
json_t *rs_json_number(double v);
/* "2024-03-01T10:00:00Z", or null for RS_TIME_NONE. */
json_t *rs_json_time(int64_t t);

static inline void rs_cleanup_json(json_t **j)
{
    json_decref(*j);
}
#define rs_auto_json __attribute__((cleanup(rs_cleanup_json))) json_t

#endif
