/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Distances, exponentials and sums of a radial kernel, many rows at a time. See rbf_private.h. */
#include "predictor/rbf_private.h"

#include <math.h>

#include "common/each_unit.h"

enum rs_status rbf_tiles_new(size_t n, size_t d, struct rbf_tiles *out, struct rs_error *err)
{
    size_t n_tiles = (n + RBF_LANES - 1) / RBF_LANES, cells;
    float *x = NULL;
    if (rs_mul_size(n_tiles * RBF_LANES, d, &cells))
        x = rs_alloc(cells, sizeof *x);
    if (!x)
        return rs_error_set(err, RS_ENOMEM, "RBF machine: %zu rows of %zu features: out of memory", n, d);
    *out = (struct rbf_tiles){ n, n_tiles, d, x };
    return RS_OK;
}

void rbf_tiles_put(struct rbf_tiles *t, size_t i, const float *row)
{
    float *to = t->x + i / RBF_LANES * t->d * RBF_LANES + i % RBF_LANES;
    for (size_t k = 0; k < t->d; k++)
        to[k * RBF_LANES] = row[k];
}

void rbf_tiles_clear(struct rbf_tiles *t)
{
    free(t->x);
    *t = (struct rbf_tiles){ 0 };
}

RS_EACH_UNIT void rbf_distances(const struct rbf_tiles *t, const float *restrict x, float *restrict out)
{
    const float *tile = t->x;
    for (size_t i = 0; i < t->n_tiles; i++, tile += t->d * RBF_LANES) {
        float sum[RBF_LANES] = { 0 };
        for (size_t k = 0; k < t->d; k++)
            for (size_t l = 0; l < RBF_LANES; l++) {
                float diff = x[k] - tile[k * RBF_LANES + l];
                sum[l] += diff * diff;
            }
        memcpy(out + i * RBF_LANES, sum, sizeof sum);
    }
}

RS_EACH_UNIT void rbf_products(const struct rbf_tiles *t, const float *restrict x, double *restrict out)
{
    const float *tile = t->x;
    for (size_t i = 0; i < t->n_tiles; i++, tile += t->d * RBF_LANES) {
        double sum[RBF_LANES] = { 0 };
        for (size_t k = 0; k < t->d; k++)
            for (size_t l = 0; l < RBF_LANES; l++)
                sum[l] += (double)x[k] * (double)tile[k * RBF_LANES + l];
        memcpy(out + i * RBF_LANES, sum, sizeof sum);
    }
}

/* e^x for x <= 0 without a branch: 2^n times the Taylor sum of the rest, which is at most ln(2)/2. */
static inline float exp_below(float x)
{
    x = x < -87.0f ? -87.0f : x;
    float shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: the sum is rounded to a whole number */
    float n = shifted - 12582912.0f;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    union {
        int32_t bits;
        float value;
    } scale = { .bits = ((int32_t)n + 127) << 23 };
    return p * scale.value;
}

RS_EACH_UNIT void rbf_exp(const float *restrict distance, size_t n, float gamma, float *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = exp_below(-gamma * distance[i]);
}

RS_EACH_UNIT double rbf_dot(const double *restrict coef, const float *restrict k, size_t n)
{
    double lane[RBF_LANES] = { 0 }, sum = 0;
    for (size_t i = 0; i < n; i += RBF_LANES)
        for (size_t l = 0; l < RBF_LANES; l++)
            lane[l] += coef[i + l] * (double)k[i + l];
    for (size_t l = 0; l < RBF_LANES; l++)
        sum += lane[l];
    return sum;
}
