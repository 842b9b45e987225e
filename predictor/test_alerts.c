/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Alert budgets against a plain reading of docs/math.md E7 to E9 in Python 3.11 (sorting each day, sets of entities,
 * numpy.quantile over leads repeated by weight). */
#include "predictor/alerts.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Six days of seven entities; entity 4 reports twice a day, entity 3 fails twice. Horizon 2.5 days; entity 1 fails at
 * day 3.4, 3 at 2.2 and 5.1, 6 at 4.75. Columns: risk, day, unit, episode, lead_s. */
static const struct rs_alert_row rows[] = {
    { 0.393, 0, 0, RS_NO_EPISODE, -1 }, { 0.057, 1, 0, RS_NO_EPISODE, -1 }, { 0.138, 2, 0, RS_NO_EPISODE, -1 },
    { 0.214, 3, 0, RS_NO_EPISODE, -1 }, { 0.085, 4, 0, RS_NO_EPISODE, -1 }, { 0.319, 5, 0, RS_NO_EPISODE, -1 },
    { 0.058, 0, 1, RS_NO_EPISODE, -1 }, { 0.257, 1, 1, 0, 207360 },         { 0.315, 2, 1, 0, 120960 },
    { 0.263, 3, 1, 0, 34560 },          { 0.302, 4, 1, RS_NO_EPISODE, -1 }, { 0.168, 5, 1, RS_NO_EPISODE, -1 },
    { 0.112, 0, 2, RS_NO_EPISODE, -1 }, { 0.147, 1, 2, RS_NO_EPISODE, -1 }, { 0.269, 2, 2, RS_NO_EPISODE, -1 },
    { 0.207, 3, 2, RS_NO_EPISODE, -1 }, { 0.028, 4, 2, RS_NO_EPISODE, -1 }, { 0.137, 5, 2, RS_NO_EPISODE, -1 },
    { 0.294, 0, 3, 1, 190080 },         { 0.389, 1, 3, 1, 103680 },         { 0.381, 2, 3, 1, 17280 },
    { 0.446, 3, 3, 2, 181440 },         { 0.587, 4, 3, 2, 95040 },          { 0.519, 5, 3, 2, 8640 },
    { 0.167, 0, 4, RS_NO_EPISODE, -1 }, { 0.285, 0, 4, RS_NO_EPISODE, -1 }, { 0.33, 1, 4, RS_NO_EPISODE, -1 },
    { 0.222, 1, 4, RS_NO_EPISODE, -1 }, { 0.267, 2, 4, RS_NO_EPISODE, -1 }, { 0.147, 2, 4, RS_NO_EPISODE, -1 },
    { 0.176, 3, 4, RS_NO_EPISODE, -1 }, { 0.122, 3, 4, RS_NO_EPISODE, -1 }, { 0.12, 4, 4, RS_NO_EPISODE, -1 },
    { 0.341, 4, 4, RS_NO_EPISODE, -1 }, { 0.065, 5, 4, RS_NO_EPISODE, -1 }, { 0.046, 5, 4, RS_NO_EPISODE, -1 },
    { 0.201, 0, 5, RS_NO_EPISODE, -1 }, { 0.059, 1, 5, RS_NO_EPISODE, -1 }, { 0.147, 2, 5, RS_NO_EPISODE, -1 },
    { 0.058, 3, 5, RS_NO_EPISODE, -1 }, { 0.214, 4, 5, RS_NO_EPISODE, -1 }, { 0.227, 5, 5, RS_NO_EPISODE, -1 },
    { 0.073, 0, 6, RS_NO_EPISODE, -1 }, { 0.02, 1, 6, RS_NO_EPISODE, -1 },  { 0.005, 2, 6, RS_NO_EPISODE, -1 },
    { 0.365, 3, 6, 3, 151200 },         { 0.422, 4, 6, 3, 64800 },          { 0.086, 5, 6, RS_NO_EPISODE, -1 },
};
static const uint32_t unit_group[] = { 0, 1, 1, 2, 2, 0, 1 };
static const uint32_t group_parent[] = { 0, 0, 1 };
static const struct rs_alert_input input = {
    .rows = rows,
    .n_rows = RS_LEN(rows),
    .unit_group = unit_group,
    .n_units = RS_LEN(unit_group),
    .group_parent = group_parent,
    .n_groups = RS_LEN(group_parent),
    .n_episodes = 4,
    .budgets = { 0.07, 0.45 },
    .n_budgets = 2,
};

