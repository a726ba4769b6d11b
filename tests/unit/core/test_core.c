/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole core, with a real store in a folder of its own and one room, on a channel to a keeper
 * that this file plays (struct desk, on the same loop): it may have things from before, refuse to
 * hold some, tell of roles, and go.
 */
#include "core/core.h"
#include "core/edge.h"
#include "core/event_txn.h"

#include "base/num.h"
#include "harness/test.h"
#include "link/counters.h"
#include "link/delta.h"
#include "link/keeper.h"
#include "link/keeper_client.h"
#include "link/ring.h"
#include "link/snapshot.h"
#include "os/chan.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/loop.h"
#include "os/shm.h"
#include "store/executor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HELD_MAX = 32, QUEUE_SIZE = 64 * 1024, KEEPER_PID = 4711 };

struct held {
    char name[32];
    int fd;
    unsigned times; /* that it was given */
};

/* The keeper. */
static struct desk {
    struct chan chan;
    uint8_t queue[QUEUE_SIZE];
    struct held held[HELD_MAX];
    size_t count;
    const char *refuses; /* to hold what has that name */
    unsigned refused;
    bool closed, ended;
    const char *const *children; /* that run, of the one list that it gives; NULL = none */
} desk;

static struct loop loop;
static struct core core;
static struct problem problem;
static struct store_executor *executor; /* NULL = the usual */
static char folder[64], file[96];
static char order[64]; /* what the rooms were called for */
static int init_result, start_result;
static struct lock keeper_lock = LOCK_INIT; /* ours: no core here starts a keeper of its own */

static void room_note(char what)
{
    size_t len = strlen(order);
    ensure(len + 1 < sizeof(order));
    order[len] = what;
}

static int room_init(struct core *of, void **ret_room)
{
    room_note('i');
    *ret_room = order;
    return init_result;
}

static int room_start(void *room)
{
    room_note('s');
    return start_result;
}

static void room_stop(void *room)
{
    room_note('S');
}

static void room_fini(void *room)
{
    room_note('F');
}

static const struct room_ops plain = {.name = "plain"};
static const struct room_ops full = {"full", room_init, room_start, room_stop, room_fini};
static const struct room_ops *const rooms[] = {&plain, &full, NULL};

/* --- the keeper --- */

static struct held *held(const char *name)
{
    for (size_t i = 0; i < desk.count; i++) {
        if (strcmp(desk.held[i].name, name) == 0) {
            return &desk.held[i];
        }
    }
    return NULL;
}

static int held_fd(const char *name)
{
    const struct held *thing = held(name);
    return thing ? thing->fd : -1;
}

static unsigned held_times(const char *name)
{
    const struct held *thing = held(name);
    return thing ? thing->times : 0;
}

static void hold(const char *name, int fd)
{
    struct held *thing = held(name);
    if (!thing) {
        ensure(desk.count < HELD_MAX);
        thing = &desk.held[desk.count++];
        *thing = (struct held){.fd = -1};
        str_copy(thing->name, sizeof(thing->name), str_from(name));
    }
    file_close(&thing->fd);
    thing->fd = fd;
    thing->times++;
}

static void say(const struct keeper_msg *msg, int fd)
{
    check_int(chan_send(&desk.chan, msg, sizeof(*msg), &fd, fd >= 0), 0);
}

static void say_kept(void)
{
    for (size_t i = 0; i < desk.count; i++) {
        struct keeper_msg msg;
        keeper_msg_init(&msg, KEEPER_KEPT, str_from(desk.held[i].name));
        say(&msg, desk.held[i].fd);
    }
}

static void say_edge(int pid, uint64_t restarts)
{
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_ROLE, STR_NONE);
    msg.role = KEEPER_ROLE_EDGE;
    msg.a = (uint64_t)pid;
    msg.b = restarts;
    msg.c = pid > 0;
    say(&msg, -1);
}

