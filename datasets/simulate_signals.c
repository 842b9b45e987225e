/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the exporters of a simulated host report, sample by sample: temperatures with the rhythm of day and load, error
 * counters that come in heavy-tailed bursts, signs of the failure to come, gaps. docs/simulator.md has the numbers in
 * words. */
#include "datasets/simulate_host.h"

#include <math.h>

enum rs_sim_signal {
    INLET_TEMP_C,
    CPU_TEMP_C,
    CPU_LOAD_RATIO,
    MCE_CORRECTED_TOTAL,
    PSU_VOLTAGE_V,
    EDAC_CE_TOTAL,
    EDAC_UE_TOTAL,
    DIMM_TEMP_C,
    SMART_5_RAW,
    SMART_9_RAW,
    SMART_187_RAW,
    SMART_194_RAW,
    SMART_197_RAW,
    SMART_199_RAW,
    SMART_241_RAW,
    FAN_RPM,
    FAN_PWM_RATIO,
    SIGNALS
};

static const struct {
    const char *name, *unit;
    enum rs_signal_kind kind;
} signals[SIGNALS] = {
    { "inlet_temp_c", "Cel", RS_GAUGE },  { "cpu_temp_c", "Cel", RS_GAUGE },
    { "cpu_load_ratio", "1", RS_GAUGE },  { "mce_corrected_total", "1", RS_COUNTER },
    { "psu_voltage_v", "V", RS_GAUGE },   { "edac_ce_total", "1", RS_COUNTER },
    { "edac_ue_total", "1", RS_COUNTER }, { "dimm_temp_c", "Cel", RS_GAUGE },
    { "smart_5_raw", "1", RS_COUNTER },   { "smart_9_raw", "h", RS_COUNTER },
    { "smart_187_raw", "1", RS_COUNTER }, { "smart_194_raw", "Cel", RS_GAUGE },
    { "smart_197_raw", "1", RS_GAUGE },   { "smart_199_raw", "1", RS_COUNTER },
    { "smart_241_raw", "1", RS_COUNTER }, { "fan_rpm", "1/min", RS_GAUGE },
    { "fan_pwm_ratio", "1", RS_GAUGE },
};

enum rs_sim_attr { TYPE, MODEL, CPU, FIRMWARE, RACK, BATCH, AGE_DAYS, CAPACITY_BYTES, ATTRS };

static const struct {
    const char *name;
    bool is_number;
} attrs[ATTRS] = {
    { "type", false }, { "model", false }, { "cpu", false },     { "firmware", false },
    { "rack", false }, { "batch", false }, { "age_days", true }, { "capacity_bytes", true },
};

static const char *const type_names[RS_SIM_TYPES] = { "host", "disk", "dimm", "fan" };

#define MISSING_SHARE 0.01 /* of readings */
#define GAPS_A_DAY 0.01    /* of a host's collector */
#define GAP_MEAN_S 60000.0
#define PLANNED_REBOOT_DAYS 45.0
#define NO_VOLTAGE_SHARE 0.05   /* of hosts, whose board does not report it */
#define CE_PRONE_SHARE 0.12     /* of DIMMs, which log corrected errors for years and do not fail for it */
#define REALLOCATING_SHARE 0.03 /* of disks, the same with reallocated sectors */
#define BURST_MAX 20000.0
#define CLOCK_OFFSET_MAX_S 300

/* The state of one part, from sample to sample. */
struct part_state {
    bool is_prone; /* noisy without failing */
    bool lacks_voltage;
    double base;           /* its own offset: degrees, rotations */
    double errors;         /* edac_ce_total, mce_corrected_total, smart_5_raw: since the last reset */
    double uncorrected;    /* edac_ue_total, smart_187_raw */
    double pending;        /* smart_197_raw */
    double crc;            /* smart_199_raw */
    double written;        /* smart_241_raw */
    int64_t powered_since; /* smart_9_raw counts from here */
};

