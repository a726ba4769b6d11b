/* SPDX-License-Identifier: Apache-2.0
 *
 * What needs more than one row of a service: its command line, restarts, limits. Runs after the
 * rows of the table are decoded (schema_finish_fn).
 *
 * Two kinds of things are here: values with a grammar of their own (restart "on-failure:3", octal
 * umask, names of signals), and defaults that depend on something else (a process is restarted on
 * failure, a container as Compose does it; without `deploy` there is one replica).
 *
 * Each use_… takes one key, says its mistakes with the place of that key, and leaves the default
 * where there is one. A key of the wrong kind was said by decode.c: it is passed over here.
 */
#include "base/num.h"
#include "base/utf8.h"
#include "schema/decode.h"
#include "schema/table.h"

/* Attempts only with on-failure, as in Compose; without `restart` a process is restarted on
 * failure, since who starts a supervisor wants that. */
static void use_restart(struct schema_pass *pass, struct service_spec *service,
                        const struct value *v)
{
    static const struct {
        struct str name;
        enum restart_mode mode;
    } modes[] = {{STR_INIT("no"), RESTART_NO},
                 {STR_INIT("false"), RESTART_NO},
                 {STR_INIT("always"), RESTART_ALWAYS},
                 {STR_INIT("on-failure"), RESTART_ON_FAILURE},
                 {STR_INIT("unless-stopped"), RESTART_UNLESS_STOPPED}};
    service->restart.mode = service->kind == SERVICE_PROCESS ? RESTART_ON_FAILURE : RESTART_NO;
    if (!value_is_set(v) || v->kind != VALUE_SCALAR) {
        return;
    }
    struct str word, attempts;
    bool has_attempts = str_split(v->text, ':', &word, &attempts);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        bool fine = str_eq(word, modes[i].name);
        if (fine && has_attempts) {
            fine = modes[i].mode == RESTART_ON_FAILURE &&
                   num_parse_i64(attempts, &service->restart.max_attempts) == 0 &&
                   service->restart.max_attempts >= 0;
        }
        if (fine) {
            service->restart.mode = (int32_t)modes[i].mode;
            return;
        }
    }
    struct problem *problem =
        pass_problem(pass, v->at, "config.bad-value", "'restart' cannot be '" STR_FMT "'",
                     STR_ARG(utf8_cut(v->text, 80)));
    problem_expected(problem, "one of: no, always, on-failure, on-failure:N, unless-stopped");
}

static void use_umask(struct schema_pass *pass, struct service_spec *service, const struct value *v)
{
    service->umask = SPEC_UMASK_INHERIT;
    if (!value_is_set(v) || v->kind != VALUE_SCALAR) {
        return;
    }
    int64_t mask = 0;
    bool fine = v->text.len > 0 && v->text.len <= 5;
    for (size_t i = 0; fine && i < v->text.len; i++) {
        char c = v->text.p[i];
        fine = (c >= '0' && c <= '7') || (c == 'o' && i == 1 && mask == 0 && v->text.len > 2);
        mask = c == 'o' ? 0 : mask * 8 + (c - '0');
    }
    if (!fine || mask > 0777) {
        struct problem *problem = pass_problem(pass, v->at, "config.bad-value", "this is no umask");
        problem_expected(problem, "an octal number from 000 to 777, as 022");
        return;
    }
    service->umask = mask;
}

/* As in Compose: -1 or a word for "no limit"; RLIM_INFINITY is the keeper's business. */
static bool read_limit(const struct value *v, int64_t *ret)
{
    if (v && v->kind == VALUE_SCALAR &&
        (str_is(v->text, "unlimited") || str_is(v->text, "infinity"))) {
        *ret = -1;
        return true;
    }
    return v && v->kind == VALUE_SCALAR && num_parse_i64(v->text, ret) == 0 && *ret >= -1;
}

