/* SPDX-License-Identifier: Apache-2.0 */
/* Lays out what scoring reads: weights with the cohorts' deltas added up, support vectors side by side. See tables.h.
 */
#include "models/tables.h"

#include <float.h>
#include <math.h>

RS_DEFINE_AUTO_STRUCT(rs_model_tables, rs_model_tables_free)

void rs_model_tables_free(struct rs_model_tables *t)
{
    if (!t)
        return;
    free(t->mean);
    free(t->weights);
    free(t->bias);
    free(t->table);
    free(t->coef);
    free(t->sv);
    free(t->half_norm);
    free(t);
}

/* Zeroed memory of n items on a cache line of its own. */
static void *aligned_items(size_t n, size_t size)
{
    size_t bytes;
    void *p = NULL;
    if (!rs_mul_size(n, size, &bytes) || !rs_add_size(bytes, 63, &bytes))
        return NULL;
    bytes = RS_MAX(bytes / 64, 1) * 64;
    if (posix_memalign(&p, 64, bytes) != 0)
        return NULL;
    return memset(p, 0, bytes);
}

/* Copies n_steps values into blocks, each value once. */
static void put_blocks(const struct rs_model_tables *t, const double *from, double *to)
{
    size_t done = 0;
    for (size_t b = 0; b < t->n_blocks; b++)
        for (size_t i = 0; i < LANES; i++) {
            size_t j = block_start(t, b) + i;
            if (j < done || j >= t->d)
                continue;
            to[b * LANES + i] = from[j];
            done = j + 1;
        }
}

static bool place_linear(const struct rs_model *m, struct rs_model_tables *t)
{
    uint32_t n_heavy = 0;
    for (uint32_t i = 0; i < m->n_deltas; i++)
        n_heavy += m->deltas[i].weight != NULL;
    t->n_tables = n_heavy + 1;
    size_t size = t->n_blocks * LANES;
    t->mean = aligned_items(size, sizeof *t->mean);
    t->weights = aligned_items(size * t->n_tables, sizeof *t->weights);
    t->bias = rs_alloc(m->program.n_cohorts, sizeof *t->bias);
    t->table = rs_alloc(m->program.n_cohorts, sizeof *t->table);
    if (!t->mean || !t->weights || !t->bias || !t->table)
        return false;
    put_blocks(t, m->mean, t->mean);
    put_blocks(t, m->weight, t->weights);
    return true;
}

static void add_delta(struct rs_model_tables *t, const struct rs_cohort_delta *d, double *mine, const double *parent)
{
    put_blocks(t, d->weight, mine);
    for (size_t i = 0; i < t->n_blocks * LANES; i++)
        mine[i] += parent[i];
}

/* math.md M6: each cohort has its parent's weights, and its own delta on top; parents come first. */
static void add_deltas(const struct rs_model *m, struct rs_model_tables *t)
{
    uint32_t next = 0, n_tables = 1;
    for (uint32_t c = 0; c < m->program.n_cohorts; c++) {
        uint32_t parent = m->program.cohorts[c].parent;
        t->bias[c] = c ? t->bias[parent] : m->bias;
        t->table[c] = c ? t->table[parent] : 0;
        if (next == m->n_deltas || m->deltas[next].cohort != c)
            continue;
        const struct rs_cohort_delta *d = &m->deltas[next++];
        t->bias[c] += d->bias;
        if (!d->weight)
            continue;
        add_delta(t, d, t->weights + (size_t)n_tables * t->n_blocks * LANES, table_of(t, c));
        t->table[c] = n_tables++;
    }
}

/* One support vector into its place. One further out than standardised rows go has a kernel of 0. */
static void place_vector(const struct rs_rbf *r, size_t k, struct rs_model_tables *t)
{
    double norm = 0;
    float *to = t->sv + k / SV_GROUP * t->d * SV_GROUP + k % SV_GROUP;
    const float *from = r->sv + k * t->d;
    for (size_t j = 0; j < t->d; j++)
        if (fabs((double)from[j]) > RBF_FAR)
            return;
    for (size_t j = 0; j < t->d; j++) {
        to[j * SV_GROUP] = from[j];
        norm += (double)from[j] * (double)from[j];
    }
    t->half_norm[k] = (float)(-0.5 * norm);
    t->coef[k] = (float)r->coef[k];
}

/* Support vectors side by side, two blocks of sixteen; places without one have coefficient 0. */
static bool place_vectors(const struct rs_model *m, struct rs_model_tables *t)
{
    size_t n = m->rbf.n_sv, blocks = (n + SV_LANES - 1) / SV_LANES;
    t->n_sv_blocks = (blocks + SV_BLOCKS - 1) / SV_BLOCKS * SV_BLOCKS;
    t->n_first = (t->n_sv_blocks / SV_BLOCKS + 1) / 2 * SV_BLOCKS * SV_LANES;
    t->coef = aligned_items(t->n_sv_blocks * SV_LANES, sizeof *t->coef);
    t->sv = aligned_items(t->n_sv_blocks * SV_LANES * t->d, sizeof *t->sv);
    t->half_norm = aligned_items(t->n_sv_blocks * SV_LANES, sizeof *t->half_norm);
    if (!t->coef || !t->sv || !t->half_norm)
        return false;
    for (size_t k = 0; k < n; k++)
        place_vector(&m->rbf, k, t);
    t->exponent = (float)(m->rbf.gamma * (2 / M_LN2));
    t->far_norm = (float)RS_MAX(-0.5 * RBF_NEAR / m->rbf.gamma, -(double)FLT_MAX);
    return true;
}

enum rs_status rs_model_prepare(struct rs_model *m, struct rs_error *err)
{
    RS_AUTO_STRUCT(rs_model_tables) *t = rs_alloc(1, sizeof *t);
    if (!t)
        return rs_error_set(err, RS_ENOMEM, "tables of the model");
    t->d = m->program.n_steps;
    t->n_blocks = RS_MAX((t->d + LANES - 1) / LANES, 1);
    if (!place_linear(m, t) || (m->rbf.n_sv && !place_vectors(m, t)))
        return rs_error_set(err, RS_ENOMEM, "tables of the model");
    t->is_uniform = m->n_deltas == 0;
    add_deltas(m, t);
    rs_model_tables_free(m->tables);
    m->tables = rs_take(t);
    return RS_OK;
}
