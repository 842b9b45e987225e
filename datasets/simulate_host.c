/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hosts: what they are made of, and when and why they fail. docs/simulator.md has the numbers in words. */
#include "datasets/simulate_host.h"

#include <math.h>

#define HOSTS_PER_RACK 20
#define BATCH_RATIO 4.0    /* failures of components of the bad batch over those of the others */
#define BATCH_SHARE 0.08   /* of hosts */
#define FIRMWARE_RATIO 3.0 /* failures of hosts with the bad firmware over those of the others */
#define FIRMWARE_SHARE 0.12
#define WARNING_SIGMA 0.6 /* of the logarithm of the time between first sign and failure */
#define REPAIR_SIGMA 0.5
#define AGE_MAX_DAYS 2000.0
#define SEEN_LEVEL_MIN 0.5 /* of the way from the first sign to the failure, when an operator sees it coming */
#define SEEN_LEVEL_MAX 0.9
#define FORESIGHT_DAYS 60 /* failures so far beyond the end are drawn, for their signs */
#define DAYS_A_YEAR 365.25

const struct rs_sim_kind rs_sim_kinds[RS_SIM_KINDS] = {
    { "disk-wear", "disk", RS_SIM_DISK, RS_SIM_BAD_BATCH, 0.26, 16, 10 },
    { "disk-sudden", "disk", RS_SIM_DISK, RS_SIM_BAD_BATCH, 0.05, 0, 10 },
    { "dimm-decay", "memory", RS_SIM_DIMM, RS_SIM_BAD_BATCH, 0.26, 12, 6 },
    { "dimm-sudden", "memory", RS_SIM_DIMM, RS_SIM_BAD_BATCH, 0.03, 0, 6 },
    { "fan-wear", "fan", RS_SIM_FAN, RS_SIM_SOUND, 0.08, 20, 4 },
    { "psu-droop", "power", RS_SIM_HOST, RS_SIM_SOUND, 0.10, 10, 8 },
    { "cpu-mce", "cpu", RS_SIM_HOST, RS_SIM_BAD_FIRMWARE, 0.14, 10, 24 },
    { "hang", "hang", RS_SIM_HOST, RS_SIM_BAD_FIRMWARE, 0.08, 0, 1 },
};

static const struct {
    const char *model, *cpu, *firmware[3], *bad_firmware;
} platforms[] = {
    { "R650", "Xeon 6338", { "1.8.2", "1.10.2", "1.11.2" }, "1.9.2" },
    { "SR635", "EPYC 7543P", { "2.30", "2.42", "2.60" }, "2.51" },
    { "R6525", "EPYC 7763", { "2.8.4", "2.11.4", "2.12.4" }, "2.10.2" },
};
#define BAD_PLATFORM 0 /* one firmware is bad, of one platform; the others' third spare version is an ordinary one */

static const struct {
    const char *model, *firmware[2];
    double capacity_bytes;
} disk_models[] = {
    { "ST8000NM0055", { "SN04", "SN05" }, 8001563222016 },
    { "MG08ACA16TE", { "0102", "4303" }, 16000900661248 },
    { "WUH721816ALE6L4", { "PCGNW232", "PCGNW680" }, 16000900661248 },
};

static const struct {
    const char *model;
    double capacity_bytes;
} dimm_models[] = {
    { "HMA84GR7CJR4N", 34359738368 },
    { "M393A4K40DB3", 34359738368 },
    { "36ASF8G72PZ", 68719476736 },
};

static const char *const fan_models[] = { "PFR0612XHE", "GFM0612SS" };
static const char *const batches[] = { "B01", "B02", "B03", "B04", "B05", "B06", "B08", "B09", "B10" };
static const char bad_batch[] = "B07";

static const struct {
    enum rs_sim_type type;
    const char *suffix;
} parts[RS_SIM_PARTS] = {
    { RS_SIM_HOST, "" },       { RS_SIM_DIMM, "/dimm0" }, { RS_SIM_DIMM, "/dimm1" }, { RS_SIM_DIMM, "/dimm2" },
    { RS_SIM_DIMM, "/dimm3" }, { RS_SIM_DISK, "/disk0" }, { RS_SIM_DISK, "/disk1" }, { RS_SIM_FAN, "/fan0" },
};

static double batch_ratio(const struct rs_simulate_options *opt)
{
    return opt->batch_effect > 0 ? opt->batch_effect : BATCH_RATIO;
}

static double firmware_ratio(const struct rs_simulate_options *opt)
{
    return opt->firmware_effect > 0 ? opt->firmware_effect : FIRMWARE_RATIO;
}

static double batch_share(const struct rs_simulate_options *opt)
{
    return opt->share > 0 ? opt->share : BATCH_SHARE;
}

static double firmware_share(const struct rs_simulate_options *opt)
{
    return opt->share > 0 ? opt->share : FIRMWARE_SHARE;
}

#define PICK(r, array) (&(array)[rs_random_below((r), RS_LEN(array))])

