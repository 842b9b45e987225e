/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat import FORMAT FILES -o FLEET.h5: telemetry as CSV becomes a fleet file. */
#include "commands.h"

#include <jansson.h>

#include "datasets/import_backblaze.h"

enum { MEMORY_MIN_MIB = 8, MEMORY_MAX_MIB = 16384 };

struct arguments {
    const char *out, *map, *max_bad;
    uint64_t memory_mib;
    bool is_quiet, is_json;
    const char *format;
};

/* "0.1%" is a share of the rows, "20" a number of them. */
static enum rs_status parse_max_bad(const char *text, struct rs_import_options *opt, struct rs_error *err)
{
    char *end;
    if (strchr(text, '%')) {
        double percent = strtod(text, &end);
        if (end == text || !rs_streq(end, "%") || !(percent >= 0 && percent <= 100))
            return rs_error_set(err, RS_EUSAGE, "--max-bad: %s: a share between 0%% and 100%% needed", text);
        opt->max_bad_share = percent / 100;
        return RS_OK;
    }
    errno = 0;
    unsigned long long rows = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || rows == UINT64_MAX)
        return rs_error_set(err, RS_EUSAGE, "--max-bad: %s: a number of rows, or a share such as 0.1%%, needed", text);
    opt->max_bad_rows = rows;
    return RS_OK;
}

static enum rs_status check(const struct arguments *a, int n_files, struct rs_import_options *opt, struct rs_error *err)
{
    *opt = (struct rs_import_options){ .out = a->out,
                                       .max_bad_share = 0.001,
                                       .max_bad_rows = UINT64_MAX,
                                       .memory = (size_t)a->memory_mib << 20,
                                       .is_quiet = a->is_quiet };
    bool is_csv = a->format && rs_streq(a->format, "csv");
    if (!a->format || (!is_csv && !rs_streq(a->format, "backblaze")))
        return rs_error_set(err, RS_EUSAGE, "%s: a format is needed first: backblaze or csv; see --help",
                            a->format ? a->format : "no format");
    if (!a->out)
        return rs_error_set(err, RS_EUSAGE, "-o FLEET.h5 is needed: the file to write");
    if (n_files < 1)
        return rs_error_set(err, RS_EUSAGE, "no files to read");
    if (is_csv && !a->map)
        return rs_error_set(err, RS_EUSAGE, "--map MAP.yaml is needed: it says what the columns are");
    if (!is_csv && a->map)
        return rs_error_set(err, RS_EUSAGE, "--map: only for the format csv");
    if (a->memory_mib < MEMORY_MIN_MIB || a->memory_mib > MEMORY_MAX_MIB)
        return rs_error_set(err, RS_EUSAGE, "--memory: between %d and %d MiB", MEMORY_MIN_MIB, MEMORY_MAX_MIB);
    return parse_max_bad(a->max_bad, opt, err);
}

static void show_bad(const struct rs_import_report *r)
{
    for (size_t i = 0; i < r->n_shown; i++)
        fprintf(stderr, "reseat import: bad row: %s\n", r->shown[i]);
    if (r->n_bad > r->n_shown)
        fprintf(stderr, "reseat import: ... and %llu more\n", (unsigned long long)(r->n_bad - r->n_shown));
}

static void print_text(const char *out, const struct rs_import_report *r)
{
    const struct rs_builder_counts *c = &r->counts;
    printf("%s: %llu rows of %llu entities, %llu failing (%llu failures)\n", out, (unsigned long long)c->rows,
           (unsigned long long)c->entities, (unsigned long long)c->failing_entities, (unsigned long long)c->failures);
    printf("read %llu rows: %llu bad, %llu duplicates\n", (unsigned long long)r->n_read, (unsigned long long)r->n_bad,
           (unsigned long long)c->duplicates);
}

static void print_json(const char *out, const struct rs_import_report *r)
{
    const struct rs_builder_counts *c = &r->counts;
    json_t *bad = json_array();
    for (size_t i = 0; i < r->n_shown; i++)
        json_array_append_new(bad, json_string(r->shown[i]));
    json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "file", out, "rows", (json_int_t)c->rows,
                          "entities", (json_int_t)c->entities, "failures", (json_int_t)c->failures, "failing_entities",
                          (json_int_t)c->failing_entities, "duplicates", (json_int_t)c->duplicates, "rows_read",
                          (json_int_t)r->n_read, "bad_rows", (json_int_t)r->n_bad, "bad_rows_shown", bad);
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(j);
}

static enum rs_status import(const struct arguments *a, char **operands, int n_operands,
                             const struct rs_import_options *opt, struct rs_import_report *report, struct rs_error *err)
{
    rs_auto_import_files files = NULL;
    size_t n_files = 0;
    if (a->map)
        return rs_import_csv(opt, a->map, operands, (size_t)n_operands, report, err);
    enum rs_status st = rs_import_files(operands, (size_t)n_operands, &files, &n_files, err);
    return st < 0 ? st : rs_import_backblaze(opt, files, n_files, report, err);
}

int rs_cmd_import(int argc, char **argv, const struct rs_verb *self)
{
    struct arguments a = { .max_bad = "0.1%", .memory_mib = 96 };
    struct rs_import_options opt;
    struct rs_import_report report = { .n_read = 0 };
    struct rs_error err = RS_ERROR_INIT;
    const struct rs_opt opts[] = {
        { "output", 'o', RS_OPT_STRING, &a.out, "FLEET.h5",
          "The fleet file to write; it replaces an older one whole." },
        { "map", 'm', RS_OPT_STRING, &a.map, "MAP",
          "Format csv: what its columns are; a file, or a name such as azure-pdm." },
        { "max-bad", 0, RS_OPT_STRING, &a.max_bad, "N|P%", "Malformed rows allowed before it fails (default 0.1%)." },
        { "memory", 0, RS_OPT_U64, &a.memory_mib, "MIB", "Memory for sorting, in MiB (default 96)." },
        { "json", 0, RS_OPT_FLAG, &a.is_json, NULL, "Print the counts as JSON." },
        { "quiet", 'q', RS_OPT_FLAG, &a.is_quiet, NULL, "No progress." },
        { .name = NULL },
    };
    int first;
    enum rs_status st = rs_cli_parse(argc, argv, self, opts, &first, &err);
    if (st == RS_CONTINUE)
        return RS_EXIT_OK;
    if (st < 0)
        return rs_cli_fail(self->name, &err);
    if (first < argc)
        a.format = argv[first++];
    st = check(&a, argc - first, &opt, &err);
    if (st < 0)
        return rs_cli_fail(self->name, &err);
    rs_cli_catch_signals();
    st = import(&a, argv + first, argc - first, &opt, &report, &err);
    show_bad(&report);
    if (st < 0)
        return rs_cli_fail(self->name, &err);
    if (a.is_json)
        print_json(a.out, &report);
    else
        print_text(a.out, &report);
    return rs_cli_end("import", rs_cli_flush(&err), &err);
}
