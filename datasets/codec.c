/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shuffle, deflate and Fletcher-32 of one chunk, byte for byte what HDF5's filter pipeline makes and takes
 * (docs/fleet-file.md, "Chunks"). test_h5.c holds it to the library, both ways. */
#include "codec.h"

#include <assert.h>
#include <libdeflate.h>
#include <math.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/each_unit.h"
#include "common/reserve.h"

#define LEVEL 1 /* measured: twice the speed of level 6 for a tenth more bytes on shuffled telemetry */
#define CHECKSUM_SIZE 4
#define ZLIB_HEAD 2
#define ZLIB_TAIL 4 /* Adler-32 */
#define STORED_MAX 65535u
#define STORED_HEAD 5
#define OUT_PAD 1024   /* behind the planes: as RS_CODEC_PAD, for the output; a match has up to 258 bytes */
#define NOISE_BITS 5.0 /* stored, a byte takes at most 3/8 more, and is there without the 2 ns that decoding takes */
#define HASH_BITS 12
#define NOISE_MIN 4096u /* bytes of a plane below which nothing can be said of them */

struct rs_codec {
    size_t n_max, size;
    struct libdeflate_decompressor *inflate;
    struct libdeflate_compressor *deflate; /* this and packed: from the first encoding on */
    uint8_t *planes;                       /* n_max * size: the shuffled items; OUT_PAD more */
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
    c->inflate = libdeflate_alloc_decompressor();
    c->packed_cap =
        libdeflate_zlib_compress_bound(NULL, bytes) + size * (n_max / STORED_MAX + 1) * STORED_HEAD + CHECKSUM_SIZE;
    c->planes = rs_reserve(bytes + OUT_PAD, 1);
    if (!c->inflate || !c->planes)
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

static uint64_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

#define LANES 16u
#define BLOCKS_MAX 256u /* 256 * 257 / 2 * 0xffff still fits 32 bits */

/* Sums of n blocks of LANES big-endian words: *sum1 of the words, *sum2 of the words by n * LANES less their place.
 * Lanes are independent, so that the compiler adds them side by side. */
RS_EACH_UNIT static void sum_blocks(const uint8_t *p, size_t n, uint64_t *sum1, uint64_t *sum2)
{
    uint32_t s1[LANES] = { 0 }, s2[LANES] = { 0 };
    for (size_t b = 0; b < n; b++, p += 2 * LANES) {
        uint16_t words[LANES];
        memcpy(words, p, sizeof words);
        for (size_t l = 0; l < LANES; l++) {
            uint16_t w = words[l];
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            w = (uint16_t)(w << 8 | w >> 8);
#endif
            s1[l] += w;
            s2[l] += s1[l];
        }
    }
    *sum1 = *sum2 = 0;
    for (size_t l = 0; l < LANES; l++) {
        *sum1 += s1[l];
        *sum2 += (uint64_t)LANES * s2[l] - l * (uint64_t)s1[l];
    }
}

/* Fletcher-32 as HDF5 computes it: big-endian 16-bit words, sums folded rather than reduced, so that a full word may
 * stay 0xffff and only nothing but zeros gives 0. Folding at the end alone gives the same. */
static uint32_t fletcher32(const uint8_t *p, size_t len)
{
    uint64_t sum1 = 0, sum2 = 0;
    for (size_t blocks = len / (2 * LANES); blocks;) {
        size_t n = RS_MIN(blocks, (size_t)BLOCKS_MAX);
        uint64_t more1, more2;
        sum_blocks(p, n, &more1, &more2);
        sum2 = fold(sum2 + n * LANES * sum1 + more2);
        sum1 = fold(sum1 + more1);
        p += n * 2 * LANES;
        blocks -= n;
    }
    for (len %= 2 * LANES; len; p += 2, len -= RS_MIN(len, (size_t)2)) {
        sum1 += (uint32_t)p[0] << 8 | (len > 1 ? p[1] : 0);
        sum2 += sum1;
    }
    return (uint32_t)(fold(sum2) << 16 | fold(sum1));
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

/* Four planes of bytes back to n numbers that lie side by side. */
static void unshuffle_4(const uint8_t *in, size_t n, uint8_t *p)
{
    const uint8_t *i0 = in, *i1 = in + n, *i2 = in + 2 * n, *i3 = in + 3 * n;
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= n; i += 16) {
        __m128i a = _mm_loadu_si128((const void *)(i0 + i)), b = _mm_loadu_si128((const void *)(i1 + i));
        __m128i c = _mm_loadu_si128((const void *)(i2 + i)), d = _mm_loadu_si128((const void *)(i3 + i));
        __m128i ab0 = _mm_unpacklo_epi8(a, b), ab1 = _mm_unpackhi_epi8(a, b);
        __m128i cd0 = _mm_unpacklo_epi8(c, d), cd1 = _mm_unpackhi_epi8(c, d);
        _mm_storeu_si128((void *)(p + 4 * i), _mm_unpacklo_epi16(ab0, cd0));
        _mm_storeu_si128((void *)(p + 4 * i + 16), _mm_unpackhi_epi16(ab0, cd0));
        _mm_storeu_si128((void *)(p + 4 * i + 32), _mm_unpacklo_epi16(ab1, cd1));
        _mm_storeu_si128((void *)(p + 4 * i + 48), _mm_unpackhi_epi16(ab1, cd1));
    }
#endif
    for (; i < n; i++) {
        p[4 * i] = i0[i];
        p[4 * i + 1] = i1[i];
        p[4 * i + 2] = i2[i];
        p[4 * i + 3] = i3[i];
    }
}

/* Eight planes, for times and numbers of entities. */
static void unshuffle_8(const uint8_t *in, size_t n, uint8_t *p)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= n; i += 16, p += 128) {
        __m128i two[8], four[8]; /* items 0..7 of each pair of planes, then 8..15; the same of each four */
        for (size_t k = 0; k < 4; k++) {
            __m128i a = _mm_loadu_si128((const void *)(in + 2 * k * n + i));
            __m128i b = _mm_loadu_si128((const void *)(in + (2 * k + 1) * n + i));
            two[k] = _mm_unpacklo_epi8(a, b);
            two[4 + k] = _mm_unpackhi_epi8(a, b);
        }
        for (size_t h = 0; h < 8; h += 4)
            for (size_t k = 0; k < 2; k++) {
                four[h + 2 * k] = _mm_unpacklo_epi16(two[h + 2 * k], two[h + 2 * k + 1]);
                four[h + 2 * k + 1] = _mm_unpackhi_epi16(two[h + 2 * k], two[h + 2 * k + 1]);
            }
        for (size_t h = 0; h < 8; h += 4)
            for (size_t k = 0; k < 2; k++) {
                __m128i low = four[h + k], high = four[h + 2 + k];
                _mm_storeu_si128((void *)(p + 16 * (h + 2 * k)), _mm_unpacklo_epi32(low, high));
                _mm_storeu_si128((void *)(p + 16 * (h + 2 * k + 1)), _mm_unpackhi_epi32(low, high));
            }
    }
