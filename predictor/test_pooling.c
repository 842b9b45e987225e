/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Partial pooling: closed forms, nesting, and the bar: better than complete pooling and than no pooling on cohorts of
 * 20 to 200 hosts whose true rates are known. */
#include "predictor/pooling.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N_COHORTS 61 /* "all" and 60 below it */
#define MAX_ROWS 12000

struct world {
    size_t n;
    float *x, *weight;
    uint8_t *y;
    uint32_t *unit, *cohort;
    double *z, *truth;
    struct rs_cohort cohorts[N_COHORTS];
};

static void world_clear(struct world *w)
{
    free(w->x);
    free(w->weight);
    free(w->y);
    free(w->unit);
    free(w->cohort);
    free(w->z);
    free(w->truth);
}

/* splitmix64 (Steele, Lea, Flood 2014), to a number in (0, 1) */
static double draw(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t *state)
{
    double u = draw(state), v = draw(state); /* Box, Muller 1958 */
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

/* Cohorts of 20 to 200 hosts, one row each, whose log odds are -2.5 + N(0, sd^2). */
static void make_spread(struct world *w, double sd, uint64_t seed)
{
    *w = (struct world){ 0 };
    w->x = rs_alloc(MAX_ROWS, sizeof *w->x);
    w->weight = rs_alloc(MAX_ROWS, sizeof *w->weight);
    w->y = rs_alloc(MAX_ROWS, 1);
    w->unit = rs_alloc(MAX_ROWS, sizeof *w->unit);
    w->cohort = rs_alloc(MAX_ROWS, sizeof *w->cohort);
    w->z = rs_alloc(MAX_ROWS, sizeof *w->z);
    w->truth = rs_alloc(MAX_ROWS, sizeof *w->truth);
    for (uint32_t c = 1; c < N_COHORTS; c++) {
        size_t hosts = 20 + (size_t)(180 * draw(&seed));
        double log_odds = -2.5 + sd * normal(&seed);
        for (size_t i = 0; i < hosts; i++) {
            w->truth[w->n] = 1 / (1 + exp(-log_odds));
            w->y[w->n] = draw(&seed) < w->truth[w->n];
            w->weight[w->n] = 1;
            w->cohort[w->n] = c;
            w->unit[w->n] = (uint32_t)w->n;
            w->n++;
        }
    }
    size_t positive = 0;
    for (size_t i = 0; i < w->n; i++)
        positive += w->y[i];
    for (size_t i = 0; i < w->n; i++)
        w->z[i] = log((double)positive / (double)(w->n - positive));
}

#define SPREAD 0.8

static void make(struct world *w, uint64_t seed)
{
    make_spread(w, SPREAD, seed);
}

/* The same at every depth. */
static const struct rs_pool_strength *strength(double bias, double weight)
{
    static struct rs_pool_strength s;
    for (size_t k = 0; k < RS_COHORT_DEPTH_MAX; k++) {
        s.bias[k] = bias;
        s.weight[k] = weight;
    }
    return &s;
}

static struct rs_pool_problem problem_of(const struct world *w)
{
    return (struct rs_pool_problem){ .x = w->x,
                                     .stride = 1,
                                     .d = 1,
                                     .y = w->y,
                                     .row_weight = w->weight,
                                     .unit = w->unit,
                                     .cohort = w->cohort,
                                     .z = w->z,
                                     .n = w->n,
                                     .cohorts = w->cohorts,
                                     .n_cohorts = N_COHORTS };
}

/* Expected log loss of the model's risks under the true ones. */
static double expected_loss(const struct world *w, const struct rs_deltas *t)
{
    double loss = 0;
    for (size_t i = 0; i < w->n; i++) {
        double z = w->z[i] + rs_deltas_z(t, w->cohorts, w->cohort[i], w->x + i);
        loss += (z > 0 ? z + log1p(exp(-z)) : log1p(exp(z))) - w->truth[i] * z;
    }
    return loss / (double)w->n;
}

static double loss_at(const struct world *w, double kappa)
{
    rs_auto_deltas t = { 0 };
    struct rs_pool_problem p = problem_of(w);
    assert_int_equal(rs_pool_fit(&p, strength(kappa, INFINITY), &t, NULL), RS_OK);
    return expected_loss(w, &t);
}

/* On every one of ten worlds, the pull 1 / 0.8^2 (the true precision, about 1.6) beats none at all (1e-6: each cohort
 * by itself) and an infinite one (complete pooling). */
static void test_beats_both(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world w;
        make(&w, seed * 7919);
        double partial = loss_at(&w, 1.6), alone = loss_at(&w, 1e-6), pooled = loss_at(&w, INFINITY);
        assert_true(partial < alone);
        assert_true(partial < pooled);
        world_clear(&w);
    }
}

