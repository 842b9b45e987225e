/* SPDX-License-Identifier: Apache-2.0 */
/* The progress line. */
#include "progress.h"

#define RATE_AFTER_S 1.0 /* before that, a rate or the time left would be a guess from a start-up */

const char *rs_format_size(uint64_t bytes, char buf[32])
{
    static const char *const prefix[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    double v = (double)bytes;
    size_t i = 0;
    while (v >= 999.5 && i + 1 < RS_LEN(prefix)) {
        v /= 1000;
        i++;
    }
    snprintf(buf, 32, i ? "%.1f %s" : "%.0f %s", v, prefix[i]);
    return buf;
}

void rs_progress_start(struct rs_progress *p, const char *what, const char *unit, uint64_t total, bool is_quiet)
{
    *p = (struct rs_progress){ .what = what, .unit = unit, .total = total, .is_quiet = is_quiet };
    p->clock = rs_clock_system();
    p->is_tty = isatty(STDERR_FILENO);
    p->start_ns = p->last_ns = rs_clock_mono_ns(p->clock);
}

static const char *amount(const struct rs_progress *p, uint64_t n, bool has_unit, char buf[32])
{
    if (rs_streq(p->unit, "B"))
        return rs_format_size(n, buf);
    snprintf(buf, 32, "%llu%s%.10s", (unsigned long long)n, has_unit ? " " : "", has_unit ? p->unit : "");
    return buf;
}

void rs_progress_update(struct rs_progress *p, uint64_t done, const char *note)
{
    if (p->is_quiet)
        return;
    int64_t now = rs_clock_mono_ns(p->clock);
    if (now - p->last_ns < (p->is_tty ? 100000000 : 10000000000))
        return;
    p->last_ns = now;
    double s = (double)(now - p->start_ns) * 1e-9;
    double rate = s >= RATE_AFTER_S ? (double)done / s : 0;
    char a[32], b[32], r[32];
    char line[256];
    int n = snprintf(line, sizeof line, "%s: ", p->what);
    if (p->total && done <= p->total) {
        double share = (double)done / (double)p->total;
        n += snprintf(line + n, sizeof line - (size_t)n, "[");
        for (int i = 0; p->is_tty && i < 24; i++)
            n += snprintf(line + n, sizeof line - (size_t)n, "%c", i < (int)(share * 24) ? '#' : '.');
        n += snprintf(line + n, sizeof line - (size_t)n, "%s%3.0f%%] %s of %s", p->is_tty ? " " : "", 100 * share,
                      amount(p, done, false, a), amount(p, p->total, true, b));
        if (rate > 0)
            n += snprintf(line + n, sizeof line - (size_t)n, ", %.0f s left", (double)(p->total - done) / rate);
    } else {
        n += snprintf(line + n, sizeof line - (size_t)n, "%s", amount(p, done, true, a));
    }
    if (rate >= 1)
        n += snprintf(line + n, sizeof line - (size_t)n, ", %s/s", amount(p, (uint64_t)rate, true, r));
    if (note)
        snprintf(line + n, sizeof line - (size_t)n, ", %.80s", note);
    fprintf(stderr, p->is_tty ? "\r\033[K%s" : "%s\n", line);
    fflush(stderr);
}

void rs_progress_end(struct rs_progress *p)
{
    if (!p->is_quiet && p->is_tty) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}
