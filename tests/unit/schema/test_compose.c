/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Compose specification has beyond docker-compose 1.29 (whose forms tests/integration
 * compares): include, profiles, tags of merging, required files; and muelle's own x-muelle.
 */
#include "load_helper.h"

static struct loaded l;

static const struct service_spec *service(const char *name)
{
    static const struct service_spec none;
    const struct service_spec *found = project_spec_service(l.spec, str_from(name));
    return found ? found : &none;
}

static void load_files(struct memory_file *files, struct schema_load_options *options)
{
    load_with(&l, files, options);
    if (l.r) {
        check_cstr(l.problems.items[0].what, "no problem");
    }
}

TEST(own_keys_may_stand_under_x_muelle)
{
    const struct project_spec *p = load_good(
        &l, "x-muelle: {gateway: {listen: 'http://:81'}}\n"
            "services:\n  a:\n    command: x\n    healthcheck: {interval: 3s}\n"
            "    x-muelle: {routes: [{host: h}], healthcheck: {http: /z}}\n    x-other: 1\n");
    check_str(p->gateway.listens[0].address, STR("http://[::]:81"));
    check_int(p->services[0].routes_count, 1);
    check_int(p->services[0].health.kind, HEALTH_HTTP);
    check_int(p->services[0].health.interval_ns, 3000000000);
    project_spec_unref(l.spec);
}

TEST(profiles_choose_services)
{
    struct memory_file files[] = {{"/p/muelle.yaml", "services:\n  a: {command: x}\n"
                                                     "  b: {command: x, profiles: [debug, test]}\n"
                                                     "  c: {command: x, profiles: [other]}\n"},
                                  {NULL, NULL}};
    struct schema_load_options none = {0}, some = {0}, all = {0};
    load_files(files, &none);
    check_int(l.spec->services_count, 1);
    project_spec_unref(l.spec);
    struct str test = STR("test"), star = STR("*");
    some.profiles = &test;
    some.profiles_count = 1;
    load_files(files, &some);
    check_int(l.spec->services_count, 2);
    check(service("b")->name.len && !service("c")->name.len);
    project_spec_unref(l.spec);
    all.profiles = &star;
    all.profiles_count = 1;
    load_files(files, &all);
    check_int(l.spec->services_count, 3);
    project_spec_unref(l.spec);
}

TEST(profiles_also_come_from_the_environment)
{
    struct memory_file files[] = {{"/p/muelle.yaml", "services:\n  a: {command: x, profiles: [q]}\n"
                                                     "  b: {command: x}\n"},
                                  {"/p/.env", "COMPOSE_PROFILES=z, q\n"},
                                  {NULL, NULL}};
    struct schema_load_options options = {0};
    load_files(files, &options);
    check_int(l.spec->services_count, 2);
    project_spec_unref(l.spec);
}

TEST(a_dependency_that_is_not_chosen_is_an_error_unless_it_is_optional)
{
    load_text(&l,
              "services:\n  a: {command: x, depends_on: [b]}\n  b: {command: x, profiles: [q]}\n");
    check_cstr(l.problems.items[0].code, "config.disabled");
    check(str_find(str_from(l.problems.items[0].hint), STR("--profile q")) >= 0);
    load_good(&l, "services:\n  a: {command: x, depends_on: {b: {required: false}}}\n"
                  "  b: {command: x, profiles: [q]}\n");
    project_spec_unref(l.spec);
}

