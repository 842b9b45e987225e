/* SPDX-License-Identifier: Apache-2.0 */
/* Error codes and the message that gathers context on its way up.
 *
 * The lowest frame calls rs_error_set() and says what happened; each caller may add, once, what it was doing with
 * rs_error_prefix(). Both return the status, so `return rs_error_set(err, RS_EIO, ...)` is the usual form. err may be
 * NULL everywhere: the status alone then travels. Libraries return errors, programs print them. A struct rs_error is
 * plain memory owned by its caller, never allocated, and belongs to one thread. */
#ifndef RS_COMMON_ERROR_H
#define RS_COMMON_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rs_status {
    RS_OK = 0,
    RS_CONTINUE = 1, /* an iteration has more to do */
#define RS_ERROR(name, value, word, http, meaning) name = value,
#include "error.def"
#undef RS_ERROR
};

#define RS_ERROR_MAX 1024

struct rs_error {
    enum rs_status status;
    char msg[RS_ERROR_MAX]; /* one line, UTF-8, no trailing newline; cut with "..." where longer */
};

#define RS_ERROR_INIT                                                                                                  \
    {                                                                                                                  \
        .status = RS_OK, .msg = ""                                                                                     \
    }

/* Writes status and message; control characters become spaces. Returns status. Preserves errno. */
enum rs_status rs_error_set(struct rs_error *err, enum rs_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As rs_error_set(), followed by ": " and strerror(errno). */
enum rs_status rs_error_errno(struct rs_error *err, enum rs_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "fmt: " before the message that err holds, where it does not begin so already, as a file's name may be known on
 * several levels. Returns status, which is normally err's own. */
enum rs_status rs_error_prefix(struct rs_error *err, enum rs_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The stable word of a status ("not-found"), the HTTP status that fits it, its meaning. Never NULL. */
const char *rs_status_word(enum rs_status status);
int rs_status_http(enum rs_status status);
const char *rs_status_meaning(enum rs_status status);

#ifdef __cplusplus
}
#endif
#endif
