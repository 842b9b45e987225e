/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of the matrix by a hash of entity, time and seed. */
#include "predictor/sample.h"

#include <xxhash.h>

void rs_sample_clear(struct rs_sample *s)
{
    free(s->x);
    free(s->y);
    free(s->row);
    free(s->time);
    free(s->weight);
    free(s->unit);
    free(s->cohort);
    free(s->fold);
    *s = (struct rs_sample){ 0 };
}

/* A hash below this is kept. */
static uint64_t threshold(double share)
{
    return share >= 1 ? UINT64_MAX : (uint64_t)(share * 0x1p64);
}

static enum rs_status choose_rows(const struct rs_matrix *m, uint64_t seed, struct rs_sample *s, struct rs_error *err)
{
    size_t n_of[2] = { m->n - m->n_positive, m->n_positive }, kept[2] = { 0, 0 };
    uint64_t below[2];
    for (int y = 0; y < 2; y++)
        below[y] = threshold((y ? RS_SAMPLE_POSITIVES : RS_SAMPLE_NEGATIVES) / RS_MAX((double)n_of[y], 1.0));
    s->row = rs_alloc(m->n, sizeof *s->row);
    if (!s->row)
        return rs_error_set(err, RS_ENOMEM, "sample of %zu rows", m->n);
    for (size_t i = 0; i < m->n; i++) {
        uint64_t key[3] = { m->unit_hash[m->unit[i]], (uint64_t)m->time[i], seed };
        if (XXH3_64bits(key, sizeof key) > below[m->y[i]])
            continue;
        kept[m->y[i]]++;
        s->row[s->n++] = (uint32_t)i;
    }
    uint32_t *row = rs_realloc(s->row, s->n, sizeof *row);
    s->row = row ? row : s->row;
    s->weight = rs_alloc(s->n, sizeof *s->weight);
    if (!s->weight)
        return rs_error_set(err, RS_ENOMEM, "sample of %zu rows", s->n);
    for (size_t k = 0; k < s->n; k++) {
        int y = m->y[s->row[k]];
        s->weight[k] = m->weight[s->row[k]] * (float)((double)n_of[y] / (double)kept[y]);
    }
    return RS_OK;
}

static void copy_rows(const struct rs_matrix *m, const struct rs_folds *f, struct rs_sample *s)
{
    uint32_t last = UINT32_MAX;
    for (size_t k = 0; k < s->n; k++) {
        size_t i = s->row[k];
        uint32_t unit = m->unit[i];
        s->n_units += unit != last;
        last = unit;
        s->y[k] = m->y[i];
        s->time[k] = m->time[i];
        s->unit[k] = s->n_units - 1;
        s->cohort[k] = m->unit_cohort[unit];
        s->fold[k] = f->of_unit[unit];
        for (size_t j = 0; j < m->d; j++)
            s->x[k * s->stride + j] = (float)(((double)m->x[i * m->stride + j] - m->mean[j]) / m->scale[j]);
    }
}

enum rs_status rs_sample_take(const struct rs_matrix *m, const struct rs_folds *f, uint64_t seed, size_t stride,
                              struct rs_sample *out, struct rs_error *err)
{
    rs_auto_sample s = { .d = m->d, .stride = RS_MAX(stride, m->d) };
    enum rs_status st = choose_rows(m, seed, &s, err);
    if (st < 0)
        return st;
    size_t cells;
    s.x = rs_mul_size(s.n, s.stride, &cells) ? rs_alloc(cells, sizeof *s.x) : NULL;
    s.y = rs_alloc(s.n, 1);
    s.time = rs_alloc(s.n, sizeof *s.time);
    s.unit = rs_alloc(s.n, sizeof *s.unit);
    s.cohort = rs_alloc(s.n, sizeof *s.cohort);
    s.fold = rs_alloc(s.n, 1);
    if (!s.x || !s.y || !s.time || !s.unit || !s.cohort || !s.fold)
        return rs_error_set(err, RS_ENOMEM, "sample of %zu rows by %zu features", s.n, s.stride);
    copy_rows(m, f, &s);
    *out = s;
    s = (struct rs_sample){ 0 };
    return RS_OK;
}
