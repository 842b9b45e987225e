/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat check-config: reads a reseatd.yaml as the daemon would, and says what is wrong with it. */
#include "executor/cmd.h"

#include "executor/config.h"

int rs_cmd_check_config(int argc, char **argv, const struct rs_verb *self)
{
    const struct rs_opt opts[] = { { 0 } };
    int first = 0;
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse(argc, argv, self, opts, &first, &err);
    if (st == RS_CONTINUE)
        return RS_EXIT_OK;
    if (st == RS_OK && argc - first > 1)
        st = rs_error_set(&err, RS_EUSAGE, "%s: one file at most", argv[first + 1]);
    const char *path = st == RS_OK && first < argc ? argv[first] : "/etc/reseat/reseatd.yaml";
    RS_AUTO(rs_config) *config = NULL;
    if (st == RS_OK)
        st = rs_config_load(path, &config, &err);
    if (st < 0)
        return rs_cli_fail(self->name, &err);
    printf("%s: in order (hosts: %zu, classes: %zu)\n", path, config->n_hosts, config->n_classes);
    return RS_EXIT_OK;
}