/* What all parts of a host share at one moment. */
struct moment {
    int64_t time;
    double days; /* since the last sample of the part */
    double load, inlet_c;
    double level;   /* 0 .. 1: how far the coming failure of this part has got */
    double airflow; /* 0 .. 1: the same of the host's fan */
    uint8_t kind;   /* of the coming failure, where level > 0 */
};

struct walk {
    const struct rs_simulate_options *opt;
    const struct rs_sim_host *host;
    const struct rs_sim_signals *to;
    struct rs_random rng;
    struct rs_reading readings[SIGNALS];
    size_t n;
    double base_load, site_c;
    int64_t offset_s;
    int64_t *reboots, *gaps; /* planned reboots; begin and end of each gap: both in time order */
    size_t n_reboots, n_gaps;
};

/* ---- readings ---- */

static void put(struct walk *w, enum rs_sim_signal s, double value)
{
    if (!rs_random_chance(&w->rng, MISSING_SHARE))
        w->readings[w->n++] = (struct rs_reading){ w->to->index[s], (float)value };
}

/* Errors of `bursts_a_day` bursts, each of a heavy-tailed size. */
static double errors_of(struct walk *w, const struct moment *m, double bursts_a_day, double least, double alpha)
{
    double sum = 0;
    for (uint64_t n = rs_random_poisson(&w->rng, bursts_a_day * m->days); n > 0; n--)
        sum += floor(fmin(rs_random_pareto(&w->rng, least, alpha), BURST_MAX));
    return sum;
}

static double level_of(const struct moment *m, const char *cause)
{
    return m->level > 0 && rs_streq(rs_sim_kinds[m->kind].cause, cause) ? m->level : 0;
}

static void host_step(struct walk *w, struct part_state *p, const struct moment *m)
{
    double mce = level_of(m, "cpu-mce"), psu = level_of(m, "psu-droop");
    p->errors += errors_of(w, m, 0.01 + (mce > 0 ? 0.5 + 6 * mce : 0), 1, 1.3);
    put(w, INLET_TEMP_C, m->inlet_c + rs_random_normal(&w->rng, 0, 0.3));
    put(w, CPU_TEMP_C, m->inlet_c + 22 + 28 * m->load + 9 * m->airflow + rs_random_normal(&w->rng, 0, 1.2));
    put(w, CPU_LOAD_RATIO, m->load);
    put(w, MCE_CORRECTED_TOTAL, p->errors);
    if (!p->lacks_voltage)
        put(w, PSU_VOLTAGE_V, 12.06 + p->base * 0.02 - 0.4 * psu + rs_random_normal(&w->rng, 0, 0.025 + 0.1 * psu));
}

static void dimm_step(struct walk *w, struct part_state *p, const struct moment *m)
{
    double decay = level_of(m, "dimm-decay");
    double bursts = p->is_prone ? 0.15 : 0.004;
    p->errors += errors_of(w, m, bursts + (decay > 0 ? 0.6 + 8 * decay : 0), decay > 0 ? 2 : 1, 1.05);
    if (decay > 0.6) /* the patrol scrubber meets rows that it cannot correct, where nobody reads */
        p->uncorrected += (double)rs_random_poisson(&w->rng, 0.15 * m->days);
    put(w, EDAC_CE_TOTAL, p->errors);
    put(w, EDAC_UE_TOTAL, p->uncorrected);
    put(w, DIMM_TEMP_C, m->inlet_c + 14 + 9 * m->load + 5 * m->airflow + p->base + rs_random_normal(&w->rng, 0, 0.8));
}

