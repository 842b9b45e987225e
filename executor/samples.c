/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Telemetry bodies by jansson, line by line, so that memory follows the longest line and one bad line spoils nothing.
 */
#include "executor/samples.h"

#include <math.h>

#include "common/clock.h"
#include "models/feature.h"

#define TIME_LIMIT_S 253402300800.0 /* year 10000: nothing that a clock says */

static enum rs_status read_time(const json_t *v, int64_t *out, struct rs_error *err)
{
    if (json_is_string(v)) {
        if (rs_time_parse(json_string_value(v), out) == RS_OK)
            return RS_OK;
        return rs_error_set(err, RS_EINVAL, "time: %s: ISO 8601 or seconds since 1970 are wanted",
                            json_string_value(v));
    }
    if (!json_is_number(v))
        return rs_error_set(err, RS_EINVAL, "time: ISO 8601 or seconds since 1970 are wanted");
    double s = json_number_value(v);
    if (!(s >= 0 && s < TIME_LIMIT_S))
        return rs_error_set(err, RS_EDOMAIN, "time: %.17g: no such time", s);
    *out = (int64_t)floor(s);
    return RS_OK;
}

static enum rs_status read_id(const json_t *row, const char *key, const char **out, struct rs_error *err)
{
    const json_t *v = json_object_get(row, key);
    size_t len = json_string_length(v);
    if (!json_is_string(v) || len == 0 || len > RS_ENTITY_ID_MAX)
        return rs_error_set(err, RS_EINVAL, "%s: a text of 1 to %d bytes is wanted", key, RS_ENTITY_ID_MAX);
    *out = json_string_value(v);
    return RS_OK;
}

static enum rs_status check_signals(json_t *signals, struct rs_error *err)
{
    if (!json_is_object(signals))
        return rs_error_set(err, RS_EINVAL, "signals: an object of readings is wanted");
    const char *name;
    json_t *v;
    json_object_foreach(signals, name, v)
    {
        if (json_is_null(v))
            continue;
        if (!json_is_number(v))
            return rs_error_set(err, RS_EINVAL, "signal %s: a number or null is wanted", name);
        if (!isfinite((float)json_number_value(v)))
            return rs_error_set(err, RS_EDOMAIN, "signal %s: %.17g: more than a reading can be", name,
                                json_number_value(v));
    }
    return RS_OK;
}

static enum rs_status check_attributes(json_t *attributes, struct rs_error *err)
{
    if (attributes && !json_is_object(attributes))
        return rs_error_set(err, RS_EINVAL, "attributes: an object is wanted");
    const char *name;
    json_t *v;
    json_object_foreach(attributes, name, v)
    {
        if (json_is_object(v) || json_is_array(v))
            return rs_error_set(err, RS_EINVAL, "attribute %s: a text or a number is wanted", name);
    }
    return RS_OK;
}

static enum rs_status check_fields(json_t *row, struct rs_error *err)
{
    static const char *const known[] = { "entity", "time", "signals", "event", "attributes", "parent" };
    const char *name;
    json_t *v;
    json_object_foreach(row, name, v)
    {
        size_t i = 0;
        while (i < RS_LEN(known) && !rs_streq(known[i], name))
            i++;
        if (i == RS_LEN(known))
            return rs_error_set(err, RS_EINVAL,
                                "%s: no such field; entity, time, signals, event, attributes, parent are", name);
    }
    return RS_OK;
}

static bool is_event_name(const char *name)
{
    static const char *const groups[] = { "failure/", "maintenance/", "event/" };
    if (!rs_name_is_sound(name, RS_NAME_MAX))
        return false;
    for (size_t i = 0; i < RS_LEN(groups); i++)
        if (strncmp(name, groups[i], strlen(groups[i])) == 0)
            return name[strlen(groups[i])] != 0;
    return rs_streq(name, "failure") || rs_streq(name, "repair");
}

/* What the row tells: readings or an event, one of the two. */
static enum rs_status read_news(const json_t *row, struct rs_sample *out, struct rs_error *err)
{
    const json_t *event = json_object_get(row, "event");
    out->signals = json_object_get(row, "signals");
    out->event = NULL;
    if (!event)
        return check_signals(out->signals, err);
    if (out->signals)
        return rs_error_set(err, RS_EINVAL, "event: a row has signals or an event, not both");
    if (!json_is_string(event) || !is_event_name(json_string_value(event)))
        return rs_error_set(err, RS_EINVAL,
                            "event: failure, failure/KIND, repair, maintenance/KIND or event/KIND is wanted");
    out->event = json_string_value(event);
    return RS_OK;
}

