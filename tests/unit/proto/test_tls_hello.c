/* SPDX-License-Identifier: Apache-2.0
 *
 * ClientHellos: what is read of them, cut anywhere, in records of any size, damaged.
 */
#include "base/buf.h"
#include "harness/test.h"
#include "proto/tls_hello.h"

enum { TEXT_MAX = 70000 };

static void add_u16(struct buf *out, size_t n)
{
    buf_add_char(out, (char)(n >> 8));
    buf_add_char(out, (char)n);
}

static void add_zeros(struct buf *out, size_t n)
{
    for (; n > 0; n--) {
        buf_add_char(out, 0);
    }
}

static void add_extension(struct buf *out, unsigned type, struct str data)
{
    add_u16(out, type);
    add_u16(out, data.len);
    buf_add(out, data);
}

static void add_name(struct buf *out, struct str name)
{
    char memory[600];
    struct buf data = BUF_ON(memory);
    add_u16(&data, name.len + 3);
    buf_add_char(&data, 0);
    add_u16(&data, name.len);
    buf_add(&data, name);
    add_extension(out, 0, buf_str(&data));
}

/* The handshake message with these extensions; none at all when p is NULL. */
static void add_hello(struct buf *out, struct str extensions)
{
    size_t len = 2 + 32 + 1 + 32 + 2 + 4 + 2 + (extensions.p ? 2 + extensions.len : 0);
    buf_add_char(out, 1);
    buf_add_char(out, (char)(len >> 16));
    add_u16(out, len & 0xffff);
    add_u16(out, 0x0303);
    add_zeros(out, 32);
    buf_add_char(out, 32);
    add_zeros(out, 32);
    add_u16(out, 4);
    add_u16(out, 0x1a1a); /* GREASE */
    add_u16(out, 0x1301);
    buf_add_char(out, 1);
    buf_add_char(out, 0);
    if (extensions.p) {
        add_u16(out, extensions.len);
        buf_add(out, extensions);
    }
}

/* In records of `size` bytes. */
static void add_records(struct buf *out, struct str message, size_t size)
{
    while (message.len > 0) {
        struct str part = str_slice(message, 0, MIN(size, message.len));
        buf_add(out, STR("\x16\x03\x01"));
        add_u16(out, part.len);
        buf_add(out, part);
        message = str_skip(message, part.len);
    }
}

static int parse_with(struct str extensions, size_t size, struct tls_hello *ret)
{
    struct buf message = BUF_INIT(TEXT_MAX), text = BUF_INIT(TEXT_MAX);
    add_hello(&message, extensions);
    add_records(&text, buf_str(&message), size);
    int r = tls_hello_parse(buf_str(&text), ret);
    buf_fini(&message);
    buf_fini(&text);
    return r;
}

static int parse_name(struct str name, struct tls_hello *ret)
{
    struct buf extensions = BUF_INIT(TEXT_MAX);
    add_name(&extensions, name);
    int r = parse_with(buf_str(&extensions), 16384, ret);
    buf_fini(&extensions);
    return r;
}

/* As a browser sends it: GREASE first and last, a name, protocols, an encrypted hello, a key. */
static void add_browser(struct buf *out)
{
    add_extension(out, 0x3a3a, STR(""));
    add_name(out, STR("Shop.Example"));
    add_extension(out, 16, str_make("\0\x0f\2\x0a\x0a\2h2\x08http/1.1", 17));
    add_extension(out, 0xfe0d, STR("opaque"));
    add_extension(out, 43, STR("\x04\x1a\x1a\x03\x04"));
    add_extension(out, 51, str_make("some key of some length ......................", 46));
    add_extension(out, 0x4a4a, str_make("\0", 1));
}

static void check_browser(const struct tls_hello *hello)
{
    check_cstr(hello->name, "shop.example");
    check_int(hello->name_len, 12);
    check_cstr(hello->alpn, "h2,http/1.1");
    check(hello->has_ech);
}

