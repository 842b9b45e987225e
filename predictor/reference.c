/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bounded weighted sample of rows and the cuts made of it. See reference.h and docs/math.md G1. */
#include "predictor/reference.h"

#include <math.h>

#include "common/parallel.h"
#include "common/reserve.h"
#include "models/drift.h"

#define MEMORY_MAX ((size_t)64 << 20)
#define ROWS_MIN 1000
#define ATOM_MIN 0.01 /* no bin is meant to hold less than this share */

struct kept {
    double priority; /* exponential with rate `weight`: the smallest ones are a weighted sample */
    uint64_t key;
    uint32_t slot;
};

struct rs_references {
    size_t n_signals, n_keep;
    size_t n;          /* kept so far, below 2 n_keep */
    double limit;      /* priorities above it are out of the sample for certain */
    struct kept *kept; /* 2 n_keep */
    float *readings;   /* 2 n_keep x n_signals, by slot */
};

enum rs_status rs_references_new(size_t n_signals, rs_references **out, struct rs_error *err)
{
    RS_AUTO(rs_references) *b = rs_alloc(1, sizeof *b);
    if (!b)
        return rs_error_set(err, RS_ENOMEM, "references of %zu signals: out of memory", n_signals);
    size_t fit = MEMORY_MAX / (2 * sizeof *b->readings * RS_MAX(n_signals, (size_t)1));
    b->n_signals = n_signals;
    b->n_keep = RS_MIN(RS_MAX(fit, (size_t)ROWS_MIN), (size_t)RS_REF_ROWS);
    b->limit = INFINITY;
    b->kept = rs_alloc(2 * b->n_keep, sizeof *b->kept);
    b->readings = rs_reserve(2 * b->n_keep, n_signals * sizeof *b->readings);
    if (!b->kept || !b->readings)
        return rs_error_set(err, RS_ENOMEM, "references of %zu signals: out of memory", n_signals);
    for (size_t i = 0; i < 2 * b->n_keep; i++)
        b->kept[i].slot = (uint32_t)i;
    *out = rs_take(b);
    return RS_OK;
}

void rs_references_free(rs_references *b)
{
    if (!b)
        return;
    free(b->kept);
    free(b->readings);
    free(b);
}

static bool is_before(const struct kept *a, const struct kept *b)
{
    return a->priority != b->priority ? a->priority < b->priority : a->key < b->key;
}

/* The n_first rows of lowest priority to the front, the last of them at its end (Hoare's selection, 1961). No two are
 * equal, unless a row was added twice. */
static void select_first(struct kept *k, size_t n, size_t n_first)
{
    size_t low = 0, high = n - 1, at = n_first - 1;
    while (low < high) {
        struct kept middle = k[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (is_before(&k[i], &middle))
                i++;
            while (is_before(&middle, &k[j]))
                j--;
            if (i >= j)
                break;
            struct kept swap = k[i];
            k[i++] = k[j];
            k[j--] = swap;
        }
        /* [low, i) is not above the middle, (j, high] not below it */
        if (at <= j)
            high = j;
        else
            low = j + 1;
    }
}

/* Lets go of all but the n_keep rows of lowest priority; their slots become free for the next ones. */
static void shrink(rs_references *b)
{
    if (b->n <= b->n_keep)
        return;
    select_first(b->kept, b->n, b->n_keep);
    b->n = b->n_keep;
    b->limit = b->kept[b->n - 1].priority;
}

static void keep(rs_references *b, double priority, uint64_t key, const float *readings)
{
    struct kept *k = &b->kept[b->n++];
    k->priority = priority;
    k->key = key;
    memcpy(b->readings + k->slot * b->n_signals, readings, b->n_signals * sizeof *readings);
    if (b->n == 2 * b->n_keep)
        shrink(b);
}

