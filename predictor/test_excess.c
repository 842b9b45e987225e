/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which attributes stay: one that makes a difference, also where only one of its values does, and neither one of no
 * influence nor one that repeats what the cohorts say. */
#include "predictor/excess.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N_UNITS 3000
#define N_VALUES 6
enum { MATTERS, ONE_VALUE, NOTHING, SUBCOHORT, N_ATTRS };
#define D (1 + N_ATTRS * N_VALUES) /* a signal, then the indicators */

struct world {
    float x[N_UNITS * D], weight[N_UNITS];
    uint8_t y[N_UNITS];
    uint32_t unit[N_UNITS], cohort[N_UNITS];
    struct rs_step steps[D];
};

/* Log odds -2 + signal, 0.5 x (value - 2.5) of the first attribute, 1.5 of one value of the second, and 1.5 of the
 * second of two cohorts, whose halves the values of the last attribute are part of. */
static void make(struct world *w, uint64_t seed)
{
    struct rs_random r;
    rs_random_stream(&r, seed, "test", 0);
    memset(w, 0, sizeof *w);
    w->steps[0].op = RS_STEP_VALUE;
    for (uint32_t j = 1; j < D; j++)
        w->steps[j] = (struct rs_step){ .op = RS_STEP_ONEHOT, .arg = (j - 1) / N_VALUES, .value = (j - 1) % N_VALUES };
    for (uint32_t i = 0; i < N_UNITS; i++) {
        float *x = w->x + i * D;
        uint32_t value[N_ATTRS];
        w->weight[i] = 1;
        w->unit[i] = i;
        w->cohort[i] = 1 + (uint32_t)rs_random_below(&r, 2);
        x[0] = (float)rs_random_normal(&r, 0, 1);
        for (uint32_t a = 0; a < N_ATTRS; a++)
            value[a] = (uint32_t)rs_random_below(&r, N_VALUES);
        value[SUBCOHORT] = value[SUBCOHORT] / 2 + (w->cohort[i] == 2 ? N_VALUES / 2 : 0);
        for (uint32_t a = 0; a < N_ATTRS; a++)
            for (uint32_t v = 0; v < N_VALUES; v++)
                x[1 + a * N_VALUES + v] = value[a] == v ? 2.0F : -0.5F;
        double z = -2 + (double)x[0] + 0.5 * (value[MATTERS] - 2.5) + (value[ONE_VALUE] == 4 ? 1.5 : 0) +
                   (w->cohort[i] == 2 ? 1.5 : 0);
        w->y[i] = rs_random_chance(&r, 1 / (1 + exp(-z)));
    }
}

static void test_what_stays(void **unused)
{
    (void)unused;
    struct world *w = rs_alloc(1, sizeof *w);
    assert_non_null(w);
    unsigned n_kept[N_ATTRS] = { 0 };
    for (uint64_t seed = 1; seed <= 10; seed++) {
        bool keep[D];
        make(w, seed);
        struct rs_sample s = { .n = N_UNITS,
                               .d = D,
                               .stride = D,
                               .x = w->x,
                               .y = w->y,
                               .weight = w->weight,
                               .unit = w->unit,
                               .cohort = w->cohort,
                               .n_units = N_UNITS };
        struct rs_program p = { .steps = w->steps, .n_steps = D, .n_attrs = N_ATTRS };
        assert_int_equal(rs_excess_keep(&s, &p, seed, keep, NULL), RS_OK);
        assert_true(keep[0]);
        for (size_t a = 0; a < N_ATTRS; a++) {
            n_kept[a] += keep[1 + a * N_VALUES];
            for (size_t v = 1; v < N_VALUES; v++) /* all of an attribute or nothing */
                assert_int_equal(keep[1 + a * N_VALUES + v], keep[1 + a * N_VALUES]);
        }
    }
    assert_int_equal(n_kept[MATTERS], 10);
    assert_int_equal(n_kept[ONE_VALUE], 10);
    assert_in_range(n_kept[NOTHING], 0, 3); /* one in twenty: four of ten by chance once in a thousand */
    assert_in_range(n_kept[SUBCOHORT], 0, 3);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
