/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streams that become files by rename. See outfile.h. */
#include "predictor/outfile.h"

#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>

#include "common/cli.h"
#include "common/fault.h"
#include "common/file.h"
#include "datasets/contain.h"

#define BUFFER_SIZE ((size_t)1 << 18)

static enum rs_status open_beside(struct rs_outfile *o, struct rs_error *err)
{
    if (asprintf(&o->tmp, "%s.tmp.XXXXXX", o->path) < 0) {
        o->tmp = NULL;
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", o->path);
    }
    int fd = mkostemp(o->tmp, O_CLOEXEC);
    if (fd < 0) {
        enum rs_status st = rs_error_errno(err, rs_status_from_errno(errno), "%s: create beside it", o->path);
        free(rs_take(o->tmp));
        return st;
    }
    mode_t mask = umask(0);
    umask(mask);
    o->stream = fchmod(fd, 0666 & ~mask) == 0 ? fdopen(fd, "w") : NULL;
    if (o->stream)
        return RS_OK;
    enum rs_status st = rs_error_errno(err, RS_EIO, "%s: create beside it", o->path);
    close(fd);
    return st;
}

enum rs_status rs_outfile_open(struct rs_outfile *o, const char *path, struct rs_error *err)
{
    *o = (struct rs_outfile){ .path = path };
    if (rs_streq(path, "-"))
        o->stream = stdout;
    enum rs_status st = o->stream ? RS_OK : open_beside(o, err);
    if (st == RS_OK)
        setvbuf(o->stream, NULL, _IOFBF, BUFFER_SIZE);
    else
        rs_outfile_close(o);
    return st;
}

enum rs_status rs_outfile_flush(struct rs_outfile *o, struct rs_error *err)
{
    bool ok = fflush(o->stream) == 0 && !ferror(o->stream);
    if (ok && rs_fault_hit("outfile.write")) {
        ok = false;
        errno = EIO;
    }
    if (ok)
        return RS_OK;
    return rs_error_errno(err, rs_status_from_errno(errno), "%s: write", o->tmp ? o->path : "stdout");
}

static enum rs_status sync_folder(const char *path, struct rs_error *err)
{
    rs_autofree char *copy = strdup(path);
    if (!copy)
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", path);
    rs_auto_fd int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return rs_error_errno(err, RS_EIO, "%s: fsync of its folder", path);
    return RS_OK;
}

enum rs_status rs_outfile_commit(struct rs_outfile *o, struct rs_error *err)
{
    enum rs_status st = rs_outfile_flush(o, err);
    if (st < 0 || !o->tmp)
        return st;
    if (fsync(fileno(o->stream)) < 0 || rename(o->tmp, o->path) < 0)
        return rs_error_errno(err, rs_status_from_errno(errno), "%s: write", o->path);
    free(rs_take(o->tmp));
    return sync_folder(o->path, err);
}

void rs_outfile_close(struct rs_outfile *o)
{
    if (o->tmp)
        unlink(o->tmp);
    if (o->stream && o->stream != stdout)
        fclose(o->stream);
    free(o->tmp);
    *o = (struct rs_outfile){ 0 };
}

int rs_outfile_contain(struct rs_outfile *o, const char *path, const char *verb, const char *fleet,
                       int (*work)(void *arg), void *arg)
{
    struct rs_error err = RS_ERROR_INIT;
    if (path && rs_outfile_open(o, path, &err) < 0)
        return rs_cli_fail(verb, &err);
    int code = rs_contain(verb, fleet, work, arg);
    bool is_whole = code == RS_EXIT_OK || code == RS_EXIT_QUALITY;
    if (path && is_whole && rs_outfile_commit(o, &err) < 0)
        code = rs_cli_fail(verb, &err);
    if (path)
        rs_outfile_close(o);
    return code;
}
