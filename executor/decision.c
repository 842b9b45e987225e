/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decision to JSON and to a sentence. Pure: works on what the engine hands it. */
#include "executor/decision.h"

#include <math.h>

/* How a gate's value must stand to its limit, and what both are. */
static const struct {
    const char *relation, *unit, *what;
} asks[RS_GATES] = {
    [RS_GATE_REASON] = { ">=", "probability", "risk of its host" },
    [RS_GATE_FIT] = { ">=", "count", "hosts that it fits on" },
    [RS_GATE_RISK] = { "<", "probability", "risk of the destination" },
    [RS_GATE_BENEFIT] = { ">", "s", "benefit of a move" },
    [RS_GATE_BUDGET] = { "<=", "s", "extra downtime, within the rest of its error budget" },
    [RS_GATE_DEADLINE] = { "<=", "s", "extra downtime, within the longest blackout" },
    [RS_GATE_HOST_LIMIT] = { "<", "count", "moves under way at a host" },
    [RS_GATE_RACK_LIMIT] = { "<", "count", "moves under way in a rack" },
    [RS_GATE_FLEET_LIMIT] = { "<", "count", "moves under way in all" },
    [RS_GATE_BREAKER] = { "<", "count", "failed moves of late" },
    [RS_GATE_BLAST_RADIUS] = { "<=", "probability", "share of hosts at risk" },
    [RS_GATE_APPROVAL] = { ">=", "count", "approvals" },
};

/* "0.0231", "31.2 s", "unknown". */
static void format_figure(double v, const char *unit, char *out, size_t size)
{
    if (isnan(v))
        snprintf(out, size, "unknown");
    else if (isinf(v))
        snprintf(out, size, "unlimited");
    else
        snprintf(out, size, "%.4g%s", v, rs_streq(unit, "s") ? " s" : "");
}

static void describe_gate(enum rs_gate g, const struct rs_gate_result *r, char *out, size_t size)
{
    char value[32], limit[32];
    format_figure(r->value, asks[g].unit, value, sizeof value);
    format_figure(r->limit, asks[g].unit, limit, sizeof limit);
    snprintf(out, size, "%s: %s, %s %s needed", asks[g].what, value, asks[g].relation, limit);
}

void rs_decision_summary(const struct rs_decision_record *r, char *out, size_t size)
{
    const struct rs_decision *d = r->decision;
    const struct rs_decide_vm *vm = &r->snapshot->vm;
    if (d->outcome != RS_STAY) {
        snprintf(out, size, "moves to %s for %s%s: risk %.4g there, %.4g here; %.3g s more downtime",
                 r->hosts[d->dest].name, rs_reason_name(d->reason),
                 d->outcome == RS_MOVE_WITHOUT_TEMP ? ", without its temp disk" : "", d->p_dest, d->p_source,
                 d->extra_s);
    } else if (d->stopped_by == RS_GATE_FIT && !vm->is_movable) {
        snprintf(out, size, "stays: it cannot be moved: %s", vm->why_not ? vm->why_not : "unknown");
    } else {
        char gate[192] = "";
        if (d->stopped_by != RS_GATES)
            describe_gate(d->stopped_by, &d->gates[d->stopped_by], gate, sizeof gate);
        snprintf(out, size, "stays: %s", gate);
    }
}

static json_t *gates_json(const struct rs_decision *d)
{
    json_t *list = json_array();
    for (int g = 0; g < RS_GATES; g++) {
        const struct rs_gate_result *r = &d->gates[g];
        if (!r->is_asked)
            continue;
        json_array_append_new(list, json_pack("{s:s, s:b, s:o, s:s, s:o, s:s, s:s}", "gate",
                                              rs_gate_name((enum rs_gate)g), "holds", r->holds, "value",
                                              rs_json_number(r->value), "relation", asks[g].relation, "limit",
                                              rs_json_number(r->limit), "unit", asks[g].unit, "what", asks[g].what));
    }
    return list;
}

static json_t *reasons_json(const struct rs_decision *d)
{
    json_t *list = json_array();
    for (int r = 0; r < RS_REASONS; r++)
        if (d->reasons & (1u << r))
            json_array_append_new(list, json_string(rs_reason_name((enum rs_reason)r)));
    return list;
}

static json_t *hosts_json(const struct rs_decision_record *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->snapshot->n_dests; i++) {
        const struct rs_decide_dest *t = &r->snapshot->dests[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "host", r->hosts[i].name, "fit",
                                              rs_fit_name(r->fits[i]), "why", r->hosts[i].why, "risk",
                                              rs_json_number(t->host.risk)));
    }
    return list;
}

static void set(json_t *o, const char *key, json_t *value, bool *ok)
{
    *ok = json_object_set_new(o, key, value) == 0 && *ok;
}

static void set_figures(json_t *o, const struct rs_decision_record *r, bool *ok)
{
    const struct rs_decision *d = r->decision;
    const struct rs_decide_vm *vm = &r->snapshot->vm;
    char digest[32];
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)r->model);
    set(o, "p_source", rs_json_number(d->p_source), ok);
    set(o, "p_dest", rs_json_number(d->p_dest), ok);
    set(o, "loss_s", rs_json_number(d->loss_s), ok);
    set(o, "extra_s", rs_json_number(d->extra_s), ok);
    set(o, "benefit_s", rs_json_number(d->benefit_s), ok);
    set(o, "temp_bytes", json_integer((json_int_t)vm->temp_bytes), ok);
    set(o, "disk_bytes", json_integer((json_int_t)vm->disk_bytes), ok);
    set(o, "booked_s", rs_json_number(vm->downtime_booked_s), ok);
    set(o, "deadline_s", rs_json_number(vm->deadline_s), ok);
    set(o, "horizon_s", r->horizon_s ? json_integer(r->horizon_s) : json_null(), ok);
    set(o, "model", r->model ? json_string(digest) : json_null(), ok);
}

json_t *rs_decision_json(const struct rs_decision_record *r)
{
    const struct rs_decision *d = r->decision;
    const struct rs_decide_vm *vm = &r->snapshot->vm;
    char summary[512];
    rs_decision_summary(r, summary, sizeof summary);
    json_t *o = json_object();
    bool ok = o != NULL;
    set(o, "time", rs_json_time(r->time), &ok);
    set(o, "vm", json_string(r->vm), &ok);
    set(o, "uuid", json_string(r->uuid), &ok);
    set(o, "class", json_string(vm->vm_class.name), &ok);
    set(o, "class_known", json_boolean(r->is_class_known), &ok);
    set(o, "cause", json_string(r->cause), &ok);
    set(o, "uid", r->uid < 0 ? json_null() : json_integer(r->uid), &ok);
    set(o, "dry_run", json_boolean(r->is_dry_run), &ok);
    set(o, "approved", json_boolean(vm->is_approved), &ok);
    set(o, "source", json_string(r->source), &ok);
    set(o, "dest", d->dest == SIZE_MAX ? json_null() : json_string(r->hosts[d->dest].name), &ok);
    set(o, "outcome", json_string(rs_outcome_name(d->outcome)), &ok);
    set(o, "reason", json_string(rs_reason_name(d->reason)), &ok);
    set(o, "reasons", reasons_json(d), &ok);
    set(o, "stopped_by", d->stopped_by == RS_GATES ? json_null() : json_string(rs_gate_name(d->stopped_by)), &ok);
    set(o, "summary", json_string(summary), &ok);
    set_figures(o, r, &ok);
    set(o, "gates", gates_json(d), &ok);
    set(o, "hosts", hosts_json(r), &ok);
    if (ok)
        return o;
    json_decref(o);
    return NULL;
}