static void desk_keep(struct keeper_msg *msg, int *fd)
{
    char name[32];
    str_copy(name, sizeof(name), keeper_msg_name(msg));
    if (desk.refuses && strcmp(desk.refuses, name) == 0) {
        desk.refused++;
        msg->error = -ENFILE;
    } else if (!msg->a || !held(name)) {
        hold(name, *fd);
        *fd = -1;
    }
}

static void say_children(void)
{
    for (const char *const *id = desk.children; id && *id; id++) {
        struct keeper_msg msg;
        keeper_msg_init(&msg, KEEPER_CHILD, str_from(*id));
        msg.d = KEEPER_CHILD_RUNNING;
        say(&msg, -1);
    }
    desk.children = NULL;
}

static void desk_message(struct chan *chan, struct chan_msg *raw)
{
    struct keeper_msg msg;
    int none = -1;
    check_int(raw->len, sizeof(msg));
    memcpy(&msg, raw->data, sizeof(msg));
    if (msg.type == KEEPER_HELLO) {
        say_kept();
        msg.a = KEEPER_PID;
    } else if (msg.type == KEEPER_CHILDREN) {
        say_children();
    } else if (msg.type == KEEPER_KEEP) {
        desk_keep(&msg, raw->fd_count ? &raw->fds[0] : &none);
    } else if (msg.type == KEEPER_SHUTDOWN) {
        desk.ended = msg.a == 1;
    }
    say(&msg, -1);
}

static void desk_closed(struct chan *chan, int error)
{
    desk.closed = true;
}

static void desk_open(int fd)
{
    desk.closed = false;
    desk.chan.message = desk_message;
    desk.chan.closed = desk_closed;
    check_int(chan_open(&desk.chan, &loop, fd, desk.queue, sizeof(desk.queue)), 0);
}

/* --- the core --- */

static bool is_ready(void)
{
    return core.ready || core.exit_code;
}

static void until(bool (*done)(void), const char *what)
{
    for (int i = 0; i < 1000; i++) {
        if (done()) {
            return;
        }
        check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);
    }
    printf("# waited in vain: %s\n", what);
    check(false);
}

static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        check_int(loop_turn(&loop, 2 * NS_PER_MS), 0);
    }
}

static void prepare(void)
{
    snprintf(folder, sizeof(folder), "/tmp/muelle-core-XXXXXX");
    int holder = 0;
    check(mkdtemp(folder) != NULL);
    snprintf(file, sizeof(file), "%s/keeper.lock", folder);
    check_int(lock_take(&keeper_lock, file, &holder), 0);
    check_int(loop_init(&loop, 1), 0);
}

static int open_with(const char *id)
{
    int ends[2];
    check_int(chan_pair(ends), 0);
    desk_open(ends[0]);
    return core_open(&core, &loop,
                     &(struct core_options){.state_dir = folder,
                                            .run_dir = folder,
                                            .id = id,
                                            .keeper_fd = ends[1],
                                            .executor = executor},
                     rooms, &problem);
}

static void begin(void)
{
    prepare();
    check_int(open_with(NULL), 0);
    until(is_ready, "a core that is ready");
}

static void end(void)
{
    static const char *const files[] = {"instance.json", "work.db", "work.db-wal",
                                        "work.db-shm",   "reserve", "keeper.sock",
                                        "keeper.lock"};
    core_close(&core);
    chan_close(&desk.chan);
    for (size_t i = 0; i < desk.count; i++) {
        file_close(&desk.held[i].fd);
    }
    loop_fini(&loop);
    lock_release(&keeper_lock);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        snprintf(file, sizeof(file), "%s/%s", folder, files[i]);
        (void)!unlink(file);
    }
    check_int(rmdir(folder), 0);
}

static int publish(void)
{
    struct snapshot_builder builder;
    snapshot_builder_init(&builder);
    int r = edge_link_publish(core.edge, &builder);
    snapshot_builder_fini(&builder);
    return r;
}

/* Of the snapshot that the keeper holds; 0 = none. */
static uint64_t held_sequence(void)
{
    struct held *thing = held("snapshot");
    struct shm shm = {0};
    struct snapshot snapshot;
    if (!thing) {
        return 0;
    }
    check_int(shm_map(&shm, thing->fd, false), 0);
    check_int(snapshot_open(str_make((const char *)shm.p, shm.size), &snapshot), 0);
    uint64_t sequence = snapshot.sequence;
    shm_unmap(&shm);
    return sequence;
}