static enum rs_status read_sample(json_t *row, struct rs_sample *out, struct rs_error *err)
{
    if (!json_is_object(row))
        return rs_error_set(err, RS_EFORMAT, "a JSON object is wanted");
    enum rs_status st = check_fields(row, err);
    if (st == RS_OK)
        st = read_id(row, "entity", &out->entity, err);
    out->parent = NULL;
    json_t *parent = json_object_get(row, "parent");
    if (st == RS_OK && parent && !json_is_null(parent))
        st = read_id(row, "parent", &out->parent, err);
    if (st == RS_OK)
        st = read_time(json_object_get(row, "time"), &out->time, err);
    if (st == RS_OK)
        st = read_news(row, out, err);
    out->attributes = json_object_get(row, "attributes");
    if (json_is_null(out->attributes))
        out->attributes = NULL;
    return st < 0 ? st : check_attributes(out->attributes, err);
}

static bool is_fatal(enum rs_status st)
{
    return st == RS_ENOMEM || st == RS_EINTERNAL || st == RS_EDB;
}

static void reject(struct rs_sample_report *report, size_t line, const struct rs_error *why)
{
    report->rejected++;
    if (report->n_errors < RS_SAMPLE_ERRORS_MAX)
        report->errors[report->n_errors++] = (struct rs_sample_error){ line, *why };
}

/* One row; row NULL is one that was no JSON, and why says so. */
static enum rs_status take(json_t *row, size_t line, struct rs_error *why, rs_sample_fn fn, void *arg,
                           struct rs_sample_report *report, struct rs_error *err)
{
    struct rs_sample s;
    enum rs_status st = row ? read_sample(row, &s, why) : why->status;
    if (st == RS_OK)
        st = fn(arg, &s, why);
    if (is_fatal(st)) {
        if (err)
            *err = *why;
        return st;
    }
    if (st < 0)
        reject(report, line, why);
    else
        report->accepted++;
    return RS_OK;
}

static enum rs_status read_array(const char *body, size_t len, rs_sample_fn fn, void *arg,
                                 struct rs_sample_report *report, struct rs_error *err)
{
    json_error_t e;
    json_t *all = json_loadb(body, len, JSON_REJECT_DUPLICATES, &e);
    if (!all)
        return rs_error_set(err, RS_EFORMAT, "line %d: %s", e.line, e.text);
    enum rs_status st = RS_OK;
    for (size_t i = 0; st == RS_OK && i < json_array_size(all); i++) {
        struct rs_error why = RS_ERROR_INIT;
        st = take(json_array_get(all, i), i + 1, &why, fn, arg, report, err);
    }
    json_decref(all);
    return st;
}

static bool is_blank(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r", s[i]))
            return false;
    return true;
}

static enum rs_status read_lines(const char *body, size_t len, rs_sample_fn fn, void *arg,
                                 struct rs_sample_report *report, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    size_t line = 0;
    for (const char *p = body, *end = body + len; st == RS_OK && p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);
        line++;
        if (!is_blank(p, n)) {
            struct rs_error why = RS_ERROR_INIT;
            json_error_t e;
            json_t *row = json_loadb(p, n, JSON_REJECT_DUPLICATES, &e);
            if (!row)
                rs_error_set(&why, RS_EFORMAT, "not JSON: %s", e.text);
            st = take(row, line, &why, fn, arg, report, err);
            json_decref(row);
        }
        p += n + 1;
    }
    return st;
}

enum rs_status rs_samples_read(const char *body, size_t len, rs_sample_fn fn, void *arg, struct rs_sample_report *out,
                               struct rs_error *err)
{
    *out = (struct rs_sample_report){ 0 };
    size_t skip = 0;
    while (skip < len && strchr(" \t\r\n", body[skip]) && body[skip])
        skip++;
    if (skip == len)
        return rs_error_set(err, RS_EFORMAT, "the body is empty; samples are wanted, one JSON object a line");
    return body[skip] == '[' ? read_array(body, len, fn, arg, out, err) : read_lines(body, len, fn, arg, out, err);
}

const char *rs_sample_attr_text(const json_t *value, char buf[32])
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return json_string_value(value);
    case JSON_INTEGER:
        snprintf(buf, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return buf;
    case JSON_REAL:
        snprintf(buf, 32, "%.17g", json_real_value(value));
        return buf;
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    default:
        return NULL;
    }
}
