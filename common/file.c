/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files by open, read or write, fsync and rename. */
#include "file.h"

#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>

#include "fault.h"

enum rs_status rs_status_from_errno(int e)
{
    return e == ENOSPC || e == EDQUOT ? RS_ENOSPACE : e == ENOENT ? RS_ENOTFOUND : e == EACCES ? RS_EDENIED : RS_EIO;
}

enum rs_status rs_read_file(const char *path, size_t max, uint8_t **out, size_t *out_len, struct rs_error *err)
{
    bool is_stdin = rs_streq(path, "-");
    rs_auto_fd int opened = -1;
    if (!is_stdin) {
        opened = open(path, O_RDONLY | O_CLOEXEC);
        if (opened < 0)
            return rs_error_errno(err, rs_status_from_errno(errno), "%s", path);
    }
    int fd = is_stdin ? STDIN_FILENO : opened;
    rs_autofree uint8_t *buf = NULL;
    size_t len = 0, cap = 0;
    for (;;) {
        if (len == cap) {
            cap = cap ? 2 * cap : 65536;
            uint8_t *more = realloc(buf, cap + 1);
            if (!more)
                return rs_error_set(err, RS_ENOMEM, "%s: out of memory after %zu bytes", path, len);
            buf = more;
        }
        ssize_t n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rs_error_errno(err, RS_EIO, "%s: read", path);
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > max)
            return rs_error_set(err, RS_EINVAL, "%s: longer than the %zu bytes allowed", path, max);
    }
    buf[len] = 0;
    *out = rs_take(buf);
    *out_len = len;
    return RS_OK;
}

static bool write_all(int fd, const uint8_t *p, size_t len)
{
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static enum rs_status sync_folder(const char *path, struct rs_error *err)
{
    rs_autofree char *copy = strdup(path);
    if (!copy)
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", path);
    const char *dir = dirname(copy);
    rs_auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return rs_error_errno(err, RS_EIO, "%s: fsync of its folder", path);
    return RS_OK;
}

enum rs_status rs_write_file(const char *path, const void *data, size_t len, struct rs_error *err)
{
    if (rs_streq(path, "-"))
        return write_all(STDOUT_FILENO, data, len) ? RS_OK : rs_error_errno(err, rs_status_from_errno(errno), "stdout");
    rs_autofree char *tmp = NULL;
    if (asprintf(&tmp, "%s.tmp.XXXXXX", path) < 0) {
        tmp = NULL;
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", path);
    }
    rs_auto_fd int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return rs_error_errno(err, rs_status_from_errno(errno), "%s: create beside it", path);
    mode_t mask = umask(0);
    umask(mask);
    bool ok = write_all(fd, data, len) && fchmod(fd, 0666 & ~mask) == 0 && fsync(fd) == 0;
    if (ok && rs_fault_hit("file.write")) {
        ok = false;
        errno = EIO;
    }
    int e = errno;
    int closed = close(fd);
    fd = -1;
    if (ok && closed == 0 && rename(tmp, path) == 0)
        return sync_folder(path, err);
    errno = ok ? errno : e;
    enum rs_status st = rs_error_errno(err, rs_status_from_errno(errno), "%s: write", path);
    unlink(tmp);
    return st;
}
