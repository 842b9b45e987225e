/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cells to entities, times and attributes, as the mapping says. */
#include "datasets/map_row.h"

#include <math.h>
#include <time.h>

#define ID_MAX 255
#define TIME_MAX_S 1e11 /* the year 5138; beyond it a number is in another unit */

/* ---- headers ---- */

void rs_header_clear(struct rs_header *h)
{
    rs_intern_clear(&h->names);
}

static enum rs_status add_name(struct rs_header *h, const struct rs_csv_field *f, struct rs_error *err)
{
    uint32_t at = h->names.n;
    uint32_t given = rs_intern_add(&h->names, f->text, f->len);
    if (given == RS_INTERN_NONE)
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", h->path);
    if (given != at)
        return rs_error_set(err, RS_EFORMAT, "%s: the header has the column %.*s twice", h->path, (int)f->len, f->text);
    return RS_OK;
}

enum rs_status rs_header_read(struct rs_header *h, rs_csv *csv, struct rs_error *err)
{
    struct rs_csv_record rec;
    h->path = rs_csv_path(csv);
    enum rs_status st = rs_csv_next(csv, &rec, err);
    if (st == RS_OK)
        return rs_error_set(err, RS_EFORMAT, "%s: empty; a header with column names is wanted", h->path);
    if (st < 0)
        return st;
    if (rec.bad)
        return rs_error_set(err, RS_EFORMAT, "%s:%llu: the header cannot be read: %s", h->path,
                            (unsigned long long)rec.line, rec.bad);
    for (size_t i = 0; i < rec.n; i++)
        if ((st = add_name(h, &rec.fields[i], err)) < 0)
            return st;
    return RS_OK;
}

/* ---- where columns lie ---- */

enum rs_status rs_map_bind_column(struct rs_map_column *c, const struct rs_header *h, struct rs_error *err)
{
    c->at = RS_MAP_NOWHERE;
    if (!c->name)
        return RS_OK;
    uint32_t at = rs_intern_find(&h->names, c->name, c->len);
    if (at == RS_INTERN_NONE)
        return rs_error_set(err, RS_EFORMAT, "%s: has no column %.*s, which the mapping names", h->path, (int)c->len,
                            c->name);
    c->at = at;
    return RS_OK;
}

