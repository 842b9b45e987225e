/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The learners, behind one interface: which candidates each proposes, how one is fitted, its decision values, and what
 * of it goes into a model. One file each: logistic.c, svm.c, rbf_learner.c. */
#ifndef RS_PREDICTOR_LEARNER_H
#define RS_PREDICTOR_LEARNER_H

#include "predictor/solver.h"

struct rs_learner_ops;

struct rs_candidate {
    const struct rs_learner_ops *ops;
    unsigned set;     /* of features, 0 the smallest */
    bool is_balanced; /* both classes weigh the same in total */
    double C, l1_ratio;
    double gamma; /* of a radial machine, in units of 1 / d */
    double trees; /* share of the boosted trees in the decision value, 0 to 1 (sets.h) */
};

/* What the fits share. */
struct rs_learner_ws {
    rs_solver *solver;
    double rel_gradient;
    unsigned max_iter;
    uint64_t seed;
    rs_comm *comm;
};

struct rs_fitted {
    size_t d;
    double *w; /* d_max + 1: linear learners: start, then answer (d weights, then the intercept) */
    struct rs_rbf rbf;
    double rbf_bias;
    struct rs_fit_report report;
};

enum rs_status rs_fitted_init(struct rs_fitted *f, size_t d_max, struct rs_error *err);
void rs_fitted_clear(struct rs_fitted *f);
#define rs_auto_fitted __attribute__((cleanup(rs_fitted_clear))) struct rs_fitted

struct rs_learner_ops {
    const char *name; /* "logistic" */
    enum rs_learner learner;
    /* Candidates in families (adjacent ones that differ in C, gamma and trees alone), the simplest family first; within
     * a family, a fit may start from the one before. Writes at most max, returns how many. C NaN: all. */
    size_t (*propose)(double C, bool has_trees, struct rs_candidate *out, size_t max);
    /* p: rows of class weight 1 each; the candidate's own are put in here. w of f holds the start. */
    enum rs_status (*fit)(const struct rs_learner_ws *ws, const struct rs_problem *p, const struct rs_candidate *c,
                          struct rs_fitted *f, struct rs_error *err);
    /* z of n rows of x (rows NULL: 0..n-1). */
    enum rs_status (*decide)(const struct rs_fitted *f, const float *x, size_t stride, const uint32_t *rows, size_t n,
                             double *out_z, struct rs_error *err);
};

extern const struct rs_learner_ops rs_logistic_ops, rs_svm_ops, rs_rbf_ops;

/* Whether two candidates differ in C, gamma and the share of the trees alone; and whether in the last alone. */
bool rs_candidates_are_kin(const struct rs_candidate *a, const struct rs_candidate *b);
bool rs_candidates_share_fit(const struct rs_candidate *a, const struct rs_candidate *b);
/* "logistic", "elastic net", "svm", "svm, balanced", "rbf svm" */
const char *rs_candidate_name(const struct rs_candidate *c);

/* What the linear learners share. */
enum rs_status rs_linear_fit(const struct rs_learner_ws *ws, const struct rs_problem *p, const struct rs_candidate *c,
                             struct rs_fitted *f, struct rs_error *err);
enum rs_status rs_linear_decide(const struct rs_fitted *f, const float *x, size_t stride, const uint32_t *rows,
                                size_t n, double *out_z, struct rs_error *err);
/* Weighted counts of the classes, and from them the class weights of a candidate and the start of a fit. */
struct rs_class_sums {
    double positive, negative;
};
struct rs_class_sums rs_class_sums(const struct rs_problem *p);

#endif
