/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fleet file to feature rows: binds names, keeps one entity's state, labels each sample. */
#include "predictor/scan.h"

#include <math.h>

#include "common/log.h"
#include "predictor/label.h"

#define NO_COLUMN UINT32_MAX
#define MEMO_BITS 8

/* How one attribute of the program is found in the file. */
struct attr_link {
    uint32_t column; /* of the file, NO_COLUMN where it has none */
    int32_t *codes;  /* file code -> program code; NULL unless both are categorical */
    float *numbers;  /* file code -> number; NULL unless the program's is a number and the file's categorical */
};

struct memo {
    uint32_t cohort;
    bool is_set;
};

struct rs_scan {
    const struct rs_program *p;
    const struct rs_fleet_info *info;
    struct rs_scan_options opt;
    rs_fleet_scan *blocks;
    struct rs_fleet_block block;
    size_t next;       /* sample of the block to visit next */
    size_t n_pushed;   /* samples of the block that the state has taken in */
    bool is_begun;     /* the state is that of the block's entity */
    bool skips_entity; /* the entity of the block is not wanted */
    uint32_t *columns; /* n_signals of the program: column of the file */
    bool is_identity;  /* they are the columns of the file, all in its order */
    struct attr_link *links;
    struct rs_attr_value *attrs;
    uint32_t cohort;
    struct memo memos[1 << MEMO_BITS]; /* by hash of the codes of attributes */
    int32_t *memo_codes;               /* n_attrs for each */
    uint32_t *events;                  /* of the file: kind -> kind of the program, NO_COLUMN where it has none */
    size_t next_event;
    void *state;
    float *values, *x;
};

void rs_scan_free(rs_scan *s)
{
    if (!s)
        return;
    rs_fleet_scan_free(s->blocks);
    for (uint32_t i = 0; s->links && i < s->p->n_attrs; i++) {
        free(s->links[i].codes);
        free(s->links[i].numbers);
    }
    free(s->links);
    free(s->columns);
    free(s->events);
    free(s->attrs);
    free(s->memo_codes);
    free(s->state);
    free(s->values);
    free(s->x);
    free(s);
}

static void link_signals(rs_scan *s)
{
    s->is_identity = s->p->n_signals == s->info->n_signals;
    for (uint32_t i = 0; i < s->p->n_signals; i++) {
        s->columns[i] = NO_COLUMN;
        for (uint32_t k = 0; k < s->info->n_signals; k++)
            if (rs_streq(s->p->signals[i].name, s->info->signals[k].name))
                s->columns[i] = k;
        s->is_identity &= s->columns[i] == i;
        if (s->columns[i] == NO_COLUMN && !s->opt.is_silent)
            rs_log_warn("signal_absent", "signal=\"%s\" meaning=\"the fleet file lacks it; taken as missing\"",
                        s->p->signals[i].name);
    }
}

static bool link_values(struct attr_link *link, const struct rs_attr *attr, const struct rs_fleet_attr *file)
{
    if (file->is_number)
        return true; /* bound by its text or taken as it is, entity by entity */
    if (attr->is_number)
        link->numbers = rs_alloc(file->n_values, sizeof *link->numbers);
    else
        link->codes = rs_alloc(file->n_values, sizeof *link->codes);
    if (!link->numbers && !link->codes)
        return false;
    for (uint32_t v = 0; v < file->n_values; v++) {
        struct rs_attr_value value = rs_attr_bind(attr, file->values[v]);
        if (attr->is_number)
            link->numbers[v] = value.number;
        else
            link->codes[v] = value.code;
    }
    return true;
}

static bool link_attrs(rs_scan *s)
{
    for (uint32_t i = 0; i < s->p->n_attrs; i++) {
        s->links[i].column = NO_COLUMN;
        for (uint32_t k = 0; k < s->info->n_attrs; k++) {
            if (!rs_streq(s->p->attrs[i].name, s->info->attrs[k].name))
                continue;
            s->links[i].column = k;
            if (!link_values(&s->links[i], &s->p->attrs[i], &s->info->attrs[k]))
                return false;
        }
        if (s->links[i].column == NO_COLUMN && !s->opt.is_silent)
            rs_log_warn("attribute_absent", "attribute=\"%s\" meaning=\"the fleet file lacks it; taken as missing\"",
                        s->p->attrs[i].name);
    }
    return true;
}

static void link_events(rs_scan *s)
{
    for (uint32_t k = 0; k < s->info->n_events; k++) {
        s->events[k] = NO_COLUMN;
        for (uint32_t i = 0; i < s->p->n_events; i++)
            if (rs_streq(s->p->events[i], s->info->events[k]))
                s->events[k] = i;
    }
}

