/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The simulator: host after host into the builder. */
#include "datasets/simulate.h"

#include <math.h>

#include "common/cli.h"
#include "common/progress.h"
#include "datasets/simulate_host.h"
#include "datasets/simulate_plain.h"

static const char *const scenario_names[RS_SIM_SCENARIOS] = { "fleet", "cohorts", "pooling", "bench" };

const char *rs_sim_scenario_name(enum rs_sim_scenario s)
{
    return scenario_names[s];
}

enum rs_status rs_sim_scenario_parse(const char *word, enum rs_sim_scenario *out, struct rs_error *err)
{
    for (size_t i = 0; i < RS_SIM_SCENARIOS; i++)
        if (rs_streq(word, scenario_names[i])) {
            *out = (enum rs_sim_scenario)i;
            return RS_OK;
        }
    return rs_error_set(err, RS_EUSAGE, "--scenario: %s: fleet, cohorts, pooling or bench needed", word);
}

void rs_simulate_defaults(struct rs_simulate_options *opt)
{
    *opt = (struct rs_simulate_options){
        .n_hosts = 200,
        .n_days = 90,
        .seed = 1,
        .interval_s = RS_DAY_S,
        .failure_rate = 1.8,
        .vms_per_host = 4,
        .n_rows = 1000000,
        .model_sd = 0.4,
        .firmware_sd = 0.4,
        .slope_sd = 0.2,
    };
    opt->start_s = rs_days_from_civil(2026, 1, 1) * RS_DAY_S;
}

static bool is_within(double x, double low, double high)
{
    return isfinite(x) && x >= low && x <= high;
}

static enum rs_status check_effects(const struct rs_simulate_options *opt, struct rs_error *err)
{
    const struct {
        const char *name;
        double value, max;
    } limits[] = { { "batch-effect", opt->batch_effect, RS_SIMULATE_EFFECT_MAX },
                   { "firmware-effect", opt->firmware_effect, RS_SIMULATE_EFFECT_MAX },
                   { "pair-effect", opt->pair_effect, RS_SIMULATE_EFFECT_MAX },
                   { "share", opt->share, RS_SIMULATE_SHARE_MAX },
                   { "model-sd", opt->model_sd, 3 },
                   { "firmware-sd", opt->firmware_sd, 3 },
                   { "slope-sd", opt->slope_sd, 3 } };
    for (size_t i = 0; i < RS_LEN(limits); i++)
        if (!is_within(limits[i].value, 0, limits[i].max))
            return rs_error_set(err, RS_EINVAL, "--%s: 0 to %g needed", limits[i].name, limits[i].max);
    return RS_OK;
}

static enum rs_status check(const struct rs_simulate_options *opt, struct rs_error *err)
{
    if (opt->n_hosts < 1 || opt->n_hosts > RS_SIMULATE_HOSTS_MAX)
        return rs_error_set(err, RS_EINVAL, "--hosts: 1 to %d needed", RS_SIMULATE_HOSTS_MAX);
    if (opt->n_days < 1 || opt->n_days > RS_SIMULATE_DAYS_MAX)
        return rs_error_set(err, RS_EINVAL, "--days: 1 to %d needed", RS_SIMULATE_DAYS_MAX);
    if (opt->interval_s < 60 || opt->interval_s > 7 * RS_DAY_S)
        return rs_error_set(err, RS_EINVAL, "--interval: 1m to 7d needed");
    if (!isfinite(opt->failure_rate) || opt->failure_rate < 0 || opt->failure_rate > 100)
        return rs_error_set(err, RS_EINVAL, "--failure-rate: 0 to 100 failures a host and year needed");
    if (!isfinite(opt->vms_per_host) || opt->vms_per_host < 0 || opt->vms_per_host > 1000)
        return rs_error_set(err, RS_EINVAL, "--vms-per-host: 0 to 1000 needed");
    if (opt->n_rows < 1 || opt->n_rows > RS_SIMULATE_ROWS_MAX)
        return rs_error_set(err, RS_EINVAL, "--rows: 1 to %d needed", RS_SIMULATE_ROWS_MAX);
    if (!is_within(opt->drain_share, 0, 1))
        return rs_error_set(err, RS_EINVAL, "--drain-share: 0 to 1 needed");
    if (!is_within(opt->control_share, 0, RS_SIMULATE_CONTROL_MAX))
        return rs_error_set(err, RS_EINVAL, "--control-share: 0 to %g needed", RS_SIMULATE_CONTROL_MAX);
    if (opt->control_share > 0 && opt->drain_share <= 0)
        return rs_error_set(err, RS_EINVAL, "--control-share: of the hosts to be drained; --drain-share needed");
    if (opt->drain_share > 0 && opt->scenario != RS_SIM_FLEET)
        return rs_error_set(err, RS_EINVAL, "--drain-share: scenario fleet needed");
    return check_effects(opt, err);
}

