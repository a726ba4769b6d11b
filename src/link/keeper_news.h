/* SPDX-License-Identifier: Apache-2.0
 *
 * What a keeper's client is told without asking: children, roles, descriptors (keeper_client.h).
 */
#ifndef LINK_KEEPER_NEWS_H
#define LINK_KEEPER_NEWS_H

#include "link/keeper.h"
#include "os/proc.h"

struct keeper_client;

struct keeper_child {
    struct str id;
    struct proc_id proc;
    bool running;          /* the main process lives */
    bool empty;            /* nothing of its tree is left */
    bool oom;              /* the out-of-memory killer hit it */
    struct proc_exit exit; /* when not running */
    uint64_t spec_hash;
    uint16_t ports[KEEPER_PORTS_MAX];
    uint64_t
        trimmed[2]; /* bytes of its outputs dropped while no core lived: [0, trimmed) is gone */
};

struct keeper_role_status {
    enum keeper_role role;
    bool up;
    int pid;
    uint64_t restarts;
};

/* News. Any may be NULL. Strings are valid during the call only. */
struct keeper_client_ops {
    void (*ready)(
        struct keeper_client *client); /* connected (again): HELLO answered, children listed */
    void (*lost)(struct keeper_client *client); /* the keeper died; revival is under way */
    /* A list begins: of children that it does not name nothing is known any more. `ready` ends it,
     * or another `listing` if the keeper died over it. */
    void (*listing)(struct keeper_client *client);
    /* Each one that the keeper knows, before ready, whenever a keeper is there anew: those that
     * ended meanwhile too (not running, maybe empty), of which no `exited` or `empty` comes any
     * more. */
    void (*child)(struct keeper_client *client, const struct keeper_child *child);
    void (*exited)(struct keeper_client *client, const struct keeper_child *child);
    void (*empty)(struct keeper_client *client,
                  const struct keeper_child *child);                     /* nothing left of it */
    void (*kept)(struct keeper_client *client, struct str name, int fd); /* fd stays the client's */
    void (*role)(struct keeper_client *client, const struct keeper_role_status *status);
};

#endif
