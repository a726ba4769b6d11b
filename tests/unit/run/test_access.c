/* SPDX-License-Identifier: Apache-2.0
 *
 * What run/ refuses, asked of a whole core without projects, whose keeper (played here) has no
 * children: a stranger is told nothing and changes nothing; who may is told what is wrong with what
 * they ask.
 */
#include "run/run.h"

#include "base/num.h"
#include "core/event_txn.h"
#include "harness/test.h"
#include "link/keeper.h"
#include "link/keeper_client.h"
#include "os/chan.h"
#include "os/file.h"
#include "os/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct chan desk;
static uint8_t desk_queue[64 * 1024];
static struct loop loop;
static struct core core;
static struct run *run;
static struct context me, stranger;
static char folder[64];
static const struct room_ops *const rooms[] = {&run_room, NULL};

/* Agrees to everything. */
static void on_message(struct chan *chan, struct chan_msg *raw)
{
    struct keeper_msg msg;
    check_int(raw->len, sizeof(msg));
    memcpy(&msg, raw->data, sizeof(msg));
    msg.a = 0;
    check_int(chan_send(chan, &msg, sizeof(msg), NULL, 0), 0);
}

static void on_closed(struct chan *chan, int error)
{
}

static void turn_until(const bool *done)
{
    for (int i = 0; i < 1000 && !*done; i++) {
        check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);
    }
    check(*done);
}

static void begin(void)
{
    struct problem problem;
    int ends[2];
    snprintf(folder, sizeof(folder), "/tmp/muelle-access-XXXXXX");
    check(mkdtemp(folder) != NULL);
    check_int(loop_init(&loop, 1), 0);
    check_int(chan_pair(ends), 0);
    desk.message = on_message;
    desk.closed = on_closed;
    check_int(chan_open(&desk, &loop, ends[0], desk_queue, sizeof(desk_queue)), 0);
    check_int(core_open(&core, &loop,
                        &(struct core_options){
                            .state_dir = folder, .run_dir = folder, .keeper_fd = ends[1]},
                        rooms, &problem),
              0);
    run = run_get(&core);
    turn_until(&core.ready);
    while (!run_ready(run)) {
        check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);
    }
    me = context_peer(core.instance.owner, STR_NONE, "test");
    stranger = context_token(false, STR_NONE, "test");
}

static void end(void)
{
    static const char *const files[] = {"instance.json", "work.db", "work.db-wal",
                                        "work.db-shm",   "reserve", "output"};
    core_close(&core);
    chan_close(&desk);
    loop_fini(&loop);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[96];
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        (void)!unlink(path);
        (void)!rmdir(path);
    }
    check_int(rmdir(folder), 0);
}

static struct {
    bool done;
    int status; /* 0 = no problem */
    char code[64];
} answer;

static void note(const struct problem *problem)
{
    check(!answer.done); /* exactly once */
    answer.done = true;
    answer.status = problem ? problem->status : 0;
    str_copy(answer.code, sizeof(answer.code), str_from(problem ? problem->code : ""));
}

static void on_done(void *arg, const struct problem *problem)
{
    note(problem);
}

static void on_applied(void *arg, const struct run_applied *applied)
{
    note(applied->problems.count ? &applied->problems.items[0] : NULL);
}

static void on_exec(void *arg, const struct problem *problem, int exit_code)
{
    check_int(exit_code, 126);
    note(problem);
}

static void expect(int status, const char *code)
{
    turn_until(&answer.done);
    check_int(answer.status, status);
    check_cstr(answer.code, code);
    answer.done = false;
}

static void act(const struct context *ctx, enum run_verb verb, uint32_t replicas)
{
    run_act(run, ctx,
            &(struct run_act){
                .verb = verb, .project = STR("shop"), .service = STR("web"), .replicas = replicas},
            (struct run_done){on_done, NULL});
    check(!answer.done); /* through the loop, also when it is refused */
}

