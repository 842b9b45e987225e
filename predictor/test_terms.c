/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Terms find what was put into the data, equal what a program yields to the bit, and keep their bounds. */
#include "predictor/terms.c"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N 6000
#define D 5 /* four gauges and a flag of the last one */

static float uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) * 0x1p-24f;
}

struct data {
    float x[N * D];
    uint8_t y[N];
    uint32_t rows[N];
    struct rs_program p;
};

static char *text(const char *s)
{
    char *out = strdup(s);
    assert_non_null(out);
    return out;
}

static void make_program(struct rs_program *p)
{
    *p = (struct rs_program){ .n_signals = D - 1, .n_steps = D, .n_cohorts = 1 };
    p->signals = rs_alloc(D - 1, sizeof *p->signals);
    p->steps = rs_alloc(D, sizeof *p->steps);
    p->cohorts = rs_alloc(1, sizeof *p->cohorts);
    p->cohorts[0].name = text("all");
    for (uint32_t k = 0; k < D - 1; k++) {
        p->signals[k].name = text((const char *[]){ "a", "b", "c", "d" }[k]);
        p->signals[k].unit = text("");
        p->steps[k] = (struct rs_step){ .op = RS_STEP_VALUE, .arg = k };
    }
    p->steps[D - 1] = (struct rs_step){ .op = RS_STEP_POSITIVE, .arg = D - 2 };
    assert_int_equal(rs_program_finish(p, NULL), RS_OK);
}

/* Risk 0.6 where a > 0.5 and b > 0.25, 0.3 where d > 0 and a > 0.5, else 0.02; c says nothing. */
static struct data *make(void)
{
    struct data *s = rs_alloc(1, sizeof *s);
    uint64_t state = 7;
    for (uint32_t i = 0; i < N; i++) {
        float *x = s->x + i * D;
        for (size_t j = 0; j < D - 1; j++)
            x[j] = uniform(&state);
        x[3] = RS_MAX(x[3] - 0.7f, 0.0f);
        x[4] = x[3] > 0 ? 1.0f : 0.0f;
        float p = x[0] > 0.5f && x[1] > 0.25f ? 0.6f : x[0] > 0.5f && x[3] > 0 ? 0.3f : 0.02f;
        s->y[i] = uniform(&state) < p;
        s->rows[i] = i;
    }
    make_program(&s->p);
    return s;
}

static void unmake(struct data *s)
{
    rs_program_clear(&s->p);
    free(s);
}

static struct rs_terms_input input(const struct data *s, unsigned n_threads)
{
    return (struct rs_terms_input){
        .program = &s->p, .x = s->x, .stride = D, .rows = s->rows, .n = N, .y = s->y, .n_threads = n_threads
    };
}

static void test_finds(void **unused)
{
    (void)unused;
    struct data *s = make();
    rs_auto_terms t = { 0 };
    struct rs_terms_input in = input(s, 2);
    assert_int_equal(rs_terms_grow(&in, &t, NULL), RS_OK);
    assert_int_equal(t.n_base, D);
    bool has_a = false, has_product = false;
    for (size_t i = 0; i < t.n_bins; i++) {
        assert_int_equal(t.steps[i].op, RS_STEP_GREATER);
        has_a |= t.steps[i].arg == 0 && t.steps[i].knot > 0.47f && t.steps[i].knot < 0.53f;
        assert_int_not_equal(t.steps[i].arg, 4); /* a flag is its own bin */
    }
    for (size_t i = t.n_bins; i < t.n_bins + t.n_products; i++) {
        assert_int_equal(t.steps[i].op, RS_STEP_PRODUCT);
        assert_true(t.steps[i].arg < D + i && t.steps[i].value < D + t.n_bins);
        if (t.steps[i].arg < D || t.steps[i].value < D || t.steps[i].arg >= D + t.n_bins)
            continue;
        const struct rs_step *a = &t.steps[t.steps[i].arg - D], *b = &t.steps[t.steps[i].value - D];
        has_product |=
            a->arg == 0 && a->knot > 0.47f && a->knot < 0.53f && b->arg == 1 && b->knot > 0.22f && b->knot < 0.28f;
    }
    assert_true(has_a);
    assert_true(has_product);
    unmake(s);
}

