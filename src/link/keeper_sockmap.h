/* SPDX-License-Identifier: Apache-2.0
 *
 * The short way to services (os/sockmap.h) as the keeper holds it: by a name for each part.
 */
#ifndef LINK_KEEPER_SOCKMAP_H
#define LINK_KEEPER_SOCKMAP_H

#include "base/str.h"
#include "os/sockmap.h"

#define KEEPER_SOCKMAP      "sockmap:" /* + part; stays the same as long as the instance lives … */
#define KEEPER_SOCKMAP_LINK "sockmap:link" /* … but this, which is the core's alone */

struct keeper_client;
struct keeper_request;

struct str keeper_sockmap_name(enum sockmap_part part);
/* Makes what is not held by its name (`kept`: the descriptor, or -1): *ret_fresh are what is new,
 * or -1. 0, or -errno with the step in words. */
must_check int keeper_sockmap_make(void *keeper, int (*kept)(void *keeper, struct str name),
                                   const char *group, int ret_fresh[SOCKMAP_PARTS],
                                   const char **ret_step);
/* Has the keeper do so, or drop the link. Refused: msg->text names the step. Repeated
 * (keeper_client.h). */
void keeper_client_sockmap(struct keeper_client *client, struct keeper_request *request, bool on);

#endif