TEST(rooms_start_when_the_keeper_is_there_and_end_in_order)
{
    prepare();
    check_int(open_with(NULL), 0);
    check_cstr(order, "i");
    until(is_ready, "a core that is ready");
    check_cstr(order, "is");
    check(core_room(&core, "full") == order);
    check(core_room(&core, "none") == NULL);
    check_int(core.roles.keeper_pid, KEEPER_PID);
    end();
    check_cstr(order, "isSF");
}

TEST(a_room_that_does_not_start_ends_the_core)
{
    prepare();
    start_result = -EIO;
    check_int(open_with(NULL), 0);
    until(is_ready, "a core that gives up");
    check(!core.ready);
    check(core.stopping);
    check_int(core.exit_code, 1);
    end();
    check_cstr(order, "isF"); /* what was never started is not stopped */
}

TEST(a_room_that_cannot_be_made_is_a_core_that_does_not_open)
{
    prepare();
    init_result = -ENOMEM;
    check_int(open_with(NULL), -ENOMEM);
    check_cstr(problem.code, "core.start");
    end();
    check_cstr(order, "iF");
}

TEST(a_state_folder_that_was_removed_is_not_begun_anew)
{
    prepare();
    check_int(open_with("0123456789ab"), -ESTALE);
    check_cstr(problem.code, "state.removed");
    check_cstr(problem.where, folder);
    snprintf(file, sizeof(file), "%s/instance.json", folder);
    check(!file_exists(file));
    end();
}

TEST(the_state_folder_of_another_instance_is_refused)
{
    prepare();
    struct instance other = {0};
    check_int(instance_open(&other, folder, &problem), 0);
    check_int(open_with("0123456789ab"), -ESTALE);
    check_cstr(problem.code, "state.removed");
    core_close(&core);
    chan_close(&desk.chan);
    core = (struct core){0};
    check_int(open_with(other.id), 0);
    end();
}

TEST(what_the_edge_needs_lies_with_the_keeper)
{
    static const char *const names[] = {"bell:core", "bell:edge", "deltas", "counters", "ring:0"};
    begin();
    settle();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        check_int(held_times(names[i]), 1);
    }
    check(held("snapshot") == NULL);
    check(edge_link_is_fresh(core.edge));
    check_int(edge_link_set_threads(core.edge, 3), 0);
    settle();
    /* 3 of either half */
    check(held("ring:2") != NULL && held("ring:3") == NULL);
    check(held("ring:18") != NULL && held("ring:19") == NULL);
    check_int(edge_link_set_threads(core.edge, 1), 0); /* an edge of three may still write */
    settle();
    struct role_info roles;
    core_roles(&core, &roles);
    check_int(roles.edge_threads, 1);
    end();
}

TEST(memory_that_makes_no_sense_is_made_anew_and_kept_in_its_place)
{
    static const char *const names[] = {"deltas", "counters", "ring:0", "snapshot"};
    prepare();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int fd = -1;
        check_int(shm_create("nonsense", 4096, &fd), 0);
        hold(names[i], fd);
    }
    check_int(open_with(NULL), 0);
    until(is_ready, "a core that is ready");
    settle();
    for (size_t i = 0; i < 3; i++) {
        check_int(held_times(names[i]), 2);
    }
    struct shm shm = {0};
    struct delta_log log;
    check_int(shm_map(&shm, held_fd("deltas"), true), 0);
    check_int(delta_log_open(shm.p, shm.size, &log), 0);
    shm_unmap(&shm);
    check(edge_link_counters(core.edge) != NULL);
    check(edge_link_is_fresh(core.edge));
    end();
}

