/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Backblaze Drive Stats CSVs into a builder. The header of each file says what its columns are; everything that repeats
 * from row to row (date, capacity) is parsed once and compared afterwards. */
#include "import_backblaze.h"

#include <sys/stat.h>

#include "common/cli.h"
#include "common/progress.h"
#include "datasets/csv.h"

#define NO_COLUMN SIZE_MAX
#define CACHED_MAX 40
#define DATES 64 /* remembered; by the last two digits */

/* A field text and what came of it the last time. */
struct cached {
    char text[CACHED_MAX];
    size_t len;
};

struct signal_column {
    size_t column;
    uint32_t signal;
};

struct attr_column {
    size_t column;
    uint32_t attr;
};

struct import {
    const struct rs_import_options *opt;
    struct rs_import_report *report;
    rs_builder *builder;
    struct rs_progress progress;
    uint64_t bytes_before; /* sizes of the files already read */

    /* Of the file at hand. */
    rs_csv *csv;
    size_t n_columns, date, serial, failure, capacity;
    struct signal_column *signals; /* ascending by signal */
    size_t n_signals;
    struct attr_column attrs[16];
    size_t n_attrs;
    uint32_t capacity_attr;

    struct cached dates[DATES];
    int64_t times[DATES]; /* of dates */
    struct cached last_capacity;
    bool is_capacity_sound;
    struct rs_reading *readings;
    struct rs_attr_text attr_texts[17];
};

/* Columns beside the readings that stay with a drive, kept as attributes. */
static const char *const attr_names[] = { "model",  "datacenter",   "cluster_id",      "vault_id",
                                          "pod_id", "pod_slot_num", "is_legacy_format" };

/* What is known of raw values by the number of their attribute; others are gauges without a unit. Pending and offline
 * uncorrectable sectors (197, 198) fall again when a sector is written: no counters. */
static const struct {
    int number;
    enum rs_signal_kind kind;
    const char *unit;
} raw_signals[] = {
    { 3, RS_GAUGE, "ms" },    { 4, RS_COUNTER, "" },      { 5, RS_COUNTER, "sectors" }, { 9, RS_COUNTER, "h" },
    { 10, RS_COUNTER, "" },   { 11, RS_COUNTER, "" },     { 12, RS_COUNTER, "" },       { 183, RS_COUNTER, "" },
    { 184, RS_COUNTER, "" },  { 187, RS_COUNTER, "" },    { 188, RS_COUNTER, "" },      { 189, RS_COUNTER, "" },
    { 190, RS_GAUGE, "Cel" }, { 191, RS_COUNTER, "" },    { 192, RS_COUNTER, "" },      { 193, RS_COUNTER, "" },
    { 194, RS_GAUGE, "Cel" }, { 196, RS_COUNTER, "" },    { 197, RS_GAUGE, "sectors" }, { 198, RS_GAUGE, "sectors" },
    { 199, RS_COUNTER, "" },  { 222, RS_COUNTER, "h" },   { 223, RS_COUNTER, "" },      { 225, RS_COUNTER, "" },
    { 240, RS_COUNTER, "h" }, { 241, RS_COUNTER, "LBA" }, { 242, RS_COUNTER, "LBA" },
};

/* Header. */

/* "smart_N_raw" or "smart_N_normalized"; *out_unit and *out_kind are what the signal is. */
static bool is_smart(const char *name, const char **out_unit, enum rs_signal_kind *out_kind)
{
    int number, end = 0;
    *out_unit = "";
    *out_kind = RS_GAUGE;
    if (sscanf(name, "smart_%3d_%n", &number, &end) != 1 || end == 0)
        return false;
    if (rs_streq(name + end, "normalized"))
        return true;
    if (!rs_streq(name + end, "raw"))
        return false;
    for (size_t i = 0; i < RS_LEN(raw_signals); i++)
        if (raw_signals[i].number == number) {
            *out_unit = raw_signals[i].unit;
            *out_kind = raw_signals[i].kind;
        }
    return true;
}

