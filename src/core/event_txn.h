/* SPDX-License-Identifier: Apache-2.0
 *
 * Events inside other transactions: for rooms of the core that commit a deed together with its
 * story.
 */
#ifndef CORE_EVENT_TXN_H
#define CORE_EVENT_TXN_H

#include "base/list.h"
#include "core/event.h"

struct txn;

struct event_log {
    uint64_t last; /* newest committed sequence */
    uint64_t emitted;
    uint64_t lost;
    struct list pending; /* on their way to the disk; who ends meanwhile is not told */
};

must_check int event_log_new(struct core *core);
void event_log_free(struct core *core);
/* Learns the newest sequence from the store. */
must_check int event_log_start(struct core *core);

/* Adds the draft to a transaction (and its time, if it has none). Returns the statement: after the
 * commit event_committed gets txn_rowid of it. */
unsigned event_append(struct core *core, struct txn *txn, struct event *event);
void event_committed(struct core *core, const struct event *event, int64_t seq);

#endif
