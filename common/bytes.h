/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian bytes in and out of memory.
 *
 * Reading goes through a cursor that never passes its end, so that no length found in a file is trusted unmeasured:
 * each rs_take_*() returns false, and moves nothing, where the bytes do not suffice. Writing goes to a growing buffer
 * whose first failed allocation sticks: check rs_buf.failed once, at the end. */
#ifndef RS_COMMON_BYTES_H
#define RS_COMMON_BYTES_H

#include "base.h"

struct rs_cursor {
    const uint8_t *p;
    size_t left;
};

bool rs_take_bytes(struct rs_cursor *c, void *out, size_t n);
bool rs_take_u8(struct rs_cursor *c, uint8_t *out);
bool rs_take_u16(struct rs_cursor *c, uint16_t *out);
bool rs_take_u32(struct rs_cursor *c, uint32_t *out);
bool rs_take_u64(struct rs_cursor *c, uint64_t *out);
bool rs_take_i64(struct rs_cursor *c, int64_t *out);
bool rs_take_f32(struct rs_cursor *c, float *out);
bool rs_take_f64(struct rs_cursor *c, double *out);
/* u32 length, then that many bytes, none of them 0. *out is a new string that the caller frees. False also on want of
 * memory and on a length over max. */
bool rs_take_str(struct rs_cursor *c, size_t max, char **out);

struct rs_buf {
    uint8_t *data;
    size_t len, cap;
    bool failed;
};

void rs_buf_clear(struct rs_buf *b);
void rs_put_bytes(struct rs_buf *b, const void *p, size_t n);
void rs_put_u8(struct rs_buf *b, uint8_t v);
void rs_put_u16(struct rs_buf *b, uint16_t v);
void rs_put_u32(struct rs_buf *b, uint32_t v);
void rs_put_u64(struct rs_buf *b, uint64_t v);
void rs_put_i64(struct rs_buf *b, int64_t v);
void rs_put_f32(struct rs_buf *b, float v);
void rs_put_f64(struct rs_buf *b, double v);
void rs_put_str(struct rs_buf *b, const char *s);
/* Text: formats at the end; the buffer stays NUL-terminated behind its len. */
void rs_buf_printf(struct rs_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define rs_auto_buf __attribute__((cleanup(rs_buf_clear))) struct rs_buf

#endif
