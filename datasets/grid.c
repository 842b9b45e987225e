/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Spans of groups as records come by, and the walk over a group's grid. */
#include "datasets/grid.h"

static bool grow(void **p, size_t *cap, size_t n, size_t size)
{
    if (n <= *cap)
        return true;
    size_t want = RS_MAX(n, RS_MAX(2 * *cap, (size_t)64));
    void *grown = rs_realloc(*p, want, size);
    if (!grown)
        return false;
    *p = grown;
    *cap = want;
    return true;
}

bool rs_grid_note(struct rs_grid *g, const char *entity, size_t entity_len, const char *group, size_t group_len,
                  int64_t time)
{
    uint32_t n_groups = g->groups.n;
    uint32_t e = rs_intern_add(&g->entities, entity, entity_len), k = rs_intern_add(&g->groups, group, group_len);
    void *group_of = g->group_of, *spans = g->spans;
    if (e == RS_INTERN_NONE || k == RS_INTERN_NONE)
        return false;
    bool is_grown = grow(&group_of, &g->cap_entities, g->entities.n, sizeof *g->group_of) &&
                    grow(&spans, &g->cap_groups, g->groups.n, sizeof *g->spans);
    g->group_of = group_of;
    g->spans = spans;
    if (!is_grown)
        return false;
    if (k == n_groups)
        g->spans[k] = (struct rs_grid_group){ RS_TIME_NONE, RS_TIME_NONE, 0 };
    g->group_of[e] = k;
    if (time == RS_TIME_NONE)
        return true;
    struct rs_grid_group *s = &g->spans[k];
    s->first = s->n ? RS_MIN(s->first, time) : time;
    s->last = s->n ? RS_MAX(s->last, time) : time;
    s->n++;
    return true;
}

void rs_grid_clear(struct rs_grid *g)
{
    rs_intern_clear(&g->entities);
    rs_intern_clear(&g->groups);
    free(g->group_of);
    free(g->spans);
    *g = (struct rs_grid){ .group_of = NULL };
}

void rs_grid_start(const struct rs_grid *g, const struct rs_map_grid *plan, uint32_t entity, struct rs_grid_walk *out)
{
    const struct rs_grid_group *s = &g->spans[g->group_of[entity]];
    *out = (struct rs_grid_walk){ .is_done = s->n == 0 || s->n < plan->min_records };
    if (out->is_done)
        return;
    out->next = s->first + plan->after_first_s;
    out->stop = s->last - plan->before_last_s;
    out->last = s->last;
    out->every_s = plan->every_s;
}

bool rs_grid_next(struct rs_grid_walk *w, int64_t *out)
{
    if (w->is_done)
        return false;
    bool is_inside = w->next <= w->stop && w->next < w->last;
    *out = is_inside ? w->next : w->last;
    w->next += w->every_s;
    w->is_done = !is_inside;
    return true;
}