TEST(name_and_protocols_are_read)
{
    struct buf extensions = BUF_INIT(TEXT_MAX);
    struct tls_hello hello;
    add_browser(&extensions);
    check_int(parse_with(buf_str(&extensions), 16384, &hello), 0);
    check_browser(&hello);
    buf_fini(&extensions);
}

TEST(a_hello_may_come_in_records_of_any_size_and_be_cut_anywhere)
{
    struct buf extensions = BUF_INIT(TEXT_MAX), message = BUF_INIT(TEXT_MAX);
    add_browser(&extensions);
    add_hello(&message, buf_str(&extensions));
    for (size_t size = message.len / 31; size <= message.len; size++) {
        struct buf text = BUF_INIT(TEXT_MAX);
        struct tls_hello hello;
        add_records(&text, buf_str(&message), size);
        bool few = (message.len + size - 1) / size <= TLS_HELLO_RECORDS_MAX;
        for (size_t cut = 0; few && cut < text.len; cut++) {
            check_int(tls_hello_parse(str_make(text.p, cut), &hello), TLS_HELLO_E_MORE);
        }
        buf_add(&text, STR("what follows is not looked at"));
        check_int(tls_hello_parse(buf_str(&text), &hello), few ? 0 : TLS_HELLO_E_BAD);
        if (few) {
            check_browser(&hello);
        }
        buf_fini(&text);
    }
    buf_fini(&message);
    buf_fini(&extensions);
}

TEST(no_name_is_no_mistake)
{
    struct tls_hello hello;
    check_int(parse_with(STR_NONE, 16384, &hello), 0);
    check_int(hello.name_len, 0);
    check_int(parse_with(STR(""), 16384, &hello), 0);
    check_int(hello.name_len + hello.alpn_len, 0);
}

TEST(names)
{
    struct tls_hello hello;
    char longest[256];
    memset(longest, 'a', sizeof(longest));
    check_int(parse_name(STR("a_b-1.Example."), &hello), 0);
    check_cstr(hello.name, "a_b-1.example");
    check_int(parse_name(str_make(longest, 255), &hello), 0);
    check_int(hello.name_len, 255);
    const struct str bad[] = {STR(""),
                              STR("a b"),
                              STR("a..b"),
                              STR(".a"),
                              STR("a\xe9"),
                              STR("[::1]"),
                              STR("a/b"),
                              STR("."),
                              STR("a:443"),
                              str_make("a\0b", 3),
                              str_make(longest, 256)};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        check_int(parse_name(bad[i], &hello), TLS_HELLO_E_BAD);
    }
}

TEST(what_no_client_sends_is_refused)
{
    static const struct str starts[] = {
        STR_INIT("GET / HTTP/1.1\r\n"),
        STR_INIT("\x16\x02\x01\x00\x10"),                     /* no TLS */
        STR_INIT("\x17\x03\x03\x00\x10"),                     /* data first */
        STR_INIT("\x16\x03\x01\x40\x01"),                     /* a record too long */
        STR_INIT("\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"), /* a server's hello */
        STR_INIT("\x16\x03\x01\x00\x05\x01\x00\x40\x00\x03"), /* a hello too long */
        STR_INIT("\x80\x2e\x01\x03\x01"),                     /* SSL 2.0 */
    };
    struct tls_hello hello;
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        check_int(tls_hello_parse(starts[i], &hello), TLS_HELLO_E_BAD);
    }
    check_int(tls_hello_parse(str_make("\x16\x03\x01\0\0", 5), &hello), TLS_HELLO_E_BAD);
}

