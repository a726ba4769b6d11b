/* SPDX-License-Identifier: Apache-2.0
 *
 * up and down.
 *
 * up: check the files here → start the instance if there is none → apply → show what happens →
 * (--wait) return when all is ready, (-d) return at once, else stay until Ctrl-C, which means
 * down. A foreground up is only a client: when it is killed or loses its terminal, everything
 * runs on.
 *
 * down returns when nothing is left: the project is gone, and with the last one the instance.
 *
 *   1. Files with mistakes start nothing: they are loaded here with the core's own loader first.
 *   2. Two ups at once make one instance: role_start_keeper says whose keeper it became, the other
 *      joins. One that dies while being joined is started again, STARTS_MAX times.
 *   3. What this call started and could not use is ended again (undo_start), unless somebody else
 *      uses it by then.
 *   4. Ctrl-C once is an orderly stop, which is shown; twice kills. SIGTERM is the same; SIGHUP is
 *      not taken: a closed terminal must not end services.
 *   5. The stream tells states, requests go over another connection: neither waits for the other.
 *
 * As it fails: each service that is not ready is said with its reason, and CLI_NOT_READY; a core
 * that goes away is waited for, then said; services go on in all these cases.
 *
 *   phase         Ctrl-C or SIGTERM         ends with
 *   UP_WATCHING   → UP_STOPPING: DELETE     somebody else's down: 0 · the core stays away: 1
 *   UP_STOPPING   → UP_KILLING: SIGKILL     nothing left: 0
 *   UP_KILLING    nothing more              nothing left: 0 · after DOWN_DEFAULT_NS: CLI_NOT_READY
 */
#include "face/board.h"
#include "face/session.h"
#include "face/show.h"
#include "face/verbs.h"
#include "os/cgroup.h"
#include "os/clock.h"
#include "os/file.h"
#include "proto/uri.h"
#include "role.h"
#include "schema/load.h"
#include <signal.h>

#define PATIENCE_NS     (5 * NS_PER_S)
#define WAIT_DEFAULT_NS (60 * NS_PER_S)
#define DOWN_DEFAULT_NS (120 * NS_PER_S)
#define START_NS        (15 * NS_PER_S)
#define REDRAW_NS       (100 * NS_PER_MS)

enum { STARTS_MAX = 5 };
enum up_phase { UP_WATCHING, UP_STOPPING, UP_KILLING };

struct up {
    struct session s;
    struct project_spec *spec; /* as loaded here: for links, and for what needs an engine */
    struct board board;        /* as the stream tells it */
    struct live live;          /* the block on the terminal */
    struct client *watcher;    /* the stream's connection; requests go over session's own */
    struct client_stream stream;
    struct loop_signal interrupt, terminate, resize;
    struct timer redraw; /* figures come each second, states in bursts: one drawing for all */
    char links[1024];    /* the dashboard's address with its token; "" if there is none */
    enum up_phase phase;
    struct buf applied;    /* what the core answered, for --json */
    bool started_instance; /* by this call: it may be ended again if it proves useless */
    bool stream_ended;     /* the core went away, or the project */
    bool interrupted;      /* a signal that was not acted on yet */
};

/* ---- links ---- */

/* The address a browser on this machine would use for a listener; 127.0.0.1 reaches a wildcard. */
static void add_address(struct buf *out, const struct listen_spec *listen)
{
    struct str host = listen->host;
    bool any = host.len == 0 || str_is(host, "*") || str_is(host, "0.0.0.0") || str_is(host, "::");
    bool ip6 = str_find_char(host, ':') >= 0;

    buf_add_cstr(out, listen->kind == LISTEN_HTTPS ? "https://" : "http://");
    if (any) {
        buf_add_cstr(out, "127.0.0.1");
    } else {
        buf_printf(out, ip6 ? "[" STR_FMT "]" : STR_FMT, STR_ARG(host));
    }
    buf_printf(out, ":%lld", (long long)listen->port);
}

/* "dashboard  http://127.0.0.1:7070/login?token=…", for those who may read the token file: the
 * owner, and root. */
