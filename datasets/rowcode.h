/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A builder's rows as compact bytes for sorting, and back.
 *
 * Fleets repeat themselves: few different sets of attributes (a drive's model and capacity), few different sets of
 * present signals. Both are kept once, in tables of bounded size, and rows name them by number; what no longer fits a
 * table is written out in the row itself, so that memory stays bounded whatever the input. */
#ifndef RS_DATASETS_ROWCODE_H
#define RS_DATASETS_ROWCODE_H

#include "datasets/builder.h"
#include "datasets/intern.h"

struct rs_column {    /* of a builder: a declared attribute */
    const char *name; /* borrowed from whoever declared it */
    bool is_number;
    struct rs_intern values; /* categorical: in order of first sight */
};

struct rs_set_value { /* one attribute of a set */
    uint16_t attr;
    int32_t code;  /* categorical */
    double number; /* numeric */
};

enum rs_row_type { RS_ROW_SAMPLE, RS_ROW_DECLARE, RS_ROW_FAILURE, RS_ROW_MENTION };

typedef struct rs_rowcode rs_rowcode;

rs_rowcode *rs_rowcode_new(void);
void rs_rowcode_free(rs_rowcode *c);
RS_DEFINE_AUTO(rs_rowcode, rs_rowcode_free)

/* Most bytes that the row can take. */
size_t rs_rowcode_bound(const struct rs_row *row);
/* Encodes a row whose signals are below n_signals and ascending, and whose attributes are below n_columns; new values
 * go into their columns. failure_kind is the kind's number, -1 for none. RS_EINVAL, RS_ENOMEM. */
enum rs_status rs_rowcode_put(rs_rowcode *c, const struct rs_row *row, int32_t failure_kind, uint32_t n_signals,
                              struct rs_column *columns, uint32_t n_columns, uint8_t *out, size_t *out_len,
                              struct rs_error *err);

/* Records that are no rows. */
#define RS_ROWCODE_FAILURE_SIZE 13
size_t rs_rowcode_put_failure(int64_t back, int32_t kind, uint8_t *out);
size_t rs_rowcode_put_mention(uint8_t *out);

struct rs_row_view {
    enum rs_row_type type;
    enum rs_entity_kind kind;
    int8_t label;
    bool is_failure;
    int32_t failure_kind;
    int64_t back;       /* RS_ROW_FAILURE */
    const char *parent; /* not NUL-terminated; NULL where none */
    size_t parent_len;
    const struct rs_set_value *attrs; /* lives until the next call */
    size_t n_attrs;
    const uint16_t *signals; /* of the readings; likewise */
    const float *values;     /* n_readings; likewise */
    size_t n_readings;
};
/* Decodes what rs_rowcode_put* wrote. */
void rs_rowcode_get(rs_rowcode *c, const uint8_t *in, struct rs_row_view *out);

#endif
