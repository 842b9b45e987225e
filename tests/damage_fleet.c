/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Damages a fleet file in a thousand seeded ways and holds the reader to its promise: each damaged file ends in one
 * clear error, or is read whole; nothing crashes, nothing hangs, no sanitizer speaks. Every second damage has its
 * checksums made right again (those of HDF5's own metadata, and the Fletcher-32 of chunks), so that what lies behind
 * them is met too; a damage whose checksums were left wrong must be refused, or must not have changed anything that is
 * read.
 *
 *     damage_fleet FLEET.h5 SCRATCH.h5 [ROUNDS [SEED]]     exits 0 where the promise holds
 *
 * The file is read as all programs read it: by rs_contain(), in a child. */
#include <fcntl.h>
#include <hdf5.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "common/base.h"
#include "common/clock.h"
#include "common/file.h"
#include "datasets/contain.h"
#include "datasets/fleet.h"

#define BLOCKS_MAX 65536
#define METADATA_MAX 16384 /* bytes of one block of metadata */
#define SLOW_S 60.0

/* A stretch of the file whose last four bytes are its checksum. */
struct block {
    size_t at, len;
    bool is_chunk;
};

struct file {
    uint8_t *bytes, *pristine;
    size_t len, pristine_len;
    struct block *blocks;
    size_t n_blocks;
};

struct outcome { /* what the child found; shared with it */
    uint64_t digest;
    char message[RS_ERROR_MAX];
};

static uint64_t random_state;
static struct outcome *outcome;
static const char *scratch;

static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(size_t n)
{
    return (size_t)(next_random() % n);
}

/* ---- checksums: HDF5 file format specification 3.0, "Checksums": Jenkins' lookup3 for metadata, and Fletcher-32 ----
 */

#define ROTATE(x, k) ((x) << (k) | (x) >> (32 - (k)))

static uint32_t lookup3(const uint8_t *p, size_t len)
{
    uint32_t a, b, c;
    a = b = c = 0xdeadbeef + (uint32_t)len;
    for (; len > 12; p += 12, len -= 12) {
        uint32_t w[3];
        memcpy(w, p, 12);
        a += w[0], b += w[1], c += w[2];
        a -= c, a ^= ROTATE(c, 4), c += b;
        b -= a, b ^= ROTATE(a, 6), a += c;
        c -= b, c ^= ROTATE(b, 8), b += a;
        a -= c, a ^= ROTATE(c, 16), c += b;
        b -= a, b ^= ROTATE(a, 19), a += c;
        c -= b, c ^= ROTATE(b, 4), b += a;
    }
    if (len == 0)
        return c;
    uint32_t w[3] = { 0 };
    memcpy(w, p, len);
    a += w[0], b += w[1], c += w[2];
    c ^= b, c -= ROTATE(b, 14);
    a ^= c, a -= ROTATE(c, 11);
    b ^= a, b -= ROTATE(a, 25);
    c ^= b, c -= ROTATE(b, 16);
    a ^= c, a -= ROTATE(c, 4);
    b ^= a, b -= ROTATE(a, 14);
    c ^= b, c -= ROTATE(b, 24);
    return c;
}

static uint32_t fletcher32(const uint8_t *p, size_t len)
{
    uint64_t sum1 = 0, sum2 = 0;
    for (size_t i = 0; i < len; i += 2) {
        sum1 += (uint64_t)p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
        sum1 = (sum1 & 0xffff) + (sum1 >> 16);
        sum2 += sum1;
        sum2 = (sum2 & 0xffff) + (sum2 >> 16);
    }
    return (uint32_t)(sum2 << 16 | sum1);
}

static uint32_t sum_of(const struct file *f, const struct block *b)
{
    return b->is_chunk ? fletcher32(f->bytes + b->at, b->len - 4) : lookup3(f->bytes + b->at, b->len - 4);
}

static uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* ---- where the checksums are ---- */

static void add_block(struct file *f, size_t at, size_t len, bool is_chunk)
{
    struct block b = { at, len, is_chunk };
    if (f->n_blocks < BLOCKS_MAX && len > 4 && at + len <= f->len && sum_of(f, &b) == get_le32(f->bytes + at + len - 4))
        f->blocks[f->n_blocks++] = b;
}

/* Metadata begins with a signature; how long it is, its own checksum tells. */
static void find_metadata(struct file *f)
{
    static const char *const signatures[] = {
        "\211HDF", "OHDR", "OCHK", "FRHP", "FHDB", "FHIB", "FSHD", "FSSE", "BTHD",
        "BTIN",    "BTLF", "EAHD", "EAIB", "EASB", "EADB", "FAHD", "FADB", "SMTB"
    };
    for (size_t at = 0; at + 12 < f->len; at++) {
        bool is_signed = false;
        for (size_t s = 0; s < RS_LEN(signatures); s++)
            is_signed |= memcmp(f->bytes + at, signatures[s], 4) == 0;
        size_t before = f->n_blocks;
        for (size_t len = 12; is_signed && len <= METADATA_MAX && at + len <= f->len && f->n_blocks == before; len++)
            add_block(f, at, len, false);
    }
}

static herr_t find_chunks(hid_t root, const char *name, const H5O_info_t *info, void *arg)
{
    struct file *f = arg;
    if (info->type != H5O_TYPE_DATASET)
        return 0;
    hid_t data = H5Dopen2(root, name, H5P_DEFAULT), space = H5Dget_space(data);
    hsize_t n = 0;
    H5Dget_num_chunks(data, space, &n);
    for (hsize_t i = 0; i < n; i++) {
        hsize_t offset[2], size = 0;
        haddr_t at = 0;
        unsigned mask = 0;
        if (H5Dget_chunk_info(data, space, i, offset, &mask, &at, &size) >= 0)
            add_block(f, (size_t)at, (size_t)size, true);
    }
    H5Sclose(space);
    H5Dclose(data);
    return 0;
}

static bool find_blocks(struct file *f, const char *path)
{
    find_metadata(f);
    size_t n_metadata = f->n_blocks;
    hid_t h = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    H5Ovisit2(h, H5_INDEX_NAME, H5_ITER_INC, find_chunks, f, H5O_INFO_BASIC);
    H5Fclose(h);
    printf("%zu bytes: %zu blocks of metadata, %zu chunks\n", f->len, n_metadata, f->n_blocks - n_metadata);
    return n_metadata > 10 && f->n_blocks > n_metadata + 10;
}

static void mend_checksums(struct file *f)
{
    for (size_t i = 0; i < f->n_blocks; i++) {
        const struct block *b = &f->blocks[i];
        if (b->at + b->len <= f->len)
            put_le32(f->bytes + b->at + b->len - 4, sum_of(f, b));
    }
}

/* ---- damages ---- */

/* Half of them hit a block with a checksum, so that chunks of many bytes do not draw all of them. */
static size_t place(const struct file *f)
{
    if (next_random() % 2)
        return below(f->len);
    const struct block *b = &f->blocks[below(f->n_blocks)];
    return RS_MIN(b->at + below(b->len), f->len - 1);
}

static void flip_bits(struct file *f)
{
    for (size_t n = 1 + below(8); n; n--)
        f->bytes[place(f)] ^= (uint8_t)(1u << below(8));
}

static void overwrite(struct file *f)
{
    size_t at = place(f);
    for (size_t n = 1 + below(64); n && at < f->len; n--, at++)
        f->bytes[at] = (uint8_t)next_random();
}

/* Lengths, counts, addresses: numbers of 1 to 8 bytes somewhere in the metadata. */
static void change_number(struct file *f)
{
    static const uint64_t likely[] = { 0,          1,         2,          3,          8,
                                       0xff,       0xffff,    0x10000,    0x7fffffff, 0xffffffff,
                                       UINT64_MAX, INT64_MAX, 1ull << 32, 1ull << 40, 1ull << 63 };
    size_t at = place(f), size = (size_t)1 << below(4);
    uint64_t v = next_random() % 3 ? likely[below(RS_LEN(likely))] : below(f->len);
    for (size_t i = 0; i < size && at + i < f->len; i++)
        f->bytes[at + i] = (uint8_t)(v >> (8 * i));
}

static void cut(struct file *f)
{
    f->len = below(f->len) + (next_random() % 8 ? 1 : 0);
    f->len = RS_MIN(f->len, f->pristine_len);
}

static void copy_over(struct file *f)
{
    size_t n = 1 + below(512), from = below(f->len), to = place(f);
    n = RS_MIN(n, f->len - RS_MAX(from, to));
    memmove(f->bytes + to, f->bytes + from, n);
}

static void damage(struct file *f)
{
    static void (*const kinds[])(struct file *
                                 f) = { flip_bits, overwrite, change_number, change_number, cut, copy_over };
    memcpy(f->bytes, f->pristine, f->pristine_len);
    f->len = f->pristine_len;
    kinds[below(RS_LEN(kinds))](f);
}

/* ---- reading ---- */

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    for (const uint8_t *b = p; n; n--, b++)
        h = (h ^ *b) * 0x100000001b3u;
    return h;
}

