/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calibrators with a weight per row: Platt and beta as logistic regressions on what they make of a score, isotonic by
 * pooling adjacent violators. See calibrate.h. */
#include <float.h>
#include <math.h>

#include "predictor/calibrate.h"
#include "predictor/sigmoid.h"

static double softplus(double z) /* math.md L3: log(1 + e^z), finite for every finite z */
{
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

struct rows {
    const double *z, *weight;
    const uint8_t *y;
    size_t n;
    double target[2]; /* math.md C1: t- and t+ */
    double share;     /* weighted mean target */
    rs_comm *comm;    /* of processes that have more of the rows; its errors stay, and are met at the end */
};

static double row_weight(const struct rows *r, size_t i)
{
    return r->weight ? r->weight[i] : 1;
}

static enum rs_status check_rows(struct rows *r, struct rs_error *err)
{
    double count[2] = { 0, 0 };
    for (size_t i = 0; i < r->n; i++) {
        double k = row_weight(r, i);
        if (!isfinite(r->z[i]) || r->y[i] > 1 || !(k >= 0 && isfinite(k)))
            return rs_error_set(err, RS_EDOMAIN,
                                "calibration row %zu: score %g, label %u, weight %g: finite, 0 or 1, and >= 0 needed",
                                i, r->z[i], r->y[i], k);
        count[r->y[i]] += k;
    }
    enum rs_status st = rs_comm_sum(r->comm, count, 2, err);
    if (st < 0)
        return st;
    double total = count[0] + count[1];
    if (!(total > 0))
        return rs_error_set(err, RS_ENODATA, "calibration: none of the %zu rows has weight", r->n);
    r->target[0] = 1 / (count[0] + 2);
    r->target[1] = (count[1] + 1) / (count[1] + 2);
    r->share = (count[0] * r->target[0] + count[1] * r->target[1]) / total;
    return RS_OK;
}

/* ---- the sigmoids: a weighted logistic regression on one or two inputs made of z ---- */

enum input { INPUT_Z, INPUT_LOG_S, INPUT_MINUS_LOG_1_S };

static double input_value(enum input input, double z)
{
    switch (input) {
    case INPUT_LOG_S:
        return -softplus(-z);
    case INPUT_MINUS_LOG_1_S:
        return softplus(z);
    case INPUT_Z:
        break;
    }
    return z;
}

/* The rows that have weight, their inputs made of z. */
static enum rs_status take_inputs(const struct rows *r, const enum input *input, size_t n_inputs,
                                  struct rs_sigmoid *out, struct rs_error *err)
{
    enum rs_status st = rs_sigmoid_init(out, r->n, n_inputs, err);
    out->comm = r->comm;
    size_t n = 0;
    for (size_t i = 0; st == RS_OK && i < r->n; i++) {
        double k = row_weight(r, i);
        if (k == 0)
            continue;
        out->weight[n] = k;
        out->target[n] = r->target[r->y[i]];
        for (size_t j = 0; j < n_inputs; j++)
            out->x[j][n] = input_value(input[j], r->z[i]);
        n++;
    }
    return st;
}

static double base_log_odds(const struct rows *r)
{
    return log(r->share / (1 - r->share));
}

/* One input, its slope not negative; flat where it would be. */
static enum rs_status fit_one(const struct rows *r, enum input input, double *slope, double *constant,
                              struct rs_error *err)
{
    rs_auto_sigmoid f = { 0 };
    double base = base_log_odds(r), at = base, raw = 0;
    enum rs_status st = take_inputs(r, &input, 1, &f, err);
    if (st < 0)
        return st;
    if (rs_sigmoid_standardise(&f))
        rs_sigmoid_fit(&f, base, &raw, &at);
    *slope = raw > 0 ? raw : 0;
    *constant = raw > 0 ? at : base;
    return RS_OK;
}

static double total_loss(const struct rows *r, const struct rs_calibrator *c)
{
    double loss = 0;
    for (size_t i = 0; i < r->n; i++) {
        double logit =
            c->a * input_value(INPUT_LOG_S, r->z[i]) + c->b * input_value(INPUT_MINUS_LOG_1_S, r->z[i]) + c->c;
        loss += row_weight(r, i) * (softplus(logit) - r->target[r->y[i]] * logit);
    }
    return loss;
}

/* math.md C20: both inputs; where a slope comes out negative, the better of the fits with one of them. */
static enum rs_status fit_beta(const struct rows *r, struct rs_calibrator *out, struct rs_error *err)
{
    static const enum input inputs[] = { INPUT_LOG_S, INPUT_MINUS_LOG_1_S };
    rs_auto_sigmoid f = { 0 };
    double slope[RS_SIGMOID_INPUTS] = { -1, -1 };
    enum rs_status st = take_inputs(r, inputs, RS_LEN(inputs), &f, err);
    if (st < 0)
        return st;
    if (rs_sigmoid_standardise(&f))
        rs_sigmoid_fit(&f, base_log_odds(r), slope, &out->c);
    out->a = slope[0];
    out->b = slope[1];
    if (slope[0] >= 0 && slope[1] >= 0)
        return RS_OK;
    struct rs_calibrator left = { .kind = RS_BETA }, right = { .kind = RS_BETA };
    st = fit_one(r, INPUT_LOG_S, &left.a, &left.c, err);
    if (st == RS_OK)
        st = fit_one(r, INPUT_MINUS_LOG_1_S, &right.b, &right.c, err);
    if (st == RS_OK)
        *out = total_loss(r, &left) <= total_loss(r, &right) ? left : right;
    return st;
}

/* ---- isotonic: pool adjacent violators ---- */

struct block {
    double first, last; /* z */
    double weight, sum; /* of labels */
};

static int by_score(const void *pa, const void *pb)
{
    const struct block *a = pa, *b = pb;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* Blocks of one value of z each, ascending. Returns their number. */
static size_t make_blocks(const struct rows *r, struct block *blocks)
{
    size_t n = 0, merged = 0;
    for (size_t i = 0; i < r->n; i++) {
        double k = row_weight(r, i);
        if (k > 0)
            blocks[n++] = (struct block){ r->z[i], r->z[i], k, r->y[i] ? k : 0 };
    }
    qsort(blocks, n, sizeof *blocks, by_score);
    for (size_t i = 0; i < n; i++) {
        if (merged > 0 && blocks[merged - 1].first == blocks[i].first) {
            blocks[merged - 1].weight += blocks[i].weight;
            blocks[merged - 1].sum += blocks[i].sum;
        } else {
            blocks[merged++] = blocks[i];
        }
    }
    return merged;
}

/* math.md C21. In place; returns the number of blocks whose means rise strictly. */
static size_t pool_violators(struct block *blocks, size_t n)
{
    size_t top = 0;
    for (size_t i = 0; i < n; i++) {
        struct block b = blocks[i];
        while (top > 0 && !(blocks[top - 1].sum / blocks[top - 1].weight < b.sum / b.weight)) {
            top--;
            b.first = blocks[top].first;
            b.weight += blocks[top].weight;
            b.sum += blocks[top].sum;
        }
        blocks[top++] = b;
    }
    return top;
}

static enum rs_status fit_isotonic(const struct rows *r, struct rs_calibrator *out, struct rs_error *err)
{
    rs_autofree struct block *blocks = rs_alloc(r->n, sizeof *blocks);
    if (!blocks)
        return rs_error_set(err, RS_ENOMEM, "calibration of %zu rows: out of memory", r->n);
    size_t n = pool_violators(blocks, make_blocks(r, blocks));
    rs_autofree double *z = rs_alloc(2 * n, sizeof *z);
    rs_autofree double *p = rs_alloc(2 * n, sizeof *p);
    if (!z || !p || 2 * n > UINT32_MAX)
        return rs_error_set(err, RS_ENOMEM, "calibration of %zu rows: out of memory", r->n);
    for (size_t i = 0; i < n; i++) {
        double mean = RS_MIN(blocks[i].sum / blocks[i].weight, 1);
        z[out->n] = blocks[i].first;
        p[out->n++] = mean;
        if (blocks[i].last == blocks[i].first)
            continue;
        z[out->n] = blocks[i].last;
        p[out->n++] = mean;
    }
    out->z = rs_take(z);
    out->p = rs_take(p);
    return RS_OK;
}

enum rs_status rs_calibrator_fit_all(const double *z, const uint8_t *y, const double *weight, size_t n, rs_comm *comm,
                                     struct rs_calibrator *out, struct rs_error *err)
{
    struct rows rows = { .z = z, .weight = weight, .y = y, .n = n, .comm = comm };
    struct rs_calibrator made = { .kind = RS_PLATT };
    enum rs_status st = check_rows(&rows, err);
    if (st == RS_OK)
        st = fit_one(&rows, INPUT_Z, &made.a, &made.b, err);
    st = rs_comm_join(comm, st, err);
    if (st == RS_OK)
        *out = made;
    return st;
}

enum rs_status rs_calibrator_fit(enum rs_calibration kind, const double *z, const uint8_t *y, const double *weight,
                                 size_t n, struct rs_calibrator *out, struct rs_error *err)
{
    struct rows rows = { .z = z, .weight = weight, .y = y, .n = n };
    enum rs_status st = check_rows(&rows, err);
    if (st < 0)
        return st;
    struct rs_calibrator made = { .kind = kind };
    if (kind == RS_ISOTONIC)
        st = fit_isotonic(&rows, &made, err);
    else if (kind == RS_BETA)
        st = fit_beta(&rows, &made, err);
    else
        st = fit_one(&rows, INPUT_Z, &made.a, &made.b, err);
    if (st == RS_OK)
        *out = made;
    return st;
}

double rs_calibrator_loss(const struct rs_calibrator *c, double z, bool is_positive)
{
    double logit = 0;
    switch (c->kind) {
    case RS_PLATT:
        logit = c->a * z + c->b;
        break;
    case RS_BETA:
        logit = c->a * input_value(INPUT_LOG_S, z) + c->b * input_value(INPUT_MINUS_LOG_1_S, z) + c->c;
        break;
    case RS_ISOTONIC: {
        double p = RS_MIN(RS_MAX(rs_calibrate(c, z), DBL_EPSILON), 1 - DBL_EPSILON);
        return is_positive ? -log(p) : -log1p(-p);
    }
    }
    return softplus(is_positive ? -logit : logit);
}
