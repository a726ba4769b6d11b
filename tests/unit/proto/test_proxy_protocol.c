/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "proto/proxy_protocol.h"

#include <stdio.h>
#include <stdlib.h>

#define SIGNATURE      "\r\n\r\n\0\r\nQUIT\n"
#define V2(head, rest) STR_INIT(SIGNATURE head rest)

/* The bytes in memory that ends where they end. */
static int read_exact(struct str in, struct proxy_protocol *ret)
{
    char *copy = malloc(in.len + 1);
    check(copy != NULL);
    memcpy(copy + 1, in.len ? in.p : "", in.len);
    int r = proxy_protocol_read(str_make(copy + 1, in.len), ret);
    free(copy);
    return r;
}

/* The same verdict, whole and with each of its beginnings before it. */
static int read_any_way(struct str in, struct proxy_protocol *ret)
{
    int whole = read_exact(in, ret);
    for (size_t len = 0; len <= in.len; len++) {
        struct proxy_protocol part;
        int r = read_exact(str_slice(in, 0, len), &part);
        if (r != PROXY_PROTOCOL_E_MORE) {
            check_int(r, whole);
            check(r != 0 || (part.len == ret->len && len == ret->len));
            return whole;
        }
    }
    check_int(whole, PROXY_PROTOCOL_E_MORE);
    return whole;
}

static void check_source(const struct proxy_protocol *proxy, const char *text, unsigned port)
{
    char memory[64];
    struct buf out = BUF_ON(memory);
    ip_format(&out, &proxy->source);
    check(proxy->known);
    check_str(buf_str(&out), str_from(text));
    check_int(proxy->source_port, port);
}