static void make_links(struct up *up)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(sizeof(up->links) - 1);
    cleanup(buf_fini) struct buf token = BUF_INIT(256);
    char path[256];

    snprintf(path, sizeof(path), "%s/token", up->s.run_dir);
    if (up->spec->gateway.admin.port == 0 || file_read_all(path, 256, &token) < 0) {
        return;
    }
    term_style(&out, &up->s.out, TERM_DIM, STR("dashboard"));
    buf_add_cstr(&out, "  ");
    add_address(&out, &up->spec->gateway.admin);
    buf_add_cstr(&out, "/login?token=");
    buf_add(&out, str_trim_ws(buf_str(&token)));
    buf_add_char(&out, '\n');
    str_copy(up->links, sizeof(up->links), buf_str(&out));
}

/* The applications' addresses, once each. */
static void add_app_links(const struct up *up, struct buf *out)
{
    for (size_t i = 0; i < up->board.count; i++) {
        const struct board_service *service = &up->board.services[i];
        if (service->urls[0]) {
            term_style(out, &up->s.out, TERM_DIM, str_from(service->name));
            for (size_t pad = strlen(service->name); pad < 9; pad++) {
                buf_add_char(out, ' ');
            }
            buf_printf(out, "  %s\n", service->urls);
        }
    }
}

/* Links stand above the live block: they must not be cut to the terminal's width. */
static void print_links(struct up *up)
{
    if (up->s.out.is_tty && !up->s.json && up->links[0]) {
        live_print_above(&up->live, str_from(up->links));
    }
}

/* ---- drawing ---- */

/* States while something is still coming up; addresses once all is well. */
static void draw(struct up *up)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(4 * MIB);
    const char *hint = up->phase == UP_WATCHING ? "Ctrl-C stops everything"
                                                : "stopping; Ctrl-C again kills at once";

    if (!up->s.out.is_tty || up->s.json) {
        return;
    }
    board_render(&up->board, &up->s.out, board_ready(&up->board) ? BOARD_LINKS : BOARD_STATES,
                 &out);
    if (!cli_has(up->s.args, "detach") && !cli_has(up->s.args, "wait")) {
        term_style(&out, &up->s.out, TERM_DIM, str_from(hint));
        buf_add_char(&out, '\n');
    }
    live_draw(&up->live, buf_str(&out));
}

static void on_redraw(struct timer *timer, int64_t now_ns)
{
    draw(container_of(timer, struct up, redraw));
}

static void draw_soon(struct up *up)
{
    if (up->s.out.is_tty && !timer_armed(&up->redraw)) {
        loop_timer_after(&up->s.loop, &up->redraw, REDRAW_NS);
    }
}

/* Containers that no driver can start: told from the file, since the core only says "pending". */
static void mark_engines(struct up *up)
{
    for (size_t i = 0; i < up->board.count; i++) {
        struct board_service *service = &up->board.services[i];
        const struct service_spec *spec = project_spec_service(up->spec, str_from(service->name));
        service->needs_engine = spec && spec->kind == SERVICE_CONTAINER;
    }
}

/* Into a pipe each change is a line; on a terminal the block is drawn soon, not at each event. */
static void on_event(struct client_stream *stream, const struct client_event *event)
{
    struct up *up = container_of(stream, struct up, stream);
    const struct board_service *changed = NULL;
    bool news = board_feed(&up->board, event, up->s.loop.now_ns, &changed);

    if (news && changed && !up->s.out.is_tty && !up->s.json) {
        cleanup(buf_fini) struct buf line = BUF_INIT(4 * KIB);
        board_line(changed, &up->s.out, &line);
        term_write(&up->s.out, buf_str(&line));
    }
    mark_engines(up);
    draw_soon(up);
}

static void on_ended(struct client_stream *stream, int error)
{
    container_of(stream, struct up, stream)->stream_ended = true;
}

static void on_resize(struct loop_signal *signal)
{
    struct up *up = container_of(signal, struct up, resize);

    term_measure(&up->s.out);
    draw_soon(up);
}

