/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a model file, as docs/model-format.md lists them: magic, version, length, sections, CRC-32. What
 * stands within the sections is in codec_put.c and codec_take.c. */
#include "models/codec.h"

#include <zlib.h>

static const uint8_t magic[8] = { 0x89, 'R', 'S', 'M', '\r', '\n', 0x1a, '\n' };

#define HEAD_SIZE (sizeof magic + 4 + 8) /* magic, version, length */
#define TAIL_SIZE 4                      /* CRC-32 */

static uint32_t crc_of(const uint8_t *bytes, size_t len)
{
    uLong crc = crc32(0, NULL, 0);
    return (uint32_t)crc32_z(crc, bytes, len);
}

typedef enum rs_status take_fn(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);

/* The sections in the order of the file; every one is there. */
static const struct section {
    char tag[5];
    const char *name;
    void (*put)(struct rs_buf *b, const struct rs_model *m);
    take_fn *take, *take_v1; /* NULL: version 1 has no such section */
} sections[] = {
    { "META", "meta", rs_put_model_meta, rs_take_model_meta, rs_take_model_meta_v1 },
    { "SIGS", "signals", rs_put_model_signals, rs_take_model_signals, rs_take_model_signals },
    { "ATTR", "attributes", rs_put_model_attrs, rs_take_model_attrs, rs_take_model_attrs },
    { "EVTS", "events", rs_put_model_events, rs_take_model_events, NULL },
    { "WNDS", "windows", rs_put_model_windows, rs_take_model_windows, rs_take_model_windows },
    { "COHO", "cohorts", rs_put_model_cohorts, rs_take_model_cohorts, rs_take_model_cohorts },
    { "STEP", "steps", rs_put_model_steps, rs_take_model_steps, rs_take_model_steps_v1 },
    { "SCOR", "score", rs_put_model_score, rs_take_model_score, rs_take_model_score_v1 },
    { "CALI", "calibration", rs_put_model_calibrator, rs_take_model_calibrator, NULL },
    { "DELT", "deltas", rs_put_model_deltas, rs_take_model_deltas, NULL },
    { "SVEC", "support vectors", rs_put_model_vectors, rs_take_model_vectors, NULL },
    { "REFS", "references", rs_put_model_references, rs_take_model_references, NULL },
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
static enum rs_status open_frame(const uint8_t *bytes, size_t len, uint32_t *out_version, struct rs_cursor *body,
                                 struct rs_error *err)
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
    *out_version = version;
    return RS_OK;
}

static enum rs_status take_section(struct rs_cursor *body, const struct section *s, take_fn *take, struct rs_model *m,
                                   struct rs_error *err)
{
    char tag[4];
    uint64_t size;
    if (!rs_take_bytes(body, tag, sizeof tag) || !rs_take_u64(body, &size) || memcmp(tag, s->tag, sizeof tag) != 0)
        return rs_error_set(err, RS_ECORRUPT, "section missing");
    if (size > body->left)
        return rs_error_set(err, RS_ECORRUPT, "%llu bytes declared, %zu left", (unsigned long long)size, body->left);
    struct rs_cursor payload = { body->p, (size_t)size };
    enum rs_status st = take(&payload, m, err);
    if (st == RS_OK && payload.left)
        return rs_error_set(err, RS_ECORRUPT, "%zu bytes too many", payload.left);
    body->p += size;
    body->left -= (size_t)size;
    return st;
}

static enum rs_status take_sections(struct rs_cursor *body, uint32_t version, struct rs_model *m, struct rs_error *err)
{
    for (size_t i = 0; i < RS_LEN(sections); i++) {
        take_fn *take = version == 1 ? sections[i].take_v1 : sections[i].take;
        enum rs_status st = take ? take_section(body, &sections[i], take, m, err) : RS_OK;
        if (st < 0)
            return rs_error_prefix(err, st, "%s", sections[i].name);
    }
    if (body->left)
        return rs_error_set(err, RS_ECORRUPT, "%zu bytes behind the last section", body->left);
    return RS_OK;
}

enum rs_status rs_model_decode(const uint8_t *bytes, size_t len, struct rs_model **out, struct rs_error *err)
{
    struct rs_cursor body;
    uint32_t version = 0;
    enum rs_status st = open_frame(bytes, len, &version, &body, err);
    if (st < 0)
        return st;
    RS_AUTO_STRUCT(rs_model) *m = rs_alloc(1, sizeof *m);
    if (!m)
        return rs_error_set(err, RS_ENOMEM, "model");
    st = take_sections(&body, version, m, err);
    if (st < 0)
        return st;
    st = rs_program_finish(&m->program, err);
    if (st == RS_OK)
        st = rs_model_check(m, err);
    if (st == RS_OK)
        st = rs_model_prepare(m, err);
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
