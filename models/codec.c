/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a model file, as docs/model-format.md lists them: magic, version, length, seven sections, CRC-32. */
#include "models/model.h"

#include <zlib.h>

#include "common/bytes.h"

static const uint8_t magic[8] = { 0x89, 'R', 'S', 'M', '\r', '\n', 0x1a, '\n' };

#define HEAD_SIZE (sizeof magic + 4 + 8) /* magic, version, length */
#define TAIL_SIZE 4                      /* CRC-32 */

static uint32_t crc_of(const uint8_t *bytes, size_t len)
{
    uLong crc = crc32(0, NULL, 0);
    return (uint32_t)crc32_z(crc, bytes, len);
}

/* ---- writing ---- */

static void put_meta(struct rs_buf *b, const struct rs_model *m)
{
    const struct rs_model_meta *meta = &m->meta;
    rs_put_str(b, meta->tool);
    rs_put_str(b, meta->options);
    rs_put_u64(b, meta->seed);
    rs_put_u64(b, meta->data_digest);
    rs_put_i64(b, meta->horizon_s);
    rs_put_i64(b, meta->span_first);
    rs_put_i64(b, meta->span_last);
    rs_put_u64(b, meta->n_rows);
    rs_put_u64(b, meta->n_positive);
    rs_put_u64(b, meta->n_entities);
    rs_put_u64(b, meta->n_failing);
    rs_put_f64(b, meta->base_rate);
    rs_put_f64(b, meta->threshold);
}

static void put_signals(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_signals);
    for (uint32_t i = 0; i < m->program.n_signals; i++) {
        rs_put_str(b, m->program.signals[i].name);
        rs_put_str(b, m->program.signals[i].unit);
        rs_put_u8(b, (uint8_t)m->program.signals[i].kind);
    }
}

static void put_attrs(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_attrs);
    for (uint32_t i = 0; i < m->program.n_attrs; i++) {
        const struct rs_attr *a = &m->program.attrs[i];
        rs_put_str(b, a->name);
        rs_put_u8(b, a->is_number);
        rs_put_u32(b, a->n_values);
        for (uint32_t v = 0; v < a->n_values; v++)
            rs_put_str(b, a->values[v]);
    }
}

static void put_windows(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_windows);
    for (uint32_t i = 0; i < m->program.n_windows; i++) {
        rs_put_i64(b, m->program.windows[i].bucket_s);
        rs_put_u32(b, m->program.windows[i].n);
    }
}

static void put_cohorts(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_cohorts);
    for (uint32_t i = 0; i < m->program.n_cohorts; i++) {
        const struct rs_cohort *c = &m->program.cohorts[i];
        const struct rs_cohort_support *s = &m->support[i];
        rs_put_u32(b, c->parent);
        rs_put_u32(b, c->attr);
        rs_put_u32(b, c->value);
        rs_put_str(b, c->name);
        rs_put_u64(b, s->n_entities);
        rs_put_u64(b, s->n_failing);
        rs_put_u64(b, s->n_rows);
        rs_put_u64(b, s->n_positive);
    }
}

static void put_steps(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u32(b, m->program.n_steps);
    for (uint32_t i = 0; i < m->program.n_steps; i++) {
        const struct rs_step *s = &m->program.steps[i];
        rs_put_u8(b, (uint8_t)s->op);
        rs_put_u8(b, (uint8_t)s->transform);
        rs_put_u32(b, s->arg);
        rs_put_u32(b, s->value);
        rs_put_u32(b, s->window);
        rs_put_f32(b, s->impute);
        rs_put_f64(b, m->weight[i]);
        rs_put_f64(b, m->mean[i]);
        rs_put_f64(b, m->scale[i]);
    }
}

static void put_score(struct rs_buf *b, const struct rs_model *m)
{
    rs_put_u8(b, (uint8_t)m->learner);
    rs_put_f64(b, m->bias);
    rs_put_f64(b, m->calib_a);
    rs_put_f64(b, m->calib_b);
}

/* ---- reading ---- */

