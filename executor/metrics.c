/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A fixed table of atomics: one slot a label value, or one a bucket of a histogram. */
#include "executor/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const struct {
    enum kind kind;
    const char *name, *label, *values, *help;
} table[] = {
#define METRIC(kind, id, name, label, values, help) { kind, name, label, values, help },
#include "executor/metrics.def"
#undef METRIC
};

/* Upper bounds of a histogram's buckets, in seconds: a move takes from half a second to an hour. */
static const double bounds[] = { 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600 };

#define SLOTS 16

struct rs_metrics {
    _Atomic uint64_t counts[RS_METRICS][SLOTS]; /* of a histogram: per bucket, not cumulated; the last is +Inf */
    _Atomic double values[RS_METRICS][SLOTS];   /* of a gauge; [0] of a histogram: the sum */
};

_Static_assert(RS_LEN(bounds) < SLOTS, "a slot for every bucket and +Inf");

rs_metrics *rs_metrics_new(void)
{
    return rs_alloc(1, sizeof(rs_metrics));
}

void rs_metrics_free(rs_metrics *m)
{
    free(m);
}

/* The i-th of the blank-separated values into buf; false where there are fewer. */
static bool nth_value(const char *values, size_t i, char buf[64])
{
    for (;; i--) {
        size_t len = strcspn(values, " ");
        if (len == 0)
            return false;
        if (i == 0) {
            snprintf(buf, 64, "%.*s", (int)len, values);
            return true;
        }
        values += len + (values[len] == ' ');
    }
}

static size_t slot(enum rs_metric which, const char *value)
{
    char buf[64];
    for (size_t i = 0; value && i < SLOTS && nth_value(table[which].values, i, buf); i++)
        if (rs_streq(buf, value))
            return i;
    assert(!value); /* a value outside the table is our own mistake */
    return 0;
}

void rs_metrics_count(rs_metrics *m, enum rs_metric which, const char *value, uint64_t n)
{
    atomic_fetch_add_explicit(&m->counts[which][slot(which, value)], n, memory_order_relaxed);
}

void rs_metrics_set(rs_metrics *m, enum rs_metric which, const char *value, double v)
{
    atomic_store_explicit(&m->values[which][slot(which, value)], v, memory_order_relaxed);
}

void rs_metrics_observe(rs_metrics *m, enum rs_metric which, double seconds)
{
    size_t b = 0;
    while (b < RS_LEN(bounds) && seconds > bounds[b])
        b++;
    atomic_fetch_add_explicit(&m->counts[which][b], 1, memory_order_relaxed);
    double sum = atomic_load_explicit(&m->values[which][0], memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&m->values[which][0], &sum, sum + seconds, memory_order_relaxed,
                                                  memory_order_relaxed))
        continue;
}

static void print_histogram(rs_metrics *m, size_t i, struct rs_buf *out)
{
    uint64_t total = 0;
    for (size_t b = 0; b <= RS_LEN(bounds); b++) {
        total += atomic_load_explicit(&m->counts[i][b], memory_order_relaxed);
        if (b < RS_LEN(bounds))
            rs_buf_printf(out, "%s_bucket{le=\"%g\"} %llu\n", table[i].name, bounds[b], (unsigned long long)total);
        else
            rs_buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n", table[i].name, (unsigned long long)total);
    }
    rs_buf_printf(out, "%s_sum %.9g\n", table[i].name, atomic_load_explicit(&m->values[i][0], memory_order_relaxed));
    rs_buf_printf(out, "%s_count %llu\n", table[i].name, (unsigned long long)total);
}

static void print_value(rs_metrics *m, size_t i, size_t s, struct rs_buf *out)
{
    double v = atomic_load_explicit(&m->values[i][s], memory_order_relaxed);
    if (table[i].kind == COUNTER)
        rs_buf_printf(out, " %llu\n", (unsigned long long)atomic_load_explicit(&m->counts[i][s], memory_order_relaxed));
    else if (isnan(v))
        rs_buf_printf(out, " NaN\n"); /* printf may put a sign before it */
    else
        rs_buf_printf(out, " %.15g\n", v);
}

void rs_metrics_print(rs_metrics *m, struct rs_buf *out)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    char value[64];
    for (size_t i = 0; i < RS_METRICS; i++) {
        rs_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", table[i].name, table[i].help, table[i].name,
                      types[table[i].kind]);
        if (table[i].kind == HISTOGRAM) {
            print_histogram(m, i, out);
            continue;
        }
        if (!*table[i].label) {
            rs_buf_printf(out, "%s", table[i].name);
            print_value(m, i, 0, out);
        }
        for (size_t s = 0; *table[i].label && nth_value(table[i].values, s, value); s++) {
            rs_buf_printf(out, "%s{%s=\"%s\"}", table[i].name, table[i].label, value);
            print_value(m, i, s, out);
        }
    }
}
