/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting entities by nested attribute values. */
#include "predictor/cohorts.h"

#include <xxhash.h>

#define VARIETY_MIN 2
#define VARIETY_MAX 200

static bool names_kind(const char *name)
{
    static const char *const words[] = { "model", "type", "family", "system" };
    size_t len = strlen(name);
    for (size_t i = 0; i < RS_LEN(words); i++) {
        size_t n = strlen(words[i]);
        if (len >= n && rs_streq(name + len - n, words[i]) && (len == n || name[len - n - 1] == '_'))
            return true;
    }
    return false;
}

static uint32_t find_attr(const struct rs_fleet_info *info, const char *name, size_t len)
{
    for (uint32_t i = 0; i < info->n_attrs; i++)
        if (strlen(info->attrs[i].name) == len && memcmp(info->attrs[i].name, name, len) == 0)
            return i;
    return UINT32_MAX;
}

static enum rs_status pick_named(rs_cohort_tree *t, const struct rs_fleet_info *info, const char *list,
                                 struct rs_error *err)
{
    for (const char *word = list; *word;) {
        size_t len = strcspn(word, ",");
        uint32_t attr = find_attr(info, word, len);
        if (attr == UINT32_MAX)
            return rs_error_set(err, RS_EUSAGE, "--cohorts: the fleet file has no attribute named \"%.*s\"", (int)len,
                                word);
        if (info->attrs[attr].is_number)
            return rs_error_set(err, RS_EUSAGE, "--cohorts: attribute %s is a number", info->attrs[attr].name);
        for (uint32_t i = 0; i < t->n_attrs; i++)
            if (t->attrs[i] == attr)
                return rs_error_set(err, RS_EUSAGE, "--cohorts: %s is named twice", info->attrs[attr].name);
        if (t->n_attrs == RS_COHORT_DEPTH_MAX)
            return rs_error_set(err, RS_EUSAGE, "--cohorts: more than %d attributes", RS_COHORT_DEPTH_MAX);
        t->attrs[t->n_attrs++] = attr;
        word += len;
        word += *word == ',';
    }
    return RS_OK;
}

/* Of the attributes of moderate variety the most various one: it parts what a coarser one leaves together. */
static uint32_t most_various(const struct rs_fleet_info *info, bool only_kinds)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < info->n_attrs; i++) {
        const struct rs_fleet_attr *a = &info->attrs[i];
        if (a->is_number || a->n_values < VARIETY_MIN || a->n_values > VARIETY_MAX ||
            (only_kinds && !names_kind(a->name)))
            continue;
        if (best == UINT32_MAX || a->n_values > info->attrs[best].n_values)
            best = i;
    }
    return best;
}

static void pick_automatically(rs_cohort_tree *t, const struct rs_fleet_info *info)
{
    uint32_t best = find_attr(info, "model", strlen("model"));
    if (best == UINT32_MAX)
        best = most_various(info, true);
    if (best == UINT32_MAX)
        best = most_various(info, false);
    if (best == UINT32_MAX || info->attrs[best].is_number)
        return;
    t->attrs[t->n_attrs++] = best;
    uint32_t firmware = find_attr(info, "firmware", strlen("firmware"));
    if (firmware != UINT32_MAX && firmware != best && !info->attrs[firmware].is_number)
        t->attrs[t->n_attrs++] = firmware;
}

enum rs_status rs_cohort_tree_init(rs_cohort_tree *t, const struct rs_fleet_info *info, const char *list,
                                   struct rs_error *err)
{
    *t = (rs_cohort_tree){ .n = 1, .cap = 64, .n_slots = 256 };
    t->nodes = rs_alloc(t->cap, sizeof *t->nodes);
    t->slots = rs_alloc(t->n_slots, sizeof *t->slots);
    enum rs_status st = t->nodes && t->slots ? RS_OK : rs_error_set(err, RS_ENOMEM, "cohorts: out of memory");
    if (st == RS_OK && list)
        st = pick_named(t, info, list, err);
    else if (st == RS_OK)
        pick_automatically(t, info);
    if (st < 0)
        rs_cohort_tree_clear(t);
    return st;
}

