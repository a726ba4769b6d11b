/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of TLS session tickets: made by the core, kept in STATE/tickets (0600), handed to the edge
 * in the snapshot. A new one comes first every TICKETS_TURN_S, the ones before still open tickets,
 * so a session resumes on any thread and after any restart; what is older than two turns is
 * forgotten for good. Private to run/.
 */
#ifndef RUN_TICKETS_H
#define RUN_TICKETS_H

#include "run/model.h"

enum { TICKETS_TURN_S = 12 * 3600, TICKETS_KEPT = 3 };

/* The keys, newest first, as the snapshot wants them; empty when there is no randomness or memory
 * (then nothing resumes). Made or turned if it is time; the next turn publishes a snapshot. */
struct str tickets_keys(struct run *run);
void tickets_fini(struct run *run);

#endif
