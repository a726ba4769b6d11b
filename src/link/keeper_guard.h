/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard of a role that gave up root: keeps the right to bring the keeper back, and no other.
 */
#ifndef LINK_KEEPER_GUARD_H
#define LINK_KEEPER_GUARD_H

#include "link/keeper_client.h"

/* Before this process gives up root: starts a small process that keeps the rights to bring the
 * keeper back, and does nothing else (keeper_guard_main). It ends with this one. 0 or -errno. */
must_check int keeper_client_guard(struct keeper_client *client);
/* The guard's main: `muelle guard --run-dir R --state-dir S --id ID`, its channel is descriptor
 * 3. */
int keeper_guard_main(int argc, char **argv);

#endif
