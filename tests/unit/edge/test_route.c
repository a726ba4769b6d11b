/* SPDX-License-Identifier: Apache-2.0 */
#include "edge/route.h"
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUTES = 40 };

static struct route route(uint64_t id, struct str host, struct str path)
{
    return (struct route){.id = id, .host = host, .path = path, .filters = &filter_chain_empty};
}

static uint64_t find(const struct route_table *table, const char *host, const char *path)
{
    const struct route *found = route_table_find(table, str_from(host), str_from(path));
    return found ? found->id : 0;
}

TEST(exact_hosts_come_before_wildcards_and_any)
{
    struct route routes[] = {
        route(1, STR(""), STR("")),        route(2, STR("a.b"), STR("")),
        route(3, STR("*.b"), STR("")),     route(4, STR("*.x.b"), STR("")),
        route(5, STR("a.b"), STR("/api")), route(6, STR(""), STR("/api/v2")),
    };
    struct route_table table;
    check_int(route_table_init(&table, routes, ARRAY_LEN(routes), false), 0);
    check_int(find(&table, "a.b", "/"), 2);
    check_int(find(&table, "a.b", "/api/x"), 5);
    check_int(find(&table, "c.b", "/api"), 3);
    check_int(find(&table, "c.x.b", "/"), 4);
    check_int(find(&table, "d.c.x.b", "/"), 4);
    check_int(find(&table, "b", "/"), 1);
    check_int(find(&table, "", "/api/v2/y"), 6);
    check_int(find(&table, "zz", "/api/v22"), 1);
    route_table_fini(&table);
}

TEST(a_prefix_ends_at_a_segment)
{
    struct route routes[] = {route(1, STR("h"), STR("/a")), route(2, STR("h"), STR("/a/b/c"))};
    struct route_table table;
    check_int(route_table_init(&table, routes, ARRAY_LEN(routes), false), 0);
    check_int(find(&table, "h", "/a"), 1);
    check_int(find(&table, "h", "/a/"), 1);
    check_int(find(&table, "h", "/a/b"), 1);
    check_int(find(&table, "h", "/a/b/c"), 2);
    check_int(find(&table, "h", "/a/b/cc"), 1);
    check_int(find(&table, "h", "/ab"), 0);
    check_int(find(&table, "h", "/"), 0);
    check_int(find(&table, "h", "*"), 0);
    route_table_fini(&table);
}

TEST(the_first_of_doubled_routes_stays)
{
    struct route routes[] = {route(1, STR("h"), STR("/a")), route(2, STR("h"), STR("/a")),
                             route(3, STR("h"), STR("")), route(4, STR("h"), STR(""))};
    struct route_table table;
    check_int(route_table_init(&table, routes, ARRAY_LEN(routes), false), 0);
    check_int(find(&table, "h", "/a"), 1);
    check_int(find(&table, "h", "/"), 3);
    route_table_fini(&table);
}

TEST(a_table_without_routes_finds_nothing)
{
    struct route_table table;
    check_int(route_table_init(&table, NULL, 0, false), 0);
    check_int(find(&table, "h", "/"), 0);
    route_table_fini(&table);
}

/* --- against a model that looks at every route --- */

static bool path_fits(struct str prefix, struct str path)
{
    return prefix.len == 0 ||
           (str_starts(path, prefix) && (path.len == prefix.len || path.p[prefix.len] == '/'));
}

/* 0 = no; larger = fits better. */
static size_t host_fit(struct str pattern, struct str host)
{
    if (pattern.len == 0) {
        return 1;
    }
    if (str_starts(pattern, STR("*."))) {
        struct str tail = str_skip(pattern, 1);
        return host.len > tail.len && str_ends(host, tail) ? 1 + tail.len : 0;
    }
    return str_eq(pattern, host) ? 1000 : 0;
}

static uint64_t model(const struct route *routes, size_t count, struct str host, struct str path)
{
    uint64_t best = 0;
    size_t best_score = 0;
    for (size_t i = 0; i < count; i++) {
        size_t fit = host_fit(routes[i].host, host);
        size_t score = fit * 1000 + routes[i].path.len + 1;
        if (fit > 0 && path_fits(routes[i].path, path) && score > best_score) {
            best = routes[i].id;
            best_score = score;
        }
    }
    return best;
}

static struct str pick(struct rng *rng, const char *const *from, size_t count)
{
    return str_from(from[rng_below(rng, count)]);
}

static struct str random_path(struct rng *rng, char *memory, size_t segments)
{
    static const char *const parts[] = {"/a", "/b", "/ab", "/c"};
    size_t len = 0;
    for (size_t n = rng_below(rng, segments + 1); n > 0; n--) {
        struct str part = pick(rng, parts, ARRAY_LEN(parts));
        memcpy(memory + len, part.p, part.len);
        len += part.len;
    }
    return str_make(memory, len);
}

