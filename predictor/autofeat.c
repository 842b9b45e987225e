/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which steps a signal or an attribute deserves, by what the survey saw of it. */
#include "predictor/autofeat.h"

#include <math.h>

#include "common/bytes.h"
#include "common/log.h"
#include "predictor/solver.h"

#define LOG_MAX_MIN 5.0          /* below it log1p changes little */
#define LOG_SKEW_MIN 1.0         /* a skew from which log1p is tried */
#define FLAG_ZERO_SHARE_MIN 0.01 /* a >0 flag says something where at least this share is zero */
#define FLAG_ZERO_SHARE_MAX 0.9999
#define MISSING_SHARE_MIN 0.001
#define MISSING_SHARE_MAX 0.999
#define ROWS_PER_ENTITY_MIN 3.0 /* fewer make no history */
#define VALUE_ENTITIES 100      /* support of an attribute value as a feature: this many entities, */
#define VALUE_SHARE 0.01        /* or this share of all and at least VALUE_ENTITIES_MIN */
#define VALUE_ENTITIES_MIN 10
#define AGE_CORRELATION_MAX 0.7 /* beyond it age is mostly the date of the sample */
#define HOURLY_CADENCE_S 10800  /* up to this cadence a day has a shape of its own */

#define ORDER_SHARE 0.95 /* of the entities in file order, from which on a number follows the order */
#define ORDER_ENTITIES_MIN 20
#define SERIAL_SHARE 0.99 /* of different whole numbers, from which on they are names */
#define SERIAL_ENTITIES_MIN 200

#define EVENT_KINDS_MAX 8 /* so that the state of an entity stays small */

enum { WINDOW_WEEK, WINDOW_DAY, WINDOW_MONTH, WINDOW_QUARTER, WINDOW_YEAR, N_WINDOWS };
static const struct rs_window windows[N_WINDOWS] = {
    [WINDOW_WEEK] = { .bucket_s = RS_DAY_S, .n = 7 },
    [WINDOW_DAY] = { .bucket_s = 3600, .n = 24 },
    [WINDOW_MONTH] = { .bucket_s = RS_DAY_S, .n = 30 },
    [WINDOW_QUARTER] = { .bucket_s = (int64_t)3 * RS_DAY_S, .n = 30 },
    [WINDOW_YEAR] = { .bucket_s = (int64_t)7 * RS_DAY_S, .n = 52 },
};

struct build {
    const struct rs_fleet_info *info;
    const struct rs_survey *survey;
    const rs_cohort_tree *tree;
    struct rs_program *p;
    uint32_t cap_steps;
    bool has_history, is_hourly;
    bool is_cohort_attr[RS_ATTRS_MAX];
    int32_t *program_code[RS_ATTRS_MAX]; /* file code -> program code, -1 where left out */
    bool failed;                         /* an allocation did */
};

static bool has_support(const struct build *b, uint64_t n_entities)
{
    return n_entities >= VALUE_ENTITIES ||
           (n_entities >= VALUE_ENTITIES_MIN &&
            (double)n_entities * b->survey->share >= VALUE_SHARE * (double)b->survey->n_entities);
}

/* math.md F34: what never happened is longer ago than the file, or a year, is long */
static float never(const struct build *b)
{
    const struct rs_window *year = &windows[WINDOW_YEAR];
    int64_t span_s = RS_MAX(b->survey->last - b->survey->first, year->bucket_s * year->n);
    return (float)log1p((double)span_s / RS_DAY_S);
}

static void add_step(struct build *b, struct rs_step step)
{
    struct rs_program *p = b->p;
    if (p->n_steps == b->cap_steps) {
        uint32_t cap = b->cap_steps ? 2 * b->cap_steps : 64;
        struct rs_step *steps = rs_realloc(p->steps, cap, sizeof *steps);
        b->failed |= !steps;
        if (!steps)
            return;
        p->steps = steps;
        b->cap_steps = cap;
    }
    step.impute = step.op == RS_STEP_SINCE_EVENT ? never(b) : RS_NOTHING_TO_SAY;
    p->steps[p->n_steps++] = step;
}

/* math.md F12: log1p where it takes away most of a long right tail */
static bool wants_log(double min, double max, double skew, double skew_of_log)
{
    return min >= 0 && max > LOG_MAX_MIN && skew > LOG_SKEW_MIN && fabs(skew_of_log) < skew;
}

