/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The decision: each gate closes alone and is named; the benefit is the document's formula; placement has an order. */
#include "executor/policy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct world {
    struct rs_policy policy;
    struct rs_decide_dest dests[3];
    struct rs_snapshot s;
};

/* A VM on a risky host 0 with two healthy hosts to go to: moves with its temp disk to host 2. */
static void world_init(struct world *w)
{
    *w = (struct world){
        .policy = { .risk_threshold = 0.02,
                    .dest_risk_max = 0.011,
                    .dest_risk_margin = 0.5,
                    .abort_chance = 0.03,
                    .abort_cost_s = 7,
                    .start_overhead_s = 1.3,
                    .default_rate = 211e6,
                    .max_moves_per_host = 2,
                    .max_moves_per_rack = 5,
                    .max_moves = 9,
                    .breaker_failures = 3,
                    .blast_share = 0.27 },
        .s = { .vm = { .vm_class = { .name = "gold",
                                     .outage_s = 913,
                                     .temp_value_s = 3607,
                                     .budget_s = 97,
                                     .max_blackout_s = 61 },
                       .downtime_booked_s = 11,
                       .deadline_s = INFINITY,
                       .temp_bytes = 1900000000,
                       .disk_bytes = 0,
                       .is_movable = true },
               .source = { .risk = 0.083, .moves = 1, .rack_moves = 2 },
               .n_dests = 3 },
    };
    for (size_t i = 0; i < RS_LEN(w->dests); i++)
        w->dests[i] = (struct rs_decide_dest){ .host = { .risk = 0.004 + 0.0001 * (double)i },
                                               .is_reachable = true,
                                               .has_cpu = true,
                                               .has_machine = true,
                                               .has_devices = true,
                                               .memory_free = 1000,
                                               .memory_needed = 600,
                                               .disk_free = 5000,
                                               .disk_needed = 1900 };
    w->dests[0].is_source = true;
    w->dests[2].host.risk = 0.003;
    w->dests[2].copy_rate = 97e6;
    w->s.dests = w->dests;
}

static void test_moves_with_the_documented_benefit(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct rs_decision d;
    enum rs_fit fits[3];
    rs_decide(&w.s, &w.policy, &d, fits);
    assert_int_equal(d.outcome, RS_MOVE_WITH_TEMP);
    assert_int_equal(d.reason, RS_REASON_PREDICTED_FAILURE);
    assert_int_equal(d.dest, 2);
    assert_int_equal(d.stopped_by, RS_GATES);
    assert_int_equal(fits[0], RS_FIT_IS_SOURCE);
    assert_int_equal(fits[1], RS_FIT_OK);
    /* By hand: M = 1.9e9 / 97e6 + 1.3 = 20.88762886...; benefit = 0.08 * 4520 - M - 0.21 = 340.5023711... */
    assert_true(fabs(d.extra_s - 20.887628865979381) < 1e-12);
    assert_true(fabs(d.benefit_s - 340.50237113402062) < 1e-9);
}

static void test_each_gate_closes_alone(void **state)
{
    (void)state;
    for (int g = 0; g < RS_GATES; g++) {
        struct world w;
        world_init(&w);
        switch ((enum rs_gate)g) {
        case RS_GATE_REASON:
            w.s.source.risk = 0.0199;
            break;
        case RS_GATE_FIT:
            w.dests[1].memory_free = 599;
            w.dests[2].is_cordoned = true;
            break;
        case RS_GATE_RISK: /* a destination over the limit does not fit at all: the gate can only confirm */
            continue;
        case RS_GATE_BENEFIT:
            w.s.vm.vm_class.outage_s = w.s.vm.vm_class.temp_value_s = 17;
            break;
        case RS_GATE_BUDGET:
            w.s.vm.downtime_booked_s = 77;
            break;
        case RS_GATE_DEADLINE:
            w.s.vm.deadline_s = 20.5;
            break;
        case RS_GATE_HOST_LIMIT:
            w.dests[2].host.moves = 2;
            w.dests[1].is_reachable = false;
            break;
        case RS_GATE_RACK_LIMIT:
            w.s.source.rack_moves = 5;
            break;
        case RS_GATE_FLEET_LIMIT:
            w.s.moves = 9;
            break;
        case RS_GATE_BREAKER:
            w.s.failures_in_window = 3;
            break;
        case RS_GATE_BLAST_RADIUS:
            w.s.share_at_risk = 0.28;
            break;
        case RS_GATE_APPROVAL:
            w.s.vm.vm_class.needs_approval = true;
            break;
        case RS_GATES:
            break;
        }
        struct rs_decision d;
        rs_decide(&w.s, &w.policy, &d, NULL);
        assert_int_equal(d.outcome, RS_STAY);
        assert_string_equal(rs_gate_name(d.stopped_by), rs_gate_name((enum rs_gate)g));
        assert_false(d.gates[g].holds);
    }
}

