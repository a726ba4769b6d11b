/* SPDX-License-Identifier: Apache-2.0
 *
 * struct client: a client's connection. Between two requests it is this struct and a socket: no
 * buffer, no stream, one timer that is seldom touched (client_deadline).
 */
#ifndef EDGE_CLIENT_H
#define EDGE_CLIENT_H

#include "base/wheel.h"
#include "edge/client_source.h"
#include "edge/conn.h"
#include "link/snapshot_types.h"
#include "os/sock.h"

struct client;
struct stream;
struct address_slot;

enum { CLIENT_TEXT_MAX = 46, CLIENT_NEAR = 16 };

/* Who has the connection when it is not HTTP/1 (NULL) or a tunnel: requests are clients of their
 * own then, and `stream` stays NULL. */
struct client_codec {
    void (*run)(struct client *client);
    void (*drain)(struct client *client);  /* the edge stops: no further requests */
    void (*expire)(struct client *client); /* its deadline is over */
    void (*end)(struct client *client);    /* ends what it holds; codec and session are NULL then */
};

/* As it rests in thousands: with what the heap adds, 288 bytes. */
struct client {
    struct conn conn;
    struct list node;       /* worker->clients, ->idle, ->lingering or ->dead */
    struct timer timer;     /* fires at or before `deadline_ns` */
    struct loop_task again; /* client_run at the end of the turn */
    int64_t deadline_ns;
    int64_t latest_ns;     /* no deadline of this request, or of an upload thrown away, is later */
    struct stream *stream; /* the request under way */
    const struct client_codec *codec;
    void *session;              /* the codec's */
    struct block *in;           /* the request's head and what came behind it */
    struct block *ahead;        /* bytes that belong to the next request */
    uint64_t service;           /* admin and tcp: where all goes */
    struct address_slot *slot;  /* where it is counted; NULL: nowhere */
    char *identity;             /* its verified certificate, base64; NULL, or a connection's own */
    union {                     /* the address as text, client_text() */
        char near[CLIENT_NEAR]; /* most */
        char *far;              /* longer ones; a connection's own */
    } text;
    uint8_t ip[16];
    uint32_t requests;
    uint16_t redirect_port; /* of https; 0 = what is asked is answered here */
    uint16_t glitches;
    uint16_t port;
    uint8_t text_len;
    uint8_t family; /* 4, 6, 0 = unix */
    uint8_t layers; /* RING_HTTP2, RING_TLS_13 …: for the record */
    uint8_t kind;   /* enum snapshot_listener_kind */
    bool secure;    /* it came by TLS */
    bool known;     /* and it was looked at who it is */
    bool closed;
    bool busy;      /* codec: it has requests */
    bool lingering; /* answered and shut; what still comes is thrown away */
    bool announced; /* a header of the PROXY protocol is still to come */
    bool trusted;   /* a trusted proxy: not bound by what one address may */
};

/* Closes now; the stream, if any, must have ended. Freed at the end of the turn. */
void client_close(struct client *client);
/* The last answer was sent: FIN, then a short while of throwing away what still comes, so that the
 * answer is not lost to a reset (RFC 9112 §9.6). So with a lane, whose RST_STREAM right behind an
 * answer some clients take for a failure (curl 7.88). `upload`: who sends a large body by HTTP/1
 * may read only when all of it is gone: for longer, as long as it comes without a pause. */
void client_linger(struct client *client, bool upload);
/* Something was thrown away. */
void client_linger_on(struct client *client);
/* Moves the one deadline. Cheap: the timer itself moves only when it would come too late. */
void client_deadline(struct client *client, int64_t deadline_ns);
/* The stream has ended and the connection lives: the next request, or idleness. */
void client_next(struct client *client);
/* This edge stops: will the connection end when it rests? Else it is given to the next one. */
bool client_ends(const struct client *client);
/* This edge stops, and it rests: closed, when it has taken its last answer. In an upgrade it goes
 * to the next edge; who ends here may have its next request on the way, which is answered within
 * five seconds, and told that it was the last one. */
void client_leave(struct client *client);
/* Gives back a long one. A lane has its connection's, and does not call it. */
void client_forget_text(struct client *client);
static inline struct str client_text(const struct client *client)
{
    bool near = client->text_len <= CLIENT_NEAR;
    return (struct str){near ? client->text.near : client->text.far, client->text_len};
}

#endif