/* ---- the stream ---- */

/* The board is emptied: the stream begins with the state of all, and what left meanwhile is not
 * told.
 */
static int open_stream(struct up *up)
{
    struct client_answer answer = {0};
    cleanup(buf_fini) struct buf target = BUF_INIT(1 * KIB);
    int r;

    buf_add_cstr(&target, "/api/v1/stream?project=");
    uri_encode(&target, str_from(up->s.project), false);
    board_reset(&up->board);
    up->stream_ended = false;
    up->stream = (struct client_stream){.event = on_event, .ended = on_ended};
    r = client_follow_get(up->watcher, buf_cstr(&target), "", &up->stream, &answer);
    if (r == CLIENT_E_STATUS) {
        say_answer(&up->s, &answer);
        client_answer_fini(&answer);
        return CLI_FAILED;
    }
    client_answer_fini(&answer);
    return r < 0 ? CLI_NOT_RUNNING : 0;
}

/* After the core was away: it comes back within moments, so try again for a while. The loop turns
 * between two tries: signals are heard, and the terminal is drawn. */
static int reopen_stream(struct up *up)
{
    int64_t give_up = clock_mono_ns() + START_NS;

    for (;;) {
        int r = open_stream(up);
        if (r == 0 || clock_mono_ns() > give_up || up->interrupted ||
            !role_instance_exists(up->s.state_dir)) {
            return r;
        }
        r = loop_turn(&up->s.loop, 100 * NS_PER_MS);
        if (r < 0) {
            return CLI_FAILED;
        }
    }
}

/* ---- signals ---- */

/* A request that waits is broken off; one that stops the project is not: that is what was wanted.
 */
static void interrupted(struct up *up)
{
    up->interrupted = true;
    if (up->phase == UP_WATCHING) {
        session_interrupt(&up->s);
    }
}

static void on_interrupt(struct loop_signal *signal)
{
    interrupted(container_of(signal, struct up, interrupt));
}

static void on_terminate(struct loop_signal *signal)
{
    interrupted(container_of(signal, struct up, terminate));
}

static int watch_signals(struct up *up)
{
    int r;

    up->interrupt.received = on_interrupt;
    up->terminate.received = on_terminate;
    up->resize.received = on_resize;
    r = loop_signal_add(&up->s.loop, &up->interrupt, SIGINT);
    r = r < 0 ? r : loop_signal_add(&up->s.loop, &up->terminate, SIGTERM);
    r = r < 0 ? r : loop_signal_add(&up->s.loop, &up->resize, SIGWINCH);
    if (r < 0) {
        say_error(&up->s, "cannot watch signals: %s", strerror(-r));
        return CLI_FAILED;
    }
    return 0;
}

/* ---- waiting ---- */

/* Asked for now: what a probe said since the last change is no change. */
static struct str reason_now(const struct jdoc *services, const struct board_service *service)
{
    jdoc_each(item, services)
    {
        if (str_is(jdoc_str(item, "name"), service->name)) {
            return jdoc_str(item, "reason");
        }
    }
    return STR_NONE;
}

/* All of them, not the first: the others may be the cause. */
static int report_unready(struct up *up)
{
    struct client_answer answer = {0};
    int r = session_list(&up->s, &answer, "/services");
    const struct jdoc *services = r ? NULL : jdoc_get(answer.doc, "items");
    if (up->board.incomplete) {
        say_error(&up->s, "there are more than %d services: 'muelle ps' tells of the others",
                  BOARD_SERVICES_MAX);
    }
    for (size_t i = 0; i < up->board.count; i++) {
        const struct board_service *service = &up->board.services[i];
        cleanup(buf_fini) struct buf what = BUF_INIT(1 * KIB);
        cleanup(buf_fini) struct buf todo = BUF_INIT(1 * KIB);
        cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
        if (board_service_ready(service)) {
            continue;
        }
        buf_printf(&what, "%s is not ready: %s, %lld of %lld replicas ready", service->name,
                   service->state, (long long)service->ready, (long long)service->desired);
        buf_printf(&todo, "see 'muelle logs %s' and 'muelle events %s'", service->name,
                   service->name);
        const char *why = service->reason[0]      ? service->reason
                          : service->needs_engine ? "it is a container and needs an engine driver"
                                                  : "";
        struct str now = reason_now(services, service);
        say_render(&up->s.err, buf_str(&what), STR_NONE, now.len ? now : str_from(why), &out);
        buf_printf(&out, "  %s\n", buf_cstr(&todo));
        term_write(&up->s.err, buf_str(&out));
    }
    client_answer_fini(&answer);
    return CLI_NOT_READY;
}

