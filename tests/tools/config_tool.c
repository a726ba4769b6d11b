/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads and renders configurations for tests, without the rest of muelle:
 *
 *   config_tool [--json] [--show-secrets] [--strict] [--profile P]… [--env-file F]… [-p NAME] -f
 * FILE… config_tool --spec -f FILE     what the other rooms get, as JSON
 *
 * Exit status: 0, 1 with the problems on standard error (three lines each), 2 for a wrong call.
 */
#include "schema/load.h"
#include "schema/resource.h"

#include <stdio.h>
#include <unistd.h>

extern char **environ;

enum { ARGS_MAX = 64 };

struct call {
    struct str files[ARGS_MAX], profiles[ARGS_MAX], env_files[ARGS_MAX];
    struct schema_load_options options;
    bool json, spec;
    unsigned flags;
};

static int read_file(void *ctx, struct str path, struct buf *out)
{
    char *name = str_dup(path);
    FILE *f = name ? fopen(name, "rb") : NULL;
    int r = f ? 0 : -errno;
    free(name);
    while (f && !feof(f) && !buf_error(out)) {
        char *room = buf_reserve(out, 65536);
        size_t n = room ? fread(room, 1, 65536, f) : 0;
        if (ferror(f)) {
            r = -errno;
            break;
        }
        buf_commit(out, n);
    }
    if (f) {
        fclose(f);
    }
    return r ? r : buf_error(out);
}

static bool take_option(struct call *call, const char *name, const char *value)
{
    struct schema_load_options *o = &call->options;
    if (!value) {
        return false;
    }
    if (strcmp(name, "-f") == 0 && o->files_count < ARGS_MAX) {
        call->files[o->files_count++] = str_from(value);
    } else if (strcmp(name, "--profile") == 0 && o->profiles_count < ARGS_MAX) {
        call->profiles[o->profiles_count++] = str_from(value);
    } else if (strcmp(name, "--env-file") == 0 && o->env_files_count < ARGS_MAX) {
        call->env_files[o->env_files_count++] = str_from(value);
    } else if (strcmp(name, "-p") == 0) {
        o->project_name = str_from(value);
    } else {
        return false;
    }
    return true;
}

static bool parse_call(struct call *call, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            call->json = true;
        } else if (strcmp(argv[i], "--spec") == 0) {
            call->spec = true;
        } else if (strcmp(argv[i], "--strict") == 0) {
            call->options.strict = true;
        } else if (strcmp(argv[i], "--show-secrets") == 0) {
            call->flags |= SCHEMA_SHOW_SECRETS;
        } else if (take_option(call, argv[i], argv[i + 1])) {
            i++;
        } else {
            return false;
        }
    }
    return call->options.files_count > 0;
}

static struct spec_pair *environment(size_t *ret_count)
{
    size_t count = 0;
    while (environ[count]) {
        count++;
    }
    struct spec_pair *pairs = calloc(count + 1, sizeof(*pairs));
    for (size_t i = 0; pairs && i < count; i++) {
        (void)str_split(str_from(environ[i]), '=', &pairs[i].name, &pairs[i].value);
    }
    *ret_count = pairs ? count : 0;
    return pairs;
}

static void print_problems(const char *kind, const struct problem_list *list)
{
    for (size_t i = 0; i < MIN(list->count, (size_t)PROBLEM_LIST_MAX); i++) {
        const struct problem *p = &list->items[i];
        fprintf(stderr, "%s: %s: %s [%s]\n", p->where, kind, p->what, p->code);
        if (p->expected[0]) {
            fprintf(stderr, "    expected: %s\n", p->expected);
        }
        if (p->hint[0]) {
            fprintf(stderr, "    hint: %s\n", p->hint);
        }
    }
}

static void print_words(struct json_writer *w, const struct str *words, size_t count)
{
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        json_str(w, words[i]);
    }
    json_end_array(w);
}

static void print_service(struct json_writer *w, const struct service_spec *s)
{
    json_begin_object(w);
    json_field(w, "name", str, s->name);
    json_field(w, "kind", i64, s->kind);
    json_key(w, STR("argv"));
    print_words(w, s->argv, s->argv_count);
    json_field(w, "working_dir", str, s->working_dir);
    json_key(w, STR("environment"));
    json_begin_object(w);
    for (size_t i = 0; i < s->environment_count; i++) {
        json_key(w, s->environment[i].name);
        json_str(w, s->environment[i].value);
    }
    json_end_object(w);
    json_field(w, "replicas", i64, s->replicas);
    json_field(w, "restart", i64, s->restart.mode);
    json_field(w, "backoff_max_ms", i64, s->restart.max_ns / 1000000);
    json_field(w, "stop_signal", str, s->stop_signal);
    json_field(w, "stop_grace_ms", i64, s->stop_grace_ns / 1000000);
    json_field(w, "health", i64, s->health.kind);
    json_key(w, STR("health_argv"));
    print_words(w, s->health.argv, s->health.argv_count);
    json_field(w, "interval_ms", i64, s->health.interval_ns / 1000000);
    json_field(w, "memory", i64, s->limits.memory_bytes);
    json_field(w, "umask", i64, s->umask);
    json_field(w, "routes", u64, s->routes_count);
    json_field(w, "ports", u64, s->ports_count);
    json_field(w, "watch", u64, s->watch_count);
    json_field(w, "depends_on", u64, s->depends_on_count);
    json_field(w, "spec_hash", u64, s->spec_hash);
    json_end_object(w);
}

static void print_spec(const struct project_spec *spec, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_begin_object(&w);
    json_field(&w, "name", str, spec->name);
    json_field(&w, "content_hash", u64, spec->content_hash);
    json_key(&w, STR("listens"));
    json_begin_array(&w);
    for (size_t i = 0; i < spec->gateway.listens_count; i++) {
        json_str(&w, spec->gateway.listens[i].address);
    }
    json_end_array(&w);
    json_field(&w, "admin", str, spec->gateway.admin.address);
    json_key(&w, STR("services"));
    json_begin_array(&w);
    for (size_t i = 0; i < spec->services_count; i++) {
        print_service(&w, &spec->services[i]);
    }
    json_end_array(&w);
    json_end_object(&w);
}

int main(int argc, char **argv)
{
    static struct call call;
    static struct problem_list problems, notices;
    char folder[4096];
    struct project_spec *spec = NULL;
    if (!parse_call(&call, argc, argv) || !getcwd(folder, sizeof(folder))) {
        fputs("usage: config_tool [--json|--spec] [--show-secrets] [--strict] [--profile P] -f "
              "FILE…\n",
              stderr);
        return 2;
    }
    size_t count;
    struct spec_pair *pairs = environment(&count);
    call.options.files = call.files;
    call.options.profiles = call.profiles;
    call.options.env_files = call.env_files;
    call.options.working_dir = str_from(folder);
    call.options.environment = pairs;
    call.options.environment_count = count;
    call.options.reader.read = read_file;
    int r = schema_load(&call.options, &problems, &notices, &spec);
    free(pairs);
    print_problems("notice", &notices);
    print_problems("error", &problems);
    if (r) {
        return 1;
    }
    struct buf out = BUF_INIT(64 * MIB);
    if (call.spec) {
        print_spec(spec, &out);
    } else if (call.json) {
        schema_render_json(spec, call.flags, &out);
    } else {
        schema_render_yaml(spec, call.flags, &out);
    }
    r = buf_error(&out);
    fwrite(out.p, 1, out.len, stdout);
    buf_fini(&out);
    project_spec_unref(spec);
    return r ? 1 : 0;
}
