/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads feature lists. See stepparse.h; rs_step_name() in models/feature.c is the other direction. */
#include "predictor/stepparse.h"

#include <math.h>

#include "common/clock.h"

#define LINE_MAX_BYTES 8192

/* A list in the making. Attribute values stand in the order of their coming until finish() sorts them. */
struct maker {
    struct rs_feature_list *list;
    struct rs_program *p;
    size_t cap_steps, cap_signals, cap_attrs, cap_cohorts;
    struct rs_window spans[RS_WINDOWS_MAX]; /* declared by @window; n = 0 ends them */
    struct rs_error *err;
};

static enum rs_status bad(struct maker *k, const char *what, const char *text)
{
    return rs_error_set(k->err, RS_EFORMAT, "%s: %s", text, what);
}

static enum rs_status no_memory(struct maker *k)
{
    return rs_error_set(k->err, RS_ENOMEM, "feature list: out of memory");
}

/* Room for one more item, zeroed; NULL without memory. */
static void *room(void *items, uint32_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    size_t more = *cap ? 2 * *cap : 16;
    char *grown = rs_realloc(items, more, size);
    if (!grown)
        return NULL;
    memset(grown + *cap * size, 0, (more - *cap) * size);
    *cap = more;
    return grown;
}

/* ---- signals, attributes, windows, cohorts ---- */

static enum rs_status signal_index(struct maker *k, const char *name, uint32_t *out)
{
    struct rs_program *p = k->p;
    for (uint32_t i = 0; i < p->n_signals; i++)
        if (rs_streq(p->signals[i].name, name)) {
            *out = i;
            return RS_OK;
        }
    if (!*name)
        return rs_error_set(k->err, RS_EFORMAT, "a signal without a name");
    struct rs_signal *grown = room(p->signals, p->n_signals, &k->cap_signals, sizeof *grown);
    if (!grown)
        return no_memory(k);
    p->signals = grown;
    struct rs_signal s = { .name = strdup(name), .unit = strdup(""), .kind = RS_GAUGE };
    p->signals[p->n_signals++] = s;
    *out = p->n_signals - 1;
    return s.name && s.unit ? RS_OK : no_memory(k);
}

static const struct rs_attr *find_attr(const struct rs_program *p, const char *name, uint32_t *out)
{
    for (uint32_t i = 0; i < p->n_attrs; i++)
        if (rs_streq(p->attrs[i].name, name)) {
            *out = i;
            return &p->attrs[i];
        }
    return NULL;
}

static enum rs_status attr_index(struct maker *k, const char *name, bool is_number, uint32_t *out)
{
    struct rs_program *p = k->p;
    const struct rs_attr *found = find_attr(p, name, out);
    if (found)
        return found->is_number == is_number ? RS_OK : bad(k, "once a number and once a category", name);
    struct rs_attr *grown = room(p->attrs, p->n_attrs, &k->cap_attrs, sizeof *grown);
    if (!grown)
        return no_memory(k);
    p->attrs = grown;
    *out = p->n_attrs;
    p->attrs[p->n_attrs++] = (struct rs_attr){ .name = strdup(name), .is_number = is_number };
    return p->attrs[*out].name ? RS_OK : no_memory(k);
}

static enum rs_status value_index(struct maker *k, struct rs_attr *a, const char *text, uint32_t *out)
{
    for (uint32_t v = 0; v < a->n_values; v++)
        if (rs_streq(a->values[v], text)) {
            *out = v;
            return RS_OK;
        }
    char **grown = rs_realloc(a->values, (size_t)a->n_values + 1, sizeof *grown);
    if (!grown)
        return no_memory(k);
    a->values = grown;
    a->values[a->n_values] = strdup(text);
    if (!a->values[a->n_values])
        return no_memory(k);
    *out = a->n_values++;
    return RS_OK;
}

