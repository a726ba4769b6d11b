/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "proto/forwarded.h"

static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;

static struct ip_net net(const char *text)
{
    struct ip_net ret;
    check_int(ip_net_parse(str_from(text), &ret), 0);
    return ret;
}

/* The chain that is read from these lines when 10.0.0.1 sends them and 10.0.0.0/8 is trusted, as
 * text: "client > proxy > peer". */
static void check_chain(const char *lines, const char *want, struct forwarded *ret)
{
    struct buf request = BUF_INIT(65536), chain = BUF_INIT(4096);
    struct http1_head head;
    struct ip peer;
    struct ip_net trusted = net("10.0.0.0/8");
    buf_printf(&request, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
    http1_head_init(&head, &limits);
    check_int(http1_parse_request(&head, request.p, request.len), 0);
    check_int(ip_parse(STR("10.0.0.1"), &peer), 0);
    *ret = (struct forwarded){0};
    forwarded_read(&head, &peer, &trusted, 1, ret);
    for (size_t i = 0; i < ret->count; i++) {
        buf_add(&chain, i ? STR(" > ") : STR_NONE);
        ip_format(&chain, &ret->hops[i]);
    }
    check_str(buf_str(&chain), str_from(want));
    buf_fini(&chain);
    /* `proto` and `host` lie in the request */
    ret->host = str_eq(ret->host, STR("shop.example:81")) ? STR("shop.example:81") : STR_NONE;
    buf_fini(&request);
}

TEST(the_right_most_that_is_not_trusted_is_the_client)
{
    static const char *const cases[][2] = {
        {"", "10.0.0.1"},
        {"X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7 > 10.0.0.1"},
        {"X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n", "192.0.2.7 > 10.0.0.1"},
        {"X-Forwarded-For: 192.0.2.7, 10.1.1.1\r\n", "192.0.2.7 > 10.1.1.1 > 10.0.0.1"},
        {"X-Forwarded-For: 6.6.6.6,192.0.2.7,10.1.1.1\r\n", "192.0.2.7 > 10.1.1.1 > 10.0.0.1"},
        {"X-Forwarded-For: 10.2.2.2, 10.1.1.1\r\n", "10.2.2.2 > 10.1.1.1 > 10.0.0.1"},
        /* several lines are one list, in their order */
        {"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7 > 10.0.0.1"},
        {"X-Forwarded-For: 192.0.2.7\r\nX-A: b\r\nx-forwarded-for: 10.1.1.1\r\n",
         "192.0.2.7 > 10.1.1.1 > 10.0.0.1"},
        /* forms of an address */
        {"X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7 > 10.0.0.1"},
        {"X-Forwarded-For: 2001:DB8::7\r\n", "2001:db8::7 > 10.0.0.1"},
        {"X-Forwarded-For: [2001:db8::7]:80\r\n", "2001:db8::7 > 10.0.0.1"},
        {"X-Forwarded-For: ::ffff:10.1.1.1\r\n", "10.1.1.1 > 10.0.0.1"},
        /* what is no address ends the walk */
        {"X-Forwarded-For: unknown\r\n", "10.0.0.1"},
        {"X-Forwarded-For: 192.0.2.7, unknown\r\n", "10.0.0.1"},
        {"X-Forwarded-For: 192.0.2.7, x, 10.1.1.1\r\n", "10.1.1.1 > 10.0.0.1"},
        {"X-Forwarded-For: 192.0.2.7 10.1.1.1\r\n", "10.0.0.1"},
        {"X-Forwarded-For: [::1\r\n", "10.0.0.1"},
        {"X-Forwarded-For: , ,\r\n", "10.0.0.1"},
        /* RFC 7239 */
        {"Forwarded: for=192.0.2.7\r\n", "192.0.2.7 > 10.0.0.1"},
        {"Forwarded: for=6.6.6.6, For=\"[2001:db8::7]:80\";proto=https, for=10.1.1.1\r\n",
         "2001:db8::7 > 10.1.1.1 > 10.0.0.1"},
        {"Forwarded: for=192.0.2.7, for=\"_x,for=10.1.1.1\"\r\n", "10.0.0.1"},
        {"Forwarded: for=192.0.2.7, by=10.1.1.1\r\n", "10.0.0.1"},
        {"Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7 > 10.0.0.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct forwarded found;
        check_chain(cases[i][0], cases[i][1], &found);
    }
}

TEST(proto_and_host_are_those_of_the_nearest_proxy)
{
    struct forwarded found;
    check_chain("X-Forwarded-Proto: http, HTTPS\r\nX-Forwarded-Host: evil, shop.example:81\r\n",
                "10.0.0.1", &found);
    check_str(found.proto, STR("https"));
    check_str(found.host, STR("shop.example:81"));
    check_chain("X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\n", "10.0.0.1", &found);
    check(found.proto.p == NULL && found.host.p == NULL);
    check_chain("Forwarded: for=192.0.2.7;proto=https;host=\"shop.example:81\"\r\n",
                "192.0.2.7 > 10.0.0.1", &found);
    check_str(found.proto, STR("https"));
    check_str(found.host, STR("shop.example:81"));
}

TEST(a_chain_has_a_greatest_length)
{
    struct buf lines = BUF_INIT(65536);
    struct forwarded found;
    buf_add(&lines, STR("X-Forwarded-For: 192.0.2.7"));
    for (unsigned i = 0; i < 500; i++) {
        buf_add(&lines, STR(",10.9.9.9"));
    }
    buf_add(&lines, STR("\r\n"));
    struct buf want = BUF_INIT(4096);
    for (unsigned i = 1; i < FORWARDED_HOPS_MAX; i++) {
        buf_add(&want, STR("10.9.9.9 > "));
    }
    buf_add(&want, STR("10.0.0.1"));
    check_chain(buf_cstr(&lines), buf_cstr(&want), &found);
    buf_fini(&want);
    buf_fini(&lines);
}
