/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the splits of boosted trees to steps. */
#include "predictor/terms.h"

#include "predictor/boost.h"

#define LEAF_ROWS 40
#define UNITS_MIN 5   /* entities on either side of a bin, and within a product */
#define LEAVES_FEW 4  /* of a tree, and */
#define LEAVES_MANY 8 /* with as many positive entities as this: */
#define UNITS_POSITIVE_MANY 1500
#define POSITIVES_MAX (RS_TERMS_ROWS / 2)

static const struct rs_boost_options boosting = {
    .n_trees = 40,
    .n_leaves = LEAVES_FEW,
    .depth_max = 3,
    .rate = 0.1,
    .l2 = 1,
    .leaf_rows = LEAF_ROWS,
};

struct pair {
    struct rs_cut a, b; /* a before b in the order of compare_cuts() */
};

/* What the trees have found, in the order of finding. */
struct found {
    struct rs_cut bins[RS_TERMS_BINS_MAX];
    struct pair pairs[RS_TERMS_PRODUCTS_MAX];
    size_t n_bins, n_pairs;
};

/* The rows looked at. */
struct look {
    uint32_t *rows, *unit;
    uint8_t *y;
    float *weight;
    size_t n;
    uint64_t n_units_positive;
};

static void look_clear(struct look *l)
{
    free(l->rows);
    free(l->unit);
    free(l->y);
    free(l->weight);
}

static int compare_cuts(const void *a, const void *b)
{
    const struct rs_cut *x = a, *y = b;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return (x->bin > y->bin) - (x->bin < y->bin);
}

static bool have_bin(struct found *f, struct rs_cut cut)
{
    for (size_t i = 0; i < f->n_bins; i++)
        if (compare_cuts(&f->bins[i], &cut) == 0)
            return true;
    if (f->n_bins == RS_TERMS_BINS_MAX)
        return false;
    f->bins[f->n_bins++] = cut;
    return true;
}

static void add_pair(struct found *f, struct rs_cut a, struct rs_cut b)
{
    struct pair pair = compare_cuts(&a, &b) < 0 ? (struct pair){ a, b } : (struct pair){ b, a };
    for (size_t i = 0; i < f->n_pairs; i++)
        if (memcmp(&f->pairs[i], &pair, sizeof pair) == 0)
            return;
    if (f->n_pairs < RS_TERMS_PRODUCTS_MAX)
        f->pairs[f->n_pairs++] = pair;
}

/* math.md F32: each split, and with each split above it in another column */
static void take_split(void *arg, struct rs_cut cut, const struct rs_cut *path, size_t n_path)
{
    struct found *f = arg;
    if (!have_bin(f, cut))
        return;
    for (size_t k = 0; k < n_path; k++)
        if (path[k].column != cut.column && have_bin(f, path[k]))
            add_pair(f, path[k], cut);
}

/* A hash of the index, for a sample without rhythm. */
static uint32_t scatter(size_t i)
{
    uint64_t h = (i + 1) * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32);
}

bool rs_terms_looks_at(const struct rs_terms_whole *whole, size_t i, bool y)
{
    uint64_t max = RS_MIN(whole->n_class[1], (uint64_t)POSITIVES_MAX);
    if (!y)
        max = RS_TERMS_ROWS - max;
    return whole->n_class[y] <= max || scatter(i) < (uint32_t)((double)max / (double)whole->n_class[y] * 0x1p32);
}

static struct rs_terms_whole count_all(const struct rs_terms_input *in)
{
    struct rs_terms_whole all = { 0 };
    uint32_t last_positive = UINT32_MAX;
    for (size_t i = 0; i < in->n; i++) {
        bool c = in->y[i] != 0;
        uint32_t unit = in->unit ? in->unit[i] : (uint32_t)i;
        all.n_class[c]++;
        all.n_units_positive += c && unit != last_positive;
        last_positive = c ? unit : last_positive;
    }
    return all;
}

