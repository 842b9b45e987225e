/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes of a file or of standard input, decompressed where they begin as gzip or xz do. The only door to zlib's inflate
 * and to liblzma. Memory is fixed: 256 KiB of input, the decoder's own state (xz: at most 128 MiB, as its -9 needs). */
#ifndef RS_DATASETS_STREAM_H
#define RS_DATASETS_STREAM_H

#include "common/base.h"
#include "common/error.h"

typedef struct rs_stream rs_stream;

/* path "-" is standard input. RS_ENOTFOUND, RS_EIO, RS_ENOMEM. */
enum rs_status rs_stream_open(const char *path, rs_stream **out, struct rs_error *err);
void rs_stream_close(rs_stream *s);
RS_DEFINE_AUTO(rs_stream, rs_stream_close)

/* Up to size bytes to buf; *out_n is 0 only at the end. RS_EIO; RS_ECORRUPT where the compressed bytes are damaged or
 * end too early. */
enum rs_status rs_stream_read(rs_stream *s, void *buf, size_t size, size_t *out_n, struct rs_error *err);

/* Bytes taken from the file itself, and its size (0 where unknown). */
uint64_t rs_stream_offset(const rs_stream *s);
uint64_t rs_stream_size(const rs_stream *s);

#endif
