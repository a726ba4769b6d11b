/* SPDX-License-Identifier: Apache-2.0
 *
 * The API inside: the table of endpoints and one exchange (request and its answer). Private to
 * face/.
 *
 * The life of a request: bytes → head (proto/http1) → endpoint (api_route) → who is it, may they
 * (api_access, core/authorise) → body → checked against the endpoint's tables (api_check) →
 * handler → exactly one answer.
 *
 *   1. A handler gets an exchange and ends it by exactly one of exchange_answer…, now or later from
 *      a callback; afterwards the exchange is gone and must not be touched.
 *   2. The client may be gone by then: the exchange lives on without its connection (`conn` is
 *      NULL) and the answer goes nowhere. Handlers need not ask.
 *   3. What a handler sees was checked: members known, typed, within bounds, UTF-8 without NUL. So
 *      it may read options without another check, and a missing one means its fallback.
 *   4. Memory of a request lies in the exchange's arena. When it is out `arena.failed` says so: a
 *      handler that collects lists asks before it acts on fewer than were sent.
 *   5. All of it runs on the core's loop, and none of it blocks.
 */
#ifndef FACE_API_H
#define FACE_API_H

#include "base/arena.h"
#include "base/json.h"
#include "base/list.h"
#include "base/problem.h"
#include "base/wheel.h"
#include "face/api_answer.h"
#include "face/api_endpoint.h"
#include "face/jdoc.h"
#include "proto/http1.h"

struct api;
struct api_conn;
struct core;
struct exchange;

enum { API_FDS_MAX = 3 };

/* A request and its answer. Made when its head is complete, freed by whoever answers it. Slices
 * point into `arena` unless said otherwise, never into the connection's buffers, which move on. */
struct exchange {
    struct list node; /* of api->exchanges */
    struct api *api;
    struct core *core;               /* outlives every exchange */
    struct api_conn *conn;           /* NULL: the client went away */
    const struct endpoint *endpoint; /* NULL until the path was found */
    struct arena arena;
    struct context ctx;                /* who, why, request id */
    struct http1_head head;            /* over a copy in the arena */
    struct str path;                   /* as it came, still encoded */
    struct str query;                  /* the same, without '?' */
    struct str params[API_PARAMS_MAX]; /* of the path, decoded, in order; "" beyond */
    struct str body;                   /* a copy: the connection's buffer moves on */
    struct jdoc *json;                 /* the body, checked; NULL when there is none */
    struct jdoc *options;              /* the query, checked, as an object */
    int fds[API_FDS_MAX]; /* received descriptors; -1 = none. Whoever keeps one sets -1 */
    bool keep_alive;
    bool over_edge; /* came over TCP */
    bool streaming;
    bool spoke; /* something was sent since the last sign of life was due */
    struct timer alive;
    struct exchange_stream stream;
    size_t stream_max;   /* backlog at which a reader is too slow */
    struct buf out;      /* the body being built */
    struct buf headers;  /* further header lines, complete with CRLF */
    void *handler_state; /* the handler's own, in the arena */
    /* Idempotency-Key (api_once.c) */
    struct list once_node; /* of api->once while its key is held */
    struct str once_key;
    char once_hash[17]; /* of method, target and body, in hexadecimal */
    bool once_waits;    /* the answer is stored before it is sent */
    unsigned status;    /* of the answer */
    struct str type;    /* its media type; empty = no content */
};

/* ---- options: parameters of the query, as their table says; "", `otherwise` or false when absent
 * ---- */

struct str exchange_option(const struct exchange *x, const char *name);
int64_t exchange_option_i64(const struct exchange *x, const char *name, int64_t otherwise);
bool exchange_option_bool(const struct exchange *x, const char *name);

/* ---- parts of the server that handlers need ---- */

struct see;
struct run;
struct run *api_run(const struct exchange *x);
struct see *api_see(const struct exchange *x);
/* Whether the rooms know what runs (the store is read, services are adopted); until then only
 * public endpoints answer: an empty list would be a lie. */
bool api_ready(const struct exchange *x);
/* What the request is about, for core/authorise.h: the tenant and the names in the path. */
struct resource api_resource(const struct exchange *x);

#endif
