/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small additions to jansson; see json.h. */
#include "executor/json.h"

#include <math.h>

#include "common/clock.h"

json_t *rs_json_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *rs_json_time(int64_t t)
{
    char buf[RS_TIME_MAX];
    return t == RS_TIME_NONE ? json_null() : json_string(rs_time_format(t, buf));
}
