/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The evaluation as a whole: cohorts nest, intervals cover, one class is refused, the seed decides the intervals. */
#include "predictor/evaluate.c"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char *name(const char *s)
{
    return strdup(s);
}

/* all > model=A > model=A fw=1, all > model=B; no steps are needed to evaluate. */
static struct rs_cohort cohorts[4];
static struct rs_program program = { .cohorts = cohorts, .n_cohorts = RS_LEN(cohorts) };

static int make_cohorts(void **state)
{
    (void)state;
    cohorts[0] = (struct rs_cohort){ .name = name("all") };
    cohorts[1] = (struct rs_cohort){ .parent = 0, .name = name("model=A") };
    cohorts[2] = (struct rs_cohort){ .parent = 1, .name = name("model=A fw=1") };
    cohorts[3] = (struct rs_cohort){ .parent = 0, .name = name("model=B") };
    return 0;
}

static int drop_cohorts(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_LEN(cohorts); i++)
        free(cohorts[i].name);
    return 0;
}

static const struct rs_eval_options options = {
    .budgets = { 0.01, 0.1 },
    .n_budgets = 2,
    .n_bins = 4,
    .n_replicates = 300,
    .seed = 11,
    .min_failing = 5,
    .coverage = 0.95,
    .is_quiet = true,
};

#define DAYS 12
#define HORIZON_DAYS 3

/* 240 entities, each twentieth of which fails; its risk is raised before. Entity i is of cohort 1, 2 or 3 by i % 3. */
static void fill_fleet(rs_eval *e)
{
    uint64_t random = 1;
    for (uint64_t i = 0; i < 240; i++)
        for (int64_t d = 0; d < DAYS; d++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            double noise = (double)(random >> 11) / 9007199254740992.0;
            int64_t fails = i % 20 == 0 ? 8 * RS_DAY_S + (int64_t)i * 60 : RS_TIME_NONE;
            int64_t t = d * RS_DAY_S;
            bool is_positive = fails != RS_TIME_NONE && fails > t && fails - t <= HORIZON_DAYS * RS_DAY_S;
            struct rs_eval_sample s = {
                .entity = i,
                .cohort = 1 + (uint32_t)(i % 3),
                .time = t,
                .risk = is_positive ? 0.3 + 0.5 * noise : 0.4 * noise,
                .label = fails != RS_TIME_NONE && t >= fails ? -1 : is_positive,
                .failure = fails,
            };
            assert_int_equal(rs_eval_add(e, &s, NULL), RS_OK);
        }
}

