/* SPDX-License-Identifier: Apache-2.0
 *
 * upgrade: the roles of a running instance become another binary, one after another, while services
 * and traffic go on: the keeper in place (nobody's channel breaks), the core (services do not need
 * it), the edge (it finishes its requests; what connects meanwhile waits in the sockets, which the
 * keeper holds).
 *
 * The keeper goes first because it starts the others from its own file. Each step is answered
 * before the next: a new core that does not come up leaves an edge of the old version, which goes
 * on serving.
 *
 * Fails before anything has changed when the keeper cannot become the binary (it tries it first),
 * or when an edge of the upgrade before still ends: two at most are alive, so that it would be cut.
 * Later steps can be repeated, also with the old binary, which is the way back.
 */
#include "base/num.h"
#include "face/session.h"
#include "face/show.h"
#include "face/verbs.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include "role.h"

/* A TLS connection that rests is given five seconds by the edge that leaves. */
static const int64_t FORMER_WAIT_NS = 6 * NS_PER_S;

struct upgrade {
    struct session s;
    char binary[SESSION_PATH_MAX]; /* absolute, without links */
    struct problem problem;        /* of the step that failed */
    int pids[2];                   /* by enum role_kind */
};

/* The file that is meant: the word, else the one that runs this command. The real path: a link that
 * moves later must not make the keeper start something else. */
static int find_binary(struct upgrade *up)
{
    const char *word = up->s.args->word_count ? up->s.args->words[0] : proc_own_binary();
    cleanup(buf_fini) struct buf real = BUF_INIT(SESSION_PATH_MAX - 1);
    int r = file_real_path(word, &real);

    if (r < 0) {
        say_error(&up->s, "cannot find '%s': %s", word, strerror(-r));
        return CLI_USAGE;
    }
    str_copy(up->binary, sizeof(up->binary), buf_str(&real));
    return 0;
}

/* As it goes, not at the end: between two steps lies time in which one wonders. */
static void say_step(struct upgrade *up, const char *role, int pid)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);

    if (up->s.json) {
        return;
    }
    term_style(&out, &up->s.out, TERM_GREEN, STR("●"));
    buf_printf(&out, " %-6s  %d runs %s\n", role, pid, up->binary);
    term_write(&up->s.out, buf_str(&out));
}

/* The core answers again; if it does not, it may have said why. */
static int core_answers(struct upgrade *up)
{
    client_free(up->s.client);
    up->s.client = NULL;
    int r = session_connect_back(&up->s);
    if (r && role_core_problem(up->s.state_dir, &up->problem)) {
        say_problem(&up->s, &up->problem);
        say_error(&up->s,
                  "the new core does not start; 'muelle upgrade' with the old binary goes back");
        return CLI_FAILED;
    }
    return r ? session_connect(&up->s, false) : 0;
}

/* Only when the core answers again is the next role touched. */
static int replace(struct upgrade *up, enum role_kind kind, const char *role)
{
    if (role_replace(up->s.state_dir, kind, &up->pids[kind], &up->problem) < 0) {
        say_problem(&up->s, &up->problem);
        return CLI_FAILED;
    }
    int r = core_answers(up);
    if (r == 0) {
        say_step(up, role, up->pids[kind]);
    }
    return r;
}

/* The version is the core's word, asked anew: what was asked for is not what is proven. */
static int upgrade_json(struct upgrade *up, int keeper)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    struct json_writer w = JSON_WRITER(&out);
    struct client_answer instance = {0};
    int r = session_call(
        &up->s, &(struct client_request){.method = "GET", .target = "/api/v1/instance"}, &instance);

    if (r) {
        return r;
    }
    json_begin_object(&w);
    json_field(&w, "binary", cstr, up->binary);
    show_raw(&w, instance.doc, "version");
    json_field(&w, "keeper", i64, keeper);
    json_field(&w, "core", i64, up->pids[ROLE_CORE]);
    json_field(&w, "edge", i64, up->pids[ROLE_EDGE]);
    json_end_object(&w);
    show_json(&up->s, &out);
    client_answer_fini(&instance);
    return 0;
}

/* The connections that a further upgrade would cut: 0 or more, or -CLI_*. */
static int64_t count_leaving(struct upgrade *up)
{
    struct client_answer instance = {0};
    int r = session_call(
        &up->s, &(struct client_request){.method = "GET", .target = "/api/v1/instance"}, &instance);
    int64_t leaving = r ? -r : jdoc_i64(jdoc_get(instance.doc, "edge"), "leaving", 0);

    client_answer_fini(&instance);
    return leaving;
}

static void say_waits(struct upgrade *up, int64_t leaving)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * KIB);

    if (up->s.json) {
        return;
    }
    term_style(&out, &up->s.err, TERM_AMBER, STR("◐"));
    buf_printf(
        &out,
        " edge    the edge before still serves %lld connection%s; waiting up to %lld s for %s "
        "to end\n",
        (long long)leaving, leaving == 1 ? "" : "s", (long long)(FORMER_WAIT_NS / NS_PER_S),
        leaving == 1 ? "it" : "them");
    term_write(&up->s.err, buf_str(&out));
}

/* What ends within seconds (it rests, or its answer is nearly out) is waited for. */
static int spare_former(struct upgrade *up)
{
    int64_t end = clock_mono_ns() + FORMER_WAIT_NS;
    int64_t leaving = count_leaving(up);

    if (leaving > 0) {
        say_waits(up, leaving);
    }
    while (leaving > 0 && clock_mono_ns() < end) {
        clock_sleep_ns(100 * NS_PER_MS);
        leaving = count_leaving(up);
    }
    if (leaving <= 0) {
        return (int)-leaving;
    }
    problem_set(
        &up->problem, "upgrade.leaving",
        "the edge before the present one still ends with %lld connection%s, which a further "
        "upgrade would cut",
        (long long)leaving, leaving == 1 ? "" : "s");
    problem_where(&up->problem, "gateway.upgrade_drain: how long they may take");
    problem_hint(&up->problem, "nothing was changed; wait ('muelle status' counts them), or cut "
                               "them: muelle upgrade --force");
    say_problem(&up->s, &up->problem);
    return CLI_FAILED;
}

static int upgrade_run(struct upgrade *up)
{
    struct role_report report = {0};

    if (role_become(up->s.state_dir, up->binary, &up->problem) < 0) {
        say_problem(&up->s, &up->problem);
        return CLI_FAILED;
    }
    if (role_ask_keeper(up->s.state_dir, &report) == 0) {
        say_step(up, "keeper", report.keeper_pid);
    }
    int r = replace(up, ROLE_CORE, "core");
    r = r ? r : replace(up, ROLE_EDGE, "edge");
    return r == 0 && up->s.json ? upgrade_json(up, report.keeper_pid) : r;
}

int verb_upgrade(const struct cli_args *args)
{
    struct upgrade *up = calloc(1, sizeof(*up));
    int r = up ? session_init(&up->s, args) : CLI_FAILED;

    if (!up) {
        return r;
    }
    r = r ? r : find_binary(up);
    r = r ? r : session_connect(&up->s, false);
    if (r == 0 && !cli_has(args, "force")) {
        r = spare_former(up);
    }
    r = r ? r : upgrade_run(up);
    session_fini(&up->s);
    free(up);
    return r;
}
