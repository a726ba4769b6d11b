/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "proto/uri.h"

#include <stdio.h>

TEST(authorities_that_are_fine)
{
    static const struct {
        const char *text, *host;
        unsigned port;
        bool is_ipv6;
    } cases[] = {
        {"a", "a", 0, false},
        {"example.com:80", "example.com", 80, false},
        {"a_b-c.d~e!$&'()*+,;=", "a_b-c.d~e!$&'()*+,;=", 0, false},
        {"127.0.0.1:65535", "127.0.0.1", 65535, false},
        {"a:", "a", 0, false},
        {"%41b", "%41b", 0, false},
        {"[::1]", "::1", 0, true},
        {"[::1]:8080", "::1", 8080, true},
        {"[::]", "::", 0, true},
        {"[1:2:3:4:5:6:7:8]", "1:2:3:4:5:6:7:8", 0, true},
        {"[1::8]", "1::8", 0, true},
        {"[1:2:3:4:5:6:7::]", "1:2:3:4:5:6:7::", 0, true},
        {"[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1, true},
        {"[1:2:3:4:5:6:1.2.3.4]", "1:2:3:4:5:6:1.2.3.4", 0, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct uri_authority a;
        check_int(uri_parse_authority(str_from(cases[i].text), &a), 0);
        check_str(a.host, str_from(cases[i].host));
        check_int(a.port, cases[i].port);
        check_int(a.is_ipv6, cases[i].is_ipv6);
    }
}

TEST(authorities_that_are_refused)
{
    static const char *const bad[] = {"",
                                      ":80",
                                      "a:b",
                                      "a:65536",
                                      "a:0",
                                      "a:1:2",
                                      "a:000080",
                                      "u@a",
                                      "a/b",
                                      "a b",
                                      "a,b:c",
                                      "a%",
                                      "a%4",
                                      "a%zz",
                                      "a%00",
                                      "a%0a",
                                      "[",
                                      "[]",
                                      "[::1",
                                      "[::1]a",
                                      "[::1]:x",
                                      "::1",
                                      "[1]",
                                      "[:::]",
                                      "[1::2::3]",
                                      "[12345::]",
                                      "[g::]",
                                      "[1:2:3:4:5:6:7:8:9]",
                                      "[1:2:3]",
                                      "[1:]",
                                      "[:1]",
                                      "[::1%25eth0]",
                                      "[v1.a]",
                                      "[::1.2.3]",
                                      "[::256.1.1.1]",
                                      "[::01.1.1.1]",
                                      "[1:2:3:4:5:6:7:1.2.3.4]",
                                      "[1:2:3:4:5:6:7:8::]",
                                      "\xc3\xb1",
                                      "a\\b",
                                      "a?",
                                      "a#",
                                      "[1.2.3.4]",
                                      "[::1.2.3.4.5]",
                                      "[::1:2:3:4:5:6:1.2.3.4]",
                                      "[1::3:4:5:6:7:8:9]",
                                      "[::.1.2.3]",
                                      "[::1.2.3.1a]"};
    struct uri_authority a;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (uri_parse_authority(str_from(bad[i]), &a) != -EINVAL) {
            printf("# '%s' was taken\n", bad[i]);
            check(false);
        }
    }
    check_int(uri_parse_authority(STR("a\0b"), &a), -EINVAL);
}

TEST(a_host_has_a_longest_length)
{
    struct uri_authority a;
    char name[URI_HOST_MAX + 5];
    memset(name, 'a', sizeof(name));
    check_int(uri_parse_authority((struct str){name, URI_HOST_MAX}, &a), 0);
    check_int(uri_parse_authority((struct str){name, URI_HOST_MAX + 1}, &a), -EINVAL);
    memcpy(name + URI_HOST_MAX, ":8080", 5);
    check_int(uri_parse_authority((struct str){name, sizeof(name)}, &a), 0);
    check_int(a.port, 8080);
}

TEST(uris_fall_apart)
{
    struct uri u;
    check_int(uri_parse(STR("Http+x://h.b:81/p/q?r=s?t#f?g"), &u), 0);
    check_str(u.scheme, STR("Http+x"));
    check_str(u.authority.host, STR("h.b"));
    check_int(u.authority.port, 81);
    check_str(u.authority_text, STR("h.b:81"));
    check_str(u.path, STR("/p/q"));
    check_str(u.query, STR("r=s?t"));
    check_str(u.fragment, STR("f?g"));
    check_int(uri_parse(STR("http://h"), &u), 0);
    check(u.path.len == 0 && !u.has_query);
    check_int(uri_parse(STR("http://h?"), &u), 0);
    check(u.has_query && u.query.len == 0);
    check_int(uri_parse(STR("a://h"), &u), 0);
    check_int(uri_parse(STR("Z+.-9://h"), &u), 0);
    check_str(u.scheme, STR("Z+.-9"));
    static const char *const bad[] = {"",
                                      "h",
                                      "/p",
                                      "http:/h",
                                      "http://",
                                      "://h",
                                      "1http://h",
                                      "h_tp://h",
                                      "ht_tp://h",
                                      "http://u@h/",
                                      "http://h/a b",
                                      "http://h/\x01",
                                      "http://h/#a#b\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        check_int(uri_parse(str_from(bad[i]), &u), -EINVAL);
    }
}

static int normalise(const char *path, char *memory, size_t size, struct str *ret)
{
    return uri_normalise(str_from(path), memory, size, ret);
}

TEST(paths_in_normal_form)
{
    static const char *const cases[][2] = {
        {"/", "/"},
        {"/a/b.c", "/a/b.c"},
        {"/a//b/", "/a//b/"},
        {"/.", "/"},
        {"/./", "/"},
        {"/a/.", "/a/"},
        {"/a/./b", "/a/b"},
        {"/a/..", "/"},
        {"/a/../b", "/b"},
        {"/a/b/../../c/", "/c/"},
        {"/a/b/..", "/a/"},
        {"/a//../b", "/a/b"},
        {"/%61%7e%41", "/a~A"},
        {"/%2e/a", "/a"},
        {"/a/%2E%2e/b", "/b"},
        {"/a/.%2e", "/"},
        {"/a%2fb", "/a%2Fb"},
        {"/a%2f..%2fb", "/a%2F..%2Fb"},
        {"/%c3%b1", "/%C3%B1"},
        {"/a%5cb", "/a%5Cb"},
        {"/...", "/..."},
        {"/.a/..b/c..", "/.a/..b/c.."},
        {"/%25", "/%25"},
        {"/a;b=c,d|e^f{g}", "/a;b=c,d|e^f{g}"},
        {"/sixteen-bytes--/../x", "/x"},
        {"/0123456789abcd/./x", "/0123456789abcd/x"},
    };
    char memory[64];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str got;
        check_int(normalise(cases[i][0], memory, sizeof(memory), &got), 0);
        check_str(got, str_from(cases[i][1]));
    }
}