static void add_history(struct build *b, uint32_t signal, bool is_log)
{
    enum rs_transform g = is_log ? RS_LOG1P : RS_RAW;
    /* the growth of a steady counter (hours of service) only tells how much of the window is there */
    if (!is_log && b->info->signals[signal].kind == RS_COUNTER)
        return;
    add_step(b, (struct rs_step){ .op = RS_STEP_DELTA, .transform = g, .arg = signal, .window = WINDOW_WEEK });
    if (!b->is_hourly)
        return;
    add_step(b, (struct rs_step){ .op = RS_STEP_DELTA, .transform = g, .arg = signal, .window = WINDOW_DAY });
    if (b->info->signals[signal].kind == RS_GAUGE) {
        add_step(b, (struct rs_step){ .op = RS_STEP_MEAN, .transform = g, .arg = signal, .window = WINDOW_DAY });
        add_step(b, (struct rs_step){ .op = RS_STEP_STD, .transform = g, .arg = signal, .window = WINDOW_DAY });
    }
}

/* math.md F13 */
static void add_signal(struct build *b, uint32_t k)
{
    const struct rs_signal_survey *s = &b->survey->signals[k];
    double n_rows = (double)b->survey->n_rows, missing = (double)s->n_missing / n_rows;
    double n_read = n_rows - (double)s->n_missing;
    if (missing >= MISSING_SHARE_MIN && missing <= MISSING_SHARE_MAX)
        add_step(b, (struct rs_step){ .op = RS_STEP_MISSING, .arg = k });
    if (!(s->min < s->max)) {
        rs_log_info("signal_unused", "signal=\"%s\" why=\"%s\"", b->info->signals[k].name,
                    s->min > s->max ? "never read" : "constant");
        return;
    }
    bool is_log = wants_log((double)s->min, (double)s->max, s->skew, s->skew_of_log);
    add_step(b, (struct rs_step){ .op = RS_STEP_VALUE, .transform = is_log ? RS_LOG1P : RS_RAW, .arg = k });
    if (!is_log && b->info->signals[k].kind == RS_COUNTER && s->n_negative == 0 && s->max > LOG_MAX_MIN)
        add_step(b,
                 (struct rs_step){ .op = RS_STEP_VALUE, .transform = RS_LOG1P, .arg = k }); /* the early hours, too */
    double zero = (double)s->n_zero / n_read;
    if (s->n_negative == 0 && s->max > 1 && zero >= FLAG_ZERO_SHARE_MIN && zero <= FLAG_ZERO_SHARE_MAX)
        add_step(b, (struct rs_step){ .op = RS_STEP_POSITIVE, .arg = k });
    if (b->has_history)
        add_history(b, k, is_log);
}

/* math.md F14: what a number tells of the entity instead of its health, or NULL. */
static const char *identity_of(const struct rs_attr_survey *a)
{
    if (a->n_numbers >= ORDER_ENTITIES_MIN &&
        (double)RS_MAX(a->n_rising, a->n_falling) >= ORDER_SHARE * (double)(a->n_numbers - 1))
        return "follows the order of the entities";
    if (a->n_sampled >= SERIAL_ENTITIES_MIN && a->n_fractions == 0 && a->distinct_share >= SERIAL_SHARE)
        return "a different whole number for each entity, as serials are";
    return NULL;
}

static void add_number(struct build *b, uint32_t i)
{
    const struct rs_attr_survey *a = &b->survey->attrs[i];
    if (a->n_values < 2)
        return;
    const char *why = identity_of(a);
    if (why) {
        rs_log_warn("attribute_unused", "attribute=\"%s\" why=\"%s\"", b->info->attrs[i].name, why);
        return;
    }
    bool is_log = wants_log(a->min, a->max, a->skew, a->skew_of_log);
    add_step(b, (struct rs_step){ .op = RS_STEP_NUMBER, .transform = is_log ? RS_LOG1P : RS_RAW, .arg = i });
}

static void add_values(struct build *b, uint32_t i)
{
    for (uint32_t v = 0; v < b->info->attrs[i].n_values; v++)
        if (b->program_code[i][v] >= 0 && has_support(b, b->survey->attrs[i].n_entities[v]))
            add_step(b, (struct rs_step){ .op = RS_STEP_ONEHOT, .arg = i, .value = (uint32_t)b->program_code[i][v] });
}

