/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the importers share: options of the verb, the tally of bad rows, the files behind the operands. */
#ifndef RS_DATASETS_IMPORT_H
#define RS_DATASETS_IMPORT_H

#include "common/base.h"
#include "common/error.h"
#include "datasets/builder.h"

#define RS_IMPORT_SHOWN 5

struct rs_import_options {
    const char *out;       /* path of the fleet file to write */
    double max_bad_share;  /* share of the rows that may be malformed; not looked at where max_bad_rows is given */
    uint64_t max_bad_rows; /* UINT64_MAX: go by the share */
    size_t memory;         /* for struct rs_builder_options */
    bool is_quiet;
};

struct rs_import_report {
    struct rs_builder_counts counts; /* what was written */
    uint64_t n_read;                 /* data rows read, good and bad */
    uint64_t n_bad;
    char shown[RS_IMPORT_SHOWN][320]; /* "FILE:LINE: reason" of the first bad rows */
    size_t n_shown;
};

/* Counts a bad row and keeps the message of the first few. */
void rs_import_bad(struct rs_import_report *r, const char *path, uint64_t line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* RS_EFORMAT where more rows are bad than allowed. Call it before rs_builder_finish(), so that nothing is written. An
 * absolute limit is worth asking after every bad row; a share makes sense only at the end. */
enum rs_status rs_import_check_bad(const struct rs_import_options *opt, const struct rs_import_report *r,
                                   struct rs_error *err);

/* Operands to files: a folder stands for all *.csv, *.csv.gz and *.csv.xz beneath it, sorted by name. RS_ENOTFOUND for
 * a missing one and for a folder without any. *out (NULL-ended) and its strings are the caller's: rs_import_files_free.
 */
enum rs_status rs_import_files(char *const *operands, size_t n, char ***out, size_t *out_n, struct rs_error *err);
void rs_import_files_free(char **files);
static inline void rs_import_files_release(char ***files)
{
    rs_import_files_free(*files);
}
#define rs_auto_import_files __attribute__((cleanup(rs_import_files_release))) char **

/* Any long or wide CSV by a mapping (docs/mapping.md): map_path is a file or the name of one that comes with Reseat.
 * Operands are data files and folders (see rs_import_files), and ROLE=FILE for the mapping's files of events and
 * attributes. Writes opt->out; fills *out also where it fails on bad rows. RS_ECONFIG names the line of the mapping. */
enum rs_status rs_import_csv(const struct rs_import_options *opt, const char *map_path, char *const *operands,
                             size_t n_operands, struct rs_import_report *out, struct rs_error *err);

#endif