/* Where an operator saw the failure coming: what was done for the part that would have failed. */
static enum rs_status write_mitigation(const struct rs_simulate_options *opt, const char *id,
                                       const struct rs_sim_outage *o, rs_builder *b, struct rs_simulate_counts *counts,
                                       struct rs_error *err)
{
    if (o->noticed == RS_TIME_NONE || o->noticed >= rs_sim_end(opt))
        return RS_OK;
    *(o->is_drained ? &counts->drained : &counts->controls) += 1;
    return rs_builder_mitigation(b, id, o->noticed, o->is_drained ? o->back : o->due,
                                 o->is_drained ? "drained" : "control", err);
}

/* The failure as an operator records it, and the truth beside it; the truth alone where it was averted. */
static enum rs_status write_outage(const struct rs_sim_host *h, const struct rs_sim_outage *o, rs_builder *b,
                                   struct rs_simulate_counts *counts, struct rs_error *err)
{
    const struct rs_sim_kind *k = &rs_sim_kinds[o->kind];
    const char *id = h->parts[o->part].id;
    const char *flaw = !o->is_flaw ? "" : k->flaw == RS_SIM_BAD_BATCH ? " bad-batch" : " bad-firmware";
    char cause[64];
    snprintf(cause, sizeof cause, "%s%s%s", k->cause, flaw, o->is_drained ? " averted" : "");
    enum rs_status st = o->is_drained ? RS_OK : rs_builder_failure(b, id, o->time, o->back, k->symptom, err);
    if (st == RS_OK)
        st = rs_builder_truth(b, id, o->due, cause, err);
    if (st == RS_OK)
        st = rs_builder_maintenance(b, h->parts[0].id, o->time, o->back, "repair", err);
    counts->failures += !o->is_drained;
    counts->predictable += !o->is_drained && k->warning_days > 0;
    return st;
}

static enum rs_status write_failures(const struct rs_simulate_options *opt, const struct rs_sim_host *h, rs_builder *b,
                                     struct rs_simulate_counts *counts, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < h->n_outages && st == RS_OK; i++) {
        const struct rs_sim_outage *o = &h->outages[i];
        st = write_mitigation(opt, h->parts[o->part].id, o, b, counts, err);
        if (st == RS_OK && o->time < rs_sim_end(opt))
            st = write_outage(h, o, b, counts, err);
    }
    return st;
}

/* Which hosts have a flaw, whether they fail or not. */
static enum rs_status write_flaws(const struct rs_simulate_options *opt, const struct rs_sim_host *h, rs_builder *b,
                                  struct rs_error *err)
{
    enum rs_status st = RS_OK;
    if (h->is_bad_batch)
        st = rs_builder_truth(b, h->parts[0].id, opt->start_s, "member bad-batch", err);
    if (st == RS_OK && h->is_bad_firmware)
        st = rs_builder_truth(b, h->parts[0].id, opt->start_s, "member bad-firmware", err);
    return st;
}

static enum rs_status write_host(const struct rs_simulate_options *opt, uint64_t index, struct rs_sim_host *h,
                                 const struct rs_sim_signals *signals, struct rs_simulate_counts *counts,
                                 struct rs_error *err)
{
    rs_builder *b = signals->builder;
    enum rs_status st = rs_sim_host_make(opt, index, h, err);
    if (st == RS_OK)
        st = rs_sim_signals_write(opt, h, signals, err);
    if (st == RS_OK)
        st = write_failures(opt, h, b, counts, err);
    if (st == RS_OK)
        st = write_flaws(opt, h, b, err);
    return st < 0 ? st : rs_sim_vms_write(opt, h, b, counts, err);
}

static enum rs_status simulate_fleet(const struct rs_simulate_options *opt, rs_builder *b,
                                     struct rs_simulate_counts *out, struct rs_error *err)
{
    struct rs_sim_host host = { 0 };
    struct rs_sim_signals signals = { 0 };
    struct rs_progress progress;
    rs_progress_start(&progress, "simulate", "hosts", opt->n_hosts, opt->is_quiet);
    enum rs_status st = rs_sim_signals_declare(b, &signals, err);
    if (st == RS_OK && opt->control_share > 0)
        st = rs_builder_control_share(b, opt->control_share, err);
    for (uint64_t i = 0; i < opt->n_hosts && st == RS_OK; i++) {
        rs_progress_update(&progress, i, NULL);
        st = write_host(opt, i, &host, &signals, out, err);
        if (st == RS_OK && rs_cli_interrupted())
            st = rs_error_set(err, RS_ECANCELLED, "interrupted; nothing was written");
    }
    rs_progress_end(&progress);
    rs_sim_host_clear(&host);
    rs_sim_signals_clear(&signals);
    return st;
}

enum rs_status rs_simulate(const struct rs_simulate_options *opt, rs_builder *b, struct rs_simulate_counts *out,
                           struct rs_error *err)
{
    *out = (struct rs_simulate_counts){ 0 };
    enum rs_status st = check(opt, err);
    if (st < 0)
        return st;
    switch (opt->scenario) {
    case RS_SIM_BENCH:
        return rs_sim_bench_write(opt, b, err);
    case RS_SIM_COHORTS:
    case RS_SIM_POOLING:
        return rs_sim_plain_write(opt, b, out, err);
    default:
        return simulate_fleet(opt, b, out, err);
    }
}
