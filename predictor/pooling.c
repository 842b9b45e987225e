/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cohort by cohort, parents first. See pooling.h. */
#include "predictor/pooling.h"

#include <math.h>

#define BIAS_MAX_ITER 50
#define WEIGHT_TOLERANCE 1e-6
#define FINAL_TOLERANCE 1e-14
#define WEIGHT_MAX_ITER 60

/* Rows of each cohort, nested ones included: rows[from[c]] .. rows[from[c + 1] - 1]. */
struct members {
    size_t *from;
    uint32_t *rows;
    size_t n_max;
};

static void members_clear(struct members *m)
{
    free(m->from);
    free(m->rows);
}

static enum rs_status members_find(const struct rs_pool_problem *p, struct members *m, struct rs_error *err)
{
    m->from = rs_alloc((size_t)p->n_cohorts + 2, sizeof *m->from);
    if (!m->from)
        return rs_error_set(err, RS_ENOMEM, "%u cohorts", p->n_cohorts);
    for (size_t i = 0; i < p->n; i++)
        for (uint32_t c = p->cohort[p->rows ? p->rows[i] : i]; c; c = p->cohorts[c].parent)
            m->from[c + 2]++;
    for (uint32_t c = 2; c < p->n_cohorts + 2; c++) {
        m->n_max = RS_MAX(m->n_max, m->from[c]);
        m->from[c] += m->from[c - 1];
    }
    m->rows = rs_alloc(m->from[p->n_cohorts + 1], sizeof *m->rows);
    if (!m->rows)
        return rs_error_set(err, RS_ENOMEM, "rows of %u cohorts", p->n_cohorts);
    for (size_t i = 0; i < p->n; i++) {
        uint32_t row = p->rows ? p->rows[i] : (uint32_t)i;
        for (uint32_t c = p->cohort[row]; c; c = p->cohorts[c].parent)
            m->rows[m->from[c + 1]++] = row;
    }
    return RS_OK; /* from[c + 1] has moved to the end of c: the start of c is from[c] */
}

static size_t failing_units(const struct rs_pool_problem *p, const uint32_t *rows, size_t n)
{
    uint32_t last = UINT32_MAX;
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (p->y[rows[i]] && p->unit[rows[i]] != last) {
            last = p->unit[rows[i]];
            count++;
        }
    return count;
}

/* math.md P1 with a bias alone: Newton's method in one dimension, and bisection where a step would leave the interval
 * that is known to hold the root */
static enum rs_status fit_bias(const struct rs_pool_problem *p, const uint32_t *rows, size_t n, const double *z,
                               double kappa, double *out, struct rs_error *err)
{
    double b = 0, low = -40, high = 40; /* the root of the gradient, which grows with b, lies between them */
    for (int iter = 0; iter < BIAS_MAX_ITER; iter++) {
        double sums[2] = { 0, 0 };
        for (size_t i = 0; i < n; i++) {
            double q = 1 / (1 + exp(-(z[rows[i]] + b))), w = (double)p->row_weight[rows[i]];
            sums[0] += w * (q - p->y[rows[i]]);
            sums[1] += w * q * (1 - q);
        }
        enum rs_status st = rs_comm_sum(p->comm, sums, 2, err);
        if (st < 0)
            return st;
        double gradient = sums[0] + kappa * b, step = gradient / (sums[1] + kappa);
        *(gradient > 0 ? &high : &low) = b;
        double next = b - step;
        if (!(next > low && next < high))
            next = (low + high) / 2;
        if (fabs(next - b) < 1e-12)
            break;
        b = next;
    }
    *out = b;
    return RS_OK;
}

struct fit {
    const struct rs_pool_problem *p;
    const struct rs_pool_strength *s;
    struct members members;
    double *z; /* by row of x: log odds so far */
    /* Columns that a cohort may weigh otherwise than its parent, and they alone, by row of x. */
    size_t *columns, n_columns;
    float *x;
    double *penalty, *w;
    rs_solver *solver;
};

