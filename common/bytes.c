/* SPDX-License-Identifier: Apache-2.0 */
/* Cursor and buffer. Every multi-byte number is assembled from bytes, so that the host's order does not matter. */
#include "bytes.h"

#include <stdarg.h>

bool rs_take_bytes(struct rs_cursor *c, void *out, size_t n)
{
    if (c->left < n)
        return false;
    memcpy(out, c->p, n);
    c->p += n;
    c->left -= n;
    return true;
}

static bool take_le(struct rs_cursor *c, size_t n, uint64_t *out)
{
    if (c->left < n)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)c->p[i] << (8 * i);
    c->p += n;
    c->left -= n;
    *out = v;
    return true;
}

bool rs_take_u8(struct rs_cursor *c, uint8_t *out)
{
    return rs_take_bytes(c, out, 1);
}

bool rs_take_u16(struct rs_cursor *c, uint16_t *out)
{
    uint64_t v;
    if (!take_le(c, 2, &v))
        return false;
    *out = (uint16_t)v;
    return true;
}

bool rs_take_u32(struct rs_cursor *c, uint32_t *out)
{
    uint64_t v;
    if (!take_le(c, 4, &v))
        return false;
    *out = (uint32_t)v;
    return true;
}

bool rs_take_u64(struct rs_cursor *c, uint64_t *out)
{
    return take_le(c, 8, out);
}

bool rs_take_i64(struct rs_cursor *c, int64_t *out)
{
    uint64_t v;
    if (!take_le(c, 8, &v))
        return false;
    *out = (int64_t)v;
    return true;
}

bool rs_take_f32(struct rs_cursor *c, float *out)
{
    uint32_t v;
    if (!rs_take_u32(c, &v))
        return false;
    memcpy(out, &v, sizeof v);
    return true;
}

bool rs_take_f64(struct rs_cursor *c, double *out)
{
    uint64_t v;
    if (!take_le(c, 8, &v))
        return false;
    memcpy(out, &v, sizeof v);
    return true;
}

bool rs_take_str(struct rs_cursor *c, size_t max, char **out)
{
    struct rs_cursor ahead = *c;
    uint32_t len;
    if (!rs_take_u32(&ahead, &len) || len > max || len > ahead.left || memchr(ahead.p, 0, len))
        return false;
    char *s = malloc((size_t)len + 1);
    if (!s)
        return false;
    memcpy(s, ahead.p, len);
    s[len] = 0;
    ahead.p += len;
    ahead.left -= len;
    *c = ahead;
    *out = s;
    return true;
}

void rs_buf_clear(struct rs_buf *b)
{
    free(b->data);
    *b = (struct rs_buf){ 0 };
}

static uint8_t *grow(struct rs_buf *b, size_t n)
{
    size_t need;
    if (b->failed || !rs_add_size(b->len, n, &need) || !rs_add_size(need, 1, &need)) {
        b->failed = true;
        return NULL;
    }
    if (need > b->cap) {
        size_t cap = need > SIZE_MAX / 2 ? need : RS_MAX(need, 2 * b->cap);
        cap = RS_MAX(cap, (size_t)64);
        uint8_t *data = realloc(b->data, cap);
        if (!data) {
            b->failed = true;
            return NULL;
        }
        b->data = data;
        b->cap = cap;
    }
    uint8_t *at = b->data + b->len;
    b->len += n;
    b->data[b->len] = 0;
    return at;
}

void rs_put_bytes(struct rs_buf *b, const void *p, size_t n)
{
    uint8_t *at = grow(b, n);
    if (at && n)
        memcpy(at, p, n);
}

static void put_le(struct rs_buf *b, uint64_t v, size_t n)
{
    uint8_t *at = grow(b, n);
    for (size_t i = 0; at && i < n; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

void rs_put_u8(struct rs_buf *b, uint8_t v)
{
    put_le(b, v, 1);
}

void rs_put_u16(struct rs_buf *b, uint16_t v)
{
    put_le(b, v, 2);
}

void rs_put_u32(struct rs_buf *b, uint32_t v)
{
    put_le(b, v, 4);
}

void rs_put_u64(struct rs_buf *b, uint64_t v)
{
    put_le(b, v, 8);
}

void rs_put_i64(struct rs_buf *b, int64_t v)
{
    put_le(b, (uint64_t)v, 8);
}

void rs_put_f32(struct rs_buf *b, float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    put_le(b, u, 4);
}

void rs_put_f64(struct rs_buf *b, double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    put_le(b, u, 8);
}

void rs_put_str(struct rs_buf *b, const char *s)
{
    size_t len = strlen(s);
    if (len > UINT32_MAX) {
        b->failed = true;
        return;
    }
    rs_put_u32(b, (uint32_t)len);
    rs_put_bytes(b, s, len);
}

void rs_buf_printf(struct rs_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
        return;
    }
    uint8_t *at = grow(b, (size_t)n);
    if (!at)
        return;
    va_start(ap, fmt);
    vsnprintf((char *)at, (size_t)n + 1, fmt, ap);
    va_end(ap);
}
