/* SPDX-License-Identifier: Apache-2.0
 *
 * Making certificates: a small authority for development, and what it signs.
 */
#ifndef TLS_ISSUE_H
#define TLS_ISSUE_H

#include "tls/cert.h"

struct tls_issue_spec {
    struct str common_name;
    const struct str *names; /* host names and addresses that it is for */
    size_t name_count;
    int64_t from_s, until_s; /* seconds since 1970 */
    enum tls_key_kind kind;
    bool authority; /* may sign others */
    bool client;    /* is for a client, not for a server */
};
/* Makes a key and a certificate for it, signed by `issuer`, or by itself when that is NULL. Appends
 * both as PEM. 0, -EINVAL (a name that cannot be in a certificate), -ENOMEM. */
must_check int tls_issue(const struct tls_issue_spec *spec, const struct tls_cert *issuer,
                         struct buf *cert, struct buf *key);
/* SHA-256 of the leaf, as people compare it: "AB:CD:…". */
enum { TLS_FINGERPRINT_MAX = 32 * 3 };
void tls_fingerprint(const struct tls_cert *cert, char ret[TLS_FINGERPRINT_MAX]);
/* The subject's common name, or empty. */
void tls_common_name(const struct tls_cert *cert, char *ret, size_t size);

#endif
