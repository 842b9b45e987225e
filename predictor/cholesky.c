/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Four rows at a time against each row above them; see cholesky.h. */
#include "predictor/cholesky.h"

#include <math.h>

#include "common/each_unit.h"

#define INLINE static inline __attribute__((always_inline))

#define LANES 4
#define ROWS 4

typedef double quad __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double)), may_alias));

INLINE double across(quad v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

INLINE double dot(const double *a, const double *b, size_t n)
{
    quad s = { 0 };
    size_t k = 0;
    for (; k + LANES <= n; k += LANES)
        s += *(const quad *)(a + k) * *(const quad *)(b + k);
    double sum = across(s);
    for (; k < n; k++)
        sum += a[k] * b[k];
    return sum;
}

/* out[r] := the dot product of row r of a with b: as dot() has it, the rows side by side */
INLINE void dot_rows(const double *a, size_t stride, const double *b, size_t n, double out[ROWS])
{
    const double *a0 = a, *a1 = a + stride, *a2 = a + 2 * stride, *a3 = a + 3 * stride;
    quad s0 = { 0 }, s1 = { 0 }, s2 = { 0 }, s3 = { 0 };
    size_t k = 0;
    for (; k + LANES <= n; k += LANES) {
        quad v = *(const quad *)(b + k);
        s0 += *(const quad *)(a0 + k) * v;
        s1 += *(const quad *)(a1 + k) * v;
        s2 += *(const quad *)(a2 + k) * v;
        s3 += *(const quad *)(a3 + k) * v;
    }
    out[0] = across(s0);
    out[1] = across(s1);
    out[2] = across(s2);
    out[3] = across(s3);
    for (; k < n; k++)
        for (size_t r = 0; r < ROWS; r++)
            out[r] += a[r * stride + k] * b[k];
}

/* Row i from column j on, up to its diagonal. */
INLINE bool close_row(double *a, size_t n, size_t i, size_t j)
{
    double *row = a + i * n;
    for (; j < i; j++)
        row[j] = (row[j] - dot(row, a + j * n, j)) / a[j * n + j];
    double square = row[i] - dot(row, row, i);
    if (!(square > 0 && isfinite(square)))
        return false;
    row[i] = sqrt(square);
    return true;
}

RS_EACH_UNIT bool rs_cholesky_factor(double *a, size_t n)
{
    size_t i = 0;
    for (; i + ROWS <= n; i += ROWS) {
        for (size_t j = 0; j < i; j++) {
            double sums[ROWS];
            dot_rows(a + i * n, n, a + j * n, j, sums);
            for (size_t r = 0; r < ROWS; r++)
                a[(i + r) * n + j] = (a[(i + r) * n + j] - sums[r]) / a[j * n + j];
        }
        for (size_t r = 0; r < ROWS; r++)
            if (!close_row(a, n, i + r, i))
                return false;
    }
    for (; i < n; i++)
        if (!close_row(a, n, i, 0))
            return false;
    return true;
}

RS_EACH_UNIT void rs_cholesky_solve(const double *factor, double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (x[i] - dot(factor + i * n, x, i)) / factor[i * n + i];
    for (size_t i = n; i-- > 0;) {
        x[i] /= factor[i * n + i];
        for (size_t k = 0; k < i; k++)
            x[k] -= x[i] * factor[i * n + k];
    }
}

/* Column j of L^-1, which begins at row j; its square is what is asked. */
RS_EACH_UNIT void rs_cholesky_inverse_diagonal(const double *factor, size_t n, double *scratch, double *out)
{
    for (size_t j = 0; j < n; j++) {
        double *y = scratch + j;
        y[0] = 1 / factor[j * (n + 1)];
        for (size_t i = 1; i < n - j; i++)
            y[i] = -dot(factor + (j + i) * n + j, y, i) / factor[(j + i) * (n + 1)];
        out[j] = dot(y, y, n - j);
    }
}
