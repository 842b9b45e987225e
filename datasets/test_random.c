/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "random.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The first outputs for the seed 1234567, as published with the algorithm's C code on rosettacode.org. */
static void splitmix64_gives_its_published_numbers(void **state)
{
    (void)state;
    static const uint64_t want[] = { 6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                     4593380528125082431u, 16408922859458223821u };
    uint64_t seed = 1234567;
    for (size_t i = 0; i < RS_LEN(want); i++)
        assert_true(rs_splitmix64(&seed) == want[i]);
}

/* The first outputs of the authors' C code for the state 1, 2, 3, 4; also the test of Rust's rand_xoshiro. */
static void xoshiro_gives_its_published_numbers(void **state)
{
    (void)state;
    static const uint64_t want[] = {
        11520u,
        0u,
        1509978240u,
        1215971899390074240u,
        1216172134540287360u,
        607988272756665600u,
        16172922978634559625u,
        8476171486693032832u,
        10595114339597558777u,
        2904607092377533576u,
    };
    struct rs_random r = { { 1, 2, 3, 4 } };
    for (size_t i = 0; i < RS_LEN(want); i++)
        assert_true(rs_random_next(&r) == want[i]);
}

static void streams_differ_by_seed_name_and_index_and_repeat(void **state)
{
    (void)state;
    struct rs_random a, b;
    static const struct {
        uint64_t seed;
        const char *name;
        uint64_t index;
    } others[] = { { 8, "host", 3 }, { 7, "hosu", 3 }, { 7, "host", 4 }, { 7, "hos", 3 }, { 7, "", 3 } };
    rs_random_stream(&a, 7, "host", 3);
    rs_random_stream(&b, 7, "host", 3);
    assert_memory_equal(&a, &b, sizeof a);
    for (size_t i = 0; i < RS_LEN(others); i++) {
        rs_random_stream(&b, others[i].seed, others[i].name, others[i].index);
        assert_memory_not_equal(&a, &b, sizeof a);
    }
}

#define DRAWS 200000

enum distribution { UNIFORM, NORMAL, EXPONENTIAL, POISSON_LOW, POISSON_HIGH, BELOW, LOG_OF_LOGNORMAL, LOG_OF_PARETO };

static double draw(struct rs_random *r, enum distribution d)
{
    switch (d) {
    case UNIFORM:
        return rs_random_uniform(r);
    case NORMAL:
        return rs_random_normal(r, 3.25, 1.5);
    case EXPONENTIAL:
        return rs_random_exponential(r, 2.75);
    case POISSON_LOW:
        return (double)rs_random_poisson(r, 0.85);
    case POISSON_HIGH:
        return (double)rs_random_poisson(r, 97.5);
    case BELOW:
        return (double)rs_random_below(r, 7);
    case LOG_OF_LOGNORMAL:
        return log(rs_random_lognormal(r, 5.5, 0.6));
    case LOG_OF_PARETO:
        return log(rs_random_pareto(r, 2.5, 1.6));
    }
    return NAN;
}

/* Means and variances from the distributions' closed forms; five standard errors are allowed, so that a fixed seed
 * passes by a wide margin and a lost factor does not. */
static void moments_are_those_of_the_distributions(void **state)
{
    (void)state;
    static const struct {
        enum distribution d;
        double mean, variance;
    } cases[] = {
        { UNIFORM, 0.5, 1.0 / 12 },
        { NORMAL, 3.25, 2.25 },
        { EXPONENTIAL, 2.75, 2.75 * 2.75 },
        { POISSON_LOW, 0.85, 0.85 },
        { POISSON_HIGH, 97.5, 97.5 },
        { BELOW, 3, 4 },                                 /* (7^2 - 1) / 12 */
        { LOG_OF_LOGNORMAL, 1.7047480922384253, 0.36 },  /* ln 5.5 */
        { LOG_OF_PARETO, 1.5412907318741551, 0.390625 }, /* ln 2.5 + 1 / 1.6; 1 / 1.6^2 */
    };
    for (size_t c = 0; c < RS_LEN(cases); c++) {
        struct rs_random r;
        rs_random_stream(&r, 11, "moments", c);
        double sum = 0, squares = 0;
        for (int i = 0; i < DRAWS; i++) {
            double x = draw(&r, cases[c].d) - cases[c].mean;
            sum += x;
            squares += x * x;
        }
        double error = sqrt(cases[c].variance / DRAWS);
        assert_true(fabs(sum / DRAWS) < 5 * error);
        assert_true(fabs(squares / DRAWS / cases[c].variance - 1) < 0.03);
    }
}

static void chance_and_bounds_hold_at_their_ends(void **state)
{
    (void)state;
    struct rs_random r;
    rs_random_stream(&r, 1, "ends", 0);
    for (int i = 0; i < 1000; i++) {
        double u = rs_random_uniform(&r);
        assert_true(u >= 0 && u < 1);
        assert_false(rs_random_chance(&r, 0));
        assert_true(rs_random_chance(&r, 1));
        assert_int_equal(rs_random_below(&r, 1), 0);
        assert_int_equal(rs_random_poisson(&r, 0), 0);
        assert_true(rs_random_pareto(&r, 3, 0.9) >= 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitmix64_gives_its_published_numbers),
        cmocka_unit_test(xoshiro_gives_its_published_numbers),
        cmocka_unit_test(streams_differ_by_seed_name_and_index_and_repeat),
        cmocka_unit_test(moments_are_those_of_the_distributions),
        cmocka_unit_test(chance_and_bounds_hold_at_their_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
