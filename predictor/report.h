/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An evaluation as people and programs read it. docs/man/reseat-eval.md describes both forms. */
#ifndef RS_PREDICTOR_REPORT_H
#define RS_PREDICTOR_REPORT_H

#include <jansson.h>

#include "predictor/evaluate.h"

/* What is known of the entities that were evaluated and those that the model was trained on. */
enum rs_overlap {
    RS_OVERLAP_SAME_DATA, /* the very samples that the model was trained on */
    RS_OVERLAP_SAME_TIME, /* other samples of the same time: sound where the entities differ */
    RS_OVERLAP_NONE,      /* all later than the training samples and their horizon, or all earlier */
};

struct rs_report {
    const char *fleet_path, *model_path; /* borrowed */
    const struct rs_model *model;
    const struct rs_eval_options *opt;
    const struct rs_evaluation *ev;
    enum rs_overlap overlap;
    const char *other_path; /* of the second model, NULL without one */
    const struct rs_model *other;
};

/* A measure: its JSON key, its name, where it lies among the doubles of its struct, and which way is good (1 up, -1
 * down, 0 neither). */
struct rs_measure {
    const char *key, *name;
    size_t index;
    int direction;
};
#define RS_MEASURES 13
#define RS_ALERT_MEASURES 9
extern const struct rs_measure rs_measures[RS_MEASURES];             /* of struct rs_eval_stats */
extern const struct rs_measure rs_alert_measures[RS_ALERT_MEASURES]; /* of struct rs_alert_stats */
size_t rs_alert_index(size_t budget, size_t measure);                /* of an alert measure in struct rs_eval_stats */
double rs_stat(const struct rs_eval_stats *s, size_t index);
/* "better", "worse" or "no difference shown" by the interval of a difference (docs/math.md E14); NULL where there is no
 * interval, or no better. */
const char *rs_verdict(double low, double high, int direction);

enum rs_overlap rs_overlap_find(const struct rs_model *model, uint64_t data_digest, int64_t first, int64_t last);

/* has_cohort_tables: the calibration table of each cohort too. */
void rs_report_text(const struct rs_report *r, bool has_cohort_tables, FILE *to);
/* The second model's part of it; nothing without one. */
void rs_report_compare_text(const struct rs_report *r, FILE *to);
/* NULL on want of memory. */
json_t *rs_report_json(const struct rs_report *r);
json_t *rs_report_compare_json(const struct rs_report *r);
/* One self-contained HTML page with plots, the numbers in tables beside them. RS_ENOMEM, RS_EIO. */
enum rs_status rs_report_page(const struct rs_report *r, FILE *to, struct rs_error *err);

#endif
