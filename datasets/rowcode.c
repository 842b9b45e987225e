/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A record is: type and flags (1 byte), number of its attribute set (2), number of its signal set (2), then what the
 * flags announce (failure kind 4, parent 1 + n), then a set that no table had room for (2 + entries), then its readings
 * as floats. Records never leave the machine: numbers are in its own byte order. */
#include "rowcode.h"

#include "datasets/csv.h"

#define SETS_MAX 16384u
#define SLOTS (2 * SETS_MAX)
#define SET_BYTES_MAX 1024            /* key of one set in its table */
#define TABLE_BYTES ((size_t)8 << 20) /* keys and entries of one table */
#define INLINE_SET UINT16_MAX
#define ATTR_SIZE 14 /* attr 2, code 4, number 8 */

/* Size classes of a reading: zero, a whole number of 1 or 2 bytes, any float. */
static const uint8_t value_size[4] = { 0, 1, 2, 4 };
static const uint32_t value_mask[4] = { 0, 0xff, 0xffff, 0xffffffff };

enum { TYPE_MASK = 3, HAS_FAILURE = 4, IS_COMPONENT = 8, HAS_PARENT = 16, LABEL_SHIFT = 5 /* 2 bits: label + 1 */ };

/* Sets by number: each is a key (the bytes it is known by) and entries (what a reader gets). */
struct table {
    uint16_t *slots; /* SLOTS, INLINE_SET where free */
    uint64_t *hashes;
    struct set {
        uint8_t *key;
        void *entries;
        uint32_t key_len, n;
    } * sets;
    uint32_t n;
    size_t bytes;
};

struct rs_rowcode {
    struct table attrs, signals;
    uint16_t last_signals;              /* the signal set of the row before; INLINE_SET where none */
    struct rs_set_value *scratch_attrs; /* RS_ATTRS_MAX */
    uint16_t *scratch_signals;          /* RS_SIGNALS_MAX */
    float *scratch_values;              /* RS_SIGNALS_MAX */
};

static bool table_init(struct table *t)
{
    t->slots = malloc(SLOTS * sizeof *t->slots);
    t->hashes = rs_alloc(SETS_MAX, sizeof *t->hashes);
    t->sets = rs_alloc(SETS_MAX, sizeof *t->sets);
    if (!t->slots || !t->hashes || !t->sets)
        return false;
    memset(t->slots, 0xff, SLOTS * sizeof *t->slots);
    return true;
}

static void table_clear(struct table *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        free(t->sets[i].key);
        free(t->sets[i].entries);
    }
    free(t->slots);
    free(t->hashes);
    free(t->sets);
}

rs_rowcode *rs_rowcode_new(void)
{
    RS_AUTO(rs_rowcode) *c = rs_alloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->last_signals = INLINE_SET;
    c->scratch_attrs = rs_alloc(RS_ATTRS_MAX, sizeof *c->scratch_attrs);
    c->scratch_signals = rs_alloc(RS_SIGNALS_MAX, sizeof *c->scratch_signals);
    c->scratch_values = rs_alloc(RS_SIGNALS_MAX, sizeof *c->scratch_values);
    if (!c->scratch_attrs || !c->scratch_signals || !c->scratch_values || !table_init(&c->attrs) ||
        !table_init(&c->signals))
        return NULL;
    return rs_take(c);
}

void rs_rowcode_free(rs_rowcode *c)
{
    if (!c)
        return;
    table_clear(&c->attrs);
    table_clear(&c->signals);
    free(c->scratch_attrs);
    free(c->scratch_signals);
    free(c->scratch_values);
    free(c);
}