TEST(a_stranger_is_shown_nothing)
{
    begin();
    struct arena arena = ARENA_INIT(MIB);
    struct buf out = BUF_INIT(KIB);
    struct bus_id all = {0};
    struct project_status *projects;
    struct service_status *services;
    struct replica_status *replicas;
    struct route_status *routes;
    size_t count = 77;
    check_int(run_projects(run, &stranger, &arena, &projects, &count), RUN_E_DENIED);
    check_int(run_services(run, &stranger, all, &arena, &services, &count), RUN_E_DENIED);
    check_int(run_replicas(run, &stranger, all, &arena, &replicas, &count), RUN_E_DENIED);
    check_int(run_routes(run, &stranger, STR_NONE, &arena, &routes, &count), RUN_E_DENIED);
    check_int(run_config(run, &stranger, STR("shop"), true, &out), RUN_E_DENIED);
    check_int(run_service_spec(run, &stranger, all, &out), RUN_E_DENIED);
    check_int(count, 77);
    check_int(out.len, 0);
    check_int(run_projects(run, &me, &arena, &projects, &count), 0);
    check_int(count, 0);
    check_int(run_config(run, &me, STR("shop"), true, &out), RUN_E_NONE);
    check_int(run_service_spec(run, &me, all, &out), RUN_E_NONE);
    arena_fini(&arena);
    buf_fini(&out);
    end();
}

TEST(a_stranger_changes_nothing)
{
    begin();
    for (int verb = RUN_START; verb <= RUN_RESET; verb++) {
        act(&stranger, (enum run_verb)verb, 1);
        expect(401, "auth.unknown");
    }
    run_down(run, &stranger, STR("shop"), true, (struct run_done){on_done, NULL});
    expect(401, "auth.unknown");
    run_reload(run, &stranger, STR_NONE, on_applied, NULL);
    expect(401, "auth.unknown");
    struct str file = STR("/etc/passwd");
    run_apply(run, &stranger, &(struct run_apply){.files = &file, .file_count = 1, .dry_run = true},
              on_applied, NULL);
    expect(401, "auth.unknown");
    check(!core.stopping);
    end();
}

TEST(a_known_user_who_is_not_the_owner_is_told_so)
{
    begin();
    struct context other = context_peer(core.instance.owner + 1, STR_NONE, "test");
    act(&other, RUN_STOP, 0);
    expect(403, "auth.denied");
    end();
}

TEST(what_is_not_there_is_named)
{
    begin();
    act(&me, RUN_STOP, 0);
    expect(404, "project.unknown");
    run_down(run, &me, STR("shop"), false, (struct run_done){on_done, NULL});
    expect(404, "project.unknown");
    run_reload(run, &me, STR("shop"), on_applied, NULL);
    expect(404, "project.unknown");
    run_apply(run, &me, &(struct run_apply){0}, on_applied, NULL);
    expect(400, "apply.no-files");
    end();
}

TEST(more_replicas_than_there_may_be_are_refused)
{
    begin();
    act(&me, RUN_SCALE, UINT32_MAX);
    expect(422, "service.scale");
    end();
}

static void exec_true(const struct context *ctx, int ends[2])
{
    struct str argv[] = {STR_INIT("true")};
    check_int(pipe(ends), 0);
    run_exec(run, ctx,
             &(struct run_exec){.project = STR("shop"),
                                .service = STR("web"),
                                .argv = argv,
                                .argc = 1,
                                .fds = {dup(ends[1]), dup(ends[1]), ends[1]}},
             (struct run_exec_done){.done = on_exec});
}

TEST(a_command_that_is_refused_leaves_no_descriptor_open)
{
    int ends[2];
    char c;
    begin();
    exec_true(&stranger, ends);
    expect(401, "auth.unknown");
    check_int(read(ends[0], &c, 1), 0);
    check_int(close(ends[0]), 0);
    exec_true(&me, ends);
    expect(404, "service.unknown");
    check_int(read(ends[0], &c, 1), 0);
    check_int(close(ends[0]), 0);
    run_exec_signal(run, 1, 15); /* of none */
    end();
}

static void flood_done(void *arg, const struct problem *problem)
{
    unsigned *counts = arg;
    counts[problem && strcmp(problem->code, "project.unknown") == 0]++;
}

TEST(each_of_many_acts_at_once_is_answered)
{
    unsigned counts[2] = {0};
    begin();
    for (unsigned i = 0; i < 5000; i++) {
        run_act(run, &me, &(struct run_act){.verb = RUN_STOP, .project = STR("shop")},
                (struct run_done){flood_done, counts});
    }
    for (int i = 0; i < 1000 && counts[0] + counts[1] < 5000; i++) {
        check_int(loop_turn(&loop, NS_PER_MS), 0);
    }
    check_int(counts[0] + counts[1], 5000);
    check(counts[1] > 0);
    end();
}