static void disk_step(struct walk *w, struct part_state *p, const struct moment *m)
{
    double wear = level_of(m, "disk-wear");
    double found = errors_of(w, m, (p->is_prone ? 0.08 : 0.0015) + (wear > 0 ? 0.35 + 3 * wear : 0), 2, 1.1);
    double settled = floor(p->pending * RS_MIN(1.0, 0.3 * m->days)); /* rewritten or reallocated since */
    p->pending += floor(0.5 * found) - settled;
    p->errors += found - floor(0.5 * found) + settled;
    p->uncorrected += errors_of(w, m, wear > 0.2 ? 1.5 * wear : 0.0004, 1, 1.6);
    p->crc += errors_of(w, m, 0.002, 1, 1.2); /* cables: says nothing of the disk */
    p->written += m->days * 2.2e8 * (0.3 + m->load);
    put(w, SMART_5_RAW, p->errors);
    put(w, SMART_9_RAW, floor((double)(m->time - p->powered_since) / 3600));
    put(w, SMART_187_RAW, p->uncorrected);
    put(w, SMART_194_RAW, round(m->inlet_c + 9 + p->base + 4 * m->load + rs_random_normal(&w->rng, 0, 0.7)));
    put(w, SMART_197_RAW, p->pending);
    put(w, SMART_199_RAW, p->crc);
    put(w, SMART_241_RAW, floor(p->written));
}

static void fan_step(struct walk *w, struct part_state *p, const struct moment *m)
{
    double wear = level_of(m, "fan-wear");
    double pwm = RS_MIN(1.0, 0.35 + 0.3 * m->load + 0.012 * (m->inlet_c - 20) + 0.15 * wear);
    double rpm = (14500 + 220 * p->base) * pwm * (1 - 0.3 * wear);
    put(w, FAN_RPM, round(rpm + rs_random_normal(&w->rng, 0, 60 + 420 * wear)));
    put(w, FAN_PWM_RATIO, pwm);
}

static void (*const steps[RS_SIM_TYPES])(struct walk *, struct part_state *, const struct moment *) = {
    host_step,
    disk_step,
    dimm_step,
    fan_step,
};

/* ---- a part's life ---- */

static struct part_state new_part(struct walk *w, enum rs_sim_type type, int64_t since)
{
    struct part_state p = { .powered_since = since };
    double share = type == RS_SIM_DIMM ? CE_PRONE_SHARE : type == RS_SIM_DISK ? REALLOCATING_SHARE : 0;
    p.is_prone = rs_random_chance(&w->rng, share);
    p.base = rs_random_normal(&w->rng, 0, 1.5);
    p.lacks_voltage = type == RS_SIM_HOST && rs_random_chance(&w->rng, NO_VOLTAGE_SHARE);
    return p;
}

/* An old part has a past: its disks have been written, some sectors were given up long ago. */
static void give_past(struct walk *w, enum rs_sim_type type, struct part_state *p)
{
    if (type != RS_SIM_DISK)
        return;
    p->written = floor(w->host->age_days * 2.2e8 * (0.3 + w->base_load));
    if (rs_random_chance(&w->rng, 0.05))
        p->errors = floor(fmin(rs_random_pareto(&w->rng, 1, 0.9), 5000.0));
    if (rs_random_chance(&w->rng, 0.04))
        p->crc = floor(fmin(rs_random_pareto(&w->rng, 1, 0.9), 5000.0));
}

/* How far the next failure of the part has got at t. */
static double level_at(const struct rs_sim_host *h, size_t part, int64_t t, uint8_t *kind)
{
    for (size_t i = 0; i < h->n_outages; i++) {
        const struct rs_sim_outage *o = &h->outages[i];
        if (o->part != part || o->time <= t)
            continue;
        *kind = o->kind;
        return o->onset < t && o->due > o->onset ? (double)(t - o->onset) / (double)(o->due - o->onset) : 0;
    }
    return 0;
}

/* Load and inlet temperature follow the time of day; the fleet's busy hour is 15:00 UTC. */
static void feel_day(struct walk *w, struct moment *m)
{
    double hour = (double)(m->time % RS_DAY_S) / 3600;
    double wave = cos(2 * M_PI * (hour - 15) / 24);
    double load = w->base_load + 0.12 * wave + rs_random_normal(&w->rng, 0, 0.06);
    m->load = RS_MAX(0.01, RS_MIN(0.99, load));
    m->inlet_c = w->site_c + 1.2 * wave + rs_random_normal(&w->rng, 0, 0.4);
}

static bool crossed(const int64_t *times, size_t n, int64_t from, int64_t to)
{
    for (size_t i = 0; i < n && times[i] <= to; i++)
        if (times[i] > from)
            return true;
    return false;
}

