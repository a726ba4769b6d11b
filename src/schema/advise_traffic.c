/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of `traffic:` that do nothing beside the others of their service. Notices, as in advise.c.
 */
#include "schema/decode.h"
#include "schema/resource.h"

static void say_idle_key(struct schema_pass *pass, const struct value *key, const char *name,
                         const char *expected, const struct service_spec *service)
{
    struct problem *notice =
        pass_notice(pass, key->at, true, "config.not-applicable",
                    "'%s' has no effect on this balancing (service '" STR_FMT "')", name,
                    STR_ARG(service->name));
    problem_expected(notice, "%s", expected);
}

/* Nobody waits where nothing is bounded. */
static void say_queue(struct schema_pass *pass, const struct value *traffic,
                      const struct service_spec *service)
{
    const struct value *queue = value_get(traffic, "queue");
    const struct traffic_spec *spec = &service->traffic;
    if (value_is_set(queue) && spec->queue.on && !spec->concurrency.on &&
        spec->breaker.requests == 0 && spec->breaker.connections == 0) {
        struct problem *notice =
            pass_notice(pass, queue->at, true, "config.not-applicable",
                        "'queue' has no effect where nothing is bounded (service '" STR_FMT "')",
                        STR_ARG(service->name));
        problem_expected(notice, "'breaker.requests', 'breaker.connections' or 'concurrency'");
    }
}

/* What belongs to another balancing than the one that was chosen. */
static void say_spread(struct schema_pass *pass, const struct value *v, const struct value *traffic,
                       const struct service_spec *service)
{
    const struct value *routes = value_get(v, "routes"), *hash = value_get(traffic, "hash");
    const struct spread_spec *spread = &service->traffic.spread;
    const struct value *members = value_get(traffic, "members");
    int32_t routed = service->routes_count ? service->routes[0].balance : BALANCE_ROUND_ROBIN;
    int32_t balance = advise_balance(service);
    if (hash && hash->kind == VALUE_MAP && balance != BALANCE_HASH) {
        say_idle_key(pass, hash, "hash", "it beside 'balance: hash'", service);
    }
    for (size_t i = 0; members && members->kind == VALUE_MAP && i < members->count; i++) {
        const struct value *location = value_get(members->members[i].value, "location");
        if (value_is_set(location) && balance != BALANCE_NEAREST) {
            say_idle_key(pass, location, "location", "it beside 'balance: nearest'", service);
        }
    }
    const struct value *first =
        routes && routes->count ? value_get(routes->members[0].value, "balance") : NULL;
    if (spread->chosen && value_is_set(first) && routed != spread->balance) {
        say_idle_key(pass, first, "balance", "one of the two: 'traffic.balance' counts", service);
    }
}

/* No error, even when the caller is strict: there may be more replicas at run time. */
static void say_members(struct schema_pass *pass, const struct value *traffic,
                        const struct service_spec *service)
{
    const struct spread_spec *spread = &service->traffic.spread;
    const struct value *members = value_get(traffic, "members");
    for (size_t i = 0; i < spread->members_count && service->replicas > 0; i++) {
        const struct member_spec *member = &spread->members[i];
        const struct value_member *m = value_member(members, member->replicas);
        if (m && member->first > service->replicas) {
            struct problem *notice =
                pass_notice(pass, m->at, false, "config.no-replica",
                            "'" STR_FMT "' has %lld replica%s: member '" STR_FMT "' is none",
                            STR_ARG(service->name), (long long)service->replicas,
                            service->replicas == 1 ? "" : "s", STR_ARG(m->key));
            problem_hint(notice,
                         "they are counted from 1; write deploy: {replicas: %lld}, or "
                         "remove the member",
                         (long long)member->first);
        }
    }
}

/* A phase cannot last longer than the whole. `idle` is more than a phase: the grace of least
 * rates. */
static void say_timeouts(struct schema_pass *pass, const struct value *traffic,
                         const struct service_spec *service)
{
    const struct timeouts_spec *spec = &service->traffic.timeouts;
    const struct value *timeouts = value_get(traffic, "timeouts");
    const struct {
        const char *key;
        int64_t ns;
    } phases[] = {{"connect", spec->connect_ns},
                  {"first_byte", spec->first_byte_ns},
                  {"queue", spec->queue_ns}};
    for (size_t i = 0; spec->total_ns > 0 && i < ARRAY_LEN(phases); i++) {
        const struct value *value = value_get(timeouts, phases[i].key);
        if (value_is_set(value) && phases[i].ns > spec->total_ns) {
            struct problem *notice =
                pass_notice(pass, value->at, true, "config.not-applicable",
                            "'%s' has no effect: 'total' is over sooner (service '" STR_FMT "')",
                            phases[i].key, STR_ARG(service->name));
            problem_hint(notice, "make it shorter than 'total', which is for the whole request");
        }
    }
}

int32_t advise_balance(const struct service_spec *service)
{
    int32_t routed = service->routes_count ? service->routes[0].balance : BALANCE_ROUND_ROBIN;
    return service->traffic.spread.chosen ? service->traffic.spread.balance : routed;
}

void advise_traffic(struct schema_pass *pass, const struct value *v,
                    const struct service_spec *service)
{
    const struct value *traffic = value_get(v, "traffic");
    say_spread(pass, v, traffic, service);
    say_members(pass, traffic, service);
    say_queue(pass, traffic, service);
    say_timeouts(pass, traffic, service);
}
