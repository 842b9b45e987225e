/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bodies of POST /v1/telemetry: whatever the bytes are, each row is checked whole before anyone sees it. */
#include "executor/samples.h"

#include <assert.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What samples.h promises of a row that it hands on. */
static enum rs_status take(void *arg, const struct rs_sample *s, struct rs_error *err)
{
    (void)arg;
    size_t len = strlen(s->entity);
    assert(len >= 1 && len <= RS_ENTITY_ID_MAX);
    assert(s->time >= -62135596800 && s->time < 253402387200); /* years 1 to 9999, any zone */
    const char *name;
    json_t *v;
    json_object_foreach(s->signals, name, v) assert(json_is_null(v) || isfinite((float)json_number_value(v)));
    json_object_foreach(s->attributes, name, v)
    {
        char buf[32];
        rs_sample_attr_text(v, buf);
    }
    return len % 7 == 3 ? rs_error_set(err, RS_EUNKNOWN_HOST, "entity %s", s->entity) : RS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rs_sample_report report;
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_samples_read(size ? (const char *)data : "", size, take, NULL, &report, &err);
    assert(st == RS_OK || err.msg[0]);
    assert(st < 0 || report.n_errors <= report.rejected);
    return 0;
}
