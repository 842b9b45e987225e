/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A first look at a fleet file, from which the automatic features are chosen: per signal how often it is missing, zero
 * or negative and how skewed it is; per attribute which values have how many entities. Only samples with a label count.
 * Streams; keeps a bounded sample of rows. Of a large file it looks at ranges of entities spread over the whole, and
 * counts of entities are scaled up (docs/math.md F12). */
#ifndef RS_PREDICTOR_SURVEY_H
#define RS_PREDICTOR_SURVEY_H

#include "datasets/fleet.h"
#include "predictor/cohorts.h"

#define RS_SURVEY_ROWS 50000        /* rows sampled, about */
#define RS_SURVEY_WHOLE_MAX 2000000 /* rows of a file that is read whole */
#define RS_SURVEY_READ_MAX 500000   /* rows read of a longer one, about */

struct rs_survey_options {
    int64_t horizon_s;
    int kind; /* as in scan.h */
    uint64_t seed;
    bool is_quiet;
    rs_cohort_tree *tree; /* counts every surveyed entity; sorted at the end */
};

struct rs_signal_survey {
    uint64_t n_missing, n_zero, n_negative;
    float min, max;           /* of all readings; min > max where there are none */
    double skew, skew_of_log; /* of the sample; skew_of_log NaN where there are negative readings */
};

struct rs_attr_survey {
    uint64_t *n_entities; /* by value, scaled up to the file; NULL for numbers */
    uint64_t n_values;    /* that at least one entity has; numbers: distinct ones, at most two counted */
    /* Numbers only. */
    double skew, skew_of_log;
    double min, max;
    double distinct_share;           /* of the sampled entities: different values, as floats */
    uint64_t n_sampled;              /* entities that have one, of the sample */
    uint64_t n_numbers, n_fractions; /* entities that have one, and those whose is no whole number */
    uint64_t n_rising, n_falling;    /* entities whose number is above, below that of the one before in the file */
};

struct rs_survey {
    double share;                                       /* of the entities that were looked at; 1: all of them */
    uint64_t n_rows, n_positive, n_entities, n_failing; /* as read; failing: with at least one positive row */
    int64_t first, last;                                /* time of the labelled samples */
    double cadence_s;       /* mean time between samples of one entity; 0 where none has two */
    double age_correlation; /* of log1p(age) with calendar time; 1 where it cannot be told */
    uint32_t n_signals, n_attrs;
    struct rs_signal_survey *signals;
    struct rs_attr_survey *attrs;
    uint64_t *event_entities; /* n_events of the file: entities that have one, scaled up like n_entities of a value */
};

/* RS_ENODATA where the file has no labelled sample; RS_ECORRUPT and what else the reader reports; RS_ENOMEM;
 * RS_ECANCELLED. *out is the caller's to clear, empty after an error. One thread calls it; it uses all cores. */
enum rs_status rs_survey_take(rs_fleet *fleet, const struct rs_survey_options *opt, struct rs_survey *out,
                              struct rs_error *err);
void rs_survey_clear(struct rs_survey *s);
#define rs_auto_survey __attribute__((cleanup(rs_survey_clear))) struct rs_survey

#endif
