/* SPDX-License-Identifier: Apache-2.0 */
#include "run/plan.h"

#include "harness/test.h"
#include "schema/value.h"

static const struct str argv_a[] = {STR_INIT("a")}, argv_b[] = {STR_INIT("b")};

static uint32_t by_file(void *arg, const struct service_spec *spec)
{
    return (uint32_t)spec->replicas;
}

static const struct plan_scale file_scale = {by_file, NULL};

static struct service_spec service(struct str name)
{
    return (struct service_spec){
        .name = name, .argv = argv_a, .argv_count = 1, .replicas = 1, .spec_hash = 1};
}

static const struct plan_item *item_of(const struct plan *plan, const char *name)
{
    size_t i = 0;
    while (i < plan->item_count && !str_is(plan->items[i].service, name)) {
        i++;
    }
    check(i < plan->item_count);
    return &plan->items[i];
}

TEST(first_plan_creates_everything)
{
    struct arena arena = ARENA_INIT(MIB);
    struct service_spec s[] = {service(STR("web")), service(STR("db"))};
    struct project_spec p = {.services = s, .services_count = 2};
    struct plan *plan = plan_make(&arena, NULL, &p, file_scale, file_scale);
    check_int(plan->counts[PLAN_CREATE], 2);
    check_str(plan->items[0].service, STR("web"));
    arena_fini(&arena);
}

TEST(what_follows_a_restarted_service_is_restarted_too)
{
    struct arena arena = ARENA_INIT(MIB);
    struct depends_spec on_db[] = {{.service = STR("db"), .required = true, .restart = true}};
    struct depends_spec on_web[] = {{.service = STR("web"), .required = true, .restart = true}};
    struct service_spec old[] = {service(STR("edge")), service(STR("web")), service(STR("db"))};
    old[0].depends_on = on_web;
    old[1].depends_on = on_db;
    old[0].depends_on_count = old[1].depends_on_count = 1;
    struct service_spec new[] = {old[0], old[1], old[2]};
    new[2].spec_hash = 2;
    struct project_spec a = {.services = old, .services_count = 3};
    struct project_spec b = {.services = new, .services_count = 3};
    struct plan *plan = plan_make(&arena, &a, &b, file_scale, file_scale);
    check_int(plan->counts[PLAN_RESTART], 1);
    check_int(plan->counts[PLAN_FOLLOW], 2);
    check(item_of(plan, "web")->follows && item_of(plan, "edge")->follows);
    check(!item_of(plan, "db")->follows);
    check_str(item_of(plan, "web")->reason, STR("follows db"));
    check_str(item_of(plan, "edge")->reason, STR("follows web"));
    arena_fini(&arena);
}

TEST(only_what_changed_is_touched)
{
    struct arena arena = ARENA_INIT(MIB);
    struct service_spec old[] = {service(STR("same")), service(STR("command")),
                                 service(STR("scale")), service(STR("probe")),
                                 service(STR("gone"))};
    struct service_spec new[] = {service(STR("same")), service(STR("command")),
                                 service(STR("scale")), service(STR("probe")),
                                 service(STR("fresh"))};
    new[1].argv = argv_b;
    new[1].spec_hash = 2;
    new[2].replicas = 3;
    new[3].health.interval_ns = 5;
    struct project_spec a = {.services = old, .services_count = 5};
    struct project_spec b = {.services = new, .services_count = 5};
    struct plan *plan = plan_make(&arena, &a, &b, file_scale, file_scale);
    check_int(plan->item_count, 6);
    check_int(item_of(plan, "same")->action, PLAN_UNCHANGED);
    check_int(item_of(plan, "command")->action, PLAN_RESTART);
    check_str(item_of(plan, "command")->reason, STR("command changed"));
    check_int(item_of(plan, "scale")->action, PLAN_SCALE);
    check_int(item_of(plan, "scale")->to, 3);
    check_int(item_of(plan, "probe")->action, PLAN_UPDATE);
    check_str(item_of(plan, "probe")->changes[0], STR("healthcheck"));
    check_int(item_of(plan, "gone")->action, PLAN_REMOVE);
    check_int(item_of(plan, "fresh")->action, PLAN_CREATE);
    arena_fini(&arena);
}

