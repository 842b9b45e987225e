/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs work that reads foreign HDF5 files in a child process, so that a crash or hang of the library on a damaged file
 * ends the child and becomes one clear error here. */
#ifndef RS_DATASETS_CONTAIN_H
#define RS_DATASETS_CONTAIN_H

#include "common/base.h"

/* Forks; the child runs work(arg) and exits with what it returns; the parent waits and returns that. Where the child
 * crashes inside of the HDF5 library, prints
 * "reseat VERB: FILE: damaged: the HDF5 library failed while reading it (SIGSEGV)" and returns RS_EXIT_FAILED; likewise
 * where it stays inside of one call of the reader for over 20 s ($RESEAT_CONTAIN_TIMEOUT, as in "5s"). A crash
 * that is not the library's says so. Another deadly signal, such as SIGPIPE, becomes this process's own. SIGINT and
 * SIGTERM reach the child. The child dies with its parent. Under a sanitizer, what it reports from within the library
 * counts as the library's crash; what it reports from our own code is printed as ever. */
int rs_contain(const char *verb, const char *file, int (*work)(void *arg), void *arg);

/* Around calls that may crash or hang in the library; they may nest, and any thread may call. Nothing happens outside
 * of rs_contain(). */
void rs_contain_enter(void);
void rs_contain_leave(void);

#endif
