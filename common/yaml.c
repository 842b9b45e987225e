/* SPDX-License-Identifier: Apache-2.0 */
/* YAML by libyaml's event parser: events become our own small nodes, aliases are resolved, depth is bounded. */
#include "yaml.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <yaml.h>

#include "cli.h"
#include "clock.h"
#include "file.h"

#define DEPTH_MAX 32
#define NODES_MAX 200000
#define FILE_MAX_BYTES ((size_t)4 << 20)

struct rs_yaml_node {
    enum rs_yaml_kind kind;
    size_t line;
    char *text;                  /* scalar */
    char **keys;                 /* map */
    struct rs_yaml_node **items; /* list, map; owned by the document */
    size_t len, cap;
    char *anchor;
};

struct rs_yaml {
    char *name;
    struct rs_yaml_node *root;
    struct rs_yaml_node **all;
    size_t n_all, cap_all;
};

void rs_yaml_free(rs_yaml *y)
{
    if (!y)
        return;
    for (size_t i = 0; i < y->n_all; i++) {
        struct rs_yaml_node *n = y->all[i];
        for (size_t k = 0; n->keys && k < n->len; k++)
            free(n->keys[k]);
        free(n->keys);
        free(n->items);
        free(n->text);
        free(n->anchor);
        free(n);
    }
    free(y->all);
    free(y->name);
    free(y);
}

static struct rs_yaml_node *new_node(rs_yaml *y, enum rs_yaml_kind kind, size_t line, const yaml_char_t *anchor)
{
    if (y->n_all == y->cap_all) {
        size_t cap = y->cap_all ? 2 * y->cap_all : 64;
        struct rs_yaml_node **all = rs_realloc(y->all, cap, sizeof *all);
        if (!all)
            return NULL;
        y->all = all;
        y->cap_all = cap;
    }
    struct rs_yaml_node *n = rs_alloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->kind = kind;
    n->line = line;
    if (anchor && !(n->anchor = strdup((const char *)anchor))) {
        free(n);
        return NULL;
    }
    y->all[y->n_all++] = n;
    return n;
}

static bool add_item(struct rs_yaml_node *n, char *key, struct rs_yaml_node *item)
{
    if (n->len == n->cap) {
        size_t cap = n->cap ? 2 * n->cap : 8;
        struct rs_yaml_node **items = rs_realloc(n->items, cap, sizeof(struct rs_yaml_node *));
        if (!items)
            return false;
        n->items = items;
        if (n->kind == RS_YAML_MAP) {
            char **keys = rs_realloc(n->keys, cap, sizeof *keys);
            if (!keys)
                return false;
            n->keys = keys;
        }
        n->cap = cap;
    }
    if (n->kind == RS_YAML_MAP)
        n->keys[n->len] = key;
    n->items[n->len++] = item;
    return true;
}

static enum rs_status at_line(const rs_yaml *y, size_t line, struct rs_error *err, const char *what)
{
    return rs_error_set(err, RS_ECONFIG, "%s:%zu: %s", y->name, line, what);
}

static enum rs_status read_node(rs_yaml *y, yaml_parser_t *parser, yaml_event_t *ev, int depth,
                                struct rs_yaml_node **out, struct rs_error *err);

static enum rs_status next_event(rs_yaml *y, yaml_parser_t *parser, yaml_event_t *ev, struct rs_error *err)
{
    if (yaml_parser_parse(parser, ev))
        return RS_OK;
    memset(ev, 0, sizeof *ev);
    return at_line(y, parser->problem_mark.line + 1, err, parser->problem ? parser->problem : "not YAML");
}

static enum rs_status read_children(rs_yaml *y, yaml_parser_t *parser, struct rs_yaml_node *n, int depth,
                                    struct rs_error *err)
{
    yaml_event_type_t end = n->kind == RS_YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    for (;;) {
        yaml_event_t ev;
        rs_autofree char *key = NULL;
        enum rs_status st = next_event(y, parser, &ev, err);
        if (st < 0)
            return st;
        if (ev.type == end) {
            yaml_event_delete(&ev);
            return RS_OK;
        }
        size_t line = ev.start_mark.line + 1;
        if (n->kind == RS_YAML_MAP) {
            bool is_text = ev.type == YAML_SCALAR_EVENT;
            if (is_text)
                key = strdup((const char *)ev.data.scalar.value);
            yaml_event_delete(&ev);
            if (!is_text)
                return at_line(y, line, err, "a key must be plain text");
            if (!key)
                return rs_error_set(err, RS_ENOMEM, "%s: out of memory", y->name);
            for (size_t i = 0; i < n->len; i++)
                if (rs_streq(n->keys[i], key))
                    return rs_error_set(err, RS_ECONFIG, "%s:%zu: %s: given twice", y->name, line, key);
            if ((st = next_event(y, parser, &ev, err)) < 0)
                return st;
        }
        struct rs_yaml_node *item = NULL;
        st = read_node(y, parser, &ev, depth + 1, &item, err);
        yaml_event_delete(&ev);
        if (st < 0)
            return st;
        if (!add_item(n, key, item))
            return rs_error_set(err, RS_ENOMEM, "%s: out of memory", y->name);
        key = NULL;
    }
}

