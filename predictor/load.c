/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ranges of entities to rows, thinned where memory asks for it. See load.h. */
#include "predictor/load.h"

#include <pthread.h>
#include <xxhash.h>

#include "common/cli.h"
#include "common/parallel.h"
#include "common/progress.h"
#include "common/reserve.h"
#include "predictor/digest.h"

#define RANGE_ROWS 262144u /* rows of a range, about; every range costs a chunk read twice */
#define RANGES_MAX 128u
#define PROGRESS_ROWS 8192u
#define HALVINGS_MAX 40u

/* Rows and entities of one range. */
struct part {
    size_t n, cap;
    float *x, *weight;
    uint8_t *y;
    int64_t *time;
    uint32_t *unit;
    size_t n_units, cap_units;
    uint64_t *unit_hash;
    bool *unit_fails;
    uint32_t *unit_cohort;
    int64_t *unit_first;
    unsigned halvings; /* of the threshold under which its negative rows lie */
    enum rs_status status;
    struct rs_error err;
};

struct load {
    rs_fleet *fleet;
    const struct rs_program *p;
    const struct rs_load_options *opt;
    struct part *parts;
    size_t n_parts, round, n_round; /* ranges of the round under way: n_round from `round` on */
    rs_references **references;     /* of each thread */
    rs_scan **scans;                /* of each thread, made at its first range */
    struct rs_tally *tallies;       /* of each thread */
    unsigned n_threads;
    size_t budget;     /* rows; SIZE_MAX without a limit */
    size_t range_rows; /* that a range may be expected to keep, or a little more */
    unsigned halvings; /* for every range from now on */
    pthread_mutex_t lock;
    struct rs_progress progress;
    uint64_t n_seen;
};

static void part_clear(struct part *t)
{
    free(t->x);
    free(t->weight);
    free(t->y);
    free(t->time);
    free(t->unit);
    free(t->unit_hash);
    free(t->unit_fails);
    free(t->unit_cohort);
    free(t->unit_first);
    *t = (struct part){ 0 };
}

static bool first_rows(struct part *t, size_t cells)
{
    t->x = rs_reserve(cells, sizeof *t->x);
    return t->x != NULL;
}

static bool resize_rows(struct part *t, size_t cap, size_t d)
{
    size_t cells;
    t->cap = cap;
    if (!rs_mul_size(cap, d, &cells) || !(t->x ? rs_resize(&t->x, cells, sizeof *t->x) : first_rows(t, cells)))
        return false;
    return rs_resize(&t->weight, cap, sizeof *t->weight) && rs_resize(&t->y, cap, 1) &&
           rs_resize(&t->time, cap, sizeof *t->time) && rs_resize(&t->unit, cap, sizeof *t->unit);
}

static bool resize_units(struct part *t, size_t cap)
{
    t->cap_units = cap;
    return rs_resize(&t->unit_hash, cap, sizeof *t->unit_hash) &&
           rs_resize(&t->unit_fails, cap, sizeof *t->unit_fails) &&
           rs_resize(&t->unit_cohort, cap, sizeof *t->unit_cohort) &&
           rs_resize(&t->unit_first, cap, sizeof *t->unit_first);
}

/* math.md F42: kept where the hash is below 2^64 / 2^halvings */
static bool is_kept(uint64_t unit_hash, int64_t time, unsigned halvings)
{
    uint64_t key[2] = { unit_hash, (uint64_t)time };
    return halvings == 0 || XXH3_64bits(key, sizeof key) >> (64 - halvings) == 0;
}

/* Drops the rows, and then the entities, that a lower threshold leaves out. */
static void thin(struct part *t, size_t d, unsigned halvings)
{
    size_t n = 0, n_units = 0, last = SIZE_MAX;
    for (size_t i = 0; i < t->n; i++) {
        uint32_t u = t->unit[i];
        if (!t->y[i] && !is_kept(t->unit_hash[u], t->time[i], halvings))
            continue;
        if (u != last) { /* rows of an entity stand together */
            t->unit_hash[n_units] = t->unit_hash[u];
            t->unit_fails[n_units] = t->unit_fails[u];
            t->unit_cohort[n_units] = t->unit_cohort[u];
            t->unit_first[n_units++] = t->unit_first[u];
            last = u;
        }
        memmove(t->x + n * d, t->x + i * d, d * sizeof *t->x);
        t->weight[n] = t->weight[i];
        t->y[n] = t->y[i];
        t->time[n] = t->time[i];
        t->unit[n++] = (uint32_t)(n_units - 1);
    }
    t->n = n;
    t->n_units = n_units;
    t->halvings = halvings;
}

