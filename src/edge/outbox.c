/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes lie in the order of the entries, without gaps, and scratch memory behind them; all of it is
 * forgotten at once when the turn ends.
 */
#include "edge/outbox.h"

#include "base/num.h"

/* They lie behind all others. False: no room, or too much. */
static inline bool append(struct outbox *outbox, struct str bytes)
{
    if (unlikely(bytes.len > OUTBOX_PIECE || outbox->len > OUTBOX_SIZE - OUTBOX_PIECE)) {
        return false;
    }
    char *to = outbox_scratch(outbox);
    if (unlikely(bytes.p != to)) {
        memcpy(to, bytes.p, bytes.len);
    }
    outbox->len += (uint32_t)bytes.len;
    return true;
}

uint32_t outbox_add(struct outbox *outbox, struct conn *conn, struct str bytes)
{
    struct outbox_entry *entry = &outbox->entries[outbox->count];
    if (unlikely(outbox->count == OUTBOX_ENTRIES)) {
        return 0;
    }
    *entry = (struct outbox_entry){.conn = conn, .at = outbox->len, .len = (uint32_t)bytes.len};
    return likely(append(outbox, bytes)) ? ++outbox->count : 0;
}

bool outbox_join(struct outbox *outbox, uint32_t entry, struct str bytes)
{
    struct outbox_entry *last = &outbox->entries[entry - 1];
    if (entry != outbox->count || bytes.len > OUTBOX_PIECE - last->len || !append(outbox, bytes)) {
        return false;
    }
    last->len += (uint32_t)bytes.len;
    return true;
}

struct str outbox_take(struct outbox *outbox, uint32_t entry)
{
    struct outbox_entry *taken = &outbox->entries[entry - 1];
    taken->conn = NULL;
    return str_make(outbox->bytes + taken->at, taken->len);
}
