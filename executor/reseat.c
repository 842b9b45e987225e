/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat: the one command that people type. Verbs about the daemon are built in; any other is the program reseat-VERB,
 * looked for in $RESEAT_EXEC_PATH, beside this program, in libexec/reseat beside its folder, and in $PATH. */
#include <limits.h>

#include "executor/cmd.h"

static const struct rs_verb verbs[] = {
    { "reboot", "reseat reboot VM [options]", "Reboot a VM, and move it where that is worth it.", rs_cmd_reboot },
    { "hosts", "reseat hosts [HOST] [options]", "Hosts with their risks, or one host and why.", rs_cmd_hosts },
    { "decisions", "reseat decisions [ID] [options]", "What was decided at reboots, and why.", rs_cmd_decisions },
    { "migrations", "reseat migrations [ID] [options]", "Moves that run and that ran, with their steps.",
      rs_cmd_migrations },
    { "check-config", "reseat check-config [FILE]", "Check a configuration of the daemon.", rs_cmd_check_config },
    { 0 },
};

/* Other programs of the house and their verbs, for --help. */
static const struct {
    const char *verb, *summary;
} others[] = {
    { "import", "Read CSV files into a fleet file." },
    { "simulate", "Write the fleet file of a simulated fleet." },
    { "info", "What a fleet file holds." },
    { "export", "Print a fleet file as text, or a model in other formats." },
    { "train", "Train a model on a fleet file." },
    { "eval", "Measure how well a model predicts." },
    { "score", "Score every sample of a fleet file." },
    { "dump", "Print a model as text." },
    { "import-model", "Read a text model of liblinear or libsvm." },
};

static bool is_builtin(const char *verb)
{
    for (const struct rs_verb *v = verbs; v->name; v++)
        if (rs_streq(v->name, verb))
            return true;
    return false;
}

/* The folder of this very program; "" where the system does not tell. */
static void own_folder(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = 0;
    char *slash = strrchr(out, '/');
    if (slash)
        *slash = 0;
}

static bool find_in(const char *folder, const char *below, const char *verb, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s%s/reseat-%s", folder, below, verb);
    return *folder && n > 0 && n < PATH_MAX && access(out, X_OK) == 0;
}

static bool find_in_path(const char *verb, char out[PATH_MAX])
{
    const char *path = getenv("PATH");
    for (const char *p = path; p && *p;) {
        size_t len = strcspn(p, ":");
        char folder[PATH_MAX];
        snprintf(folder, sizeof folder, "%.*s", (int)RS_MIN(len, sizeof folder - 1), p);
        if (find_in(folder, "", verb, out))
            return true;
        p += len + (p[len] == ':');
    }
    return false;
}

static bool find_program(const char *verb, char out[PATH_MAX])
{
    char own[PATH_MAX];
    const char *given = getenv("RESEAT_EXEC_PATH");
    own_folder(own);
    return (given && find_in(given, "", verb, out)) || find_in(own, "", verb, out) ||
           find_in(own, "/../libexec/reseat", verb, out) || find_in_path(verb, out);
}

static bool is_verb_name(const char *s)
{
    return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s) && *s != '-';
}

static void list_others(void)
{
    char path[PATH_MAX];
    puts("\nPrograms beside it:");
    for (size_t i = 0; i < RS_LEN(others); i++)
        if (find_program(others[i].verb, path))
            printf("  %-12s %s\n", others[i].verb, others[i].summary);
}

/* Becomes reseat-VERB; returns only where there is none. It is called "reseat VERB", which tells a program of several
 * verbs which of them is meant, also where the program has the name of one of its verbs (reseat-train). */
static void become(char **argv)
{
    char path[PATH_MAX], name[PATH_MAX];
    if (!is_verb_name(argv[1]) || !find_program(argv[1], path))
        return;
    snprintf(name, sizeof name, "reseat %s", argv[1]);
    argv[1] = name;
    execv(path, argv + 1);
    fprintf(stderr, "reseat: %s: %s\n", path, strerror(errno));
    exit(RS_EXIT_FAILED);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !is_builtin(argv[1]))
        become(argv);
    int code = rs_cli_main("reseat", verbs, argc, argv);
    if (argc > 1 && (rs_streq(argv[1], "--help") || rs_streq(argv[1], "help")))
        list_others();
    return code;
}