static char *copy(struct build *b, const char *text)
{
    char *out = strdup(text);
    b->failed |= !out;
    return out;
}

static void copy_signals(struct build *b)
{
    b->p->signals = rs_alloc(b->info->n_signals, sizeof *b->p->signals);
    b->failed |= !b->p->signals;
    for (uint32_t k = 0; !b->failed && k < b->info->n_signals; k++) {
        struct rs_signal *to = &b->p->signals[b->p->n_signals++];
        to->name = copy(b, b->info->signals[k].name);
        to->unit = copy(b, b->info->signals[k].unit);
        to->kind = b->info->signals[k].kind;
    }
}

/* The program knows the values that may become features or cohorts; those that are no text stay out. */
static void copy_values(struct build *b, uint32_t i)
{
    const struct rs_fleet_attr *from = &b->info->attrs[i];
    struct rs_attr *to = &b->p->attrs[i];
    to->values = rs_alloc(from->n_values, sizeof *to->values);
    b->program_code[i] = rs_alloc(from->n_values, sizeof *b->program_code[i]);
    b->failed |= !to->values || !b->program_code[i];
    for (uint32_t v = 0; !b->failed && v < from->n_values; v++) {
        uint64_t n = b->survey->attrs[i].n_entities[v];
        b->program_code[i][v] = -1;
        bool is_wanted = has_support(b, n) || (b->is_cohort_attr[i] && n >= RS_COHORT_ENTITIES_MIN);
        if (!is_wanted || to->n_values == RS_ATTR_VALUES_MAX)
            continue;
        if (!rs_name_is_sound(from->values[v], RS_NAME_MAX)) {
            rs_log_warn("value_unused", "attribute=\"%s\" why=\"value %u is no UTF-8 text, or too long\"", from->name,
                        v);
            continue;
        }
        b->program_code[i][v] = (int32_t)to->n_values;
        to->values[to->n_values++] = copy(b, from->values[v]);
    }
}

static void copy_attrs(struct build *b)
{
    b->p->attrs = rs_alloc(b->info->n_attrs, sizeof *b->p->attrs);
    b->failed |= !b->p->attrs;
    for (uint32_t i = 0; i < b->tree->n_attrs; i++)
        b->is_cohort_attr[b->tree->attrs[i]] = true;
    for (uint32_t i = 0; !b->failed && i < b->info->n_attrs; i++) {
        b->p->n_attrs++;
        b->p->attrs[i].name = copy(b, b->info->attrs[i].name);
        b->p->attrs[i].is_number = b->info->attrs[i].is_number;
        if (!b->info->attrs[i].is_number)
            copy_values(b, i);
    }
}

/* Of the kinds with support, those that most entities have. */
static bool is_wanted_event(const struct build *b, uint32_t k)
{
    const uint64_t *n = b->survey->event_entities;
    uint32_t n_before = 0;
    for (uint32_t i = 0; i < b->info->n_events; i++)
        n_before += n[i] > n[k] || (n[i] == n[k] && i < k);
    return has_support(b, n[k]) && n_before < EVENT_KINDS_MAX;
}

static void copy_events(struct build *b)
{
    b->p->events = rs_alloc(EVENT_KINDS_MAX, sizeof *b->p->events);
    b->failed |= !b->p->events;
    for (uint32_t k = 0; !b->failed && k < b->info->n_events; k++)
        if (is_wanted_event(b, k))
            b->p->events[b->p->n_events++] = copy(b, b->info->events[k]);
}

/* math.md F34: counts in windows and time since, of each kind of event */
static void add_events(struct build *b, uint32_t k)
{
    static const uint32_t spans[] = { WINDOW_WEEK, WINDOW_MONTH, WINDOW_QUARTER, WINDOW_YEAR };
    int64_t span_s = b->survey->last - b->survey->first;
    for (size_t i = 0; i < RS_LEN(spans); i++) {
        const struct rs_window *w = &windows[spans[i]];
        if (i == 0 || span_s >= w->bucket_s * w->n)
            add_step(b, (struct rs_step){ .op = RS_STEP_EVENTS, .transform = RS_LOG1P, .arg = k, .window = spans[i] });
    }
    add_step(b, (struct rs_step){ .op = RS_STEP_SINCE_EVENT, .arg = k });
}

