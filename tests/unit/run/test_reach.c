/* SPDX-License-Identifier: Apache-2.0 */
#include "run/reach.h"

#include "harness/test.h"

enum { LISTENS_MAX = 8 };

static const struct listen_spec plain = {
    .address = STR_INIT("http://127.0.0.1:8080"), .host = STR_INIT("127.0.0.1"), .port = 8080};
static const struct listen_spec tls = {.address = STR_INIT("https://[::]:443"),
                                       .kind = LISTEN_HTTPS,
                                       .host = STR_INIT("::"),
                                       .port = 443};
static const struct listen_spec led = {.address = STR_INIT("http://[::]:80"),
                                       .host = STR_INIT("::"),
                                       .port = 80,
                                       .redirect_port = 443};
static const struct listen_spec behind = {.address = STR_INIT("http://[::]:81"),
                                          .host = STR_INIT("::"),
                                          .port = 81,
                                          .proxy_protocol = true};
static const struct listen_spec six = {
    .address = STR_INIT("http://[fd00::1]:80"), .host = STR_INIT("fd00::1"), .port = 80};
static const struct listen_spec unread = {
    .address = STR_INIT("tls://[::]:444"), .kind = LISTEN_TLS, .host = STR_INIT("::"), .port = 444};
static const struct listen_spec tcp = {.address = STR_INIT("tcp://[::]:5432"),
                                       .kind = LISTEN_TCP,
                                       .host = STR_INIT("::"),
                                       .port = 5432};

struct case_of {
    struct route_spec route;
    const struct listen_spec *listens[LISTENS_MAX];
    const char *reached, *url; /* the addresses, with a blank behind each */
};

static void expect(struct arena *arena, const struct case_of *one)
{
    const struct listen_spec *found[LISTENS_MAX];
    size_t count = 0;
    while (count < LISTENS_MAX && one->listens[count]) {
        count++;
    }
    struct buf text = BUF_INIT(1024);
    size_t reached = reach_listens(one->listens, count, &one->route, found);
    for (size_t i = 0; i < reached; i++) {
        buf_add(&text, found[i]->address);
        buf_add_char(&text, ' ');
    }
    check_str(buf_str(&text), str_from(one->reached));
    check_str(reach_url(arena, found, reached, &one->route), str_from(one->url));
    buf_fini(&text);
}

#define ROUTE(name)                                                                                \
    {                                                                                              \
        .host = STR_INIT(name), .path = STR_INIT("/a")                                             \
    }

TEST(links_lead_somewhere)
{
    static const struct case_of cases[] = {
        /* the first, unless the name leads elsewhere */
        {ROUTE("shop.localhost"),
         {&plain, &tls},
         "http://127.0.0.1:8080 https://[::]:443 ",
         "http://shop.localhost:8080/a"},
        {ROUTE("shop.example"),
         {&plain, &tls},
         "http://127.0.0.1:8080 https://[::]:443 ",
         "https://shop.example/a"},
        {ROUTE("shop.localhost"),
         {&six, &plain},
         "http://[fd00::1]:80 http://127.0.0.1:8080 ",
         "http://shop.localhost:8080/a"},
        {ROUTE("*.example"),
         {&six, &plain},
         "http://[fd00::1]:80 http://127.0.0.1:8080 ",
         "http://www.example/a"},
        /* one that does not fit is better than none */
        {ROUTE("shop.example"), {&plain}, "http://127.0.0.1:8080 ", "http://shop.example:8080/a"},
        /* without a name by address */
        {ROUTE(""), {&tls}, "https://[::]:443 ", "https://localhost/a"},
        {ROUTE(""), {&six}, "http://[fd00::1]:80 ", "http://[fd00::1]/a"},
        /* each once, none that leads elsewhere, of its kind */
        {ROUTE("shop.example"),
         {&led, &tls, &tcp, &unread, &tls},
         "https://[::]:443 ",
         "https://shop.example/a"},
        {ROUTE("shop.example"), {&led, &unread}, "", ""},
        /* what expects a balancer in front is nothing for a browser */
        {ROUTE("shop.localhost"),
         {&behind, &plain},
         "http://[::]:81 http://127.0.0.1:8080 ",
         "http://shop.localhost:8080/a"},
        {ROUTE("shop.localhost"), {&behind}, "http://[::]:81 ", ""},
        /* without TLS nobody shows a certificate */
        {{.client_certificate = CLIENT_CERTIFICATE_REQUIRED},
         {&plain, &tls},
         "https://[::]:443 ",
         "https://localhost/"},
        {{.host = STR_INIT("db"), .passthrough = true},
         {&plain, &tls, &unread},
         "tls://[::]:444 ",
         ""},
    };
    struct arena arena = ARENA_INIT(64 * 1024);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        expect(&arena, &cases[i]);
    }
    arena_fini(&arena);
}