TEST(memory_that_may_shrink_is_not_looked_into)
{
    prepare();
    FILE *open_ended = tmpfile();
    check(open_ended != NULL);
    hold("snapshot", dup(fileno(open_ended)));
    hold("deltas", dup(fileno(open_ended)));
    (void)fclose(open_ended);
    check_int(open_with(NULL), 0);
    until(is_ready, "a core that is ready");
    settle();
    check_int(held_times("deltas"), 2);
    check(edge_link_is_fresh(core.edge));
    end();
}

TEST(sequences_of_snapshots_go_on_where_the_last_core_stopped)
{
    prepare();
    struct snapshot_builder builder;
    struct buf blob = BUF_INIT(KIB * 64);
    int fd = -1;
    snapshot_builder_init(&builder);
    check_int(snapshot_builder_finish(&builder, 41, 0, &blob), 0);
    snapshot_builder_fini(&builder);
    check_int(shm_create_sealed("snapshot", buf_str(&blob), &fd), 0);
    buf_fini(&blob);
    hold("snapshot", fd);
    check_int(open_with(NULL), 0);
    check_int(publish(), -ENOTCONN); /* no keeper yet: what was published before stays */
    until(is_ready, "a core that is ready");
    check(!edge_link_is_fresh(core.edge));
    check_int(publish(), 0);
    settle();
    check_int(held_sequence(), 42);
    end();
}

TEST(of_snapshots_that_come_fast_the_newest_arrives)
{
    begin();
    settle();
    for (int i = 0; i < 5; i++) {
        check_int(publish(), 0);
    }
    settle();
    check_int(held_sequence(), 5);
    check_int(held_times("snapshot"), 2); /* the first was on its way, three were overtaken */
    end();
}

TEST(a_snapshot_that_the_keeper_refuses_does_not_stop_the_next)
{
    begin();
    settle();
    desk.refuses = "snapshot";
    check_int(publish(), 0);
    settle();
    check_int(desk.refused, 1);
    check_int(held_sequence(), 0);
    check_int(publish(), 0);
    check_int(publish(), 0); /* waits while the keeper refuses the one in front of it */
    settle();
    check_int(desk.refused, 3);
    desk.refuses = NULL;
    check_int(publish(), 0);
    settle();
    check_int(held_sequence(), 4);
    end();
}

TEST(a_keeper_that_does_not_hold_a_bell_has_a_core_nevertheless)
{
    prepare();
    desk.refuses = "bell:core";
    check_int(open_with(NULL), 0);
    until(is_ready, "a core that is ready");
    settle();
    check_int(desk.refused, 1);
    check(core.ready && !core.stopping);
    end();
}

TEST(a_delta_is_logged_before_the_edge_hears_and_a_full_log_asks_for_a_snapshot)
{
    struct delta delta = {.kind = DELTA_PROBE_NOW, .service = 1, .endpoint = 2};
    struct shm shm = {0};
    struct delta_log log;
    uint64_t cursor = 0;
    prepare();
    check_int(open_with(NULL), 0);
    check_int(edge_link_delta(core.edge, &delta), EDGE_E_FULL);
    until(is_ready, "a core that is ready");
    settle();
    check_int(edge_link_delta(core.edge, &delta), 0);
    check(shm_bell_clear(held_fd("bell:edge")) > 0);
    check_int(shm_map(&shm, held_fd("deltas"), true), 0);
    check_int(delta_log_open(shm.p, shm.size, &log), 0);
    check_int(delta_log_read(&log, &cursor, &delta), 0);
    check_int(delta.kind, DELTA_PROBE_NOW);
    int r = 0;
    for (int i = 0; i < DELTA_CAPACITY_DEFAULT && r == 0; i++) {
        r = edge_link_delta(core.edge, &delta);
    }
    check_int(r, EDGE_E_FULL);
    check_int(publish(), 0);
    check_int(edge_link_delta(core.edge, &delta), EDGE_E_FULL); /* the keeper has it not yet */
    settle();
    check_int(edge_link_delta(core.edge, &delta), 0);
    shm_unmap(&shm);
    end();
}

static uint64_t published_mark(void)
{
    return delta_mark(held_sequence(), delta_log_head(edge_link_deltas(core.edge)));
}