/* What the reading of a range carries along. */
struct reading {
    struct load *load;
    struct part *part;
    struct rs_tally *tally;
    rs_scan *scan;
    rs_digest *digest;
    rs_references *references;
    uint64_t entity; /* the last one with a label */
    uint64_t hash;   /* of it */
    uint64_t n_rows, n_positive;
    uint32_t cohort;
    bool is_unit;
    float control_weight;
};

static void count(struct rs_tally *t, const struct rs_scan_row *row)
{
    t->first = RS_MIN(t->first, row->time);
    t->last = RS_MAX(t->last, row->time);
    t->n_rows++;
    t->n_positive += row->label == 1;
    t->n_control += row->touch == RS_CONTROL;
}

/* The entity under way to all cohorts that it belongs to, once. */
static void count_entity(struct reading *r)
{
    struct rs_tally *t = r->tally;
    if (r->n_rows == 0)
        return;
    t->n_entities++;
    t->n_failing += r->n_positive > 0;
    for (uint32_t c = r->cohort;; c = r->load->p->cohorts[c].parent) {
        t->support[c].n_entities++;
        t->support[c].n_failing += r->n_positive > 0;
        t->support[c].n_rows += r->n_rows;
        t->support[c].n_positive += r->n_positive;
        if (c == 0)
            break;
    }
    r->n_rows = r->n_positive = 0;
}

static bool add_unit(struct reading *r, const struct rs_scan_row *row)
{
    struct part *t = r->part;
    if (t->n_units == t->cap_units && !resize_units(t, t->cap_units ? 2 * t->cap_units : 1024))
        return false;
    t->unit_hash[t->n_units] = r->hash;
    t->unit_fails[t->n_units] = false;
    t->unit_cohort[t->n_units] = row->cohort;
    t->unit_first[t->n_units++] = row->first_seen;
    r->is_unit = true;
    return true;
}

static enum rs_status keep(struct reading *r, const struct rs_scan_row *row, struct rs_error *err)
{
    struct part *t = r->part;
    size_t d = r->load->p->n_steps;
    bool has_room = r->is_unit || add_unit(r, row);
    if (has_room && t->n == t->cap)
        has_room = resize_rows(t, t->cap ? 2 * t->cap : r->load->range_rows, d);
    if (!has_room)
        return rs_error_set(err, RS_ENOMEM, "%zu rows by %zu features: out of memory", t->n, d);
    enum rs_status st = rs_scan_features(r->scan, t->x + t->n * d, err);
    if (st < 0)
        return st;
    t->y[t->n] = row->label == 1;
    t->time[t->n] = row->time;
    t->weight[t->n] = row->touch == RS_CONTROL ? r->control_weight : 1;
    t->unit[t->n++] = (uint32_t)(t->n_units - 1);
    t->unit_fails[t->n_units - 1] |= row->label == 1;
    while (t->n > r->load->budget && t->halvings < HALVINGS_MAX) { /* this range alone is too much, so the whole is */
        thin(t, d, t->halvings + 1);
        r->is_unit = t->n && t->unit_hash[t->n_units - 1] == r->hash;
    }
    return RS_OK;
}

static enum rs_status take(struct reading *r, const struct rs_scan_row *row, struct rs_error *err)
{
    if (row->entity != r->entity) {
        count_entity(r);
        r->entity = row->entity;
        r->cohort = row->cohort;
        r->hash = XXH3_64bits_withSeed(row->id, strlen(row->id), r->load->opt->seed);
        r->is_unit = false;
    }
    count(r->tally, row);
    r->n_rows++;
    r->n_positive += row->label == 1;
    rs_digest_add(r->digest, row);
    uint64_t key[2] = { r->hash, row->row };
    rs_references_add(r->references, XXH3_64bits(key, sizeof key), 1 / (double)row->n_entity_rows, row->readings);
    return row->label == 1 || is_kept(r->hash, row->time, r->part->halvings) ? keep(r, row, err) : RS_OK;
}

