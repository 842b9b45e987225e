/* SPDX-License-Identifier: Apache-2.0 */
/* RS_EACH_UNIT before a function: the same C for several vector units, chosen when the program starts. Without
 * contraction and reassociation all of them give the same bits. Sanitizers start too late for the choosing. */
#ifndef RS_COMMON_EACH_UNIT_H
#define RS_COMMON_EACH_UNIT_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&               \
    !defined(__SANITIZE_THREAD__)
#define RS_EACH_UNIT __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define RS_EACH_UNIT
#endif

#endif
