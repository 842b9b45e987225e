/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bare hosts whose rate of failure is known: log rate = that of the host's cohort + slopes x loads. Scenario cohorts
 * gives effects to one batch, one firmware and one pair of attributes; scenario pooling draws every cohort around its
 * parent. docs/simulator.md has the numbers in words. */
#include "datasets/simulate_plain.h"

#include <math.h>

#include "common/cli.h"
#include "common/progress.h"
#include "datasets/simulate_host.h"

#define SIGNALS 3
#define HOSTS_PER_RACK 20
#define DAYS_A_YEAR 365.25
#define REPAIR_HOURS 6.0 /* median */
#define REPAIR_SIGMA 0.5
#define NOISE_SD 0.3 /* of a reading around the host's own level */
#define SHARE 0.05   /* of hosts, each flaw */
#define BATCHES 20
#define FIRMWARES 8
#define MODELS 4
#define FIRMWARES_PER_MODEL 8 /* scenario pooling */
#define COHORT_MIN 20.0
#define COHORT_MAX 200.0
#define TEXT_MAX 32

enum { MODEL, FIRMWARE, BATCH, RACK, AGE_DAYS, ATTRS };

static const char *const attr_names[ATTRS] = { "model", "firmware", "batch", "rack", "age_days" };
static const char *const signal_names[SIGNALS] = { "load_a", "load_b", "load_c" };
static const char bad_batch[] = "B07", bad_firmware[] = "1.4.2";
static const char pair_model[] = "P3", pair_firmware[] = "1.3.0";
static const double mean_slopes[SIGNALS] = { 0.6, 0.3, 0 };

/* A group of hosts with a log rate and slopes of its own: a model, or a firmware of a model. */
struct group {
    double log_rate; /* over the fleet's mean */
    double slope[SIGNALS];
};

struct plain_host {
    char id[RS_SIM_ID_MAX], text[ATTRS][TEXT_MAX];
    double level[SIGNALS];
    double rate; /* failures a day */
    struct rs_random rng;
};

struct plain {
    const struct rs_simulate_options *opt;
    rs_builder *builder;
    struct rs_simulate_counts *counts;
    uint32_t attr[ATTRS], signal[SIGNALS];
    struct plain_host host;
    struct group model, cohort; /* pooling: of the host under way */
    uint64_t n_cohorts, cohort_end;
};

static double effect(double asked)
{
    return asked > 0 ? asked : 1;
}

/* ---- scenario cohorts ---- */

/* How much more often the fleet fails for its flaws; they are drawn independently. */
static double burden(const struct rs_simulate_options *opt, double share)
{
    double pair_share = (1 - share) / (FIRMWARES - 1) / MODELS;
    double firmware = 1 + share * (effect(opt->firmware_effect) - 1) + pair_share * (effect(opt->pair_effect) - 1);
    return (1 + share * (effect(opt->batch_effect) - 1)) * firmware;
}

static void make_cohorts_host(struct plain *p)
{
    const struct rs_simulate_options *opt = p->opt;
    struct plain_host *h = &p->host;
    double share = opt->share > 0 ? opt->share : SHARE;
    bool is_bad_batch = rs_random_chance(&h->rng, share), is_bad_firmware = rs_random_chance(&h->rng, share);
    unsigned batch = (unsigned)rs_random_below(&h->rng, BATCHES - 1) + 1;
    unsigned firmware = (unsigned)rs_random_below(&h->rng, FIRMWARES - 1);
    snprintf(h->text[MODEL], TEXT_MAX, "P%u", (unsigned)rs_random_below(&h->rng, MODELS) + 1);
    snprintf(h->text[BATCH], TEXT_MAX, "B%02u", batch + (batch >= 7));
    snprintf(h->text[FIRMWARE], TEXT_MAX, "1.%u.0", firmware);
    if (is_bad_batch)
        strcpy(h->text[BATCH], bad_batch);
    if (is_bad_firmware)
        strcpy(h->text[FIRMWARE], bad_firmware);
    bool is_pair = rs_streq(h->text[MODEL], pair_model) && rs_streq(h->text[FIRMWARE], pair_firmware);
    h->rate = opt->failure_rate / DAYS_A_YEAR / burden(opt, share);
    h->rate *= is_bad_batch ? effect(opt->batch_effect) : 1;
    h->rate *= is_bad_firmware ? effect(opt->firmware_effect) : 1;
    h->rate *= is_pair ? effect(opt->pair_effect) : 1;
}

