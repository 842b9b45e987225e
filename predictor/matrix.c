/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads the training matrix, imputes, prunes and standardises it. */
#include "predictor/matrix.h"

#include <math.h>
#include <xxhash.h>

#include "common/cli.h"
#include "common/progress.h"
#include "predictor/autofeat.h"
#include "predictor/digest.h"

void rs_matrix_clear(struct rs_matrix *m)
{
    free(m->x);
    free(m->y);
    free(m->time);
    free(m->unit);
    free(m->unit_hash);
    free(m->unit_fails);
    free(m->mean);
    free(m->scale);
    free(m->support);
    *m = (struct rs_matrix){ 0 };
}

static enum rs_status allocate(struct rs_matrix *m, const struct rs_program *p, size_t n_rows, struct rs_error *err)
{
    size_t cells;
    m->d = p->n_steps;
    m->n_cohorts = p->n_cohorts;
    if (n_rows > UINT32_MAX || !rs_mul_size(n_rows, m->d, &cells))
        return rs_error_set(err, RS_EUNSUPPORTED, "%zu rows, at most %u", n_rows, UINT32_MAX);
    m->x = rs_alloc(cells, sizeof *m->x);
    m->y = rs_alloc(n_rows, sizeof *m->y);
    m->time = rs_alloc(n_rows, sizeof *m->time);
    m->unit = rs_alloc(n_rows, sizeof *m->unit);
    m->mean = rs_alloc(m->d, sizeof *m->mean);
    m->scale = rs_alloc(m->d, sizeof *m->scale);
    m->support = rs_alloc(m->n_cohorts, sizeof *m->support);
    if (!m->x || !m->y || !m->time || !m->unit || !m->mean || !m->scale || !m->support)
        return rs_error_set(err, RS_ENOMEM, "%zu rows by %zu features", n_rows, m->d);
    return RS_OK;
}

static enum rs_status add_unit(struct rs_matrix *m, const char *id, uint64_t seed, size_t *cap, struct rs_error *err)
{
    if (m->n_units == *cap) {
        size_t bigger = *cap ? 2 * *cap : 1024;
        uint64_t *hash = rs_realloc(m->unit_hash, bigger, sizeof *hash);
        if (!hash)
            return rs_error_set(err, RS_ENOMEM, "%zu entities", bigger);
        m->unit_hash = hash;
        bool *fails = rs_realloc(m->unit_fails, bigger, sizeof *fails);
        if (!fails)
            return rs_error_set(err, RS_ENOMEM, "%zu entities", bigger);
        m->unit_fails = fails;
        *cap = bigger;
    }
    m->unit_hash[m->n_units] = XXH3_64bits_withSeed(id, strlen(id), seed);
    m->unit_fails[m->n_units++] = false;
    return RS_OK;
}

static void count_support(struct rs_matrix *m, const struct rs_program *p, const struct rs_scan_row *row, bool is_new,
                          bool newly_fails)
{
    for (uint32_t c = row->cohort;; c = p->cohorts[c].parent) {
        m->support[c].n_entities += is_new;
        m->support[c].n_failing += newly_fails;
        m->support[c].n_rows++;
        m->support[c].n_positive += row->label == 1;
        if (c == 0)
            return;
    }
}

static void add_row(struct rs_matrix *m, const struct rs_program *p, const struct rs_scan_row *row, bool is_new)
{
    uint32_t unit = m->n_units - 1;
    bool newly_fails = row->label == 1 && !m->unit_fails[unit];
    memcpy(m->x + m->n * m->d, row->x, m->d * sizeof *row->x);
    m->y[m->n] = row->label == 1;
    m->time[m->n] = row->time;
    m->unit[m->n] = unit;
    m->first = m->n ? RS_MIN(m->first, row->time) : row->time;
    m->last = m->n ? RS_MAX(m->last, row->time) : row->time;
    m->n_positive += row->label == 1;
    m->n_failing += newly_fails;
    m->unit_fails[unit] |= newly_fails;
    m->n++;
    count_support(m, p, row, is_new, newly_fails);
}

static enum rs_status read_rows(rs_scan *scan, const struct rs_program *p, const struct rs_matrix_options *opt,
                                rs_digest *digest, struct rs_progress *progress, struct rs_matrix *m,
                                struct rs_error *err)
{
    struct rs_scan_row row;
    enum rs_status st;
    size_t cap_units = 0;
    uint64_t n_seen = 0, entity = UINT64_MAX;
    while ((st = rs_scan_step(scan, &row, err)) == RS_CONTINUE) {
        if (rs_cli_interrupted())
            return rs_error_set(err, RS_ECANCELLED, "interrupted");
        rs_progress_update(progress, ++n_seen, NULL);
        if (row.label < 0)
            continue;
        bool is_new = row.entity != entity;
        if (is_new && (st = add_unit(m, row.id, opt->seed, &cap_units, err)) < 0)
            return st;
        entity = row.entity;
        if (m->n == opt->n_rows)
            return rs_error_set(err, RS_EINTERNAL, "more labelled rows than were counted");
        rs_digest_add(digest, &row);
        add_row(m, p, &row, is_new);
    }
    if (st == RS_OK && m->n != opt->n_rows)
        return rs_error_set(err, RS_EINTERNAL, "%zu labelled rows, %zu were counted", m->n, opt->n_rows);
    return st;
}

