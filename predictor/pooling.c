/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Depth by depth, and there cohort by cohort. See pooling.h. */
#include "predictor/pooling.h"

#include <math.h>

#define BIAS_MAX_ITER 50
#define WEIGHT_TOLERANCE 1e-6
#define FINAL_TOLERANCE 1e-14
#define WEIGHT_MAX_ITER 60

/* Strengths are learnt from these on, to within a tenth. */
#define FIRST_BIAS_SD 0.3
#define FIRST_WEIGHT_SD 0.1
#define PRECISION_MIN 0.01
#define PRECISION_MAX 1e6
#define LEARN_MAX_ITER 10
#define LEARN_TOLERANCE 0.1

static unsigned depth_of(const struct rs_cohort *cohorts, uint32_t c)
{
    unsigned depth = 0;
    for (; c; c = cohorts[c].parent)
        depth++;
    return depth;
}

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
        return rs_error_set(err, RS_ENOMEM, "%u cohorts: out of memory", p->n_cohorts);
    for (size_t i = 0; i < p->n; i++)
        for (uint32_t c = p->cohort[p->rows ? p->rows[i] : i]; c; c = p->cohorts[c].parent)
            m->from[c + 2]++;
    for (uint32_t c = 2; c < p->n_cohorts + 2; c++) {
        m->n_max = RS_MAX(m->n_max, m->from[c]);
        m->from[c] += m->from[c - 1];
    }
    m->rows = rs_alloc(m->from[p->n_cohorts + 1], sizeof *m->rows);
    if (!m->rows)
        return rs_error_set(err, RS_ENOMEM, "rows of %u cohorts: out of memory", p->n_cohorts);
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
                               double kappa, double *out, double *out_curvature, struct rs_error *err)
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
        *out_curvature = sums[1];
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
    double share; /* of a row's information that other rows do not give too; 0: strengths are given */
    struct members members;
    double *z; /* by row of x: log odds so far */
    /* Columns that a cohort may weigh otherwise than its parent, and they alone, by row of x. */
    size_t *columns, n_columns;
    float *x;
    double *penalty, *w, *variance;
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
    free(f->variance);
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
    f->variance = rs_alloc(p->d + 1, sizeof *f->variance);
    if (!f->columns || !f->penalty || !f->w || !f->variance)
        return rs_error_set(err, RS_ENOMEM, "pooling of %zu features: out of memory", p->d);
    for (size_t j = 0; j < p->d; j++)
        if (!p->steps || !is_of_groups(p->steps[j].op))
            f->columns[f->n_columns++] = j;
    if (f->n_columns == 0)
        return RS_OK; /* biases alone */
    size_t cells;
    if (!rs_mul_size(n_x, f->n_columns, &cells) || !(f->x = rs_alloc(cells, sizeof *f->x)))
        return rs_error_set(err, RS_ENOMEM, "pooling of %zu rows: out of memory", p->n);
    for (size_t i = 0; i < n_x; i++)
        for (size_t k = 0; k < f->n_columns; k++)
            f->x[i * f->n_columns + k] = p->x[i * p->stride + f->columns[k]];
    return rs_solver_new(f->members.n_max, f->n_columns, &f->solver, err);
}

static enum rs_status fit_init(struct fit *f, bool has_weights, struct rs_error *err)
{
    const struct rs_pool_problem *p = f->p;
    size_t n_x = p->rows ? (p->n ? (size_t)p->rows[p->n - 1] + 1 : 0) : p->n;
    enum rs_status st = members_find(p, &f->members, err);
    if (st < 0)
        return st;
    f->z = rs_alloc(n_x, sizeof *f->z);
    if (!f->z)
        return rs_error_set(err, RS_ENOMEM, "pooling of %zu rows: out of memory", p->n);
    for (size_t i = 0; i < n_x; i++)
        f->z[i] = p->z[i];
    return has_weights ? pick_columns(f, n_x, err) : RS_OK;
}

/* The pull at one depth, and what the cohorts there tell of it: sums of squares, and how many numbers the data decide
 * (math.md P2). */
struct pull {
    double bias, weight;
    double bias_squares, bias_decided, weight_squares, weight_decided;
};

/* Bias and weights of one cohort: the minimum of math.md P1, 1/2 kappa_b b^2 + 1/2 kappa_w |v|^2 + sum c_i loss,
 * divided by kappa_b. They start from what the delta holds. */
