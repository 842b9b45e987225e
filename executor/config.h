/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseatd.yaml: read whole, checked whole, then immutable. docs/configuration.md is for people; config.def is the
 * table.
 *
 * A configuration is counted by its users: a reload swaps the daemon's pointer, and requests that began under the old
 * one end under it. */
#ifndef RS_EXECUTOR_CONFIG_H
#define RS_EXECUTOR_CONFIG_H

#include "common/base.h"
#include "common/error.h"
#include "common/log.h"
#include "executor/policy.h"

struct rs_config_attr {
    char *name, *value;
};

struct rs_config_component {
    char *id;
    struct rs_config_attr *attrs;
    size_t n_attrs;
};

struct rs_config_host {
    char *name, *uri, *pool, *rack; /* uri and rack "" where absent */
    bool is_cordoned;
    bool reasons[RS_REASONS]; /* of people; predicted-failure never stands here */
    struct rs_config_attr *attrs;
    size_t n_attrs;
    struct rs_config_component *components;
    size_t n_components;
};

struct rs_config_main {
    char *state_dir, *socket, *model, *default_class;
    bool dry_run;
    enum rs_log_level log_level;
};

struct rs_config_telemetry {
    double stale_after_s, max_skew_s;
    bool register_unknown;
};

struct rs_config_migration {
    double reboot_timeout_s, retire_after_s, copy_stall_s;
};

typedef struct rs_config {
    struct rs_config_main main;
    struct rs_config_telemetry telemetry;
    struct rs_policy policy; /* NAN thresholds stand for the model's: see rs_config_policy() */
    struct rs_config_migration migration;
    struct rs_vm_class *classes;
    size_t n_classes, default_class;
    struct rs_config_host *hosts;
    size_t n_hosts;
    int users; /* atomic */
} rs_config;

/* RS_ECONFIG names file and line; RS_ENOTFOUND, RS_EIO where the file cannot be read. */
enum rs_status rs_config_load(const char *path, rs_config **out, struct rs_error *err);
/* The same from memory; name stands for the file in messages. */
enum rs_status rs_config_parse(const char *text, size_t len, const char *name, rs_config **out, struct rs_error *err);
/* All defaults and no hosts. NULL where memory is short. */
rs_config *rs_config_default(void);

/* One more user; returns c. */
rs_config *rs_config_ref(rs_config *c);
/* One user fewer; the last frees it. NULL is fine. */
void rs_config_unref(rs_config *c);
RS_DEFINE_AUTO(rs_config, rs_config_unref)

/* The policy with the model's threshold put where the file says "model"; NAN threshold: no model, and no risk is then
 * a reason, nor any host a destination for its risk. */
struct rs_policy rs_config_policy(const rs_config *c, double model_threshold);
/* The class of that name; the default one for "" and for names that no class has (*out_is_known then false). */
const struct rs_vm_class *rs_config_class(const rs_config *c, const char *name, bool *out_is_known);
/* Index of a host, SIZE_MAX where there is none. */
size_t rs_config_host(const rs_config *c, const char *name);
/* RS_EUNSUPPORTED, and which, where a running daemon cannot change from a to b without a restart. */
enum rs_status rs_config_can_reload(const rs_config *a, const rs_config *b, struct rs_error *err);

/* Prints it as YAML that loads again, each key with what it is. */
void rs_config_dump(const rs_config *c, FILE *to);

#endif
