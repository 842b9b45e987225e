/* SPDX-License-Identifier: Apache-2.0 */
/* Whole small files: read with a limit, written so that a reader sees the old or the new one and nothing between. */
#ifndef RS_COMMON_FILE_H
#define RS_COMMON_FILE_H

#include "base.h"
#include "error.h"

/* Reads all of path ("-" is stdin) into *out (caller frees; a NUL follows the last byte). RS_ENOTFOUND, RS_EIO,
 * RS_EINVAL where the file is longer than max bytes, RS_ENOMEM. */
enum rs_status rs_read_file(const char *path, size_t max, uint8_t **out, size_t *out_len, struct rs_error *err);

/* Writes a temporary file beside path, fsyncs it, renames it over path, fsyncs the folder. On failure path is as it was
 * and no temporary stays. RS_ENOSPACE, RS_EIO. "-" writes to stdout. */
enum rs_status rs_write_file(const char *path, const void *data, size_t len, struct rs_error *err);

/* The status that fits an errno of a failed write: RS_ENOSPACE for ENOSPC and EDQUOT, RS_ENOTFOUND for ENOENT, else
 * RS_EIO. */
enum rs_status rs_status_from_errno(int e);

#endif
