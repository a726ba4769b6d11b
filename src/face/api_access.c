/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdicts of api_access.h. Held by tests/unit/face/test_api_access.c case by case, since each
 * line here is what keeps another site, user or machine out.
 *
 * A change, by what a browser says of the page that asks for it (Fetch Metadata, RFC 6454):
 *
 *   Origin                  Sec-Fetch-Site          allowed
 *   the Host's own          any                     yes: our dashboard
 *   another, or "null"      any                     no
 *   none                    none, or absent         yes: a program, or an address that was typed
 *   none                    same-origin             yes
 *   none                    same-site, cross-site   no: a sister domain is not us
 */
#include "face/api_access.h"
#include "proto/cookie.h"
#include "proto/uri.h"

bool access_token_equal(struct str a, struct str b)
{
    unsigned char differs = 0;

    /* Its length is no secret (all tokens have one); an empty one would let everybody in. */
    if (a.len != b.len || a.len == 0) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        differs |= (unsigned char)(a.p[i] ^ b.p[i]);
    }
    return differs == 0;
}

static bool is_ip4(struct str host)
{
    /* Enough to tell it from a name: "1.2.3.4.5" and "999.1.1.1" are no names that DNS could point
     * here.
     */
    unsigned dots = 0;

    for (size_t i = 0; i < host.len; i++) {
        dots += host.p[i] == '.';
        if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9')) {
            return false;
        }
    }
    return dots == 3;
}

struct str access_host_of(struct str authority)
{
    struct uri_authority parsed;
    if (uri_parse_authority(authority, &parsed) < 0) {
        return STR_NONE;
    }
    struct str host = parsed.host;
    return str_ends(host, STR(".")) ? str_slice(host, 0, host.len - 1) : host;
}

bool access_host_allowed(const struct access_facts *facts)
{
    struct uri_authority authority;
    struct str host = access_host_of(facts->host);

    if (facts->local && !facts->forwarded) {
        return true; /* no browser speaks to a unix socket */
    }
    if (uri_parse_authority(facts->host, &authority) < 0) {
        return false;
    }
    if (authority.is_ipv6 || is_ip4(host) || str_eq_nocase(host, STR("localhost"))) {
        return true;
    }
    if (host.len > 10 && str_eq_nocase(str_skip(host, host.len - 10), STR(".localhost"))) {
        return true;
    }
    return facts->named;
}

bool access_origin_allowed(const struct access_facts *facts)
{
    struct str scheme = STR_NONE;
    struct str rest = STR_NONE;
    ptrdiff_t at = str_find(facts->origin, STR("://"));

    if (facts->origin.len == 0) {
        /* Not a browser, or an old one. A browser that says "cross-site" without Origin is
         * refused. */
        return facts->fetch_site.len == 0 || str_is(facts->fetch_site, "same-origin") ||
               str_is(facts->fetch_site, "none");
    }
    if (at < 0) {
        return false; /* "null": a sandboxed page or a file */
    }
    scheme = str_slice(facts->origin, 0, (size_t)at);
    rest = str_skip(facts->origin, (size_t)at + 3);
    return str_eq_nocase(rest, facts->host) && str_eq_nocase(scheme, facts->scheme);
}

struct context access_identify(const struct access_facts *facts, struct str request_id,
                               const char *cause)
{
    struct str bearer = STR("Bearer ");
    struct str given = STR_NONE;

    if (facts->authorization.len > bearer.len &&
        str_eq_nocase(str_slice(facts->authorization, 0, bearer.len), bearer)) {
        given = str_trim(str_skip(facts->authorization, bearer.len));
        return context_token(access_token_equal(given, facts->token), request_id, cause);
    }
    if (facts->local && !facts->forwarded) {
        return context_peer(facts->uid, request_id, cause);
    }
    given = cookie_get(facts->cookie, STR(ACCESS_COOKIE));
    return context_token(access_token_equal(given, facts->token), request_id, cause);
}
