/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates for tests, made as they are needed.
 */
#ifndef TESTS_TLS_PKI_H
#define TESTS_TLS_PKI_H

#include "tls/issue.h"

enum { PKI_NOW = 1800000000 };

struct pki {
    struct buf cert, key;
};
/* Names are one text with blanks between them. An issuer NULL makes an authority. Ends the test
 * when that fails. */
struct pki pki_make(const struct pki *issuer, const char *names, enum tls_key_kind kind);
struct pki pki_make_until(const struct pki *issuer, const char *names, enum tls_key_kind kind,
                          int64_t until_s);
struct pki pki_make_client(const struct pki *issuer, const char *name);
void pki_fini(struct pki *pki);
/* With `chain` (may be NULL) behind it. Ends the test when that fails. */
struct tls_cert *pki_read(const struct pki *pki, const struct pki *chain);

/* What a responder says. */
struct pki_said {
    int status; /* V_OCSP_CERTSTATUS_GOOD … */
    int64_t this_s, next_s;
    const struct tls_cert *about, *issuer; /* of the question */
    const struct tls_cert *signer;
    unsigned long flags;
};
/* As a responder would write it. */
void pki_say(const struct pki_said *said, struct buf *out);

#endif
