/* SPDX-License-Identifier: Apache-2.0 */
/* What each feature adds to the log odds of a risk: docs/math.md M3. */
#include <float.h>
#include <math.h>

#include "models/tables.h"

/* Of a probability brought into [eps, 1 - eps], eps = 2^-52, as in E4. */
static double logit(double p)
{
    p = p < DBL_EPSILON ? DBL_EPSILON : p > 1 - DBL_EPSILON ? 1 - DBL_EPSILON : p;
    return log(p) - log1p(-p);
}

static double log_odds(const struct rs_model *m, double z)
{
    if (m->calibrator.kind == RS_PLATT)
        return m->calibrator.a * z + m->calibrator.b;
    return logit(rs_calibrate(&m->calibrator, z));
}

/* What is left of the log odds beside the features' parts. */
static double rest_of(const struct rs_model *m, double z, const double *parts)
{
    double rest = log_odds(m, z);
    for (uint32_t j = 0; j < m->program.n_steps; j++)
        rest -= parts[j];
    return rest;
}

/* Slope of the log odds on the way from the mean point to x; at the mean point that of a short way around it. */
static double slope_between(const struct rs_model *m, double middle, double z)
{
    double least = 1e-6 * (1 + fabs(middle));
    if (fabs(z - middle) < least)
        return (log_odds(m, middle + least) - log_odds(m, middle - least)) / (2 * least);
    return (log_odds(m, z) - log_odds(m, middle)) / (z - middle);
}

/* math.md M3: the parts of z, times the slope of the log odds between the mean point and x */
static double explain_linear(const struct rs_model *m, uint32_t cohort, const float *x, double *out)
{
    const struct rs_model_tables *t = m->tables;
    const double *w = table_of(t, cohort);
    for (size_t b = t->n_blocks; b-- > 0;) /* backwards: what a block only repeats is overwritten by its owner */
        for (size_t i = 0, at = block_start(t, b); i < LANES && at + i < t->d; i++)
            out[at + i] = w[b * LANES + i] * ((double)x[at + i] - t->mean[b * LANES + i]);
    double z = rs_model_z(m, cohort, x), middle = t->bias[cohort];
    bool is_platt = m->calibrator.kind == RS_PLATT;
    double slope = is_platt ? m->calibrator.a : slope_between(m, middle, z);
    for (size_t j = 0; j < t->d; j++)
        out[j] *= slope;
    return is_platt ? m->calibrator.a * middle + m->calibrator.b : rest_of(m, z, out);
}

static double standardised(const struct rs_model *m, size_t j, float x)
{
    double s = ((double)x - m->mean[j]) / m->scale[j];
    return s < -RBF_FAR ? -RBF_FAR : s > RBF_FAR ? RBF_FAR : s;
}

/* z with feature j at its mean, for each j: one more term of every kernel's exponent. */
static void replace_one_at_a_time(const struct rs_model *m, const float *x, double *out_z)
{
    size_t d = m->program.n_steps;
    for (size_t j = 0; j < d; j++)
        out_z[j] = m->bias;
    for (uint32_t k = 0; k < m->rbf.n_sv; k++) {
        const float *sv = m->rbf.sv + k * d;
        double square = 0;
        for (size_t j = 0; j < d; j++) {
            double off = standardised(m, j, x[j]) - (double)sv[j];
            square += off * off;
        }
        for (size_t j = 0; j < d; j++) {
            double off = standardised(m, j, x[j]) - (double)sv[j];
            double changed = square - off * off + (double)sv[j] * (double)sv[j];
            out_z[j] += m->rbf.coef[k] * exp(-m->rbf.gamma * RS_MAX(changed, 0));
        }
    }
}

static double z_of_means(const struct rs_model *m)
{
    double z = m->bias;
    for (uint32_t k = 0; k < m->rbf.n_sv; k++) {
        double square = 0;
        for (size_t j = 0; j < m->program.n_steps; j++) {
            double s = (double)m->rbf.sv[k * m->program.n_steps + j];
            square += s * s;
        }
        z += m->rbf.coef[k] * exp(-m->rbf.gamma * square);
    }
    return z;
}

/* math.md M3: what the log odds lose when one feature goes to its mean; what these do not explain of the way from the
 * mean point to x is shared out by their sizes */
static double explain_rbf(const struct rs_model *m, const float *x, double *out)
{
    double z = rs_model_z(m, 0, x), here = log_odds(m, z), sum = 0, size = 0;
    replace_one_at_a_time(m, x, out);
    for (uint32_t j = 0; j < m->program.n_steps; j++) {
        out[j] = here - log_odds(m, out[j]);
        sum += out[j];
        size += fabs(out[j]);
    }
    double share = size > 0 ? (here - log_odds(m, z_of_means(m)) - sum) / size : 0;
    for (uint32_t j = 0; j < m->program.n_steps; j++)
        out[j] += share * fabs(out[j]);
    return rest_of(m, z, out);
}

double rs_model_explain(const struct rs_model *m, uint32_t cohort, const float *x, double *out)
{
    return m->learner == RS_RBF_SVM ? explain_rbf(m, x, out) : explain_linear(m, cohort, x, out);
}
