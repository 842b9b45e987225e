/* SPDX-License-Identifier: Apache-2.0 */
/* Named faults, read once from $RS_FAULT. */
#include "fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FAULT_MAX 16

struct fault {
    char name[64];
    int at; /* the hit that fails, counted from 1; 0 = each */
    bool is_kill;
    int delay_ms;
    atomic_int hits;
};

static struct fault faults[FAULT_MAX];
static size_t n_faults;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void parse(void)
{
    const char *env = getenv("RS_FAULT");
    if (!env)
        return;
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", env);
    char *outer = NULL;
    for (char *item = strtok_r(copy, ",", &outer); item && n_faults < FAULT_MAX; item = strtok_r(NULL, ",", &outer)) {
        struct fault *f = &faults[n_faults++];
        char *inner = NULL;
        char *part = strtok_r(item, ":", &inner);
        snprintf(f->name, sizeof f->name, "%s", part ? part : "");
        while ((part = strtok_r(NULL, ":", &inner))) {
            if (strcmp(part, "kill") == 0)
                f->is_kill = true;
            else if (strncmp(part, "delay=", 6) == 0)
                f->delay_ms = atoi(part + 6);
            else
                f->at = atoi(part);
        }
    }
}

bool rs_fault_hit(const char *name)
{
    pthread_once(&once, parse);
    for (size_t i = 0; i < n_faults; i++) {
        struct fault *f = &faults[i];
        if (strcmp(f->name, name) != 0)
            continue;
        int hit = atomic_fetch_add(&f->hits, 1) + 1;
        if (f->at && hit != f->at)
            continue;
        if (f->delay_ms) {
            struct timespec ts = { f->delay_ms / 1000, f->delay_ms % 1000 * 1000000L };
            nanosleep(&ts, NULL);
            continue;
        }
        fprintf(stderr, "level=warn ev=fault name=%s hit=%d action=%s\n", name, hit, f->is_kill ? "kill" : "fail");
        if (f->is_kill)
            raise(SIGKILL);
        return true;
    }
    return false;
}
