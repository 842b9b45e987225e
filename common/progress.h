/* SPDX-License-Identifier: Apache-2.0 */
/* Progress of long work on stderr: one line drawn in place on a terminal, a plain line every ten seconds elsewhere,
 * nothing with --quiet; rate and time left from the first second on. One thread per struct. */
#ifndef RS_COMMON_PROGRESS_H
#define RS_COMMON_PROGRESS_H

#include "base.h"
#include "clock.h"

struct rs_progress {
    const char *what; /* "import"; borrowed */
    const char *unit; /* "B" prints sizes with prefixes; else counts */
    uint64_t total;   /* 0 where unknown */
    bool is_quiet, is_tty;
    int64_t start_ns, last_ns;
    const struct rs_clock *clock;
};

void rs_progress_start(struct rs_progress *p, const char *what, const char *unit, uint64_t total, bool is_quiet);
/* Cheap to call often: draws at most ten times a second. note (may be NULL) ends the line. */
void rs_progress_update(struct rs_progress *p, uint64_t done, const char *note);
/* Clears the line on a terminal. Call it on every path out. */
void rs_progress_end(struct rs_progress *p);

/* "12.3 MB" (decimal prefixes), into buf, which it returns. */
const char *rs_format_size(uint64_t bytes, char buf[32]);

#endif
