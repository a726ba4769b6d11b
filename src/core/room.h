/* SPDX-License-Identifier: Apache-2.0
 *
 * struct room_ops: how a capability room (run, see, face) is plugged into the core. main.c passes
 * the table, so that core/ never includes upwards. Order of the table = order of init and start;
 * stop and fini go backwards.
 *
 * init   allocates and subscribes; the store is open, keeper and edge may not be linked yet. Must
 * not spawn. start  the keeper is linked and its children are known: begin to act. stop   the core
 * exits (services stay!): no new work; what is queued in the store is still written. fini   frees;
 * accepts a room whose init failed half-way (NULL).
 */
#ifndef CORE_ROOM_H
#define CORE_ROOM_H

#include "base/def.h"

struct core;

enum { ROOM_MAX = 8 };

struct room_ops {
    const char *name; /* "run" */
    int (*init)(struct core *core, void **ret_room);
    int (*start)(void *room);
    void (*stop)(void *room);
    void (*fini)(void *room);
};

#endif
