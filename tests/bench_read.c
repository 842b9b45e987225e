/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading a fleet file: scans of ours against H5Dread of the same rows, in one process, in turns, medians of five.
 *
 *     bench_read FLEET.h5 SCRATCH.h5
 *
 * Twice: the file as Reseat writes it (chunks of one column), and a copy of its readings in chunks of 8,192 whole rows
 * as h5py would write them (shuffle, deflate 4, fletcher32). The whole path counts: time, labels, values, rows put
 * together, every row checked. Prints MB/s of decoded float32 and the ratio. */
#include <hdf5.h>
#include <time.h>

#include "common/base.h"
#include "common/clock.h"
#include "common/parallel.h"
#include "datasets/fleet.h"

#define RUNS 5
#define RANGES 16u
#define SLAB 65536u

static void die(const char *what)
{
    fprintf(stderr, "bench_read: %s\n", what);
    exit(1);
}

static double now_s(void)
{
    return (double)rs_clock_mono_ns(rs_clock_system()) * 1e-9;
}

/* Of all threads: what is left of a figure when other programs take their share of the cores. */
static double busy_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

struct reading {
    rs_fleet *fleet;
    rs_fleet_scan *scans[RS_THREADS_MAX];
    uint64_t n_rows[RANGES];
};

static void scan_range(void *arg, size_t range, unsigned worker)
{
    struct reading *r = arg;
    struct rs_error err = RS_ERROR_INIT;
    struct rs_fleet_block b;
    uint64_t n = rs_fleet_info(r->fleet)->n_entities, first = n * range / RANGES, next = n * (range + 1) / RANGES;
    rs_fleet_scan **s = &r->scans[worker];
    enum rs_status st = *s ? rs_fleet_scan_move(*s, first, next - first, &err)
                           : rs_fleet_scan_new(r->fleet, first, next - first, s, &err);
    while (st >= 0 && (st = rs_fleet_scan_step(*s, &b, &err)) == RS_CONTINUE)
        r->n_rows[range] += b.n;
    if (st < 0)
        die(err.msg);
}

/* As training reads: a scan on each core, over ranges of entities. */
static double seconds_of_scan(const char *path)
{
    struct rs_error err = RS_ERROR_INIT;
    struct reading r = { .fleet = NULL };
    double start = now_s();
    uint64_t n = 0;
    if (rs_fleet_open(path, &r.fleet, &err) < 0)
        die(err.msg);
    rs_parallel(0, RANGES, scan_range, &r);
    for (size_t i = 0; i < RANGES; i++)
        n += r.n_rows[i];
    if (n != rs_fleet_info(r.fleet)->n_rows)
        die("rows are missing");
    for (size_t i = 0; i < RS_THREADS_MAX; i++)
        rs_fleet_scan_free(r.scans[i]);
    rs_fleet_close(r.fleet);
    return now_s() - start;
}

/* Reads /samples/values in slabs; copies them to `copy` where it is one. */
static double seconds_of_library(const char *path, hid_t copy)
{
    double start = now_s();
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, "/samples/values", H5P_DEFAULT);
    hid_t space = H5Dget_space(set);
    hsize_t dims[2], at[2] = { 0, 0 };
    if (set < 0 || H5Sget_simple_extent_dims(space, dims, NULL) != 2)
        die("no /samples/values");
    rs_autofree float *rows = rs_alloc((size_t)SLAB * dims[1], sizeof *rows);
    for (; at[0] < dims[0]; at[0] += SLAB) {
        hsize_t n[2] = { RS_MIN((hsize_t)SLAB, dims[0] - at[0]), dims[1] };
        hid_t memory = H5Screate_simple(2, n, NULL);
        H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, n, NULL);
        if (!rows || H5Dread(set, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, rows) < 0 ||
            (copy > 0 && H5Dwrite(copy, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, rows) < 0))
            die("H5Dread or H5Dwrite failed");
        H5Sclose(memory);
    }
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
    return now_s() - start;
}

/* Replaces /samples/values of the copy by one in chunks of whole rows. */
static void repack(const char *from, const char *to)
{
    hsize_t dims[2], chunk[2];
    hid_t file = H5Fopen(to, H5F_ACC_RDWR, H5P_DEFAULT), old = H5Dopen2(file, "/samples/values", H5P_DEFAULT);
    hid_t space = H5Dget_space(old), plan = H5Pcreate(H5P_DATASET_CREATE);
    H5Sget_simple_extent_dims(space, dims, NULL);
    H5Sclose(space);
    space = H5Screate_simple(2, dims, NULL);
    H5Dclose(old);
    chunk[0] = RS_MIN((hsize_t)8192, dims[0]);
    chunk[1] = dims[1];
    H5Pset_chunk(plan, 2, chunk);
    H5Pset_shuffle(plan);
    H5Pset_deflate(plan, 4);
    H5Pset_fletcher32(plan);
    H5Ldelete(file, "/samples/values", H5P_DEFAULT);
    hid_t set = H5Dcreate2(file, "/samples/values", H5T_IEEE_F32LE, space, H5P_DEFAULT, plan, H5P_DEFAULT);
    if (set < 0)
        die("the copy cannot be made");
    seconds_of_library(from, set);
    H5Pclose(plan);
    H5Sclose(space);
    H5Dclose(set);
    if (H5Fclose(file) < 0)
        die("the copy cannot be written");
}

static void measure(const char *what, const char *path, double mb)
{
    double ours[RUNS], peer[RUNS], ours_busy[RUNS], peer_busy[RUNS];
    for (int i = 0; i < RUNS; i++) {
        double start = busy_s();
        ours[i] = seconds_of_scan(path);
        ours_busy[i] = busy_s() - start;
        start = busy_s();
        peer[i] = seconds_of_library(path, -1);
        peer_busy[i] = busy_s() - start;
    }
    qsort(ours_busy, RUNS, sizeof *ours, by_value);
    qsort(peer_busy, RUNS, sizeof *peer, by_value);
    qsort(ours, RUNS, sizeof *ours, by_value);
    qsort(peer, RUNS, sizeof *peer, by_value);
    double ratio = peer[RUNS / 2] / ours[RUNS / 2];
    printf("%-34s %8.3f s  (%.3f to %.3f)  %.0f MB/s on %u cores; H5Dread %.0f MB/s; %.1f x\n", what, ours[RUNS / 2],
           ours[0], ours[RUNS - 1], mb / ours[RUNS / 2], rs_threads(), mb / peer[RUNS / 2], ratio);
    printf("%-34s %8.3f s  processor time; H5Dread %.3f s; %.1f x\n", "", ours_busy[RUNS / 2], peer_busy[RUNS / 2],
           peer_busy[RUNS / 2] / ours_busy[RUNS / 2]);
}

int main(int argc, char **argv)
{
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_fleet) *f = NULL;
    if (argc != 3)
        die("usage: bench_read FLEET.h5 SCRATCH.h5");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    if (rs_fleet_open(argv[1], &f, &err) < 0)
        die(err.msg);
    double mb = (double)rs_fleet_info(f)->n_rows * rs_fleet_info(f)->n_signals * sizeof(float) / 1e6;
    rs_fleet_close(rs_take(f)); /* the library opens a file only once with settings of its own */
    repack(argv[1], argv[2]);
    measure("read: chunks of one column", argv[1], mb);
    measure("read: chunks of whole rows", argv[2], mb);
    return 0;
}
