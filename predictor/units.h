/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The entities of a fleet as cohort discovery sees them: time at risk, whether it failed, its stratum, its attribute
 * values as codes. They stand in an unlinked temporary file that is mapped into memory, so that a million of them can
 * be walked many times while the memory that must stay resident does not grow.
 *
 * Numbers become codes by ten quantile bins (math.md K5). A struct rs_units belongs to one thread while it is filled;
 * when finished it is only read. */
#ifndef RS_PREDICTOR_UNITS_H
#define RS_PREDICTOR_UNITS_H

#include "datasets/fleet.h"

#define RS_UNITS_BINS 10
#define RS_STRATA_MAX 64

/* What the units know of an attribute. names are borrowed from the caller for the life of the units. */
struct rs_unit_attr {
    const char *name;
    bool is_number;
    char *const *values;            /* n_values texts; NULL for numbers */
    uint32_t n_values;              /* of numbers: bins, once finished */
    uint64_t n_present;             /* units that have it */
    double edge[RS_UNITS_BINS - 1]; /* of numbers: bin b holds (edge[b - 1], edge[b]] */
};

struct rs_unit {
    float time_days; /* at risk */
    uint16_t failed; /* 1 or 0 */
    uint16_t stratum;
    int32_t code[]; /* n_attrs; -1 missing */
};

typedef struct rs_units {
    struct rs_unit_attr *attrs;
    uint32_t n_attrs;
    uint64_t n;
    uint16_t n_strata; /* one more than the highest stratum */
    size_t stride;     /* bytes of a unit */
    uint8_t *map;      /* once finished */
    int fd;
    uint8_t *buffer; /* of units on their way to the file */
    size_t filled;
} rs_units;

/* Attributes are copied, their texts borrowed. RS_ENOMEM, RS_EIO (no temporary file, in $TMPDIR or /var/tmp). */
enum rs_status rs_units_new(const struct rs_unit_attr *attrs, uint32_t n_attrs, rs_units **out, struct rs_error *err);
void rs_units_free(rs_units *u);
RS_DEFINE_AUTO(rs_units, rs_units_free)

/* codes: n_attrs, -1 where missing or a number; numbers: n_attrs, NaN where missing or a category, NULL where there are
 * none. RS_EINVAL for a stratum of RS_STRATA_MAX or above; RS_ENOSPACE, RS_EIO. */
enum rs_status rs_units_add(rs_units *u, const int32_t *codes, const double *numbers, double time_days, bool failed,
                            unsigned stratum, struct rs_error *err);
/* Ends the input: maps the file, raises times at risk to floor_days, puts numbers into bins. */
enum rs_status rs_units_finish(rs_units *u, double floor_days, struct rs_error *err);

static inline const struct rs_unit *rs_units_at(const rs_units *u, uint64_t i)
{
    return (const struct rs_unit *)(const void *)(u->map + i * u->stride);
}

#endif