/* Takes a count whose items need at least item_size bytes each, allocates them and points *out_items there. */
static enum rs_status take_items(struct rs_cursor *c, uint32_t max, size_t item_size, size_t memory_size,
                                 uint32_t *out_n, void *out_items, struct rs_error *err)
{
    uint32_t n;
    if (!rs_take_u32(c, &n))
        return rs_error_set(err, RS_ECORRUPT, "cut short");
    if (n > max)
        return rs_error_set(err, RS_ECORRUPT, "%u declared, at most %u allowed", n, max);
    if (n > c->left / item_size)
        return rs_error_set(err, RS_ECORRUPT, "%u declared, %zu bytes left", n, c->left);
    void *items = rs_alloc(n, memory_size);
    if (!items)
        return rs_error_set(err, RS_ENOMEM, "%u items", n);
    *out_n = n;
    memcpy(out_items, &items, sizeof items);
    return RS_OK;
}

static enum rs_status cut(struct rs_error *err, uint32_t i)
{
    return rs_error_set(err, RS_ECORRUPT, "item %u is cut short or no text", i);
}

static enum rs_status take_meta(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_model_meta *meta = &m->meta;
    bool ok = rs_take_str(c, RS_MODEL_TEXT_MAX, &meta->tool) && rs_take_str(c, RS_MODEL_TEXT_MAX, &meta->options) &&
              rs_take_u64(c, &meta->seed) && rs_take_u64(c, &meta->data_digest) && rs_take_i64(c, &meta->horizon_s) &&
              rs_take_i64(c, &meta->span_first) && rs_take_i64(c, &meta->span_last) && rs_take_u64(c, &meta->n_rows) &&
              rs_take_u64(c, &meta->n_positive) && rs_take_u64(c, &meta->n_entities) &&
              rs_take_u64(c, &meta->n_failing) && rs_take_f64(c, &meta->base_rate) && rs_take_f64(c, &meta->threshold);
    return ok ? RS_OK : rs_error_set(err, RS_ECORRUPT, "cut short or no text");
}

static enum rs_status take_signals(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_SIGNALS_MAX, 9, sizeof *p->signals, &p->n_signals, &p->signals, err);
    for (uint32_t i = 0; st == RS_OK && i < p->n_signals; i++) {
        struct rs_signal *s = &p->signals[i];
        uint8_t kind;
        if (!rs_take_str(c, RS_NAME_MAX, &s->name) || !rs_take_str(c, RS_NAME_MAX, &s->unit) || !rs_take_u8(c, &kind))
            return cut(err, i);
        s->kind = (enum rs_signal_kind)kind;
    }
    return st;
}

static enum rs_status take_attr(struct rs_cursor *c, struct rs_attr *a, uint32_t i, struct rs_error *err)
{
    uint8_t is_number;
    if (!rs_take_str(c, RS_NAME_MAX, &a->name) || !rs_take_u8(c, &is_number))
        return cut(err, i);
    if (is_number > 1)
        return rs_error_set(err, RS_ECORRUPT, "item %u: neither number nor category", i);
    a->is_number = is_number;
    enum rs_status st = take_items(c, RS_ATTR_VALUES_MAX, 4, sizeof *a->values, &a->n_values, &a->values, err);
    for (uint32_t v = 0; st == RS_OK && v < a->n_values; v++)
        if (!rs_take_str(c, RS_NAME_MAX, &a->values[v]))
            return cut(err, i);
    return st;
}

static enum rs_status take_attrs(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_ATTRS_MAX, 9, sizeof *p->attrs, &p->n_attrs, &p->attrs, err);
    for (uint32_t i = 0; st == RS_OK && i < p->n_attrs; i++)
        st = take_attr(c, &p->attrs[i], i, err);
    return st;
}

static enum rs_status take_windows(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_WINDOWS_MAX, 12, sizeof *p->windows, &p->n_windows, &p->windows, err);
    for (uint32_t i = 0; st == RS_OK && i < p->n_windows; i++)
        if (!rs_take_i64(c, &p->windows[i].bucket_s) || !rs_take_u32(c, &p->windows[i].n))
            return cut(err, i);
    return st;
}