static void show_progress(struct load *l, uint64_t n)
{
    pthread_mutex_lock(&l->lock);
    rs_progress_update(&l->progress, l->n_seen += n, NULL);
    pthread_mutex_unlock(&l->lock);
}

static enum rs_status read_range(struct reading *r, struct rs_error *err)
{
    struct rs_scan_row row;
    enum rs_status st;
    uint64_t n = 0;
    while ((st = rs_scan_step(r->scan, &row, err)) == RS_CONTINUE) {
        if (++n % PROGRESS_ROWS == 0) {
            if (rs_cli_interrupted())
                return rs_error_set(err, RS_ECANCELLED, "interrupted");
            show_progress(r->load, PROGRESS_ROWS);
        }
        r->tally->n_mitigated += row.touch == RS_MITIGATED;
        if (row.label >= 0 && (st = take(r, &row, err)) < 0)
            return st;
    }
    count_entity(r);
    return st;
}

/* Entities [first, next) of a range; ranges of all processes follow each other. */
static void range_of(const struct load *l, size_t part, uint64_t *first, uint64_t *next)
{
    uint64_t n = rs_fleet_info(l->fleet)->n_entities, size = rs_comm_size(l->opt->comm) * l->n_parts;
    uint64_t k = rs_comm_rank(l->opt->comm) * l->n_parts + part;
    *first = n / size * k + RS_MIN(k, n % size);
    *next = *first + n / size + (k < n % size);
}

static enum rs_status go_to_range(struct load *l, size_t part, unsigned worker, bool *out_is_empty,
                                  struct rs_error *err)
{
    struct rs_scan_options opt = { .horizon_s = l->opt->horizon_s,
                                   .kind = l->opt->kind,
                                   .is_lazy = true,
                                   .is_silent = rs_comm_rank(l->opt->comm) + part > 0 };
    uint64_t next;
    range_of(l, part, &opt.first, &next);
    opt.n = next - opt.first;
    *out_is_empty = opt.n == 0;
    if (opt.n == 0)
        return RS_OK;
    return l->scans[worker] ? rs_scan_move(l->scans[worker], opt.first, opt.n, err)
                            : rs_scan_new(l->fleet, l->p, &opt, &l->scans[worker], err);
}

static void do_range(void *arg, size_t task, unsigned worker)
{
    struct load *l = arg;
    struct part *t = &l->parts[l->round + task];
    RS_AUTO(rs_digest) *digest = rs_digest_new();
    bool is_empty;
    t->halvings = l->halvings;
    t->err = (struct rs_error)RS_ERROR_INIT;
    t->status = digest ? go_to_range(l, l->round + task, worker, &is_empty, &t->err)
                       : rs_error_set(&t->err, RS_ENOMEM, "digest: out of memory");
    if (t->status < 0 || is_empty)
        return;
    double share = rs_fleet_info(l->fleet)->control_share;
    struct reading r = { .load = l,
                         .part = t,
                         .tally = &l->tallies[worker],
                         .scan = l->scans[worker],
                         .digest = digest,
                         .references = l->references[worker],
                         .entity = UINT64_MAX,
                         .control_weight = share > 0 ? (float)(1 / share) : 1 };
    t->status = read_range(&r, &t->err);
    l->tallies[worker].digest += rs_digest_value(digest);
}

/* Thins what has been read until it fits. */
static void fit_budget(struct load *l, size_t n_done)
{
    for (;; l->halvings++) {
        size_t n = 0;
        for (size_t k = 0; k < n_done; k++)
            l->halvings = RS_MAX(l->halvings, l->parts[k].halvings);
        for (size_t k = 0; k < n_done; k++) {
            if (l->parts[k].halvings < l->halvings)
                thin(&l->parts[k], l->p->n_steps, l->halvings);
            n += l->parts[k].n;
        }
        if (n <= l->budget || l->halvings == HALVINGS_MAX)
            return;
    }
}

static enum rs_status read_all(struct load *l, struct rs_error *err)
{
    for (l->round = 0; l->round < l->n_parts; l->round += l->n_round) {
        /* thinned ranges are small: more of them fit into what a round may take beyond the budget */
        size_t want = l->budget == SIZE_MAX ? l->n_parts : (size_t)l->n_threads << RS_MIN(l->halvings, 8u);
        l->n_round = RS_MIN(want, l->n_parts - l->round);
        rs_parallel(l->n_threads, l->n_round, do_range, l);
        for (size_t k = l->round; k < l->round + l->n_round; k++)
            if (l->parts[k].status < 0)
                return rs_error_set(err, l->parts[k].status, "%s", l->parts[k].err.msg);
        if (l->budget != SIZE_MAX)
            fit_budget(l, l->round + l->n_round);
    }
    return RS_OK;
}

