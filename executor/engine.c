/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes the daemon's parts, reloads them, tells how they are. engine_reboot.c has the requests. */
#include "executor/engine.h"

#include <fcntl.h>
#include <math.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/log.h"
#include "executor/engine_impl.h"
#include "executor/json.h"

static enum rs_status out_of_memory(struct rs_error *err)
{
    return rs_error_set(err, RS_ENOMEM, "out of memory");
}

/* Makes the folder and its parents, private to the daemon. */
static enum rs_status make_folder(const char *path, struct rs_error *err)
{
    rs_autofree char *copy = strdup(path);
    if (!copy)
        return out_of_memory(err);
    for (char *p = copy + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char was = *p;
        *p = 0;
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            return rs_error_errno(err, RS_EIO, "state_dir %s: make %s", path, copy);
        if (!was)
            return RS_OK;
        *p = was;
    }
}

/* One daemon for a state folder: the lock is held until the process ends, however it ends. */
static enum rs_status lock_folder(rs_engine *e, const char *folder, struct rs_error *err)
{
    rs_autofree char *path = NULL;
    if (asprintf(&path, "%s/lock", folder) < 0) {
        path = NULL;
        return out_of_memory(err);
    }
    e->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (e->lock_fd < 0)
        return rs_error_errno(err, RS_EIO, "%s", path);
    if (flock(e->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return rs_error_set(err, RS_EBUSY, "%s: another reseatd works in this state_dir", path);
    return RS_OK;
}

static enum rs_status open_journal(rs_engine *e, const char *folder, struct rs_error *err)
{
    rs_autofree char *path = NULL;
    if (asprintf(&path, "%s/journal.db", folder) < 0) {
        path = NULL;
        return out_of_memory(err);
    }
    return rs_journal_open(path, &e->journal, err);
}

/* *out stays NULL where no model is configured or its file is not there yet. */
static enum rs_status load_model(const rs_config *c, struct rs_model **out, struct rs_error *err)
{
    if (!*c->main.model) {
        rs_log_warn("no_model", "why=\"none is configured: every risk is unknown\"");
        return RS_OK;
    }
    enum rs_status st = rs_model_load(c->main.model, out, err);
    if (st == RS_ENOTFOUND) {
        rs_log_warn("no_model", "why=\"%s: not there; every risk is unknown until it is, and SIGHUP\"", c->main.model);
        return RS_OK;
    }
    return st;
}

static void log_model(rs_telemetry *t)
{
    struct rs_model_facts m;
    rs_telemetry_model(t, &m);
    if (m.is_loaded)
        rs_log_info("model", "digest=%016llx features=%u horizon_s=%lld threshold=%.6g", (unsigned long long)m.digest,
                    m.n_features, (long long)m.horizon_s, m.threshold);
}

static enum rs_status load_telemetry(rs_engine *e, struct rs_error *err)
{
    struct rs_model *model = NULL;
    enum rs_status st = rs_telemetry_new(e->journal, e->clock, &e->telemetry, err);
    if (st == RS_OK)
        st = rs_telemetry_configure(e->telemetry, e->config, err);
    if (st == RS_OK)
        st = load_model(e->config, &model, err);
    if (st == RS_OK)
        st = rs_telemetry_set_model(e->telemetry, model, err);
    if (st == RS_OK)
        st = rs_telemetry_restore(e->telemetry, err);
    if (st == RS_OK)
        log_model(e->telemetry);
    return st;
}

static enum rs_status list_virt_hosts(rs_engine *e, struct rs_error *err)
{
    const rs_config *c = e->first_config;
    e->virt_hosts = rs_alloc(c->n_hosts, sizeof *e->virt_hosts);
    e->virt_names = rs_alloc(c->n_hosts, sizeof *e->virt_names);
    e->config_index = rs_alloc(c->n_hosts, sizeof *e->config_index);
    if (!e->virt_hosts || !e->virt_names || !e->config_index)
        return out_of_memory(err);
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct rs_config_host *h = &c->hosts[i];
        if (!*h->uri)
            continue;
        e->virt_hosts[e->n_virt] = (struct rs_virt_host){ .name = h->name, .uri = h->uri, .pool = h->pool };
        e->virt_names[e->n_virt] = h->name;
        e->config_index[e->n_virt++] = i;
    }
    return RS_OK;
}

enum rs_status rs_engine_new(rs_config *config, const struct rs_engine_options *opt, rs_engine **out,
                             struct rs_error *err)
{
    RS_AUTO(rs_engine) *e = rs_alloc(1, sizeof *e);
    if (!e) {
        rs_config_unref(config);
        return out_of_memory(err);
    }
    e->lock_fd = -1;
    e->config = config;
    e->first_config = rs_config_ref(config);
    e->config_path = opt->config_path;
    e->dry_run = opt->dry_run;
    e->clock = opt->clock;
    pthread_mutex_init(&e->config_lock, NULL);
    pthread_mutex_init(&e->reload_lock, NULL);
    pthread_mutex_init(&e->decide_lock, NULL);
    pthread_mutex_init(&e->event_lock, NULL);
    if (!(e->metrics = rs_metrics_new()))
        return out_of_memory(err);
    rs_metrics_set(e->metrics, RS_METRIC_start_time, NULL, (double)rs_clock_wall_s(e->clock));
    enum rs_status st = make_folder(config->main.state_dir, err);
    if (st == RS_OK)
        st = lock_folder(e, config->main.state_dir, err);
    if (st == RS_OK)
        st = open_journal(e, config->main.state_dir, err);
    if (st == RS_OK)
        st = load_telemetry(e, err);
    if (st == RS_OK)
        st = list_virt_hosts(e, err);
    if (st < 0)
        return st;
    *out = rs_take(e);
    return RS_OK;
}

static void on_virt_event(void *arg, size_t host, const char *uuid, enum rs_virt_event event)
{
    rs_engine *e = arg;
    pthread_mutex_lock(&e->event_lock);
    rs_migrator *m = rs_engine_migrator(e);
    if (m)
        rs_migrator_event(m, host, uuid, event);
    pthread_mutex_unlock(&e->event_lock);
}

/* On the migration's worker thread, after the journal has the end. */
static void on_migration_end(void *arg, const struct rs_migration_row *row)
{
    rs_engine *e = arg;
    rs_metrics_count(e->metrics, RS_METRIC_migrations, rs_migration_end_name(row->end), 1);
    rs_metrics_observe(e->metrics, RS_METRIC_migration_seconds, (double)(row->ended - row->started));
    rs_log(row->end == RS_MIGRATION_MOVED ? RS_LOG_INFO : RS_LOG_WARN, "migration_end",
           "id=%s vm=\"%s\" source=%s dest=%s end=%s why=\"%s\"", row->id, row->vm, row->source, row->dest,
           rs_migration_end_name(row->end), row->why);
}

enum rs_status rs_engine_start(rs_engine *e, struct rs_error *err)
{
    if (e->n_virt == 0)
        return RS_OK;
    enum rs_status st = rs_virt_new(e->virt_hosts, e->n_virt, on_virt_event, e, &e->virt, err);
    if (st < 0)
        return st;
    const struct rs_config_migration *c = &e->first_config->migration;
    const struct rs_migrator_options opt = { .reboot_timeout_s = c->reboot_timeout_s,
                                             .retire_after_s = c->retire_after_s,
                                             .copy_stall_s = c->copy_stall_s };
    rs_migrator *m = NULL;
    st = rs_migrator_new(e->virt, e->journal, e->virt_names, e->n_virt, &opt, e->clock, on_migration_end, e, &m, err);
    if (st < 0)
        return st;
    __atomic_store_n(&e->migrator, m, __ATOMIC_RELEASE);
    return rs_migrator_recover(m, err);
}

void rs_engine_free(rs_engine *e)
{
    if (!e)
        return;
    /* Events go on until virt is gone: none may be inside the migrator when it goes. */
    pthread_mutex_lock(&e->event_lock);
    rs_migrator *m = __atomic_exchange_n(&e->migrator, NULL, __ATOMIC_ACQ_REL);
    pthread_mutex_unlock(&e->event_lock);
    if (m)
        rs_migrator_free(m);
    rs_virt_free(e->virt);
    rs_telemetry_free(e->telemetry);
    rs_journal_close(e->journal);
    rs_metrics_free(e->metrics);
    free(e->virt_hosts);
    free(e->virt_names);
    free(e->config_index);
    rs_config_unref(e->config);
    rs_config_unref(e->first_config);
    pthread_mutex_destroy(&e->config_lock);
    pthread_mutex_destroy(&e->reload_lock);
    pthread_mutex_destroy(&e->decide_lock);
    pthread_mutex_destroy(&e->event_lock);
    if (e->lock_fd >= 0)
        close(e->lock_fd);
    free(e);
}

/* Takes fresh where it succeeds. The model goes last but one: once it is in, nothing can fail. */
static enum rs_status swap_in(rs_engine *e, rs_config *fresh, struct rs_model *model, struct rs_error *err)
{
    enum rs_status st = rs_telemetry_set_model(e->telemetry, model, err);
    if (st == RS_OK)
        st = rs_telemetry_configure(e->telemetry, fresh, err);
    if (st == RS_OK)
        st = rs_telemetry_restore(e->telemetry, err);
    if (st < 0)
        return st;
    pthread_mutex_lock(&e->config_lock);
    rs_config *old = e->config;
    e->config = fresh;
    pthread_mutex_unlock(&e->config_lock);
    rs_config_unref(old);
    log_model(e->telemetry);
    return RS_OK;
}

static enum rs_status reload(rs_engine *e, struct rs_error *err)
{
    RS_AUTO(rs_config) *fresh = NULL;
    struct rs_model *model = NULL;
    enum rs_status st = rs_config_load(e->config_path, &fresh, err);
    if (st == RS_OK)
        st = rs_config_can_reload(e->first_config, fresh, err);
    if (st == RS_OK && *fresh->main.model)
        st = rs_model_load(fresh->main.model, &model, err);
    if (st == RS_OK)
        st = swap_in(e, fresh, model, err);
    if (st < 0)
        return st;
    rs_log_set_level(fresh->main.log_level);
    rs_take(fresh);
    return RS_OK;
}

enum rs_status rs_engine_reload(rs_engine *e, struct rs_error *err)
{
    pthread_mutex_lock(&e->reload_lock);
    enum rs_status st = reload(e, err);
    pthread_mutex_unlock(&e->reload_lock);
    rs_metrics_count(e->metrics, RS_METRIC_reloads, st < 0 ? "refused" : "done", 1);
    return st;
}

enum rs_status rs_engine_cancel(rs_engine *e, const char *migration, struct rs_error *err)
{
    rs_auto_json *row = NULL;
    enum rs_status st = rs_journal_migrations(e->journal, migration, 1, &row, err);
    if (st < 0)
        return st;
    rs_migrator *m = rs_engine_migrator(e);
    const char *state = json_string_value(json_object_get(json_array_get(row, 0), "state"));
    if (!m || !rs_streq(state, rs_migration_end_name(RS_MIGRATION_RUNNING)))
        return rs_error_set(err, RS_EBUSY, "%s: it has ended (%s)", migration, state);
    return rs_migrator_cancel(m, migration, err);
}

void rs_engine_add_progress(rs_engine *e, json_t *migration)
{
    struct rs_migration_progress p;
    rs_migrator *m = rs_engine_migrator(e);
    const char *id = json_string_value(json_object_get(migration, "id"));
    json_t *progress = json_null();
    if (m && rs_migrator_progress(m, id, &p) == RS_OK)
        progress = json_pack("{s:s, s:I, s:I}", "step", p.step, "bytes_done", (json_int_t)p.bytes_done, "bytes_total",
                             (json_int_t)p.bytes_total);
    json_object_set_new(migration, "progress", progress);
}

void rs_engine_host_facts(rs_engine *e, const char *host, struct rs_host_facts *out)
{
    *out = (struct rs_host_facts){ .why = "it has no uri: it is only scored" };
    for (size_t i = 0; i < e->n_virt; i++) {
        struct rs_error err = RS_ERROR_INIT;
        if (!rs_streq(e->virt_names[i], host))
            continue;
        if (rs_virt_host_facts(e->virt, i, out, &err) < 0) {
            *out = (struct rs_host_facts){ .is_reachable = false };
            snprintf(out->why, sizeof out->why, "%.*s", (int)sizeof out->why - 1, err.msg);
        }
        return;
    }
}

static json_t *check_json(bool ok, const char *why)
{
    return json_pack("{s:b, s:s}", "ok", ok, "why", why);
}

static json_t *hosts_check(rs_engine *e, bool *out_ok)
{
    json_t *lost = json_array();
    size_t reachable = 0;
    for (size_t i = 0; i < e->n_virt; i++) {
        struct rs_host_facts f;
        rs_engine_host_facts(e, e->virt_names[i], &f);
        if (f.is_reachable)
            reachable++;
        else
            json_array_append_new(lost, json_pack("{s:s, s:s}", "host", e->virt_names[i], "why", f.why));
    }
    /* One lost host must not take the others' daemon out of service. */
    *out_ok = reachable > 0 || e->n_virt == 0;
    return json_pack("{s:b, s:I, s:I, s:o}", "ok", *out_ok, "reachable", (json_int_t)reachable, "configured",
                     (json_int_t)e->n_virt, "unreachable", lost);
}

json_t *rs_engine_ready(rs_engine *e, bool *out_is_ready)
{
    struct rs_error err = RS_ERROR_INIT;
    struct rs_model_facts model;
    bool journal_ok = rs_journal_check(e->journal, &err) == RS_OK;
    rs_telemetry_model(e->telemetry, &model);
    bool hosts_ok;
    json_t *hosts = hosts_check(e, &hosts_ok);
    *out_is_ready = journal_ok && model.is_loaded && hosts_ok;
    return json_pack("{s:b, s:{s:o, s:o, s:o}}", "ready", *out_is_ready, "checks", "journal",
                     check_json(journal_ok, err.msg), "model",
                     check_json(model.is_loaded, model.is_loaded ? "" : "no model is loaded"), "hosts", hosts);
}

static void set_drift(rs_engine *e)
{
    struct rs_drift_summary s = rs_telemetry_drift_summary(e->telemetry);
    rs_metrics_set(e->metrics, RS_METRIC_model_drift, "risk", s.risk);
    rs_metrics_set(e->metrics, RS_METRIC_model_drift, "signal", s.signal);
    rs_metrics_set(e->metrics, RS_METRIC_drifted_signals, NULL, (double)s.n_found);
}

void rs_engine_metrics(rs_engine *e, struct rs_buf *out)
{
    RS_AUTO(rs_config) *c = rs_engine_config(e);
    struct rs_model_facts model;
    rs_telemetry_model(e->telemetry, &model);
    struct rs_policy policy = rs_config_policy(c, model.threshold);
    struct rs_risk_census census;
    rs_telemetry_census(e->telemetry, policy.risk_threshold, &census);
    rs_migrator *m = rs_engine_migrator(e);
    rs_metrics_set(e->metrics, RS_METRIC_hosts, "known", (double)census.known);
    rs_metrics_set(e->metrics, RS_METRIC_hosts, "unknown", (double)(census.hosts - census.known));
    rs_metrics_set(e->metrics, RS_METRIC_hosts, "at-risk", (double)census.at_risk);
    rs_metrics_set(e->metrics, RS_METRIC_entities, NULL, (double)census.entities);
    rs_metrics_set(e->metrics, RS_METRIC_moves, NULL, m ? (double)rs_migrator_moves(m, SIZE_MAX) : 0);
    rs_metrics_set(e->metrics, RS_METRIC_model_loaded, NULL, model.is_loaded);
    set_drift(e);
    rs_metrics_set(e->metrics, RS_METRIC_dry_run, NULL, e->dry_run || c->main.dry_run);
    rs_metrics_print(e->metrics, out);
}

rs_config *rs_engine_config(rs_engine *e)
{
    pthread_mutex_lock(&e->config_lock);
    rs_config *c = rs_config_ref(e->config);
    pthread_mutex_unlock(&e->config_lock);
    return c;
}

rs_telemetry *rs_engine_telemetry(rs_engine *e)
{
    return e->telemetry;
}

rs_journal *rs_engine_journal(rs_engine *e)
{
    return e->journal;
}

rs_metrics *rs_engine_counters(rs_engine *e)
{
    return e->metrics;
}

const struct rs_clock *rs_engine_clock(rs_engine *e)
{
    return e->clock;
}
