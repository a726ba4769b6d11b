/* SPDX-License-Identifier: Apache-2.0
 *
 * struct tls_session: one TLS connection as a machine over bytes: ciphertext in, plaintext out, and
 * the other way round. It knows no socket. The bytes lie in a struct tls_wire of the caller's,
 * which may be one for a whole thread: a session keeps nothing in it between two calls.
 *
 * Each function may both take ciphertext (wire->in, from the front) and make some (wire->out, at
 * the end): the caller sends what is there after every call, also a failed one: that is the alert.
 *
 * A session belongs to one thread.
 */
#ifndef TLS_SESSION_H
#define TLS_SESSION_H

#include "base/buf.h"

#include <openssl/types.h>

struct tls_store;
struct tls_connector;
struct tls_light;

struct tls_wire {
    struct str in; /* what has come and was not taken yet */
    char *out;
    size_t out_len, out_cap;
};

/* Room in `out` that no call needs more of, besides the bytes to be written. */
enum { TLS_WIRE_SPARE = 24 * 1024, TLS_RECORD_MAX = 16 * 1024, TLS_RECORD_EXTRA = 64 };

struct tls_session {
    SSL *ssl;                /* NULL: never begun, or `light` has taken over */
    struct tls_light *light; /* NULL: the door has none */
    bool open;               /* the handshake is done */
    bool ended;              /* the peer said that it has said all */
    bool notified;           /* we did */
    bool failed;
    uint8_t owed; /* session tickets that go with the first bytes written (TLS 1.3) */
};

enum {
    TLS_E_WANT = 1, /* more ciphertext is needed */
    TLS_E_END = 2,  /* the peer's close_notify: nothing more will come */
};
/* The server's end, at a door of the store. 0, -ENOENT (no such door), -ENOMEM. */
must_check int tls_session_accept(struct tls_session *session, struct tls_store *store,
                                  uint64_t door);
/* The client's end. `server_name` (a host or an address; may be empty) is sent, and what the
 * certificate must be for. `peer` says whose session may be resumed; 0: nobody's. 0 or -ENOMEM. */
must_check int tls_session_connect(struct tls_session *session, struct tls_connector *connector,
                                   const char *server_name, uint64_t peer);
/* Accepts one that was never begun. */
void tls_session_fini(struct tls_session *session);

/* Goes on with the handshake. 0 done, TLS_E_WANT, -EPROTO. */
must_check int tls_session_step(struct tls_session *session, struct tls_wire *wire);
/* 12 or 13 once the handshake is done, else 0. *ret_resumed: by a ticket, as far as it is still
 * known. */
unsigned tls_session_version(const struct tls_session *session, bool *ret_resumed);
/* Plaintext, `*ret` bytes of it, as many as there are and fit; goes on with the handshake as well.
 * 0: `p` is full; TLS_E_WANT: and no more without more ciphertext, all of wire->in was taken;
 * TLS_E_END; -EPROTO: broken, or refused. */
must_check int tls_session_read(struct tls_session *session, struct tls_wire *wire, char *p,
                                size_t len, size_t *ret);
/* Plaintext is left that a read would give without more ciphertext. */
bool tls_session_pending(const struct tls_session *session);
/* Encrypts all of it. `out` must have room for it, TLS_RECORD_EXTRA for each begun TLS_RECORD_MAX
 * and TLS_WIRE_SPARE. 0, -EPIPE: nothing more can be sent. */
must_check int tls_session_write(struct tls_session *session, struct tls_wire *wire,
                                 struct str bytes);
/* close_notify, once. */
void tls_session_end(struct tls_session *session, struct tls_wire *wire);

/* Of an open session: "h2", "http/1.1", or empty. */
struct str tls_session_protocol(const struct tls_session *session);
/* The peer's verified certificate, DER, appended as base64. False: it showed none. */
bool tls_session_identity(const struct tls_session *session, struct buf *out);
/* Why it failed, for people: "no shared cipher". */
const char *tls_session_reason(const struct tls_session *session);

/* --- for the store and the connector --- */
BIO *tls_session_bio(void);

#endif
