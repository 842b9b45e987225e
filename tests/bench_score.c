/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Scoring against reading the rows at the speed of the memory, against predict_values() of LIBLINEAR where it is
 * installed, and against svm_predict_values() of libsvm, in the same run.
 *
 *     bench_score [--json]     medians of 25 rounds, their least and greatest, and ratios of medians and of the least
 *
 * Batches: 500,000 rows of 40 features (80 MB, more than any cache), on the threads of rs_threads(). One by one: 64
 * rows again and again, warm. The rounds of what is small are short, so that the least is what the machine can do
 * alone. */
#include <inttypes.h>
#include <libsvm/svm.h>
#ifdef RS_HAVE_LIBLINEAR
#include <linear.h>
#endif
#include <math.h>
#include <time.h>

#include "common/parallel.h"
#include "models/score.h"

enum {
    D = 40,
    N = 500000,
    N_ALONE = 20000,
    N_SV = 500,
    N_RBF = 8192,
    N_RBF_ALONE = 2048,
    N_PEER = 64,
    ROUNDS = 25,
    PIECE = 4096,
    WARM = 64
};

static float *rows;
static double *scores;
static struct rs_model *linear, *rbf;
static struct svm_model peer;
static struct svm_node *peer_rows;
static double sink;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static double uniform(void)
{
    static uint32_t state = 1;
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) * 0x1p-23 - 1;
}

static void *need(void *p)
{
    if (!p) {
        fprintf(stderr, "bench_score: out of memory\n");
        exit(1);
    }
    return p;
}

static struct rs_model *make_model(uint32_t n_sv)
{
    struct rs_model *m = need(rs_alloc(1, sizeof *m));
    m->program.n_steps = D;
    m->program.n_cohorts = 1;
    m->program.cohorts = need(rs_alloc(1, sizeof *m->program.cohorts));
    m->weight = need(rs_alloc(D, sizeof(double)));
    m->mean = need(rs_alloc(D, sizeof(double)));
    m->scale = need(rs_alloc(D, sizeof(double)));
    m->calibrator.a = 1;
    for (size_t j = 0; j < D; j++) {
        m->weight[j] = n_sv ? 0 : uniform();
        m->scale[j] = 1;
    }
    if (n_sv) {
        m->learner = RS_RBF_SVM;
        m->rbf = (struct rs_rbf){ .n_sv = n_sv, .gamma = 1.0 / D };
        m->rbf.coef = need(rs_alloc(n_sv, sizeof(double)));
        m->rbf.sv = need(rs_alloc((size_t)n_sv * D, sizeof(float)));
        for (size_t k = 0; k < n_sv; k++)
            m->rbf.coef[k] = uniform();
        for (size_t i = 0; i < (size_t)n_sv * D; i++)
            m->rbf.sv[i] = (float)uniform();
    }
    if (rs_model_prepare(m, NULL) != RS_OK)
        need(NULL);
    return m;
}

static void put_nodes(const float *x, struct svm_node *out)
{
    for (int j = 0; j < D; j++)
        out[j] = (struct svm_node){ j + 1, (double)x[j] };
    out[D].index = -1;
}

/* The same machine for libsvm. */
static void make_peer(void)
{
    static int labels[2] = { 1, 0 }, counts[2];
    static double rho[1];
    static double *coef[1];
    struct svm_node *nodes = need(rs_alloc((size_t)N_SV * (D + 1), sizeof *nodes));
    peer = (struct svm_model){ .param = { .svm_type = C_SVC, .kernel_type = RBF, .gamma = 1.0 / D },
                               .nr_class = 2,
                               .l = N_SV };
    peer.SV = need(rs_alloc(N_SV, sizeof *peer.SV));
    for (size_t k = 0; k < N_SV; k++) {
        put_nodes(rbf->rbf.sv + k * D, nodes + k * (D + 1));
        peer.SV[k] = nodes + k * (D + 1);
    }
    counts[0] = N_SV;
    coef[0] = rbf->rbf.coef;
    peer.label = labels;
    peer.nSV = counts;
    peer.rho = rho;
    peer.sv_coef = coef;
    peer_rows = need(rs_alloc((size_t)N_PEER * (D + 1), sizeof *peer_rows));
    for (size_t i = 0; i < N_PEER; i++)
        put_nodes(rows + i * D, peer_rows + i * (D + 1));
}