/* ---- scenario pooling ---- */

static void draw_group(struct rs_random *r, const struct group *parent, double sd, double slope_sd, struct group *out)
{
    out->log_rate = parent->log_rate + rs_random_normal(r, 0, sd);
    for (size_t k = 0; k < SIGNALS; k++)
        out->slope[k] = parent->slope[k] + rs_random_normal(r, 0, slope_sd);
}

/* The next cohort: a firmware, with a model before the first of each eight. */
static void next_cohort(struct plain *p, uint64_t index)
{
    struct group all = { .log_rate = 0 };
    struct rs_random r;
    uint64_t seed = p->opt->group_seed ? p->opt->group_seed : p->opt->seed;
    memcpy(all.slope, mean_slopes, sizeof all.slope);
    if (p->n_cohorts % FIRMWARES_PER_MODEL == 0) {
        rs_random_stream(&r, seed, "pooling model", p->n_cohorts / FIRMWARES_PER_MODEL);
        draw_group(&r, &all, p->opt->model_sd, p->opt->slope_sd, &p->model);
    }
    rs_random_stream(&r, seed, "pooling firmware", p->n_cohorts);
    draw_group(&r, &p->model, p->opt->firmware_sd, p->opt->slope_sd, &p->cohort);
    double size = COHORT_MIN * pow(COHORT_MAX / COHORT_MIN, rs_random_uniform(&r));
    p->cohort_end = index + (uint64_t)size;
    p->n_cohorts++;
}

/* E exp(log rate): normal, its variance that of model, firmware and slopes x levels, the levels being standard normal
 * (to the second order in the slopes). */
static double mean_factor(const struct rs_simulate_options *opt)
{
    double variance = opt->model_sd * opt->model_sd + opt->firmware_sd * opt->firmware_sd;
    for (size_t k = 0; k < SIGNALS; k++)
        variance += mean_slopes[k] * mean_slopes[k] + 2 * opt->slope_sd * opt->slope_sd;
    return exp(variance / 2);
}

static void make_pooling_host(struct plain *p, uint64_t index)
{
    struct plain_host *h = &p->host;
    if (index == p->cohort_end)
        next_cohort(p, index);
    unsigned long long cohort = p->n_cohorts - 1;
    snprintf(h->text[MODEL], TEXT_MAX, "M%03llu", cohort / FIRMWARES_PER_MODEL);
    snprintf(h->text[FIRMWARE], TEXT_MAX, "M%03llu-%llu", cohort / FIRMWARES_PER_MODEL, cohort % FIRMWARES_PER_MODEL);
    snprintf(h->text[BATCH], TEXT_MAX, "B%02u", (unsigned)rs_random_below(&h->rng, BATCHES));
    double log_rate = p->cohort.log_rate;
    for (size_t k = 0; k < SIGNALS; k++)
        log_rate += p->cohort.slope[k] * h->level[k];
    h->rate = p->opt->failure_rate / DAYS_A_YEAR / mean_factor(p->opt) * exp(log_rate);
}

/* ---- a host's life ---- */

static void make_host(struct plain *p, uint64_t index)
{
    struct plain_host *h = &p->host;
    rs_random_stream(&h->rng, p->opt->seed, "plain", index);
    rs_sim_host_id(p->opt, index, h->id);
    snprintf(h->text[RACK], TEXT_MAX, "rack-%03llu", (unsigned long long)(index / HOSTS_PER_RACK));
    snprintf(h->text[AGE_DAYS], TEXT_MAX, "%u", (unsigned)rs_random_below(&h->rng, 2000));
    for (size_t k = 0; k < SIGNALS; k++)
        h->level[k] = rs_random_normal(&h->rng, 0, 1);
    if (p->opt->scenario == RS_SIM_POOLING)
        make_pooling_host(p, index);
    else
        make_cohorts_host(p);
}

