/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the daemon knows of hosts and their components: attributes, feature states, risks.
 *
 * Samples go through the model's feature program exactly as the offline path does it, so that the risk here is the
 * offline one to the last bit. States are in the journal before a push is answered: what was acknowledged survives a
 * crash. A risk is NAN where it is unknown (no model, no sample, or the newest one stale), never 0.
 *
 * Risk of a host (docs/math.md R1): 1 - prod(1 - p) over its own fresh risk and those of its components.
 *
 * Any thread may call. Two locks: pushes and model changes take turns on one for as long as they last; the other is
 * held briefly around memory, so that readers never wait for a disk. */
#ifndef RS_EXECUTOR_TELEMETRY_H
#define RS_EXECUTOR_TELEMETRY_H

#include "common/clock.h"
#include "executor/config.h"
#include "executor/journal.h"
#include "executor/samples.h"
#include "models/drift.h"
#include "models/model.h"

typedef struct rs_telemetry rs_telemetry;

/* Borrows journal (NULL: nothing is saved) and clock for its life. */
enum rs_status rs_telemetry_new(rs_journal *journal, const struct rs_clock *clock, rs_telemetry **out,
                                struct rs_error *err);
void rs_telemetry_free(rs_telemetry *t);
RS_DEFINE_AUTO(rs_telemetry, rs_telemetry_free)

/* Takes the inventory and the limits of a configuration; entities that it lists no more are forgotten. */
enum rs_status rs_telemetry_configure(rs_telemetry *t, const rs_config *config, struct rs_error *err);
/* Takes m (NULL: none). States live on where both feature programs lay them out alike; else they start anew, and the
 * log says so. On failure the old model stays and m is freed. */
enum rs_status rs_telemetry_set_model(rs_telemetry *t, struct rs_model *m, struct rs_error *err);
/* Loads the states that the journal has for the present feature program. Call once, after the two above. */
enum rs_status rs_telemetry_restore(rs_telemetry *t, struct rs_error *err);

struct rs_push_report {
    struct rs_sample_report rows;
    uint64_t unknown_signals; /* readings of signals that the model does not know: ignored */
    uint64_t ignored_events;  /* events of kinds that the model does not know: accepted, without effect */
};
/* Takes in a body of samples and events (executor/samples.h) and saves what changed in one transaction. Rows are
 * refused with RS_EUNKNOWN_HOST, RS_EFUTURE, RS_ESTALE (a sample not after the newest, an event before the newest of
 * its kind, or as old as the newest of its kind of an earlier body: a body that is sent again counts once) and the
 * codes of samples.h. "failure/KIND" counts as "failure" too, and each failure and "event/KIND" as "any". RS_ENODATA
 * without a model. Where saving fails nothing of the body is taken. */
enum rs_status rs_telemetry_push(rs_telemetry *t, const char *body, size_t len, struct rs_push_report *out,
                                 struct rs_error *err);

struct rs_model_facts {
    bool is_loaded;
    uint64_t digest;
    int64_t horizon_s;
    double base_rate, threshold;
    uint32_t n_features;
    enum rs_learner learner;
};
void rs_telemetry_model(rs_telemetry *t, struct rs_model_facts *out);

struct rs_entity_view {
    char id[RS_ENTITY_ID_MAX + 1], parent[RS_ENTITY_ID_MAX + 1]; /* parent "" for a host */
    double risk;     /* of the host with its components; of a component: its own */
    double own_risk; /* of the entity alone, NAN where unknown */
    int64_t newest;  /* time of its newest sample, RS_TIME_NONE before the first */
    bool is_stale;
    size_t n_parts, n_unknown_parts; /* components, and those without a fresh risk */
    char cohort[RS_NAME_MAX];        /* "" without a model */
    struct rs_cohort_support support;
    char fallback[RS_NAME_MAX]; /* attribute whose value no training saw, so that a parent cohort judges; "": none */
};
/* Hosts in order of id, those after the id after (NULL: from the first), at most limit. *out is the caller's. */
enum rs_status rs_telemetry_hosts(rs_telemetry *t, const char *after, size_t limit, struct rs_entity_view **out,
                                  size_t *out_n, struct rs_error *err);
/* One entity and its components in order of id (*out_parts is the caller's). RS_EUNKNOWN_HOST. */
enum rs_status rs_telemetry_entity(rs_telemetry *t, const char *id, struct rs_entity_view *out,
                                   struct rs_entity_view **out_parts, size_t *out_n, struct rs_error *err);

struct rs_contribution {
    char feature[RS_NAME_MAX];
    double value, mean; /* in the feature's unit */
    double log_odds;    /* what it adds to the log odds of the risk */
};
struct rs_explanation {
    double log_odds; /* of the own risk: base + sum of contributions + others */
    double base;     /* at the training mean */
    double others;   /* contributions not listed */
    size_t n;
    struct rs_contribution top[16]; /* the strongest, either way, strongest first */
};
/* Why the own risk is what it is. RS_ENODATA before the first sample or without a model. */
enum rs_status rs_telemetry_explain(rs_telemetry *t, const char *id, size_t n_top, struct rs_explanation *out,
                                    struct rs_error *err);

/* Risk of a host, NAN where unknown or no such host. */
double rs_telemetry_risk(rs_telemetry *t, const char *host);

/* How the fleet's newest samples compare with the references of the model (models/drift.h, docs/math.md section G). */
struct rs_drift_item {
    const char *name; /* a signal, or "risk"; lives in the view */
    struct rs_drift result;
};
struct rs_drift_view {
    uint64_t digest;                     /* of the model */
    double n_entities;                   /* counted: those whose newest sample is not stale */
    double n_reference;                  /* behind the references */
    int64_t oldest;                      /* of the newest samples counted; RS_TIME_NONE where there are none */
    size_t n_found;                      /* items that moved or whose readings did, the risk among them */
    size_t n_signals;                    /* may be 0 */
    struct rs_drift_item risk, *signals; /* findings first, then by the size of the index */
    char *names;
};
/* RS_ENODATA without a model, and with one that has no references. Each entity counts by its newest sample of the
 * present model, in O(entities x signals) and without growing memory: a byte a signal and entity is all that is kept.
 */
enum rs_status rs_telemetry_drift(rs_telemetry *t, struct rs_drift_view *out, struct rs_error *err);
void rs_drift_view_clear(struct rs_drift_view *v);
#define rs_auto_drift_view __attribute__((cleanup(rs_drift_view_clear))) struct rs_drift_view

/* The same in three numbers, for metrics: counting all entities keeps the lock from the pushes, so those who ask within
 * a minute, of one model, get what the first of them got. All is NAN, n_found 0, where rs_telemetry_drift() fails. */
#define RS_DRIFT_SUMMARY_AGE_S 60
struct rs_drift_summary {
    double risk, signal; /* index less what chance yields, 0 at least: of the risk, the largest of a signal */
    size_t n_found;      /* signals that moved or whose readings did */
};
struct rs_drift_summary rs_telemetry_drift_summary(rs_telemetry *t);

struct rs_risk_census {
    size_t hosts, known, at_risk; /* at_risk: known and at or above the threshold */
    size_t entities;
};
void rs_telemetry_census(rs_telemetry *t, double threshold, struct rs_risk_census *out);

#endif
