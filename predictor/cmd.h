/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verbs of reseat-train; each stands in its own cmd_*.c and is a row of the table in main.c. */
#ifndef RS_PREDICTOR_CMD_H
#define RS_PREDICTOR_CMD_H

#include "common/cli.h"

int rs_cmd_train(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_eval(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_score(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_drift(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_dump(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_cohorts(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_export_model(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_import_model(int argc, char **argv, const struct rs_verb *self);

#endif
