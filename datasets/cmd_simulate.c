/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat simulate: a simulated fleet into a fleet file. */
#include "datasets/commands.h"

#include <jansson.h>

#include "common/cli.h"
#include "datasets/simulate.h"

static void print_text(const char *path, const struct rs_builder_counts *c, const struct rs_simulate_counts *s)
{
    printf("%s: %llu samples of %llu entities\n", path, (unsigned long long)c->rows, (unsigned long long)c->entities);
    printf("failures: %llu of %llu entities, %llu of them with warning\n", (unsigned long long)c->failures,
           (unsigned long long)c->failing_entities, (unsigned long long)s->predictable);
    if (s->drained + s->controls)
        printf("drained: %llu, left alone on purpose: %llu\n", (unsigned long long)s->drained,
               (unsigned long long)s->controls);
    printf("VMs: %llu, reboots: %llu\n", (unsigned long long)s->vms, (unsigned long long)s->reboots);
}

static void print_json(const char *path, const struct rs_builder_counts *c, const struct rs_simulate_counts *s)
{
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "file", path, "rows",
                          (json_int_t)c->rows, "entities", (json_int_t)c->entities, "failures", (json_int_t)c->failures,
                          "failing_entities", (json_int_t)c->failing_entities, "predictable",
                          (json_int_t)s->predictable, "vms", (json_int_t)s->vms, "reboots", (json_int_t)s->reboots,
                          "drained", (json_int_t)s->drained, "controls", (json_int_t)s->controls);
    json_dumpf(o, stdout, JSON_INDENT(2));
    json_decref(o);
    puts("");
}

/* The command that makes the same file again. */
static void describe(const struct rs_simulate_options *opt, char *out, size_t size)
{
    char start[RS_TIME_MAX];
    rs_time_format(opt->start_s, start);
    int n = snprintf(out, size, "reseat simulate --seed %llu --start %s", (unsigned long long)opt->seed, start);
    if (opt->scenario != RS_SIM_FLEET)
        n += snprintf(out + n, size - (size_t)n, " --scenario %s", rs_sim_scenario_name(opt->scenario));
    if (opt->scenario == RS_SIM_BENCH) {
        snprintf(out + n, size - (size_t)n, " --rows %llu", (unsigned long long)opt->n_rows);
        return;
    }
    n += snprintf(out + n, size - (size_t)n, " --hosts %llu --days %llu --interval %lld --failure-rate %.9g",
                  (unsigned long long)opt->n_hosts, (unsigned long long)opt->n_days, (long long)opt->interval_s,
                  opt->failure_rate);
    if (opt->scenario == RS_SIM_FLEET)
        n += snprintf(out + n, size - (size_t)n, " --vms-per-host %.9g", opt->vms_per_host);
    if (opt->scenario == RS_SIM_POOLING)
        n += snprintf(out + n, size - (size_t)n, " --model-sd %.9g --firmware-sd %.9g --slope-sd %.9g", opt->model_sd,
                      opt->firmware_sd, opt->slope_sd);
    if (opt->scenario == RS_SIM_POOLING && opt->group_seed)
        n += snprintf(out + n, size - (size_t)n, " --group-seed %llu", (unsigned long long)opt->group_seed);
    const struct {
        const char *name;
        double value;
    } effects[] = { { "batch-effect", opt->batch_effect }, { "firmware-effect", opt->firmware_effect },
                    { "pair-effect", opt->pair_effect },   { "share", opt->share },
                    { "drain-share", opt->drain_share },   { "control-share", opt->control_share } };
    for (size_t i = 0; i < RS_LEN(effects); i++)
        if (effects[i].value > 0)
            n += snprintf(out + n, size - (size_t)n, " --%s %.9g", effects[i].name, effects[i].value);
}

static enum rs_status run(const struct rs_simulate_options *opt, const char *path, struct rs_builder_counts *counts,
                          struct rs_simulate_counts *simulated, struct rs_error *err)
{
    char source[512];
    describe(opt, source, sizeof source);
    struct rs_builder_options options = { .source = source,
                                          .is_quiet = opt->is_quiet,
                                          .has_labels = opt->scenario == RS_SIM_BENCH };
    RS_AUTO(rs_builder) *b = NULL;
    enum rs_status st = rs_builder_new(path, &options, &b, err);
    if (st == RS_OK)
        st = rs_simulate(opt, b, simulated, err);
    return st < 0 ? st : rs_builder_finish(b, counts, err);
}

