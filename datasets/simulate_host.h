/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What simulated hosts are made of and how they fail. Shared by the parts of the simulator only. */
#ifndef RS_DATASETS_SIMULATE_HOST_H
#define RS_DATASETS_SIMULATE_HOST_H

#include "datasets/random.h"
#include "datasets/simulate.h"

#define RS_SIM_DISKS 2
#define RS_SIM_DIMMS 4
#define RS_SIM_FANS 1
#define RS_SIM_PARTS (1 + RS_SIM_DISKS + RS_SIM_DIMMS + RS_SIM_FANS) /* of a host, itself as part 0 */
#define RS_SIM_ID_MAX 48

enum rs_sim_type { RS_SIM_HOST, RS_SIM_DISK, RS_SIM_DIMM, RS_SIM_FAN, RS_SIM_TYPES };
enum rs_sim_flaw { RS_SIM_SOUND, RS_SIM_BAD_BATCH, RS_SIM_BAD_FIRMWARE };

/* A way to fail. */
struct rs_sim_kind {
    const char *cause;   /* the truth: "disk-wear" */
    const char *symptom; /* what operators record: "disk" */
    enum rs_sim_type type;
    enum rs_sim_flaw flaw; /* what multiplies its rate */
    double share;          /* of all failures of hosts without flaw; they sum to 1 */
    double warning_days;   /* median of the time between the first sign and the failure; 0: no sign */
    double repair_hours;   /* median */
};
#define RS_SIM_KINDS 8
extern const struct rs_sim_kind rs_sim_kinds[RS_SIM_KINDS];

struct rs_sim_outage {
    int64_t onset; /* of the first sign; the failure's own time where there is none */
    int64_t time, back;
    int64_t due;     /* when the part fails, or would have: later than time where the host was drained */
    int64_t noticed; /* when an operator saw it coming; RS_TIME_NONE: nobody did */
    uint8_t part, kind;
    bool is_flaw;    /* would not have failed without the flaw */
    bool is_drained; /* in time, so that nothing fails; noticed without it: left alone as a control */
};

struct rs_sim_part {
    enum rs_sim_type type;
    char id[RS_SIM_ID_MAX];
    const char *model;     /* NULL: not known */
    const char *firmware;  /* the same */
    double capacity_bytes; /* 0: has none */
};

struct rs_sim_host {
    uint64_t index;
    struct rs_sim_part parts[RS_SIM_PARTS];
    char rack[32];
    const char *batch, *cpu;
    double age_days; /* at the start */
    bool is_bad_batch, is_bad_firmware;
    struct rs_sim_outage *outages; /* in time order, some days beyond the end too, since their signs come before it */
    size_t n_outages, cap_outages;
};

/* Makes host number index, its parts and outages. Reuses h's memory: zero it before the first use. */
enum rs_status rs_sim_host_make(const struct rs_simulate_options *opt, uint64_t index, struct rs_sim_host *h,
                                struct rs_error *err);
void rs_sim_host_clear(struct rs_sim_host *h);

/* The id of host number index. */
void rs_sim_host_id(const struct rs_simulate_options *opt, uint64_t index, char id[RS_SIM_ID_MAX]);
/* The outage during which the host is down at t, or NULL. */
const struct rs_sim_outage *rs_sim_host_down(const struct rs_sim_host *h, int64_t t);

static inline int64_t rs_sim_end(const struct rs_simulate_options *opt)
{
    return opt->start_s + (int64_t)opt->n_days * RS_DAY_S;
}

/* Samples of every part of the host. */
struct rs_sim_signals {
    rs_builder *builder;
    uint32_t *index; /* of the builder, by enum rs_sim_signal */
    uint32_t *attr;  /* the same, by enum rs_sim_attr */
};
enum rs_status rs_sim_signals_declare(rs_builder *b, struct rs_sim_signals *out, struct rs_error *err);
void rs_sim_signals_clear(struct rs_sim_signals *s);
enum rs_status rs_sim_signals_write(const struct rs_simulate_options *opt, const struct rs_sim_host *h,
                                    const struct rs_sim_signals *s, struct rs_error *err);

/* VMs that are born on the host, their placements and reboots. */
enum rs_status rs_sim_vms_write(const struct rs_simulate_options *opt, const struct rs_sim_host *h, rs_builder *b,
                                struct rs_simulate_counts *counts, struct rs_error *err);

#endif
