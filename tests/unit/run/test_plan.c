/* SPDX-License-Identifier: Apache-2.0 */
#include "run/plan.h"

#include "harness/test.h"

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
    for (size_t i = 0; i < plan->item_count; i++) {
        if (str_is(plan->items[i].service, name)) {
            return &plan->items[i];
        }
    }
    return NULL;
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
