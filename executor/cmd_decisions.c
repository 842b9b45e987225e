/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat decisions: what was decided of late, newest first; one decision with its gates. */
#include "executor/cmd.h"

#include "executor/client.h"
#include "executor/show.h"

static void print_list(const json_t *answer)
{
    static const char *const head[] = { "ID", "TIME", "VM", "FROM", "TO", "OUTCOME", "REASON", "STOPPED BY", "MOVE" };
    struct rs_table t = { .n_columns = RS_LEN(head) };
    rs_table_add(&t, RS_BOLD, head);
    size_t i;
    json_t *d;
    json_array_foreach(json_object_get(answer, "decisions"), i, d)
    {
        const char *outcome = rs_show_text(d, "outcome");
        bool is_stay = rs_streq(outcome, "stay");
        char text[64];
        snprintf(text, sizeof text, "%s%s", outcome, json_is_true(json_object_get(d, "dry_run")) ? " (dry run)" : "");
        const char *const cells[] = { rs_show_text(d, "id"),
                                      rs_show_text(d, "time"),
                                      rs_show_text(d, "vm"),
                                      rs_show_text(d, "source"),
                                      is_stay ? "-" : rs_show_text(d, "dest"),
                                      text,
                                      rs_show_text(d, "reason"),
                                      rs_show_text(d, "stopped_by"),
                                      rs_show_text(d, "migration") };
        rs_table_add(&t, is_stay ? RS_PLAIN : RS_GREEN, cells);
    }
    rs_table_print(&t);
}

static enum rs_status list_path(const char *vm, const char *before, uint64_t limit, char **out, struct rs_error *err)
{
    rs_autofree char *vm_text = rs_client_escape(vm ? vm : "");
    rs_autofree char *before_text = rs_client_escape(before ? before : "");
    if (!vm_text || !before_text ||
        asprintf(out, "/v1/decisions?limit=%llu%s%s%s%s", (unsigned long long)limit, vm ? "&vm=" : "", vm_text,
                 before ? "&before=" : "", before_text) < 0)
        return rs_error_set(err, RS_ENOMEM, "out of memory");
    return RS_OK;
}

static enum rs_status one_path(const char *id, char **out, struct rs_error *err)
{
    rs_autofree char *text = rs_client_escape(id);
    if (!text || asprintf(out, "/v1/decisions/%s", text) < 0)
        return rs_error_set(err, RS_ENOMEM, "out of memory");
    return RS_OK;
}

int rs_cmd_decisions(int argc, char **argv, const struct rs_verb *self)
{
    const char *socket = NULL, *vm = NULL, *before = NULL;
    bool as_json = false;
    uint64_t limit = 20;
    const struct rs_opt opts[] = {
        { "vm", 0, RS_OPT_STRING, &vm, "VM", "Of this VM only, by its name." },
        { "limit", 'n', RS_OPT_U64, &limit, "N", "At most so many (default 20)." },
        { "before", 0, RS_OPT_STRING, &before, "ID", "Those older than this one." },
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
        st = rs_error_set(&err, RS_EUSAGE, "%s: one decision at most", argv[first + 1]);
    const char *id = st == RS_OK && first < argc ? argv[first] : NULL;
    if (st == RS_OK)
        st = id ? one_path(id, &path, &err) : list_path(vm, before, limit, &path, &err);
    if (st == RS_OK)
        st = rs_client_call(rs_client_socket(socket), "GET", path, NULL, &answer, &err);
    if (st < 0)
        return rs_cli_fail(self->name, &err);
    rs_show_answer(answer, as_json, id ? rs_show_decision : print_list);
    return RS_EXIT_OK;
}
