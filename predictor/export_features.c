/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The feature list of a model: what import-model needs beside a text model to make the same model again. */
#include "common/clock.h"
#include "models/feature.h"
#include "predictor/export_private.h"

static bool has_window(enum rs_step_op op)
{
    return (op >= RS_STEP_DELTA && op <= RS_STEP_STD) || op == RS_STEP_EVENTS;
}

static void put_signals(const struct rs_program *p, struct rs_buf *out)
{
    for (uint32_t i = 0; i < p->n_signals; i++)
        rs_buf_printf(out, "@%s %s%s%s\n", p->signals[i].kind == RS_COUNTER ? "counter" : "gauge", p->signals[i].name,
                      *p->signals[i].unit ? "\t" : "", p->signals[i].unit);
    for (uint32_t i = 0; i < p->n_attrs; i++)
        if (p->attrs[i].is_number)
            rs_buf_printf(out, "@number %s\n", p->attrs[i].name);
}

/* Names tell the span of a window alone. */
static void put_window(const struct rs_window *w, struct rs_buf *out)
{
    char span[RS_TIME_MAX], bucket[RS_TIME_MAX];
    rs_buf_printf(out, "@window %s %s\n", rs_duration_format((double)w->bucket_s * w->n, span),
                  rs_duration_format((double)w->bucket_s, bucket));
}

/* Steps made of others are written by number, with all digits of their knot. */
static void put_name(const struct rs_program *p, uint32_t j, struct rs_buf *out)
{
    const struct rs_step *s = &p->steps[j];
    char name[EXPORT_NAME_MAX];
    if (s->op == RS_STEP_ABOVE)
        rs_buf_printf(out, s->knot < 0 ? "(#%u+%.9g)+" : "(#%u-%.9g)+", s->arg,
                      (double)(s->knot < 0 ? -s->knot : s->knot));
    else if (s->op == RS_STEP_GREATER)
        rs_buf_printf(out, "#%u>%.9g", s->arg, (double)s->knot);
    else if (s->op == RS_STEP_PRODUCT)
        rs_buf_printf(out, "#%u * #%u", s->arg, s->value);
    else
        rs_buf_printf(out, "%s", rs_step_name(p, j, name, sizeof name));
}

enum rs_status export_features(const struct rs_model *m, struct rs_buf *out, struct rs_error *err)
{
    const struct rs_program *p = &m->program;
    uint32_t window = UINT32_MAX;
    if (m->n_deltas)
        return rs_error_set(
            err, RS_EUNSUPPORTED,
            "weights that differ from cohort to cohort do not fit a feature list; --format json has them");
    rs_buf_printf(out, "# NAME, where missing, mean, scale\n");
    put_signals(p, out);
    for (uint32_t j = 0; j < p->n_steps; j++) {
        const struct rs_step *s = &p->steps[j];
        if (has_window(s->op) && s->window != window) {
            window = s->window;
            put_window(&p->windows[window], out);
        }
        put_name(p, j, out);
        rs_buf_printf(out, "\t%.9g\t%.17g\t%.17g\n", (double)s->impute, m->mean[j], m->scale[j]);
    }
    return RS_OK;
}
