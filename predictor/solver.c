/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Newton's method with backtracking for L2-penalised linear classifiers. A pass over the rows yields gradient and
 * Hessian; the line search then needs only the products with the step, one number a row. */
#include "predictor/solver.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>

#include "common/cli.h"

#define BLOCK 8        /* rows that the Hessian takes at once */
#define FLUSH_ROWS 512 /* rows summed in float before they join the double sum */
#define LANES 8        /* columns are padded to a multiple, so that inner loops have no rest */
#define ARMIJO 1e-4
#define MAX_HALVINGS 40
#define DECREMENT 1e-3 /* of rel_gradient */

struct rs_solver {
    size_t n_max, d, width; /* width: d + 1 padded */
    double *z, *dz;         /* n_max: w . x and step . x */
    double *trial;          /* width */
    float *block;           /* BLOCK x width */
    float *part;            /* width x width: lower triangle of the Hessian, rows since the last flush */
    double *sum;            /* width x width */
    gsl_matrix *hessian;    /* d + 1 square */
    gsl_vector *gradient, *step;
    float scale[BLOCK];
    size_t n_block, n_unflushed;
};

void rs_solver_free(rs_solver *ws)
{
    if (!ws)
        return;
    free(ws->z);
    free(ws->dz);
    free(ws->trial);
    free(ws->block);
    free(ws->part);
    free(ws->sum);
    gsl_matrix_free(ws->hessian);
    gsl_vector_free(ws->gradient);
    gsl_vector_free(ws->step);
    free(ws);
}

enum rs_status rs_solver_new(size_t n_max, size_t d, rs_solver **out, struct rs_error *err)
{
    if (d > RS_SOLVER_FEATURES_MAX)
        return rs_error_set(err, RS_EUNSUPPORTED, "%zu features, at most %d: leave out signals or attributes", d,
                            RS_SOLVER_FEATURES_MAX);
    gsl_set_error_handler_off();
    RS_AUTO(rs_solver) *ws = rs_alloc(1, sizeof *ws);
    if (!ws)
        return rs_error_set(err, RS_ENOMEM, "fit");
    ws->n_max = n_max;
    ws->d = d;
    ws->width = (d + 1 + LANES - 1) / LANES * LANES;
    ws->z = rs_alloc(n_max, sizeof *ws->z);
    ws->dz = rs_alloc(n_max, sizeof *ws->dz);
    ws->trial = rs_alloc(ws->width, sizeof *ws->trial);
    ws->block = rs_alloc(BLOCK * ws->width, sizeof *ws->block);
    ws->part = rs_alloc(ws->width * ws->width, sizeof *ws->part);
    ws->sum = rs_alloc(ws->width * ws->width, sizeof *ws->sum);
    ws->hessian = gsl_matrix_alloc(d + 1, d + 1);
    ws->gradient = gsl_vector_alloc(d + 1);
    ws->step = gsl_vector_alloc(d + 1);
    if (!ws->z || !ws->dz || !ws->trial || !ws->block || !ws->part || !ws->sum || !ws->hessian || !ws->gradient ||
        !ws->step)
        return rs_error_set(err, RS_ENOMEM, "fit of %zu rows by %zu features", n_max, d);
    *out = rs_take(ws);
    return RS_OK;
}

static size_t row_of(const struct rs_problem *p, size_t i)
{
    return p->rows ? p->rows[i] : i;
}

double rs_linear_z(const double *w, const float *x, size_t d)
{
    /* four sums, so that the additions need not wait for each other */
    double a = w[d], b = 0, c = 0, e = 0;
    size_t j = 0;
    for (; j + 4 <= d; j += 4) {
        a += w[j] * (double)x[j];
        b += w[j + 1] * (double)x[j + 1];
        c += w[j + 2] * (double)x[j + 2];
        e += w[j + 3] * (double)x[j + 3];
    }
    for (; j < d; j++)
        a += w[j] * (double)x[j];
    return (a + b) + (c + e);
}

