/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows for benchmarks: 40 signals of the shapes that telemetry has (gauges, heavy tails, counts that are mostly zero,
 * flags), 50 cohorts, 0.5 % of the rows labelled 1 by a logistic model. docs/simulator.md has the numbers in words. */
#include "datasets/simulate_plain.h"

#include <math.h>

#include "common/cli.h"
#include "common/progress.h"
#include "datasets/random.h"

#define SIGNALS 40
#define GAUGES 10 /* signals 0 .. 9: normal */
#define TAILS 20  /* .. 19: lognormal */
#define COUNTS 35 /* .. 34: mostly zero, else Pareto; the rest: flags */
#define COUNT_MAX 1e6
#define COHORTS 50
#define ROWS_MAX 59 /* of an entity, each number as likely: a month on average */
#define POSITIVE_SHARE 0.005
#define PILOT_ROWS 20000 /* to find the intercept with */
#define STRENGTH 0.9     /* standard deviation of the log odds, about */

struct bench {
    const struct rs_simulate_options *opt;
    rs_builder *builder;
    uint32_t signal[SIGNALS], attr;
    double weight[SIGNALS], cohort_bias[COHORTS], intercept;
    struct rs_random rng;
};

static float draw_signal(struct rs_random *r, size_t k)
{
    if (k < GAUGES)
        return (float)rs_random_normal(r, 20 + 3 * (double)k, 1 + 0.5 * (double)k);
    if (k < TAILS)
        return (float)rs_random_lognormal(r, 10, 0.5 + 0.1 * (double)(k - GAUGES));
    if (k < COUNTS) {
        double zero = 0.7 + 0.02 * (double)(k - TAILS);
        return rs_random_chance(r, zero) ? 0 : (float)floor(fmin(rs_random_pareto(r, 1, 0.9), COUNT_MAX));
    }
    return rs_random_chance(r, 0.02 * (double)(k - COUNTS + 1)) ? 1 : 0;
}

/* What a signal adds to the log odds before its weight; about standard. */
static double term_of(size_t k, float x)
{
    if (k < GAUGES)
        return ((double)x - 20 - 3 * (double)k) / (1 + 0.5 * (double)k);
    if (k < TAILS)
        return (log((double)x) - log(10)) / (0.5 + 0.1 * (double)(k - GAUGES));
    return x > 0 ? log1p((double)x) : 0;
}

/* Draws a row and returns its log odds without the intercept. */
static double draw_row(struct bench *b, size_t cohort, struct rs_reading out[SIGNALS])
{
    double z = b->cohort_bias[cohort];
    for (size_t k = 0; k < SIGNALS; k++) {
        out[k] = (struct rs_reading){ b->signal[k], draw_signal(&b->rng, k) };
        if (b->weight[k] != 0)
            z += b->weight[k] * term_of(k, out[k].value);
    }
    return z;
}

/* A few cohorts hold most entities: the square of a uniform number. */
static size_t draw_cohort(struct rs_random *r)
{
    double u = rs_random_uniform(r);
    return (size_t)(u * u * COHORTS);
}

static void draw_weights(struct bench *b)
{
    rs_random_stream(&b->rng, b->opt->seed, "bench weights", 0);
    for (size_t k = 0; k < SIGNALS; k++)
        b->weight[k] = k % 3 == 2 ? 0 : rs_random_normal(&b->rng, 0, STRENGTH / sqrt(SIGNALS / 2.0));
    for (size_t c = 0; c < COHORTS; c++)
        b->cohort_bias[c] = rs_random_normal(&b->rng, 0, 0.4);
}

