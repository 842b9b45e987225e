/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "simulate_host.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct rs_simulate_options fleet(uint64_t n_hosts)
{
    return (struct rs_simulate_options){ .n_hosts = n_hosts,
                                         .n_days = 365,
                                         .seed = 5,
                                         .start_s = 1767225600, /* 2026-01-01 */
                                         .interval_s = RS_DAY_S,
                                         .failure_rate = 1.5 };
}

static void a_host_is_the_same_in_a_larger_fleet(void **state)
{
    (void)state;
    struct rs_simulate_options small = fleet(100), large = fleet(9000);
    struct rs_sim_host a = { 0 }, b = { 0 };
    for (uint64_t i = 0; i < 100; i += 7) {
        assert_int_equal(rs_sim_host_make(&small, i, &a, NULL), RS_OK);
        assert_int_equal(rs_sim_host_make(&large, i, &b, NULL), RS_OK);
        assert_string_equal(a.parts[0].id, b.parts[0].id);
        assert_ptr_equal(a.parts[0].firmware, b.parts[0].firmware);
        assert_int_equal(a.n_outages, b.n_outages);
        for (size_t k = 0; k < a.n_outages; k++)
            assert_int_equal(a.outages[k].time, b.outages[k].time);
    }
    rs_sim_host_clear(&a);
    rs_sim_host_clear(&b);
}

/* Up to its first drain a host is the same as without; a drain comes between half of the way to the failure and nine
 * tenths of it, and takes as long as the repair. */
static void drains_come_before_what_they_avert(void **state)
{
    (void)state;
    struct rs_simulate_options opt = fleet(300), without;
    struct rs_sim_host h = { 0 }, same = { 0 };
    size_t n_drained = 0, n_controls = 0;
    opt.failure_rate = 12;
    without = opt;
    opt.drain_share = 0.6;
    opt.control_share = 0.25;
    for (uint64_t i = 0; i < opt.n_hosts; i++) {
        assert_int_equal(rs_sim_host_make(&opt, i, &h, NULL), RS_OK);
        assert_int_equal(rs_sim_host_make(&without, i, &same, NULL), RS_OK);
        bool is_same = true;
        for (size_t k = 0; k < h.n_outages; k++) {
            const struct rs_sim_outage *o = &h.outages[k];
            if (is_same) {
                assert_int_equal(o->due, same.outages[k].time);
                assert_int_equal(o->back - o->time, same.outages[k].back - same.outages[k].time);
            }
            is_same = is_same && !o->is_drained;
            assert_int_equal(o->time, o->is_drained ? o->noticed : o->due);
            if (o->noticed == RS_TIME_NONE)
                continue;
            double level = (double)(o->noticed - o->onset) / (double)(o->due - o->onset);
            assert_true(level > 0.4999 && level < 0.9001 && rs_sim_kinds[o->kind].warning_days > 0);
            *(o->is_drained ? &n_drained : &n_controls) += 1;
        }
    }
    double n = (double)(n_drained + n_controls);
    assert_true(n > 1000 && fabs((double)n_controls - 0.25 * n) < 4 * sqrt(n * 0.25 * 0.75));
    rs_sim_host_clear(&h);
    rs_sim_host_clear(&same);
}

static void outages_follow_each_other_and_signs_come_before(void **state)
{
    (void)state;
    struct rs_simulate_options opt = fleet(300);
    struct rs_sim_host h = { 0 };
    opt.failure_rate = 12;
    for (uint64_t i = 0; i < opt.n_hosts; i++) {
        assert_int_equal(rs_sim_host_make(&opt, i, &h, NULL), RS_OK);
        int64_t free_at = opt.start_s, part_back[RS_SIM_PARTS];
        for (size_t p = 0; p < RS_SIM_PARTS; p++)
            part_back[p] = INT64_MIN;
        for (size_t k = 0; k < h.n_outages; k++) {
            const struct rs_sim_outage *o = &h.outages[k];
            assert_true(o->time >= free_at && o->back > o->time);
            assert_true(o->onset <= o->time && o->onset >= part_back[o->part]);
            assert_true(rs_sim_kinds[o->kind].warning_days > 0 || o->onset == o->time);
            assert_int_equal(h.parts[o->part].type, rs_sim_kinds[o->kind].type);
            assert_ptr_equal(rs_sim_host_down(&h, o->time), o);
            assert_null(rs_sim_host_down(&h, o->back));
            free_at = part_back[o->part] = o->back;
        }
    }
    rs_sim_host_clear(&h);
}

