/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON values and printing. See json.h. */
#include "predictor/json.h"

#include <inttypes.h>
#include <math.h>

#include "common/base.h"
#include "common/cli.h"
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

json_t *rs_json_digest(uint64_t digest)
{
    return json_sprintf("0x%016" PRIx64, digest);
}

json_t *rs_json_append(json_t *array, json_t *item)
{
    if (json_array_append_new(array, item) == 0)
        return array;
    json_decref(array);
    return NULL;
}

enum rs_status rs_json_print(json_t *root, struct rs_error *err)
{
    if (!root)
        return rs_error_set(err, RS_ENOMEM, "the report as JSON: out of memory");
    int failed = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(root);
    if (failed)
        return rs_error_errno(err, RS_EIO, "stdout");
    putchar('\n');
    return rs_cli_flush(err);
}
