/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text models of liblinear and libsvm: two classes, linear or radial. Trusts nothing: every complaint names the line.
 */
#ifndef RS_PREDICTOR_TEXTMODEL_H
#define RS_PREDICTOR_TEXTMODEL_H

#include "common/base.h"
#include "common/error.h"

#define RS_TEXT_MODEL_SIZE_MAX ((size_t)256 << 20)

enum rs_text_format { RS_TEXT_LIBLINEAR, RS_TEXT_LIBSVM };

/* z of the positive class over n inputs:
 *     linear   z = bias + sum_j w[j] x[j]
 *     radial   z = bias + sum_k coef[k] exp(-gamma |x - sv_k|^2) */
struct rs_text_model {
    size_t n;
    double bias;
    bool is_logistic; /* trained for log odds: liblinear's logistic solvers */
    double *w;        /* n, or NULL for a radial one */
    size_t n_sv;
    double gamma;
    double *coef; /* n_sv */
    float *sv;    /* n_sv x n */
    bool has_sigmoid;
    double sigmoid_a, sigmoid_b; /* libsvm's own: p = 1 / (1 + exp(-(a z + b))) */
};

/* text: len bytes with a NUL behind them. RS_EFORMAT; RS_EUNSUPPORTED for other solvers, kernels, types and numbers of
 * classes; RS_ESHAPE where the model does not have n inputs; RS_ENOMEM. Memory is bounded by a multiple of len and n.
 */
enum rs_status rs_text_model_read(enum rs_text_format format, const char *text, size_t len, size_t n,
                                  struct rs_text_model *out, struct rs_error *err);
void rs_text_model_clear(struct rs_text_model *m);
#define rs_auto_text_model __attribute__((cleanup(rs_text_model_clear))) struct rs_text_model

#endif
