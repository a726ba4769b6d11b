/* SPDX-License-Identifier: Apache-2.0
 *
 * Verbs that change something by one request: start, stop, restart, scale, weight, drain, reset,
 * reload, plan.
 * They return when it has come about, or say why it does not (--no-wait: when it is ordered).
 *
 * All words are checked before the first order: a misspelt service in the middle of a list must not
 * leave half of it done. Then all are ordered, and waited for side by side.
 *
 * plan without an instance is computed here from the file: everything would be new. With one it is
 * the core's own (dry_run), which knows what runs.
 */
#include "base/json.h"
#include "base/num.h"
#include "base/vec.h"
#include "face/session.h"
#include "face/settle.h"
#include "face/show.h"
#include "face/verbs.h"
#include "proto/uri.h"
#include "role.h"
#include "schema/load.h"
#include "schema/resource.h"
#include "schema/status_more.h"

enum { TARGETS_MAX = 65536 };

/* ---- start, stop, restart, scale, reset ---- */

static int act_once(struct session *s, struct str service, const char *verb, struct str body,
                    struct client_answer *ret)
{
    cleanup(buf_fini) struct buf target = BUF_INIT(8 * KIB);

    buf_add_cstr(&target, "/api/v1/projects/");
    uri_encode(&target, str_from(s->project), false);
    buf_add_cstr(&target, "/services/");
    uri_encode(&target, service, false);
    buf_printf(&target, "/%s", verb);
    return session_call(
        s, &(struct client_request){.method = "POST", .target = buf_cstr(&target), .body = body},
        ret);
}

/* What was said of its replicas one by one. */
static void add_overrides(struct buf *out, const struct jdoc *service)
{
    jdoc_each(item, jdoc_get(service, "overrides"))
    {
        struct str number, field = jdoc_str(item, "field");
        if (str_split(field, '.', &field, &number)) {
            buf_printf(out, ", replica " STR_FMT, STR_ARG(number));
            if (str_is(field, "weight")) {
                buf_printf(out, " weighs %lld", (long long)jdoc_i64(item, "value", 1));
            } else {
                buf_printf(out, " " STR_FMT, STR_ARG(field));
            }
        }
    }
}

/* As it is now, in one line: with --no-wait that may be "starting". */
static void act_report(const struct session *s, const struct client_answer *answer)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * MIB);
    const struct jdoc *replicas = jdoc_get(answer->doc, "replicas");
    struct str state = jdoc_str(answer->doc, "state");

    if (s->json) {
        buf_add(&out, str_trim_ws(buf_str(&answer->body)));
        show_json(s, &out);
        return;
    }
    term_style(&out, &s->out, term_state_style(state), str_from(term_state_mark(state)));
    buf_printf(&out, " " STR_FMT "  " STR_FMT, STR_ARG(jdoc_str(answer->doc, "name")),
               STR_ARG(state));
    if (!str_is(state, "stopped") && !str_is(state, "completed")) {
        buf_printf(&out, ", %lld of %lld ready", (long long)jdoc_i64(replicas, "ready", 0),
                   (long long)jdoc_i64(replicas, "desired", 0));
        add_overrides(&out, answer->doc);
    } else if (jdoc_str(answer->doc, "reason").len > 0) {
        buf_add_cstr(&out, ": ");
        term_add_safe(&out, jdoc_str(answer->doc, "reason"));
    }
    buf_add_char(&out, '\n');
    term_write(&s->out, buf_str(&out));
}

/* Default, since the next line of a script wants the result. */
static bool waits(const struct session *s)
{
    return !cli_has(s->args, "no-wait");
}

/* One service that is to be acted upon. */
struct target {
    struct str service;
    char body[64];
    uint64_t replica; /* that a weight or a drain is for; 0 = none */
    int64_t desired;  /* replicas of the service */
};

/* Is it named again behind this one? People are told of it once, then. */
static bool comes_again(const struct session *s, const struct vec *targets, size_t i)
{
    bool again = false;
    for (size_t k = i + 1; k < targets->len; k++) {
        again |= str_eq(vec_at(targets, struct target, k)->service,
                        vec_at(targets, struct target, i)->service);
    }
    return again && !s->json;
}

