/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The measures of a report in one table, for text, JSON and the page alike. See report.h. */
#include <math.h>

#include "predictor/report.h"

#define IN_STATS(member) (offsetof(struct rs_eval_stats, member) / sizeof(double))
#define IN_ALERTS(member) (offsetof(struct rs_alert_stats, member) / sizeof(double))

const struct rs_measure rs_measures[RS_MEASURES] = {
    { "base_rate", "share of positives", IN_STATS(m.base_rate), 0 },
    { "roc_auc", "ROC-AUC", IN_STATS(m.roc_auc), 1 },
    { "average_precision", "PR-AUC", IN_STATS(m.average_precision), 1 },
    { "within_roc_auc", "ROC-AUC within cohorts", IN_STATS(within_roc_auc), 1 },
    { "within_average_precision", "PR-AUC within cohorts", IN_STATS(within_average_precision), 1 },
    { "brier", "Brier score", IN_STATS(m.brier), -1 },
    { "brier_skill", "Brier skill", IN_STATS(m.brier_skill), 1 },
    { "log_loss", "log loss", IN_STATS(m.log_loss), -1 },
    { "mean_risk", "mean risk", IN_STATS(m.mean_risk), 0 },
    { "calibration_error", "calibration error", IN_STATS(calibration_error), -1 },
    { "calibration_in_the_large", "calibration in the large", IN_STATS(m.in_the_large), 0 },
    { "calibration_slope", "calibration slope", IN_STATS(m.slope), 0 },
    { "calibration_intercept", "calibration intercept", IN_STATS(m.intercept), 0 },
};

const struct rs_measure rs_alert_measures[RS_ALERT_MEASURES] = {
    { "alerts", "samples alerted", IN_ALERTS(alerts), 0 },
    { "precision", "precision of samples", IN_ALERTS(precision), 1 },
    { "recall", "recall of samples", IN_ALERTS(recall), 1 },
    { "entities_caught", "failing entities caught", IN_ALERTS(caught), 1 },
    { "entity_recall", "share of failing entities caught", IN_ALERTS(entity_recall), 1 },
    { "false_alarms_per_1000_entity_days", "false alarms per 1,000 entity-days", IN_ALERTS(false_alarms), -1 },
    { "lead_q1_s", "lead time, lower quartile", IN_ALERTS(lead_q1_s), 0 },
    { "lead_median_s", "lead time, median", IN_ALERTS(lead_median_s), 0 },
    { "lead_q3_s", "lead time, upper quartile", IN_ALERTS(lead_q3_s), 0 },
};

size_t rs_alert_index(size_t budget, size_t measure)
{
    return (offsetof(struct rs_eval_stats, alerts) + budget * sizeof(struct rs_alert_stats)) / sizeof(double) +
           rs_alert_measures[measure].index;
}

double rs_stat(const struct rs_eval_stats *s, size_t index)
{
    return ((const double *)s)[index];
}

/* math.md E14. */
const char *rs_verdict(double low, double high, int direction)
{
    if (direction == 0 || !isfinite(low) || !isfinite(high))
        return NULL;
    if (direction < 0) {
        double swap = low;
        low = -high;
        high = -swap;
    }
    return low > 0 ? "better" : high < 0 ? "worse" : "no difference shown";
}
