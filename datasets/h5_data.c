/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Datasets of HDF5, by chunks: written ready-made through H5Dwrite_chunk, read back the same way where the filters are
 * the usual ones, and through the library's own pipeline where they are not. */
#include "h5.h"

#include "common/parallel.h"
#include "datasets/h5_private.h"

#define COLUMNS_MAX (1u << 20)

static hid_t disk_type(const struct rs_h5_shape *s)
{
    switch (s->type) {
    case RS_H5_I8:
        return H5Tcopy(H5T_STD_I8LE);
    case RS_H5_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case RS_H5_U32:
        return H5Tcopy(H5T_STD_U32LE);
    case RS_H5_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case RS_H5_U64:
        return H5Tcopy(H5T_STD_U64LE);
    case RS_H5_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case RS_H5_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case RS_H5_STR:
        return rs_h5_str_type(s->str_size);
    }
    return -1;
}

static enum rs_status new_data(const char *path, const struct rs_h5_shape *shape, rs_h5_data **out,
                               struct rs_error *err)
{
    static const size_t sizes[] = { [RS_H5_I8] = 1,  [RS_H5_I32] = 4, [RS_H5_U32] = 4, [RS_H5_I64] = 8,
                                    [RS_H5_U64] = 8, [RS_H5_F32] = 4, [RS_H5_F64] = 8, [RS_H5_STR] = 0 };
    RS_AUTO(rs_h5_data) *d = rs_alloc(1, sizeof *d);
    if (!d || !(d->path = strdup(path)))
        return rs_error_set(err, RS_ENOMEM, "no memory for dataset %s", path);
    d->id = -1;
    d->shape = *shape;
    d->chunk = RS_H5_NO_CHUNK;
    d->item_size = shape->type == RS_H5_STR ? shape->str_size : sizes[shape->type];
    d->row_size = d->item_size * (shape->width ? shape->width : 1);
    *out = rs_take(d);
    return RS_OK;
}

static enum rs_status make_buffers(rs_h5_data *d, size_t buffer_rows, struct rs_error *err)
{
    d->buffer = rs_alloc(buffer_rows, d->row_size);
    d->codec = rs_codec_new(d->shape.chunk_rows, d->item_size);
    if (!d->buffer || !d->codec)
        return rs_error_set(err, RS_ENOMEM, "no memory for a chunk of %s", d->path);
    return RS_OK;
}

/* Writing. */

enum rs_status rs_h5_data_create(rs_h5 *h, const char *path, const struct rs_h5_shape *shape, rs_h5_data **out,
                                 struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    RS_AUTO(rs_h5_data) *d = NULL;
    enum rs_status st = new_data(path, shape, &d, err);
    if (st == RS_OK)
        st = make_buffers(d, shape->chunk_rows, err);
    if (st < 0)
        return st;
    int rank = shape->width ? 2 : 1;
    hsize_t dims[2] = { 0, shape->width }, limits[2] = { H5S_UNLIMITED, shape->width };
    hsize_t chunk[2] = { shape->chunk_rows, 1 };
    rs_auto_hid space = H5Screate_simple(rank, dims, limits);
    rs_auto_hid type = disk_type(shape);
    rs_auto_hid plan = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plan, rank, chunk);
    H5Pset_shuffle(plan);
    H5Pset_deflate(plan, 1);
    H5Pset_fletcher32(plan);
    H5Pset_obj_track_times(plan, 0);
    H5Pset_fill_time(plan, H5D_FILL_TIME_NEVER);
    d->id = H5Dcreate2(h->file, path, type, space, H5P_DEFAULT, plan, H5P_DEFAULT);
    if (d->id < 0)
        return rs_h5_error(err, RS_EIO, "cannot be created", path);
    *out = rs_take(d);
    return RS_OK;
}

/* The buffered rows become one chunk per column of the matrix; what a partly filled one lacks is padded with zeros, as
 * the format wants whole chunks. */
static enum rs_status flush_chunk(rs_h5_data *d, struct rs_error *err)
{
    hsize_t dims[2] = { d->rows, d->shape.width };
    hsize_t offset[2] = { d->rows - d->n_buffered, 0 };
    memset(d->buffer + d->n_buffered * d->row_size, 0, (d->shape.chunk_rows - d->n_buffered) * d->row_size);
    if (H5Dset_extent(d->id, dims) < 0)
        return rs_h5_error(err, RS_EIO, "cannot grow", d->path);
    uint32_t columns = d->shape.width ? d->shape.width : 1;
    for (uint32_t j = 0; j < columns; j++) {
        const uint8_t *bytes;
        size_t len;
        offset[1] = j;
        if (!rs_codec_encode(d->codec, d->buffer + j * d->item_size, d->shape.chunk_rows, d->row_size, &bytes, &len))
            return rs_error_set(err, RS_ENOMEM, "no memory for a chunk of %s", d->path);
        if (H5Dwrite_chunk(d->id, H5P_DEFAULT, 0, offset, len, bytes) < 0)
            return rs_h5_error(err, RS_EIO, "cannot be written", d->path);
    }
    d->n_buffered = 0;
    return RS_OK;
}