/* Time counts from here: starting the instance and applying have limits of their own. */
static int wait_ready(struct up *up)
{
    const char *limit = cli_value(up->s.args, "wait-timeout");
    int64_t timeout_ns = WAIT_DEFAULT_NS;
    int64_t end;

    if (limit && num_parse_duration(str_from(limit), &timeout_ns) < 0) {
        say_error(&up->s, "--wait-timeout wants a time such as 30s, not '%s'", limit);
        return CLI_USAGE;
    }
    end = clock_mono_ns() + timeout_ns;
    while (!board_ready(&up->board)) {
        int64_t now = clock_mono_ns();
        int r = 0;
        if (up->interrupted) {
            return CLI_INTERRUPTED;
        }
        /* Not before it is synced: without the others it looks hopeless too early. */
        if (up->board.synced && (now > end || board_hopeless(&up->board, now, PATIENCE_NS))) {
            return report_unready(up);
        }
        if (now > end) {
            say_error(&up->s, "the core did not report within the time");
            return CLI_NOT_READY;
        }
        r = up->stream_ended ? reopen_stream(up) : loop_turn(&up->s.loop, 100 * NS_PER_MS);
        if (r) {
            return CLI_FAILED;
        }
    }
    return 0;
}

/* ---- going down ---- */

/* The same request as anybody's: what up does on Ctrl-C a script can do. */
static int request_down(struct session *s)
{
    cleanup(buf_fini) struct buf target = BUF_INIT(1 * KIB);
    struct client_answer answer = {0};
    int r;

    buf_add_cstr(&target, "/api/v1/projects/");
    uri_encode(&target, str_from(s->project), false);
    r = session_call(s, &(struct client_request){.method = "DELETE", .target = buf_cstr(&target)},
                     &answer);
    if (r == 0) {
        client_answer_fini(&answer);
    }
    return r;
}

/* 1: the project is gone but the instance has others; 0: it is still there; <0: nobody answers. */
static int project_gone(struct session *s)
{
    struct client_answer answer = {0};
    bool found = false;

    if (!s->client) {
        return -ENOTCONN;
    }
    int r = client_call(s->client,
                        &(struct client_request){.method = "GET", .target = "/api/v1/projects"},
                        &answer);

    if (r < 0) {
        return r;
    }
    const struct jdoc *items = jdoc_get(answer.doc, "items");
    jdoc_each(item, items)
    {
        found = found || str_is(jdoc_str(item, "name"), s->project);
    }
    r = !found && items && items->count > 0;
    client_answer_fini(&answer);
    return r;
}

/* Waits until nothing of the project, or of the instance, is left. `roles` are the instance's from
 * before the end was asked for; `stop` may be NULL. The roles are watched by what they were before:
 * another up may start new ones meanwhile, which are not ours to wait for. */
static int wait_gone(struct session *s, const struct role_watch *roles, int64_t timeout_ns,
                     const bool *stop)
{
    int64_t end = clock_mono_ns() + timeout_ns;

    while (clock_mono_ns() < end && !(stop && *stop)) {
        int r;
        bool instance_gone = !role_instance_exists(s->state_dir);
        if (instance_gone && role_watch_over(roles)) {
            role_tidy(s->state_dir);
            return 0;
        }
        if (!instance_gone && project_gone(s) > 0) {
            return 0;
        }
        r = loop_turn(&s->loop, 10 * NS_PER_MS);
        if (r < 0) {
            return CLI_FAILED;
        }
    }
    return CLI_NOT_READY;
}

