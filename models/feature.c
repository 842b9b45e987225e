/* SPDX-License-Identifier: Apache-2.0 */
/* Feature programs: checking, names, attributes and cohorts. layout.c lays out the state; what happens sample by sample
 * is in state.c and extract.c. */
#include "models/feature.h"

#include <math.h>

#include "common/clock.h"
#include "models/layout.h"

static enum rs_status bad(struct rs_error *err, const char *what, uint32_t i, const char *why)
{
    return rs_error_set(err, RS_EINVAL, "%s %u: %s", what, i, why);
}

/* Bytes of the UTF-8 sequence at s (RFC 3629: shortest form, no surrogates), 0 where there is none. */
static size_t utf8_len(const unsigned char *s)
{
    static const struct {
        unsigned char low, high, second_low, second_high;
        size_t len;
    } forms[] = {
        { 0x20, 0x7e, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t f = 0; f < RS_LEN(forms); f++) {
        if (s[0] < forms[f].low || s[0] > forms[f].high)
            continue;
        if (forms[f].len > 1 && (s[1] < forms[f].second_low || s[1] > forms[f].second_high))
            return 0;
        for (size_t i = 2; i < forms[f].len; i++)
            if (s[i] < 0x80 || s[i] > 0xbf)
                return 0;
        return forms[f].len;
    }
    return 0;
}

bool rs_name_is_sound(const char *name, size_t max)
{
    if (!name)
        return false;
    const unsigned char *s = (const unsigned char *)name;
    size_t len = 0;
    while (s[len]) {
        size_t n = utf8_len(s + len);
        if (n == 0 || len + n > max)
            return false;
        len += n;
    }
    return true;
}

static bool is_sound_word(const char *name, size_t max)
{
    return rs_name_is_sound(name, max) && *name;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum rs_status check_signals(const struct rs_program *p, struct rs_error *err)
{
    if (p->n_signals > RS_SIGNALS_MAX)
        return rs_error_set(err, RS_EINVAL, "%u signals, at most %d", p->n_signals, RS_SIGNALS_MAX);
    rs_autofree char **names = rs_alloc(p->n_signals, sizeof *names);
    if (!names)
        return rs_error_set(err, RS_ENOMEM, "%u signals", p->n_signals);
    for (uint32_t i = 0; i < p->n_signals; i++) {
        const struct rs_signal *s = &p->signals[i];
        if (!is_sound_word(s->name, RS_NAME_MAX) || !rs_name_is_sound(s->unit, RS_NAME_MAX))
            return bad(err, "signal", i, "its name or unit is no text, or too long");
        if (s->kind != RS_GAUGE && s->kind != RS_COUNTER)
            return bad(err, "signal", i, "neither gauge nor counter");
        names[i] = s->name;
    }
    qsort(names, p->n_signals, sizeof *names, compare_names);
    for (uint32_t i = 1; i < p->n_signals; i++)
        if (rs_streq(names[i - 1], names[i]))
            return rs_error_set(err, RS_EINVAL, "two signals are named %s", names[i]);
    return RS_OK;
}

static enum rs_status check_attrs(const struct rs_program *p, struct rs_error *err)
{
    if (p->n_attrs > RS_ATTRS_MAX)
        return rs_error_set(err, RS_EINVAL, "%u attributes, at most %d", p->n_attrs, RS_ATTRS_MAX);
    for (uint32_t i = 0; i < p->n_attrs; i++) {
        const struct rs_attr *a = &p->attrs[i];
        if (!is_sound_word(a->name, RS_NAME_MAX))
            return bad(err, "attribute", i, "its name is no text, or too long");
        for (uint32_t k = 0; k < i; k++)
            if (rs_streq(p->attrs[k].name, a->name))
                return rs_error_set(err, RS_EINVAL, "two attributes are named %s", a->name);
        if (a->n_values > RS_ATTR_VALUES_MAX || (a->is_number && a->n_values))
            return bad(err, "attribute", i, "too many values");
        for (uint32_t v = 0; v < a->n_values; v++) {
            if (!is_sound_word(a->values[v], RS_NAME_MAX))
                return bad(err, "attribute", i, "one of its values is no text, or too long");
            if (v && strcmp(a->values[v - 1], a->values[v]) >= 0)
                return bad(err, "attribute", i, "its values are not in ascending order");
        }
    }
    return RS_OK;
}

static enum rs_status check_windows(const struct rs_program *p, struct rs_error *err)
{
    if (p->n_windows > RS_WINDOWS_MAX)
        return rs_error_set(err, RS_EINVAL, "%u windows, at most %d", p->n_windows, RS_WINDOWS_MAX);
    for (uint32_t i = 0; i < p->n_windows; i++) {
        const struct rs_window *w = &p->windows[i];
        if (w->n < 1 || w->n >= RS_BUCKETS_MAX)
            return bad(err, "window", i, "1 to 63 buckets needed");
        if (w->bucket_s < 1 || w->bucket_s > RS_STEP_TIME_MAX / RS_BUCKETS_MAX)
            return bad(err, "window", i, "the width of its buckets is out of range");
    }
    return RS_OK;
}

static enum rs_status check_condition(const struct rs_program *p, uint32_t attr, uint32_t value, const char *what,
                                      uint32_t i, struct rs_error *err)
{
    if (attr >= p->n_attrs)
        return bad(err, what, i, "no such attribute");
    if (p->attrs[attr].is_number)
        return bad(err, what, i, "its attribute is a number");
    if (value >= p->attrs[attr].n_values)
        return bad(err, what, i, "no such value of its attribute");
    return RS_OK;
}

static enum rs_status check_cohorts(const struct rs_program *p, struct rs_error *err)
{
    if (p->n_cohorts < 1 || p->n_cohorts > RS_COHORTS_MAX)
        return rs_error_set(err, RS_EINVAL, "%u cohorts, 1 to %d needed", p->n_cohorts, RS_COHORTS_MAX);
    for (uint32_t i = 0; i < p->n_cohorts; i++) {
        const struct rs_cohort *c = &p->cohorts[i];
        if (!is_sound_word(c->name, 4 * RS_NAME_MAX))
            return bad(err, "cohort", i, "its name is no text, or too long");
        if (i == 0) {
            if (c->parent || c->attr || c->value)
                return bad(err, "cohort", i, "the first is all, without parent and condition");
            continue;
        }
        if (c->parent >= i)
            return bad(err, "cohort", i, "its parent does not come before it");
        enum rs_status st = check_condition(p, c->attr, c->value, "cohort", i, err);
        if (st < 0)
            return st;
        uint32_t depth = 1;
        for (uint32_t a = c->parent; a && depth <= RS_COHORT_DEPTH_MAX; a = p->cohorts[a].parent)
            depth++;
        if (depth > RS_COHORT_DEPTH_MAX)
            return bad(err, "cohort", i, "nested too deep");
    }
    return RS_OK;
}

static enum rs_status check_events(const struct rs_program *p, struct rs_error *err)
{
    if (p->n_events > RS_EVENTS_MAX)
        return rs_error_set(err, RS_EINVAL, "%u kinds of events, at most %d", p->n_events, RS_EVENTS_MAX);
    for (uint32_t i = 0; i < p->n_events; i++) {
        if (!is_sound_word(p->events[i], RS_NAME_MAX))
            return bad(err, "event", i, "its name is no text, or too long");
        for (uint32_t k = 0; k < i; k++)
            if (rs_streq(p->events[k], p->events[i]))
                return rs_error_set(err, RS_EINVAL, "two kinds of events are named %s", p->events[i]);
    }
    return RS_OK;
}

static bool step_has_transform(enum rs_step_op op)
{
    return op == RS_STEP_VALUE || step_has_window(op) || op == RS_STEP_NUMBER;
}

static enum rs_status check_derived(const struct rs_step *s, uint32_t i, struct rs_error *err)
{
    if (s->arg >= i || (s->op == RS_STEP_PRODUCT && s->value >= i))
        return bad(err, "step", i, "it is derived from a step that does not come before it");
    return RS_OK;
}

static enum rs_status check_arg(const struct rs_program *p, const struct rs_step *s, uint32_t i, struct rs_error *err)
{
    if (step_has_signal(s->op) && s->arg >= p->n_signals)
        return bad(err, "step", i, "no such signal");
    if (s->op == RS_STEP_AGE && s->arg)
        return bad(err, "step", i, "an age has no argument");
    if (s->op == RS_STEP_ONEHOT)
        return check_condition(p, s->arg, s->value, "step", i, err);
    if (s->op == RS_STEP_NUMBER && (s->arg >= p->n_attrs || !p->attrs[s->arg].is_number))
        return bad(err, "step", i, "no such numeric attribute");
    if (s->op == RS_STEP_COHORT && s->arg >= p->n_cohorts)
        return bad(err, "step", i, "no such cohort");
    if (step_has_event(s->op) && s->arg >= p->n_events)
        return bad(err, "step", i, "no such kind of event");
    return step_is_derived(s->op) ? check_derived(s, i, err) : RS_OK;
}

static enum rs_status check_steps(const struct rs_program *p, struct rs_error *err)
{
    if (p->n_steps > RS_STEPS_MAX)
        return rs_error_set(err, RS_EINVAL, "%u steps, at most %d", p->n_steps, RS_STEPS_MAX);
    for (uint32_t i = 0; i < p->n_steps; i++) {
        const struct rs_step *s = &p->steps[i];
        if ((unsigned)s->op >= RS_STEP_OPS)
            return bad(err, "step", i, "unknown operation");
        if (s->transform != RS_RAW && (s->transform != RS_LOG1P || !step_has_transform(s->op)))
            return bad(err, "step", i, "impossible transform");
        if (step_has_window(s->op) ? s->window >= p->n_windows : s->window != 0)
            return bad(err, "step", i, "no such window");
        if (s->op != RS_STEP_ONEHOT && s->op != RS_STEP_PRODUCT && s->value)
            return bad(err, "step", i, "it has a value but its operation has none");
        if (!isfinite(s->impute))
            return bad(err, "step", i, "its impute value is not finite");
        if (!isfinite(s->knot))
            return bad(err, "step", i, "its knot is not finite");
        if (s->op != RS_STEP_ABOVE && s->op != RS_STEP_GREATER && s->knot != 0)
            return bad(err, "step", i, "it has a knot but its operation has none");
        enum rs_status st = check_arg(p, s, i, err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

enum rs_status rs_program_finish(struct rs_program *p, struct rs_error *err)
{
    enum rs_status (*const checks[])(const struct rs_program *, struct rs_error *) = {
        check_signals, check_attrs, check_events, check_windows, check_cohorts, check_steps,
    };
    for (size_t i = 0; i < RS_LEN(checks); i++) {
        enum rs_status st = checks[i](p, err);
        if (st < 0)
            return st;
    }
    return rs_lay_out(p, err);
}

void rs_program_clear(struct rs_program *p)
{
    for (uint32_t i = 0; p->signals && i < p->n_signals; i++) {
        free(p->signals[i].name);
        free(p->signals[i].unit);
    }
    for (uint32_t i = 0; p->attrs && i < p->n_attrs; i++) {
        for (uint32_t v = 0; p->attrs[i].values && v < p->attrs[i].n_values; v++)
            free(p->attrs[i].values[v]);
        free(p->attrs[i].name);
        free(p->attrs[i].values);
    }
    for (uint32_t i = 0; p->cohorts && i < p->n_cohorts; i++)
        free(p->cohorts[i].name);
    for (uint32_t i = 0; p->events && i < p->n_events; i++)
        free(p->events[i]);
    free(p->events);
    free(p->signals);
    free(p->attrs);
    free(p->windows);
    free(p->cohorts);
    free(p->steps);
    rs_layout_free(p->layout);
    *p = (struct rs_program){ 0 };
}

size_t rs_program_state_size(const struct rs_program *p)
{
    return p->layout->state_size;
}

uint64_t rs_program_digest(const struct rs_program *p)
{
    return p->layout->digest;
}

static const char *signal_step_name(const struct rs_program *p, const struct rs_step *s, char *buf, size_t size)
{
    static const char *const ops[] = {
        [RS_STEP_DELTA] = "delta",     [RS_STEP_RATE] = "rate", [RS_STEP_MEAN] = "mean",
        [RS_STEP_MAX] = "max",         [RS_STEP_STD] = "std",   [RS_STEP_SINCE_CHANGE] = "since_change",
        [RS_STEP_MISSING] = "missing",
    };
    const char *name = p->signals[s->arg].name;
    bool is_log = s->transform == RS_LOG1P;
    char span[RS_TIME_MAX] = "";
    if (step_has_window(s->op))
        rs_duration_format((double)p->windows[s->window].bucket_s * p->windows[s->window].n, span);
    if (s->op == RS_STEP_VALUE)
        snprintf(buf, size, is_log ? "log1p(%s)" : "%s", name);
    else if (s->op == RS_STEP_POSITIVE)
        snprintf(buf, size, "%s>0", name);
    else if (!step_has_window(s->op))
        snprintf(buf, size, "%s(%s)", ops[s->op], name);
    else if (s->op == RS_STEP_DELTA || s->op == RS_STEP_RATE)
        snprintf(buf, size, is_log ? "log1p(%s[%s](%s))" : "%s[%s](%s)", ops[s->op], span, name);
    else
        snprintf(buf, size, is_log ? "%s[%s](log1p(%s))" : "%s[%s](%s)", ops[s->op], span, name);
    return buf;
}

static const char *event_step_name(const struct rs_program *p, const struct rs_step *s, char *buf, size_t size)
{
    char span[RS_TIME_MAX];
    if (s->op == RS_STEP_SINCE_EVENT) {
        snprintf(buf, size, "since(%s)", p->events[s->arg]);
        return buf;
    }
    rs_duration_format((double)p->windows[s->window].bucket_s * p->windows[s->window].n, span);
    snprintf(buf, size, s->transform == RS_LOG1P ? "log1p(events[%s](%s))" : "events[%s](%s)", span, p->events[s->arg]);
    return buf;
}

#define PART_MAX 1024 /* bytes of the name of a step within another's */

static const char *derived_step_name(const struct rs_program *p, const struct rs_step *s, unsigned depth, char *buf,
                                     size_t size);

/* A step within another's name: two levels deep, then its number, so that names and the stack stay short. */
static const char *part_name(const struct rs_program *p, uint32_t step, unsigned depth, char *buf, size_t size)
{
    if (!step_is_derived(p->steps[step].op))
        return rs_step_name(p, step, buf, size);
    if (depth < 2)
        return derived_step_name(p, &p->steps[step], depth + 1, buf, size);
    snprintf(buf, size, "#%u", step);
    return buf;
}

static const char *derived_step_name(const struct rs_program *p, const struct rs_step *s, unsigned depth, char *buf,
                                     size_t size)
{
    char part[PART_MAX], other[PART_MAX];
    part_name(p, s->arg, depth, part, sizeof part);
    if (s->op == RS_STEP_ABOVE)
        snprintf(buf, size, s->knot < 0 ? "(%s+%.6g)+" : "(%s-%.6g)+", part, fabs((double)s->knot));
    else if (s->op == RS_STEP_GREATER)
        snprintf(buf, size, "%s>%.6g", part, (double)s->knot);
    else
        snprintf(buf, size, "%s * %s", part, part_name(p, s->value, depth, other, sizeof other));
    return buf;
}

const char *rs_step_name(const struct rs_program *p, uint32_t step, char *buf, size_t size)
{
    const struct rs_step *s = &p->steps[step];
    if (step_has_signal(s->op))
        return signal_step_name(p, s, buf, size);
    if (step_has_event(s->op))
        return event_step_name(p, s, buf, size);
    if (step_is_derived(s->op))
        return derived_step_name(p, s, 0, buf, size);
    if (s->op == RS_STEP_AGE)
        snprintf(buf, size, "age");
    else if (s->op == RS_STEP_ONEHOT)
        snprintf(buf, size, "%s=%s", p->attrs[s->arg].name, p->attrs[s->arg].values[s->value]);
    else if (s->op == RS_STEP_NUMBER)
        snprintf(buf, size, s->transform == RS_LOG1P ? "log1p(%s)" : "%s", p->attrs[s->arg].name);
    else
        snprintf(buf, size, "%s", p->cohorts[s->arg].name);
    return buf;
}

struct rs_attr_value rs_attr_bind(const struct rs_attr *attr, const char *text)
{
    struct rs_attr_value out = { .code = RS_CODE_MISSING, .number = NAN };
    if (!text || !*text)
        return out;
    if (attr->is_number) {
        char *end;
        float number = strtof(text, &end);
        if (!*end && isfinite(number))
            out.number = number;
        return out;
    }
    char **found =
        attr->n_values ? bsearch(&text, attr->values, attr->n_values, sizeof *attr->values, compare_names) : NULL;
    out.code = found ? (int32_t)(found - attr->values) : RS_CODE_UNSEEN;
    return out;
}

bool rs_program_in_cohort(const struct rs_program *p, uint32_t cohort, const struct rs_attr_value *attrs)
{
    for (uint32_t c = cohort; c; c = p->cohorts[c].parent)
        if (attrs[p->cohorts[c].attr].code != (int32_t)p->cohorts[c].value)
            return false;
    return true;
}

bool rs_program_fallback(const struct rs_program *p, const struct rs_attr_value *attrs, uint32_t *out_attr)
{
    uint32_t first = UINT32_MAX;
    for (uint32_t c = 1; c < p->n_cohorts; c++) {
        uint32_t attr = p->cohorts[c].attr;
        if (attr < first && attrs[attr].code == RS_CODE_UNSEEN)
            first = attr;
    }
    if (first != UINT32_MAX && out_attr)
        *out_attr = first;
    return first != UINT32_MAX;
}

static uint32_t cohort_depth(const struct rs_program *p, uint32_t cohort)
{
    uint32_t depth = 0;
    for (uint32_t c = cohort; c; c = p->cohorts[c].parent)
        depth++;
    return depth;
}

uint32_t rs_program_cohort(const struct rs_program *p, const struct rs_attr_value *attrs)
{
    uint32_t best = 0, best_depth = 0;
    for (uint32_t c = 1; c < p->n_cohorts; c++) {
        if (!rs_program_in_cohort(p, c, attrs))
            continue;
        uint32_t depth = cohort_depth(p, c);
        if (depth > best_depth) {
            best = c;
            best_depth = depth;
        }
    }
    return best;
}
