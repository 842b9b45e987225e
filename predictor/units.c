/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Units in a mapped temporary file. See units.h. */
#include "predictor/units.h"

#include <fcntl.h>
#include <math.h>
#include <sys/mman.h>

#include "common/file.h"

#define BUFFER_BYTES ((size_t)256 << 10)
#define SAMPLE 65536 /* units whose numbers place the edges of bins */

static const char *temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/var/tmp";
}

static enum rs_status open_temporary(int *out, struct rs_error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/reseat-units-XXXXXX", temporary_folder());
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return rs_error_errno(err, rs_status_from_errno(errno), "temporary file %s", path);
    unlink(path);
    *out = fd;
    return RS_OK;
}

enum rs_status rs_units_new(const struct rs_unit_attr *attrs, uint32_t n_attrs, rs_units **out, struct rs_error *err)
{
    RS_AUTO(rs_units) *u = rs_alloc(1, sizeof *u);
    if (!u)
        return rs_error_set(err, RS_ENOMEM, "no memory for the entities");
    u->fd = -1;
    u->n_attrs = n_attrs;
    u->stride = sizeof(struct rs_unit) + n_attrs * sizeof(int32_t);
    u->attrs = rs_alloc(n_attrs, sizeof *u->attrs);
    u->buffer = rs_alloc(BUFFER_BYTES, 1);
    if (!u->attrs || !u->buffer)
        return rs_error_set(err, RS_ENOMEM, "no memory for the entities");
    memcpy(u->attrs, attrs, n_attrs * sizeof *attrs);
    enum rs_status st = open_temporary(&u->fd, err);
    if (st == RS_OK)
        *out = rs_take(u);
    return st;
}

void rs_units_free(rs_units *u)
{
    if (!u)
        return;
    if (u->map)
        munmap(u->map, u->n * u->stride);
    if (u->fd >= 0)
        close(u->fd);
    free(u->attrs);
    free(u->buffer);
    free(u);
}

static enum rs_status flush(rs_units *u, struct rs_error *err)
{
    for (size_t done = 0; done < u->filled;) {
        ssize_t n = write(u->fd, u->buffer + done, u->filled - done);
        if (n < 0 && errno != EINTR)
            return rs_error_errno(err, rs_status_from_errno(errno),
                                  "temporary file of the entities, in %s (TMPDIR chooses)", temporary_folder());
        done += n > 0 ? (size_t)n : 0;
    }
    u->filled = 0;
    return RS_OK;
}

/* A number travels as the bits of a float until the bins are known. */
static int32_t bits_of(double x)
{
    float f = (float)x;
    int32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float float_of(int32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

enum rs_status rs_units_add(rs_units *u, const int32_t *codes, const double *numbers, double time_days, bool failed,
                            unsigned stratum, struct rs_error *err)
{
    if (stratum >= RS_STRATA_MAX)
        return rs_error_set(err, RS_EINVAL, "more than %d strata", RS_STRATA_MAX);
    if (u->filled + u->stride > BUFFER_BYTES) {
        enum rs_status st = flush(u, err);
        if (st < 0)
            return st;
    }
    struct rs_unit *unit = (struct rs_unit *)(void *)(u->buffer + u->filled);
    unit->time_days = (float)time_days;
    unit->failed = failed;
    unit->stratum = (uint16_t)stratum;
    for (uint32_t a = 0; a < u->n_attrs; a++) {
        bool is_present = u->attrs[a].is_number ? numbers && isfinite(numbers[a]) : codes[a] >= 0;
        u->attrs[a].n_present += is_present;
        unit->code[a] = !u->attrs[a].is_number ? codes[a] : bits_of(is_present ? numbers[a] : (double)NAN);
    }
    u->filled += u->stride;
    u->n_strata = (uint16_t)RS_MAX(u->n_strata, stratum + 1);
    u->n++;
    return RS_OK;
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* math.md K5: edges at the deciles of the units that have the number; equal ones, and one with nothing above it, fall
 * away. */
static void place_edges(rs_units *u, uint32_t a, float *sample)
{
    struct rs_unit_attr *attr = &u->attrs[a];
    uint64_t step = u->n / SAMPLE + 1;
    size_t n = 0;
    for (uint64_t i = 0; i < u->n; i += step) {
        float x = float_of(rs_units_at(u, i)->code[a]);
        if (!isnan(x))
            sample[n++] = x;
    }
    qsort(sample, n, sizeof *sample, compare_floats);
    attr->n_values = n > 0;
    for (size_t b = 1; b < RS_UNITS_BINS && n; b++) {
        double edge = (double)sample[(b * n - 1) / RS_UNITS_BINS];
        bool is_new = attr->n_values == 1 || edge > attr->edge[attr->n_values - 2];
        if (is_new && edge < (double)sample[n - 1])
            attr->edge[attr->n_values++ - 1] = edge;
    }
}

static int32_t bin_of(const struct rs_unit_attr *attr, float x)
{
    if (isnan(x))
        return -1;
    int32_t bin = 0;
    while (bin < (int32_t)attr->n_values - 1 && (double)x > attr->edge[bin])
        bin++;
    return bin;
}

static void bin_number(rs_units *u, uint32_t a, float *sample)
{
    place_edges(u, a, sample);
    for (uint64_t i = 0; i < u->n; i++) {
        struct rs_unit *unit = (struct rs_unit *)(void *)(u->map + i * u->stride);
        unit->code[a] = bin_of(&u->attrs[a], float_of(unit->code[a]));
    }
}

enum rs_status rs_units_finish(rs_units *u, double floor_days, struct rs_error *err)
{
    enum rs_status st = flush(u, err);
    rs_autofree float *sample = rs_alloc(SAMPLE, sizeof *sample);
    if (st == RS_OK && !sample)
        st = rs_error_set(err, RS_ENOMEM, "no memory for the entities");
    if (st < 0 || u->n == 0)
        return st;
    void *map = mmap(NULL, u->n * u->stride, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, 0);
    if (map == MAP_FAILED)
        return rs_error_errno(err, RS_ENOMEM, "temporary file of the entities: out of memory");
    u->map = map;
    for (uint64_t i = 0; i < u->n; i++) {
        struct rs_unit *unit = (struct rs_unit *)(void *)(u->map + i * u->stride);
        unit->time_days = (float)RS_MAX((double)unit->time_days, floor_days);
    }
    for (uint32_t a = 0; a < u->n_attrs; a++)
        if (u->attrs[a].is_number)
            bin_number(u, a, sample);
    return RS_OK;
}
