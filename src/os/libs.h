/* SPDX-License-Identifier: Apache-2.0
 *
 * Libraries loaded when they are first needed (dlopen), all named in one table (libs.c): each
 * linked library costs every start of every role, so the rarely used are not linked.
 */
#ifndef OS_LIBS_H
#define OS_LIBS_H

#include "base/problem.h"

enum lib {
    LIB_SYSTEMD,
    LIB_CURL,
    LIB_GIT2,
    LIB_PQ,
    LIB_HIREDIS,
    LIB_NATS,
    LIB_MAXMINDDB,
    LIB_COUNT
};

struct lib_symbol {
    const char *name;
    void **slot; /* where its address goes */
};

/* Loads the library once and fills all slots (up to an entry without a name). 0; -ENOENT with the
 * problem naming the Debian package to install, or the symbol that is missing. Main thread or a
 * worker, not both. */
must_check int libs_load(enum lib lib, const struct lib_symbol *symbols, struct problem *problem);

#endif