static enum rs_status fit_weights(struct fit *f, const uint32_t *rows, size_t n, struct pull *pull,
                                  struct rs_cohort_delta *delta, struct rs_error *err)
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
                                  .C = 1 / pull->bias,
                                  .bias = RS_BIAS_PENALISED,
                                  .rel_gradient = p->is_final ? FINAL_TOLERANCE : WEIGHT_TOLERANCE,
                                  .max_iter = WEIGHT_MAX_ITER,
                                  .comm = p->comm };
    struct rs_fit_report report;
    double ratio = pull->weight / pull->bias;
    for (size_t k = 0; k < f->n_columns; k++) {
        f->penalty[k] = ratio;
        f->w[k] = delta->weight[f->columns[k]];
    }
    f->w[f->n_columns] = delta->bias;
    enum rs_status st = rs_solver_fit(f->solver, &problem, &opt, f->w, &report, err);
    if (st == RS_OK && f->share > 0)
        st = rs_solver_variances(f->solver, f->n_columns, f->variance, err);
    if (st < 0)
        return st;
    delta->bias = f->w[f->n_columns];
    pull->bias_squares += delta->bias * delta->bias;
    pull->bias_decided += 1 - f->variance[f->n_columns];
    for (size_t k = 0; k < f->n_columns; k++) {
        delta->weight[f->columns[k]] = f->w[k];
        pull->weight_squares += f->w[k] * f->w[k];
        pull->weight_decided += 1 - ratio * f->variance[k];
    }
    return RS_OK;
}

static enum rs_status fit_delta(struct fit *f, struct pull *pull, struct rs_cohort_delta *delta, struct rs_error *err)
{
    const uint32_t *rows = f->members.rows + f->members.from[delta->cohort];
    size_t n = f->members.from[delta->cohort + 1] - f->members.from[delta->cohort];
    if (delta->weight)
        return fit_weights(f, rows, n, pull, delta, err);
    double curvature = 0;
    enum rs_status st = fit_bias(f->p, rows, n, f->z, pull->bias, &delta->bias, &curvature, err);
    pull->bias_squares += delta->bias * delta->bias;
    pull->bias_decided += curvature / (curvature + pull->bias);
    return st;
}

/* A delta for each cohort of the depth that has rows. */
static enum rs_status open_depth(struct fit *f, unsigned depth, bool has_weights, struct rs_deltas *out,
                                 struct rs_error *err)
{
    const struct rs_pool_problem *p = f->p;
    for (uint32_t c = 1; c < p->n_cohorts; c++) {
        if (depth_of(p->cohorts, c) != depth)
            continue;
        const uint32_t *rows = f->members.rows + f->members.from[c];
        size_t n = f->members.from[c + 1] - f->members.from[c];
        double counts[2] = { (double)n, (double)failing_units(p, rows, n) };
        enum rs_status st = rs_comm_sum(p->comm, counts, 2, err);
        if (st < 0)
            return st;
        if (counts[0] == 0)
            continue;
        struct rs_cohort_delta *delta = &out->of[out->n];
        *delta = (struct rs_cohort_delta){ .cohort = c };
        if (has_weights && f->n_columns && counts[1] >= RS_POOL_FAILING_MIN && counts[0] > counts[1] &&
            !(delta->weight = rs_alloc(p->d, sizeof *delta->weight)))
            return rs_error_set(err, RS_ENOMEM, "%zu features: out of memory", p->d);
        out->index[c] = out->n++;
    }
    return RS_OK;
}

/* What a delta adds to the rows of its cohort. */
static void add_delta(struct fit *f, const struct rs_cohort_delta *delta)
{
    for (size_t k = 0; delta->weight && k < f->n_columns; k++)
        f->w[k] = delta->weight[f->columns[k]];
    if (delta->weight)
        f->w[f->n_columns] = delta->bias;
    for (size_t i = f->members.from[delta->cohort]; i < f->members.from[delta->cohort + 1]; i++) {
        size_t row = f->members.rows[i];
        f->z[row] += delta->weight ? rs_linear_z(f->w, f->x + row * f->n_columns, f->n_columns) : delta->bias;
    }
}

/* math.md P2. True once it moves no more. */
static bool learn(double *kappa, double squares, double decided, double share)
{
    double before = *kappa;
    if (decided > 0) /* infinite where there is nothing to see */
        *kappa = RS_MIN(RS_MAX(decided / (share * squares), PRECISION_MIN), PRECISION_MAX);
    return fabs(log(*kappa / before)) < LEARN_TOLERANCE;
}