/* The last item, when it is the project's own: the keys that differ; else empty. */
static struct str project_changes(const struct project_spec *a, const struct project_spec *b)
{
    static struct arena arena = {.max = MIB};
    const struct plan *plan = plan_make(&arena, a, b, file_scale, file_scale);
    check(plan);
    const struct plan_item *last = &plan->items[plan->item_count - 1];
    check_int(plan->counts[PLAN_UPDATE], last->service.len == 0 ? 1 : 0);
    return last->service.len == 0 ? last->reason : STR_NONE;
}

TEST(changes_of_the_gateway_and_of_how_much_log_is_kept_are_told)
{
    struct service_spec s[] = {service(STR("web"))};
    struct listen_spec listens[] = {{.address = STR("http://[::]:80")},
                                    {.address = STR("tcp://[::]:5"), .from_ports = true}};
    struct project_spec old = {.services = s, .services_count = 1, .logging = {1, 2}};
    old.gateway.listens = listens;
    old.gateway.listens_count = 1;
    struct project_spec new = old;
    check_str(project_changes(&old, &new), STR_NONE);
    new.logging.max_age_ns = 3;
    check_str(project_changes(&old, &new), STR("logging changed"));
    new.gateway.threads = 3;
    check_str(project_changes(&old, &new), STR("gateway, logging changed"));
    new = old;
    new.gateway.listens_count = 2; /* from a service's `ports:`: told there */
    check_str(project_changes(&old, &new), STR_NONE);
    new.gateway.listens_count = 0;
    check_str(project_changes(&old, &new), STR("gateway changed"));
    check_str(project_changes(&new, &old), STR("gateway changed"));
}

static bool is_named_idle(void *arg, const struct service_spec *spec)
{
    return str_is(spec->name, "idle");
}

TEST(what_becomes_of_the_processes_is_told)
{
    struct arena arena = ARENA_INIT(MIB);
    struct service_spec old[] = {service(STR("routed")), service(STR("alone")),
                                 service(STR("idle")),   service(STR("none")),
                                 service(STR("probe")),  service(STR("gone"))};
    old[0].routes_count = 1;
    old[0].routes_hash = 1; /* they are the same */
    old[3].replicas = 0;
    struct service_spec new[] = {old[0], old[1], old[2], old[3], old[4], service(STR("fresh"))};
    for (size_t i = 0; i < 4; i++) {
        new[i].spec_hash = 2;
        new[i].replicas++;
        new[i].argv = argv_b;
    }
    new[4].health.interval_ns = 5;
    struct project_spec a = {.services = old, .services_count = 6};
    struct project_spec b = {.services = new, .services_count = 6};
    struct plan_scale now = {by_file, NULL, is_named_idle};
    struct plan *plan = plan_make(&arena, &a, &b, now, file_scale);
    check_str(plan_restart_name(item_of(plan, "routed")), STR("rolling"));
    check_str(plan_restart_name(item_of(plan, "alone")), STR("stop_first"));
    check_str(plan_restart_name(item_of(plan, "idle")), STR("none"));
    check_str(plan_restart_name(item_of(plan, "none")), STR("none"));
    check_str(plan_restart_name(item_of(plan, "probe")), STR("none"));
    check_str(plan_restart_name(item_of(plan, "gone")), STR(""));
    check_str(plan_restart_name(item_of(plan, "fresh")), STR(""));
    check_str(item_of(plan, "alone")->reason, STR("1 → 2 replicas; command changed"));
    arena_fini(&arena);
}

TEST(down_removes_everything)
{
    struct arena arena = ARENA_INIT(MIB);
    struct service_spec s[] = {service(STR("web"))};
    struct project_spec p = {.services = s, .services_count = 1};
    struct plan *plan = plan_make(&arena, &p, NULL, file_scale, file_scale);
    check_int(plan->counts[PLAN_REMOVE], 1);
    arena_fini(&arena);
}

TEST(a_new_one_runs_beside_the_old_only_behind_a_route_and_without_an_own_port)
{
    struct service_spec s = service(STR("web"));
    check(!plan_start_first(&s, &s));
    s.routes_count = 1;
    check(plan_start_first(&s, &s));
    struct service_spec fixed = s;
    fixed.port = 6379;
    check(!plan_start_first(&s, &fixed));
    check(!plan_start_first(&fixed, &s));
}