static enum rs_status write_row(struct plain *p, struct rs_row *row, int64_t t, struct rs_error *err)
{
    struct rs_reading readings[SIGNALS];
    for (size_t k = 0; k < SIGNALS; k++)
        readings[k] = (struct rs_reading){ p->signal[k],
                                           (float)(p->host.level[k] + rs_random_normal(&p->host.rng, 0, NOISE_SD)) };
    row->time = t;
    row->readings = readings;
    row->n_readings = SIGNALS;
    return rs_builder_row(p->builder, row, err);
}

/* Samples while the host is up; failures by exponential times, each with its repair. */
static enum rs_status live(struct plain *p, struct rs_row *row, struct rs_error *err)
{
    const struct rs_simulate_options *opt = p->opt;
    struct plain_host *h = &p->host;
    int64_t end = opt->start_s + (int64_t)opt->n_days * RS_DAY_S, next = opt->start_s;
    double mean = h->rate > 0 ? (double)RS_DAY_S / h->rate : INFINITY;
    enum rs_status st = RS_OK;
    for (int64_t up = opt->start_s; up < end && st == RS_OK;) {
        double life = fmin(rs_random_exponential(&h->rng, mean), 1e12);
        int64_t fail = up + 1 + (int64_t)life;
        for (; next < RS_MIN(fail, end) && st == RS_OK; next += opt->interval_s)
            st = next < up ? RS_OK : write_row(p, row, next, err);
        if (fail >= end || st < 0)
            break;
        up = fail + 60 + (int64_t)(rs_random_lognormal(&h->rng, REPAIR_HOURS, REPAIR_SIGMA) * 3600);
        st = rs_builder_failure(p->builder, h->id, fail, up, "host", err);
        p->counts->failures++;
    }
    return st;
}

static enum rs_status write_host(struct plain *p, uint64_t index, struct rs_error *err)
{
    struct plain_host *h = &p->host;
    struct rs_attr_text texts[ATTRS];
    make_host(p, index);
    for (size_t i = 0; i < ATTRS; i++)
        texts[i] = (struct rs_attr_text){ p->attr[i], h->text[i], strlen(h->text[i]) };
    struct rs_row row = { .id = h->id, .id_len = strlen(h->id), .attrs = texts, .n_attrs = ATTRS, .label = -1 };
    enum rs_status st = live(p, &row, err);
    return st < 0 ? st : rs_builder_truth_value(p->builder, h->id, p->opt->start_s, "rate", h->rate, err);
}

static enum rs_status declare(struct plain *p, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t k = 0; k < SIGNALS && st == RS_OK; k++)
        st = rs_builder_signal(p->builder, signal_names[k], "1", RS_GAUGE, &p->signal[k], err);
    for (size_t i = 0; i < ATTRS && st == RS_OK; i++)
        st = rs_builder_attr(p->builder, attr_names[i], i == AGE_DAYS, &p->attr[i], err);
    return st;
}

enum rs_status rs_sim_plain_write(const struct rs_simulate_options *opt, rs_builder *b, struct rs_simulate_counts *out,
                                  struct rs_error *err)
{
    struct plain p = { .opt = opt, .builder = b, .counts = out };
    struct rs_progress progress;
    enum rs_status st = declare(&p, err);
    rs_progress_start(&progress, "simulate", "hosts", opt->n_hosts, opt->is_quiet);
    for (uint64_t i = 0; i < opt->n_hosts && st == RS_OK; i++) {
        rs_progress_update(&progress, i, NULL);
        st = write_host(&p, i, err);
        if (st == RS_OK && rs_cli_interrupted())
            st = rs_error_set(err, RS_ECANCELLED, "interrupted; nothing was written");
    }
    rs_progress_end(&progress);
    return st;
}