static enum rs_status do_depth(struct fit *f, unsigned depth, double *bias, double *weight, struct rs_deltas *out,
                               struct rs_error *err)
{
    uint32_t first = out->n;
    enum rs_status st = open_depth(f, depth, !isinf(*weight), out, err);
    bool is_learnt = false;
    for (int iter = 0; st == RS_OK && !is_learnt && iter < LEARN_MAX_ITER; iter++) {
        struct pull pull = { .bias = *bias, .weight = *weight };
        for (uint32_t i = first; st == RS_OK && i < out->n; i++)
            st = fit_delta(f, &pull, &out->of[i], err);
        is_learnt = f->share == 0;
        if (is_learnt)
            break;
        is_learnt = learn(bias, pull.bias_squares, pull.bias_decided, f->share);
        is_learnt &= isinf(*weight) || learn(weight, pull.weight_squares, pull.weight_decided, f->share);
    }
    for (uint32_t i = first; st == RS_OK && i < out->n; i++)
        add_delta(f, &out->of[i]);
    return st;
}

static enum rs_status fit_depths(struct fit *f, struct rs_pool_strength *s, struct rs_deltas *out, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (unsigned k = 0; st == RS_OK && k < RS_COHORT_DEPTH_MAX; k++)
        if (!isinf(s->bias[k]))
            st = do_depth(f, k + 1, &s->bias[k], &s->weight[k], out, err);
    return st;
}

/* The deltas of strengths given, or learnt from those given on where share is above 0. */
static enum rs_status pool(const struct rs_pool_problem *p, double share, struct rs_pool_strength *s,
                           struct rs_deltas *out, struct rs_error *err)
{
    rs_auto_deltas t = { .d = p->d, .n_cohorts = p->n_cohorts };
    t.of = rs_alloc(p->n_cohorts, sizeof *t.of);
    t.index = rs_alloc(p->n_cohorts, sizeof *t.index);
    if (!t.of || !t.index)
        return rs_error_set(err, RS_ENOMEM, "%u cohorts: out of memory", p->n_cohorts);
    for (uint32_t c = 0; c < p->n_cohorts; c++)
        t.index[c] = UINT32_MAX;
    bool has_weights = false;
    for (unsigned k = 0; k < RS_COHORT_DEPTH_MAX; k++)
        has_weights |= !isinf(s->bias[k]) && !isinf(s->weight[k]);
    struct fit f = { .p = p, .share = share };
    enum rs_status st = rs_pool_has_deltas(s) ? fit_init(&f, has_weights, err) : RS_OK;
    if (st == RS_OK)
        st = fit_depths(&f, s, &t, err);
    fit_clear(&f);
    if (st < 0)
        return rs_error_prefix(err, st, "cohorts");
    *out = t;
    t = (struct rs_deltas){ 0 };
    return RS_OK;
}

bool rs_pool_has_deltas(const struct rs_pool_strength *s)
{
    bool any = false;
    for (unsigned k = 0; k < RS_COHORT_DEPTH_MAX; k++)
        any |= !isinf(s->bias[k]);
    return any;
}

enum rs_status rs_pool_fit(const struct rs_pool_problem *p, const struct rs_pool_strength *s, struct rs_deltas *out,
                           struct rs_error *err)
{
    struct rs_pool_strength given = *s;
    return pool(p, 0, &given, out, err);
}

/* math.md P2: failures over positive rows; those of an entity within a horizon tell of one failure. */
static double share_of_rows(const struct rs_pool_problem *p)
{
    double n_failures = 0, n_rows = 0;
    size_t first = SIZE_MAX; /* row of the failure under way */
    for (size_t i = 0; i < p->n; i++) {
        size_t row = p->rows ? p->rows[i] : i;
        if (!p->y[row])
            continue;
        n_rows += (double)p->row_weight[row];
        if (first != SIZE_MAX && p->unit[first] == p->unit[row] && p->time[row] - p->time[first] < p->horizon_s)
            continue;
        first = row;
        n_failures++;
    }
    return n_rows > 0 ? RS_MIN(n_failures / n_rows, 1.0) : 1;
}

enum rs_status rs_pool_learn(const struct rs_pool_problem *p, enum rs_pool_kind kind, struct rs_pool_strength *out_s,
                             struct rs_deltas *out, struct rs_error *err)
{
    struct rs_pool_strength s;
    double share = share_of_rows(p);
    for (unsigned k = 0; k < RS_COHORT_DEPTH_MAX; k++)
        s.bias[k] = s.weight[k] = INFINITY;
    for (uint32_t c = 1; kind != RS_POOL_NONE && c < p->n_cohorts; c++) {
        unsigned k = depth_of(p->cohorts, c) - 1;
        s.bias[k] = 1 / (share * FIRST_BIAS_SD * FIRST_BIAS_SD);
        s.weight[k] = kind == RS_POOL_WEIGHTS ? 1 / (share * FIRST_WEIGHT_SD * FIRST_WEIGHT_SD) : INFINITY;
    }
    enum rs_status st = pool(p, share, &s, out, err);
    if (st == RS_OK)
        *out_s = s;
    return st;
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