enum rs_status rs_scan_new(rs_fleet *fleet, const struct rs_program *p, const struct rs_scan_options *opt,
                           rs_scan **out, struct rs_error *err)
{
    RS_AUTO(rs_scan) *s = rs_alloc(1, sizeof *s);
    if (!s)
        return rs_error_set(err, RS_ENOMEM, "scan: out of memory");
    s->p = p;
    s->info = rs_fleet_info(fleet);
    s->opt = *opt;
    s->columns = rs_alloc(p->n_signals, sizeof *s->columns);
    s->links = rs_alloc(p->n_attrs, sizeof *s->links);
    s->events = rs_alloc(s->info->n_events, sizeof *s->events);
    s->attrs = rs_alloc(p->n_attrs, sizeof *s->attrs);
    s->memo_codes = rs_alloc(p->n_attrs, sizeof *s->memo_codes << MEMO_BITS);
    s->state = rs_alloc(rs_program_state_size(p), 1);
    s->values = rs_alloc(p->n_signals, sizeof *s->values);
    s->x = rs_alloc(p->n_steps, sizeof *s->x);
    if (!s->columns || !s->links || !s->events || !s->attrs || !s->memo_codes || !s->state || !s->values || !s->x ||
        !link_attrs(s))
        return rs_error_set(err, RS_ENOMEM, "scan of %u features: out of memory", p->n_steps);
    link_signals(s);
    link_events(s);
    enum rs_status st = rs_fleet_scan_new(fleet, opt->first, opt->n ? opt->n : UINT64_MAX, &s->blocks, err);
    if (st < 0)
        return st;
    *out = rs_take(s);
    return RS_OK;
}

enum rs_status rs_scan_move(rs_scan *s, uint64_t first, uint64_t n, struct rs_error *err)
{
    s->block.n = s->next = s->n_pushed = 0;
    s->skips_entity = false;
    return rs_fleet_scan_move(s->blocks, first, n ? n : UINT64_MAX, err);
}

static struct rs_attr_value attr_of(const rs_scan *s, uint32_t i)
{
    const struct rs_attr *attr = &s->p->attrs[i];
    const struct attr_link *link = &s->links[i];
    struct rs_attr_value out = { .code = RS_CODE_MISSING, .number = NAN };
    if (link->column == NO_COLUMN)
        return out;
    int32_t code = s->block.attr_codes[link->column];
    double number = s->block.attr_numbers[link->column];
    if (link->codes && code >= 0) {
        out.code = link->codes[code];
    } else if (link->numbers && code >= 0) {
        out.number = link->numbers[code];
    } else if (!link->codes && !link->numbers && isfinite(number)) {
        char text[32];
        snprintf(text, sizeof text, "%.17g", number);
        out = rs_attr_bind(attr, text);
    }
    return out;
}

/* The deepest cohort. Few combinations of attributes occur, and looking through all cohorts takes its time: the newest
 * answer is kept for each hash of the codes. */
static uint32_t cohort_of(rs_scan *s)
{
    uint32_t n = s->p->n_attrs, hash = 0;
    for (uint32_t i = 0; i < n; i++)
        hash = (hash ^ (uint32_t)s->attrs[i].code) * 0x9e3779b1u;
    struct memo *m = &s->memos[hash >> (32 - MEMO_BITS)];
    int32_t *codes = s->memo_codes + (size_t)(m - s->memos) * n;
    bool is_known = m->is_set;
    for (uint32_t i = 0; i < n && is_known; i++)
        is_known = codes[i] == s->attrs[i].code;
    if (is_known)
        return m->cohort;
    for (uint32_t i = 0; i < n; i++)
        codes[i] = s->attrs[i].code;
    *m = (struct memo){ rs_program_cohort(s->p, s->attrs), true };
    return m->cohort;
}

static void begin_entity(rs_scan *s)
{
    const struct rs_fleet_block *b = &s->block;
    s->skips_entity = (s->opt.kind != RS_KIND_ALL && (int)b->kind != s->opt.kind) ||
                      (s->opt.wants && !s->opt.wants(s->opt.arg, b->entity, b->id));
    if (s->skips_entity)
        return;
    for (uint32_t i = 0; i < s->p->n_attrs; i++)
        s->attrs[i] = attr_of(s, i);
    s->cohort = cohort_of(s);
    s->is_begun = false;
}

int rs_block_label(const struct rs_fleet_info *info, const struct rs_fleet_block *b, size_t i, int64_t horizon_s,
                   enum rs_touch *touch)
{
    if (touch)
        *touch = RS_UNTOUCHED;
    if (b->label)
        return b->label[i];
    if (horizon_s <= 0)
        return RS_LABEL_CENSORED;
    struct rs_history h = { b->last_seen, b->failures, b->n_failures, b->mitigations, b->n_mitigations };
    int label = rs_label(b->time[i], horizon_s, info->last, &h);
    if (h.n_mitigations == 0 || label == RS_LABEL_CENSORED)
        return label;
    enum rs_touch by = rs_label_mitigated(b->time[i], horizon_s, &h);
    if (touch)
        *touch = by;
    return by == RS_MITIGATED ? RS_LABEL_CENSORED : label;
}