static void test_same_bits(void **unused)
{
    (void)unused;
    struct data *s = make();
    rs_auto_terms t = { 0 }, again = { 0 };
    struct rs_terms_input in = input(s, 1), in4 = input(s, 4);
    assert_int_equal(rs_terms_grow(&in, &t, NULL), RS_OK);
    assert_int_equal(rs_terms_grow(&in4, &again, NULL), RS_OK);
    size_t n = t.n_bins + t.n_products;
    assert_true(t.n_bins > 2 && t.n_products > 1);
    assert_int_equal(n, again.n_bins + again.n_products);
    assert_memory_equal(t.steps, again.steps, n * sizeof *t.steps);
    assert_memory_equal(t.weight, again.weight, (D + n) * sizeof *t.weight);
    assert_int_equal(rs_terms_append(&t, n, &s->p, NULL), RS_OK);
    assert_int_equal(s->p.n_steps, D + n);
    rs_autofree void *state = rs_alloc(1, rs_program_state_size(&s->p));
    rs_autofree float *x = rs_alloc(D + n, sizeof *x), *of_row = rs_alloc(n, sizeof *of_row);
    for (size_t i = 0; i < 500; i++) {
        rs_state_init(&s->p, state);
        assert_int_equal(rs_state_push(&s->p, state, 1000, s->x + i * D), RS_OK);
        rs_state_features(&s->p, state, NULL, x);
        rs_terms_row(&t, s->x + i * D, of_row);
        assert_memory_equal(x, s->x + i * D, D * sizeof *x);
        assert_memory_equal(x + D, of_row, n * sizeof *x);
    }
    unmake(s);
}

static void test_nothing_to_find(void **unused)
{
    (void)unused;
    struct data *s = make();
    rs_auto_terms t = { 0 }, few = { 0 };
    struct rs_terms_input in = input(s, 1);
    memset(s->y, 0, sizeof s->y);
    assert_int_equal(rs_terms_grow(&in, &t, NULL), RS_OK); /* one class */
    assert_int_equal(t.n_bins + t.n_products, 0);
    s->y[3] = s->y[70] = 1;
    uint32_t unit[N] = { 0 }; /* all rows are one entity's */
    in.unit = unit;
    assert_int_equal(rs_terms_grow(&in, &few, NULL), RS_OK);
    assert_int_equal(few.n_bins + few.n_products, 0);
    unmake(s);
}

static void test_knots(void **unused)
{
    (void)unused;
    /* rows 0..999: column 0 is zero but for the last hundred, which are 1..100; column 1 has values 5 and 9 */
    rs_autofree float *x = rs_alloc(2000, sizeof *x);
    uint32_t rows[1000];
    for (uint32_t i = 0; i < 1000; i++) {
        rows[i] = i;
        x[2 * i] = i < 900 ? 0 : (float)(i - 899);
        x[2 * i + 1] = i % 2 ? 5 : 9;
    }
    rs_auto_bins b = { 0 };
    assert_int_equal(rs_bins_make(x, 2, 2, rows, 1000, 1, &b, NULL), RS_OK);
    assert_int_equal(b.n_knots[1], 1);
    assert_true(b.knot[RS_BOOST_BINS] == 7.0f);
    assert_true(b.knot[0] == 0.5f);     /* zero stands alone */
    assert_int_equal(b.n_knots[0], 50); /* then 100 rows, two a bin: 1 + 100 / 2 - 1 knots */
    for (size_t j = 0; j < 2; j++)
        for (size_t i = 0; i < 1000; i++)
            for (size_t k = 0; k < b.n_knots[j]; k++)
                assert_int_equal(b.code[j * 1000 + i] > k, x[2 * i + j] > b.knot[j * RS_BOOST_BINS + k]);
}

/* What the leaves say of a row of bins. */
static double fall(const struct rs_boost_leaf *leaves, unsigned n, const uint8_t *code)
{
    for (unsigned i = 0; i < n; i++) {
        bool holds = true;
        for (unsigned k = 0; k < leaves[i].depth; k++)
            holds &= (code[leaves[i].path[k].column] > leaves[i].path[k].bin) == ((leaves[i].above >> k & 1) != 0);
        if (holds)
            return leaves[i].value;
    }
    fail();
    return 0;
}

static double of_rules(const struct found *f, const uint8_t *code)
{
    double z = f->bias;
    for (size_t i = 0; i < f->n_bins + f->n_products; i++) {
        const struct rule *r = i < f->n_bins ? &f->bins[i] : &f->products[i - f->n_bins];
        bool holds = true;
        for (unsigned k = 0; k < r->n; k++)
            holds &= code[r->cut[k].column] > r->cut[k].bin;
        z += holds ? r->weight : 0;
    }
    return z;
}