TEST(the_table_finds_what_a_look_at_all_routes_finds)
{
    static const char *const patterns[] = {"",         "a.test",   "b.test",    "*.test",
                                           "*.a.test", "x.a.test", "*.y.a.test"};
    static const char *const hosts[] = {"a.test", "b.test",     "c.test", "x.a.test", "z.a.test",
                                        "test",   "q.y.a.test", "other",  ""};
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(500); round++) {
        static char memory[ROUTES][32];
        struct route routes[ROUTES];
        size_t count = rng_below(rng, ROUTES + 1);
        for (size_t i = 0; i < count; i++) {
            routes[i] = route(i + 1, pick(rng, patterns, ARRAY_LEN(patterns)),
                              random_path(rng, memory[i], 4));
        }
        struct route_table table;
        check_int(route_table_init(&table, routes, count, false), 0);
        for (size_t look = 0; look < 50; look++) {
            char path_memory[40];
            struct str host = pick(rng, hosts, ARRAY_LEN(hosts));
            struct str path = random_path(rng, path_memory, 6);
            if (path.len == 0 || rng_chance(rng, 200)) {
                path_memory[path.len] = '/';
                path = str_make(path_memory, path.len + 1);
            }
            const struct route *found = route_table_find(&table, host, path);
            check_int(found ? found->id : 0, model(routes, count, host, path));
        }
        route_table_fini(&table);
    }
}

/* --- tables that come from others by changes --- */

enum { LIVE = 600, HELD = 5 };

/* A route as deltas bring it: counted, in one piece with its texts. */
struct counted {
    atomic_uint refs;
    struct route route;
    char text[64];
};

static struct route *counted_new(uint64_t id, struct str host, struct str path, bool passthrough)
{
    struct counted *counted = calloc(1, sizeof(*counted));
    check(counted != NULL);
    memcpy(counted->text, host.p, host.len);
    memcpy(counted->text + host.len, path.p, path.len);
    counted->route =
        route(id, str_make(counted->text, host.len), str_make(counted->text + host.len, path.len));
    counted->route.passthrough = passthrough;
    counted->route.refs = &counted->refs;
    atomic_init(&counted->refs, 1); /* ours, until the table has its own */
    return &counted->route;
}

static void counted_drop(struct route *route)
{
    if (atomic_fetch_sub(route->refs, 1) == 1) {
        free(route->refs);
    }
}

/* What there is, by value: the model. */
struct live {
    uint64_t id;
    char host[32], path[32];
};

static size_t live_find(const struct live *live, size_t count, const char *host, const char *path)
{
    size_t i = 0;
    while (i < count && (strcmp(live[i].host, host) != 0 || strcmp(live[i].path, path) != 0)) {
        i++;
    }
    return i;
}

static void random_key(struct rng *rng, struct live *ret)
{
    static const char *const few[] = {"", "*.test", "a.test", "*.a.test", "x.a.test"};
    char memory[32];
    if (rng_chance(rng, 300)) {
        (void)snprintf(ret->host, sizeof(ret->host), "%s", few[rng_below(rng, ARRAY_LEN(few))]);
    } else {
        (void)snprintf(ret->host, sizeof(ret->host), "h%u.test", (unsigned)rng_below(rng, 300));
    }
    struct str path = random_path(rng, memory, rng_chance(rng, 600) ? 0 : 4);
    (void)snprintf(ret->path, sizeof(ret->path), STR_FMT, STR_ARG(path));
}

/* Does the table answer as one that is compiled of `live`? */
static void check_same(struct rng *rng, const struct route_table *table, const struct live *live,
                       size_t count)
{
    struct route routes[LIVE];
    struct route_table fresh;
    char memory[40];
    struct live key;
    for (size_t i = 0; i < count; i++) {
        routes[i] = route(live[i].id, str_from(live[i].host), str_from(live[i].path));
    }
    check_int(route_table_init(&fresh, routes, count, false), 0);
    check_int(table->wildcards, fresh.wildcards);
    check_int(table->any, fresh.any);
    for (size_t look = 0; look < 40; look++) {
        random_key(rng, &key);
        struct str path = random_path(rng, memory, 6);
        path = path.len ? path : STR("/");
        const struct route *want = route_table_find(&fresh, str_from(key.host), path);
        const struct route *found = route_table_find(table, str_from(key.host), path);
        check_int(found ? found->id : 0, want ? want->id : 0);
    }
    for (size_t i = 0; i < count; i++) {
        struct str path = live[i].path[0] ? str_from(live[i].path) : STR("/");
        const struct route *found = route_table_find(table, str_from(live[i].host), path);
        check_int(found ? found->id : 0, live[i].id);
    }
    route_table_fini(&fresh);
}

static int count_route(void *context, const struct route *route)
{
    size_t *count = context;
    check(route->id != 0);
    ++*count;
    return 0;
}