/* Every process keeps the same share of the negative samples: that of the one which has least room. */
static enum rs_status agree_on_thinning(struct load *l, struct rs_error *err)
{
    double halvings = l->halvings;
    enum rs_status st = rs_comm_max(l->opt->comm, &halvings, 1, err);
    l->halvings = (unsigned)halvings;
    for (size_t k = 0; st == RS_OK && k < l->n_parts; k++)
        if (l->parts[k].halvings < l->halvings)
            thin(&l->parts[k], l->p->n_steps, l->halvings);
    return st;
}

static void add_tally(struct rs_tally *to, const struct rs_tally *from)
{
    to->n_rows += from->n_rows;
    to->n_positive += from->n_positive;
    to->n_entities += from->n_entities;
    to->n_failing += from->n_failing;
    to->n_mitigated += from->n_mitigated;
    to->n_control += from->n_control;
    to->first = RS_MIN(to->first, from->first);
    to->last = RS_MAX(to->last, from->last);
    to->digest += from->digest;
    for (uint32_t c = 0; c < to->n_cohorts; c++) {
        to->support[c].n_entities += from->support[c].n_entities;
        to->support[c].n_failing += from->support[c].n_failing;
        to->support[c].n_rows += from->support[c].n_rows;
        to->support[c].n_positive += from->support[c].n_positive;
    }
}

/* Where a part goes in the matrix, and what it adds to the sums. */
struct place {
    size_t row;
    uint32_t unit;
    uint64_t n_positive, n_failing;
    double sum[2]; /* of weights, by class */
};

struct join {
    struct load *load;
    struct rs_matrix *m;
    struct place *places;
    float negative_weight;
};

/* Moves the rows of a part to their place in the matrix and frees it. */
static void move_part(void *arg, size_t k, unsigned worker)
{
    (void)worker;
    const struct join *j = arg;
    struct rs_matrix *m = j->m;
    struct part *t = &j->load->parts[k];
    struct place *at = &j->places[k];
    memcpy(m->x + at->row * m->stride, t->x, t->n * m->stride * sizeof *t->x);
    memcpy(m->y + at->row, t->y, t->n);
    memcpy(m->time + at->row, t->time, t->n * sizeof *t->time);
    for (size_t i = 0; i < t->n; i++) {
        float weight = t->weight[i] * (t->y[i] ? 1 : j->negative_weight);
        m->unit[at->row + i] = at->unit + t->unit[i];
        m->weight[at->row + i] = weight;
        at->n_positive += t->y[i];
        at->sum[t->y[i]] += (double)weight;
    }
    memcpy(m->unit_hash + at->unit, t->unit_hash, t->n_units * sizeof *t->unit_hash);
    memcpy(m->unit_fails + at->unit, t->unit_fails, t->n_units * sizeof *t->unit_fails);
    memcpy(m->unit_cohort + at->unit, t->unit_cohort, t->n_units * sizeof *t->unit_cohort);
    memcpy(m->unit_first + at->unit, t->unit_first, t->n_units * sizeof *t->unit_first);
    for (size_t u = 0; u < t->n_units; u++)
        at->n_failing += t->unit_fails[u];
    part_clear(t);
}

static enum rs_status allocate(struct rs_matrix *m, size_t n, size_t n_units, const struct rs_program *p,
                               struct rs_error *err)
{
    size_t cells;
    m->d = m->stride = p->n_steps;
    if (n > UINT32_MAX || !rs_mul_size(n, m->d, &cells))
        return rs_error_set(err, RS_EUNSUPPORTED, "%zu rows, at most %u: give --memory", n, UINT32_MAX);
    m->x = rs_reserve(cells, sizeof *m->x); /* not calloc: rows arrive while their parts go */
    m->y = malloc(RS_MAX(n, (size_t)1));
    m->time = malloc(RS_MAX(n * sizeof *m->time, (size_t)1));
    m->unit = malloc(RS_MAX(n * sizeof *m->unit, (size_t)1));
    m->weight = malloc(RS_MAX(n * sizeof *m->weight, (size_t)1));
    m->unit_hash = rs_alloc(n_units, sizeof *m->unit_hash);
    m->unit_fails = rs_alloc(n_units, sizeof *m->unit_fails);
    m->unit_cohort = rs_alloc(n_units, sizeof *m->unit_cohort);
    m->unit_first = rs_alloc(n_units, sizeof *m->unit_first);
    m->mean = rs_alloc(m->d, sizeof *m->mean);
    m->scale = rs_alloc(m->d, sizeof *m->scale);
    if (!m->x || !m->y || !m->time || !m->unit || !m->weight || !m->unit_hash || !m->unit_fails || !m->unit_cohort ||
        !m->unit_first || !m->mean || !m->scale)
        return rs_error_set(err, RS_ENOMEM, "%zu rows by %zu features: out of memory", n, m->d);
    return RS_OK;
}

