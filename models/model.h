/* SPDX-License-Identifier: Apache-2.0 */
/* The model: what the trainer exports and everyone scores with. docs/model-format.md is the byte table.
 *
 * risk = calibrated probability that the entity fails within horizon_s of its newest sample.
 *     z = B + sum_j W[j] * (x[j] - mean[j])                     (docs/math.md M1; W is per raw unit of x[j])
 *     z = bias + sum_k coef[k] * exp(-gamma |x' - sv[k]|^2)     (M5, an RBF machine)
 *     p = calibrate(z)                                          (M2, M4)
 * B and W are bias and weight, with the deltas of the cohorts on the path from the entity's own up to "all" (M6).
 * A struct rs_model is const once made and prepared; any thread may score with it. score.h scores many rows at once. */
#ifndef RS_MODELS_MODEL_H
#define RS_MODELS_MODEL_H

#include "models/feature.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RS_MODEL_VERSION 2
#define RS_MODEL_SIZE_MAX ((size_t)256 << 20)
#define RS_MODEL_TEXT_MAX 4096 /* bytes of meta.tool and meta.options */
/* Bounds that keep z finite for every finite float x. */
#define RS_WEIGHT_MAX 1e30 /* |weight|, |bias|, |a|, |b|, |c|, |coef|, |z| of a knot */
#define RS_MEAN_MAX 1e39   /* |mean|, scale */
#define RS_KNOTS_MAX 65536
#define RS_VECTORS_MAX ((uint32_t)1 << 20)

/* Never renumber: the values stand in model files. */
enum rs_learner { RS_LOGISTIC = 0, RS_LINEAR_SVM = 1, RS_RBF_SVM = 2 };
enum rs_calibration { RS_PLATT = 0, RS_BETA = 1, RS_ISOTONIC = 2 };

/* From decision value to probability.
 *     PLATT     p = sigmoid(a z + b)                            (docs/math.md M2; Platt 1999)
 *     BETA      p = sigmoid(a ln s - b ln(1 - s) + c), s = sigmoid(z), a, b >= 0
 *                                                               (M4; Kull, Silva Filho, Flach 2017)
 *     ISOTONIC  straight lines between n knots, flat outside    (M4; as scikit-learn's IsotonicRegression) */
struct rs_calibrator {
    enum rs_calibration kind;
    double a, b, c; /* c: BETA alone; all 0 for ISOTONIC */
    uint32_t n;     /* ISOTONIC: at least 1, else 0 */
    double *z, *p;  /* n each: z strictly ascending, p never falling, in [0, 1] */
};

/* The probability; allocates nothing. z finite. */
double rs_calibrate(const struct rs_calibrator *c, double z);
/* Frees the knots and zeroes the struct. */
void rs_calibrator_clear(struct rs_calibrator *c);
/* 1 / (1 + exp(-t)) within 2 units in the last place, the same bits on every machine; never exactly 0, nor above 1. */
double rs_sigmoid(double t);

/* What a cohort adds to the weights of its parent. */
struct rs_cohort_delta {
    uint32_t cohort;
    double bias;
    double *weight; /* n_steps, per raw unit; NULL: bias only */
};

/* Support vectors; x' = (x - mean) / scale. */
struct rs_rbf {
    uint32_t n_sv;
    double gamma; /* > 0 where n_sv > 0 */
    double *coef; /* n_sv */
    float *sv;    /* n_sv x n_steps, row-major, standardised */
};

#define RS_REF_EDGES 19
/* How an input, or the risk, was distributed in training: share[i] is the part of the (non-missing) training rows in
 * (edge[i-1], edge[i]], with edge[-1] = -inf and edge[n_edges] = inf. */
struct rs_reference {
    uint32_t n_edges;               /* 0: unknown */
    float edge[RS_REF_EDGES];       /* strictly ascending; those from n_edges on are 0 */
    double share[RS_REF_EDGES + 1]; /* 0 to 1; those behind n_edges are 0 */
    double missing;                 /* share of the rows that lack it */
};