static void fit_clear(struct fit *f)
{
    members_clear(&f->members);
    free(f->z);
    free(f->columns);
    free(f->x);
    free(f->penalty);
    free(f->w);
    rs_solver_free(f->solver);
}

/* What says of what group an entity is tells nothing inside of the group, or not enough. */
static bool is_of_groups(enum rs_step_op op)
{
    return op == RS_STEP_ONEHOT || op == RS_STEP_COHORT;
}

static enum rs_status pick_columns(struct fit *f, size_t n_x, struct rs_error *err)
{
    const struct rs_pool_problem *p = f->p;
    f->columns = rs_alloc(p->d, sizeof *f->columns);
    f->penalty = rs_alloc(p->d, sizeof *f->penalty);
    f->w = rs_alloc(p->d + 1, sizeof *f->w);
    if (!f->columns || !f->penalty || !f->w)
        return rs_error_set(err, RS_ENOMEM, "pooling of %zu features", p->d);
    for (size_t j = 0; j < p->d; j++)
        if (!p->steps || !is_of_groups(p->steps[j].op))
            f->columns[f->n_columns++] = j;
    if (f->n_columns == 0)
        return RS_OK; /* biases alone */
    for (size_t k = 0; k < f->n_columns; k++)
        f->penalty[k] = f->s->weight / f->s->bias;
    size_t cells;
    if (!rs_mul_size(n_x, f->n_columns, &cells) || !(f->x = rs_alloc(cells, sizeof *f->x)))
        return rs_error_set(err, RS_ENOMEM, "pooling of %zu rows", p->n);
    for (size_t i = 0; i < n_x; i++)
        for (size_t k = 0; k < f->n_columns; k++)
            f->x[i * f->n_columns + k] = p->x[i * p->stride + f->columns[k]];
    return rs_solver_new(f->members.n_max, f->n_columns, &f->solver, err);
}

static enum rs_status fit_init(struct fit *f, struct rs_error *err)
{
    const struct rs_pool_problem *p = f->p;
    size_t n_x = p->rows ? (p->n ? (size_t)p->rows[p->n - 1] + 1 : 0) : p->n;
    enum rs_status st = members_find(p, &f->members, err);
    if (st < 0)
        return st;
    f->z = rs_alloc(n_x, sizeof *f->z);
    if (!f->z)
        return rs_error_set(err, RS_ENOMEM, "pooling of %zu rows", p->n);
    for (size_t i = 0; i < n_x; i++)
        f->z[i] = p->z[i];
    return isinf(f->s->weight) ? RS_OK : pick_columns(f, n_x, err);
}

/* f->w := the minimum of math.md P1: 1/2 kappa_b b^2 + 1/2 kappa_w |v|^2 + sum c_i loss, divided by kappa_b */
static enum rs_status fit_weights(struct fit *f, const uint32_t *rows, size_t n, struct rs_error *err)
{
    const struct rs_pool_problem *p = f->p;
    struct rs_problem problem = { .x = f->x,
                                  .stride = f->n_columns,
                                  .y = p->y,
                                  .rows = rows,
                                  .n = n,
                                  .d = f->n_columns,
                                  .row_weight = p->row_weight,
                                  .offset = f->z,
                                  .penalty = f->penalty,
                                  .weight_positive = 1,
                                  .weight_negative = 1 };
    struct rs_fit_options opt = { .learner = RS_LOGISTIC,
                                  .C = 1 / f->s->bias,
                                  .bias = RS_BIAS_PENALISED,
                                  .rel_gradient = p->is_final ? FINAL_TOLERANCE : WEIGHT_TOLERANCE,
                                  .max_iter = WEIGHT_MAX_ITER,
                                  .comm = p->comm };
    struct rs_fit_report report;
    memset(f->w, 0, (f->n_columns + 1) * sizeof *f->w);
    return rs_solver_fit(f->solver, &problem, &opt, f->w, &report, err);
}

