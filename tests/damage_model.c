/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Damages a model file in a thousand seeded ways and holds the reader to its promise: each damaged file is refused with
 * a message, or is a model that encodes back to the same bytes and scores finite probabilities. Every second damage has
 * its checksum made right again, so that the checks behind the checksum are met too.
 *
 *     damage_model MODEL.rsm [ROUNDS [SEED]]     exits 0 where the promise holds
 *
 * The checksum of a model file is the CRC-32 of all bytes before its last four (docs/model-format.md). */
#include <inttypes.h>
#include <math.h>
#include <zlib.h>

#include "common/base.h"
#include "common/clock.h"
#include "common/file.h"
#include "models/model.h"

#define TAIL_SIZE 4
#define SAMPLES 20

static uint64_t random_state;

static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(size_t n)
{
    return (size_t)(next_random() % n);
}

static void put_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* ---- damages: each changes bytes and length in place; there is room for twice the length ---- */

static void flip_bits(uint8_t *bytes, size_t *len)
{
    for (size_t n = 1 + below(8); n; n--)
        bytes[below(*len)] ^= (uint8_t)(1u << below(8));
}

static void overwrite_bytes(uint8_t *bytes, size_t *len)
{
    for (size_t at = below(*len), n = 1 + below(64); n && at < *len; n--, at++)
        bytes[at] = (uint8_t)next_random();
}

/* Lengths, counts and indices are 32-bit numbers somewhere in the file: a likely value at any place. */
static void change_number(uint8_t *bytes, size_t *len)
{
    static const uint32_t likely[] = { 0, 1, 2, 0x7f, 0xff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fc00000 };
    uint32_t v = next_random() % 2 ? likely[below(RS_LEN(likely))] : (uint32_t)below(*len);
    if (*len >= 4)
        put_le32(bytes + below(*len - 3), v);
}

static void cut_end(uint8_t *bytes, size_t *len)
{
    (void)bytes;
    *len = below(*len);
}

static void cut_middle(uint8_t *bytes, size_t *len)
{
    size_t at = below(*len), wanted = 1 + below(40), n = RS_MIN(wanted, *len - at);
    memmove(bytes + at, bytes + at + n, *len - at - n);
    *len -= n;
}

static void repeat_middle(uint8_t *bytes, size_t *len)
{
    size_t at = below(*len), wanted = 1 + below(200), n = RS_MIN(wanted, *len - at);
    memmove(bytes + at + n, bytes + at, *len - at);
    *len += n;
}

static void append_bytes(uint8_t *bytes, size_t *len)
{
    for (size_t n = 1 + below(*len); n; n--)
        bytes[(*len)++] = (uint8_t)next_random();
}

static const struct {
    const char *name;
    void (*run)(uint8_t *bytes, size_t *len);
} damages[] = {
    { "flip bits", flip_bits },       { "overwrite bytes", overwrite_bytes }, { "change a number", change_number },
    { "cut the end", cut_end },       { "cut the middle", cut_middle },       { "repeat the middle", repeat_middle },
    { "append bytes", append_bytes },
};

static void mend_checksum(uint8_t *bytes, size_t len)
{
    if (len < TAIL_SIZE)
        return;
    put_le32(bytes + len - TAIL_SIZE, (uint32_t)crc32_z(crc32(0, NULL, 0), bytes, len - TAIL_SIZE));
}

/* ---- what a model that was accepted must do ---- */

static void make_reading(float *values, uint32_t n)
{
    static const float odd[] = { 0, -1, 1e30f, -1e30f, 65535, NAN, INFINITY, -INFINITY, 1e-40f };
    for (uint32_t i = 0; i < n; i++)
        values[i] = next_random() % 4 ? (float)below(1000) : odd[below(RS_LEN(odd))];
}

static void bind_anything(const struct rs_program *p, struct rs_attr_value *attrs)
{
    for (uint32_t i = 0; i < p->n_attrs; i++) {
        const struct rs_attr *a = &p->attrs[i];
        attrs[i] = rs_attr_bind(a, a->n_values ? a->values[below(a->n_values)] : "17.25");
    }
}

static bool has_sound_names(const struct rs_program *p)
{
    char name[2 * RS_NAME_MAX];
    for (uint32_t i = 0; i < p->n_steps; i++)
        if (!*rs_step_name(p, i, name, sizeof name))
            return false;
    return true;
}

