/* SPDX-License-Identifier: Apache-2.0
 *
 * Bad configurations: each mistake is said once, with its exact place.
 */
#include "load_helper.h"

struct bad {
    const char *text;
    const char *where; /* of the first problem */
    const char *code;
};

static const struct bad cases[] = {
    {"services:\n  a:\n    comand: x\n", "3:5", "config.unknown-key"},
    {"servces:\n  a: {command: x}\n", "1:1", "config.unknown-key"},
    {"services:\n  a: {command: x, deploy: {replcas: 2}}\n", "2:28", "config.unknown-key"},
    {"services:\n  a:\n    command: x\n    command: y\n", "4:5", "config.duplicate-key"},
    {"services:\n  a: {command: x}\n  a: {command: y}\n", "3:3", "config.duplicate-key"},
    {"services: [\n", "2:1", "config.syntax"},
    {"a: b: c\n", "1:5", "config.syntax"},
    {"services:\n  a:\n\tcommand: x\n", "3:1", "config.syntax"},
    {"services: {a: {command: \"x}}\n", "2:1", "config.syntax"},
    {"- a\n- b\n", "1:1", "config.not-a-map"},
    {"just text\n", "1:1", "config.not-a-map"},
    {"", "1:1", "config.no-services"},
    {"name: x\n", "1:1", "config.no-services"},
    {"a: 1\n---\nb: 2\n", "2:1", "config.many-documents"},
    {"services:\n  a: {command: \"x\x01\"}\n", "2:18", "config.not-text"},
    {"services: \xff\n", "1:11", "config.not-text"},
    {"? [a]\n: b\n", "1:3", "config.complex-key"},
    {"services: *nothing\n", "1:11", "config.unknown-alias"},
    {"x-a: &a [*a]\n", "1:10", "config.unknown-alias"},
    {"services:\n  a:\n    <<: 5\n    command: x\n", "3:9", "config.bad-merge"},
    {"services: !thing {}\n", "1:11", "config.unknown-tag"},
    {"services:\n  a: {}\n", "2:3", "config.missing-command"},
    {"services:\n  a:\n", "2:3", "config.missing-command"},
    {"services:\n  a: {command: []}\n", "2:3", "config.missing-command"},
    {"services:\n  a: {command: ''}\n", "2:3", "config.missing-command"},
    {"services:\n  a: {command: \"x 'y\"}\n", "2:16", "config.bad-command"},
    {"services:\n  a: 5\n", "2:6", "config.bad-value"},
    {"services:\n  a: [command]\n", "2:6", "config.bad-value"},
    {"services: 5\n", "1:11", "config.bad-value"},
    {"services:\n  a: {command: {x: y}}\n", "2:16", "config.bad-value"},
    {"services:\n  a: {command: [x, [y]]}\n", "2:20", "config.bad-value"},
    {"services:\n  a: {command: x, stop_grace_period: 5 parsecs}\n", "2:38", "config.bad-value"},
    {"services:\n  a: {command: x, deploy: {replicas: -1}}\n", "2:38", "config.bad-value"},
    {"services:\n  a: {command: x, deploy: {replicas: many}}\n", "2:38", "config.bad-value"},
    {"services:\n  a: {command: x, restart: sometimes}\n", "2:28", "config.bad-value"},
    {"services:\n  a: {command: x, restart: 'always:3'}\n", "2:28", "config.bad-value"},
    {"services:\n  a: {command: x, tty: perhaps}\n", "2:24", "config.bad-value"},
    {"services:\n  a: {command: x, umask: 999}\n", "2:26", "config.bad-value"},
    {"services:\n  a: {command: x, mem_limit: lots}\n", "2:30", "config.bad-value"},
    {"services:\n  a: {command: x, success_exit_codes: [300]}\n", "2:40", "config.bad-value"},
    {"services:\n  a: {command: x, ulimits: {nofiles: 3}}\n", "2:29", "config.bad-ulimit"},
    {"services:\n  a: {command: x, stop_signal: SIGTREM}\n", "2:32", "config.bad-signal"},
    {"services:\n  a: {command: x, ports: ['99999:1']}\n", "2:27", "config.bad-port"},
    {"services:\n  a: {command: x, ports: ['1-3:4-5']}\n", "2:27", "config.bad-port"},
    {"services:\n  a: {command: x, ports: [{published: 5}]}\n", "2:27", "config.missing-key"},
    {"services:\n  a: {command: x, depends_on: {b: {condition: ready}}}\n", "2:47",
     "config.bad-value"},
    {"services:\n  a: {command: x, depends_on: [bb]}\n  b: {command: x}\n", "2:32",
     "config.undefined"},
    {"services:\n  a: {image: x, networks: [n]}\n", "2:28", "config.undefined"},
    {"services:\n  a: {image: x, volumes: ['v:/x']}\n", "2:27", "config.undefined"},
    {"services:\n  a: {image: x, secrets: [s]}\n", "2:27", "config.undefined"},
    {"services:\n  a: {command: x, depends_on: [a]}\n", "2:32", "config.dependency-cycle"},
    {"services:\n  a: {command: x, depends_on: [b]}\n  b: {command: x, depends_on: [a]}\n", "3:32",
     "config.dependency-cycle"},
    {"services:\n  a: {extends: b, command: x}\n  b: {extends: a}\n", "3:16",
     "config.extends-cycle"},
    {"services:\n  a: {extends: c}\n", "2:16", "config.undefined"},
    {"services:\n  a: {command: x, extends: {file: no.yaml, service: c}}\n", "2:28",
     "config.unreadable-file"},
    {"include: [no.yaml]\nservices: {a: {command: x}}\n", "1:11", "config.unreadable-file"},
    {"services:\n  a: {command: x, env_file: no.env}\n", "2:29", "config.unreadable-file"},
    {"services:\n  a: {command: x, routes: [{host: h}]}\n  b:\n    command: x\n    routes:\n      "
     "- host: H\n",
     "6:9", "config.duplicate-route"},
    {"services:\n  a: {command: x, routes: [{host: 'http://x'}]}\n", "2:35", "config.bad-host"},
    {"services:\n  a: {command: x, routes: [{host: 'a..b'}]}\n", "2:35", "config.bad-host"},
    {"services:\n  a: {command: x, routes: [{path: x}]}\n", "2:35", "config.bad-path"},
    {"services:\n  a: {command: x, routes: [{balance: fair}]}\n", "2:38", "config.bad-value"},
    {"services:\n  a: {command: x, healthcheck: {http: healthz}}\n", "2:39", "config.bad-path"},
    {"services:\n  a: {command: x, healthcheck: {http: /, test: x}}\n", "2:32",
     "config.many-health-tests"},
    {"services:\n  a: {command: x, healthcheck: {test: [CURL, x]}}\n", "2:39",
     "config.bad-health-test"},
    {"services:\n  a: {command: x, ports: ['5:5']}\n  b: {command: x, ports: ['5:6']}\n", "3:27",
     "config.port-conflict"},
    {"gateway: {listen: 'http://:7070'}\nservices: {a: {command: x}}\n", "",
     "config.port-conflict"},
    {"gateway: {listen: 'http://example.org:80'}\nservices: {a: {command: x}}\n", "1:19",
     "config.bad-address"},
    {"gateway: {listen: 'udp://:80'}\nservices: {a: {command: x}}\n", "1:19", "config.bad-address"},
    {"gateway: {threads: 17}\nservices: {a: {command: x}}\n", "1:20", "config.bad-value"},
    {"gateway: {admin_names: ['*.example']}\nservices: {a: {command: x}}\n", "1:25",
     "config.bad-host"},
    {"gateway: {admin_names: ['http://a']}\nservices: {a: {command: x}}\n", "1:25",
     "config.bad-host"},
    {"gateway: {listen: 'http://:0'}\nservices: {a: {command: x}}\n", "1:19", "config.bad-address"},
    {"gateway: {listen: 'tcp://:80'}\nservices: {a: {command: x}}\n", "1:19", "config.missing-key"},
    {"gateway: {tls: {client_certificate: required}}\nservices: {a: {command: x}}\n", "1:37",
     "config.missing-key"},
    {"gateway: {listen: [{address: 'tcp://:80', service: b}]}\nservices: {a: {command: x}}\n",
     "1:52", "config.undefined"},
    {"name: Shop!\nservices: {a: {command: x}}\n", "1:7", "config.bad-name"},
    {"services:\n  'a b': {command: x}\n", "2:3", "config.bad-name"},
    {"services:\n  a: {command: 'x ${1}'}\n", "2:19", "config.bad-variable"},
    {"services:\n  a: {command: x $}\n", "2:18", "config.bad-variable"},
    {"services:\n  a:\n    command: x ${NOPE:?is needed}\n", "3:16", "config.required-variable"},
    {"include: 5\nservices: {a: {command: x}}\n", "1:10", "config.unreadable-file"},
    {"include: {a: b}\nservices: {a: {command: x}}\n", "1:10", "config.bad-value"},
    {"include: [{path: []}]\nservices: {a: {command: x}}\n", "1:18", "config.bad-value"},
    {"include: [{pth: b}]\nservices: {a: {command: x}}\n", "1:12", "config.unknown-key"},
    {"services:\n  a: {command: x, extends: {servce: b}}\n", "2:29", "config.unknown-key"},
    {"services:\n  a: {command: x, extends: [b]}\n", "2:28", "config.bad-value"},
    {"services:\n  a: {command: x, env_file: {path: b}}\n", "2:29", "config.bad-value"},
    {"services:\n  a: {command: x, env_file: [{pth: b}]}\n", "2:31", "config.unknown-key"},
    {"services:\n  a: {command: x, ports: ['8000-8010:80']}\n", "2:27", "config.bad-port"},
    {"x-muelle: 5\nservices: {a: {command: x}}\n", "1:11", "config.bad-value"},
    {"services:\n  a: {command: x, umask: '7o22'}\n", "2:26", "config.bad-value"},
    {"services:\n  a: {command: x, umask: 0o}\n", "2:26", "config.bad-value"},
    {"services:\n  a: {command: x, ulimits: {nofile: {soft: 20, hard: 10}}}\n", "2:29",
     "config.bad-ulimit"},
    {"services:\n  a: {command: x, ulimits: {nofile: {soft: -1, hard: 10}}}\n", "2:29",
     "config.bad-ulimit"},
    {"services:\n  a: {command: x, environment: ['=x']}\n", "2:33", "config.bad-variable-name"},
    {"services:\n  a: {command: x, environment: {A=B: x}}\n", "2:33", "config.bad-variable-name"},
    {"services:\n  a: {command: x, ports: ['localhorst:80:80']}\n", "2:27", "config.bad-address"},
    {"services:\n  a: {command: x, ports: [{host_ip: h, published: 8, target: 8}]}\n", "2:37",
     "config.bad-address"},
    {"services:\n  a: {command: x, healthcheck: {http: '/a b'}}\n", "2:39", "config.bad-path"},
    {"services:\n  a: {command: x, healthcheck: {http: \"/\\r\\nX: y\"}}\n", "2:39",
     "config.bad-path"},
    {"services:\n  a: {command: x, healthcheck: {http: /, host: \"a\\nX: y\"}}\n", "2:48",
     "config.bad-host"},
    {"services:\n  a: {command: x, routes: [{path: \"/a\\n\"}]}\n", "2:35", "config.bad-path"},
    {"services:\n  a: {command: x, routes: [{path: '/a?b'}]}\n", "2:35", "config.bad-path"},
};

