/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A file written as a stream that appears at its path only when it is whole: written beside it, fsynced, renamed.
 * For what is too long for rs_write_file(). */
#ifndef RS_PREDICTOR_OUTFILE_H
#define RS_PREDICTOR_OUTFILE_H

#include "common/base.h"
#include "common/error.h"

struct rs_outfile {
    const char *path; /* borrowed; "-" is stdout */
    char *tmp;        /* NULL for stdout */
    FILE *stream;     /* write here */
};

/* Creates the temporary file. RS_ENOTFOUND, RS_EDENIED, RS_ENOSPACE, RS_EIO, RS_ENOMEM. */
enum rs_status rs_outfile_open(struct rs_outfile *o, const char *path, struct rs_error *err);
/* Hands what was written to the system. RS_ENOSPACE, RS_EIO. */
enum rs_status rs_outfile_flush(struct rs_outfile *o, struct rs_error *err);
/* Flushes, fsyncs and renames. On failure path is as it was. */
enum rs_status rs_outfile_commit(struct rs_outfile *o, struct rs_error *err);
/* Closes; unlinks the temporary file where it was not committed. */
void rs_outfile_close(struct rs_outfile *o);
#define rs_auto_outfile __attribute__((cleanup(rs_outfile_close))) struct rs_outfile

/* Lets work(arg) read `fleet` contained (datasets/contain.h) and write *o: path is opened before, and renamed after,
 * the child has ended with RS_EXIT_OK or RS_EXIT_QUALITY. Whatever becomes of the child, no half-written file and no
 * temporary one stays. path NULL: no file. Returns the exit code of the verb; what fails here is said on stderr. */
int rs_outfile_contain(struct rs_outfile *o, const char *path, const char *verb, const char *fleet,
                       int (*work)(void *arg), void *arg);

#endif
