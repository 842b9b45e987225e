/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One pass over the labelled samples of a fleet file. */
#include "predictor/survey.h"

#include <float.h>
#include <math.h>
#include <xxhash.h>

#include "common/cli.h"
#include "common/each_unit.h"
#include "common/parallel.h"
#include "common/progress.h"
#include "common/reserve.h"
#include "predictor/scan.h"

#define RANGES 16 /* of entities, in a file that is not read whole */

/* Of every signal, by its number. */
struct tally {
    uint64_t *n_missing, *n_zero, *n_negative;
    float *min, *max;
};

/* What the pass carries beside its result. */
struct pass {
    const struct rs_fleet_info *info;
    const struct rs_survey_options *opt;
    struct rs_survey *out;
    struct tally tally;
    float *rows; /* sampled readings, row-major */
    double *ages, *times;
    size_t n, cap;
    uint64_t keep_below; /* a row is sampled where its hash is below */
    double *last_number; /* by attribute: of the entity before; NaN until there is one */
    float **numbers;     /* numeric attributes of sampled entities, by attribute */
    size_t n_numbers, cap_numbers;
    int64_t seen_s;                   /* sum over entities of the mean time between their samples */
    uint64_t n_gaps;                  /* of entities that have two samples or more */
    bool *event_seen;                 /* n_events: the entity under way has one */
    bool entity_counts, entity_fails; /* of the entity under way */
};

void rs_survey_clear(struct rs_survey *s)
{
    for (uint32_t i = 0; s->attrs && i < s->n_attrs; i++)
        free(s->attrs[i].n_entities);
    free(s->attrs);
    free(s->event_entities);
    free(s->signals);
    *s = (struct rs_survey){ 0 };
}

static void pass_clear(struct pass *p)
{
    for (uint32_t i = 0; p->numbers && i < p->info->n_attrs; i++)
        free(p->numbers[i]);
    free(p->numbers);
    free(p->tally.n_missing);
    free(p->tally.n_zero);
    free(p->tally.n_negative);
    free(p->tally.min);
    free(p->tally.max);
    free(p->last_number);
    free(p->event_seen);
    free(p->rows);
    free(p->ages);
    free(p->times);
}

static bool keep_row(struct pass *p, const float *values, int64_t time, int64_t first_seen)
{
    size_t d = p->info->n_signals;
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : RS_SURVEY_ROWS * 5 / 4, row = RS_MAX(d, (size_t)1) * sizeof *p->rows;
        bool has_room = p->rows ? rs_resize(&p->rows, cap, row) : (p->rows = rs_reserve(cap, row)) != NULL;
        if (!has_room || !rs_resize(&p->ages, cap, sizeof *p->ages) || !rs_resize(&p->times, cap, sizeof *p->times))
            return false;
        p->cap = cap;
    }
    memcpy(p->rows + p->n * d, values, d * sizeof *values);
    p->ages[p->n] = log1p((double)(time - first_seen) / (double)RS_DAY_S);
    p->times[p->n++] = (double)time;
    return true;
}

static bool keep_numbers(struct pass *p, const double *numbers)
{
    if (p->n_numbers == p->cap_numbers) {
        size_t cap = p->cap_numbers ? 2 * p->cap_numbers : 1024;
        for (uint32_t i = 0; i < p->info->n_attrs; i++)
            if (!rs_resize(&p->numbers[i], cap, sizeof **p->numbers))
                return false;
        p->cap_numbers = cap;
    }
    for (uint32_t i = 0; i < p->info->n_attrs; i++)
        p->numbers[i][p->n_numbers] = (float)numbers[i];
    p->n_numbers++;
    return true;
}

/* Whole columns side by side, without a branch: this is done for every sample. */
RS_EACH_UNIT static void count_readings(struct tally *t, size_t n, const float *values)
{
    for (size_t k = 0; k < n; k++) {
        bool is_there = isfinite(values[k]);
        t->n_missing[k] += !is_there;
        t->n_zero[k] += values[k] == 0;
        t->n_negative[k] += is_there & (values[k] < 0);
        t->min[k] = is_there & (values[k] < t->min[k]) ? values[k] : t->min[k];
        t->max[k] = is_there & (values[k] > t->max[k]) ? values[k] : t->max[k];
    }
}

static void count_number(struct pass *p, uint32_t i, double x)
{
    struct rs_attr_survey *a = &p->out->attrs[i];
    a->min = RS_MIN(a->min, x);
    a->max = RS_MAX(a->max, x);
    a->n_numbers++;
    a->n_fractions += x != floor(x);
    a->n_rising += x > p->last_number[i];
    a->n_falling += x < p->last_number[i];
    p->last_number[i] = x;
}

