/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables and decisions for people. Everything goes to stdout. */
#include "executor/show.h"

#include <math.h>

#include "common/progress.h"

static bool has_colours(void)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(no && *no) && !(term && rs_streq(term, "dumb"));
}

const char *rs_colour(enum rs_colour c)
{
    static const char *const codes[] = { "", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m" };
    return has_colours() ? codes[c] : "";
}

const char *rs_colour_end(void)
{
    return has_colours() ? "\033[0m" : "";
}

/* Columns that a UTF-8 text takes, where every character takes one. */
static size_t width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

void rs_table_add(struct rs_table *t, enum rs_colour colour, const char *const *cells)
{
    if (t->n_rows == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 16;
        struct rs_table_row *more = rs_realloc(t->rows, cap, sizeof *more);
        if (!more)
            return;
        t->rows = more;
        t->cap = cap;
    }
    struct rs_table_row *row = &t->rows[t->n_rows++];
    *row = (struct rs_table_row){ .colour = colour };
    for (size_t i = 0; i < t->n_columns; i++)
        row->cells[i] = strdup(cells[i] ? cells[i] : "-");
}

static void print_row(const struct rs_table *t, const struct rs_table_row *row, const size_t *widths)
{
    printf("%s", rs_colour(row->colour));
    for (size_t i = 0; i < t->n_columns; i++) {
        const char *cell = row->cells[i] ? row->cells[i] : "";
        bool is_last = i + 1 == t->n_columns;
        printf("%s%*s", cell, is_last ? 0 : (int)(widths[i] - width(cell) + 2), "");
    }
    printf("%s\n", row->colour == RS_PLAIN ? "" : rs_colour_end());
}

void rs_table_print(struct rs_table *t)
{
    size_t widths[RS_TABLE_COLUMNS] = { 0 };
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t i = 0; i < t->n_columns; i++)
            widths[i] = RS_MAX(widths[i], width(t->rows[r].cells[i] ? t->rows[r].cells[i] : ""));
    for (size_t r = 0; r < t->n_rows; r++) {
        print_row(t, &t->rows[r], widths);
        for (size_t i = 0; i < t->n_columns; i++)
            free(t->rows[r].cells[i]);
    }
    free(t->rows);
    *t = (struct rs_table){ .n_columns = t->n_columns };
}

const char *rs_show_risk(const json_t *v, char buf[32])
{
    if (!json_is_number(v))
        return "unknown";
    snprintf(buf, 32, "%.3g %%", 100 * json_number_value(v));
    return buf;
}

const char *rs_show_age(const json_t *seconds, char buf[32])
{
    if (!json_is_number(seconds))
        return "-";
    double s = json_number_value(seconds);
    if (fabs(s) < 120)
        snprintf(buf, 32, "%.0fs", s);
    else if (fabs(s) < 7200)
        snprintf(buf, 32, "%.0fm", s / 60);
    else if (fabs(s) < 172800)
        snprintf(buf, 32, "%.0fh", s / 3600);
    else
        snprintf(buf, 32, "%.0fd", s / 86400);
    return buf;
}

const char *rs_show_text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s && *s ? s : "-";
}

/* A gate's figure in its unit. */
static const char *show_figure(const json_t *v, const char *unit, char buf[32])
{
    if (!json_is_number(v))
        return "unknown";
    if (rs_streq(unit, "probability"))
        return rs_show_risk(v, buf);
    snprintf(buf, 32, rs_streq(unit, "s") ? "%.3g s" : "%.6g", json_number_value(v));
    return buf;
}

static void show_gate(struct rs_table *t, const json_t *gate, const char *reason)
{
    char value[32], limit[32], figures[96];
    bool holds = json_is_true(json_object_get(gate, "holds"));
    const char *name = rs_show_text(gate, "gate"), *unit = rs_show_text(gate, "unit");
    snprintf(figures, sizeof figures, "%s %s %s", show_figure(json_object_get(gate, "value"), unit, value),
             rs_show_text(gate, "relation"), show_figure(json_object_get(gate, "limit"), unit, limit));
    bool is_flag = rs_streq(name, "reason") && holds && !rs_streq(reason, "predicted-failure");
    const char *const cells[] = { holds ? "  \u2713" : "  \u2717", name, is_flag ? reason : figures,
                                  is_flag ? "asked for by people" : rs_show_text(gate, "what") };
    rs_table_add(t, holds ? RS_GREEN : RS_RED, cells);
}

