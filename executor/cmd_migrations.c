/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat migrations: those that run and that ran, newest first; one with its steps; an abort of one. */
#include "executor/cmd.h"

#include "executor/listing.h"
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

int rs_cmd_migrations(int argc, char **argv, const struct rs_verb *self)
{
    bool is_cancel = false;
    const struct rs_opt own[] = {
        { "cancel", 0, RS_OPT_FLAG, &is_cancel, NULL, "Abort the named one; its VM reboots in place." },
        { 0 },
    };
    const struct rs_listing l = { .path = "/v1/migrations",
                                  .noun = "migration",
                                  .limit = 20,
                                  .limit_help = "At most so many (default 20).",
                                  .own = own,
                                  .print_list = print_list,
                                  .print_one = rs_show_migration };
    return rs_listing_run(argc, argv, self, &l);
}