TEST(a_new_one_whose_output_is_fed_does_not_run_beside_one_that_writes_itself)
{
    struct service_spec s = service(STR("web"));
    s.routes_count = 1;
    struct service_spec piped = s, terminal = s;
    piped.logging.mode = LOGGING_PIPE;
    terminal.tty = true;
    check(!plan_start_first(&s, &piped));
    check(!plan_start_first(&terminal, &s));
    check(plan_start_first(&terminal, &piped));
}

/* --- the words for what changed --- */

/* What plan_make says of a service that was `a` and is `b`. */
static void check_words(struct service_spec a, struct service_spec b, const char *word)
{
    struct arena arena = ARENA_INIT(MIB);
    b.spec_hash = a.spec_hash + 1;
    struct project_spec p = {.services = &a, .services_count = 1};
    struct project_spec q = {.services = &b, .services_count = 1};
    struct plan *plan = plan_make(&arena, &p, &q, file_scale, file_scale);
    check_str(plan->items[0].reason, str_from(word));
    arena_fini(&arena);
}

TEST(each_key_of_a_service_that_changes_is_named)
{
    static const struct spec_pair pair_a[] = {{STR_INIT("A"), STR_INIT("1")}};
    static const struct spec_pair pair_b[] = {{STR_INIT("A"), STR_INIT("2")}};
    static struct ulimit_spec limit_a[] = {{STR_INIT("nofile"), 10, 20}};
    static struct ulimit_spec limit_b[] = {{STR_INIT("nofile"), 10, 30}};
    static struct port_spec port_a[] = {{.published = 80, .published_end = 80, .target = 8080}};
    static struct port_spec port_b[] = {{.published = 80, .published_end = 80, .target = 8081}};
    static struct depends_spec on_a[] = {{.service = STR_INIT("db")}};
    static struct depends_spec on_b[] = {{.service = STR_INIT("db"), .restart = true}};
    static struct route_spec route_a[] = {{.host = STR_INIT("a"), .path = STR_INIT("/")}};
    static struct route_spec route_b[] = {{.host = STR_INIT("a"), .path = STR_INIT("/x")}};
    const struct service_spec s = service(STR("web"));
    struct service_spec a = s, b = s;
#define CHANGE(member, list_a, list_b, word)                                                       \
    a = b = s;                                                                                     \
    b.member = list_b;                                                                             \
    b.member##_count = 1;                                                                          \
    check_words(a, b, word); /* one more */                                                        \
    a.member = list_a;                                                                             \
    a.member##_count = 1;                                                                          \
    check_words(a, b, word); /* another one */
    CHANGE(argv, argv_a, argv_b, "command changed")
    CHANGE(environment, pair_a, pair_b, "environment changed")
    CHANGE(labels, pair_a, pair_b, "labels changed")
    CHANGE(ulimits, limit_a, limit_b, "limits changed")
    CHANGE(ports, port_a, port_b, "ports changed")
    CHANGE(depends_on, on_a, on_b, "depends_on changed")
    CHANGE(routes, route_a, route_b, "routes changed")
#undef CHANGE
    a = b = s;
    b.logging.mode = LOGGING_PIPE;
    check_words(a, b, "logging changed");
    b.user = STR("nobody");
    check_words(a, b, "user, logging changed");
    check_words(s, s, "configuration changed"); /* something that has no word */
}

/* `KEY: {text}` for two keys, as a load leaves it. */
static struct value *written(struct value *map, struct value_member members[2],
                             struct value texts[2])
{
    for (size_t i = 0; i < 2; i++) {
        texts[i].kind = VALUE_SCALAR;
        members[i].value = &texts[i];
    }
    *map = (struct value){.kind = VALUE_MAP, .members = members, .count = 2};
    return map;
}