/* Instead of the block, whose services are gone: one sentence. */
static void say_down(struct up *up, int result)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * KIB);

    if (result == 0) {
        term_style(&out, &up->s.out, TERM_GREY, STR("○"));
        buf_printf(&out, " %s is down, nothing is left\n", up->s.project);
    }
    if (up->s.out.is_tty) {
        live_print_above(&up->live, buf_str(&out));
    } else {
        term_write(&up->s.out, buf_str(&out));
    }
}

/* The first Ctrl-C: an orderly stop, shown; the second: everything is killed at once. */
static int stop_all(struct up *up)
{
    int r;

    struct role_watch cleanup(role_watch_close) roles;

    up->interrupted = up->s.interrupted = false;
    up->phase = UP_STOPPING;
    draw(up);
    role_watch_open(up->s.state_dir, &roles);
    r = request_down(&up->s);
    if (r) {
        return r;
    }
    /* No limit of ours: each service has its own time to stop, and the second Ctrl-C is there. */
    r = wait_gone(&up->s, &roles, INT64_MAX / 2 - clock_mono_ns(), &up->interrupted);
    if (r == CLI_NOT_READY) {
        up->phase = UP_KILLING;
        role_kill_instance(up->s.state_dir);
        r = wait_gone(&up->s, &roles, DOWN_DEFAULT_NS, NULL);
    }
    say_down(up, r);
    return r;
}

/* ---- up ---- */

/* The stream broke and nothing answers any more. */
static int say_lost(const struct up *up)
{
    if (up->board.removed) {
        return 0;
    }
    if (!role_instance_exists(up->s.state_dir)) {
        say_error(&up->s,
                  "the instance ended; services may run on: 'muelle up' takes them up again");
    } else {
        say_error(&up->s,
                  "the core went away and did not come back; 'muelle status' shows what runs");
    }
    return CLI_FAILED;
}

/* Stays and shows until Ctrl-C, or until somebody else took it down. Taken down by somebody else is
 * a success: what was shown has come to its end. */
static int attend(struct up *up)
{
    for (;;) {
        int r;
        if (up->interrupted) {
            return stop_all(up);
        }
        if (up->board.removed) {
            return 0;
        }
        r = up->stream_ended ? reopen_stream(up) : loop_turn(&up->s.loop, NS_PER_S);
        if (r && !up->interrupted) {
            return say_lost(up);
        }
    }
}

/* What a fresh instance that did not get on leaves behind is nothing, unless somebody else uses it
 * by now. Killed, not stopped: nothing runs in it, and it holds a folder that the next try
 * needs. */
static void undo_start(struct session *s)
{
    struct role_watch cleanup(role_watch_close) roles;

    role_watch_open(s->state_dir, &roles);
    if (project_gone(s) > 0) {
        return;
    }
    role_kill_instance(s->state_dir);
    if (wait_gone(s, &roles, DOWN_DEFAULT_NS, NULL) != 0) {
        say_error(s, "the instance that was started does not end; see 'muelle doctor'");
    }
}

/* The instance may be starting: its socket appears within moments, or the core says what hinders
 * it. CLI_NOT_RUNNING, unsaid: it went away meanwhile. The loop turns between two tries: signals
 * are heard. */
static int connect_soon(struct session *s)
{
    int64_t end = clock_mono_ns() + START_NS;
    struct problem problem;
    unsigned tries = 0;
    int r;

    while ((r = session_connect(s, true)) == CLI_NOT_RUNNING) {
        if (++tries % 16 == 0 && role_core_problem(s->state_dir, &problem)) {
            say_problem(s, &problem);
            return CLI_FAILED;
        }
        if (tries % 16 == 0 && !role_instance_exists(s->state_dir)) {
            return CLI_NOT_RUNNING;
        }
        if (clock_mono_ns() > end) {
            say_error(s, "the instance runs but its core does not answer; see %s/muelle.log",
                      s->state_dir);
            return CLI_FAILED;
        }
        if (loop_turn(&s->loop, 2 * NS_PER_MS) < 0) {
            return CLI_FAILED;
        }
    }
    return r;
}

