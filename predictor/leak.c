/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How well date and age alone tell the classes apart. */
#include "predictor/leak.h"

#include <math.h>

#include "common/log.h"

struct point {
    double value, weight;
    bool is_positive;
};

static int compare_points(const void *a, const void *b)
{
    double x = ((const struct point *)a)->value, y = ((const struct point *)b)->value;
    return (x > y) - (x < y);
}

/* math.md E1 with weights of rows, of the better direction; sorts the points */
static double separation(struct point *points, size_t n)
{
    qsort(points, n, sizeof *points, compare_points);
    double below = 0, positive = 0, negative = 0, wins = 0;
    for (size_t i = 0; i < n;) {
        double run[2] = { 0, 0 }, value = points[i].value;
        for (; i < n && points[i].value == value; i++)
            run[points[i].is_positive] += points[i].weight;
        wins += run[1] * (below + run[0] / 2);
        below += run[0];
        positive += run[1];
        negative += run[0];
    }
    if (positive <= 0 || negative <= 0)
        return 0.5;
    double auc = wins / (positive * negative);
    return RS_MAX(auc, 1 - auc);
}

/* Of a column with time, over the rows of the sample. */
static double time_correlation(const struct rs_sample *s, size_t j)
{
    double n = 0, mx = 0, mt = 0, sxx = 0, stt = 0, sxt = 0;
    for (size_t i = 0; i < s->n; i++) {
        double w = (double)s->weight[i];
        n += w;
        mx += w * (double)s->x[i * s->stride + j];
        mt += w * (double)s->time[i];
    }
    for (size_t i = 0; i < s->n; i++) {
        double w = (double)s->weight[i], x = (double)s->x[i * s->stride + j] - mx / n, t = (double)s->time[i] - mt / n;
        sxx += w * x * x;
        stt += w * t * t;
        sxt += w * x * t;
    }
    return sxx > 0 && stt > 0 ? sxt / sqrt(sxx * stt) : 0;
}

static void name_mirrors(const struct rs_sample *s, const struct rs_program *p, struct rs_leak *l)
{
    char name[RS_NAME_MAX];
    for (size_t j = 0; j < s->d; j++) {
        double r = time_correlation(s, j);
        if (fabs(r) < RS_LEAK_MIRROR)
            continue;
        rs_log_warn("leak",
                    "feature=\"%s\" why=\"it mirrors the date (correlation %.3f), which separates the classes\"",
                    rs_step_name(p, (uint32_t)j, name, sizeof name), r);
        l->mirrors[l->n_mirrors++] = j;
    }
}

enum rs_status rs_leak_look(const struct rs_sample *s, const struct rs_program *p, struct rs_leak *out,
                            struct rs_error *err)
{
    *out = (struct rs_leak){ 0 };
    rs_autofree struct point *points = rs_alloc(s->n, sizeof *points);
    out->mirrors = rs_alloc(s->d, sizeof *out->mirrors);
    if (!points || !out->mirrors)
        return rs_error_set(err, RS_ENOMEM, "sample of %zu rows: out of memory", s->n);
    for (size_t i = 0; i < s->n; i++)
        points[i] = (struct point){ (double)s->time[i], (double)s->weight[i], s->y[i] };
    out->auc_time = separation(points, s->n);
    for (size_t i = 0; i < s->n; i++)
        points[i] = (struct point){ (double)(s->time[i] - s->m->unit_first[s->m->unit[s->row[i]]]),
                                    (double)s->weight[i], s->y[i] };
    out->auc_age = separation(points, s->n);
    out->warns_time = out->auc_time > RS_LEAK_AUC;
    out->warns_age = out->auc_age > RS_LEAK_AUC;
    if (out->warns_time) {
        rs_log_warn("leak",
                    "what=time roc_auc=%.3f meaning=\"the date of a sample alone separates the classes; features "
                    "that go with it will look good here and fail in service\"",
                    out->auc_time);
        name_mirrors(s, p, out);
    }
    if (out->warns_age)
        rs_log_warn("leak",
                    "what=age roc_auc=%.3f meaning=\"how long an entity has been watched alone separates the "
                    "classes\"",
                    out->auc_age);
    return RS_OK;
}

void rs_leak_clear(struct rs_leak *l)
{
    free(l->mirrors);
    *l = (struct rs_leak){ 0 };
}
