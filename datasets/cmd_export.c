/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat export: samples and events of a fleet file as newline-delimited JSON, the form in which POST /v1/telemetry
 * takes them. A model is handed over to reseat-export-model, which knows what is in it. */
#include "datasets/commands.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>

#include "common/bytes.h"
#include "common/cli.h"
#include "common/progress.h"
#include "datasets/contain.h"
#include "datasets/fleet.h"

#define NO_ENTITY UINT64_MAX

struct options {
    const char *path, *entity, *as, *end;
    uint64_t last; /* of each entity; UINT64_MAX: all */
    bool is_ndjson, is_quiet;
};

/* A sample that waits for its turn: lines of a host and its components are sorted by time. */
struct line {
    int64_t time;
    size_t order;      /* of reading */
    char *head, *tail; /* before and behind the time */
};

struct exporter {
    const struct options *opt;
    rs_fleet *fleet;
    const struct rs_fleet_info *info;
    uint64_t host;       /* index of the one asked for, or NO_ENTITY */
    char **signal_names; /* with quotes, as JSON */
    char *head, *about;  /* of the entity at hand: before the time, and attributes with parent */
    uint64_t n_seen;     /* rows of the entity at hand */
    size_t next_event;   /* of the entity at hand */
    int64_t parent;      /* whose id was last looked up; siblings mostly follow each other */
    char *parent_id;
    int64_t shift_s;
    struct line *lines;
    size_t n_lines, cap_lines;
};

static enum rs_status no_memory(struct rs_error *err)
{
    return rs_error_set(err, RS_ENOMEM, "export: out of memory");
}

/* ---- texts ---- */

/* The text as a JSON string, which the caller frees; NULL where it is no UTF-8 or memory is wanting. */
static char *quoted(const char *text)
{
    json_t *s = json_string(text);
    char *out = s ? json_dumps(s, JSON_ENCODE_ANY) : NULL;
    json_decref(s);
    return out;
}

static enum rs_status put_quoted(struct rs_buf *b, const char *text, struct rs_error *err)
{
    rs_autofree char *q = quoted(text);
    if (!q)
        return rs_error_set(err, RS_EFORMAT, "%s: cannot be written as JSON: no UTF-8", text);
    rs_buf_printf(b, "%s", q);
    return RS_OK;
}

/* The name that an entity goes by outside: a host renamed takes its components along. */
static enum rs_status outer_id(const struct exporter *x, const char *id, char out[512], struct rs_error *err)
{
    const char *host = x->opt->entity, *as = x->opt->as;
    size_t len = host ? strlen(host) : 0;
    int n = !as                           ? snprintf(out, 512, "%s", id)
            : strncmp(id, host, len) == 0 ? snprintf(out, 512, "%s%s", as, id + len)
                                          : snprintf(out, 512, "%s/%s", as, id);
    if (n > 255)
        return rs_error_set(err, RS_EINVAL, "--as: %s: the id %s gets too long", as, out);
    return RS_OK;
}

static enum rs_status put_attributes(const struct exporter *x, const struct rs_fleet_block *b, struct rs_buf *out,
                                     struct rs_error *err)
{
    const char *comma = "";
    rs_buf_printf(out, "\"attributes\":{");
    for (uint32_t i = 0; i < x->info->n_attrs; i++) {
        const struct rs_fleet_attr *a = &x->info->attrs[i];
        bool is_missing = a->is_number ? !isfinite(b->attr_numbers[i]) : b->attr_codes[i] < 0;
        if (is_missing)
            continue;
        rs_buf_printf(out, "%s", comma);
        comma = ",";
        enum rs_status st = put_quoted(out, a->name, err);
        rs_buf_printf(out, ":");
        if (st == RS_OK && a->is_number)
            rs_buf_printf(out, "%.17g", b->attr_numbers[i]);
        else if (st == RS_OK)
            st = put_quoted(out, a->values[b->attr_codes[i]], err);
        if (st < 0)
            return st;
    }
    rs_buf_printf(out, "}");
    return RS_OK;
}