static enum rs_status take_attr_column(struct import *im, const char *name, size_t column, struct rs_error *err)
{
    for (size_t i = 0; i < RS_LEN(attr_names); i++) {
        if (!rs_streq(name, attr_names[i]) || im->n_attrs == RS_LEN(im->attrs))
            continue;
        struct attr_column *a = &im->attrs[im->n_attrs++];
        a->column = column;
        return rs_builder_attr(im->builder, name, false, &a->attr, err);
    }
    return RS_OK; /* a column of no known use */
}

static enum rs_status take_column(struct import *im, const char *name, size_t column, struct rs_error *err)
{
    static const char *const fixed[] = { "date", "serial_number", "failure", "capacity_bytes" };
    size_t *const places[] = { &im->date, &im->serial, &im->failure, &im->capacity };
    for (size_t i = 0; i < RS_LEN(fixed); i++)
        if (rs_streq(name, fixed[i])) {
            *places[i] = column;
            return i == 3 ? rs_builder_attr(im->builder, name, true, &im->capacity_attr, err) : RS_OK;
        }
    const char *unit;
    enum rs_signal_kind kind;
    if (!is_smart(name, &unit, &kind))
        return take_attr_column(im, name, column, err);
    struct signal_column *s = &im->signals[im->n_signals++];
    s->column = column;
    return rs_builder_signal(im->builder, name, unit, kind, &s->signal, err);
}

static int by_signal(const void *a, const void *b)
{
    const struct signal_column *x = a, *y = b;
    return (x->signal > y->signal) - (x->signal < y->signal);
}

static enum rs_status make_room(struct import *im, size_t n_columns, struct rs_error *err)
{
    void *signals = rs_realloc(im->signals, n_columns, sizeof *im->signals);
    if (signals)
        im->signals = signals;
    void *readings = rs_realloc(im->readings, n_columns, sizeof *im->readings);
    if (readings)
        im->readings = readings;
    return signals && readings ? RS_OK : rs_error_set(err, RS_ENOMEM, "no memory for %zu columns", n_columns);
}

static enum rs_status read_header(struct import *im, const struct rs_csv_record *rec, struct rs_error *err)
{
    const char *path = rs_csv_path(im->csv);
    im->n_columns = rec->n;
    im->date = im->serial = im->failure = im->capacity = NO_COLUMN;
    im->n_signals = im->n_attrs = 0;
    enum rs_status st = make_room(im, rec->n, err);
    for (size_t i = 0; i < rec->n && st == RS_OK; i++) {
        char name[RS_NAME_MAX];
        snprintf(name, sizeof name, "%.*s", (int)RS_MIN(rec->fields[i].len, sizeof name - 1), rec->fields[i].text);
        st = take_column(im, name, i, err);
    }
    if (st < 0)
        return rs_error_prefix(err, st, "%s:%llu", path, (unsigned long long)rec->line);
    if (im->date == NO_COLUMN || im->serial == NO_COLUMN)
        return rs_error_set(err, RS_EFORMAT,
                            "%s:%llu: its header has no column %s: not Backblaze drive stats; see reseat import csv",
                            path, (unsigned long long)rec->line, im->date == NO_COLUMN ? "date" : "serial_number");
    qsort(im->signals, im->n_signals, sizeof *im->signals, by_signal);
    for (size_t i = 1; i < im->n_signals; i++)
        if (im->signals[i].signal == im->signals[i - 1].signal)
            return rs_error_set(err, RS_EFORMAT, "%s:%llu: its header names a column twice", path,
                                (unsigned long long)rec->line);
    return RS_OK;
}

/* Rows. */

static bool is_cached(const struct cached *c, const struct rs_csv_field *f)
{
    return f->len == c->len && memcmp(f->text, c->text, f->len) == 0;
}

static bool remember(struct cached *c, const struct rs_csv_field *f)
{
    c->len = 0;
    if (f->len >= CACHED_MAX)
        return false;
    memcpy(c->text, f->text, f->len);
    c->text[f->len] = 0;
    c->len = f->len;
    return true;
}

static bool read_date(struct import *im, const struct rs_csv_field *f, int64_t *out)
{
    if (f->len < 10)
        return false;
    size_t at = (size_t)((f->text[8] & 3) * 16 + (f->text[9] & 15)) % DATES;
    struct cached *known = &im->dates[at];
    if (!is_cached(known, f) && (!remember(known, f) || rs_time_parse(known->text, &im->times[at]) != RS_OK)) {
        known->len = 0;
        return false;
    }
    *out = im->times[at];
    return true;
}

