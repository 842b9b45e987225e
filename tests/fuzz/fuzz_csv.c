/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CSV, gzip and xz of any bytes. Every field lies within its record and can be asked for as a number; lines never go
 * back; reading ends. */
#include <assert.h>
#include <math.h>
#include <sys/mman.h>

#include "datasets/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const char *path, size_t size)
{
    RS_AUTO(rs_csv) *c = NULL;
    struct rs_error err = RS_ERROR_INIT;
    struct rs_csv_record rec;
    uint64_t line = 0, n = 0;
    enum rs_status st = rs_csv_open(path, ',', &c, &err);
    if (st < 0)
        return;
    while ((st = rs_csv_next(c, &rec, &err)) == RS_CONTINUE) {
        double v;
        float single;
        assert(rec.line > line);
        line = rec.line;
        n++;
        assert(rec.bad ? rec.n == 0 : rec.n > 0);
        for (size_t i = 0; i < rec.n; i++) {
            assert(rec.fields[i].len <= RS_CSV_LINE_MAX);
            if (rs_csv_double(&rec.fields[i], &v))
                assert(isfinite(v));
            if (rs_csv_float(&rec.fields[i], &single))
                assert(isfinite(single));
        }
    }
    assert(st == RS_OK || err.msg[0]);
    assert(rs_csv_offset(c) <= size || st < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    rs_auto_fd int fd = memfd_create("csv", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_all(path, size);
    return 0;
}
