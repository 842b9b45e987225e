/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The scenarios beside the whole fleet: bare hosts with a known rate each, and rows for benchmarks. docs/simulator.md
 * states them with their numbers. Shared by the parts of the simulator only. */
#ifndef RS_DATASETS_SIMULATE_PLAIN_H
#define RS_DATASETS_SIMULATE_PLAIN_H

#include "datasets/simulate.h"

/* Scenarios cohorts and pooling. The true rate of every host, in failures a day, goes to /truth (cause "rate"). */
enum rs_status rs_sim_plain_write(const struct rs_simulate_options *opt, rs_builder *b, struct rs_simulate_counts *out,
                                  struct rs_error *err);

/* Scenario bench: opt->n_rows rows with ready labels; the builder was made with has_labels. */
enum rs_status rs_sim_bench_write(const struct rs_simulate_options *opt, rs_builder *b, struct rs_error *err);

#endif
