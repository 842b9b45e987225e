/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libmicrohttpd: socket, bodies, peers. What a request means is api.c's. */
#include "executor/http.h"

#include <libgen.h>
#include <microhttpd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/log.h"
#include "executor/api.h"

struct rs_http {
    rs_engine *engine;
    struct MHD_Daemon *daemon;
    char *path;
    int fd;
};

/* One request's body as it arrives. */
struct upload {
    struct rs_buf body;
    size_t total; /* bytes seen, those thrown away beyond the limit included */
};

static int64_t peer_uid(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred cred;
    socklen_t len = sizeof cred;
    if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return -1;
    return (int64_t)cred.uid;
}

static enum MHD_Result add_param(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct rs_api_request *req = arg;
    if (req->n_query == RS_API_QUERY_MAX)
        return MHD_NO;
    req->query[req->n_query++] = (struct rs_api_param){ name, value ? value : "" };
    return MHD_YES;
}

static enum MHD_Result send_response(struct MHD_Connection *conn, struct rs_api_response *r)
{
    struct MHD_Response *mhd = MHD_create_response_from_buffer(r->body_len, r->body, MHD_RESPMEM_MUST_FREE);
    if (!mhd) {
        free(r->body);
        return MHD_NO;
    }
    if (r->content_type)
        MHD_add_response_header(mhd, MHD_HTTP_HEADER_CONTENT_TYPE, r->content_type);
    if (r->allow)
        MHD_add_response_header(mhd, MHD_HTTP_HEADER_ALLOW, r->allow);
    enum MHD_Result ok = MHD_queue_response(conn, (unsigned)r->status, mhd);
    MHD_destroy_response(mhd);
    return ok;
}

static enum MHD_Result answer(rs_http *h, struct MHD_Connection *conn, const char *method, const char *path,
                              const struct upload *u)
{
    struct rs_api_request req = { .method = rs_streq(method, "HEAD") ? "GET" : method,
                                  .path = path,
                                  .body = u->body.data ? (const char *)u->body.data : "",
                                  .body_len = u->body.len,
                                  .uid = peer_uid(conn) };
    struct rs_api_response response = { .status = 200 };
    struct rs_error err = RS_ERROR_INIT;
    MHD_get_connection_values(conn, MHD_GET_ARGUMENT_KIND, add_param, &req);
    if (u->total > RS_API_BODY_MAX) {
        rs_error_set(&err, RS_ETOOLARGE, "body: %zu bytes; at most %zu are taken", u->total, RS_API_BODY_MAX);
        rs_api_error(&err, &response);
    } else if (u->body.failed) {
        rs_error_set(&err, RS_ENOMEM, "body: out of memory");
        rs_api_error(&err, &response);
    } else {
        rs_api_handle(h->engine, &req, &response);
    }
    rs_log_debug("request", "method=%s path=\"%s\" status=%d uid=%lld", method, path, response.status,
                 (long long)req.uid);
    return send_response(conn, &response);
}

/* Called once when the headers are there, then for each piece of the body, then with none left. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn, const char *path, const char *method,
                                  const char *version, const char *data, size_t *size, void **state)
{
    (void)version;
    struct upload *u = *state;
    if (!u) {
        *state = rs_alloc(1, sizeof *u);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*size == 0)
        return answer(arg, conn, method, path, u);
    u->total += *size;
    if (u->total <= RS_API_BODY_MAX)
        rs_put_bytes(&u->body, data, *size);
    *size = 0;
    return u->total <= 4 * RS_API_BODY_MAX ? MHD_YES : MHD_NO; /* a body without end is cut off */
}

static void on_done(void *arg, struct MHD_Connection *conn, void **state, enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)conn;
    (void)code;
    struct upload *u = *state;
    if (u)
        rs_buf_clear(&u->body);
    free(u);
    *state = NULL;
}

static void on_log(void *arg, const char *fmt, va_list ap)
{
    (void)arg;
    char text[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(text, sizeof text, fmt, ap);
#pragma GCC diagnostic pop
    rs_log_debug("http", "text=\"%s\"", text);
}

static bool answers(const struct sockaddr_un *addr)
{
    rs_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0;
}

static void make_parent(const char *path)
{
    rs_autofree char *copy = strdup(path);
    if (copy)
        mkdir(dirname(copy), 0755); /* what fails here shows in bind() */
}

static enum rs_status listen_on(const char *path, int *out_fd, struct rs_error *err)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof addr.sun_path)
        return rs_error_set(err, RS_EINVAL, "socket %s: at most %zu bytes are possible", path,
                            sizeof addr.sun_path - 1);
    memcpy(addr.sun_path, path, strlen(path) + 1);
    struct stat sb;
    if (lstat(path, &sb) == 0) {
        if (!S_ISSOCK(sb.st_mode))
            return rs_error_set(err, RS_EEXIST, "socket %s: a file that is no socket is there", path);
        if (answers(&addr))
            return rs_error_set(err, RS_EBUSY, "socket %s: another daemon answers there", path);
        unlink(path);
    }
    make_parent(path);
    rs_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof addr) < 0 || chmod(path, 0660) < 0 ||
        listen(fd, 64) < 0)
        return rs_error_errno(err, RS_EIO, "socket %s", path);
    *out_fd = fd;
    fd = -1;
    return RS_OK;
}

enum rs_status rs_http_new(rs_engine *engine, const char *path, rs_http **out, struct rs_error *err)
{
    RS_AUTO(rs_http) *h = rs_alloc(1, sizeof *h);
    if (!h)
        return rs_error_set(err, RS_ENOMEM, "socket %s: out of memory", path);
    h->fd = -1;
    h->engine = engine;
    enum rs_status st = listen_on(path, &h->fd, err);
    if (st < 0)
        return st;
    if (!(h->path = strdup(path)))
        return rs_error_set(err, RS_ENOMEM, "socket %s: out of memory", path);
    h->daemon =
        MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG, 0, NULL,
                         NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, h->fd,
                         MHD_OPTION_CONNECTION_LIMIT, RS_HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                         RS_HTTP_IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_END);
    if (!h->daemon)
        return rs_error_set(err, RS_EIO, "socket %s: libmicrohttpd does not start", path);
    *out = rs_take(h);
    return RS_OK;
}

void rs_http_free(rs_http *h)
{
    if (!h)
        return;
    if (h->daemon)
        MHD_stop_daemon(h->daemon); /* closes the socket */
    else if (h->fd >= 0)
        close(h->fd);
    if (h->path)
        unlink(h->path);
    free(h->path);
    free(h);
}
