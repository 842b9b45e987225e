/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One reboot request: facts of the VM and of every host that could take it, the decision, its record, the deed. */
#include "executor/engine.h"

#include <math.h>

#include "common/log.h"
#include "executor/decision.h"
#include "executor/engine_impl.h"

#define RATES_MAX 20 /* newest measured copy rates of a pair that count */

/* Everything that one request gathers; freed by clear(). */
struct request {
    rs_engine *e;
    rs_config *config;
    struct rs_policy policy;
    struct rs_model_facts model;
    size_t source; /* place among the virt hosts */
    struct rs_vm_facts vm;
    bool is_class_known;
    struct rs_snapshot snapshot;
    struct rs_decide_dest *dests;   /* n_virt */
    struct rs_decision_host *hosts; /* n_virt */
    char (*whys)[256];
    enum rs_fit *fits;
    struct rs_decision decision;
};

static void clear(struct request *r)
{
    rs_config_unref(r->config);
    free(r->dests);
    free(r->hosts);
    free(r->whys);
    free(r->fits);
}

static bool prepare(struct request *r, rs_engine *e)
{
    *r = (struct request){ .e = e, .config = rs_engine_config(e) };
    rs_telemetry_model(e->telemetry, &r->model);
    r->policy = rs_config_policy(r->config, r->model.threshold);
    r->dests = rs_alloc(e->n_virt, sizeof *r->dests);
    r->hosts = rs_alloc(e->n_virt, sizeof *r->hosts);
    r->whys = rs_alloc(e->n_virt, sizeof *r->whys);
    r->fits = rs_alloc(e->n_virt, sizeof *r->fits);
    return r->dests && r->hosts && r->whys && r->fits;
}

static const struct rs_config_host *config_host(const struct request *r, size_t virt)
{
    return &r->config->hosts[r->e->config_index[virt]]; /* a reload keeps the order */
}

static enum rs_status find_vm(struct request *r, const char *name, struct rs_error *err)
{
    if (!r->e->virt)
        return rs_error_set(err, RS_EUNKNOWN_VM, "VM %s: no configured host has a uri, so none can have it", name);
    enum rs_status st = rs_virt_find(r->e->virt, name, &r->source, &r->vm, err);
    if (st < 0)
        return st;
    if (r->vm.state != RS_VM_RUNNING && r->vm.state != RS_VM_PAUSED)
        return rs_error_set(err, RS_EINVAL, "VM %s on %s is not running; only a running VM can be rebooted", r->vm.name,
                            r->e->virt_names[r->source]);
    return RS_OK;
}

static enum rs_status snapshot_vm(struct request *r, const struct rs_reboot_request *req, struct rs_error *err)
{
    struct rs_decide_vm *vm = &r->snapshot.vm;
    const struct rs_vm_class *class = rs_config_class(r->config, r->vm.class_name, &r->is_class_known);
    *vm = (struct rs_decide_vm){ .vm_class = *class,
                                 .deadline_s = req->deadline_s,
                                 .is_approved = req->is_approved,
                                 .is_movable = r->vm.is_movable,
                                 .why_not = r->vm.is_movable ? NULL : r->vm.why_not };
    if (!r->is_class_known)
        rs_log_warn("class_unknown", "vm=\"%s\" class=\"%s\" taken_for=%s", r->vm.name, r->vm.class_name, class->name);
    for (size_t i = 0; i < r->vm.n_disks; i++) {
        const struct rs_vm_disk *d = &r->vm.disks[i];
        if (!d->is_shared)
            *(d->is_temp ? &vm->temp_bytes : &vm->disk_bytes) += d->bytes;
    }
    int64_t since = rs_clock_wall_s(r->e->clock) - (int64_t) class->budget_window_s;
    return rs_journal_booked(r->e->journal, r->vm.uuid, since, &vm->downtime_booked_s, err);
}

