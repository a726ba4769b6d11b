/* SPDX-License-Identifier: Apache-2.0 */
#include "core/authorise.h"

#include "harness/test.h"

static struct decision ask(const struct context *ctx, enum action action)
{
    return authorise(ctx, action, (struct resource){.tenant = STR("default")}, 1000);
}

TEST(nobody_may_nothing)
{
    struct context ctx = context_token(false, STR("r"), "test");
    for (unsigned a = 0; a < ACTION_COUNT; a++) {
        struct decision d = ask(&ctx, (enum action)a);
        check(!d.allowed);
        check_int(d.status, 401);
    }
}

TEST(the_owner_and_root_may_all_on_the_socket_others_nothing)
{
    struct context owner = context_peer(1000, STR(""), "test"),
                   root = context_peer(0, STR(""), "test"),
                   other = context_peer(1001, STR(""), "test");
    for (unsigned a = 0; a < ACTION_COUNT; a++) {
        check(ask(&owner, (enum action)a).allowed);
        check(ask(&root, (enum action)a).allowed);
        check_int(ask(&other, (enum action)a).status, 403);
    }
}

TEST(another_tenants_resource_is_refused_even_to_the_owner)
{
    struct context ctx = context_token(true, STR(""), "test");
    struct decision d =
        authorise(&ctx, ACTION_READ, (struct resource){.tenant = STR("other")}, 1000);
    check(!d.allowed);
    check_int(d.status, 403);
    check(authorise(&ctx, ACTION_READ, (struct resource){0}, 1000).allowed);
}

TEST(actors_are_named)
{
    struct context peer = context_peer(42, STR("req"), "c");
    check_cstr(peer.principal.name, "uid:42");
    check_cstr(peer.request_id, "req");
    check_cstr(context_system("c").principal.name, "muelle");
    check_cstr(action_name(ACTION_OPERATE), "operate");
}
