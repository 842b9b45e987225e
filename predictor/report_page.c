/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report as one page: the template report.html and the charting library, both put into the program when it is
 * built, and the figures as one block of JSON between them. */
#include "predictor/json.h"
#include "predictor/report.h"

/* RS_REPORT_HTML and RS_CHART_JS are paths that the build gives. */
#define EMBED(name, path)                                                                                              \
    __asm__(".pushsection .rodata\n" #name ":\n.incbin \"" path "\"\n.byte 0\n.popsection\n");                         \
    extern const char name[] __attribute__((visibility("hidden")))

EMBED(rs_report_html, RS_REPORT_HTML);
EMBED(rs_chart_js, RS_CHART_JS);

#define CHART_MARK "/*@CHART@*/"
#define DATA_MARK "/*@DATA@*/"

static json_t *curve_json(const struct rs_curve *c)
{
    json_t *points = json_array();
    for (size_t i = 0; i < c->n; i++)
        points = rs_json_append(points, json_pack("[f, f]", c->x[i], c->y[i]));
    return points;
}

static json_t *curves_json(const struct rs_report *r, const struct rs_eval_curves *c)
{
    json_t *leads = json_array();
    for (size_t b = 0; b < r->opt->n_budgets; b++)
        leads = rs_json_append(leads, curve_json(&c->leads[b]));
    return json_pack("{s:o, s:o, s:o}", "roc", curve_json(&c->roc), "pr", curve_json(&c->pr), "leads", leads);
}

/* The report of --json and the curves; a "<" inside of a text is written as \u003c, so that nothing ends the block. */
static enum rs_status put_data(const struct rs_report *r, FILE *to, struct rs_error *err)
{
    json_t *root = rs_report_json(r);
    bool ok = root && json_object_set_new(root, "curves", curves_json(r, &r->ev->curves)) == 0 &&
              (!r->other || json_object_set_new(root, "other_curves", curves_json(r, &r->ev->other_curves)) == 0);
    rs_autofree char *text = ok ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    if (!text)
        return rs_error_set(err, RS_ENOMEM, "the report as JSON: out of memory");
    for (const char *p = text; *p; p++) {
        if (*p == '<')
            fputs("\\u003c", to);
        else
            putc(*p, to);
    }
    return RS_OK;
}

enum rs_status rs_report_page(const struct rs_report *r, FILE *to, struct rs_error *err)
{
    const char *chart = strstr(rs_report_html, CHART_MARK), *data = strstr(rs_report_html, DATA_MARK);
    fwrite(rs_report_html, 1, (size_t)(chart - rs_report_html), to);
    fputs(rs_chart_js, to);
    chart += strlen(CHART_MARK);
    fwrite(chart, 1, (size_t)(data - chart), to);
    enum rs_status st = put_data(r, to, err);
    if (st < 0)
        return st;
    fputs(data + strlen(DATA_MARK), to);
    return ferror(to) ? rs_error_errno(err, RS_EIO, "write") : RS_OK;
}