static enum rs_status look_at(const struct rs_terms_input *in, struct look *l, struct rs_error *err)
{
    struct rs_terms_whole all = in->whole ? *in->whole : count_all(in);
    size_t kept[2] = { 0, 0 };
    l->n_units_positive = all.n_units_positive;
    l->rows = rs_alloc(in->n, sizeof *l->rows);
    l->unit = rs_alloc(in->n, sizeof *l->unit);
    l->y = rs_alloc(in->n, sizeof *l->y);
    l->weight = rs_alloc(in->n, sizeof *l->weight);
    if (!l->rows || !l->unit || !l->y || !l->weight)
        return rs_error_set(err, RS_ENOMEM, "%zu rows", in->n);
    for (size_t i = 0; i < in->n; i++) {
        bool c = in->y[i] != 0;
        if (!in->whole && !rs_terms_looks_at(&all, i, c))
            continue;
        l->rows[l->n] = in->rows[i];
        l->unit[l->n] = in->unit ? in->unit[i] : (uint32_t)i;
        l->y[l->n] = c;
        l->weight[l->n++] = in->weight ? in->weight[i] : 1;
        kept[c]++;
    }
    for (size_t k = 0; k < l->n; k++)
        l->weight[k] *= (float)all.n_class[l->y[k]] / (float)RS_MAX(kept[l->y[k]], (size_t)1);
    return RS_OK;
}

/* Entities that have a row where both cuts hold (or, inverted, where the first does not), counted up to UNITS_MIN. */
static size_t count_units(const struct rs_bins *b, const struct look *l, struct rs_cut x, struct rs_cut y,
                          bool inverted)
{
    const uint8_t *xc = b->code + x.column * b->n, *yc = b->code + y.column * b->n;
    size_t n = 0;
    uint32_t last = UINT32_MAX;
    for (size_t i = 0; i < b->n && n < UNITS_MIN; i++) {
        bool holds = inverted ? xc[i] <= x.bin : xc[i] > x.bin && yc[i] > y.bin;
        if (!holds || (n && l->unit[i] == last))
            continue;
        last = l->unit[i];
        n++;
    }
    return n;
}

static size_t count_rows(const struct rs_bins *b, struct rs_cut x, struct rs_cut y)
{
    const uint8_t *xc = b->code + x.column * b->n, *yc = b->code + y.column * b->n;
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += (xc[i] > x.bin) & (yc[i] > y.bin);
    return n;
}

/* math.md F33: enough rows and entities, and not one of its factors over again */
static void drop_weak(const struct rs_bins *b, const struct look *l, struct found *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_bins; i++) {
        struct rs_cut c = f->bins[i];
        if (count_units(b, l, c, c, false) >= UNITS_MIN && count_units(b, l, c, c, true) >= UNITS_MIN)
            f->bins[n++] = c;
    }
    f->n_bins = n;
    qsort(f->bins, f->n_bins, sizeof *f->bins, compare_cuts);
    n = 0;
    for (size_t i = 0; i < f->n_pairs; i++) {
        struct pair p = f->pairs[i];
        size_t rows = count_rows(b, p.a, p.b);
        bool has_factors = bsearch(&p.a, f->bins, f->n_bins, sizeof *f->bins, compare_cuts) &&
                           bsearch(&p.b, f->bins, f->n_bins, sizeof *f->bins, compare_cuts);
        if (has_factors && rows >= LEAF_ROWS && rows < count_rows(b, p.a, p.a) && rows < count_rows(b, p.b, p.b) &&
            count_units(b, l, p.a, p.b, false) >= UNITS_MIN)
            f->pairs[n++] = p;
    }
    f->n_pairs = n;
}

static bool is_flag(const struct rs_program *p, uint32_t step)
{
    enum rs_step_op op = p->steps[step].op;
    return op == RS_STEP_POSITIVE || op == RS_STEP_MISSING || op == RS_STEP_ONEHOT || op == RS_STEP_COHORT;
}

/* A flag is its own bin: its step is the base step. */
static uint32_t step_of(const struct rs_terms *t, const struct rs_bins *b, const struct rs_program *p,
                        struct rs_cut cut)
{
    if (is_flag(p, cut.column))
        return cut.column;
    float knot = b->knot[cut.column * RS_BOOST_BINS + cut.bin];
    for (size_t i = 0; i < t->n_bins; i++)
        if (t->steps[i].arg == cut.column && t->steps[i].knot == knot)
            return (uint32_t)(t->n_base + i);
    return UINT32_MAX;
}

