/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What simulated hosts are made of and how they fail. Shared by the parts of the simulator only. */
#ifndef RS_DATASETS_SIMULATE_HOST_H
#define RS_DATASETS_SIMULATE_HOST_H

#include "datasets/random.h"
#include "datasets/simulate.h"

#define SIM_DISKS 2
#define SIM_DIMMS 4
#define SIM_FANS 1
#define SIM_PARTS (1 + SIM_DISKS + SIM_DIMMS + SIM_FANS) /* of a host, itself as part 0 */
#define SIM_ID_MAX 48

enum sim_type { SIM_HOST, SIM_DISK, SIM_DIMM, SIM_FAN, SIM_TYPES };
enum sim_flaw { SIM_SOUND, SIM_BAD_BATCH, SIM_BAD_FIRMWARE };

/* A way to fail. */
struct sim_kind {
    const char *cause;   /* the truth: "disk-wear" */
    const char *symptom; /* what operators record: "disk" */
    enum sim_type type;
    enum sim_flaw flaw;  /* what multiplies its rate */
    double share;        /* of all failures of hosts without flaw; they sum to 1 */
    double warning_days; /* median of the time between the first sign and the failure; 0: no sign */
    double repair_hours; /* median */
};
#define SIM_KINDS 8
extern const struct sim_kind sim_kinds[SIM_KINDS];

struct sim_outage {
    int64_t onset; /* of the first sign; the failure's own time where there is none */
    int64_t time, back;
    uint8_t part, kind;
    bool is_flaw; /* would not have failed without the flaw */
};

struct sim_part {
    enum sim_type type;
    char id[SIM_ID_MAX];
    const char *model;     /* NULL: not known */
    const char *firmware;  /* the same */
    double capacity_bytes; /* 0: has none */
};

struct sim_host {
    uint64_t index;
    struct sim_part parts[SIM_PARTS];
    char rack[32];
    const char *batch, *cpu;
    double age_days; /* at the start */
    bool is_bad_batch, is_bad_firmware;
    struct sim_outage *outages; /* in time order, some days beyond the end too, since their signs come before it */
    size_t n_outages, cap_outages;
};

/* Makes host number index, its parts and outages. Reuses h's memory: zero it before the first use. */
enum rs_status sim_host_make(const struct rs_simulate_options *opt, uint64_t index, struct sim_host *h,
                             struct rs_error *err);
void sim_host_clear(struct sim_host *h);

/* The id of host number index. */
void sim_host_id(const struct rs_simulate_options *opt, uint64_t index, char id[SIM_ID_MAX]);
/* The outage during which the host is down at t, or NULL. */
const struct sim_outage *sim_host_down(const struct sim_host *h, int64_t t);

static inline int64_t sim_end(const struct rs_simulate_options *opt)
{
    return opt->start_s + (int64_t)opt->n_days * RS_DAY_S;
}

/* Samples of every part of the host. */
struct sim_signals {
    rs_builder *builder;
    uint32_t *index; /* of the builder, by enum sim_signal */
    uint32_t *attr;  /* the same, by enum sim_attr */
};
enum rs_status sim_signals_declare(rs_builder *b, struct sim_signals *out, struct rs_error *err);
void sim_signals_clear(struct sim_signals *s);
enum rs_status sim_signals_write(const struct rs_simulate_options *opt, const struct sim_host *h,
                                 const struct sim_signals *s, struct rs_error *err);

/* VMs that are born on the host, their placements and reboots. */
enum rs_status sim_vms_write(const struct rs_simulate_options *opt, const struct sim_host *h, rs_builder *b,
                             struct rs_simulate_counts *counts, struct rs_error *err);

#endif