static void show_hosts(const json_t *hosts)
{
    struct rs_table t = { .n_columns = 4 };
    size_t i;
    json_t *h;
    json_array_foreach(hosts, i, h)
    {
        char risk[32];
        const char *fit = rs_show_text(h, "fit");
        const char *why = rs_show_text(h, "why");
        const char *const cells[] = { "    host", rs_show_text(h, "host"),
                                      rs_show_risk(json_object_get(h, "risk"), risk), rs_streq(why, "-") ? fit : why };
        if (!rs_streq(fit, "is-source"))
            rs_table_add(&t, rs_streq(fit, "ok") ? RS_PLAIN : RS_DIM, cells);
    }
    rs_table_print(&t);
}

void rs_show_decision(const json_t *d)
{
    const char *outcome = rs_show_text(d, "outcome"), *reason = rs_show_text(d, "reason");
    bool is_stay = rs_streq(outcome, "stay");
    printf("%s%s%s  VM %s on %s (class %s)%s\n", rs_colour(RS_BOLD), rs_show_text(d, "id"), rs_colour_end(),
           rs_show_text(d, "vm"), rs_show_text(d, "source"), rs_show_text(d, "class"),
           json_is_true(json_object_get(d, "dry_run")) ? ", dry run" : "");
    printf("%s%s%s  %s\n", rs_colour(is_stay ? RS_YELLOW : RS_GREEN), outcome, rs_colour_end(),
           rs_show_text(d, "summary"));
    struct rs_table t = { .n_columns = 4 };
    size_t i;
    json_t *gate;
    json_array_foreach(json_object_get(d, "gates"), i, gate) show_gate(&t, gate, reason);
    rs_table_print(&t);
    show_hosts(json_object_get(d, "hosts"));
}

void rs_show_migration(const json_t *m)
{
    const char *state = rs_show_text(m, "state"), *why = rs_show_text(m, "why");
    enum rs_colour colour = rs_streq(state, "moved") ? RS_GREEN : rs_streq(state, "running") ? RS_PLAIN : RS_RED;
    printf("%s%s%s  VM %s from %s to %s: %s%s%s%s%s\n", rs_colour(RS_BOLD), rs_show_text(m, "id"), rs_colour_end(),
           rs_show_text(m, "vm"), rs_show_text(m, "source"), rs_show_text(m, "dest"), rs_colour(colour), state,
           rs_colour_end(), rs_streq(why, "-") ? "" : ": ", rs_streq(why, "-") ? "" : why);
    struct rs_table t = { .n_columns = 4 };
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(m, "steps"), i, step)
    {
        char seconds[32] = "under way";
        const json_t *s = json_object_get(step, "seconds");
        rs_autofree char *detail = json_dumps(json_object_get(step, "detail"), JSON_COMPACT);
        if (json_is_number(s))
            snprintf(seconds, sizeof seconds, "%.2f s", json_number_value(s));
        const char *const cells[] = { json_is_number(s) ? "  \u2713" : "  \u2026", rs_show_text(step, "step"), seconds,
                                      detail && !rs_streq(detail, "null") ? detail : "" };
        rs_table_add(&t, RS_PLAIN, cells);
    }
    rs_table_print(&t);
    const json_t *p = json_object_get(m, "progress");
    json_int_t total = json_integer_value(json_object_get(p, "bytes_total"));
    char done[32], all[32];
    if (total > 0)
        printf("  %s of %s copied\n",
               rs_format_size((uint64_t)json_integer_value(json_object_get(p, "bytes_done")), done),
               rs_format_size((uint64_t)total, all));
}

void rs_show_json(const json_t *v)
{
    rs_autofree char *text = json_dumps(v, JSON_INDENT(2) | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY);
    if (text)
        puts(text);
}

void rs_show_answer(const json_t *answer, bool as_json, void (*for_people)(const json_t *))
{
    if (as_json)
        rs_show_json(answer);
    else
        for_people(answer);
}
