/* SPDX-License-Identifier: Apache-2.0 */
/* Error codes and messages. The table is error.def; see error.h for the manners. */
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void clean(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = ' ';
}

static void mark_cut(char *buf, size_t size, int wanted)
{
    if (wanted >= 0 && (size_t)wanted >= size)
        memcpy(buf + size - 4, "...", 4);
}

enum rs_status rs_error_set(struct rs_error *err, enum rs_status status, const char *fmt, ...)
{
    if (!err)
        return status;
    int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    mark_cut(err->msg, sizeof err->msg, n);
    clean(err->msg);
    err->status = status;
    errno = saved;
    return status;
}

enum rs_status rs_error_errno(struct rs_error *err, enum rs_status status, const char *fmt, ...)
{
    if (!err)
        return status;
    int saved = errno;
    char what[RS_ERROR_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    mark_cut(what, sizeof what, n);
    rs_error_set(err, status, "%s: %s", what, strerror(saved));
    errno = saved;
    return status;
}

enum rs_status rs_error_prefix(struct rs_error *err, enum rs_status status, const char *fmt, ...)
{
    if (!err)
        return status;
    int saved = errno;
    char what[RS_ERROR_MAX];
    char old[RS_ERROR_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    mark_cut(what, sizeof what, n);
    memcpy(old, err->msg, sizeof old);
    size_t len = strlen(what);
    if (strncmp(old, what, len) == 0 && strncmp(old + len, ": ", 2) == 0)
        rs_error_set(err, status, "%s", old);
    else
        rs_error_set(err, status, "%s: %s", what, old);
    errno = saved;
    return status;
}

static const struct {
    enum rs_status status;
    const char *word;
    int http;
    const char *meaning;
} table[] = {
    { RS_OK, "ok", 200, "Done." },
    { RS_CONTINUE, "continue", 200, "More to do." },
#define RS_ERROR(name, value, word, http, meaning) { name, word, http, meaning },
#include "error.def"
#undef RS_ERROR
};

static size_t row(enum rs_status status)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status)
            return i;
    return 2; /* RS_EINTERNAL: a status that the table lacks is our own mistake */
}

const char *rs_status_word(enum rs_status status)
{
    return table[row(status)].word;
}

int rs_status_http(enum rs_status status)
{
    return table[row(status)].http;
}

const char *rs_status_meaning(enum rs_status status)
{
    return table[row(status)].meaning;
}
