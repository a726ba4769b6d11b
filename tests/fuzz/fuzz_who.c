/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks: headers of the PROXY protocol (the same verdict however they are cut; what was read is
 * written, with what may stand behind it, and read back) and, behind a request line,
 * X-Forwarded-For and Forwarded (every hop but the first is trusted).
 */
#include "fuzz_http1.h"
#include "proto/forwarded.h"
#include "proto/proxy_protocol.h"

/* What stands behind the addresses changes nothing of them; version 1 has no such thing. */
static void check_extended(char *header, size_t len, size_t cap, struct str value)
{
    char tls[PROXY_PROTOCOL_SSL_MAX];
    struct proxy_protocol before, after;
    size_t tls_len = proxy_protocol_ssl(tls, value, value.len % 2);
    fuzz_check(proxy_protocol_read(str_make(header, len), &before) == 0);
    size_t more = proxy_protocol_extend(header, len, cap, PROXY_PROTOCOL_AUTHORITY, value);
    fuzz_check(more == len || (before.version == 2 && more == len + 3 + value.len));
    more = proxy_protocol_extend(header, more, cap, PROXY_PROTOCOL_SSL, str_make(tls, tls_len));
    fuzz_check(more <= cap);
    fuzz_check(proxy_protocol_read(str_make(header, more), &after) == 0 && after.len == more);
    fuzz_check(after.known == before.known && ip_eq(&after.source, &before.source));
}

static void check_written(struct proxy_protocol *proxy, struct str value)
{
    char text[PROXY_PROTOCOL_WRITE_MAX + 64];
    struct proxy_protocol back;
    for (uint8_t version = 1; version <= 2; version++) {
        proxy->version = version;
        size_t len = proxy_protocol_write(text, proxy);
        fuzz_check(proxy_protocol_read(str_make(text, len), &back) == 0 && back.len == len);
        bool same = proxy->known && proxy->source.family == proxy->destination.family;
        fuzz_check(back.known == same);
        fuzz_check(!same || ip_eq(&back.source, &proxy->source));
        check_extended(text, len, sizeof(text), value);
    }
}

static void check_proxy(struct str in)
{
    struct proxy_protocol whole, part;
    char *copy = fuzz_copy(in);
    int r = proxy_protocol_read(str_make(copy, in.len), &whole);
    free(copy);
    for (size_t len = 0; len <= in.len; len++) {
        copy = fuzz_copy(str_slice(in, 0, len));
        int cut = proxy_protocol_read(str_make(copy, len), &part);
        free(copy);
        fuzz_check(cut == PROXY_PROTOCOL_E_MORE || cut == r);
        if (cut == 0) {
            fuzz_check(part.len == len && whole.len == len);
            check_written(&whole, str_slice(in, 0, 64));
            return;
        }
        if (cut == PROXY_PROTOCOL_E_BAD) {
            return;
        }
    }
}

static void check_forwarded(struct str in)
{
    struct ip_net trusted;
    struct ip peer;
    struct http1_head head;
    struct forwarded found = {0};
    fuzz_check(ip_net_parse(STR("10.0.0.0/8"), &trusted) == 0);
    fuzz_check(ip_parse(STR("10.0.0.1"), &peer) == 0);
    if (fuzz_parse(&head, http1_parse_request, in, in.len) != 0) {
        return;
    }
    forwarded_read(&head, &peer, &trusted, 1, &found);
    fuzz_check(found.count >= 1 && found.count <= FORWARDED_HOPS_MAX);
    fuzz_check(ip_eq(&found.hops[found.count - 1], &peer));
    for (size_t i = 1; i < found.count; i++) {
        fuzz_check(ip_net_has(&trusted, &found.hops[i]));
    }
    fuzz_check(found.host.len == 0 || http_is_field_value(found.host));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    if (fuzz_byte(&in) % 2) {
        check_proxy(in);
    } else {
        check_forwarded(in);
    }
    return 0;
}
