/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking what another edge sent.
 */
#include "link/handover.h"

#include "link/snapshot_types.h"

#define HANDOVER_MAGIC UINT32_C(0x564f444e)

void handover_msg_init(struct handover_msg *msg, enum handover_kind kind)
{
    *msg = (struct handover_msg){
        .magic = HANDOVER_MAGIC, .version = HANDOVER_VERSION, .kind = (uint16_t)kind};
}

bool handover_msg_valid(const struct handover_msg *msg, size_t len, size_t fd_count)
{
    static const uint8_t fds[HANDOVER_KINDS] = {[HANDOVER_IDLE] = 1, [HANDOVER_TUNNEL] = 2};
    return len == sizeof(*msg) && msg->magic == HANDOVER_MAGIC &&
           msg->version == HANDOVER_VERSION && msg->kind > 0 && msg->kind < HANDOVER_KINDS &&
           fd_count == fds[msg->kind] && msg->listener < SNAPSHOT_LISTENER_KINDS &&
           (msg->family == 4 || msg->family == 6 || msg->family == 0) && msg->age_ns >= 0 &&
           msg->record.path_len <= RING_PATH_MAX &&
           msg->record.request_id_len <= RING_REQUEST_ID_MAX && msg->record.method < RING_METHODS &&
           msg->more.host_len + msg->more.agent_len + msg->more.referer_len <= RING_MORE_MAX;
}
