/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat drift: does a fleet still look like what a model was trained on? Reads a fleet file and a model, prints each
 * signal whose distribution moved. models/drift.h has the measure, docs/math.md section G the formulas. */
#include <math.h>

#include "common/clock.h"
#include "datasets/contain.h"
#include "models/drift.h"
#include "predictor/cmd.h"
#include "predictor/json.h"
#include "predictor/scoring.h"

#define ABSENT UINT32_MAX

struct drift_args {
    const char *fleet, *model, *since_word, *kind_word;
    int kind;
    int64_t since; /* RS_TIME_NONE: the newest sample of each entity alone */
    bool is_json, is_quiet, fails;
};

/* One row of the report: item 0 is the risk, item i + 1 the signal i of the model. */
struct item {
    const char *name;
    const struct rs_reference *ref;
    uint32_t reading;                /* index among the readings of the file; ABSENT where it lacks the signal */
    struct rs_drift_counts all, own; /* own: of the present entity */
};

struct drift {
    size_t n;
    struct item *items;
    struct rs_drift *result; /* n */
    size_t *order;           /* n: what moved first, then by size */
    double n_entities, n_reference;
};

static void drift_clear(struct drift *d)
{
    free(d->items);
    free(d->result);
    free(d->order);
}

static uint32_t find_signal(const struct rs_fleet_info *info, const char *name)
{
    for (uint32_t i = 0; i < info->n_signals; i++)
        if (rs_streq(info->signals[i].name, name))
            return i;
    return ABSENT;
}

static enum rs_status drift_init(struct drift *d, const struct rs_model *m, const struct rs_fleet_info *info,
                                 struct rs_error *err)
{
    if (!m->refs)
        return rs_error_set(err, RS_ENODATA, "the model has no references to compare with: train it anew");
    d->n = 1 + (size_t)m->program.n_signals;
    d->n_reference = rs_drift_base(&m->meta);
    d->items = rs_alloc(d->n, sizeof *d->items);
    d->result = rs_alloc(d->n, sizeof *d->result);
    d->order = rs_alloc(d->n, sizeof *d->order);
    if (!d->items || !d->result || !d->order)
        return rs_error_set(err, RS_ENOMEM, "drift of %u signals: out of memory", m->program.n_signals);
    d->items[0] = (struct item){ .name = "risk", .ref = &m->score_ref };
    for (uint32_t i = 0; i < m->program.n_signals; i++)
        d->items[i + 1] = (struct item){ .name = m->program.signals[i].name,
                                         .ref = &m->refs[i],
                                         .reading = find_signal(info, m->program.signals[i].name) };
    return RS_OK;
}

static void count_sample(struct drift *d, const struct rs_scored_row *row)
{
    rs_drift_count(d->items[0].ref, row->risk, 1, &d->items[0].own);
    for (size_t i = 1; i < d->n; i++) {
        struct item *it = &d->items[i];
        double value = it->reading == ABSENT ? NAN : (double)row->sample.readings[it->reading];
        rs_drift_count(it->ref, value, 1, &it->own);
    }
}

/* math.md G2: k samples of an entity weigh 1 / k each. */
static void end_entity(struct drift *d, uint64_t k)
{
    if (k == 0)
        return;
    for (size_t i = 0; i < d->n; i++) {
        struct item *it = &d->items[i];
        for (size_t b = 0; b <= RS_REF_EDGES; b++)
            it->all.bin[b] += it->own.bin[b] / (double)k;
        it->all.missing += it->own.missing / (double)k;
        it->own = (struct rs_drift_counts){ 0 };
    }
    d->n_entities++;
}

static enum rs_status count_fleet(const struct drift_args *a, struct rs_scoring *s, struct drift *d,
                                  struct rs_error *err)
{
    struct rs_scored_row row;
    enum rs_status st;
    uint64_t k = 0;
    while ((st = rs_scoring_step(s, &row, err)) == RS_CONTINUE) {
        bool is_newest_only = a->since == RS_TIME_NONE;
        if (is_newest_only ? row.sample.is_last : row.sample.time >= a->since) {
            count_sample(d, &row);
            k++;
        }
        if (!row.sample.is_last)
            continue;
        end_entity(d, k);
        k = 0;
    }
    if (st == RS_OK && d->n_entities == 0)
        return rs_error_set(err, RS_ENODATA, "no entity has a sample%s", a->since == RS_TIME_NONE ? "" : " since then");
    return st;
}

static size_t count_drifted(const struct drift *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++)
        n += rs_drift_is_found(&d->result[i]);
    return n;
}

/* ---- reports ---- */

static const char *verdict(const struct rs_drift *r)
{
    if (r->has_moved)
        return r->has_gone ? "moved, readings too" : "moved";
    if (r->has_gone)
        return r->missing_now > r->missing_then ? "readings gone" : "readings back";
    return "";
}