void rs_sim_host_id(const struct rs_simulate_options *opt, uint64_t index, char id[RS_SIM_ID_MAX])
{
    int digits = 4;
    for (uint64_t n = opt->n_hosts; n > 10000; n /= 10)
        digits++;
    snprintf(id, RS_SIM_ID_MAX, "host-%0*llu", digits, (unsigned long long)index);
}

/* ---- what a host is made of ---- */

static void make_part(struct rs_random *r, struct rs_sim_part *p)
{
    p->firmware = NULL;
    p->capacity_bytes = 0;
    if (p->type == RS_SIM_DISK) {
        size_t i = rs_random_below(r, RS_LEN(disk_models));
        p->model = disk_models[i].model;
        p->firmware = *PICK(r, disk_models[i].firmware);
        p->capacity_bytes = disk_models[i].capacity_bytes;
    } else if (p->type == RS_SIM_DIMM) {
        size_t i = rs_random_below(r, RS_LEN(dimm_models));
        p->model = dimm_models[i].model;
        p->capacity_bytes = dimm_models[i].capacity_bytes;
    } else {
        p->model = *PICK(r, fan_models);
    }
}

static void make_platform(const struct rs_simulate_options *opt, struct rs_random *r, struct rs_sim_host *h)
{
    /* The bad firmware runs on that share of all hosts, so on more of its own platform's. */
    double bad = firmware_share(opt) * (double)RS_LEN(platforms);
    size_t i = rs_random_below(r, RS_LEN(platforms));
    h->cpu = platforms[i].cpu;
    h->parts[0].model = platforms[i].model;
    h->parts[0].capacity_bytes = 0;
    h->is_bad_firmware = i == BAD_PLATFORM && rs_random_chance(r, bad);
    bool is_spare = i != BAD_PLATFORM && rs_random_chance(r, 0.25);
    h->parts[0].firmware = h->is_bad_firmware || is_spare ? platforms[i].bad_firmware : *PICK(r, platforms[i].firmware);
}

static void make_parts(const struct rs_simulate_options *opt, struct rs_sim_host *h)
{
    struct rs_random r;
    char host_id[RS_SIM_ID_MAX];
    rs_random_stream(&r, opt->seed, "host", h->index);
    rs_sim_host_id(opt, h->index, host_id);
    h->is_bad_batch = rs_random_chance(&r, batch_share(opt));
    h->batch = h->is_bad_batch ? bad_batch : *PICK(&r, batches);
    h->age_days = floor(rs_random_uniform(&r) * AGE_MAX_DAYS);
    snprintf(h->rack, sizeof h->rack, "rack-%03llu", (unsigned long long)(h->index / HOSTS_PER_RACK));
    for (size_t i = 0; i < RS_SIM_PARTS; i++) {
        struct rs_sim_part *p = &h->parts[i];
        p->type = parts[i].type;
        snprintf(p->id, sizeof p->id, "%.32s%s", host_id, parts[i].suffix);
        if (p->type == RS_SIM_HOST)
            make_platform(opt, &r, h);
        else
            make_part(&r, p);
    }
}

/* ---- how it fails ---- */

/* How much more often a fleet fails for its flaws: sum of share x (1 + flawed hosts x (ratio - 1)). */
static double flaw_burden(const struct rs_simulate_options *opt)
{
    double sum = 0;
    for (size_t k = 0; k < RS_SIM_KINDS; k++) {
        double more = rs_sim_kinds[k].flaw == RS_SIM_BAD_BATCH      ? batch_share(opt) * (batch_ratio(opt) - 1)
                      : rs_sim_kinds[k].flaw == RS_SIM_BAD_FIRMWARE ? firmware_share(opt) * (firmware_ratio(opt) - 1)
                                                                    : 0;
        sum += rs_sim_kinds[k].share * (1 + more);
    }
    return sum;
}

/* Rate of a kind on a host, in failures a day; *out_sound is the part of it that the host would have without flaw. */
static double rate_a_day(const struct rs_simulate_options *opt, const struct rs_sim_host *h,
                         const struct rs_sim_kind *k, double *out_sound)
{
    bool has_flaw =
        (k->flaw == RS_SIM_BAD_BATCH && h->is_bad_batch) || (k->flaw == RS_SIM_BAD_FIRMWARE && h->is_bad_firmware);
    double ratio = k->flaw == RS_SIM_BAD_BATCH ? batch_ratio(opt) : firmware_ratio(opt);
    double aging = 0.5 + h->age_days / AGE_MAX_DAYS; /* 0.5 .. 1.5, 1 on average */
    *out_sound = opt->failure_rate / flaw_burden(opt) / DAYS_A_YEAR * k->share * aging;
    return *out_sound * (has_flaw ? ratio : 1);
}

static bool push_outage(struct rs_sim_host *h, const struct rs_sim_outage *o)
{
    if (h->n_outages == h->cap_outages) {
        size_t cap = h->cap_outages ? 2 * h->cap_outages : 8;
        struct rs_sim_outage *outages = rs_realloc(h->outages, cap, sizeof *outages);
        if (!outages)
            return false;
        h->outages = outages;
        h->cap_outages = cap;
    }
    h->outages[h->n_outages++] = *o;
    return true;
}

