/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat reboot: asks for a reboot, shows the decision, and with --wait follows the move to its end. */
#include "executor/cmd.h"

#include <math.h>
#include <time.h>

#include "common/progress.h"
#include "executor/client.h"
#include "executor/show.h"

#define POLL_MS 200

struct options {
    const char *socket, *cause;
    bool is_waiting, dry_run, is_approved, as_json, is_quiet;
    double deadline_s;
};

static enum rs_status request(const struct options *o, const char *vm, json_t **out, struct rs_error *err)
{
    rs_auto_json *body = json_pack("{s:s, s:s, s:b, s:b}", "vm", vm, "cause", o->cause, "dry_run", o->dry_run,
                                   "approved", o->is_approved);
    if (!body)
        return rs_error_set(err, RS_EINVAL, "%s: a name or UUID in UTF-8 is wanted", vm);
    if (o->deadline_s >= 0)
        json_object_set_new(body, "deadline_s", json_real(o->deadline_s));
    return rs_client_call(o->socket, "POST", "/v1/reboots", body, out, err);
}

/* Draws what the migration does now: its step, and the bytes while it copies. */
static void draw(struct rs_progress *p, const json_t *m)
{
    const json_t *live = json_object_get(m, "progress");
    const char *step = rs_show_text(json_is_object(live) ? live : m, "step");
    json_int_t total = json_integer_value(json_object_get(live, "bytes_total"));
    p->total = total > 0 ? (uint64_t)total : 0;
    rs_progress_update(p, (uint64_t)json_integer_value(json_object_get(live, "bytes_done")), step);
}

/* Polls until the migration ends; *out is its last state. RS_ECANCELLED on Ctrl-C: the migration goes on. */
static enum rs_status follow(const struct options *o, const char *id, json_t **out, struct rs_error *err)
{
    char path[128];
    struct rs_progress p;
    const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
    snprintf(path, sizeof path, "/v1/migrations/%s", id);
    rs_progress_start(&p, id, "B", 0, o->is_quiet || o->as_json);
    enum rs_status st = RS_CONTINUE;
    while (st == RS_CONTINUE) {
        json_t *m = NULL;
        st = rs_client_call(o->socket, "GET", path, NULL, &m, err);
        if (st < 0)
            break;
        json_decref(*out);
        *out = m;
        draw(&p, m);
        st = rs_streq(rs_show_text(m, "state"), "running") ? RS_CONTINUE : RS_OK;
        if (st == RS_CONTINUE && rs_cli_interrupted())
            st = rs_error_set(err, RS_ECANCELLED, "no longer waiting; the migration goes on: reseat migrations %s", id);
        if (st == RS_CONTINUE)
            nanosleep(&pause, NULL);
    }
    rs_progress_end(&p);
    return st;
}

static void show_deed(const json_t *decision, const char *migration)
{
    if (json_is_true(json_object_get(decision, "dry_run")))
        puts("Dry run: nothing was touched.");
    else if (migration)
        printf("Move %s has begun: reseat migrations %s\n", migration, migration);
    else
        printf("Asked %s to reboot where it is, on %s.\n", rs_show_text(decision, "vm"),
               rs_show_text(decision, "source"));
}

static enum rs_status reboot(const struct options *o, const char *vm, int *out_exit, struct rs_error *err)
{
    rs_auto_json *answer = NULL, *end = NULL;
    enum rs_status st = request(o, vm, &answer, err);
    if (st < 0)
        return st;
    const json_t *decision = json_object_get(answer, "decision");
    const char *migration = json_string_value(json_object_get(answer, "migration"));
    if (!o->as_json) {
        rs_show_decision(decision);
        show_deed(decision, migration);
        fflush(stdout);
    }
    if (o->is_waiting && migration) {
        st = follow(o, migration, &end, err);
        if (end)
            json_object_set(answer, "migration", end);
        if (end && !o->as_json)
            rs_show_migration(end);
    }
    if (o->as_json)
        rs_show_json(answer);
    *out_exit = !end || rs_streq(rs_show_text(end, "state"), "moved") ? RS_EXIT_OK : RS_EXIT_FAILED;
    return st;
}

int rs_cmd_reboot(int argc, char **argv, const struct rs_verb *self)
{
    struct options o = { .cause = "operator", .deadline_s = -1 };
    const struct rs_opt opts[] = {
        { "wait", 'w', RS_OPT_FLAG, &o.is_waiting, NULL, "Follow a move to its end." },
        { "dry-run", 0, RS_OPT_FLAG, &o.dry_run, NULL, "Decide and journal, and touch nothing." },
        { "cause", 0, RS_OPT_STRING, &o.cause, "WORD", "Why it reboots, for the record (default operator)." },
        { "approve", 0, RS_OPT_FLAG, &o.is_approved, NULL, "Approve a move, where the VM's class asks for that." },
        { "deadline", 0, RS_OPT_DURATION, &o.deadline_s, "TIME", "Longest extra downtime that is bearable now." },
        { "json", 0, RS_OPT_FLAG, &o.as_json, NULL, "Print the daemon's JSON." },
        { "quiet", 'q', RS_OPT_FLAG, &o.is_quiet, NULL, "No progress line." },
        { "socket", 0, RS_OPT_STRING, &o.socket, "PATH", "The daemon's socket (default $RESEAT_SOCKET)." },
        { 0 },
    };
    int first = 0, code = RS_EXIT_OK;
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse(argc, argv, self, opts, &first, &err);
    if (st == RS_CONTINUE)
        return RS_EXIT_OK;
    if (st == RS_OK && argc - first != 1)
        st = rs_error_set(&err, RS_EUSAGE, "one VM is wanted, by name or UUID; see --help");
    o.socket = rs_client_socket(o.socket);
    rs_cli_catch_signals();
    if (st == RS_OK)
        st = reboot(&o, argv[first], &code, &err);
    return st < 0 ? rs_cli_fail(self->name, &err) : code;
}
