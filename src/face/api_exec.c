/* SPDX-License-Identifier: Apache-2.0
 *
 * exec: a command in a service's surroundings, on three descriptors that came with the request
 * (SCM_RIGHTS, so over the local socket only: ENDPOINT_LOCAL).
 *
 * The answer is a stream: started {id, pid}, then exited {exit_code} or problem. When the client
 * goes away the command is sent SIGHUP, as a closed terminal does; it may ignore that, as there.
 *
 * struct exec belongs to run_exec's callbacks and outlives the exchange: `x` is NULL once the
 * client is gone, `stream.arg` is NULL once the command is. Whichever is later frees it.
 *
 * Signals come as requests of their own (POST /commands/{id}/signal): a stream has no way back.
 *
 *   client                        core                          keeper
 *   POST …/exec, three fds  ───▶  stream begins, 200
 *                                 run_exec: a spawn order  ───▶ child of the service's group
 *                           ◀───  started {id, pid}        ◀─── started
 *   POST /commands/ID/signal ──▶  run_exec_signal          ───▶ kill
 *                           ◀───  exited {exit_code}       ◀─── exited
 */
#include "base/num.h"
#include "face/api_handlers.h"
#include "face/api_util.h"
#include "run/run.h"
#include <signal.h>

struct exec {
    struct exchange *x; /* NULL: the client is gone */
    struct run *run;    /* kept: the exchange that knows it may be gone */
    uint64_t id;        /* of the command; 0 until the keeper has started it */
};

static void on_closed(struct exchange *x)
{
    struct exec *exec = x->stream.arg;

    if (!exec) {
        return; /* it has ended already */
    }
    exec->x = NULL;
    if (exec->id) {
        run_exec_signal(exec->run, exec->id, SIGHUP);
    }
}

/* The client may have gone while the keeper was asked: then the command hears at once what a closed
 * terminal would tell it. */
static void on_started(void *arg, uint64_t id, pid_t pid)
{
    struct exec *exec = arg;
    char data[96];

    exec->id = id;
    if (!exec->x) {
        run_exec_signal(exec->run, id, SIGHUP);
        return;
    }
    snprintf(data, sizeof(data), "{\"id\":%llu,\"pid\":%d}", (unsigned long long)id, (int)pid);
    if (!exchange_send(exec->x, "started", 0, str_from(data))) {
        return; /* `closed` has let go of everything */
    }
}

/* The status line has gone out as 200: the problem is an event then. */
static bool send_problem(struct exchange *x, const struct problem *problem)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(16 << 10);
    struct json_writer w = JSON_WRITER(&text);

    problem_write_json(&w, problem, NULL, x->path);
    return exchange_send(x, "problem", 0, buf_str(&text));
}

/* exec is freed first and `stream.arg` emptied: ending the stream must find nothing to hang up. */
static void on_done(void *arg, const struct problem *problem, int exit_code)
{
    struct exec *exec = arg;
    struct exchange *x = exec->x;
    char data[64];
    bool sent;

    free(exec);
    if (!x) {
        return;
    }
    snprintf(data, sizeof(data), "{\"exit_code\":%d}", exit_code);
    x->stream.arg = NULL;
    sent = problem ? send_problem(x, problem) : exchange_send(x, "exited", 0, str_from(data));
    if (sent) {
        exchange_stream_end(x);
    }
}

/* Empty is the service's own command (`muelle run web`). */
static size_t command(struct exchange *x, const struct str **ret)
{
    const struct jdoc *list = jdoc_get(x->json, "command");
    struct str *argv = list ? arena_array(&x->arena, list->count, sizeof(*argv)) : NULL;
    size_t argc = 0;

    *ret = argv;
    if (argv) {
        jdoc_each(item, list)
        {
            argv[argc++] = item->text;
        }
    }
    return argc;
}

/* From here run_exec owns them, also if it fails. */
static void take_streams(struct exchange *x, int fds[3])
{
    for (size_t i = 0; i < 3; i++) {
        fds[i] = x->fds[i];
        x->fds[i] = -1;
    }
}

void handle_exec(struct exchange *x)
{
    struct service_status service;
    struct run_exec what = {.project = x->params[0],
                            .service = x->params[1],
                            .replica = (uint32_t)jdoc_i64(x->json, "replica", 1),
                            .working_dir = jdoc_str(x->json, "working_dir")};
    struct exec *exec;

    if (x->fds[2] < 0) {
        exchange_refuse(x, 400, "exec.descriptors", "three descriptors must come with the request");
        return;
    }
    if (!api_need_service(x, &service)) {
        return;
    }
    what.argc = command(x, &what.argv);
    what.environment_count = api_environment(x, &what.environment);
    exec =
        x->arena.failed ? NULL : calloc(1, sizeof(*exec)); /* no words would mean the service's */
    if (!exec) {
        exchange_answer_error(x, -ENOMEM);
        return;
    }
    exec->x = x;
    exec->run = api_run(x);
    struct context ctx = x->ctx;
    if (!exchange_stream_begin(x, (struct exchange_stream){.closed = on_closed, .arg = exec})) {
        free(exec);
        return;
    }
    take_streams(x, what.fds);
    run_exec(exec->run, &ctx, &what,
             (struct run_exec_done){.started = on_started, .done = on_done, .arg = exec});
}

void handle_command_signal(struct exchange *x)
{
    uint64_t id = 0;

    if (num_parse_u64(x->params[0], &id) < 0) {
        exchange_refuse(x, 404, "command.unknown", "there is no such command");
        return;
    }
    run_exec_signal(api_run(x), id, (int)jdoc_i64(x->json, "signal", SIGTERM));
    exchange_answer_empty(x, 204);
}