static uint64_t mix_block(uint64_t h, const rs_fleet *f, const struct rs_fleet_block *b)
{
    const struct rs_fleet_info *i = rs_fleet_info(f);
    h = mix(h, b->id, strlen(b->id));
    h = mix(h, b->attr_codes, i->n_attrs * sizeof *b->attr_codes);
    h = mix(h, b->attr_numbers, i->n_attrs * sizeof *b->attr_numbers);
    h = mix(h, &b->parent, sizeof b->parent);
    for (size_t k = 0; k < b->n_failures; k++) {
        h = mix(h, &b->failures[k].time, sizeof b->failures[k].time);
        h = mix(h, &b->failures[k].back, sizeof b->failures[k].back);
        h = mix(h, &b->failures[k].kind, sizeof b->failures[k].kind);
    }
    for (size_t k = 0; k < b->n_events; k++) {
        h = mix(h, &b->events[k].time, sizeof b->events[k].time);
        h = mix(h, &b->events[k].kind, sizeof b->events[k].kind);
    }
    for (size_t k = 0; k < b->n_mitigations; k++) {
        h = mix(h, &b->mitigations[k].time, sizeof b->mitigations[k].time);
        h = mix(h, &b->mitigations[k].until, sizeof b->mitigations[k].until);
        h = mix(h, &b->mitigations[k].is_control, sizeof b->mitigations[k].is_control);
    }
    h = mix(h, b->time, b->n * sizeof *b->time);
    return mix(h, b->values, b->n * i->n_signals * sizeof *b->values);
}

