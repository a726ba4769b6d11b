/* SPDX-License-Identifier: Apache-2.0
 *
 * face/: what people and programs see of muelle. Two halves that share their tables, not their
 * state:
 *
 *   face_room       the API server, a room of the core (REST, SSE, metrics, dashboard), on
 *                   RUN/core.sock for local peers and RUN/admin.sock for the edge's admin listener
 *   face_cli_main   the command line, a client of that API in a process of its own
 *
 * Why the command line is a client like any other: what it can do every program can do, it may be
 * killed at any moment, and it needs neither the store nor the rights of the core.
 */
#ifndef FACE_FACE_H
#define FACE_FACE_H

#include "base/def.h"

struct room_ops;

/* The room of the core that serves the API; main.c lists it behind run and see. */
extern const struct room_ops face_room;

/* The command line: runs the verb in argv and returns the exit code (enum cli_exit in face/cli.h).
 * Called by main.c for every argv[1] that is not the name of a role. */
must_check int face_cli_main(int argc, char **argv);

#endif
