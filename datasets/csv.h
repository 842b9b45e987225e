/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CSV records out of a plain, .gz or .xz file or standard input, quickly and in flat memory.
 *
 * Fields may be quoted (RFC 4180: "" stands for a quote, line breaks may stand inside); lines end with LF or CRLF; a
 * byte order mark and blank lines are skipped. Compression is recognised by content, not by name. A record that cannot
 * be read (over RS_CSV_LINE_MAX bytes, a quote without end, over RS_CSV_FIELDS_MAX fields, a NUL byte) is handed out as
 * a bad one, and reading goes on behind it: the caller counts it.
 *
 *     while ((st = rs_csv_next(csv, &rec, err)) == RS_CONTINUE)
 *         if (rec.bad)
 *             report(rs_csv_path(csv), rec.line, rec.bad);
 *         else
 *             use(rec.fields, rec.n);
 * A struct rs_csv belongs to one thread at a time. */
#ifndef RS_DATASETS_CSV_H
#define RS_DATASETS_CSV_H

#include "common/base.h"
#include "common/error.h"

#define RS_CSV_LINE_MAX ((size_t)1 << 20)
#define RS_CSV_FIELDS_MAX 16384

typedef struct rs_csv rs_csv;

struct rs_csv_field {
    const char *text; /* not NUL-terminated, quotes already taken off */
    size_t len;
};

struct rs_csv_record {
    const struct rs_csv_field *fields; /* live until the next call */
    size_t n;                          /* 0 where bad */
    uint64_t line;                     /* of its beginning, from 1 */
    const char *bad;                   /* NULL, or what is wrong with it; a constant */
};

/* path "-" is standard input. delimiter is ',' or another single byte, no quote, no line break. RS_ENOTFOUND, RS_EIO.
 */
enum rs_status rs_csv_open(const char *path, char delimiter, rs_csv **out, struct rs_error *err);
void rs_csv_close(rs_csv *c);
RS_DEFINE_AUTO(rs_csv, rs_csv_close)

/* RS_CONTINUE with a record, RS_OK at the end, RS_EIO, RS_ECORRUPT (damaged compression). */
enum rs_status rs_csv_next(rs_csv *c, struct rs_csv_record *out, struct rs_error *err);

const char *rs_csv_path(const rs_csv *c);
/* Bytes read from the file as it lies on disk, and its size (0 where unknown): for progress. */
uint64_t rs_csv_offset(const rs_csv *c);
uint64_t rs_csv_size(const rs_csv *c);

/* The field as a number in decimal notation ("12", "-0.5", "1e3"), blanks around it allowed. False where it is empty or
 * anything else ("nan", "0x10", "12 GB"), or too large for the type. Independent of the locale. */
bool rs_csv_double(const struct rs_csv_field *f, double *out);
/* The same, rounded to single precision. */
bool rs_csv_float(const struct rs_csv_field *f, float *out);
/* Whether the field is exactly the text. */
bool rs_csv_is(const struct rs_csv_field *f, const char *text);

#endif
