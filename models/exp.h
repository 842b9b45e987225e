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

/* 1 / n! from n = 13 down to 2 */
#define EXP_TERMS(TERM)                                                                                                \
    TERM(0x1.1eed8eff8d898p-29)                                                                                        \
    TERM(0x1.ae64567f544e4p-26)                                                                                        \
    TERM(0x1.27e4fb7789f5cp-22)                                                                                        \
    TERM(0x1.71de3a556c734p-19)                                                                                        \
    TERM(0x1.a01a01a01a01ap-16)                                                                                        \
    TERM(0x1.a01a01a01a01ap-13)                                                                                        \
    TERM(0x1.6c16c16c16c17p-10)                                                                                        \
    TERM(0x1.1111111111111p-7)                                                                                         \
    TERM(0x1.5555555555555p-5)                                                                                         \
    TERM(0x1.5555555555555p-3)                                                                                         \
    TERM(0x1.0000000000000p-1)

static inline double exp_plain(double x)
{
    x = x < EXP_MIN ? EXP_MIN : x > EXP_MAX ? EXP_MAX : x;
    double shifted = x * EXP_LOG2E + EXP_MAGIC;
    double k = shifted - EXP_MAGIC;
    double r = (x - k * EXP_LN2_HI) - k * EXP_LN2_LO;
    double q = 0x1.6124613a86d09p-33; /* 1 / 13! */
#define TERM(c) q = q * r + c;
    EXP_TERMS(TERM)
#undef TERM
    double e = 1 + (r + r * r * q);
    uint64_t bits, scale;
    memcpy(&bits, &shifted, sizeof bits);
    scale = (bits + 1023) << 52; /* 2^k: what lies above the low 12 bits is shifted out */
    double power;
    memcpy(&power, &scale, sizeof power);
    return e * power;
}

#endif
