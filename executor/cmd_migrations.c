/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat migrations: those that run and that ran, newest first; one with its steps; an abort of one. */
#include "executor/cmd.h"

#include "executor/client.h"
#include "executor/show.h"

static void print_list(const json_t *answer)
{
    static const char *const head[] = { "ID", "STARTED", "VM", "FROM", "TO", "STATE", "STEP", "DECISION", "WHY" };
    struct rs_table t = { .n_columns = RS_LEN(head) };
    rs_table_add(&t, RS_BOLD, head);
    size_t i;
    json_t *m;
    json_array_foreach(json_object_get(answer, "migrations"), i, m)
    {
        const char *state = rs_show_text(m, "state");
        const char *const cells[] = { rs_show_text(m, "id"),     rs_show_text(m, "started"),  rs_show_text(m, "vm"),
                                      rs_show_text(m, "source"), rs_show_text(m, "dest"),     state,
                                      rs_show_text(m, "step"),   rs_show_text(m, "decision"), rs_show_text(m, "why") };
        rs_table_add(&t, rs_streq(state, "moved") ? RS_GREEN : rs_streq(state, "running") ? RS_PLAIN : RS_RED, cells);
    }
    rs_table_print(&t);
}

static enum rs_status make_path(const char *id, uint64_t limit, bool is_cancel, char **out, struct rs_error *err)
{
    rs_autofree char *text = rs_client_escape(id ? id : "");
    int n = !text ? -1
            : id  ? asprintf(out, "/v1/migrations/%s%s", text, is_cancel ? "/cancel" : "")
                  : asprintf(out, "/v1/migrations?limit=%llu", (unsigned long long)limit);
    return n < 0 ? rs_error_set(err, RS_ENOMEM, "out of memory") : RS_OK;
}

int rs_cmd_migrations(int argc, char **argv, const struct rs_verb *self)
{
    const char *socket = NULL;
    bool as_json = false, is_cancel = false;
    uint64_t limit = 20;
    const struct rs_opt opts[] = {
        { "cancel", 0, RS_OPT_FLAG, &is_cancel, NULL, "Abort the named one; its VM reboots in place." },
        { "limit", 'n', RS_OPT_U64, &limit, "N", "At most so many (default 20)." },
        { "json", 0, RS_OPT_FLAG, &as_json, NULL, "Print the daemon's JSON." },
        { "socket", 0, RS_OPT_STRING, &socket, "PATH", "The daemon's socket (default $RESEAT_SOCKET)." },
        { 0 },
    };
    int first = 0;
    struct rs_error err = RS_ERROR_INIT;
    rs_auto_json *answer = NULL;
    rs_autofree char *path = NULL;
    enum rs_status st = rs_cli_parse(argc, argv, self, opts, &first, &err);
    if (st == RS_CONTINUE)
        return RS_EXIT_OK;
    if (st == RS_OK && argc - first > 1)
        st = rs_error_set(&err, RS_EUSAGE, "%s: one migration at most", argv[first + 1]);
    const char *id = st == RS_OK && first < argc ? argv[first] : NULL;
    if (st == RS_OK && is_cancel && !id)
        st = rs_error_set(&err, RS_EUSAGE, "--cancel: name the migration to abort");
    if (st == RS_OK)
        st = make_path(id, limit, is_cancel, &path, &err);
    if (st == RS_OK)
        st = rs_client_call(rs_client_socket(socket), is_cancel ? "POST" : "GET", path, NULL, &answer, &err);
    if (st < 0)
        return rs_cli_fail(self->name, &err);
    rs_show_answer(answer, as_json, id ? rs_show_migration : print_list);
    return RS_EXIT_OK;
}
