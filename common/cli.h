/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: one table per verb feeds getopt_long, --help, and the test that holds docs/man/ to it.
 *
 * A program is a table of verbs. Called as `reseat-train train ...` or, through a link, as `reseat-eval ...`, or by
 * reseat, which sets argv[0] to "reseat eval", it runs the verb; --help goes to stdout and exits 0; --version likewise;
 * a mistake is one line on stderr and exit 2. Exits: 0 done, 1 failed, 2 usage, 3 ran but missed the asked quality. */
#ifndef RS_COMMON_CLI_H
#define RS_COMMON_CLI_H

#include "base.h"
#include "error.h"

#define RS_EXIT_OK 0
#define RS_EXIT_FAILED 1
#define RS_EXIT_USAGE 2
#define RS_EXIT_QUALITY 3

enum rs_opt_kind { RS_OPT_FLAG, RS_OPT_STRING, RS_OPT_U64, RS_OPT_DOUBLE, RS_OPT_DURATION, RS_OPT_SIZE };

struct rs_opt {
    const char *name; /* long name, without dashes; NULL ends the table */
    char letter;      /* 0 where it has none */
    enum rs_opt_kind kind;
    void *out; /* bool *, const char **, uint64_t *, double *, double * (seconds), uint64_t * (bytes); keeps its default
                */
    const char *argument; /* "FILE"; NULL for flags */
    const char *help;     /* one line, with the default where there is one */
};

struct rs_verb {
    const char *name;                                              /* NULL ends the table */
    const char *synopsis;                                          /* "reseat train FLEET.h5 -o MODEL.rsm [options]" */
    const char *summary;                                           /* one line */
    int (*run)(int argc, char **argv, const struct rs_verb *self); /* argv[0] is the verb; returns the exit code */
};

/* Parses options of argv into the table's variables. --help prints the help and returns RS_CONTINUE: exit 0 then.
 * On RS_OK *first is the index of the first operand (operands may stand between options). RS_EUSAGE: err names the
 * option and what is wrong with it. */
enum rs_status rs_cli_parse(int argc, char **argv, const struct rs_verb *verb, const struct rs_opt *opts, int *first,
                            struct rs_error *err);

/* The same for a verb with one operand, which *out then names: "one fleet file needed, 2 given" where noun is "fleet
 * file" and the command line has another number of them. */
enum rs_status rs_cli_parse_one(int argc, char **argv, const struct rs_verb *verb, const struct rs_opt *opts,
                                const char *noun, const char **out, struct rs_error *err);

/* Picks the verb by argv[0] ("reseat-eval") or argv[1] and runs it. program is the name that --help shows. */
int rs_cli_main(const char *program, const struct rs_verb *verbs, int argc, char **argv);

/* Prints "program: message" on stderr and returns the exit code that fits the status (RS_EUSAGE 2, RS_EQUALITY 3, else
 * 1). */
int rs_cli_fail(const char *verb, const struct rs_error *err);

/* The exit code of a verb that ends with st: RS_EXIT_OK for RS_OK, and for RS_CONTINUE of rs_cli_parse(), else that of
 * rs_cli_fail(). */
int rs_cli_end(const char *verb, enum rs_status st, const struct rs_error *err);

/* Hands what was printed on stdout to the system: RS_EIO where it did not take all of it (a full disk). A verb that
 * prints its result calls this before it ends. */
enum rs_status rs_cli_flush(struct rs_error *err);

/* A size with an optional suffix: 512, 10k, 64M, 2G, 1T (powers of 1024). False where text is none. */
bool rs_size_parse(const char *text, uint64_t *out);

/* SIGINT and SIGTERM set a flag that long loops ask for; a second one kills as usual. */
void rs_cli_catch_signals(void);
bool rs_cli_interrupted(void);

#endif
