/* SPDX-License-Identifier: Apache-2.0 */
/* Verb dispatch and option tables over getopt_long. */
#include "cli.h"

#include <ctype.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>

#include "clock.h"

#define OPTS_MAX 48

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
    interrupted = 1;
    signal(sig, SIG_DFL);
}

void rs_cli_catch_signals(void)
{
    struct sigaction sa = { .sa_handler = on_signal };
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

bool rs_cli_interrupted(void)
{
    return interrupted != 0;
}

static void print_help(const struct rs_verb *verb, const struct rs_opt *opts)
{
    printf("Usage: %s\n\n%s\n", verb->synopsis, verb->summary);
    puts("\nOptions:");
    for (const struct rs_opt *o = opts; o->name; o++) {
        char left[64];
        char letter[8] = "    ";
        if (o->letter)
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        printf("  %-28s %s\n", left, o->help);
    }
    printf("  %-28s %s\n", "    --help", "Print this and exit.");
}

static enum rs_status store(const struct rs_opt *o, const char *text, struct rs_error *err)
{
    char *end = NULL;
    switch (o->kind) {
    case RS_OPT_FLAG:
        *(bool *)o->out = true;
        return RS_OK;
    case RS_OPT_STRING:
        *(const char **)o->out = text;
        return RS_OK;
    case RS_OPT_U64:
        errno = 0;
        unsigned long long u = strtoull(text, &end, 10);
        if (!*text || *text == '-' || *end || errno)
            return rs_error_set(err, RS_EUSAGE, "--%s: %s: a whole number of 0 or more needed", o->name, text);
        *(uint64_t *)o->out = u;
        return RS_OK;
    case RS_OPT_DOUBLE: {
        double d = strtod(text, &end);
        if (!*text || *end || !isfinite(d))
            return rs_error_set(err, RS_EUSAGE, "--%s: %s: a number needed", o->name, text);
        *(double *)o->out = d;
        return RS_OK;
    }
    case RS_OPT_DURATION:
        if (rs_duration_parse(text, o->out) != RS_OK)
            return rs_error_set(err, RS_EUSAGE, "--%s: %s: a duration such as 90s, 12h or 7d needed", o->name, text);
        return RS_OK;
    case RS_OPT_SIZE:
        if (!rs_size_parse(text, o->out))
            return rs_error_set(err, RS_EUSAGE, "--%s: %s: a size such as 512M or 2G needed", o->name, text);
        return RS_OK;
    }
    return rs_error_set(err, RS_EINTERNAL, "--%s: unknown kind", o->name);
}

bool rs_size_parse(const char *text, uint64_t *out)
{
    static const char suffix[] = "kMGT";
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    const char *at = *end ? strchr(suffix, *end) : NULL;
    unsigned shift = at ? 10 * (unsigned)(at - suffix + 1) : 0;
    if (!isdigit((unsigned char)*text) || errno || (*end && (!at || end[1])) || v > (UINT64_MAX >> shift))
        return false;
    *out = (uint64_t)v << shift;
    return true;
}

enum rs_status rs_cli_parse(int argc, char **argv, const struct rs_verb *verb, const struct rs_opt *opts, int *first,
                            struct rs_error *err)
{
    struct option longs[OPTS_MAX + 2] = { 0 };
    char shorts[2 * OPTS_MAX + 2] = ":";
    size_t n = 0, s = 1;
    for (; opts[n].name && n < OPTS_MAX; n++) {
        bool has_arg = opts[n].kind != RS_OPT_FLAG;
        longs[n] = (struct option){ opts[n].name, has_arg ? required_argument : no_argument, NULL, 256 + (int)n };
        if (opts[n].letter) {
            shorts[s++] = opts[n].letter;
            if (has_arg)
                shorts[s++] = ':';
        }
    }
    longs[n] = (struct option){ "help", no_argument, NULL, 'h' };
    optind = 0;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        const char *given = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        if (c == 'h') {
            print_help(verb, opts);
            return RS_CONTINUE;
        }
        if (c == '?')
            return rs_error_set(err, RS_EUSAGE, "%s: no such option; see --help", given);
        if (c == ':')
            return rs_error_set(err, RS_EUSAGE, "%s: an argument is missing; see --help", given);
        size_t i = 0;
        if (c >= 256)
            i = (size_t)(c - 256);
        else
            while (opts[i].letter != c)
                i++;
        enum rs_status st = store(&opts[i], optarg, err);
        if (st < 0)
            return st;
    }
    *first = optind;
    return RS_OK;
}

enum rs_status rs_cli_parse_one(int argc, char **argv, const struct rs_verb *verb, const struct rs_opt *opts,
                                const char *noun, const char **out, struct rs_error *err)
{
    int first = 0;
    enum rs_status st = rs_cli_parse(argc, argv, verb, opts, &first, err);
    if (st == RS_OK && argc - first != 1)
        st = rs_error_set(err, RS_EUSAGE, "one %s needed, %d given; see --help", noun, argc - first);
    if (st == RS_OK)
        *out = argv[first];
    return st;
}

static int usage(const char *program, const struct rs_verb *verbs, FILE *to)
{
    fprintf(to, "Usage: %s VERB [options]\n\n", program);
    for (const struct rs_verb *v = verbs; v->name; v++)
        fprintf(to, "  %-12s %s\n", v->name, v->summary);
    fprintf(to, "\n%s VERB --help tells more.\n", program);
    return to == stdout ? RS_EXIT_OK : RS_EXIT_USAGE;
}

static const struct rs_verb *find(const struct rs_verb *verbs, const char *name)
{
    for (const struct rs_verb *v = verbs; v->name; v++)
        if (rs_streq(v->name, name))
            return v;
    return NULL;
}

int rs_cli_main(const char *program, const struct rs_verb *verbs, int argc, char **argv)
{
    const char *base = strrchr(argv[0], '/');
    base = base ? base + 1 : argv[0];
    if (!rs_streq(base, program) && (strncmp(base, "reseat-", 7) == 0 || strncmp(base, "reseat ", 7) == 0)) {
        const struct rs_verb *v = find(verbs, base + 7);
        if (v)
            return v->run(argc, argv, v);
    }
    if (argc < 2)
        return usage(program, verbs, stderr);
    if (rs_streq(argv[1], "--help") || rs_streq(argv[1], "help"))
        return usage(program, verbs, stdout);
    if (rs_streq(argv[1], "--version")) {
        printf("%s %s\n", program, RS_VERSION);
        return RS_EXIT_OK;
    }
    const struct rs_verb *v = find(verbs, argv[1]);
    if (!v) {
        fprintf(stderr, "%s: %s: no such verb; see %s --help\n", program, argv[1], program);
        return RS_EXIT_USAGE;
    }
    return v->run(argc - 1, argv + 1, v);
}

int rs_cli_fail(const char *verb, const struct rs_error *err)
{
    fprintf(stderr, "reseat %s: %s\n", verb, err->msg[0] ? err->msg : rs_status_meaning(err->status));
    return err->status == RS_EUSAGE ? RS_EXIT_USAGE : err->status == RS_EQUALITY ? RS_EXIT_QUALITY : RS_EXIT_FAILED;
}

int rs_cli_end(const char *verb, enum rs_status st, const struct rs_error *err)
{
    return st < 0 ? rs_cli_fail(verb, err) : RS_EXIT_OK;
}

enum rs_status rs_cli_flush(struct rs_error *err)
{
    bool ok = fflush(stdout) == 0 && !ferror(stdout);
    return ok ? RS_OK : rs_error_errno(err, RS_EIO, "stdout");
}
