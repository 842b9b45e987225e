/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Evaluation of a model on a fleet: every measure of metrics.h and alerts.h, pooled and per cohort, each with an
 * interval from resampling entities (docs/math.md section E).
 *
 * Rows with a label are gathered (24 bytes each), sorted once, and measured under the weights of each replicate on all
 * cores. A cohort is reported where enough of its entities fail; it includes the cohorts nested in it. A second model
 * can be measured on the same rows: its difference from the first then has an interval of its own, from the same
 * replicates, which is far narrower than two intervals side by side suggest (E14). */
#ifndef RS_PREDICTOR_EVALUATE_H
#define RS_PREDICTOR_EVALUATE_H

#include "models/model.h"
#include "predictor/alerts.h"
#include "predictor/curves.h"
#include "predictor/metrics.h"

#define RS_EVAL_GROUPS_MAX 64

struct rs_eval_options {
    double budgets[RS_BUDGETS_MAX];
    size_t n_budgets;
    size_t n_bins;       /* 1..RS_BINS_MAX */
    size_t n_replicates; /* 0: no intervals, they are then NaN */
    uint64_t seed;
    uint64_t min_failing; /* failing entities that a cohort must have to be reported */
    double coverage;      /* 0.95 */
    bool is_quiet;
};

/* All doubles, so that bounds have the shape of values. */
struct rs_eval_stats {
    struct rs_metrics m;
    double calibration_error;                        /* E15, over the bins */
    double within_roc_auc, within_average_precision; /* E12, E13: among rows of the same deepest cohort */
    struct rs_alert_stats alerts[RS_BUDGETS_MAX];
    double observed[RS_BINS_MAX]; /* share of positives in each bin */
};

struct rs_eval_group {
    uint32_t cohort; /* of the program; 0 is "all" */
    uint64_t n_entities, n_failing;
    struct rs_bins bins;
    struct rs_bin bin[RS_BINS_MAX];
    double bin_low[RS_BINS_MAX], bin_high[RS_BINS_MAX]; /* risks at the ends of each bin */
    struct rs_eval_stats value, low, high;
    /* With a second model: its own values, and first minus second; the shares observed in bins are not compared (NaN).
     */
    struct rs_eval_stats other, difference, difference_low, difference_high;
};

/* Curves over all rows. leads[b]: of budget b; empty where failure times are unknown. */
struct rs_eval_curves {
    struct rs_curve roc, pr, leads[RS_BUDGETS_MAX];
};

struct rs_evaluation {
    uint64_t n_samples;  /* labelled or not */
    uint64_t n_rows;     /* labelled */
    uint64_t n_entities; /* with labelled rows */
    int64_t first, last; /* time of the labelled rows */
    size_t n_groups;     /* at least 1: "all" comes first, then cohorts in the order of the program */
    struct rs_eval_group *groups;
    bool is_compared;             /* with a second model */
    struct rs_eval_curves curves; /* of the first model */
    struct rs_eval_curves other_curves;
    size_t n_cohorts_left_out; /* with labelled rows, but too few failing entities, or beyond RS_EVAL_GROUPS_MAX */
};
void rs_evaluation_free(struct rs_evaluation *ev);
RS_DEFINE_AUTO_STRUCT(rs_evaluation, rs_evaluation_free)

/* One sample, entity by entity, in time order within an entity. */
struct rs_eval_sample {
    uint64_t entity;
    uint32_t cohort;
    int64_t time;
    double risk;
    int label;       /* 1, 0, or -1 where unknown: counted only */
    int64_t failure; /* with label 1: time of the failure that follows, RS_TIME_NONE where unknown */
};

typedef struct rs_eval rs_eval;

/* program: finished; borrowed until rs_eval_free(). */
enum rs_status rs_eval_new(const struct rs_program *program, rs_eval **out, struct rs_error *err);
enum rs_status rs_eval_add(rs_eval *e, const struct rs_eval_sample *s, struct rs_error *err);
/* The same sample under a second model: all of them, in the same order, after those of the first. RS_EINVAL where
 * entity or time differ from what was added. */
enum rs_status rs_eval_add_other(rs_eval *e, const struct rs_eval_sample *s, struct rs_error *err);
/* Measures what was added. RS_ENODATA where no row has a label, or all have the same one; RS_EINVAL where the
 * second model lacks samples of the first; RS_ENOMEM; RS_ECANCELLED. */
enum rs_status rs_eval_measure(const rs_eval *e, const struct rs_eval_options *opt, struct rs_evaluation **out,
                               struct rs_error *err);
void rs_eval_free(rs_eval *e);
RS_DEFINE_AUTO(rs_eval, rs_eval_free)

#endif