TEST(what_was_published_is_taken_when_whoever_accepts_serves_it)
{
    struct shm shm = {0};
    struct counters counters;
    begin();
    settle();
    check_int(publish(), 0);
    settle();
    check(edge_link_is_taken(core.edge)); /* by nobody: no edge ever ran */
    say_edge(77, 0);
    settle();
    check_int(shm_map(&shm, held_fd("counters"), true), 0);
    check_int(counters_open(shm.p, shm.size, &counters), 0);
    uint64_t *former = &counters_thread_of(&counters, 0)->taken;
    uint64_t *next = &counters_thread_of(&counters, COUNTERS_HALF)->taken;
    *former = published_mark();
    counters_serve(&counters, 0, 1);
    check(edge_link_is_taken(core.edge));
    counters_serve(&counters, COUNTERS_HALF, 1); /* an edge that has just begun */
    check(!edge_link_is_taken(core.edge));
    *next = published_mark();
    check(edge_link_is_taken(core.edge));
    check_int(publish(), 0);
    settle();
    *next = published_mark();
    check(!edge_link_is_taken(core.edge)); /* the one before accepts still */
    *former = 0;
    check(edge_link_is_taken(core.edge));
    shm_unmap(&shm);
    end();
}

TEST(an_edge_that_has_died_is_not_waited_for)
{
    struct shm shm = {0};
    struct counters counters;
    begin();
    say_edge(77, 0);
    settle();
    check_int(shm_map(&shm, held_fd("counters"), true), 0);
    check_int(counters_open(shm.p, shm.size, &counters), 0);
    counters_thread_of(&counters, 0)->taken = published_mark();
    counters_thread_of(&counters, 0)->no_places = 1;
    counters_serve(&counters, 0, 1);
    check_int(publish(), 0);
    settle();
    check(!edge_link_is_taken(core.edge) && !edge_link_has_places(core.edge));
    say_edge(0, 0);
    settle();
    check(edge_link_is_taken(core.edge) && edge_link_has_places(core.edge));
    say_edge(78, 1); /* what the one before said stands until this one has read the snapshot */
    settle();
    check(!edge_link_is_taken(core.edge));
    shm_unmap(&shm);
    end();
}

/* --- records of the edge --- */

static struct edge_thread {
    struct shm shm;
    struct ring ring;
} threads[COUNTERS_THREADS_MAX];
static unsigned seen[COUNTERS_THREADS_MAX];
static unsigned seen_first;                   /* of ring 0, when the first of ring 1 came */
static uint64_t stored[COUNTERS_THREADS_MAX]; /* sequence behind which the storing reader stands */

static void on_records(struct edge_reader *self, const struct edge_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check(records[i].epoch != 0);
        seen_first = records[i].ring == 1 && seen[1] == 0 ? seen[0] : seen_first;
        seen[records[i].ring]++;
    }
}

static uint64_t position(struct edge_reader *self, uint32_t ring, uint64_t epoch)
{
    return stored[ring];
}

static void play_edge(unsigned count)
{
    check_int(edge_link_set_threads(core.edge, count), 0);
    settle();
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "ring:%u", i);
        check_int(shm_map(&threads[i].shm, held_fd(name), true), 0);
        check_int(ring_open(threads[i].shm.p, threads[i].shm.size, &threads[i].ring), 0);
    }
}

static void write_records(unsigned thread, uint16_t kind, unsigned count)
{
    struct ring *ring = &threads[thread].ring;
    for (unsigned i = 0; i < count; i++) {
        struct ring_record *record = ring_next(ring);
        check(record != NULL);
        *record = (struct ring_record){.kind = kind};
        ring_publish(ring);
    }
    if (ring_should_wake(ring)) {
        shm_bell_ring(held_fd("bell:core"));
    }
}

static void end_edge(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        shm_unmap(&threads[i].shm);
    }
}

