/* SPDX-License-Identifier: Apache-2.0 */
/* Inside models/: (float)log1p(x) of many x at once, the same bits as the library's log1p() rounded to float.
 *
 * log1p is computed in doubles, eight side by side, to better than 2^-46 of itself (docs/math.md F20). Where moving it
 * by 2^-44 either way could round to another float, the library decides: about one number in 500,000. */
#ifndef RS_MODELS_LOG1P_H
#define RS_MODELS_LOG1P_H

#include <math.h>

#include "common/base.h"

#define LOG_LANES 8

typedef double log_f64 __attribute__((vector_size(LOG_LANES * sizeof(double))));
typedef float log_f32 __attribute__((vector_size(LOG_LANES * sizeof(float))));
typedef uint64_t log_u64 __attribute__((vector_size(LOG_LANES * sizeof(uint64_t))));

/* x >= 0, finite: u = 1 + x = 2^k m, sqrt(1/2) <= m < sqrt(2), c = what rounding took from u,
 *     log1p(x) = k ln 2 + 2 artanh(s) + c / u,    s = (m - 1) / (m + 1),    artanh(s) = s + s^3 / 3 + s^5 / 5 ... */
static inline void log1p_lanes(const double *x_in, log_f64 *out)
{
    static const double terms[] = { 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
                                    1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3 };
    log_f64 x;
    memcpy(&x, x_in, sizeof x);
    log_f64 u = 1 + x;
    log_u64 is_large = (log_u64)(x > 1); /* of the two, the smaller is what rounding bites */
    log_f64 c_small = x - (u - 1), c_large = 1 - (u - x);
    log_f64 c = (log_f64)((is_large & (log_u64)c_large) | (~is_large & (log_u64)c_small));
    log_u64 k = ((log_u64)u - 0x3fe6a09e667f3bcdu) >> 52; /* u >= 1: not negative */
    log_f64 m = (log_f64)((log_u64)u - (k << 52));
    log_f64 kd = (log_f64)(k | 0x4330000000000000u) - 0x1p52;
    log_f64 s = (m - 1) / (m + 1), z = s * s, q = (log_f64){ 0 } + 1.0 / 23;
    for (size_t i = 0; i < RS_LEN(terms); i++)
        q = q * z + terms[i];
    *out = kd * 0x1.62e42fefa39efp-1 + (2 * s + (2 * s * z * q + c / u));
}

/* out[at[i]] = (float)log1p(x[i]) for i < n; x has room for a multiple of LOG_LANES, x >= 0 and finite up to there. */
static inline void log1p_floats(const double *x, size_t n, const uint32_t *at, float *out)
{
    for (size_t i = 0; i < n; i += LOG_LANES) {
        log_f64 y;
        log1p_lanes(x + i, &y);
        log_f32 low = __builtin_convertvector(y - y * 0x1p-44, log_f32);
        log_f32 high = __builtin_convertvector(y + y * 0x1p-44, log_f32);
        for (size_t k = 0; k < LOG_LANES && i + k < n; k++)
            out[at[i + k]] = low[k] == high[k] ? low[k] : (float)log1p(x[i + k]);
    }
}

#endif