/* Group after group, budget after budget; columns as in struct rs_alert_stats. */
static const struct rs_alert_stats want_plain[] = {
    { 3, 1, 0.27272727272727271, 1, 0.33333333333333331, 0, 123120, 142560, 162000 },
    { 21, 0.52380952380952384, 1, 3, 1, 214.28571428571428, 173880, 185760, 194400 },
    { 3, 1, 0.27272727272727271, 1, 0.33333333333333331, 0, 123120, 142560, 162000 },
    { 17, 0.6470588235294118, 1, 3, 1, 166.66666666666666, 173880, 185760, 194400 },
    { 3, 1, 0.5, 1, 1, 0, 123120, 142560, 162000 },
    { 10, 0.59999999999999998, 1, 1, 1, 250, 183600, 185760, 187920 },
};
static const uint32_t weights[] = { 2, 1, 0, 3, 1, 0, 2 };
static const struct rs_alert_stats want_weighted[] = {
    { 6, 1, 0.23999999999999999, 3, 0.5, 0, 8640, 56160, 103680 },
    { 28, 0.8214285714285714, 0.92000000000000004, 6, 1, 92.592592592592581, 151200, 181440, 190080 },
    { 6, 1, 0.23999999999999999, 3, 0.5, 0, 8640, 56160, 103680 },
    { 24, 0.95833333333333337, 0.92000000000000004, 6, 1, 23.809523809523807, 151200, 181440, 190080 },
    { 6, 1, 0.33333333333333331, 3, 1, 0, 8640, 56160, 103680 },
    { 19, 0.94736842105263153, 1, 3, 1, 41.666666666666664, 181440, 185760, 190080 },
};

#define MEMBERS (sizeof(struct rs_alert_stats) / sizeof(double))

static void check(const struct rs_alert_input *in, const uint32_t *weight, const struct rs_alert_stats *want, size_t n)
{
    RS_AUTO(rs_alerts) *a = NULL;
    RS_AUTO(rs_alerts_ws) *ws = NULL;
    assert_int_equal(rs_alerts_new(in, &a, NULL), RS_OK);
    assert_int_equal(rs_alerts_ws_new(a, &ws, NULL), RS_OK);
    struct rs_alert_stats got[8];
    rs_alerts_measure(a, ws, weights, got); /* leaves traces in the scratch memory, which must not matter */
    rs_alerts_measure(a, ws, weight, got);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < MEMBERS; k++) {
            double g = ((const double *)&got[i])[k], w = ((const double *)&want[i])[k];
            if (!(isnan(w) ? isnan(g) : fabs(g - w) <= 1e-13 * RS_MAX(1, w)))
                fail_msg("group %zu budget %zu member %zu: %.17g, want %.17g", i / 2, i % 2, k, g, w);
        }
}

static void test_values(void **state)
{
    (void)state;
    check(&input, NULL, want_plain, RS_LEN(want_plain));
}

static void test_weights(void **state)
{
    (void)state;
    check(&input, weights, want_weighted, RS_LEN(want_weighted));
}

/* A budget below one row a day saves up: 0.07 of 48 rows is 3 alerts in all, none of them on the first day. */
static void test_small_budget_carries_over(void **state)
{
    (void)state;
    struct rs_alert_input day = input;
    day.n_rows = 0;
    struct rs_alert_row first_day[RS_LEN(rows)];
    for (size_t i = 0; i < RS_LEN(rows); i++)
        if (rows[i].day == 0)
            first_day[day.n_rows++] = rows[i];
    day.rows = first_day;
    day.budgets[1] = 0.13; /* 8 rows: 1.04 */
    RS_AUTO(rs_alerts) *a = NULL;
    RS_AUTO(rs_alerts_ws) *ws = NULL;
    assert_int_equal(rs_alerts_new(&day, &a, NULL), RS_OK);
    assert_int_equal(rs_alerts_ws_new(a, &ws, NULL), RS_OK);
    struct rs_alert_stats got[6];
    rs_alerts_measure(a, ws, NULL, got);
    assert_true(got[0].alerts == 0 && isnan(got[0].precision) && got[0].recall == 0 && isnan(got[0].lead_median_s));
    assert_true(got[1].alerts == 1 && got[1].precision == 0 && got[1].false_alarms == 1000.0 / 7);
}

/* Where only labels are known, failures are caught but nobody knows how early. */
static void test_labels_without_times(void **state)
{
    (void)state;
    static const struct rs_alert_row labelled[] = { { 0.9, 0, 0, 0, RS_NO_LEAD },
                                                    { 0.8, 0, 1, RS_NO_EPISODE, RS_NO_LEAD },
                                                    { 0.1, 0, 2, RS_NO_EPISODE, RS_NO_LEAD } };
    struct rs_alert_input in = input;
    in.rows = labelled;
    in.n_rows = RS_LEN(labelled);
    in.n_units = 3;
    in.n_episodes = 1;
    in.budgets[0] = 0.34; /* 1.02 rows */
    in.n_groups = in.n_budgets = 1;
    static const uint32_t top[] = { 0, 0, 0 };
    in.unit_group = top;
    RS_AUTO(rs_alerts) *a = NULL;
    RS_AUTO(rs_alerts_ws) *ws = NULL;
    assert_int_equal(rs_alerts_new(&in, &a, NULL), RS_OK);
    assert_int_equal(rs_alerts_ws_new(a, &ws, NULL), RS_OK);
    struct rs_alert_stats got;
    rs_alerts_measure(a, ws, NULL, &got);
    assert_true(got.caught == 1 && got.precision == 1 && got.recall == 1 && got.entity_recall == 1 &&
                got.false_alarms == 0);
    assert_true(isnan(got.lead_q1_s) && isnan(got.lead_median_s) && isnan(got.lead_q3_s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_small_budget_carries_over),
        cmocka_unit_test(test_labels_without_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