static bool in_gap(const struct walk *w, int64_t t)
{
    for (size_t i = 0; i + 1 < w->n_gaps && w->gaps[i] <= t; i += 2)
        if (t < w->gaps[i + 1])
            return true;
    return false;
}

/* After an outage every counter of errors starts from zero, and the failed part is a new one. */
static void come_back(struct walk *w, enum rs_sim_type type, struct part_state *p, bool is_replaced, int64_t t)
{
    if (is_replaced)
        *p = new_part(w, type, t);
    else if (type != RS_SIM_DISK)
        p->errors = p->uncorrected = 0;
}

static size_t part_attrs(const struct walk *w, size_t part, struct rs_attr_text out[ATTRS], char numbers[2][32])
{
    const struct rs_sim_host *h = w->host;
    const struct rs_sim_part *p = &h->parts[part];
    snprintf(numbers[0], 32, "%.0f", h->age_days);
    snprintf(numbers[1], 32, "%.0f", p->capacity_bytes);
    const char *texts[ATTRS] = { [TYPE] = type_names[p->type],
                                 [MODEL] = p->model,
                                 [CPU] = p->type == RS_SIM_HOST ? h->cpu : NULL,
                                 [FIRMWARE] = p->firmware,
                                 [RACK] = h->rack,
                                 [BATCH] = h->batch,
                                 [AGE_DAYS] = numbers[0],
                                 [CAPACITY_BYTES] = p->capacity_bytes > 0 ? numbers[1] : NULL };
    size_t n = 0;
    for (size_t i = 0; i < ATTRS; i++)
        if (texts[i])
            out[n++] = (struct rs_attr_text){ w->to->attr[i], texts[i], strlen(texts[i]) };
    return n;
}

/* Brings the part's state to time t, when the host is up, and its readings into w. */
static void live_until(struct walk *w, size_t part, struct part_state *state, int64_t last, int64_t t)
{
    enum rs_sim_type type = w->host->parts[part].type;
    int64_t since = last;
    for (size_t i = 0; i < w->host->n_outages; i++) {
        const struct rs_sim_outage *o = &w->host->outages[i];
        if (o->back <= last || o->back > t)
            continue;
        come_back(w, type, state, o->part == part, o->back);
        since = o->back;
    }
    if (crossed(w->reboots, w->n_reboots, last, t))
        come_back(w, type, state, false, t);
    struct moment m = { .time = t, .days = (double)(t - since) / (double)RS_DAY_S };
    uint8_t fan_kind = 0;
    m.level = level_at(w->host, part, t, &m.kind);
    m.airflow = level_at(w->host, RS_SIM_PARTS - 1, t, &fan_kind);
    feel_day(w, &m);
    w->n = 0;
    steps[type](w, state, &m);
}

static enum rs_status write_samples(struct walk *w, size_t part, struct rs_row *row, struct rs_error *err)
{
    const struct rs_simulate_options *opt = w->opt;
    enum rs_sim_type type = w->host->parts[part].type;
    rs_random_stream(&w->rng, opt->seed, "signals", w->host->index * RS_SIM_PARTS + part);
    struct part_state state = new_part(w, type, opt->start_s - (int64_t)(w->host->age_days * (double)RS_DAY_S));
    give_past(w, type, &state);
    int64_t last = opt->start_s + w->offset_s - opt->interval_s;
    for (int64_t t = opt->start_s + w->offset_s; t < rs_sim_end(opt); t += opt->interval_s) {
        if (rs_sim_host_down(w->host, t))
            continue;
        live_until(w, part, &state, last, t);
        last = t;
        if (in_gap(w, t))
            continue;
        row->time = t;
        row->n_readings = w->n;
        enum rs_status st = rs_builder_row(w->to->builder, row, err);
        if (st < 0)
            return st;
    }
    return RS_OK;
}

