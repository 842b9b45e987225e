/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packs the rows chosen here and hands them round. See gather.h. */
#include "predictor/gather.h"

/* All but the features of a row, and of an entity, as they travel. */
struct row {
    int64_t time;
    float weight;
    uint32_t unit; /* among those chosen */
    uint8_t y, fold;
};

struct unit {
    uint64_t hash;
    int64_t first;
    uint32_t cohort;
    bool fails;
};

struct parcel {
    float *x;
    struct row *rows;
    struct unit *units;
    size_t n, n_units;
};

static void parcel_clear(struct parcel *p)
{
    free(p->x);
    free(p->rows);
    free(p->units);
}

static enum rs_status pack(const struct rs_matrix *m, const uint32_t *rows, size_t n, const uint8_t *fold,
                           struct parcel *p, struct rs_error *err)
{
    size_t cells;
    uint32_t last = UINT32_MAX;
    p->x = rs_mul_size(n, m->d, &cells) ? rs_alloc(cells, sizeof *p->x) : NULL;
    p->rows = rs_alloc(n, sizeof *p->rows);
    p->units = rs_alloc(RS_MIN(n, (size_t)m->n_units), sizeof *p->units);
    if (!p->x || !p->rows || !p->units)
        return rs_error_set(err, RS_ENOMEM, "%zu rows by %zu features: out of memory", n, m->d);
    for (; p->n < n; p->n++) {
        size_t i = rows[p->n];
        uint32_t u = m->unit[i];
        if (u != last)
            p->units[p->n_units++] =
                (struct unit){ m->unit_hash[u], m->unit_first[u], m->unit_cohort[u], m->unit_fails[u] };
        last = u;
        p->rows[p->n] = (struct row){ m->time[i], m->weight[i], (uint32_t)p->n_units - 1, m->y[i], fold ? fold[u] : 0 };
        memcpy(p->x + p->n * m->d, m->x + i * m->stride, m->d * sizeof *p->x);
    }
    return RS_OK;
}

/* Units are counted on from process to process. */
static enum rs_status number_units(struct parcel *mine, rs_comm *comm, struct rs_error *err)
{
    uint64_t n = mine->n_units, before = 0;
    void *all = NULL;
    size_t n_processes;
    enum rs_status st = rs_comm_gather(comm, &n, 1, sizeof n, &all, &n_processes, err);
    if (st < 0)
        return st;
    for (unsigned k = 0; k < rs_comm_rank(comm); k++)
        before += ((const uint64_t *)all)[k];
    for (size_t i = 0; i < mine->n; i++)
        mine->rows[i].unit += (uint32_t)before;
    free(all);
    return RS_OK;
}

static enum rs_status send_round(const struct parcel *mine, size_t d, rs_comm *comm, struct parcel *all,
                                 struct rs_error *err)
{
    void *x = NULL, *rows = NULL, *units = NULL;
    enum rs_status st = rs_comm_gather(comm, mine->rows, mine->n, sizeof *mine->rows, &rows, &all->n, err);
    all->rows = rows;
    if (st == RS_OK)
        st = rs_comm_gather(comm, mine->units, mine->n_units, sizeof *mine->units, &units, &all->n_units, err);
    all->units = units;
    size_t cells;
    if (st == RS_OK)
        st = rs_comm_gather(comm, mine->x, mine->n * d, sizeof *mine->x, &x, &cells, err);
    all->x = x;
    return st;
}

static enum rs_status unpack(const struct rs_matrix *m, struct parcel *all, struct rs_matrix *out, uint8_t **out_fold,
                             struct rs_error *err)
{
    size_t n = all->n;
    out->d = out->stride = m->d;
    out->x = rs_take(all->x);
    out->y = rs_alloc(n, 1);
    out->time = rs_alloc(n, sizeof *out->time);
    out->unit = rs_alloc(n, sizeof *out->unit);
    out->weight = rs_alloc(n, sizeof *out->weight);
    out->unit_hash = rs_alloc(all->n_units, sizeof *out->unit_hash);
    out->unit_fails = rs_alloc(all->n_units, sizeof *out->unit_fails);
    out->unit_cohort = rs_alloc(all->n_units, sizeof *out->unit_cohort);
    out->unit_first = rs_alloc(all->n_units, sizeof *out->unit_first);
    out->mean = rs_alloc(m->d, sizeof *out->mean);
    out->scale = rs_alloc(m->d, sizeof *out->scale);
    rs_autofree uint8_t *fold = rs_alloc(n, 1);
    if (!out->y || !out->time || !out->unit || !out->weight || !out->unit_hash || !out->unit_fails ||
        !out->unit_cohort || !out->unit_first || !out->mean || !out->scale || !fold)
        return rs_error_set(err, RS_ENOMEM, "%zu rows by %zu features: out of memory", n, m->d);
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &all->rows[i];
        out->y[i] = r->y;
        out->time[i] = r->time;
        out->weight[i] = r->weight;
        out->unit[i] = r->unit;
        fold[i] = r->fold;
        out->n_positive += r->y;
    }
    for (size_t u = 0; u < all->n_units; u++) {
        out->unit_hash[u] = all->units[u].hash;
        out->unit_first[u] = all->units[u].first;
        out->unit_cohort[u] = all->units[u].cohort;
        out->unit_fails[u] = all->units[u].fails;
        out->n_failing += all->units[u].fails;
    }
    memcpy(out->mean, m->mean, m->d * sizeof *out->mean);
    memcpy(out->scale, m->scale, m->d * sizeof *out->scale);
    out->n = n;
    out->n_units = (uint32_t)all->n_units;
    if (out_fold)
        *out_fold = rs_take(fold);
    return RS_OK;
}

enum rs_status rs_gather_rows(const struct rs_matrix *m, const uint32_t *rows, size_t n, const uint8_t *fold,
                              rs_comm *comm, struct rs_matrix *out, uint8_t **out_fold, struct rs_error *err)
{
    __attribute__((cleanup(parcel_clear))) struct parcel mine = { 0 }, all = { 0 };
    rs_auto_matrix made = { 0 };
    enum rs_status st = pack(m, rows, n, fold, &mine, err);
    if (st == RS_OK)
        st = number_units(&mine, comm, err);
    if (st == RS_OK)
        st = send_round(&mine, m->d, comm, &all, err);
    if (st == RS_OK)
        st = unpack(m, &all, &made, out_fold, err);
    if (st < 0)
        return st;
    *out = made;
    made = (struct rs_matrix){ 0 };
    return RS_OK;
}