static double learn_bias(const struct rs_pool_problem *p, struct rs_deltas *t)
{
    struct rs_pool_strength s;
    assert_int_equal(rs_pool_learn(p, RS_POOL_BIAS, &s, t, NULL), RS_OK);
    assert_true(isinf(s.weight[0]) && isinf(s.bias[1]));
    return s.bias[0];
}

/* The spread that the cohorts were drawn with comes out of sixty of them to its sampling error, 0.8 / sqrt(2 x 60) =
 * 0.07 and what the rows add, and the deltas under it beat both extremes. Without a spread, chance shows one whose
 * square is of the size of its standard error, (1 / 7.8) sqrt(2 / 60), 7.8 being the information of a cohort: 0.15, and
 * less than 0.33. */
static void test_learns_the_spread(void **unused)
{
    (void)unused;
    double sum = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world w;
        rs_auto_deltas t = { 0 }, none = { 0 };
        make(&w, seed * 7919);
        struct rs_pool_problem p = problem_of(&w);
        double sd = 1 / sqrt(learn_bias(&p, &t));
        assert_true(fabs(sd - SPREAD) < 0.3);
        sum += sd;
        assert_true(expected_loss(&w, &t) < loss_at(&w, 1e-6));
        assert_true(expected_loss(&w, &t) < loss_at(&w, INFINITY));
        world_clear(&w);
        make_spread(&w, 0, seed * 7919);
        p = problem_of(&w);
        assert_true(1 / sqrt(learn_bias(&p, &none)) < 0.33);
        world_clear(&w);
    }
    assert_true(fabs(sum / 10 - SPREAD) < 0.08);
}

/* Rows that tell of one failure count once: three copies of each within a horizon leave the answer where it was, under
 * a pull of three times the strength; beyond the horizon they are news. */
static void test_copies_are_no_news(void **unused)
{
    (void)unused;
    struct world w;
    rs_auto_deltas once = { 0 }, thrice = { 0 }, apart = { 0 };
    make(&w, 45);
    size_t n = w.n / 4; /* room for copies */
    rs_autofree int64_t *time = rs_alloc(3 * n, sizeof *time);
    rs_autofree uint32_t *rows = rs_alloc(3 * n, sizeof *rows);
    assert_non_null(time);
    assert_non_null(rows);
    struct rs_pool_problem p = problem_of(&w);
    p.n = n;
    double want = learn_bias(&p, &once);
    for (size_t i = 3 * n; i-- > 0;) {
        w.y[i] = w.y[i / 3];
        w.cohort[i] = w.cohort[i / 3];
        w.unit[i] = w.unit[i / 3];
        time[i] = (int64_t)(i % 3);
        rows[i] = (uint32_t)i;
    }
    p.n = 3 * n;
    p.rows = rows;
    p.time = time;
    p.horizon_s = 3;
    assert_true(fabs(learn_bias(&p, &thrice) / want - 3) < 1e-6);
    assert_int_equal(thrice.n, once.n);
    for (uint32_t i = 0; i < once.n; i++)
        assert_true(fabs(thrice.of[i].bias - once.of[i].bias) < 1e-6);
    p.horizon_s = 1;
    assert_true(learn_bias(&p, &apart) < 2 * want);
    world_clear(&w);
}

/* Slopes that differ between cohorts by a standard deviation of 0.7 are seen to; the bias of none does. */
static void test_learns_slopes(void **unused)
{
    (void)unused;
    struct world w;
    rs_auto_deltas t = { 0 };
    struct rs_pool_strength s;
    uint64_t seed = 46;
    make_spread(&w, 0, seed);
    double slope[N_COHORTS];
    for (uint32_t c = 0; c < N_COHORTS; c++)
        slope[c] = 0.7 * normal(&seed);
    for (size_t i = 0; i < w.n; i++) {
        w.x[i] = (float)normal(&seed);
        w.z[i] = -1;
        w.y[i] = draw(&seed) < 1 / (1 + exp(1 - slope[w.cohort[i]] * (double)w.x[i]));
    }
    struct rs_pool_problem p = problem_of(&w);
    assert_int_equal(rs_pool_learn(&p, RS_POOL_WEIGHTS, &s, &t, NULL), RS_OK);
    assert_true(fabs(1 / sqrt(s.weight[0]) - 0.7) < 0.2); /* 0.7 / sqrt(2 x 60) = 0.06, and what the rows add */
    assert_true(1 / sqrt(s.bias[0]) < 0.2);
    world_clear(&w);
}

