/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folds share no entity, and no row trains whose horizon reaches past the date at which validation begins. */
#include "predictor/folds.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/clock.h"

#define DAY RS_DAY_S
#define H (7 * DAY)
#define N_UNITS 400
#define N_DAYS 60

/* 400 entities, sampled daily; every tenth fails on a day of its own and has seven positive rows before. */
static void make(struct rs_matrix *m, size_t days)
{
    *m = (struct rs_matrix){ .n_units = N_UNITS, .tally = { .first = 0, .last = (int64_t)(days - 1) * DAY } };
    m->y = rs_alloc(N_UNITS * days, 1);
    m->time = rs_alloc(N_UNITS * days, sizeof *m->time);
    m->unit = rs_alloc(N_UNITS * days, sizeof *m->unit);
    m->unit_hash = rs_alloc(N_UNITS, sizeof *m->unit_hash);
    m->unit_fails = rs_alloc(N_UNITS, sizeof *m->unit_fails);
    for (uint32_t u = 0; u < N_UNITS; u++) {
        size_t fails_on = u % 10 == 3 ? 8 + u % (days > 10 ? days - 10 : 1) : SIZE_MAX;
        m->unit_hash[u] = (u + 1) * 0x9e3779b97f4a7c15u;
        for (size_t day = 0; day < days && day < fails_on; day++) {
            m->y[m->n] = fails_on != SIZE_MAX && fails_on - day <= 7;
            m->unit_fails[u] |= m->y[m->n];
            m->n_positive += m->y[m->n];
            m->time[m->n] = (int64_t)day * DAY;
            m->unit[m->n++] = u;
        }
        m->n_failing += m->unit_fails[u];
    }
    m->tally.n_rows = m->n;
    m->tally.n_entities = N_UNITS;
}

static void test_no_leak(void **unused)
{
    (void)unused;
    rs_auto_matrix m = { 0 };
    rs_auto_folds f = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    make(&m, N_DAYS);
    assert_int_equal(rs_folds_make(&m, H, NULL, &f, &err), RS_OK);
    assert_true(f.has_cut && f.n_train_failing >= 10 && f.n_valid_failing >= 10);
    size_t failing[RS_FOLDS] = { 0 };
    for (uint32_t u = 0; u < N_UNITS; u++)
        failing[f.of_unit[u]] += m.unit_fails[u];
    for (unsigned k = 0; k < RS_FOLDS; k++) {
        size_t n_train = 0, n_valid = 0;
        assert_int_equal(failing[k], 8); /* 40 dealt out to five */
        for (size_t i = 0; i < m.n; i++) {
            bool trains = rs_fold_trains(&f, f.of_unit[m.unit[i]], m.time[i], k, H),
                 validates = rs_fold_validates(&f, f.of_unit[m.unit[i]], m.time[i], k);
            assert_false(trains && validates);
            assert_true(!trains || (f.of_unit[m.unit[i]] != k && m.time[i] + H <= f.cut));
            assert_true(!validates || (f.of_unit[m.unit[i]] == k && m.time[i] >= f.cut));
            n_train += trains;
            n_valid += validates;
        }
        assert_true(n_train > 1000 && n_valid > 300);
    }
}

static void test_snapshot_has_no_date(void **unused)
{
    (void)unused;
    rs_auto_matrix m = { 0 };
    rs_auto_folds f = { 0 };
    make(&m, 1);
    for (uint32_t u = 0; u < N_UNITS; u++) { /* one row each; every tenth positive */
        m.y[u] = u % 10 == 3;
        m.unit_fails[u] = m.y[u];
    }
    m.n_positive = m.n_failing = N_UNITS / 10;
    assert_int_equal(rs_folds_make(&m, H, NULL, &f, NULL), RS_OK);
    assert_false(f.has_cut);
    assert_string_equal(f.why_no_cut, "a snapshot: about one row an entity");
    rs_auto_folds thinned = { 0 };
    m.tally.n_rows = 60 * N_UNITS; /* a history of which one row an entity was kept */
    assert_int_equal(rs_folds_make(&m, H, NULL, &thinned, NULL), RS_OK);
    assert_false(thinned.why_no_cut && rs_streq(thinned.why_no_cut, f.why_no_cut));
    for (unsigned k = 0; k < RS_FOLDS; k++)
        for (size_t i = 0; i < m.n; i++)
            assert_true(rs_fold_trains(&f, f.of_unit[m.unit[i]], m.time[i], k, H) !=
                        rs_fold_validates(&f, f.of_unit[m.unit[i]], m.time[i], k));
}

static void test_too_few(void **unused)
{
    (void)unused;
    rs_auto_matrix m = { 0 };
    rs_auto_folds f = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    make(&m, N_DAYS);
    m.n_failing = 1;
    assert_int_equal(rs_folds_make(&m, H, NULL, &f, &err), RS_ENODATA);
    assert_string_equal(err.msg,
                        "1 entities fail within the horizon, at least 2 needed: give a longer history, a longer "
                        "horizon, or more entities");
    m.n_failing = 40;
    m.n_positive = m.n;
    assert_int_equal(rs_folds_make(&m, H, NULL, &f, &err), RS_ENODATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_leak),
        cmocka_unit_test(test_snapshot_has_no_date),
        cmocka_unit_test(test_too_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
