/* SPDX-License-Identifier: Apache-2.0 */
/* Time: where it comes from, how it is read and written.
 *
 * Calendar time is int64 seconds since 1970-01-01 UTC. Code with deadlines asks a struct rs_clock, which tests turn by
 * hand; the system's is rs_clock_system(). Reading and writing never consult the local time zone. */
#ifndef RS_COMMON_CLOCK_H
#define RS_COMMON_CLOCK_H

#include <stdint.h>

#include "error.h"

#define RS_TIME_NONE INT64_MIN /* no such time */
#define RS_DAY_S ((int64_t)86400)

struct rs_clock {
    int64_t (*wall_s)(void *arg);  /* calendar time */
    int64_t (*mono_ns)(void *arg); /* steady time of no fixed origin, for durations */
    void *arg;
};

const struct rs_clock *rs_clock_system(void);
static inline int64_t rs_clock_wall_s(const struct rs_clock *c)
{
    return c->wall_s(c->arg);
}
static inline int64_t rs_clock_mono_ns(const struct rs_clock *c)
{
    return c->mono_ns(c->arg);
}

/* "2013-04-10", "2013-04-10T12:30:05Z", with a blank for the T, with ".123" (dropped), with "+02:00"; without a zone it
 * is UTC. RS_EFORMAT for anything else, days that no calendar has included. */
enum rs_status rs_time_parse(const char *s, int64_t *out_s);

/* Days of the proleptic Gregorian calendar to days since 1970-01-01 (H. Hinnant's civil_from_days algorithms). */
int64_t rs_days_from_civil(int64_t year, unsigned month, unsigned day);

#define RS_TIME_MAX 32
/* "2013-04-10T12:30:05Z" into buf, which it returns; "-" for RS_TIME_NONE. */
const char *rs_time_format(int64_t t, char buf[RS_TIME_MAX]);

/* "90s", "15m", "12h", "7d", "2w", "150ms"; a bare number is seconds. RS_EFORMAT otherwise, negative ones included. */
enum rs_status rs_duration_parse(const char *s, double *out_s);
/* The shortest of those forms that says it exactly ("7d", "90s", "0.15s"). */
const char *rs_duration_format(double s, char buf[RS_TIME_MAX]);

#endif
