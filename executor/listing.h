/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What hosts, decisions and migrations have in common: without an operand the verb lists what the daemon has under a
 * path, with one it shows that thing, or does something to it. */
#ifndef RS_EXECUTOR_LISTING_H
#define RS_EXECUTOR_LISTING_H

#include "common/cli.h"
#include "executor/json.h"

#define RS_LISTING_OPTS_MAX 8

struct rs_listing {
    const char *path; /* "/v1/hosts" */
    const char *noun; /* "host", for messages */
    uint64_t limit;   /* of the list, unless --limit says otherwise */
    const char *limit_help;
    /* The verb's own options, beside --limit, --json and --socket; NULL: none. A text goes into the query of the list
     * under the option's name; a flag is posted below the thing: /v1/migrations/ID/cancel. RS_LISTING_OPTS_MAX - 4 at
     * most. */
    const struct rs_opt *own;
    void (*print_list)(const json_t *answer); /* for people */
    void (*print_one)(const json_t *answer);
};

/* Parses, asks, prints. Returns the exit code. */
int rs_listing_run(int argc, char **argv, const struct rs_verb *self, const struct rs_listing *l);

#endif
