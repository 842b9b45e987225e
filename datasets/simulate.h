/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A simulated fleet: hosts with disks, DIMMs and fans, their signals, failures with and without warning, VMs and their
 * reboots, and the truth behind it all. docs/simulator.md states the generating model with its numbers.
 *
 * Every host draws from streams of its own, derived from (seed, host), so that hosts are made one by one, memory does
 * not grow with them, and a host does not change when the fleet gets larger. */
#ifndef RS_DATASETS_SIMULATE_H
#define RS_DATASETS_SIMULATE_H

#include "datasets/builder.h"

#define RS_SIMULATE_HOSTS_MAX 10000000
#define RS_SIMULATE_DAYS_MAX 3650
#define RS_SIMULATE_ROWS_MAX 1000000000
#define RS_SIMULATE_SHARE_MAX 0.3
#define RS_SIMULATE_EFFECT_MAX 100.0
#define RS_SIMULATE_CONTROL_MAX 0.9

enum rs_sim_scenario {
    RS_SIM_FLEET,   /* hosts with parts, signs before failures, VMs */
    RS_SIM_COHORTS, /* bare hosts; known effects of batch, firmware and of a pair of attributes */
    RS_SIM_POOLING, /* bare hosts in many small cohorts whose rates are drawn around their parents' */
    RS_SIM_BENCH,   /* labelled rows of 40 signals, made quickly */
    RS_SIM_SCENARIOS
};

struct rs_simulate_options {
    enum rs_sim_scenario scenario;
    uint64_t n_rows; /* bench */
    /* Rate ratios of the flawed hosts and their share of all; 0: what docs/simulator.md says of the scenario. */
    double batch_effect, firmware_effect, pair_effect, share;
    double model_sd, firmware_sd, slope_sd; /* pooling: of log rates and slopes around those of the parent */
    uint64_t n_hosts, n_days, seed;
    uint64_t group_seed; /* pooling: seed of models and firmwares; 0: seed */
    int64_t start_s;
    int64_t interval_s;  /* between samples */
    double failure_rate; /* failures a host and year, its components' included */
    double vms_per_host; /* on average */
    /* Scenario fleet: of the failures that announce themselves, those that an operator sees coming and drains the host
     * for; and of these hosts those left alone on purpose, drawn by lot. */
    double drain_share, control_share;
    bool is_quiet;
};

/* "fleet", "cohorts", "pooling", "bench". RS_EUSAGE. */
enum rs_status rs_sim_scenario_parse(const char *word, enum rs_sim_scenario *out, struct rs_error *err);
const char *rs_sim_scenario_name(enum rs_sim_scenario s);

struct rs_simulate_counts {
    uint64_t failures;          /* within the days simulated */
    uint64_t predictable;       /* of them, those that announce themselves */
    uint64_t drained, controls; /* mitigations, and hosts left alone */
    uint64_t vms, reboots;
};

void rs_simulate_defaults(struct rs_simulate_options *opt);
/* RS_EINVAL names the option that is out of its range; RS_ECANCELLED where interrupted; else what the builder says. The
 * caller finishes the builder. */
enum rs_status rs_simulate(const struct rs_simulate_options *opt, rs_builder *b, struct rs_simulate_counts *out,
                           struct rs_error *err);

#endif
