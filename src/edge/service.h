/* SPDX-License-Identifier: Apache-2.0
 *
 * Services and endpoints as one edge thread sees them: who may get requests, how many are under
 * way, idle connections. Both are found by stable id and live on over snapshots; an endpoint that
 * was removed lives until its last request has ended.
 *
 * An endpoint is *eligible* when the core says READY and its probe does not fail. Requests are
 * balanced over the eligible ones (`pick`, rebuilt when something changes, so that picking costs
 * nothing but a step; traffic/pick.h says how). A member's `down_until_ns` is this thread's own
 * short memory of a failed connect.
 */
#ifndef EDGE_SERVICE_H
#define EDGE_SERVICE_H

#include "base/list.h"
#include "base/wheel.h"
#include "edge/config.h"
#include "link/counters_probe.h"
#include "link/delta.h"
#include "os/loop.h"
#include "os/sock.h"
#include "traffic/pick.h"

struct counters_policy;
struct policy;

struct endpoint {
    struct list node; /* in service->endpoints */
    struct service *service;
    uint64_t id;
    struct sock_addr address;
    char address_text[DELTA_ADDRESS_MAX];
    char replica[DELTA_REPLICA_MAX];
    uint8_t state;                    /* enum snapshot_endpoint_state */
    bool removed, seen;               /* seen: private, while a snapshot is applied */
    bool short_way;                   /* its port is named to the kernel (short_way.h) */
    bool reachable, failing;          /* its address can be understood; its probe says so */
    bool ejected, served;             /* by the policy; it was eligible when last looked at */
    char sticky[SNAPSHOT_STICKY_MAX]; /* what the cookie says of who belongs here; "" = none */
    uint8_t set_cookie_len;
    char *set_cookie;          /* that cookie as a Set-Cookie value; NULL = none */
    uint32_t failures, refs;   /* connects that failed in a row */
    struct pick_member member; /* what balancing knows of it: weight, requests in flight … */
    struct list idle;          /* struct upstream, most recently used first */
    size_t idle_count;
    struct list links;                  /* struct h2_link, newest first */
    bool no_websockets;                 /* the last one's peer does not take them (RFC 8441) */
    uint32_t streams_max;               /* its last HTTP/2 connection took at once; 0 = not known */
    const struct counters_probe *probe; /* shared with thread 0; may be NULL */
    struct counters_cell **cells; /* by the route's service_slot; the last one is for no route */
    uint32_t cell_count;
    int64_t since_ns, ejected_until_ns; /* eligible (slow start); as policy_refresh saw it */
    struct counters_policy *policy;     /* its outlier, in shared memory; may be NULL */
};

struct service {
    struct worker *worker;
    struct snapshot_service spec;    /* its texts are in `names` */
    char *names, *server_name;       /* the latter for: */
    struct tls_connector *connector; /* NULL: it is reached without TLS */
    uint64_t connector_is;           /* made of this content */
    struct list endpoints;
    size_t endpoint_count;
    struct pick pick; /* over the eligible ones */
    size_t room;      /* of pick.members */
    uint32_t route_count, refs;
    bool removed, seen, panic; /* panic: so few are well that all get requests */
    struct list waiters;       /* struct service_waiter, oldest first */
    size_t waiter_count, waiters_max;
    struct timer retry;    /* when the first endpoint that is down may be tried again */
    struct policy *policy; /* NULL: none */
    uint32_t connections;  /* to its endpoints, of this thread */
};

enum { SERVICE_WAITERS_MAX = 1024 };

/* One who waits for an endpoint. */
struct service_waiter {
    struct list node; /* service->waiters; alone while it does not wait */
    bool woken;       /* it may try again */
    struct loop_task *task;
};

/* Without endpoints and name, and one reference: service_unref frees it. */
void service_init(struct service *service, struct worker *worker, uint64_t id);
/* Room for so many endpoints. 0 or -ENOMEM. */
must_check int service_reserve(struct service *service, size_t count);
/* Endpoints or their states have changed: looks who gets requests, and wakes those who wait. */
void service_refresh(struct service *service);
/* An eligible endpoint other than `avoid` (if there is another), which is then in use until
 * service_done; NULL: none. *ret_shared says how it was counted, for service_done. */
struct endpoint *service_pick(struct service *service, const struct endpoint *avoid,
                              bool *ret_shared);
/* The same by what `ask` says of the request; its time, rng and avoid are set here. */
struct endpoint *service_pick_by(struct service *service, const struct endpoint *avoid,
                                 struct pick_ask *ask, bool *ret_shared);
void service_done(struct endpoint *endpoint, bool shared);
/* Whether a request that finds no endpoint may wait for one. */
bool service_may_hold(const struct service *service);
/* Why it finds none: those that run are not well, those that are well weigh 0, … */
enum service_lack { LACKS_REPLICA, LACKS_HEALTH, LACKS_WEIGHT, LACKS_UNDRAINED };
enum service_lack service_lack(const struct service *service);
void service_wait(struct service *service, struct service_waiter *waiter);
void service_wait_no_more(struct service *service, struct service_waiter *waiter);
/* Something may have become possible: lets those who wait try again. */
void service_wake(struct service *service);
void service_ref(struct service *service);
void service_unref(struct service *service);

/* May it get requests at this moment, those that are bound to it among them? */
bool service_takes(const struct service *service, const struct endpoint *endpoint);
bool endpoint_eligible(const struct endpoint *endpoint);
void endpoint_ref(struct endpoint *endpoint);
void endpoint_unref(struct endpoint *endpoint);
void endpoint_failed(struct endpoint *endpoint);
void endpoint_worked(struct endpoint *endpoint);
/* May an idle connection be kept? */
bool endpoint_pools(const struct endpoint *endpoint);
#endif
