/* SPDX-License-Identifier: Apache-2.0
 *
 * One-off commands: `exec` runs beside a service's replica with its environment, user and folder;
 * `run` runs the service's own command once more. Both are children of the keeper like everything
 * else, with an id below "exec/", and belong to whoever asked: their standard streams are the
 * caller's descriptors, named to the keeper by the core's own /proc/PID/fd, because an order
 * carries names, not descriptors.
 */
#include "run/exec.h"
#include "core/mutate.h"
#include "os/file.h"
#include "os/proc.h"
#include "run/act.h"
#include "run/env.h"
#include "run/model.h"
#include "run/project.h"
#include "run/reason.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXECS_MAX = 64 };

struct exec {
    struct list node;
    struct run *run;
    uint64_t id;
    char name[64];
    int fds[3];
    struct keeper_request spawn, signal, forget, kill;
    struct keeper_request keep[3], drop[3]; /* the caller's descriptors, on their way */
    struct run_exec_done done;
    char program[REASON_LINE_MAX], folder[REASON_LINE_MAX]; /* for the reason of a failed start */
    bool ended;
};

static void close_fds(struct exec *exec)
{
    for (size_t i = 0; i < ARRAY_LEN(exec->fds); i++) {
        file_close(&exec->fds[i]);
    }
}

static void exec_free(struct exec *exec)
{
    struct keeper_request *requests[] = {
        &exec->spawn,   &exec->signal,  &exec->forget,  &exec->kill,    &exec->keep[0],
        &exec->keep[1], &exec->keep[2], &exec->drop[0], &exec->drop[1], &exec->drop[2]};
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (requests[i]->serial != 0) {
            keeper_client_cancel(exec->run->core->keeper, requests[i]);
        }
    }
    close_fds(exec);
    list_del(&exec->node);
    free(exec);
}

static struct exec *by_name(struct run *run, struct str name)
{
    list_for_each (it, &run->execs) {
        struct exec *exec = list_entry(it, struct exec, node);
        if (str_is(name, exec->name)) {
            return exec;
        }
    }
    return NULL;
}

bool exec_owns(struct run *run, struct str id)
{
    return by_name(run, id) != NULL;
}

static void ignored(struct keeper_request *request, int error, const struct keeper_msg *msg,
                    int *fd)
{
}

static void forgotten(struct keeper_request *request, int error, const struct keeper_msg *msg,
                      int *fd)
{
    exec_free(container_of(request, struct exec, forget));
}

bool exec_child(struct run *run, const struct keeper_child *child)
{
    struct exec *exec = by_name(run, child->id);
    if (!exec) {
        return false;
    }
    if (!child->running && !exec->ended) {
        exec->ended = true;
        close_fds(exec);
        int code = !child->exit.known     ? 255
                   : child->exit.signaled ? 128 + child->exit.code
                                          : child->exit.code;
        exec->done.done(exec->done.arg, NULL, code);
        if (!child->empty && exec->kill.serial == 0) { /* else it is being killed already */
            exec->kill.answered = ignored;
            keeper_client_kill_tree(run->core->keeper, &exec->kill, str_from(exec->name));
        }
    }
    if (child->empty && !child->running && exec->forget.serial == 0) {
        exec->forget.answered = forgotten;
        keeper_client_forget(run->core->keeper, &exec->forget, str_from(exec->name));
    }
    return true;
}

/* The name under which the keeper holds a stream until the command has it. */
static void stream_name(const struct exec *exec, int stream, char *ret, size_t size)
{
    snprintf(ret, size, KEEPER_STDIO "%s:%d", exec->name, stream);
}

static void keep_streams(struct exec *exec)
{
    for (int i = 0; i < 3; i++) {
        char name[96];
        stream_name(exec, i, name, sizeof(name));
        exec->keep[i].answered = ignored;
        keeper_client_keep(exec->run->core->keeper, &exec->keep[i], str_from(name), exec->fds[i]);
    }
    close_fds(exec);
}

/* A stream that we kept open would never end for its reader. */
static void drop_streams(struct exec *exec, void (*last)(struct keeper_request *, int,
                                                         const struct keeper_msg *, int *))
{
    for (int i = 0; i < 3; i++) {
        char name[96];
        stream_name(exec, i, name, sizeof(name));
        exec->drop[i].answered = i == 2 ? last : ignored;
        keeper_client_drop(exec->run->core->keeper, &exec->drop[i], str_from(name));
    }
}

static void dropped_after_failure(struct keeper_request *request, int error,
                                  const struct keeper_msg *msg, int *fd)
{
    exec_free(container_of(request, struct exec, drop[2]));
}

static void spawn_answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                           int *fd)
{
    struct exec *exec = container_of(request, struct exec, spawn);
    struct problem problem;
    drop_streams(exec, error == 0 ? ignored : dropped_after_failure);
    if (error == 0) {
        if (exec->done.started) {
            exec->done.started(exec->done.arg, exec->id, (pid_t)msg->a);
        }
        return;
    }
    struct buf reason = BUF_INIT(REASON_MAX - 1);
    reason_spawn(&reason, &(struct reason_spawn){.error = error,
                                                 .step = str_from(msg ? msg->text : ""),
                                                 .program = str_from(exec->program),
                                                 .path = STR("its PATH"),
                                                 .cwd = str_from(exec->folder)});
    problem_set(&problem, "exec.failed", STR_FMT, STR_ARG(buf_str(&reason)));
    buf_fini(&reason);
    problem.status = error == -ENOENT ? 404 : 422;
    exec->done.done(exec->done.arg, &problem, 127);
    exec->ended = true;
}

