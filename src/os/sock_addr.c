/* SPDX-License-Identifier: Apache-2.0
 *
 * Socket addresses: text, kernel form, comparison. See sock.h.
 *
 * An IPv4-mapped IPv6 address (a client of the dual-stack wildcard) becomes plain IPv4 when it is
 * read, so that nobody above meets two spellings of one address. The wildcard is IPv6's, which
 * takes both. Names are not looked up: a name service may block for a minute, and an address that
 * means something else tomorrow is no address to listen on; "localhost" is 127.0.0.1 by RFC 6761.
 */
#include "base/num.h"
#include "os/sock_private.h"
#include <arpa/inet.h>
#include <net/if.h>

int sock_addr_to_os(const struct sock_addr *addr, struct sock_os_addr *ret)
{
    memset(ret, 0, sizeof(*ret));
    switch (addr->family) {
    case SOCK_ADDR_IP4:
        ret->ip4.sin_family = AF_INET;
        ret->ip4.sin_port = htons(addr->port);
        memcpy(&ret->ip4.sin_addr, addr->ip, 4);
        ret->len = sizeof(ret->ip4);
        return 0;
    case SOCK_ADDR_IP6:
        ret->ip6.sin6_family = AF_INET6;
        ret->ip6.sin6_port = htons(addr->port);
        ret->ip6.sin6_scope_id = addr->scope;
        memcpy(&ret->ip6.sin6_addr, addr->ip, 16);
        ret->len = sizeof(ret->ip6);
        return 0;
    case SOCK_ADDR_UNIX:
        ret->un.sun_family = AF_UNIX;
        if (!str_copy(ret->un.sun_path, sizeof(ret->un.sun_path), str_from(addr->path))) {
            return -ENAMETOOLONG;
        }
        ret->len = sizeof(ret->un);
        return 0;
    default:
        return -EINVAL;
    }
}

void sock_addr_from_os(const struct sock_os_addr *os, struct sock_addr *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (os->any.sa_family == AF_INET) {
        ret->family = SOCK_ADDR_IP4;
        ret->port = ntohs(os->ip4.sin_port);
        memcpy(ret->ip, &os->ip4.sin_addr, 4);
    } else if (os->any.sa_family == AF_INET6) {
        ret->port = ntohs(os->ip6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&os->ip6.sin6_addr)) {
            ret->family = SOCK_ADDR_IP4;
            memcpy(ret->ip, os->ip6.sin6_addr.s6_addr + 12, 4);
        } else {
            ret->family = SOCK_ADDR_IP6;
            ret->scope = os->ip6.sin6_scope_id;
            memcpy(ret->ip, &os->ip6.sin6_addr, 16);
        }
    } else if (os->any.sa_family == AF_UNIX) {
        ret->family = SOCK_ADDR_UNIX;
        size_t head = offsetof(struct sockaddr_un, sun_path);
        size_t len = os->len > head ? os->len - head : 0;
        len = strnlen(os->un.sun_path, MIN(len, sizeof(os->un.sun_path)));
        str_copy(ret->path, sizeof(ret->path), str_make(os->un.sun_path, len));
    }
}

bool sock_addr_is_any(const struct sock_addr *addr)
{
    static const uint8_t zero[16];
    return addr->family == SOCK_ADDR_IP6 && memcmp(addr->ip, zero, 16) == 0;
}

bool sock_addr_eq(const struct sock_addr *a, const struct sock_addr *b)
{
    if (a->family != b->family) {
        return false;
    }
    if (a->family == SOCK_ADDR_UNIX) {
        return str_eq(str_from(a->path), str_from(b->path));
    }
    size_t ip_len = a->family == SOCK_ADDR_IP4 ? 4 : 16;
    return a->port == b->port && a->scope == b->scope && memcmp(a->ip, b->ip, ip_len) == 0;
}