TEST(each_mistake_is_said_with_its_place)
{
    static struct loaded l;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char where[64];
        snprintf(where, sizeof(where), "muelle.yaml%s%s", cases[i].where[0] ? ":" : "",
                 cases[i].where);
        load_text(&l, cases[i].text);
        const struct problem *p = &l.problems.items[0];
        if (l.r != SCHEMA_E_INVALID || strcmp(p->code, cases[i].code) != 0 ||
            strcmp(p->where, where) != 0 || p->status != 422) {
            printf("# %s# got %s at %s: %s\n", cases[i].text, p->code, p->where, p->what);
            project_spec_unref(l.spec);
            wrong++;
        }
    }
    check_int(wrong, 0);
}

TEST(a_mistake_is_said_once)
{
    static struct loaded l;
    load_text(&l, "services: {a: {command: x, restart: {a: b}}}");
    check_int(l.problems.count, 1);
}

TEST(a_host_name_of_any_length_is_a_mistake_and_no_lack_of_memory)
{
    static struct loaded l;
    struct buf text = BUF_INIT(10000);
    buf_add_cstr(&text, "services: {a: {command: x}}\ngateway: {admin_names: [");
    for (int i = 0; i < 600; i++) {
        buf_add_char(&text, i % 50 == 49 ? '.' : 'n');
    }
    buf_add_cstr(&text, "n]}\n");
    load_text(&l, buf_cstr(&text));
    check_int(l.r, SCHEMA_E_INVALID);
    check_cstr(l.problems.items[0].code, "config.bad-host");
    buf_fini(&text);
}