/* All are ordered first and waited for then: their times of grace pass side by side. */
static int act_on_all(struct session *s, const char *verb, const struct vec *targets)
{
    cleanup(settle_fini) struct settle settle = {0};
    int r = waits(s) ? settle_begin(&settle, s) : 0;

    for (size_t i = 0; r == 0 && i < targets->len; i++) {
        const struct target *target = vec_at(targets, struct target, i);
        struct client_answer answer = {0};
        r = act_once(s, target->service, verb, str_from(target->body), &answer);
        if (r == 0 && !waits(s) && !comes_again(s, targets, i)) {
            act_report(s, &answer);
        }
        client_answer_fini(&answer);
    }
    int worst = 0;
    for (size_t i = 0; r == 0 && waits(s) && i < targets->len; i++) {
        const struct target *target = vec_at(targets, struct target, i);
        struct client_answer answer = {0};
        int settled = settle_wait(&settle, target->service, strcmp(verb, "restart") == 0, &answer);
        if (settled == 0) {
            if (!comes_again(s, targets, i)) {
                act_report(s, &answer);
            }
            client_answer_fini(&answer);
        } else if (settled != CLI_NOT_READY) {
            return settled;
        }
        worst = settled ? settled : worst;
    }
    return r ? r : worst;
}

static int add_target(struct session *s, struct vec *targets, struct str service, const char *body)
{
    struct target *target = vec_add(targets);

    if (!target) {
        say_error(s, "too many services");
        return CLI_FAILED;
    }
    target->service = service;
    str_copy(target->body, sizeof(target->body), str_from(body));
    return 0;
}

/* Those that are named; without names all, or (for reset) all that were changed. */
static int add_targets(struct session *s, const struct jdoc *services, bool changed,
                       struct vec *targets)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < s->args->word_count; i++) {
        r = add_target(s, targets, str_from(s->args->words[i]), "");
    }
    jdoc_each(item, services)
    {
        const struct jdoc *overrides = jdoc_get(item, "overrides");
        if (r == 0 && (!changed || (overrides && overrides->count > 0))) {
            r = add_target(s, targets, jdoc_str(item, "name"), "");
        }
    }
    return r;
}

int verb_action(const struct cli_args *args)
{
    struct session s;
    struct client_answer services = {0};
    cleanup(vec_fini) struct vec targets = VEC_INIT(struct target, TARGETS_MAX);
    const char *verb = args->verb->name;
    int r = session_open(&s, args);

    if (r == 0 && args->word_count == 0) {
        r = session_list(&s, &services, "/services");
    }
    r = r ? r : session_need_words(&s);
    r = r ? r
          : add_targets(&s, jdoc_get(services.doc, "items"), strcmp(verb, "reset") == 0, &targets);
    r = r ? r : act_on_all(&s, verb, &targets);
    client_answer_fini(&services);
    session_fini(&s);
    return r;
}

/* Before the first order: are all of them there? */
static int check_targets(struct session *s, struct vec *targets)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < targets->len; i++) {
        struct target *target = vec_at(targets, struct target, i);
        cleanup(buf_fini) struct buf path = BUF_INIT(1 * KIB);
        struct client_answer answer = {0};
        uri_encode(&path, target->service, false);
        r = session_get(s, &answer, "/services/%s", buf_cstr(&path));
        if (r == 0) {
            target->desired = jdoc_i64(jdoc_get(answer.doc, "replicas"), "desired", 0);
        }
        client_answer_fini(&answer);
    }
    return r;
}

/* What is said of a replica that is not there holds when there is one: more may be right, or a
 * slip. */
static void say_absent(const struct session *s, const struct vec *targets)
{
    for (size_t i = 0; i < targets->len; i++) {
        const struct target *target = vec_at(targets, struct target, i);
        if (target->replica > (uint64_t)target->desired) {
            cleanup(buf_fini) struct buf out = BUF_INIT(1 * KIB);
            buf_printf(&out,
                       "note: " STR_FMT " has %lld replica%s; this is kept for when there is a "
                       "replica %llu\n",
                       STR_ARG(target->service), (long long)target->desired,
                       target->desired == 1 ? "" : "s", (unsigned long long)target->replica);
            term_write(&s->err, buf_str(&out));
        }
    }
}