static enum rs_status write_steps(const struct rs_terms_input *in, const struct rs_bins *b, const struct found *f,
                                  struct rs_terms *t, struct rs_error *err)
{
    t->n_base = in->program->n_steps;
    t->steps = rs_alloc(f->n_bins + f->n_pairs, sizeof *t->steps);
    if (!t->steps)
        return rs_error_set(err, RS_ENOMEM, "terms");
    for (size_t i = 0; i < f->n_bins; i++) {
        struct rs_cut c = f->bins[i];
        if (!is_flag(in->program, c.column))
            t->steps[t->n_bins++] = (struct rs_step){ .op = RS_STEP_GREATER,
                                                      .arg = c.column,
                                                      .knot = b->knot[c.column * RS_BOOST_BINS + c.bin] };
    }
    for (size_t i = 0; i < f->n_pairs; i++)
        t->steps[t->n_bins + t->n_products++] = (struct rs_step){ .op = RS_STEP_PRODUCT,
                                                                  .arg = step_of(t, b, in->program, f->pairs[i].a),
                                                                  .value = step_of(t, b, in->program, f->pairs[i].b) };
    return RS_OK;
}

static enum rs_status grow(const struct rs_terms_input *in, const struct look *l, struct found *f, struct rs_terms *out,
                           struct rs_error *err)
{
    rs_auto_bins b = { 0 };
    struct rs_boost_options opt = boosting;
    opt.n_threads = in->n_threads;
    if (l->n_units_positive >= UNITS_POSITIVE_MANY)
        opt.n_leaves = LEAVES_MANY;
    enum rs_status st = rs_bins_make(in->x, in->stride, in->program->n_steps, l->rows, l->n, in->n_threads, &b, err);
    if (st == RS_OK)
        st = rs_boost_grow(&b, l->y, l->weight, &opt, take_split, f, err);
    if (st < 0)
        return st;
    drop_weak(&b, l, f);
    return write_steps(in, &b, f, out, err);
}

enum rs_status rs_terms_grow(const struct rs_terms_input *in, struct rs_terms *out, struct rs_error *err)
{
    __attribute__((cleanup(look_clear))) struct look l = { 0 };
    rs_autofree struct found *f = rs_alloc(1, sizeof *f);
    *out = (struct rs_terms){ .n_base = in->program->n_steps };
    if (!f)
        return rs_error_set(err, RS_ENOMEM, "terms");
    enum rs_status st = look_at(in, &l, err);
    bool has[2] = { false, false };
    for (size_t i = 0; i < l.n; i++)
        has[l.y[i]] |= l.weight[i] > 0;
    if (st < 0 || !has[0] || !has[1])
        return st;
    st = grow(in, &l, f, out, err);
    if (st < 0)
        rs_terms_clear(out);
    return st;
}

void rs_terms_clear(struct rs_terms *t)
{
    free(t->steps);
    *t = (struct rs_terms){ 0 };
}

void rs_terms_row(const struct rs_terms *t, const float *base, float *out)
{
    for (size_t i = 0; i < t->n_bins; i++)
        out[i] = base[t->steps[i].arg] > t->steps[i].knot ? 1.0f : 0.0f;
    for (size_t i = t->n_bins; i < t->n_bins + t->n_products; i++) {
        uint32_t a = t->steps[i].arg, b = t->steps[i].value;
        out[i] = (a < t->n_base ? base[a] : out[a - t->n_base]) * (b < t->n_base ? base[b] : out[b - t->n_base]);
    }
}

enum rs_status rs_terms_append(const struct rs_terms *t, size_t n, struct rs_program *p, struct rs_error *err)
{
    struct rs_step *steps = rs_realloc(p->steps, p->n_steps + n, sizeof *steps);
    if (!steps)
        return rs_error_set(err, RS_ENOMEM, "terms");
    memcpy(steps + p->n_steps, t->steps, n * sizeof *steps);
    p->steps = steps;
    p->n_steps += (uint32_t)n;
    return rs_program_finish(p, err);
}
