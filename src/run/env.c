/* SPDX-License-Identifier: Apache-2.0 */
#include "run/env.h"

#include "base/vec.h"
#include "core/core.h"
#include "link/order.h"
#include "run/model.h"
#include "run/project.h"
#include "run/socket.h"

#include <stdio.h>

/* A list of pairs in which a later one replaces an earlier one of the same name, in its place. */
struct env_list {
    struct arena *arena;
    struct vec pairs; /* of struct spec_pair */
    int error;
};

static void set(struct env_list *list, struct str name, struct str value)
{
    for (size_t i = 0; i < list->pairs.len; i++) {
        struct spec_pair *pair = vec_at(&list->pairs, struct spec_pair, i);
        if (str_eq(pair->name, name)) {
            pair->value = value;
            return;
        }
    }
    struct spec_pair pair = {name, value};
    int r = vec_push(&list->pairs, &pair);
    list->error = list->error ? list->error : r == -ENOBUFS ? -E2BIG : r;
}

static bool is_set(const struct env_list *list, struct str name)
{
    for (size_t i = 0; i < list->pairs.len; i++) {
        if (str_eq(vec_at(&list->pairs, struct spec_pair, i)->name, name)) {
            return true;
        }
    }
    return false;
}

/* Names that belong to whoever starts a process: not handed on from the caller. */
static bool is_private(struct str name)
{
    return str_starts(name, STR("MUELLE_")) || str_starts(name, STR("LISTEN_")) ||
           str_is(name, "PORT") || str_is(name, "NOTIFY_SOCKET") || str_is(name, "PWD") ||
           str_is(name, "OLDPWD") || str_is(name, "_") || str_is(name, "SHLVL");
}

static struct str number(struct arena *arena, unsigned n)
{
    return arena_printf(arena, "%u", n);
}

enum { VALUES = 7 };

/* The values that exist per replica. */
static void replica_values(const struct run *run, const struct replica *replica,
                           struct arena *arena, struct spec_pair *ret)
{
    const struct service *service = replica->service;
    ret[0] = (struct spec_pair){STR("PORT"), number(arena, replica->port)};
    ret[1] = (struct spec_pair){STR("HOST"), STR("127.0.0.1")};
    ret[2] = (struct spec_pair){STR("MUELLE_PROJECT"), str_from(service->project->name)};
    ret[3] = (struct spec_pair){STR("MUELLE_SERVICE"), str_from(service->name)};
    ret[4] = (struct spec_pair){STR("MUELLE_REPLICA"), number(arena, replica->number)};
    ret[5] = (struct spec_pair){STR("MUELLE_INSTANCE"), str_from(run->core->instance.id)};
    ret[6] = (struct spec_pair){STR("MUELLE_ID"),
                                arena_printf(arena, "%s/%s", run->core->instance.id, replica->id)};
}

static struct str expand(struct env_list *list, struct str text, const struct spec_pair *values)
{
    if (str_find_char(text, '$') < 0) {
        return text;
    }
    struct buf out = BUF_INIT(ENV_BYTES_MAX);
    spec_expand(text, values, VALUES, &out);
    struct str copy = buf_error(&out) ? STR_NONE : arena_str(list->arena, buf_str(&out));
    buf_fini(&out);
    if (!copy.p) {
        list->error = -E2BIG;
    }
    return copy;
}

/* "db-1.x" → "DB_1_X". */
static struct str upper(struct arena *arena, const char *prefix, const char *name)
{
    struct str text = arena_printf(arena, "%s%s", prefix, name);
    char *p = arena_cstr(arena, text);
    for (size_t i = 0; p && p[i]; i++) {
        bool letter = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z');
        bool digit = p[i] >= '0' && p[i] <= '9';
        p[i] = !letter && !digit ? '_' : p[i] >= 'a' ? (char)(p[i] - 'a' + 'A') : p[i];
    }
    return str_from(p);
}

static void add_dependency(struct env_list *list, struct service *other)
{
    struct replica *first = replica_current(other, 1);
    if (!first || first->port == 0) {
        return;
    }
    struct arena *arena = list->arena;
    set(list, upper(arena, "MUELLE_HOST_", other->name), STR("127.0.0.1"));
    set(list, upper(arena, "MUELLE_PORT_", other->name), number(arena, first->port));
    set(list, upper(arena, "MUELLE_URL_", other->name),
        arena_printf(arena, "%s://127.0.0.1:%u", other->spec->routes_count ? "http" : "tcp",
                     first->port));
}

/* Another user's home is not the caller's. */
static void add_user(struct env_list *list, const struct replica *replica)
{
    const struct user *user = source_user(replica->source, replica->project_spec, replica->spec);
    if (user) {
        set(list, STR("HOME"), str_from(user->home[0] ? user->home : "/"));
        set(list, STR("USER"), str_from(user->name));
        set(list, STR("LOGNAME"), str_from(user->name));
    }
}

