/* SPDX-License-Identifier: Apache-2.0
 *
 * See keeper_sockmap.h. keeper_client_sockmap is with the other requests in keeper_client.c.
 */
#include "link/keeper_sockmap.h"

struct str keeper_sockmap_name(enum sockmap_part part)
{
    static const char *const names[SOCKMAP_PARTS] = {
        [SOCKMAP_SOCKETS] = KEEPER_SOCKMAP "sockets",
        [SOCKMAP_TURNS] = KEEPER_SOCKMAP "turns",
        [SOCKMAP_PORTS] = KEEPER_SOCKMAP "ports",
        [SOCKMAP_LINK] = KEEPER_SOCKMAP_LINK,
    };
    return str_from(names[part]);
}

int keeper_sockmap_make(void *keeper, int (*kept)(void *keeper, struct str name), const char *group,
                        int ret_fresh[SOCKMAP_PARTS], const char **ret_step)
{
    int held[SOCKMAP_PARTS], fds[SOCKMAP_PARTS];
    for (enum sockmap_part part = 0; part < SOCKMAP_PARTS; part++) {
        held[part] = fds[part] = kept(keeper, keeper_sockmap_name(part));
    }
    *ret_step = "find a control group of version 2";
    int r = group[0] ? sockmap_new(group, fds, ret_step) : -EOPNOTSUPP;
    for (enum sockmap_part part = 0; part < SOCKMAP_PARTS; part++) {
        ret_fresh[part] = fds[part] != held[part] ? fds[part] : -1;
    }
    return r;
}
