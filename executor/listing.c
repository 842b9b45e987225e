/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a command line to a path, its query, and the answer's print. See listing.h. */
#include "executor/listing.h"

#include <assert.h>

#include "common/bytes.h"
#include "executor/client.h"
#include "executor/show.h"

struct args {
    const char *socket, *id; /* id NULL: the list */
    const char *action;      /* the own flag that is set, NULL for none */
    uint64_t limit;
    bool as_json;
};

/* before and the escaped text. */
static void put(struct rs_buf *b, const char *before, const char *text)
{
    rs_autofree char *escaped = rs_client_escape(text);
    b->failed |= !escaped;
    if (escaped)
        rs_buf_printf(b, "%s%s", before, escaped);
}

static void put_query(struct rs_buf *b, const struct rs_opt *own)
{
    for (const struct rs_opt *o = own; o && o->name; o++) {
        const char *text = o->kind == RS_OPT_STRING ? *(const char **)o->out : NULL;
        if (!text)
            continue;
        rs_buf_printf(b, "&%s", o->name);
        put(b, "=", text);
    }
}

static enum rs_status make_path(const struct rs_listing *l, const struct args *a, struct rs_buf *out,
                                struct rs_error *err)
{
    rs_buf_printf(out, "%s", l->path);
    if (a->id)
        put(out, "/", a->id);
    if (a->id && a->action)
        rs_buf_printf(out, "/%s", a->action);
    if (!a->id) {
        rs_buf_printf(out, "?limit=%llu", (unsigned long long)a->limit);
        put_query(out, l->own);
    }
    return out->failed ? rs_error_set(err, RS_ENOMEM, "out of memory") : RS_OK;
}

static enum rs_status parse(int argc, char **argv, const struct rs_verb *self, const struct rs_listing *l,
                            struct args *a, struct rs_error *err)
{
    struct rs_opt opts[RS_LISTING_OPTS_MAX] = { 0 };
    size_t n = 0;
    int first = 0;
    for (const struct rs_opt *o = l->own; o && o->name; o++) {
        assert(n + 4 < RS_LEN(opts));
        opts[n++] = *o;
    }
    opts[n++] = (struct rs_opt){ "limit", 'n', RS_OPT_U64, &a->limit, "N", l->limit_help };
    opts[n++] = (struct rs_opt){ "json", 0, RS_OPT_FLAG, &a->as_json, NULL, "Print the daemon's JSON." };
    opts[n++] = (struct rs_opt){ "socket",   0,      RS_OPT_STRING,
                                 &a->socket, "PATH", "The daemon's socket (default $RESEAT_SOCKET)." };
    enum rs_status st = rs_cli_parse(argc, argv, self, opts, &first, err);
    if (st != RS_OK)
        return st;
    if (argc - first > 1)
        return rs_error_set(err, RS_EUSAGE, "%s: one %s at most", argv[first + 1], l->noun);
    a->id = first < argc ? argv[first] : NULL;
    for (const struct rs_opt *o = l->own; o && o->name; o++)
        if (o->kind == RS_OPT_FLAG && *(bool *)o->out)
            a->action = o->name;
    if (a->action && !a->id)
        return rs_error_set(err, RS_EUSAGE, "--%s: name the %s", a->action, l->noun);
    return RS_OK;
}

int rs_listing_run(int argc, char **argv, const struct rs_verb *self, const struct rs_listing *l)
{
    struct args a = { .limit = l->limit };
    struct rs_error err = RS_ERROR_INIT;
    rs_auto_json *answer = NULL;
    rs_auto_buf path = { 0 };
    enum rs_status st = parse(argc, argv, self, l, &a, &err);
    if (st == RS_OK)
        st = make_path(l, &a, &path, &err);
    if (st == RS_OK)
        st = rs_client_call(rs_client_socket(a.socket), a.action ? "POST" : "GET", (const char *)path.data, NULL,
                            &answer, &err);
    if (st == RS_OK)
        rs_show_answer(answer, a.as_json, a.id ? l->print_one : l->print_list);
    return rs_cli_end(self->name, st, &err);
}
