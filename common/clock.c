/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and the reading and writing of times and durations. */
#include "clock.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t system_wall_s(void *arg)
{
    (void)arg;
    return (int64_t)time(NULL);
}

static int64_t system_mono_ns(void *arg)
{
    (void)arg;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

const struct rs_clock *rs_clock_system(void)
{
    static const struct rs_clock system_clock = { system_wall_s, system_mono_ns, NULL };
    return &system_clock;
}

int64_t rs_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static void civil_from_days(int64_t z, int64_t *year, unsigned *month, unsigned *day)
{
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

static bool digits(const char **s, int n, unsigned *out)
{
    unsigned v = 0;
    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char)**s))
            return false;
        v = v * 10 + (unsigned)(**s - '0');
        (*s)++;
    }
    *out = v;
    return true;
}

static bool expect(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

static bool valid_day(unsigned y, unsigned m, unsigned d)
{
    static const unsigned len[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m >= 1 && m <= 12 && d >= 1 && d <= len[m - 1] + (m == 2 && leap);
}

enum rs_status rs_time_parse(const char *s, int64_t *out_s)
{
    unsigned y, mo, d, h = 0, mi = 0, sec = 0;
    int64_t shift = 0;
    if (!digits(&s, 4, &y) || !expect(&s, '-') || !digits(&s, 2, &mo) || !expect(&s, '-') || !digits(&s, 2, &d) ||
        !valid_day(y, mo, d))
        return RS_EFORMAT;
    if (*s == 'T' || *s == ' ') {
        s++;
        if (!digits(&s, 2, &h) || !expect(&s, ':') || !digits(&s, 2, &mi) || h > 23 || mi > 59)
            return RS_EFORMAT;
        if (*s == ':') {
            s++;
            if (!digits(&s, 2, &sec) || sec > 59)
                return RS_EFORMAT;
            if (*s == '.') {
                s++;
                if (!isdigit((unsigned char)*s))
                    return RS_EFORMAT;
                while (isdigit((unsigned char)*s))
                    s++;
            }
        }
        if (*s == 'Z') {
            s++;
        } else if (*s == '+' || *s == '-') {
            int sign = *s++ == '+' ? 1 : -1;
            unsigned oh, om;
            if (!digits(&s, 2, &oh))
                return RS_EFORMAT;
            if (*s == ':')
                s++;
            if (!digits(&s, 2, &om) || oh > 23 || om > 59)
                return RS_EFORMAT;
            shift = sign * (int64_t)(oh * 3600 + om * 60);
        }
    }
    if (*s)
        return RS_EFORMAT;
    *out_s = rs_days_from_civil(y, mo, d) * RS_DAY_S + h * 3600 + mi * 60 + sec - shift;
    return RS_OK;
}

const char *rs_time_format(int64_t t, char buf[RS_TIME_MAX])
{
    if (t == RS_TIME_NONE) {
        memcpy(buf, "-", 2);
        return buf;
    }
    int64_t days = t / RS_DAY_S;
    int64_t rest = t % RS_DAY_S;
    if (rest < 0) {
        rest += RS_DAY_S;
        days--;
    }
    int64_t y;
    unsigned m, d;
    civil_from_days(days, &y, &m, &d);
    snprintf(buf, RS_TIME_MAX, "%04lld-%02u-%02uT%02d:%02d:%02dZ", (long long)(y % 100000), m % 13, d % 32,
             (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
    return buf;
}

static const struct {
    const char *suffix;
    double seconds;
} units[] = { { "w", 604800 }, { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "ms", 0.001 }, { "s", 1 }, { "", 1 } };

enum rs_status rs_duration_parse(const char *s, double *out_s)
{
    if (!isdigit((unsigned char)*s) && *s != '.')
        return RS_EFORMAT;
    char *end;
    double v = strtod(s, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].suffix) == 0) {
            if (!isfinite(v * units[i].seconds))
                return RS_EFORMAT;
            *out_s = v * units[i].seconds;
            return RS_OK;
        }
    }
    return RS_EFORMAT;
}

const char *rs_duration_format(double s, char buf[RS_TIME_MAX])
{
    for (size_t i = 1; i < 4; i++) { /* days, hours, minutes */
        double n = s / units[i].seconds;
        if (s > 0 && n == floor(n)) {
            snprintf(buf, RS_TIME_MAX, "%.0f%s", n, units[i].suffix);
            return buf;
        }
    }
    snprintf(buf, RS_TIME_MAX, "%.6gs", s);
    return buf;
}