/* Without a declaration spans of up to two days have buckets of an hour, longer ones of a day, as the trainer's do. */
static enum rs_status window_of_span(struct maker *k, const char *text, struct rs_window *out)
{
    double span;
    if (rs_duration_parse(text, &span) != RS_OK || span < 1 || span > 1e9 || span != floor(span))
        return bad(k, "no span of a window such as 7d or 24h", text);
    int64_t s = (int64_t)span;
    for (size_t i = 0; i < RS_WINDOWS_MAX && k->spans[i].n; i++)
        if (k->spans[i].bucket_s * k->spans[i].n == s) {
            *out = k->spans[i];
            return RS_OK;
        }
    int64_t bucket = s <= 2 * RS_DAY_S ? 3600 : RS_DAY_S;
    if (s % bucket || s / bucket >= RS_BUCKETS_MAX)
        return bad(k, "say how it is cut with @window SPAN BUCKET", text);
    *out = (struct rs_window){ bucket, (uint32_t)(s / bucket) };
    return RS_OK;
}

static enum rs_status window_index(struct maker *k, const char *text, uint32_t *out)
{
    struct rs_program *p = k->p;
    struct rs_window w;
    enum rs_status st = window_of_span(k, text, &w);
    if (st < 0)
        return st;
    for (uint32_t i = 0; i < p->n_windows; i++)
        if (p->windows[i].bucket_s == w.bucket_s && p->windows[i].n == w.n) {
            *out = i;
            return RS_OK;
        }
    struct rs_window *grown = rs_realloc(p->windows, (size_t)p->n_windows + 1, sizeof *grown);
    if (!grown)
        return no_memory(k);
    p->windows = grown;
    *out = p->n_windows;
    p->windows[p->n_windows++] = w;
    return RS_OK;
}

static enum rs_status event_index(struct maker *k, const char *name, uint32_t *out)
{
    struct rs_program *p = k->p;
    for (uint32_t i = 0; i < p->n_events; i++)
        if (rs_streq(p->events[i], name)) {
            *out = i;
            return RS_OK;
        }
    char **grown = rs_realloc(p->events, (size_t)p->n_events + 1, sizeof *grown);
    if (!grown)
        return no_memory(k);
    p->events = grown;
    p->events[p->n_events] = strdup(name);
    if (!p->events[p->n_events])
        return no_memory(k);
    *out = p->n_events++;
    return RS_OK;
}

static enum rs_status cohort_index(struct maker *k, struct rs_cohort want, const char *name, uint32_t *out)
{
    struct rs_program *p = k->p;
    for (uint32_t i = 0; i < p->n_cohorts; i++)
        if (rs_streq(p->cohorts[i].name, name)) {
            *out = i;
            return RS_OK;
        }
    struct rs_cohort *grown = room(p->cohorts, p->n_cohorts, &k->cap_cohorts, sizeof *grown);
    if (!grown)
        return no_memory(k);
    p->cohorts = grown;
    want.name = strdup(name);
    if (!want.name)
        return no_memory(k);
    *out = p->n_cohorts;
    p->cohorts[p->n_cohorts++] = want;
    return RS_OK;
}

/* ---- names ---- */

/* Where text begins with head and ends with tail, what is between; tail is cut off in place. */
static char *between(char *text, const char *head, const char *tail)
{
    size_t n = strlen(text), h = strlen(head), t = strlen(tail);
    if (n < h + t || strncmp(text, head, h) != 0 || !rs_streq(text + n - t, tail))
        return NULL;
    text[n - t] = 0;
    return text + h;
}

static bool is_wrapped(const char *text, const char *head)
{
    size_t n = strlen(text);
    return strncmp(text, head, strlen(head)) == 0 && n && text[n - 1] == ')';
}

/* "ATTR=VALUE": index of the attribute and of the value, which are new where need be. */
static enum rs_status condition(struct maker *k, char *text, uint32_t *attr, uint32_t *value)
{
    char *is = strchr(text, '=');
    if (!is || is == text || !is[1])
        return bad(k, "ATTRIBUTE=VALUE expected", text);
    *is = 0;
    enum rs_status st = attr_index(k, text, false, attr);
    if (st == RS_OK)
        st = value_index(k, &k->p->attrs[*attr], is + 1, value);
    *is = '=';
    return st;
}

/* The blank before the next "ATTR=" of a cohort's name, NULL behind the last. */
static char *next_condition(char *text)
{
    for (char *blank = strchr(text, ' '); blank; blank = strchr(blank + 1, ' ')) {
        size_t word = strcspn(blank + 1, " ");
        if (memchr(blank + 1, '=', word) && blank[1] != '=')
            return blank;
    }
    return NULL;
}

