/* SPDX-License-Identifier: Apache-2.0
 *
 * The migrations as the build embeds them, in order; number = index + 1. Private to store/. A
 * binary carries all of them, from the first on: any older state folder can be opened by it.
 */
#ifndef STORE_MIGRATIONS_H
#define STORE_MIGRATIONS_H

#include "base/def.h"

struct migration {
    const char *name; /* "first" */
    const char *sql;
};

extern const struct migration migrations[];
extern const size_t migration_count;

#endif
