/* SPDX-License-Identifier: Apache-2.0 */
/* Large arrays. A page fault costs more than the 4 kB that it brings, so that these come in huge pages where the
 * system has any. */
#ifndef RS_COMMON_RESERVE_H
#define RS_COMMON_RESERVE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* n items, not zeroed; costs nothing until it is used. The caller frees or reallocs it as any other. NULL on overflow
 * or want of memory. */
void *rs_reserve(size_t n, size_t size);

#ifdef __cplusplus
}
#endif
#endif
