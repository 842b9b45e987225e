/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sixteen numbers side by side, in registers of whatever width the compiler is told of (RS_VECTOR bytes), with the
 * functions that a pass needs of them. Every width does the same operations in the same order. For pass.c and
 * sigmoid.c.
 *
 * expm: e^x for x <= 0, by x = k ln 2 + r and the Taylor series of e^r; below the clamp the value at the clamp.
 * log1p01: ln(1 + e) for 0 <= e <= 1, as 2 artanh(e / (2 + e)) (math.md L3). Errors below 3 units in the last place. */
#ifndef RS_PREDICTOR_LANES_H
#define RS_PREDICTOR_LANES_H

#include "common/base.h"

#ifndef RS_VECTOR
#define RS_VECTOR 16
#endif
#ifndef RS_DOUBLE
#define RS_DOUBLE 0
#endif

#if RS_DOUBLE
typedef double real;
typedef int64_t real_bits;
#else
typedef float real;
typedef int32_t real_bits;
#endif

#define N_LANES 16
#define N_PER (RS_VECTOR / (int)sizeof(real)) /* numbers a register */
#define N_VEC (N_LANES / N_PER)
typedef real vec __attribute__((vector_size(RS_VECTOR)));
typedef real_bits ivec __attribute__((vector_size(RS_VECTOR)));
typedef vec vec_u __attribute__((aligned(sizeof(real)), may_alias));
typedef float floats __attribute__((vector_size(RS_VECTOR / sizeof(real) * sizeof(float)), aligned(4), may_alias));
typedef real quad __attribute__((vector_size(4 * sizeof(real))));
typedef quad quad_u __attribute__((aligned(sizeof(real)), may_alias));
typedef uint8_t labels __attribute__((vector_size(RS_VECTOR / sizeof(real)), aligned(1), may_alias));

struct lanes {
    vec v[N_VEC];
};

#define INLINE static inline __attribute__((always_inline))
#define EACH(k) for (int k = 0; k < N_VEC; k++)

INLINE vec vec_all(real x)
{
    return x - (vec){ 0 };
}

INLINE vec vec_of_floats(const float *x)
{
#if RS_DOUBLE
    return __builtin_convertvector(*(const floats *)x, vec);
#else
    return *(const floats *)x;
#endif
}

INLINE vec vec_load(const real *x)
{
    return *(const vec_u *)x;
}

INLINE void vec_store(real *to, vec x)
{
    *(vec_u *)to = x;
}

/* All bits set where the byte is not 0. */
INLINE ivec vec_of_labels(const uint8_t *y)
{
    return __builtin_convertvector(*(const labels *)y, ivec) != 0;
}

INLINE vec vec_pick(ivec where, vec yes, vec no)
{
    return (vec)(((ivec)yes & where) | ((ivec)no & ~where));
}

INLINE vec vec_abs(vec x)
{
    return (vec)((ivec)x & ~(ivec)vec_all((real)-0.0));
}

INLINE vec vec_max0(vec x)
{
    return (vec)((ivec)x & (x > vec_all(0)));
}

