/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_solver [--write FILE] [ROWS [RUNS]]: fits of linear models in memory, ours and LIBLINEAR's on the same rows.
 *
 * The rows resemble the telemetry of a fleet, from a seed: 40 float32 columns, of which 24 are counters that are zero
 * in most rows (60 % to 98 %), log-normal or Pareto (index 1.5) where they are not; 12 are gauges, correlated through
 * one common factor; 4 are the parts of a group effect: 50 cohorts of skewed sizes (Zipf), each with a level of its
 * own. Counters go through log1p, every column is standardised. 0.5 % of the rows are positive, by a logistic model of
 * twelve columns, two hinges that a linear model does not see, and the cohort. FILE receives the rows (float32) and the
 * labels (bytes), for tests/bench_sklearn.py.
 *
 * Both sides: C = 1, the intercept a penalised column of ones (LIBLINEAR -B 1), a relative gradient of 1e-6.
 * LIBLINEAR's own criterion is scaled by the rarer class: its -e is chosen so that it stops at |g| <= 1e-6 |g at 0|,
 * and both gradients are measured here, in double. Loading is not timed; ours runs in one workspace, as a selection
 * does, and the time of the first fit, which makes it, is told too. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "common/parallel.h"
#include "common/reserve.h"
#include "predictor/solver.h"

#ifdef RS_HAVE_LIBLINEAR
#include <linear.h>
#endif

#define D 40
#define COHORTS 50
#define REL_GRADIENT 1e-6
#define RUNS_MAX 25

