/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Guards against features that tell the date instead of the health (docs/math.md F43): where the time of the samples,
 * or the age of the entities, separates the classes all by itself, whatever goes with it looks like a predictor. */
#ifndef RS_PREDICTOR_LEAK_H
#define RS_PREDICTOR_LEAK_H

#include "predictor/sample.h"

#define RS_LEAK_AUC 0.75    /* from here on a warning */
#define RS_LEAK_MIRROR 0.95 /* correlation of a feature with time, from which on it is named */

struct rs_leak {
    double auc_time, auc_age; /* at least 0.5: of the better direction */
    bool warns_time, warns_age;
    size_t n_mirrors; /* features that mirror the date; counted only where the time separates */
    size_t *mirrors;  /* their columns */
};

/* Measures on the sample and logs a warning (ev=leak) for each. RS_ENOMEM. */
enum rs_status rs_leak_look(const struct rs_sample *s, const struct rs_program *p, struct rs_leak *out,
                            struct rs_error *err);
void rs_leak_clear(struct rs_leak *l);

#endif
