/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an alert budget buys: each day the riskiest share of rows is alerted; how many failing entities does that catch,
 * how early, and at how many false alarms? docs/math.md E7 to E9.
 *
 * Rows are sorted once, by day and risk; a measurement under entity weights (bootstrap.h) is one pass for all budgets
 * and all *groups* (nested cohorts; group 0 holds every entity). The budget is the fleet's: a group's figures say what
 * of the fleet's alerts fell on it. */
#ifndef RS_PREDICTOR_ALERTS_H
#define RS_PREDICTOR_ALERTS_H

#include "common/base.h"
#include "common/error.h"

#define RS_BUDGETS_MAX 8
#define RS_NO_EPISODE UINT32_MAX
#define RS_NO_LEAD (-1)

/* One labelled row. Rows of one unit and one day count as one entity-day. */
struct rs_alert_row {
    double risk;
    int32_t day;      /* since 1970-01-01 UTC */
    uint32_t unit;    /* entity */
    uint32_t episode; /* the failure that a positive row announces; RS_NO_EPISODE for a negative row */
    int32_t lead_s;   /* time left to that failure, RS_NO_LEAD where only a label is known */
};

struct rs_alert_input {
    const struct rs_alert_row *rows;
    size_t n_rows;
    const uint32_t *unit_group; /* n_units: the deepest group of each */
    size_t n_units;
    const uint32_t *group_parent; /* n_groups; parents come first, group 0 is the top */
    size_t n_groups;
    size_t n_episodes;
    double budgets[RS_BUDGETS_MAX]; /* shares of a day's rows, in (0, 1] */
    size_t n_budgets;
};

typedef struct rs_alerts rs_alerts;       /* sorted rows; const while measured */
typedef struct rs_alerts_ws rs_alerts_ws; /* scratch memory of one thread */

/* All members are doubles, so that an interval of each can be kept in the same shape. NaN where undefined. */
struct rs_alert_stats {
    double alerts;                              /* alerted rows */
    double precision, recall;                   /* of rows, E8 */
    double caught;                              /* failing entities alerted in one of their positive rows */
    double entity_recall;                       /* caught / failing entities */
    double false_alarms;                        /* entity-days with an alert on a negative row, per 1,000 entity-days */
    double lead_q1_s, lead_median_s, lead_q3_s; /* from the first alert of an episode to its failure, E9 */
};

/* Copies and sorts. Indices must lie within their counts. RS_EINVAL where n_rows or n_units exceed UINT32_MAX,
 * RS_ENOMEM. */
enum rs_status rs_alerts_new(const struct rs_alert_input *in, rs_alerts **out, struct rs_error *err);
void rs_alerts_free(rs_alerts *a);
RS_DEFINE_AUTO(rs_alerts, rs_alerts_free)

enum rs_status rs_alerts_ws_new(const rs_alerts *a, rs_alerts_ws **out, struct rs_error *err);
void rs_alerts_ws_free(rs_alerts_ws *ws);
RS_DEFINE_AUTO(rs_alerts_ws, rs_alerts_ws_free)

/* weight: one per unit, NULL for 1 each. out: n_groups x n_budgets, group after group. Allocates nothing. */
void rs_alerts_measure(const rs_alerts *a, rs_alerts_ws *ws, const uint32_t *weight, struct rs_alert_stats *out);

/* Lead times, in s and ascending, of the failures that one budget caught at the last measurement with ws (E9); unknown
 * ones are left out. out: room for n_episodes. Returns their number. */
size_t rs_alerts_leads(const rs_alerts *a, rs_alerts_ws *ws, size_t budget, double *out);

#endif