/* To drain is to act on what runs: what is not there is a slip. */
static int refuse_absent(const struct session *s, const struct vec *targets)
{
    for (size_t i = 0; i < targets->len; i++) {
        const struct target *target = vec_at(targets, struct target, i);
        if (target->replica > (uint64_t)target->desired) {
            say_error(s, STR_FMT " has no replica %llu: %s%.0lld; nothing was changed",
                      STR_ARG(target->service), (unsigned long long)target->replica,
                      target->desired == 0   ? "it has none"
                      : target->desired == 1 ? "there is only replica "
                                             : "there are replicas 1 to ",
                      (long long)target->desired);
            return CLI_FAILED;
        }
    }
    return 0;
}

static int act_on_seats(struct session *s, const char *verb, struct vec *targets)
{
    bool drains = strcmp(verb, "drain") == 0;
    int r = check_targets(s, targets);
    if (r == 0 && drains && !cli_has(s->args, "end")) {
        r = refuse_absent(s, targets);
    }
    r = r ? r : act_on_all(s, verb, targets);
    if (r == 0 && !drains) {
        say_absent(s, targets);
    }
    return r;
}

/* "web=3" */
static int add_scaled(struct session *s, const char *word, struct vec *targets)
{
    struct str service = STR_NONE;
    struct str count = STR_NONE;
    uint64_t n = 0;
    char body[64];

    if (!str_split(str_from(word), '=', &service, &count) || num_parse_u64(count, &n) < 0 ||
        service.len == 0) {
        say_error(s, "'%s' is no SERVICE=N, for example web=3", word);
        return CLI_USAGE;
    }
    if (n > SPEC_REPLICAS_MAX) {
        say_error(s, "%llu replicas of '" STR_FMT "' are too many: at most %d",
                  (unsigned long long)n, STR_ARG(service), SPEC_REPLICAS_MAX);
        return CLI_USAGE;
    }
    snprintf(body, sizeof(body), "{\"replicas\":%llu}", (unsigned long long)n);
    return add_target(s, targets, service, body);
}

int verb_scale(const struct cli_args *args)
{
    struct session s;
    cleanup(vec_fini) struct vec targets = VEC_INIT(struct target, TARGETS_MAX);
    int r = session_open(&s, args);

    for (unsigned i = 0; r == 0 && i < args->word_count; i++) {
        r = add_scaled(&s, args->words[i], &targets);
    }
    r = r ? r : check_targets(&s, &targets);
    r = r ? r : act_on_all(&s, "scale", &targets);
    session_fini(&s);
    return r;
}

static int add_seat(struct session *s, struct vec *targets, struct str service, uint64_t replica,
                    const char *body)
{
    int r = add_target(s, targets, service, body);
    if (r == 0) {
        vec_at(targets, struct target, targets->len - 1)->replica = replica;
    }
    return r;
}

/* "web/2=5" */
static int add_weight(struct session *s, const char *word, struct vec *targets)
{
    struct str place = STR_NONE, weight = STR_NONE, service = STR_NONE;
    uint64_t replica = 0, n = 0;
    char body[64];

    if (!str_split(str_from(word), '=', &place, &weight) || num_parse_u64(weight, &n) < 0 ||
        !session_split_replica(place, &service, &replica)) {
        say_error(s, "'%s' is no SERVICE/REPLICA=WEIGHT, for example web/2=5", word);
        return CLI_USAGE;
    }
    if (n > SPREAD_WEIGHT_MAX) {
        say_error(s, "weight %llu is too heavy: at most %d", (unsigned long long)n,
                  SPREAD_WEIGHT_MAX);
        return CLI_USAGE;
    }
    snprintf(body, sizeof(body), "{\"replica\":%llu,\"weight\":%llu}", (unsigned long long)replica,
             (unsigned long long)n);
    return add_seat(s, targets, service, replica, body);
}

