/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of cohort discovery share: discover_tests.c counts and tests values, discover_pairs.c pairs,
 * discover_rank.c tells findings apart, discover.c holds them together. */
#ifndef RS_PREDICTOR_DISCOVER_PRIVATE_H
#define RS_PREDICTOR_DISCOVER_PRIVATE_H

#include "predictor/discover.h"

/* Entities, failures and time of a group in one stratum. */
struct rs_cell {
    uint64_t n, failed;
    double time;
};

struct rs_cohort_test {
    struct rs_condition condition[2];
    uint32_t n_conditions;
    bool is_fewer;
    double log_p;    /* of the test that counts: of a pair, beyond what its two values explain */
    double log_rest; /* against the rest of the fleet */
    double q;
};

struct rs_tests {
    const rs_units *units;
    const struct rs_discover_options *opt;
    struct rs_cell total[RS_STRATA_MAX];
    enum rs_skip *skipped; /* by attribute; borrowed */
    struct rs_cohort_test *list;
    size_t n, cap;
    uint64_t n_single, n_pair;
    size_t n_significant; /* under math.md K5 */
};

/* ln of the weight of a value's test (1 condition) or a pair's (2): math.md K5. */
double rs_log_weight(const struct rs_tests *t, uint32_t n_conditions);

/* The group against the rest of each stratum. */
void rs_strata_fill(const struct rs_cell *in, const struct rs_cell *all, size_t n, struct rs_stratum *out);

/* ln p of the better side, at most 0; failures below min_failures are never too many. *out_fewer is that side. */
double rs_side_p(const struct rs_tails *t, double failed, uint64_t min_failures, bool *out_fewer);

bool rs_tests_push(struct rs_tests *t, const struct rs_cohort_test *test);
enum rs_status rs_tests_single(struct rs_tests *t, struct rs_error *err);
enum rs_status rs_tests_pair(struct rs_tests *t, struct rs_error *err);

/* Whether the unit meets all conditions. */
static inline bool rs_meets(const struct rs_unit *u, const struct rs_condition *c, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        int32_t code = u->code[c[i].attr];
        bool is_met = c[i].relation == RS_IS      ? code == c[i].code
                      : c[i].relation == RS_ABOVE ? code > c[i].code
                                                  : code >= 0 && code <= c[i].code;
        if (!is_met)
            return false;
    }
    return true;
}

static inline void rs_cell_add(struct rs_cell *c, const struct rs_unit *u)
{
    c->n++;
    c->failed += u->failed;
    c->time += (double)u->time_days;
}

/* Turns the significant tests (t->list, in the order of strength) into findings. */
enum rs_status rs_findings_tell_apart(const struct rs_tests *t, rs_discovery *d, struct rs_error *err);

#endif
