/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: loading them here with the same code as the core, so that mistakes are said before
 * anything is started; checking what they name (check); sending them to the core; printing them as
 * understood.
 *
 * What goes to the core: absolute paths of the files, this process's environment (`${NAME}` means
 * the caller's), profiles, env files. It reads the files itself, so that a reload can read them
 * again.
 *
 * config prints no values of variables unless --show-secrets: its output is pasted into issues and
 * logs.
 *
 * The body of an apply, which the core checks by its table (api_table.c):
 *
 *   files         absolute, in order; at least one
 *   name          --project, or "" for the file's own
 *   profiles, env_files, working_dir, strict
 *   dry_run       plan
 *   environment   every variable of this process
 */
#include "base/num.h"
#include "base/vec.h"
#include "face/session.h"
#include "face/show.h"
#include "face/verbs.h"
#include "os/file.h"
#include "run/run.h"
#include "schema/load.h"
#include "schema/resource.h"
#include <unistd.h>

enum { ENVIRONMENT_MAX = 8192, CONFIG_FILE_MAX = 16 << 20 };

/* ---- loading ---- */

/* The loader's paths are slices; the kernel wants a NUL. */
static int read_file(void *ctx, struct str path, struct buf *out)
{
    char name[4096];

    if (!str_copy(name, sizeof(name), path)) {
        return -ENAMETOOLONG;
    }
    /* `config -f <(…)`: a pipe that the shell made for this process ends. */
    return str_starts(path, STR("/dev/fd/")) ? file_read_all(name, CONFIG_FILE_MAX, out)
                                             : file_read_regular(name, CONFIG_FILE_MAX, out);
}

static int need_files(struct session *s)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);

    if (s->file_count > 0) {
        return 0;
    }
    say_render(&s->err, STR("no configuration file here or in a folder above"), str_from(s->cwd),
               STR("name one with -f FILE, or write one with 'muelle init'"), &out);
    term_write(&s->err, buf_str(&out));
    return CLI_INVALID;
}

/* This process's variables as pairs; they point into environ. Entries without "=" are none (execve
 * lets them pass), nor are those without a name. */
