/* SPDX-License-Identifier: Apache-2.0
 *
 * struct tls_store: what one thread needs to accept TLS: its doors (a listener's manners), the
 * certificates by the names they are for, and the keys of session tickets. An SSL_CTX is made when
 * a certificate is first asked for, and kept over configurations as long as it is the same one: a
 * change of one certificate makes one SSL_CTX anew.
 *
 * A name's certificate: the exact name, else the wildcard one label above, of those that only this
 * door has, then of all; else the door's first one, else the first of all.
 */
#ifndef TLS_STORE_H
#define TLS_STORE_H

#include "tls/cert.h"

enum {
    TLS_CERTS_MAX = 4096,
    TLS_DOORS_MAX = 256,
    TLS_TICKET_KEYS_MAX = 4,
    TLS_TICKETS_MAX = 8, /* sent after a handshake */
};

/* A certificate as it is known before it is needed. The texts stay the caller's and must live until
 * the next apply. */
struct tls_store_cert {
    uint64_t id;   /* of its content */
    uint64_t door; /* for this one only; 0 = for all */
    struct str chain, key, ocsp;
    struct str names; /* each with a space behind it */
    enum tls_key_kind kind;
};
enum tls_client_mode {
    TLS_CLIENT_NONE,
    TLS_CLIENT_OPTIONAL,
    TLS_CLIENT_REQUIRED,
    TLS_CLIENT_MODES
};
struct tls_door_spec {
    uint64_t id;
    enum tls_client_mode client; /* is a client's certificate asked for? */
    struct str client_ca;        /* PEM, of those who may have signed it */
    bool only_13;                /* no TLS 1.2 */
    unsigned tickets;            /* after a handshake; 0 = none, and none are taken */
    bool h2;                     /* offers HTTP/2 */
    bool light;                  /* our own records after the handshake (tls/light.h) */
};
struct tls_ticket_key {
    unsigned char name[16], aes[32], mac[32];
};
struct tls_store_config {
    const struct tls_store_cert *certs;
    size_t cert_count;
    const struct tls_door_spec *doors;
    size_t door_count;
    const struct tls_ticket_key *tickets; /* the first one encrypts, all decrypt */
    size_t ticket_count;
};

struct tls_store;

/* NULL when memory is out. */
struct tls_store *tls_store_new(void);
/* Sessions may outlive it. Accepts NULL. */
void tls_store_free(struct tls_store *store);
/* Takes a configuration. 0 or -ENOMEM: what there was stays. */
must_check int tls_store_apply(struct tls_store *store, const struct tls_store_config *config);

/* The moment, seconds since 1970: answers of OCSP that have ended by then are not stapled. Told
 * before a session begins. */
void tls_store_moment(struct tls_store *store, int64_t now_s);

/* --- for sessions --- */
SSL_CTX *tls_store_door(struct tls_store *store, uint64_t id);
BIO *tls_store_bio(struct tls_store *store);
/* The ciphers of a door with `light`; NULL: it is without. */
struct tls_ciphers *tls_store_light(struct tls_store *store, uint64_t id);
/* Tickets that a session of that door owes its client when the handshake is done. */
unsigned tls_store_tickets(const struct tls_store *store, uint64_t id);
/* The thread's store can encrypt one now. */
bool tls_store_has_keys(void);
/* How many SSL_CTX of certificates are there now; for tests and figures. */
size_t tls_store_built(const struct tls_store *store);

#endif