TEST(paths_that_are_refused)
{
    static const char *const bad[] = {"",         "a",          "*",         "/..",   "/../a",
                                      "/a/../..", "/a/../../b", "/%2e%2e",   "/%",    "/%4",
                                      "/%4g",     "/%zz",       "/%00",      "/a\\b", "/a b",
                                      "/a\x01",   "/a\x7f",     "/\xc3\xb1", "/./.."};
    char memory[64];
    struct str got;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (normalise(bad[i], memory, sizeof(memory), &got) != -EINVAL) {
            printf("# '%s' was taken\n", bad[i]);
            check(false);
        }
    }
    check_int(normalise("/a/./b", memory, 5, &got), -ENOBUFS);
    check_int(normalise("/a/./b", memory, 6, &got), 0);
}

static void random_path(struct buf *out)
{
    static const char *const parts[] = {"/",   "/",   ".",   "..",           "a", "b",
                                        "%2e", "%2F", "%41", "long-segment", "%", "\\"};
    buf_reset(out);
    buf_add_char(out, '/');
    for (uint64_t n = rng_below(test_rng(), 14); n > 0; n--) {
        size_t usual = rng_chance(test_rng(), 20) ? ARRAY_LEN(parts) : ARRAY_LEN(parts) - 2;
        buf_add_cstr(out, parts[rng_below(test_rng(), usual)]);
    }
}

TEST(a_normal_path_stays_as_it_is)
{
    struct buf path = BUF_INIT(1024);
    char memory[1024], again[1024];
    for (size_t i = 0; i < test_rounds(20000); i++) {
        struct str once, twice;
        random_path(&path);
        if (uri_normalise(buf_str(&path), memory, path.len, &once) < 0) {
            continue;
        }
        check(once.len > 0 && once.p[0] == '/');
        check(str_find(once, STR("/./")) < 0 && str_find(once, STR("/../")) < 0);
        check(!str_ends(once, STR("/.")) && !str_ends(once, STR("/..")));
        check_int(uri_normalise(once, again, sizeof(again), &twice), 0);
        check_str(twice, once);
    }
    buf_fini(&path);
}

TEST(queries)
{
    struct str query = STR("a=1&&b&=c&d=e=f&%67=h+i");
    static const char *const want[][2] = {
        {"a", "1"}, {"b", ""}, {"", "c"}, {"d", "e=f"}, {"%67", "h+i"}};
    struct str key, value, rest = query;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        check(uri_query_next(&rest, &key, &value));
        check_str(key, str_from(want[i][0]));
        check_str(value, str_from(want[i][1]));
    }
    check(!uri_query_next(&rest, &key, &value));
    struct buf out = BUF_INIT(64);
    check_int(uri_query_get(query, STR("g"), &out), 0);
    check_str(buf_str(&out), STR("h i"));
    check_int(uri_query_get(query, STR("gg"), &out), URI_E_NONE);
    check_int(uri_query_get(STR("a=%4"), STR("a"), &out), -EINVAL);
    check_int(uri_query_get(STR("a+b=1"), STR("a b"), &out), 0);
    check_int(uri_query_get(STR("%=1"), STR("a"), &out), URI_E_NONE);
    buf_fini(&out);
}

TEST(what_was_escaped_comes_back)
{
    struct buf data = BUF_INIT(256), text = BUF_INIT(1024), back = BUF_INIT(256);
    for (size_t i = 0; i < test_rounds(2000); i++) {
        buf_reset(&data);
        buf_reset(&text);
        buf_reset(&back);
        for (uint64_t n = rng_below(test_rng(), 40); n > 0; n--) {
            buf_add_char(&data, (char)rng_u64(test_rng()));
        }
        uri_encode(&text, buf_str(&data), rng_chance(test_rng(), 500));
        check_int(uri_decode(&back, buf_str(&text), rng_chance(test_rng(), 500)), 0);
        check_str(buf_str(&back), buf_str(&data));
    }
    buf_fini(&data);
    buf_fini(&text);
    buf_fini(&back);
}
