/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base columns and what is derived from them. */
#include "predictor/sets.h"

enum rs_status rs_sets_init(struct rs_sets *s, const struct rs_matrix *m, struct rs_program *p, unsigned n_sets,
                            struct rs_error *err)
{
    *s = (struct rs_sets){ .m = m, .program = p, .n = RS_MIN(n_sets, 1u) };
    s->d[0] = m->d;
    s->penalty = rs_alloc(m->d, sizeof *s->penalty);
    if (!s->penalty)
        return rs_error_set(err, RS_ENOMEM, "%zu features", m->d);
    for (size_t j = 0; j < m->d; j++)
        s->penalty[j] = 1;
    return RS_OK;
}

void rs_sets_clear(struct rs_sets *s)
{
    free(s->penalty);
    *s = (struct rs_sets){ 0 };
}

size_t rs_sets_stride(const struct rs_sets *s)
{
    return s->d[s->n - 1];
}

enum rs_status rs_sets_refresh(struct rs_sets *s, struct rs_sample *sample, const uint32_t *train, size_t n_train,
                               struct rs_error *err)
{
    (void)s;
    (void)sample;
    (void)train;
    (void)n_train;
    (void)err;
    return RS_OK;
}

enum rs_status rs_sets_finish(struct rs_sets *s, struct rs_matrix *m, unsigned set, rs_comm *comm, struct rs_error *err)
{
    (void)s;
    (void)m;
    (void)set;
    (void)comm;
    (void)err;
    return RS_OK;
}