static uint64_t hash_bytes(const uint8_t *p, size_t len)
{
    uint64_t h = len * 0x9e3779b97f4a7c15u, w;
    for (; len >= 8; p += 8, len -= 8) {
        memcpy(&w, p, 8);
        h = (h ^ w) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    w = 0;
    memcpy(&w, p, len);
    h = (h ^ w) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

/* The number of the set known by key; INLINE_SET where it is unknown, *out_slot then being where it belongs. */
static uint16_t table_find(const struct table *t, const uint8_t *key, size_t len, uint64_t hash, uint32_t *out_slot)
{
    uint32_t at = (uint32_t)hash & (SLOTS - 1);
    for (; t->slots[at] != INLINE_SET; at = (at + 1) & (SLOTS - 1)) {
        uint16_t i = t->slots[at];
        if (t->hashes[i] == hash && t->sets[i].key_len == len && memcmp(t->sets[i].key, key, len) == 0)
            return i;
    }
    *out_slot = at;
    return INLINE_SET;
}

static uint16_t table_add(struct table *t, uint32_t slot, uint64_t hash, const uint8_t *key, size_t len,
                          const void *entries, size_t n, size_t entry_size)
{
    if (t->n == SETS_MAX || t->bytes + len + n * entry_size > TABLE_BYTES)
        return INLINE_SET;
    rs_autofree uint8_t *key_copy = rs_alloc(len, 1);
    rs_autofree uint8_t *entry_copy = rs_alloc(n, entry_size);
    if (!key_copy || !entry_copy)
        return INLINE_SET;
    memcpy(key_copy, key, len);
    memcpy(entry_copy, entries, n * entry_size);
    t->bytes += len + n * entry_size;
    t->hashes[t->n] = hash;
    t->sets[t->n] = (struct set){ rs_take(key_copy), rs_take(entry_copy), (uint32_t)len, (uint32_t)n };
    t->slots[slot] = (uint16_t)t->n;
    return (uint16_t)t->n++;
}

/* Attributes. */

static enum rs_status bind_attr(struct rs_column *column, const struct rs_attr_text *a, struct rs_set_value *out,
                                bool *out_is_present, struct rs_error *err)
{
    struct rs_csv_field field = { a->text, a->len };
    *out = (struct rs_set_value){ .attr = (uint16_t)a->attr, .code = -1 };
    *out_is_present = true;
    if (column->is_number) {
        *out_is_present = rs_csv_double(&field, &out->number);
        return RS_OK;
    }
    if (a->len >= RS_NAME_MAX)
        return rs_error_set(err, RS_EINVAL, "attribute %s: a value of %zu bytes; at most %d", column->name, a->len,
                            RS_NAME_MAX - 1);
    uint32_t code = rs_intern_find(&column->values, a->text, a->len);
    if (code == RS_INTERN_NONE && column->values.n == RS_ATTR_VALUES_MAX)
        return rs_error_set(err, RS_EINVAL,
                            "attribute %s: more than %d different values; leave it out or make it a number",
                            column->name, RS_ATTR_VALUES_MAX);
    if (code == RS_INTERN_NONE)
        code = rs_intern_add(&column->values, a->text, a->len);
    if (code == RS_INTERN_NONE)
        return rs_error_set(err, RS_ENOMEM, "no memory for the values of attribute %s", column->name);
    out->code = (int32_t)code;
    return RS_OK;
}

static enum rs_status bind_attrs(rs_rowcode *c, const struct rs_row *row, struct rs_column *columns, uint32_t n_columns,
                                 size_t *out_n, struct rs_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < row->n_attrs; i++) {
        const struct rs_attr_text *a = &row->attrs[i];
        if (a->attr >= n_columns || n == RS_ATTRS_MAX)
            return rs_error_set(err, RS_EINVAL, "a row with an attribute that was not declared");
        bool is_present = false;
        enum rs_status st = a->len ? bind_attr(&columns[a->attr], a, &c->scratch_attrs[n], &is_present, err) : RS_OK;
        if (st < 0)
            return st;
        n += is_present;
    }
    *out_n = n;
    return RS_OK;
}

/* The bytes that a row's attributes are known by: number, length and text of each. 0 where they are too long. */
static size_t attrs_key(const struct rs_row *row, uint8_t *key)
{
    size_t len = 0;
    for (size_t i = 0; i < row->n_attrs; i++) {
        const struct rs_attr_text *a = &row->attrs[i];
        if (len + 4 + a->len > SET_BYTES_MAX)
            return 0;
        uint16_t head[2] = { (uint16_t)a->attr, (uint16_t)a->len };
        memcpy(key + len, head, 4);
        memcpy(key + len + 4, a->text, a->len);
        len += 4 + a->len;
    }
    return len;
}

/* *out_set is the set's number; where it is INLINE_SET, the *out_n scratch_attrs are to be written out. */
static enum rs_status find_attrs(rs_rowcode *c, const struct rs_row *row, struct rs_column *columns, uint32_t n_columns,
                                 uint16_t *out_set, size_t *out_n, struct rs_error *err)
{
    uint8_t key[SET_BYTES_MAX];
    size_t len = attrs_key(row, key);
    uint32_t slot = 0;
    uint64_t hash = hash_bytes(key, len);
    *out_n = 0;
    *out_set = INLINE_SET;
    if (row->n_attrs && len)
        *out_set = table_find(&c->attrs, key, len, hash, &slot);
    if (*out_set != INLINE_SET)
        return RS_OK;
    enum rs_status st = bind_attrs(c, row, columns, n_columns, out_n, err);
    if (st == RS_OK && len)
        *out_set = table_add(&c->attrs, slot, hash, key, len, c->scratch_attrs, *out_n, sizeof *c->scratch_attrs);
    return st;
}

/* Signals. */

static bool is_last_set(const rs_rowcode *c, const struct rs_row *row)
{
    if (c->last_signals == INLINE_SET)
        return false;
    const struct set *set = &c->signals.sets[c->last_signals];
    const uint16_t *signals = set->entries;
    if (set->n != row->n_readings)
        return false;
    for (size_t i = 0; i < row->n_readings; i++)
        if (row->readings[i].signal != signals[i])
            return false;
    return true;
}

static enum rs_status find_signals(rs_rowcode *c, const struct rs_row *row, uint32_t n_signals, uint16_t *out_set,
                                   struct rs_error *err)
{
    if (is_last_set(c, row)) {
        *out_set = c->last_signals;
        return RS_OK;
    }
    for (size_t i = 0; i < row->n_readings; i++) {
        uint32_t signal = row->readings[i].signal;
        if (signal >= n_signals || (i && signal <= c->scratch_signals[i - 1]))
            return rs_error_set(err, RS_EINVAL, "a row whose signals are not declared or not in ascending order");
        c->scratch_signals[i] = (uint16_t)signal;
    }
    const uint8_t *key = (const uint8_t *)c->scratch_signals;
    size_t len = row->n_readings * sizeof *c->scratch_signals;
    uint64_t hash = hash_bytes(key, len);
    uint32_t slot = 0;
    *out_set = table_find(&c->signals, key, len, hash, &slot);
    if (*out_set == INLINE_SET)
        *out_set = table_add(&c->signals, slot, hash, key, len, key, row->n_readings, sizeof(uint16_t));
    c->last_signals = *out_set;
    return RS_OK;
}

/* Rows. */

size_t rs_rowcode_bound(const struct rs_row *row)
{
    /* Behind the last reading there must be room to write a whole word. */
    return 5 + 4 + 256 + 4 + row->n_attrs * ATTR_SIZE + row->n_readings * (sizeof(uint16_t) + sizeof(float) + 1) + 8;
}

static uint8_t *put(uint8_t *p, const void *v, size_t n)
{
    memcpy(p, v, n);
    return p + n;
}

static uint8_t *put_values(const struct rs_reading *readings, size_t n, uint8_t *p)
{
    uint8_t *classes = p;
    p += (n + 3) / 4;
    memset(classes, 0, (size_t)(p - classes));
    for (size_t i = 0; i < n; i++) {
        float value = readings[i].value;
        uint32_t bits, whole_bits, whole = value >= 0 && value < 65536 ? (uint32_t)value : 0;
        float back = (float)whole;
        memcpy(&bits, &value, sizeof bits);
        memcpy(&whole_bits, &back, sizeof whole_bits);
        unsigned class = bits != whole_bits ? 3 : whole > 255 ? 2 : whole > 0;
        uint32_t stored = class == 3 ? bits : whole;
        classes[i / 4] |= (uint8_t)(class << 2 * (i & 3));
        memcpy(p, &stored, sizeof stored);
        p += value_size[class];
    }
    return p;
}

/* Reads up to three bytes past the last value, as there always are behind a record. */
static void get_values(const uint8_t *p, size_t n, float *out)
{
    const uint8_t *classes = p;
    p += (n + 3) / 4;
    for (size_t i = 0; i < n; i++) {
        unsigned class = classes[i / 4] >> 2 * (i & 3) & 3;
        uint32_t bits;
        memcpy(&bits, p, sizeof bits);
        bits &= value_mask[class];
        float whole = (float)bits, any;
        memcpy(&any, &bits, sizeof any);
        out[i] = class == 3 ? any : whole;
        p += value_size[class];
    }
}

static uint8_t *put_inline_attrs(const rs_rowcode *c, size_t n, uint8_t *p)
{
    uint16_t count = (uint16_t)n;
    p = put(p, &count, 2);
    for (size_t i = 0; i < n; i++) {
        p = put(p, &c->scratch_attrs[i].attr, 2);
        p = put(p, &c->scratch_attrs[i].code, 4);
        p = put(p, &c->scratch_attrs[i].number, 8);
    }
    return p;
}

enum rs_status rs_rowcode_put(rs_rowcode *c, const struct rs_row *row, int32_t failure_kind, uint32_t n_signals,
                              struct rs_column *columns, uint32_t n_columns, uint8_t *out, size_t *out_len,
                              struct rs_error *err)
{
    uint16_t sets[2];
    size_t n_attrs;
    enum rs_status st = find_attrs(c, row, columns, n_columns, &sets[0], &n_attrs, err);
    if (st == RS_OK)
        st = find_signals(c, row, n_signals, &sets[1], err);
    if (st < 0)
        return st;
    uint8_t *p = out + 1;
    unsigned head = row->time == RS_TIME_NONE ? RS_ROW_DECLARE : RS_ROW_SAMPLE;
    head |= (unsigned)(row->label + 1) << LABEL_SHIFT;
    head |= row->kind == RS_ENTITY_COMPONENT ? IS_COMPONENT : 0;
    p = put(p, sets, sizeof sets);
    if (row->is_failure) {
        head |= HAS_FAILURE;
        p = put(p, &failure_kind, 4);
    }
    if (row->parent) {
        uint8_t len = (uint8_t)strlen(row->parent);
        head |= HAS_PARENT;
        *p++ = len;
        p = put(p, row->parent, len);
    }
    *out = (uint8_t)head;
    if (sets[0] == INLINE_SET)
        p = put_inline_attrs(c, n_attrs, p);
    if (sets[1] == INLINE_SET) {
        uint16_t count = (uint16_t)row->n_readings;
        p = put(p, &count, 2);
        p = put(p, c->scratch_signals, row->n_readings * sizeof(uint16_t));
    }
    p = put_values(row->readings, row->n_readings, p);
    *out_len = (size_t)(p - out);
    return RS_OK;
}

size_t rs_rowcode_put_failure(int64_t back, int32_t kind, uint8_t *out)
{
    out[0] = RS_ROW_FAILURE;
    memcpy(out + 1, &back, 8);
    memcpy(out + 9, &kind, 4);
    return RS_ROWCODE_FAILURE_SIZE;
}

size_t rs_rowcode_put_mention(uint8_t *out)
{
    out[0] = RS_ROW_MENTION;
    return 1;
}

static const uint8_t *get(const uint8_t *p, void *out, size_t n)
{
    memcpy(out, p, n);
    return p + n;
}

static const uint8_t *get_inline_attrs(rs_rowcode *c, const uint8_t *p, struct rs_row_view *out)
{
    uint16_t n;
    p = get(p, &n, 2);
    for (size_t i = 0; i < n; i++) {
        p = get(p, &c->scratch_attrs[i].attr, 2);
        p = get(p, &c->scratch_attrs[i].code, 4);
        p = get(p, &c->scratch_attrs[i].number, 8);
    }
    out->attrs = c->scratch_attrs;
    out->n_attrs = n;
    return p;
}

static const uint8_t *get_inline_signals(rs_rowcode *c, const uint8_t *p, struct rs_row_view *out)
{
    uint16_t n;
    p = get(p, &n, 2);
    p = get(p, c->scratch_signals, n * sizeof(uint16_t));
    out->signals = c->scratch_signals;
    out->n_readings = n;
    return p;
}

void rs_rowcode_get(rs_rowcode *c, const uint8_t *in, struct rs_row_view *out)
{
    *out = (struct rs_row_view){ .type = in[0] & TYPE_MASK, .failure_kind = -1, .back = RS_TIME_NONE };
    const uint8_t *p = in + 1;
    if (out->type == RS_ROW_FAILURE) {
        p = get(p, &out->back, 8);
        get(p, &out->failure_kind, 4);
    }
    if (out->type == RS_ROW_FAILURE || out->type == RS_ROW_MENTION)
        return;
    out->kind = in[0] & IS_COMPONENT ? RS_ENTITY_COMPONENT : RS_ENTITY_HOST;
    out->label = (int8_t)((in[0] >> LABEL_SHIFT) - 1);
    out->is_failure = in[0] & HAS_FAILURE;
    uint16_t sets[2];
    p = get(p, sets, sizeof sets);
    if (out->is_failure)
        p = get(p, &out->failure_kind, 4);
    if (in[0] & HAS_PARENT) {
        out->parent_len = *p++;
        out->parent = (const char *)p;
        p += out->parent_len;
    }
    if (sets[0] == INLINE_SET) {
        p = get_inline_attrs(c, p, out);
    } else {
        out->attrs = c->attrs.sets[sets[0]].entries;
        out->n_attrs = c->attrs.sets[sets[0]].n;
    }
    if (sets[1] == INLINE_SET) {
        p = get_inline_signals(c, p, out);
    } else {
        out->signals = c->signals.sets[sets[1]].entries;
        out->n_readings = c->signals.sets[sets[1]].n;
    }
    get_values(p, out->n_readings, c->scratch_values);
    out->values = c->scratch_values;
}