static void read_piece(void *arg, size_t task, unsigned worker)
{
    const uint64_t *p = (const uint64_t *)(const void *)(rows + task * PIECE * D);
    size_t n = RS_MIN((size_t)PIECE, N - task * PIECE) * D / 2;
    uint64_t a[16] = { 0 };
    (void)worker;
    for (size_t i = 0; i + 16 <= n; i += 16)
        for (size_t k = 0; k < 16; k++)
            a[k] += p[i + k];
    for (size_t k = 1; k < 16; k++)
        a[0] += a[k];
    ((double *)arg)[task] = (double)a[0];
}

static void run_read(void)
{
    rs_parallel(0, (N + PIECE - 1) / PIECE, read_piece, scores);
}
static void run_linear(void)
{
    rs_score_batch(linear, rows, N, NULL, rs_threads(), scores);
}
static void run_single(void)
{
    for (size_t k = 0; k < N_ALONE; k++)
        sink += rs_model_risk(linear, 0, rows + k % WARM * D);
}
static void run_rbf(void)
{
    rs_score_batch(rbf, rows, N_RBF, NULL, rs_threads(), scores);
}
static void run_rbf_single(void)
{
    for (size_t k = 0; k < N_RBF_ALONE; k++)
        sink += rs_model_risk(rbf, 0, rows + k % WARM * D);
}
static void run_peer(void)
{
    for (size_t k = 0; k < N_PEER; k++)
        svm_predict_values(&peer, peer_rows + k * (D + 1), &scores[k]);
}

#ifdef RS_HAVE_LIBLINEAR
static struct model linear_peer;
static struct feature_node *linear_rows;

/* The same weights for LIBLINEAR, bias last as with -B 1. */
static void make_linear_peer(void)
{
    static int labels[2] = { 1, 0 };
    linear_peer = (struct model){
        .param = { .solver_type = L2R_LR }, .nr_class = 2, .nr_feature = D, .bias = 1, .label = labels
    };
    linear_peer.w = need(rs_alloc(D + 1, sizeof(double)));
    memcpy(linear_peer.w, linear->weight, D * sizeof(double));
    linear_peer.w[D] = linear->bias;
    linear_rows = need(rs_alloc((size_t)WARM * (D + 2), sizeof *linear_rows));
    for (size_t i = 0; i < WARM; i++) {
        struct feature_node *row = linear_rows + i * (D + 2);
        for (int j = 0; j < D; j++)
            row[j] = (struct feature_node){ j + 1, (double)rows[i * D + (size_t)j] };
        row[D] = (struct feature_node){ D + 1, 1 };
        row[D + 1].index = -1;
    }
}

static void run_linear_peer(void)
{
    double z;
    for (size_t k = 0; k < N_ALONE; k++) {
        predict_values(&linear_peer, linear_rows + k % WARM * (D + 2), &z);
        sink += z;
    }
}
#endif

