/* SPDX-License-Identifier: Apache-2.0
 *
 * schema_where: what is found wrong after loading is said with its place in the files.
 */
#include "load_helper.h"

static const char text[] = "services:\n"                    /* 1 */
                           "  web:\n"                       /* 2 */
                           "    command: nginx -g x\n"      /* 3 */
                           "    <<: {user: nobody}\n"       /* 4 */
                           "    routes:\n"                  /* 5 */
                           "      - {host: a}\n"            /* 6 */
                           "      - host: b\n"              /* 7 */
                           "gateway:\n"                     /* 8 */
                           "  listen: http://[::1]:8081\n"; /* 9 */

static const char *where(const struct project_spec *spec, const char *pointer, bool there)
{
    static struct problem problem;
    problem_set(&problem, "x", "x");
    check_int(schema_where(spec, &problem, "%s", pointer), there);
    return problem.where;
}

TEST(what_the_file_says_has_file_line_and_column)
{
    struct loaded l;
    const struct project_spec *spec = load_good(&l, text);
    check_cstr(where(spec, "/services/web/command", true), "/p/muelle.yaml:3:14");
    check_cstr(where(spec, "/services/web/user", true), "/p/muelle.yaml:4:16");
    check_cstr(where(spec, "/services/web/routes/1", true), "/p/muelle.yaml:7:9");
    check_cstr(where(spec, "/gateway/listen/0", true), "/p/muelle.yaml:9:11");
    project_spec_unref(l.spec);
}

TEST(what_the_file_leaves_out_has_the_place_of_the_nearest_key)
{
    struct loaded l;
    const struct project_spec *spec = load_good(&l, text);
    check_cstr(where(spec, "/services/web/working_dir", false), "/p/muelle.yaml:2:3");
    check_cstr(where(spec, "/services/web/routes/7", false), "/p/muelle.yaml:5:5");
    check_cstr(where(spec, "/services/web/routes/x", false), "/p/muelle.yaml:5:5");
    check_cstr(where(spec, "/gateway/admin", false), "/p/muelle.yaml:8:1");
    check_cstr(where(spec, "/nothing/of/this", false), "/p/muelle.yaml");
    project_spec_unref(l.spec);
}

TEST(every_file_of_a_project_keeps_its_own_places)
{
    struct memory_file files[] = {
        {"/p/muelle.yaml", "include: [more/b.yaml]\nservices:\n  a: {command: x}\n"},
        {"/p/more/b.yaml", "services:\n  b:\n    command: y\n    extends: {service: base, file: "
                           "base.yaml}\n"},
        {"/p/more/base.yaml", "services:\n  base:\n    command: z\n    user: nobody\n"},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    struct loaded l;
    load_with(&l, files, &options);
    check_cstr(where(l.spec, "/services/a/command", true), "/p/muelle.yaml:3:16");
    check_cstr(where(l.spec, "/services/b/command", true), "/p/more/b.yaml:3:14");
    check_cstr(where(l.spec, "/services/b/user", true), "/p/more/base.yaml:4:11");
    project_spec_unref(l.spec);
}

TEST(a_spec_without_files_is_named_by_its_pointer)
{
    struct project_spec spec = {0};
    check_cstr(where(&spec, "/services/web/user", false), "/services/web/user");
}
