/* SPDX-License-Identifier: Apache-2.0
 *
 * Events go out as transactions of their own, or as part of the transaction that they tell of
 * (event_append): then the deed and its story are on disk together. Sequence numbers come from the
 * store at commit.
 *
 * Invariants: BUS_EVENT messages carry ascending sequences, since commits are answered in order.
 * What the store ends with is asked at the start, and may be answered behind the commit of an event
 * that the start itself told: `last` never goes back.
 */
#include "core/core.h"
#include "core/event_txn.h"
#include "os/loop.h"
#include "os/rolelog.h"
#include "store/store.h"
#include "store/tables.h"

#include <stdio.h>
#include <stdlib.h>

enum { EVENTS_KEPT = 100000, TRIM_EVERY = 1000 };

/* A transaction under way. */
struct pending {
    struct list node;
    struct core *core;
    struct event event;
    unsigned statement;
};

struct listing {
    void (*done)(void *arg, int error, const struct event *events, size_t count);
    void *arg;
    bool descending;
};

static const char *const severities[] = {"info", "warning", "error"};

const char *event_severity_name(uint8_t severity)
{
    return severity < ARRAY_LEN(severities) ? severities[severity] : "info";
}

static uint8_t severity_parse(struct str name)
{
    for (uint8_t i = 0; i < ARRAY_LEN(severities); i++) {
        if (str_is(name, severities[i])) {
            return i;
        }
    }
    return EVENT_INFO;
}

int event_log_new(struct core *core)
{
    core->events = calloc(1, sizeof(*core->events));
    if (!core->events) {
        return -ENOMEM;
    }
    list_init(&core->events->pending);
    return 0;
}

static void forget(struct pending *pending)
{
    list_del(&pending->node);
    free(pending);
}

/* The store is closed: it answers no more. */
void event_log_free(struct core *core)
{
    while (core->events && !list_empty(&core->events->pending)) {
        forget(list_entry(core->events->pending.next, struct pending, node));
    }
    free(core->events);
    core->events = NULL;
}

void event_draft(struct event *event, const struct context *ctx, const char *kind, uint8_t severity)
{
    memset(event, 0, sizeof(*event));
    event->severity = severity;
    str_copy(event->kind, sizeof(event->kind), str_from(kind));
    str_copy(event->actor, sizeof(event->actor), str_from(ctx->principal.name));
    str_copy(event->cause, sizeof(event->cause), str_from(ctx->cause));
    str_copy(event->id.tenant, sizeof(event->id.tenant), str_from(ctx->tenant));
}

void event_message(struct event *event, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(event->message, sizeof(event->message), fmt, args);
    va_end(args);
}

unsigned event_append(struct core *core, struct txn *txn, struct event *event)
{
    if (event->wall_ns == 0) {
        event->wall_ns = core_wall(core);
    }
    struct event_row row = {
        .time = event->wall_ns,
        .replica = event->id.replica,
        .kind = str_from(event->kind),
        .severity = str_from(event_severity_name(event->severity)),
        .tenant = str_from(event->id.tenant[0] ? event->id.tenant : "default"),
        .project = str_from(event->id.project),
        .service = str_from(event->id.service),
        .origin = STR("muelle"),
        .actor = str_from(event->actor),
        .cause = str_from(event->cause),
        .message = str_from(event->message),
        .data = str_from(event->data),
    };
    return event_add(txn, &row);
}

void event_committed(struct core *core, const struct event *event, int64_t seq)
{
    struct event *copy = malloc(sizeof(*copy));
    core->events->last = MAX(core->events->last, (uint64_t)seq);
    if (!copy) {
        return; /* on disk it is; a listener that needs all of them reads event_list */
    }
    *copy = *event;
    copy->seq = (uint64_t)seq;
    bus_publish(core->bus,
                &(struct bus_message){.topic = BUS_EVENT, .id = event->id, .event = copy});
}

static void lost(struct core *core, const struct event *event, int error)
{
    core->events->lost++;
    rolelog(ROLELOG_ERROR, "core", "event lost (%s): %s: %s", strerror(-error), event->kind,
            event->message);
}

