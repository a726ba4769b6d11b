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
    return state == SNAPSHOT_SERVICE_DRAINED ? SNAPSHOT_SERVICE_STOPPED : state;
}

/* As it is read. What a newer writer may say besides is taken as STOPPED. */
static inline enum snapshot_service_state wire_state_read(uint32_t state, uint32_t drained)
{
    if (state <= SNAPSHOT_SERVICE_CRASHED && state != SNAPSHOT_SERVICE_STOPPED) {
        return (enum snapshot_service_state)state;
    }
    return drained ? SNAPSHOT_SERVICE_DRAINED : SNAPSHOT_SERVICE_STOPPED;
}

#endif