static struct rs_yaml_node *anchored(const rs_yaml *y, const char *anchor)
{
    for (size_t i = y->n_all; i-- > 0;)
        if (y->all[i]->anchor && rs_streq(y->all[i]->anchor, anchor))
            return y->all[i];
    return NULL;
}

/* Takes the event that opens the node; the caller deletes it. */
static enum rs_status read_node(rs_yaml *y, yaml_parser_t *parser, yaml_event_t *ev, int depth,
                                struct rs_yaml_node **out, struct rs_error *err)
{
    size_t line = ev->start_mark.line + 1;
    if (depth > DEPTH_MAX || y->n_all >= NODES_MAX)
        return at_line(y, line, err, "nested too deep or too long");
    struct rs_yaml_node *n = NULL;
    switch (ev->type) {
    case YAML_ALIAS_EVENT:
        n = anchored(y, (const char *)ev->data.alias.anchor);
        if (!n || (n->kind != RS_YAML_SCALAR && n->cap == 0 && n->len == 0 && n == y->root))
            return at_line(y, line, err, "alias of an unknown anchor");
        if (n->kind != RS_YAML_SCALAR)
            return at_line(y, line, err, "only plain values may be repeated by an alias");
        *out = n;
        return RS_OK;
    case YAML_SCALAR_EVENT:
        n = new_node(y, RS_YAML_SCALAR, line, ev->data.scalar.anchor);
        if (n && !(n->text = strdup((const char *)ev->data.scalar.value)))
            n = NULL;
        break;
    case YAML_SEQUENCE_START_EVENT:
        n = new_node(y, RS_YAML_LIST, line, ev->data.sequence_start.anchor);
        break;
    case YAML_MAPPING_START_EVENT:
        n = new_node(y, RS_YAML_MAP, line, ev->data.mapping_start.anchor);
        break;
    default:
        return at_line(y, line, err, "unexpected end");
    }
    if (!n)
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", y->name);
    *out = n;
    return n->kind == RS_YAML_SCALAR ? RS_OK : read_children(y, parser, n, depth, err);
}

static enum rs_status read_document(rs_yaml *y, yaml_parser_t *parser, struct rs_error *err)
{
    for (;;) {
        yaml_event_t ev;
        enum rs_status st = next_event(y, parser, &ev, err);
        if (st < 0)
            return st;
        yaml_event_type_t type = ev.type;
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT || type == YAML_DOCUMENT_END_EVENT) {
            bool second = type == YAML_DOCUMENT_START_EVENT && y->root;
            size_t line = ev.start_mark.line + 1;
            yaml_event_delete(&ev);
            if (second)
                return at_line(y, line, err, "a second document begins; one is wanted");
            continue;
        }
        if (type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&ev);
            return RS_OK;
        }
        st = read_node(y, parser, &ev, 0, &y->root, err);
        yaml_event_delete(&ev);
        if (st < 0)
            return st;
    }
}

enum rs_status rs_yaml_parse(const char *text, size_t len, const char *name, rs_yaml **out, struct rs_error *err)
{
    RS_AUTO(rs_yaml) *y = rs_alloc(1, sizeof *y);
    if (!y || !(y->name = strdup(name)))
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", name);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    enum rs_status st = read_document(y, &parser, err);
    yaml_parser_delete(&parser);
    if (st < 0)
        return st;
    *out = rs_take(y);
    return RS_OK;
}

enum rs_status rs_yaml_load(const char *path, rs_yaml **out, struct rs_error *err)
{
    rs_autofree uint8_t *text = NULL;
    size_t len = 0;
    enum rs_status st = rs_read_file(path, FILE_MAX_BYTES, &text, &len, err);
    if (st < 0)
        return st;
    return rs_yaml_parse((const char *)text, len, path, out, err);
}

const rs_yaml_node *rs_yaml_root(const rs_yaml *y)
{
    return y->root;
}

enum rs_yaml_kind rs_yaml_kind(const rs_yaml_node *n)
{
    return n->kind;
}

size_t rs_yaml_line(const rs_yaml_node *n)
{
    return n->line;
}

size_t rs_yaml_len(const rs_yaml_node *n)
{
    return n->len;
}

const rs_yaml_node *rs_yaml_item(const rs_yaml_node *n, size_t i)
{
    return i < n->len ? n->items[i] : NULL;
}

const char *rs_yaml_key(const rs_yaml_node *n, size_t i)
{
    return n->kind == RS_YAML_MAP && i < n->len ? n->keys[i] : NULL;
}