struct figure {
    const char *name;
    void (*run)(void);
    double n;
    double ns[ROUNDS]; /* of a row, sorted */
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Rounds go in turn, so that what disturbs the machine disturbs all. */
static void measure(struct figure *f, size_t n)
{
    for (int round = -1; round < ROUNDS; round++)
        for (size_t i = 0; i < n; i++) {
            double start = now_ns();
            f[i].run();
            if (round >= 0)
                f[i].ns[round] = (now_ns() - start) / f[i].n;
        }
    for (size_t i = 0; i < n; i++)
        qsort(f[i].ns, ROUNDS, sizeof f[i].ns[0], by_size);
}

static double largest_difference(void)
{
    double most = 0;
    run_peer();
    for (size_t k = 0; k < N_PEER; k++)
        most = fmax(most, fabs(scores[k] - rs_model_z(rbf, 0, rows + k * D)));
    return most;
}

static void print_figures(const struct figure *f, size_t n, bool is_json)
{
    for (size_t i = 0; i < n; i++)
        printf(is_json ? "%s{\"name\": \"%s\", \"median_ns\": %.2f, \"min_ns\": %.2f, \"max_ns\": %.2f}"
                       : "%s%-36s %10.2f ns a row (%.2f to %.2f)\n",
               is_json && i ? ", " : "", f[i].name, f[i].ns[ROUNDS / 2], f[i].ns[0], f[i].ns[ROUNDS - 1]);
}

enum { READ, BATCH, ALONE, RBF_BATCH, RBF_ALONE, RBF_PEER, LINEAR_PEER };

/* Ratios of the rounds' medians (round ROUNDS / 2) or least (0). */
static void print_ratios(const struct figure *f, size_t n, int round, bool is_json)
{
    double batch = f[BATCH].ns[round] / f[READ].ns[round];
    double rbf_batch = f[RBF_PEER].ns[round] / f[RBF_BATCH].ns[round];
    double rbf_alone = f[RBF_PEER].ns[round] / f[RBF_ALONE].ns[round];
    printf(is_json
               ? ", \"%s\": {\"batch_over_read\": %.2f, \"rbf_batch_faster\": %.1f, \"rbf_single_faster\": %.1f"
               : "%s: linear batch %.2f x reading; RBF batch %.1f x, one by one %.1f x faster than svm_predict_values",
           round ? "medians" : "least", batch, rbf_batch, rbf_alone);
    if (n > LINEAR_PEER)
        printf(is_json ? ", \"linear_batch_faster\": %.1f, \"linear_single_faster\": %.1f"
                       : "; linear batch %.1f x, one by one %.1f x faster than predict_values",
               f[LINEAR_PEER].ns[round] / f[BATCH].ns[round], f[LINEAR_PEER].ns[round] / f[ALONE].ns[round]);
    printf(is_json ? "}" : "\n");
}

static void print_all(const struct figure *f, size_t n, bool is_json)
{
    if (is_json)
        printf("{\"path\": \"%s\", \"threads\": %u, \"figures\": [", rs_score_path(), rs_threads());
    else
        printf("scoring: %s, %u threads%s\n", rs_score_path(), rs_threads(),
               n > LINEAR_PEER ? "" : "; LIBLINEAR (liblinear-dev) was not there at the build");
    print_figures(f, n, is_json);
    printf("%s", is_json ? "]" : "");
    print_ratios(f, n, ROUNDS / 2, is_json);
    print_ratios(f, n, 0, is_json);
    printf(is_json ? ", \"rbf_largest_difference\": %.3g}\n" : "RBF: largest difference in decision value %.3g\n",
           largest_difference());
}

int main(int argc, char **argv)
{
    bool is_json = argc == 2 && rs_streq(argv[1], "--json");
    if (argc > 1 && !is_json) {
        fprintf(stderr, "bench_score [--json]\n");
        return 2;
    }
    rows = need(rs_alloc((size_t)N * D, sizeof *rows));
    scores = need(rs_alloc(N, sizeof *scores));
    for (size_t i = 0; i < (size_t)N * D; i++)
        rows[i] = (float)uniform();
    linear = make_model(0);
    rbf = make_model(N_SV);
    make_peer();
    struct figure f[] = { [READ] = { "read rows", run_read, N, { 0 } },
                          [BATCH] = { "linear, batch", run_linear, N, { 0 } },
                          [ALONE] = { "linear, one by one, one thread", run_single, N_ALONE, { 0 } },
                          [RBF_BATCH] = { "RBF of 500, batch", run_rbf, N_RBF, { 0 } },
                          [RBF_ALONE] = { "RBF of 500, one by one, one thread", run_rbf_single, N_RBF_ALONE, { 0 } },
                          [RBF_PEER] = { "peer: libsvm, svm_predict_values", run_peer, N_PEER, { 0 } },
#ifdef RS_HAVE_LIBLINEAR
                          [LINEAR_PEER] = { "peer: LIBLINEAR, predict_values", run_linear_peer, N_ALONE, { 0 } }
#endif
    };
#ifdef RS_HAVE_LIBLINEAR
    make_linear_peer();
#endif
    measure(f, RS_LEN(f));
    print_all(f, RS_LEN(f), is_json);
    rs_model_free(linear);
    rs_model_free(rbf);
    free(rows);
    free(scores);
    return isfinite(sink) ? 0 : 1;
}
