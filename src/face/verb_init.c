/* SPDX-License-Identifier: Apache-2.0
 *
 * init: looks at a folder and writes the muelle.yaml that a person would have written for it.
 * What it recognises is a table: a file that is there, words in it, and the command that such
 * projects start with. The first row that fits wins, so special ones stand before general ones.
 *
 * What muelle runs as it is (Compose files) is left alone. Lines of a Procfile keep their shell
 * only where they need one: a command without it gets signals itself, and its exit code is its own.
 *
 * Nothing is overwritten without --force, and --stdout writes nothing at all.
 */
#include "face/session.h"
#include "face/verbs.h"
#include "os/file.h"

enum { PEEK_MAX = 1 << 20, FILE_PATH_MAX = SESSION_PATH_MAX + 32 };

/* The first row whose file exists and holds `needle` (NULL: anything) is taken. */
static const struct {
    const char *file;
    const char *needle;
    const char *command;
    const char *what;
} projects[] = {
    {"package.json", "\"dev\":", "npm run dev", "a Node project with a dev script"},
    {"package.json", "\"start\":", "npm start", "a Node project with a start script"},
    {"server.js", NULL, "node server.js", "a Node program"},
    {"index.js", NULL, "node index.js", "a Node program"},
    {"manage.py", NULL, "python3 manage.py runserver 127.0.0.1:$PORT", "a Django project"},
    {"app.py", "Flask(", "python3 -m flask run --port $PORT", "a Flask application"},
    {"main.py", "FastAPI(", "python3 -m uvicorn main:app --port $PORT", "a FastAPI application"},
    {"app.py", NULL, "python3 app.py", "a Python program"},
    {"main.py", NULL, "python3 main.py", "a Python program"},
    {"config.ru", NULL, "bundle exec rackup -p $PORT", "a Ruby web application"},
    {"go.mod", NULL, "go run .", "a Go module"},
    {"Cargo.toml", NULL, "cargo run", "a Rust crate"},
    {"index.html", NULL, "python3 -m http.server $PORT --bind 127.0.0.1", "a static site"},
};

/* Files that muelle runs as they are. */
static const char *const ready_files[] = {"compose.yaml", "compose.yml", "docker-compose.yaml",
                                          "docker-compose.yml"};

/* A file of more than PEEK_MAX is no source that a person wrote. */
static bool has(const char *folder, const char *file, const char *needle)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(PEEK_MAX);
    char path[FILE_PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", folder, file);
    if (!file_exists(path)) {
        return false;
    }
    return !needle || (file_read_all(path, PEEK_MAX, &text) == 0 &&
                       str_find(buf_str(&text), str_from(needle)) >= 0);
}

/* A project name from the folder's, as schema/load.c takes it: lower case letters, digits and
 * dashes. A folder "!!!" becomes "app". */
static void project_name(const char *folder, char *ret, size_t size)
{
    struct str name = str_from(folder);
    size_t len = 0;

    while (name.len > 1 && name.p[name.len - 1] == '/') {
        name.len--;
    }
    name = str_skip(name, (size_t)(str_rfind_char(name, '/') + 1));
    for (size_t i = 0; i < name.len && len + 1 < size; i++) {
        char c = name.p[i];
        bool upper = c >= 'A' && c <= 'Z';
        bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        char kept = upper ? (char)(c - 'A' + 'a') : fine ? c : '-';
        if (kept != '-' || len > 0) {
            ret[len++] = kept;
        }
    }
    ret[len] = '\0';
    if (len == 0) {
        str_copy(ret, size, STR("app"));
    }
}

/* A line that means something else without a shell, or as YAML. PORT is put in by muelle itself.
 * Characters that a shell would act on, builtins that are no programs, and what YAML would take for
 * something else. Too often is harmless, too seldom is not. */
static bool needs_shell(struct str command)
{
    static const char *const builtins[] = {"exec ", "cd ", "export ", "ulimit ", ". ", "source "};
    bool odd =
        command.len == 0 || strchr("-@%,{", command.p[0]) || str_find(command, STR(": ")) >= 0;

    if (odd || command.p[command.len - 1] == ':') {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(builtins); i++) {
        if (str_starts(command, str_from(builtins[i]))) {
            return true;
        }
    }
    for (size_t i = 0; i < command.len; i++) {
        struct str rest = str_skip(command, i);
        bool port = str_starts(rest, STR("$PORT")) || str_starts(rest, STR("${PORT}"));
        if (!port && strchr("&|;<>()$`\"'\\*?[]~#=!", command.p[i])) {
            return true;
        }
    }
    return false;
}

/* As a Procfile has it: a line for the shell, whose dollar signs are the shell's. A block text
 * keeps the line as it was; dollar signs are doubled, since `$$` is what YAML interpolation makes
 * one of. */
static void write_shell_command(struct buf *out, struct str command)
{
    buf_add_cstr(out, "    command:\n      - /bin/sh\n      - -c\n      - |-\n        ");
    for (size_t i = 0; i < command.len; i++) {
        buf_add_cstr(out, command.p[i] == '$' ? "$" : "");
        buf_add_char(out, command.p[i]);
    }
    buf_add_char(out, '\n');
}

/* Only `web` gets a route: what else listens is not known from a command. */
static void write_service(struct buf *out, struct str name, struct str command, const char *project)
{
    bool web = str_is(name, "web");

    buf_printf(out, "  " STR_FMT ":\n", STR_ARG(name));
    if (needs_shell(command)) {
        write_shell_command(out, command);
    } else {
        buf_printf(out, "    command: " STR_FMT "\n", STR_ARG(command));
    }
    if (web) {
        buf_printf(out, "    routes: [ { host: %s.localhost, path: / } ]\n", project);
    }
}

