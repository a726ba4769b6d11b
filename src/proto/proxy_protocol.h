/* SPDX-License-Identifier: Apache-2.0
 *
 * The PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt): a header in front of
 * a connection's bytes, by which a balancer before us says who connected to it, and we to those
 * behind us. Pure: bytes in, meaning out, and back.
 */
#ifndef PROTO_PROXY_PROTOCOL_H
#define PROTO_PROXY_PROTOCOL_H

#include "base/ip.h"

enum { PROXY_PROTOCOL_E_MORE = 1, PROXY_PROTOCOL_E_BAD = 2 };
enum {
    PROXY_PROTOCOL_MAX = 2048, /* of a header that is read, extensions and all */
    PROXY_PROTOCOL_WRITE_MAX = 108,
};

struct proxy_protocol {
    uint8_t version; /* 1 or 2 */
    bool known;      /* false: the sender speaks for itself (LOCAL), or did not say (UNKNOWN, unix
                        sockets): the connection's own addresses count */
    struct ip source, destination;
    uint16_t source_port, destination_port;
    size_t len; /* of the header */
};

/* Reads the front of `in`: 0 and the header; PROXY_PROTOCOL_E_MORE; PROXY_PROTOCOL_E_BAD: no such
 * header, and the connection is of no use. The verdict on some bytes does not depend on how they
 * were cut. */
must_check int proxy_protocol_read(struct str in, struct proxy_protocol *ret);
/* What may stand behind the addresses in version 2. */
enum proxy_protocol_extension {
    PROXY_PROTOCOL_ALPN = 0x01,      /* "h2", "http/1.1" … */
    PROXY_PROTOCOL_AUTHORITY = 0x02, /* the name that the client asked TLS for */
    PROXY_PROTOCOL_SSL = 0x20,       /* proxy_protocol_ssl */
};
enum { PROXY_PROTOCOL_SSL_MAX = 24 };
/* Writes the header for `proxy` in its version; returns its length. Addresses of two families, or
 * `known` unset, are said as UNKNOWN or LOCAL. */
size_t proxy_protocol_write(char ret[PROXY_PROTOCOL_WRITE_MAX], const struct proxy_protocol *proxy);
/* Appends an extension to a header of version 2 (of another it stays as it is); returns the length.
 * What does not fit into `cap` is left out. */
size_t proxy_protocol_extend(char *header, size_t len, size_t cap,
                             enum proxy_protocol_extension type, struct str value);
/* The value of PROXY_PROTOCOL_SSL: the client spoke TLS of that version ("TLSv1.3") and showed a
 * certificate that was good, or none. Returns its length. */
size_t proxy_protocol_ssl(char ret[PROXY_PROTOCOL_SSL_MAX], struct str version, bool certificate);

#endif