struct sock_addr sock_addr_loopback(uint16_t port)
{
    return (struct sock_addr){.family = SOCK_ADDR_IP4, .port = port, .ip = {127, 0, 0, 1}};
}

/* The number of a link: by its name, or as sock_addr_format writes it (RFC 4007 §11.2). 0: none. */
static uint32_t sock_addr_parse_zone(struct str zone)
{
    char text[IF_NAMESIZE];
    uint64_t number;
    if (num_parse_u64(zone, &number) == 0) {
        return number <= UINT32_MAX ? (uint32_t)number : 0;
    }
    return str_copy(text, sizeof(text), zone) ? if_nametoindex(text) : 0;
}

static int sock_addr_parse_host(struct str host, struct sock_addr *ret)
{
    char text[INET6_ADDRSTRLEN];
    if (host.len == 0 || str_is(host, "*")) {
        ret->family = SOCK_ADDR_IP6; /* the wildcard */
        return 0;
    }
    if (str_is(host, "localhost")) {
        host = STR("127.0.0.1");
    }
    struct str zone;
    str_split(host, '%', &host, &zone);
    if (!str_copy(text, sizeof(text), host)) {
        return -EINVAL;
    }
    if (inet_pton(AF_INET, text, ret->ip) == 1) {
        ret->family = SOCK_ADDR_IP4;
        return zone.len ? -EINVAL : 0;
    }
    if (inet_pton(AF_INET6, text, ret->ip) != 1) {
        return -EINVAL;
    }
    ret->family = SOCK_ADDR_IP6;
    ret->scope = zone.len ? sock_addr_parse_zone(zone) : 0;
    return zone.len && !ret->scope ? -EINVAL : 0;
}

int sock_addr_parse(struct str text, struct sock_addr *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (str_find_char(text, '\0') >= 0) {
        return -EINVAL; /* C's functions would read the part before it */
    }
    if (str_starts(text, STR("unix:"))) {
        struct str path = str_skip(text, 5);
        ret->family = SOCK_ADDR_UNIX;
        return path.len > 0 && str_copy(ret->path, sizeof(ret->path), path) ? 0 : -EINVAL;
    }
    struct str host = STR_NONE;
    struct str port = text;
    if (str_starts(text, STR("["))) {
        ptrdiff_t end = str_find(text, STR("]:"));
        if (end < 2) {
            return -EINVAL; /* "[]" would be the wildcard in disguise */
        }
        host = str_slice(text, 1, (size_t)end);
        port = str_skip(text, (size_t)end + 2);
        if (str_find_char(host, ':') < 0) {
            return -EINVAL;
        }
    } else if (str_find_char(text, ':') >= 0) {
        str_split(text, ':', &host, &port);
    }
    uint64_t number;
    if (num_parse_u64(port, &number) != 0 || number > UINT16_MAX) {
        return -EINVAL;
    }
    ret->port = (uint16_t)number;
    return sock_addr_parse_host(host, ret);
}

void sock_addr_format(struct buf *out, const struct sock_addr *addr)
{
    char text[INET6_ADDRSTRLEN] = "";
    switch (addr->family) {
    case SOCK_ADDR_IP4:
        inet_ntop(AF_INET, addr->ip, text, sizeof(text));
        buf_printf(out, "%s:%u", text, addr->port);
        break;
    case SOCK_ADDR_IP6:
        if (sock_addr_is_any(addr)) {
            buf_printf(out, "*:%u", addr->port);
            break;
        }
        inet_ntop(AF_INET6, addr->ip, text, sizeof(text));
        buf_printf(out, "[%s", text);
        if (addr->scope) {
            buf_printf(out, "%%%u", addr->scope);
        }
        buf_printf(out, "]:%u", addr->port);
        break;
    case SOCK_ADDR_UNIX:
        buf_printf(out, "unix:%s", addr->path);
        break;
    default:
        buf_add_cstr(out, "none");
        break;
    }
}
