/* SPDX-License-Identifier: Apache-2.0
 *
 * From files to specs: what the other rooms get.
 */
#include "load_helper.h"

static struct loaded l;

TEST(a_process_gets_all_its_defaults)
{
    const struct project_spec *p =
        load_good(&l, "services: {web: {command: node 'a b' \"c\\\"d\" e\\ f}}");
    const struct service_spec *s = project_spec_service(p, STR("web"));
    check_str(p->name, STR("p"));
    check_str(p->working_dir, STR("/p"));
    check_int(p->services_count, 1);
    check_int(s->kind, SERVICE_PROCESS);
    check_int(s->argv_count, 4);
    check_str(s->argv[1], STR("a b"));
    check_str(s->argv[2], STR("c\"d"));
    check_str(s->argv[3], STR("e f"));
    check_str(s->working_dir, STR("/p"));
    check_int(s->replicas, 1);
    check_int(s->restart.mode, RESTART_ON_FAILURE);
    check_int(s->restart.initial_ns, 100000000);
    check_int(s->stop_grace_ns, 10000000000);
    check_str(s->stop_signal, STR("SIGTERM"));
    check_int(s->health.kind, HEALTH_NONE);
    check_int(s->umask, SPEC_UMASK_INHERIT);
    check_int(s->logging.burst_bytes, 64 << 20);
    check_int((int)s->success_exit_codes_mask[0], 1);
    check_int(p->gateway.listens_count, 0);
    check_int(p->logging.max_bytes, INT64_C(2) << 30);
    check_int(p->logging.max_age_ns, INT64_C(30) * 86400 * 1000000000);
    check_str(p->gateway.admin.address, STR("http://127.0.0.1:7070"));
    project_spec_unref(l.spec);
}