TEST(what_is_shown_of_a_value_ends_with_a_whole_character)
{
    static struct loaded l;
    struct buf text = BUF_INIT(10000);
    buf_add_cstr(&text, "services: {a: {command: x, restart: \"");
    for (int i = 0; i < 79; i++) {
        buf_add_char(&text, 'r');
    }
    buf_add_cstr(&text, "é\"}}\n");
    load_text(&l, buf_cstr(&text));
    check(str_ends(str_from(l.problems.items[0].what), STR("rrr'")));
    buf_fini(&text);
}

TEST(all_mistakes_of_a_file_are_said_in_one_run)
{
    static struct loaded l;
    load_text(&l,
              "services:\n  a: {comand: x, tty: 5x, restart: q}\n  b: {command: x, scale: -1}\n");
    check_int(l.problems.count, 4);
    check_cstr(l.problems.items[0].hint, "did you mean 'command'?");
}

TEST(a_key_at_the_wrong_level_is_told_where_it_belongs)
{
    static struct loaded l;
    load_text(&l, "services:\n  a: {command: x, replicas: 2}\n");
    check(str_starts(str_from(l.problems.items[0].hint), STR("it belongs into 'deploy'")));
}

TEST(more_mistakes_than_are_kept_are_counted)
{
    static struct loaded l;
    struct buf text = BUF_INIT(100000);
    buf_add_cstr(&text, "services:\n  a:\n    command: x\n");
    for (int i = 0; i < 50; i++) {
        buf_printf(&text, "    unknown%d: x\n", i);
    }
    load_text(&l, buf_cstr(&text));
    check_int(l.problems.count, 50);
    buf_fini(&text);
}

