/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The decision, gate by gate. Every gate is computed even after one has failed, where its figures exist, so that an
 * answer of "stay" shows all that stood in the way. Works with policy.h alone. */
#include "executor/policy.h"

#include <math.h>

static const char *const outcome_names[] = { "stay", "move", "move-without-temp" };
static const char *const reason_names[] = { "security", "predicted-failure", "planned-maintenance", "improvement",
                                            "none" };
static const char *const gate_names[] = { "reason",       "fit",        "risk",       "benefit",     "budget",
                                          "deadline",     "host-limit", "rack-limit", "fleet-limit", "breaker",
                                          "blast-radius", "approval",   "none" };
static const char *const fit_names[] = { "ok",           "is-source", "unreachable", "cordoned",
                                         "risk-unknown", "risk",      "cpu",         "machine-type",
                                         "devices",      "memory",    "disk",        "anti-affinity" };

_Static_assert(RS_LEN(reason_names) == RS_REASONS + 1, "a name for each reason");
_Static_assert(RS_LEN(gate_names) == RS_GATES + 1, "a name for each gate");
_Static_assert(RS_LEN(fit_names) == RS_FITS, "a name for each fit");

const char *rs_outcome_name(enum rs_outcome o)
{
    return outcome_names[o];
}

const char *rs_reason_name(enum rs_reason r)
{
    return reason_names[r];
}

const char *rs_gate_name(enum rs_gate g)
{
    return gate_names[g];
}

const char *rs_fit_name(enum rs_fit f)
{
    return fit_names[f];
}

static void gate(struct rs_decision *d, enum rs_gate g, bool holds, double value, double limit)
{
    d->gates[g] = (struct rs_gate_result){ .is_asked = true, .holds = holds, .value = value, .limit = limit };
    if (!holds && d->stopped_by == RS_GATES)
        d->stopped_by = g;
}

/* Risk is the measure of the move where prediction is the only reason; the others are orders or wishes of people. */
static bool is_for_risk(const struct rs_decision *d)
{
    return d->reason == RS_REASON_PREDICTED_FAILURE;
}

static void find_reasons(const struct rs_snapshot *s, const struct rs_policy *p, struct rs_decision *d)
{
    const bool holds[RS_REASONS] = {
        [RS_REASON_SECURITY] = s->source.is_security,
        [RS_REASON_PREDICTED_FAILURE] = s->source.risk >= p->risk_threshold, /* false for NaN */
        [RS_REASON_PLANNED_MAINTENANCE] = s->source.is_maintenance,
        [RS_REASON_IMPROVEMENT] = s->source.is_improvement,
    };
    d->reason = RS_REASON_NONE;
    for (int r = RS_REASONS - 1; r >= 0; r--) {
        if (holds[r]) {
            d->reasons |= 1u << r;
            d->reason = (enum rs_reason)r;
        }
    }
    gate(d, RS_GATE_REASON, d->reason != RS_REASON_NONE, s->source.risk, p->risk_threshold);
}

static enum rs_fit fit(const struct rs_snapshot *s, const struct rs_policy *p, const struct rs_decision *d, size_t i)
{
    const struct rs_decide_dest *t = &s->dests[i];
    if (t->is_source)
        return RS_FIT_IS_SOURCE;
    if (!t->is_reachable)
        return RS_FIT_UNREACHABLE;
    if (t->is_cordoned || t->host.is_security || t->host.is_maintenance)
        return RS_FIT_CORDONED;
    if (isnan(t->host.risk))
        return RS_FIT_RISK_UNKNOWN;
    if (t->host.risk >= p->dest_risk_max || (is_for_risk(d) && t->host.risk >= s->source.risk * p->dest_risk_margin))
        return RS_FIT_RISK;
    if (!t->has_cpu)
        return RS_FIT_CPU;
    if (!t->has_machine)
        return RS_FIT_MACHINE;
    if (!t->has_devices)
        return RS_FIT_DEVICES;
    if (t->memory_free < t->memory_needed)
        return RS_FIT_MEMORY;
    if (t->disk_free < t->disk_needed)
        return RS_FIT_DISK;
    return t->has_affinity_clash ? RS_FIT_ANTI_AFFINITY : RS_FIT_OK;
}

static double copy_rate(const struct rs_decide_dest *t, const struct rs_policy *p)
{
    return t->copy_rate > 0 ? t->copy_rate : p->default_rate;
}

/* math.md D2: M = bytes / rate + overhead */
static double extra_s(const struct rs_snapshot *s, const struct rs_policy *p, size_t dest, bool with_temp)
{
    double bytes = (double)s->vm.disk_bytes + (with_temp ? (double)s->vm.temp_bytes : 0);
    double rate = copy_rate(&s->dests[dest], p);
    double copy_s = bytes > 0 ? bytes / rate : 0; /* no rate at all: infinite, and the gates say so */
    return copy_s + p->start_overhead_s;
}

/* Lower risk first, then fewer moves under way, then the faster path, then the emptier host, then config order. */
static bool is_better(const struct rs_snapshot *s, const struct rs_policy *p, size_t a, size_t b)
{
    const struct rs_decide_dest *x = &s->dests[a], *y = &s->dests[b];
    if (x->host.risk != y->host.risk)
        return x->host.risk < y->host.risk;
    if (x->host.moves != y->host.moves)
        return x->host.moves < y->host.moves;
    if (copy_rate(x, p) != copy_rate(y, p))
        return copy_rate(x, p) > copy_rate(y, p);
    if (x->n_vms != y->n_vms)
        return x->n_vms < y->n_vms;
    return a < b;
}