#endif
    for (; i < n; i++)
        for (size_t b = 0; b < 8; b++)
            *p++ = in[b * n + i];
}

static void unshuffle(const uint8_t *in, size_t n, size_t size, size_t stride, uint8_t *p)
{
    if (size == 4 && stride == 4) {
        unshuffle_4(in, n, p);
        return;
    }
    if (size == 8 && stride == 8) {
        unshuffle_8(in, n, p);
        return;
    }
    for (size_t b = 0; b < size; b++)
        for (size_t i = 0; i < n; i++)
            p[i * stride + b] = in[b * n + i];
}

/* Whether coding a plane would make it little shorter: its bytes are worth NOISE_BITS or more each, as low bytes of
 * measured numbers are, and strings of four do not come again. */
static bool is_noise(const uint8_t *p, size_t n)
{
    uint32_t count[256] = { 0 }, last[1u << HASH_BITS] = { 0 };
    size_t n_repeats = 0;
    if (n < NOISE_MIN)
        return false;
    for (size_t i = 0; i < n; i++)
        count[p[i]]++;
    double bits = 0;
    for (size_t v = 0; v < 256; v++)
        bits -= count[v] ? count[v] * log2(count[v] / (double)n) : 0;
    if (bits < NOISE_BITS * (double)n)
        return false;
    for (uint32_t i = 0; i + 4 <= n; i++) {
        uint32_t here, there;
        memcpy(&here, p + i, sizeof here);
        uint32_t *slot = &last[(uint32_t)(here * 2654435769u) >> (32 - HASH_BITS)];
        memcpy(&there, p + *slot, sizeof there);
        n_repeats += here == there;
        *slot = i;
    }
    return n_repeats < n / 16;
}

