/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counters, gauges and histograms of metrics.def, as Prometheus text. Any thread may call; values are atomic one by
 * one, so that a scrape never waits. */
#ifndef RS_EXECUTOR_METRICS_H
#define RS_EXECUTOR_METRICS_H

#include "common/bytes.h"

enum rs_metric {
#define METRIC(kind, id, name, label, values, help) RS_METRIC_##id,
#include "executor/metrics.def"
#undef METRIC
    RS_METRICS
};

typedef struct rs_metrics rs_metrics;
rs_metrics *rs_metrics_new(void); /* NULL where memory is short */
void rs_metrics_free(rs_metrics *m);
RS_DEFINE_AUTO(rs_metrics, rs_metrics_free)

/* value is one of the label's values, NULL where the metric has no label. */
void rs_metrics_count(rs_metrics *m, enum rs_metric which, const char *value, uint64_t n);
void rs_metrics_set(rs_metrics *m, enum rs_metric which, const char *value, double v);
/* One observation of a histogram, in seconds. */
void rs_metrics_observe(rs_metrics *m, enum rs_metric which, double seconds);

/* Appends all of it in the text exposition format 0.0.4. */
void rs_metrics_print(rs_metrics *m, struct rs_buf *out);

#endif
