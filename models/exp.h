/* SPDX-License-Identifier: Apache-2.0 */
/* Inside models/: e^x from additions and multiplications alone, so that one number and eight side by side, on whatever
 * processor, come out as the same bits. docs/math.md M7.
 *
 * x = k ln 2 + r, |r| <= ln 2 / 2; ln 2 in two parts (Cody, Waite 1980), so that k times the first is exact; e^r by its
 * Taylor polynomial of degree 13, whose remainder is below 5e-18; the result is off by less than 1.5 units in the last
 * place. x is first brought into [-708, 709], where e^x is neither subnormal nor infinite. */
#ifndef RS_MODELS_EXP_H
#define RS_MODELS_EXP_H

#include "common/base.h"

#define EXP_MIN (-708.0)
#define EXP_MAX 709.0
#define EXP_LOG2E 0x1.71547652b82fep0
#define EXP_LN2_HI 0x1.62e42fee00000p-1
#define EXP_LN2_LO 0x1.a39ef35793c76p-33
#define EXP_MAGIC 0x1.8p52 /* added and taken away, it leaves the nearest integer; its low bits then hold k */

/* 1/2! + r/3! + ... + r^11/13!, in the order of Estrin (1960): pairs, pairs of pairs, and so on, so that few of the
 * operations wait for each other. type: double, or a vector of them; r is used often and must be a variable. */
#define EXP_SERIES(type, r, out)                                                                                       \
    do {                                                                                                               \
        type r2 = (r) * (r), r4 = r2 * r2, r8 = r4 * r4;                                                               \
        type a0 = 0x1.0000000000000p-1 + 0x1.5555555555555p-3 * (r);                                                   \
        type a1 = 0x1.5555555555555p-5 + 0x1.1111111111111p-7 * (r);                                                   \
        type a2 = 0x1.6c16c16c16c17p-10 + 0x1.a01a01a01a01ap-13 * (r);                                                 \
        type a3 = 0x1.a01a01a01a01ap-16 + 0x1.71de3a556c734p-19 * (r);                                                 \
        type a4 = 0x1.27e4fb7789f5cp-22 + 0x1.ae64567f544e4p-26 * (r);                                                 \
        type a5 = 0x1.1eed8eff8d898p-29 + 0x1.6124613a86d09p-33 * (r);                                                 \
        out = r2 * (((a0 + a1 * r2) + (a2 + a3 * r2) * r4) + (a4 + a5 * r2) * r8);                                     \
    } while (0)

static inline double exp_plain(double x)
{
    x = x < EXP_MIN ? EXP_MIN : x > EXP_MAX ? EXP_MAX : x;
    double shifted = x * EXP_LOG2E + EXP_MAGIC;
    double k = shifted - EXP_MAGIC;
    double r = (x - k * EXP_LN2_HI) - k * EXP_LN2_LO;
    double tail;
    EXP_SERIES(double, r, tail);
    double e = 1 + (r + tail);
    uint64_t bits, scale;
    memcpy(&bits, &shifted, sizeof bits);
    scale = (bits + 1023) << 52; /* 2^k: what lies above the low 12 bits is shifted out */
    double power;
    memcpy(&power, &scale, sizeof power);
    return e * power;
}

#endif