/* math.md F15: mean and population deviation of the readings that are there; the others become the mean. */
static enum rs_status impute(struct rs_matrix *m, struct rs_program *p, struct rs_error *err)
{
    rs_autofree size_t *count = rs_alloc(m->d, sizeof *count);
    if (!count)
        return rs_error_set(err, RS_ENOMEM, "%zu features", m->d);
    for (size_t i = 0; i < m->n; i++)
        for (size_t j = 0; j < m->d; j++) {
            float x = m->x[i * m->d + j];
            count[j] += x < RS_NOTHING_TO_SAY;
            m->mean[j] += x < RS_NOTHING_TO_SAY ? (double)x : 0;
        }
    for (size_t j = 0; j < m->d; j++) {
        m->mean[j] /= (double)RS_MAX(count[j], (size_t)1);
        p->steps[j].impute = (float)m->mean[j];
    }
    for (size_t i = 0; i < m->n; i++)
        for (size_t j = 0; j < m->d; j++) {
            float *x = &m->x[i * m->d + j];
            if (!(*x < RS_NOTHING_TO_SAY))
                *x = p->steps[j].impute;
            m->scale[j] += ((double)*x - m->mean[j]) * ((double)*x - m->mean[j]);
        }
    for (size_t j = 0; j < m->d; j++)
        m->scale[j] = sqrt(m->scale[j] / (double)RS_MAX(m->n, (size_t)1));
    return RS_OK;
}

enum rs_status rs_matrix_load(rs_fleet *fleet, struct rs_program *p, const struct rs_matrix_options *opt,
                              struct rs_matrix *out, struct rs_error *err)
{
    rs_auto_matrix m = { 0 };
    RS_AUTO(rs_scan) *scan = NULL;
    struct rs_scan_options scan_opt = { .horizon_s = opt->horizon_s, .kind = opt->kind };
    RS_AUTO(rs_digest) *digest = rs_digest_new();
    enum rs_status st = digest ? allocate(&m, p, opt->n_rows, err) : rs_error_set(err, RS_ENOMEM, "digest");
    if (st == RS_OK)
        st = rs_scan_new(fleet, p, &scan_opt, &scan, err);
    if (st == RS_OK) {
        struct rs_progress progress;
        rs_progress_start(&progress, "features", "rows", rs_fleet_info(fleet)->n_rows, opt->is_quiet);
        st = read_rows(scan, p, opt, digest, &progress, &m, err);
        rs_progress_end(&progress);
    }
    if (st == RS_OK) {
        m.digest = rs_digest_value(digest);
        st = impute(&m, p, err);
    }
    if (st == RS_OK) {
        *out = m;
        m = (struct rs_matrix){ 0 };
    }
    return st;
}

/* FNV-1a over the cells of each column, a cell at a time. */
static void hash_columns(const struct rs_matrix *m, uint64_t *hash)
{
    for (size_t j = 0; j < m->d; j++)
        hash[j] = 14695981039346656037u;
    for (size_t i = 0; i < m->n; i++)
        for (size_t j = 0; j < m->d; j++) {
            uint32_t bits;
            memcpy(&bits, &m->x[i * m->d + j], sizeof bits);
            hash[j] = (hash[j] ^ bits) * 1099511628211u;
        }
}

static bool columns_are_equal(const struct rs_matrix *m, size_t a, size_t b)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->x[i * m->d + a] != m->x[i * m->d + b])
            return false;
    return true;
}

static bool is_constant(const struct rs_matrix *m, size_t j)
{
    /* a deviation that rounding alone explains counts as none */
    return !(m->scale[j] > 1e-7 * fabs(m->mean[j])) || m->scale[j] < 1e-20;
}

enum rs_status rs_matrix_useful(const struct rs_matrix *m, bool *keep, struct rs_error *err)
{
    rs_autofree uint64_t *hash = rs_alloc(m->d, sizeof *hash);
    if (!hash)
        return rs_error_set(err, RS_ENOMEM, "%zu features", m->d);
    hash_columns(m, hash);
    for (size_t j = 0; j < m->d; j++) {
        keep[j] = !is_constant(m, j);
        for (size_t k = 0; keep[j] && k < j; k++)
            keep[j] = !(keep[k] && hash[k] == hash[j] && columns_are_equal(m, k, j));
    }
    return RS_OK;
}

void rs_matrix_prune(struct rs_matrix *m, const bool *keep)
{
    float *to = m->x;
    for (size_t i = 0; i < m->n; i++)
        for (size_t j = 0; j < m->d; j++)
            if (keep[j])
                *to++ = m->x[i * m->d + j];
    size_t d = 0;
    for (size_t j = 0; j < m->d; j++)
        if (keep[j]) {
            m->mean[d] = m->mean[j];
            m->scale[d++] = m->scale[j];
        }
    m->d = d;
}

void rs_matrix_standardise(struct rs_matrix *m)
{
    for (size_t i = 0; i < m->n; i++)
        for (size_t j = 0; j < m->d; j++) {
            float *x = &m->x[i * m->d + j];
            *x = (float)(((double)*x - m->mean[j]) / m->scale[j]);
        }
}