static enum rs_status take_cohorts(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_COHORTS_MAX, 48, sizeof *p->cohorts, &p->n_cohorts, &p->cohorts, err);
    if (st < 0)
        return st;
    m->support = rs_alloc(p->n_cohorts, sizeof *m->support);
    if (!m->support)
        return rs_error_set(err, RS_ENOMEM, "%u cohorts", p->n_cohorts);
    for (uint32_t i = 0; i < p->n_cohorts; i++) {
        struct rs_cohort *k = &p->cohorts[i];
        struct rs_cohort_support *s = &m->support[i];
        if (!rs_take_u32(c, &k->parent) || !rs_take_u32(c, &k->attr) || !rs_take_u32(c, &k->value) ||
            !rs_take_str(c, (size_t)4 * RS_NAME_MAX, &k->name) || !rs_take_u64(c, &s->n_entities) ||
            !rs_take_u64(c, &s->n_failing) || !rs_take_u64(c, &s->n_rows) || !rs_take_u64(c, &s->n_positive))
            return cut(err, i);
    }
    return RS_OK;
}

static enum rs_status take_steps(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    struct rs_program *p = &m->program;
    enum rs_status st = take_items(c, RS_STEPS_MAX, 42, sizeof *p->steps, &p->n_steps, &p->steps, err);
    if (st < 0)
        return st;
    m->weight = rs_alloc(p->n_steps, sizeof *m->weight);
    m->mean = rs_alloc(p->n_steps, sizeof *m->mean);
    m->scale = rs_alloc(p->n_steps, sizeof *m->scale);
    if (!m->weight || !m->mean || !m->scale)
        return rs_error_set(err, RS_ENOMEM, "%u steps", p->n_steps);
    for (uint32_t i = 0; i < p->n_steps; i++) {
        struct rs_step *s = &p->steps[i];
        uint8_t op, transform;
        if (!rs_take_u8(c, &op) || !rs_take_u8(c, &transform) || !rs_take_u32(c, &s->arg) ||
            !rs_take_u32(c, &s->value) || !rs_take_u32(c, &s->window) || !rs_take_f32(c, &s->impute) ||
            !rs_take_f64(c, &m->weight[i]) || !rs_take_f64(c, &m->mean[i]) || !rs_take_f64(c, &m->scale[i]))
            return cut(err, i);
        s->op = (enum rs_step_op)op;
        s->transform = (enum rs_transform)transform;
    }
    return RS_OK;
}

static enum rs_status take_score(struct rs_cursor *c, struct rs_model *m, struct rs_error *err)
{
    uint8_t learner;
    if (!rs_take_u8(c, &learner) || !rs_take_f64(c, &m->bias) || !rs_take_f64(c, &m->calib_a) ||
        !rs_take_f64(c, &m->calib_b))
        return rs_error_set(err, RS_ECORRUPT, "cut short");
    m->learner = (enum rs_learner)learner;
    return RS_OK;
}

/* ---- the whole ---- */