struct data {
    size_t n;
    float *x;
    uint8_t *y;
    size_t n_positive;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next_u64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double uniform(uint64_t *state)
{
    return ((double)(next_u64(state) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t *state)
{
    return sqrt(-2 * log(uniform(state))) * cos(6.283185307179586 * uniform(state));
}

static double raw_value(size_t j, double common, unsigned cohort, uint64_t *s)
{
    if (j < 24) {
        double zeros = 0.6 + 0.38 * (double)j / 23;
        if (uniform(s) < zeros)
            return 0;
        return log1p(j % 2 ? 3 * exp(1.5 * normal(s)) : pow(uniform(s), -1 / 1.5));
    }
    if (j < 36)
        return 0.6 * common + 0.8 * normal(s);
    return sin(1.7 * (double)(cohort + 1) * (double)(j - 34)) + 0.3 * normal(s);
}

static void make_row(float *x, double *score, uint64_t seed, size_t i)
{
    uint64_t s = seed + i * 0xd1342543de82ef95u;
    double common = normal(&s);
    unsigned cohort = (unsigned)(pow((double)COHORTS + 1, uniform(&s)) - 1); /* density ~ 1 / (cohort + 1) */
    for (size_t j = 0; j < D; j++)
        x[j] = (float)raw_value(j, common, cohort, &s);
    *score = 0.8 * sin(2.1 * cohort) + RS_MAX(0.0, (double)x[25] - 1) + RS_MAX(0.0, (double)x[1] - 2);
    for (size_t j = 0; j < D; j += 3)
        *score += (j % 2 ? 0.5 : 0.25) * (double)x[j];
    *score += -log(1 / uniform(&s) - 1); /* logistic noise: positive above a threshold */
}

struct making {
    struct data *d;
    double *score, *sum, *square;
    size_t rows;
};

static void make_part(void *arg, size_t task, unsigned worker)
{
    (void)worker;
    struct making *m = arg;
    size_t to = RS_MIN((task + 1) * m->rows, m->d->n);
    for (size_t i = task * m->rows; i < to; i++) {
        float *x = m->d->x + i * D;
        make_row(x, m->score + i, 20240131, i);
        for (size_t j = 0; j < D; j++) {
            m->sum[task * D + j] += (double)x[j];
            m->square[task * D + j] += (double)x[j] * (double)x[j];
        }
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The score above which 0.5 % of the rows stand, from a part of them. */
static double threshold(const double *score, size_t n)
{
    size_t m = RS_MIN(n, (size_t)1000000);
    double *sorted = malloc(m * sizeof *sorted);
    if (!sorted)
        exit(1);
    memcpy(sorted, score, m * sizeof *sorted);
    qsort(sorted, m, sizeof *sorted, compare);
    double t = sorted[(size_t)(0.995 * (double)m)];
    free(sorted);
    return t;
}

static struct data make(size_t n)
{
    struct data d = { .n = n, .x = rs_reserve(n * D, sizeof(float)), .y = malloc(n) }; /* as training holds them */
    size_t tasks = 64;
    struct making m = { &d, malloc(n * sizeof(double)), calloc(tasks * D, sizeof(double)),
                        calloc(tasks * D, sizeof(double)), (n + tasks - 1) / tasks };
    if (!d.x || !d.y || !m.score || !m.sum || !m.square)
        exit(1);
    rs_parallel(0, tasks, make_part, &m);
    double mean[D] = { 0 }, scale[D] = { 0 }, cut = threshold(m.score, n);
    for (size_t t = 0; t < tasks; t++)
        for (size_t j = 0; j < D; j++) {
            mean[j] += m.sum[t * D + j] / (double)n;
            scale[j] += m.square[t * D + j] / (double)n;
        }
    for (size_t j = 0; j < D; j++)
        scale[j] = sqrt(scale[j] - mean[j] * mean[j]);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < D; j++)
            d.x[i * D + j] = (float)(((double)d.x[i * D + j] - mean[j]) / scale[j]);
        d.n_positive += d.y[i] = m.score[i] > cut;
    }
    free(m.score);
    free(m.sum);
    free(m.square);
    return d;
}

/* Objective and |gradient| at w, in double, term by term. */
struct measure {
    const struct data *d;
    enum rs_learner learner;
    const double *w;
    double part[64][D + 2];
    size_t rows;
};

static void measure_part(void *arg, size_t task, unsigned worker)
{
    (void)worker;
    struct measure *m = arg;
    double *g = m->part[task];
    size_t to = RS_MIN((task + 1) * m->rows, m->d->n);
    for (size_t i = task * m->rows; i < to; i++) {
        const float *x = m->d->x + i * D;
        double s = m->d->y[i] ? 1 : -1, margin = s * rs_linear_z(m->w, x, D), gap = RS_MAX(1 - margin, 0.0);
        double slope = m->learner == RS_LOGISTIC ? -s / (1 + exp(margin)) : -2 * s * gap;
        g[D + 1] += m->learner != RS_LOGISTIC ? gap * gap
                    : margin > 0              ? log1p(exp(-margin))
                                              : log1p(exp(margin)) - margin;
        for (size_t j = 0; j < D; j++)
            g[j] += slope * (double)x[j];
        g[D] += slope;
    }
}

static double measure(const struct data *d, enum rs_learner learner, const double *w, double *out_norm)
{
    static struct measure m;
    m = (struct measure){ .d = d, .learner = learner, .w = w, .rows = (d->n + 63) / 64 };
    rs_parallel(0, 64, measure_part, &m);
    double norm = 0, f = 0;
    for (size_t j = 0; j <= D + 1; j++) {
        double g = 0;
        for (size_t t = 0; t < 64; t++)
            g += m.part[t][j];
        if (j <= D) {
            norm += (g + w[j]) * (g + w[j]);
            f += w[j] * w[j] / 2;
        } else {
            f += g;
        }
    }
    *out_norm = sqrt(norm);
    return f;
}

struct result {
    double seconds[RUNS_MAX], objective, rel_gradient;
    int n;
};

static void conclude(struct result *r, const struct data *d, enum rs_learner learner, const double *w)
{
    double zero[D + 1] = { 0 }, norm, start;
    measure(d, learner, zero, &start);
    r->objective = measure(d, learner, w, &norm);
    r->rel_gradient = norm / start;
    qsort(r->seconds, (size_t)r->n, sizeof *r->seconds, compare);
}

static double median(const struct result *r)
{
    return r->seconds[r->n / 2];
}

static void print(const char *name, const struct result *r, const char *note)
{
    printf("  %-26s %9.4f s  (%.4f to %.4f, %d runs)  f = %.9g, |g|/|g0| = %.2g%s\n", name, median(r), r->seconds[0],
           r->seconds[r->n - 1], r->n, r->objective, r->rel_gradient, note);
    fflush(stdout);
}

static rs_solver *workspace(const struct data *d)
{
    struct rs_error err = RS_ERROR_INIT;
    rs_solver *ws = NULL;
    if (rs_solver_new(d->n, D, &ws, &err) < 0) {
        fprintf(stderr, "bench_solver: %s\n", err.msg);
        exit(1);
    }
    return ws;
}

static void fit_ours(const struct data *d, enum rs_learner learner, rs_solver *ws, double *w,
                     struct rs_fit_report *report)
{
    struct rs_problem p = {
        .x = d->x, .stride = D, .y = d->y, .n = d->n, .d = D, .weight_positive = 1, .weight_negative = 1
    };
    struct rs_fit_options opt = {
        .learner = learner, .C = 1, .bias = RS_BIAS_PENALISED, .rel_gradient = REL_GRADIENT, .max_iter = 100
    };
    struct rs_error err = RS_ERROR_INIT;
    memset(w, 0, (D + 1) * sizeof *w);
    if (rs_solver_fit(ws, &p, &opt, w, report, &err) < 0) {
        fprintf(stderr, "bench_solver: %s\n", err.msg);
        exit(1);
    }
}

static struct result time_ours(const struct data *d, enum rs_learner learner, int runs)
{
    struct result r = { .n = runs };
    struct rs_fit_report report;
    double w[D + 1], start = now_s();
    RS_AUTO(rs_solver) *ws = workspace(d);
    fit_ours(d, learner, ws, w, &report);
    double first = now_s() - start;
    for (int k = 0; k < runs; k++) {
        double t = now_s();
        fit_ours(d, learner, ws, w, &report);
        r.seconds[k] = now_s() - t;
    }
    conclude(&r, d, learner, w);
    char note[128];
    snprintf(note, sizeof note, "; %u steps, %.2f passes%s; %.4f s with a fresh workspace", report.iterations,
             report.passes, report.has_converged ? "" : ", NOT CONVERGED", first);
    print("ours", &r, note);
    return r;
}

#ifdef RS_HAVE_LIBLINEAR
static void be_silent(const char *text)
{
    (void)text;
}

static struct result time_liblinear(const struct data *d, enum rs_learner learner, int runs)
{
    struct result r = { .n = runs };
    struct feature_node *nodes = malloc(d->n * (D + 2) * sizeof *nodes);
    struct problem p = { .l = (int)d->n, .n = D + 1, .bias = 1 };
    p.x = malloc(d->n * sizeof *p.x);
    p.y = malloc(d->n * sizeof *p.y);
    if (!nodes || !p.x || !p.y)
        exit(1);
    struct feature_node *at = nodes;
    for (size_t i = 0; i < d->n; i++) { /* zeros are not stored: here only standardised ones, so hardly any */
        p.x[i] = at;
        p.y[i] = d->y[i] ? 1 : -1;
        for (size_t j = 0; j < D; j++)
            if (d->x[i * D + j] != 0)
                *at++ = (struct feature_node){ (int)j + 1, (double)d->x[i * D + j] };
        *at++ = (struct feature_node){ D + 1, 1 };
        at++->index = -1;
    }
    /* it stops at |g| <= eps min(n+, n-) / n |g at 0| */
    double share = (double)RS_MIN(d->n_positive, d->n - d->n_positive) / (double)d->n;
    struct parameter param = {
        .solver_type = learner == RS_LOGISTIC ? L2R_LR : L2R_L2LOSS_SVC, .C = 1, .p = 0.1, .eps = REL_GRADIENT / share
    };
    set_print_string_function(be_silent);
    double w[D + 1] = { 0 };
    for (int k = 0; k < runs; k++) {
        double t = now_s();
        struct model *m = train(&p, &param);
        r.seconds[k] = now_s() - t;
        for (size_t j = 0; j <= D; j++)
            w[j] = m->label[0] == 1 ? m->w[j] : -m->w[j];
        free_and_destroy_model(&m);
    }
    free(nodes);
    free(p.x);
    free(p.y);
    conclude(&r, d, learner, w);
    char note[64];
    snprintf(note, sizeof note, "; -e %.3g -B 1", param.eps);
    print(learner == RS_LOGISTIC ? "LIBLINEAR -s 0" : "LIBLINEAR -s 2", &r, note);
    return r;
}
#endif

/* Memory of a fit above what the data take: a child that touches nothing else. */
static void report_memory(const struct data *d)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(1);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct data own = { .n = d->n, .x = malloc(d->n * D * sizeof(float)), .y = malloc(d->n) };
        double w[D + 1];
        long bytes[2];
        struct rs_fit_report report;
        struct rusage usage;
        memcpy(own.x, d->x, d->n * D * sizeof(float));
        memcpy(own.y, d->y, d->n);
        FILE *clear = fopen("/proc/self/clear_refs", "w"); /* 5: forget the peak so far */
        if (clear) {
            fputs("5", clear);
            fclose(clear);
        }
        getrusage(RUSAGE_SELF, &usage);
        bytes[0] = usage.ru_maxrss;
        rs_solver *ws = workspace(&own);
        fit_ours(&own, RS_LOGISTIC, ws, w, &report);
        getrusage(RUSAGE_SELF, &usage);
        bytes[1] = usage.ru_maxrss;
        _exit(write(ends[1], bytes, sizeof bytes) == sizeof bytes ? 0 : 1);
    }
    long kb[2] = { 0, 0 };
    if (read(ends[0], kb, sizeof kb) != sizeof kb)
        exit(1);
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    double data = (double)d->n * (D * sizeof(float) + 1);
    printf("  memory: data %.1f MB; the fit adds %.1f MB at its peak: %.2f x the data in all\n", data / 1e6,
           (double)(kb[1] - kb[0]) * 1024 / 1e6, 1 + (double)(kb[1] - kb[0]) * 1024 / data);
}

static void compare_learner(const struct data *d, enum rs_learner learner, int runs)
{
    printf("%s, %zu rows x %d, %zu positive\n", learner == RS_LOGISTIC ? "logistic" : "squared hinge", d->n, D,
           d->n_positive);
    struct result ours = time_ours(d, learner, runs);
#ifdef RS_HAVE_LIBLINEAR
    struct result theirs = time_liblinear(d, learner, d->n > 2000000 ? 1 : RS_MIN(runs, 3));
    printf("  ratio %.1f; objectives differ by %.2g relative\n", median(&theirs) / median(&ours),
           (ours.objective - theirs.objective) / theirs.objective);
#else
    printf("  built without liblinear-dev: no peer\n");
    (void)ours;
#endif
}

static bool write_rows(const struct data *d, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    bool is_written = fwrite(d->x, D * sizeof(float), d->n, file) == d->n && fwrite(d->y, 1, d->n, file) == d->n;
    return fclose(file) == 0 && is_written;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "write", required_argument, NULL, 'w' }, { 0 } };
    const char *path = NULL;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c != 'w')
            return 2;
        path = optarg;
    }
    size_t n = argc > optind ? (size_t)atof(argv[optind]) : 1000000;
    int runs = argc > optind + 1 ? RS_MIN(RS_MAX(atoi(argv[optind + 1]), 1), RUNS_MAX) : 5;
    struct data d = make(n);
    if (path && !write_rows(&d, path)) {
        perror(path);
        return 1;
    }
    report_memory(&d);
    compare_learner(&d, RS_LOGISTIC, runs);
    compare_learner(&d, RS_LINEAR_SVM, runs);
    free(d.x);
    free(d.y);
    return 0;
}
