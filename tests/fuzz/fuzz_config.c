/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseatd.yaml: any text is a configuration or an error with a line; what loads, dumps and loads again. */
#include "executor/config.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void reload_dump(const rs_config *c)
{
    rs_autofree char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return;
    rs_config_dump(c, f);
    fclose(f);
    RS_AUTO(rs_config) *again = NULL;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_config_parse(text, len, "dump", &again, &err) < 0) {
        fprintf(stderr, "%s\n%s\n", err.msg, text);
        abort();
    }
    assert(again->n_hosts == c->n_hosts && again->n_classes == c->n_classes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RS_AUTO(rs_config) *c = NULL;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_config_parse(size ? (const char *)data : "", size, "fuzz", &c, &err) == RS_OK)
        reload_dump(c);
    else
        assert(err.msg[0] && !c);
    return 0;
}