/* Where the program is to make its socket. */
static void add_socket(const struct run *run, const struct replica *replica, struct env_list *list)
{
    char path[SOCKET_PATH_SIZE];
    socket_path(run, replica, path);
    if (path[0] && replica->spec->traffic.socket == SOCKET_PATH) {
        struct str copy = arena_str(list->arena, str_from(path));
        set(list, STR("MUELLE_SOCKET"), copy);
        set(list, STR("SOCKET_PATH"), copy);
    }
}

static void fill(struct run *run, struct replica *replica, struct env_list *list,
                 const struct spec_pair *values)
{
    const struct service_spec *spec = replica->spec;
    const struct source *source = replica->source;
    for (size_t i = 0; i < source->environment_count; i++) {
        if (!is_private(source->environment[i].name)) {
            set(list, source->environment[i].name, source->environment[i].value);
        }
    }
    add_user(list, replica);
    for (size_t i = 0; i < spec->environment_count; i++) {
        set(list, spec->environment[i].name, expand(list, spec->environment[i].value, values));
    }
    for (size_t i = 0; i < VALUES; i++) {
        bool muelle = str_starts(values[i].name, STR("MUELLE_"));
        if (str_is(values[i].name, "MUELLE_ID")) {
            continue; /* the keeper adds it, whatever the order says: it is the mark of the tree */
        }
        bool useful = muelle || (replica->port != 0 && !is_set(list, values[i].name));
        if (useful) {
            set(list, values[i].name, values[i].value);
        }
    }
    add_socket(run, replica, list);
    for (size_t i = 0; i < spec->depends_on_count; i++) {
        struct service *other =
            service_find(replica->service->project, spec->depends_on[i].service);
        if (other) {
            add_dependency(list, other);
        }
    }
    if (!is_set(list, STR("PATH"))) {
        set(list, STR("PATH"), STR("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    }
}

static int finish(struct env_list *list, struct env *ret)
{
    const char **envp = arena_array(list->arena, list->pairs.len + 1, sizeof(*envp));
    if (!envp || list->error) {
        return list->error ? list->error : -ENOMEM;
    }
    for (size_t i = 0; i < list->pairs.len; i++) {
        const struct spec_pair *pair = vec_at(&list->pairs, struct spec_pair, i);
        envp[i] = arena_printf(list->arena, STR_FMT "=" STR_FMT, STR_ARG(pair->name),
                               STR_ARG(pair->value))
                      .p;
        if (!envp[i]) {
            return -ENOMEM;
        }
        if (str_is(pair->name, "PATH")) {
            ret->path = pair->value;
        }
    }
    ret->envp = envp;
    return 0;
}

static int arguments(struct env_list *list, const struct str *argv, size_t argc,
                     const struct spec_pair *values, struct env *ret)
{
    ret->argv = arena_array(list->arena, argc + 1, sizeof(*ret->argv));
    if (!ret->argv) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < argc; i++) {
        ret->argv[i] = arena_cstr(list->arena, expand(list, argv[i], values));
        if (!ret->argv[i]) {
            return -ENOMEM;
        }
    }
    return list->error;
}

int env_make(struct run *run, struct replica *replica, const struct str *argv, size_t argc,
             struct arena *arena, struct env *ret)
{
    struct spec_pair values[VALUES];
    struct env_list list = {.arena = arena, .pairs = VEC_INIT(struct spec_pair, ENV_MAX)};
    replica_values(run, replica, arena, values);
    fill(run, replica, &list, values);
    int r = arguments(&list, argv, argc, values, ret);
    if (r == 0) {
        r = finish(&list, ret);
    }
    vec_fini(&list.pairs);
    return r;
}

int env_add(struct arena *arena, struct env *env, const struct run_env *more, size_t count)
{
    size_t have = 0;
    while (env->envp[have]) {
        have++;
    }
    const char **envp = arena_array(arena, have + count + 1, sizeof(*envp));
    if (!envp) {
        return -ENOMEM;
    }
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        envp[n] =
            arena_printf(arena, STR_FMT "=" STR_FMT, STR_ARG(more[i].name), STR_ARG(more[i].value))
                .p;
        if (!envp[n++]) {
            return -ENOMEM;
        }
    }
    for (size_t i = 0; i < have; i++) {
        struct str name, value;
        bool replaced = false;
        str_split(str_from(env->envp[i]), '=', &name, &value);
        for (size_t k = 0; k < count; k++) {
            replaced = replaced || str_eq(more[k].name, name);
        }
        if (!replaced) {
            envp[n++] = env->envp[i];
        }
    }
    env->envp = envp;
    return 0;
}

void env_user(const struct replica *replica, struct order *order)
{
    const struct user *user = source_user(replica->source, replica->project_spec, replica->spec);
    if (user) {
        order->set_user = true;
        order->uid = user->uid;
        order->gid = user->gid;
        order->group_count = MIN(user->group_count, ORDER_GROUPS_MAX);
        memcpy(order->groups, user->groups, order->group_count * sizeof(order->groups[0]));
    }
}
