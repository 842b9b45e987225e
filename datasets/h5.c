/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files, groups and attributes of HDF5, and its errors in our words. Datasets are in h5_data.c; both see the library
 * through h5_private.h, nobody else does. */
#include "h5.h"

#include <pthread.h>
#include <sys/stat.h>

#include "common/file.h"
#include "datasets/h5_private.h"

static pthread_mutex_t library = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

rs_h5_guard_t rs_h5_lock(void)
{
    pthread_mutex_lock(&library);
    return (rs_h5_guard_t){ 0 };
}

void rs_h5_unlock(const rs_h5_guard_t *guard)
{
    (void)guard;
    pthread_mutex_unlock(&library);
}

void rs_h5_enter(void)
{
    pthread_mutex_lock(&library);
}

void rs_h5_leave(void)
{
    pthread_mutex_unlock(&library);
}

struct innermost {
    char text[256];
    bool is_no_space;
};

/* "..., errno = 28, error message = 'No space left on device', buf = 0x...": of that only the message is for people. */
static void keep_message(struct innermost *in, const char *desc)
{
    static const char mark[] = "error message = '";
    const char *begin = strstr(desc, mark);
    if (begin)
        desc = begin + strlen(mark);
    size_t len = begin ? strcspn(desc, "'") : strlen(desc);
    snprintf(in->text, sizeof in->text, "%.*s", (int)RS_MIN(len, sizeof in->text - 1), desc);
    static const int no_space[] = { ENOSPC, EDQUOT, EFBIG };
    for (size_t i = 0; i < RS_LEN(no_space); i++)
        in->is_no_space |= strstr(desc, strerror(no_space[i])) != NULL;
}

static herr_t keep_innermost(unsigned n, const H5E_error2_t *e, void *arg)
{
    (void)n;
    if (e->desc && *e->desc)
        keep_message(arg, e->desc);
    return 0;
}

enum rs_status rs_h5_error(struct rs_error *err, enum rs_status status, const char *what, const char *object)
{
    struct innermost in = { .text = "no reason given" };
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_innermost, &in);
    H5Eclear2(H5E_DEFAULT);
    return rs_error_set(err, in.is_no_space ? RS_ENOSPACE : status, "%s: %s: %s", object, what, in.text);
}

static enum rs_status adopt(hid_t file, rs_h5 **out, struct rs_error *err)
{
    rs_h5 *h = rs_alloc(1, sizeof *h);
    if (!h) {
        H5Fclose(file);
        return rs_error_set(err, RS_ENOMEM, "no memory for an HDF5 file");
    }
    h->file = file;
    *out = h;
    return RS_OK;
}

/* Caches of a fixed size, so that a large file takes no more memory than a small one. Every file is closed by hand; the
 * library's own closing at exit crashes where a file could not be written or read. */
static hid_t access_plan(void)
{
    H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t plan = H5Pcreate(H5P_FILE_ACCESS);
    if (plan < 0)
        return plan;
    H5AC_cache_config_t cache = { .version = H5AC__CURR_CACHE_CONFIG_VERSION };
    H5Pget_mdc_config(plan, &cache);
    cache.set_initial_size = 1;
    cache.initial_size = cache.min_size = cache.max_size = (size_t)2 << 20;
    cache.incr_mode = H5C_incr__off;
    cache.flash_incr_mode = H5C_flash_incr__off;
    cache.decr_mode = H5C_decr__off;
    H5Pset_mdc_config(plan, &cache);
    H5Pset_libver_bounds(plan, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_fclose_degree(plan, H5F_CLOSE_STRONG);
    /* Files appear by rename and never change under a reader; some file systems cannot lock. */
    H5Pset_file_locking(plan, 0, 1);
    return plan;
}

enum rs_status rs_h5_create(const char *path, rs_h5 **out, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    rs_auto_hid plan = access_plan();
    rs_auto_hid creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_obj_track_times(creation, 0); /* of the root group: the same content gives the same bytes */
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, creation, plan);
    if (file < 0)
        return rs_h5_error(err, RS_EIO, "cannot be created", path);
    return adopt(file, out, err);
}

/* The operating system's own words for what keeps a file from being opened. */
static enum rs_status check_readable(const char *path, struct rs_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return rs_error_errno(err, rs_status_from_errno(errno), "%s", path);
    if (!S_ISREG(st.st_mode))
        return rs_error_set(err, RS_EFORMAT, "%s: not a regular file", path);
    if (access(path, R_OK) < 0)
        return rs_error_errno(err, RS_EIO, "%s", path);
    return RS_OK;
}

enum rs_status rs_h5_open(const char *path, rs_h5 **out, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    enum rs_status st = check_readable(path, err);
    if (st < 0)
        return st;
    rs_auto_hid plan = access_plan();
    htri_t is_hdf5 = H5Fis_hdf5(path);
    if (is_hdf5 < 0)
        return rs_h5_error(err, RS_EIO, "cannot be read", path);
    if (!is_hdf5)
        return rs_error_set(err, RS_EFORMAT, "%s: not an HDF5 file", path);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, plan);
    if (file < 0)
        return rs_h5_error(err, RS_ECORRUPT, "damaged HDF5 file", path);
    return adopt(file, out, err);
}

enum rs_status rs_h5_close(rs_h5 *h, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    if (!h)
        return RS_OK;
    hid_t file = h->file;
    free(h);
    bool is_flushed = H5Fflush(file, H5F_SCOPE_LOCAL) >= 0;
    enum rs_status st = is_flushed ? RS_OK : rs_h5_error(err, RS_EIO, "cannot be written", "HDF5 file");
    if (H5Fclose(file) < 0 && st == RS_OK)
        st = rs_h5_error(err, RS_EIO, "cannot be written", "HDF5 file");
    return st;
}