TEST(names_and_protocols_come_once_and_lists_are_used_up)
{
    struct buf e = BUF_INIT(TEXT_MAX);
    struct tls_hello hello;
    add_name(&e, STR("a.example"));
    add_name(&e, STR("b.example"));
    check_int(parse_with(buf_str(&e), 16384, &hello), TLS_HELLO_E_BAD);
    const struct {
        unsigned type;
        struct str data;
    } bad[] = {
        {0, STR("")},
        {0, str_make("\0\0", 2)}, /* an empty list of names */
        {0, str_make("\0\x04\0\0\x01"
                     "ab",
                     7)}, /* a byte behind the list */
        {0, str_make("\0\x05\0\0\x01"
                     "ab",
                     7)}, /* a byte behind the name */
        {0, str_make("\0\x04\0\0\x02"
                     "a",
                     6)}, /* a name beyond the list */
        {0, str_make("\0\x09\0\0\x01"
                     "a\0\0\x02"
                     "bc",
                     11)},                /* two names */
        {16, str_make("\0\0", 2)},        /* no protocols */
        {16, str_make("\0\x01\0", 3)},    /* an empty one */
        {16, str_make("\0\x02\x05h", 4)}, /* one beyond the list */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        buf_reset(&e);
        add_extension(&e, bad[i].type, bad[i].data);
        check_int(parse_with(buf_str(&e), 16384, &hello), TLS_HELLO_E_BAD);
    }
    buf_fini(&e);
}

TEST(protocols_that_have_no_room_or_are_no_text_are_left_out)
{
    struct buf e = BUF_INIT(TEXT_MAX), list = BUF_INIT(TEXT_MAX);
    struct tls_hello hello;
    add_u16(&list, 61 + 4 + 4 + 3);
    buf_add_char(&list, 60);
    for (size_t i = 0; i < 60; i++) {
        buf_add_char(&list, 'x');
    }
    buf_add(&list, STR("\x03"
                       "abc"
                       "\x03"
                       "a,b"
                       "\x02"
                       "h2"));
    add_extension(&e, 16, buf_str(&list));
    check_int(parse_with(buf_str(&e), 16384, &hello), 0);
    check_int(hello.alpn_len, 63);
    check(str_ends(str_from(hello.alpn), STR("x,h2")));
    buf_fini(&e);
    buf_fini(&list);
}

TEST(a_hello_that_never_ends_is_refused_when_its_room_is_full)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    struct tls_hello hello;
    buf_add(&text, STR("\x16\x03\x01\x40")); /* 16,384 bytes of hello, and a head: too much */
    buf_add_char(&text, 0);
    buf_add_char(&text, 1);
    buf_add_char(&text, 0);
    add_u16(&text, 0x3ffc);
    while (text.len < TLS_HELLO_MAX - 1) {
        buf_add_char(&text, 0);
    }
    check_int(tls_hello_parse(buf_str(&text), &hello), TLS_HELLO_E_MORE);
    buf_add_char(&text, 0);
    check_int(tls_hello_parse(buf_str(&text), &hello), TLS_HELLO_E_BAD);
    buf_fini(&text);
}

TEST(any_damage_gives_a_verdict_and_a_later_byte_does_not_change_it)
{
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(3000); round++) {
        struct buf e = BUF_INIT(TEXT_MAX), message = BUF_INIT(TEXT_MAX), text = BUF_INIT(TEXT_MAX);
        struct tls_hello one, two;
        add_browser(&e);
        add_hello(&message, buf_str(&e));
        add_records(&text, buf_str(&message), 1 + rng_below(rng, 300));
        for (size_t n = 1 + rng_below(rng, 3); n > 0; n--) {
            text.p[rng_below(rng, text.len)] = (char)rng_below(rng, 256);
        }
        size_t cut = rng_below(rng, text.len + 1);
        int first = tls_hello_parse(str_make(text.p, cut), &one);
        int second = tls_hello_parse(buf_str(&text), &two);
        check(first == TLS_HELLO_E_MORE || first == second);
        check(first != 0 || (strcmp(one.name, two.name) == 0 && strcmp(one.alpn, two.alpn) == 0));
        buf_fini(&e);
        buf_fini(&message);
        buf_fini(&text);
    }
}
