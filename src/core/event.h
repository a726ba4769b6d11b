/* SPDX-License-Identifier: Apache-2.0
 *
 * Events for people: what happened, to whom, because of whom. Rows of work.db with an unbroken
 * sequence; on the bus (BUS_EVENT) only after they are committed, so nobody can have seen an event
 * that a power cut undoes.
 *
 * Writing: event_emit with a draft (everything but seq). Reading back is the store's (event_list).
 */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include "core/bus.h"
#include "schema/status.h" /* enum event_severity */

struct arena;
struct core;

enum { EVENT_MESSAGE_MAX = 512, EVENT_DATA_MAX = 2048 };

struct event {
    uint64_t seq;     /* from 1, no holes; 0 in a draft */
    int64_t wall_ns;  /* 0 in a draft = now */
    char kind[48];    /* "replica.crashed", "project.applied": noun.verb, stable */
    uint8_t severity; /* enum event_severity */
    struct bus_id id;
    char actor[NAME_MAX_SIZE];
    char cause[128];
    char message[EVENT_MESSAGE_MAX]; /* one sentence */
    char data[EVENT_DATA_MAX];       /* a JSON object, or "" */
};

/* Fills kind, severity, actor, cause and message of a draft; the id is the caller's. */
void event_draft(struct event *event, const struct context *ctx, const char *kind,
                 uint8_t severity);
void event_message(struct event *event, const char *fmt, ...) printf_like(2, 3);

/* Queues the draft for the store. Never fails for the caller: when the store refuses (full disk),
 * the loss is counted and said on standard error; work never waits for its own story. */
void event_emit(struct core *core, const struct event *draft);
uint64_t event_seq_last(const struct core *core); /* newest committed */

struct event_query {
    uint64_t after;                    /* seq > after */
    uint32_t limit;                    /* 1 … 1000 */
    struct str project, service, kind; /* empty = any; see store/tables.h */
    bool newest; /* the last `limit` ones instead of the first (still ascending) */
};

/* Reads committed events; `done` gets them in ascending order, valid during the call, on the loop.
 * error: -errno of the store, 0. */
void event_list(struct core *core, const struct event_query *query,
                void (*done)(void *arg, int error, const struct event *events, size_t count),
                void *arg);

const char *event_severity_name(uint8_t severity);

#endif
