/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rows of tests/sklearn_figures.py, which made the expected values of the tests: scores on a grid of 1/16, labels
 * by a logistic law of them, negatives with weights 1, 3.25 and 5.5. */
#ifndef RS_PREDICTOR_TEST_ROWS_H
#define RS_PREDICTOR_TEST_ROWS_H

#include <math.h>
#include <stdint.h>

#define TEST_ROWS 400

struct test_rows {
    double z[TEST_ROWS], weight[TEST_ROWS];
    uint8_t y[TEST_ROWS];
};

static inline double test_rows_draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 40) / 16777216.0;
}

static inline void test_rows_make(struct test_rows *r)
{
    uint64_t state = 20240229;
    for (int i = 0; i < TEST_ROWS; i++) {
        r->z[i] = floor(16 * (6 * test_rows_draw(&state) - 4)) / 16;
        r->y[i] = test_rows_draw(&state) < 1 / (1 + exp(-(1.3 * r->z[i] - 0.4)));
        r->weight[i] = r->y[i] ? 1 : 1 + 2.25 * floor(3 * test_rows_draw(&state));
    }
}

#endif