static enum rs_status read_whole(rs_fleet **out_f, struct rs_error *err)
{
    RS_AUTO(rs_fleet_scan) *scan = NULL;
    struct rs_fleet_block block;
    enum rs_status st = rs_fleet_open(scratch, out_f, err);
    if (st == RS_OK)
        st = rs_fleet_scan_new(*out_f, 0, UINT64_MAX, &scan, err);
    uint64_t h = 0xcbf29ce484222325u;
    while (st == RS_OK && (st = rs_fleet_scan_step(scan, &block, err)) == RS_CONTINUE) {
        h = mix_block(h, *out_f, &block);
        st = RS_OK;
    }
    outcome->digest = h;
    return st == RS_OK ? rs_fleet_check_tables(*out_f, err) : st;
}

static int work(void *arg)
{
    (void)arg;
    struct rs_error err = RS_ERROR_INIT;
    RS_AUTO(rs_fleet) *f = NULL;
    enum rs_status st = read_whole(&f, &err);
    snprintf(outcome->message, sizeof outcome->message, "%s", err.msg);
    return st < 0 ? 1 : 0;
}

/* The child's exit code; what it or its parent printed goes to *out_text. */
static int read_contained(int capture_fd, char *text, size_t size)
{
    memset(outcome, 0, sizeof *outcome);
    if (ftruncate(capture_fd, 0) < 0)
        return -1;
    lseek(capture_fd, 0, SEEK_SET);
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    dup2(capture_fd, STDERR_FILENO);
    int code = rs_contain("info", scratch, work, NULL);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t n = pread(capture_fd, text, size - 1, 0);
    text[n > 0 ? n : 0] = 0;
    return code;
}

