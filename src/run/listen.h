/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's sockets, which the keeper opens and holds. See listen.c. Private to run/.
 */
#ifndef RUN_LISTEN_H
#define RUN_LISTEN_H

#include "run/model.h"

/* "127.0.0.1:8080", "*:8080": the keeper's name for it. False: not an address. */
bool listen_address(const struct listen_spec *listen, char *ret, size_t size);
/* Does the program itself bind the published port, so that no listener can? */
bool listen_is_direct(const struct project_spec *project, const struct listen_spec *listen);
/* Opens what the spec needs and is not open. `done` comes once, through the loop; problem NULL =
 * all are open. Those that were opened for a project that is not applied after all are closed by
 * listen_sweep. */
struct listen_wait;
must_check int listen_open(struct run *run, const struct project_spec *spec,
                           void (*done)(void *arg, const struct problem *problem), void *arg);
/* A socket ("127.0.0.1:PORT", "unix:PATH") that the service of that id is handed as LISTEN_FDS;
 * asked for before the spawn that names it. */
must_check int listen_reserve(struct run *run, const char *address, uint64_t service);
/* Adds the listeners of all projects; `admin`: the service of the API. */
void listen_publish(struct run *run, struct snapshot_builder *builder, uint64_t admin);
/* Closes what no project needs any more. */
void listen_sweep(struct run *run);
void listen_fini(struct run *run);

#endif
