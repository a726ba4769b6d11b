/* SPDX-License-Identifier: Apache-2.0
 *
 * One reader records what it reads; the other one plays the record back. Both are given to the same
 * schema_load, so that a restarted core decodes exactly what was applied.
 *
 * Stored form: {"name","working_dir","files":[…],"profiles":[…],"strict","environment":{…},
 * "read":[{"path","error"?,"content"? (base64)}]}.
 */
#include "run/source.h"

#include "base/encode.h"
#include "base/json.h"
#include "os/file.h"
#include "os/proc.h"
#include "run/certificates.h"
#include "run/graph.h"
#include "run/log_file.h"
#include "run/places_file.h"
#include "schema/load.h"

#include <stdlib.h>

struct source *source_new(void)
{
    struct source *source = calloc(1, sizeof(*source));
    if (source) {
        source->arena = ARENA_INIT(SOURCE_BYTES_MAX * 2);
        source->read = VEC_INIT(struct source_file, SOURCE_FILES_MAX);
        source->refs = 1;
    }
    return source;
}

struct source *source_ref(struct source *source)
{
    source->refs++;
    return source;
}

void source_unref(struct source *source)
{
    if (!source || --source->refs > 0) {
        return;
    }
    vec_fini(&source->read);
    certificates_unref(source->certificates);
    arena_fini(&source->arena);
    free(source);
}

static struct str *copy_strs(struct arena *arena, const struct str *from, size_t count)
{
    struct str *to = arena_array(arena, MAX(count, 1), sizeof(*to));
    for (size_t i = 0; to && i < count; i++) {
        to[i] = arena_str(arena, from[i]);
        if (!to[i].p) {
            return NULL;
        }
    }
    return to;
}

static struct spec_pair *copy_pairs(struct arena *arena, const struct spec_pair *from, size_t count)
{
    struct spec_pair *to = arena_array(arena, MAX(count, 1), sizeof(*to));
    for (size_t i = 0; to && i < count; i++) {
        to[i].name = arena_str(arena, from[i].name);
        to[i].value = arena_str(arena, from[i].value);
        if (!to[i].name.p || !to[i].value.p) {
            return NULL;
        }
    }
    return to;
}

struct source *source_again(const struct source *source)
{
    struct source *copy = source_new();
    if (!copy) {
        return NULL;
    }
    copy->name = arena_str(&copy->arena, source->name);
    copy->working_dir = arena_str(&copy->arena, source->working_dir);
    copy->files = copy_strs(&copy->arena, source->files, source->file_count);
    copy->profiles = copy_strs(&copy->arena, source->profiles, source->profile_count);
    copy->env_files = copy_strs(&copy->arena, source->env_files, source->env_file_count);
    copy->environment = copy_pairs(&copy->arena, source->environment, source->environment_count);
    copy->strict = source->strict;
    if (!copy->name.p || !copy->working_dir.p || !copy->files || !copy->profiles ||
        !copy->env_files || !copy->environment) {
        source_unref(copy);
        return NULL;
    }
    copy->file_count = source->file_count;
    copy->profile_count = source->profile_count;
    copy->env_file_count = source->env_file_count;
    copy->environment_count = source->environment_count;
    return copy;
}

struct str source_env(const struct source *source, struct str name)
{
    for (size_t i = 0; i < source->environment_count; i++) {
        if (str_eq(source->environment[i].name, name)) {
            return source->environment[i].value;
        }
    }
    return STR_NONE;
}

/* --- readers --- */

static int record(struct source *source, struct str path, int error, struct str content)
{
    struct source_file *file = vec_add(&source->read);
    if (!file) {
        return source->read.len >= SOURCE_FILES_MAX ? -E2BIG : -ENOMEM;
    }
    file->path = arena_str(&source->arena, path);
    file->content = arena_str(&source->arena, content);
    file->error = error;
    return file->path.p && file->content.p ? 0 : -ENOMEM;
}

static int read_disk(void *ctx, struct str path, struct buf *out)
{
    struct source *source = ctx;
    char *name = str_dup(path);
    if (!name) {
        return -ENOMEM;
    }
    size_t before = out->len;
    int r = file_read_regular(name, SOURCE_FILE_BYTES_MAX, out);
    free(name);
    if (r < 0 && r != -ENOENT) {
        return r;
    }
    int recorded = record(source, path, r, r == 0 ? str_skip(buf_str(out), before) : STR(""));
    return recorded < 0 ? recorded : r;
}

static int read_record(void *ctx, struct str path, struct buf *out)
{
    const struct source *source = ctx;
    for (size_t i = 0; i < source->read.len; i++) {
        const struct source_file *file = vec_at(&source->read, struct source_file, i);
        if (str_eq(file->path, path)) {
            buf_add(out, file->content);
            return file->error < 0 ? file->error : buf_error(out);
        }
    }
    return -ENOENT;
}