static double softplus(double z) /* math.md L3: log(1 + e^z), finite for every finite z */
{
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

static double loss_of(enum rs_learner learner, double margin)
{
    if (learner == RS_LOGISTIC) /* math.md L1: log(1 + exp(-s z)) */
        return softplus(-margin);
    double gap = 1 - margin; /* math.md L2: max(0, 1 - s z)^2 */
    return gap > 0 ? gap * gap : 0;
}

/* First and second derivative of the loss by the margin. */
static void slopes_of(enum rs_learner learner, double margin, double *first, double *second)
{
    if (learner == RS_LOGISTIC) {
        double q = 1 / (1 + exp(margin));
        *first = -q;
        *second = q * (1 - q);
        return;
    }
    double gap = 1 - margin;
    *first = gap > 0 ? -2 * gap : 0;
    *second = gap > 0 ? 2 : 0;
}

static double weight_of(const struct rs_problem *p, size_t r)
{
    return (p->y[r] ? p->weight_positive : p->weight_negative) * (p->row_weight ? (double)p->row_weight[r] : 1.0);
}

static double penalty_of(const struct rs_problem *p, const struct rs_fit_options *opt, size_t j)
{
    if (j == p->d)
        return opt->bias == RS_BIAS_FREE ? 0 : 1;
    return p->penalty ? p->penalty[j] : 1;
}

static double objective(const rs_solver *ws, const struct rs_problem *p, const struct rs_fit_options *opt,
                        const double *w, double t)
{
    double loss = 0, penalty = 0;
    for (size_t i = 0; i < p->n; i++) {
        size_t r = row_of(p, i);
        double z = ws->z[i] + t * ws->dz[i];
        loss += weight_of(p, r) * loss_of(opt->learner, p->y[r] ? z : -z);
    }
    for (size_t j = 0; j <= p->d; j++)
        penalty += penalty_of(p, opt, j) * w[j] * w[j];
    return penalty / 2 + opt->C * loss;
}

/* part += sum over the block of scale x x', lower triangle in strips of LANES columns. Elements keep their own order of
 * additions, so the wider instructions of newer processors change no bit. */
static inline __attribute__((always_inline)) void add_block(float *restrict part, const float *restrict block,
                                                            const float *restrict scale, size_t width)
{
    for (size_t j = 0; j < width; j++) {
        float c[BLOCK];
        for (size_t b = 0; b < BLOCK; b++)
            c[b] = scale[b] * block[b * width + j];
        float *restrict row = part + j * width;
        for (size_t k = 0; k <= j; k += LANES)
            for (size_t lane = k; lane < k + LANES; lane++) {
                float s = row[lane];
                for (size_t b = 0; b < BLOCK; b++)
                    s += c[b] * block[b * width + lane];
                row[lane] = s;
            }
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void add_block_avx2(float *part, const float *block, const float *scale,
                                                           size_t width)
{
    add_block(part, block, scale, width);
}
#endif

static void add_block_plain(float *part, const float *block, const float *scale, size_t width)
{
    add_block(part, block, scale, width);
}

static void flush_part(rs_solver *ws)
{
    for (size_t j = 0; j <= ws->d; j++)
        for (size_t k = 0; k <= j; k++) {
            ws->sum[j * ws->width + k] += (double)ws->part[j * ws->width + k];
            ws->part[j * ws->width + k] = 0;
        }
    ws->n_unflushed = 0;
}

static void close_block(rs_solver *ws)
{
    for (size_t b = ws->n_block; b < BLOCK; b++)
        ws->scale[b] = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        add_block_avx2(ws->part, ws->block, ws->scale, ws->width);
    else
#endif
        add_block_plain(ws->part, ws->block, ws->scale, ws->width);
    ws->n_unflushed += ws->n_block;
    ws->n_block = 0;
    if (ws->n_unflushed >= FLUSH_ROWS)
        flush_part(ws);
}

static void add_hessian_row(rs_solver *ws, const float *x, double h)
{
    float *to = ws->block + ws->n_block * ws->width;
    memcpy(to, x, ws->d * sizeof *x);
    to[ws->d] = 1;
    ws->scale[ws->n_block++] = (float)h;
    if (ws->n_block == BLOCK)
        close_block(ws);
}

/* Sets gradient and Hessian at w, of whose products with the rows z holds. */
static void derive(rs_solver *ws, const struct rs_problem *p, const struct rs_fit_options *opt, const double *w)
{
    size_t d = p->d;
    double *g = ws->trial;
    memset(g, 0, ws->width * sizeof *g);
    memset(ws->part, 0, ws->width * ws->width * sizeof *ws->part);
    memset(ws->sum, 0, ws->width * ws->width * sizeof *ws->sum);
    for (size_t i = 0; i < p->n; i++) {
        size_t r = row_of(p, i);
        double s = p->y[r] ? 1 : -1, first, second;
        double c = opt->C * weight_of(p, r);
        slopes_of(opt->learner, s * ws->z[i], &first, &second);
        if (first == 0 && second == 0)
            continue;
        const float *x = p->x + r * p->stride;
        double slope = c * s * first;
        for (size_t j = 0; j < d; j++)
            g[j] += slope * (double)x[j];
        g[d] += slope;
        add_hessian_row(ws, x, c * second);
    }
    close_block(ws);
    flush_part(ws);
    for (size_t j = 0; j <= d; j++) {
        gsl_vector_set(ws->gradient, j, g[j] + penalty_of(p, opt, j) * w[j]);
        for (size_t k = 0; k <= j; k++)
            gsl_matrix_set(ws->hessian, j, k, ws->sum[j * ws->width + k]);
        /* the penalty; a trace of it on the intercept keeps a problem with no active row solvable */
        double *diagonal = gsl_matrix_ptr(ws->hessian, j, j);
        *diagonal += penalty_of(p, opt, j) + 1e-9 * (1 + *diagonal);
    }
    if (opt->bias != RS_BIAS_NONE)
        return;
    gsl_vector_set(ws->gradient, d, 0);
    for (size_t k = 0; k <= d; k++)
        gsl_matrix_set(ws->hessian, d, k, k == d);
}

/* Solves H step = -gradient; returns the slope gradient . step, which is negative, or NaN where H is not positive. */
static double solve(rs_solver *ws)
{
    if (gsl_linalg_cholesky_decomp1(ws->hessian) != GSL_SUCCESS)
        return NAN;
    gsl_vector_memcpy(ws->step, ws->gradient);
    gsl_vector_scale(ws->step, -1);
    gsl_linalg_cholesky_svx(ws->hessian, ws->step);
    double slope;
    gsl_blas_ddot(ws->gradient, ws->step, &slope);
    return slope;
}

static void multiply(const struct rs_problem *p, const double *w, double *out)
{
    for (size_t i = 0; i < p->n; i++)
        out[i] = rs_linear_z(w, p->x + row_of(p, i) * p->stride, p->d);
}

/* Backtracking (Armijo) along the step; moves w and z. False where no step length lowers f. */
static bool search(rs_solver *ws, const struct rs_problem *p, const struct rs_fit_options *opt, double *w, double slope,
                   double *f)
{
    double t = 1;
    for (int k = 0; k < MAX_HALVINGS; k++, t /= 2) {
        for (size_t j = 0; j <= p->d; j++)
            ws->trial[j] = w[j] + t * gsl_vector_get(ws->step, j);
        double next = objective(ws, p, opt, ws->trial, t);
        if (next > *f + ARMIJO * t * slope)
            continue;
        for (size_t i = 0; i < p->n; i++)
            ws->z[i] += t * ws->dz[i];
        memcpy(w, ws->trial, (p->d + 1) * sizeof *w);
        *f = next;
        return true;
    }
    return false;
}

enum rs_status rs_solver_fit(rs_solver *ws, const struct rs_problem *p, const struct rs_fit_options *opt, double *w,
                             struct rs_fit_report *out, struct rs_error *err)
{
    *out = (struct rs_fit_report){ .iterations = 0 };
    if (opt->l1_ratio != 0)
        return rs_error_set(err, RS_EUNSUPPORTED, "elastic net");
    multiply(p, w, ws->z);
    for (size_t i = 0; p->offset && i < p->n; i++)
        ws->z[i] += p->offset[row_of(p, i)];
    memset(ws->dz, 0, p->n * sizeof *ws->dz);
    double f = objective(ws, p, opt, w, 0);
    while (out->iterations < opt->max_iter && !out->has_converged) {
        if (rs_cli_interrupted())
            return rs_error_set(err, RS_ECANCELLED, "interrupted");
        derive(ws, p, opt, w);
        double slope = solve(ws);
        if (!isfinite(slope))
            return rs_error_set(err, RS_EINTERNAL, "fit with C = %g: the Hessian is not positive definite", opt->C);
        out->iterations++;
        if (-slope / 2 <= opt->rel_gradient * DECREMENT * f) {
            out->has_converged = true;
            break;
        }
        multiply(p, ws->step->data, ws->dz);
        out->has_converged = !search(ws, p, opt, w, slope, &f); /* no lower f to be had in double precision */
    }
    out->objective = f;
    return RS_OK;
}
