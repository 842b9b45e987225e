/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat cohorts: which attribute values fail more often than the rest of the fleet? */
#include "predictor/cmd.h"

#include <math.h>

#include "common/progress.h"
#include "datasets/contain.h"
#include "predictor/discover_report.h"
#include "predictor/json.h"
#include "predictor/scan.h"

#define COVERAGE 0.95
#define WITHIN_DEFAULT "type"

struct cohorts_args {
    const char *fleet, *kind_word, *within;
    int kind;
    uint64_t top;
    bool no_pairs, is_json, is_quiet;
    struct rs_discover_options opt;
};

/* Entities on their way from the file to the units. */
struct gathering {
    const struct cohorts_args *args;
    const struct rs_fleet_info *info;
    rs_units *units;
    int16_t *stratum; /* by kind and value of the attribute within; -1 not met */
    size_t n_values;  /* of that attribute, and one for missing */
    unsigned n_strata;
    int64_t labelled; /* first sample labelled 1 of the entity under way */
    bool by_labels;   /* the file has no failures, only labels */
    uint64_t n_unseen;
    double seen_days, n_gaps;
};

/* ---- what to compare within ---- */

static enum rs_status find_within(const struct rs_fleet_info *info, struct cohorts_args *a, struct rs_error *err)
{
    const char *name = a->within ? a->within : WITHIN_DEFAULT;
    a->opt.within = -1;
    for (uint32_t i = 0; i < info->n_attrs; i++)
        if (rs_streq(info->attrs[i].name, name) && !info->attrs[i].is_number)
            a->opt.within = i;
    if (a->within && *a->within && a->opt.within < 0)
        return rs_error_set(err, RS_EUSAGE, "--within: the fleet file has no attribute \"%s\" with words for values",
                            a->within);
    return RS_OK;
}

static enum rs_status stratum_of(struct gathering *g, const struct rs_fleet_block *b, unsigned *out,
                                 struct rs_error *err)
{
    int64_t within = g->args->opt.within;
    int32_t code = within < 0 ? -1 : b->attr_codes[within];
    int16_t *known = &g->stratum[(size_t)b->kind * g->n_values + (size_t)(code + 1)];
    if (*known < 0 && g->n_strata == RS_STRATA_MAX)
        return rs_error_set(err, RS_EUSAGE, "--within: %s has more than %d values", g->info->attrs[within].name,
                            RS_STRATA_MAX / 2);
    if (*known < 0)
        *known = (int16_t)g->n_strata++;
    *out = (unsigned)*known;
    return RS_OK;
}

/* ---- one entity ---- */

/* math.md K1: from the first sample to the first failure, or to the last sample. */
static double days_at_risk(const struct gathering *g, const struct rs_fleet_block *b, bool *out_failed)
{
    int64_t start = b->first_seen, end = b->last_seen;
    *out_failed = g->by_labels && g->labelled != RS_TIME_NONE;
    if (*out_failed)
        end = g->labelled;
    for (size_t i = 0; i < b->n_failures; i++) {
        const struct rs_failure *f = &b->failures[i];
        if (f->time < start) {
            if (f->back != RS_TIME_NONE && f->back > start)
                start = f->back;
            continue;
        }
        end = f->time;
        *out_failed = true;
        break;
    }
    for (size_t i = 0; i < b->n_mitigations; i++)
        if (!b->mitigations[i].is_control && b->mitigations[i].time < end) {
            end = b->mitigations[i].time;
            *out_failed = false;
            break;
        }
    return end > start ? (double)(end - start) / (double)RS_DAY_S : 0;
}

static void note_labels(struct gathering *g, const struct rs_fleet_block *b)
{
    if (b->is_first)
        g->labelled = RS_TIME_NONE;
    for (size_t i = 0; g->by_labels && i < b->n && g->labelled == RS_TIME_NONE; i++)
        if (b->label[i] == 1)
            g->labelled = b->time[i];
}

static enum rs_status take_block(struct gathering *g, const struct rs_fleet_block *b, struct rs_error *err)
{
    note_labels(g, b);
    if (!b->is_last)
        return RS_OK;
    if (b->n_entity_rows == 0) {
        g->n_unseen++;
        return RS_OK;
    }
    bool failed;
    unsigned stratum = 0;
    double days = days_at_risk(g, b, &failed);
    g->seen_days += (double)(b->last_seen - b->first_seen) / (double)RS_DAY_S;
    g->n_gaps += (double)(b->n_entity_rows - 1);
    enum rs_status st = stratum_of(g, b, &stratum, err);
    return st < 0 ? st : rs_units_add(g->units, b->attr_codes, b->attr_numbers, days, failed, stratum, err);
}

/* ---- the fleet ---- */

static enum rs_status walk(struct gathering *g, rs_fleet *fleet, struct rs_error *err)
{
    RS_AUTO(rs_fleet_scan) *scan = NULL;
    struct rs_fleet_block b;
    struct rs_progress progress;
    enum rs_status st = rs_fleet_scan_new(fleet, 0, UINT64_MAX, &scan, err);
    rs_progress_start(&progress, "cohorts", "entities", g->info->n_entities, g->args->is_quiet);
    while (st >= 0 && (st = rs_fleet_scan_step(scan, &b, err)) == RS_CONTINUE) {
        rs_progress_update(&progress, b.entity, NULL);
        if (g->args->kind == RS_KIND_ALL || (int)b.kind == g->args->kind)
            st = take_block(g, &b, err);
        if (st >= 0 && rs_cli_interrupted())
            st = rs_error_set(err, RS_ECANCELLED, "interrupted");
    }
    rs_progress_end(&progress);
    return st;
}

