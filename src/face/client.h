/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line's HTTP client over a unix socket: one request at a time, on the loop of its
 * session, so that signals and timers go on while it waits. client_call looks blocking to its
 * caller (it turns the loop until the answer is there); a stream (SSE) calls back as events
 * arrive.
 *
 * Bounds: CLIENT_BODY_MAX for an answer, 30 s for it to come unless the request says else. Answers
 * belong to the caller (client_answer_fini), also when the status is an error; they are empty when
 * the call returns < 0.
 */
#ifndef FACE_CLIENT_H
#define FACE_CLIENT_H

#include "face/jdoc.h"
#include "os/loop.h"

enum { CLIENT_BODY_MAX = 64 << 20, CLIENT_FDS_MAX = 3 };

struct client_request {
    const char *method;
    const char *target;  /* path and query, already encoded */
    struct str body;     /* JSON; empty = none */
    const char *accept;  /* NULL = application/json */
    const char *last_id; /* Last-Event-ID; NULL or "" = none */
    const int *fds;      /* sent along with the request's first byte */
    unsigned fd_count;   /* at most CLIENT_FDS_MAX; they stay the caller's */
    int64_t timeout_ns;  /* 0 = 30 s; CLIENT_NO_TIMEOUT = none */
};
#define CLIENT_NO_TIMEOUT INT64_MAX

/* The answer, decoded when it is JSON. */
struct client_answer {
    unsigned status;
    struct buf body;    /* as it came */
    struct arena arena; /* holds doc */
    struct jdoc *doc;   /* NULL when the body is no JSON */
};
void client_answer_fini(struct client_answer *answer);

/* One event of a stream (HTML Living Standard, 9.2.6); valid during the call. `name` is "message"
 * when the server gave none, `id` the last one that it gave. */
struct client_event {
    struct str name;
    struct str data;
    struct str id;
};

struct client;
/* The socket is connected by the first request. 0, -ENOMEM, or -ENAMETOOLONG (sun_path, 107 bytes).
 * `loop` must outlive the client. */
must_check int client_new(struct loop *loop, const char *socket_path, struct client **ret);
void client_free(struct client *client);

/* Does the request. 0: answered, with whatever status. -ENOENT, -ECONNREFUSED: nobody listens.
 * -EAGAIN: the core starts or stops and has not looked at it. -ECONNRESET: it hung up. -ETIMEDOUT.
 * -EPROTO: this is no HTTP. -EINTR: client_interrupt was called. */
must_check int client_call(struct client *client, const struct client_request *request,
                           struct client_answer *ret);
/* Makes the call that waits return -EINTR. For signal handlers of the loop. */
void client_interrupt(struct client *client);

/* Embedded in its owner. `ended` comes exactly once for a stream that began, and never after
 * client_free; both may call the client again, but not free it. */
struct client_stream {
    void (*event)(struct client_stream *self, const struct client_event *event);
    /* The other end closed it (0) or it broke (-errno). */
    void (*ended)(struct client_stream *self, int error);
};
/* Does the request (its `accept` is text/event-stream) on a fresh connection: 0 and then events;
 * else as client_call, with the answer in *ret when the status was no 200 (then it returns
 * CLIENT_E_STATUS). */
enum { CLIENT_E_STATUS = 1 };
must_check int client_follow(struct client *client, const struct client_request *request,
                             struct client_stream *stream, struct client_answer *ret);
/* The usual case: GET `target`, behind the event `last_id` (may be ""). */
must_check int client_follow_get(struct client *client, const char *target, const char *last_id,
                                 struct client_stream *stream, struct client_answer *ret);

#endif
