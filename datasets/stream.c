/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Plain, gzip and xz input behind one read function; concatenated members of both are read on. */
#include "stream.h"

#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <zlib.h>

#include "common/file.h"

#define INPUT_SIZE ((size_t)256 << 10)
#define XZ_MEMORY ((uint64_t)128 << 20)

enum kind { PLAIN, GZIP, XZ };

struct rs_stream {
    int fd;
    bool is_owned; /* not standard input */
    char *path;
    enum kind kind;
    uint64_t offset, size;
    uint8_t *input;
    size_t start, end; /* unread part of input */
    bool has_ended;    /* of the file */
    bool is_between;   /* gzip: at the end of a member */
    z_stream gz;
    lzma_stream xz;
};

static enum rs_status fill(rs_stream *s, struct rs_error *err)
{
    s->start = 0;
    s->end = 0;
    ssize_t n;
    do
        n = read(s->fd, s->input, INPUT_SIZE);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return rs_error_errno(err, RS_EIO, "%s", s->path);
    s->end = (size_t)n;
    s->offset += (uint64_t)n;
    s->has_ended = n == 0;
    return RS_OK;
}

/* A pipe may hand out its first bytes one by one; the magic needs six. */
static enum rs_status fill_head(rs_stream *s, struct rs_error *err)
{
    while (s->end < 6 && !s->has_ended) {
        ssize_t n = read(s->fd, s->input + s->end, INPUT_SIZE - s->end);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rs_error_errno(err, RS_EIO, "%s", s->path);
        s->end += (size_t)n;
        s->offset += (uint64_t)n;
        s->has_ended = n == 0;
    }
    return RS_OK;
}

