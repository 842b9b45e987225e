/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Platt's sigmoid on scores whose answer is known. */
#include "predictor/calibrate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Two score values with given shares of positives: the sigmoid passes through the (smoothed) shares. */
static size_t two_values(double *z, uint8_t *y, double low, size_t n_low, size_t pos_low, double high, size_t n_high,
                         size_t pos_high)
{
    for (size_t i = 0; i < n_low; i++) {
        z[i] = low;
        y[i] = i < pos_low;
    }
    for (size_t i = 0; i < n_high; i++) {
        z[n_low + i] = high;
        y[n_low + i] = i < pos_high;
    }
    return n_low + n_high;
}

static void test_passes_through_the_shares(void **unused)
{
    (void)unused;
    static double z[8000];
    static uint8_t y[8000];
    size_t n = two_values(z, y, -1.25, 5000, 150, 2.75, 3000, 1230);
    struct rs_platt c = rs_platt_fit(z, y, n, 1);
    double up = 1381.0 / 1382, down = 1.0 / 6622; /* C1 with N+ = 1380, N- = 6620 */
    assert_true(fabs(rs_platt_risk(&c, -1.25) - (150 * up + 4850 * down) / 5000) < 1e-9);
    assert_true(fabs(rs_platt_risk(&c, 2.75) - (1230 * up + 1770 * down) / 3000) < 1e-9);
}

static void test_weight_counts_copies(void **unused)
{
    (void)unused;
    static double z[2000], zz[8000];
    static uint8_t y[2000], yy[8000];
    size_t n = two_values(z, y, -0.5, 1200, 20, 1.5, 800, 90), nn = 0;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < (y[i] ? 1 : 4); k++) {
            zz[nn] = z[i];
            yy[nn++] = y[i];
        }
    struct rs_platt a = rs_platt_fit(z, y, n, 4), b = rs_platt_fit(zz, yy, nn, 1);
    assert_true(fabs(a.a - b.a) < 1e-7 && fabs(a.b - b.b) < 1e-7);
}

static void test_scores_that_tell_nothing(void **unused)
{
    (void)unused;
    double z[400];
    uint8_t y[400];
    size_t n = two_values(z, y, -1, 200, 60, 1, 200, 20); /* the wrong way round */
    struct rs_platt c = rs_platt_fit(z, y, n, 1);
    assert_true(c.a == 0);
    assert_true(fabs(rs_platt_risk(&c, 5) - 0.2) < 0.005);
    for (size_t i = 0; i < n; i++)
        z[i] = 3.5;
    c = rs_platt_fit(z, y, n, 1);
    assert_true(fabs(rs_platt_risk(&c, 3.5) - 0.2) < 0.005);
}

static void test_extremes_stay_finite(void **unused)
{
    (void)unused;
    double z[60];
    uint8_t y[60];
    size_t n = two_values(z, y, -700, 40, 0, 650, 20, 20); /* separated */
    struct rs_platt c = rs_platt_fit(z, y, n, 1);
    assert_true(isfinite(c.a) && isfinite(c.b) && c.a >= 0);
    assert_true(rs_platt_risk(&c, 650) > 0.9 && rs_platt_risk(&c, -700) < 0.1);
    assert_true(isfinite(rs_platt_loss(&c, -1e6, true)));
    for (size_t i = 0; i < n; i++)
        y[i] = 0;
    c = rs_platt_fit(z, y, n, 1); /* one class only */
    assert_true(isfinite(c.a) && isfinite(c.b));
    c = rs_platt_fit(z, y, 0, 1);
    assert_true(isfinite(c.a) && isfinite(c.b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_through_the_shares),
        cmocka_unit_test(test_weight_counts_copies),
        cmocka_unit_test(test_scores_that_tell_nothing),
        cmocka_unit_test(test_extremes_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