/* The intercept at which the pilot rows are positive as often as wanted: bisection, since the mean rises with it. */
static enum rs_status find_intercept(struct bench *b, struct rs_error *err)
{
    rs_autofree double *z = rs_alloc(PILOT_ROWS, sizeof *z);
    struct rs_reading readings[SIGNALS];
    double low = -60, high = 60;
    if (!z)
        return rs_error_set(err, RS_ENOMEM, "simulate: out of memory");
    rs_random_stream(&b->rng, b->opt->seed, "bench pilot", 0);
    for (size_t i = 0; i < PILOT_ROWS; i++)
        z[i] = draw_row(b, draw_cohort(&b->rng), readings);
    for (int step = 0; step < 60; step++) {
        double middle = (low + high) / 2, sum = 0;
        for (size_t i = 0; i < PILOT_ROWS; i++)
            sum += 1 / (1 + exp(-z[i] - middle));
        *(sum < POSITIVE_SHARE * PILOT_ROWS ? &low : &high) = middle;
    }
    b->intercept = (low + high) / 2;
    return RS_OK;
}

/* One entity with n rows, a day apart. */
static enum rs_status write_entity(struct bench *b, uint64_t index, uint64_t n, struct rs_error *err)
{
    char id[32], name[16];
    struct rs_reading readings[SIGNALS];
    rs_random_stream(&b->rng, b->opt->seed, "bench rows", index);
    size_t cohort = draw_cohort(&b->rng);
    int id_len = snprintf(id, sizeof id, "e%010llu", (unsigned long long)index);
    int name_len = snprintf(name, sizeof name, "C%02zu", cohort);
    struct rs_attr_text text = { b->attr, name, (size_t)name_len };
    struct rs_row row = { .id = id, .id_len = (size_t)id_len, .readings = readings, .n_readings = SIGNALS };
    row.attrs = &text;
    row.n_attrs = 1;
    enum rs_status st = RS_OK;
    for (uint64_t i = 0; i < n && st == RS_OK; i++) {
        double z = b->intercept + draw_row(b, cohort, readings);
        row.time = b->opt->start_s + (int64_t)(index % 60 + i) * RS_DAY_S;
        row.label = rs_random_chance(&b->rng, 1 / (1 + exp(-z)));
        st = rs_builder_row(b->builder, &row, err);
    }
    return st;
}

static enum rs_status declare(struct bench *b, struct rs_error *err)
{
    enum rs_status st = rs_builder_attr(b->builder, "cohort", false, &b->attr, err);
    for (size_t k = 0; k < SIGNALS && st == RS_OK; k++) {
        char name[16];
        snprintf(name, sizeof name, "s%02zu", k);
        st = rs_builder_signal(b->builder, name, "1", RS_GAUGE, &b->signal[k], err);
    }
    return st;
}

static enum rs_status write_rows(struct bench *b, struct rs_progress *progress, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    struct rs_random sizes;
    rs_random_stream(&sizes, b->opt->seed, "bench sizes", 0);
    for (uint64_t rows = 0, index = 0; rows < b->opt->n_rows && st == RS_OK; index++) {
        uint64_t drawn = rs_random_below(&sizes, ROWS_MAX) + 1, n = RS_MIN(drawn, b->opt->n_rows - rows);
        st = write_entity(b, index, n, err);
        rows += n;
        if (index % 1024 == 0)
            rs_progress_update(progress, rows, NULL);
        if (st == RS_OK && rs_cli_interrupted())
            st = rs_error_set(err, RS_ECANCELLED, "interrupted; nothing was written");
    }
    return st;
}

enum rs_status rs_sim_bench_write(const struct rs_simulate_options *opt, rs_builder *builder, struct rs_error *err)
{
    struct bench b = { .opt = opt, .builder = builder };
    struct rs_progress progress;
    draw_weights(&b);
    enum rs_status st = find_intercept(&b, err);
    if (st == RS_OK)
        st = declare(&b, err);
    rs_progress_start(&progress, "simulate", "rows", opt->n_rows, opt->is_quiet);
    if (st == RS_OK)
        st = write_rows(&b, &progress, err);
    rs_progress_end(&progress);
    return st;
}
