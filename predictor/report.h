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
};

enum rs_overlap rs_overlap_find(const struct rs_model *model, uint64_t data_digest, int64_t first, int64_t last);

void rs_report_text(const struct rs_report *r, FILE *to);
/* NULL on want of memory. */
json_t *rs_report_json(const struct rs_report *r);

#endif