TEST(records_are_read_once_and_nonsense_among_them_is_skipped)
{
    struct edge_reader reader = {.records = on_records};
    begin();
    edge_link_subscribe(core.edge, &reader);
    play_edge(1);
    write_records(0, RING_PROBE, 1);
    write_records(0, 77, 1);
    write_records(0, RING_PROBE, 2);
    settle();
    check_int(seen[0], 3);
    write_records(0, 77, 70); /* a batch in which there is nothing else */
    settle();
    check_int(seen[0], 3);
    write_records(0, RING_ACCESS, 1);
    settle();
    write_records(0, RING_ACCESS, 5); /* while there is traffic nobody rings: it is looked for */
    for (int i = 0; i < 200 && seen[0] < 9; i++) {
        check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);
    }
    check_int(seen[0], 9);
    edge_link_unsubscribe(&reader);
    write_records(0, RING_PROBE, 1);
    settle();
    check_int(seen[0], 9);
    end_edge(1);
    end();
}

TEST(one_busy_ring_does_not_keep_the_others_waiting)
{
    struct edge_reader reader = {.records = on_records};
    begin();
    edge_link_subscribe(core.edge, &reader);
    play_edge(2);
    write_records(0, RING_PROBE, 8000);
    write_records(1, RING_PROBE, 10);
    settle();
    check_int(seen[0], 8000);
    check_int(seen[1], 10);
    check(seen_first < 8000); /* it was its turn before the first was empty */
    end_edge(2);
    end();
}

TEST(places_are_free_again_only_when_the_reader_that_stores_says_so)
{
    struct edge_reader reader = {.records = on_records, .position = position};
    begin();
    edge_link_subscribe(core.edge, &reader);
    play_edge(1);
    write_records(0, RING_PROBE, RING_CAPACITY_DEFAULT);
    settle();
    check_int(seen[0], RING_CAPACITY_DEFAULT);
    check(ring_next(&threads[0].ring) == NULL);
    edge_link_commit(core.edge, 7, 5); /* of a ring that is not there */
    edge_link_commit(core.edge, 0, 5);
    write_records(0, RING_PROBE, 5);
    check(ring_next(&threads[0].ring) == NULL);
    end_edge(1);
    end();
}

TEST(what_was_stored_before_a_crash_is_not_read_again)
{
    struct edge_reader reader = {.records = on_records, .position = position};
    struct shm shm = {0};
    int fd = -1;
    prepare();
    check_int(shm_create("ring", ring_size(64), &fd), 0);
    check_int(shm_map(&shm, fd, true), 0);
    ring_format(shm.p, 64, 99);
    struct ring ring;
    check_int(ring_open(shm.p, shm.size, &ring), 0);
    for (int i = 0; i < 8; i++) {
        *ring_next(&ring) = (struct ring_record){.kind = RING_PROBE};
        ring_publish(&ring);
    }
    hold("ring:0", fd);
    check_int(open_with(NULL), 0);
    stored[0] = 5;
    edge_link_subscribe(core.edge, &reader);
    until(is_ready, "a core that is ready");
    settle();
    check_int(held_times("ring:0"), 1);
    check_int(seen[0], 3);
    shm_unmap(&shm);
    end();
}

/* --- events --- */

static struct {
    int error;
    size_t count;
    char kinds[4][48];
    char last[EVENT_MESSAGE_MAX];
    bool answered;
    unsigned answers;
} list;

static void listed(void *arg, int error, const struct event *events, size_t count)
{
    list.error = error;
    list.count = count;
    for (size_t i = 0; i < MIN(count, ARRAY_LEN(list.kinds)); i++) {
        str_copy(list.kinds[i], sizeof(list.kinds[i]), str_from(events[i].kind));
        str_copy(list.last, sizeof(list.last), str_from(events[i].message));
    }
    list.answered = true;
    list.answers++;
}

static bool is_listed(void)
{
    return list.answered;
}

static bool are_three(void)
{
    return event_seq_last(&core) == 3;
}

static void ask_events(const char *kind, uint32_t limit, bool newest)
{
    list.answered = false;
    event_list(&core,
               &(struct event_query){.kind = str_from(kind), .limit = limit, .newest = newest},
               listed, NULL);
    until(is_listed, "an answer of the store");
}

