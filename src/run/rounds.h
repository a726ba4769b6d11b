/* SPDX-License-Identifier: Apache-2.0
 *
 * Once a second to every service that wants to be looked at; while none does nothing runs. Private
 * to run/, on the core's loop.
 */
#ifndef RUN_ROUNDS_H
#define RUN_ROUNDS_H

#include "os/loop.h"

struct run;
struct service;

struct rounds_kind {
    bool (*wants)(const struct service *service);
    void (*look)(struct run *run, struct service *service);
};

struct rounds {
    struct timer timer;
    struct run *run;
    const struct rounds_kind *kind;
};

void rounds_init(struct rounds *rounds, struct run *run, const struct rounds_kind *kind);
void rounds_fini(struct rounds *rounds);
/* The services may have changed: begins at once if one wants it. */
void rounds_begin(struct rounds *rounds);

#endif
