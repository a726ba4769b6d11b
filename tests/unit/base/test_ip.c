/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"
#include "harness/test.h"

#include <arpa/inet.h>
#include <stdio.h>

static void check_text(const char *text, const char *want)
{
    char memory[64];
    struct buf out = BUF_ON(memory);
    struct ip ip;
    check_int(ip_parse(str_from(text), &ip), 0);
    ip_format(&out, &ip);
    check_str(buf_str(&out), str_from(want));
}

TEST(addresses_have_one_form)
{
    check_text("192.0.2.1", "192.0.2.1");
    check_text("::", "::");
    check_text("::1", "::1");
    check_text("1::", "1::");
    check_text("2001:DB8:0:0:0:0:0:1", "2001:db8::1");
    check_text("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
    check_text("1:0:0:2:0:0:0:3", "1:0:0:2::3");
    check_text("::ffff:192.0.2.1", "192.0.2.1");
    check_text("::FFFF:c000:201", "192.0.2.1");
    check_text("64:ff9b::192.0.2.33", "64:ff9b::c000:221");
}

TEST(what_is_no_address_is_refused)
{
    static const char *const bad[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.04",
        "1.2.3.",
        ".1.2.3",
        "1.2.3.4 ",
        "0x1.2.3.4",
        "1.2.3.-4",
        ":",
        ":::",
        "::1::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "1::2::3",
        "12345::",
        "g::",
        "1.2.3.4::",
        "::1.2.3",
        "1:2:3:4:5:6:7:1.2.3.4",
        "[::1]",
        "::1%lo",
        ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "1:",
        "::1 ",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct ip ip;
        if (ip_parse(str_from(bad[i]), &ip) != -EINVAL) {
            printf("# %s\n", bad[i]);
            check(false);
        }
    }
}

/* The C library is the model for text in both directions, but for IPv4 in IPv6. */
TEST(random_addresses_read_as_the_c_library_reads_them)
{
    struct rng *rng = test_rng();
    for (size_t i = 0; i < test_rounds(20000); i++) {
        uint8_t bytes[16], back[16];
        char text[INET6_ADDRSTRLEN], memory[64];
        int family = rng_chance(rng, 300) ? AF_INET : AF_INET6;
        for (size_t j = 0; j < 16; j++) {
            bytes[j] = rng_chance(rng, 500) ? 0 : (uint8_t)rng_u64(rng);
        }
        check(inet_ntop(family, bytes, text, sizeof(text)) != NULL);
        struct ip ip;
        struct buf out = BUF_ON(memory);
        check_int(ip_parse(str_from(text), &ip), 0);
        ip_format(&out, &ip);
        check_int(inet_pton(family, buf_cstr(&out), back), 1);
        check(memcmp(bytes, back, family == AF_INET ? 4 : 16) == 0);
        struct ip made = ip_make(family == AF_INET ? 4 : 6, bytes);
        check(ip_eq(&made, &ip));
    }
}

TEST(random_text_is_an_address_when_the_c_library_says_so)
{
    static const char letters[] = "0123459abcfF:::...";
    struct rng *rng = test_rng();
    for (size_t i = 0; i < test_rounds(50000); i++) {
        char text[24];
        uint8_t bytes[16];
        size_t len = rng_below(rng, sizeof(text) - 1);
        for (size_t j = 0; j < len; j++) {
            text[j] = letters[rng_below(rng, sizeof(letters) - 1)];
        }
        text[len] = '\0';
        struct ip ip;
        bool want = inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
        if ((ip_parse(str_from(text), &ip) == 0) != want) {
            printf("# %s\n", text);
            check(false);
        }
    }
}

static bool in_net(const char *net_text, const char *ip_text)
{
    struct ip_net net;
    struct ip ip;
    check_int(ip_net_parse(str_from(net_text), &net), 0);
    check_int(ip_parse(str_from(ip_text), &ip), 0);
    return ip_net_has(&net, &ip);
}

TEST(networks_end_at_their_bit)
{
    check(in_net("10.0.0.0/8", "10.255.0.1") && !in_net("10.0.0.0/8", "11.0.0.1"));
    check(in_net("192.0.2.128/25", "192.0.2.200") && !in_net("192.0.2.128/25", "192.0.2.1"));
    check(in_net("0.0.0.0/0", "1.2.3.4") && !in_net("0.0.0.0/0", "::1"));
    check(in_net("::/0", "2001:db8::1") && !in_net("::/0", "1.2.3.4"));
    check(in_net("127.0.0.1", "127.0.0.1") && !in_net("127.0.0.1", "127.0.0.2"));
    check(in_net("127.0.0.0/8", "::ffff:127.0.0.1"));
    check(in_net("2001:db8::/33", "2001:db8:7fff::") &&
          !in_net("2001:db8::/33", "2001:db8:8000::"));
    static const char *const bad[] = {"10.0.0.1/8",  "10.0.0.0/33", "::/129", "10.0.0.0/",
                                      "10.0.0.0/08", "x/8",         "/8",     "::1/127"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct ip_net net;
        check_int(ip_net_parse(str_from(bad[i]), &net), -EINVAL);
    }
}

TEST(this_machine_has_more_than_one_address_and_spelling)
{
    static const char *const here[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"};
    static const char *const elsewhere[] = {"126.0.0.1",   "128.0.0.1",       "0.0.0.0", "::",
                                            "::127.0.0.1", "::ffff:10.0.0.1", "7f00::",  "1::1"};
    static const uint8_t mapped[16] = {[10] = 255, [11] = 255, [12] = 127, [15] = 1};
    struct ip ip = ip_make(6, mapped);
    check(ip_is_loopback(&ip));
    for (size_t i = 0; i < ARRAY_LEN(here); i++) {
        check_int(ip_parse(str_from(here[i]), &ip), 0);
        check(ip_is_loopback(&ip));
    }
    for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
        check_int(ip_parse(str_from(elsewhere[i]), &ip), 0);
        check(!ip_is_loopback(&ip));
    }
    check(!ip_is_loopback(&(struct ip){0}));
}