static void copy_windows(struct build *b)
{
    b->p->windows = rs_alloc(N_WINDOWS, sizeof *b->p->windows);
    b->failed |= !b->p->windows;
    if (b->p->windows)
        memcpy(b->p->windows, windows, sizeof windows);
    b->p->n_windows = b->p->windows ? N_WINDOWS : 0;
}

static char *cohort_name(struct build *b, const struct rs_cohort *c)
{
    rs_auto_buf text = { 0 };
    if (c->parent)
        rs_buf_printf(&text, "%s ", b->p->cohorts[c->parent].name);
    rs_buf_printf(&text, "%s=%s", b->p->attrs[c->attr].name, b->p->attrs[c->attr].values[c->value]);
    b->failed |= text.failed;
    return text.failed ? NULL : (char *)rs_take(text.data);
}

/* math.md F14: nodes with enough entities become cohorts; the larger ones are features too */
static void add_cohorts(struct build *b)
{
    const rs_cohort_tree *t = b->tree;
    rs_autofree uint32_t *cohort = rs_alloc(t->n, sizeof *cohort);
    b->p->cohorts = rs_alloc(RS_MIN(t->n, (size_t)RS_COHORTS_MAX), sizeof *b->p->cohorts);
    b->failed |= !cohort || !b->p->cohorts;
    if (b->failed)
        return;
    b->p->cohorts[0].name = copy(b, "all");
    b->p->n_cohorts = 1;
    for (size_t i = 1; !b->failed && i < t->n && b->p->n_cohorts < RS_COHORTS_MAX; i++) {
        const struct rs_cohort_node *node = &t->nodes[i];
        uint32_t attr = t->attrs[node->depth - 1];
        int32_t value = b->program_code[attr][node->code];
        bool has_parent = node->parent == 0 || cohort[node->parent];
        if (node->n_entities < RS_COHORT_ENTITIES_MIN || value < 0 || !has_parent)
            continue;
        cohort[i] = b->p->n_cohorts++;
        struct rs_cohort *c = &b->p->cohorts[cohort[i]];
        *c = (struct rs_cohort){ .parent = cohort[node->parent], .attr = attr, .value = (uint32_t)value };
        c->name = cohort_name(b, c);
        if (has_support(b, node->n_entities))
            add_step(b, (struct rs_step){ .op = RS_STEP_COHORT, .arg = cohort[i] });
    }
}

static enum rs_status fill(struct build *b, struct rs_error *err)
{
    if (b->info->n_attrs > RS_ATTRS_MAX)
        return rs_error_set(err, RS_EUNSUPPORTED, "%u attributes, at most %d", b->info->n_attrs, RS_ATTRS_MAX);
    copy_signals(b);
    copy_attrs(b);
    copy_windows(b);
    copy_events(b);
    for (uint32_t k = 0; !b->failed && k < b->info->n_signals; k++)
        add_signal(b, k);
    for (uint32_t k = 0; !b->failed && k < b->p->n_events; k++)
        add_events(b, k);
    for (uint32_t i = 0; !b->failed && i < b->info->n_attrs; i++) {
        if (b->info->attrs[i].is_number)
            add_number(b, i);
        else if (!b->is_cohort_attr[i])
            add_values(b, i);
    }
    if (!b->failed)
        add_cohorts(b);
    if (b->has_history && fabs(b->survey->age_correlation) <= AGE_CORRELATION_MAX)
        add_step(b, (struct rs_step){ .op = RS_STEP_AGE });
    if (b->failed)
        return rs_error_set(err, RS_ENOMEM, "automatic features: out of memory");
    if (b->p->n_steps == 0)
        return rs_error_set(err, RS_ENODATA,
                            "nothing in the file could be a feature: every signal and attribute is "
                            "constant or missing");
    if (b->p->n_steps > RS_SOLVER_FEATURES_MAX)
        return rs_error_set(err, RS_EUNSUPPORTED, "%u automatic features, at most %d: leave out signals or attributes",
                            b->p->n_steps, RS_SOLVER_FEATURES_MAX);
    return rs_program_finish(b->p, err);
}

enum rs_status rs_autofeat_build(const struct rs_fleet_info *info, const struct rs_survey *survey,
                                 const rs_cohort_tree *tree, struct rs_program *out, struct rs_error *err)
{
    *out = (struct rs_program){ 0 };
    struct build b = { .info = info, .survey = survey, .tree = tree, .p = out };
    b.has_history = survey->n_entities && survey->cadence_s > 0 &&
                    (double)survey->n_rows >= ROWS_PER_ENTITY_MIN * (double)survey->n_entities;
    b.is_hourly = b.has_history && survey->cadence_s <= HOURLY_CADENCE_S;
    enum rs_status st = fill(&b, err);
    for (size_t i = 0; i < RS_LEN(b.program_code); i++)
        free(b.program_code[i]);
    if (st < 0)
        rs_program_clear(out);
    return st;
}