int verb_weight(const struct cli_args *args)
{
    struct session s;
    cleanup(vec_fini) struct vec targets = VEC_INIT(struct target, TARGETS_MAX);
    int r = session_open(&s, args);

    for (unsigned i = 0; r == 0 && i < args->word_count; i++) {
        r = add_weight(&s, args->words[i], &targets);
    }
    r = r ? r : act_on_seats(&s, "weight", &targets);
    session_fini(&s);
    return r;
}

int verb_drain(const struct cli_args *args)
{
    struct session s;
    cleanup(vec_fini) struct vec targets = VEC_INIT(struct target, TARGETS_MAX);
    int r = session_open(&s, args);

    for (unsigned i = 0; r == 0 && i < args->word_count; i++) {
        struct str service = STR_NONE;
        uint64_t replica = 0;
        char body[64];
        if (!session_split_replica(str_from(args->words[i]), &service, &replica)) {
            say_error(&s, "'%s' is no SERVICE/REPLICA, for example web/2", args->words[i]);
            r = CLI_USAGE;
            break;
        }
        snprintf(body, sizeof(body), "{\"replica\":%llu,\"end\":%s}", (unsigned long long)replica,
                 cli_has(args, "end") ? "true" : "false");
        r = add_seat(&s, &targets, service, replica, body);
    }
    r = r ? r : act_on_seats(&s, "drain", &targets);
    session_fini(&s);
    return r;
}

/* ---- plan and reload ---- */

/* Colour by what it costs: nothing, something new, a restart, an end. */
static enum term_style plan_style(struct str action)
{
    if (str_is(action, "create")) {
        return TERM_GREEN;
    }
    if (str_is(action, "remove")) {
        return TERM_CORAL;
    }
    return str_is(action, "unchanged") ? TERM_GREY : TERM_AMBER;
}

/* What becomes of the processes that run. */
static void show_restart(struct table *table, const struct jdoc *step)
{
    struct str restart = jdoc_str(step, "restart"), action = jdoc_str(step, "action");
    bool renewed = str_is(action, "restart") || str_is(action, "follow");
    if (renewed && str_is(restart, "none")) {
        table_add(table, TERM_GREY, STR("not running"));
    } else if (str_is(restart, "stop_first")) {
        table_add(table, TERM_AMBER, STR("stop first"));
    } else if (str_is(restart, "rolling")) {
        table_add(table, TERM_GREEN, restart);
    } else {
        table_add(table, TERM_GREY, restart.len ? restart : STR("-"));
    }
}

/* A reason that only repeats the action ("unchanged: unchanged") is left out. */
void show_plan(const struct session *s, const struct jdoc *plan)
{
    static const struct table_column columns[] = {{.title = "SERVICE"},
                                                  {.title = "ACTION"},
                                                  {.title = "RESTART"},
                                                  {.title = "WHY", .shrink = true}};
    cleanup(table_fini) struct table table;

    table_init(&table, columns, ARRAY_LEN(columns));
    jdoc_each(step, plan)
    {
        struct str action = jdoc_str(step, "action"), reason = jdoc_str(step, "reason");
        show_cell(&table, step, "service");
        table_add(&table, plan_style(action), action);
        show_restart(&table, step);
        table_add(&table, TERM_PLAIN, str_eq(action, reason) ? STR("") : reason);
    }
    show_table(s, &table);
}

static int applied_report(const struct session *s, const struct client_answer *answer)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(CLIENT_BODY_MAX);

    if (s->json) {
        buf_add(&out, str_trim_ws(buf_str(&answer->body)));
        show_json(s, &out);
    } else {
        show_plan(s, jdoc_get(answer->doc, "plan"));
    }
    return 0;
}

/* What the core would answer with nothing running: every service is new. Written as the API writes
 * it, so that one function shows both. */
