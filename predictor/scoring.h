/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model at work on a fleet file: each sample with its risk, one after the other. What eval and score share. */
#ifndef RS_PREDICTOR_SCORING_H
#define RS_PREDICTOR_SCORING_H

#include "common/progress.h"
#include "models/model.h"
#include "predictor/digest.h"

struct rs_scoring {
    struct rs_model *model;
    rs_fleet *fleet;
    rs_scan *scan;
    rs_digest *digest; /* of the labelled samples visited */
    struct rs_progress progress;
    bool is_drawing;
    uint64_t n_rows; /* visited so far */
};

struct rs_scored_row {
    struct rs_scan_row sample;
    double risk; /* finite, in [0, 1] */
};

/* Loads the model, opens the fleet file, starts the progress line `what`. kind: as in scan.h. horizon_s: of the labels,
 * 0 for the model's own. Messages name the file. On failure *s may be half open: close it either way. */
enum rs_status rs_scoring_open(struct rs_scoring *s, const char *fleet_path, const char *model_path, int kind,
                               int64_t horizon_s, const char *what, bool is_quiet, struct rs_error *err);
/* RS_CONTINUE with *out filled (its pointers live until the next step), RS_OK at the end; RS_ECANCELLED after a signal,
 * RS_EDOMAIN where the model gives a number that is no probability, else what the reader reports. */
enum rs_status rs_scoring_step(struct rs_scoring *s, struct rs_scored_row *out, struct rs_error *err);
void rs_scoring_close(struct rs_scoring *s);
#define rs_auto_scoring __attribute__((cleanup(rs_scoring_close))) struct rs_scoring

#endif