TEST(every_key_of_a_process_is_decoded)
{
    const struct project_spec *p = load_good(
        &l, "name: shop\n"
            "gateway: {listen: ['http://:80', {address: 'tcp://:5', service: a}], threads: 2,\n"
            "  expose_replica: true, admin: false, admin_names: [Panel.Example, b]}\n"
            "logging: {max_size: 500m, max_age: 36h}\n"
            "services:\n"
            "  a:\n"
            "    entrypoint: [/bin/x, -v]\n"
            "    command: serve $PORT\n"
            "    environment: [A=1, 'B=$X-${PORT}', C, X]\n"
            "    user: nobody:www\n"
            "    umask: 027\n"
            "    ulimits: {nofile: 10, core: {soft: 1, hard: -1}}\n"
            "    deploy: {replicas: 3, resources: {limits: {cpus: '0.5', memory: 64m, pids: 9}}}\n"
            "    restart: on-failure:5\n"
            "    backoff: {initial: 1s, factor: 1.5}\n"
            "    success_exit_codes: [3, 130]\n"
            "    stop_signal: int\n"
            "    stop_grace_period: 1m30s\n"
            "    healthcheck: {http: /h, interval: 2s, port: 9}\n"
            "    routes: [{host: A.Localhost, path: /x/, balance: least-conn, strip_prefix: yes}]\n"
            "    ports: ['127.0.0.1:6000:6001', 7000:7000]\n"
            "    depends_on: {b: {condition: service_healthy, restart: true}}\n"
            "    logging: {mode: pipe, burst: 1m}\n"
            "    tty: true\n"
            "    labels: {a: 1}\n"
            "    develop: {watch: [{path: src, action: sync+restart, ignore: x}]}\n"
            "  b: {command: b, healthcheck: {test: exit 0}}\n");
    const struct service_spec *s = project_spec_service(p, STR("a"));
    check_str(p->name, STR("shop"));
    check_int(p->gateway.threads, 2);
    check(p->gateway.expose_replica);
    check_int(p->gateway.admin_names_count, 2);
    check_str(p->gateway.admin_names[0], STR("panel.example"));
    check_int(p->logging.max_bytes, 500 << 20);
    check_int(p->logging.max_age_ns, INT64_C(36) * 3600 * 1000000000);
    check_int(p->gateway.admin.port, 0);
    check_int(p->gateway.listens_count, 4);
    check_str(p->gateway.listens[0].address, STR("http://[::]:80"));
    check_str(p->gateway.listens[1].service, STR("a"));
    check_str(p->gateway.listens[2].address, STR("tcp://127.0.0.1:6000"));
    check_int(p->gateway.listens[2].target, 6001);
    check(p->gateway.listens[2].from_ports);
    check_int(p->gateway.listens[3].target, 0);
    check_int(s->argv_count, 4);
    check_str(s->argv[3], STR("${PORT}"));
    check_int(s->environment_count, 3);
    check_str(s->environment[1].value, STR("x-${PORT}"));
    check_str(s->environment[2].name, STR("X"));
    check_str(s->environment[2].value, STR("x"));
    check_str(s->user, STR("nobody:www"));
    check_int(s->umask, 027);
    check_int(s->ulimits_count, 2);
    check_int(s->ulimits[1].hard, -1);
    check_int(s->replicas, 3);
    check(s->limits.cpus > 0.49 && s->limits.cpus < 0.51);
    check_int(s->limits.memory_bytes, 64 << 20);
    check_int(s->limits.pids, 9);
    check_int(s->restart.mode, RESTART_ON_FAILURE);
    check_int(s->restart.max_attempts, 5);
    check_int(s->restart.initial_ns, 1000000000);
    check_int(s->restart.max_ns, 30000000000);
    check((s->success_exit_codes_mask[0] & 8) && (s->success_exit_codes_mask[2] & 4));
    check_str(s->stop_signal, STR("SIGINT"));
    check_int(s->stop_grace_ns, 90000000000);
    check_int(s->health.kind, HEALTH_HTTP);
    check_str(s->health.http_path, STR("/h"));
    check_int(s->health.interval_ns, 2000000000);
    check_int(s->health.http_port, 9);
    check_str(s->routes[0].host, STR("a.localhost"));
    check_str(s->routes[0].path, STR("/x"));
    check_str(s->routes[0].service, STR("a"));
    check_int(s->routes[0].balance, BALANCE_LEAST_CONN);
    check(s->routes[0].strip_prefix);
    check_int(s->depends_on_count, 1);
    check_str(s->depends_on[0].service, STR("b"));
    check_int(s->depends_on[0].condition, DEPENDS_HEALTHY);
    check(s->depends_on[0].restart && s->depends_on[0].required);
    check_int(s->logging.mode, LOGGING_PIPE);
    check_int(s->logging.burst_bytes, 1 << 20);
    check(s->tty);
    check_str(s->labels[0].value, STR("1"));
    check_str(s->watch[0].path, STR("/p/src"));
    check_int(s->watch[0].action, WATCH_SYNC_RESTART);
    check_int(s->watch[0].ignore_count, 1);
    const struct health_spec *h = &project_spec_service(p, STR("b"))->health;
    check_int(h->kind, HEALTH_COMMAND);
    check_int(h->argv_count, 3);
    check_str(h->argv[2], STR("exit 0"));
    project_spec_unref(l.spec);
}

TEST(routes_without_a_listener_get_the_default_one)
{
    const struct project_spec *p =
        load_good(&l, "services: {a: {command: a, routes: [{host: a.localhost}]}}");
    check_int(p->gateway.listens_count, 1);
    check_str(p->gateway.listens[0].address, STR("http://127.0.0.1:8080"));
    check_str(p->services[0].routes[0].path, STR("/"));
    project_spec_unref(l.spec);
}

TEST(an_empty_list_of_addresses_means_none)
{
    const struct project_spec *p =
        load_good(&l, "gateway: {listen: []}\nservices: {a: {command: x, routes: [{host: h}]}}");
    check_int(p->gateway.listens_count, 0);
    project_spec_unref(l.spec);
}

TEST(truth_has_many_words)
{
    const struct project_spec *p = load_good(
        &l, "gateway: {admin: off}\n"
            "services:\n"
            "  a: {command: a, tty: On, healthcheck: {tcp: yes}, depends_on: {b: {required: no}}}\n"
            "  c: {command: a, env_file: [{path: x, required: n}], healthcheck: {test: x, disable: "
            "Y}}\n"
            "networks: {n: {external: yes}}\n");
    check_int(p->gateway.admin.port, 0);
    check(p->services[0].tty);
    check_int(p->services[0].health.kind, HEALTH_TCP);
    check_int(p->services[1].health.kind, HEALTH_NONE);
    check(!p->services[0].depends_on[0].required);
    project_spec_unref(l.spec);
}