TEST(a_circle_is_drawn)
{
    static struct loaded l;
    load_text(&l,
              "services:\n  a: {command: x, depends_on: [b]}\n  b: {command: x, depends_on: [c]}\n"
              "  c: {command: x, depends_on: [a]}\n");
    check(str_find(str_from(l.problems.items[0].what), STR("a → b → c → a")) > 0);
    load_text(&l, "services:\n  a: {extends: b, command: x}\n  b: {extends: c, command: x}\n  c: "
                  "{extends: b}\n");
    check(str_find(str_from(l.problems.items[0].what), STR("b → c → b")) > 0);
}

TEST(files_that_include_each_other_are_told_so)
{
    static struct loaded l;
    struct memory_file files[] = {
        {"/p/muelle.yaml", "include: [a.yaml]\nservices: {m: {command: x}}\n"},
        {"/p/a.yaml", "include: [b.yaml]\nservices: {a: {command: x}}\n"},
        {"/p/b.yaml", "services: {b: {command: x}}\ninclude:\n  - a.yaml\n"},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(&l, files, &options);
    check_int(l.problems.count, 1);
    check_cstr(l.problems.items[0].code, "config.include-cycle");
    check_cstr(l.problems.items[0].where, "/p/b.yaml:3:5");
    check(str_ends(str_from(l.problems.items[0].what), STR("circle: a.yaml → b.yaml → a.yaml")));
}

TEST(health_that_nobody_checks_is_a_notice_to_who_waits_for_it)
{
    static struct loaded l;
    load_good(&l, "services:\n  a:\n    command: x\n    depends_on:\n"
                  "      b: {condition: service_healthy}\n      c: {condition: service_healthy}\n"
                  "  b: {command: x}\n  c: {command: x, healthcheck: {tcp: true}}\n");
    check_int(l.notices.count, 1);
    check_cstr(l.notices.items[0].code, "config.no-healthcheck");
    check_cstr(l.notices.items[0].where, "muelle.yaml:5:7");
    project_spec_unref(l.spec);
}

TEST(a_byte_order_mark_is_no_part_of_a_file)
{
    static struct loaded l;
    struct memory_file files[] = {
        {"/p/muelle.yaml", "\xef\xbb\xbfservices:\r\n  a: {command: x, env_file: a.env}\r\n"},
        {"/p/a.env", "\xef\xbb\xbf"
                     "A=1\r\n"},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(&l, files, &options);
    check_int(l.r, 0);
    check_str(l.spec->services[0].environment[0].name, STR("A"));
    check_str(l.spec->services[0].environment[0].value, STR("1"));
    project_spec_unref(l.spec);
}

TEST(what_does_not_apply_is_a_notice_and_an_error_when_strict)
{
    static struct loaded l;
    struct memory_file files[] = {
        {"/p/muelle.yaml",
         "services: {a: {command: x, privileged: true}, b: {command: x, privileged: true}}"},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(&l, files, &options);
    check_int(l.r, 0);
    check_int(l.notices.count, 1);
    check_cstr(l.notices.items[0].code, "config.not-applicable");
    project_spec_unref(l.spec);
    options.strict = true;
    load_with(&l, files, &options);
    check_int(l.r, SCHEMA_E_INVALID);
    check_int(l.problems.count, 1);
}

TEST(each_key_without_effect_is_said_once_wherever_it_stands)
{
    static struct loaded l;
    load_good(&l,
              "services:\n"
              "  a: {command: x, deploy: {mode: global}, logging: {driver: y}, privileged: true,\n"
              "      ports: [{target: 5, published: 5, mode: host}, '6:6/udp', 7]}\n"
              "  b: {command: x, deploy: {mode: global}}\n");
    static const char *const where[] = {"2:28", "2:53", "2:65", "3:41", "3:54", "3:65"};
    check_int(l.notices.count, ARRAY_LEN(where));
    for (size_t i = 0; i < ARRAY_LEN(where); i++) {
        bool found = false;
        for (size_t k = 0; k < l.notices.count; k++) {
            found |= str_ends(str_from(l.notices.items[k].where), str_from(where[i]));
        }
        if (!found) {
            printf("# not said: %s\n", where[i]);
        }
        check(found);
    }
    project_spec_unref(l.spec);
}

/* Are these the places of all notices, in this order? */
static void check_notices(const struct loaded *l, const char *const *where, size_t count)
{
    check_int(l->notices.count, count);
    for (size_t i = 0; i < MIN(count, l->notices.count); i++) {
        check_cstr(l->notices.items[i].where, where[i]);
    }
}

TEST(what_routes_and_listeners_want_of_each_other_is_missed_where_it_stands)
{
    static struct loaded l;
    load_good(&l, "gateway:\n"
                  "  listen: [{address: 'http://:8080', redirect: https}]\n"
                  "services:\n"
                  "  a: {command: x, routes: [{host: a.test, passthrough: true},\n"
                  "    {host: b.test, client_certificate: required}]}\n");
    static const char *const where[] = {"muelle.yaml:2:48", "muelle.yaml:4:56", "muelle.yaml:5:40"};
    check_notices(&l, where, ARRAY_LEN(where));
    check(strstr(l.notices.items[2].what, "refused (403): no https listener"));
    project_spec_unref(l.spec);
    load_good(
        &l, "gateway:\n"
            "  listen: [{address: 'http://:8080', redirect: https}, 'https://:8443', 'tls://:9']\n"
            "services:\n"
            "  a: {command: x, routes: [{host: a.test, passthrough: true},\n"
            "    {host: b.test, client_certificate: optional}]}\n");
    static const char *const left[] = {"muelle.yaml:5:40"};
    check_notices(&l, left, ARRAY_LEN(left));
    check(strstr(l.notices.items[0].what, "no effect: no client is asked"));
    project_spec_unref(l.spec);
    load_good(&l, "gateway: {listen: ['https://:8443'], tls: {client_ca: ca.pem}}\n"
                  "services:\n"
                  "  a: {command: x, routes: [{host: b.test, client_certificate: required}]}\n");
    check_int(l.notices.count, 0);
    project_spec_unref(l.spec);
}

TEST(what_traffic_says_in_vain_is_a_notice_at_its_place)
{
    static struct loaded l;
    load_good(&l, "services:\n"
                  "  a: {command: x, routes: [{host: a.test}], scale: 2,\n"
                  "    traffic: {members: {'1-9': {weight: 2}, '3': {weight: 2}}}}\n"
                  "  b: {command: x, traffic: {\n"
                  "    timeouts: {total: 5s, first_byte: 5s, connect: 6s},\n"
                  "    balance: nearest}}\n"
                  "  c: {command: x, routes: [{host: c.test, balance: nearest}]}\n");
    static const char *const where[] = {"muelle.yaml:3:45", "muelle.yaml:5:52", "muelle.yaml:6:14",
                                        "muelle.yaml:7:52"};
    check_notices(&l, where, ARRAY_LEN(where));
    project_spec_unref(l.spec);
}

TEST(true_where_a_map_belongs_is_told_how_to_write_it)
{
    static struct loaded l;
    load_text(&l, "services:\n"
                  "  a: {command: x, traffic: {sticky: true, breaker: 5}}\n");
    check_int(l.problems.count, 2);
    check_cstr(l.problems.items[0].hint,
               "write 'sticky: {}' for what is usual, or its keys within the braces");
    check_cstr(l.problems.items[1].hint, "");
}

TEST(a_path_that_looks_like_a_pattern_is_a_notice)
{
    static struct loaded l;
    load_good(&l, "services:\n"
                  "  a: {command: x, routes: [{path: /api/*}, {path: '/u/{id}'}, {path: /b}]}\n");
    static const char *const where[] = {"muelle.yaml:2:35", "muelle.yaml:2:51"};
    check_notices(&l, where, ARRAY_LEN(where));
    check_cstr(l.notices.items[0].what, "'*' in a path stands for itself (service 'a')");
    check_cstr(l.notices.items[1].what, "'{' in a path stands for itself (service 'a')");
    project_spec_unref(l.spec);
}

TEST(what_is_for_requests_is_in_vain_where_connections_pass_unread)
{
    static struct loaded l;
    load_good(&l, "gateway: {listen: [{address: 'tcp://:9', service: a}, 'tls://:10',\n"
                  "  'http://:8080', {address: 'tls://:11', service: d}]}\n"
                  "services:\n"
                  "  a: {command: x, traffic: {sticky: {}, breaker: {}, body_size: 1k}}\n"
                  "  b: {command: x, routes: [{host: b.test, passthrough: true}],\n"
                  "    traffic: {mirror: {service: c}, fallback: {service: d}}}\n"
                  "  c: {command: x, traffic: {sticky: {}}}\n"
                  "  d: {command: x, traffic: {body_size: 1k}}\n"
                  "  e: {command: x, routes: [{host: b.test}, {host: e.test, passthrough: true}],\n"
                  "    traffic: {sticky: {}}}\n");
    static const char *const where[] = {"muelle.yaml:4:37", "muelle.yaml:4:65", "muelle.yaml:6:23",
                                        "muelle.yaml:6:47"};
    check_notices(&l, where, ARRAY_LEN(where));
    project_spec_unref(l.spec);
}

TEST(fallbacks_that_go_round_are_told_once_for_each_ring)
{
    static struct loaded l;
    load_good(&l, "services:\n"
                  "  a: {command: x, traffic: {fallback: {service: b}}}\n"
                  "  b: {command: x, traffic: {fallback: {service: c}}}\n"
                  "  c: {command: x, traffic: {fallback: {service: b}}}\n"
                  "  d: {command: x, traffic: {fallback: {service: a}}}\n"
                  "  e: {command: x, traffic: {fallback: {service: f}}}\n"
                  "  f: {command: x, traffic: {fallback: {body: x}}}\n");
    static const char *const where[] = {"muelle.yaml:3:49"};
    check_notices(&l, where, ARRAY_LEN(where));
    check(strstr(l.notices.items[0].what, "b → c → b"));
    project_spec_unref(l.spec);
}

TEST(problems_come_in_the_order_of_their_lines_at_exact_places)
{
    static struct loaded l;
    load_text(&l, "gateway:\n"
                  "  listen: [':8080', ':8081',\n"
                  "    ':8080']\n"
                  "  trusted_proxies: [10.0.0.0/8,\n"
                  "    1.2.3, 4.5]\n"
                  "  access_log: {fields: [time,\n"
                  "    tyme]}\n"
                  "services:\n"
                  "  a: {comand: x}\n");
    static const char *const where[] = {"muelle.yaml:5:5", "muelle.yaml:5:12", "muelle.yaml:7:5",
                                        "muelle.yaml:9:7"};
    check_int(l.problems.count, ARRAY_LEN(where));
    for (size_t i = 0; i < MIN(l.problems.count, ARRAY_LEN(where)); i++) {
        check_cstr(l.problems.items[i].where, where[i]);
    }
    load_text(&l, "gateway:\n"
                  "  listen: [':8080', ':8081',\n"
                  "    ':8080']\n"
                  "services: {a: {command: x}}\n");
    check_int(l.problems.count, 1);
    check_cstr(l.problems.items[0].where, "muelle.yaml:3:5");
    check(strstr(l.problems.items[0].what, "'gateway.listen' (muelle.yaml:2) and by"));
}

TEST(replicas_that_share_a_port_are_warned_about)
{
    static struct loaded l;
    load_good(&l, "services:\n  a: {command: x, port: 5, scale: 2}\n  b: {command: x, scale: 2}\n");
    check_int(l.notices.count, 1);
    check_cstr(l.notices.items[0].code, "config.fixed-port");
    check_cstr(l.notices.items[0].where, "muelle.yaml:2:3");
    project_spec_unref(l.spec);
}

TEST(an_unset_variable_is_a_notice_once)
{
    static struct loaded l;
    load_good(&l, "services: {a: {command: 'x ${NOPE} ${NOPE} ${ALSO}'}}");
    check_int(l.notices.count, 2);
    check_cstr(l.notices.items[0].code, "config.unset-variable");
    project_spec_unref(l.spec);
}

TEST(values_of_variables_are_never_in_a_problem)
{
    static struct loaded l;
    load_text(&l, "services: {a: {command: x, environment: {A: [topsecret]}}}");
    check_int(l.r, SCHEMA_E_INVALID);
    for (size_t i = 0; i < l.problems.count; i++) {
        check(str_find(str_from(l.problems.items[i].what), STR("topsecret")) < 0);
    }
}