/* Some drives report -1 or hundreds of petabytes: such a capacity is missing. */
static bool has_sound_capacity(struct import *im, const struct rs_csv_field *f)
{
    if (is_cached(&im->last_capacity, f))
        return im->is_capacity_sound;
    double bytes;
    im->is_capacity_sound = remember(&im->last_capacity, f) && rs_csv_double(f, &bytes) && bytes >= 1e6 && bytes < 1e16;
    return im->is_capacity_sound;
}

static size_t read_attrs(struct import *im, const struct rs_csv_field *f)
{
    size_t n = 0;
    for (size_t i = 0; i < im->n_attrs; i++) {
        const struct rs_csv_field *field = &f[im->attrs[i].column];
        im->attr_texts[n++] = (struct rs_attr_text){ im->attrs[i].attr, field->text, field->len };
    }
    if (im->capacity != NO_COLUMN && has_sound_capacity(im, &f[im->capacity]))
        im->attr_texts[n++] = (struct rs_attr_text){ im->capacity_attr, f[im->capacity].text, f[im->capacity].len };
    return n;
}

/* NULL, or the column whose field is no number. */
static const struct signal_column *read_signals(struct import *im, const struct rs_csv_field *f, size_t *out_n)
{
    size_t n = 0;
    for (size_t i = 0; i < im->n_signals; i++) {
        const struct rs_csv_field *field = &f[im->signals[i].column];
        if (field->len == 0)
            continue;
        if (!rs_csv_float(field, &im->readings[n].value))
            return &im->signals[i];
        im->readings[n++].signal = im->signals[i].signal;
    }
    *out_n = n;
    return NULL;
}

static void bad_field(struct import *im, const struct rs_csv_record *rec, const char *what, size_t column)
{
    const struct rs_csv_field *f = &rec->fields[column];
    rs_import_bad(im->report, rs_csv_path(im->csv), rec->line, "%s \"%.*s\" in column %zu", what,
                  (int)RS_MIN(f->len, (size_t)60), f->text, column + 1);
}

/* Files joined by cat repeat their headers. */
static bool is_header(const struct import *im, const struct rs_csv_record *rec)
{
    return rs_csv_is(&rec->fields[im->date], "date") && rs_csv_is(&rec->fields[im->serial], "serial_number");
}

static enum rs_status take_row(struct import *im, const struct rs_csv_record *rec, struct rs_error *err)
{
    const struct rs_csv_field *f = rec->fields;
    struct rs_row row = { .kind = RS_ENTITY_HOST, .label = -1, .attrs = im->attr_texts, .readings = im->readings };
    if (rec->n != im->n_columns) {
        rs_import_bad(im->report, rs_csv_path(im->csv), rec->line, "%zu columns where the header has %zu", rec->n,
                      im->n_columns);
        return RS_OK;
    }
    if (!read_date(im, &f[im->date], &row.time)) {
        if (is_header(im, rec)) {
            im->report->n_read--;
            return read_header(im, rec, err);
        }
        bad_field(im, rec, "no date:", im->date);
        return RS_OK;
    }
    row.id = f[im->serial].text;
    row.id_len = f[im->serial].len;
    if (row.id_len == 0 || row.id_len > 255) {
        rs_import_bad(im->report, rs_csv_path(im->csv), rec->line, "serial number of %zu bytes", row.id_len);
        return RS_OK;
    }
    if (im->failure != NO_COLUMN) {
        row.is_failure = rs_csv_is(&f[im->failure], "1");
        if (!row.is_failure && !rs_csv_is(&f[im->failure], "0")) {
            bad_field(im, rec, "failure is neither 0 nor 1:", im->failure);
            return RS_OK;
        }
    }
    const struct signal_column *wrong = read_signals(im, f, &row.n_readings);
    if (wrong) {
        bad_field(im, rec, "no number:", wrong->column);
        return RS_OK;
    }
    row.n_attrs = read_attrs(im, f);
    enum rs_status st = rs_builder_row(im->builder, &row, err);
    if (st != RS_EINVAL)
        return st;
    rs_import_bad(im->report, rs_csv_path(im->csv), rec->line, "%s", err ? err->msg : "refused");
    return RS_OK;
}

