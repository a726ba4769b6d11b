/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks, when the one who speaks to us is a proxy that we trust: X-Forwarded-For, else Forwarded
 * (RFC 7239), read from the right. Each proxy appends whom it saw; so the last name is a trusted
 * proxy's word, the one before it counts if that names a trusted proxy again, and so on. The first
 * one that is not trusted is the client; what stands left of it anybody may have written, and it
 * is not told on.
 */
#ifndef PROTO_FORWARDED_H
#define PROTO_FORWARDED_H

#include "base/ip.h"
#include "proto/http1.h"

enum { FORWARDED_HOPS_MAX = 16 };

struct forwarded {
    struct ip hops[FORWARDED_HOPS_MAX]; /* the client, then the proxies up to the one that speaks to
                                           us: at least that one */
    size_t count;
    struct str proto; /* "http" or "https", as the nearest proxy says; STR_NONE */
    struct str host;  /* a checked authority; STR_NONE */
};

/* `peer` is trusted. Text in *ret lies in the head's bytes. */
void forwarded_read(const struct http1_head *head, const struct ip *peer,
                    const struct ip_net *trusted, size_t trusted_count, struct forwarded *ret);

#endif
