/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The API: a request in, a status and a body out. No sockets here; http.c brings requests, tests make them up.
 * docs/openapi.yaml is the contract. Every error is {"error": {"code", "message"}} with the words and statuses of
 * common/error.def. Any thread may call. */
#ifndef RS_EXECUTOR_API_H
#define RS_EXECUTOR_API_H

#include "executor/engine.h"

#define RS_API_BODY_MAX ((size_t)16 << 20)
#define RS_API_QUERY_MAX 8
#define RS_API_ID_MAX 256

struct rs_api_param {
    const char *name, *value; /* decoded; value "" where there is none */
};

struct rs_api_request {
    const char *method, *path; /* path decoded, without the query */
    struct rs_api_param query[RS_API_QUERY_MAX];
    size_t n_query;
    const char *body;
    size_t body_len;
    int64_t uid; /* of the peer; -1 where unknown */
};

struct rs_api_response {
    int status;
    const char *content_type; /* static */
    char *body;               /* the caller's to free */
    size_t body_len;
    const char *allow; /* methods that the path does have, with status 405; else NULL */
};

/* Never fails: a failure is a response. */
void rs_api_handle(rs_engine *e, const struct rs_api_request *req, struct rs_api_response *out);
/* The response for an error that was met before there was a request. */
void rs_api_error(const struct rs_error *err, struct rs_api_response *out);

#endif