TEST(an_included_project_has_its_own_folder_and_variables)
{
    struct memory_file files[] = {
        {"/p/muelle.yaml", "include:\n  - sub/b.yaml\n  - {path: [c.yaml], env_file: c.env}\n"
                           "services: {a: {command: 'a ${V}'}}\n"},
        {"/p/.env", "V=mine\n"},
        {"/p/sub/b.yaml",
         "services: {b: {command: 'b ${V} ${W}', working_dir: .}}\nvolumes: {v: }\n"},
        {"/p/sub/.env", "V=theirs\nW=w\n"},
        {"/p/c.yaml", "services: {c: {command: 'c ${W-none} ${Q}'}}\n"},
        {"/p/c.env", "Q=q\n"},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    load_files(files, &options);
    check_int(l.spec->services_count, 3);
    check_str(service("a")->argv[1], STR("mine"));
    check_str(service("b")->argv[1], STR("mine"));
    check_str(service("b")->argv[2], STR("w"));
    check_str(service("b")->working_dir, STR("/p/sub"));
    check_str(service("c")->argv[1], STR("none"));
    check_str(service("c")->argv[2], STR("q"));
    check_int(l.spec->files_count, 6);
    project_spec_unref(l.spec);
}

TEST(an_included_name_that_differs_is_a_conflict)
{
    struct memory_file files[] = {
        {"/p/muelle.yaml", "include: [b.yaml]\nservices: {a: {command: x}}\n"},
        {"/p/b.yaml", "services: {a: {command: y}}\n"},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(&l, files, &options);
    check_cstr(l.problems.items[0].code, "config.include-conflict");
    check_cstr(l.problems.items[0].where, "muelle.yaml:2:12");
}

TEST(tags_reset_and_override)
{
    struct memory_file files[] = {{"/p/muelle.yaml",
                                   "services:\n  a:\n    command: x\n    user: u\n"
                                   "    environment: {A: '1', B: '2'}\n"
                                   "    expose: [1, 2]\n    ports: ['5:5']\n"},
                                  {"/p/b.yaml", "services:\n  a:\n    user: !reset null\n"
                                                "    environment: {A: !reset null, C: '3'}\n"
                                                "    ports: !override ['6:6']\n"},
                                  {NULL, NULL}};
    struct str names[] = {STR("muelle.yaml"), STR("b.yaml")};
    struct schema_load_options options = {.files = names, .files_count = 2};
    load_files(files, &options);
    const struct service_spec *a = service("a");
    check_int(a->user.len, 0);
    check_int(a->environment_count, 2);
    check_str(a->environment[0].name, STR("B"));
    check_int(a->ports_count, 1);
    check_int(a->ports[0].published, 6);
    project_spec_unref(l.spec);
}

TEST(an_optional_file_of_variables_may_be_missing)
{
    load_good(&l, "services: {a: {command: x, env_file: [{path: no.env, required: false}]}}");
    check_int(l.spec->services[0].environment_count, 0);
    project_spec_unref(l.spec);
}

TEST(the_callers_variables_win_over_files)
{
    struct memory_file files[] = {
        {"/p/muelle.yaml", "services: {a: {command: '$X $Y $Z', environment: [X, Y]}}"},
        {"/p/.env", "X=file\nY=file\n"},
        {"/p/one.env", "Y=one\nZ=$Y-$X\n"},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    load_files(files, &options);
    check_str(service("a")->argv[0], STR("x"));
    check_str(service("a")->argv[1], STR("file"));
    check_str(service("a")->environment[0].value, STR("x"));
    project_spec_unref(l.spec);
    struct str env_file = STR("one.env");
    struct schema_load_options with = {.env_files = &env_file, .env_files_count = 1};
    load_files(files, &with);
    check_str(service("a")->argv[1], STR("one"));
    check_str(service("a")->argv[2], STR("one-x"));
    project_spec_unref(l.spec);
}

TEST(the_projects_name)
{
    struct memory_file files[] = {{"/p/muelle.yaml", "name: 'n-${X}'\nservices: {a: {command: x}}"},
                                  {NULL, NULL}};
    struct schema_load_options plain = {0}, given = {.project_name = STR("given")};
    load_files(files, &plain);
    check_str(l.spec->name, STR("n-x"));
    project_spec_unref(l.spec);
    load_files(files, &given);
    check_str(l.spec->name, STR("given"));
    project_spec_unref(l.spec);
}

TEST(a_procfile_and_a_file_over_it)
{
    struct memory_file files[] = {{"/p/Procfile", "web: serve -p $PORT\ndb: redis-server\n"},
                                  {"/p/muelle.yaml",
                                   "services:\n  web: {routes: [{host: w.localhost}]}\n"
                                   "  db: {port: 6379}\n"},
                                  {NULL, NULL}};
    struct str names[] = {STR("Procfile"), STR("muelle.yaml")};
    struct schema_load_options options = {.files = names, .files_count = 2};
    load_files(files, &options);
    check_int(service("web")->routes_count, 2);
    check_str(service("web")->argv[2], STR("serve -p $PORT"));
    check_int(service("db")->port, 6379);
    project_spec_unref(l.spec);
}

TEST(mistakes_of_a_procfile_have_their_place)
{
    static const char *const cases[][2] = {{"web serve\n", "Procfile:1:1"},
                                           {"web: a\n  w b: c\n", "Procfile:2:3"},
                                           {"web:\n", "Procfile:1:1"},
                                           {"web: a\nweb: b\n", "Procfile:2:1"},
                                           {": x", "Procfile:1:1"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct memory_file files[] = {{"/p/Procfile", cases[i][0]}, {NULL, NULL}};
        struct str name = STR("Procfile");
        struct schema_load_options options = {.files = &name, .files_count = 1};
        load_with(&l, files, &options);
        check_int(l.r, SCHEMA_E_INVALID);
        check_cstr(l.problems.items[0].where, cases[i][1]);
    }
}

TEST(replica_names_stay_only_where_a_process_uses_them)
{
    struct memory_file files[] = {
        {"/p/muelle.yaml",
         "services:\n"
         "  a: {command: 'a $PORT ${MUELLE_REPLICA:-9} $$PORT', working_dir: /x/$PORT}\n"
         "  b: {image: i, command: 'b $PORT'}\n"},
        {"/p/.env", "PORT=99\n"},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    load_files(files, &options);
    check_str(service("a")->argv[1], STR("${PORT}"));
    check_str(service("a")->argv[2], STR("${MUELLE_REPLICA}"));
    check_str(service("a")->argv[3], STR("$PORT"));
    check_str(service("a")->working_dir, STR("/x/99"));
    check_str(service("b")->argv[1], STR("99"));
    project_spec_unref(l.spec);
}

TEST(a_value_that_grows_too_long_is_an_error_and_is_not_cut)
{
    struct buf env = BUF_INIT(2 << 20);
    buf_add_cstr(&env, "A=");
    for (int i = 0; i < 600000; i++) {
        buf_add_char(&env, 'x');
    }
    buf_add_cstr(&env, "\nB=$A$A\n");
    struct memory_file files[] = {{"/p/muelle.yaml", "services: {a: {command: x}}"},
                                  {"/p/.env", buf_cstr(&env)},
                                  {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(&l, files, &options);
    check_int(l.r, SCHEMA_E_INVALID);
    check_cstr(l.problems.items[0].code, "env-file.syntax");
    check_cstr(l.problems.items[0].where, "/p/.env:2:1");
    buf_fini(&env);
}

TEST(a_text_that_its_variables_make_too_long_is_a_mistake_and_no_lack_of_memory)
{
    struct buf env = BUF_INIT(2 << 20);
    buf_add_cstr(&env, "A=");
    for (int i = 0; i < 600000; i++) {
        buf_add_char(&env, 'x');
    }
    struct memory_file files[] = {
        {"/p/muelle.yaml", "services: {a: {command: '$A $A $A $A $A $A $A $A'}}"},
        {"/p/.env", buf_cstr(&env)},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(&l, files, &options);
    check_int(l.r, SCHEMA_E_INVALID);
    check_cstr(l.problems.items[0].code, "config.too-large");
    check_cstr(l.problems.items[0].where, "muelle.yaml:1:25");
    buf_fini(&env);
}

/* They were left out without a word. */
TEST(more_variables_than_there_is_room_for_are_said)
{
    struct buf env = BUF_INIT(1 << 20);
    for (int i = 0; i < 66000; i++) {
        buf_printf(&env, "V%d=1\n", i);
    }
    struct memory_file files[] = {{"/p/muelle.yaml", "services: {a: {command: x}}"},
                                  {"/p/.env", buf_cstr(&env)},
                                  {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(&l, files, &options);
    check_int(l.r, SCHEMA_E_INVALID);
    check_cstr(l.problems.items[0].code, "config.too-large");
    buf_fini(&env);
}

TEST(a_file_of_variables_that_is_too_large_says_how_large_it_may_be)
{
    struct buf env = BUF_INIT(2 << 20);
    for (int i = 0; i < 1100000; i++) {
        buf_add_char(&env, 'x');
    }
    struct memory_file files[] = {{"/p/muelle.yaml", "services: {a: {command: x}}"},
                                  {"/p/.env", buf_cstr(&env)},
                                  {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(&l, files, &options);
    check_int(l.r, SCHEMA_E_INVALID);
    check(str_ends(str_from(l.problems.items[0].what), STR("it is larger than 1 MiB")));
    buf_fini(&env);
}