/* Events up to the time of the sample go before it (feature.h). */
static enum rs_status push_events(rs_scan *s, int64_t time, struct rs_error *err)
{
    const struct rs_fleet_block *b = &s->block;
    for (; s->next_event < b->n_events && b->events[s->next_event].time <= time; s->next_event++) {
        const struct rs_fleet_event *e = &b->events[s->next_event];
        if (s->events[e->kind] == NO_COLUMN)
            continue;
        if (rs_state_event(s->p, s->state, s->events[e->kind], e->time) < 0)
            return rs_error_set(err, RS_ECORRUPT, "entity %s: the time of an event is impossible", b->id);
    }
    return RS_OK;
}

static enum rs_status push(rs_scan *s, size_t i, struct rs_error *err)
{
    const struct rs_fleet_block *b = &s->block;
    const float *row = b->values + i * s->info->n_signals, *values = row;
    if (!s->is_identity) {
        for (uint32_t k = 0; k < s->p->n_signals; k++)
            s->values[k] = s->columns[k] == NO_COLUMN ? NAN : row[s->columns[k]];
        values = s->values;
    }
    enum rs_status st = push_events(s, b->time[i], err);
    if (st < 0)
        return st;
    st = rs_state_push(s->p, s->state, b->time[i], values);
    if (st < 0)
        return rs_error_set(err, RS_ECORRUPT, "entity %s: the time of row %llu is %s", b->id,
                            (unsigned long long)(b->row + i), st == RS_ESTALE ? "out of order" : "impossible");
    return RS_OK;
}

/* Samples of the block before `end`, those that the state has not seen yet. */
static enum rs_status push_until(rs_scan *s, size_t end, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    if (!s->is_begun) {
        rs_state_init(s->p, s->state);
        s->next_event = 0;
        s->is_begun = true;
    }
    for (; s->n_pushed < end && st == RS_OK; s->n_pushed++)
        st = push(s, s->n_pushed, err);
    return st;
}

/* The next block of an entity that is wanted. What the one before still owes the state of an entity that goes on is
 * paid first; of one that ends, nobody will ask. */
static enum rs_status next_block(rs_scan *s, struct rs_error *err)
{
    do {
        enum rs_status st = RS_OK;
        if (!s->skips_entity && s->block.n && !s->block.is_last)
            st = push_until(s, s->block.n, err);
        if (st == RS_OK)
            st = rs_fleet_scan_step(s->blocks, &s->block, err);
        if (st != RS_CONTINUE)
            return st;
        s->next = s->n_pushed = 0;
        if (s->block.is_first)
            begin_entity(s);
    } while (s->skips_entity || s->block.n == 0);
    return RS_CONTINUE;
}

enum rs_status rs_scan_step(rs_scan *s, struct rs_scan_row *out, struct rs_error *err)
{
    enum rs_status st = s->next < s->block.n ? RS_CONTINUE : next_block(s, err);
    if (st != RS_CONTINUE)
        return st;
    const struct rs_fleet_block *b = &s->block;
    size_t i = s->next++;
    if (b->time[i] < -RS_STEP_TIME_MAX || b->time[i] > RS_STEP_TIME_MAX)
        return rs_error_set(err, RS_ECORRUPT, "entity %s: the time of row %llu is impossible", b->id,
                            (unsigned long long)(b->row + i));
    st = s->opt.is_lazy ? RS_OK : rs_scan_features(s, s->x, err);
    if (st < 0)
        return st;
    *out = (struct rs_scan_row){
        .entity = b->entity,
        .id = b->id,
        .row = b->row + i,
        .time = b->time[i],
        .cohort = s->cohort,
        .attrs = s->attrs,
        .x = s->x,
        .readings = b->values + i * s->info->n_signals,
        .n_readings = s->info->n_signals,
        .is_first = b->is_first && i == 0,
        .is_last = b->is_last && i + 1 == b->n,
        .first_seen = b->first_seen,
        .last_seen = b->last_seen,
        .n_entity_rows = b->n_entity_rows,
        .kind = b->kind,
        .failures = b->failures,
        .n_failures = b->n_failures,
    };
    out->label = rs_block_label(s->info, b, i, s->opt.horizon_s, &out->touch);
    return RS_CONTINUE;
}

enum rs_status rs_scan_features(rs_scan *s, float *out_x, struct rs_error *err)
{
    enum rs_status st = push_until(s, s->next, err);
    if (st == RS_OK)
        rs_state_features(s->p, s->state, s->attrs, out_x);
    return st;
}

enum rs_status rs_kind_parse(const char *word, int *out, struct rs_error *err)
{
    static const struct {
        const char *word;
        int kind;
    } kinds[] = { { "all", RS_KIND_ALL }, { "host", RS_ENTITY_HOST }, { "component", RS_ENTITY_COMPONENT } };
    for (size_t i = 0; i < RS_LEN(kinds); i++)
        if (rs_streq(word, kinds[i].word)) {
            *out = kinds[i].kind;
            return RS_OK;
        }
    return rs_error_set(err, RS_EUSAGE, "--kind: %s: all, host or component needed", word);
}