/* The id of entity number index; the caller frees it. */
static enum rs_status id_of(const struct exporter *x, uint64_t index, char **out, struct rs_error *err)
{
    RS_AUTO(rs_fleet_scan) *scan = NULL;
    struct rs_fleet_block b;
    enum rs_status st = rs_fleet_scan_new(x->fleet, index, 1, &scan, err);
    if (st == RS_OK)
        st = rs_fleet_scan_step(scan, &b, err);
    if (st < 0)
        return st;
    if (st == RS_OK)
        return rs_error_set(err, RS_ECORRUPT, "%s: entity %" PRIu64 " is missing", x->opt->path, index);
    *out = strdup(b.id);
    return *out ? RS_OK : no_memory(err);
}

static enum rs_status put_parent(struct exporter *x, const struct rs_fleet_block *b, struct rs_buf *out,
                                 struct rs_error *err)
{
    char id[512];
    if (b->parent < 0)
        return RS_OK;
    if (!x->parent_id || x->parent != b->parent) {
        char *parent = NULL;
        enum rs_status st = id_of(x, (uint64_t)b->parent, &parent, err);
        if (st < 0)
            return st;
        free(x->parent_id);
        x->parent_id = parent;
        x->parent = b->parent;
    }
    rs_buf_printf(out, ",\"parent\":");
    if (b->entity == x->host) /* a component asked for by itself: its host keeps its name */
        return put_quoted(out, x->parent_id, err);
    enum rs_status st = outer_id(x, x->parent_id, id, err);
    return st < 0 ? st : put_quoted(out, id, err);
}

/* Writes what all lines of the entity share. */
static enum rs_status describe(struct exporter *x, const struct rs_fleet_block *b, struct rs_error *err)
{
    rs_auto_buf head = { 0 }, about = { 0 };
    char id[512];
    enum rs_status st = outer_id(x, b->id, id, err);
    rs_buf_printf(&head, "{\"entity\":");
    if (st == RS_OK)
        st = put_quoted(&head, id, err);
    rs_buf_printf(&head, ",\"time\":\"");
    if (st == RS_OK)
        st = put_attributes(x, b, &about, err);
    if (st == RS_OK)
        st = put_parent(x, b, &about, err);
    if (st < 0)
        return st;
    if (head.failed || about.failed)
        return no_memory(err);
    free(x->head);
    free(x->about);
    x->head = (char *)rs_take(head.data);
    x->about = (char *)rs_take(about.data);
    x->n_seen = 0;
    x->next_event = 0;
    return RS_OK;
}

/* ---- samples ---- */

static void put_signals(const struct exporter *x, const float *values, struct rs_buf *out)
{
    const char *comma = "";
    rs_buf_printf(out, "\",\"signals\":{");
    for (uint32_t i = 0; i < x->info->n_signals; i++) {
        if (!isfinite(values[i]))
            continue;
        rs_buf_printf(out, "%s%s:%.9g", comma, x->signal_names[i], (double)values[i]);
        comma = ",";
    }
    rs_buf_printf(out, "},%s}\n", x->about);
}

static enum rs_status print_line(const struct exporter *x, int64_t time, const char *head, const char *tail,
                                 struct rs_error *err)
{
    char text[RS_TIME_MAX];
    if (printf("%s%s%s", head, rs_time_format(time + x->shift_s, text), tail) < 0)
        return rs_error_errno(err, RS_EIO, "stdout");
    return RS_OK;
}

