/* SPDX-License-Identifier: Apache-2.0 */
/* Logging: formats one line in a local buffer and hands it to write(2) whole. */
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const words[] = { "debug", "info", "warn", "error", "none" };
static atomic_int threshold = RS_LOG_INFO;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void from_environment(void)
{
    const char *word = getenv("RESEAT_LOG");
    enum rs_log_level level;
    if (word && rs_log_level_parse(word, &level) == RS_OK)
        atomic_store(&threshold, (int)level);
}

void rs_log_set_level(enum rs_log_level level)
{
    pthread_once(&once, from_environment);
    atomic_store(&threshold, (int)level);
}

enum rs_log_level rs_log_level(void)
{
    pthread_once(&once, from_environment);
    return (enum rs_log_level)atomic_load(&threshold);
}

enum rs_status rs_log_level_parse(const char *word, enum rs_log_level *out)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = (enum rs_log_level)i;
            return RS_OK;
        }
    }
    return RS_EINVAL;
}

void rs_log(enum rs_log_level level, const char *event, const char *fmt, ...)
{
    if (level < rs_log_level())
        return;
    int saved = errno;
    char line[4096];
    int n = snprintf(line, sizeof line, "level=%s ev=%s ", words[level], event);
    size_t used = n > 0 ? (size_t)n : 0;
    va_list ap;
    va_start(ap, fmt);
    n = vsnprintf(line + used, sizeof line - used - 1, fmt, ap);
    va_end(ap);
    size_t room = sizeof line - used - 2;
    used += n > 0 ? ((size_t)n < room ? (size_t)n : room) : 0;
    for (size_t i = 0; i < used; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    while (used && line[used - 1] == ' ')
        used--;
    line[used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
    errno = saved;
}
