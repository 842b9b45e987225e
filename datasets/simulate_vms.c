/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Virtual machines: born on a host, sometimes moved to its neighbour, down while their host is, rebooted for several
 * reasons. docs/simulator.md has the numbers in words. */
#include "datasets/simulate_host.h"

#include <math.h>

#define LIFE_MEAN_DAYS 60.0
#define MOVED_SHARE 0.12    /* of VMs, once in their life, by an operator */
#define PATCH_EVERY_DAYS 30 /* the fleet's patch day; each VM follows within PATCH_SPREAD_DAYS */
#define PATCH_SPREAD_DAYS 3.0
#define PATCHED_SHARE 0.6 /* of VMs that reboot for it */
#define GIB ((uint64_t)1 << 30)

static const struct {
    const char *name;
    double share, slo;
} classes[] = {
    { "standard", 0.70, 0.999 },
    { "gold", 0.15, 0.9999 },
    { "batch", 0.15, 0.99 },
};

static const struct { /* reboots that come at any time */
    const char *cause;
    double mean_days;
} causes[] = {
    { "user", 40 },
    { "guest", 70 },
    { "operator", 120 },
};

struct life {
    const struct rs_simulate_options *opt;
    const struct rs_sim_host *homes[2]; /* where it is born, where it is moved to */
    rs_builder *builder;
    struct rs_simulate_counts *counts;
    struct rs_random rng;
    char id[RS_SIM_ID_MAX + 24];
    int64_t birth, move, death; /* move == death where it is never moved */
};

static bool is_up(const struct life *v, int64_t t)
{
    return t >= v->birth && t < v->death && !rs_sim_host_down(v->homes[t >= v->move], t);
}

static enum rs_status describe(struct life *v, struct rs_error *err)
{
    double at = rs_random_uniform(&v->rng);
    size_t c = 0;
    while (c + 1 < RS_LEN(classes) && at >= classes[c].share)
        at -= classes[c++].share;
    uint32_t vcpus = 1u << rs_random_below(&v->rng, 5);
    struct rs_vm vm = { .id = v->id,
                        .vm_class = classes[c].name,
                        .vcpus = vcpus,
                        .memory_bytes = vcpus * 4 * GIB,
                        .disk_bytes = 32 * GIB << rs_random_below(&v->rng, 3),
                        .temp_bytes = vcpus * 8 * GIB,
                        .slo = classes[c].slo };
    v->counts->vms++;
    return rs_builder_vm(v->builder, &vm, err);
}

/* [from, to) on one host, cut where the host is down. */
static enum rs_status place(struct life *v, const struct rs_sim_host *home, int64_t from, int64_t to,
                            struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < home->n_outages && from < to && st == RS_OK; i++) {
        const struct rs_sim_outage *o = &home->outages[i];
        if (o->back <= from || o->time >= to)
            continue;
        if (o->time > from)
            st = rs_builder_placement(v->builder, v->id, home->parts[0].id, from, o->time, err);
        from = o->back;
    }
    return st == RS_OK && from < to ? rs_builder_placement(v->builder, v->id, home->parts[0].id, from, to, err) : st;
}

static enum rs_status reboot(struct life *v, int64_t t, const char *cause, struct rs_error *err)
{
    if (!is_up(v, t))
        return RS_OK;
    v->counts->reboots++;
    return rs_builder_reboot(v->builder, v->id, t, cause, err);
}

static enum rs_status reboots(struct life *v, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t c = 0; c < RS_LEN(causes); c++) {
        double t = (double)v->birth;
        while (st == RS_OK &&
               (t += rs_random_exponential(&v->rng, causes[c].mean_days * (double)RS_DAY_S)) < (double)v->death)
            st = reboot(v, (int64_t)t, causes[c].cause, err);
    }
    int64_t patch_day = v->opt->start_s + PATCH_EVERY_DAYS / 2 * RS_DAY_S;
    for (; patch_day < rs_sim_end(v->opt) && st == RS_OK; patch_day += PATCH_EVERY_DAYS * RS_DAY_S) {
        double later_days = PATCH_SPREAD_DAYS * rs_random_uniform(&v->rng);
        if (rs_random_chance(&v->rng, PATCHED_SHARE))
            st = reboot(v, patch_day + (int64_t)(later_days * (double)RS_DAY_S), "update", err);
    }
    return st;
}

static enum rs_status live(struct life *v, struct rs_error *err)
{
    enum rs_status st = describe(v, err);
    if (st == RS_OK)
        st = place(v, v->homes[0], v->birth, v->move, err);
    if (st == RS_OK)
        st = place(v, v->homes[1], v->move, v->death, err);
    return st < 0 ? st : reboots(v, err);
}

/* One place for a VM on the host: who lives there, one after the other, over the days simulated. */
static enum rs_status fill_slot(struct life *v, uint64_t slot, struct rs_error *err)
{
    int64_t end = rs_sim_end(v->opt), t = v->opt->start_s;
    enum rs_status st = RS_OK;
    for (unsigned n = 0; t < end && st == RS_OK; n++) {
        double life_s = rs_random_exponential(&v->rng, LIFE_MEAN_DAYS * (double)RS_DAY_S);
        v->birth = t;
        v->death = RS_MIN(end, t + 3600 + (int64_t)life_s);
        v->move = v->death;
        if (rs_random_chance(&v->rng, MOVED_SHARE))
            v->move = v->birth + (int64_t)(rs_random_uniform(&v->rng) * (double)(v->death - v->birth));
        snprintf(v->id, sizeof v->id, "vm-%s-%llu-%u", v->homes[0]->parts[0].id + strlen("host-"),
                 (unsigned long long)slot, n);
        st = live(v, err);
        t = v->death + (int64_t)rs_random_exponential(&v->rng, 0.5 * (double)RS_DAY_S);
    }
    return st;
}

enum rs_status rs_sim_vms_write(const struct rs_simulate_options *opt, const struct rs_sim_host *h, rs_builder *b,
                                struct rs_simulate_counts *counts, struct rs_error *err)
{
    struct rs_sim_host neighbour = { 0 };
    struct life v = { .opt = opt, .homes = { h, &neighbour }, .builder = b, .counts = counts };
    rs_random_stream(&v.rng, opt->seed, "vms", h->index);
    uint64_t n_slots = rs_random_poisson(&v.rng, opt->vms_per_host);
    enum rs_status st = rs_sim_host_make(opt, (h->index + 1) % opt->n_hosts, &neighbour, err);
    for (uint64_t slot = 0; slot < n_slots && st == RS_OK; slot++)
        st = fill_slot(&v, slot, err);
    rs_sim_host_clear(&neighbour);
    return st;
}
