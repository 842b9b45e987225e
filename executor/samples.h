/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Telemetry bodies: newline-delimited JSON, one sample a line, or one JSON array of samples.
 *
 *     {"entity": "disk-7", "time": "2024-03-01T10:00:00Z", "signals": {"smart_5_raw": 3, "temp_c": null}}
 *     {"entity": "disk-7", "time": 1709290000, "event": "failure/media"}
 * A row has signals or an event: "failure", "failure/KIND", "repair", "maintenance/KIND" or "event/KIND", as in
 * models/feature.h. Also "parent" (id of the component's host) and "attributes" ({"model": "X", "age": 3.5}). time is
 * ISO 8601 or a number of seconds since 1970. A reading is a number that a float32 can hold, or null where missing;
 * nothing else is taken for one. A row is checked whole before anyone sees it. No state, no clock: any thread may call.
 */
#ifndef RS_EXECUTOR_SAMPLES_H
#define RS_EXECUTOR_SAMPLES_H

#include <jansson.h>

#include "common/base.h"
#include "common/error.h"

#define RS_ENTITY_ID_MAX 255
#define RS_SAMPLE_ERRORS_MAX 20

struct rs_sample { /* borrowed, and checked: every value of signals is a number or null, of attributes a scalar */
    const char *entity;
    const char *parent; /* NULL where absent */
    int64_t time;
    const char *event;  /* NULL: a row of signals */
    json_t *signals;    /* object; NULL: an event */
    json_t *attributes; /* object, or NULL */
};

/* Takes one sample. A refusal (its status and message) is reported for the row and reading goes on, except RS_ENOMEM,
 * RS_EINTERNAL and RS_EDB, which end it. */
typedef enum rs_status (*rs_sample_fn)(void *arg, const struct rs_sample *s, struct rs_error *err);

struct rs_sample_error {
    size_t line; /* line of the body, from 1; item of an array, from 1 */
    struct rs_error error;
};

struct rs_sample_report {
    uint64_t accepted, rejected;
    struct rs_sample_error errors[RS_SAMPLE_ERRORS_MAX]; /* the first ones */
    size_t n_errors;
};

/* Reads the whole body. RS_EFORMAT where it is neither form or empty; else RS_OK, and the report tells of each row. */
enum rs_status rs_samples_read(const char *body, size_t len, rs_sample_fn fn, void *arg, struct rs_sample_report *out,
                               struct rs_error *err);

/* The text of a scalar attribute ("7.25", "true", "X") into buf; NULL for null. Strings are returned as they are. */
const char *rs_sample_attr_text(const json_t *value, char buf[32]);

#endif
