/* SPDX-License-Identifier: Apache-2.0
 *
 * exec and run: a command in a service's surroundings. The keeper starts it as a child of the
 * service's tree; this process only hands over its own standard streams (SCM_RIGHTS), passes
 * signals on and returns the exit code. Where they are a terminal the command gets one of its own
 * instead (relay.h), as a shell with job control needs; otherwise nothing copies bytes.
 *
 *   1. The exit code is the command's; 126 and 127 as in shells (POSIX XCU 2.8.2); 1 when it could
 *      not be asked for.
 *   2. A signal that comes before the command's number is kept and passed on with it: output may be
 *      seen before `started` is.
 *   3. When this process dies the command gets SIGHUP (api_exec.c): nothing runs on unseen.
 *
 *   exit code   means
 *   0 … 255     the command's own; 128 + n: it was killed by signal n
 *   127, 126    not found, or found and not runnable, said on standard error
 *   1           it could not be asked for, or the core went away meanwhile
 *   2, 3        wrong use, nothing runs
 */
#include "face/relay.h"
#include "face/session.h"
#include "face/verbs.h"
#include "os/tty.h"
#include "proto/uri.h"
#include <signal.h>

enum { SIGNALS = 4 };

struct exec;

struct exec_signal {
    struct loop_signal watch;
    struct exec *owner;
};

struct exec {
    struct session s;       /* its client sends signals */
    struct client *watcher; /* the stream of this command */
    struct client_stream stream;
    struct relay relay;
    struct exec_signal signals[SIGNALS];
    uint64_t id;      /* of the command; 0 until it is started */
    int early_signum; /* came before the id */
    int exit_code;
    bool done;
};

/* A failure is not told: the command has ended meanwhile, or its end will tell more. */
static void pass_signal(struct exec *e, int signum)
{
    char target[96];
    char body[48];
    struct client_answer answer = {0};

    snprintf(target, sizeof(target), "/api/v1/commands/%llu/signal", (unsigned long long)e->id);
    snprintf(body, sizeof(body), "{\"signal\":%d}", signum);
    if (client_call(
            e->s.client,
            &(struct client_request){.method = "POST", .target = target, .body = str_from(body)},
            &answer) == 0) {
        client_answer_fini(&answer);
    }
}

/* A client_answer around the event, so that problems are told like any other. */
static void on_event(struct client_stream *stream, const struct client_event *event)
{
    struct exec *e = container_of(stream, struct exec, stream);
    cleanup(arena_fini) struct arena arena = ARENA_INIT(1 * MIB);
    struct client_answer problem = {0};

    if (jdoc_parse(&arena, event->data, &problem.doc, NULL) < 0) {
        return;
    }
    if (str_is(event->name, "started")) {
        e->id = (uint64_t)jdoc_i64(problem.doc, "id", 0);
        if (e->early_signum) {
            pass_signal(e, e->early_signum);
        }
    } else if (str_is(event->name, "problem")) {
        relay_end(&e->relay);
        say_answer(&e->s, &problem);
        /* As shells have it: 127 not found, 126 found and not runnable. */
        e->exit_code = jdoc_i64(problem.doc, "status", 0) == 404 ? 127 : 126;
        e->done = true;
    } else if (str_is(event->name, "exited")) {
        e->exit_code = (int)jdoc_i64(problem.doc, "exit_code", CLI_FAILED);
        e->done = true;
    }
}

/* Without `exited` nobody knows what became of it: it may still run. */
static void on_ended(struct client_stream *stream, int error)
{
    struct exec *e = container_of(stream, struct exec, stream);

    if (!e->done) {
        relay_end(&e->relay);
        say_error(&e->s, "the core went away; the command may still be running");
        e->exit_code = CLI_FAILED;
        e->done = true;
    }
}

/* Not acted on here: the command decides what Ctrl-C means to it, and its exit code becomes ours.
 */
static void on_signal(struct loop_signal *signal)
{
    struct exec *e = container_of(signal, struct exec_signal, watch)->owner;

    if (e->id == 0) {
        e->early_signum = signal->signum; /* its output may be here before its number is */
        return;
    }
    pass_signal(e, signal->signum);
}

/* Those that a terminal or a supervisor sends; SIGKILL cannot be passed on, but the hang-up is. */
static int watch_signals(struct exec *e)
{
    static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

    for (size_t i = 0; i < SIGNALS; i++) {
        e->signals[i].watch.received = on_signal;
        e->signals[i].owner = e;
        int r = loop_signal_add(&e->s.loop, &e->signals[i].watch, numbers[i]);
        if (r < 0) {
            say_error(&e->s, "cannot watch signals: %s", strerror(-r));
            return CLI_FAILED;
        }
    }
    return 0;
}