/* Without a pull a cohort's log odds are those of its own rows: ln(positive / negative). */
static void test_closed_form(void **unused)
{
    (void)unused;
    struct world w;
    make(&w, 42);
    rs_auto_deltas t = { 0 };
    struct rs_pool_problem p = problem_of(&w);
    assert_int_equal(rs_pool_fit(&p, strength(1e-9, INFINITY), &t, NULL), RS_OK);
    size_t checked = 0;
    for (uint32_t c = 1; c < N_COHORTS; c++) {
        double n[2] = { 0, 0 };
        for (size_t i = 0; i < w.n; i++)
            if (w.cohort[i] == c)
                n[w.y[i]]++;
        if (n[1] == 0)
            continue;
        double got = w.z[0] + t.of[t.index[c]].bias, want = log(n[1] / n[0]);
        assert_true(fabs(got - want) < 1e-6);
        checked++;
    }
    assert_true(checked > 40);
    world_clear(&w);
}

/* A child's delta is over its parent's: with one child that holds all rows of its parent, it has nothing to add. */
static void test_nested(void **unused)
{
    (void)unused;
    struct world w;
    make(&w, 43);
    for (size_t i = 0; i < w.n; i++)
        w.cohort[i] = w.cohort[i] == 1 ? 2 : 0;
    w.cohorts[2].parent = 1;
    rs_auto_deltas t = { 0 };
    struct rs_pool_problem p = problem_of(&w);
    p.n_cohorts = 3;
    assert_int_equal(rs_pool_fit(&p, strength(1e-9, INFINITY), &t, NULL), RS_OK);
    assert_int_equal(t.n, 2);
    assert_true(fabs(t.of[t.index[2]].bias) < 1e-6);
    assert_true(fabs(t.of[t.index[1]].bias) > 1e-3);
    double both = rs_deltas_z(&t, w.cohorts, 2, w.x);
    assert_true(fabs(both - t.of[0].bias - t.of[1].bias) < 1e-15);
    assert_true(rs_deltas_z(&t, w.cohorts, 0, w.x) == 0);
    world_clear(&w);
}

/* Weights of its own only for a cohort with ten failing entities, and of the right sign. */
static void test_weights(void **unused)
{
    (void)unused;
    struct world w;
    make(&w, 44);
    w.n = 400;
    for (size_t i = 0; i < w.n; i++) {
        w.cohort[i] = i < 300 ? 1 : 2;
        w.x[i] = i % 2 ? 1 : -1;
        w.y[i] = i < 300 ? i % 2 == 1 && i % 3 == 0 : i == 301;
        w.z[i] = -2;
    }
    rs_auto_deltas t = { 0 };
    struct rs_pool_problem p = problem_of(&w);
    p.n_cohorts = 3;
    assert_int_equal(rs_pool_fit(&p, strength(10, 1), &t, NULL), RS_OK);
    assert_non_null(t.of[t.index[1]].weight);
    assert_true(t.of[t.index[1]].weight[0] > 0.5);
    assert_null(t.of[t.index[2]].weight);
    world_clear(&w);
}

/* A column that tells the group gets no weight of a cohort's own: what is left is the biases alone. */
static void test_groups_have_no_weights(void **unused)
{
    (void)unused;
    struct world w;
    make(&w, 42);
    rs_auto_deltas with = { 0 }, alone = { 0 };
    struct rs_pool_problem p = problem_of(&w);
    const struct rs_step one_hot = { .op = RS_STEP_ONEHOT };
    assert_int_equal(rs_pool_fit(&p, strength(1.6, INFINITY), &alone, NULL), RS_OK);
    p.steps = &one_hot;
    assert_int_equal(rs_pool_fit(&p, strength(1.6, 10), &with, NULL), RS_OK);
    assert_int_equal(with.n, alone.n);
    for (uint32_t i = 0; i < with.n; i++)
        assert_true(with.of[i].weight == NULL && with.of[i].bias == alone.of[i].bias);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beats_both),
        cmocka_unit_test(test_learns_the_spread),
        cmocka_unit_test(test_copies_are_no_news),
        cmocka_unit_test(test_learns_slopes),
        cmocka_unit_test(test_closed_form),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_groups_have_no_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
