/* SPDX-License-Identifier: Apache-2.0 */
/* Scoring many rows at once, at the speed of the memory.
 *
 * The arithmetic of one row is the same whatever the batch, the thread and the processor: 8 lanes, multiply, then add
 * (never fused), lanes joined in one order (docs/math.md M1); of radial machines always fused (M8). The path for the
 * processor (plain C, AVX2, AVX-512) is chosen at the first call; the environment variable
 * RESEAT_CPU=plain|avx2|avx512 asks for a lesser one. */
#ifndef RS_MODELS_SCORE_H
#define RS_MODELS_SCORE_H

#include "models/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Risk of n rows, equal to rs_model_risk() of each to the last bit.
 * x          n x n_steps, row-major, finite
 * cohort     n: the deepest cohort of each row's entity; NULL: 0 for all
 * n_threads  at least 1; rows are cut into fixed pieces that the threads share
 * out_p      n; caller's memory, not overlapping x
 * Returns RS_OK; RS_EINVAL where a cohort is not the model's, out_p then untouched. Allocates nothing per row. */
enum rs_status rs_score_batch(const struct rs_model *m, const float *x, size_t n, const uint32_t *cohort,
                              unsigned n_threads, double *out_p);
/* The same before calibration: the decision values z of rs_model_z(). */
enum rs_status rs_score_batch_z(const struct rs_model *m, const float *x, size_t n, const uint32_t *cohort,
                                unsigned n_threads, double *out_z);
/* "avx512", "avx2" or "plain": the path in use. */
const char *rs_score_path(void);

#ifdef __cplusplus
}
#endif
#endif
