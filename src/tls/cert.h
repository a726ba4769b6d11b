/* SPDX-License-Identifier: Apache-2.0
 *
 * struct tls_cert: a certificate with its chain, its key and, if there is one, its OCSP response,
 * read from PEM and checked: the key is that of the certificate, the chain is in order, OpenSSL
 * takes it. Nothing here looks at a clock: who reads asks tls_cert_check_time.
 *
 * The core reads files so and says what is wrong; the edge reads the same texts again from its
 * snapshot. A key never leaves this struct but into an SSL_CTX.
 */
#ifndef TLS_CERT_H
#define TLS_CERT_H

#include "base/buf.h"
#include "base/problem.h"

#include <openssl/types.h>

enum {
    TLS_PEM_MAX = 64 * 1024, /* one text */
    TLS_CHAIN_MAX = 10,      /* certificates behind the leaf */
    TLS_OCSP_MAX = 16 * 1024,
    TLS_NAMES_MAX = 256, /* of one certificate */
    TLS_SOON_S = 14 * 86400,
};
/* A server may have one certificate of each kind for a name; the client's offer chooses. */
enum tls_key_kind { TLS_KEY_RSA, TLS_KEY_EC, TLS_KEY_ED, TLS_KEY_KINDS };

/* Texts, and what they are called where a problem is said. */
struct tls_cert_source {
    struct str cert;  /* PEM: the leaf, perhaps with the chain behind it */
    struct str key;   /* PEM, without a passphrase */
    struct str chain; /* PEM: more of the chain; may be empty */
    struct str ocsp;  /* DER; may be empty */
    struct str cert_name, key_name, chain_name, ocsp_name;
};

struct tls_cert {
    X509 *leaf;
    struct stack_st_X509 *chain;
    EVP_PKEY *key;
    unsigned char *ocsp; /* OPENSSL_malloc */
    size_t ocsp_len;
    enum tls_key_kind kind;
    int64_t from_s, until_s; /* of the leaf, seconds since 1970 */
    int64_t ocsp_until_s;    /* 0: none, or the response does not say */
    bool is_common_name; /* there is no alternative name: the subject's, which browsers ignore */
    struct buf names;    /* host names in lower case, each with a space behind it */
};

enum { TLS_E_BAD = 1 /* refused; the problem says why */ };
/* 0, TLS_E_BAD, -ENOMEM. */
must_check int tls_cert_new(const struct tls_cert_source *source, struct tls_cert **ret,
                            struct problem *problem);
/* Accepts NULL. */
void tls_cert_free(struct tls_cert *cert);
/* 0; TLS_E_BAD: not valid yet, or expired. `name` is that of the file. */
must_check int tls_cert_check_time(const struct tls_cert *cert, struct str name, int64_t now_s,
                                   struct problem *problem);
/* Has that response (DER, checked) stapled, in place of the one it had. 0 or -ENOMEM. */
must_check int tls_cert_staple(struct tls_cert *cert, struct str response);
/* Appends the leaf and its chain as one PEM text, and the key as another. -ENOMEM, -ENOBUFS. */
must_check int tls_cert_write(const struct tls_cert *cert, struct buf *chain, struct buf *key);
/* A bundle of authorities: at least one certificate, all readable. 0, TLS_E_BAD, -ENOMEM. */
must_check int tls_authorities_new(struct str pem, struct str name, X509_STORE **ret,
                                   struct problem *problem);
void tls_authorities_free(X509_STORE *authorities);
/* What OpenSSL says was last wrong on this thread, as a text; forgets it. */
void tls_last_error(char *ret, size_t size);

#endif
