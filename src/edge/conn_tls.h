/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS between a connection's bytes and its socket (struct conn_ops): tls/session.h over the
 * worker's memory. An idle connection holds its session and no buffer.
 */
#ifndef EDGE_CONN_TLS_H
#define EDGE_CONN_TLS_H

#include "edge/conn.h"
#include "tls/session.h"

struct config;
struct tls_connector;

struct conn_tls {
    struct tls_session session;
    uint64_t listener;  /* of a session that has not begun */
    struct block *rest; /* ciphertext that came with more than there was room for */
    bool shut_wanted;   /* FIN, as soon as nothing waits */
    bool awaited;       /* the first message of the client is not whole: there is no session */
    bool began;         /* of that message something has come */
    bool spared;        /* conn_tls_spare */
    bool cut;           /* conn_abort: the end must not look like one */
};

/* A thread's share: made with the first configuration that has TLS. */
struct tls_shared;
void conn_tls_free_shared(struct tls_shared *shared);
/* Takes the certificates, tickets and doors of a configuration, which must live until the next one.
 * 0 or -ENOMEM: what there was stays. */
must_check int conn_tls_apply(struct worker *worker, const struct config *config);

/* The server's end on a new connection of that listener. 0 or -ENOMEM. */
must_check int conn_tls_accept(struct conn *conn, uint64_t listener);
/* The client's end on a connected socket; `peer` as in tls_session_connect. 0 or -ENOMEM. */
must_check int conn_tls_connect(struct conn *conn, struct tls_connector *connector,
                                const char *server_name, uint64_t peer);
/* The peer's verified certificate in base64, for the caller to free; NULL: it has shown
 * none. */
char *conn_tls_identity(const struct conn *conn);
/* The edge ends the connection for reasons of its own: a handshake under way has not failed. */
void conn_tls_spare(struct conn *conn);
/* RING_TLS_13 and the like, for records. */
uint8_t conn_tls_layers(const struct conn *conn);
/* Goes on with the client's handshake. 0 done, CONN_TLS_E_WAIT, or -errno. */
enum { CONN_TLS_E_WAIT = 1 };
must_check int conn_tls_step(struct conn *conn);

#endif