/* Two levels in column 0, so that one cut implies another; then a third column. */
static void test_multiplies_out(void **unused)
{
    (void)unused;
    static const struct rs_cut a = { 0, 3 }, a5 = { 0, 5 }, b = { 1, 2 }, c = { 2, 7 };
    static const struct rs_boost_leaf leaves[] = {
        { { b, a }, 2, 0, -0.731 },     { { b, a, a5 }, 3, 2, 0.213 },   { { b, a, a5 }, 3, 6, 1.377 },
        { { b, c, a5 }, 3, 1, 0.0917 }, { { b, c, a5 }, 3, 5, -0.4421 }, { { b, c }, 2, 3, 2.385 },
    };
    struct found *f = rs_alloc(1, sizeof *f);
    assert_true(take_tree(f, leaves, RS_LEN(leaves)));
    assert_int_equal(f->n_bins, 4);
    for (uint8_t i = 0; i < 3 * 3 * 3; i++) {
        uint8_t code[] = { (uint8_t)(3 + i % 3), (uint8_t)(2 + i / 3 % 3), (uint8_t)(6 + i / 9) };
        assert_true(fabs(of_rules(f, code) - fall(leaves, RS_LEN(leaves), code)) < 1e-14);
    }
    assert_true(take_tree(f, leaves, RS_LEN(leaves))); /* the same rules again, twice the weight */
    assert_int_equal(f->n_bins, 4);
    assert_true(fabs(of_rules(f, (uint8_t[]){ 9, 9, 9 }) - 2 * 2.385) < 1e-14);
    free(f);
}

static void test_bounds(void **unused)
{
    (void)unused;
    struct found *f = rs_alloc(1, sizeof *f);
    uint32_t taken = 0;
    bool goes_on = true;
    while (goes_on && taken < 10000) {
        struct rs_cut a = { 3 * taken, 0 }, b = { 3 * taken + 1, 0 }, c = { 3 * taken + 2, 0 };
        struct rs_boost_leaf leaves[] = {
            { { a }, 1, 0, 1 }, { { a, b }, 2, 1, 2 }, { { a, b, c }, 3, 3, 3 }, { { a, b, c }, 3, 7, 4 }
        };
        goes_on = take_tree(f, leaves, RS_LEN(leaves));
        taken += goes_on;
    }
    assert_int_equal(taken, RS_TERMS_BINS_MAX / 3);
    assert_true(f->n_bins <= RS_TERMS_BINS_MAX && f->n_products <= RS_TERMS_PRODUCTS_MAX);
    f->n_bins = 0;
    f->n_products = RS_TERMS_PRODUCTS_MAX - TREE_PRODUCTS + 1;
    assert_false(take_tree(f, &(struct rs_boost_leaf){ .depth = 0 }, 1));
    free(f);
}

/* The weights are the trees: over each of the regions that the data have, the mean of the sum's risks is the share of
 * positive rows there. */
static void test_sum(void **unused)
{
    (void)unused;
    struct data *s = make();
    rs_auto_terms t = { 0 };
    struct rs_terms_input in = input(s, 2);
    float scratch[RS_TERMS_MAX];
    double risk[3] = { 0 }, positive[3] = { 0 }, n[3] = { 0 };
    assert_int_equal(rs_terms_grow(&in, &t, NULL), RS_OK);
    for (size_t i = 0; i < N; i++) {
        const float *x = s->x + i * D;
        int region = x[0] > 0.5f && x[1] > 0.25f ? 0 : x[0] > 0.5f && x[3] > 0 ? 1 : 2;
        risk[region] += 1 / (1 + exp(-rs_terms_z(&t, x, scratch)));
        positive[region] += s->y[i];
        n[region]++;
    }
    for (size_t r = 0; r < RS_LEN(n); r++)
        assert_true(n[r] > 150 && fabs(risk[r] - positive[r]) < 0.05 * n[r] * (r < 2 ? 1 : 0.2));
    assert_true(risk[0] / n[0] > 10 * risk[2] / n[2]);
    unmake(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds), cmocka_unit_test(test_same_bits),      cmocka_unit_test(test_nothing_to_find),
        cmocka_unit_test(test_knots), cmocka_unit_test(test_multiplies_out), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
