/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads a mapping: YAML in, checked struct rs_map out. Every mistake names file and line; nothing is guessed. */
#include "datasets/map_private.h"

static enum rs_status read_map(struct rs_map *m, const char *name, struct rs_error *err);

/* ---- loading and release ---- */

void rs_map_text_clear(struct rs_map_text *t)
{
    free(t->parts);
}

void rs_map_attrs_free(struct rs_map_attr *attrs, size_t n)
{
    for (size_t i = 0; attrs && i < n; i++) {
        rs_map_text_clear(&attrs[i].text);
        if (attrs[i].regex)
            regfree(attrs[i].regex);
        free(attrs[i].regex);
    }
    free(attrs);
}

void rs_map_free(struct rs_map *m)
{
    if (!m)
        return;
    rs_map_text_clear(&m->entity);
    rs_map_text_clear(&m->parent);
    rs_map_attrs_free(m->attrs, m->n_attrs);
    rs_map_events_free(m);
    free(m->signals);
    free(m->missing);
    free(m->ignore);
    free(m->label_one);
    free(m->label_zero);
    free(m->path);
    rs_yaml_free(m->doc);
    free(m);
}

/* Takes doc. */
static enum rs_status from_document(rs_yaml *doc, const char *name, struct rs_map **out, struct rs_error *err)
{
    RS_AUTO_STRUCT(rs_map) *m = rs_alloc(1, sizeof *m);
    if (!m) {
        rs_yaml_free(doc);
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", name);
    }
    m->doc = doc;
    m->path = strdup(name);
    if (!m->path)
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", name);
    enum rs_status st = read_map(m, name, err);
    if (st < 0)
        return st;
    *out = rs_take(m);
    return RS_OK;
}

enum rs_status rs_map_load(const char *path, struct rs_map **out, struct rs_error *err)
{
    rs_yaml *doc = NULL;
    enum rs_status st = rs_yaml_load(path, &doc, err);
    return st < 0 ? st : from_document(doc, path, out, err);
}

enum rs_status rs_map_parse(const char *text, size_t len, const char *name, struct rs_map **out, struct rs_error *err)
{
    rs_yaml *doc = NULL;
    enum rs_status st = rs_yaml_parse(text, len, name, &doc, err);
    return st < 0 ? st : from_document(doc, name, out, err);
}

