/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The daemon's middle: a reboot request becomes a snapshot, a pure decision (policy.h), a journal entry, and then a
 * migration or a reboot in place. Holds the configuration and the parts, and swaps configuration and model on reload.
 *
 * Any thread may call. Facts from hypervisors are gathered without a lock; counting the moves under way, deciding,
 * journaling and starting happen under one, so that two requests never take the same slot. */
#ifndef RS_EXECUTOR_ENGINE_H
#define RS_EXECUTOR_ENGINE_H

#include "executor/metrics.h"
#include "executor/migrate.h"
#include "executor/telemetry.h"

typedef struct rs_engine rs_engine;

struct rs_engine_options {
    const char *config_path; /* for reload; borrowed */
    bool dry_run;            /* whatever the file says */
    const struct rs_clock *clock;
};

/* Takes config. Opens the journal and loads the model; hypervisors are connected and unfinished migrations taken up by
 * rs_engine_start(). A model file that is not there yet is no error (/readyz says it); a damaged or newer one is. */
enum rs_status rs_engine_new(rs_config *config, const struct rs_engine_options *opt, rs_engine **out,
                             struct rs_error *err);
enum rs_status rs_engine_start(rs_engine *e, struct rs_error *err);
/* Brings running migrations to a safe point, then frees. */
void rs_engine_free(rs_engine *e);
RS_DEFINE_AUTO(rs_engine, rs_engine_free)

/* Reads configuration and model again; both take effect, or none does and err says why. */
enum rs_status rs_engine_reload(rs_engine *e, struct rs_error *err);

struct rs_reboot_request {
    const char *vm;    /* name or UUID */
    const char *cause; /* "operator", ... for the record */
    bool dry_run, is_approved;
    double deadline_s; /* INFINITY where none */
    int64_t uid;       /* of the caller; -1 where unknown */
};
/* Decides, journals and acts. *out is {"decision": {...}, "migration": "m-000001" or null}. Errors: RS_EUNKNOWN_VM,
 * RS_EAMBIGUOUS, RS_EUNREACHABLE, RS_EBUSY (a migration of the VM runs), RS_EVIRT, and the journal's. */
enum rs_status rs_engine_reboot(rs_engine *e, const struct rs_reboot_request *req, json_t **out, struct rs_error *err);
enum rs_status rs_engine_cancel(rs_engine *e, const char *migration, struct rs_error *err);

/* Adds "progress" to a migration of the journal that still runs. */
void rs_engine_add_progress(rs_engine *e, json_t *migration);
/* What the hypervisor says of a host; is_reachable false, and why, where it does not answer or has no uri. */
void rs_engine_host_facts(rs_engine *e, const char *host, struct rs_host_facts *out);

/* {"ready": bool, "checks": {...}}: true where the journal answers, a model is loaded and every host is reachable. */
json_t *rs_engine_ready(rs_engine *e, bool *out_is_ready);
/* Prometheus text, gauges brought up to date. */
void rs_engine_metrics(rs_engine *e, struct rs_buf *out);

rs_config *rs_engine_config(rs_engine *e); /* a new use of the present one: rs_config_unref() it */
rs_telemetry *rs_engine_telemetry(rs_engine *e);
rs_journal *rs_engine_journal(rs_engine *e);
rs_metrics *rs_engine_counters(rs_engine *e);
const struct rs_clock *rs_engine_clock(rs_engine *e);

#endif