static int plan_from_nothing(struct session *s, struct client_answer *ret)
{
    struct project_spec *spec = NULL;
    size_t at;
    int r = session_load(s, &spec);

    if (r) {
        return r;
    }
    ret->body = BUF_INIT(CLIENT_BODY_MAX);
    ret->arena = ARENA_INIT(CLIENT_BODY_MAX);
    struct json_writer w = JSON_WRITER(&ret->body);
    json_begin_object(&w);
    json_field(&w, "project", str, spec->name);
    json_field(&w, "generation", u64, 0);
    json_key(&w, STR("plan"));
    json_begin_array(&w);
    for (size_t i = 0; i < spec->services_count; i++) {
        struct plan_step step = {.service = spec->services[i].name,
                                 .action = STR("create"),
                                 .reason = STR("new service")};
        schema_encode_json(&schema_plan_step, &step, 0, &w);
    }
    json_end_array(&w);
    json_key(&w, STR("warnings")); /* said already, by the load */
    json_begin_array(&w);
    json_end_array(&w);
    json_end_object(&w);
    project_spec_unref(spec);
    r = buf_error(&ret->body) ? buf_error(&ret->body)
                              : jdoc_parse(&ret->arena, buf_str(&ret->body), &ret->doc, &at);
    if (r < 0) {
        say_error(s, "cannot make the plan: %s", strerror(-r));
        client_answer_fini(ret);
        return CLI_FAILED;
    }
    return 0;
}

/* Killed roles are brought back first: a plan against nothing would promise to start what runs
 * already.
 */
int verb_plan(const struct cli_args *args)
{
    struct session s;
    struct client_answer answer = {0};
    int r = session_init(&s, args);

    r = r ? r : session_connect_back(&s);
    if (r == CLI_NOT_RUNNING) {
        r = session_left_behind(&s) || role_instance_exists(s.state_dir)
                ? session_connect(&s, false)
                : plan_from_nothing(&s, &answer);
    } else {
        r = r ? r : session_check_files(&s);
        r = r ? r : session_apply(&s, true, &answer);
    }
    if (r == 0) {
        r = applied_report(&s, &answer);
        client_answer_fini(&answer);
    }
    session_fini(&s);
    return r;
}

/* Until what the plan says has come about; routes and the like are in force already. Only what is
 * restarted must be new; what is created has no "before". */
static int settle_plan(struct settle *settle, const struct jdoc *plan)
{
    int r = 0;

    jdoc_each(step, plan)
    {
        struct str action = jdoc_str(step, "action");
        struct client_answer service = {0};
        if (r || str_is(action, "unchanged") || str_is(action, "update")) {
            continue;
        }
        r = settle_wait(settle, jdoc_str(step, "service"), str_is(action, "restart"), &service);
        if (r == 0) {
            client_answer_fini(&service);
        }
    }
    return r;
}

/* With -f the file of the command line is applied, else the files that the project was started
 * with. The replicas from before are noted before anything changes: afterwards nobody can tell. */
int verb_reload(const struct cli_args *args)
{
    struct session s;
    struct client_answer answer = {0};
    cleanup(buf_fini) struct buf target = BUF_INIT(1 * KIB);
    cleanup(settle_fini) struct settle settle = {0};
    int r;

    r = session_open(&s, args);
    if (r == 0 && waits(&s)) {
        r = settle_begin(&settle, &s);
    }
    if (r == 0 && cli_has(args, "file")) {
        r = session_check_files(&s);
        r = r ? r : session_apply(&s, false, &answer);
    } else if (r == 0) {
        buf_add_cstr(&target, "/api/v1/projects/");
        uri_encode(&target, str_from(s.project), false);
        buf_add_cstr(&target, "/reload");
        r = session_call(
            &s, &(struct client_request){.method = "POST", .target = buf_cstr(&target)}, &answer);
        if (r == 0) {
            session_say_told(&s, &answer, false);
        }
    }
    if (r == 0) {
        r = applied_report(&s, &answer);
        if (r == 0 && waits(&s)) {
            r = settle_plan(&settle, jdoc_get(answer.doc, "plan"));
        }
        client_answer_fini(&answer);
    }
    session_fini(&s);
    return r;
}