/* The sections in the order of the file; every one is there. */
static const struct section {
    char tag[5];
    const char *name;
    void (*put)(struct rs_buf *b, const struct rs_model *m);
    enum rs_status (*take)(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
} sections[] = {
    { "META", "meta", put_meta, take_meta },          { "SIGS", "signals", put_signals, take_signals },
    { "ATTR", "attributes", put_attrs, take_attrs },  { "WNDS", "windows", put_windows, take_windows },
    { "COHO", "cohorts", put_cohorts, take_cohorts }, { "STEP", "steps", put_steps, take_steps },
    { "SCOR", "score", put_score, take_score },
};

enum rs_status rs_model_encode(const struct rs_model *m, uint8_t **out_bytes, size_t *out_len, struct rs_error *err)
{
    enum rs_status st = rs_model_check(m, err);
    if (st < 0)
        return st;
    rs_auto_buf body = { 0 }, all = { 0 };
    for (size_t i = 0; i < RS_LEN(sections); i++) {
        rs_auto_buf payload = { 0 };
        sections[i].put(&payload, m);
        rs_put_bytes(&body, sections[i].tag, 4);
        rs_put_u64(&body, payload.len);
        rs_put_bytes(&body, payload.data, payload.len);
        body.failed |= payload.failed;
    }
    size_t size = HEAD_SIZE + body.len + TAIL_SIZE;
    if (!body.failed && size > RS_MODEL_SIZE_MAX)
        return rs_error_set(err, RS_EINVAL, "the model would have %zu bytes, at most %zu allowed", size,
                            RS_MODEL_SIZE_MAX);
    rs_put_bytes(&all, magic, sizeof magic);
    rs_put_u32(&all, RS_MODEL_VERSION);
    rs_put_u64(&all, size);
    rs_put_bytes(&all, body.data, body.len);
    if (!all.failed)
        rs_put_u32(&all, crc_of(all.data, all.len));
    if (all.failed || body.failed)
        return rs_error_set(err, RS_ENOMEM, "encoding the model");
    *out_len = all.len;
    *out_bytes = rs_take(all.data);
    return RS_OK;
}

/* Checks what stands around the sections and leaves the cursor on them. */
static enum rs_status open_frame(const uint8_t *bytes, size_t len, struct rs_cursor *body, struct rs_error *err)
{
    struct rs_cursor c = { bytes, len };
    uint8_t head[sizeof magic];
    uint32_t version, crc;
    uint64_t size;
    if (!rs_take_bytes(&c, head, sizeof head) || memcmp(head, magic, sizeof magic) != 0)
        return rs_error_set(err, RS_EFORMAT, "not a Reseat model");
    if (!rs_take_u32(&c, &version) || !rs_take_u64(&c, &size))
        return rs_error_set(err, RS_ECORRUPT, "cut short within its head");
    if (version > RS_MODEL_VERSION)
        return rs_error_set(err, RS_EVERSION, "version %u, this program reads up to %d", version, RS_MODEL_VERSION);
    if (version == 0)
        return rs_error_set(err, RS_ECORRUPT, "version 0 was never used");
    if (size != len)
        return rs_error_set(err, RS_ECORRUPT, "%llu bytes declared, %zu there", (unsigned long long)size, len);
    if (c.left < TAIL_SIZE)
        return rs_error_set(err, RS_ECORRUPT, "cut short within its head");
    struct rs_cursor tail = { bytes + len - TAIL_SIZE, TAIL_SIZE };
    if (!rs_take_u32(&tail, &crc) || crc != crc_of(bytes, len - TAIL_SIZE))
        return rs_error_set(err, RS_ECORRUPT, "its checksum is wrong");
    *body = (struct rs_cursor){ c.p, c.left - TAIL_SIZE };
    return RS_OK;
}

static enum rs_status take_section(struct rs_cursor *body, const struct section *s, struct rs_model *m,
                                   struct rs_error *err)
{
    char tag[4];
    uint64_t size;
    if (!rs_take_bytes(body, tag, sizeof tag) || !rs_take_u64(body, &size) || memcmp(tag, s->tag, sizeof tag) != 0)
        return rs_error_set(err, RS_ECORRUPT, "section missing");
    if (size > body->left)
        return rs_error_set(err, RS_ECORRUPT, "%llu bytes declared, %zu left", (unsigned long long)size, body->left);
    struct rs_cursor payload = { body->p, (size_t)size };
    enum rs_status st = s->take(&payload, m, err);
    if (st == RS_OK && payload.left)
        return rs_error_set(err, RS_ECORRUPT, "%zu bytes too many", payload.left);
    body->p += size;
    body->left -= (size_t)size;
    return st;
}

enum rs_status rs_model_decode(const uint8_t *bytes, size_t len, struct rs_model **out, struct rs_error *err)
{
    struct rs_cursor body;
    enum rs_status st = open_frame(bytes, len, &body, err);
    if (st < 0)
        return st;
    RS_AUTO_STRUCT(rs_model) *m = rs_alloc(1, sizeof *m);
    if (!m)
        return rs_error_set(err, RS_ENOMEM, "model");
    for (size_t i = 0; i < RS_LEN(sections); i++) {
        st = take_section(&body, &sections[i], m, err);
        if (st < 0)
            return rs_error_prefix(err, st, "%s", sections[i].name);
    }
    if (body.left)
        return rs_error_set(err, RS_ECORRUPT, "%zu bytes behind the last section", body.left);
    st = rs_program_finish(&m->program, err);
    if (st == RS_OK)
        st = rs_model_check(m, err);
    if (st < 0 && st != RS_ENOMEM) {
        st = RS_ECORRUPT; /* what a caller may not pass is damage when it comes from a file */
        if (err)
            err->status = st;
        return st;
    }
    if (st == RS_OK)
        *out = rs_take(m);
    return st;
}
