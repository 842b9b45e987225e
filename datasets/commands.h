/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verbs of reseat-data, one cmd_*.c each. */
#ifndef RS_DATASETS_COMMANDS_H
#define RS_DATASETS_COMMANDS_H

#include "common/cli.h"

int rs_cmd_import(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_simulate(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_info(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_export(int argc, char **argv, const struct rs_verb *self);

#endif
