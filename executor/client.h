/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one door to libcurl: asks reseatd over its Unix socket and hands back its JSON. One thread. */
#ifndef RS_EXECUTOR_CLIENT_H
#define RS_EXECUTOR_CLIENT_H

#include "common/error.h"
#include "executor/json.h"

/* The socket: given (may be NULL), else $RESEAT_SOCKET, else /run/reseat/reseatd.sock. */
const char *rs_client_socket(const char *given);

/* One request; path with its query. body NULL: none. An answer of the daemon that is an error becomes err, with its
 * code and message; RS_EUNREACHABLE where nobody answers on the socket. */
enum rs_status rs_client_call(const char *socket, const char *method, const char *path, json_t *body, json_t **out,
                              struct rs_error *err);
/* text as it may stand in a path or query; the caller's to free. NULL where memory is short. */
char *rs_client_escape(const char *text);

#endif
