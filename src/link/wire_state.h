/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to link/: the state of a service between roles that may be of two versions.
 */
#ifndef LINK_WIRE_STATE_H
#define LINK_WIRE_STATE_H

#include "link/snapshot_types.h"

/* As it is written, in snapshots and deltas: one that every reader knows. */
static inline uint32_t wire_state(enum snapshot_service_state state)
{
    return state > SNAPSHOT_SERVICE_CRASHED ? SNAPSHOT_SERVICE_STOPPED : state;
}

/* Beside STOPPED: which of the later states it is; 0 = that one. */
static inline uint32_t wire_state_rest(enum snapshot_service_state state)
{
    return state > SNAPSHOT_SERVICE_CRASHED ? state - SNAPSHOT_SERVICE_CRASHED : 0;
}

/* As it is read. What a newer writer may say besides is taken as STOPPED. */
static inline enum snapshot_service_state wire_state_read(uint32_t state, uint32_t rest)
{
    if (state <= SNAPSHOT_SERVICE_CRASHED && state != SNAPSHOT_SERVICE_STOPPED) {
        return (enum snapshot_service_state)state;
    }
    return rest > 0 && rest < SNAPSHOT_SERVICE_STATES - SNAPSHOT_SERVICE_CRASHED
               ? (enum snapshot_service_state)(SNAPSHOT_SERVICE_CRASHED + rest)
               : SNAPSHOT_SERVICE_STOPPED;
}

#endif
