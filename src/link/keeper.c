/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of the keeper's channel: see keeper.h.
 */
#include "link/keeper.h"

void keeper_msg_init(struct keeper_msg *msg, enum keeper_type type, struct str name)
{
    memset(msg, 0, sizeof(*msg));
    msg->magic = KEEPER_MAGIC;
    msg->version = KEEPER_VERSION;
    msg->type = (uint16_t)type;
    msg->name_len = (uint32_t)MIN(name.len, (size_t)KEEPER_NAME_MAX);
    if (msg->name_len > 0) {
        memcpy(msg->name, name.p, msg->name_len);
    }
}

bool keeper_msg_valid(struct keeper_msg *msg, size_t len)
{
    if (len != sizeof(*msg) || msg->magic != KEEPER_MAGIC || msg->version != KEEPER_VERSION ||
        msg->type == 0 || msg->type >= KEEPER_TYPE_COUNT || msg->role >= KEEPER_ROLE_COUNT ||
        msg->name_len > KEEPER_NAME_MAX || msg->error > 0) {
        return false;
    }
    if (memchr(msg->name, '\0', msg->name_len)) {
        return false; /* names become paths and C strings */
    }
    msg->text[sizeof(msg->text) - 1] = '\0';
    return true;
}
