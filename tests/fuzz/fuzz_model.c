/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a model: refused, or a model that encodes back to them and whose score is a probability. The checksum is
 * made right first, so that what lies behind it is reached; the bytes are tried as they stand too. */
#include "models/score.h"

#include <math.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void score(const struct rs_model *m)
{
    const struct rs_program *p = &m->program;
    rs_autofree void *state = rs_alloc(rs_program_state_size(p), 1);
    rs_autofree float *x = rs_alloc(p->n_steps, sizeof *x), *values = rs_alloc(p->n_signals, sizeof *values);
    rs_autofree struct rs_attr_value *attrs = rs_alloc(p->n_attrs, sizeof *attrs);
    if (!state || !x || !values || !attrs)
        return;
    for (uint32_t i = 0; i < p->n_attrs; i++)
        attrs[i] = rs_attr_bind(&p->attrs[i], p->attrs[i].n_values ? p->attrs[i].values[0] : "12.5");
    uint32_t cohort = rs_program_cohort(p, attrs);
    must(cohort < p->n_cohorts);
    rs_state_init(p, state);
    for (int64_t t = 0; t < 5; t++) {
        for (uint32_t i = 0; i < p->n_events; i++)
            must(rs_state_event(p, state, i, t * 40000 - (int64_t)i) == RS_OK);
        for (uint32_t i = 0; i < p->n_signals; i++)
            values[i] = (i + (uint32_t)t) % 3 ? 3e38f * (float)(t - 2) : NAN;
        must(rs_state_push(p, state, t * 40000, values) == RS_OK);
        must(rs_state_check(p, state, rs_program_state_size(p), NULL) == RS_OK);
        rs_state_features(p, state, attrs, x);
        double risk = rs_model_risk(m, cohort, x), batch;
        must(risk >= 0 && risk <= 1);
        must(rs_score_batch(m, x, 1, &cohort, 1, &batch) == RS_OK && batch == risk);
    }
}

static void try_bytes(const uint8_t *data, size_t size)
{
    RS_AUTO_STRUCT(rs_model) *m = NULL;
    rs_autofree uint8_t *again = NULL;
    size_t len = 0;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_model_decode(data, size, &m, &err) != RS_OK) {
        must(!m && err.msg[0]);
        return;
    }
    must(rs_model_encode(m, &again, &len, NULL) == RS_OK);
    if (data[8] == RS_MODEL_VERSION) /* older versions are written anew */
        must(len == size && memcmp(again, data, size) == 0);
    score(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_bytes(data, size);
    if (size < 24)
        return 0;
    rs_autofree uint8_t *fixed = malloc(size);
    if (!fixed)
        return 0;
    memcpy(fixed, data, size);
    for (size_t i = 0; i < 8; i++) /* the declared length, too */
        fixed[12 + i] = (uint8_t)((uint64_t)size >> (8 * i));
    uint32_t crc = (uint32_t)crc32_z(crc32(0, NULL, 0), fixed, size - 4);
    for (size_t i = 0; i < 4; i++)
        fixed[size - 4 + i] = (uint8_t)(crc >> (8 * i));
    try_bytes(fixed, size);
    return 0;
}
