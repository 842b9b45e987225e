/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cohorts: which attributes make them, how many entities each has, and which become part of a program. They nest in the
 * order of the attributes: all > model > model and firmware. */
#ifndef RS_PREDICTOR_COHORTS_H
#define RS_PREDICTOR_COHORTS_H

#include "datasets/fleet.h"

#define RS_COHORT_ENTITIES_MIN 20 /* a smaller one stays part of its parent */

struct rs_cohort_node {
    uint32_t parent; /* index; node 0 is all */
    uint32_t depth;  /* number of conditions */
    int32_t code;    /* value of attribute attrs[depth - 1] */
    uint64_t n_entities;
};

typedef struct rs_cohort_tree {
    uint32_t attrs[RS_COHORT_DEPTH_MAX]; /* columns of the fleet file, the outermost first */
    uint32_t n_attrs;
    struct rs_cohort_node *nodes;
    size_t n, cap;
    uint32_t *slots; /* hash table of node indices + 1, by parent and code */
    size_t n_slots;  /* a power of two */
} rs_cohort_tree;

/* Picks the attributes: those named in list ("model,firmware"; RS_EUSAGE where the file lacks one or it is a number),
 * or, where list is NULL, one named model, else the most various one named type, family or system, else the most
 * various of 2 to 200 values, with firmware nested in it; else none. "" picks none. */
enum rs_status rs_cohort_tree_init(rs_cohort_tree *t, const struct rs_fleet_info *info, const char *list,
                                   struct rs_error *err);
void rs_cohort_tree_clear(rs_cohort_tree *t);
#define rs_auto_cohort_tree __attribute__((cleanup(rs_cohort_tree_clear))) rs_cohort_tree

/* Counts one entity along its path; a missing value ends it. codes: one per attribute of the file. False for want of
 * memory. */
bool rs_cohort_tree_add(rs_cohort_tree *t, const int32_t *codes);

/* Puts the nodes in order: by depth, then parent, then value; parents come first. */
bool rs_cohort_tree_sort(rs_cohort_tree *t);

#endif