enum rs_status rs_map_bind_text(struct rs_map_text *t, const struct rs_header *h, struct rs_error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        enum rs_status st = rs_map_bind_column(&t->parts[i].column, h, err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

enum rs_status rs_map_bind_time(struct rs_map_time *t, const struct rs_header *h, struct rs_error *err)
{
    return rs_map_bind_column(&t->column, h, err);
}

enum rs_status rs_map_bind_when(struct rs_map_when *w, const struct rs_header *h, struct rs_error *err)
{
    return rs_map_bind_column(&w->column, h, err);
}

enum rs_status rs_map_bind_attrs(struct rs_map_attr *attrs, size_t n, const struct rs_header *h, struct rs_error *err)
{
    for (size_t i = 0; i < n; i++) {
        enum rs_status st = rs_map_bind_text(&attrs[i].text, h, err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

/* ---- texts ---- */

static const char *complain(struct rs_map_reader *r, const struct rs_map_column *c, const struct rs_csv_field *cell,
                            const char *what)
{
    snprintf(r->why, sizeof r->why, "%.*s: \"%.*s\": %s", (int)c->len, c->name, (int)RS_MIN(cell->len, 60), cell->text,
             what);
    return r->why;
}

bool rs_map_is_missing(const struct rs_map_reader *r, const struct rs_csv_field *cell)
{
    if (cell->len == 0)
        return true;
    for (size_t i = 0; i < r->map->n_missing; i++)
        if (rs_csv_is(cell, r->map->missing[i]))
            return true;
    return false;
}

const char *rs_map_text_of(struct rs_map_reader *r, const struct rs_map_text *t, const struct rs_csv_record *rec,
                           char buf[RS_MAP_TEXT_MAX], size_t *len)
{
    *len = 0;
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct rs_map_part *p = &t->parts[i];
        struct rs_csv_field piece = { p->literal, p->len };
        if (!p->literal) {
            piece = rec->fields[p->column.at];
            if (rs_map_is_missing(r, &piece))
                return NULL;
        }
        if (n + piece.len >= RS_MAP_TEXT_MAX) {
            snprintf(r->why, sizeof r->why, "a text of over %d bytes", RS_MAP_TEXT_MAX - 1);
            return r->why;
        }
        memcpy(buf + n, piece.text, piece.len);
        n += piece.len;
    }
    buf[n] = '\0';
    *len = n;
    return NULL;
}

const char *rs_map_entity_of(struct rs_map_reader *r, const struct rs_map_text *t, const struct rs_csv_record *rec,
                             char buf[RS_MAP_TEXT_MAX], size_t *len)
{
    const char *why = rs_map_text_of(r, t, rec, buf, len);
    if (why)
        return why;
    if (*len == 0)
        return "no entity: a cell of its name is empty";
    if (*len > ID_MAX)
        return "the entity's name has over 255 bytes";
    return NULL;
}

bool rs_map_when_holds(const struct rs_map_reader *r, const struct rs_map_when *w, const struct rs_csv_record *rec)
{
    if (w->must_be_given)
        return !rs_map_is_missing(r, &rec->fields[w->column.at]);
    for (size_t i = 0; i < w->n; i++)
        if (rs_csv_is(&rec->fields[w->column.at], w->values[i]))
            return true;
    return w->n == 0;
}

const char *rs_map_attr_of(struct rs_map_reader *r, const struct rs_map_attr *a, const struct rs_csv_record *rec,
                           char buf[RS_MAP_TEXT_MAX], size_t *len)
{
    const char *why = rs_map_text_of(r, &a->text, rec, buf, len);
    if (why || *len == 0 || !a->regex)
        return why;
    regmatch_t m[2];
    if (regexec(a->regex, buf, RS_LEN(m), m, 0) != 0 || m[1].rm_so < 0) {
        *len = 0;
        return NULL;
    }
    *len = (size_t)(m[1].rm_eo - m[1].rm_so);
    memmove(buf, buf + m[1].rm_so, *len);
    buf[*len] = '\0';
    return NULL;
}

/* ---- times ---- */

/* strptime takes the 31st of February; a calendar does not. */
static bool parse_pattern(const char *s, const char *pattern, int64_t *out)
{
    struct tm tm = { .tm_mday = 1 };
    const char *end = strptime(s, pattern, &tm);
    if (!end || end[strspn(end, " ")])
        return false;
    struct tm day = { .tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday };
    if (timegm(&day) == (time_t)-1 && tm.tm_year != 69)
        return false;
    if (day.tm_mday != tm.tm_mday || day.tm_mon != tm.tm_mon)
        return false;
    long zone_s = tm.tm_gmtoff;
    tm.tm_gmtoff = 0;
    *out = (int64_t)timegm(&tm) - zone_s;
    return true;
}

static const char *unix_time(struct rs_map_reader *r, const struct rs_map_time *t, const struct rs_csv_field *cell,
                             int64_t *out)
{
    double v;
    if (!rs_csv_double(cell, &v))
        return complain(r, &t->column, cell, "no number");
    if (t->form == RS_MAP_TIME_UNIX_MS)
        v /= 1000;
    if (fabs(v) > TIME_MAX_S)
        return complain(r, &t->column, cell, "no time in this unit");
    *out = (int64_t)floor(v);
    return NULL;
}

const char *rs_map_time_of(struct rs_map_reader *r, const struct rs_map_time *t, const struct rs_csv_record *rec,
                           int64_t *out)
{
    if (t->form == RS_MAP_TIME_CONSTANT) {
        *out = t->constant;
        return NULL;
    }
    const struct rs_csv_field *cell = &rec->fields[t->column.at];
    if (rs_map_is_missing(r, cell)) {
        *out = RS_TIME_NONE;
        return t->may_be_empty ? NULL : complain(r, &t->column, cell, "no time");
    }
    if (t->form == RS_MAP_TIME_UNIX || t->form == RS_MAP_TIME_UNIX_MS)
        return unix_time(r, t, cell, out);
    bool is_iso = t->form == RS_MAP_TIME_ISO;
    if (is_iso && cell->len == r->last_len && memcmp(cell->text, r->last_time, cell->len) == 0) {
        *out = r->last_s;
        return NULL;
    }
    char text[sizeof r->last_time];
    if (cell->len >= sizeof text)
        return complain(r, &t->column, cell, "too long for a time");
    memcpy(text, cell->text, cell->len);
    text[cell->len] = '\0';
    if (is_iso ? rs_time_parse(text, out) != RS_OK : !parse_pattern(text, t->pattern, out))
        return complain(r, &t->column, cell, "no time in the mapping's format");
    if (is_iso) {
        memcpy(r->last_time, text, cell->len);
        r->last_len = cell->len;
        r->last_s = *out;
    }
    return NULL;
}