static void place(const struct rs_snapshot *s, const struct rs_policy *p, struct rs_decision *d, enum rs_fit *fits)
{
    size_t n_fit = 0;
    d->dest = SIZE_MAX;
    for (size_t i = 0; i < s->n_dests; i++) {
        enum rs_fit f = fit(s, p, d, i);
        if (fits)
            fits[i] = f;
        if (f != RS_FIT_OK)
            continue;
        n_fit++;
        if (d->dest == SIZE_MAX || is_better(s, p, i, d->dest))
            d->dest = i;
    }
    gate(d, RS_GATE_FIT, n_fit > 0 && s->vm.is_movable, (double)n_fit, 1);
}

/* What stops one way of moving, of the gates that depend on whether the temp disk is carried. */
static bool time_holds(const struct rs_snapshot *s, double m)
{
    const struct rs_vm_class *c = &s->vm.vm_class;
    return m <= c->budget_s - s->vm.downtime_booked_s && m <= RS_MIN(c->max_blackout_s, s->vm.deadline_s);
}

/* math.md D1: benefit = (p_s - p_d) L - M - q A */
static double benefit_s(const struct rs_decision *d, const struct rs_policy *p, double loss_s, double m)
{
    return (d->p_source - d->p_dest) * loss_s - m - p->abort_chance * p->abort_cost_s;
}

static void weigh(const struct rs_snapshot *s, const struct rs_policy *p, struct rs_decision *d)
{
    const struct rs_vm_class *c = &s->vm.vm_class;
    d->p_source = s->source.risk;
    d->p_dest = s->dests[d->dest].host.risk;
    d->loss_s = c->outage_s + c->temp_value_s;
    d->extra_s = extra_s(s, p, d->dest, true);
    d->benefit_s = benefit_s(d, p, d->loss_s, d->extra_s);
    d->outcome = RS_MOVE_WITH_TEMP;
    /* math.md D3: the temp disk would take too long and its class lets it go. Its worth is then lost for certain,
     * where staying would have lost it with the chance p_s alone. */
    double bare_s = extra_s(s, p, d->dest, false);
    if (c->may_lose_temp && s->vm.temp_bytes > 0 && !time_holds(s, d->extra_s) && time_holds(s, bare_s)) {
        d->outcome = RS_MOVE_WITHOUT_TEMP;
        d->extra_s = bare_s;
        d->loss_s = c->outage_s;
        d->benefit_s = benefit_s(d, p, d->loss_s, bare_s) - (1 - d->p_source) * c->temp_value_s;
    }
    gate(d, RS_GATE_RISK, d->p_dest < p->dest_risk_max, d->p_dest, p->dest_risk_max);
    if (is_for_risk(d))
        gate(d, RS_GATE_BENEFIT, d->benefit_s > 0, d->benefit_s, 0);
    double left_s = c->budget_s - s->vm.downtime_booked_s;
    gate(d, RS_GATE_BUDGET, d->extra_s <= left_s, d->extra_s, left_s);
    double longest_s = RS_MIN(c->max_blackout_s, s->vm.deadline_s);
    gate(d, RS_GATE_DEADLINE, d->extra_s <= longest_s, d->extra_s, longest_s);
}

static void limits(const struct rs_snapshot *s, const struct rs_policy *p, struct rs_decision *d)
{
    uint32_t host = s->source.moves, rack = s->source.rack_moves;
    if (d->dest != SIZE_MAX) {
        host = RS_MAX(host, s->dests[d->dest].host.moves);
        rack = RS_MAX(rack, s->dests[d->dest].host.rack_moves);
    }
    gate(d, RS_GATE_HOST_LIMIT, host < p->max_moves_per_host, host, p->max_moves_per_host);
    gate(d, RS_GATE_RACK_LIMIT, rack < p->max_moves_per_rack, rack, p->max_moves_per_rack);
    gate(d, RS_GATE_FLEET_LIMIT, s->moves < p->max_moves, s->moves, p->max_moves);
    gate(d, RS_GATE_BREAKER, s->failures_in_window < p->breaker_failures, s->failures_in_window, p->breaker_failures);
    gate(d, RS_GATE_BLAST_RADIUS, s->share_at_risk <= p->blast_share, s->share_at_risk, p->blast_share);
}

void rs_decide(const struct rs_snapshot *s, const struct rs_policy *policy, struct rs_decision *out, enum rs_fit *fits)
{
    *out = (struct rs_decision){ .outcome = RS_STAY,
                                 .dest = SIZE_MAX,
                                 .stopped_by = RS_GATES,
                                 .p_source = s->source.risk,
                                 .p_dest = NAN,
                                 .loss_s = s->vm.vm_class.outage_s + s->vm.vm_class.temp_value_s,
                                 .extra_s = NAN,
                                 .benefit_s = NAN };
    find_reasons(s, policy, out);
    place(s, policy, out, fits);
    if (out->dest != SIZE_MAX)
        weigh(s, policy, out);
    limits(s, policy, out);
    if (s->vm.vm_class.needs_approval)
        gate(out, RS_GATE_APPROVAL, s->vm.is_approved, s->vm.is_approved, 1);
    if (out->stopped_by != RS_GATES)
        out->outcome = RS_STAY;
}
