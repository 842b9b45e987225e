/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat decisions: what was decided of late, newest first; one decision with its gates. */
#include "executor/cmd.h"

#include "executor/listing.h"
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

int rs_cmd_decisions(int argc, char **argv, const struct rs_verb *self)
{
    const char *vm = NULL, *before = NULL;
    const struct rs_opt own[] = {
        { "vm", 0, RS_OPT_STRING, &vm, "VM", "Of this VM only, by its name." },
        { "before", 0, RS_OPT_STRING, &before, "ID", "Those older than this one." },
        { 0 },
    };
    const struct rs_listing l = { .path = "/v1/decisions",
                                  .noun = "decision",
                                  .limit = 20,
                                  .limit_help = "At most so many (default 20).",
                                  .own = own,
                                  .print_list = print_list,
                                  .print_one = rs_show_decision };
    return rs_listing_run(argc, argv, self, &l);
}
