/* SPDX-License-Identifier: Apache-2.0
 *
 * What needs more than one row of a service: its command, restarts, limits, health. Each runs after
 * the rows of its table are decoded (schema_finish_fn).
 */
#include "base/num.h"
#include "schema/decode.h"
#include "schema/table.h"

/* ------------------------------------------------------------------ words of a command */

struct word_reader {
    struct str text;
    size_t at;
    struct buf word;
    bool unclosed;
};

static void read_quoted(struct word_reader *r)
{
    char quote = r->text.p[r->at++];
    while (r->at < r->text.len && r->text.p[r->at] != quote) {
        char c = r->text.p[r->at++];
        if (quote == '"' && c == '\\' && r->at < r->text.len &&
            (r->text.p[r->at] == '"' || r->text.p[r->at] == '\\')) {
            c = r->text.p[r->at++];
        }
        buf_add_char(&r->word, c);
    }
    r->unclosed |= r->at >= r->text.len;
    r->at++;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* False at the end. */
static bool next_word(struct word_reader *r)
{
    buf_reset(&r->word);
    while (r->at < r->text.len && is_blank(r->text.p[r->at])) {
        r->at++;
    }
    if (r->at >= r->text.len) {
        return false;
    }
    while (r->at < r->text.len && !is_blank(r->text.p[r->at])) {
        char c = r->text.p[r->at];
        if (c == '"' || c == '\'') {
            read_quoted(r);
            continue;
        }
        if (c == '\\' && r->at + 1 < r->text.len) {
            c = r->text.p[++r->at];
        }
        buf_add_char(&r->word, c);
        r->at++;
    }
    return true;
}

static const struct str *words_of_text(struct schema_pass *pass, const struct value *v,
                                       size_t *ret_count)
{
    struct word_reader r = {.text = v->text, .word = BUF_INIT(VALUE_FILE_MAX)};
    size_t count = 0;
    while (next_word(&r)) {
        count++;
    }
    if (r.unclosed) {
        struct problem *problem = pass_problem(pass, v->at, "config.bad-command",
                                               "a quote in this command is never closed");
        problem_hint(problem, "or write the command as a list: [program, argument]");
        buf_fini(&r.word);
        return NULL;
    }
    struct str *words = pass_alloc(pass, count, sizeof(*words));
    r.at = 0;
    for (size_t i = 0; words && i < count && next_word(&r); i++) {
        words[i] = pass_str(pass, buf_str(&r.word));
    }
    buf_fini(&r.word);
    *ret_count = words ? count : 0;
    return words;
}

const struct str *decode_words(struct schema_pass *pass, const struct value *v, size_t *ret_count)
{
    *ret_count = 0;
    if (v->kind == VALUE_SCALAR) {
        return words_of_text(pass, v, ret_count);
    }
    struct str *words =
        v->kind == VALUE_LIST && v->count ? pass_alloc(pass, v->count, sizeof(*words)) : NULL;
    for (size_t i = 0; words && i < v->count; i++) {
        words[i] = v->members[i].value->text;
    }
    *ret_count = words ? v->count : 0;
    return words;
}

/* ------------------------------------------------------------------ health */

static void use_command(struct schema_pass *pass, struct health_spec *health,
                        const struct value *test)
{
    static const struct str shell[] = {STR_INIT("/bin/sh"), STR_INIT("-c")};
    struct str how =
        test->kind == VALUE_LIST && test->count ? test->members[0].value->text : STR("CMD-SHELL");
    const struct value *text =
        test->kind == VALUE_LIST && test->count > 1 ? test->members[1].value : test;
    if (str_is(how, "NONE")) {
        return;
    }
    health->kind = HEALTH_COMMAND;
    if (str_is(how, "CMD") && test->count > 1) {
        size_t count;
        const struct str *words = decode_words(pass, test, &count);
        health->argv = words ? words + 1 : NULL;
        health->argv_count = count ? count - 1 : 0;
        return;
    }
    struct str *argv = pass_alloc(pass, 3, sizeof(*argv));
    bool one_text = test->kind == VALUE_SCALAR || test->count == 2;
    if (!str_is(how, "CMD-SHELL") || !one_text || !argv) {
        struct problem *problem =
            pass_problem(pass, test->at, "config.bad-health-test", "this is no health test");
        problem_expected(
            problem, "text for a shell, [CMD, program, argument …], [CMD-SHELL, text] or [NONE]");
        health->kind = HEALTH_NONE;
        return;
    }
    memcpy(argv, shell, sizeof(shell));
    argv[2] = text->text;
    health->argv = argv;
    health->argv_count = 3;
}

static void use_tcp(struct health_spec *health, const struct value *tcp)
{
    int64_t port;
    health->kind = HEALTH_TCP;
    if (num_parse_i64(tcp->text, &port) == 0) {
        health->http_port = port;
    } else if (!str_eq_nocase(tcp->text, STR("true"))) {
        health->kind = HEALTH_NONE;
    }
}

static void health_times(struct health_spec *health)
{
    bool by_gateway = health->kind == HEALTH_HTTP || health->kind == HEALTH_TCP;
    int64_t usual = by_gateway ? 5 * NS_PER_S : 30 * NS_PER_S;
    health->interval_ns = health->interval_ns ? health->interval_ns : usual;
    health->timeout_ns = health->timeout_ns ? health->timeout_ns : usual;
    if (!health->start_interval_ns) {
        health->start_interval_ns = by_gateway ? 25 * NS_PER_MS : NS_PER_S;
    }
}

void finish_health(struct schema_pass *pass, const struct value *v, void *object)
{
    struct health_spec *health = object;
    const struct value *test = value_get(v, "test"), *tcp = value_get(v, "tcp");
    const struct value *disable = value_get(v, "disable"), *http = value_get(v, "http");
    if (value_is_set(test) + value_is_set(tcp) + value_is_set(http) > 1) {
        struct problem *problem = pass_problem(pass, v->at, "config.many-health-tests",
                                               "more than one kind of health test");
        problem_expected(problem, "one of: test, http, tcp");
    } else if (value_is_set(http)) {
        health->kind = HEALTH_HTTP;
        if (http->kind == VALUE_SCALAR && !str_starts(http->text, STR("/"))) {
            struct problem *problem =
                pass_problem(pass, http->at, "config.bad-path", "the path does not begin with '/'");
            problem_expected(problem, "a path such as /healthz");
        }
    } else if (value_is_set(tcp)) {
        use_tcp(health, tcp);
    } else if (value_is_set(test)) {
        use_command(pass, health, test);
    }
    if (value_is_set(disable) && str_eq_nocase(disable->text, STR("true"))) {
        health->kind = HEALTH_NONE;
    }
    health_times(health);
}

/* ------------------------------------------------------------------ the service */

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
    if (!value_is_set(v)) {
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
                     STR_ARG(str_slice(v->text, 0, 80)));
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
        fine = (c >= '0' && c <= '7') || (c == 'o' && i == 1);
        mask = c == 'o' ? 0 : mask * 8 + (c - '0');
    }
    if (!fine || mask > 0777) {
        struct problem *problem = pass_problem(pass, v->at, "config.bad-value", "this is no umask");
        problem_expected(problem, "an octal number from 000 to 777, as 022");
        return;
    }
    service->umask = mask;
}

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
        if (fine && read_limit(soft, &limit.soft) && read_limit(hard, &limit.hard)) {
            limits[count++] = limit;
            continue;
        }
        struct problem *problem = pass_problem(pass, m->at, "config.bad-ulimit",
                                               "this is no resource limit: '" STR_FMT "'",
                                               STR_ARG(str_slice(m->key, 0, 40)));
        problem_expected(problem,
                         "a name such as nofile, nproc or core, and a number or {soft, hard}");
    }
    service->ulimits = limits;
    service->ulimits_count = count;
}

static void use_exit_codes(struct schema_pass *pass, struct service_spec *service,
                           const struct value *v)
{
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

/* A misspelt `command` has been said already. */
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
        if (counts[i]) {
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

/* Keys of containers in a process: said once per key. */
static void say_unused(struct schema_pass *pass, const struct value *v,
                       const struct service_spec *service)
{
    for (size_t i = 0; v && v->kind == VALUE_MAP && i < v->count; i++) {
        const struct value_member *m = &v->members[i];
        const struct schema_field *row = schema_field_find(&table_service, m->key);
        if (!row || row->support != SCHEMA_CONTAINER || m->value->kind == VALUE_NULL ||
            map_get(&pass->noticed, m->key) || map_put(&pass->noticed, m->key, pass)) {
            continue;
        }
        struct problem *notice =
            pass_notice(pass, m->at, true, "config.not-applicable",
                        "'%s' has no effect on a process (service '" STR_FMT "')", row->name,
                        STR_ARG(service->name));
        problem_hint(notice, "it is meant for containers: a service with image or build");
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
        say_unused(pass, v, service);
    }
}