/* Is the variable of the i-th --env given again behind it? The last one counts, as in a shell. */
static bool is_given_again(const struct cli_args *args, unsigned i, struct str name)
{
    const char *pair;

    while ((pair = cli_value_at(args, "env", ++i)) != NULL) {
        struct str later = STR_NONE;
        struct str value = STR_NONE;
        str_split(str_from(pair), '=', &later, &value);
        if (str_eq(later, name)) {
            return true;
        }
    }
    return false;
}

static void add_environment(const struct cli_args *args, struct json_writer *w)
{
    const char *pair;

    json_key(w, STR("environment"));
    json_begin_object(w);
    for (unsigned i = 0; (pair = cli_value_at(args, "env", i)) != NULL; i++) {
        struct str name = STR_NONE;
        struct str value = STR_NONE;
        str_split(str_from(pair), '=', &name, &value);
        if (!is_given_again(args, i, name)) {
            json_key(w, name);
            json_str(w, value);
        }
    }
    json_end_object(w);
}

static int check_environment(const struct session *s)
{
    const char *pair;

    for (unsigned i = 0; (pair = cli_value_at(s->args, "env", i)) != NULL; i++) {
        if (str_find_char(str_from(pair), '=') <= 0) {
            say_error(s, "'%s' is no NAME=VALUE, for example DEBUG=1", pair);
            return CLI_USAGE;
        }
    }
    return 0;
}

/* Word 0 is the service, with or without a replica. Without further words the list is empty, which
 * means the service's own. */
static void make_body(const struct cli_args *args, uint64_t replica, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    const char *folder = cli_value(args, "workdir");

    json_begin_object(&w);
    json_key(&w, STR("command"));
    json_begin_array(&w);
    for (unsigned i = 1; i < args->word_count; i++) {
        json_cstr(&w, args->words[i]);
    }
    json_end_array(&w);
    add_environment(args, &w);
    if (folder) {
        json_field(&w, "working_dir", cstr, folder);
    }
    if (replica) {
        json_field(&w, "replica", u64, replica);
    }
    json_end_object(&w);
}

/* 30 s for the keeper to start it, none for the command itself: a stream has no end of its own. */
static int exec_run(struct exec *e)
{
    cleanup(buf_fini) struct buf target = BUF_INIT(4 * KIB);
    cleanup(buf_fini) struct buf body = BUF_INIT(1 * MIB);
    int streams[] = {0, 1, 2};
    struct client_answer answer = {0};
    struct str service = str_from(e->s.args->words[0]);
    uint64_t replica = 0;
    int r;

    if (str_find_char(service, '/') >= 0 && !session_split_replica(service, &service, &replica)) {
        say_error(&e->s, "'%s' is no SERVICE/REPLICA, for example web/2", e->s.args->words[0]);
        return CLI_USAGE;
    }
    if (relay_begin(&e->relay, &e->s.loop) == 0) {
        streams[0] = streams[1] = e->relay.program_fd;
        streams[2] = tty_is(2) ? e->relay.program_fd : 2;
    }

    buf_add_cstr(&target, "/api/v1/projects/");
    uri_encode(&target, str_from(e->s.project), false);
    buf_add_cstr(&target, "/services/");
    uri_encode(&target, service, false);
    buf_add_cstr(&target, "/exec");
    make_body(e->s.args, replica, &body);
    e->stream = (struct client_stream){.event = on_event, .ended = on_ended};
    r = session_follow(&e->s, e->watcher,
                       &(struct client_request){.method = "POST",
                                                .target = buf_cstr(&target),
                                                .body = buf_str(&body),
                                                .accept = "text/event-stream",
                                                .fds = streams,
                                                .fd_count = ARRAY_LEN(streams)},
                       &e->stream, &answer);
    relay_handed_over(&e->relay);
    if (r) {
        relay_end(&e->relay);
    }
    if (r == CLIENT_E_STATUS) {
        say_answer(&e->s, &answer);
    } else if (r < 0) {
        say_error(&e->s, "the command could not be sent: %s", strerror(-r));
    }
    client_answer_fini(&answer);
    if (r) {
        return CLI_FAILED;
    }
    while (!e->done) {
        r = loop_turn(&e->s.loop, -1);
        if (r < 0) {
            return CLI_FAILED;
        }
    }
    return e->exit_code;
}

int verb_exec(const struct cli_args *args)
{
    struct exec e = {.exit_code = CLI_FAILED, .relay = RELAY_INIT};
    char path[SESSION_PATH_MAX];
    int r = session_open(&e.s, args);

    r = r ? r : check_environment(&e.s);
    if (r == 0) {
        r = watch_signals(&e);
    }
    if (r == 0) {
        snprintf(path, sizeof(path), "%s/core.sock", e.s.run_dir);
        r = client_new(&e.s.loop, path, &e.watcher);
        r = r < 0 ? CLI_FAILED : exec_run(&e);
    }
    relay_end(&e.relay);
    client_free(e.watcher);
    session_fini(&e.s);
    return r;
}

/* The same, but the command may be left out: then it is the service's own. */
int verb_run(const struct cli_args *args)
{
    return verb_exec(args);
}