/* Where a model comes from; all of it is written into the file. Times in s UTC. */
struct rs_model_meta {
    char *tool;    /* "reseat 0.1.0" */
    char *options; /* the trainer's options as a command line would give them */
    uint64_t seed;
    uint64_t data_digest; /* XXH3-64 of the samples trained on, as docs/math.md defines it */
    int64_t horizon_s;
    int64_t span_first, span_last; /* of the training samples */
    uint64_t n_rows, n_positive, n_entities, n_failing;
    uint64_t n_mitigated; /* samples whose label a mitigation made unknown */
    double base_rate;     /* share of positive rows */
    double threshold;     /* suggested alert threshold: the training risk quantile of the default alert budget (1 %) */
    double control_share; /* randomised share left alone on purpose; 0: none declared */
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
    double *weight; /* n_steps; all 0 for RS_RBF_SVM */
    double *mean;   /* n_steps: reference point of explanations */
    double *scale;  /* n_steps: standard deviation in training, > 0 */
    struct rs_calibrator calibrator;
    struct rs_cohort_support *support; /* n_cohorts */
    uint32_t n_deltas;                 /* 0 for RS_RBF_SVM */
    struct rs_cohort_delta *deltas;    /* strictly ascending cohort */
    struct rs_rbf rbf;                 /* n_sv 0 unless RS_RBF_SVM */
    struct rs_reference *refs;         /* n_signals, or NULL: none */
    struct rs_reference score_ref;     /* of the risk */
    /* Derived by rs_model_prepare(): tables in the order in which scoring reads them. */
    struct rs_model_tables *tables;
};

void rs_model_free(struct rs_model *m); /* NULL is fine */

/* Makes the tables that scoring reads; program finished before. Call it once after filling the struct, and again after
 * a change. RS_ENOMEM. rs_model_decode() and rs_model_load() have done it already. */
enum rs_status rs_model_prepare(struct rs_model *m, struct rs_error *err);

/* Bytes to model and back. Decoding trusts nothing: RS_EFORMAT (not a model), RS_EVERSION (newer), RS_ECORRUPT
 * (checksum, lengths, indices, numbers out of range), RS_ENOMEM; *out is written only on RS_OK. It allocates at most a
 * small multiple of len. Encoding holds the model to the same rules (RS_EINVAL) and always writes the newest version.
 * The same model always encodes to the same bytes, and what decodes of the newest version encodes to the bytes that it
 * came from. *out_bytes is the caller's to free. */
enum rs_status rs_model_decode(const uint8_t *bytes, size_t len, struct rs_model **out, struct rs_error *err);
enum rs_status rs_model_encode(const struct rs_model *m, uint8_t **out_bytes, size_t *out_len, struct rs_error *err);
/* The same on files: rs_read_file, rs_write_file. */
enum rs_status rs_model_load(const char *path, struct rs_model **out, struct rs_error *err);
enum rs_status rs_model_save(const struct rs_model *m, const char *path, struct rs_error *err);
/* XXH3-64 of the encoded bytes, by which decisions and states name the model. */
uint64_t rs_model_digest(const struct rs_model *m);

/* Whether every number of the model is in range; program finished before. RS_EINVAL says what is not. */
enum rs_status rs_model_check(const struct rs_model *m, struct rs_error *err);

/* Decision value z and risk p of one feature vector x (n_steps, finite) of an entity whose deepest cohort is `cohort`
 * (rs_program_cohort()). Allocate nothing; the model is prepared. */
double rs_model_z(const struct rs_model *m, uint32_t cohort, const float *x);
double rs_model_risk(const struct rs_model *m, uint32_t cohort, const float *x);
/* Contribution of each feature to the log odds (docs/math.md M3): out (n_steps) and the rest, which is returned, add up
 * to logit(p). RBF: O(n_sv n_steps) exponentials. */
double rs_model_explain(const struct rs_model *m, uint32_t cohort, const float *x, double *out);

#ifdef __cplusplus
}
#endif
RS_DEFINE_AUTO_STRUCT(rs_model, rs_model_free)
#endif
