/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shuffle, deflate and Fletcher-32 of one chunk, byte for byte what HDF5's filter pipeline makes and takes
 * (docs/fleet-file.md, "Chunks"). test_codec.c holds the checksum to HDF5's own. */
#include "codec.h"

#include <libdeflate.h>

#define LEVEL 1 /* measured: twice the speed of level 6 for a tenth more bytes on shuffled telemetry */
#define CHECKSUM_SIZE 4

struct rs_codec {
    size_t n_max, size;
    struct libdeflate_compressor *deflate;
    struct libdeflate_decompressor *inflate;
    uint8_t *planes; /* n_max * size: the shuffled items */
    uint8_t *packed;
    size_t packed_cap;
};

rs_codec *rs_codec_new(size_t n_max, size_t size)
{
    size_t bytes;
    if (!rs_mul_size(n_max, size, &bytes) || bytes > SIZE_MAX / 4)
        return NULL;
    RS_AUTO(rs_codec) *c = rs_alloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->n_max = n_max;
    c->size = size;
    c->deflate = libdeflate_alloc_compressor(LEVEL);
    c->inflate = libdeflate_alloc_decompressor();
    c->packed_cap = libdeflate_zlib_compress_bound(NULL, bytes) + CHECKSUM_SIZE;
    c->planes = rs_alloc(bytes, 1);
    c->packed = rs_alloc(c->packed_cap, 1);
    if (!c->deflate || !c->inflate || !c->planes || !c->packed)
        return NULL;
    return rs_take(c);
}

void rs_codec_free(rs_codec *c)
{
    if (!c)
        return;
    libdeflate_free_compressor(c->deflate);
    libdeflate_free_decompressor(c->inflate);
    free(c->planes);
    free(c->packed);
    free(c);
}

size_t rs_codec_bound(const rs_codec *c)
{
    return c->packed_cap;
}

/* Fletcher-32 as HDF5 computes it: big-endian 16-bit words, sums folded rather than reduced, so that a full word may
 * stay 0xffff. 360 words are the most whose sums fit 32 bits. */
static uint32_t fletcher32(const uint8_t *p, size_t len)
{
    uint32_t sum1 = 0, sum2 = 0;
    for (size_t words = len / 2; words;) {
        size_t block = RS_MIN(words, (size_t)360);
        words -= block;
        for (size_t i = 0; i < block; i++, p += 2) {
            sum1 += (uint32_t)p[0] << 8 | p[1];
            sum2 += sum1;
        }
        sum1 = (sum1 & 0xffff) + (sum1 >> 16);
        sum2 = (sum2 & 0xffff) + (sum2 >> 16);
    }
    if (len % 2) {
        sum1 += (uint32_t)*p << 8;
        sum2 += sum1;
        sum1 = (sum1 & 0xffff) + (sum1 >> 16);
        sum2 = (sum2 & 0xffff) + (sum2 >> 16);
    }
    sum1 = (sum1 & 0xffff) + (sum1 >> 16);
    sum2 = (sum2 & 0xffff) + (sum2 >> 16);
    return sum2 << 16 | sum1;
}

static void shuffle(const uint8_t *p, size_t n, size_t size, size_t stride, uint8_t *out)
{
    if (size == 4) {
        uint8_t *o0 = out, *o1 = out + n, *o2 = out + 2 * n, *o3 = out + 3 * n;
        for (size_t i = 0; i < n; i++, p += stride) {
            o0[i] = p[0];
            o1[i] = p[1];
            o2[i] = p[2];
            o3[i] = p[3];
        }
        return;
    }
    for (size_t b = 0; b < size; b++)
        for (size_t i = 0; i < n; i++)
            out[b * n + i] = p[i * stride + b];
}

static void unshuffle(const uint8_t *in, size_t n, size_t size, size_t stride, uint8_t *p)
{
    if (size == 4) {
        const uint8_t *i0 = in, *i1 = in + n, *i2 = in + 2 * n, *i3 = in + 3 * n;
        for (size_t i = 0; i < n; i++, p += stride) {
            p[0] = i0[i];
            p[1] = i1[i];
            p[2] = i2[i];
            p[3] = i3[i];
        }
        return;
    }
    for (size_t b = 0; b < size; b++)
        for (size_t i = 0; i < n; i++)
            p[i * stride + b] = in[b * n + i];
}

void rs_codec_encode(rs_codec *c, const void *p, size_t n, size_t stride, const uint8_t **out, size_t *out_len)
{
    const uint8_t *plain = p;
    if (c->size > 1 || stride > 1) {
        shuffle(p, n, c->size, stride, c->planes);
        plain = c->planes;
    }
    size_t len = libdeflate_zlib_compress(c->deflate, plain, n * c->size, c->packed, c->packed_cap - CHECKSUM_SIZE);
    uint32_t sum = fletcher32(c->packed, len);
    for (int i = 0; i < CHECKSUM_SIZE; i++)
        c->packed[len++] = (uint8_t)(sum >> (8 * i));
    *out = c->packed;
    *out_len = len;
}

const char *rs_codec_decode(rs_codec *c, const uint8_t *in, size_t len, unsigned mask, void *p, size_t n, size_t stride)
{
    if (!(mask & RS_CODEC_NO_CHECKSUM)) {
        if (len < CHECKSUM_SIZE)
            return "shorter than its checksum";
        len -= CHECKSUM_SIZE;
        const uint8_t *s = in + len;
        uint32_t stored = (uint32_t)s[3] << 24 | (uint32_t)s[2] << 16 | (uint32_t)s[1] << 8 | s[0];
        if (fletcher32(in, len) != stored)
            return "checksum differs";
    }
    const uint8_t *plain = in;
    size_t want = n * c->size;
    if (!(mask & RS_CODEC_NO_DEFLATE)) {
        if (libdeflate_zlib_decompress(c->inflate, in, len, c->planes, want, NULL) != LIBDEFLATE_SUCCESS)
            return "compressed bytes are damaged";
        plain = c->planes;
    } else if (len != want) {
        return "wrong length";
    }
    if (mask & RS_CODEC_NO_SHUFFLE)
        for (size_t i = 0; i < n; i++)
            memcpy((uint8_t *)p + i * stride, plain + i * c->size, c->size);
    else
        unshuffle(plain, n, c->size, stride, p);
    return NULL;
}