static bool write_scratch(const struct file *f)
{
    int fd = open(scratch, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bool is_whole = fd >= 0 && write(fd, f->bytes, f->len) == (ssize_t)f->len;
    close(fd);
    return is_whole;
}

/* NULL where the promise holds. */
static const char *judge(int code, const char *printed, bool is_mended, uint64_t want)
{
    if (strstr(printed, "Sanitizer") || strstr(printed, "runtime error"))
        return "a sanitizer's report";
    if (code == 0)
        return is_mended || outcome->digest == want ? NULL : "read without an error, and differs";
    if (code != 1)
        return "an unknown exit";
    return outcome->message[0] || strstr(printed, "damaged") ? NULL : "no message";
}

static int run(struct file *f, uint64_t seed, unsigned long rounds)
{
    char printed[8192];
    int capture = memfd_create("stderr", 0);
    write_scratch(f);
    if (read_contained(capture, printed, sizeof printed) != 0) {
        printf("the sound file cannot be read: %s%s\n", outcome->message, printed);
        return 1;
    }
    uint64_t want = outcome->digest;
    unsigned long refused = 0, intact = 0, contained = 0, broken = 0;
    double slowest_s = 0;
    for (unsigned long i = 0; i < rounds; i++) {
        random_state = seed * 1000003 + i;
        damage(f);
        bool is_mended = i % 2;
        if (is_mended)
            mend_checksums(f);
        if (!write_scratch(f))
            return 1;
        int64_t start = rs_clock_mono_ns(rs_clock_system());
        int code = read_contained(capture, printed, sizeof printed);
        double took_s = (double)(rs_clock_mono_ns(rs_clock_system()) - start) * 1e-9;
        slowest_s = RS_MAX(slowest_s, took_s);
        const char *wrong = took_s > SLOW_S ? "it hung" : judge(code, printed, is_mended, want);
        intact += code == 0;
        refused += code == 1;
        contained += strstr(printed, "damaged: the HDF5 library") != NULL;
        if (wrong) {
            printf("seed %" PRIu64 " round %lu: %s: exit %d, %s\n%s\n", seed, i, wrong, code, outcome->message,
                   printed);
            broken++;
        }
    }
    printf("%lu damages: %lu refused with an error (%lu of them died inside the HDF5 library), %lu read whole; "
           "the slowest took %.2f s; %lu broke the promise\n",
           rounds, refused, contained, intact, slowest_s, broken);
    close(capture);
    unlink(scratch);
    return broken ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct file f = { .n_blocks = 0 };
    struct rs_error err = RS_ERROR_INIT;
    if (argc < 3) {
        fprintf(stderr, "usage: damage_fleet FLEET.h5 SCRATCH.h5 [ROUNDS [SEED]]\n");
        return 2;
    }
    scratch = argv[2];
    outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED || rs_read_file(argv[1], (size_t)64 << 20, &f.pristine, &f.pristine_len, &err) < 0) {
        fprintf(stderr, "damage_fleet: %s\n", err.msg);
        return 2;
    }
    f.bytes = malloc(f.pristine_len);
    f.blocks = rs_alloc(BLOCKS_MAX, sizeof *f.blocks);
    f.len = f.pristine_len;
    memcpy(f.bytes, f.pristine, f.len);
    int code = 1;
    if (!find_blocks(&f, argv[1]))
        puts("too few checksums found: it is no fleet file, or this program is behind its format");
    else
        code = run(&f, argc > 4 ? strtoull(argv[4], NULL, 10) : 1, argc > 3 ? strtoul(argv[3], NULL, 10) : 200);
    free(f.bytes);
    free(f.pristine);
    free(f.blocks);
    return code;
}