static enum rs_status keep_line(struct exporter *x, int64_t time, char *tail, struct rs_error *err)
{
    rs_autofree char *owned = tail;
    if (x->n_lines == x->cap_lines) {
        size_t cap = x->cap_lines ? 2 * x->cap_lines : 256;
        struct line *lines = rs_realloc(x->lines, cap, sizeof *lines);
        if (!lines)
            return no_memory(err);
        x->lines = lines;
        x->cap_lines = cap;
    }
    char *head = strdup(x->head);
    if (!head)
        return no_memory(err);
    x->lines[x->n_lines] = (struct line){ time, x->n_lines, head, rs_take(owned) };
    x->n_lines++;
    return RS_OK;
}

static enum rs_status put_line(struct exporter *x, int64_t time, const struct rs_buf *tail, struct rs_error *err)
{
    if (tail->failed)
        return no_memory(err);
    if (x->host == NO_ENTITY)
        return print_line(x, time, x->head, (const char *)tail->data, err);
    char *copy = strdup((const char *)tail->data);
    return copy ? keep_line(x, time, copy, err) : no_memory(err);
}

static bool is_named_failure(const char *name)
{
    return strncmp(name, "failure/", strlen("failure/")) == 0;
}

/* A named failure is "failure" too, and many events are "any"; the daemon makes all of one row. Of the failures of one
 * time as many are left out as have names. */
static bool is_told_by_name(const struct exporter *x, const struct rs_fleet_block *b, size_t event)
{
    const struct rs_fleet_event *e = &b->events[event];
    if (rs_streq(x->info->events[e->kind], "any"))
        return true;
    if (!rs_streq(x->info->events[e->kind], "failure"))
        return false;
    size_t first = event, n_named = 0, n_before = 0;
    while (first > 0 && b->events[first - 1].time == e->time)
        first--;
    for (size_t i = first; i < b->n_events && b->events[i].time == e->time; i++) {
        n_named += is_named_failure(x->info->events[b->events[i].kind]);
        n_before += i < event && b->events[i].kind == e->kind;
    }
    return n_before < n_named;
}

/* Events up to a sample go before it, as predictor/scan.c takes them. */
static enum rs_status use_events(struct exporter *x, const struct rs_fleet_block *b, int64_t time, struct rs_buf *tail,
                                 struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (; st == RS_OK && x->next_event < b->n_events && b->events[x->next_event].time <= time; x->next_event++) {
        const struct rs_fleet_event *e = &b->events[x->next_event];
        if (is_told_by_name(x, b, x->next_event))
            continue;
        tail->len = 0;
        rs_buf_printf(tail, "\",\"event\":");
        st = put_quoted(tail, x->info->events[e->kind], err);
        rs_buf_printf(tail, ",%s}\n", x->about);
        if (st == RS_OK)
            st = put_line(x, e->time, tail, err);
    }
    return st;
}

static enum rs_status use_row(struct exporter *x, const struct rs_fleet_block *b, size_t i, struct rs_buf *tail,
                              struct rs_error *err)
{
    tail->len = 0;
    put_signals(x, b->values + i * x->info->n_signals, tail);
    return put_line(x, b->time[i], tail, err);
}

static enum rs_status use_block(struct exporter *x, const struct rs_fleet_block *b, struct rs_buf *tail,
                                struct rs_error *err)
{
    bool is_asked = x->host == NO_ENTITY || b->entity == x->host || b->parent == (int64_t)x->host;
    if (!is_asked)
        return RS_OK;
    enum rs_status st = b->is_first ? describe(x, b, err) : RS_OK;
    uint64_t skip = b->n_entity_rows > x->opt->last ? b->n_entity_rows - x->opt->last : 0;
    for (size_t i = 0; i < b->n && st == RS_OK; i++) {
        st = use_events(x, b, b->time[i], tail, err);
        if (st == RS_OK && x->n_seen++ >= skip)
            st = use_row(x, b, i, tail, err);
    }
    return st;
}