bool rs_map_match(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* ---- small readers: each takes the node of one value ---- */

enum rs_status rs_map_no_memory(const struct rs_map *m, struct rs_error *err)
{
    return rs_error_set(err, RS_ENOMEM, "%s: out of memory", m->path);
}

/* The plain, non-empty value of key; *out stays as it is where the key is absent. */
enum rs_status rs_map_opt_str(const struct rs_map *m, const rs_yaml_node *map, const char *key, const char **out,
                              struct rs_error *err)
{
    const rs_yaml_node *n = rs_yaml_get(map, key);
    if (!n)
        return RS_OK;
    enum rs_status st = rs_yaml_str(m->doc, n, out, err);
    if (st == RS_OK && !**out)
        return rs_yaml_error(m->doc, n, err, "%s: empty", key);
    return st;
}

static enum rs_status need_str(const struct rs_map *m, const rs_yaml_node *map, const char *key, const char **out,
                               struct rs_error *err)
{
    if (!rs_yaml_get(map, key))
        return rs_yaml_error(m->doc, map, err, "%s: missing", key);
    return rs_map_opt_str(m, map, key, out, err);
}

enum rs_status rs_map_need_column(const struct rs_map *m, const rs_yaml_node *map, const char *key,
                                  struct rs_map_column *out, struct rs_error *err)
{
    *out = rs_map_nowhere;
    enum rs_status st = need_str(m, map, key, &out->name, err);
    if (st == RS_OK)
        out->len = strlen(out->name);
    return st;
}

static enum rs_status opt_number(const struct rs_map *m, const rs_yaml_node *map, const char *key, double *out,
                                 struct rs_error *err)
{
    const rs_yaml_node *n = rs_yaml_get(map, key);
    return n ? rs_yaml_double(m->doc, n, out, err) : RS_OK;
}

enum rs_status rs_map_opt_bool(const struct rs_map *m, const rs_yaml_node *map, const char *key, bool *out,
                               struct rs_error *err)
{
    const rs_yaml_node *n = rs_yaml_get(map, key);
    return n ? rs_yaml_bool(m->doc, n, out, err) : RS_OK;
}

/* One of the NULL-ended words; *out is its index and stays as it is where the key is absent. */
enum rs_status rs_map_opt_word(const struct rs_map *m, const rs_yaml_node *map, const char *key,
                               const char *const *words, int *out, struct rs_error *err)
{
    const char *s = NULL;
    enum rs_status st = rs_map_opt_str(m, map, key, &s, err);
    if (st < 0 || !s)
        return st;
    char known[128] = "";
    for (int i = 0; words[i]; i++) {
        if (rs_streq(s, words[i])) {
            *out = i;
            return RS_OK;
        }
        size_t len = strlen(known);
        snprintf(known + len, sizeof known - len, "%s%s", i ? " or " : "", words[i]);
    }
    return rs_yaml_error(m->doc, rs_yaml_get(map, key), err, "%s: %s: %s is wanted here", key, s, known);
}

/* A value or a list of values. */
enum rs_status rs_map_read_words(const struct rs_map *m, const rs_yaml_node *n, const char ***out, size_t *out_n,
                                 struct rs_error *err)
{
    bool is_list = rs_yaml_kind(n) == RS_YAML_LIST;
    size_t len = is_list ? rs_yaml_len(n) : 1;
    *out = rs_alloc(len, sizeof **out);
    if (!*out)
        return rs_map_no_memory(m, err);
    for (; *out_n < len; ++*out_n) {
        enum rs_status st = rs_yaml_str(m->doc, is_list ? rs_yaml_item(n, *out_n) : n, &(*out)[*out_n], err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

static enum rs_status opt_words(const struct rs_map *m, const rs_yaml_node *map, const char *key, const char ***out,
                                size_t *out_n, struct rs_error *err)
{
    const rs_yaml_node *n = rs_yaml_get(map, key);
    return n ? rs_map_read_words(m, n, out, out_n, err) : RS_OK;
}

static enum rs_status split_text(const struct rs_map *m, const rs_yaml_node *n, const char *s, struct rs_map_text *out,
                                 struct rs_error *err)
{
    while (*s) {
        struct rs_map_part *p = &out->parts[out->n];
        *p = (struct rs_map_part){ .column = rs_map_nowhere };
        if (*s != '{') {
            p->literal = s;
            p->len = strcspn(s, "{");
            s += p->len;
        } else {
            size_t len = strcspn(++s, "}");
            if (!s[len] || len == 0)
                return rs_yaml_error(m->doc, n, err, "{: a column name and } are wanted behind it");
            p->column.name = s;
            p->column.len = len;
            s += len + 1;
        }
        out->n++;
    }
    return RS_OK;
}

static enum rs_status read_text(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_text *out,
                                struct rs_error *err)
{
    const char *s;
    enum rs_status st = rs_yaml_str(m->doc, n, &s, err);
    if (st < 0)
        return st;
    if (!*s)
        return rs_yaml_error(m->doc, n, err, "a text such as \"{serial}\" is wanted here");
    out->parts = rs_alloc(strlen(s), sizeof *out->parts);
    if (!out->parts)
        return rs_map_no_memory(m, err);
    return split_text(m, n, s, out, err);
}

/* The text that is one column's cell; name lives as long as the map. */
static enum rs_status column_text(const struct rs_map *m, const char *name, struct rs_map_text *out,
                                  struct rs_error *err)
{
    out->parts = rs_alloc(1, sizeof *out->parts);
    if (!out->parts)
        return rs_map_no_memory(m, err);
    out->n = 1;
    out->parts[0] = (struct rs_map_part){ .column = { name, strlen(name), RS_MAP_NOWHERE } };
    return RS_OK;
}

enum rs_status rs_map_opt_text(const struct rs_map *m, const rs_yaml_node *map, const char *key,
                               struct rs_map_text *out, struct rs_error *err)
{
    const rs_yaml_node *n = rs_yaml_get(map, key);
    return n ? read_text(m, n, out, err) : RS_OK;
}

/* ---- times and conditions ---- */

static enum rs_status read_constant_time(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_time *out,
                                         struct rs_error *err)
{
    const char *s;
    enum rs_status st = rs_yaml_str(m->doc, n, &s, err);
    if (st < 0)
        return st;
    if (rs_time_parse(s, &out->constant) != RS_OK)
        return rs_yaml_error(m->doc, n, err, "value: %s: a time such as 2020-01-31 or 2020-01-31T12:00:00Z is wanted",
                             s);
    out->form = RS_MAP_TIME_CONSTANT;
    return RS_OK;
}

static enum rs_status read_time_form(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_time *out,
                                     struct rs_error *err)
{
    static const struct {
        const char *word;
        enum rs_map_time_form form;
    } forms[] = {
        { "iso8601", RS_MAP_TIME_ISO },
        { "date", RS_MAP_TIME_ISO },
        { "unix", RS_MAP_TIME_UNIX },
        { "unix-ms", RS_MAP_TIME_UNIX_MS },
    };
    const char *s = "iso8601";
    enum rs_status st = rs_map_opt_str(m, n, "format", &s, err);
    if (st < 0)
        return st;
    for (size_t i = 0; i < RS_LEN(forms); i++) {
        if (rs_streq(s, forms[i].word)) {
            out->form = forms[i].form;
            return RS_OK;
        }
    }
    if (!strchr(s, '%'))
        return rs_yaml_error(
            m->doc, rs_yaml_get(n, "format"), err,
            "format: %s: iso8601, date, unix, unix-ms or a pattern such as %%m/%%d/%%Y %%H:%%M is wanted", s);
    out->form = RS_MAP_TIME_PATTERN;
    out->pattern = s;
    return RS_OK;
}

enum rs_status rs_map_read_time(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_time *out,
                                struct rs_error *err)
{
    static const char *const keys[] = { "column", "format", "value", "empty", NULL };
    static const char *const empties[] = { "malformed", "no-sample", NULL };
    int empty = 0;
    out->is_given = true;
    out->column = rs_map_nowhere;
    if (rs_yaml_kind(n) == RS_YAML_SCALAR) { /* time: date */
        enum rs_status plain = rs_yaml_str(m->doc, n, &out->column.name, err);
        out->column.len = plain == RS_OK ? strlen(out->column.name) : 0;
        return plain;
    }
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    if (st == RS_OK && rs_yaml_get(n, "value"))
        return read_constant_time(m, rs_yaml_get(n, "value"), out, err);
    if (st == RS_OK)
        st = rs_map_need_column(m, n, "column", &out->column, err);
    if (st == RS_OK)
        st = rs_map_opt_word(m, n, "empty", empties, &empty, err);
    if (st == RS_OK)
        st = read_time_form(m, n, out, err);
    out->may_be_empty = empty == 1;
    return st;
}

enum rs_status rs_map_opt_time(const struct rs_map *m, const rs_yaml_node *map, const char *key,
                               struct rs_map_time *out, struct rs_error *err)
{
    const rs_yaml_node *n = rs_yaml_get(map, key);
    return n ? rs_map_read_time(m, n, out, err) : RS_OK;
}

/* ---- attributes and signals ---- */

static enum rs_status read_regex(const struct rs_map *m, const rs_yaml_node *n, regex_t **out, struct rs_error *err)
{
    const char *s;
    enum rs_status st = rs_yaml_str(m->doc, n, &s, err);
    if (st < 0)
        return st;
    rs_autofree regex_t *re = rs_alloc(1, sizeof *re);
    if (!re)
        return rs_map_no_memory(m, err);
    int rc = regcomp(re, s, REG_EXTENDED);
    if (rc) {
        char what[128];
        regerror(rc, re, what, sizeof what);
        return rs_yaml_error(m->doc, n, err, "regex: %s: %s", s, what);
    }
    *out = rs_take(re);
    if ((*out)->re_nsub < 1)
        return rs_yaml_error(m->doc, n, err, "regex: %s: a group ( ) is wanted, which is the value", s);
    return RS_OK;
}

static enum rs_status read_attr_text(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_attr *out,
                                     struct rs_error *err)
{
    const rs_yaml_node *value = rs_yaml_get(n, "value");
    const char *column = out->name;
    if (value && rs_yaml_get(n, "column"))
        return rs_yaml_error(m->doc, n, err, "%s: column or value, not both", out->name);
    if (value)
        return read_text(m, value, &out->text, err);
    enum rs_status st = rs_map_opt_str(m, n, "column", &column, err);
    return st < 0 ? st : column_text(m, column, &out->text, err);
}

static enum rs_status read_attr(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_attr *out,
                                struct rs_error *err)
{
    static const char *const keys[] = { "name", "column", "value", "kind", "regex", NULL };
    static const char *const kinds[] = { "category", "number", NULL };
    int kind = 0;
    if (rs_yaml_kind(n) == RS_YAML_SCALAR) { /* - model */
        enum rs_status st = rs_yaml_str(m->doc, n, &out->name, err);
        return st < 0 ? st : column_text(m, out->name, &out->text, err);
    }
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    if (st == RS_OK)
        st = need_str(m, n, "name", &out->name, err);
    if (st == RS_OK)
        st = read_attr_text(m, n, out, err);
    if (st == RS_OK)
        st = rs_map_opt_word(m, n, "kind", kinds, &kind, err);
    if (st == RS_OK && rs_yaml_get(n, "regex"))
        st = read_regex(m, rs_yaml_get(n, "regex"), &out->regex, err);
    out->is_number = kind == 1;
    return st;
}

enum rs_status rs_map_read_attrs(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_attr **out, size_t *out_n,
                                 struct rs_error *err)
{
    if (rs_yaml_kind(n) != RS_YAML_LIST)
        return rs_yaml_error(m->doc, n, err, "attributes: a list is wanted here");
    size_t len = rs_yaml_len(n);
    *out = rs_alloc(len, sizeof **out);
    if (!*out)
        return rs_map_no_memory(m, err);
    *out_n = len;
    for (size_t i = 0; i < len; i++) {
        enum rs_status st = read_attr(m, rs_yaml_item(n, i), &(*out)[i], err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

static enum rs_status read_signal_source(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_signal *out,
                                         struct rs_error *err)
{
    bool is_pattern = rs_yaml_get(n, "match") != NULL;
    if (is_pattern == (rs_yaml_get(n, "column") != NULL))
        return rs_yaml_error(m->doc, n, err, "a signal needs column (one) or match (a pattern for several)");
    if (is_pattern && rs_yaml_get(n, "name"))
        return rs_yaml_error(m->doc, n, err, "name: a pattern fits several columns, which keep their own names");
    out->is_pattern = is_pattern;
    return need_str(m, n, is_pattern ? "match" : "column", &out->match, err);
}

static enum rs_status read_signal(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_signal *out,
                                  struct rs_error *err)
{
    static const char *const keys[] = {
        "column", "match", "name", "unit", "kind", "scale", "offset", "optional", NULL
    };
    static const char *const kinds[] = { "gauge", "counter", NULL };
    int kind = 0;
    out->unit = "";
    out->scale = 1;
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    if (st == RS_OK)
        st = read_signal_source(m, n, out, err);
    if (st == RS_OK)
        st = rs_map_opt_str(m, n, "name", &out->name, err);
    if (st == RS_OK)
        st = rs_map_opt_str(m, n, "unit", &out->unit, err);
    if (st == RS_OK)
        st = rs_map_opt_word(m, n, "kind", kinds, &kind, err);
    if (st == RS_OK)
        st = opt_number(m, n, "scale", &out->scale, err);
    if (st == RS_OK)
        st = opt_number(m, n, "offset", &out->offset, err);
    if (st == RS_OK)
        st = rs_map_opt_bool(m, n, "optional", &out->is_optional, err);
    out->kind = kind == 1 ? RS_COUNTER : RS_GAUGE;
    return st;
}

static enum rs_status read_signals(struct rs_map *m, const rs_yaml_node *n, struct rs_error *err)
{
    if (!n)
        return RS_OK;
    if (rs_yaml_kind(n) != RS_YAML_LIST)
        return rs_yaml_error(m->doc, n, err, "signals: a list is wanted here");
    m->signals = rs_alloc(rs_yaml_len(n), sizeof *m->signals);
    if (!m->signals)
        return rs_map_no_memory(m, err);
    for (; m->n_signals < rs_yaml_len(n); m->n_signals++) {
        enum rs_status st = read_signal(m, rs_yaml_item(n, m->n_signals), &m->signals[m->n_signals], err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

/* ---- the whole ---- */

static enum rs_status read_label(struct rs_map *m, const rs_yaml_node *n, struct rs_error *err)
{
    static const char *const keys[] = { "column", "one", "zero", NULL };
    static const char *const defaults[] = { "1", "0" };
    if (!n)
        return RS_OK;
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    m->has_label = true;
    if (st == RS_OK)
        st = rs_map_need_column(m, n, "column", &m->label, err);
    if (st == RS_OK)
        st = opt_words(m, n, "one", &m->label_one, &m->n_one, err);
    if (st == RS_OK)
        st = opt_words(m, n, "zero", &m->label_zero, &m->n_zero, err);
    if (st < 0)
        return st;
    if (!m->label_one && (m->label_one = rs_alloc(1, sizeof *m->label_one)))
        m->label_one[m->n_one++] = defaults[0];
    if (!m->label_zero && (m->label_zero = rs_alloc(1, sizeof *m->label_zero)))
        m->label_zero[m->n_zero++] = defaults[1];
    return m->label_one && m->label_zero ? RS_OK : rs_map_no_memory(m, err);
}

static enum rs_status read_span(struct rs_map *m, const rs_yaml_node *n, struct rs_error *err)
{
    static const char *const keys[] = { "until", "every", NULL };
    double every_s = 0;
    if (!n)
        return RS_OK;
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    if (st == RS_OK && (!rs_yaml_get(n, "until") || !rs_yaml_get(n, "every")))
        return rs_yaml_error(m->doc, n, err, "span: until and every are wanted");
    if (st == RS_OK)
        st = rs_map_opt_time(m, n, "until", &m->until, err);
    if (st == RS_OK)
        st = rs_yaml_duration(m->doc, rs_yaml_get(n, "every"), &every_s, err);
    if (st == RS_OK && (every_s < 1 || every_s > 1e9))
        return rs_yaml_error(m->doc, rs_yaml_get(n, "every"), err, "every: 1s to 1e9 s is wanted");
    m->every_s = (int64_t)every_s;
    if (st == RS_OK && m->is_long)
        return rs_yaml_error(m->doc, n, err, "span: not with long");
    return st;
}

static enum rs_status read_long(struct rs_map *m, const rs_yaml_node *n, struct rs_error *err)
{
    static const char *const keys[] = { "signal", "value", NULL };
    if (!n)
        return RS_OK;
    enum rs_status st = rs_yaml_check_keys(m->doc, n, keys, err);
    m->is_long = true;
    if (st == RS_OK)
        st = rs_map_need_column(m, n, "signal", &m->long_signal, err);
    if (st == RS_OK)
        st = rs_map_need_column(m, n, "value", &m->long_value, err);
    if (st == RS_OK && !rs_yaml_get(rs_yaml_root(m->doc), "signals"))
        return rs_yaml_error(m->doc, n, err, "long: signals: missing; match: \"*\" takes all");
    return st;
}

static enum rs_status read_entity(struct rs_map *m, const rs_yaml_node *root, struct rs_error *err)
{
    static const char *const kinds[] = { "host", "component", NULL };
    int kind = 0;
    if (!rs_yaml_get(root, "entity"))
        return rs_yaml_error(m->doc, root, err, "entity: missing; it names the entity of a row, such as \"{serial}\"");
    enum rs_status st = rs_map_opt_text(m, root, "entity", &m->entity, err);
    if (st == RS_OK)
        st = rs_map_opt_word(m, root, "kind", kinds, &kind, err);
    if (st == RS_OK)
        st = rs_map_opt_text(m, root, "parent", &m->parent, err);
    m->kind = kind == 1 ? RS_ENTITY_COMPONENT : RS_ENTITY_HOST;
    if (st == RS_OK && m->parent.n && m->kind == RS_ENTITY_HOST)
        return rs_yaml_error(m->doc, rs_yaml_get(root, "parent"), err, "parent: only a component has one");
    return st;
}

static enum rs_status read_delimiter(struct rs_map *m, const rs_yaml_node *root, struct rs_error *err)
{
    const char *s = ",";
    enum rs_status st = rs_map_opt_str(m, root, "delimiter", &s, err);
    if (st == RS_OK && (s[1] || strchr("\"\r\n", *s)))
        return rs_yaml_error(m->doc, rs_yaml_get(root, "delimiter"), err, "delimiter: %s: one character is wanted", s);
    m->delimiter = *s;
    return st;
}

static enum rs_status read_top(struct rs_map *m, const rs_yaml_node *root, struct rs_error *err)
{
    if (!rs_yaml_get(root, "time"))
        return rs_yaml_error(m->doc, root, err, "time: missing; a constant is given as {value: 2020-01-31}");
    enum rs_status st = rs_map_opt_str(m, root, "source", &m->source, err);
    if (st == RS_OK)
        st = read_delimiter(m, root, err);
    if (st == RS_OK)
        st = read_entity(m, root, err);
    if (st == RS_OK)
        st = rs_map_opt_time(m, root, "time", &m->time, err);
    if (st == RS_OK)
        st = opt_words(m, root, "missing", &m->missing, &m->n_missing, err);
    if (st == RS_OK)
        st = opt_words(m, root, "ignore", &m->ignore, &m->n_ignore, err);
    if (st == RS_OK)
        st = read_long(m, rs_yaml_get(root, "long"), err);
    if (st == RS_OK)
        st = read_span(m, rs_yaml_get(root, "span"), err);
    if (st == RS_OK && rs_yaml_get(root, "attributes"))
        st = rs_map_read_attrs(m, rs_yaml_get(root, "attributes"), &m->attrs, &m->n_attrs, err);
    if (st == RS_OK)
        st = read_signals(m, rs_yaml_get(root, "signals"), err);
    return st < 0 ? st : read_label(m, rs_yaml_get(root, "label"), err);
}

static enum rs_status read_map(struct rs_map *m, const char *name, struct rs_error *err)
{
    static const char *const keys[] = {
        "source",        "delimiter", "entity",          "kind",        "span",   "grid",
        "parent",        "time",      "missing",         "ignore",      "long",   "attributes",
        "signals",       "label",     "failures",        "maintenance", "events", "mitigations",
        "control_share", "counters",  "attributes_from", NULL
    };
    const rs_yaml_node *root = rs_yaml_root(m->doc);
    if (!root)
        return rs_error_set(err, RS_ECONFIG, "%s: empty; a mapping is wanted", name);
    enum rs_status st = rs_yaml_check_keys(m->doc, root, keys, err);
    if (st == RS_OK)
        st = read_top(m, root, err);
    if (st == RS_OK)
        st = rs_map_read_events(m, root, err);
    return st < 0 ? st : rs_map_read_grid(m, rs_yaml_get(root, "grid"), err);
}
