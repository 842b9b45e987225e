/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What map.c (who, when, attributes, signals) and map_events.c (what happened, counters, tables, grids) share: small
 * readers, each of the node of one value. An absent key leaves *out as it is. */
#ifndef RS_DATASETS_MAP_PRIVATE_H
#define RS_DATASETS_MAP_PRIVATE_H

#include "datasets/map.h"

static const struct rs_map_column rs_map_nowhere = { NULL, 0, RS_MAP_NOWHERE };

enum rs_status rs_map_no_memory(const struct rs_map *m, struct rs_error *err);
/* The plain, non-empty value of key. */
enum rs_status rs_map_opt_str(const struct rs_map *m, const rs_yaml_node *map, const char *key, const char **out,
                              struct rs_error *err);
/* One of the NULL-ended words; *out is its index. */
enum rs_status rs_map_opt_word(const struct rs_map *m, const rs_yaml_node *map, const char *key,
                               const char *const *words, int *out, struct rs_error *err);
enum rs_status rs_map_opt_bool(const struct rs_map *m, const rs_yaml_node *map, const char *key, bool *out,
                               struct rs_error *err);
enum rs_status rs_map_opt_text(const struct rs_map *m, const rs_yaml_node *map, const char *key,
                               struct rs_map_text *out, struct rs_error *err);
enum rs_status rs_map_opt_time(const struct rs_map *m, const rs_yaml_node *map, const char *key,
                               struct rs_map_time *out, struct rs_error *err);
enum rs_status rs_map_read_time(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_time *out,
                                struct rs_error *err);
enum rs_status rs_map_need_column(const struct rs_map *m, const rs_yaml_node *map, const char *key,
                                  struct rs_map_column *out, struct rs_error *err);
/* A value or a list of values. */
enum rs_status rs_map_read_words(const struct rs_map *m, const rs_yaml_node *n, const char ***out, size_t *out_n,
                                 struct rs_error *err);
enum rs_status rs_map_read_attrs(const struct rs_map *m, const rs_yaml_node *n, struct rs_map_attr **out, size_t *out_n,
                                 struct rs_error *err);
void rs_map_text_clear(struct rs_map_text *t);
void rs_map_attrs_free(struct rs_map_attr *attrs, size_t n);

/* map_events.c: failures, maintenance, events, mitigations, counters and attribute tables. */
enum rs_status rs_map_read_events(struct rs_map *m, const rs_yaml_node *root, struct rs_error *err);
/* After all else: a grid's group is an attribute. n may be NULL. */
enum rs_status rs_map_read_grid(struct rs_map *m, const rs_yaml_node *n, struct rs_error *err);
void rs_map_events_free(struct rs_map *m);

#endif