static enum rs_status start_decoder(rs_stream *s, struct rs_error *err)
{
    static const uint8_t gzip_magic[] = { 0x1f, 0x8b }, xz_magic[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
    if (s->end >= sizeof gzip_magic && memcmp(s->input, gzip_magic, sizeof gzip_magic) == 0) {
        if (inflateInit2(&s->gz, 15 + 16) != Z_OK)
            return rs_error_set(err, RS_ENOMEM, "%s: no memory to decompress", s->path);
        s->kind = GZIP;
    } else if (s->end >= sizeof xz_magic && memcmp(s->input, xz_magic, sizeof xz_magic) == 0) {
        s->xz = (lzma_stream)LZMA_STREAM_INIT;
        if (lzma_stream_decoder(&s->xz, XZ_MEMORY, LZMA_CONCATENATED) != LZMA_OK)
            return rs_error_set(err, RS_ENOMEM, "%s: no memory to decompress", s->path);
        s->kind = XZ;
    }
    return RS_OK;
}

static enum rs_status open_fd(rs_stream *s, struct rs_error *err)
{
    s->is_owned = !rs_streq(s->path, "-");
    s->fd = s->is_owned ? open(s->path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    struct stat st;
    if (s->fd < 0 || fstat(s->fd, &st) < 0)
        return rs_error_errno(err, rs_status_from_errno(errno), "%s", s->path);
    if (S_ISDIR(st.st_mode))
        return rs_error_set(err, RS_EIO, "%s: is a folder", s->path);
    if (S_ISREG(st.st_mode)) {
        s->size = (uint64_t)st.st_size;
        posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return RS_OK;
}

enum rs_status rs_stream_open(const char *path, rs_stream **out, struct rs_error *err)
{
    RS_AUTO(rs_stream) *s = rs_alloc(1, sizeof *s);
    if (s)
        s->fd = -1;
    if (!s || !(s->path = strdup(path)) || !(s->input = malloc(INPUT_SIZE)))
        return rs_error_set(err, RS_ENOMEM, "%s: no memory to read it", path);
    enum rs_status st = open_fd(s, err);
    if (st == RS_OK)
        st = fill_head(s, err);
    if (st == RS_OK)
        st = start_decoder(s, err);
    if (st == RS_OK)
        *out = rs_take(s);
    return st;
}

static enum rs_status read_plain(rs_stream *s, uint8_t *buf, size_t size, size_t *out_n, struct rs_error *err)
{
    *out_n = 0;
    if (s->start == s->end) { /* past the head: straight to the caller */
        ssize_t n;
        do
            n = read(s->fd, buf, size);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return rs_error_errno(err, RS_EIO, "%s", s->path);
        s->offset += (uint64_t)n;
        *out_n = (size_t)n;
        return RS_OK;
    }
    *out_n = RS_MIN(size, s->end - s->start);
    memcpy(buf, s->input + s->start, *out_n);
    s->start += *out_n;
    return RS_OK;
}

static enum rs_status read_gzip(rs_stream *s, uint8_t *buf, size_t size, size_t *out_n, struct rs_error *err)
{
    size_t room = RS_MIN(size, (size_t)1 << 30);
    s->gz.next_out = buf;
    s->gz.avail_out = (uInt)room;
    while (s->gz.avail_out == room) {
        if (s->start == s->end) {
            enum rs_status st = fill(s, err);
            if (st < 0)
                return st;
            if (s->has_ended && s->is_between)
                break;
            if (s->has_ended)
                return rs_error_set(err, RS_ECORRUPT, "%s: its gzip data end too early", s->path);
        }
        if (s->is_between)
            inflateReset(&s->gz);
        s->gz.next_in = s->input + s->start;
        s->gz.avail_in = (uInt)(s->end - s->start);
        int rc = inflate(&s->gz, Z_NO_FLUSH);
        s->start = s->end - s->gz.avail_in;
        s->is_between = rc == Z_STREAM_END;
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return rs_error_set(err, RS_ECORRUPT, "%s: its gzip data are damaged: %s", s->path,
                                s->gz.msg ? s->gz.msg : "unreadable");
    }
    *out_n = room - s->gz.avail_out;
    return RS_OK;
}

static enum rs_status read_xz(rs_stream *s, uint8_t *buf, size_t size, size_t *out_n, struct rs_error *err)
{
    s->xz.next_out = buf;
    s->xz.avail_out = size;
    while (s->xz.avail_out == size && !s->is_between) {
        if (s->start == s->end && !s->has_ended) {
            enum rs_status st = fill(s, err);
            if (st < 0)
                return st;
        }
        s->xz.next_in = s->input + s->start;
        s->xz.avail_in = s->end - s->start;
        lzma_ret rc = lzma_code(&s->xz, s->has_ended ? LZMA_FINISH : LZMA_RUN);
        s->start = s->end - s->xz.avail_in;
        s->is_between = rc == LZMA_STREAM_END;
        if (rc == LZMA_MEMLIMIT_ERROR || rc == LZMA_MEM_ERROR)
            return rs_error_set(err, RS_ENOMEM, "%s: its xz data need over 128 MiB to decompress", s->path);
        if (rc != LZMA_OK && rc != LZMA_STREAM_END)
            return rs_error_set(err, RS_ECORRUPT, "%s: its xz data are damaged or end too early", s->path);
    }
    *out_n = size - s->xz.avail_out;
    return RS_OK;
}

enum rs_status rs_stream_read(rs_stream *s, void *buf, size_t size, size_t *out_n, struct rs_error *err)
{
    switch (s->kind) {
    case GZIP:
        return read_gzip(s, buf, size, out_n, err);
    case XZ:
        return read_xz(s, buf, size, out_n, err);
    case PLAIN:
        break;
    }
    return read_plain(s, buf, size, out_n, err);
}

uint64_t rs_stream_offset(const rs_stream *s)
{
    return s->offset - (s->end - s->start);
}

uint64_t rs_stream_size(const rs_stream *s)
{
    return s->size;
}

void rs_stream_close(rs_stream *s)
{
    if (!s)
        return;
    if (s->kind == GZIP)
        inflateEnd(&s->gz);
    if (s->kind == XZ)
        lzma_end(&s->xz);
    if (s->is_owned && s->fd >= 0)
        close(s->fd);
    free(s->input);
    free(s->path);
    free(s);
}
