/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_lanes.c for the functions in double. */
#define RS_DOUBLE 1
#include "predictor/test_lanes.c"
