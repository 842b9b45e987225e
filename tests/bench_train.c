/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_train RESEAT_TRAIN FLEET.h5 MODEL.rsm: from a fleet file to a saved model, against H5Dread and LIBLINEAR of the
 * same file in the same run.
 *
 * Ours is the whole program, start to end: survey, features, the 40 signals and the cohorts, the final fit to 1e-10,
 * the file. Within --memory 200M it keeps every positive row and a share of the others with the weight of those left
 * out (docs/math.md F42); the peer is given all rows. The peer's time is H5Dread of /samples/values and train():
 * putting the rows into LIBLINEAR's lists, standardised, is not counted. -B 1; -e is such that it stops at |g| <= 1e-6
 * |g at 0|. */
#include <hdf5.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base.h"

#ifdef RS_HAVE_LIBLINEAR
#include <linear.h>
#endif

#define RUNS 5
#define PEER_RUNS 3
#define ROWS_ONCE 2000000u /* a peer with more rows runs once */
#define SLAB 65536u
#define REL_GRADIENT 1e-6

static void die(const char *what)
{
    fprintf(stderr, "bench_train: %s\n", what);
    exit(1);
}

static double now_s(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

static double seconds(const struct timeval *t)
{
    return (double)t->tv_sec + 1e-6 * (double)t->tv_usec;
}

struct cost {
    double wall[RUNS], busy[RUNS]; /* s; busy: of all cores */
    double peak_mb;
    int n;
};

static void add(struct cost *c, double wall, double busy)
{
    c->wall[c->n] = wall;
    c->busy[c->n++] = busy;
}

static void print(const char *name, struct cost *c, size_t rows, const char *note)
{
    qsort(c->wall, (size_t)c->n, sizeof *c->wall, by_value);
    qsort(c->busy, (size_t)c->n, sizeof *c->busy, by_value);
    printf("%-34s %8.3f s  (%.3f to %.3f)  %.3g rows/s; processor time %.3f s%s\n", name, c->wall[c->n / 2], c->wall[0],
           c->wall[c->n - 1], (double)rows / c->wall[c->n / 2], c->busy[c->n / 2], note);
    fflush(stdout);
}

/* One run of the trainer, as a user starts it. */
static void train_ours(char **argv, struct cost *c)
{
    struct rusage usage;
    int status;
    double start = now_s(CLOCK_MONOTONIC);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execl(argv[1], argv[1], "train", argv[2], "-o", argv[3], "--features", "values", "--learner", "logistic", "-C",
              "1", "--folds", "0", "--memory", "200M", "--quiet", (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("the trainer failed");
    add(c, now_s(CLOCK_MONOTONIC) - start, seconds(&usage.ru_utime) + seconds(&usage.ru_stime));
    c->peak_mb = RS_MAX(c->peak_mb, (double)usage.ru_maxrss * 1024 / 1e6);
}

struct rows {
    size_t n, d;
    float *x;
    int8_t *y;
};

static hid_t open_rows(hid_t file, struct rows *out)
{
    hsize_t dims[2];
    hid_t set = H5Dopen2(file, "/samples/values", H5P_DEFAULT), space = H5Dget_space(set);
    if (set < 0 || H5Sget_simple_extent_dims(space, dims, NULL) != 2)
        die("no /samples/values");
    H5Sclose(space);
    out->n = (size_t)dims[0];
    out->d = (size_t)dims[1];
    return set;
}

/* H5Dread in slabs; rows as they were before where there is memory for them. */
static void read_rows(const char *path, struct rows *r)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = open_rows(file, r), space = H5Dget_space(set);
    if (!r->x)
        r->x = malloc(r->n * r->d * sizeof *r->x);
    if (!r->y)
        r->y = malloc(r->n);
    if (!r->x || !r->y)
        die("no memory for the rows");
    for (hsize_t at[2] = { 0, 0 }; at[0] < r->n; at[0] += SLAB) {
        hsize_t n[2] = { RS_MIN((hsize_t)SLAB, r->n - at[0]), r->d };
        hid_t memory = H5Screate_simple(2, n, NULL);
        H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, n, NULL);
        if (H5Dread(set, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, r->x + at[0] * r->d) < 0)
            die("H5Dread failed");
        H5Sclose(memory);
    }
    hid_t label = H5Dopen2(file, "/samples/label", H5P_DEFAULT);
    if (label < 0 || H5Dread(label, H5T_NATIVE_SCHAR, H5S_ALL, H5S_ALL, H5P_DEFAULT, r->y) < 0)
        die("no /samples/label");
    H5Dclose(label);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
}

#ifdef RS_HAVE_LIBLINEAR
static void be_silent(const char *text)
{
    (void)text;
}

static void moments(const struct rows *r, size_t j, double *mean, double *scale)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < r->n; i++) {
        sum += (double)r->x[i * r->d + j];
        square += (double)r->x[i * r->d + j] * (double)r->x[i * r->d + j];
    }
    *mean = sum / (double)r->n;
    *scale = sqrt(square / (double)r->n - *mean * *mean);
}

