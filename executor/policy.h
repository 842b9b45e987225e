/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The decision: the pure answer to one reboot request. No clock, no I/O, no allocation, no globals; the daemon and the
 * what-if replay call this same function.
 *
 *     benefit_s = (p_source - p_dest) * L - M - q * A                     docs/math.md D1, all in seconds of downtime
 *         L  loss when the VM's host fails under it: class outage_s + class temp_value_s
 *         M  extra downtime of the move over rebooting in place (upper quantile):
 *            copy_bytes / copy_rate + start_overhead_s                    D2
 *         q, A  chance that the move aborts, and its cost
 * Move iff some reason holds and every gate holds; otherwise stay, and say which gate and by how much. */
#ifndef RS_EXECUTOR_POLICY_H
#define RS_EXECUTOR_POLICY_H

#include "common/base.h"
#include "common/error.h"

enum rs_outcome {
    RS_STAY = 0,
    RS_MOVE_WITH_TEMP = 1,
    RS_MOVE_WITHOUT_TEMP = 2, /* only where the VM's class permits the loss */
};

enum rs_reason { /* by strength, the strongest first; bits of rs_decision.reasons are 1 << reason */
                 RS_REASON_SECURITY = 0,
                 RS_REASON_PREDICTED_FAILURE = 1,
                 RS_REASON_PLANNED_MAINTENANCE = 2,
                 RS_REASON_IMPROVEMENT = 3,
                 RS_REASONS,
                 RS_REASON_NONE = RS_REASONS
};

enum rs_gate {
    RS_GATE_REASON = 0,   /* some reason to leave: value = p_source, limit = risk threshold */
    RS_GATE_FIT,          /* some destination fits: value = destinations that fit, limit = 1 */
    RS_GATE_RISK,         /* destination's own risk under the limit: value = p_dest, limit = dest_risk_max */
    RS_GATE_BENEFIT,      /* benefit_s > 0; only where the reason is risk */
    RS_GATE_BUDGET,       /* M within the rest of the SLO error budget: value = M, limit = budget_left_s */
    RS_GATE_DEADLINE,     /* M within the class's longest blackout and the request's deadline */
    RS_GATE_HOST_LIMIT,   /* moves under way at source or destination */
    RS_GATE_RACK_LIMIT,   /* moves under way in either rack */
    RS_GATE_FLEET_LIMIT,  /* moves under way in all */
    RS_GATE_BREAKER,      /* circuit breaker closed: value = failed moves in the window, limit = breaker_failures */
    RS_GATE_BLAST_RADIUS, /* share of hosts above the threshold: value, limit = blast_share; beyond it nothing moves */
    RS_GATE_APPROVAL,     /* approval where the class asks for it */
    RS_GATES
};

/* Why a host is no destination; the first that applies. RS_FIT_OK where it is one. */
enum rs_fit {
    RS_FIT_OK = 0,
    RS_FIT_IS_SOURCE,
    RS_FIT_UNREACHABLE,
    RS_FIT_CORDONED,
    RS_FIT_RISK_UNKNOWN, /* no model, no telemetry, or stale: never a destination */
    RS_FIT_RISK,         /* own risk over the limit, or not lower than the source's by the margin */
    RS_FIT_CPU,
    RS_FIT_MACHINE,
    RS_FIT_DEVICES,
    RS_FIT_MEMORY,
    RS_FIT_DISK,
    RS_FIT_ANTI_AFFINITY,
    RS_FITS
};

struct rs_policy {
    double risk_threshold;   /* p_source at or above it is a reason */
    double dest_risk_max;    /* p_dest at or above it is no destination */
    double dest_risk_margin; /* p_dest must be below p_source times this, where the reason is risk */
    double abort_chance;     /* q */
    double abort_cost_s;     /* A */
    double start_overhead_s; /* define and start at the destination, upper quantile */
    double default_rate;     /* bytes/s, for a pair of hosts never measured */
    uint32_t max_moves_per_host, max_moves_per_rack, max_moves;
    uint32_t breaker_failures; /* this many failed moves in breaker_window_s open the breaker */
    double breaker_window_s;
    double blast_share; /* 0..1 */
};

struct rs_vm_class {
    char name[64];
    double outage_s;     /* downtime when the host fails under it */
    double temp_value_s; /* worth of the temp disk, in seconds of downtime */
    double budget_s;     /* SLO error budget per window; all downtime is booked against it */
    double budget_window_s;
    double max_blackout_s; /* longest planned downtime of one move, over the reboot itself */
    bool may_lose_temp;    /* move without the temp disk allowed */
    bool needs_approval;
};

struct rs_decide_vm {
    struct rs_vm_class vm_class;
    double downtime_booked_s; /* in the running window */
    double deadline_s;        /* of the request: seconds until the VM must be up again; INFINITY where none */
    uint64_t temp_bytes;      /* bytes to copy of temp disks */
    uint64_t disk_bytes;      /* bytes to copy of other local disks: always carried */
    bool is_approved;
    bool is_movable;     /* false: something about the VM forbids it; why says what */
    const char *why_not; /* borrowed; NULL where movable */
};

struct rs_decide_host {
    double risk;                                      /* NAN where unknown */
    bool is_security, is_maintenance, is_improvement; /* flags that are reasons to leave */
    uint32_t moves;                                   /* under way, to or from */
    uint32_t rack_moves;
};

struct rs_decide_dest {
    struct rs_decide_host host;
    bool is_source, is_reachable, is_cordoned, has_cpu, has_machine, has_devices, has_affinity_clash;
    uint64_t memory_free, memory_needed;
    uint64_t disk_free, disk_needed;
    double copy_rate; /* bytes/s measured source to here, lower quantile; 0 where unknown */
    uint32_t n_vms;   /* spread: fewer is better among equals */
};

struct rs_snapshot {
    struct rs_decide_vm vm;
    struct rs_decide_host source;
    const struct rs_decide_dest *dests;
    size_t n_dests;
    uint32_t moves; /* under way in all */
    uint32_t failures_in_window;
    double share_at_risk; /* share of hosts with known risk that are over the threshold */
};

struct rs_gate_result {
    bool is_asked; /* a gate after the first that stops may still be shown, with is_asked true where it was computed */
    bool holds;
    double value, limit;
};

struct rs_decision {
    enum rs_outcome outcome;
    enum rs_reason reason;   /* the strongest that holds, RS_REASON_NONE for none */
    uint32_t reasons;        /* all that hold, as bits */
    size_t dest;             /* index into dests; SIZE_MAX where none */
    enum rs_gate stopped_by; /* the first gate that fails; RS_GATES where it moves */
    double p_source, p_dest, loss_s, extra_s, benefit_s;
    struct rs_gate_result gates[RS_GATES];
};

/* fits (n_dests, may be NULL) gets why each host is no destination. Never fails: impossible numbers (NaN risk of the
 * source) close the gate that needs them. */
void rs_decide(const struct rs_snapshot *s, const struct rs_policy *policy, struct rs_decision *out, enum rs_fit *fits);

const char *rs_outcome_name(enum rs_outcome o); /* "stay", "move", "move-without-temp" */
const char *rs_reason_name(enum rs_reason r);   /* "security", "predicted-failure", ... "none" */
const char *rs_gate_name(enum rs_gate g);       /* "reason", "fit", ... "none" */
const char *rs_fit_name(enum rs_fit f);         /* "ok", "memory", ... */

#endif
