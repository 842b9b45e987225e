/* SPDX-License-Identifier: Apache-2.0 */
/* Faults with names, for tests of what happens when things break.
 *
 * RS_FAULT=journal.commit:2 makes the second rs_fault_hit("journal.commit") fail; RS_FAULT=migrate.copy:kill dies there
 * by SIGKILL; several are separated by commas; ":2:kill" combines; ":delay=500" sleeps that many ms each time. Without
 * the variable a hit costs one load. Any thread may call. */
#ifndef RS_COMMON_FAULT_H
#define RS_COMMON_FAULT_H

#include <stdbool.h>

/* True where the caller must now fail as if its own work had. */
bool rs_fault_hit(const char *name);

#endif