static struct rs_decide_host host_of(const struct request *r, size_t virt)
{
    const struct rs_config_host *h = config_host(r, virt);
    return (struct rs_decide_host){ .risk = rs_telemetry_risk(r->e->telemetry, h->name),
                                    .is_security = h->reasons[RS_REASON_SECURITY],
                                    .is_maintenance = h->reasons[RS_REASON_PLANNED_MAINTENANCE],
                                    .is_improvement = h->reasons[RS_REASON_IMPROVEMENT] };
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* math.md D4: the lower fifth of the newest rates measured between two hosts; 0 where none was. */
static double copy_rate(const struct request *r, size_t dest)
{
    double rates[RATES_MAX];
    size_t n = 0;
    const char *const *names = r->e->virt_names;
    if (rs_journal_rates(r->e->journal, names[r->source], names[dest], rates, RATES_MAX, &n, NULL) < 0 || n == 0)
        return 0;
    qsort(rates, n, sizeof *rates, by_value);
    return rates[n / 5];
}

static void check_fit(struct request *r, size_t i)
{
    struct rs_virt_fit fit = { .why = "" };
    struct rs_error err = RS_ERROR_INIT;
    struct rs_decide_dest *d = &r->dests[i];
    if (rs_virt_check_fit(r->e->virt, r->source, r->vm.uuid, i, &fit, &err) < 0) {
        d->is_reachable = false;
        snprintf(r->whys[i], sizeof r->whys[i], "%.*s", (int)sizeof r->whys[i] - 1, err.msg);
        return;
    }
    d->has_cpu = fit.has_cpu;
    d->has_machine = fit.has_machine;
    d->has_devices = fit.has_devices;
    snprintf(r->whys[i], sizeof r->whys[i], "%s", fit.why);
}

static void snapshot_dest(struct request *r, size_t i)
{
    struct rs_decide_dest *d = &r->dests[i];
    struct rs_host_facts facts;
    *d = (struct rs_decide_dest){ .host = host_of(r, i),
                                  .is_source = i == r->source,
                                  .is_cordoned = config_host(r, i)->is_cordoned,
                                  .memory_needed = r->vm.memory_bytes,
                                  .disk_needed = r->snapshot.vm.temp_bytes + r->snapshot.vm.disk_bytes };
    r->hosts[i] = (struct rs_decision_host){ r->e->virt_names[i], r->whys[i] };
    if (d->is_source)
        return;
    rs_engine_host_facts(r->e, r->e->virt_names[i], &facts);
    d->is_reachable = facts.is_reachable;
    if (!facts.is_reachable) {
        snprintf(r->whys[i], sizeof r->whys[i], "%s", facts.why);
        return;
    }
    d->memory_free = facts.memory_free;
    d->disk_free = facts.pool_free;
    d->n_vms = facts.n_vms;
    d->copy_rate = copy_rate(r, i);
    check_fit(r, i);
}

static double share_at_risk(const struct request *r)
{
    struct rs_risk_census census;
    rs_telemetry_census(r->e->telemetry, r->policy.risk_threshold, &census);
    return census.known ? (double)census.at_risk / (double)census.known : 0;
}

/* All that needs hypervisors or the journal, without a lock. */
static enum rs_status gather(struct request *r, const struct rs_reboot_request *req, struct rs_error *err)
{
    enum rs_status st = find_vm(r, req->vm, err);
    if (st == RS_OK)
        st = snapshot_vm(r, req, err);
    if (st < 0)
        return st;
    for (size_t i = 0; i < r->e->n_virt; i++)
        snapshot_dest(r, i);
    r->snapshot.source = host_of(r, r->source);
    r->snapshot.dests = r->dests;
    r->snapshot.n_dests = r->e->n_virt;
    r->snapshot.share_at_risk = share_at_risk(r);
    int64_t since = rs_clock_wall_s(r->e->clock) - (int64_t)r->policy.breaker_window_s;
    return rs_journal_failures_since(r->e->journal, since, &r->snapshot.failures_in_window, err);
}

/* Moves to or from any host of the same rack; a move inside it counts at both of its ends. */
static uint32_t rack_moves(const struct request *r, rs_migrator *m, size_t virt)
{
    const char *rack = config_host(r, virt)->rack;
    uint32_t n = 0;
    for (size_t i = 0; *rack && i < r->e->n_virt; i++)
        if (rs_streq(config_host(r, i)->rack, rack))
            n += rs_migrator_moves(m, i);
    return n;
}

/* Counts what is under way; under the decision's lock. */
static void count_moves(struct request *r)
{
    rs_migrator *m = rs_engine_migrator(r->e);
    if (!m)
        return;
    for (size_t i = 0; i < r->e->n_virt; i++) {
        struct rs_decide_dest *d = &r->dests[i];
        uint64_t memory = 0, disk = 0;
        rs_migrator_reserved(m, i, &memory, &disk);
        d->memory_free -= RS_MIN(memory, d->memory_free);
        d->disk_free -= RS_MIN(disk, d->disk_free);
        d->host.moves = rs_migrator_moves(m, i);
        d->host.rack_moves = rack_moves(r, m, i);
    }
    r->snapshot.source.moves = r->dests[r->source].host.moves;
    r->snapshot.source.rack_moves = r->dests[r->source].host.rack_moves;
    r->snapshot.moves = rs_migrator_moves(m, SIZE_MAX);
}

static void count_decision(struct request *r, bool is_dry)
{
    rs_metrics *metrics = r->e->metrics;
    rs_metrics_count(metrics, RS_METRIC_decisions, rs_outcome_name(r->decision.outcome), 1);
    if (is_dry)
        rs_metrics_count(metrics, RS_METRIC_dry_decisions, NULL, 1);
    if (r->decision.stopped_by != RS_GATES)
        rs_metrics_count(metrics, RS_METRIC_gates_closed, rs_gate_name(r->decision.stopped_by), 1);
}

/* The decision in the journal, and *out as the API shows it, with its id. */
static enum rs_status record(struct request *r, const struct rs_reboot_request *req, bool is_dry, json_t **out,
                             char out_id[32], struct rs_error *err)
{
    const struct rs_decision_record rec = { .snapshot = &r->snapshot,
                                            .policy = &r->policy,
                                            .decision = &r->decision,
                                            .fits = r->fits,
                                            .hosts = r->hosts,
                                            .time = rs_clock_wall_s(r->e->clock),
                                            .vm = r->vm.name,
                                            .uuid = r->vm.uuid,
                                            .source = r->e->virt_names[r->source],
                                            .cause = req->cause,
                                            .is_dry_run = is_dry,
                                            .is_class_known = r->is_class_known,
                                            .uid = req->uid,
                                            .model = r->model.digest,
                                            .horizon_s = r->model.horizon_s };
    json_t *body = rs_decision_json(&rec);
    if (!body)
        return rs_error_set(err, RS_ENOMEM, "VM %s: out of memory", r->vm.name);
    const char *outcome = rs_outcome_name(r->decision.outcome);
    enum rs_status st = rs_journal_decision(r->e->journal, r->vm.name, rec.time, outcome, body, out_id, err);
    if (st < 0) {
        json_decref(body);
        return st;
    }
    json_object_set_new(body, "id", json_string(out_id));
    count_decision(r, is_dry);
    rs_log_info("decision", "id=%s vm=\"%s\" source=%s outcome=%s reason=%s dry_run=%d summary=\"%s\"", out_id,
                r->vm.name, rec.source, outcome, rs_reason_name(r->decision.reason), is_dry,
                json_string_value(json_object_get(body, "summary")));
    *out = body;
    return RS_OK;
}

static enum rs_status start_move(struct request *r, const char *decision, char out_id[32], struct rs_error *err)
{
    const struct rs_decide_vm *vm = &r->snapshot.vm;
    double longest_s = RS_MIN(vm->vm_class.max_blackout_s, vm->deadline_s);
    const struct rs_migration_request move = { .decision = decision,
                                               .source = r->source,
                                               .dest = r->decision.dest,
                                               .uuid = r->vm.uuid,
                                               .with_temp = r->decision.outcome == RS_MOVE_WITH_TEMP,
                                               .deadline_s =
                                                   RS_MIN(longest_s, vm->vm_class.budget_s - vm->downtime_booked_s) };
    return rs_migrator_start(rs_engine_migrator(r->e), &move, out_id, err);
}

/* Decides and does it. A reboot in place is asked for outside the lock, by the caller. */
static enum rs_status decide(struct request *r, const struct rs_reboot_request *req, bool is_dry, json_t **decision,
                             char decision_id[32], char migration_id[32], struct rs_error *err)
{
    pthread_mutex_lock(&r->e->decide_lock);
    count_moves(r);
    rs_decide(&r->snapshot, &r->policy, &r->decision, r->fits);
    enum rs_status st = record(r, req, is_dry, decision, decision_id, err);
    if (st == RS_OK && !is_dry && r->decision.outcome != RS_STAY)
        st = start_move(r, decision_id, migration_id, err);
    pthread_mutex_unlock(&r->e->decide_lock);
    return st;
}

static enum rs_status decide_and_act(struct request *r, const struct rs_reboot_request *req, json_t **out,
                                     struct rs_error *err)
{
    bool is_dry = req->dry_run || r->e->dry_run || r->config->main.dry_run;
    char decision_id[32] = "", migration_id[32] = "";
    rs_auto_json *decision = NULL;
    enum rs_status st = decide(r, req, is_dry, &decision, decision_id, migration_id, err);
    if (st == RS_OK && !is_dry && r->decision.outcome == RS_STAY)
        st = rs_virt_reboot(r->e->virt, r->source, r->vm.uuid, err);
    if (st < 0)
        return *decision_id
                   ? rs_error_prefix(err, st, "decision %s (%s)", decision_id, rs_outcome_name(r->decision.outcome))
                   : st;
    json_t *migration = *migration_id ? json_string(migration_id) : json_null();
    json_object_set(decision, "migration", migration);
    *out = json_pack("{s:O, s:o}", "decision", decision, "migration", migration);
    return *out ? RS_OK : rs_error_set(err, RS_ENOMEM, "VM %s: out of memory", r->vm.name);
}

enum rs_status rs_engine_reboot(rs_engine *e, const struct rs_reboot_request *req, json_t **out, struct rs_error *err)
{
    struct request r;
    enum rs_status st =
        prepare(&r, e) ? gather(&r, req, err) : rs_error_set(err, RS_ENOMEM, "VM %s: out of memory", req->vm);
    if (st == RS_OK)
        st = decide_and_act(&r, req, out, err);
    clear(&r);
    return st;
}