static enum rs_status write_part(struct walk *w, size_t part, struct rs_error *err)
{
    const struct rs_sim_host *h = w->host;
    const char *id = h->parts[part].id;
    struct rs_attr_text texts[ATTRS];
    char numbers[2][32];
    struct rs_row row = { .id = id,
                          .id_len = strlen(id),
                          .readings = w->readings,
                          .attrs = texts,
                          .n_attrs = part_attrs(w, part, texts, numbers),
                          .label = -1,
                          .kind = part ? RS_ENTITY_COMPONENT : RS_ENTITY_HOST,
                          .parent = part ? h->parts[0].id : NULL };
    return write_samples(w, part, &row, err);
}

/* ---- the host's calendar ---- */

static bool push_time(int64_t **times, size_t *n, int64_t t)
{
    int64_t *more = rs_realloc(*times, *n + 1, sizeof *more);
    if (!more)
        return false;
    *times = more;
    more[(*n)++] = t;
    return true;
}

static enum rs_status make_calendar(struct walk *w, struct rs_error *err)
{
    struct rs_random r;
    rs_random_stream(&r, w->opt->seed, "calendar", w->host->index);
    w->base_load = 0.15 + 0.6 * rs_random_uniform(&r);
    struct rs_random rack;
    rs_random_stream(&rack, w->opt->seed, w->host->rack, 0);
    w->site_c = 22 + rs_random_normal(&rack, 0, 1.5) + rs_random_normal(&r, 0, 0.5);
    w->offset_s = (int64_t)rs_random_below(&r, (uint64_t)RS_MIN(CLOCK_OFFSET_MAX_S, w->opt->interval_s));
    bool is_ok = true;
    double end = (double)rs_sim_end(w->opt), day = (double)RS_DAY_S, start = (double)w->opt->start_s;
    for (double t = start; is_ok && (t += rs_random_exponential(&r, PLANNED_REBOOT_DAYS * day)) < end;)
        is_ok = push_time(&w->reboots, &w->n_reboots, (int64_t)t);
    for (double t = start; is_ok && (t += rs_random_exponential(&r, day / GAPS_A_DAY)) < end;) {
        is_ok = push_time(&w->gaps, &w->n_gaps, (int64_t)t);
        t += rs_random_exponential(&r, GAP_MEAN_S);
        is_ok = is_ok && push_time(&w->gaps, &w->n_gaps, (int64_t)t);
    }
    return is_ok ? RS_OK : rs_error_set(err, RS_ENOMEM, "simulate: out of memory");
}

static enum rs_status write_reboots(const struct walk *w, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < w->n_reboots && st == RS_OK; i++)
        if (!rs_sim_host_down(w->host, w->reboots[i]))
            st = rs_builder_maintenance(w->to->builder, w->host->parts[0].id, w->reboots[i], w->reboots[i] + 600,
                                        "host-update", err);
    return st;
}

enum rs_status rs_sim_signals_declare(rs_builder *b, struct rs_sim_signals *out, struct rs_error *err)
{
    out->builder = b;
    out->index = rs_alloc(SIGNALS, sizeof *out->index);
    out->attr = rs_alloc(ATTRS, sizeof *out->attr);
    if (!out->index || !out->attr)
        return rs_error_set(err, RS_ENOMEM, "simulate: out of memory");
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < SIGNALS && st == RS_OK; i++)
        st = rs_builder_signal(b, signals[i].name, signals[i].unit, signals[i].kind, &out->index[i], err);
    for (size_t i = 0; i < ATTRS && st == RS_OK; i++)
        st = rs_builder_attr(b, attrs[i].name, attrs[i].is_number, &out->attr[i], err);
    return st;
}

void rs_sim_signals_clear(struct rs_sim_signals *s)
{
    free(s->index);
    free(s->attr);
}

enum rs_status rs_sim_signals_write(const struct rs_simulate_options *opt, const struct rs_sim_host *h,
                                    const struct rs_sim_signals *s, struct rs_error *err)
{
    struct walk w = { .opt = opt, .host = h, .to = s };
    enum rs_status st = make_calendar(&w, err);
    for (size_t i = 0; i < RS_SIM_PARTS && st == RS_OK; i++)
        st = write_part(&w, i, err);
    if (st == RS_OK)
        st = write_reboots(&w, err);
    free(w.reboots);
    free(w.gaps);
    return st;
}
