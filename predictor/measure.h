/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What evaluate.c (rows and cohorts) and measure.c (figures and intervals) share; of no use to others. */
#ifndef RS_PREDICTOR_MEASURE_H
#define RS_PREDICTOR_MEASURE_H

#include "predictor/evaluate.h"

struct rs_eval_unit {
    uint64_t entity;
    uint32_t cohort;
    bool is_failing;
};

struct rs_eval {
    const struct rs_program *program;
    struct rs_alert_row *rows;
    size_t n_rows, cap_rows;
    double *other_risk; /* of the second model, by row; NULL without one */
    size_t n_other;
    struct rs_eval_unit *units;
    size_t n_units, cap_units;
    size_t n_episodes;
    int64_t episode_failure; /* of the newest episode */
    uint64_t n_samples;
    int64_t first, last;
};

/* The cohorts that are reported. */
struct rs_grouping {
    uint32_t *of_cohort; /* the deepest group that holds the cohort */
    uint32_t *of_unit;   /* the same for each unit */
    uint32_t *parent;    /* of each group */
    size_t n_groups;
};

/* Fills values, intervals and curves of ev, whose groups are chosen. RS_ENOMEM, RS_ECANCELLED. */
enum rs_status rs_eval_measure_groups(const struct rs_eval *e, const struct rs_grouping *g,
                                      const struct rs_eval_options *opt, struct rs_evaluation *ev,
                                      struct rs_error *err);

#endif
