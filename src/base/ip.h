/* SPDX-License-Identifier: Apache-2.0
 *
 * IP addresses as values: text, networks (CIDR), and the form to compare them by. Pure code: what
 * sockets know is in os/sock.h.
 */
#ifndef BASE_IP_H
#define BASE_IP_H

#include "base/buf.h"

enum { IP_TEXT_MAX = 46 };

struct ip {
    uint8_t family;    /* 4, 6; 0 = none */
    uint8_t bytes[16]; /* the first 4 of them for IPv4, the others 0 */
};

struct ip_net {
    struct ip ip; /* bits behind `bits` are 0 */
    uint8_t bits;
};

/* "192.0.2.1" or "2001:db8::1", without brackets, port or zone; an IPv4 address written as IPv6
 * (::ffff:192.0.2.1) becomes IPv4. 0 or -EINVAL. */
must_check int ip_parse(struct str text, struct ip *ret);
/* As RFC 5952 wants it. */
void ip_format(struct buf *out, const struct ip *ip);
/* From the bytes of a socket's address. */
struct ip ip_make(uint8_t family, const uint8_t *bytes);
bool ip_eq(const struct ip *a, const struct ip *b);

/* "10.0.0.0/8", "::1" (then all bits count). 0, or -EINVAL: also when bits behind the network's are
 * set, which is nearly always a mistake. */
must_check int ip_net_parse(struct str text, struct ip_net *ret);
bool ip_net_has(const struct ip_net *net, const struct ip *ip);
bool ip_nets_have(const struct ip_net *nets, size_t count, const struct ip *ip);
/* From this machine: 127.0.0.0/8, also when written as IPv6, and ::1. */
bool ip_is_loopback(const struct ip *ip);

#endif