/* "model=A firmware=B": a cohort, and those that it is nested in. */
static enum rs_status parse_conditions(struct maker *k, char *text, struct rs_step *s)
{
    uint32_t parent = 0;
    if (!next_condition(text)) {
        s->op = RS_STEP_ONEHOT;
        return condition(k, text, &s->arg, &s->value);
    }
    s->op = RS_STEP_COHORT;
    char *at = text;
    for (char *blank; at; at = blank ? blank + 1 : NULL) {
        struct rs_cohort c = { .parent = parent };
        blank = next_condition(at);
        if (blank)
            *blank = 0; /* the name so far, too */
        enum rs_status st = condition(k, at, &c.attr, &c.value);
        if (st == RS_OK)
            st = cohort_index(k, c, text, &parent);
        if (blank)
            *blank = ' ';
        if (st < 0)
            return st;
    }
    s->arg = parent;
    return RS_OK;
}

/* "delta[7d](x)", "mean[24h](log1p(x))", "events[30d](failure)". False where text is none of them. */
static bool parse_windowed(struct maker *k, char *text, struct rs_step *s, enum rs_status *st)
{
    static const struct {
        const char *head;
        enum rs_step_op op;
    } ops[] = {
        { "delta[", RS_STEP_DELTA }, { "rate[", RS_STEP_RATE }, { "mean[", RS_STEP_MEAN },
        { "max[", RS_STEP_MAX },     { "std[", RS_STEP_STD },   { "events[", RS_STEP_EVENTS },
    };
    for (size_t i = 0; i < RS_LEN(ops); i++) {
        char *close = is_wrapped(text, ops[i].head) ? strstr(text, "](") : NULL;
        if (!close)
            continue;
        s->op = ops[i].op;
        *close = 0;
        char *name = close + 2;
        name[strlen(name) - 1] = 0;
        bool is_moment = s->op == RS_STEP_MEAN || s->op == RS_STEP_MAX || s->op == RS_STEP_STD;
        char *inner = is_moment ? between(name, "log1p(", ")") : NULL;
        if (inner)
            s->transform = RS_LOG1P;
        *st = window_index(k, text + strlen(ops[i].head), &s->window);
        if (*st == RS_OK && s->op == RS_STEP_EVENTS)
            *st = event_index(k, name, &s->arg);
        else if (*st == RS_OK)
            *st = signal_index(k, inner ? inner : name, &s->arg);
        return true;
    }
    return false;
}

static enum rs_status parse_plain(struct maker *k, char *text, struct rs_step *s)
{
    const struct rs_attr *a = find_attr(k->p, text, &s->arg);
    if (a && a->is_number) {
        s->op = RS_STEP_NUMBER;
        return RS_OK;
    }
    s->op = RS_STEP_VALUE;
    return signal_index(k, text, &s->arg);
}

/* An earlier step: "#3" or its name. */
static bool find_step(const struct maker *k, const char *text, uint32_t *out)
{
    char name[LINE_MAX_BYTES], *end;
    if (text[0] == '#') {
        unsigned long i = strtoul(text + 1, &end, 10);
        *out = (uint32_t)i;
        return text[1] >= '0' && text[1] <= '9' && !*end && i < k->p->n_steps;
    }
    for (uint32_t i = 0; i < k->p->n_steps; i++)
        if (rs_streq(rs_step_name(k->p, i, name, sizeof name), text)) {
            *out = i;
            return true;
        }
    return false;
}

static bool parse_knot(const char *text, float *out)
{
    char *end;
    double v = strtod(text, &end);
    *out = (float)v;
    return end != text && !*end && isfinite(*out) &&
           (text[0] == '-' || text[0] == '.' || (text[0] >= '0' && text[0] <= '9'));
}

