/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Backblaze Drive Stats: one CSV row per drive and day, columns by header, varying over the years. */
#ifndef RS_DATASETS_IMPORT_BACKBLAZE_H
#define RS_DATASETS_IMPORT_BACKBLAZE_H

#include "datasets/import.h"

/* Reads the files, writes opt->out, fills *out also where it fails on bad rows. RS_EFORMAT where a file's header lacks
 * date or serial_number, or too many rows are bad; RS_ECANCELLED where interrupted; RS_ENOSPACE, RS_EIO. */
enum rs_status rs_import_backblaze(const struct rs_import_options *opt, char **files, size_t n_files,
                                   struct rs_import_report *out, struct rs_error *err);

#endif
