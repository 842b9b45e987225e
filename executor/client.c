/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HTTP over the daemon's Unix socket by libcurl. */
#include "executor/client.h"

#include <curl/curl.h>

#include "common/bytes.h"

#define SOCKET_DEFAULT "/run/reseat/reseatd.sock"
#define TIMEOUT_S 300L /* a request asks hypervisors that may be slow */

const char *rs_client_socket(const char *given)
{
    const char *env = getenv("RESEAT_SOCKET");
    return given ? given : env && *env ? env : SOCKET_DEFAULT;
}

char *rs_client_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *copy = escaped ? strdup(escaped) : NULL;
    curl_free(escaped);
    return copy;
}

static size_t on_data(char *data, size_t one, size_t n, void *arg)
{
    struct rs_buf *b = arg;
    rs_put_bytes(b, data, one * n);
    return b->failed ? 0 : n;
}

/* The status whose word the daemon sent; RS_EINTERNAL for a word of a newer daemon. */
static enum rs_status status_of_word(const char *word)
{
    static const enum rs_status all[] = {
#define RS_ERROR(name, value, w, http, meaning) name,
#include "common/error.def"
#undef RS_ERROR
    };
    for (size_t i = 0; word && i < RS_LEN(all); i++)
        if (rs_streq(rs_status_word(all[i]), word))
            return all[i];
    return RS_EINTERNAL;
}

static enum rs_status read_answer(const struct rs_buf *b, json_t **out, struct rs_error *err)
{
    json_error_t e;
    json_t *answer = json_loadb(b->data ? (const char *)b->data : "", b->len, JSON_DECODE_ANY, &e);
    if (!answer)
        return rs_error_set(err, RS_EFORMAT, "reseatd's answer is not JSON: %s", e.text);
    const json_t *error = json_object_get(answer, "error");
    if (error) {
        const char *message = json_string_value(json_object_get(error, "message"));
        enum rs_status st = status_of_word(json_string_value(json_object_get(error, "code")));
        rs_error_set(err, st, "%s", message ? message : rs_status_meaning(st));
        json_decref(answer);
        return st;
    }
    *out = answer;
    return RS_OK;
}

static enum rs_status perform(CURL *curl, const char *socket, struct rs_error *err)
{
    CURLcode rc = curl_easy_perform(curl);
    if (rc == CURLE_OK)
        return RS_OK;
    if (rc == CURLE_COULDNT_CONNECT)
        return rs_error_set(err, RS_EUNREACHABLE, "%s: nobody answers; is reseatd running, and may you use its socket?",
                            socket);
    return rs_error_set(err, rc == CURLE_OPERATION_TIMEDOUT ? RS_ETIMEOUT : RS_EIO, "%s: %s", socket,
                        curl_easy_strerror(rc));
}

enum rs_status rs_client_call(const char *socket, const char *method, const char *path, json_t *body, json_t **out,
                              struct rs_error *err)
{
    rs_autofree char *url = NULL;
    rs_autofree char *text = body ? json_dumps(body, RS_JSON_DUMP) : strdup("");
    if (asprintf(&url, "http://reseatd%s", path) < 0)
        url = NULL;
    CURL *curl = curl_easy_init();
    if (!url || !text || !curl) {
        curl_easy_cleanup(curl);
        return rs_error_set(err, RS_ENOMEM, "out of memory");
    }
    rs_auto_buf answer = { 0 };
    bool is_post = rs_streq(method, "POST");
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    if (is_post)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    enum rs_status st = perform(curl, socket, err);
    curl_easy_cleanup(curl);
    return st < 0 ? st : read_answer(&answer, out, err);
}
