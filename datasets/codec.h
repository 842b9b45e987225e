/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One chunk of a dataset to its bytes in the file and back: byte shuffle, zlib stream, Fletcher-32, exactly as HDF5's
 * own filters of these names do it, several times as fast. The only door to libdeflate. No I/O; one thread per struct.
 */
#ifndef RS_DATASETS_CODEC_H
#define RS_DATASETS_CODEC_H

#include "common/base.h"
#include "common/error.h"

#define RS_CODEC_PAD 64 /* bytes */

typedef struct rs_codec rs_codec;

/* For chunks of up to n_max items of size bytes each. NULL on want of memory. */
rs_codec *rs_codec_new(size_t n_max, size_t size);
void rs_codec_free(rs_codec *c);
RS_DEFINE_AUTO(rs_codec, rs_codec_free)

/* Largest number of bytes that a sound encoded chunk of ours has. */
size_t rs_codec_bound(const rs_codec *c);

/* Encodes n <= n_max items found at p, p + stride, ... (stride in bytes). *out is the codec's, lives until the next
 * call and has RS_CODEC_PAD bytes more. False on want of memory. */
bool rs_codec_encode(rs_codec *c, const void *p, size_t n, size_t stride, const uint8_t **out, size_t *out_len);

/* Filters that a chunk's mask says were left out when it was written. */
enum { RS_CODEC_NO_SHUFFLE = 1, RS_CODEC_NO_DEFLATE = 2, RS_CODEC_NO_CHECKSUM = 4 };

/* Decodes exactly n <= n_max items into p, p + stride, ... RS_CODEC_PAD bytes behind in + len must be there to be read,
 * whatever they are: libdeflate is fast only as long as it is not near the end of its input. Returns NULL, or what is
 * wrong ("checksum differs"), a constant; the items are unspecified then. */
const char *rs_codec_decode(rs_codec *c, const uint8_t *in, size_t len, unsigned mask, void *p, size_t n,
                            size_t stride);

#endif