/* "(x-1.5)+" */
static bool parse_above(struct maker *k, char *text, struct rs_step *s)
{
    size_t n = strlen(text);
    if (n < 6 || text[0] != '(' || !rs_streq(text + n - 2, ")+"))
        return false;
    bool is_found = false;
    text[n - 2] = 0;
    for (size_t i = n - 3; i > 1 && !is_found; i--) {
        char sign = text[i];
        if ((sign != '-' && sign != '+') || !parse_knot(text + i + 1, &s->knot))
            continue;
        text[i] = 0;
        is_found = find_step(k, text + 1, &s->arg);
        text[i] = sign;
        s->knot = sign == '+' ? -s->knot : s->knot;
    }
    text[n - 2] = ')';
    s->op = RS_STEP_ABOVE;
    return is_found;
}

/* "x>2.5"; "x>0" is the flag of a signal, "#3>0" the comparison of a step */
static bool parse_greater(struct maker *k, char *text, struct rs_step *s)
{
    char *sign = strrchr(text, '>');
    if (!sign || !parse_knot(sign + 1, &s->knot))
        return false;
    *sign = 0;
    bool is_found = find_step(k, text, &s->arg);
    *sign = '>';
    s->op = RS_STEP_GREATER;
    return is_found;
}

/* "x * y" */
static bool parse_product(struct maker *k, char *text, struct rs_step *s)
{
    bool is_found = false;
    for (char *star = strstr(text, " * "); star && !is_found; star = strstr(star + 1, " * ")) {
        *star = 0;
        is_found = find_step(k, text, &s->arg) && find_step(k, star + 3, &s->value);
        *star = ' ';
    }
    s->op = RS_STEP_PRODUCT;
    return is_found;
}

static enum rs_status parse_step(struct maker *k, char *text, struct rs_step *s)
{
    size_t n = strlen(text);
    enum rs_status st = RS_OK;
    char *inner;
    float impute = s->impute;
    if (text[0] != '#' && n > 2 && rs_streq(text + n - 2, ">0")) {
        text[n - 2] = 0;
        s->op = RS_STEP_POSITIVE;
        st = signal_index(k, text, &s->arg);
        text[n - 2] = '>';
        return st;
    }
    if (parse_above(k, text, s) || parse_greater(k, text, s) || parse_product(k, text, s))
        return RS_OK;
    *s = (struct rs_step){ .impute = impute };
    if (text[0] == '#')
        return bad(k, "no such earlier step, or nothing that is made of one", text);
    if (rs_streq(text, "age")) {
        s->op = RS_STEP_AGE;
        return RS_OK;
    }
    inner = between(text, "log1p(", ")");
    if (inner) {
        if (!parse_windowed(k, inner, s, &st))
            st = parse_plain(k, inner, s);
        s->transform = RS_LOG1P;
        return st;
    }
    if (parse_windowed(k, text, s, &st))
        return st;
    inner = between(text, "since_change(", ")");
    if (inner) {
        s->op = RS_STEP_SINCE_CHANGE;
        return signal_index(k, inner, &s->arg);
    }
    inner = between(text, "missing(", ")");
    if (inner) {
        s->op = RS_STEP_MISSING;
        return signal_index(k, inner, &s->arg);
    }
    inner = between(text, "since(", ")");
    if (inner) {
        s->op = RS_STEP_SINCE_EVENT;
        return event_index(k, inner, &s->arg);
    }
    return strchr(text, '=') ? parse_conditions(k, text, s) : parse_plain(k, text, s);
}

/* ---- lines ---- */

/* Cuts a field off at the next TAB and returns what follows, NULL where there is nothing. */
static char *cut_field(char *text)
{
    char *tab = text ? strchr(text, '\t') : NULL;
    if (!tab)
        return NULL;
    *tab = 0;
    return tab + 1;
}

static enum rs_status take_number(struct maker *k, const char *text, const char *what, double limit, double *out)
{
    char *end;
    if (!text || !*text)
        return RS_OK;
    double v = strtod(text, &end);
    if (end == text || *end || !(fabs(v) <= limit))
        return rs_error_set(k->err, RS_EFORMAT, "%s: no %s", text, what);
    *out = v;
    return RS_OK;
}

