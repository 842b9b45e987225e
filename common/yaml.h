/* SPDX-License-Identifier: Apache-2.0 */
/* YAML files as a tree of nodes that know their line, so that every complaint can name file and line.
 * The only door to libyaml. Anchors and aliases work; duplicate keys are an error; scalars stay text until asked for.
 * A document is immutable after loading and any thread may read it; strings live as long as the document. */
#ifndef RS_COMMON_YAML_H
#define RS_COMMON_YAML_H

#include "base.h"
#include "error.h"

typedef struct rs_yaml rs_yaml;           /* a loaded file */
typedef struct rs_yaml_node rs_yaml_node; /* borrowed from it */

enum rs_yaml_kind { RS_YAML_SCALAR, RS_YAML_LIST, RS_YAML_MAP };

/* RS_ENOTFOUND, RS_EIO, RS_ECONFIG (syntax, duplicate key, nesting over 32, over 4 MiB), with file and line. */
enum rs_status rs_yaml_load(const char *path, rs_yaml **out, struct rs_error *err);
/* The same from memory; name stands for the file in messages. */
enum rs_status rs_yaml_parse(const char *text, size_t len, const char *name, rs_yaml **out, struct rs_error *err);
void rs_yaml_free(rs_yaml *y);
RS_DEFINE_AUTO(rs_yaml, rs_yaml_free)

/* The top node; NULL for an empty document. */
const rs_yaml_node *rs_yaml_root(const rs_yaml *y);
enum rs_yaml_kind rs_yaml_kind(const rs_yaml_node *n);
size_t rs_yaml_line(const rs_yaml_node *n); /* from 1 */
/* Items of a list or pairs of a map; 0 for a scalar. */
size_t rs_yaml_len(const rs_yaml_node *n);
const rs_yaml_node *rs_yaml_item(const rs_yaml_node *n, size_t i); /* list item, or map value */
const char *rs_yaml_key(const rs_yaml_node *n, size_t i);          /* map key */
/* The value of key, NULL where absent or n is no map. */
const rs_yaml_node *rs_yaml_get(const rs_yaml_node *n, const char *key);

/* RS_ECONFIG with "FILE:LINE: what". */
enum rs_status rs_yaml_error(const rs_yaml *y, const rs_yaml_node *n, struct rs_error *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* RS_ECONFIG where the map has a key outside the NULL-ended list; suggests the nearest. Also where n is no map. */
enum rs_status rs_yaml_check_keys(const rs_yaml *y, const rs_yaml_node *n, const char *const *known,
                                  struct rs_error *err);

/* A scalar as what it should be; RS_ECONFIG names the line and what was wanted. */
enum rs_status rs_yaml_str(const rs_yaml *y, const rs_yaml_node *n, const char **out, struct rs_error *err);
enum rs_status rs_yaml_bool(const rs_yaml *y, const rs_yaml_node *n, bool *out, struct rs_error *err);
enum rs_status rs_yaml_double(const rs_yaml *y, const rs_yaml_node *n, double *out, struct rs_error *err);
enum rs_status rs_yaml_u64(const rs_yaml *y, const rs_yaml_node *n, uint64_t *out, struct rs_error *err);
enum rs_status rs_yaml_duration(const rs_yaml *y, const rs_yaml_node *n, double *out_s, struct rs_error *err);
/* A size with an optional suffix: 512, 10k, 64M, 2G, 1T (powers of 1024). */
enum rs_status rs_yaml_size(const rs_yaml *y, const rs_yaml_node *n, uint64_t *out, struct rs_error *err);

#endif