static void emitted(void *arg, int status, const struct txn *txn)
{
    struct pending *pending = arg;
    if (status == 0) {
        event_committed(pending->core, &pending->event, txn_rowid(txn, pending->statement));
    } else {
        lost(pending->core, &pending->event, status);
    }
    forget(pending);
}

void event_emit(struct core *core, const struct event *draft)
{
    struct pending *pending = malloc(sizeof(*pending));
    if (!pending) {
        lost(core, draft, -ENOMEM);
        return;
    }
    *pending = (struct pending){.core = core, .event = *draft};
    list_push_back(&core->events->pending, &pending->node);
    struct txn *txn = txn_new();
    pending->statement = event_append(core, txn, &pending->event);
    if (++core->events->emitted % TRIM_EVERY == 0) {
        event_trim(txn, EVENTS_KEPT);
    }
    int r = store_commit(core->store, txn, emitted, pending);
    if (r < 0) {
        lost(core, draft, r);
        forget(pending);
    }
}

uint64_t event_seq_last(const struct core *core)
{
    return core->events->last;
}

static void row_to_event(const struct event_row *row, struct event *event)
{
    memset(event, 0, sizeof(*event));
    event->seq = (uint64_t)row->seq;
    event->wall_ns = row->time;
    event->severity = severity_parse(row->severity);
    event->id = bus_id_make(row->tenant, row->project, row->service, (uint32_t)row->replica);
    str_copy(event->kind, sizeof(event->kind), row->kind);
    str_copy(event->actor, sizeof(event->actor), row->actor);
    str_copy(event->cause, sizeof(event->cause), row->cause);
    str_copy(event->message, sizeof(event->message), row->message);
    str_copy(event->data, sizeof(event->data), row->data);
}

static void listed(void *arg, int status, const struct txn *txn)
{
    struct listing *listing = arg;
    struct txn_rows rows = status == 0 ? txn_rows(txn, 0) : (struct txn_rows){0};
    struct event *events = rows.count ? malloc(rows.count * sizeof(*events)) : NULL;
    if (rows.count && !events) {
        status = -ENOMEM;
        rows.count = 0;
    }
    for (uint32_t i = 0; i < rows.count; i++) {
        struct event_row row;
        event_read(rows, i, &row);
        row_to_event(&row, &events[listing->descending ? rows.count - 1 - i : i]);
    }
    listing->done(listing->arg, status, events, rows.count);
    free(events);
    free(listing);
}

/* An answer that comes through the loop although nothing could be asked. */
static void list_failed(struct listing *listing, int error)
{
    listing->done(listing->arg, error, NULL, 0);
    free(listing);
}

void event_list(struct core *core, const struct event_query *query,
                void (*done)(void *arg, int error, const struct event *events, size_t count),
                void *arg)
{
    struct listing *listing = malloc(sizeof(*listing));
    if (!listing) {
        done(arg, -ENOMEM, NULL, 0);
        return;
    }
    *listing = (struct listing){done, arg, query->newest};
    struct event_filter filter = {
        .tenant = STR("default"),
        .project = query->project,
        .service = query->service,
        .kind = query->kind,
        .after_seq = (int64_t)query->after,
        .newest = query->newest,
        .limit = MIN(MAX(query->limit, 1), 1000),
    };
    struct txn *txn = txn_new();
    event_select(txn, &filter);
    int r = store_query(core->store, txn, listed, listing);
    if (r < 0) {
        list_failed(listing, r);
    }
}

static void last_read(void *arg, int status, const struct txn *txn)
{
    struct core *core = arg;
    if (status != 0) {
        core_log(core, "the last event cannot be read: %s", strerror(status < 0 ? -status : EIO));
        core_stop(core, 1); /* without it, who follows the events would miss some */
    } else if (txn_rows(txn, 0).count == 1) {
        uint64_t stored = (uint64_t)rows_i64(txn_rows(txn, 0), 0, 0);
        core->events->last = MAX(core->events->last, stored);
    }
}

int event_log_start(struct core *core)
{
    struct txn *txn = txn_new();
    event_select_last(txn);
    return store_query(core->store, txn, last_read, core);
}
