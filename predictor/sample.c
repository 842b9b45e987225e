/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of the matrix by a hash of entity, time and seed. */
#include "predictor/sample.h"

#include <xxhash.h>

#include "predictor/gather.h"

void rs_sample_clear(struct rs_sample *s)
{
    if (s->gathered)
        rs_matrix_clear(s->gathered);
    free(s->gathered);
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

/* Rows of this process; n_of and kept: negative and positive rows of all, and those of them in the sample. */
static enum rs_status choose_rows(const struct rs_matrix *m, uint64_t seed, const uint64_t n_of[2], struct rs_sample *s,
                                  uint64_t kept[2], struct rs_error *err)
{
    uint64_t below[2];
    for (int y = 0; y < 2; y++)
        below[y] = threshold((y ? RS_SAMPLE_POSITIVES : RS_SAMPLE_NEGATIVES) / RS_MAX((double)n_of[y], 1.0));
    s->row = rs_alloc(m->n, sizeof *s->row);
    if (!s->row)
        return rs_error_set(err, RS_ENOMEM, "sample of %zu rows: out of memory", m->n);
    for (size_t i = 0; i < m->n; i++) {
        uint64_t key[3] = { m->unit_hash[m->unit[i]], (uint64_t)m->time[i], seed };
        if (XXH3_64bits(key, sizeof key) > below[m->y[i]])
            continue;
        kept[m->y[i]]++;
        s->row[s->n++] = (uint32_t)i;
    }
    uint32_t *row = rs_realloc(s->row, s->n, sizeof *row);
    s->row = row ? row : s->row;
    return RS_OK;
}

/* Where there are several processes, the chosen rows of all become a matrix of their own, in which all are chosen. */
static enum rs_status gather(const struct rs_matrix *m, const struct rs_folds *f, rs_comm *comm, struct rs_sample *s,
                             struct rs_error *err)
{
    s->m = m;
    if (rs_comm_size(comm) == 1)
        return RS_OK;
    s->gathered = rs_alloc(1, sizeof *s->gathered);
    enum rs_status st = s->gathered ? RS_OK : rs_error_set(err, RS_ENOMEM, "sample of %zu rows: out of memory", s->n);
    if (st == RS_OK)
        st = rs_gather_rows(m, s->row, s->n, f->of_unit, comm, s->gathered, &s->fold, err);
    if (st < 0)
        return st;
    s->m = s->gathered;
    s->n = s->gathered->n;
    uint32_t *row = rs_realloc(s->row, s->n, sizeof *row);
    if (!row)
        return rs_error_set(err, RS_ENOMEM, "sample of %zu rows: out of memory", s->n);
    s->row = row;
    for (size_t k = 0; k < s->n; k++)
        row[k] = (uint32_t)k;
    return RS_OK;
}

static void copy_rows(struct rs_sample *s, const uint8_t *fold_of_unit, const uint64_t n_of[2], const uint64_t kept[2])
{
    const struct rs_matrix *m = s->m;
    uint32_t last = UINT32_MAX;
    for (size_t k = 0; k < s->n; k++) {
        size_t i = s->row[k];
        uint32_t unit = m->unit[i];
        int y = m->y[i];
        s->n_units += unit != last;
        last = unit;
        s->y[k] = m->y[i];
        s->time[k] = m->time[i];
        s->weight[k] = m->weight[i] * (float)((double)n_of[y] / (double)kept[y]);
        s->unit[k] = s->n_units - 1;
        s->cohort[k] = m->unit_cohort[unit];
        if (fold_of_unit)
            s->fold[k] = fold_of_unit[unit];
        for (size_t j = 0; j < m->d; j++)
            s->x[k * s->stride + j] = (float)(((double)m->x[i * m->stride + j] - m->mean[j]) / m->scale[j]);
    }
}

static enum rs_status make_room(struct rs_sample *s, struct rs_error *err)
{
    size_t cells;
    s->x = rs_mul_size(s->n, s->stride, &cells) ? rs_alloc(cells, sizeof *s->x) : NULL;
    s->y = rs_alloc(s->n, 1);
    s->time = rs_alloc(s->n, sizeof *s->time);
    s->weight = rs_alloc(s->n, sizeof *s->weight);
    s->unit = rs_alloc(s->n, sizeof *s->unit);
    s->cohort = rs_alloc(s->n, sizeof *s->cohort);
    s->fold = s->fold ? s->fold : rs_alloc(s->n, 1);
    if (!s->x || !s->y || !s->time || !s->weight || !s->unit || !s->cohort || !s->fold)
        return rs_error_set(err, RS_ENOMEM, "sample of %zu rows by %zu features: out of memory", s->n, s->stride);
    return RS_OK;
}

enum rs_status rs_sample_take(const struct rs_matrix *m, const struct rs_folds *f, uint64_t seed, size_t stride,
                              rs_comm *comm, struct rs_sample *out, struct rs_error *err)
{
    rs_auto_sample s = { .d = m->d, .stride = RS_MAX(stride, m->d) };
    struct rs_matrix_total all;
    enum rs_status st = rs_matrix_total(m, comm, &all, err);
    if (st < 0)
        return st;
    uint64_t n_of[2] = { all.n - all.n_positive, all.n_positive }, kept[2] = { 0, 0 };
    st = choose_rows(m, seed, n_of, &s, kept, err);
    if (st == RS_OK)
        st = rs_comm_sum_counts(comm, kept, 2, err);
    if (st == RS_OK)
        st = gather(m, f, comm, &s, err);
    if (st == RS_OK)
        st = make_room(&s, err);
    if (st < 0)
        return st;
    copy_rows(&s, s.gathered ? NULL : f->of_unit, n_of, kept);
    *out = s;
    s = (struct rs_sample){ 0 };
    return RS_OK;
}
