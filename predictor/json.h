/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON as the verbs print it: exact numbers, null for what is undefined, UTC times. A value that could not be made is
 * NULL, and so is every json_pack() around it: the one check stands in rs_json_print(). */
#ifndef RS_PREDICTOR_JSON_H
#define RS_PREDICTOR_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "common/error.h"

json_t *rs_json_number(double v);        /* null where NaN or infinite */
json_t *rs_json_time(int64_t t);         /* "2013-04-10T00:00:00Z"; null for RS_TIME_NONE */
json_t *rs_json_digest(uint64_t digest); /* "0x0123456789abcdef" */
/* Appends; frees the array and returns NULL where either is NULL. Takes both. */
json_t *rs_json_append(json_t *array, json_t *item);

/* Prints root, indented, with a newline, on stdout and flushes it. Takes root. RS_ENOMEM where it is NULL, RS_EIO. */
enum rs_status rs_json_print(json_t *root, struct rs_error *err);

#endif
