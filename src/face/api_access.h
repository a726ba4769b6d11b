/* SPDX-License-Identifier: Apache-2.0
 *
 * Who sends a request, and from where. Pure: the facts go in, the verdict comes out; what the
 * principal may then do is core/authorise.h.
 *
 *   who     local socket: the peer's uid (SO_PEERCRED), unless the request was forwarded
 *           else: `Authorization: Bearer TOKEN` (RFC 6750), or the cookie muelle_session, which is
 *           set by the login
 *   where   Host: must be a name of this machine that no foreign page can point at it (DNS
 *           rebinding): localhost, *.localhost (RFC 6761 §6.3), an IP literal, or a configured name
 *           Origin: when a browser sends one with a change, it must be the Host's own (CSRF)
 *
 * Loopback is no identity: every user and every page of this machine reaches it. Bearer comes
 * before the peer: who sends a token wants to be judged by it, also when it is wrong.
 */
#ifndef FACE_API_ACCESS_H
#define FACE_API_ACCESS_H

#include "core/context.h"

#define ACCESS_COOKIE "muelle_session"
enum { ACCESS_TOKEN_MAX = 64 };

struct access_facts {
    bool local;            /* the local socket, peer known */
    bool forwarded;        /* carries Forwarded or X-Forwarded-For: somebody else's words */
    uid_t uid;             /* of the peer */
    struct str host;       /* the header, with its port */
    struct str scheme;     /* "http" or "https" */
    struct str origin;     /* empty = none */
    struct str fetch_site; /* Sec-Fetch-Site, empty = none */
    struct str authorization;
    struct str cookie;
    struct str token; /* the instance's; empty = there is none: nobody has it */
    bool named;       /* Host is one of gateway.admin_names */
};

/* The host of an authority without port and the dot at its end; empty when it is none. */
struct str access_host_of(struct str authority);

/* Whether Host names this machine. Always on the local socket: no browser speaks to one. */
bool access_host_allowed(const struct access_facts *facts);
/* Whether a change may come from that page. Without Origin: unless Sec-Fetch-Site says cross-site
 * (programs send neither). "null" (a sandboxed page, a file) never. */
bool access_origin_allowed(const struct access_facts *facts);
/* The principal, in a fresh context; one that is nobody when no credential holds. The slices are
 * copied. */
struct context access_identify(const struct access_facts *facts, struct str request_id,
                               const char *cause);
/* Compares in a time that does not depend on where they differ. */
bool access_token_equal(struct str a, struct str b);

#endif