static int by_time(const void *pa, const void *pb)
{
    const struct line *a = pa, *b = pb;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static enum rs_status find_end(const struct options *opt, int64_t newest, int64_t *out_shift, struct rs_error *err)
{
    int64_t end;
    *out_shift = 0;
    if (!opt->end || newest == RS_TIME_NONE)
        return RS_OK;
    if (rs_streq(opt->end, "now"))
        end = rs_clock_wall_s(rs_clock_system());
    else if (rs_time_parse(opt->end, &end) != RS_OK)
        return rs_error_set(err, RS_EUSAGE, "--end: %s: now or a time such as 2026-01-31T12:00:00Z needed", opt->end);
    *out_shift = end - newest;
    return RS_OK;
}

static enum rs_status print_kept(struct exporter *x, struct rs_error *err)
{
    if (!x->n_lines)
        return RS_OK;
    qsort(x->lines, x->n_lines, sizeof *x->lines, by_time);
    enum rs_status st = find_end(x->opt, x->lines[x->n_lines - 1].time, &x->shift_s, err);
    for (size_t i = 0; i < x->n_lines && st == RS_OK; i++)
        st = print_line(x, x->lines[i].time, x->lines[i].head, x->lines[i].tail, err);
    return st;
}

/* ---- the whole ---- */

/* Entities stand in order of their id. */
static enum rs_status find_entity(struct exporter *x, struct rs_error *err)
{
    uint64_t low = 0, high = x->info->n_entities;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        rs_autofree char *id = NULL;
        enum rs_status st = id_of(x, middle, &id, err);
        if (st < 0)
            return st;
        int order = strcmp(id, x->opt->entity);
        if (order == 0) {
            x->host = middle;
            return RS_OK;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return rs_error_set(err, RS_ENOTFOUND, "%s: has no entity %s", x->opt->path, x->opt->entity);
}

static enum rs_status quote_signals(struct exporter *x, struct rs_error *err)
{
    x->signal_names = rs_alloc(x->info->n_signals, sizeof *x->signal_names);
    if (!x->signal_names)
        return no_memory(err);
    for (uint32_t i = 0; i < x->info->n_signals; i++) {
        x->signal_names[i] = quoted(x->info->signals[i].name);
        if (!x->signal_names[i])
            return rs_error_set(err, RS_EFORMAT, "signal %u: its name cannot be written as JSON", i);
    }
    return RS_OK;
}

static enum rs_status scan(struct exporter *x, struct rs_error *err)
{
    RS_AUTO(rs_fleet_scan) *s = NULL;
    rs_auto_buf tail = { 0 };
    struct rs_fleet_block b;
    struct rs_progress progress;
    enum rs_status st = rs_fleet_scan_new(x->fleet, 0, UINT64_MAX, &s, err);
    if (st < 0)
        return st;
    rs_progress_start(&progress, "export", "samples", x->info->n_rows, x->opt->is_quiet);
    while ((st = rs_fleet_scan_step(s, &b, err)) == RS_CONTINUE) {
        st = use_block(x, &b, &tail, err);
        if (st == RS_OK && rs_cli_interrupted())
            st = rs_error_set(err, RS_ECANCELLED, "interrupted");
        if (st < 0)
            break;
        rs_progress_update(&progress, b.row + b.n, b.id);
    }
    rs_progress_end(&progress);
    return st;
}

static enum rs_status run(struct exporter *x, struct rs_error *err)
{
    enum rs_status st = rs_fleet_open(x->opt->path, &x->fleet, err);
    if (st < 0)
        return st;
    x->info = rs_fleet_info(x->fleet);
    if (x->opt->entity)
        st = find_entity(x, err);
    if (st == RS_OK)
        st = quote_signals(x, err);
    if (st == RS_OK)
        st = find_end(x->opt, x->info->n_rows ? x->info->last : RS_TIME_NONE, &x->shift_s, err);
    if (st == RS_OK)
        st = scan(x, err);
    if (st == RS_OK)
        st = print_kept(x, err);
    return st < 0 ? st : rs_cli_flush(err);
}

static void clear(struct exporter *x)
{
    for (uint32_t i = 0; x->signal_names && i < x->info->n_signals; i++)
        free(x->signal_names[i]);
    for (size_t i = 0; i < x->n_lines; i++) {
        free(x->lines[i].head);
        free(x->lines[i].tail);
    }
    free(x->signal_names);
    free(x->lines);
    free(x->head);
    free(x->about);
    free(x->parent_id);
    rs_fleet_close(x->fleet);
}

static int work(void *arg)
{
    struct rs_error err = RS_ERROR_INIT;
    struct exporter x = { .opt = arg, .host = NO_ENTITY };
    enum rs_status st = run(&x, &err);
    clear(&x);
    return rs_cli_end("export", st, &err);
}

static enum rs_status check(const struct options *opt, struct rs_error *err)
{
    int64_t ignored;
    if (opt->as && !opt->entity)
        return rs_error_set(err, RS_EUSAGE, "--as: renames the host of --entity, which is missing");
    if (opt->as && !*opt->as)
        return rs_error_set(err, RS_EUSAGE, "--as: a name is wanted");
    return find_end(opt, 0, &ignored, err);
}

/* ---- models ---- */

/* By its first bytes; by its name where it cannot be read, so that the complaint is the other program's. */
static bool is_model(const char *path)
{
    static const char suffix[] = ".rsm";
    size_t len = strlen(path);
    static const unsigned char magic[8] = { 0x89, 'R', 'S', 'M', '\r', '\n', 0x1a, '\n' }; /* docs/model-format.md */
    unsigned char head[sizeof magic];
    rs_auto_file FILE *f = fopen(path, "rb");
    if (!f)
        return len >= sizeof suffix - 1 && rs_streq(path + len - (sizeof suffix - 1), suffix);
    return fread(head, 1, sizeof head, f) == sizeof head && memcmp(head, magic, sizeof magic) == 0;
}

/* Becomes reseat-export-model, from beside this program or else from $PATH; returns only where there is none. */
static void become_export_model(char **argv)
{
    char path[PATH_MAX], name[] = "reseat export-model";
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "/reseat-export-model");
    path[n > 0 ? n : 0] = 0;
    char *slash = strrchr(path, '/');
    strcpy(slash ? slash : path, "/reseat-export-model");
    argv[0] = name;
    execv(path, argv);
    execvp("reseat-export-model", argv);
}

int rs_cmd_export(int argc, char **argv, const struct rs_verb *self)
{
    struct options opt = { .last = UINT64_MAX };
    struct rs_error err = RS_ERROR_INIT;
    const struct rs_opt opts[] = {
        { "entity", 0, RS_OPT_STRING, &opt.entity, "ID", "A host and its components, or one component (default all)." },
        { "last", 0, RS_OPT_U64, &opt.last, "N", "The newest N samples of each entity (default all)." },
        { "as", 0, RS_OPT_STRING, &opt.as, "NAME", "Give the entity another id, and its components with it." },
        { "end", 0, RS_OPT_STRING, &opt.end, "TIME", "Move all times so that the newest is TIME; now is the present." },
        { "ndjson", 0, RS_OPT_FLAG, &opt.is_ndjson, NULL, "One JSON object a line (the default, and the only form)." },
        { "quiet", 'q', RS_OPT_FLAG, &opt.is_quiet, NULL, "No progress." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    for (int i = 1; i < argc; i++)
        if (argv[i][0] != '-' && is_model(argv[i])) {
            become_export_model(argv);
            rs_error_errno(&err, RS_ENOTFOUND, "%s: a model: reseat-export-model", argv[i]);
            return rs_cli_fail(self->name, &err);
        }
    enum rs_status st = rs_cli_parse_one(argc, argv, self, opts, "fleet file", &opt.path, &err);
    if (st == RS_OK)
        st = check(&opt, &err);
    if (st != RS_OK)
        return rs_cli_end("export", st, &err);
    rs_cli_catch_signals();
    return rs_contain("export", opt.path, work, &opt);
}