TEST(headers_of_both_versions_say_who_connected)
{
    struct proxy_protocol proxy;
    check_int(read_any_way(STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET /"), &proxy), 0);
    check_source(&proxy, "192.0.2.1", 56324);
    check_int(proxy.len, 45);
    check_int(proxy.destination_port, 443);
    check_int(read_any_way(STR("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), &proxy), 0);
    check_source(&proxy, "2001:db8::1", 1);
    struct str four = V2("\x21\x11\0\x0c", "\xc0\0\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbbGET");
    check_int(read_any_way(four, &proxy), 0);
    check_source(&proxy, "192.0.2.1", 56324);
    check_int(proxy.len, 28);
    struct str extended =
        V2("\x21\x11\0\x14", "\xc0\0\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb\x01\0\x02h2\x04\0\0");
    check_int(read_any_way(extended, &proxy), 0);
    check_int(proxy.len, extended.len);
    extended.len--;
    check_int(read_any_way(extended, &proxy), PROXY_PROTOCOL_E_MORE);
}

TEST(who_speaks_for_itself_is_told_apart)
{
    static const struct str local[] = {
        STR_INIT("PROXY UNKNOWN\r\n"), STR_INIT("PROXY UNKNOWN ffff:: x 1\r\n"),
        V2("\x20\0\0\0", ""),          V2("\x20\x11\0\x0c", "abcdefghijkl"),
        V2("\x20\xff\0\x03", "abc"),   V2("\x21\0\0\0", ""),
        V2("\x21\0\0\x02", "ab"),
    };
    for (size_t i = 0; i < ARRAY_LEN(local); i++) {
        struct proxy_protocol proxy;
        check_int(read_any_way(local[i], &proxy), 0);
        check(!proxy.known);
        check_int(proxy.len, local[i].len);
    }
}

TEST(what_is_no_header_is_refused)
{
    static const struct str bad[] = {
        STR_INIT("GET / HTTP/1.1\r\n"),
        STR_INIT("PROXY\r\n"),
        STR_INIT("PROXY \r\n"),
        STR_INIT("PROXY TCP4\r\n"),
        STR_INIT("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"),
        STR_INIT("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
        STR_INIT("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
        STR_INIT("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n"),
        STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"),
        STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"),
        STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
        STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"),
        STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"),
        STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"),
        STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"),
        STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n"),
        STR_INIT("PROXY TCP4 ::1 ::1 1 2\r\n"),
        STR_INIT("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"),
        STR_INIT("PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n"),
        STR_INIT("PROXY TCP6 [::1] ::1 1 2\r\n"),
        STR_INIT("PROXY UNKNOWNX\r\n"),
        STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n"),
        STR_INIT("PROXY UNKNOWN 1111111111111111111111111111111111111111111111111111111111111111"
                 "1111111111111111111111111111111\r\n"), /* one byte too long */
        V2("\x22\x11\0\x0c", "abcdefghijkl"),            /* command 2 */
        V2("\x11\x11\0\x0c", "abcdefghijkl"),            /* version 1 */
        V2("\x31\x11\0\x0c", "abcdefghijkl"),            /* version 3 */
        V2("\x21\x12\0\x0c", "abcdefghijkl"),            /* UDP */
        V2("\x21\x41\0\x0c", "abcdefghijkl"),            /* family 4 */
        V2("\x21\x11\0\x0b", "abcdefghijk"),             /* too short for the addresses */
        V2("\x21\x21\0\x0c", "abcdefghijkl"),
        V2("\x21\x31\0\x0c", "abcdefghijkl"),
        V2("\x21\x11\0\x0d", "abcdefghijkl\x01"),       /* half an extension */
        V2("\x21\x11\0\x0f", "abcdefghijkl\x01\0\x01"), /* one that runs over */
        V2("\x21\x11\x10\x00", "abcdefghijkl"),         /* longer than any */
        STR_INIT("\r\n\r\n\0\r\nQUIT\r"),
        STR_INIT("\r\n\r\nX"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct proxy_protocol proxy;
        if (read_any_way(bad[i], &proxy) != PROXY_PROTOCOL_E_BAD) {
            printf("# %zu: " STR_FMT "\n", i, STR_ARG(bad[i]));
            check(false);
        }
    }
}

static struct ip random_ip(uint8_t family)
{
    uint8_t bytes[16];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = rng_chance(test_rng(), 400) ? 0 : (uint8_t)rng_u64(test_rng());
    }
    return ip_make(family, bytes);
}

TEST(what_is_written_reads_back)
{
    struct rng *rng = test_rng();
    for (size_t i = 0; i < test_rounds(2000); i++) {
        char text[PROXY_PROTOCOL_WRITE_MAX];
        uint8_t family = rng_chance(rng, 500) ? 4 : 6;
        struct proxy_protocol back, proxy = {
                                        .version = (uint8_t)(1 + rng_below(rng, 2)),
                                        .known = rng_chance(rng, 900),
                                        .source = random_ip(family),
                                        .destination = random_ip(rng_chance(rng, 900) ? family : 4),
                                        .source_port = (uint16_t)rng_u64(rng),
                                        .destination_port = (uint16_t)rng_u64(rng),
                                    };
        size_t len = proxy_protocol_write(text, &proxy);
        check(len <= sizeof(text));
        check_int(read_any_way(str_make(text, len), &back), 0);
        check_int(back.len, len);
        check_int(back.version, proxy.version);
        check_int(back.known, proxy.known && proxy.source.family == proxy.destination.family);
        if (back.known) {
            check(ip_eq(&back.source, &proxy.source) &&
                  ip_eq(&back.destination, &proxy.destination));
            check_int(back.source_port, proxy.source_port);
            check_int(back.destination_port, proxy.destination_port);
        }
    }
}

TEST(extensions_stand_behind_the_addresses_and_are_left_out_where_they_do_not_fit)
{
    char header[160], value[PROXY_PROTOCOL_SSL_MAX];
    struct proxy_protocol back, proxy = {.version = 2, .known = true, .source_port = 7};
    check_int(ip_parse(STR("192.0.2.1"), &proxy.source), 0);
    proxy.destination = proxy.source;
    size_t len = proxy_protocol_write(header, &proxy);
    size_t more =
        proxy_protocol_extend(header, len, sizeof(header), PROXY_PROTOCOL_ALPN, STR("h2"));
    check_str(str_make(header + len, more - len), str_make("\1\0\2h2", 5));
    size_t n = proxy_protocol_ssl(value, STR("TLSv1.3"), true);
    check_str(str_make(value, n), str_make("\7\0\0\0\0\x21\0\7TLSv1.3", 15));
    check_int(proxy_protocol_ssl(value, STR("TLSv1.3"), false), n);
    check_str(str_make(value, 5), str_make("\1\0\0\0\1", 5));
    size_t all =
        proxy_protocol_extend(header, more, sizeof(header), PROXY_PROTOCOL_SSL, str_make(value, n));
    check_int(all, more + 3 + n);
    check_int(read_any_way(str_make(header, all), &back), 0);
    check_int(back.len, all);
    check_source(&back, "192.0.2.1", 7);
    char name[160];
    memset(name, 'x', sizeof(name));
    struct str long_name = str_make(name, sizeof(header) - all - 3);
    check_int(
        proxy_protocol_extend(header, all, sizeof(header) - 1, PROXY_PROTOCOL_AUTHORITY, long_name),
        all);
    check_int(
        proxy_protocol_extend(header, all, sizeof(header), PROXY_PROTOCOL_AUTHORITY, long_name),
        sizeof(header));
    check_int(read_any_way(str_make(header, sizeof(header)), &back), 0);
    proxy.version = 1; /* knows none */
    len = proxy_protocol_write(header, &proxy);
    check_int(proxy_protocol_extend(header, len, sizeof(header), PROXY_PROTOCOL_ALPN, STR("h2")),
              len);
}