static void use_ulimits(struct schema_pass *pass, struct service_spec *service,
                        const struct value *v)
{
    static const char *const known[] = {
        "as",   "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue",
        "nice", "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};
    if (!v || v->kind != VALUE_MAP) {
        return;
    }
    struct ulimit_spec *limits = pass_alloc(pass, v->count, sizeof(*limits));
    size_t count = 0;
    for (size_t i = 0; limits && i < v->count; i++) {
        const struct value_member *m = &v->members[i];
        bool is_map = m->value->kind == VALUE_MAP, fine = false;
        for (size_t k = 0; k < ARRAY_LEN(known) && !fine; k++) {
            fine = str_is(m->key, known[k]);
        }
        struct ulimit_spec limit = {.name = m->key};
        const struct value *soft = is_map ? value_get(m->value, "soft") : m->value;
        const struct value *hard = is_map ? value_get(m->value, "hard") : m->value;
        if (fine && read_limit(soft, &limit.soft) && read_limit(hard, &limit.hard) &&
            (limit.hard < 0 || (limit.soft >= 0 && limit.soft <= limit.hard))) {
            limits[count++] = limit;
            continue;
        }
        struct problem *problem =
            pass_problem(pass, m->at, "config.bad-ulimit",
                         "this is no resource limit: '" STR_FMT "'", STR_ARG(utf8_cut(m->key, 40)));
        problem_expected(problem,
                         "a name such as nofile, nproc or core, and a number, or {soft, hard} with "
                         "soft up to hard");
    }
    service->ulimits = limits;
    service->ulimits_count = count;
}

/* One bit a code: asked at every exit, without a search. */
static void use_exit_codes(struct schema_pass *pass, struct service_spec *service,
                           const struct value *v)
{
    /* 0 is success whatever the file says: a list adds to it. */
    service->success_exit_codes_mask[0] = 1;
    if (!v || v->kind != VALUE_LIST) {
        return;
    }
    value_each(m, v)
    {
        int64_t code;
        if (m->value->kind != VALUE_SCALAR || num_parse_i64(m->value->text, &code) || code < 0 ||
            code > 255) {
            struct problem *problem =
                pass_problem(pass, m->value->at, "config.bad-value", "this is no exit code");
            problem_expected(problem, "a number from 0 to 255");
            continue;
        }
        service->success_exit_codes_mask[code / 64] |= UINT64_C(1) << (code % 64);
    }
}

/* With or without "SIG", in any case; the name with it is what is kept. */
static void use_signal(struct schema_pass *pass, struct service_spec *service,
                       const struct value *v)
{
    static const struct str names[] = {
        STR_INIT("SIGTERM"), STR_INIT("SIGINT"),  STR_INIT("SIGQUIT"), STR_INIT("SIGHUP"),
        STR_INIT("SIGKILL"), STR_INIT("SIGUSR1"), STR_INIT("SIGUSR2"), STR_INIT("SIGWINCH"),
        STR_INIT("SIGABRT"), STR_INIT("SIGCONT"), STR_INIT("SIGALRM"), STR_INIT("SIGPIPE")};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str wanted = service->stop_signal;
        if (str_eq_nocase(wanted, names[i]) || str_eq_nocase(wanted, str_skip(names[i], 3))) {
            service->stop_signal = names[i];
            return;
        }
    }
    if (service->kind == SERVICE_CONTAINER || !value_is_set(v)) {
        return; /* an engine knows signals that we do not name: SIGRTMIN+3 */
    }
    struct problem *problem =
        pass_problem(pass, v->at, "config.bad-signal", "this is no signal: '" STR_FMT "'",
                     STR_ARG(service->stop_signal));
    problem_expected(problem, "a name such as SIGTERM, SIGINT or SIGQUIT");
    struct str nearest = problem_nearest(service->stop_signal, names, ARRAY_LEN(names));
    if (nearest.len) {
        problem_hint(problem, "did you mean " STR_FMT "?", STR_ARG(nearest));
    }
}

