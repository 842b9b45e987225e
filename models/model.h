/* SPDX-License-Identifier: Apache-2.0 */
/* The model: what the trainer exports and everyone scores with. docs/model-format.md is the byte table.
 *
 * risk = calibrated probability that the entity fails within horizon_s of its newest sample.
 *     z = bias + sum_j weight[j] * (x[j] - mean[j])          (docs/math.md M1; weight is per raw unit of x[j])
 *     p = 1 / (1 + exp(-(a * z + b)))                        (M2, Platt 1999)
 * A struct rs_model is const once made; any thread may score with it. */
#ifndef RS_MODELS_MODEL_H
#define RS_MODELS_MODEL_H

#include "models/feature.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RS_MODEL_VERSION 1
#define RS_MODEL_SIZE_MAX ((size_t)256 << 20)
#define RS_MODEL_TEXT_MAX 4096 /* bytes of meta.tool and meta.options */
/* Bounds that keep z finite for every finite float x. */
#define RS_WEIGHT_MAX 1e30 /* |weight|, |bias|, |calib_a|, |calib_b| */
#define RS_MEAN_MAX 1e39   /* |mean|, scale */

enum rs_learner { RS_LOGISTIC = 0, RS_LINEAR_SVM = 1 };

/* Where a model comes from; all of it is written into the file. Times in s UTC. */
struct rs_model_meta {
    char *tool;    /* "reseat 0.1.0" */
    char *options; /* the trainer's options as a command line would give them */
    uint64_t seed;
    uint64_t data_digest; /* XXH3-64 of the samples trained on, as docs/math.md defines it */
    int64_t horizon_s;
    int64_t span_first, span_last; /* of the training samples */
    uint64_t n_rows, n_positive, n_entities, n_failing;
    double base_rate; /* share of positive rows */
    double threshold; /* suggested alert threshold: the training risk quantile of the default alert budget (1 %) */
};

/* How far a cohort's own data reach; reported with every score. */
struct rs_cohort_support {
    uint64_t n_entities, n_failing, n_rows, n_positive;
};

struct rs_model {
    struct rs_model_meta meta;
    struct rs_program program;
    enum rs_learner learner;
    double bias;
    double *weight; /* n_steps */
    double *mean;   /* n_steps: reference point of explanations */
    double *scale;  /* n_steps: standard deviation in training, > 0; for reports only */
    double calib_a, calib_b;
    struct rs_cohort_support *support; /* n_cohorts */
};

void rs_model_free(struct rs_model *m); /* NULL is fine */

/* Bytes to model and back. Decoding trusts nothing: RS_EFORMAT (not a model), RS_EVERSION (newer), RS_ECORRUPT
 * (checksum, lengths, indices, numbers out of range), RS_ENOMEM; *out is written only on RS_OK. Encoding holds the
 * model to the same rules (RS_EINVAL). The same model always encodes to the same bytes, and what decodes encodes to the
 * bytes that it came from. *out_bytes is the caller's to free. */
enum rs_status rs_model_decode(const uint8_t *bytes, size_t len, struct rs_model **out, struct rs_error *err);
enum rs_status rs_model_encode(const struct rs_model *m, uint8_t **out_bytes, size_t *out_len, struct rs_error *err);
/* The same on files: rs_read_file, rs_write_file. */
enum rs_status rs_model_load(const char *path, struct rs_model **out, struct rs_error *err);
enum rs_status rs_model_save(const struct rs_model *m, const char *path, struct rs_error *err);
/* XXH3-64 of the encoded bytes, by which decisions and states name the model. */
uint64_t rs_model_digest(const struct rs_model *m);

/* Whether every number of the model is in range; program finished before. RS_EINVAL says what is not. */
enum rs_status rs_model_check(const struct rs_model *m, struct rs_error *err);

/* Decision value z and risk p of one feature vector x (n_steps, finite). */
double rs_model_z(const struct rs_model *m, const float *x);
double rs_model_risk(const struct rs_model *m, const float *x);
/* Contribution of each feature to the log odds: out[j] = a * weight[j] * (x[j] - mean[j]); returns the rest,
 * a * bias + b, so that logit(p) = rest + sum out[j]. */
double rs_model_explain(const struct rs_model *m, const float *x, double *out);

#ifdef __cplusplus
}
#endif
RS_DEFINE_AUTO_STRUCT(rs_model, rs_model_free)
#endif
