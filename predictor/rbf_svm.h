/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of rbf.c and rbf_grid.c, the door to libsvm. */
#ifndef RS_PREDICTOR_RBF_SVM_H
#define RS_PREDICTOR_RBF_SVM_H

#include <libsvm/svm.h>

#include "predictor/rbf_private.h"

/* libsvm prints its progress otherwise. */
void rbf_svm_silence(void);
/* RS_EUNSUPPORTED, RS_EDOMAIN; C and gamma apart. */
enum rs_status rbf_check(const struct rs_problem *p, const struct rs_rbf_options *opt, struct rs_error *err);
bool rbf_is_positive(double x);
/* A C-SVC with radial kernel; n_of: kept rows of each class; weight must live as long as the result. */
struct svm_parameter rbf_parameter(const struct rs_problem *p, const struct rs_rbf_options *opt,
                                   const struct rbf_sample *s, const size_t n_of[2], double weight[2]);

#endif