void rs_cohort_tree_clear(rs_cohort_tree *t)
{
    free(t->nodes);
    free(t->slots);
    *t = (rs_cohort_tree){ 0 };
}

/* The slot that holds the node, or the empty one where it belongs. */
static size_t slot_for(const rs_cohort_tree *t, uint32_t parent, int32_t code)
{
    uint32_t key[2] = { parent, (uint32_t)code };
    size_t i = (size_t)XXH3_64bits(key, sizeof key) & (t->n_slots - 1);
    while (t->slots[i]) {
        const struct rs_cohort_node *node = &t->nodes[t->slots[i] - 1];
        if (node->parent == parent && node->code == code)
            break;
        i = (i + 1) & (t->n_slots - 1);
    }
    return i;
}

static bool grow(rs_cohort_tree *t)
{
    if (t->n >= RS_COHORTS_MAX * (size_t)16) /* far more than a program may have */
        return false;
    struct rs_cohort_node *nodes = rs_realloc(t->nodes, 2 * t->cap, sizeof *nodes);
    if (!nodes)
        return false;
    t->nodes = nodes;
    t->cap *= 2;
    uint32_t *slots = rs_alloc(4 * t->cap, sizeof *slots);
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->n_slots = 4 * t->cap;
    for (size_t i = 1; i < t->n; i++)
        t->slots[slot_for(t, t->nodes[i].parent, t->nodes[i].code)] = (uint32_t)i + 1;
    return true;
}

bool rs_cohort_tree_add(rs_cohort_tree *t, const int32_t *codes)
{
    uint32_t at = 0;
    t->nodes[0].n_entities++;
    for (uint32_t i = 0; i < t->n_attrs && codes[t->attrs[i]] >= 0; i++) {
        int32_t code = codes[t->attrs[i]];
        if (t->n == t->cap && !grow(t))
            return false;
        size_t slot = slot_for(t, at, code);
        if (!t->slots[slot]) {
            t->nodes[t->n] = (struct rs_cohort_node){ .parent = at, .depth = i + 1, .code = code };
            t->slots[slot] = (uint32_t)++t->n;
        }
        at = t->slots[slot] - 1;
        t->nodes[at].n_entities++;
    }
    return true;
}

struct keyed {
    struct rs_cohort_node node;
    uint32_t old;
};

static int compare_nodes(const void *a, const void *b)
{
    const struct rs_cohort_node *x = &((const struct keyed *)a)->node, *y = &((const struct keyed *)b)->node;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return (x->code > y->code) - (x->code < y->code);
}

/* One depth after the other: its nodes are sorted by the new numbers of their parents, then given numbers of their own.
 */
bool rs_cohort_tree_sort(rs_cohort_tree *t)
{
    rs_autofree struct keyed *items = rs_alloc(t->n, sizeof *items);
    rs_autofree uint32_t *renamed = rs_alloc(t->n, sizeof *renamed);
    if (!items || !renamed)
        return false;
    size_t done = 1;
    items[0].node = t->nodes[0];
    for (uint32_t depth = 1; depth <= t->n_attrs; depth++) {
        size_t n = done;
        for (size_t i = 1; i < t->n; i++)
            if (t->nodes[i].depth == depth) {
                items[n] = (struct keyed){ .node = t->nodes[i], .old = (uint32_t)i };
                items[n].node.parent = renamed[items[n].node.parent];
                n++;
            }
        qsort(items + done, n - done, sizeof *items, compare_nodes);
        for (size_t i = done; i < n; i++)
            renamed[items[i].old] = (uint32_t)i;
        done = n;
    }
    for (size_t i = 0; i < t->n; i++)
        t->nodes[i] = items[i].node;
    return true;
}
