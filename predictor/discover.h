/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which attribute values, and which pairs of them, fail more or less often than the rest of the fleet? Every value is
 * tested exactly (predictor/ratio.h), false findings are held down by Benjamini and Hochberg's procedure, and findings
 * that say the same, or that another one explains, are told apart. docs/math.md K1..K9 states the method.
 *
 * Not to be confused with predictor/cohorts.h, the tree of cohorts that a model uses. */
#ifndef RS_PREDICTOR_DISCOVER_H
#define RS_PREDICTOR_DISCOVER_H

#include "predictor/ratio.h"
#include "predictor/units.h"

#define RS_FINDINGS_MAX 64

enum rs_relation { RS_IS, RS_ABOVE, RS_AT_MOST }; /* of numbers: above edge[code], or at most edge[code] */

struct rs_condition {
    uint32_t attr;
    enum rs_relation relation;
    int32_t code;
};

struct rs_discover_options {
    double fdr;      /* share of false findings allowed among those reported, on average */
    double coverage; /* of intervals */
    uint64_t min_entities, min_failures;
    bool with_pairs;
    int64_t within; /* attribute that the strata are made of, not tested itself; -1 none */
};

struct rs_finding {
    struct rs_condition condition[2];
    uint32_t n_conditions; /* 1 or 2: a pair */
    bool is_fewer;         /* fails less often */
    uint64_t n_entities, n_failed;
    double time_days;
    struct rs_ratio ratio; /* to the rest, within the strata */
    double log_p, q;       /* of the test that found it; q: math.md K5 */
    /* Given the findings above it in the list (the other ones that stand on their own, where it does); NaN where there
     * are none, or nothing can be said. */
    struct rs_ratio given;
    int explained_by; /* finding after whose effect none is left; -1: it stands on its own */
    int same_as;      /* finding with (nearly) the same entities, which it is listed under; -1 */
    /* Within the values of the other attribute that takes most of it away; adjusted_for is -1 where none says anything.
     */
    struct rs_ratio adjusted;
    int64_t adjusted_for;
};

enum rs_skip { RS_SKIP_NOT, RS_SKIP_UNIQUE, RS_SKIP_CONSTANT, RS_SKIP_SMALL, RS_SKIP_WITHIN };

typedef struct rs_discovery {
    struct rs_finding *findings; /* those that stand on their own first, then by strength */
    size_t n;
    uint64_t n_left_out;       /* significant, beyond RS_FINDINGS_MAX */
    enum rs_skip *skipped;     /* by attribute */
    uint64_t n_single, n_pair; /* tests */
    uint64_t n_entities, n_failed;
    double time_days;
} rs_discovery;

/* units are finished. RS_ENODATA where no unit failed or none has time at risk; RS_ENOMEM; RS_ECANCELLED after a
 * signal. Takes a time that grows with units x attributes^2; memory does not grow with units. */
enum rs_status rs_discover(const rs_units *units, const struct rs_discover_options *opt, rs_discovery **out,
                           struct rs_error *err);
void rs_discovery_free(rs_discovery *d);
RS_DEFINE_AUTO(rs_discovery, rs_discovery_free)

/* "firmware=1.4.2", "age_days > 1200"; into out, which it returns. */
const char *rs_condition_text(const rs_units *units, const struct rs_condition *c, char *out, size_t size);

#endif