static int collect_environment(struct vec *pairs)
{
    for (char **entry = environ; entry && *entry; entry++) {
        struct spec_pair pair;
        if (str_split(str_from(*entry), '=', &pair.name, &pair.value) && pair.name.len > 0) {
            int r = vec_push(pairs, &pair);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

/* Room for as many as a command line can have: more than there may be the core refuses. */
static size_t collect_values(const struct session *s, const char *option, struct str *values,
                             size_t max)
{
    size_t count = 0;

    for (unsigned i = 0; count < max; i++) {
        const char *value = cli_value_at(s->args, option, i);
        if (!value) {
            break;
        }
        values[count++] = str_from(value);
    }
    return count;
}

struct remedy {
    struct str expected, hint; /* either may be empty */
};

static void say_note(const struct session *s, struct str what, struct str where,
                     const struct remedy *remedy)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    term_style(&out, &s->err, TERM_AMBER, STR("note"));
    buf_add_cstr(&out, ": ");
    term_add_safe(&out, what);
    buf_add_cstr(&out, " (");
    term_add_safe(&out, where);
    buf_add_char(&out, ')');
    if (remedy->expected.len > 0) {
        buf_add_cstr(&out, "; expected ");
        term_add_safe(&out, remedy->expected);
    }
    buf_add_cstr(&out, remedy->hint.len > 0 ? "; " : "");
    term_add_safe(&out, remedy->hint);
    buf_add_char(&out, '\n');
    term_write(&s->err, buf_str(&out));
}

/* Notices and not errors: on standard error they disturb no pipe. */
static void say_notices(struct session *s, const struct problem_list *notices)
{
    s->notes += notices->count;
    const struct problem *end = notices->items + MIN(notices->count, (size_t)PROBLEM_LIST_MAX);
    for (const struct problem *notice = notices->items; notice < end; notice++) {
        say_note(s, str_from(notice->what), str_from(notice->where),
                 &(struct remedy){str_from(notice->expected), str_from(notice->hint)});
    }
    if (notices->count > PROBLEM_LIST_MAX) {
        cleanup(buf_fini) struct buf out = BUF_INIT(KIB);
        buf_printf(&out, "note: and %zu more\n", notices->count - PROBLEM_LIST_MAX);
        term_write(&s->err, buf_str(&out));
    }
}

/* Of files that were checked here, "config." notices were said: twice would look like two. */
void session_say_told(const struct session *s, const struct client_answer *answer, bool checked)
{
    jdoc_each(item, jdoc_get(answer->doc, "warnings"))
    {
        if (!checked || !str_starts(jdoc_str(item, "code"), STR("config."))) {
            say_note(s, jdoc_str(item, "detail"), jdoc_str(item, "where"),
                     &(struct remedy){jdoc_str(item, "expected"), jdoc_str(item, "hint")});
        }
    }
}

int session_load(struct session *s, struct project_spec **ret_spec)
{
    struct str profiles[CLI_OPTIONS_MAX];
    struct str env_files[CLI_OPTIONS_MAX];
    struct vec pairs = VEC_INIT(struct spec_pair, ENVIRONMENT_MAX);
    struct problem_list *problems = calloc(2, sizeof(*problems));
    int r = need_files(s);

    if (r == 0 && (!problems || collect_environment(&pairs) < 0)) {
        say_error(s, "out of memory");
        r = CLI_FAILED;
    }
    if (r == 0) {
        struct schema_load_options options = {
            .files = s->files,
            .files_count = s->file_count,
            .working_dir = str_from(s->cwd),
            .project_name = str_from(s->project),
            .profiles = profiles,
            .profiles_count = collect_values(s, "profile", profiles, CLI_OPTIONS_MAX),
            .environment = pairs.items,
            .environment_count = pairs.len,
            .env_files = env_files,
            .env_files_count = collect_values(s, "env-file", env_files, CLI_OPTIONS_MAX),
            .strict = cli_has(s->args, "strict"),
            .reader = {.read = read_file},
        };
        r = schema_load(&options, &problems[0], &problems[1], ret_spec);
        say_problems(s, &problems[0]);
        if (r < 0) {
            say_error(s, "the configuration cannot be loaded: %s", strerror(-r));
        }
        r = r == 0 ? 0 : r < 0 ? CLI_FAILED : CLI_INVALID;
    }
    if (r == 0) {
        say_notices(s, &problems[1]);
    }
    free(problems);
    vec_fini(&pairs);
    return r;
}

/* The name that the files give is kept: it is the project that is meant from here on. */
int session_check_files(struct session *s)
{
    struct project_spec *spec = NULL;
    int r = session_load(s, &spec);

    if (r == 0) {
        str_copy(s->project, sizeof(s->project), spec->name);
        project_spec_unref(spec);
    }
    return r;
}

/* ---- applying ---- */

static void apply_list(struct json_writer *w, const char *key, const struct str *values,
                       size_t count)
{
    json_key(w, str_from(key));
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        json_str(w, values[i]);
    }
    json_end_array(w);
}

/* `up web`: of the new services only these and what they depend on. */
static void apply_words(struct json_writer *w, const struct cli_args *args)
{
    json_key(w, STR("services"));
    json_begin_array(w);
    for (unsigned i = 0; i < args->word_count; i++) {
        json_cstr(w, args->words[i]);
    }
    json_end_array(w);
}

/* The environment goes whole: which variables the files use only the core finds out, on each
 * reload.
 */
static void apply_body(const struct session *s, bool dry_run, const struct vec *pairs,
                       struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    struct str values[CLI_OPTIONS_MAX];
    const char *name = cli_value(s->args, "project");

    json_begin_object(&w);
    apply_list(&w, "files", s->files, s->file_count);
    json_field(&w, "name", cstr, name ? name : ""); /* else the file's own */
    apply_list(&w, "profiles", values, collect_values(s, "profile", values, CLI_OPTIONS_MAX));
    size_t env_files = collect_values(s, "env-file", values, CLI_OPTIONS_MAX);
    if (env_files > 0) {
        apply_list(&w, "env_files", values, env_files);
    }
    if (s->args->verb->run == verb_up && s->args->word_count > 0) {
        apply_words(&w, s->args);
    }
    json_field(&w, "working_dir", cstr, s->cwd);
    json_field(&w, "dry_run", bool, dry_run);
    json_field(&w, "strict", bool, cli_has(s->args, "strict"));
    json_key(&w, STR("environment"));
    json_begin_object(&w);
    for (size_t i = 0; i < pairs->len; i++) {
        const struct spec_pair *pair = vec_at(pairs, struct spec_pair, i);
        json_key(&w, pair->name);
        json_str(&w, pair->value);
    }
    json_end_object(&w);
    json_end_object(&w);
}

int session_apply(struct session *s, bool dry_run, struct client_answer *ret)
{
    cleanup(buf_fini) struct buf body = BUF_INIT(4 * MIB);
    struct vec pairs = VEC_INIT(struct spec_pair, ENVIRONMENT_MAX);
    int r = collect_environment(&pairs);

    if (r == 0) {
        apply_body(s, dry_run, &pairs, &body);
        r = buf_error(&body);
    }
    vec_fini(&pairs);
    if (r < 0) {
        say_error(s, "the environment is too large to send: %s", strerror(-r));
        return CLI_FAILED;
    }
    r = session_call(s,
                     &(struct client_request){.method = "POST",
                                              .target = "/api/v1/projects",
                                              .body = buf_str(&body),
                                              .timeout_ns = 60 * NS_PER_S},
                     ret);
    if (r == 0) {
        session_say_told(s, ret, true);
    }
    return r;
}

/* ---- checking ---- */

static size_t count_routes(const struct project_spec *spec)
{
    size_t count = 0;
    for (size_t i = 0; i < spec->services_count; i++) {
        count += spec->services[i].routes_count;
    }
    return count;
}

static void say_good(const struct session *s, const struct project_spec *spec)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(4 * KIB);
    size_t routes = count_routes(spec), services = spec->services_count;
    term_add_safe(&out, spec->name);
    buf_printf(&out, ": %zu service%s, %zu route%s, ", services, services == 1 ? "" : "s", routes,
               routes == 1 ? "" : "s");
    if (s->notes > 0) {
        buf_printf(&out, "valid, %zu note%s\n", s->notes, s->notes == 1 ? "" : "s");
    } else {
        buf_add_cstr(&out, "nothing wrong\n");
    }
    term_write(&s->out, buf_str(&out));
}