/* Uniform in (0, 1), from the bits of the key (splitmix64's finaliser, Steele, Lea, Flood 2014). */
static double uniform(uint64_t key)
{
    key += 0x9e3779b97f4a7c15u;
    key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9u;
    key = (key ^ (key >> 27)) * 0x94d049bb133111ebu;
    key ^= key >> 31;
    return ((double)(key >> 11) + 0.5) / 9007199254740992.0;
}

/* math.md G1: the rows of smallest -ln(1 - u) / weight (Efraimidis, Spirakis 2006). As -ln(1 - u) >= u, a row with
 * u / weight over the limit is out without a logarithm. */
void rs_references_add(rs_references *b, uint64_t key, double weight, const float *readings)
{
    double u = uniform(key);
    if (u > b->limit * weight)
        return;
    double priority = -log1p(-u) / weight;
    if (priority <= b->limit)
        keep(b, priority, key, readings);
}

void rs_references_join(rs_references *b, const rs_references *from)
{
    for (size_t i = 0; i < from->n; i++)
        if (from->kept[i].priority <= b->limit)
            keep(b, from->kept[i].priority, from->kept[i].key, from->readings + from->kept[i].slot * from->n_signals);
}

/* Readings in the order of `kept`, as they travel. */
static float *pack_readings(const rs_references *b)
{
    float *packed = rs_alloc(b->n, b->n_signals * sizeof *packed);
    for (size_t i = 0; packed && i < b->n; i++)
        memcpy(packed + i * b->n_signals, b->readings + b->kept[i].slot * b->n_signals, b->n_signals * sizeof *packed);
    return packed;
}

enum rs_status rs_references_share(rs_references *b, rs_comm *comm, struct rs_error *err)
{
    if (rs_comm_size(comm) == 1)
        return RS_OK;
    shrink(b);
    rs_autofree float *packed = pack_readings(b);
    void *got = NULL;
    size_t n = 0, cells;
    if (!packed)
        return rs_error_set(err, RS_ENOMEM, "references of %zu signals: out of memory", b->n_signals);
    enum rs_status st = rs_comm_gather(comm, b->kept, b->n, sizeof *b->kept, &got, &n, err);
    rs_autofree struct kept *kept = got;
    got = NULL;
    if (st == RS_OK)
        st = rs_comm_gather(comm, packed, b->n * b->n_signals, sizeof *packed, &got, &cells, err);
    rs_autofree float *readings = got;
    if (st < 0)
        return st;
    b->n = 0;
    b->limit = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (kept[i].priority <= b->limit)
            keep(b, kept[i].priority, kept[i].key, readings + i * b->n_signals);
    return RS_OK;
}

/* ---- cuts ---- */

struct value {
    float value;
    double weight;
};

static int by_value(const void *pa, const void *pb)
{
    const struct value *a = pa, *b = pb;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return a->weight < b->weight ? -1 : a->weight > b->weight;
}

/* A value that all have lies between two cuts, so that leaving it either way is seen. */
static void cut_constant(float value, struct rs_reference *out)
{
    float below = nextafterf(value, -INFINITY);
    out->n_edges = isfinite(below) ? 2 : 1;
    out->edge[0] = isfinite(below) ? below : value;
    out->edge[1] = value;
    out->share[out->n_edges - 1] = 1;
}

/* math.md G1: what is left is dealt out evenly to the bins that are left, value by value, so that a value that fills
 * several bins leaves the rest to the others. v: sorted, total weight 1. */
