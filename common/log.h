/* SPDX-License-Identifier: Apache-2.0 */
/* One event per line on stderr, key=value, so that journald keeps it:
 *     level=warn ev=migration_abort vm=web-1 step=copy spent_s=91 budget_s=90
 * rs_log_info("migration_abort", "vm=%s step=%s", vm, step). Text that may hold blanks is quoted by its caller
 * (reason=\"%s\"); control characters become spaces. Preserves errno; one write(2) per line, so any thread may call. */
#ifndef RS_COMMON_LOG_H
#define RS_COMMON_LOG_H

#include "error.h"

enum rs_log_level { RS_LOG_DEBUG, RS_LOG_INFO, RS_LOG_WARN, RS_LOG_ERROR, RS_LOG_NONE };

/* Lines below the level are dropped; the start value is RS_LOG_INFO, or $RESEAT_LOG (debug, info, warn, error, none).
 */
void rs_log_set_level(enum rs_log_level level);
enum rs_log_level rs_log_level(void);
/* RS_EINVAL for an unknown word. */
enum rs_status rs_log_level_parse(const char *word, enum rs_log_level *out);

void rs_log(enum rs_log_level level, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define rs_log_debug(...) rs_log(RS_LOG_DEBUG, __VA_ARGS__)
#define rs_log_info(...) rs_log(RS_LOG_INFO, __VA_ARGS__)
#define rs_log_warn(...) rs_log(RS_LOG_WARN, __VA_ARGS__)
#define rs_log_error(...) rs_log(RS_LOG_ERROR, __VA_ARGS__)

#endif