static enum rs_status put_together(struct load *l, struct rs_matrix *m, struct rs_error *err)
{
    rs_autofree struct place *places = rs_alloc(l->n_parts, sizeof *places);
    if (!places)
        return rs_error_set(err, RS_ENOMEM, "%zu ranges: out of memory", l->n_parts);
    size_t n = 0, n_units = 0;
    for (size_t k = 0; k < l->n_parts; k++) {
        places[k].row = n;
        places[k].unit = (uint32_t)n_units;
        n += l->parts[k].n;
        n_units += l->parts[k].n_units;
    }
    enum rs_status st = allocate(m, n, n_units, l->p, err);
    if (st < 0)
        return st;
    m->keep_share = 1 / (double)((uint64_t)1 << l->halvings);
    struct join join = { l, m, places, (float)(1 / m->keep_share) };
    rs_parallel(l->n_threads, l->n_parts, move_part, &join);
    m->n = n;
    m->n_units = (uint32_t)n_units;
    for (size_t k = 0; k < l->n_parts; k++) {
        m->n_positive += places[k].n_positive;
        m->n_failing += places[k].n_failing;
        m->sum_negative += places[k].sum[0];
        m->sum_positive += places[k].sum[1];
    }
    return RS_OK;
}

/* The other processes' counts too. */
static enum rs_status share_tally(struct rs_tally *t, rs_comm *comm, struct rs_error *err)
{
    _Static_assert(sizeof *t->support == 4 * sizeof(uint64_t), "the counts of a cohort travel as they are");
    uint64_t counts[] = {
        t->n_rows, t->n_positive, t->n_entities, t->n_failing, t->n_mitigated, t->n_control, t->digest
    };
    double ends[] = { -(double)t->first, (double)t->last }; /* exact: seconds of some million years */
    enum rs_status st = rs_comm_sum_counts(comm, counts, RS_LEN(counts), err);
    if (st == RS_OK)
        st = rs_comm_sum_counts(comm, (uint64_t *)t->support, 4 * (size_t)t->n_cohorts, err);
    if (st == RS_OK)
        st = rs_comm_max(comm, ends, RS_LEN(ends), err);
    if (st < 0 || rs_comm_size(comm) == 1)
        return st;
    t->n_rows = counts[0];
    t->n_positive = counts[1];
    t->n_entities = counts[2];
    t->n_failing = counts[3];
    t->n_mitigated = counts[4];
    t->n_control = counts[5];
    t->digest = counts[6];
    if (t->n_rows > 0) {
        t->first = (int64_t)-ends[0];
        t->last = (int64_t)ends[1];
    }
    return RS_OK;
}

static bool new_tally(struct rs_tally *t, uint32_t n_cohorts)
{
    *t = (struct rs_tally){ .first = INT64_MAX, .last = INT64_MIN, .n_cohorts = n_cohorts };
    t->support = rs_alloc(n_cohorts, sizeof *t->support);
    return t->support != NULL;
}

/* math.md F42: what is foreseen, so that rows which will not stay are not even made. A fifth less than expected, as the
 * smallest threshold that fits is then still met from below. */
static unsigned foreseen_halvings(const struct load *l)
{
    double share = 0.8 / rs_comm_size(l->opt->comm), positive = share * (double)l->opt->n_positive_expected;
    double negative = share * (double)l->opt->n_expected - positive;
    unsigned halvings = 0;
    while (l->budget != SIZE_MAX && negative + positive > (double)l->budget && halvings < HALVINGS_MAX &&
           negative > 1) {
        negative /= 2;
        halvings++;
    }
    return halvings;
}

