/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Feature lists: text that names the inputs of a model, one a line, as rs_step_name() writes them, back to a feature
 * program. docs/man/reseat-import-model.md has the grammar. Trusts nothing: the text comes from anywhere. */
#ifndef RS_PREDICTOR_STEPPARSE_H
#define RS_PREDICTOR_STEPPARSE_H

#include "models/feature.h"

#define RS_FEATURE_LIST_SIZE_MAX ((size_t)16 << 20)

struct rs_feature_list {
    struct rs_program program; /* finished */
    double *mean, *scale;      /* n_steps: 0 and 1 where the list does not say */
};

/* text: len bytes, with a NUL behind them. RS_EFORMAT names the line and what is wrong with it; RS_ENOMEM. */
enum rs_status rs_feature_list_read(const char *text, size_t len, struct rs_feature_list *out, struct rs_error *err);
void rs_feature_list_clear(struct rs_feature_list *l);
#define rs_auto_feature_list __attribute__((cleanup(rs_feature_list_clear))) struct rs_feature_list

#endif