static enum rs_status check_bad_count(const struct import *im, struct rs_error *err)
{
    return im->opt->max_bad_rows == UINT64_MAX ? RS_OK : rs_import_check_bad(im->opt, im->report, err);
}

static enum rs_status read_rows(struct import *im, struct rs_error *err)
{
    struct rs_csv_record rec;
    enum rs_status st = rs_csv_next(im->csv, &rec, err);
    if (st == RS_OK)
        return RS_OK; /* an empty file is an empty day */
    if (st == RS_CONTINUE)
        st = rec.bad ? rs_error_set(err, RS_EFORMAT, "%s:%llu: header: %s", rs_csv_path(im->csv),
                                    (unsigned long long)rec.line, rec.bad)
                     : read_header(im, &rec, err);
    while (st == RS_OK && (st = rs_csv_next(im->csv, &rec, err)) == RS_CONTINUE) {
        uint64_t bad_before = im->report->n_bad;
        im->report->n_read++;
        st = RS_OK;
        if (rec.bad)
            rs_import_bad(im->report, rs_csv_path(im->csv), rec.line, "%s", rec.bad);
        else
            st = take_row(im, &rec, err);
        if (st == RS_OK && im->report->n_bad > bad_before)
            st = check_bad_count(im, err);
        if (im->report->n_read % 4096 || st < 0)
            continue;
        rs_progress_update(&im->progress, im->bytes_before + rs_csv_offset(im->csv), NULL);
        if (rs_cli_interrupted())
            st = rs_error_set(err, RS_ECANCELLED, "interrupted; nothing was written");
    }
    return st;
}

static enum rs_status read_file(struct import *im, const char *path, struct rs_error *err)
{
    RS_AUTO(rs_csv) *csv = NULL;
    enum rs_status st = rs_csv_open(path, ',', &csv, err);
    if (st < 0)
        return st;
    im->csv = csv;
    st = read_rows(im, err);
    im->bytes_before += rs_csv_size(csv);
    im->csv = NULL;
    return st;
}

static uint64_t total_size(char **files, size_t n)
{
    uint64_t sum = 0;
    struct stat st;
    for (size_t i = 0; i < n; i++) {
        if (stat(files[i], &st) < 0 || !S_ISREG(st.st_mode))
            return 0;
        sum += (uint64_t)st.st_size;
    }
    return sum;
}

static enum rs_status import_all(struct import *im, char **files, size_t n_files, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    rs_progress_start(&im->progress, "import", "B", total_size(files, n_files), im->opt->is_quiet);
    for (size_t i = 0; i < n_files && st == RS_OK; i++)
        st = read_file(im, files[i], err);
    rs_progress_end(&im->progress);
    if (st == RS_OK)
        st = rs_import_check_bad(im->opt, im->report, err);
    if (st == RS_OK && im->report->n_read == im->report->n_bad)
        st = rs_error_set(err, RS_ENODATA, "no data rows in %zu file%s", n_files, n_files == 1 ? "" : "s");
    return st == RS_OK ? rs_builder_finish(im->builder, &im->report->counts, err) : st;
}

enum rs_status rs_import_backblaze(const struct rs_import_options *opt, char **files, size_t n_files,
                                   struct rs_import_report *out, struct rs_error *err)
{
    *out = (struct rs_import_report){ .n_read = 0 };
    RS_AUTO(rs_builder) *builder = NULL;
    rs_autofree struct import *im = rs_alloc(1, sizeof *im);
    if (!im)
        return rs_error_set(err, RS_ENOMEM, "no memory to import");
    struct rs_builder_options build = { .memory = opt->memory,
                                        .source = "reseat import backblaze",
                                        .is_quiet = opt->is_quiet };
    enum rs_status st = rs_builder_new(opt->out, &build, &builder, err);
    if (st < 0)
        return st;
    im->opt = opt;
    im->report = out;
    im->builder = builder;
    st = import_all(im, files, n_files, err);
    free(im->signals);
    free(im->readings);
    return st;
}