static void emit(const char *kind, uint8_t severity)
{
    struct context ctx = context_system("test");
    struct event event;
    event_draft(&event, &ctx, kind, severity);
    event_message(&event, "It happened.");
    event_emit(&core, &event);
}

TEST(events_are_listed_in_their_order_from_either_end)
{
    begin();
    emit("test.first", EVENT_INFO);
    emit("test.second", EVENT_ERROR);
    emit("test.third", 99);
    until(are_three, "three commits");
    ask_events("", 2, false);
    check_int(list.count, 2);
    check_cstr(list.kinds[0], "test.first");
    check_cstr(list.kinds[1], "test.second");
    ask_events("", 2, true);
    check_int(list.count, 2);
    check_cstr(list.kinds[0], "test.second");
    check_cstr(list.kinds[1], "test.third");
    ask_events("test.none", 2, true);
    check_int(list.count, 0);
    check_cstr(event_severity_name(99), "info");
    end();
}

TEST(the_newest_sequence_is_known_to_the_next_core)
{
    begin();
    for (int i = 0; i < 3; i++) {
        emit("test.first", EVENT_INFO);
    }
    until(are_three, "three commits");
    core_close(&core);
    chan_close(&desk.chan);
    core = (struct core){0};
    check_int(open_with(NULL), 0);
    until(is_ready, "a core that is ready");
    until(are_three, "what was stored");
    end();
}

TEST(what_is_told_before_the_store_says_its_end_is_not_forgotten_by_it)
{
    struct store_stepper stepper;
    store_stepper_init(&stepper);
    executor = &stepper.executor;
    prepare();
    check_int(open_with(NULL), 0);
    until(is_ready, "a core that is ready");
    check(store_stepper_step(&stepper, STORE_LANE_READ)); /* it read: no event yet */
    emit("test.first", EVENT_INFO);
    settle();
    while (store_stepper_step(&stepper, STORE_LANE_WRITE)) {
    }
    check_int(event_seq_last(&core), 1);
    check(store_stepper_step(&stepper, STORE_LANE_READ)); /* and says so */
    check_int(event_seq_last(&core), 1);
    end();
}

TEST(an_event_that_the_store_has_no_room_for_is_counted_and_nobody_waits)
{
    begin();
    settle();
    for (int i = 0; i < 9000; i++) {
        emit("test.flood", EVENT_INFO);
    }
    check(core.events->lost > 0);
    uint64_t lost = core.events->lost;
    ask_events("test.flood", 1000, false);
    while (event_seq_last(&core) + lost < 9000) {
        check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);
    }
    check_int(core.events->lost, lost);
    end();
}

TEST(a_core_that_ends_forgets_what_is_on_its_way_to_the_disk)
{
    begin();
    settle();
    emit("test.first", EVENT_INFO);
    end(); /* the sanitizer finds what was not given back */
}

TEST(who_asks_too_much_at_once_is_answered_that)
{
    begin();
    settle();
    unsigned asked = 0;
    for (; asked < 9000 && list.error == 0; asked++) {
        event_list(&core, &(struct event_query){.limit = 1}, listed, NULL);
    }
    check_int(list.error, -ENOBUFS);
    while (list.answers < asked) { /* the others all the same */
        check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);
    }
    check_int(list.error, 0);
    end();
}

/* --- roles --- */

static bool edge_is_back(void)
{
    return core.roles.edge_pid == 78;
}

/* Of an event: it is on the disk. */
static bool is_told(void)
{
    return event_seq_last(&core) > 0;
}

/* Another one, and its words of it in the store. */
static void another_core(const char *const *children, size_t told)
{
    core_close(&core);
    chan_close(&desk.chan);
    core = (struct core){0};
    desk.children = children;
    check_int(open_with(NULL), 0);
    until(is_ready, "a core that is ready");
    for (int i = 0; i < 1000 && list.count < told; i++) {
        settle();
        ask_events("role.adopted", 10, false);
    }
    check_int(list.count, told);
}

