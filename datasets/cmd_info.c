/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat info FLEET.h5: what a fleet file holds, and with --verify whether all of it can be read. */
#include "commands.h"

#include <jansson.h>

#include "common/progress.h"
#include "datasets/contain.h"
#include "datasets/fleet.h"

#define VALUES_SHOWN 8

struct arguments {
    const char *path;
    bool is_json, is_quiet, must_verify;
};

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void print_span(const struct rs_fleet_info *i)
{
    char first[RS_TIME_MAX], last[RS_TIME_MAX], span[RS_TIME_MAX];
    if (!i->n_rows)
        return;
    printf("  span         %s .. %s (%s)\n", rs_time_format(i->first, first), rs_time_format(i->last, last),
           rs_duration_format((double)i->last - (double)i->first, span));
}

static void print_event_kinds(const struct rs_fleet_info *i)
{
    if (!i->n_events)
        return;
    printf("  happenings   %u kind%s:", i->n_events, plural(i->n_events));
    for (uint32_t e = 0; e < i->n_events && e < VALUES_SHOWN; e++)
        printf("%s %s", e ? "," : "", i->events[e]);
    puts(i->n_events > VALUES_SHOWN ? ", ..." : "");
}

static void print_names(const struct rs_fleet_info *i)
{
    printf("  attributes   %u\n", i->n_attrs);
    for (uint32_t a = 0; a < i->n_attrs; a++) {
        const struct rs_fleet_attr *attr = &i->attrs[a];
        if (attr->is_number) {
            printf("    %-28s number\n", attr->name);
            continue;
        }
        printf("    %-28s %u value%s:", attr->name, attr->n_values, plural(attr->n_values));
        for (uint32_t v = 0; v < attr->n_values && v < VALUES_SHOWN; v++)
            printf("%s %s", v ? "," : "", attr->values[v]);
        puts(attr->n_values > VALUES_SHOWN ? ", ..." : "");
    }
    printf("  signals      %u\n", i->n_signals);
    for (uint32_t s = 0; s < i->n_signals; s++)
        printf("    %-28s %s%s%s\n", i->signals[s].name, i->signals[s].kind == RS_COUNTER ? "counter" : "gauge",
               i->signals[s].unit[0] ? ", " : "", i->signals[s].unit);
}

static void print_text(const struct arguments *a, const struct rs_fleet_info *i)
{
    printf("%s: fleet file, schema version %u, written by %s\n", a->path, i->version, i->source);
    printf("  entities     %llu\n", (unsigned long long)i->n_entities);
    printf("  samples      %llu%s\n", (unsigned long long)i->n_rows, i->has_labels ? ", with a label each" : "");
    print_span(i);
    printf("  failures     %llu\n", (unsigned long long)i->n_failures);
    if (i->n_maintenance)
        printf("  maintenance  %llu\n", (unsigned long long)i->n_maintenance);
    if (i->n_event_rows)
        printf("  events       %llu\n", (unsigned long long)i->n_event_rows);
    if (i->n_mitigations)
        printf("  mitigations  %llu%s\n", (unsigned long long)i->n_mitigations,
               i->control_share > 0 ? ", with a control share" : "");
    if (i->n_vms)
        printf("  VMs          %llu, %llu placements, %llu reboots\n", (unsigned long long)i->n_vms,
               (unsigned long long)i->n_placements, (unsigned long long)i->n_reboots);
    print_event_kinds(i);
    print_names(i);
    if (a->must_verify)
        puts("  verified     every row was read and is sound");
}

static json_t *time_json(int64_t t)
{
    char buf[RS_TIME_MAX];
    return t == RS_TIME_NONE ? json_null() : json_string(rs_time_format(t, buf));
}

static json_t *signals_json(const struct rs_fleet_info *i)
{
    json_t *list = json_array();
    for (uint32_t s = 0; s < i->n_signals; s++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", i->signals[s].name, "unit", i->signals[s].unit,
                                              "kind", i->signals[s].kind == RS_COUNTER ? "counter" : "gauge"));
    return list;
}