enum rs_status rs_h5_append(rs_h5_data *d, const void *rows, size_t n, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    const uint8_t *p = rows;
    while (n) {
        size_t take = RS_MIN(n, d->shape.chunk_rows - d->n_buffered);
        memcpy(d->buffer + d->n_buffered * d->row_size, p, take * d->row_size);
        p += take * d->row_size;
        n -= take;
        d->n_buffered += take;
        d->rows += take;
        if (d->n_buffered == d->shape.chunk_rows) {
            enum rs_status st = flush_chunk(d, err);
            if (st < 0)
                return st;
        }
    }
    return RS_OK;
}

enum rs_status rs_h5_data_finish(rs_h5_data *d, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    return d->n_buffered ? flush_chunk(d, err) : RS_OK;
}

/* Reading. */

static bool has_type(hid_t type, enum rs_h5_type want, size_t *out_str_size)
{
    static const struct {
        H5T_class_t class;
        size_t size;
        H5T_sign_t sign;
    } wants[] = {
        [RS_H5_I8] = { H5T_INTEGER, 1, H5T_SGN_2 },     [RS_H5_I32] = { H5T_INTEGER, 4, H5T_SGN_2 },
        [RS_H5_U32] = { H5T_INTEGER, 4, H5T_SGN_NONE }, [RS_H5_I64] = { H5T_INTEGER, 8, H5T_SGN_2 },
        [RS_H5_U64] = { H5T_INTEGER, 8, H5T_SGN_NONE }, [RS_H5_F32] = { H5T_FLOAT, 4, H5T_SGN_ERROR },
        [RS_H5_F64] = { H5T_FLOAT, 8, H5T_SGN_ERROR },  [RS_H5_STR] = { H5T_STRING, 0, H5T_SGN_ERROR },
    };
    if (H5Tget_class(type) != wants[want].class)
        return false;
    if (want == RS_H5_STR) {
        *out_str_size = H5Tget_size(type);
        return H5Tis_variable_str(type) == 0 && *out_str_size > 0 && *out_str_size <= RS_H5_STR_MAX;
    }
    rs_auto_hid plain = disk_type(&(struct rs_h5_shape){ .type = want });
    return H5Tequal(type, plain) > 0;
}

/* Whether chunks can be decoded by codec.h: of the filters shuffle, deflate, fletcher32 any, in this order. */
static bool is_ours(rs_h5_data *d, hid_t plan, int rank)
{
    static const H5Z_filter_t filters[] = { H5Z_FILTER_SHUFFLE, H5Z_FILTER_DEFLATE, H5Z_FILTER_FLETCHER32 };
    hsize_t chunk[2] = { 0, 1 };
    int n_filters = H5Pget_nfilters(plan);
    if (H5Pget_layout(plan) != H5D_CHUNKED || H5Pget_chunk(plan, rank, chunk) != rank || n_filters < 0 || n_filters > 3)
        return false;
    unsigned next = 0; /* of filters */
    d->absent = RS_CODEC_NO_SHUFFLE | RS_CODEC_NO_DEFLATE | RS_CODEC_NO_CHECKSUM;
    for (int i = 0; i < n_filters; i++) {
        unsigned flags, config, value[4] = { 0 };
        size_t n_values = RS_LEN(value);
        H5Z_filter_t filter = H5Pget_filter2(plan, (unsigned)i, &flags, &n_values, value, 0, NULL, &config);
        while (next < RS_LEN(filters) && filters[next] != filter)
            next++;
        if (next == RS_LEN(filters) || (filter == H5Z_FILTER_SHUFFLE && (n_values < 1 || value[0] != d->item_size)))
            return false;
        d->absent &= ~(1u << next);
        d->bit_of[i] = (uint8_t)next++;
    }
    if (chunk[1] < 1 || chunk[1] > RS_MAX(d->shape.width, 1u) || chunk[1] > RS_H5_CHUNK_MAX / d->item_size)
        return false;
    d->n_filters = (unsigned)n_filters;
    d->chunk_columns = (uint32_t)chunk[1];
    if (chunk[0] < 1 || chunk[0] > UINT32_MAX || chunk[0] > RS_H5_CHUNK_MAX / d->item_size / chunk[1])
        return false;
    d->shape.chunk_rows = (uint32_t)chunk[0];
    return true;
}

/* What the library would allocate for a chunk of a foreign layout must be sane too. */
static bool has_sane_chunks(const rs_h5_data *d, hid_t plan, int rank)
{
    hsize_t chunk[2] = { 1, 1 };
    if (H5Pget_layout(plan) != H5D_CHUNKED)
        return true;
    return H5Pget_chunk(plan, rank, chunk) == rank && chunk[0] > 0 && chunk[1] > 0 && chunk[0] <= RS_H5_CHUNK_MAX &&
           chunk[1] <= RS_H5_CHUNK_MAX / chunk[0] && chunk[0] * chunk[1] <= RS_H5_CHUNK_MAX / d->item_size;
}

