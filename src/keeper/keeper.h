/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper: the parent of everything in an instance. It owns what must outlive a crash (listening
 * sockets, shared memory, the children and their exits) and does nothing else: its only input are
 * the fixed-size messages of link/keeper.h from its own roles and its own user.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "base/def.h"

/* The role: `muelle keeper --run-dir RUN --state-dir STATE --id ID [--lock-fd N] [--ready-fd N]
 * [--adopt-fd N --adopt-role core|edge]`. Returns the exit code. */
int keeper_main(int argc, char **argv);

#endif
