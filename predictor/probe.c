/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copies of training rows and the risks that the model gives them. See probe.h. */
#include "predictor/probe.h"

#include <math.h>

#include "models/drift.h"
#include "predictor/reference.h"

void rs_probe_clear(struct rs_probe *p)
{
    free(p->x);
    free(p->cohort);
    free(p->weight);
    *p = (struct rs_probe){ 0 };
}

/* What the rows of each entity stand for together; a process holds all rows of its entities. */
static double *weigh_units(const struct rs_matrix *m)
{
    double *sum = rs_alloc(m->n_units, sizeof *sum);
    for (size_t i = 0; sum && i < m->n; i++)
        sum[m->unit[i]] += (double)m->weight[i];
    return sum;
}

static enum rs_status no_memory(const struct rs_matrix *m, struct rs_error *err)
{
    return rs_error_set(err, RS_ENOMEM, "rows of %zu features set aside: out of memory", m->d);
}

enum rs_status rs_probe_take(const struct rs_matrix *m, rs_comm *comm, struct rs_probe *out, struct rs_error *err)
{
    struct rs_matrix_total all;
    enum rs_status st = rs_matrix_total(m, comm, &all, err);
    if (st < 0)
        return st;
    size_t step = all.n ? (all.n - 1) / RS_REF_ROWS + 1 : 1, cap = m->n / step + 1;
    rs_autofree double *of_unit = weigh_units(m);
    rs_auto_probe p = { .d = m->d };
    p.x = rs_alloc(cap, m->d * sizeof *p.x);
    p.cohort = rs_alloc(cap, sizeof *p.cohort);
    p.weight = rs_alloc(cap, sizeof *p.weight);
    if (!of_unit || !p.x || !p.cohort || !p.weight)
        return no_memory(m, err);
    for (size_t i = (step - all.first % step) % step; i < m->n; i += step) {
        memcpy(p.x + p.n * m->d, m->x + i * m->stride, m->d * sizeof *p.x);
        p.cohort[p.n] = m->unit_cohort[m->unit[i]];
        p.weight[p.n++] = (double)m->weight[i] / of_unit[m->unit[i]];
    }
    *out = p;
    p = (struct rs_probe){ 0 };
    return RS_OK;
}

/* The float at or above a risk: a cut made of it holds the risk itself (math.md G1). */
static float round_up(double risk)
{
    float f = (float)risk;
    return (double)f < risk ? nextafterf(f, INFINITY) : f;
}

enum rs_status rs_probe_refer(const struct rs_probe *p, const struct rs_terms *terms, const struct rs_model *model,
                              rs_comm *comm, struct rs_reference *out, struct rs_error *err)
{
    size_t n_steps = model->program.n_steps, n = 0;
    rs_autofree float *mine = rs_alloc(p->n, sizeof *mine);
    rs_autofree float *row = rs_alloc(n_steps, sizeof *row);
    void *got = NULL;
    if (!mine || !row)
        return rs_error_set(err, RS_ENOMEM, "risks of %zu rows: out of memory", p->n);
    for (size_t i = 0; i < p->n; i++) {
        memcpy(row, p->x + i * p->d, p->d * sizeof *row);
        if (n_steps > p->d)
            rs_terms_row(terms, row, row + p->d);
        mine[i] = round_up(rs_model_risk(model, p->cohort[i], row));
    }
    enum rs_status st = rs_comm_gather(comm, mine, p->n, sizeof *mine, &got, &n, err);
    rs_autofree float *risk = got;
    got = NULL;
    if (st == RS_OK)
        st = rs_comm_gather(comm, p->weight, p->n, sizeof *p->weight, &got, &n, err);
    rs_autofree double *weight = got;
    return st < 0 ? st : rs_reference_fit(risk, weight, n, out, err);
}