static enum rs_status gather(struct gathering *g, rs_fleet *fleet, struct rs_error *err)
{
    const struct rs_fleet_info *info = g->info;
    rs_autofree struct rs_unit_attr *attrs = rs_alloc(info->n_attrs, sizeof *attrs);
    int64_t within = g->args->opt.within;
    g->n_values = within < 0 ? 1 : (size_t)info->attrs[within].n_values + 1;
    rs_autofree int16_t *strata = rs_alloc(2 * g->n_values, sizeof *strata);
    if (!attrs || !strata)
        return rs_error_set(err, RS_ENOMEM, "no memory for the attributes");
    memset(strata, 0xff, 2 * g->n_values * sizeof *strata);
    g->stratum = strata;
    for (uint32_t i = 0; i < info->n_attrs; i++) {
        const struct rs_fleet_attr *a = &info->attrs[i];
        attrs[i] = (struct rs_unit_attr){ .name = a->name, .is_number = a->is_number };
        attrs[i].values = a->values;
        attrs[i].n_values = a->n_values;
    }
    enum rs_status st = rs_units_new(attrs, info->n_attrs, &g->units, err);
    if (st == RS_OK)
        st = walk(g, fleet, err);
    g->stratum = NULL;
    return st < 0 ? st : rs_units_finish(g->units, g->n_gaps > 0 ? g->seen_days / g->n_gaps : 1, err);
}

static enum rs_status print(const struct cohorts_args *a, const struct gathering *g, const rs_discovery *d,
                            struct rs_error *err)
{
    const char *noun = a->kind == RS_ENTITY_HOST ? "hosts" : a->kind == RS_ENTITY_COMPONENT ? "components" : "entities";
    struct rs_discovery_report report = { a->fleet, noun, g->units, &a->opt, d, g->n_unseen, a->top };
    if (a->is_json)
        return rs_json_print(rs_discovery_json(&report), err);
    rs_discovery_text(&report, stdout);
    return rs_cli_flush(err);
}

static enum rs_status discover(struct cohorts_args *a, struct rs_error *err)
{
    RS_AUTO(rs_fleet) *fleet = NULL;
    RS_AUTO(rs_discovery) *d = NULL;
    enum rs_status st = rs_fleet_open(a->fleet, &fleet, err);
    if (st < 0)
        return st;
    struct gathering g = { .args = a, .info = rs_fleet_info(fleet), .labelled = RS_TIME_NONE };
    g.by_labels = g.info->n_failures == 0 && g.info->has_labels;
    st = find_within(g.info, a, err);
    if (st == RS_OK)
        st = gather(&g, fleet, err);
    if (st == RS_OK)
        st = rs_discover(g.units, &a->opt, &d, err);
    st = st < 0 ? rs_error_prefix(err, st, "%s", a->fleet) : print(a, &g, d, err);
    rs_units_free(g.units);
    return st;
}

static int work(void *arg)
{
    struct rs_error err = RS_ERROR_INIT;
    return rs_cli_end("cohorts", discover(arg, &err), &err);
}

static enum rs_status check_args(struct cohorts_args *a, struct rs_error *err)
{
    if (!(a->opt.fdr > 0 && a->opt.fdr < 1))
        return rs_error_set(err, RS_EUSAGE, "--fdr: a value between 0 and 1 needed");
    if (a->opt.min_failures < 1 || a->opt.min_entities < 1)
        return rs_error_set(err, RS_EUSAGE, "--min-%s: 1 at least", a->opt.min_failures ? "entities" : "failures");
    a->opt.with_pairs = !a->no_pairs;
    return rs_kind_parse(a->kind_word, &a->kind, err);
}

int rs_cmd_cohorts(int argc, char **argv, const struct rs_verb *self)
{
    struct cohorts_args a = { .kind_word = "all",
                              .top = 20,
                              .opt = { .fdr = 0.05, .coverage = COVERAGE, .min_entities = 10, .min_failures = 5 } };
    const struct rs_opt opts[] = {
        { "kind", 0, RS_OPT_STRING, &a.kind_word, "KIND", "Entities: all, host or component (default all)." },
        { "within", 0, RS_OPT_STRING, &a.within, "ATTR",
          "Compare only entities with the same value of it (default type, where there is one; \"\" for none)." },
        { "no-pairs", 0, RS_OPT_FLAG, &a.no_pairs, NULL, "Test single values only, no pairs." },
        { "fdr", 0, RS_OPT_DOUBLE, &a.opt.fdr, "Q", "Share of the findings that may be false (default 0.05)." },
        { "min-failures", 0, RS_OPT_U64, &a.opt.min_failures, "N",
          "Failures that an excess needs at least (default 5)." },
        { "min-entities", 0, RS_OPT_U64, &a.opt.min_entities, "N", "Entities that a value needs (default 10)." },
        { "top", 0, RS_OPT_U64, &a.top, "N", "Findings to print (default 20)." },
        { "json", 0, RS_OPT_FLAG, &a.is_json, NULL, "Print JSON." },
        { "quiet", 'q', RS_OPT_FLAG, &a.is_quiet, NULL, "No progress." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse_one(argc, argv, self, opts, "fleet file", &a.fleet, &err);
    if (st == RS_OK)
        st = check_args(&a, &err);
    if (st != RS_OK)
        return rs_cli_end("cohorts", st, &err);
    rs_cli_catch_signals();
    return rs_contain("cohorts", a.fleet, work, &a);
}
