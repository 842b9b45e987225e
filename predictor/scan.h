/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walks a fleet file with a feature program: for each sample its entity, time, cohort, label and features.
 *
 * Signals are bound by name; one that the file lacks is missing everywhere (and logged once, ev=signal_absent).
 * Attribute values are bound by text. Events of an entity up to the time of a sample go before it. Streams: memory is
 * one block of the reader and one state, whatever the file. Several scans of one fleet may run at once, a thread each.
 */
#ifndef RS_PREDICTOR_SCAN_H
#define RS_PREDICTOR_SCAN_H

#include "datasets/fleet.h"
#include "models/feature.h"
#include "predictor/label.h"

#define RS_KIND_ALL (-1) /* hosts and components; else an enum rs_entity_kind */

struct rs_scan_options {
    int64_t horizon_s; /* for the labels; 0: no labels from failures (ready ones of the file still count) */
    int kind;          /* RS_KIND_ALL or one kind of entity */
    /* Whether to visit an entity at all; NULL visits every one. */
    bool (*wants)(void *arg, uint64_t entity, const char *id);
    void *arg;
    uint64_t first, n; /* entities visited: n from the first on; n 0: all of them */
    bool is_lazy;      /* rows come without x; rs_scan_features() computes it where it is wanted */
    bool is_silent;    /* no log of what the file lacks */
};

struct rs_scan_row {
    uint64_t entity; /* index in the file */
    const char *id;
    uint64_t row; /* index of the sample in the file */
    int64_t time;
    int label;           /* 1, 0, RS_LABEL_CENSORED */
    enum rs_touch touch; /* by mitigations; a label that one takes away is RS_LABEL_CENSORED */
    uint32_t cohort;     /* the deepest one, of the program */
    const struct rs_attr_value *attrs;
    const float *x;        /* n_steps of the program */
    const float *readings; /* n_readings: all signals of the file, in its order, NaN where missing */
    size_t n_readings;
    bool is_first, is_last;        /* sample of its entity */
    int64_t first_seen, last_seen; /* of its entity */
    uint64_t n_entity_rows;        /* of its entity */
    enum rs_entity_kind kind;
    const struct rs_failure *failures;
    size_t n_failures;
};

typedef struct rs_scan rs_scan;

/* fleet and p are borrowed and must outlive the scan; p is finished. RS_ENOMEM and what the reader reports. */
enum rs_status rs_scan_new(rs_fleet *fleet, const struct rs_program *p, const struct rs_scan_options *opt,
                           rs_scan **out, struct rs_error *err);
/* Goes on with the n entities from the first on, n 0: all the rest; cheaper than a new scan. */
enum rs_status rs_scan_move(rs_scan *s, uint64_t first, uint64_t n, struct rs_error *err);
/* RS_CONTINUE with *out filled (its pointers live until the next step), RS_OK at the end, else an error. */
enum rs_status rs_scan_step(rs_scan *s, struct rs_scan_row *out, struct rs_error *err);
/* The features as of the row that the last step gave: n_steps numbers. A lazy scan looks at the samples before, and at
 * events, only when they are asked for. RS_ECORRUPT. */
enum rs_status rs_scan_features(rs_scan *s, float *out_x, struct rs_error *err);
void rs_scan_free(rs_scan *s);
RS_DEFINE_AUTO(rs_scan, rs_scan_free)

/* The label of sample i of a block: the ready one, as it is, where the file has them, else math.md F10 and F40;
 * RS_LABEL_CENSORED without either. *touch (may be NULL) says what mitigations have to do with it: RS_MITIGATED only
 * where it would have been known without them. */
int rs_block_label(const struct rs_fleet_info *info, const struct rs_fleet_block *b, size_t i, int64_t horizon_s,
                   enum rs_touch *touch);

/* "all", "host", "component" of a --kind option. RS_EUSAGE. */
enum rs_status rs_kind_parse(const char *word, int *out, struct rs_error *err);

#endif