static void print_text(const struct drift_args *a, const struct drift *d)
{
    size_t n = count_drifted(d);
    printf("%s against what %s was trained on\n", a->fleet, a->model);
    printf("  %.0f entities, %s; %.0f stand behind the references\n", d->n_entities,
           a->since == RS_TIME_NONE ? "their newest sample each" : "their samples since the time given",
           d->n_reference);
    printf("  %zu of %zu moved\n\n", n, d->n);
    printf("  %-36s %9s %10s %10s %17s\n", "", "PSI", "by chance", "95 % below", "missing, then now");
    for (size_t i = 0; i < d->n; i++) {
        const struct rs_drift *r = &d->result[d->order[i]];
        char psi[32] = "-", expected[32] = "-", bound[32] = "-";
        if (isfinite(r->psi)) {
            snprintf(psi, sizeof psi, "%.4f", r->psi);
            snprintf(expected, sizeof expected, "%.4f", r->expected);
            snprintf(bound, sizeof bound, "%.4f", r->bound);
        }
        printf("  %-36s %9s %10s %10s %7.1f %% %5.1f %%  %s\n", d->items[d->order[i]].name, psi, expected, bound,
               100 * r->missing_then, 100 * r->missing_now, verdict(r));
    }
}

static json_t *item_json(const struct item *it, const struct rs_drift *r)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "name", it->name, "entities",
                     rs_json_number(r->n), "psi", rs_json_number(r->psi), "expected", rs_json_number(r->expected),
                     "bound", rs_json_number(r->bound), "p", rs_json_number(r->p), "missing_then",
                     rs_json_number(r->missing_then), "missing_now", rs_json_number(r->missing_now), "missing_p",
                     rs_json_number(r->missing_p), "moved", r->has_moved, "missing_changed", r->has_gone);
}

static json_t *report_json(const struct drift_args *a, const struct rs_model *m, const struct drift *d)
{
    json_t *signals = json_array();
    for (size_t i = 0; i < d->n; i++)
        if (d->order[i] != 0)
            signals = rs_json_append(signals, item_json(&d->items[d->order[i]], &d->result[d->order[i]]));
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "fleet", a->fleet, "model", a->model,
                     "model_digest", rs_json_digest(rs_model_digest(m)), "since", rs_json_time(a->since), "entities",
                     rs_json_number(d->n_entities), "reference_entities", rs_json_number(d->n_reference), "moved",
                     (json_int_t)count_drifted(d), "risk", item_json(&d->items[0], &d->result[0]), "signals", signals);
}

static enum rs_status print(const struct drift_args *a, const struct rs_model *m, const struct drift *d,
                            struct rs_error *err)
{
    if (a->is_json)
        return rs_json_print(report_json(a, m, d), err);
    print_text(a, d);
    return rs_cli_flush(err);
}

/* ---- the verb ---- */

static enum rs_status compare(const struct drift_args *a, struct rs_error *err)
{
    rs_auto_scoring s = { 0 };
    __attribute__((cleanup(drift_clear))) struct drift d = { 0 };
    enum rs_status st = rs_scoring_open(&s, a->fleet, a->model, a->kind, 0, "drift", a->is_quiet, err);
    if (st < 0)
        return st;
    st = drift_init(&d, s.model, rs_fleet_info(s.fleet), err);
    if (st < 0)
        return rs_error_prefix(err, st, "%s", a->model);
    st = count_fleet(a, &s, &d, err);
    if (st < 0)
        return rs_error_prefix(err, st, "%s", a->fleet);
    for (size_t i = 0; i < d.n; i++)
        rs_drift_measure(d.items[i].ref, &d.items[i].all, d.n_reference, &d.result[i]);
    st = rs_drift_judge(d.result, d.n, err);
    if (st == RS_OK) {
        rs_drift_order(d.result, d.n, d.order);
        st = print(a, s.model, &d, err);
    }
    size_t n = count_drifted(&d);
    if (st == RS_OK && a->fails && n > 0)
        return rs_error_set(err, RS_EQUALITY, "%zu of %zu moved, the most of all %s", n, d.n, d.items[d.order[0]].name);
    return st;
}

static int work(void *arg)
{
    struct rs_error err = RS_ERROR_INIT;
    return rs_cli_end("drift", compare(arg, &err), &err);
}

static enum rs_status check_args(struct drift_args *a, struct rs_error *err)
{
    if (!a->model)
        return rs_error_set(err, RS_EUSAGE, "--model: the model to compare with is missing");
    if (a->since_word && rs_time_parse(a->since_word, &a->since) < 0)
        return rs_error_set(err, RS_EUSAGE, "--since: %s: a time such as 2026-03-01 needed", a->since_word);
    return rs_kind_parse(a->kind_word, &a->kind, err);
}

int rs_cmd_drift(int argc, char **argv, const struct rs_verb *self)
{
    struct drift_args a = { .kind_word = "all", .since = RS_TIME_NONE };
    const struct rs_opt opts[] = {
        { "model", 'm', RS_OPT_STRING, &a.model, "MODEL.rsm", "Model to compare with (needed)." },
        { "since", 0, RS_OPT_STRING, &a.since_word, "TIME",
          "All samples since then (default the newest of each entity)." },
        { "kind", 0, RS_OPT_STRING, &a.kind_word, "KIND", "Entities: all, host or component (default all)." },
        { "fail", 0, RS_OPT_FLAG, &a.fails, NULL, "Exit with 3 where something moved." },
        { "json", 0, RS_OPT_FLAG, &a.is_json, NULL, "Print JSON." },
        { "quiet", 'q', RS_OPT_FLAG, &a.is_quiet, NULL, "No progress." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse_one(argc, argv, self, opts, "fleet file", &a.fleet, &err);
    if (st == RS_OK)
        st = check_args(&a, &err);
    if (st != RS_OK)
        return rs_cli_end("drift", st, &err);
    rs_cli_catch_signals();
    return rs_contain("drift", a.fleet, work, &a);
}
