/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verbs built into reseat; each is one cmd_*.c. */
#ifndef RS_EXECUTOR_CMD_H
#define RS_EXECUTOR_CMD_H

#include "common/cli.h"

int rs_cmd_reboot(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_hosts(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_decisions(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_migrations(int argc, char **argv, const struct rs_verb *self);
int rs_cmd_check_config(int argc, char **argv, const struct rs_verb *self);

#endif
