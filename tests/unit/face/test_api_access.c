/* SPDX-License-Identifier: Apache-2.0
 *
 * Who sends a request and from where: the cases that an attacker would try, one by one.
 */
#include "face/api_access.h"
#include "harness/test.h"

#define TOKEN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

static struct access_facts tcp(void)
{
    return (struct access_facts){.forwarded = true,
                                 .host = STR("127.0.0.1:7070"),
                                 .scheme = STR("http"),
                                 .token = STR(TOKEN)};
}

static unsigned kind(const struct access_facts *facts)
{
    return access_identify(facts, STR("id"), "cause").principal.kind;
}

TEST(a_local_peer_is_known_by_its_uid)
{
    struct access_facts facts = {.local = true, .uid = 1000, .token = STR(TOKEN)};
    struct context ctx = access_identify(&facts, STR("r-1"), "api: GET /");

    check_int(ctx.principal.kind, PRINCIPAL_PEER);
    check_int(ctx.principal.uid, 1000);
    check_cstr(ctx.principal.name, "uid:1000");
    check_cstr(ctx.request_id, "r-1");
}

TEST(a_forwarded_request_does_not_borrow_the_peers_uid)
{
    struct access_facts facts = {.local = true, .forwarded = true, .uid = 0, .token = STR(TOKEN)};

    check_int(kind(&facts), PRINCIPAL_NONE);
}

TEST(the_edges_socket_gives_nobody_rights)
{
    struct access_facts facts = {.local = false, .uid = 0, .token = STR(TOKEN)};

    check_int(kind(&facts), PRINCIPAL_NONE);
}

TEST(the_token_works_as_bearer_and_as_cookie)
{
    struct access_facts facts = tcp();

    check_int(kind(&facts), PRINCIPAL_NONE);
    facts.authorization = STR("Bearer " TOKEN);
    check_int(kind(&facts), PRINCIPAL_TOKEN);
    facts.authorization = STR("bearer  " TOKEN);
    check_int(kind(&facts), PRINCIPAL_TOKEN);
    facts.authorization = STR("Basic " TOKEN);
    check_int(kind(&facts), PRINCIPAL_NONE);
    facts.authorization = STR_NONE;
    facts.cookie = STR("a=b; " ACCESS_COOKIE "=" TOKEN);
    check_int(kind(&facts), PRINCIPAL_TOKEN);
}

TEST(almost_the_token_is_not_the_token)
{
    struct access_facts facts = tcp();

    facts.authorization = STR("Bearer " TOKEN "x");
    check_int(kind(&facts), PRINCIPAL_NONE);
    facts.authorization = STR("Bearer bbcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ");
    check_int(kind(&facts), PRINCIPAL_NONE);
    facts.authorization = STR("Bearer ");
    check_int(kind(&facts), PRINCIPAL_NONE);
    /* No token at all must not match an empty one. */
    facts.token = STR("");
    facts.authorization = STR_NONE;
    facts.cookie = STR(ACCESS_COOKIE "=");
    check_int(kind(&facts), PRINCIPAL_NONE);
}

TEST(a_wrong_bearer_does_not_fall_back_to_the_peer)
{
    struct access_facts facts = {.local = true, .uid = 0, .token = STR(TOKEN)};

    facts.authorization = STR("Bearer nonsense");
    check_int(kind(&facts), PRINCIPAL_NONE);
}

TEST(host_names_of_this_machine_are_allowed)
{
    static const char *const good[] = {"localhost",        "localhost:7070",   "LOCALHOST:1",
                                       "127.0.0.1:7070",   "[::1]:7070",       "192.168.1.5:7070",
                                       "muelle.localhost", "a.b.localhost:80", "localhost."};
    struct access_facts facts = tcp();

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        facts.host = str_from(good[i]);
        check(access_host_allowed(&facts));
    }
}

TEST(names_that_a_foreign_page_can_point_here_are_refused)
{
    static const char *const bad[] = {"evil.example",
                                      "evil.example:7070",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      ".localhost",
                                      "",
                                      "xlocalhost",
                                      "127.0.0.1.nip.io"};
    struct access_facts facts = tcp();

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        facts.host = str_from(bad[i]);
        check(!access_host_allowed(&facts));
    }
}

TEST(a_configured_name_is_allowed_and_no_nonsense_with_it)
{
    struct access_facts facts = tcp();

    facts.named = true;
    facts.host = STR("panel.example:7070");
    check(access_host_allowed(&facts));
    facts.host = STR("panel.example@evil");
    check(!access_host_allowed(&facts));
    check_str(access_host_of(STR("Panel.example.:7070")), STR("Panel.example"));
    check_str(access_host_of(STR("[::1]:7070")), STR("::1"));
    check_str(access_host_of(STR("a b")), STR(""));
}

TEST(the_local_socket_needs_no_host)
{
    struct access_facts facts = {.local = true, .host = STR("whatever")};

    check(access_host_allowed(&facts));
}

TEST(changes_come_from_our_own_pages_only)
{
    struct access_facts facts = tcp();

    check(access_origin_allowed(&facts)); /* no browser */
    facts.origin = STR("http://127.0.0.1:7070");
    check(access_origin_allowed(&facts));
    facts.origin = STR("https://127.0.0.1:7070");
    check(!access_origin_allowed(&facts));
    facts.origin = STR("http://127.0.0.1:8080");
    check(!access_origin_allowed(&facts));
    facts.origin = STR("http://evil.example");
    check(!access_origin_allowed(&facts));
    facts.origin = STR("null");
    check(!access_origin_allowed(&facts));
    facts.origin = STR_NONE;
    facts.fetch_site = STR("cross-site");
    check(!access_origin_allowed(&facts));
    facts.fetch_site = STR("same-origin");
    check(access_origin_allowed(&facts));
}
