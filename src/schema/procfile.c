/* SPDX-License-Identifier: Apache-2.0
 *
 * Procfile (Heroku, foreman, honcho) to the same value tree that YAML gives:
 *
 *   name: command      one process a line; the command runs under /bin/sh -c, as foreman does it
 *   # comment
 *
 * As there, `.env` beside it becomes the environment of every process, each gets a PORT, and the
 * process type `web` is the one that gets HTTP traffic: it is given a route for any host.
 *
 * The tree is that of a long-form muelle.yaml, so that a muelle.yaml may be merged over a Procfile
 * (-f Procfile -f muelle.yaml) and nothing behind this file knows where a service came from.
 * A line that is no process is a problem of its own; the others are still read.
 */
#include "schema/stages.h"

static struct value_at place(uint16_t file, uint32_t line, size_t column)
{
    return (struct value_at){
        .file = file, .line = line, .column = (uint16_t)MIN(column + 1, UINT16_MAX)};
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        bool fine = c == '_' || c == '-' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                    (c >= 'a' && c <= 'z');
        if (!fine) {
            return false;
        }
    }
    return name.len > 0;
}

/* A dollar sign belongs to the shell: doubled, it passes interpolation as one. */
static struct str shell_text(struct schema_pass *pass, struct str command)
{
    struct buf out = BUF_INIT(2 * (size_t)VALUE_FILE_MAX);
    for (size_t i = 0; i < command.len; i++) {
        buf_add(&out, command.p[i] == '$' ? STR("$$") : str_slice(command, i, i + 1));
    }
    return pass_take(pass, &out);
}

static void give_route(struct schema_pass *pass, struct value *service, struct value_at at)
{
    struct value *routes = pass_value(pass, VALUE_LIST, at);
    struct value *route = pass_value(pass, VALUE_MAP, at);
    pass_put(pass, route, STR("path"), pass_scalar(pass, STR("/"), at));
    pass_add(pass, routes, route);
    pass_put(pass, service, STR("routes"), routes);
}

static void read_line(struct schema_pass *pass, struct value *services, struct str line,
                      struct value_at at)
{
    struct str name, command;
    bool has_colon = str_split(line, ':', &name, &command);
    name = str_trim(name);
    command = str_trim_ws(command);
    if (!has_colon || !is_name(name) || command.len == 0) {
        struct problem *problem =
            pass_problem(pass, at, "procfile.syntax", "this line is no process");
        problem_expected(problem, "name: command");
        return;
    }
    const struct value_member *earlier = value_member(services, name);
    if (earlier) {
        struct problem *problem =
            pass_problem(pass, at, "config.duplicate-key",
                         "the process '" STR_FMT "' stands here twice", STR_ARG(name));
        problem_hint(problem, "it stands at line %u already: remove one of them", earlier->at.line);
        return;
    }
    struct value *service = pass_value(pass, VALUE_MAP, at);
    struct value *argv = pass_value(pass, VALUE_LIST, at);
    pass_add(pass, argv, pass_scalar(pass, STR("/bin/sh"), at));
    pass_add(pass, argv, pass_scalar(pass, STR("-c"), at));
    pass_add(pass, argv, pass_scalar(pass, shell_text(pass, command), at));
    pass_put(pass, service, STR("command"), argv);
    struct value *env_file = pass_value(pass, VALUE_LIST, at);
    struct value *entry = pass_value(pass, VALUE_MAP, at);
    struct value *required = pass_scalar(pass, STR("false"), at);
    required->quoted = false;
    pass_put(pass, entry, STR("path"), pass_scalar(pass, STR(".env"), at));
    pass_put(pass, entry, STR("required"), required);
    pass_add(pass, env_file, entry);
    pass_put(pass, service, STR("env_file"), env_file);
    if (str_is(name, "web")) {
        give_route(pass, service, at);
    }
    pass_put(pass, services, pass_str(pass, name), service);
}

struct value *procfile_parse(struct schema_pass *pass, uint16_t file, struct str text)
{
    struct value_at top = {.file = file, .line = 1, .column = 1};
    struct value *root = pass_value(pass, VALUE_MAP, top);
    struct value *services = pass_value(pass, VALUE_MAP, top);
    uint32_t number = 0;
    while (text.len && !pass->error && !pass->too_large) {
        struct str line;
        (void)str_split(text, '\n', &line, &text);
        number++;
        struct str trimmed = str_trim_ws(line);
        if (trimmed.len && trimmed.p[0] != '#') {
            read_line(pass, services, trimmed, place(file, number, (size_t)(trimmed.p - line.p)));
        }
    }
    pass_put(pass, root, STR("services"), services);
    return root;
}