/* What people change first stands at the top with its usual value. */
static void write_head(struct buf *out, const char *project)
{
    buf_printf(out,
               "# Written by muelle init. Compose's keys have Compose's meaning.\n"
               "name: %s\n"
               "gateway:\n"
               "  listen: [ \"http://127.0.0.1:8080\" ]\n"
               "  admin: \"http://127.0.0.1:7070\"   # dashboard and API\n"
               "services:\n",
               project);
}

/* One service per line "name: command". `.env` beside it is the environment of all, which a
 * muelle.yaml says of each. Lines that are none are passed over: `muelle up` names them, with their
 * place. */
static bool from_procfile(const char *folder, const char *project, struct buf *out)
{
    bool env = has(folder, ".env", NULL);
    cleanup(buf_fini) struct buf text = BUF_INIT(PEEK_MAX);
    char path[FILE_PATH_MAX];
    struct str rest;
    bool any = false;

    snprintf(path, sizeof(path), "%s/Procfile", folder);
    if (file_read_all(path, PEEK_MAX, &text) < 0) {
        return false;
    }
    write_head(out, project);
    rest = buf_str(&text);
    while (rest.len > 0) {
        struct str line = STR_NONE;
        struct str name = STR_NONE;
        struct str command = STR_NONE;
        str_split(rest, '\n', &line, &rest);
        line = str_trim_ws(line);
        if (line.len > 0 && line.p[0] != '#' && str_split(line, ':', &name, &command)) {
            write_service(out, str_trim(name), str_trim(command), project);
            buf_add_cstr(out, env ? "    env_file: .env\n" : "");
            any = true;
        }
    }
    return any;
}

/* One service: what more there is (a worker, a database) no file of the project tells. */
static bool from_project(const char *folder, const char *project, struct buf *out,
                         const char **ret_what)
{
    for (size_t i = 0; i < ARRAY_LEN(projects); i++) {
        if (has(folder, projects[i].file, projects[i].needle)) {
            write_head(out, project);
            write_service(out, STR("web"), str_from(projects[i].command), project);
            *ret_what = projects[i].what;
            return true;
        }
    }
    return false;
}

/* Nothing to look at: an example that runs as it is. */
static void write_example(struct buf *out, const char *project)
{
    write_head(out, project);
    buf_printf(out,
               "  web:                               # an example: put your own program here\n"
               "    command: python3 -m http.server $PORT --bind 127.0.0.1\n"
               "    healthcheck: { http: / }\n"
               "    routes: [ { host: %s.localhost, path: / } ]\n"
               "#    deploy: { replicas: 2 }\n"
               "#    depends_on: { db: { condition: service_healthy } }\n"
               "#  db:\n"
               "#    command: redis-server --port $PORT --save ''\n"
               "#    healthcheck: { tcp: true }\n",
               project);
}

/* Replaced in one step: a full disk leaves the file that was there. */
static int save(const struct session *s, const char *folder, const struct buf *text,
                const char *what)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    char path[FILE_PATH_MAX];
    int r;

    snprintf(path, sizeof(path), "%s/muelle.yaml", folder);
    if (file_exists(path) && !cli_has(s->args, "force")) {
        say_render(&s->err, STR("there is a muelle.yaml already"), str_from(path),
                   STR("use --force to write it anew"), &out);
        term_write(&s->err, buf_str(&out));
        return CLI_FAILED;
    }
    r = file_replace(path, buf_str(text), 0644);
    if (r < 0) {
        say_error(s, "%s cannot be written: %s", path, strerror(-r));
        return CLI_FAILED;
    }
    buf_printf(&out, "%s: wrote %s\n  start it with 'muelle up'\n", what, path);
    term_write(&s->out, buf_str(&out));
    return 0;
}

/* Files that muelle runs as they are come first: a second description would only drift from them.
 */
static int init_run(struct session *s)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(4 * MIB);
    const char *named = s->args->word_count ? s->args->words[0] : s->cwd;
    cleanup(buf_fini) struct buf real = BUF_INIT(SESSION_PATH_MAX - 1);
    const char *folder = file_real_path(named, &real) < 0 ? named : buf_cstr(&real);
    const char *what = "a Procfile";
    struct file_stat stat;
    char project[64];

    if (file_stat(folder, &stat) < 0 || stat.kind != FILE_KIND_DIRECTORY) {
        say_error(s, "there is no folder %s", folder);
        return CLI_FAILED;
    }
    for (size_t i = 0; i < ARRAY_LEN(ready_files); i++) {
        if (has(folder, ready_files[i], NULL)) {
            cleanup(buf_fini) struct buf out = BUF_INIT(4 * KIB);
            buf_printf(&out, "%s is understood as it is: start it with 'muelle up'\n",
                       ready_files[i]);
            term_write(&s->out, buf_str(&out));
            return 0;
        }
    }
    project_name(folder, project, sizeof(project));
    if (!from_procfile(folder, project, &text) && !from_project(folder, project, &text, &what)) {
        write_example(&text, project);
        what = "no kind of project that init knows, so an example";
    }
    if (buf_error(&text)) {
        say_error(s, "the file would be too large: %s", strerror(-buf_error(&text)));
        return CLI_FAILED;
    }
    if (cli_has(s->args, "stdout")) {
        term_write(&s->out, buf_str(&text));
        return 0;
    }
    return save(s, folder, &text, what);
}

int verb_init(const struct cli_args *args)
{
    struct session s;
    int r = session_init(&s, args);

    r = r ? r : init_run(&s);
    session_fini(&s);
    return r;
}
