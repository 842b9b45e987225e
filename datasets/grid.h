/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The times at which entities without telemetry are looked at: a regular grid over the span of each group of entities.
 * rs_grid_note() for each record, then for each entity a walk over its times. Memory grows with entities. Not
 * thread-safe. */
#ifndef RS_DATASETS_GRID_H
#define RS_DATASETS_GRID_H

#include "datasets/intern.h"
#include "datasets/map.h"

struct rs_grid_group {
    int64_t first, last; /* of its records; RS_TIME_NONE without any */
    uint64_t n;
};

struct rs_grid {
    struct rs_intern entities, groups;
    uint32_t *group_of;          /* by entity; the last one noted counts */
    struct rs_grid_group *spans; /* by group */
    size_t cap_entities, cap_groups;
};

/* A record of the entity, or, with RS_TIME_NONE, only that it is there. False on want of memory. */
bool rs_grid_note(struct rs_grid *g, const char *entity, size_t entity_len, const char *group, size_t group_len,
                  int64_t time);
void rs_grid_clear(struct rs_grid *g);

struct rs_grid_walk {
    int64_t next, stop, last, every_s;
    bool is_done;
};
void rs_grid_start(const struct rs_grid *g, const struct rs_map_grid *plan, uint32_t entity, struct rs_grid_walk *out);
/* False at the end. The closing sample at the group's last record says that the entity was observed until then. */
bool rs_grid_next(struct rs_grid_walk *w, int64_t *out);

#endif
