/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The choice of C and gamma of a radial machine: every cell on every fold in this process, on all cores, held-out rows
 * scored too, against libsvm's own svm-train called for each cell in turn on files of the same rows. Both get the same
 * kernel, C, class weights and tolerance; the support vectors are counted on both sides. svm-train loads its file and
 * writes its model, as it does for whoever uses it; ours starts from the rows in memory, where the trainer has them. */
#include <math.h>
#include <time.h>

#include "common/parallel.h"
#include "predictor/rbf.h"

#define D 40
#define FOLDS 5
#define RUNS 3

static const double penalties[] = { 0.3, 1, 3 }, gammas[] = { 0.0125, 0.025, 0.05 };
#define CELLS (RS_LEN(penalties) * RS_LEN(gammas))

struct data {
    size_t n;
    float *x;
    uint8_t *y, *validates;
    uint32_t *trains;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t state = 42;

static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state >> 11) + 0.5) * 0x1p-53;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* Standardised telemetry: half of the columns mostly zero with a heavy tail; a seventh of the rows fail, by an
 * interaction of columns and noise. */
static void fill(struct data *s)
{
    for (size_t i = 0; i < s->n; i++) {
        float *x = s->x + i * D;
        s->y[i] = uniform() < 1.0 / 7;
        for (size_t j = 0; j < D; j++) {
            double v = normal();
            if (j % 2)
                v = uniform() < 0.8 ? -0.4 : fabs(v) * 1.6;
            if (s->y[i] && j < 12)
                v += j % 3 ? 0.7 : v * v * 0.5;
            x[j] = (float)v;
        }
        s->validates[i] = (uint8_t)(i % FOLDS);
        s->trains[i] = ~(1u << s->validates[i]);
    }
}

static void write_fold(const struct data *s, size_t fold)
{
    char name[64];
    snprintf(name, sizeof name, "fold%zu.svm", fold);
    rs_auto_file FILE *f = fopen(name, "w");
    if (!f)
        exit(1);
    for (int y = 1; y >= 0; y--)
        for (size_t i = 0; i < s->n; i++) {
            if (s->y[i] != y || !(s->trains[i] >> fold & 1))
                continue;
            fputs(y ? "+1" : "-1", f);
            for (size_t j = 0; j < D; j++)
                if (s->x[i * D + j] != 0)
                    fprintf(f, " %zu:%.17g", j + 1, (double)s->x[i * D + j]);
            putc('\n', f);
        }
}

/* Weights that the grid gives the classes on a fold: both weigh the same in total, 1 a row on average. */
static void weights(const struct data *s, size_t fold, double out[2])
{
    double n[2] = { 0 };
    double all[2] = { 0 };
    for (size_t i = 0; i < s->n; i++) {
        all[s->y[i]]++;
        n[s->y[i]] += s->trains[i] >> fold & 1;
    }
    double mean = (n[0] / all[0] + n[1] / all[1]) / (n[0] + n[1]);
    out[0] = 1 / all[0] / mean;
    out[1] = 1 / all[1] / mean;
}

static uint32_t count_vectors(void)
{
    char line[256];
    unsigned n = 0;
    rs_auto_file FILE *f = fopen("model", "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "total_sv %u", &n) != 1)
        ;
    return n;
}

static void run_theirs(const struct data *s, uint32_t *out_n_sv)
{
    for (size_t cell = 0; cell < CELLS; cell++)
        for (size_t fold = 0; fold < FOLDS; fold++) {
            double w[2];
            char command[512];
            weights(s, fold, w);
            snprintf(command, sizeof command,
                     "svm-train -q -s 0 -t 2 -c %.17g -g %.17g -w1 %.17g -w-1 %.17g fold%zu.svm model",
                     penalties[cell % RS_LEN(penalties)], gammas[cell / RS_LEN(penalties)], w[1], w[0], fold);
            if (system(command) != 0)
                exit(1);
            out_n_sv[cell * FOLDS + fold] = count_vectors();
        }
}

static void run_ours(const struct data *s, double *z, uint32_t *out_n_sv)
{
    size_t n_positive = 0;
    for (size_t i = 0; i < s->n; i++)
        n_positive += s->y[i];
    struct rs_problem p = { .x = s->x,
                            .stride = D,
                            .y = s->y,
                            .n = s->n,
                            .d = D,
                            .weight_positive = 1 / (double)n_positive,
                            .weight_negative = 1 / (double)(s->n - n_positive) };
    struct rs_rbf_grid g = { .problem = &p,
                             .trains = s->trains,
                             .validates = s->validates,
                             .n_folds = FOLDS,
                             .C = penalties,
                             .n_C = RS_LEN(penalties),
                             .gamma = gammas,
                             .n_gamma = RS_LEN(gammas),
                             .options = { .max_rows = s->n } };
    struct rs_error err = RS_ERROR_INIT;
    if (rs_rbf_grid_run(&g, z, out_n_sv, &err) < 0) {
        fprintf(stderr, "bench_rbf: %s\n", err.msg);
        exit(1);
    }
}

static int up(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

static double report(const char *name, double *s)
{
    qsort(s, RUNS, sizeof *s, up);
    printf("%-34s %8.3f s  (%.3f to %.3f)\n", name, s[RUNS / 2], s[0], s[RUNS - 1]);
    return s[RUNS / 2];
}

int main(int argc, char **argv)
{
    struct data s = { .n = argc > 1 ? strtoul(argv[1], NULL, 10) : 2400 };
    uint32_t ours[CELLS * FOLDS], theirs[CELLS * FOLDS], n_same = 0;
    double t_ours[RUNS], t_theirs[RUNS];
    double *z = rs_alloc(CELLS * s.n, sizeof *z);
    s.x = rs_alloc(s.n * D, sizeof *s.x);
    s.y = rs_alloc(s.n, 1);
    s.validates = rs_alloc(s.n, 1);
    s.trains = rs_alloc(s.n, sizeof *s.trains);
    if (!s.x || !s.y || !s.validates || !s.trains || !z)
        return 1;
    fill(&s);
    for (size_t fold = 0; fold < FOLDS; fold++)
        write_fold(&s, fold);
    for (int r = 0; r < RUNS; r++) {
        double start = now_s();
        run_ours(&s, z, ours);
        t_ours[r] = now_s() - start;
        start = now_s();
        run_theirs(&s, theirs);
        t_theirs[r] = now_s() - start;
    }
    for (size_t i = 0; i < CELLS * FOLDS; i++)
        n_same += ours[i] == theirs[i];
    printf("RBF: %zu rows of %d, %zu cells x %d folds, tolerance 0.001, %u threads\n", s.n, D, CELLS, FOLDS,
           rs_threads());
    double mine = report("RBF selection, validation included", t_ours);
    double peer = report("peer: svm-train for each cell", t_theirs);
    printf("%-34s %8.1f x faster (bar: 1.8); as many support vectors in %u of %zu machines\n", "", peer / mine, n_same,
           CELLS * FOLDS);
    free(z);
    free(s.x);
    free(s.y);
    free(s.validates);
    free(s.trains);
    return 0;
}