static enum rs_status load_init(struct load *l, struct rs_error *err)
{
    const struct rs_fleet_info *info = rs_fleet_info(l->fleet);
    l->n_threads = l->opt->n_threads ? l->opt->n_threads : rs_threads();
    l->n_parts = (size_t)RS_MIN(RS_MIN(info->n_rows / RANGE_ROWS + 1, (uint64_t)RANGES_MAX), info->n_entities + 1);
    size_t row =
        RS_MAX(l->opt->stride_max, (size_t)l->p->n_steps) * sizeof(float) + sizeof(int64_t) + 4 * sizeof(float);
    /* half of it: ranges are put together, and read, beside what there is */
    l->budget = l->opt->memory_bytes ? RS_MAX(l->opt->memory_bytes / 2 / row, (size_t)1000) : SIZE_MAX;
    l->halvings = foreseen_halvings(l);
    l->range_rows = (size_t)(info->n_rows / rs_comm_size(l->opt->comm) / l->n_parts >> l->halvings) * 5 / 4 + 1024;
    l->parts = rs_alloc(l->n_parts, sizeof *l->parts);
    l->tallies = rs_alloc(l->n_threads, sizeof *l->tallies);
    l->references = rs_alloc(l->n_threads, sizeof(rs_references *));
    l->scans = rs_alloc(l->n_threads, sizeof(rs_scan *));
    bool is_there = l->parts && l->tallies && l->references && l->scans;
    for (unsigned k = 0; is_there && k < l->n_threads; k++)
        is_there = new_tally(&l->tallies[k], l->p->n_cohorts) &&
                   rs_references_new(info->n_signals, &l->references[k], NULL) == RS_OK;
    return is_there ? RS_OK : rs_error_set(err, RS_ENOMEM, "%zu ranges: out of memory", l->n_parts);
}

static void load_clear(struct load *l)
{
    for (size_t k = 0; l->parts && k < l->n_parts; k++)
        part_clear(&l->parts[k]);
    for (unsigned k = 0; l->tallies && k < l->n_threads; k++)
        free(l->tallies[k].support);
    for (unsigned k = 0; l->references && k < l->n_threads; k++)
        rs_references_free(l->references[k]);
    for (unsigned k = 0; l->scans && k < l->n_threads; k++)
        rs_scan_free(l->scans[k]);
    free(l->references);
    free(l->scans);
    free(l->parts);
    free(l->tallies);
}

enum rs_status rs_load(rs_fleet *fleet, const struct rs_program *p, const struct rs_load_options *opt,
                       struct rs_matrix *out, struct rs_error *err)
{
    rs_auto_matrix m = { 0 };
    struct load l = { .fleet = fleet, .p = p, .opt = opt, .lock = PTHREAD_MUTEX_INITIALIZER };
    rs_progress_start(&l.progress, "features", "rows", rs_fleet_info(fleet)->n_rows, opt->is_quiet);
    enum rs_status st = load_init(&l, err);
    if (st == RS_OK)
        st = read_all(&l, err);
    rs_progress_end(&l.progress);
    if (st == RS_OK)
        st = agree_on_thinning(&l, err);
    if (st == RS_OK)
        st = new_tally(&m.tally, p->n_cohorts) ? put_together(&l, &m, err)
                                               : rs_error_set(err, RS_ENOMEM, "cohorts: out of memory");
    m.tally.control_share = rs_fleet_info(fleet)->control_share;
    for (unsigned k = 0; st == RS_OK && k < l.n_threads; k++) {
        add_tally(&m.tally, &l.tallies[k]);
        if (k > 0)
            rs_references_join(l.references[0], l.references[k]);
    }
    if (st == RS_OK)
        m.references = rs_take(l.references[0]);
    if (st == RS_OK)
        st = share_tally(&m.tally, opt->comm, err);
    if (st == RS_OK)
        st = rs_references_share(m.references, opt->comm, err);
    if (st == RS_OK && m.tally.n_rows == 0)
        st = rs_error_set(err, RS_ENODATA,
                          "no sample has a label: the horizon reaches beyond the data, or no entity was watched that "
                          "long");
    load_clear(&l);
    if (st < 0)
        return st;
    *out = m;
    m = (struct rs_matrix){ 0 };
    return RS_OK;
}