/* A part of the kind's type, each as likely. */
static uint8_t pick_part(struct rs_random *r, enum rs_sim_type type)
{
    uint8_t fit[RS_SIM_PARTS];
    size_t n = 0;
    for (uint8_t i = 0; i < RS_SIM_PARTS; i++)
        if (parts[i].type == type)
            fit[n++] = i;
    return fit[rs_random_below(r, n)];
}

/* Signs do not reach back beyond the part's last replacement. */
static int64_t onset_of(struct rs_random *r, const struct rs_sim_host *h, const struct rs_sim_outage *o)
{
    const struct rs_sim_kind *k = &rs_sim_kinds[o->kind];
    if (k->warning_days <= 0)
        return o->time;
    int64_t onset = o->time - (int64_t)(rs_random_lognormal(r, k->warning_days, WARNING_SIGMA) * (double)RS_DAY_S);
    for (size_t i = 0; i < h->n_outages; i++)
        if (h->outages[i].part == o->part && h->outages[i].back > onset)
            onset = h->outages[i].back;
    return onset;
}

/* An operator may see the failure coming when 0.5 to 0.9 of the way to it is gone, and drains the host at that moment,
 * which then is repaired before it fails; or lots say that it is left alone. */
static void notice(const struct rs_simulate_options *opt, struct rs_random *r, const struct rs_sim_host *h,
                   struct rs_sim_outage *o)
{
    o->due = o->time;
    o->noticed = RS_TIME_NONE;
    if (opt->drain_share <= 0 || rs_sim_kinds[o->kind].warning_days <= 0)
        return;
    bool is_seen = rs_random_chance(r, opt->drain_share);
    bool is_control = rs_random_chance(r, opt->control_share);
    double level = SEEN_LEVEL_MIN + (SEEN_LEVEL_MAX - SEEN_LEVEL_MIN) * rs_random_uniform(r);
    int64_t seen = o->onset + (int64_t)(level * (double)(o->time - o->onset));
    int64_t up_since = h->n_outages ? h->outages[h->n_outages - 1].back : opt->start_s;
    if (!is_seen || seen <= up_since || seen >= o->time)
        return;
    o->noticed = seen;
    o->is_drained = !is_control;
    if (is_control)
        return;
    o->back -= o->time - seen;
    o->time = seen;
}

static enum rs_status make_outages(const struct rs_simulate_options *opt, struct rs_sim_host *h, struct rs_error *err)
{
    struct rs_random r, drains;
    double rate[RS_SIM_KINDS], sound[RS_SIM_KINDS], total = 0;
    rs_random_stream(&r, opt->seed, "outages", h->index);
    rs_random_stream(&drains, opt->seed, "drains", h->index);
    for (size_t k = 0; k < RS_SIM_KINDS; k++)
        total += rate[k] = rate_a_day(opt, h, &rs_sim_kinds[k], &sound[k]);
    h->n_outages = 0;
    if (total <= 0)
        return RS_OK;
    int64_t limit = rs_sim_end(opt) + FORESIGHT_DAYS * RS_DAY_S;
    double t = (double)opt->start_s;
    for (;;) {
        t += rs_random_exponential(&r, (double)RS_DAY_S / total);
        if (t >= (double)limit)
            return RS_OK;
        double at = rs_random_uniform(&r) * total;
        struct rs_sim_outage o = { .time = (int64_t)t };
        while (o.kind < RS_SIM_KINDS - 1 && at >= rate[o.kind])
            at -= rate[o.kind++];
        o.is_flaw = at >= sound[o.kind];
        o.part = pick_part(&r, rs_sim_kinds[o.kind].type);
        o.onset = onset_of(&r, h, &o);
        o.back =
            o.time + 60 + (int64_t)(rs_random_lognormal(&r, rs_sim_kinds[o.kind].repair_hours, REPAIR_SIGMA) * 3600);
        notice(opt, &drains, h, &o);
        if (!push_outage(h, &o))
            return rs_error_set(err, RS_ENOMEM, "simulate: out of memory");
        t = (double)o.back;
    }
}

enum rs_status rs_sim_host_make(const struct rs_simulate_options *opt, uint64_t index, struct rs_sim_host *h,
                                struct rs_error *err)
{
    h->index = index;
    make_parts(opt, h);
    return make_outages(opt, h, err);
}

void rs_sim_host_clear(struct rs_sim_host *h)
{
    free(h->outages);
    *h = (struct rs_sim_host){ 0 };
}

const struct rs_sim_outage *rs_sim_host_down(const struct rs_sim_host *h, int64_t t)
{
    for (size_t i = 0; i < h->n_outages && h->outages[i].time <= t; i++)
        if (t < h->outages[i].back)
            return &h->outages[i];
    return NULL;
}
