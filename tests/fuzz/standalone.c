/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Replays files and folders of files through a fuzz target, for builds without libFuzzer. */
#include "common/base.h"

#include <dirent.h>

#include "common/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    rs_autofree uint8_t *data = NULL;
    size_t len = 0;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_read_file(path, (size_t)16 << 20, &data, &len, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    LLVMFuzzerTestOneInput(data, len);
    return 0;
}

int main(int argc, char **argv)
{
    size_t n = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir) {
            if (replay_file(argv[i]))
                return 1;
            n++;
            continue;
        }
        for (struct dirent *e; (e = readdir(dir));) {
            if (e->d_name[0] == '.')
                continue;
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (replay_file(path)) {
                closedir(dir);
                return 1;
            }
            n++;
        }
        closedir(dir);
    }
    printf("replayed %zu inputs\n", n);
    return n ? 0 : 1;
}