static bool has_finite_scores(const struct rs_model *m)
{
    const struct rs_program *p = &m->program;
    rs_autofree void *state = rs_alloc(1, rs_program_state_size(p));
    rs_autofree float *values = rs_alloc(p->n_signals, sizeof *values);
    rs_autofree float *x = rs_alloc(p->n_steps, sizeof *x);
    rs_autofree double *parts = rs_alloc(p->n_steps, sizeof *parts);
    rs_autofree struct rs_attr_value *attrs = rs_alloc(p->n_attrs, sizeof *attrs);
    if (!state || !values || !x || !parts || !attrs)
        return false;
    bind_anything(p, attrs);
    uint32_t cohort = rs_program_cohort(p, attrs);
    if (cohort >= p->n_cohorts)
        return false;
    rs_state_init(p, state);
    int64_t time = 1700000000;
    for (int i = 0; i < SAMPLES; i++) {
        time += 1 + (int64_t)below(RS_DAY_S * 3);
        make_reading(values, p->n_signals);
        if (rs_state_push(p, state, time, values) != RS_OK)
            return false;
        rs_state_features(p, state, attrs, x);
        double risk = rs_model_risk(m, cohort, x);
        if (!(risk >= 0 && risk <= 1) || !isfinite(rs_model_explain(m, cohort, x, parts)))
            return false;
        for (uint32_t j = 0; j < p->n_steps; j++)
            if (!isfinite(x[j]) || !isfinite(parts[j]))
                return false;
    }
    return true;
}

/* An older version is written anew as the newest one. */
static bool encodes_to_same(const struct rs_model *m, const uint8_t *bytes, size_t len)
{
    rs_autofree uint8_t *again = NULL;
    size_t again_len = 0;
    if (rs_model_encode(m, &again, &again_len, NULL) != RS_OK)
        return false;
    return bytes[sizeof(uint64_t)] != RS_MODEL_VERSION || (again_len == len && memcmp(again, bytes, len) == 0);
}

/* NULL where the promise holds, else how it was broken. */
static const char *broken_promise(const uint8_t *bytes, size_t len, bool *was_accepted)
{
    RS_AUTO_STRUCT(rs_model) *m = NULL;
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_model_decode(bytes, len, &m, &err);
    *was_accepted = st == RS_OK;
    if (st != RS_OK) {
        bool is_known = st == RS_EFORMAT || st == RS_EVERSION || st == RS_ECORRUPT;
        return !is_known ? "refused with a code that says nothing" : !err.msg[0] ? "refused without a message" : NULL;
    }
    if (!encodes_to_same(m, bytes, len))
        return "accepted, but encodes to other bytes";
    if (!has_sound_names(&m->program))
        return "accepted, but has a step without a name";
    return has_finite_scores(m) ? NULL : "accepted, but scores are not finite";
}

struct tally {
    size_t n_accepted, n_broken;
};

/* The damaged copy has no byte to spare, so that a sanitizer sees each read beyond it. */
static bool run_round(const uint8_t *whole, size_t whole_len, size_t round, struct tally *t)
{
    rs_autofree uint8_t *room = rs_alloc(2, whole_len);
    if (!room)
        return false;
    memcpy(room, whole, whole_len);
    size_t len = whole_len, kind = below(RS_LEN(damages));
    damages[kind].run(room, &len);
    if (round % 2)
        mend_checksum(room, len);
    rs_autofree uint8_t *exact = malloc(len ? len : 1);
    if (!exact)
        return false;
    memcpy(exact, room, len);
    bool was_accepted;
    const char *broken = broken_promise(exact, len, &was_accepted);
    t->n_accepted += was_accepted;
    t->n_broken += broken != NULL;
    if (broken)
        fprintf(stderr, "round %zu: %s%s: %s\n", round, damages[kind].name, round % 2 ? ", checksum mended" : "",
                broken);
    return true;
}

int main(int argc, char **argv)
{
    rs_autofree uint8_t *whole = NULL;
    size_t len = 0;
    struct rs_error err = RS_ERROR_INIT;
    if (argc < 2 || argc > 4 || rs_read_file(argv[1], RS_MODEL_SIZE_MAX, &whole, &len, &err) < 0 || len == 0) {
        fprintf(stderr, "damage_model MODEL.rsm [ROUNDS [SEED]]: %s\n", err.msg);
        return 2;
    }
    size_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
    random_state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    bool was_accepted;
    const char *broken = broken_promise(whole, len, &was_accepted);
    if (!was_accepted || broken) {
        fprintf(stderr, "%s: the undamaged model: %s\n", argv[1], broken ? broken : "refused");
        return 1;
    }
    struct tally t = { 0 };
    for (size_t i = 0; i < rounds; i++)
        if (!run_round(whole, len, i, &t))
            return 1;
    printf("%zu damages of %zu bytes: %zu refused, %zu accepted and sound, %zu broken promises\n", rounds, len,
           rounds - t.n_accepted, t.n_accepted - t.n_broken, t.n_broken);
    return t.n_broken ? 1 : 0;
}