TEST(a_core_that_comes_after_another_tells_what_it_took_over)
{
    static const char *const ran[] = {"default/shop/web/1", "default/shop/web/2.b",
                                      "default/shop/web/1/probe", "exec/77/1", NULL};
    begin();
    settle();
    ask_events("role.adopted", 10, false);
    check_int(list.count, 0); /* the first one */
    check_int(publish(), 0);
    settle();
    another_core(NULL, 1); /* nothing ran: it came after another all the same */
    check_int(core.roles.adopted, 0);
    another_core(ran, 2);
    check_int(core.roles.adopted, 2); /* no commands */
    end();
}

TEST(an_edge_that_was_started_again_is_told_once)
{
    begin();
    say_edge(77, 0);
    settle();
    check_int(core.roles.edge_pid, 77);
    say_edge(0, 0);
    settle();
    check_int(core.roles.edge_pid, 0);
    say_edge(78, 1);
    say_edge(78, 1);
    until(edge_is_back, "an edge");
    until(is_told, "an event");
    settle();
    ask_events("role.restarted", 10, false);
    check_int(list.count, 1);
    check_int(core.roles.edge_restarts, 1);
    end();
}

TEST(what_was_lost_with_an_edge_is_told_when_the_next_one_has_begun)
{
    struct shm shm = {0};
    struct counters counters;
    begin();
    say_edge(77, 0);
    settle();
    check_int(shm_map(&shm, held_fd("counters"), true), 0);
    check_int(counters_open(shm.p, shm.size, &counters), 0);
    counters_begun(&counters, 77, (struct counters_carried){9, 9}); /* with the one before it */
    say_edge(0, 0);
    say_edge(78, 1);
    until(edge_is_back, "an edge");
    settle();
    check(!is_told());
    counters_begun(&counters, 78, (struct counters_carried){3, 2});
    until(is_told, "an event");
    ask_events("role.restarted", 10, false);
    check_int(list.count, 1);
    check(strstr(list.last, "requests under way: 3, tunnels: 2.") != NULL);
    shm_unmap(&shm);
    end();
}

TEST(an_edge_that_takes_the_place_of_another_is_told)
{
    begin();
    say_edge(77, 0);
    say_edge(78, 0);
    until(edge_is_back, "an edge");
    until(is_told, "an event");
    settle();
    ask_events("role.replaced", 10, false);
    check_int(list.count, 1);
    end();
}

TEST(the_end_of_the_instance_is_asked_of_the_keeper_once)
{
    begin();
    core_end_instance(&core);
    core_end_instance(&core);
    settle();
    check(desk.ended);
    chan_close(&desk.chan);
    check_int(loop_run(&loop), 0); /* until it is stopped, which is now */
    check_int(core.exit_code, 0);
    check_int(core.events->emitted, 0); /* nothing was lost: it was told to end */
    end();
}

static bool is_called(void)
{
    int fd = -1;
    if (chan_accept(desk.held[0].fd, &fd) < 0) {
        return false;
    }
    file_close(&desk.held[0].fd);
    desk.count = 0;
    desk_open(fd);
    return true;
}

static bool is_linked(void)
{
    return core.roles.keeper_pid == KEEPER_PID;
}

TEST(a_new_keeper_is_given_everything_and_the_loss_is_told)
{
    static const char *const names[] = {"bell:core", "bell:edge", "deltas",
                                        "counters",  "ring:0",    "snapshot"};
    begin();
    settle();
    check_int(publish(), 0);
    settle();
    for (size_t i = 0; i < desk.count; i++) {
        file_close(&desk.held[i].fd);
    }
    desk.count = 1;
    snprintf(file, sizeof(file), "%s/keeper.sock", folder);
    check_int(chan_listen(file, &desk.held[0].fd), 0);
    chan_close(&desk.chan);
    check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);
    check_int(core.roles.keeper_pid, 0);
    until(is_called, "a call of the core");
    until(is_linked, "a core that is linked");
    until(is_told, "an event");
    settle();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        check(held(names[i]) != NULL);
    }
    check_int(held_sequence(), 1);
    ask_events("role.lost", 10, false);
    check_int(list.count, 1);
    check_cstr(order, "is"); /* rooms start once */
    end();
}