static int send(struct exec *exec, struct replica *replica, const struct run_exec *request)
{
    const struct service_spec *spec = replica->spec;
    struct arena arena = ARENA_INIT(ENV_BYTES_MAX * 2);
    struct env env;
    char paths[3][112];
    int r = env_make(exec->run, replica, request->argc ? request->argv : spec->argv,
                     request->argc ? request->argc : spec->argv_count, &arena, &env);
    if (r == 0) {
        r = env_add(&arena, &env, request->environment, request->environment_count);
    }
    if (r == 0) {
        struct order order = ORDER_INIT;
        for (int i = 0; i < 3; i++) {
            char name[96];
            stream_name(exec, i, name, sizeof(name));
            snprintf(paths[i], sizeof(paths[i]), "kept:%s", name);
        }
        order.id = exec->name;
        order.argv = env.argv;
        order.envp = env.envp;
        order.cwd =
            arena_cstr(&arena, request->working_dir.len ? request->working_dir : spec->working_dir);
        str_copy(exec->program, sizeof(exec->program), str_from(env.argv[0]));
        str_copy(exec->folder, sizeof(exec->folder), str_from(order.cwd));
        order.stdin_path = paths[0];
        order.own_terminal = true;
        order.output[0] = paths[1];
        order.output[1] = paths[2];
        env_user(replica, &order);
        keep_streams(exec);
        exec->spawn.answered = spawn_answered;
        keeper_client_spawn(exec->run->core->keeper, &exec->spawn, &order);
    }
    arena_fini(&arena);
    return r;
}

/* The answer to a call that is refused before it begins. */
static void refuse(struct run *run, const struct run_exec *request, struct run_exec_done done,
                   const struct problem *problem)
{
    for (size_t i = 0; i < ARRAY_LEN(request->fds); i++) {
        int fd = request->fds[i];
        file_close(&fd);
    }
    done.done(done.arg, problem, 126);
}

/* NULL: there is none, and why. */
static struct replica *find(struct run *run, const struct context *ctx,
                            const struct run_exec *request, struct problem *problem)
{
    struct project *project = project_find(run, str_from(ctx->tenant), request->project);
    struct service *service = project ? service_find(project, request->service) : NULL;
    struct replica *replica = NULL;
    if (!service || service->spec->kind != SERVICE_PROCESS) {
        problem_set(problem, "service.unknown",
                    "there is no service '" STR_FMT "' to run a command for",
                    STR_ARG(request->service));
    } else {
        replica = replica_current(service, request->replica);
        problem_set(problem, "replica.unknown", "service '%s' has no replica %u", service->name,
                    request->replica);
        problem_hint(problem, "'muelle ps %s' lists them, 'muelle scale %s=%u' starts so many",
                     service->name, service->name, request->replica);
    }
    problem->status = 404;
    return replica;
}

void run_exec(struct run *run, const struct context *ctx, const struct run_exec *request,
              struct run_exec_done done)
{
    struct problem problem;
    if (!run_allowed(run, ctx, ACTION_EXEC, request->project, request->service, &problem)) {
        refuse(run, request, done, &problem);
        return;
    }
    struct replica *replica = find(run, ctx, request, &problem);
    size_t count = 0;
    list_for_each (it, &run->execs) {
        count++;
    }
    if (!replica || count >= EXECS_MAX) {
        if (replica) {
            problem_set(&problem, "exec.busy", "too many commands run already");
            problem.status = 429;
        }
        refuse(run, request, done, &problem);
        return;
    }
    struct exec *exec = calloc(1, sizeof(*exec));
    if (!exec) {
        problem_set(&problem, "memory.out", "out of memory");
        problem.status = 503;
        refuse(run, request, done, &problem);
        return;
    }
    exec->run = run;
    exec->id = ++run->exec_last;
    exec->done = done;
    memcpy(exec->fds, request->fds, sizeof(exec->fds));
    snprintf(exec->name, sizeof(exec->name), "exec/%d/%llu", proc_own_pid(),
             (unsigned long long)exec->id);
    list_push_back(&run->execs, &exec->node);
    int r = send(exec, replica, request);
    if (r < 0) {
        problem_set(&problem, "exec.failed", "could not start: %s", strerror(-r));
        problem.status = 422;
        done.done(done.arg, &problem, 126);
        exec_free(exec);
    }
}

void run_exec_signal(struct run *run, uint64_t id, int signum)
{
    list_for_each (it, &run->execs) {
        struct exec *exec = list_entry(it, struct exec, node);
        if (exec->id != id || exec->ended) {
            continue;
        }
        struct keeper_request *request = signum == SIGKILL ? &exec->kill : &exec->signal;
        if (request->serial != 0) {
            return;
        }
        request->answered = ignored;
        if (signum == SIGKILL) {
            keeper_client_kill_tree(run->core->keeper, request, str_from(exec->name));
        } else {
            keeper_client_signal(run->core->keeper, request, str_from(exec->name), signum, true);
        }
        return;
    }
}

void exec_fini(struct run *run)
{
    list_for_each_safe (it, &run->execs) {
        exec_free(list_entry(it, struct exec, node));
    }
}