int rs_cmd_simulate(int argc, char **argv, const struct rs_verb *self)
{
    struct rs_simulate_options opt;
    struct rs_error err = RS_ERROR_INIT;
    const char *out = NULL, *start = NULL, *scenario = "fleet";
    bool is_json = false;
    double interval_s = (double)RS_DAY_S;
    rs_simulate_defaults(&opt);
    const struct rs_opt opts[] = {
        { "output", 'o', RS_OPT_STRING, &out, "FILE", "Fleet file to write." },
        { "scenario", 0, RS_OPT_STRING, &scenario, "NAME", "fleet, cohorts, pooling or bench (default fleet)." },
        { "hosts", 0, RS_OPT_U64, &opt.n_hosts, "N", "Hosts of the fleet (default 200)." },
        { "days", 0, RS_OPT_U64, &opt.n_days, "D", "Days to simulate (default 90)." },
        { "seed", 0, RS_OPT_U64, &opt.seed, "S", "Seed; the same one gives the same file (default 1)." },
        { "start", 0, RS_OPT_STRING, &start, "TIME", "First moment, UTC (default 2026-01-01)." },
        { "interval", 0, RS_OPT_DURATION, &interval_s, "TIME", "Time between samples (default 1d)." },
        { "failure-rate", 0, RS_OPT_DOUBLE, &opt.failure_rate, "R", "Failures a host and year (default 1.8)." },
        { "vms-per-host", 0, RS_OPT_DOUBLE, &opt.vms_per_host, "N", "VMs on a host on average (default 4)." },
        { "batch-effect", 0, RS_OPT_DOUBLE, &opt.batch_effect, "X",
          "Rate ratio of the bad batch (fleet: 4, cohorts: 1)." },
        { "firmware-effect", 0, RS_OPT_DOUBLE, &opt.firmware_effect, "X",
          "Rate ratio of the bad firmware (fleet: 3, cohorts: 1)." },
        { "pair-effect", 0, RS_OPT_DOUBLE, &opt.pair_effect, "X",
          "Rate ratio of firmware 1.3.0 on model P3, scenario cohorts (default 1)." },
        { "share", 0, RS_OPT_DOUBLE, &opt.share, "S",
          "Share of the hosts with each flaw (fleet: 0.08 and 0.12, cohorts: 0.05)." },
        { "drain-share", 0, RS_OPT_DOUBLE, &opt.drain_share, "S",
          "Share of the announced failures that an operator drains the host for (default 0)." },
        { "control-share", 0, RS_OPT_DOUBLE, &opt.control_share, "S",
          "Share of those hosts left alone on purpose (default 0)." },
        { "model-sd", 0, RS_OPT_DOUBLE, &opt.model_sd, "X",
          "Standard deviation of log rates between models, scenario pooling (default 0.4)." },
        { "firmware-sd", 0, RS_OPT_DOUBLE, &opt.firmware_sd, "X",
          "The same between firmwares of a model (default 0.4)." },
        { "slope-sd", 0, RS_OPT_DOUBLE, &opt.slope_sd, "X", "The same of slopes, at either level (default 0.2)." },
        { "group-seed", 0, RS_OPT_U64, &opt.group_seed, "S",
          "Seed of models and firmwares, scenario pooling: other hosts of the same ones (default: as --seed)." },
        { "rows", 0, RS_OPT_U64, &opt.n_rows, "N", "Rows of scenario bench (default 1000000)." },
        { "json", 0, RS_OPT_FLAG, &is_json, NULL, "Print the counts as JSON." },
        { "quiet", 'q', RS_OPT_FLAG, &opt.is_quiet, NULL, "No progress." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    int first;
    enum rs_status st = rs_cli_parse(argc, argv, self, opts, &first, &err);
    if (st == RS_CONTINUE)
        return RS_EXIT_OK;
    if (st == RS_OK && first < argc)
        st = rs_error_set(&err, RS_EUSAGE, "%s: no operand is wanted; see --help", argv[first]);
    if (st == RS_OK && !out)
        st = rs_error_set(&err, RS_EUSAGE, "-o FILE is missing; see --help");
    if (st == RS_OK && start && rs_time_parse(start, &opt.start_s) != RS_OK)
        st = rs_error_set(&err, RS_EUSAGE, "--start: %s: a time such as 2026-01-31 needed", start);
    if (st == RS_OK)
        st = rs_sim_scenario_parse(scenario, &opt.scenario, &err);
    if (st < 0)
        return rs_cli_fail(self->name, &err);
    opt.interval_s = (int64_t)interval_s;
    rs_cli_catch_signals();
    struct rs_builder_counts counts;
    struct rs_simulate_counts simulated;
    st = run(&opt, out, &counts, &simulated, &err);
    if (st == RS_EINVAL)
        err.status = RS_EUSAGE;
    if (st < 0)
        return rs_cli_fail(self->name, &err);
    if (is_json)
        print_json(out, &counts, &simulated);
    else
        print_text(out, &counts, &simulated);
    return rs_cli_end("simulate", rs_cli_flush(&err), &err);
}