static void change(struct rng *rng, struct route_table *table, struct live *live, size_t *count,
                   uint64_t *next)
{
    struct live key;
    random_key(rng, &key);
    size_t at = live_find(live, *count, key.host, key.path);
    if (*count > 0 && rng_chance(rng, 450)) {
        at = rng_below(rng, *count);
        /* Of one that has lost its place nothing is taken out. */
        uint64_t id = rng_chance(rng, 100) ? live[at].id + 100000 : live[at].id;
        check_int(route_table_drop(table, str_from(live[at].host), str_from(live[at].path), id), 0);
        if (id == live[at].id) {
            live[at] = live[--*count];
        }
    } else if (at < *count || *count < LIVE) {
        key.id = ++*next;
        struct route *fresh = counted_new(key.id, str_from(key.host), str_from(key.path), false);
        check_int(route_table_put(table, fresh), 0);
        counted_drop(fresh);
        live[at] = key;
        *count += at == *count;
    }
}

TEST(a_changed_table_answers_as_one_that_is_made_afresh)
{
    static struct live live[LIVE], held_live[HELD][LIVE];
    size_t held_count[HELD] = {0};
    struct route_table held[HELD] = {0};
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(12); round++) {
        struct route routes[LIVE];
        struct route_table table;
        uint64_t next = 0;
        size_t count = 0;
        for (size_t wanted = rng_below(rng, 400); count < wanted;) {
            random_key(rng, &live[count]);
            if (live_find(live, count, live[count].host, live[count].path) == count) {
                live[count].id = ++next;
                count++;
            }
        }
        static struct live first[LIVE]; /* the texts of the routes that no delta brought */
        memcpy(first, live, sizeof(first));
        for (size_t i = 0; i < count; i++) {
            routes[i] = route(first[i].id, str_from(first[i].host), str_from(first[i].path));
        }
        check_int(route_table_init(&table, routes, count, false), 0);
        for (size_t step = 0; step < 60; step++) {
            struct route_table after;
            size_t slot = step % HELD, seen = 0;
            check_int(route_table_share(&table, &after), 0);
            /* Those that are still held answer as before, whatever came later. */
            route_table_fini(&held[slot]);
            held[slot] = table;
            memcpy(held_live[slot], live, sizeof(live));
            held_count[slot] = count;
            for (size_t n = 1 + rng_below(rng, 12); n > 0; n--) {
                change(rng, &after, live, &count, &next);
            }
            table = after;
            check_same(rng, &table, live, count);
            check_int(route_table_walk(&table, count_route, &seen), 0);
            check_int(seen, count);
            size_t other = rng_below(rng, HELD);
            if (held[other].shards) {
                check_same(rng, &held[other], held_live[other], held_count[other]);
            }
        }
        for (size_t i = 0; i < HELD; i++) {
            route_table_fini(&held[i]);
        }
        while (count > 0) { /* down to nothing */
            count--;
            check_int(route_table_drop(&table, str_from(live[count].host),
                                       str_from(live[count].path), live[count].id),
                      0);
        }
        check_same(rng, &table, live, 0);
        route_table_fini(&table);
    }
}

TEST(hosts_lose_their_port_and_their_case)
{
    char memory[ROUTE_HOST_MAX + 1];
    check_str(route_host_of(STR("A.B.c:80"), memory), STR("a.b.c"));
    check_str(route_host_of(STR("[::1]:80"), memory), STR("[::1]"));
    check_str(route_host_of(STR("[::1]"), memory), STR("[::1]"));
    check_str(route_host_of(STR("a.b."), memory), STR("a.b"));
    check_str(route_host_of(STR("a.b.:8080"), memory), STR("a.b"));
    check_str(route_host_of(STR(""), memory), STR(""));
    char longest[ROUTE_HOST_MAX + 10];
    memset(longest, 'x', sizeof(longest));
    check_int(route_host_of(str_make(longest, sizeof(longest)), memory).len, 0);
    check_int(route_host_of(str_make(longest, ROUTE_HOST_MAX), memory).len, ROUTE_HOST_MAX);
}

TEST(hosts_are_in_lower_case_byte_by_byte)
{
    char memory[ROUTE_HOST_MAX + 1], text[40];
    for (size_t len = 1; len <= sizeof(text); len++) {
        for (unsigned c = 1; c < 256; c++) {
            size_t at = c % len;
            memset(text, 'Q', sizeof(text));
            text[at] = (char)c;
            if (c == ':' || (c == '[' && at == 0) || (c == '.' && at + 1 == len)) {
                continue; /* a port, an address, the root's dot */
            }
            struct str host = route_host_of(str_make(text, len), memory);
            check_int(host.len, len);
            for (size_t i = 0; i < len; i++) {
                bool upper = text[i] >= 'A' && text[i] <= 'Z';
                check_int(host.p[i], upper ? text[i] + 32 : text[i]);
            }
        }
    }
}