/* Wanted figures are docs/simulator.md's; the tolerance is four standard deviations of the counts at hand. */
static void rates_and_flaws_are_as_documented(void **state)
{
    (void)state;
    struct rs_simulate_options opt = fleet(6000);
    struct rs_sim_host h = { 0 };
    double n = 0, batch = 0, firmware = 0, failures = 0, parts_in = 0, parts_out = 0, share_sum = 0;
    for (size_t k = 0; k < RS_SIM_KINDS; k++)
        share_sum += rs_sim_kinds[k].share;
    assert_true(fabs(share_sum - 1) < 1e-12);
    for (uint64_t i = 0; i < opt.n_hosts; i++, n++) {
        assert_int_equal(rs_sim_host_make(&opt, i, &h, NULL), RS_OK);
        batch += h.is_bad_batch;
        firmware += h.is_bad_firmware;
        for (size_t k = 0; k < h.n_outages && h.outages[k].time < rs_sim_end(&opt); k++) {
            bool is_batch_kind = rs_sim_kinds[h.outages[k].kind].flaw == RS_SIM_BAD_BATCH;
            failures++;
            parts_in += h.is_bad_batch && is_batch_kind;
            parts_out += !h.is_bad_batch && is_batch_kind;
            assert_false(h.outages[k].is_flaw && !h.is_bad_batch && !h.is_bad_firmware);
        }
    }
    rs_sim_host_clear(&h);
    assert_true(fabs(batch - 0.08 * n) < 4 * sqrt(0.08 * 0.92 * n));
    assert_true(fabs(firmware - 0.12 * n) < 4 * sqrt(0.12 * 0.88 * n));
    double want = 1.5 * n * 365 / 365.25;
    assert_true(fabs(failures - want) < 4 * sqrt(want) + 0.02 * want); /* time under repair does not fail */
    double ratio = parts_in / batch / (parts_out / (n - batch));
    assert_true(fabs(ratio - 4) < 4 * 4 * sqrt(1 / parts_in + 1 / parts_out));
}

/* The effects asked for, at a share of 20 %: the tolerance is four standard deviations of the counts at hand. */
static void effects_and_shares_can_be_chosen(void **state)
{
    (void)state;
    struct rs_simulate_options opt = fleet(4000);
    struct rs_sim_host h = { 0 };
    double n[2] = { 0 }, failures[2] = { 0 };
    opt.share = 0.2;
    opt.batch_effect = 2.5;
    opt.firmware_effect = 1;
    for (uint64_t i = 0; i < opt.n_hosts; i++) {
        assert_int_equal(rs_sim_host_make(&opt, i, &h, NULL), RS_OK);
        n[h.is_bad_batch]++;
        for (size_t k = 0; k < h.n_outages && h.outages[k].time < rs_sim_end(&opt); k++)
            failures[h.is_bad_batch] += rs_sim_kinds[h.outages[k].kind].flaw == RS_SIM_BAD_BATCH;
    }
    rs_sim_host_clear(&h);
    assert_true(fabs(n[1] - 800) < 4 * sqrt(0.2 * 0.8 * 4000));
    double ratio = failures[1] / n[1] / (failures[0] / n[0]);
    assert_true(fabs(ratio - 2.5) < 4 * 2.5 * sqrt(1 / failures[0] + 1 / failures[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_the_same_in_a_larger_fleet),
        cmocka_unit_test(drains_come_before_what_they_avert),
        cmocka_unit_test(outages_follow_each_other_and_signs_come_before),
        cmocka_unit_test(rates_and_flaws_are_as_documented),
        cmocka_unit_test(effects_and_shares_can_be_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