static struct rs_evaluation *measured(const struct rs_eval_options *opt)
{
    RS_AUTO(rs_eval) *e = NULL;
    struct rs_evaluation *ev = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_eval_new(&program, &e, &err), RS_OK);
    fill_fleet(e);
    if (rs_eval_measure(e, opt, &ev, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return ev;
}

static void test_counts_and_cohorts(void **state)
{
    (void)state;
    RS_AUTO_STRUCT(rs_evaluation) *ev = measured(&options);
    assert_int_equal(ev->n_samples, 240 * DAYS);
    assert_int_equal(ev->n_rows,
                     240 * DAYS - 12 * 3 - 1); /* 12 fail; entity 0 at day 8 sharp, so that it loses 4 days */
    assert_int_equal(ev->n_entities, 240);
    /* Each cohort has 80 entities, 4 of them failing; cohort 1 holds cohort 2 too. Below 5: 2 and 3. */
    assert_int_equal(ev->n_groups, 2);
    assert_int_equal(ev->n_cohorts_left_out, 2);
    assert_int_equal(ev->groups[0].n_failing, 12);
    assert_int_equal(ev->groups[1].cohort, 1);
    assert_int_equal(ev->groups[1].n_entities, 160);
    assert_int_equal(ev->groups[1].n_failing, 8);
    assert_true(ev->groups[0].value.m.positives == 12 * HORIZON_DAYS);
    assert_true(ev->groups[1].value.m.positives == 8 * HORIZON_DAYS);
}

/* Every statistic of the pool equals what the parts yield when asked directly. */
static void test_values_are_those_of_the_parts(void **state)
{
    (void)state;
    RS_AUTO_STRUCT(rs_evaluation) *ev = measured(&options);
    const struct rs_eval_stats *v = &ev->groups[0].value;
    assert_true(v->m.roc_auc > 0.95 && v->m.roc_auc < 1);
    assert_true(v->alerts[1].entity_recall == 1 && v->alerts[1].caught == 12);
    assert_true(v->alerts[1].lead_median_s > 2 * (double)RS_DAY_S && v->alerts[1].lead_q3_s <= 3 * (double)RS_DAY_S);
    assert_int_equal(ev->groups[0].bins.n, 4);
    double rows = 0;
    for (size_t b = 0; b < 4; b++)
        rows += ev->groups[0].bin[b].rows;
    assert_true(rows == (double)ev->n_rows);
}

static void test_intervals_hold_the_values(void **state)
{
    (void)state;
    RS_AUTO_STRUCT(rs_evaluation) *ev = measured(&options);
    for (size_t g = 0; g < ev->n_groups; g++) {
        const struct rs_eval_group *x = &ev->groups[g];
        assert_true(x->low.m.roc_auc < x->value.m.roc_auc && x->value.m.roc_auc < x->high.m.roc_auc);
        assert_true(x->low.m.brier < x->value.m.brier && x->value.m.brier < x->high.m.brier);
        assert_true(x->low.m.slope < x->value.m.slope && x->value.m.slope < x->high.m.slope);
        assert_true(x->low.observed[0] < x->value.observed[0] && x->value.observed[0] < x->high.observed[0]);
    }
}

static void test_seed_decides(void **state)
{
    (void)state;
    struct rs_eval_options other = options;
    other.seed = 12;
    RS_AUTO_STRUCT(rs_evaluation) *a = measured(&options);
    RS_AUTO_STRUCT(rs_evaluation) *b = measured(&options);
    RS_AUTO_STRUCT(rs_evaluation) *c = measured(&other);
    assert_memory_equal(&a->groups[0].low, &b->groups[0].low, sizeof a->groups[0].low);
    assert_true(a->groups[0].low.m.roc_auc != c->groups[0].low.m.roc_auc);
    assert_true(a->groups[0].value.m.roc_auc == c->groups[0].value.m.roc_auc);
}

/* Measures the fleet under two models; the second one's risks are changed by fn. */
static struct rs_evaluation *compared(double (*fn)(double risk, int label))
{
    RS_AUTO(rs_eval) *e = NULL;
    struct rs_evaluation *ev = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_eval_new(&program, &e, &err), RS_OK);
    fill_fleet(e);
    for (size_t i = 0; i < e->n_rows; i++) {
        const struct rs_alert_row *r = &e->rows[i];
        struct rs_eval_sample s = { .entity = e->units[r->unit].entity,
                                    .time = r->day * RS_DAY_S,
                                    .label = r->episode != RS_NO_EPISODE,
                                    .risk = fn(r->risk, r->episode != RS_NO_EPISODE) };
        assert_int_equal(rs_eval_add_other(e, &s, &err), RS_OK);
    }
    if (rs_eval_measure(e, &options, &ev, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return ev;
}

static double same(double risk, int label)
{
    (void)label;
    return risk;
}

/* Positives keep a quarter of their risk, negatives half: ranked worse, and all too low. */
static double worse(double risk, int label)
{
    return label ? risk / 4 : risk / 2;
}

static void test_a_model_against_itself(void **state)
{
    (void)state;
    RS_AUTO_STRUCT(rs_evaluation) *ev = compared(same);
    assert_true(ev->is_compared);
    for (size_t g = 0; g < ev->n_groups; g++) {
        const struct rs_eval_group *x = &ev->groups[g];
        assert_true(x->difference.m.roc_auc == 0 && x->difference_low.m.roc_auc == 0 &&
                    x->difference_high.m.roc_auc == 0);
        assert_true(x->difference.m.log_loss == 0 && x->difference_high.m.log_loss == 0);
        assert_true(x->difference.alerts[1].recall == 0 && x->difference_high.alerts[1].false_alarms == 0);
        assert_true(x->other.m.brier == x->value.m.brier);
    }
}

static void test_a_worse_model(void **state)
{
    (void)state;
    RS_AUTO_STRUCT(rs_evaluation) *ev = compared(worse);
    RS_AUTO_STRUCT(rs_evaluation) *alone = measured(&options);
    const struct rs_eval_group *x = &ev->groups[0];
    assert_true(x->difference.m.roc_auc == x->value.m.roc_auc - x->other.m.roc_auc);
    assert_true(x->difference_low.m.roc_auc > 0 && x->difference_low.alerts[0].recall > 0);
    assert_true(x->difference_low.m.roc_auc < x->difference.m.roc_auc &&
                x->difference.m.roc_auc < x->difference_high.m.roc_auc);
    assert_true(isnan(x->difference.observed[0]) && isnan(x->difference_low.observed[0]));
    /* the first model's figures are those without a second one, to the bit */
    assert_memory_equal(&x->value, &alone->groups[0].value, sizeof x->value);
    assert_memory_equal(&x->low, &alone->groups[0].low, sizeof x->low);
    assert_true(ev->curves.roc.n > 2 && ev->other_curves.roc.n > 2 && ev->curves.leads[1].n > 2);
}

static void test_another_order_is_refused(void **state)
{
    (void)state;
    RS_AUTO(rs_eval) *e = NULL;
    struct rs_evaluation *ev = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_eval_new(&program, &e, &err), RS_OK);
    fill_fleet(e);
    struct rs_eval_sample s = { .entity = 3, .time = 0, .risk = 0.5 };
    assert_int_equal(rs_eval_add_other(e, &s, &err), RS_EINVAL);
    assert_string_equal(err.msg, "labelled row 0 is another one under the second model");
    assert_int_equal(rs_eval_measure(e, &options, &ev, &err), RS_EINVAL);
    assert_non_null(strstr(err.msg, "the second model has 0 labelled rows"));
}

/* E12, E15: cohorts that the program does not nest further are strata of their own; the error lies between the mean
 * error, which cannot be larger, and 1. */
static void test_within_and_calibration_error(void **state)
{
    (void)state;
    RS_AUTO_STRUCT(rs_evaluation) *ev = measured(&options);
    const struct rs_eval_stats *v = &ev->groups[0].value;
    assert_true(v->within_roc_auc > 0.95 && v->within_roc_auc < 1 && v->within_roc_auc != v->m.roc_auc);
    assert_true(v->within_average_precision >= v->m.average_precision);
    double sum = 0;
    for (size_t b = 0; b < ev->groups[0].bins.n; b++)
        sum += ev->groups[0].bin[b].rows * fabs(ev->groups[0].bin[b].mean_risk - ev->groups[0].bin[b].observed);
    assert_true(fabs(v->calibration_error - sum / (double)ev->n_rows) < 1e-15);
    assert_true(v->calibration_error >= fabs(v->m.mean_risk - v->m.base_rate) - 1e-12);
}

static void test_without_resampling(void **state)
{
    (void)state;
    struct rs_eval_options opt = options;
    opt.n_replicates = 0;
    RS_AUTO_STRUCT(rs_evaluation) *ev = measured(&opt);
    assert_true(isnan(ev->groups[0].low.m.roc_auc) && isnan(ev->groups[1].high.alerts[0].recall));
}

static void test_one_class(void **state)
{
    (void)state;
    RS_AUTO(rs_eval) *e = NULL;
    struct rs_evaluation *ev = NULL;
    struct rs_error err = RS_ERROR_INIT;
    assert_int_equal(rs_eval_new(&program, &e, &err), RS_OK);
    struct rs_eval_sample s = { .time = 5, .risk = 0.1, .label = -1, .failure = RS_TIME_NONE };
    assert_int_equal(rs_eval_add(e, &s, &err), RS_OK);
    assert_int_equal(rs_eval_measure(e, &options, &ev, &err), RS_ENODATA);
    assert_non_null(strstr(err.msg, "none of the 1 samples has a label"));
    s.label = 0;
    assert_int_equal(rs_eval_add(e, &s, &err), RS_OK);
    assert_int_equal(rs_eval_measure(e, &options, &ev, &err), RS_ENODATA);
    assert_string_equal(err.msg, "all 1 labelled samples are negative: both classes are needed");
}

static void test_days_before_1970(void **state)
{
    (void)state;
    assert_int_equal(day_of(0), 0);
    assert_int_equal(day_of(RS_DAY_S - 1), 0);
    assert_int_equal(day_of(-1), -1);
    assert_int_equal(day_of(-RS_DAY_S), -1);
    assert_int_equal(day_of(-RS_DAY_S - 1), -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_cohorts),        cmocka_unit_test(test_values_are_those_of_the_parts),
        cmocka_unit_test(test_intervals_hold_the_values), cmocka_unit_test(test_seed_decides),
        cmocka_unit_test(test_without_resampling),        cmocka_unit_test(test_one_class),
        cmocka_unit_test(test_a_model_against_itself),    cmocka_unit_test(test_a_worse_model),
        cmocka_unit_test(test_another_order_is_refused),  cmocka_unit_test(test_within_and_calibration_error),
        cmocka_unit_test(test_days_before_1970),
    };
    return cmocka_run_group_tests(tests, make_cohorts, drop_cohorts);
}
