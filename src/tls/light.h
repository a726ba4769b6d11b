/* SPDX-License-Identifier: Apache-2.0
 *
 * struct tls_light: an open TLS 1.3 connection of the server's without OpenSSL's SSL: two keys and
 * what was begun, about 350 bytes. OpenSSL made the handshake; from then on records, KeyUpdate,
 * alerts and the end are ours (docs/decisions/0017-tls-light.md). struct tls_session calls it where
 * the door says so; all functions mean there what they mean in session.h.
 *
 *   new → secrets come while OpenSSL makes the handshake → start → read, write, end → free
 */
#ifndef TLS_LIGHT_H
#define TLS_LIGHT_H

#include "tls/cipher.h"
#include "tls/session.h"

/* What may follow each other without a byte of data: empty records, KeyUpdates, warnings. */
enum { TLS_LIGHT_DULL_MAX = 32, TLS_UPDATE_SIZE = 5 };

struct tls_held;

struct tls_light {
    struct tls_ciphers *ciphers;
    struct tls_key in, out;
    struct tls_held *held; /* the part of a record, or text that nobody had room for */
    char *tickets;         /* sealed already; they go with the first record. NULL: gone */
    char *peer;            /* the client's verified certificate, DER; NULL: none */
    uint32_t tickets_len, peer_len;
    uint8_t secrets[2]; /* lengths of what came so far: in, out */
    uint8_t head[5], head_len;
    uint8_t message[TLS_UPDATE_SIZE], message_len; /* of a KeyUpdate */
    uint8_t dull;
    uint8_t alert; /* why it failed, when it was we who refused; 0: there is none to send */
    uint8_t told;  /* the alert that the peer sent */
    uint8_t http;  /* the protocol that was agreed on: 2, 1 or 0 = none */
    bool flown;    /* our secret came in a step before this one */
    bool owes;     /* the peer asked for a KeyUpdate: it goes before the next data */
};

/* Waits for secrets. NULL when memory is out. */
struct tls_light *tls_light_new(struct tls_ciphers *ciphers);
/* Wipes keys and what is held. Accepts NULL. */
void tls_light_free(struct tls_light *light);
/* A traffic secret, hexadecimal; another length than a suite's makes `start` refuse. */
void tls_light_secret(struct tls_light *light, bool out, struct str hex);
/* Both directions from here on; `sent` records were sent under our key already. 0; -EINVAL: secrets
 * are missing or not of this suite; -ENOMEM. */
must_check int tls_light_start(struct tls_light *light, enum tls_suite suite, uint64_t sent);

/* Records that were sealed before and not sent: they go before the next one. False: memory is out,
 * or they are too many to wait. */
must_check bool tls_light_owe(struct tls_light *light, struct str records);
must_check int tls_light_read(struct tls_light *light, struct tls_wire *wire, char *p, size_t len,
                              size_t *ret);
bool tls_light_pending(const struct tls_light *light);
must_check int tls_light_write(struct tls_light *light, struct tls_wire *wire, struct str bytes);
void tls_light_end(struct tls_light *light, struct tls_wire *wire);
/* Of a failed one, for people. */
const char *tls_light_reason(const struct tls_light *light);

/* --- light_start.c: out of OpenSSL's hands --- */

/* Around each step of the handshake: what it derives is noted. */
void tls_light_before(struct tls_light *light, SSL *ssl);
void tls_light_after(SSL *ssl);
/* Takes over what is to be known of an open SSL; `sent` is what its last step sent. False: this
 * connection stays with OpenSSL. */
must_check bool tls_light_take(struct tls_light *light, SSL *ssl, struct str sent);

#endif
