/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs every file of a folder through a fuzz target: the corpus as a regression test, with any
 * compiler.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static bool replay(const char *dir, const char *name)
{
    static uint8_t bytes[1 << 20];
    struct buf path = BUF_INIT(4096);
    buf_printf(&path, "%s/%s", dir, name);
    FILE *f = fopen(buf_cstr(&path), "re");
    buf_fini(&path);
    if (!f) {
        return false;
    }
    size_t len = fread(bytes, 1, sizeof(bytes), f);
    (void)fclose(f);
    (void)LLVMFuzzerTestOneInput(bytes, len);
    return true;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    DIR *d = argc > 1 ? opendir(argv[1]) : NULL;
    if (!d) {
        fprintf(stderr, "usage: replay_TARGET FOLDER\n");
        return 2;
    }
    const struct dirent *entry;
    while ((entry = readdir(d))) {
        if (entry->d_name[0] != '.') {
            if (!replay(argv[1], entry->d_name)) {
                fprintf(stderr, "cannot read %s\n", entry->d_name);
                return 1;
            }
            count++;
        }
    }
    (void)closedir(d);
    printf("%zu inputs\n", count);
    return count ? 0 : 1;
}
