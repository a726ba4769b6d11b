/* SPDX-License-Identifier: Apache-2.0 */
#include "core/reserve.h"

#include "os/file.h"

#include <stdio.h>

enum { RESERVE_PATH_MAX = 1100 };

static void path_of(const char *state_dir, char *ret)
{
    snprintf(ret, RESERVE_PATH_MAX, "%s/reserve", state_dir);
}

void reserve_take(const char *state_dir)
{
    char path[RESERVE_PATH_MAX];
    int fd = -1;
    path_of(state_dir, path);
    int r = file_open(path, FILE_WRITE | FILE_CREATE, 0600, &fd);
    r = r < 0 ? r : file_reserve(fd, 0, RESERVE_BYTES);
    file_close(&fd);
    if (r < 0) {
        (void)!file_unlink(path);
    }
}

bool reserve_release(const char *state_dir)
{
    char path[RESERVE_PATH_MAX];
    path_of(state_dir, path);
    return file_unlink(path) == 0;
}