static enum rs_status grow_steps(struct maker *k)
{
    struct rs_feature_list *l = k->list;
    size_t cap = k->cap_steps;
    struct rs_step *steps = room(k->p->steps, k->p->n_steps, &cap, sizeof *steps);
    if (!steps)
        return no_memory(k);
    k->p->steps = steps;
    double *mean = rs_realloc(l->mean, cap, sizeof *mean);
    l->mean = mean ? mean : l->mean;
    double *scale = rs_realloc(l->scale, cap, sizeof *scale);
    l->scale = scale ? scale : l->scale;
    if (!mean || !scale)
        return no_memory(k);
    k->cap_steps = cap;
    return RS_OK;
}

/* Whether the step is called as it was written: a name with brackets of its own may read as something else. */
static enum rs_status check_name(struct maker *k, const char *written)
{
    const struct rs_step *s = &k->p->steps[k->p->n_steps - 1];
    char name[LINE_MAX_BYTES];
    if (s->op == RS_STEP_ABOVE || s->op == RS_STEP_GREATER || s->op == RS_STEP_PRODUCT)
        return RS_OK;
    rs_step_name(k->p, k->p->n_steps - 1, name, sizeof name);
    return rs_streq(name, written) ? RS_OK : rs_error_set(k->err, RS_EFORMAT, "%s: reads as %s", written, name);
}

/* NAME [TAB impute [TAB mean [TAB scale]]] */
static enum rs_status take_feature(struct maker *k, char *line)
{
    char *impute_text = cut_field(line), *mean_text = cut_field(impute_text), *scale_text = cut_field(mean_text);
    double impute = 0, mean = 0, scale = 1;
    rs_autofree char *written = strdup(line);
    if (!written)
        return no_memory(k);
    if (k->p->n_steps >= RS_STEPS_MAX)
        return rs_error_set(k->err, RS_EFORMAT, "more than %d features", RS_STEPS_MAX);
    enum rs_status st = take_number(k, impute_text, "number for a missing value", 3.4e38, &impute);
    if (st == RS_OK)
        st = take_number(k, mean_text, "mean", 1e39, &mean);
    if (st == RS_OK)
        st = take_number(k, scale_text, "scale", 1e39, &scale);
    if (st == RS_OK && !(scale > 0))
        st = bad(k, "no scale above 0", scale_text);
    if (st == RS_OK)
        st = grow_steps(k);
    struct rs_step step = { .impute = (float)impute };
    if (st == RS_OK)
        st = parse_step(k, line, &step);
    if (st < 0)
        return st;
    uint32_t i = k->p->n_steps++;
    k->p->steps[i] = step;
    k->list->mean[i] = mean;
    k->list->scale[i] = scale;
    return check_name(k, written);
}

static enum rs_status declare_window(struct maker *k, char *text)
{
    double span, bucket;
    char *blank = strchr(text, ' ');
    if (blank)
        *blank = 0;
    if (!blank || rs_duration_parse(text, &span) != RS_OK || rs_duration_parse(blank + 1, &bucket) != RS_OK ||
        bucket < 1 || bucket > 1e9 || span > 1e9 || fmod(span, bucket) != 0 || fmod(bucket, 1) != 0 ||
        span / bucket < 1 || span / bucket >= RS_BUCKETS_MAX)
        return bad(k, "@window SPAN BUCKET needed, SPAN of 1 to 63 whole buckets", text);
    struct rs_window w = { (int64_t)bucket, (uint32_t)(span / bucket) };
    for (size_t i = 0; i < RS_WINDOWS_MAX; i++)
        if (!k->spans[i].n || k->spans[i].bucket_s * k->spans[i].n == (int64_t)span) {
            k->spans[i] = w;
            return RS_OK;
        }
    return rs_error_set(k->err, RS_EFORMAT, "more than %d windows", RS_WINDOWS_MAX);
}

static enum rs_status declare_signal(struct maker *k, char *text, enum rs_signal_kind kind)
{
    char *unit = cut_field(text);
    uint32_t i;
    enum rs_status st = signal_index(k, text, &i);
    if (st < 0)
        return st;
    k->p->signals[i].kind = kind;
    if (!unit)
        return RS_OK;
    char *copy = strdup(unit);
    if (!copy)
        return no_memory(k);
    free(k->p->signals[i].unit);
    k->p->signals[i].unit = copy;
    return RS_OK;
}

