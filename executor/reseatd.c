/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseatd: starts the parts in order, waits for signals, feeds the service manager's watchdog, ends in order.
 * The only door to libsystemd, which is optional at build. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#ifdef RS_HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "common/cli.h"
#include "common/log.h"
#include "executor/http.h"

#define CONFIG_PATH "/etc/reseat/reseatd.yaml"

static void tell_manager(const char *state)
{
#ifdef RS_HAVE_SYSTEMD
    sd_notify(0, state);
#else
    (void)state;
#endif
}

/* How often the watchdog wants to hear of us: half of what it allows; 0 where there is none. */
static int64_t watchdog_ns(void)
{
#ifdef RS_HAVE_SYSTEMD
    uint64_t usec = 0;
    if (sd_watchdog_enabled(0, &usec) > 0)
        return (int64_t)(usec * 500);
#endif
    return 0;
}

static void reload(rs_engine *engine)
{
    struct rs_error err = RS_ERROR_INIT;
    tell_manager("RELOADING=1");
    if (rs_engine_reload(engine, &err) < 0)
        rs_log_error("reload_refused", "why=\"%s\" what=\"the old configuration and model stay\"", err.msg);
    else
        rs_log_info("reloaded", "what=\"configuration and model\"");
    tell_manager("READY=1");
}

static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

/* Blocks them before any thread is born, so that all inherit it and sigtimedwait() below sees them all. */
static sigset_t block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < RS_LEN(signals); i++)
        sigaddset(&set, signals[i]);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return set;
}

/* Until SIGTERM or SIGINT. */
static void wait_for_end(rs_engine *engine, const sigset_t *set)
{
    int64_t beat_ns = watchdog_ns();
    const struct timespec timeout = { .tv_sec = beat_ns ? beat_ns / 1000000000 : 3600,
                                      .tv_nsec = beat_ns % 1000000000 };
    for (;;) {
        int sig = sigtimedwait(set, NULL, &timeout);
        tell_manager("WATCHDOG=1");
        if (sig == SIGHUP)
            reload(engine);
        else if (sig > 0) {
            rs_log_info("stopping", "signal=%s", sig == SIGTERM ? "SIGTERM" : "SIGINT");
            return;
        }
    }
}

static enum rs_status serve(rs_config *config, const char *path, bool dry_run, struct rs_error *err)
{
    sigset_t set = block_signals();
    const struct rs_engine_options opt = { .config_path = path, .dry_run = dry_run, .clock = rs_clock_system() };
    rs_autofree char *socket = strdup(config->main.socket);
    RS_AUTO(rs_engine) *engine = NULL;
    RS_AUTO(rs_http) *http = NULL; /* declared last: ends first */
    enum rs_status st = rs_engine_new(config, &opt, &engine, err);
    if (st == RS_OK)
        st = rs_engine_start(engine, err);
    if (st == RS_OK)
        st = rs_http_new(engine, socket, &http, err);
    if (st < 0)
        return st;
    rs_log_info("ready", "version=%s socket=%s dry_run=%d", RS_VERSION, socket, dry_run || config->main.dry_run);
    tell_manager("READY=1");
    wait_for_end(engine, &set);
    tell_manager("STOPPING=1");
    return RS_OK;
}

/* The configuration alone, and the model where its file is there. */
static enum rs_status check(const rs_config *config, const char *path, struct rs_error *err)
{
    RS_AUTO_STRUCT(rs_model) *model = NULL;
    enum rs_status st = *config->main.model ? rs_model_load(config->main.model, &model, err) : RS_OK;
    if (st < 0 && st != RS_ENOTFOUND)
        return rs_error_prefix(err, st, "%s: model", path);
    if (st == RS_ENOTFOUND)
        printf("%s: model %s is not there yet; without it every risk is unknown\n", path, config->main.model);
    printf("%s: in order (hosts: %zu, classes: %zu)\n", path, config->n_hosts, config->n_classes);
    return RS_OK;
}

static int run(int argc, char **argv, const struct rs_verb *self)
{
    const char *path = CONFIG_PATH;
    bool do_check = false, do_dump = false, dry_run = false, version = false;
    const struct rs_opt opts[] = {
        { "config", 'c', RS_OPT_STRING, &path, "FILE", "Configuration (default " CONFIG_PATH ")." },
        { "check-config", 0, RS_OPT_FLAG, &do_check, NULL, "Check the configuration and its model, and exit." },
        { "dump-config", 0, RS_OPT_FLAG, &do_dump, NULL, "Print the configuration with every default, and exit." },
        { "dry-run", 0, RS_OPT_FLAG, &dry_run, NULL, "Decide and journal, and touch no VM." },
        { "version", 0, RS_OPT_FLAG, &version, NULL, "Print the version and exit." },
        { 0 },
    };
    int first = 0;
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse(argc, argv, self, opts, &first, &err);
    if (st == RS_CONTINUE)
        return RS_EXIT_OK;
    if (st == RS_OK && first < argc)
        st = rs_error_set(&err, RS_EUSAGE, "%s: no operand is wanted; see --help", argv[first]);
    if (st == RS_OK && version) {
        puts("reseatd " RS_VERSION);
        return RS_EXIT_OK;
    }
    rs_config *config = NULL;
    if (st == RS_OK)
        st = rs_config_load(path, &config, &err);
    if (st == RS_OK && (do_check || do_dump)) {
        st = do_check ? check(config, path, &err) : RS_OK;
        if (st == RS_OK && do_dump)
            rs_config_dump(config, stdout);
        rs_config_unref(config);
    } else if (st == RS_OK) {
        rs_log_set_level(config->main.log_level);
        st = serve(config, path, dry_run, &err);
    }
    if (st == RS_OK)
        return RS_EXIT_OK;
    fprintf(stderr, "reseatd: %s\n", err.msg);
    return st == RS_EUSAGE ? RS_EXIT_USAGE : RS_EXIT_FAILED;
}

int main(int argc, char **argv)
{
    static const struct rs_verb self = { "reseatd", "reseatd [--config FILE] [options]",
                                         "Watches hosts, decides at each reboot, and moves VMs off failing ones.",
                                         run };
    return run(argc, argv, &self);
}
