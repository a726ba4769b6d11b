/* SPDX-License-Identifier: Apache-2.0
 *
 * struct bus: news inside the core, from below upwards and from room to room. Rooms never include
 * each other; they meet here. A message is plain bytes: which thing changed, not what it is now —
 * the subscriber asks the owner for that (run_replica_get …), so late delivery can never show an
 * old state.
 *
 * Delivery goes through the loop: bus_publish only queues; subscribers run in the next turn, in the
 * order of their subscription, each message to all before the next. The queue is bounded; equal
 * "changed" messages that wait are merged; when it is full it is emptied and one BUS_RESYNC
 * follows, which means: forget what you know and read everything again. All on the core's loop
 * thread.
 */
#ifndef CORE_BUS_H
#define CORE_BUS_H

#include "base/list.h"
#include "core/context.h"

struct event;
struct loop;

enum bus_topic {
    BUS_RESYNC,          /* messages were lost: read everything again */
    BUS_PROJECT_CHANGED, /* applied, changed state (id.project) */
    BUS_PROJECT_REMOVED,
    BUS_SERVICE_CHANGED, /* state, health, overrides, spec (id.service) */
    BUS_SERVICE_REMOVED,
    BUS_REPLICA_CHANGED, /* state, health, pid, probe result (id.replica) */
    BUS_REPLICA_REMOVED,
    BUS_ROUTES_CHANGED,  /* routes or endpoints of a project */
    BUS_OUTPUT_OPENED,   /* a replica's output file exists: .output */
    BUS_OUTPUT_CLOSED,   /* its writer is gone: all is written; .output */
    BUS_LOGGING_CHANGED, /* how much log is kept: core->logging */
    BUS_ROLE_CHANGED,    /* keeper or edge came or went: .role */
    BUS_EVENT,           /* committed; .event is valid during the call only */
    BUS_TOPIC_COUNT,
};

enum output_stream { OUTPUT_STDOUT, OUTPUT_STDERR };

/* tenant/project/service/replica; parts that do not apply are "" and 0. */
struct bus_id {
    char tenant[NAME_MAX_SIZE];
    char project[NAME_MAX_SIZE];
    char service[NAME_MAX_SIZE];
    uint32_t replica; /* from 1; 0 = none */
};

struct bus_message {
    enum bus_topic topic;
    struct bus_id id;
    union {
        struct {
            enum output_stream stream;
            char path[256];       /* relative to STATE: "output/shop/web-1.out" */
            uint64_t burst_bytes; /* logging.burst of the service: unread output kept at most */
            uint64_t max_bytes; /* logging.max_bytes: of stored log; for all three 0 = the usual */
            int64_t max_age_ns;
        } output;
        struct {
            int pid;      /* REPLICA_CHANGED: of its main process; 0 = none */
            uint8_t slot; /* which of its two control groups the process is in: NUMBER, NUMBER.b */
        } replica;
        struct {
            char name[16]; /* "keeper", "edge" */
            pid_t pid;     /* 0 = gone */
        } role;
        struct event *event; /* BUS_EVENT: malloc'd; owned by the message */
    };
};

struct bus_subscriber {
    struct list node; /* private to the bus */
    struct bus *bus;  /* private */
    uint32_t topics;  /* BUS_BIT(a) | …; BUS_RESYNC comes always */
    void (*notify)(struct bus_subscriber *self, const struct bus_message *message);
};

#define BUS_BIT(topic) (UINT32_C(1) << (topic))
#define BUS_ALL        (BUS_BIT(BUS_TOPIC_COUNT) - 1)

struct bus;

must_check int bus_new(struct loop *loop, struct bus **ret_bus);
void bus_free(struct bus *bus);
/* The subscriber is the caller's memory; it may unsubscribe (also itself) at any time. */
void bus_subscribe(struct bus *bus, struct bus_subscriber *subscriber);
void bus_unsubscribe(struct bus_subscriber *subscriber);
/* Copies `message`. Never fails: see BUS_RESYNC. BUS_EVENT is published by event.c alone. */
void bus_publish(struct bus *bus, const struct bus_message *message);
/* The id of a message, cut to fit (names are bounded by schema/ before). */
struct bus_id bus_id_make(struct str tenant, struct str project, struct str service,
                          uint32_t replica);

#endif