int source_load(struct source *source, bool stored, struct problem_list *problems,
                struct problem_list *notices, struct project_spec **ret_spec)
{
    if (!stored) {
        vec_reset(&source->read);
    }
    struct schema_load_options options = {
        .files = source->files,
        .files_count = source->file_count,
        .working_dir = source->working_dir,
        .project_name = source->name,
        .profiles = source->profiles,
        .profiles_count = source->profile_count,
        .env_files = source->env_files,
        .env_files_count = source->env_file_count,
        .environment = source->environment,
        .environment_count = source->environment_count,
        .strict = source->strict,
        .reader = {stored ? read_record : read_disk, source},
    };
    return schema_load(&options, problems, notices, ret_spec);
}

/* --- checks before anything starts --- */

/* What a check of one service needs. */
struct checked {
    struct source *source;
    const struct project_spec *spec;
    const struct service_spec *service;
    struct problem_list *problems;
};

static bool service_where(const struct checked *c, struct problem *problem, const char *key)
{
    problem->status = 422;
    return schema_where(c->spec, problem, "/services/" STR_FMT "/%s", STR_ARG(c->service->name),
                        key);
}

static int check_folder(const struct checked *c)
{
    const struct service_spec *service = c->service;
    struct file_stat stat;
    char *path = str_dup(service->working_dir);
    int r = !path ? -ENOMEM : file_stat(path, &stat);
    free(path);
    if (r == -ENOMEM || (r == 0 && stat.kind == FILE_KIND_DIRECTORY)) {
        return r;
    }
    struct problem *problem = problem_list_add(c->problems);
    problem_set(problem, "config.working-dir",
                "working directory of '" STR_FMT "' cannot be used: " STR_FMT,
                STR_ARG(service->name), STR_ARG(service->working_dir));
    (void)service_where(c, problem, "working_dir");
    problem_expected(problem, "a folder that exists%s%s", r < 0 ? ": " : "",
                     r < 0 ? strerror(-r) : "");
    return 0;
}

static void say_missing(const struct checked *c, struct str program, const char *path)
{
    const struct service_spec *service = c->service;
    struct problem *problem = problem_list_add(c->problems);
    problem_set(problem, "config.command", "command of '" STR_FMT "' not found: " STR_FMT,
                STR_ARG(service->name), STR_ARG(program));
    if (!service_where(c, problem, "entrypoint")) { /* which comes first, where there is one */
        (void)service_where(c, problem, "command");
    }
    if (str_find_char(program, '/') < 0) {
        problem_expected(problem, "a program in PATH: %s", path);
    } else {
        problem_expected(problem, "a file that can be executed");
    }
    problem_hint(problem, "install it, or write its whole path");
}