TEST(each_key_of_traffic_and_of_the_gateway_that_changes_is_named)
{
    struct arena arena = ARENA_INIT(MIB);
    struct value_member x[2] = {{.key = STR("queue")}, {.key = STR("hold")}};
    struct value_member y[2] = {{.key = STR("queue")}, {.key = STR("breaker")}};
    struct value texts_x[2] = {{.text = STR("1")}, {.text = STR("3s")}};
    struct value texts_y[2] = {{.text = STR("2")}, {.text = STR("5")}};
    struct value map_x, map_y;
    struct service_spec a = service(STR("web")), b = a;
    a.traffic_tree = written(&map_x, x, texts_x);
    b.traffic_tree = written(&map_y, y, texts_y);
    check_words(a, b, "traffic.queue, traffic.hold, traffic.breaker changed");
    check_words(a, a, "configuration changed");
    struct project_spec p = {.services = &a, .services_count = 1};
    struct project_spec q = {.services = &b, .services_count = 1};
    const struct plan *plan = plan_make(&arena, &p, &q, file_scale, file_scale);
    check_int(plan->counts[PLAN_UPDATE], 1);
    q.services = &a;
    q.gateway.tree = b.traffic_tree; /* any map */
    plan = plan_make(&arena, &p, &q, file_scale, file_scale);
    check_int(plan->counts[PLAN_UNCHANGED], 1);
    check_int(plan->counts[PLAN_UPDATE], 1);
    check_str(plan->items[1].reason, STR("gateway.queue, gateway.breaker changed"));
    arena_fini(&arena);
}

static struct plan *plan_gateways(struct arena *arena, struct gateway_spec a, struct gateway_spec b)
{
    static struct service_spec s[1];
    s[0] = service(STR("web"));
    struct project_spec p = {.services = s, .services_count = 1, .gateway = a};
    struct project_spec q = {.services = s, .services_count = 1, .gateway = b};
    return plan_make(arena, &p, &q, file_scale, file_scale);
}

TEST(a_change_of_the_gateway_is_the_projects_own)
{
    struct arena arena = ARENA_INIT(MIB);
    static struct str names_a[] = {STR_INIT("a.example")}, names_b[] = {STR_INIT("b.example")};
    static struct listen_spec own[] = {{.address = STR_INIT("http://127.0.0.1:80")}};
    static struct listen_spec other[] = {{.address = STR_INIT("http://127.0.0.1:81")}};
    static struct listen_spec ports[] = {{.address = STR_INIT("tcp://:5432"), .from_ports = true}};
    struct gateway_spec none = {0};
    struct gateway_spec a = {.admin_names = names_a, .admin_names_count = 1};
    struct gateway_spec b = {.admin_names = names_b, .admin_names_count = 1};
    check_int(plan_gateways(&arena, a, a)->item_count, 1);
    check_int(plan_gateways(&arena, none, a)->item_count, 2);
    struct plan *plan = plan_gateways(&arena, a, b);
    check_int(plan->item_count, 2);
    check_str(plan->items[1].reason, STR("gateway changed"));
    check_int(plan->items[1].service.len, 0);
    a = b = none;
    a.listens = own;
    b.listens = other;
    a.listens_count = b.listens_count = 1;
    check_int(plan_gateways(&arena, a, b)->item_count, 2);
    b.listens = own;
    check_int(plan_gateways(&arena, a, b)->item_count, 1);
    b.listens = ports; /* those of `ports:` are told with their services */
    check_int(plan_gateways(&arena, none, b)->item_count, 1);
    arena_fini(&arena);
}

TEST(a_route_that_asks_for_a_certificate_is_another_one)
{
    struct arena arena = ARENA_INIT(MIB);
    struct route_spec routes[2] = {{.path = STR("/")}, {.path = STR("/")}};
    routes[1].client_certificate = CLIENT_CERTIFICATE_REQUIRED;
    struct service_spec old = service(STR("web")), now = old;
    old.routes_count = now.routes_count = 1;
    old.routes = &routes[0];
    now.routes = &routes[1];
    struct project_spec a = {.services = &old, .services_count = 1};
    struct project_spec b = {.services = &now, .services_count = 1};
    check_int(plan_make(&arena, &a, &b, file_scale, file_scale)->counts[PLAN_UPDATE], 1);
    check_int(plan_make(&arena, &a, &a, file_scale, file_scale)->counts[PLAN_UNCHANGED], 1);
    arena_fini(&arena);
}