int verb_check(const struct cli_args *args)
{
    struct session s;
    struct project_spec *spec = NULL;
    struct vec pairs = VEC_INIT(struct spec_pair, ENVIRONMENT_MAX);
    struct problem_list *lists = calloc(2, sizeof(*lists));
    int r = session_init(&s, args);

    r = r ? r : session_load(&s, &spec);
    if (r == 0) {
        int error = lists ? collect_environment(&pairs) : -ENOMEM;
        const struct run_check check = {spec, str_from(s.cwd), pairs.items, pairs.len};
        error = error < 0 ? error : run_check(&check, &lists[0], &lists[1]);
        if (error < 0) {
            say_error(&s, "the check cannot be made: %s", strerror(-error));
            r = CLI_FAILED;
        } else {
            say_problems(&s, &lists[0]);
            say_notices(&s, &lists[1]);
            r = lists[0].count > 0 ? CLI_INVALID : 0;
        }
    }
    if (r == 0) {
        say_good(&s, spec);
    }
    project_spec_unref(spec);
    vec_fini(&pairs);
    free(lists);
    session_fini(&s);
    return r;
}

/* ---- the verb ---- */

/* Overrides of the running instance, as comments below the file's view. Comments, so that the
 * output stays a file that can be loaded. Without an instance there are none. */
static void add_overrides(struct session *s, struct buf *out)
{
    struct client_answer answer = {0};

    if (session_connect(s, true) || session_list(s, &answer, "/services")) {
        return;
    }
    jdoc_each(service, jdoc_get(answer.doc, "items"))
    {
        jdoc_each(item, jdoc_get(service, "overrides"))
        {
            const struct jdoc *value = jdoc_get(item, "value");
            buf_printf(out,
                       "# override: " STR_FMT "." STR_FMT " = " STR_FMT " (" STR_FMT ", " STR_FMT
                       ")\n",
                       STR_ARG(jdoc_str(service, "name")), STR_ARG(jdoc_str(item, "field")),
                       STR_ARG(value ? value->raw : STR("null")), STR_ARG(jdoc_str(item, "actor")),
                       STR_ARG(jdoc_str(item, "time")));
        }
    }
    client_answer_fini(&answer);
}

/* --services for completion, --quiet for scripts that only want the code. */
static void config_print(struct session *s, const struct project_spec *spec)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(64 * MIB);
    unsigned flags = cli_has(s->args, "show-secrets") ? SCHEMA_SHOW_SECRETS : 0;

    if (cli_has(s->args, "quiet")) {
        return;
    }
    if (cli_has(s->args, "services")) {
        for (size_t i = 0; i < spec->services_count; i++) {
            buf_add(&out, spec->services[i].name);
            buf_add_char(&out, '\n');
        }
    } else if (s->json) {
        schema_render_json(spec, flags, &out);
        buf_add_char(&out, '\n');
    } else {
        schema_render_yaml(spec, flags, &out);
        str_copy(s->project, sizeof(s->project), spec->name);
        add_overrides(s, &out);
    }
    term_write(&s->out, buf_str(&out));
}

int verb_config(const struct cli_args *args)
{
    struct session s;
    struct project_spec *spec = NULL;
    int r = session_init(&s, args);

    if (r == 0 && cli_has(args, "schema")) {
        cleanup(buf_fini) struct buf out = BUF_INIT(8 * MIB);
        schema_config_json_schema(&out);
        show_json(&s, &out);
    } else if (r == 0) {
        r = session_load(&s, &spec);
        if (r == 0) {
            config_print(&s, spec);
            project_spec_unref(spec);
        }
    }
    session_fini(&s);
    return r;
}