/* The PATH that the service will have: its own, else the caller's. */
static struct str path_of(const struct source *source, const struct service_spec *service)
{
    for (size_t i = 0; i < service->environment_count; i++) {
        if (str_is(service->environment[i].name, "PATH")) {
            return service->environment[i].value;
        }
    }
    struct str path = source_env(source, STR("PATH"));
    return path.len ? path : STR("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

/* A name with a slash is relative to the working directory, as it is for execve after chdir. */
static int check_command(const struct checked *c)
{
    const struct service_spec *service = c->service;
    struct str program = service->argv[0];
    char *path = str_dup(path_of(c->source, service));
    struct buf name = BUF_INIT(8192), found = BUF_INIT(8192);
    if (str_find_char(program, '/') > 0) {
        buf_printf(&name, STR_FMT "/", STR_ARG(service->working_dir));
    }
    buf_add(&name, program);
    int r = path ? buf_error(&name) : -ENOMEM;
    if (r == 0 && str_find_char(program, '$') < 0) {
        r = proc_find_program(buf_str(&name), path, service->working_dir, &found);
    }
    if (r == -ENOENT) {
        say_missing(c, program, path);
        r = 0;
    }
    buf_fini(&name);
    buf_fini(&found);
    free(path);
    return r;
}

static int check_user(const struct checked *c)
{
    const struct service_spec *service = c->service;
    struct source *source = c->source;
    struct problem problem;
    if (service->user.len == 0) {
        return 0;
    }
    struct user *user = arena_new(&source->arena, struct user);
    if (!user) {
        return -ENOMEM;
    }
    if (user_find(service->user, user, &problem) < 0) {
        (void)service_where(c, &problem, "user");
        problem_expected(&problem, "NAME, UID or NAME:GROUP that this machine knows");
        *problem_list_add(c->problems) = problem;
        return 0;
    }
    if (user->uid != user_own_uid() && user_own_uid() != 0) {
        struct problem *refused = problem_list_add(c->problems);
        problem_set(refused, "config.user",
                    "'" STR_FMT "' cannot run as '" STR_FMT "': muelle does not run as root",
                    STR_ARG(service->name), STR_ARG(service->user));
        (void)service_where(c, refused, "user");
        problem_hint(refused, "start muelle as root, or leave 'user' out");
    }
    source->users[service - c->spec->services] = user;
    return 0;
}

int source_check(struct source *source, const struct source_check *check)
{
    const struct project_spec *spec = check->spec;
    struct problem_list *problems = check->problems;
    struct problem cycle;
    int r = graph_check(spec, &cycle);
    if (r < 0) {
        return r;
    }
    if (r == GRAPH_E_CYCLE) {
        *problem_list_add(problems) = cycle;
    }
    source->users =
        arena_array(&source->arena, MAX(spec->services_count, 1), sizeof(*source->users));
    if (!source->users) {
        return -ENOMEM;
    }
    source->user_count = spec->services_count;
    for (size_t i = 0; i < spec->services_count; i++) {
        const struct service_spec *service = &spec->services[i];
        if (service->kind != SERVICE_PROCESS || service->argv_count == 0) {
            continue;
        }
        const struct checked c = {source, spec, service, problems};
        r = check_folder(&c);
        r = r < 0 ? r : check_command(&c);
        r = r < 0 ? r : check_user(&c);
        if (r < 0) {
            return r;
        }
    }
    const struct certificates_request request = {
        .source = source,
        .spec = spec,
        .kept = check->kept ? *check->kept : (struct certificates_kept){0},
        .files_only = check->files_only,
        .state = check->state,
    };
    r = certificates_load(&request, problems, check->notices, &source->certificates);
    problem_list_sort(problems, 0);
    if (check->notices) {
        r = r < 0 ? r : log_file_doubt(spec, check->notices);
        r = r < 0 ? r : places_file_doubt(spec, check->notices);
        problem_list_sort(check->notices, 0);
    }
    return r;
}

const struct user *source_user(const struct source *source, const struct project_spec *spec,
                               const struct service_spec *service)
{
    size_t i = (size_t)(service - spec->services);
    return i < source->user_count ? source->users[i] : NULL;
}

/* --- the store's form --- */

static void encode_list(struct json_writer *w, struct str key, const struct str *items,
                        size_t count)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        json_str(w, items[i]);
    }
    json_end_array(w);
}

static void encode_file(struct json_writer *w, const struct source_file *file)
{
    struct buf text = BUF_INIT(SOURCE_BYTES_MAX);
    json_begin_object(w);
    json_field(w, "path", str, file->path);
    json_field(w, "error", i64, file->error);
    encode_base64(&text, file->content);
    json_field(w, "content", str, buf_str(&text));
    json_end_object(w);
    if (buf_error(&text)) {
        w->out->error = buf_error(&text);
    }
    buf_fini(&text);
}

void source_encode(const struct source *source, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_begin_object(&w);
    json_field(&w, "name", str, source->name);
    json_field(&w, "working_dir", str, source->working_dir);
    json_field(&w, "strict", bool, source->strict);
    encode_list(&w, STR("files"), source->files, source->file_count);
    encode_list(&w, STR("profiles"), source->profiles, source->profile_count);
    encode_list(&w, STR("env_files"), source->env_files, source->env_file_count);
    json_key(&w, STR("environment"));
    json_begin_object(&w);
    for (size_t i = 0; i < source->environment_count; i++) {
        json_key(&w, source->environment[i].name);
        json_str(&w, source->environment[i].value);
    }
    json_end_object(&w);
    json_key(&w, STR("read"));
    json_begin_array(&w);
    for (size_t i = 0; i < source->read.len; i++) {
        encode_file(&w, vec_at(&source->read, struct source_file, i));
    }
    json_end_array(&w);
    json_end_object(&w);
}

/* A decoder in progress: the first error sticks. */
struct decoder {
    struct source *source;
    struct json_reader r;
    int error;
};

static struct str decode_string(struct decoder *d)
{
    struct buf text = BUF_INIT(SOURCE_BYTES_MAX);
    struct str copy = STR_NONE;
    int r = json_token_decode(&d->r, &text);
    if (r == 0) {
        copy = arena_str(&d->source->arena, buf_str(&text));
        r = copy.p ? 0 : -ENOMEM;
    }
    buf_fini(&text);
    if (r < 0) {
        d->error = r == -ENOMEM ? r : -EBADMSG;
    }
    return copy;
}

