/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A volume carried from one host's pool to another's, and the checksum that proves it.
 *
 * A job runs on its own thread with its own connections, so that a host that hangs in the middle of it cannot hang the
 * caller, who watches its progress, stops it, and may leave it behind. The caller's own calls to either host go on over
 * the shared connections. */
#ifndef RS_EXECUTOR_COPY_H
#define RS_EXECUTOR_COPY_H

#include "executor/virt.h"

/* The checksum of a file's content, whatever its holes: XXH3-128 over (offset, bytes) of each 4 KiB block that is not
 * all zero, and over the length. A hole and written zeros give the same sum. Not a defence against forgery. */
#define RS_COPY_SUM_MAX 33 /* hexadecimal, with the NUL */
typedef struct rs_copy_sum rs_copy_sum;
rs_copy_sum *rs_copy_sum_new(void); /* NULL on want of memory */
void rs_copy_sum_free(rs_copy_sum *s);
RS_DEFINE_AUTO(rs_copy_sum, rs_copy_sum_free)
void rs_copy_sum_data(rs_copy_sum *s, const void *data, size_t len);
void rs_copy_sum_hole(rs_copy_sum *s, uint64_t len);
const char *rs_copy_sum_end(rs_copy_sum *s, char out[RS_COPY_SUM_MAX]); /* returns out */

struct rs_copy_volume {
    size_t host;
    const char *pool, *name; /* pool NULL: the host's own. Copied by rs_copy_start() */
};

struct rs_copy_result {
    char sum[RS_COPY_SUM_MAX];
    uint64_t data_bytes; /* that travelled: without holes and zeros that were left out */
    uint64_t size_bytes; /* length of the file */
    double seconds;
};

typedef struct rs_copy rs_copy;

/* Copies from into the fresh, empty volume to, which is size_bytes long; with to NULL reads from alone, for its sum. */
enum rs_status rs_copy_start(rs_virt *v, const struct rs_copy_volume *from, const struct rs_copy_volume *to,
                             uint64_t size_bytes, rs_copy **out, struct rs_error *err);
/* Waits up to ms for its end; true when it has ended. */
bool rs_copy_wait(rs_copy *c, int ms);
/* Bytes of data handled so far: grows while the job is alive, holes included in the length but not here. */
uint64_t rs_copy_done_bytes(rs_copy *c);
/* After rs_copy_wait() said true. */
enum rs_status rs_copy_result(rs_copy *c, struct rs_copy_result *out, struct rs_error *err);
/* Asks a running job to stop, waits a moment, and leaves one that hangs to free itself when its host lets go of it. */
void rs_copy_free(rs_copy *c);
RS_DEFINE_AUTO(rs_copy, rs_copy_free)

#endif