static void test_temp_disk_is_left_only_where_the_class_permits(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.s.vm.vm_class.max_blackout_s = 5;
    w.s.vm.vm_class.temp_value_s = 31;
    struct rs_decision d;
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.outcome, RS_STAY);
    assert_int_equal(d.stopped_by, RS_GATE_DEADLINE);
    w.s.vm.vm_class.may_lose_temp = true;
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.outcome, RS_MOVE_WITHOUT_TEMP);
    /* By hand: 0.08 * 913 - 1.3 - 0.21 - 0.917 * 31 = 43.103 */
    assert_true(fabs(d.benefit_s - 43.103) < 1e-9);
    w.s.vm.vm_class.temp_value_s = 100; /* dearer than the outage that it averts */
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.outcome, RS_STAY);
    assert_int_equal(d.stopped_by, RS_GATE_BENEFIT);
}

static void test_reasons_combine_by_strength(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.s.source.is_maintenance = true;
    struct rs_decision d;
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.reason, RS_REASON_PREDICTED_FAILURE);
    assert_int_equal(d.reasons, 1u << RS_REASON_PREDICTED_FAILURE | 1u << RS_REASON_PLANNED_MAINTENANCE);
    /* Maintenance alone asks no benefit: the source may be the healthier host. */
    w.s.source.risk = NAN;
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.reason, RS_REASON_PLANNED_MAINTENANCE);
    assert_int_equal(d.outcome, RS_MOVE_WITH_TEMP);
    assert_false(d.gates[RS_GATE_BENEFIT].is_asked);
    w.s.source.is_security = true;
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.reason, RS_REASON_SECURITY);
}

static void test_unknown_risk_is_neither_reason_nor_destination(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    enum rs_fit fits[3];
    struct rs_decision d;
    w.dests[2].host.risk = NAN;
    rs_decide(&w.s, &w.policy, &d, fits);
    assert_int_equal(d.dest, 1);
    assert_int_equal(fits[2], RS_FIT_RISK_UNKNOWN);
    w.s.source.risk = NAN;
    rs_decide(&w.s, &w.policy, &d, fits);
    assert_int_equal(d.outcome, RS_STAY);
    assert_int_equal(d.stopped_by, RS_GATE_REASON);
}

static void test_placement_order(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct rs_decision d;
    w.dests[1].host.risk = w.dests[2].host.risk;
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.dest, 1); /* the default rate is the faster path */
    w.dests[1].host.moves = 1;
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.dest, 2);
    w.dests[2].host.moves = 1;
    w.dests[1].copy_rate = w.dests[2].copy_rate;
    w.dests[1].n_vms = 4;
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.dest, 2);
    w.s.n_dests = 0;
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.dest, SIZE_MAX);
    assert_int_equal(d.stopped_by, RS_GATE_FIT);
}

static void test_a_vm_that_cannot_move_stays(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.s.vm.is_movable = false;
    struct rs_decision d;
    rs_decide(&w.s, &w.policy, &d, NULL);
    assert_int_equal(d.outcome, RS_STAY);
    assert_int_equal(d.stopped_by, RS_GATE_FIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_with_the_documented_benefit),
        cmocka_unit_test(test_each_gate_closes_alone),
        cmocka_unit_test(test_temp_disk_is_left_only_where_the_class_permits),
        cmocka_unit_test(test_reasons_combine_by_strength),
        cmocka_unit_test(test_unknown_risk_is_neither_reason_nor_destination),
        cmocka_unit_test(test_placement_order),
        cmocka_unit_test(test_a_vm_that_cannot_move_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
