/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one door to libmicrohttpd: serves the API (executor/api.h) on a Unix socket, which its group may use too.
 * A thread for each connection, so that a hypervisor that hangs under one request holds up no other; at most
 * RS_HTTP_CONNECTIONS_MAX at once, each closed after RS_HTTP_IDLE_S without a byte. */
#ifndef RS_EXECUTOR_HTTP_H
#define RS_EXECUTOR_HTTP_H

#include "executor/engine.h"

#define RS_HTTP_CONNECTIONS_MAX 64
#define RS_HTTP_IDLE_S 30

typedef struct rs_http rs_http;

/* Binds path (a dead socket there is replaced; RS_EBUSY where a live one answers) and serves until freed. */
enum rs_status rs_http_new(rs_engine *engine, const char *path, rs_http **out, struct rs_error *err);
/* Takes no more requests, waits for those under way, removes the socket. */
void rs_http_free(rs_http *h);
RS_DEFINE_AUTO(rs_http, rs_http_free)

#endif