static struct problem make_problem(const struct rows *r, size_t *out_n_positive)
{
    struct problem p = { .l = (int)r->n, .n = (int)r->d + 1, .bias = 1 };
    struct feature_node *at = malloc(r->n * (r->d + 2) * sizeof *at);
    rs_autofree double *mean = rs_alloc(r->d, sizeof *mean), *scale = rs_alloc(r->d, sizeof *scale);
    p.x = malloc(r->n * sizeof *p.x);
    p.y = malloc(r->n * sizeof *p.y);
    if (!at || !p.x || !p.y || !mean || !scale)
        die("no memory for LIBLINEAR's rows");
    for (size_t j = 0; j < r->d; j++)
        moments(r, j, &mean[j], &scale[j]);
    *out_n_positive = 0;
    for (size_t i = 0; i < r->n; i++) {
        p.x[i] = at;
        p.y[i] = r->y[i] == 1 ? 1 : -1;
        *out_n_positive += r->y[i] == 1;
        for (size_t j = 0; j < r->d; j++)
            *at++ = (struct feature_node){ (int)j + 1, ((double)r->x[i * r->d + j] - mean[j]) / scale[j] };
        *at++ = (struct feature_node){ (int)r->d + 1, 1 };
        at++->index = -1;
    }
    return p;
}

static void run_peer(const char *path, struct cost *read, struct cost *fit, struct rows *r, double *out_eps)
{
    size_t n_positive;
    r->x = NULL;
    r->y = NULL;
    do {
        double start = now_s(CLOCK_MONOTONIC), busy = now_s(CLOCK_PROCESS_CPUTIME_ID);
        read_rows(path, r);
        add(read, now_s(CLOCK_MONOTONIC) - start, now_s(CLOCK_PROCESS_CPUTIME_ID) - busy);
    } while (read->n < PEER_RUNS);
    struct problem p = make_problem(r, &n_positive);
    free(r->x);
    free(r->y);
    /* it stops at |g| <= eps min(n+, n-) / n |g at 0| */
    *out_eps = REL_GRADIENT / ((double)RS_MIN(n_positive, r->n - n_positive) / (double)r->n);
    struct parameter param = { .solver_type = L2R_LR, .C = 1, .p = 0.1, .eps = *out_eps };
    set_print_string_function(be_silent);
    do {
        double start = now_s(CLOCK_MONOTONIC), busy = now_s(CLOCK_PROCESS_CPUTIME_ID);
        struct model *m = train(&p, &param);
        add(fit, now_s(CLOCK_MONOTONIC) - start, now_s(CLOCK_PROCESS_CPUTIME_ID) - busy);
        free_and_destroy_model(&m);
    } while (fit->n < (r->n > ROWS_ONCE ? 1 : PEER_RUNS));
    free(p.x[0]);
    free(p.x);
    free(p.y);
}

static void compare(const char *path, const struct cost *ours)
{
    struct cost read = { .n = 0 }, fit = { .n = 0 };
    struct rows r;
    double eps;
    char note[64];
    run_peer(path, &read, &fit, &r, &eps);
    print("peer: H5Dread of the readings", &read, r.n, "");
    snprintf(note, sizeof note, "; -e %.3g -B 1", eps);
    print("peer: LIBLINEAR -s 0", &fit, r.n, note);
    printf("%-34s %8.1f x  by the clock; %.1f x in processor time\n", "ratio",
           (read.wall[read.n / 2] + fit.wall[fit.n / 2]) / ours->wall[ours->n / 2],
           (read.busy[read.n / 2] + fit.busy[fit.n / 2]) / ours->busy[ours->n / 2]);
}
#endif

int main(int argc, char **argv)
{
    struct rows r = { 0 };
    struct cost ours = { .n = 0 };
    char note[64];
    if (argc != 4)
        die("usage: bench_train RESEAT_TRAIN FLEET.h5 MODEL.rsm");
    hid_t file = H5Fopen(argv[2], H5F_ACC_RDONLY, H5P_DEFAULT);
    H5Dclose(open_rows(file, &r));
    H5Fclose(file);
    for (int k = 0; k < RUNS; k++)
        train_ours(argv, &ours);
    snprintf(note, sizeof note, "; peak %.0f MB at --memory 200M", ours.peak_mb);
    print("fleet file to saved model", &ours, r.n, note);
#ifdef RS_HAVE_LIBLINEAR
    compare(argv[2], &ours);
#else
    puts("peer: built without liblinear-dev: none");
#endif
    return 0;
}
