/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The findings of cohort discovery as people and programs read them. docs/man/reseat-cohorts.md describes both forms.
 */
#ifndef RS_PREDICTOR_DISCOVER_REPORT_H
#define RS_PREDICTOR_DISCOVER_REPORT_H

#include <jansson.h>

#include "predictor/discover.h"

struct rs_discovery_report {
    const char *path;
    const char *noun; /* "hosts", "components", "entities" */
    const rs_units *units;
    const struct rs_discover_options *opt;
    const rs_discovery *discovery;
    uint64_t n_unseen; /* entities without samples, not counted */
    uint64_t top;      /* findings to print in text */
};

void rs_discovery_text(const struct rs_discovery_report *r, FILE *to);
/* NULL on want of memory. All findings, whatever top says. */
json_t *rs_discovery_json(const struct rs_discovery_report *r);

#endif