/* Once. CLI_NOT_RUNNING: what was there died, so it is our turn to start one. */
static int start_or_join(struct up *up)
{
    struct problem problem = {0};
    int r = role_start_keeper(up->s.state_dir, &problem);

    if (r < 0) {
        say_problem(&up->s, &problem);
        return CLI_FAILED;
    }
    up->started_instance = r == 0;
    return connect_soon(&up->s);
}

static int ensure_instance(struct up *up)
{
    int r;

    if (role_instance_exists(up->s.state_dir) && role_state_is_lost(up->s.state_dir)) {
        session_say_lost(&up->s);
        return CLI_FAILED;
    }
    r = session_connect(&up->s, true);
    if (r != CLI_NOT_RUNNING) {
        return r;
    }
    if (cli_value(up->s.args, "instance")) {
        return session_connect(&up->s, false); /* joining one means that it is there */
    }
    for (int i = 0; i < STARTS_MAX && r == CLI_NOT_RUNNING; i++) {
        r = start_or_join(up);
    }
    if (r == CLI_NOT_RUNNING) {
        say_error(&up->s, "the instance does not stay up; see %s/muelle.log", up->s.state_dir);
    }
    if (r && up->started_instance) {
        undo_start(&up->s);
    }
    return r;
}

/* Files were right when we read them and are wrong for the core: then an instance without a
 * project is left. */
static int apply(struct up *up, struct client_answer *ret)
{
    int r = session_apply(&up->s, false, ret);

    if (r && up->started_instance) {
        undo_start(&up->s);
    }
    return r;
}

/* `up` starts what is new; who stopped a service wants to know that it stays so. */
static void say_stopped(const struct up *up)
{
    cleanup(buf_fini) struct buf names = BUF_INIT(16 * KIB);
    cleanup(buf_fini) struct buf out = BUF_INIT(32 * KIB);

    for (size_t i = 0; i < up->board.count; i++) {
        const struct board_service *service = &up->board.services[i];
        if (str_is(STR("stopped"), service->state) && service->configured > 0) {
            buf_printf(&names, " %s", service->name);
        }
    }
    if (names.len > 0) {
        buf_printf(&out, "note: stopped before, and not started by up: 'muelle start%s'\n",
                   buf_cstr(&names));
        term_write(&up->s.err, buf_str(&out));
    }
}

static bool has_limits(const struct service_spec *service)
{
    const struct limits_spec *limits = &service->limits;

    return service->kind == SERVICE_PROCESS &&
           (limits->cpus > 0 || limits->memory_bytes > 0 || limits->pids > 0);
}

/* Limits that the file asks for and this machine cannot hold. */
static void say_limits(const struct up *up)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(4 * KIB);
    struct cgroup_root root;
    size_t i = 0;

    while (i < up->spec->services_count && !has_limits(&up->spec->services[i])) {
        i++;
    }
    if (i == up->spec->services_count) {
        return;
    }
    cgroup_root_find(&root, "up", CGROUP_SYSTEMD);
    if (root.rung == CGROUP_NONE) {
        buf_printf(&out,
                   "note: the limits of '" STR_FMT
                   "' do not work here, for want of control groups: see 'muelle doctor'\n",
                   STR_ARG(up->spec->services[i].name));
        term_write(&up->s.err, buf_str(&out));
    }
    cgroup_root_remove(&root);
}

/* After the block, whose lines would be drawn over these. */
static int finish_detached(struct up *up)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(4 * MIB);

    live_end(&up->live);
    say_limits(up);
    if (up->s.args->word_count == 0) {
        say_stopped(up);
    }
    if (up->s.json) {
        show_json(&up->s, &up->applied);
    } else if (!up->s.out.is_tty) {
        buf_add_cstr(&out, up->links);
        add_app_links(up, &out);
        term_write(&up->s.out, buf_str(&out));
    }
    return 0;
}