struct uses { /* new index + 1, 0 = unused */
    uint32_t signal[RS_SIGNALS_MAX], attr[RS_ATTRS_MAX], window[RS_WINDOWS_MAX], event[RS_EVENTS_MAX];
};

static bool reads_window(const struct rs_step *s)
{
    return (s->op >= RS_STEP_DELTA && s->op <= RS_STEP_STD && s->op != RS_STEP_SINCE_CHANGE) || s->op == RS_STEP_EVENTS;
}

static bool reads_event(const struct rs_step *s)
{
    return s->op == RS_STEP_EVENTS || s->op == RS_STEP_SINCE_EVENT;
}

static void mark_uses(const struct rs_program *p, struct uses *u)
{
    for (uint32_t j = 0; j < p->n_steps; j++) {
        const struct rs_step *s = &p->steps[j];
        if (s->op <= RS_STEP_MISSING)
            u->signal[s->arg] = 1;
        if (reads_window(s))
            u->window[s->window] = 1;
        if (reads_event(s))
            u->event[s->arg] = 1;
        if (s->op == RS_STEP_ONEHOT || s->op == RS_STEP_NUMBER)
            u->attr[s->arg] = 1;
    }
    for (uint32_t c = 1; c < p->n_cohorts; c++)
        u->attr[p->cohorts[c].attr] = 1;
}

static void drop_unused(struct rs_program *p, struct uses *u)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_signals; i++) {
        if (u->signal[i]) {
            p->signals[n] = p->signals[i];
            u->signal[i] = ++n;
            continue;
        }
        free(p->signals[i].name);
        free(p->signals[i].unit);
    }
    p->n_signals = n;
    n = 0;
    for (uint32_t i = 0; i < p->n_attrs; i++) {
        if (u->attr[i]) {
            p->attrs[n] = p->attrs[i];
            u->attr[i] = ++n;
            continue;
        }
        for (uint32_t v = 0; v < p->attrs[i].n_values; v++)
            free(p->attrs[i].values[v]);
        free(p->attrs[i].values);
        free(p->attrs[i].name);
    }
    p->n_attrs = n;
    n = 0;
    for (uint32_t i = 0; i < p->n_windows; i++)
        if (u->window[i]) {
            p->windows[n] = p->windows[i];
            u->window[i] = ++n;
        }
    p->n_windows = n;
    n = 0;
    for (uint32_t i = 0; i < p->n_events; i++) {
        if (!u->event[i]) {
            free(p->events[i]);
            continue;
        }
        p->events[n] = p->events[i];
        u->event[i] = ++n;
    }
    p->n_events = n;
}

static void rename_uses(struct rs_program *p, const struct uses *u)
{
    for (uint32_t j = 0; j < p->n_steps; j++) {
        struct rs_step *s = &p->steps[j];
        if (s->op <= RS_STEP_MISSING)
            s->arg = u->signal[s->arg] - 1;
        if (reads_window(s))
            s->window = u->window[s->window] - 1;
        if (reads_event(s))
            s->arg = u->event[s->arg] - 1;
        if (s->op == RS_STEP_ONEHOT || s->op == RS_STEP_NUMBER)
            s->arg = u->attr[s->arg] - 1;
    }
    for (uint32_t c = 1; c < p->n_cohorts; c++)
        p->cohorts[c].attr = u->attr[p->cohorts[c].attr] - 1;
}

enum rs_status rs_autofeat_prune(struct rs_program *p, const bool *keep, struct rs_error *err)
{
    rs_autofree struct uses *u = rs_alloc(1, sizeof *u);
    if (!u)
        return rs_error_set(err, RS_ENOMEM, "automatic features: out of memory");
    uint32_t n = 0;
    for (uint32_t j = 0; j < p->n_steps; j++)
        if (keep[j])
            p->steps[n++] = p->steps[j];
    p->n_steps = n;
    mark_uses(p, u);
    drop_unused(p, u);
    rename_uses(p, u);
    return rs_program_finish(p, err);
}