static enum rs_status take_line(struct maker *k, char *line)
{
    uint32_t ignored;
    if (!*line || rs_streq(line, "#") || strncmp(line, "# ", 2) == 0)
        return RS_OK;
    if (strncmp(line, "@counter ", 9) == 0)
        return declare_signal(k, line + 9, RS_COUNTER);
    if (strncmp(line, "@gauge ", 7) == 0)
        return declare_signal(k, line + 7, RS_GAUGE);
    if (strncmp(line, "@number ", 8) == 0)
        return attr_index(k, line + 8, true, &ignored);
    if (strncmp(line, "@window ", 8) == 0)
        return declare_window(k, line + 8);
    if (line[0] == '@')
        return bad(k, "@counter, @gauge, @number or @window needed", line);
    return take_feature(k, line);
}

static enum rs_status take_lines(struct maker *k, const char *text, size_t len)
{
    const char *end = text + len;
    unsigned n = 0;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t size = (size_t)((stop ? stop : end) - text);
        char line[LINE_MAX_BYTES];
        n++;
        if (size >= sizeof line || memchr(text, 0, size))
            return rs_error_set(k->err, RS_EFORMAT, "line %u: longer than %d bytes, or no text", n, LINE_MAX_BYTES - 1);
        memcpy(line, text, size);
        line[size] = 0;
        if (size && line[size - 1] == '\r')
            line[size - 1] = 0;
        enum rs_status st = take_line(k, line);
        if (st < 0)
            return rs_error_prefix(k->err, st, "line %u", n);
        text = stop ? stop + 1 : end;
    }
    return RS_OK;
}

/* ---- the end ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint32_t place_of(const struct rs_attr *sorted, const char *text)
{
    char **found = bsearch(&text, sorted->values, sorted->n_values, sizeof *sorted->values, by_text);
    return (uint32_t)(found - sorted->values);
}

/* Sorts the values of an attribute and gives those who use them the new places. */
static enum rs_status sort_values(struct maker *k, uint32_t attr)
{
    struct rs_program *p = k->p;
    struct rs_attr *a = &p->attrs[attr];
    if (!a->n_values)
        return RS_OK;
    rs_autofree char **before = rs_alloc(a->n_values, sizeof *before);
    if (!before)
        return no_memory(k);
    memcpy(before, a->values, a->n_values * sizeof *before);
    qsort(a->values, a->n_values, sizeof *a->values, by_text);
    for (uint32_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].op == RS_STEP_ONEHOT && p->steps[i].arg == attr)
            p->steps[i].value = place_of(a, before[p->steps[i].value]);
    for (uint32_t c = 1; c < p->n_cohorts; c++)
        if (p->cohorts[c].attr == attr)
            p->cohorts[c].value = place_of(a, before[p->cohorts[c].value]);
    return RS_OK;
}

static enum rs_status finish(struct maker *k)
{
    enum rs_status st = RS_OK;
    for (uint32_t i = 0; i < k->p->n_attrs && st == RS_OK; i++)
        st = sort_values(k, i);
    if (st == RS_OK && !k->p->n_steps)
        st = rs_error_set(k->err, RS_EFORMAT, "no feature in the list");
    if (st < 0)
        return st;
    st = rs_program_finish(k->p, k->err);
    if (st == RS_EINVAL) { /* what a caller may not pass is a mistake of the text when it comes from one */
        st = RS_EFORMAT;
        if (k->err)
            k->err->status = st;
    }
    return st;
}

void rs_feature_list_clear(struct rs_feature_list *l)
{
    rs_program_clear(&l->program);
    free(l->mean);
    free(l->scale);
    *l = (struct rs_feature_list){ 0 };
}

enum rs_status rs_feature_list_read(const char *text, size_t len, struct rs_feature_list *out, struct rs_error *err)
{
    rs_auto_feature_list list = { 0 };
    struct maker k = { .list = &list, .p = &list.program, .err = err };
    uint32_t all;
    enum rs_status st = cohort_index(&k, (struct rs_cohort){ 0 }, "all", &all);
    if (st == RS_OK)
        st = take_lines(&k, text, len);
    if (st == RS_OK)
        st = finish(&k);
    if (st < 0)
        return st;
    *out = list;
    list = (struct rs_feature_list){ 0 };
    return RS_OK;
}
