/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ranks within cohorts: a case by hand, weights as copies, and a model that knows only the cohort. */
#include "predictor/strata.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Seven rows of seven units; stratum 1 is empty. */
static const double risk[] = { 0.9, 0.5, 0.5, 0.1, 0.8, 0.3, 0.3 };
static const uint8_t label[] = { 0, 1, 0, 0, 1, 0, 1 };
static const uint32_t unit[] = { 0, 1, 2, 3, 4, 5, 6 };
static const uint32_t stratum[] = { 0, 0, 0, 0, 2, 2, 2 };

/* By hand. Stratum 0: one positive against 0.9 (lost), 0.5 (half), 0.1 (won): 1.5 of 3; precision there 1/3.
 * Stratum 2: 0.8 beats 0.3, and 0.3 ties: 1.5 of 2; precisions 1 and 2/3. */
static void test_by_hand(void **unused)
{
    (void)unused;
    RS_AUTO_STRUCT(rs_strata) *s = NULL;
    assert_int_equal(rs_strata_new(risk, label, unit, 7, stratum, 3, &s, NULL), RS_OK);
    struct rs_rank_sums sums[3], all = { 0 };
    rs_strata_measure(s, NULL, sums);
    for (size_t k = 0; k < 3; k++)
        rs_rank_sums_add(&all, &sums[k]);
    assert_true(sums[0].pairs == 3 && sums[0].pairs_won == 1.5 && fabs(sums[0].precision_sum - 1.0 / 3) < 1e-15);
    assert_true(sums[2].pairs == 2 && sums[2].pairs_won == 1.5 && fabs(sums[2].precision_sum - 5.0 / 3) < 1e-15);
    assert_true(isnan(rs_rank_sums_auc(&sums[1])) && isnan(rs_rank_sums_ap(&sums[1])));
    assert_true(fabs(rs_rank_sums_auc(&all) - 3.0 / 5) < 1e-15);
    assert_true(fabs(rs_rank_sums_ap(&all) - 2.0 / 3) < 1e-15);
}

/* A weight of k is k copies: pairs grow by products, the precision at a tie by sums. By hand for stratum 2 with weights
 * 1, 2, 3 of its units: pairs (1 + 3) 2 = 8, won 2 + 3 = 5; precisions 1 once, 4/6 three times. */
static void test_weights(void **unused)
{
    (void)unused;
    static const uint32_t weight[] = { 1, 1, 1, 1, 1, 2, 3 };
    RS_AUTO_STRUCT(rs_strata) *s = NULL;
    assert_int_equal(rs_strata_new(risk, label, unit, 7, stratum, 3, &s, NULL), RS_OK);
    struct rs_rank_sums sums[3];
    rs_strata_measure(s, weight, sums);
    assert_true(sums[2].positives == 4 && sums[2].pairs == 8 && sums[2].pairs_won == 5);
    assert_true(fabs(sums[2].precision_sum - 3) < 1e-15);
}

/* Risks that only tell the cohorts apart rank nothing within them: exactly one half, though over all they rank well. */
static void test_cohort_alone_ranks_nothing(void **unused)
{
    (void)unused;
    static double p[600];
    static uint8_t y[600];
    static uint32_t u[600], of[600];
    for (uint32_t i = 0; i < 600; i++) {
        of[i] = i % 2;
        u[i] = i;
        p[i] = i % 2 ? 0.4 : 0.02;
        y[i] = i % 2 ? i % 3 == 0 : i % 100 == 0;
    }
    static const uint32_t one[600];
    RS_AUTO_STRUCT(rs_strata) *within = NULL, *pooled = NULL;
    assert_int_equal(rs_strata_new(p, y, u, 600, of, 2, &within, NULL), RS_OK);
    assert_int_equal(rs_strata_new(p, y, u, 600, one, 1, &pooled, NULL), RS_OK);
    struct rs_rank_sums sums[2];
    rs_strata_measure(within, NULL, sums);
    rs_rank_sums_add(&sums[0], &sums[1]);
    assert_true(rs_rank_sums_auc(&sums[0]) == 0.5);
    rs_strata_measure(pooled, NULL, sums);
    assert_true(rs_rank_sums_auc(&sums[0]) > 0.75);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_cohort_alone_ranks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
