/* SPDX-License-Identifier: Apache-2.0
 *
 * The small ones: accept, cookie, mime.
 */
#include "harness/test.h"
#include "proto/accept.h"
#include "proto/cookie.h"
#include "proto/mime.h"

TEST(the_most_specific_media_range_decides)
{
    struct str accept = STR("text/*;q=0.3, text/html;q=0.7, text/html;level=1, */*;q=0.5");
    check_int(accept_type(accept, STR("text/plain")), 300);
    check_int(accept_type(accept, STR("image/png")), 500);
    check_int(accept_type(accept, STR("TEXT/HTML")), 700);
    check_int(accept_type(STR(""), STR("a/b")), 1000);
    check_int(accept_type(STR("  "), STR("a/b")), 1000);
    check_int(accept_type(STR("a/c"), STR("a/b")), 0);
    check_int(accept_type(STR("a/b;q=0"), STR("a/b")), 0);
    check_int(accept_type(STR("*/*;q=0, a/b"), STR("a/b")), 1000);
    check_int(accept_type(STR("a/*"), STR("nonsense")), 0);
}

TEST(the_best_liked_kind_of_a_language_counts)
{
    struct str accept = STR("es-MX;q=0.6, ES;q=0.5, en-US, *;q=0.9");
    check_int(accept_language(accept, STR("es")), 600);
    check_int(accept_language(accept, STR("en")), 1000);
    check_int(accept_language(accept, STR("de")), 0);
    check_int(accept_language(STR("est, e, es-"), STR("es")), 1000);
    check_int(accept_language(STR("es;q=2"), STR("es")), 0);
    check_int(accept_language(STR(""), STR("es")), 0);
}

TEST(broken_qualities_are_passed_over)
{
    static const char *const bad[] = {"a/b;q=2", "a/b;q=1.001", "a/b;q=0.1234", "a/b;q=x",
                                      "a/b;q=",  "a/b;q=0,5",   "a/b;q=-1",     "a/b;q=0x1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        check_int(accept_type(str_from(bad[i]), STR("a/b")), 0);
    }
    check_int(accept_type(STR("a/b ; x=y ; Q = 0.125"), STR("a/b")), 125);
    check_int(accept_type(STR("a/b;q=1.000"), STR("a/b")), 1000);
}

TEST(codings)
{
    static const struct str offers[] = {STR_INIT("br"), STR_INIT("gzip"), STR_INIT("identity")};
    check_int(accept_best_encoding(STR("gzip, deflate, br"), offers, 3), 0);
    check_int(accept_best_encoding(STR("gzip, br;q=0.5"), offers, 3), 1);
    check_int(accept_best_encoding(STR("zstd"), offers, 3), 2);
    check_int(accept_best_encoding(STR(""), offers, 3), 2);
    check_int(accept_best_encoding(STR("*;q=0"), offers, 3), -1);
    check_int(accept_best_encoding(STR("identity;q=0"), offers, 3), -1);
    check_int(accept_best_encoding(STR("*"), offers, 3), 0);
    check_int(accept_best_encoding(STR("gzip;q=0, *"), offers, 3), 0);
    check_int(accept_best_type(STR("text/html"), offers, 0), -1);
}

TEST(cookies_of_a_request)
{
    struct str header = STR("a=1; b=\"2\";c=; broken; =x; d e=f; g=h,i; session=abc=def; a=2");
    check_str(cookie_get(header, STR("a")), STR("1"));
    check_str(cookie_get(header, STR("b")), STR("2"));
    check(cookie_get(header, STR("c")).p != NULL);
    check_int(cookie_get(header, STR("c")).len, 0);
    check_str(cookie_get(header, STR("session")), STR("abc=def"));
    check(cookie_get(header, STR("g")).p == NULL);
    check(cookie_get(header, STR("A")).p == NULL);
    check(cookie_get(STR(""), STR("a")).p == NULL);
    check(cookie_get(STR("a=b c"), STR("a")).p == NULL);
    check_str(cookie_get(STR("a=\""), STR("x")), STR_NONE);
}

TEST(set_cookie)
{
    struct buf out = BUF_INIT(256);
    struct cookie cookie = {.name = STR("muelle_session"),
                            .value = STR("abc"),
                            .path = STR("/"),
                            .max_age_s = 60,
                            .http_only = true,
                            .same_site = COOKIE_STRICT};
    check_int(cookie_write(&out, &cookie), 0);
    check_str(buf_str(&out),
              STR("muelle_session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"));
    buf_reset(&out);
    cookie = (struct cookie){
        .name = STR("a"), .domain = STR("b.c"), .max_age_s = COOKIE_SESSION, .secure = true};
    check_int(cookie_write(&out, &cookie), 0);
    check_str(buf_str(&out), STR("a=; Domain=b.c; Secure"));
    buf_reset(&out);
    cookie = (struct cookie){.name = STR("gone"), .same_site = COOKIE_NONE};
    check_int(cookie_write(&out, &cookie), 0);
    check_str(buf_str(&out), STR("gone=; Max-Age=0; SameSite=None"));
    buf_fini(&out);
}

TEST(cookies_that_would_break_out_are_refused)
{
    struct buf out = BUF_INIT(256);
    const struct cookie bad[] = {{.name = STR("")},
                                 {.name = STR("a b")},
                                 {.name = STR("a"), .value = STR("b; Path=/")},
                                 {.name = STR("a"), .value = STR("b c")},
                                 {.name = STR("a"), .value = STR("b\r\nX: y")},
                                 {.name = STR("a"), .path = STR("/;x")},
                                 {.name = STR("a"), .domain = STR("x\n")}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        check_int(cookie_write(&out, &bad[i]), -EINVAL);
        check_int(out.len, 0);
    }
    buf_fini(&out);
}

TEST(media_types_by_extension)
{
    check_str(mime_of_path(STR("/a.b/index.HTML")), STR("text/html; charset=utf-8"));
    check_str(mime_of_path(STR("x.tar.gz")), STR("application/gzip"));
    check_str(mime_of_path(STR("/a.html/x")), STR("application/octet-stream"));
    check_str(mime_of_path(STR("")), STR("application/octet-stream"));
    check_str(mime_of_path(STR("x.")), STR("application/octet-stream"));
}

TEST(what_is_worth_compressing)
{
    check(mime_is_compressible(STR("text/html; charset=utf-8")));
    check(mime_is_compressible(STR("application/json")));
    check(mime_is_compressible(STR("image/svg+xml")));
    check(mime_is_compressible(STR("application/problem+json")));
    check(!mime_is_compressible(STR("text/event-stream")));
    check(!mime_is_compressible(STR("image/png")));
    check(!mime_is_compressible(STR("")));
}