static json_t *attrs_json(const struct rs_fleet_info *i)
{
    json_t *list = json_array();
    for (uint32_t a = 0; a < i->n_attrs; a++) {
        json_t *values = json_array();
        for (uint32_t v = 0; v < i->attrs[a].n_values; v++)
            json_array_append_new(values, json_string(i->attrs[a].values[v]));
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", i->attrs[a].name, "kind",
                                              i->attrs[a].is_number ? "number" : "category", "values", values));
    }
    return list;
}

static void print_json(const struct arguments *a, const struct rs_fleet_info *i)
{
    json_t *events = json_array();
    for (uint32_t e = 0; e < i->n_events; e++)
        json_array_append_new(events, json_string(i->events[e]));
    json_t *j = json_pack(
        "{s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:b, s:o, s:o, s:o, s:o, s:o}", "file",
        a->path, "schema_version", (int)i->version, "source", i->source, "entities", (json_int_t)i->n_entities, "rows",
        (json_int_t)i->n_rows, "failures", (json_int_t)i->n_failures, "maintenance", (json_int_t)i->n_maintenance,
        "vms", (json_int_t)i->n_vms, "placements", (json_int_t)i->n_placements, "reboots", (json_int_t)i->n_reboots,
        "events", (json_int_t)i->n_event_rows, "mitigations", (json_int_t)i->n_mitigations, "control_share",
        i->control_share, "has_labels", i->has_labels, "first", time_json(i->first), "last", time_json(i->last),
        "attributes", attrs_json(i), "event_kinds", events, "signals", signals_json(i));
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(j);
}

static enum rs_status verify(const struct arguments *a, rs_fleet *f, struct rs_error *err)
{
    RS_AUTO(rs_fleet_scan) *scan = NULL;
    struct rs_fleet_block block;
    struct rs_progress progress;
    uint64_t n_failures = 0;
    enum rs_status st = rs_fleet_scan_new(f, 0, UINT64_MAX, &scan, err);
    rs_progress_start(&progress, "verify", "rows", rs_fleet_info(f)->n_rows, a->is_quiet);
    while (st == RS_OK && (st = rs_fleet_scan_step(scan, &block, err)) == RS_CONTINUE) {
        n_failures += block.is_first ? block.n_failures : 0;
        rs_progress_update(&progress, block.row + block.n, NULL);
        st = rs_cli_interrupted() ? rs_error_set(err, RS_ECANCELLED, "interrupted") : RS_OK;
    }
    rs_progress_end(&progress);
    if (st == RS_OK)
        st = rs_fleet_check_tables(f, err);
    if (st == RS_OK && n_failures != rs_fleet_info(f)->n_failures)
        st = rs_error_set(err, RS_ECORRUPT, "%s: failures of no entity", a->path);
    return st;
}

static int work(void *arg)
{
    const struct arguments *a = arg;
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_fleet) *f = NULL;
    enum rs_status st = rs_fleet_open(a->path, &f, &err);
    if (st == RS_OK && a->must_verify)
        st = verify(a, f, &err);
    if (st < 0)
        return rs_cli_fail("info", &err);
    if (a->is_json)
        print_json(a, rs_fleet_info(f));
    else
        print_text(a, rs_fleet_info(f));
    return rs_cli_end("info", rs_cli_flush(&err), &err);
}

int rs_cmd_info(int argc, char **argv, const struct rs_verb *self)
{
    struct arguments a = { .path = NULL };
    struct rs_error err = RS_ERROR_INIT;
    const struct rs_opt opts[] = {
        { "verify", 0, RS_OPT_FLAG, &a.must_verify, NULL, "Read and check every row." },
        { "json", 0, RS_OPT_FLAG, &a.is_json, NULL, "Print JSON." },
        { "quiet", 'q', RS_OPT_FLAG, &a.is_quiet, NULL, "No progress." },
        { .name = NULL },
    };
    enum rs_status st = rs_cli_parse_one(argc, argv, self, opts, "fleet file", &a.path, &err);
    if (st != RS_OK)
        return rs_cli_end("info", st, &err);
    rs_cli_catch_signals();
    return rs_contain("info", a.path, work, &a);
}