const rs_yaml_node *rs_yaml_get(const rs_yaml_node *n, const char *key)
{
    if (!n || n->kind != RS_YAML_MAP)
        return NULL;
    for (size_t i = 0; i < n->len; i++)
        if (rs_streq(n->keys[i], key))
            return n->items[i];
    return NULL;
}

enum rs_status rs_yaml_error(const rs_yaml *y, const rs_yaml_node *n, struct rs_error *err, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return rs_error_set(err, RS_ECONFIG, "%s:%zu: %s", y->name, n ? n->line : (size_t)1, what);
}

/* Edit distance (Levenshtein) of two short words, for "did you mean". */
static size_t distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t d[64];
    if (lb >= RS_LEN(d))
        return SIZE_MAX;
    for (size_t j = 0; j <= lb; j++)
        d[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = d[0];
        d[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t up = d[j];
            size_t best = RS_MIN(d[j] + 1, d[j - 1] + 1);
            best = RS_MIN(best, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = up;
            d[j] = best;
        }
    }
    return d[lb];
}

enum rs_status rs_yaml_check_keys(const rs_yaml *y, const rs_yaml_node *n, const char *const *known,
                                  struct rs_error *err)
{
    if (!n || n->kind != RS_YAML_MAP)
        return rs_yaml_error(y, n, err, "a mapping (key: value) is wanted here");
    for (size_t i = 0; i < n->len; i++) {
        const char *nearest = NULL;
        size_t best = SIZE_MAX;
        for (const char *const *k = known; *k; k++) {
            size_t d = distance(n->keys[i], *k);
            if (d < best) {
                best = d;
                nearest = *k;
            }
        }
        if (best == 0)
            continue;
        if (nearest && best <= 3)
            return rs_yaml_error(y, n->items[i], err, "%s: unknown key; did you mean %s?", n->keys[i], nearest);
        return rs_yaml_error(y, n->items[i], err, "%s: unknown key", n->keys[i]);
    }
    return RS_OK;
}

enum rs_status rs_yaml_str(const rs_yaml *y, const rs_yaml_node *n, const char **out, struct rs_error *err)
{
    if (!n || n->kind != RS_YAML_SCALAR)
        return rs_yaml_error(y, n, err, "a plain value is wanted here");
    *out = n->text;
    return RS_OK;
}

enum rs_status rs_yaml_bool(const rs_yaml *y, const rs_yaml_node *n, bool *out, struct rs_error *err)
{
    static const char *const yes[] = { "true", "yes", "on" };
    static const char *const no[] = { "false", "no", "off" };
    const char *s = NULL;
    enum rs_status st = rs_yaml_str(y, n, &s, err);
    if (st < 0)
        return st;
    for (size_t i = 0; i < RS_LEN(yes); i++) {
        if (rs_streq(s, yes[i]) || rs_streq(s, no[i])) {
            *out = rs_streq(s, yes[i]);
            return RS_OK;
        }
    }
    return rs_yaml_error(y, n, err, "%s: true or false is wanted here", s);
}

enum rs_status rs_yaml_double(const rs_yaml *y, const rs_yaml_node *n, double *out, struct rs_error *err)
{
    const char *s = NULL;
    enum rs_status st = rs_yaml_str(y, n, &s, err);
    if (st < 0)
        return st;
    char *end;
    double v = strtod(s, &end);
    if (!*s || *end || !isfinite(v))
        return rs_yaml_error(y, n, err, "%s: a number is wanted here", s);
    *out = v;
    return RS_OK;
}

enum rs_status rs_yaml_u64(const rs_yaml *y, const rs_yaml_node *n, uint64_t *out, struct rs_error *err)
{
    const char *s = NULL;
    enum rs_status st = rs_yaml_str(y, n, &s, err);
    if (st < 0)
        return st;
    char *end;
    errno = 0;
    unsigned long long v = strtoull(s, &end, 10);
    if (!isdigit((unsigned char)*s) || *end || errno)
        return rs_yaml_error(y, n, err, "%s: a whole number of 0 or more is wanted here", s);
    *out = v;
    return RS_OK;
}

enum rs_status rs_yaml_duration(const rs_yaml *y, const rs_yaml_node *n, double *out_s, struct rs_error *err)
{
    const char *s = NULL;
    enum rs_status st = rs_yaml_str(y, n, &s, err);
    if (st < 0)
        return st;
    if (rs_duration_parse(s, out_s) != RS_OK)
        return rs_yaml_error(y, n, err, "%s: a duration such as 90s, 12h or 7d is wanted here", s);
    return RS_OK;
}

enum rs_status rs_yaml_size(const rs_yaml *y, const rs_yaml_node *n, uint64_t *out, struct rs_error *err)
{
    const char *s = NULL;
    enum rs_status st = rs_yaml_str(y, n, &s, err);
    if (st < 0)
        return st;
    if (!rs_size_parse(s, out))
        return rs_yaml_error(y, n, err, "%s: a size such as 512, 64M or 2G is wanted here", s);
    return RS_OK;
}
