/* SPDX-License-Identifier: Apache-2.0 */
/* Inside models/: the sections of a model file, written (codec_put.c) and read (codec_take.c); codec.c is the frame
 * around them. Reading returns RS_ECORRUPT or RS_ENOMEM and may leave the model half filled, for rs_model_free(). */
#ifndef RS_MODELS_CODEC_H
#define RS_MODELS_CODEC_H

#include "common/bytes.h"
#include "models/model.h"

void rs_put_model_meta(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_signals(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_attrs(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_events(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_windows(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_cohorts(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_steps(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_score(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_calibrator(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_deltas(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_vectors(struct rs_buf *b, const struct rs_model *m);
void rs_put_model_references(struct rs_buf *b, const struct rs_model *m);

enum rs_status rs_take_model_meta(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_signals(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_attrs(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_events(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_windows(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_cohorts(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_steps(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_score(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_calibrator(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_deltas(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_vectors(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_references(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
/* As version 1 had them. */
enum rs_status rs_take_model_meta_v1(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_steps_v1(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);
enum rs_status rs_take_model_score_v1(struct rs_cursor *c, struct rs_model *m, struct rs_error *err);

#endif
