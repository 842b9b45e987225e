/* SPDX-License-Identifier: Apache-2.0 */
/* The small things every file uses: array length, checked sizes, ownership released by scope. Header only.
 *
 *     rs_autofree char *text = NULL;      freed on every return
 *     *out = rs_take(text);               the one line where ownership leaves
 */
#ifndef RS_COMMON_BASE_H
#define RS_COMMON_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RS_LEN(a) (sizeof(a) / sizeof *(a))
/* Of values, not of calls: an argument is evaluated twice. */
#define RS_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RS_MAX(a, b) ((a) > (b) ? (a) : (b))

static inline void rs_cleanup_free(void *p)
{
    int saved = errno;
    free(*(void **)p);
    errno = saved;
}
static inline void rs_cleanup_fd(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}
static inline void rs_cleanup_file(FILE **f)
{
    int saved = errno;
    if (*f)
        fclose(*f);
    errno = saved;
}
#define rs_autofree __attribute__((cleanup(rs_cleanup_free)))
#define rs_auto_fd __attribute__((cleanup(rs_cleanup_fd)))     /* int, born -1 */
#define rs_auto_file __attribute__((cleanup(rs_cleanup_file))) /* FILE *; close by hand and check what was written */

/* Takes the value out of a cleanup variable and leaves NULL behind. */
#define rs_take(p)                                                                                                     \
    ({                                                                                                                 \
        __typeof__(p) rs_taken_ = (p);                                                                                 \
        (p) = NULL;                                                                                                    \
        rs_taken_;                                                                                                     \
    })

/* Defines the cleanup attribute helper of one opaque type: RS_DEFINE_AUTO(rs_model, rs_model_free). */
#define RS_DEFINE_AUTO(type, release)                                                                                  \
    static inline void type##_auto_release(type **p)                                                                   \
    {                                                                                                                  \
        if (*p)                                                                                                        \
            release(*p);                                                                                               \
    }
/* The same for a plain struct of that name: RS_AUTO_STRUCT(rs_model) *m = NULL. */
#define RS_DEFINE_AUTO_STRUCT(type, release)                                                                           \
    static inline void type##_auto_release(struct type **p)                                                            \
    {                                                                                                                  \
        if (*p)                                                                                                        \
            release(*p);                                                                                               \
    }
#define RS_AUTO_STRUCT(type) __attribute__((cleanup(type##_auto_release))) struct type
#define RS_AUTO(type) __attribute__((cleanup(type##_auto_release))) type

/* True and *out = a * b (a + b) where it fits a size_t. */
static inline bool rs_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool rs_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* calloc/realloc of n items with the product checked; NULL on overflow or want of memory. */
static inline void *rs_alloc(size_t n, size_t size)
{
    size_t bytes;
    if (!rs_mul_size(n, size, &bytes))
        return NULL;
    return calloc(bytes ? bytes : 1, 1);
}
static inline void *rs_realloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (!rs_mul_size(n, size, &bytes))
        return NULL;
    return realloc(p, bytes ? bytes : 1);
}
/* Of the pointer that `array` points at. False on want of memory, the old one stays. */
static inline bool rs_resize(void *array, size_t n, size_t size)
{
    void *old, *bigger;
    memcpy(&old, array, sizeof old);
    bigger = rs_realloc(old, n, size);
    if (bigger)
        memcpy(array, &bigger, sizeof bigger);
    return bigger != NULL;
}

static inline bool rs_streq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

#endif
