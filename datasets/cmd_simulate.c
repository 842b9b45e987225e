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
    printf("VMs: %llu, reboots: %llu\n", (unsigned long long)s->vms, (unsigned long long)s->reboots);
}

static int print_json(const char *path, const struct rs_builder_counts *c, const struct rs_simulate_counts *s)
{
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "file", path, "rows", (json_int_t)c->rows,
                          "entities", (json_int_t)c->entities, "failures", (json_int_t)c->failures, "failing_entities",
                          (json_int_t)c->failing_entities, "predictable", (json_int_t)s->predictable, "vms",
                          (json_int_t)s->vms, "reboots", (json_int_t)s->reboots);
    int rc = o ? json_dumpf(o, stdout, JSON_INDENT(2)) : -1;
    json_decref(o);
    puts("");
    return rc == 0 ? RS_EXIT_OK : RS_EXIT_FAILED;
}

static enum rs_status run(const struct rs_simulate_options *opt, const char *path, struct rs_builder_counts *counts,
                          struct rs_simulate_counts *simulated, struct rs_error *err)
{
    char source[256], start[RS_TIME_MAX];
    snprintf(source, sizeof source,
             "reseat simulate --hosts %llu --days %llu --seed %llu --start %s --interval %lld --failure-rate %.9g "
             "--vms-per-host %.9g",
             (unsigned long long)opt->n_hosts, (unsigned long long)opt->n_days, (unsigned long long)opt->seed,
             rs_time_format(opt->start_s, start), (long long)opt->interval_s, opt->failure_rate, opt->vms_per_host);
    struct rs_builder_options options = { .source = source, .is_quiet = opt->is_quiet };
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
    const char *out = NULL, *start = NULL;
    bool is_json = false;
    double interval_s = (double)RS_DAY_S;
    rs_simulate_defaults(&opt);
    const struct rs_opt opts[] = {
        { "output", 'o', RS_OPT_STRING, &out, "FILE", "Fleet file to write." },
        { "hosts", 0, RS_OPT_U64, &opt.n_hosts, "N", "Hosts of the fleet (default 200)." },
        { "days", 0, RS_OPT_U64, &opt.n_days, "D", "Days to simulate (default 90)." },
        { "seed", 0, RS_OPT_U64, &opt.seed, "S", "Seed; the same one gives the same file (default 1)." },
        { "start", 0, RS_OPT_STRING, &start, "TIME", "First moment, UTC (default 2026-01-01)." },
        { "interval", 0, RS_OPT_DURATION, &interval_s, "TIME", "Time between samples (default 1d)." },
        { "failure-rate", 0, RS_OPT_DOUBLE, &opt.failure_rate, "R", "Failures a host and year (default 1.8)." },
        { "vms-per-host", 0, RS_OPT_DOUBLE, &opt.vms_per_host, "N", "VMs on a host on average (default 4)." },
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
        return print_json(out, &counts, &simulated);
    print_text(out, &counts, &simulated);
    return RS_EXIT_OK;
}
