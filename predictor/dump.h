/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a dump prints, however it is printed: a model with its steps in the order of their weight. */
#ifndef RS_PREDICTOR_DUMP_H
#define RS_PREDICTOR_DUMP_H

#include "models/model.h"
#include "predictor/json.h"

/* A step by the weight of one standard deviation. */
struct rs_ranked_step {
    uint32_t step;
    double weight; /* in standard units */
};

/* Borrows path and model. */
struct rs_dump {
    const char *path;
    const struct rs_model *m;
    struct rs_ranked_step *ranked; /* n_steps, heaviest first; in the order of the program where there are no weights */
};

/* Steps by |weight| x scale, heaviest first, into out (n_steps). */
void rs_rank_steps(const struct rs_model *m, const double *weight, struct rs_ranked_step *out);
const char *rs_learner_name(enum rs_learner learner);
const char *rs_signal_kind_name(enum rs_signal_kind kind);
/* Whether a condition of a cohort is about the attribute: a value that is not in its dictionary then sends the entity
 * to a parent cohort. */
bool rs_attr_is_in_cohorts(const struct rs_program *p, uint32_t attr);

/* On stdout; RS_EIO, RS_ENOMEM. */
enum rs_status rs_dump_text(const struct rs_dump *d, struct rs_error *err);
enum rs_status rs_dump_json(const struct rs_dump *d, struct rs_error *err);

#endif
