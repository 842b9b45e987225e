/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tally of bad rows, and the files behind an importer's operands. */
#include "import.h"

#include <fts.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "common/file.h"

void rs_import_bad(struct rs_import_report *r, const char *path, uint64_t line, const char *fmt, ...)
{
    r->n_bad++;
    if (r->n_shown == RS_IMPORT_SHOWN)
        return;
    char *shown = r->shown[r->n_shown++];
    int n = snprintf(shown, sizeof r->shown[0], "%s:%llu: ", path, (unsigned long long)line);
    if (n < 0 || (size_t)n >= sizeof r->shown[0])
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(shown + n, sizeof r->shown[0] - (size_t)n, fmt, ap);
    va_end(ap);
}

enum rs_status rs_import_check_bad(const struct rs_import_options *opt, const struct rs_import_report *r,
                                   struct rs_error *err)
{
    unsigned long long bad = r->n_bad, read = r->n_read;
    const char *first = r->n_shown ? r->shown[0] : "";
    if (opt->max_bad_rows != UINT64_MAX) {
        if (r->n_bad <= opt->max_bad_rows)
            return RS_OK;
        return rs_error_set(err, RS_EFORMAT,
                            "%llu bad rows of %llu read, at most %llu allowed (--max-bad); the first: %s", bad, read,
                            (unsigned long long)opt->max_bad_rows, first);
    }
    if ((double)r->n_bad <= opt->max_bad_share * (double)r->n_read)
        return RS_OK;
    return rs_error_set(err, RS_EFORMAT,
                        "%llu bad rows of %llu read, at most %.4g %% allowed (--max-bad); the first: %s", bad, read,
                        100 * opt->max_bad_share, first);
}

struct files {
    char **paths;
    size_t n, cap;
};

static enum rs_status add(struct files *f, const char *path, struct rs_error *err)
{
    if (f->n + 1 >= f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        char **grown = rs_realloc(f->paths, cap, sizeof *grown);
        if (!grown)
            return rs_error_set(err, RS_ENOMEM, "no memory for %zu file names", cap);
        f->paths = grown;
        f->cap = cap;
    }
    f->paths[f->n] = strdup(path);
    f->paths[f->n + 1] = NULL;
    return f->paths[f->n++] ? RS_OK : rs_error_set(err, RS_ENOMEM, "no memory for file names");
}

static bool is_csv(const char *name)
{
    static const char *const ends[] = { ".csv", ".csv.gz", ".csv.xz" };
    size_t len = strlen(name);
    for (size_t i = 0; i < RS_LEN(ends); i++)
        if (len > strlen(ends[i]) && rs_streq(name + len - strlen(ends[i]), ends[i]))
            return true;
    return false;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static enum rs_status add_folder(struct files *f, char *folder, struct rs_error *err)
{
    size_t before = f->n;
    enum rs_status st = RS_OK;
    FTS *walk = fts_open((char *[]){ folder, NULL }, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (!walk)
        return rs_error_errno(err, RS_EIO, "%s", folder);
    for (FTSENT *e; st == RS_OK && (e = fts_read(walk));) {
        if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS) {
            errno = e->fts_errno;
            st = rs_error_errno(err, RS_EIO, "%s", e->fts_path);
        } else if (e->fts_info != FTS_D && e->fts_info != FTS_DP && is_csv(e->fts_name)) {
            st = add(f, e->fts_path, err);
        }
    }
    fts_close(walk);
    if (st == RS_OK && f->n == before)
        st = rs_error_set(err, RS_ENOTFOUND, "%s: no *.csv, *.csv.gz or *.csv.xz in this folder", folder);
    return st;
}

enum rs_status rs_import_files(char *const *operands, size_t n, char ***out, size_t *out_n, struct rs_error *err)
{
    struct files f = { .paths = NULL };
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < n && st == RS_OK; i++) {
        struct stat s;
        if (rs_streq(operands[i], "-"))
            st = add(&f, operands[i], err);
        else if (stat(operands[i], &s) < 0)
            st = rs_error_errno(err, rs_status_from_errno(errno), "%s", operands[i]);
        else if (S_ISDIR(s.st_mode))
            st = add_folder(&f, operands[i], err);
        else
            st = add(&f, operands[i], err);
    }
    if (st < 0) {
        rs_import_files_free(f.paths);
        return st;
    }
    *out = f.paths;
    *out_n = f.n;
    return RS_OK;
}

void rs_import_files_free(char **files)
{
    for (char **p = files; p && *p; p++)
        free(*p);
    free(files);
}