static size_t decode_list(struct decoder *d, struct str **ret)
{
    struct vec items = VEC_INIT(struct str, SOURCE_FILES_MAX);
    enum json_type type;
    while (!d->error && (type = json_next(&d->r)) == JSON_STRING) {
        struct str item = decode_string(d);
        int r = vec_push(&items, &item);
        d->error = d->error ? d->error : r;
    }
    size_t count = items.len;
    *ret = arena_array(&d->source->arena, MAX(count, 1), sizeof(struct str));
    if (!*ret) {
        d->error = -ENOMEM;
    } else if (count) {
        memcpy(*ret, items.items, count * sizeof(struct str));
    }
    vec_fini(&items);
    return d->error ? 0 : count;
}

static void decode_environment(struct decoder *d)
{
    struct vec pairs = VEC_INIT(struct spec_pair, 8192);
    while (!d->error && json_next(&d->r) == JSON_KEY) {
        struct spec_pair pair = {.name = decode_string(d)};
        d->error = json_next(&d->r) == JSON_STRING ? d->error : -EBADMSG;
        if (!d->error) {
            pair.value = decode_string(d);
            int r = vec_push(&pairs, &pair);
            d->error = d->error ? d->error : r;
        }
    }
    struct spec_pair *copy = arena_array(&d->source->arena, MAX(pairs.len, 1), sizeof(*copy));
    if (!copy) {
        d->error = -ENOMEM;
    } else {
        if (pairs.len) {
            memcpy(copy, pairs.items, pairs.len * sizeof(*copy));
        }
        d->source->environment = copy;
        d->source->environment_count = pairs.len;
    }
    vec_fini(&pairs);
}

static void decode_content(struct decoder *d, struct source_file *file)
{
    struct buf bytes = BUF_INIT(SOURCE_BYTES_MAX);
    d->error = decode_base64(&bytes, d->r.token);
    file->content = arena_str(&d->source->arena, buf_str(&bytes));
    if (!d->error && !file->content.p) {
        d->error = -ENOMEM;
    }
    buf_fini(&bytes);
}

static void decode_file(struct decoder *d)
{
    struct source_file file = {.path = STR(""), .content = STR("")};
    enum json_type type;
    while (!d->error && (type = json_next(&d->r)) == JSON_KEY) {
        struct str key = d->r.token;
        type = json_next(&d->r);
        if (str_is(key, "path") && type == JSON_STRING) {
            file.path = decode_string(d);
        } else if (str_is(key, "content") && type == JSON_STRING) {
            decode_content(d, &file);
        } else if (str_is(key, "error") && type == JSON_NUMBER) {
            file.error = str_is(d->r.token, "0") ? 0 : -ENOENT;
        } else if (json_skip(&d->r, type) < 0) {
            d->error = -EBADMSG;
        }
    }
    if (!d->error) {
        d->error = vec_push(&d->source->read, &file);
    }
}

static void decode_read(struct decoder *d)
{
    while (!d->error && json_next(&d->r) == JSON_OBJECT) {
        decode_file(d);
    }
}

static void decode_member(struct decoder *d, struct str key, enum json_type type)
{
    struct source *source = d->source;
    if (str_is(key, "name") && type == JSON_STRING) {
        source->name = decode_string(d);
    } else if (str_is(key, "working_dir") && type == JSON_STRING) {
        source->working_dir = decode_string(d);
    } else if (str_is(key, "strict")) {
        source->strict = type == JSON_TRUE;
    } else if (str_is(key, "files") && type == JSON_ARRAY) {
        source->file_count = decode_list(d, &source->files);
    } else if (str_is(key, "profiles") && type == JSON_ARRAY) {
        source->profile_count = decode_list(d, &source->profiles);
    } else if (str_is(key, "env_files") && type == JSON_ARRAY) {
        source->env_file_count = decode_list(d, &source->env_files);
    } else if (str_is(key, "environment") && type == JSON_OBJECT) {
        decode_environment(d);
    } else if (str_is(key, "read") && type == JSON_ARRAY) {
        decode_read(d);
    } else if (json_skip(&d->r, type) < 0) {
        d->error = -EBADMSG;
    }
}

int source_decode(struct str text, struct source **ret_source)
{
    struct decoder d = {.source = source_new(), .r = JSON_READER(text)};
    if (!d.source) {
        return -ENOMEM;
    }
    if (json_next(&d.r) != JSON_OBJECT) {
        d.error = -EBADMSG;
    }
    enum json_type type = JSON_ERROR;
    while (!d.error && (type = json_next(&d.r)) == JSON_KEY) {
        struct str key = d.r.token;
        decode_member(&d, key, json_next(&d.r));
    }
    if (!d.error && (type != JSON_END || d.source->file_count == 0)) {
        d.error = -EBADMSG;
    }
    if (d.error) {
        source_unref(d.source);
        return d.error;
    }
    *ret_source = d.source;
    return 0;
}