/* Bias and weights of one cohort from f->w, and what they add to its rows. */
static enum rs_status put_weights(struct fit *f, const uint32_t *rows, size_t n, struct rs_cohort_delta *out,
                                  struct rs_error *err)
{
    out->weight = rs_alloc(f->p->d, sizeof *out->weight);
    if (!out->weight)
        return rs_error_set(err, RS_ENOMEM, "%zu features", f->p->d);
    out->bias = f->w[f->n_columns];
    for (size_t k = 0; k < f->n_columns; k++)
        out->weight[f->columns[k]] = f->w[k];
    for (size_t i = 0; i < n; i++)
        f->z[rows[i]] += rs_linear_z(f->w, f->x + rows[i] * f->n_columns, f->n_columns);
    return RS_OK;
}

static enum rs_status do_cohort(struct fit *f, uint32_t c, struct rs_deltas *out, struct rs_error *err)
{
    const struct rs_pool_problem *p = f->p;
    const uint32_t *rows = f->members.rows + f->members.from[c];
    size_t n = f->members.from[c + 1] - f->members.from[c];
    double counts[2] = { (double)n, (double)failing_units(p, rows, n) };
    enum rs_status st = rs_comm_sum(p->comm, counts, 2, err);
    if (st < 0 || counts[0] == 0)
        return st;
    struct rs_cohort_delta *delta = &out->of[out->n];
    *delta = (struct rs_cohort_delta){ .cohort = c };
    if (f->solver && counts[1] >= RS_POOL_FAILING_MIN && counts[0] > counts[1]) {
        st = fit_weights(f, rows, n, err);
        if (st == RS_OK)
            st = put_weights(f, rows, n, delta, err);
    } else {
        st = fit_bias(p, rows, n, f->z, f->s->bias, &delta->bias, err);
        for (size_t i = 0; st == RS_OK && i < n; i++)
            f->z[rows[i]] += delta->bias;
    }
    if (st < 0)
        return st;
    out->index[c] = out->n++;
    return RS_OK;
}

enum rs_status rs_pool_fit(const struct rs_pool_problem *p, const struct rs_pool_strength *s, struct rs_deltas *out,
                           struct rs_error *err)
{
    rs_auto_deltas t = { .d = p->d, .n_cohorts = p->n_cohorts };
    t.of = rs_alloc(p->n_cohorts, sizeof *t.of);
    t.index = rs_alloc(p->n_cohorts, sizeof *t.index);
    if (!t.of || !t.index)
        return rs_error_set(err, RS_ENOMEM, "%u cohorts", p->n_cohorts);
    for (uint32_t c = 0; c < p->n_cohorts; c++)
        t.index[c] = UINT32_MAX;
    struct fit f = { .p = p, .s = s };
    enum rs_status st = isinf(s->bias) ? RS_OK : fit_init(&f, err);
    for (uint32_t c = 1; st == RS_OK && !isinf(s->bias) && c < p->n_cohorts; c++)
        st = do_cohort(&f, c, &t, err);
    fit_clear(&f);
    if (st < 0)
        return rs_error_prefix(err, st, "cohorts");
    *out = t;
    t = (struct rs_deltas){ 0 };
    return RS_OK;
}

double rs_deltas_z(const struct rs_deltas *t, const struct rs_cohort *cohorts, uint32_t cohort, const float *x)
{
    double z = 0; /* math.md P1 */
    for (uint32_t c = cohort; c; c = cohorts[c].parent) {
        if (t->index[c] == UINT32_MAX)
            continue;
        const struct rs_cohort_delta *delta = &t->of[t->index[c]];
        z += delta->bias;
        for (size_t j = 0; delta->weight && j < t->d; j++)
            z += delta->weight[j] * (double)x[j];
    }
    return z;
}

void rs_deltas_clear(struct rs_deltas *t)
{
    for (uint32_t i = 0; t->of && i < t->n; i++)
        free(t->of[i].weight);
    free(t->of);
    free(t->index);
    *t = (struct rs_deltas){ 0 };
}
