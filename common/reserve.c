/* SPDX-License-Identifier: Apache-2.0 */
#include "reserve.h"

#include <sys/mman.h>

#define HUGE_PAGE ((size_t)1 << 21)

void *rs_reserve(size_t n, size_t size)
{
    size_t bytes;
    if (!rs_mul_size(n, size, &bytes) || bytes > SIZE_MAX - HUGE_PAGE)
        return NULL;
    if (bytes < HUGE_PAGE / 2)
        return malloc(bytes ? bytes : 1);
    bytes = (bytes / HUGE_PAGE + 1) * HUGE_PAGE;
    void *p = aligned_alloc(HUGE_PAGE, bytes);
    if (p)
        madvise(p, bytes, MADV_HUGEPAGE); /* a wish: where it is not heard, pages are small */
    return p;
}