/* By the override, not by the state: what crashed or completed was not stopped by anybody. */
static bool is_stopped(const struct jdoc *service)
{
    jdoc_each(override, jdoc_get(service, "overrides"))
    {
        if (str_is(jdoc_str(override, "field"), "stopped")) {
            return true;
        }
    }
    return false;
}

static int start_service(struct up *up, struct str name)
{
    cleanup(buf_fini) struct buf target = BUF_INIT(8 * KIB);
    struct client_answer answer = {0};

    buf_add_cstr(&target, "/api/v1/projects/");
    uri_encode(&target, str_from(up->s.project), false);
    buf_add_cstr(&target, "/services/");
    uri_encode(&target, name, false);
    buf_add_cstr(&target, "/start");
    int r = session_call(
        &up->s, &(struct client_request){.method = "POST", .target = buf_cstr(&target)}, &answer);
    client_answer_fini(&answer);
    return r;
}

static bool is_named(const struct cli_args *args, struct str name)
{
    for (unsigned i = 0; i < args->word_count; i++) {
        if (str_is(name, args->words[i])) {
            return true;
        }
    }
    return false;
}

static bool needs(const struct jdoc *service, struct str name)
{
    jdoc_each(other, jdoc_get(service, "depends_on"))
    {
        if (str_eq(other->text, name)) {
            return true;
        }
    }
    return false;
}

/* Is it named, or does one that is wanted already depend on it? */
static bool is_wanted(const struct up *up, const struct jdoc *services, const bool *wanted,
                      struct str name)
{
    size_t i = 0;

    jdoc_each(service, services)
    {
        if (wanted[i++] && needs(service, name)) {
            return true;
        }
    }
    return is_named(up->s.args, name);
}

/* Those that are named, and what they depend on, are started again if they were stopped. A fixed
 * point over the list: each turn adds those that a wanted one needs, until none is added. */
static int start_named(struct up *up)
{
    struct client_answer answer = {0};
    int r = up->s.args->word_count ? session_list(&up->s, &answer, "/services") : 0;
    const struct jdoc *services = jdoc_get(answer.doc, "items");
    size_t count = services ? services->count : 0;
    bool *wanted = count ? calloc(count, sizeof(*wanted)) : NULL;
    bool more = wanted != NULL;

    while (more) {
        size_t i = 0;
        more = false;
        jdoc_each(service, services)
        {
            bool now = !wanted[i] && is_wanted(up, services, wanted, jdoc_str(service, "name"));
            wanted[i] = wanted[i] || now;
            more = more || now;
            i++;
        }
    }
    size_t i = 0;
    jdoc_each(service, services)
    {
        if (r == 0 && wanted && wanted[i] && is_stopped(service)) {
            r = start_service(up, jdoc_str(service, "name"));
        }
        i++;
    }
    free(wanted);
    client_answer_fini(&answer);
    return r;
}

/* Before anything is started. */
static int check_names(const struct up *up)
{
    for (unsigned i = 0; i < up->s.args->word_count; i++) {
        if (!project_spec_service(up->spec, str_from(up->s.args->words[i]))) {
            say_error(&up->s, "there is no service '%s'", up->s.args->words[i]);
            return CLI_FAILED;
        }
    }
    return 0;
}

/* The name may differ from the file's: the core knows it from --project and the environment, too.
 */
static int up_run(struct up *up)
{
    struct client_answer answer = {0};
    char path[SESSION_PATH_MAX];
    int r = apply(up, &answer);

    if (r) {
        return r;
    }
    str_copy(up->s.project, sizeof(up->s.project), jdoc_str(answer.doc, "project"));
    buf_add(&up->applied, str_trim_ws(buf_str(&answer.body)));
    client_answer_fini(&answer);
    r = start_named(up);
    if (r) {
        return r;
    }
    board_init(&up->board, str_from(up->s.project));
    make_links(up);
    print_links(up);
    snprintf(path, sizeof(path), "%s/core.sock", up->s.run_dir);
    r = client_new(&up->s.loop, path, &up->watcher);
    r = r < 0 ? CLI_FAILED : open_stream(up);
    if (r) {
        return r;
    }
    if (cli_has(up->s.args, "wait")) {
        r = wait_ready(up);
        draw(up);
    } else {
        while (!up->board.synced && !up->stream_ended && !up->interrupted && r == 0) {
            r = loop_turn(&up->s.loop, NS_PER_S);
        }
        draw(up);
    }
    if (r == 0 && !cli_has(up->s.args, "detach") && !cli_has(up->s.args, "wait")) {
        if (!up->s.out.is_tty) {
            term_write(&up->s.out, str_from(up->links));
        }
        return attend(up);
    }
    return r ? r : finish_detached(up);
}

