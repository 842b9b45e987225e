/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat-data: the verbs that make fleet files and look into them. */
#include "commands.h"

int main(int argc, char **argv)
{
    static const struct rs_verb verbs[] = {
        { "import", "reseat import backblaze|csv DIR|FILE... -o FLEET.h5 [--map MAP.yaml] [options]",
          "Reads telemetry as CSV (plain, .gz, .xz) into a fleet file.", rs_cmd_import },
        { "simulate", "reseat simulate -o FLEET.h5 [--hosts N] [--days D] [--seed S] [options]",
          "Simulates a fleet with its failures, VMs and reboots.", rs_cmd_simulate },
        { "info", "reseat info FLEET.h5 [--verify] [options]", "Tells what a fleet file holds.", rs_cmd_info },
        { "export", "reseat export FLEET.h5 [--entity ID] [options]",
          "Writes samples of a fleet file as JSON lines, as the daemon takes them.", rs_cmd_export },
        { .name = NULL },
    };
    return rs_cli_main("reseat-data", verbs, argc, argv);
}
