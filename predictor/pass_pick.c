/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which compilation of pass.c runs here. */
#include "predictor/pass.h"

#define KERNELS(name) extern const struct rs_pass_kernels rs_pass_##name##_float, rs_pass_##name##_double;
KERNELS(plain)
#if defined(__x86_64__)
KERNELS(avx2)
KERNELS(avx512)
#endif

const struct rs_pass_kernels *rs_pass_kernels_named(const char *name, bool is_double)
{
#if defined(__x86_64__)
    if (rs_streq(name, "avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return is_double ? &rs_pass_avx512_double : &rs_pass_avx512_float;
    if (rs_streq(name, "avx2") && __builtin_cpu_supports("avx2"))
        return is_double ? &rs_pass_avx2_double : &rs_pass_avx2_float;
#endif
    if (rs_streq(name, "plain"))
        return is_double ? &rs_pass_plain_double : &rs_pass_plain_float;
    return NULL;
}

const struct rs_pass_kernels *rs_pass_kernels(bool is_double)
{
    const char *asked = getenv("RESEAT_ISA");
    const struct rs_pass_kernels *k = asked ? rs_pass_kernels_named(asked, is_double) : NULL;
    if (!k)
        k = rs_pass_kernels_named("avx512", is_double);
    if (!k)
        k = rs_pass_kernels_named("avx2", is_double);
    return k ? k : rs_pass_kernels_named("plain", is_double);
}

size_t rs_pass_scratch(size_t d)
{
    size_t width = rs_pass_width(d) + RS_LANES;
    size_t vectors = (2 + 2 * RS_SUM_VECTORS) * (width * sizeof(double) + 64) + 16384;
    size_t block =
        (RS_LANES + RS_STRIP_COLUMNS) * width * sizeof(double) + RS_STRIP_COLUMNS * RS_LANES * sizeof(double);
    return (vectors + block + 63) / 64 * 64;
}
