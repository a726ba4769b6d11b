/* SPDX-License-Identifier: Apache-2.0
 *
 * The ClientHello of a TLS connection that is passed on unread: which name it asks for, and which
 * protocols it offers (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1). Nothing is decrypted, nothing
 * is changed, nothing allocates.
 *
 * Tolerated: any version from TLS 1.0 on, unknown and GREASE values (RFC 8701), an encrypted hello
 * within (its outer name counts), records cut anywhere. Refused: what no TLS client sends.
 */
#ifndef PROTO_TLS_HELLO_H
#define PROTO_TLS_HELLO_H

#include "base/str.h"

enum {
    TLS_HELLO_MAX = 16384, /* bytes of records that a hello may take */
    TLS_HELLO_RECORDS_MAX = 32,
    TLS_HELLO_NAME_MAX = 255,
    TLS_HELLO_ALPN_MAX = 63,
};

struct tls_hello {
    char name[TLS_HELLO_NAME_MAX + 1]; /* lower case, without a dot at the end; "" = none given */
    uint8_t name_len;
    char alpn[TLS_HELLO_ALPN_MAX + 1]; /* "h2,http/1.1": whole entries, as many as fit */
    uint8_t alpn_len;
    bool has_ech; /* the name is that of the outer hello */
};

/* What a connection has said so far. 0: *ret is its hello; TLS_HELLO_E_MORE: a part of one;
 * TLS_HELLO_E_BAD: no hello, or too long, whatever follows. The verdict on a text does not depend
 * on how often it was asked for a part of it. */
enum { TLS_HELLO_E_MORE = 1, TLS_HELLO_E_BAD = 2 };
must_check int tls_hello_parse(struct str bytes, struct tls_hello *ret);

#endif
