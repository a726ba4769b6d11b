/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment and arguments of a replica's process: the caller's variables (of `up`), over them
 * the service's, over them what muelle gives: PORT, HOST, MUELLE_PROJECT, MUELLE_SERVICE,
 * MUELLE_REPLICA, MUELLE_INSTANCE, MUELLE_ID, and for each dependency MUELLE_URL_<NAME>,
 * MUELLE_HOST_<NAME>, MUELLE_PORT_<NAME>.
 */
#ifndef RUN_ENV_H
#define RUN_ENV_H

#include "base/arena.h"
#include "schema/spec.h"

struct order;
struct replica;
struct run;
struct run_env;

enum { ENV_MAX = 4096, ENV_BYTES_MAX = 2 << 20 };

/* What a process is started with; all in the arena. */
struct env {
    const char **argv; /* NULL at the end */
    const char **envp;
    struct str path; /* its PATH */
};

/* `argv` with the replica's values filled in; further variables (of `exec`) win over all others.
 * 0, -E2BIG, -ENOMEM. */
must_check int env_make(struct run *run, struct replica *replica, const struct str *argv,
                        size_t argc, struct arena *arena, struct env *ret);
must_check int env_add(struct arena *arena, struct env *env, const struct run_env *more,
                       size_t count);
/* The service's user with its groups; nothing when it has none of its own. */
void env_user(const struct replica *replica, struct order *order);

#endif