/* A stored block of at most STORED_MAX bytes: RFC 1951, 3.2.4. */
static size_t put_stored(uint8_t *out, const uint8_t *p, size_t len)
{
    out[0] = 0; /* not the last block */
    out[1] = (uint8_t)len;
    out[2] = (uint8_t)(len >> 8);
    out[3] = (uint8_t)~out[1];
    out[4] = (uint8_t)~out[2];
    memcpy(out + STORED_HEAD, p, len);
    return STORED_HEAD + len;
}

/* One zlib stream. Planes of noise at the front are stored, as to code them would make them little shorter and decoding
 * several times slower; the rest is coded by itself. */
static size_t deflate_planes(rs_codec *c, const uint8_t *plain, size_t n, size_t size)
{
    size_t n_noise = 0, len = ZLIB_HEAD, cap = c->packed_cap - CHECKSUM_SIZE;
    while (n_noise + 1 < size && is_noise(plain + n_noise * n, n))
        n_noise++;
    if (!n_noise)
        return libdeflate_zlib_compress(c->deflate, plain, n * size, c->packed, cap);
    c->packed[0] = 0x78; /* RFC 1950: deflate, window of 32 KiB, fastest */
    c->packed[1] = 0x01;
    for (size_t at = 0; at < n_noise * n; at += STORED_MAX)
        len += put_stored(c->packed + len, plain + at, RS_MIN(n_noise * n - at, (size_t)STORED_MAX));
    len += libdeflate_deflate_compress(c->deflate, plain + n_noise * n, (size - n_noise) * n, c->packed + len,
                                       cap - len - ZLIB_TAIL);
    uint32_t sum = libdeflate_adler32(1, plain, n * size);
    for (int i = 0; i < ZLIB_TAIL; i++)
        c->packed[len++] = (uint8_t)(sum >> (24 - 8 * i));
    return len;
}

static bool prepare_to_encode(rs_codec *c)
{
    if (!c->deflate)
        c->deflate = libdeflate_alloc_compressor(LEVEL);
    if (!c->packed)
        c->packed = rs_alloc(c->packed_cap + RS_CODEC_PAD, 1);
    return c->deflate && c->packed;
}

bool rs_codec_encode(rs_codec *c, const void *p, size_t n, size_t stride, const uint8_t **out, size_t *out_len)
{
    const uint8_t *plain = p;
    assert(n <= c->n_max);
    if (!prepare_to_encode(c))
        return false;
    if (c->size > 1 || stride > 1) {
        shuffle(p, n, c->size, stride, c->planes);
        plain = c->planes;
    }
    size_t len = deflate_planes(c, plain, n, c->size);
    uint32_t sum = fletcher32(c->packed, len);
    for (int i = 0; i < CHECKSUM_SIZE; i++)
        c->packed[len++] = (uint8_t)(sum >> (8 * i));
    *out = c->packed;
    *out_len = len;
    return true;
}

/* One zlib stream of len bytes to c->planes, where it makes exactly `want`. Longer buffers than need be keep libdeflate
 * out of the slow loop with which it nears an end: a plane of zeros is a handful of bytes, all of them near it. */
static bool inflate_planes(rs_codec *c, const uint8_t *in, size_t len, size_t want)
{
    size_t used, made;
    enum libdeflate_result r =
        libdeflate_zlib_decompress_ex(c->inflate, in, len + RS_CODEC_PAD, c->planes, want + OUT_PAD, &used, &made);
    return r == LIBDEFLATE_SUCCESS && used == len && made == want;
}

const char *rs_codec_decode(rs_codec *c, const uint8_t *in, size_t len, unsigned mask, void *p, size_t n, size_t stride)
{
    assert(n <= c->n_max);
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
        if (!inflate_planes(c, in, len, want))
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