/* execve takes "NAME=VALUE": a name with a '=' would set another variable, an empty one nothing. */
static void check_environment(struct schema_pass *pass, const struct value *v)
{
    const struct value *environment = value_get(v, "environment");
    for (size_t i = 0; environment && environment->kind == VALUE_MAP && i < environment->count;
         i++) {
        const struct value_member *m = &environment->members[i];
        if (m->key.len == 0 || str_find_char(m->key, '=') >= 0) {
            struct problem *problem = pass_problem(pass, m->at, "config.bad-variable-name",
                                                   "'" STR_FMT "' cannot be the name of a variable",
                                                   STR_ARG(utf8_cut(m->key, 80)));
            problem_expected(problem, "a name without '='");
        }
    }
}

/* A service whose `comand` is misspelt has no command: one mistake, told once. */
static bool has_unknown_key(const struct value *v)
{
    for (size_t i = 0; v && v->kind == VALUE_MAP && i < v->count; i++) {
        struct str key = v->members[i].key;
        if (!schema_field_find(&table_service, key) && !str_starts(key, STR("x-"))) {
            return true;
        }
    }
    return false;
}

/* Entrypoint before command, as a container has it; a process may use both to share a wrapper. */
static void use_command_line(struct schema_pass *pass, const struct value *v,
                             struct service_spec *service)
{
    const struct value *parts[] = {value_get(v, "entrypoint"), value_get(v, "command")};
    const struct str *words[2] = {NULL, NULL};
    size_t counts[2] = {0, 0}, problems = pass->problems->count;
    for (size_t i = 0; i < 2; i++) {
        if (value_is_set(parts[i])) {
            words[i] = decode_words(pass, parts[i], &counts[i]);
        }
    }
    size_t total = counts[0] + counts[1];
    struct str *argv = total ? pass_alloc(pass, total, sizeof(*argv)) : NULL;
    for (size_t i = 0, n = 0; argv && i < 2; n += counts[i], i++) {
        if (words[i]) {
            memcpy(argv + n, words[i], counts[i] * sizeof(*argv));
        }
    }
    service->argv = argv;
    service->argv_count = argv ? total : 0;
    bool empty = !argv || argv[0].len == 0;
    if (empty && service->kind == SERVICE_PROCESS && pass->problems->count == problems &&
        !has_unknown_key(v) && !pass->error) {
        struct problem *problem =
            pass_problem(pass, pass->owner_at, "config.missing-command",
                         "service '" STR_FMT "' has nothing to run", STR_ARG(service->name));
        problem_expected(problem, "command (a process), or image or build (a container)");
    }
}

void finish_service(struct schema_pass *pass, const struct value *v, void *object)
{
    struct service_spec *service = object;
    const struct value *deploy = value_get(v, "deploy");
    bool is_container = value_is_set(value_get(v, "image")) ||
                        value_is_set(value_get(v, "build")) ||
                        value_is_set(value_get(v, "provider"));
    service->kind = is_container ? SERVICE_CONTAINER : SERVICE_PROCESS;
    if (!value_is_set(value_get(v, "scale")) && !value_is_set(value_get(deploy, "replicas"))) {
        service->replicas = 1;
    }
    if (!service->working_dir.len && !is_container) {
        service->working_dir = pass->work_dir;
    }
    use_command_line(pass, v, service);
    check_environment(pass, v);
    use_restart(pass, service, value_get(v, "restart"));
    use_umask(pass, service, value_get(v, "umask"));
    use_ulimits(pass, service, value_get(v, "ulimits"));
    use_exit_codes(pass, service, value_get(v, "success_exit_codes"));
    use_signal(pass, service, value_get(v, "stop_signal"));
    service->limits.pids = MAX(service->limits.pids, 0);
    struct route_spec *routes = (struct route_spec *)(uintptr_t)service->routes;
    for (size_t i = 0; i < service->routes_count; i++) {
        routes[i].service = service->name;
    }
    if (!is_container) {
        advise_process(pass, v, service);
    }
}