/* Counts the attribute values of an entity when its first labelled sample is met. */
static bool count_entity(struct pass *p, const struct rs_fleet_block *b)
{
    p->entity_counts = true;
    p->out->n_entities++;
    bool has_number = false;
    for (uint32_t i = 0; i < p->info->n_attrs; i++) {
        if (b->attr_codes[i] >= 0)
            p->out->attrs[i].n_entities[b->attr_codes[i]]++;
        if (!isnan(b->attr_numbers[i])) {
            count_number(p, i, b->attr_numbers[i]);
            has_number = true;
        }
    }
    if (!rs_cohort_tree_add(p->opt->tree, b->attr_codes))
        return false;
    uint64_t hash = XXH3_64bits_withSeed(b->id, strlen(b->id), p->opt->seed);
    uint64_t one_in = p->info->n_entities / RS_SURVEY_ROWS + 1;
    return !has_number || hash % one_in || keep_numbers(p, b->attr_numbers);
}

static bool take_row(struct pass *p, const struct rs_fleet_block *b, size_t i, int label)
{
    struct rs_survey *s = p->out;
    const float *values = b->values + i * p->info->n_signals;
    s->first = s->n_rows ? RS_MIN(s->first, b->time[i]) : b->time[i];
    s->last = s->n_rows ? RS_MAX(s->last, b->time[i]) : b->time[i];
    s->n_rows++;
    s->n_positive += label == 1;
    s->n_failing += label == 1 && !p->entity_fails;
    p->entity_fails |= label == 1;
    count_readings(&p->tally, p->info->n_signals, values);
    if (!p->entity_counts && !count_entity(p, b))
        return false;
    uint64_t key[2] = { b->row + i, p->opt->seed };
    return XXH3_64bits(key, sizeof key) > p->keep_below || keep_row(p, values, b->time[i], b->first_seen);
}

static void count_events(struct pass *p, const struct rs_fleet_block *b)
{
    memset(p->event_seen, 0, p->info->n_events * sizeof *p->event_seen);
    for (size_t i = 0; i < b->n_events; i++) {
        uint32_t kind = b->events[i].kind;
        p->out->event_entities[kind] += !p->event_seen[kind];
        p->event_seen[kind] = true;
    }
}

static enum rs_status take_block(struct pass *p, const struct rs_fleet_block *b, struct rs_error *err)
{
    if (b->is_first) {
        p->entity_counts = p->entity_fails = false;
        count_events(p, b);
        if (b->n_entity_rows > 1 && b->first_seen >= -RS_STEP_TIME_MAX && b->last_seen <= RS_STEP_TIME_MAX) {
            p->seen_s += (b->last_seen - b->first_seen) / (int64_t)(b->n_entity_rows - 1);
            p->n_gaps++;
        }
    }
    for (size_t i = 0; i < b->n; i++) {
        if (b->time[i] < -RS_STEP_TIME_MAX || b->time[i] > RS_STEP_TIME_MAX)
            return rs_error_set(err, RS_ECORRUPT, "entity %s: the time of row %llu is impossible", b->id,
                                (unsigned long long)(b->row + i));
        int label = rs_block_label(p->info, b, i, p->opt->horizon_s, NULL);
        if (label >= 0 && !take_row(p, b, i, label))
            return rs_error_set(err, RS_ENOMEM, "sample of %zu rows: out of memory", p->n);
    }
    return RS_OK;
}

/* math.md F12: m3 / m2^(3/2) of the finite values among n that lie a stride apart, or of log1p() of them; scratch: n */
static double skew_of(const float *x, size_t n, size_t stride, bool of_log, double *scratch)
{
    double sum = 0, m2 = 0, m3 = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i * stride])) {
            scratch[count] = of_log ? log1p((double)x[i * stride]) : (double)x[i * stride];
            sum += scratch[count++];
        }
    double mean = count ? sum / (double)count : 0;
    for (size_t i = 0; i < count; i++) {
        double off = scratch[i] - mean;
        m2 += off * off;
        m3 += off * off * off;
    }
    return m2 > 0 ? m3 / (double)count / pow(m2 / (double)count, 1.5) : 0;
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static size_t distinct_of(const float *x, size_t n, float *scratch)
{
    size_t count = 0, distinct = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]))
            scratch[count++] = x[i];
    qsort(scratch, count, sizeof *scratch, compare_floats);
    for (size_t i = 0; i < count; i++)
        distinct += i == 0 || scratch[i] != scratch[i - 1];
    return distinct;
}