static void cut(const struct value *v, size_t n, struct rs_reference *out)
{
    double left = 1, bin = 0;
    size_t bins_left = RS_REF_EDGES + 1;
    if (v[0].value == v[n - 1].value) {
        cut_constant(v[0].value, out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        bin += v[i].weight;
        bool is_run_end = i + 1 < n && v[i + 1].value != v[i].value;
        bool is_full = bin >= RS_MAX(left / (double)bins_left, ATOM_MIN) * (1 - 1e-9);
        if (!is_run_end || !is_full || out->n_edges == RS_REF_EDGES || left - bin < ATOM_MIN / 2)
            continue;
        out->share[out->n_edges] = RS_MIN(bin, 1);
        out->edge[out->n_edges++] = v[i].value;
        left -= bin;
        bins_left--;
        bin = 0;
    }
    out->share[out->n_edges] = RS_MIN(bin, 1);
}

/* Shares sum to 1 up to rounding; where there was room for no cut (one value has all but a sliver), one is made there.
 */
static void cut_or_split(const struct value *v, size_t n, struct rs_reference *out)
{
    cut(v, n, out);
    if (out->n_edges > 0)
        return;
    double below = 0;
    size_t i = 0;
    float middle = v[n / 2].value;
    if (middle == v[n - 1].value) /* the sliver lies below */
        while (v[i].value < middle)
            below += v[i++].weight;
    else
        while (i < n && v[i].value <= middle)
            below += v[i++].weight;
    out->n_edges = 1;
    out->edge[0] = v[i - 1].value;
    out->share[0] = RS_MIN(below, 1);
    out->share[1] = 1 - out->share[0];
}

static void measure(struct value *v, size_t n, double present, double missing, struct rs_reference *out)
{
    *out = (struct rs_reference){ .missing = 1 };
    if (!(present > 0))
        return;
    out->missing = missing / (present + missing);
    for (size_t i = 0; i < n; i++)
        v[i].weight /= present;
    qsort(v, n, sizeof *v, by_value);
    cut_or_split(v, n, out);
}

enum rs_status rs_reference_fit(const float *values, const double *weight, size_t n, struct rs_reference *out,
                                struct rs_error *err)
{
    rs_autofree struct value *v = rs_alloc(n, sizeof *v);
    if (!v)
        return rs_error_set(err, RS_ENOMEM, "reference of %zu values: out of memory", n);
    double present = 0, missing = 0;
    size_t n_present = 0;
    for (size_t i = 0; i < n; i++) {
        double k = weight ? weight[i] : 1;
        if (!isfinite(values[i])) {
            missing += k;
            continue;
        }
        present += k;
        v[n_present++] = (struct value){ values[i], k };
    }
    measure(v, n_present, present, missing, out);
    return RS_OK;
}

struct finish_job {
    const rs_references *b;
    const uint32_t *signal;
    struct rs_reference *refs;
    float *columns; /* b->n for each thread */
    bool *has_failed;
};

static void finish_signal(void *arg, size_t s, unsigned worker)
{
    const struct finish_job *job = arg;
    const rs_references *b = job->b;
    size_t from = job->signal ? job->signal[s] : s;
    float *column = job->columns + worker * b->n;
    for (size_t i = 0; i < b->n; i++)
        column[i] = b->readings[b->kept[i].slot * b->n_signals + from];
    job->has_failed[s] = rs_reference_fit(column, NULL, b->n, &job->refs[s], NULL) < 0;
}

enum rs_status rs_references_finish(rs_references *b, const uint32_t *signal, size_t n, struct rs_reference **out,
                                    struct rs_error *err)
{
    shrink(b);
    unsigned n_threads = rs_threads();
    rs_autofree struct rs_reference *refs = rs_alloc(n, sizeof *refs);
    rs_autofree float *columns = rs_alloc(n_threads * b->n, sizeof *columns);
    rs_autofree bool *has_failed = rs_alloc(n, sizeof *has_failed);
    bool is_short = !refs || !columns || !has_failed;
    if (!is_short)
        rs_parallel(n_threads, n, finish_signal, &(struct finish_job){ b, signal, refs, columns, has_failed });
    for (size_t s = 0; s < n && !is_short; s++)
        is_short = has_failed[s];
    if (is_short)
        return rs_error_set(err, RS_ENOMEM, "references of %zu signals: out of memory", n);
    *out = rs_take(refs);
    return RS_OK;
}
