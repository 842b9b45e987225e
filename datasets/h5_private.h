/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What h5.c and h5_data.c share: the library itself. Nobody else may include this. */
#ifndef RS_DATASETS_H5_PRIVATE_H
#define RS_DATASETS_H5_PRIVATE_H

#include <hdf5.h>

#include "datasets/h5.h"

struct rs_h5 {
    hid_t file;
};

static inline void rs_cleanup_hid(hid_t *id)
{
    if (*id > 0)
        H5Idec_ref(*id);
}
#define rs_auto_hid __attribute__((cleanup(rs_cleanup_hid))) hid_t

/* "object: what: the library's innermost message", and forgets it there. RS_ENOSPACE instead of status where the disk
 * is full. */
enum rs_status rs_h5_error(struct rs_error *err, enum rs_status status, const char *what, const char *object);

/* Fixed-length UTF-8 text padded with NULs, a new handle. */
hid_t rs_h5_str_type(size_t size);

#endif
