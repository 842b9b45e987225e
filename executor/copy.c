/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copy jobs and their checksum; see copy.h. Fault point "copy.data" stands at each chunk. */
#include "copy.h"

#include <pthread.h>
#include <time.h>
#include <xxhash.h>

#include "common/clock.h"
#include "common/fault.h"

#define BLOCK ((size_t)4096)
#define CHUNK (62 * BLOCK) /* libvirt's streams carry a little under 256 KiB at a time */
#define STOP_WAIT_MS 200   /* the VM may be suspended meanwhile */

/* ---- checksum ---- */

struct rs_copy_sum {
    XXH3_state_t *state;
    uint64_t offset; /* of the block being filled */
    size_t fill;
    uint8_t block[BLOCK];
};

rs_copy_sum *rs_copy_sum_new(void)
{
    rs_copy_sum *s = rs_alloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->state = XXH3_createState();
    if (!s->state) {
        free(s);
        return NULL;
    }
    XXH3_128bits_reset(s->state);
    return s;
}

void rs_copy_sum_free(rs_copy_sum *s)
{
    if (!s)
        return;
    XXH3_freeState(s->state);
    free(s);
}

static bool is_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

static void add_number(rs_copy_sum *s, uint64_t v)
{
    uint8_t le[8];
    for (int i = 0; i < 8; i++)
        le[i] = (uint8_t)(v >> (8 * i));
    XXH3_128bits_update(s->state, le, sizeof le);
}

static void add_block(rs_copy_sum *s, const uint8_t *p, size_t len)
{
    if (!is_zero(p, len)) {
        add_number(s, s->offset);
        XXH3_128bits_update(s->state, p, len);
    }
    s->offset += len;
}

/* Adds to the block that is not full yet. */
static void fill_block(rs_copy_sum *s, const uint8_t *p, size_t len)
{
    if (p)
        memcpy(s->block + s->fill, p, len);
    else
        memset(s->block + s->fill, 0, len);
    s->fill += len;
    if (s->fill == BLOCK) {
        s->fill = 0;
        add_block(s, s->block, BLOCK);
    }
}

void rs_copy_sum_data(rs_copy_sum *s, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0) {
        size_t n = RS_MIN(len, BLOCK - s->fill);
        if (n == BLOCK)
            add_block(s, p, BLOCK);
        else
            fill_block(s, p, n);
        p += n;
        len -= n;
    }
}

void rs_copy_sum_hole(rs_copy_sum *s, uint64_t len)
{
    if (s->fill > 0) {
        size_t n = (size_t)RS_MIN(len, (uint64_t)(BLOCK - s->fill));
        fill_block(s, NULL, n);
        len -= n;
    }
    s->offset += len / BLOCK * BLOCK;
    if (len % BLOCK)
        fill_block(s, NULL, (size_t)(len % BLOCK));
}