int verb_up(const struct cli_args *args)
{
    struct up *up = calloc(1, sizeof(*up));
    int r = up ? session_init(&up->s, args) : CLI_FAILED;

    if (!up) {
        return r;
    }
    up->live.term = &up->s.out;
    up->applied = BUF_INIT(CLIENT_BODY_MAX);
    timer_init(&up->redraw, on_redraw);
    r = r ? r : session_load(&up->s, &up->spec);
    r = r ? r : check_names(up);
    r = r ? r : watch_signals(up);
    r = r ? r : ensure_instance(up);
    if (r == 0) {
        str_copy(up->s.project, sizeof(up->s.project), up->spec->name);
        r = up_run(up);
    }
    live_end(&up->live);
    client_free(up->watcher);
    buf_fini(&up->applied);
    project_spec_unref(up->spec);
    board_fini(&up->board);
    session_fini(&up->s);
    free(up);
    return r;
}

/* ---- down ---- */

/* What runs without anybody who watches it is taken over, to be stopped in order. */
static int down_adopt(struct session *s)
{
    struct problem problem;

    if (role_instance_exists(s->state_dir)) {
        return 0;
    }
    if (role_start_keeper(s->state_dir, &problem) < 0) {
        say_problem(s, &problem);
        return CLI_FAILED;
    }
    return connect_soon(s);
}

/* With the last project the instance ends. */
static void say_ended(struct session *s)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * KIB);
    struct json_writer w = JSON_WRITER(&out);

    if (!s->json) {
        return;
    }
    json_begin_object(&w);
    json_key(&w, STR("project"));
    if (s->project[0]) {
        json_cstr(&w, s->project);
    } else {
        json_null(&w);
    }
    json_field(&w, "instance_ended", bool, !role_instance_exists(s->state_dir));
    json_end_object(&w);
    show_json(s, &out);
}

static int down_run(struct session *s)
{
    const char *limit = cli_value(s->args, "timeout");
    int64_t timeout_ns = DOWN_DEFAULT_NS;
    int r;

    if (limit && num_parse_duration(str_from(limit), &timeout_ns) < 0) {
        say_error(s, "--timeout wants a time such as 30s, not '%s'", limit);
        return CLI_USAGE;
    }
    if (!role_instance_exists(s->state_dir) && !session_left_behind(s)) {
        if (!s->json) {
            term_write(&s->out, STR("nothing is running here\n"));
        }
        say_ended(s);
        return 0; /* as wanted */
    }
    r = down_adopt(s);
    if (r) {
        return r;
    }
    struct role_watch cleanup(role_watch_close) roles;
    role_watch_open(s->state_dir, &roles);
    if (cli_has(s->args, "kill")) {
        role_kill_instance(s->state_dir);
    } else {
        r = connect_soon(s);
        r = r == CLI_NOT_RUNNING ? session_connect(s, false) : r;
        r = r ? r : session_need_project(s);
        r = r ? r : request_down(s);
        if (r) {
            return r;
        }
    }
    r = wait_gone(s, &roles, timeout_ns, NULL);
    if (r == CLI_NOT_READY) {
        say_error(s, "it is still stopping; 'muelle ps' shows what is left");
        return CLI_FAILED;
    }
    if (r == 0) {
        say_ended(s);
    }
    return r;
}

int verb_down(const struct cli_args *args)
{
    struct session s;
    int r = session_init(&s, args);

    r = r ? r : down_run(&s);
    session_fini(&s);
    return r;
}