/* The sum of a tree over sixteen lanes as far as four: lane i + lane i + 8, then i + 4. */
INLINE quad fold(struct lanes x)
{
#if RS_VECTOR / (8 * (RS_DOUBLE + 1)) == 8 /* sixteen a register */
    typedef real half __attribute__((vector_size(8 * sizeof(real))));
    half h = __builtin_shufflevector(x.v[0], x.v[0], 0, 1, 2, 3, 4, 5, 6, 7) +
             __builtin_shufflevector(x.v[0], x.v[0], 8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
#elif RS_VECTOR / (8 * (RS_DOUBLE + 1)) == 4 /* eight */
    vec h = x.v[0] + x.v[1];
    return __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
#elif RS_VECTOR / (8 * (RS_DOUBLE + 1)) == 2 /* four */
    return (x.v[0] + x.v[2]) + (x.v[1] + x.v[3]);
#else                                        /* two */
    vec low = (x.v[0] + x.v[4]) + (x.v[2] + x.v[6]), high = (x.v[1] + x.v[5]) + (x.v[3] + x.v[7]);
    return __builtin_shufflevector(low, high, 0, 1, 2, 3);
#endif
}

/* Lane i of the result is the sum of row i's four: (0 + 2) + (1 + 3). */
INLINE quad sum_quads(const quad q[4])
{
    quad a = __builtin_shufflevector(q[0], q[1], 0, 4, 1, 5) + __builtin_shufflevector(q[0], q[1], 2, 6, 3, 7);
    quad b = __builtin_shufflevector(q[2], q[3], 0, 4, 1, 5) + __builtin_shufflevector(q[2], q[3], 2, 6, 3, 7);
    return __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
}

/* to[i] := the sum of row i's sixteen lanes, for FOLD_ROWS rows, by the tree of fold() and sum_quads(): with registers
 * of several quads the same tree grows in all of them at once. */
#if RS_VECTOR / (8 * (RS_DOUBLE + 1)) == 8 /* sixteen a register */
#define FOLD_ROWS 16
INLINE vec fold_four(vec a, vec b, vec c, vec d)
{
    vec ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
             __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    vec cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
             __builtin_shufflevector(c, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    return __builtin_shufflevector(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

INLINE vec fold_pair(vec a, vec b) /* of each quad, sums 0 + 2 and 1 + 3 */
{
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
           __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}

INLINE void fold_rows(const struct lanes s[FOLD_ROWS], real *to)
{
    vec q[4];
    for (int k = 0; k < 4; k++)
        q[k] = fold_four(s[k].v[0], s[k + 4].v[0], s[k + 8].v[0], s[k + 12].v[0]);
    vec a = fold_pair(q[0], q[1]), b = fold_pair(q[2], q[3]);
    vec_store(to, __builtin_shufflevector(a, b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30) +
                      __builtin_shufflevector(a, b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31));
}
#elif RS_VECTOR / (8 * (RS_DOUBLE + 1)) == 4 /* eight */
#define FOLD_ROWS 8
INLINE void fold_rows(const struct lanes s[FOLD_ROWS], real *to)
{
    vec q[4];
    for (int k = 0; k < 4; k++) {
        vec a = s[k].v[0] + s[k].v[1], b = s[k + 4].v[0] + s[k + 4].v[1];
        q[k] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
               __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    }
    vec a = __builtin_shufflevector(q[0], q[1], 0, 1, 8, 9, 4, 5, 12, 13) +
            __builtin_shufflevector(q[0], q[1], 2, 3, 10, 11, 6, 7, 14, 15);
    vec b = __builtin_shufflevector(q[2], q[3], 0, 1, 8, 9, 4, 5, 12, 13) +
            __builtin_shufflevector(q[2], q[3], 2, 3, 10, 11, 6, 7, 14, 15);
    vec_store(to, __builtin_shufflevector(a, b, 0, 2, 8, 10, 4, 6, 12, 14) +
                      __builtin_shufflevector(a, b, 1, 3, 9, 11, 5, 7, 13, 15));
}
#else
#define FOLD_ROWS 4
INLINE void fold_rows(const struct lanes s[FOLD_ROWS], real *to)
{
    quad q[4];
    for (int i = 0; i < 4; i++)
        q[i] = fold(s[i]);
    *(quad_u *)to = sum_quads(q);
}
#endif

#if RS_DOUBLE
#define EXP_MAGIC 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to an integer, in the low bits */
#define EXP_SHIFT 52
#define EXP_LOWEST (-708.0)
#define LN2_HIGH 6.93147180369123816490e-01 /* 33 bits; fdlibm's split */
#define LN2_LOW 1.90821492927058770002e-10
static const real exp_terms[] = {
    1 / 6227020800.0, 1 / 479001600.0, 1 / 39916800.0, 1 / 3628800.0, 1 / 362880.0, 1 / 40320.0, 1 / 5040.0,
    1 / 720.0,        1 / 120.0,       1 / 24.0,       1 / 6.0,       0.5,          1,           1
};
static const real artanh_terms[] = { 1 / 35.0, 1 / 33.0, 1 / 31.0, 1 / 29.0, 1 / 27.0, 1 / 25.0,
                                     1 / 23.0, 1 / 21.0, 1 / 19.0, 1 / 17.0, 1 / 15.0, 1 / 13.0,
                                     1 / 11.0, 1 / 9.0,  1 / 7.0,  1 / 5.0,  1 / 3.0,  1 };
#else
#define EXP_MAGIC 12582912.0f /* 1.5 * 2^23 */
#define EXP_SHIFT 23
#define EXP_LOWEST (-87.0f)
#define LN2_HIGH 0.693359375f
#define LN2_LOW (-2.12194440e-4f)
static const real exp_terms[] = { 1 / 5040.0f, 1 / 720.0f, 1 / 120.0f, 1 / 24.0f, 1 / 6.0f, 0.5f, 1, 1 };
static const real artanh_terms[] = { 1 / 15.0f, 1 / 13.0f, 1 / 11.0f, 1 / 9.0f, 1 / 7.0f, 1 / 5.0f, 1 / 3.0f, 1 };
#endif

INLINE vec polynomial(const real *terms, size_t n, vec x)
{
    vec s = vec_all(terms[0]);
    for (size_t i = 1; i < n; i++)
        s = s * x + terms[i];
    return s;
}

INLINE vec expm(vec x)
{
    x = vec_pick(x > vec_all(EXP_LOWEST), x, vec_all(EXP_LOWEST));
    vec t = x * (real)1.44269504088896340736 + EXP_MAGIC, k = t - EXP_MAGIC;
    vec r = (x - k * (real)LN2_HIGH) - k * (real)LN2_LOW;
    return (vec)((ivec)polynomial(exp_terms, RS_LEN(exp_terms), r) + ((ivec)t << EXP_SHIFT));
}

INLINE vec log1p01(vec e)
{
    vec s = e / (e + 2);
    return 2 * s * polynomial(artanh_terms, RS_LEN(artanh_terms), s * s);
}

#endif
