/* SPDX-License-Identifier: Apache-2.0
 *
 * OCSP: what to ask of whom about a certificate, and whether an answer can be stapled (RFC 6960).
 * No socket, no clock: whoever fetches brings bytes and the moment.
 */
#ifndef TLS_OCSP_H
#define TLS_OCSP_H

#include "tls/cert.h"

enum {
    TLS_OCSP_URL_MAX = 512,
    TLS_OCSP_SKEW_S = 300, /* that a responder's clock may be ahead */
};

/* Its chain begins with the issuer. */
bool tls_ocsp_has_issuer(const struct tls_cert *cert);
/* Where its issuer answers: the first http URL of the certificate. False: nowhere, or the chain
 * lacks the issuer, without which nothing can be asked. */
bool tls_ocsp_url(const struct tls_cert *cert, char ret[TLS_OCSP_URL_MAX]);
/* It says that it is worth nothing without a stapled answer (RFC 7633). */
bool tls_ocsp_must_staple(const struct tls_cert *cert);
/* Appends the question, DER. 0, -ENOMEM, -EINVAL (no issuer). */
must_check int tls_ocsp_request(const struct tls_cert *cert, struct buf *out);

struct tls_ocsp_times {
    int64_t this_s, next_s; /* seconds since 1970 */
};
/* Is it about this certificate, signed by its issuer (or by whom that one has charged with it),
 * good, and of now? 0; TLS_E_BAD with the problem; -ENOMEM. */
must_check int tls_ocsp_check(const struct tls_cert *cert, struct str response, int64_t now_s,
                              struct tls_ocsp_times *ret, struct problem *problem);

#endif
