/* SPDX-License-Identifier: Apache-2.0
 *
 * The server inside: struct api (the room) and its connections. Private to the api_*.c files that
 * move bytes; handlers see face/api.h only.
 *
 *   head ─▶ body ─▶ waiting ─▶ writing ─▶ head …            (keep-alive)
 *                      └─▶ streaming ─▶ closing ─▶ draining  (SSE, or an answer that ends it)
 *
 * Bounds: API_CONNS_MAX connections (more are closed as they come: the kernel's backlog is no place
 * to wait for an answer), the sizes of api.h per request, API_STREAM_MAX bytes not taken by a
 * reader of a stream, a deadline in every state that waits for the client. One request at a time
 * per connection; what is pipelined waits in its buffer, unread beyond that.
 */
#ifndef FACE_API_SERVER_H
#define FACE_API_SERVER_H

#include "core/core.h"
#include "face/api.h"
#include "face/api_access.h"
#include "os/loop.h"
#include "proto/http1_body.h"

enum {
    API_CONNS_MAX = 512,
    API_STREAM_MAX = 1 << 20,
    API_HEAD_MAX = 32 << 10,  /* request line and fields; more is 431 */
    API_OUT_MAX = 64 << 20,   /* an answer; more is 500, said instead */
    API_ARENA_MAX = 64 << 20, /* of one request */
    API_DRAIN_MAX = 8 << 20,  /* read into nothing after a refusal, before we give up */
};
#define API_READ_NS  (15 * NS_PER_S)  /* for a head or a body that has begun */
#define API_DRAIN_NS (1 * NS_PER_S)   /* for a client to read our last words */
#define API_IDLE_NS  (120 * NS_PER_S) /* between requests */
#define API_WRITE_NS (30 * NS_PER_S)  /* without the reader taking a byte */

enum conn_state {
    CONN_HEAD,
    CONN_BODY,
    CONN_WAITING,
    CONN_WRITING,
    CONN_STREAMING,
    CONN_CLOSING,
    CONN_DRAINING, /* our side is shut; what the client still sends is thrown away */
};

struct api_conn {
    struct list node; /* of api->conns */
    struct api *api;
    struct loop_fd watch;
    struct loop_task step; /* goes on at the end of the turn */
    struct timer deadline;
    int fd;
    bool edge; /* on the edge's socket: the peer's uid says nothing */
    uid_t uid; /* of the peer; -1 on the edge's socket */
    enum conn_state state;
    struct buf in; /* read and not understood yet */
    struct http1_head head;
    struct http1_body decoder;
    struct buf body; /* content so far; its max is the endpoint's */
    struct buf out;  /* to be written; `sent` bytes of it are */
    size_t sent;
    struct exchange *x; /* the request at hand; NULL between two */
    bool close_after;   /* the answer is the last one */
    size_t drained;
    bool peer_closed; /* it will send nothing more */
    int fds[API_FDS_MAX];
    size_t fd_count;
};

struct live;

struct api {
    struct core *core;
    struct loop *loop;
    struct loop_fd local_watch; /* RUN/core.sock */
    struct loop_fd edge_watch;  /* RUN/admin.sock */
    int local_fd, edge_fd;
    struct list conns; /* struct api_conn */
    size_t conn_count;
    struct list exchanges; /* all, also those without a connection */
    struct live *live;     /* api_live.c */
    struct list once;      /* keys under way: api_once.c */
    struct buf openapi;    /* made at the first request */
    char token[ACCESS_TOKEN_MAX];
    uint64_t request_serial;
};

/* ---- api_conn.c ---- */
void api_conn_accept(struct api *api, int fd, bool edge); /* takes `fd` over */
void api_conn_close(struct api_conn *conn);
/* Bytes were added to conn->out: write them, now or when the socket can. */
void api_conn_flush_soon(struct api_conn *conn);

/* ---- api_request.c ---- */
/* The head is complete: finds the endpoint and checks everything that needs no body. Afterwards
 * conn->x is set, and answered or waiting for its body. */
void api_request_begin(struct api_conn *conn);
/* The body is complete: checks it and calls the handler. */
void api_request_run(struct exchange *x, struct str body);
struct exchange *exchange_new(struct api_conn *conn);
/* Frees it; the connection goes on without it. */
void exchange_free(struct exchange *x);
/* Refuses before the body was read: the connection is closed after the answer. */
void exchange_refuse_early(struct exchange *x, unsigned status, const char *code, const char *what);

/* ---- api_answer.c ---- */
/* Writes head and body to the connection and frees the exchange. */
void exchange_finish(struct exchange *x);

/* ---- api_once.c ---- */
/* Looks the key up, then runs the handler or answers from the store. */
void api_once_begin(struct exchange *x);
/* Stores the answer, then sends it. */
void api_once_finish(struct exchange *x);
void api_once_forget(struct exchange *x);

/* ---- api_live.c ---- */
must_check int api_live_init(struct api *api);
void api_live_fini(struct api *api);
#endif