static uint64_t hash_of(const char *text)
{
    const struct project_spec *p = load_good(&l, text);
    uint64_t hash = p->services[0].spec_hash;
    project_spec_unref(l.spec);
    return hash;
}

TEST(the_spec_hash_follows_what_needs_a_restart)
{
    uint64_t base = hash_of("services: {a: {command: a b, environment: [A=1, B=2]}}");
    check(base == hash_of("services:\n  a:\n    environment: {B: '2', A: 1}\n    command: a b\n"));
    check(
        base ==
        hash_of("services: {a: {command: a b, environment: [A=1, B=2], scale: 5, restart: always,\n"
                "  routes: [{host: x}], healthcheck: {tcp: true}, labels: [x=y]}}"));
    check(base != hash_of("services: {a: {command: a c, environment: [A=1, B=2]}}"));
    check(base != hash_of("services: {a: {command: a b, environment: [A=1, B=3]}}"));
    check(base != hash_of("services: {a: {command: a b, environment: [A=1, B=2], user: x}}"));
    check(base != hash_of("services: {a: {command: a b, environment: [A=1, B=2],\n"
                          "  deploy: {resources: {limits: {memory: 5m}}}}}"));
    check(base !=
          hash_of("services: {a: {command: a b, environment: [A=1, B=2], logging: {mode: pipe}}}"));
}

TEST(a_counted_spec_lives_until_the_last_reference_goes)
{
    struct project_spec *p = project_spec_ref(
        (struct project_spec *)(uintptr_t)load_good(&l, "services: {a: {command: a}}"));
    project_spec_unref(l.spec);
    check_str(p->services[0].name, STR("a"));
    project_spec_unref(p);
    project_spec_unref(NULL);
}

TEST(a_procfile_is_a_project)
{
    struct memory_file files[] = {
        {"/p/Procfile", "# c\nweb: node a.js -p $PORT\n\nworker:  sh -c 'x'\n"},
        {"/p/.env", "A=1\n"},
        {NULL, NULL}};
    struct str name = STR("Procfile");
    struct schema_load_options o = {.files = &name, .files_count = 1};
    load_with(&l, files, &o);
    check_int(l.r, 0);
    const struct service_spec *s = project_spec_service(l.spec, STR("web"));
    check_int(s->argv_count, 3);
    check_str(s->argv[2], STR("node a.js -p $PORT"));
    check_int(s->environment_count, 1);
    check_str(s->environment[0].value, STR("1"));
    check_int(s->routes_count, 1);
    check_int(l.spec->services_count, 2);
    check_int(l.spec->services[1].routes_count, 0);
    project_spec_unref(l.spec);
}

TEST(a_port_in_the_environment_is_the_services_port)
{
    const struct project_spec *p =
        load_good(&l, "services: {a: {command: x, environment: {PORT: 3000}},"
                      " b: {command: x, environment: {PORT: later}},"
                      " c: {command: x, port: 5, environment: {PORT: 6}}}");
    check_int(project_spec_service(p, STR("a"))->port, 3000);
    check_int(project_spec_service(p, STR("b"))->port, 0);
    check_int(project_spec_service(p, STR("c"))->port, 5);
    project_spec_unref(l.spec);
}

TEST(image_build_or_provider_make_a_container)
{
    const struct project_spec *p = load_good(
        &l, "services: {a: {image: x}, b: {build: .}, c: {provider: {type: x}}, d: {command: x}}");
    for (size_t i = 0; i < p->services_count; i++) {
        check_int(p->services[i].kind,
                  str_is(p->services[i].name, "d") ? SERVICE_PROCESS : SERVICE_CONTAINER);
    }
    project_spec_unref(l.spec);
}

TEST(a_raw_file_of_variables_is_taken_as_it_stands)
{
    struct memory_file files[] = {
        {"/p/muelle.yaml", "services: {a: {command: x, env_file: [{path: r, format: raw}]}}"},
        {"/p/r", "A='a' $X # b\r\nB=\n# c\nexport C = d\n"},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(&l, files, &options);
    const struct service_spec *s = &l.spec->services[0];
    check_int(s->environment_count, 3);
    check_str(s->environment[0].value, STR("'a' $X # b"));
    check_str(s->environment[1].value, STR(""));
    check_str(s->environment[2].value, STR(" d"));
    project_spec_unref(l.spec);
}