const char *rs_copy_sum_end(rs_copy_sum *s, char out[RS_COPY_SUM_MAX])
{
    add_block(s, s->block, s->fill);
    s->fill = 0;
    add_number(s, s->offset);
    XXH128_hash_t h = XXH3_128bits_digest(s->state);
    snprintf(out, RS_COPY_SUM_MAX, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
    return out;
}

/* ---- job ---- */

struct volume {
    size_t host;
    char pool[128], name[256];
    bool has_pool;
};

struct rs_copy {
    rs_virt *virt;
    struct volume from, to;
    bool has_to;
    uint64_t size_bytes;
    uint64_t done_bytes;  /* atomic */
    bool is_stopping;     /* atomic */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool has_ended, is_left;
    enum rs_status status;
    struct rs_error err;
    struct rs_copy_result result;
};

static void release(rs_copy *c)
{
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    free(c);
}

static const char *pool_of(const struct volume *vol)
{
    return vol->has_pool ? vol->pool : NULL;
}

static enum rs_status pass_on(rs_virt_stream *to, const uint8_t *buf, size_t len, uint64_t *io_data,
                              struct rs_error *err)
{
    bool is_empty = is_zero(buf, len); /* written zeros become a hole at the destination */
    if (!is_empty)
        *io_data += len;
    if (!to)
        return RS_OK;
    return is_empty ? rs_virt_stream_send_hole(to, len, err) : rs_virt_stream_send(to, buf, len, err);
}

static enum rs_status pump(rs_copy *c, rs_virt_stream *from, rs_virt_stream *to, rs_copy_sum *sum, uint8_t *buf,
                           struct rs_copy_result *r, struct rs_error *err)
{
    for (;;) {
        size_t len = 0;
        uint64_t hole = 0;
        if (__atomic_load_n(&c->is_stopping, __ATOMIC_RELAXED))
            return rs_error_set(err, RS_ECANCELLED, "stopped");
        if (rs_fault_hit("copy.data"))
            return rs_error_set(err, RS_EIO, "fault copy.data");
        enum rs_status rc = rs_virt_stream_recv(from, buf, CHUNK, &len, &hole, err);
        if (rc < 0 || (len == 0 && hole == 0))
            return rc;
        r->size_bytes += len + hole;
        if (hole > 0) {
            rs_copy_sum_hole(sum, hole);
            rc = to ? rs_virt_stream_send_hole(to, hole, err) : RS_OK;
        } else {
            rs_copy_sum_data(sum, buf, len);
            rc = pass_on(to, buf, len, &r->data_bytes, err);
        }
        if (rc < 0)
            return rc;
        __atomic_fetch_add(&c->done_bytes, len, __ATOMIC_RELAXED);
    }
}

static enum rs_status run_job(rs_copy *c, struct rs_copy_result *r, struct rs_error *err)
{
    RS_AUTO(rs_virt_stream) *from = NULL, *to = NULL;
    RS_AUTO(rs_copy_sum) *sum = rs_copy_sum_new();
    rs_autofree uint8_t *buf = malloc(CHUNK);
    if (!sum || !buf)
        return rs_error_set(err, RS_ENOMEM, "buffer");
    enum rs_status rc = rs_virt_volume_read(c->virt, c->from.host, pool_of(&c->from), c->from.name, &from, err);
    if (rc == RS_OK && c->has_to)
        rc = rs_virt_volume_write(c->virt, c->to.host, pool_of(&c->to), c->to.name, c->size_bytes, &to, err);
    if (rc == RS_OK)
        rc = pump(c, from, to, sum, buf, r, err);
    if (rc == RS_OK)
        rc = rs_virt_stream_finish(from, err);
    if (rc == RS_OK && to)
        rc = rs_virt_stream_finish(to, err);
    if (rc == RS_OK)
        rs_copy_sum_end(sum, r->sum);
    return rc;
}

static void *run(void *arg)
{
    rs_copy *c = arg;
    struct rs_copy_result r = { .data_bytes = 0 };
    struct rs_error err = RS_ERROR_INIT;
    const struct rs_clock *clock = rs_clock_system();
    int64_t start_ns = rs_clock_mono_ns(clock);
    enum rs_status rc = run_job(c, &r, &err);
    if (rc < 0)
        rs_error_prefix(&err, rc, "%s volume %s", c->has_to ? "copy" : "read", c->from.name);
    r.seconds = (double)(rs_clock_mono_ns(clock) - start_ns) * 1e-9;
    pthread_mutex_lock(&c->lock);
    c->status = rc;
    c->err = err;
    c->result = r;
    c->has_ended = true;
    bool is_left = c->is_left;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (is_left)
        release(c);
    return NULL;
}

static bool set_volume(struct volume *out, const struct rs_copy_volume *in)
{
    out->host = in->host;
    out->has_pool = in->pool != NULL;
    if (strlen(in->name) >= sizeof out->name || (in->pool && strlen(in->pool) >= sizeof out->pool))
        return false;
    strcpy(out->name, in->name);
    strcpy(out->pool, in->pool ? in->pool : "");
    return true;
}

static bool start_thread(rs_copy *c)
{
    pthread_t thread;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&thread, NULL, run, c) != 0)
        return false;
    pthread_detach(thread);
    return true;
}

enum rs_status rs_copy_start(rs_virt *v, const struct rs_copy_volume *from, const struct rs_copy_volume *to,
                             uint64_t size_bytes, rs_copy **out, struct rs_error *err)
{
    rs_copy *c = rs_alloc(1, sizeof *c);
    if (!c)
        return rs_error_set(err, RS_ENOMEM, "copy volume %s", from->name);
    c->virt = v;
    c->size_bytes = size_bytes;
    c->has_to = to != NULL;
    if (!set_volume(&c->from, from) || (to && !set_volume(&c->to, to))) {
        free(c);
        return rs_error_set(err, RS_EINVAL, "copy volume %.80s: name too long", from->name);
    }
    if (!start_thread(c)) {
        release(c);
        return rs_error_set(err, RS_ENOMEM, "copy volume %s: no thread", from->name);
    }
    *out = c;
    return RS_OK;
}

static bool wait_locked(rs_copy *c, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (int64_t)ms * 1000000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    while (!c->has_ended && pthread_cond_timedwait(&c->changed, &c->lock, &until) != ETIMEDOUT)
        ;
    return c->has_ended;
}

bool rs_copy_wait(rs_copy *c, int ms)
{
    pthread_mutex_lock(&c->lock);
    bool has_ended = wait_locked(c, ms);
    pthread_mutex_unlock(&c->lock);
    return has_ended;
}

uint64_t rs_copy_done_bytes(rs_copy *c)
{
    return __atomic_load_n(&c->done_bytes, __ATOMIC_RELAXED);
}

enum rs_status rs_copy_result(rs_copy *c, struct rs_copy_result *out, struct rs_error *err)
{
    pthread_mutex_lock(&c->lock);
    enum rs_status rc = c->status;
    if (rc < 0)
        rs_error_set(err, rc, "%s", c->err.msg);
    else
        *out = c->result;
    pthread_mutex_unlock(&c->lock);
    return rc;
}

void rs_copy_free(rs_copy *c)
{
    if (!c)
        return;
    __atomic_store_n(&c->is_stopping, true, __ATOMIC_RELAXED);
    pthread_mutex_lock(&c->lock);
    bool has_ended = wait_locked(c, STOP_WAIT_MS);
    c->is_left = !has_ended;
    pthread_mutex_unlock(&c->lock);
    if (has_ended)
        release(c);
}
