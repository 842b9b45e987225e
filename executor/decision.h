/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A decision as JSON: what the journal keeps and the API answers (docs/openapi.yaml, Decision). */
#ifndef RS_EXECUTOR_DECISION_H
#define RS_EXECUTOR_DECISION_H

#include "executor/json.h"
#include "executor/policy.h"

struct rs_decision_host {
    const char *name, *why; /* why: what the hypervisor said; "" where nothing */
};

struct rs_decision_record {
    const struct rs_snapshot *snapshot;
    const struct rs_policy *policy;
    const struct rs_decision *decision;
    const enum rs_fit *fits;              /* of each destination */
    const struct rs_decision_host *hosts; /* of each destination */
    int64_t time;
    const char *vm, *uuid, *source, *cause;
    bool is_dry_run, is_class_known;
    int64_t uid;
    uint64_t model; /* digest; 0 without one */
    int64_t horizon_s;
};

/* The decision in a sentence: "moves to host-b for predicted-failure: ...", "stays: benefit -31.2, above 0 needed". */
void rs_decision_summary(const struct rs_decision_record *r, char *out, size_t size);
/* NULL where memory is short or a text is not UTF-8. */
json_t *rs_decision_json(const struct rs_decision_record *r);

#endif