void rs_h5_abandon(rs_h5 *h)
{
    rs_h5_close(h, NULL);
}

enum rs_status rs_h5_group(rs_h5 *h, const char *path, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    rs_auto_hid plan = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(plan, 0);
    rs_auto_hid group = H5Gcreate2(h->file, path, H5P_DEFAULT, plan, H5P_DEFAULT);
    return group < 0 ? rs_h5_error(err, RS_EIO, "cannot be created", path) : RS_OK;
}

bool rs_h5_has(rs_h5 *h, const char *path)
{
    rs_h5_guard guard = rs_h5_lock();
    htri_t has = H5Lexists(h->file, path, H5P_DEFAULT);
    H5Eclear2(H5E_DEFAULT);
    return has > 0;
}

static enum rs_status put(rs_h5 *h, const char *object, const char *name, hid_t type, const void *v,
                          struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    rs_auto_hid target = H5Oopen(h->file, object, H5P_DEFAULT);
    rs_auto_hid space = H5Screate(H5S_SCALAR);
    rs_auto_hid attr = H5Acreate2(target, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attr < 0 || H5Awrite(attr, type, v) < 0)
        return rs_h5_error(err, RS_EIO, "an attribute cannot be written", object);
    return RS_OK;
}

enum rs_status rs_h5_put_i64(rs_h5 *h, const char *object, const char *name, int64_t v, struct rs_error *err)
{
    return put(h, object, name, H5T_STD_I64LE, &v, err);
}

enum rs_status rs_h5_put_f64(rs_h5 *h, const char *object, const char *name, double v, struct rs_error *err)
{
    return put(h, object, name, H5T_IEEE_F64LE, &v, err);
}

enum rs_status rs_h5_put_str(rs_h5 *h, const char *object, const char *name, const char *text, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    char padded[RS_H5_STR_MAX] = "";
    size_t len = RS_MIN(strlen(text), sizeof padded);
    memcpy(padded, text, len);
    rs_auto_hid type = rs_h5_str_type(len ? len : 1);
    return put(h, object, name, type, padded, err);
}

/* Opens a scalar attribute; type and size are for the caller to judge. */
static hid_t open_attr(rs_h5 *h, const char *object, const char *name)
{
    hid_t attr = H5Aopen_by_name(h->file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (attr < 0)
        return attr;
    rs_auto_hid space = H5Aget_space(attr);
    if (space >= 0 && H5Sget_simple_extent_npoints(space) == 1)
        return attr;
    H5Aclose(attr);
    return -1;
}

enum rs_status rs_h5_get_i64(rs_h5 *h, const char *object, const char *name, int64_t *out, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    rs_auto_hid attr = open_attr(h, object, name);
    rs_auto_hid type = attr < 0 ? -1 : H5Aget_type(attr);
    bool is_sound = type >= 0 && H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) <= 8;
    if (is_sound && H5Aread(attr, H5T_NATIVE_INT64, out) >= 0)
        return RS_OK;
    H5Eclear2(H5E_DEFAULT);
    return rs_error_set(err, RS_ECORRUPT, "%s: attribute %s is missing, damaged or no integer", object, name);
}

bool rs_h5_has_attr(rs_h5 *h, const char *object, const char *name)
{
    rs_h5_guard guard = rs_h5_lock();
    htri_t has = H5Aexists_by_name(h->file, object, name, H5P_DEFAULT);
    H5Eclear2(H5E_DEFAULT);
    return has > 0;
}

enum rs_status rs_h5_get_f64(rs_h5 *h, const char *object, const char *name, double *out, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    rs_auto_hid attr = open_attr(h, object, name);
    rs_auto_hid type = attr < 0 ? -1 : H5Aget_type(attr);
    bool is_sound = type >= 0 && H5Tget_class(type) == H5T_FLOAT && H5Tget_size(type) <= 8;
    if (is_sound && H5Aread(attr, H5T_NATIVE_DOUBLE, out) >= 0)
        return RS_OK;
    H5Eclear2(H5E_DEFAULT);
    return rs_error_set(err, RS_ECORRUPT, "%s: attribute %s is missing, damaged or no number", object, name);
}

enum rs_status rs_h5_get_str(rs_h5 *h, const char *object, const char *name, char **out, struct rs_error *err)
{
    rs_h5_guard guard = rs_h5_lock();
    rs_auto_hid attr = open_attr(h, object, name);
    rs_auto_hid type = attr < 0 ? -1 : H5Aget_type(attr);
    size_t size = 0;
    if (type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0)
        size = H5Tget_size(type);
    if (size > 0 && size <= RS_H5_STR_MAX) {
        rs_autofree char *text = rs_alloc(size + 1, 1);
        if (!text)
            return rs_error_set(err, RS_ENOMEM, "no memory for attribute %s", name);
        rs_auto_hid memory = rs_h5_str_type(size);
        if (H5Aread(attr, memory, text) >= 0) {
            *out = rs_take(text);
            return RS_OK;
        }
    }
    H5Eclear2(H5E_DEFAULT);
    return rs_error_set(err, RS_ECORRUPT, "%s: attribute %s is missing, damaged or no text", object, name);
}

hid_t rs_h5_str_type(size_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type < 0 || H5Tset_size(type, size) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
        H5Tset_cset(type, H5T_CSET_UTF8) < 0)
        return -1;
    return type;
}
