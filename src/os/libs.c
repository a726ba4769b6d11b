/* SPDX-License-Identifier: Apache-2.0
 *
 * Libraries on demand: see libs.h. They stay loaded: unloading one whose threads or at-exit
 * handlers are alive is how processes crash at their end. Version numbers are those of Debian 12,
 * since a library of another major version has another interface behind the same names.
 */
#include "os/libs.h"
#include <dlfcn.h>

static struct libs_entry {
    const char *file;
    const char *package; /* Debian's, for the message */
    void *handle;
} libs_table[LIB_COUNT] = {
    [LIB_SYSTEMD] = {"libsystemd.so.0", "libsystemd0", NULL},
    [LIB_CURL] = {"libcurl.so.4", "libcurl4", NULL},
    [LIB_GIT2] = {"libgit2.so.1.5", "libgit2-1.5", NULL},
    [LIB_PQ] = {"libpq.so.5", "libpq5", NULL},
    [LIB_HIREDIS] = {"libhiredis.so.0.14", "libhiredis0.14", NULL},
    [LIB_NATS] = {"libnats.so.3.5", "libnats3.5", NULL},
    [LIB_MAXMINDDB] = {"libmaxminddb.so.0", "libmaxminddb0", NULL},
};

int libs_load(enum lib lib, const struct lib_symbol *symbols, struct problem *problem)
{
    ensure((unsigned)lib < LIB_COUNT);
    struct libs_entry *entry = &libs_table[lib];
    if (!entry->handle) {
        /* Bound at once: a missing symbol is found here and not in the middle of a request. */
        entry->handle = dlopen(entry->file, RTLD_NOW | RTLD_LOCAL);
    }
    if (!entry->handle) {
        problem_set(problem, "library.missing", "library %s is not installed", entry->file);
        problem_hint(problem, "apt install %s", entry->package);
        return -ENOENT;
    }
    for (; symbols->name; symbols++) {
        *symbols->slot = dlsym(entry->handle, symbols->name);
        if (!*symbols->slot) {
            problem_set(problem, "library.old", "library %s has no function %s", entry->file,
                        symbols->name);
            problem_hint(problem, "a newer version of %s is needed", entry->package);
            return -ENOENT;
        }
    }
    return 0;
}