static double correlation(const double *x, const double *y, size_t n)
{
    double mx = 0, my = 0, sxx = 0, syy = 0, sxy = 0;
    for (size_t i = 0; i < n; i++) {
        mx += x[i] / (double)n;
        my += y[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        sxx += (x[i] - mx) * (x[i] - mx);
        syy += (y[i] - my) * (y[i] - my);
        sxy += (x[i] - mx) * (y[i] - my);
    }
    return sxx > 0 && syy > 0 ? sxy / sqrt(sxx * syy) : 1;
}

struct signals_job {
    const struct pass *p;
    double *scratch; /* p->n for each thread */
};

static void look_at_signal(void *arg, size_t k, unsigned worker)
{
    const struct signals_job *job = arg;
    const struct pass *p = job->p;
    struct rs_signal_survey *s = &p->out->signals[k];
    const struct tally *t = &p->tally;
    double *scratch = job->scratch + worker * p->n;
    s->n_missing = t->n_missing[k];
    s->n_zero = t->n_zero[k];
    s->n_negative = t->n_negative[k];
    s->min = t->min[k];
    s->max = t->max[k];
    s->skew = skew_of(p->rows + k, p->n, p->out->n_signals, false, scratch);
    s->skew_of_log = s->n_negative ? NAN : skew_of(p->rows + k, p->n, p->out->n_signals, true, scratch);
}

static void look_at_attr(struct pass *p, uint32_t i, float *distinct_scratch, double *scratch)
{
    struct rs_attr_survey *a = &p->out->attrs[i];
    for (uint32_t v = 0; !p->info->attrs[i].is_number && v < p->info->attrs[i].n_values; v++)
        a->n_values += a->n_entities[v] > 0;
    if (!p->info->attrs[i].is_number)
        return;
    a->n_values = a->min > a->max ? 0 : a->min < a->max ? 2 : 1;
    for (size_t k = 0; k < p->n_numbers; k++)
        a->n_sampled += isfinite(p->numbers[i][k]);
    size_t n_distinct = distinct_of(p->numbers[i], p->n_numbers, distinct_scratch);
    a->distinct_share = a->n_sampled ? (double)n_distinct / (double)a->n_sampled : 0;
    a->skew = skew_of(p->numbers[i], p->n_numbers, 1, false, scratch);
    a->skew_of_log = a->min < 0 ? NAN : skew_of(p->numbers[i], p->n_numbers, 1, true, scratch);
}

static enum rs_status conclude(struct pass *p, struct rs_error *err)
{
    struct rs_survey *s = p->out;
    if (s->n_rows == 0)
        return rs_error_set(err, RS_ENODATA,
                            "no sample has a label: the horizon reaches beyond the data, or no entity "
                            "was watched that long");
    s->cadence_s = p->n_gaps ? (double)p->seen_s / (double)p->n_gaps : 0;
    s->age_correlation = correlation(p->ages, p->times, p->n);
    unsigned n_threads = RS_MIN(rs_threads(), RS_MAX(s->n_signals, 1u));
    rs_autofree float *numbers = rs_alloc(p->n_numbers, sizeof *numbers);
    rs_autofree double *scratch = rs_alloc(n_threads * p->n + p->n_numbers, sizeof *scratch);
    if (!numbers || !scratch || !rs_cohort_tree_sort(p->opt->tree))
        return rs_error_set(err, RS_ENOMEM, "sample of %zu rows: out of memory", p->n);
    rs_parallel(n_threads, s->n_signals, look_at_signal, &(struct signals_job){ p, scratch });
    for (uint32_t i = 0; i < s->n_attrs; i++)
        look_at_attr(p, i, numbers, scratch);
    return RS_OK;
}

static bool tally_init(struct tally *t, size_t n)
{
    t->n_missing = rs_alloc(n, sizeof *t->n_missing);
    t->n_zero = rs_alloc(n, sizeof *t->n_zero);
    t->n_negative = rs_alloc(n, sizeof *t->n_negative);
    t->min = rs_alloc(n, sizeof *t->min);
    t->max = rs_alloc(n, sizeof *t->max);
    if (!t->n_missing || !t->n_zero || !t->n_negative || !t->min || !t->max)
        return false;
    for (size_t k = 0; k < n; k++) {
        t->min[k] = FLT_MAX;
        t->max[k] = -FLT_MAX;
    }
    return true;
}

static enum rs_status pass_init(struct pass *p, struct rs_error *err)
{
    struct rs_survey *s = p->out;
    s->n_signals = p->info->n_signals;
    s->n_attrs = p->info->n_attrs;
    s->signals = rs_alloc(s->n_signals, sizeof *s->signals);
    s->attrs = rs_alloc(s->n_attrs, sizeof *s->attrs);
    s->event_entities = rs_alloc(p->info->n_events, sizeof *s->event_entities);
    p->numbers = rs_alloc(s->n_attrs, sizeof *p->numbers);
    p->last_number = rs_alloc(s->n_attrs, sizeof *p->last_number);
    p->event_seen = rs_alloc(p->info->n_events, sizeof *p->event_seen);
    if (!s->signals || !s->attrs || !s->event_entities || !p->numbers || !p->last_number || !p->event_seen)
        return rs_error_set(err, RS_ENOMEM, "survey: out of memory");
    if (!tally_init(&p->tally, s->n_signals))
        return rs_error_set(err, RS_ENOMEM, "survey: out of memory");
    for (uint32_t i = 0; i < s->n_attrs; i++) {
        s->attrs[i].min = DBL_MAX;
        s->attrs[i].max = -DBL_MAX;
        p->last_number[i] = NAN;
        s->attrs[i].n_entities = rs_alloc(p->info->attrs[i].n_values, sizeof *s->attrs[i].n_entities);
        if (!s->attrs[i].n_entities)
            return rs_error_set(err, RS_ENOMEM, "survey: out of memory");
    }
    s->share = p->info->n_rows > RS_SURVEY_WHOLE_MAX ? RS_SURVEY_READ_MAX / (double)p->info->n_rows : 1;
    double share = RS_SURVEY_ROWS / RS_MAX((double)p->info->n_rows * s->share, 1.0);
    p->keep_below = share >= 1 ? UINT64_MAX : (uint64_t)(share * 0x1p64);
    return RS_OK;
}

static enum rs_status read_range(struct pass *p, rs_fleet_scan *scan, uint64_t *n_seen, struct rs_progress *progress,
                                 struct rs_error *err)
{
    struct rs_fleet_block b;
    enum rs_status st;
    while ((st = rs_fleet_scan_step(scan, &b, err)) == RS_CONTINUE) {
        if (rs_cli_interrupted())
            return rs_error_set(err, RS_ECANCELLED, "interrupted");
        rs_progress_update(progress, *n_seen += b.n, NULL);
        if (p->opt->kind != RS_KIND_ALL && (int)b.kind != p->opt->kind)
            continue;
        st = take_block(p, &b, err);
        if (st < 0)
            return st;
    }
    return st;
}

static uint64_t scaled(uint64_t n, double share)
{
    return share < 1 ? (uint64_t)((double)n / share + 0.5) : n;
}

static void scale_counts(struct pass *p)
{
    struct rs_survey *s = p->out;
    for (uint32_t i = 0; i < s->n_attrs; i++)
        for (uint32_t v = 0; !p->info->attrs[i].is_number && v < p->info->attrs[i].n_values; v++)
            s->attrs[i].n_entities[v] = scaled(s->attrs[i].n_entities[v], s->share);
    for (uint32_t k = 0; k < p->info->n_events; k++)
        s->event_entities[k] = scaled(s->event_entities[k], s->share);
    for (size_t i = 0; i < p->opt->tree->n; i++)
        p->opt->tree->nodes[i].n_entities = scaled(p->opt->tree->nodes[i].n_entities, s->share);
}

static enum rs_status run(struct pass *p, rs_fleet *fleet, struct rs_progress *progress, struct rs_error *err)
{
    uint64_t n_seen = 0, n = p->info->n_entities;
    RS_AUTO(rs_fleet_scan) *scan = NULL;
    enum rs_status st = pass_init(p, err);
    if (st == RS_OK)
        st = rs_fleet_scan_new(fleet, 0, 0, &scan, err);
    uint64_t n_ranges = p->out->share < 1 ? RS_MIN((uint64_t)RANGES, n) : 1;
    for (uint64_t k = 0; st == RS_OK && k < n_ranges; k++) {
        uint64_t first = n / n_ranges * k, size = n - first;
        if (p->out->share < 1) /* of each stretch, the share at its start */
            size = (uint64_t)((double)(n / n_ranges) * p->out->share) + 1;
        st = rs_fleet_scan_move(scan, first, size, err);
        if (st == RS_OK)
            st = read_range(p, scan, &n_seen, progress, err);
    }
    if (st < 0)
        return st;
    scale_counts(p);
    return conclude(p, err);
}

enum rs_status rs_survey_take(rs_fleet *fleet, const struct rs_survey_options *opt, struct rs_survey *out,
                              struct rs_error *err)
{
    *out = (struct rs_survey){ 0 };
    struct pass p = { .info = rs_fleet_info(fleet), .opt = opt, .out = out };
    struct rs_progress progress;
    rs_progress_start(&progress, "survey", "rows", p.info->n_rows, opt->is_quiet);
    enum rs_status st = run(&p, fleet, &progress, err);
    rs_progress_end(&progress);
    pass_clear(&p);
    if (st < 0)
        rs_survey_clear(out);
    return st;
}