static enum rs_status check_extent(rs_h5_data *d, uint32_t width, int *out_rank, struct rs_error *err)
{
    rs_auto_hid space = H5Dget_space(d->id);
    int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    hsize_t dims[2] = { 0, 0 };
    if (rank != (width ? 2 : 1) || H5Sget_simple_extent_dims(space, dims, NULL) != rank) {
        H5Eclear2(H5E_DEFAULT);
        return rs_error_set(err, RS_ECORRUPT, "%s: not a dataset of rank %d", d->path, width ? 2 : 1);
    }
    if (dims[0] > RS_H5_ROWS_MAX)
        return rs_error_set(err, RS_ECORRUPT, "%s: an impossible number of rows", d->path);
    if (width && (dims[1] < 1 || dims[1] > COLUMNS_MAX))
        return rs_error_set(err, RS_ECORRUPT, "%s: %llu columns, 1 to %u allowed", d->path, (unsigned long long)dims[1],
                            COLUMNS_MAX);
    if (width && width != UINT32_MAX && dims[1] != width)
        return rs_error_set(err, RS_ECORRUPT, "%s: %llu columns where %u belong", d->path, (unsigned long long)dims[1],
                            width);
    d->rows = dims[0];
    d->shape.width = width ? (uint32_t)dims[1] : 0;
    d->row_size = d->item_size * (width ? (size_t)dims[1] : 1);
    *out_rank = rank;
    return RS_OK;
}

static enum rs_status make_workers(rs_h5_data *d, struct rs_error *err)
{
    d->n_workers = RS_MIN(rs_threads(), RS_H5_WORKERS_MAX);
    d->workers = rs_alloc(d->n_workers, sizeof *d->workers);
    return d->workers ? RS_OK : rs_error_set(err, RS_ENOMEM, "no memory for a chunk of %s", d->path);
}

enum rs_status rs_h5_data_open(rs_h5 *h, const char *path, enum rs_h5_type type, uint32_t width, rs_h5_data **out,
                               struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    rs_auto_hid id = H5Dopen2(h->file, path, H5P_DEFAULT);
    if (id < 0)
        return rs_h5_error(err, RS_ECORRUPT, "dataset cannot be opened", path);
    size_t str_size = 0;
    rs_auto_hid disk = H5Dget_type(id);
    if (disk < 0 || !has_type(disk, type, &str_size)) {
        H5Eclear2(H5E_DEFAULT);
        return rs_error_set(err, RS_ECORRUPT, "%s: dataset of another type than it must be", path);
    }
    RS_AUTO(rs_h5_data) *d = NULL;
    enum rs_status st = new_data(path, &(struct rs_h5_shape){ .type = type, .str_size = str_size }, &d, err);
    if (st < 0)
        return st;
    d->id = id;
    id = -1;
    int rank = 0;
    st = check_extent(d, width, &rank, err);
    if (st < 0)
        return st;
    rs_auto_hid plan = H5Dget_create_plist(d->id);
    if (plan < 0)
        return rs_h5_error(err, RS_ECORRUPT, "its creation properties cannot be read", path);
    d->is_ours = is_ours(d, plan, rank);
    H5Eclear2(H5E_DEFAULT);
    if (!d->is_ours && !has_sane_chunks(d, plan, rank))
        return rs_error_set(err, RS_ECORRUPT, "%s: chunks of an impossible size", path);
    if (d->is_ours)
        st = make_workers(d, err);
    else
        d->shape.chunk_rows = 8192;
    if (st == RS_OK)
        *out = rs_take(d);
    return st;
}

uint64_t rs_h5_rows(const rs_h5_data *d)
{
    return d->rows;
}

const struct rs_h5_shape *rs_h5_shape(const rs_h5_data *d)
{
    return &d->shape;
}

size_t rs_h5_row_size(const rs_h5_data *d)
{
    return d->row_size;
}

enum rs_status rs_h5_read_hyperslab(const struct rs_h5_range *r, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    const rs_h5_data *d = r->data;
    int rank = d->shape.width ? 2 : 1;
    hsize_t start[2] = { r->first, 0 }, count[2] = { r->n, d->shape.width };
    rs_auto_hid space = H5Dget_space(d->id);
    rs_auto_hid memory = H5Screate_simple(rank, count, NULL);
    rs_auto_hid type = disk_type(&d->shape);
    if (space < 0 || memory < 0 || H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
        H5Dread(d->id, type, memory, space, H5P_DEFAULT, r->out) < 0)
        return rs_h5_error(err, RS_ECORRUPT, "cannot be read", d->path);
    return RS_OK;
}

void rs_h5_data_free(rs_h5_data *d)
{
    if (!d)
        return;
    rs_h5_guard guard = rs_h5_lock();
    if (d->id > 0)
        H5Idec_ref(d->id);
    for (size_t i = 0; d->workers && i < d->n_workers; i++) {
        rs_codec_free(d->workers[i].codec);
        free(d->workers[i].raw);
        free(d->workers[i].scratch);
    }
    free(d->workers);
    rs_codec_free(d->codec);
    free(d->path);
    free(d->buffer);
    free(d);
}
