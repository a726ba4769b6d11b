/* SPDX-License-Identifier: Apache-2.0
 *
 * `muelle edge`: struct edge fed by the keeper. It starts when a snapshot lies there (by then the
 * core has given the rest too), takes each newer one, opens listeners through the keeper, and
 * brings a dead keeper back if the core does not. Nothing here is on the path of a request.
 *
 * 1. One edge an instance has its place: `edge.lock` in the run folder. One that left it (SIGUSR2)
 *    ends beside the next one; each has a half of tables and rings (edge.half0, edge.half1).
 * 2. Root's rights are given away (drop_rights) before the first byte from outside is read; a guard
 *    keeps the one that brings the keeper back.
 *
 * As it fails: what cannot be opened at the start ends the process, and the keeper starts another;
 * a snapshot or a listener that is refused is said, and what is served stays.
 */
#include "edge/edge.h"

#include "base/num.h"
#include "edge/edge_private.h"
#include "link/keeper_guard.h"
#include "link/keeper_sockmap.h"
#include "os/chan.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/proc.h"
#include "os/rolelog.h"
#include "os/user.h"
#include "tls/memory.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXIT_USAGE = 2, EXIT_LOCKED = 3, GRACE_MS = 5000, FORMER_WAIT_MS = 750, FORMER_WAITS = 2 };
enum { FORMER_GRACE_MS = FORMER_WAIT_MS - 100 };
enum { HALF_TRIES = 200, HALF_WAIT_MS = 10 };

struct role {
    struct edge *edge;
    struct keeper_client keeper;
    struct loop_signal term, interrupt, retire;
    struct lock lock, halves[2];
    struct keeper_request keep; /* of the way to us, when we leave our place */
    struct loop_task leave;
    struct timer former_timer; /* armed: we leave when the edge before this one has ended */
    unsigned former_waits;
    int bells[2];   /* core's, edge's; -1 = none */
    int leave_fd;   /* our end of that way */
    int former_fd;  /* the way to the edge that left its place to us; -1 */
    int former_pid; /* 0: there was none */
    /* Copies: the process title is written over the arguments. */
    char run_dir[256], state_dir[1024], id[64], user[64];
    char way[64];    /* the keeper's name for the way to us, once we leave our place */
    bool privileged; /* may still give rights away */
    bool has_sockmap;
    bool left; /* our place: another edge has it */
};

static struct role role;

/* --- sockets --- */

struct listening {
    struct keeper_request request;
    char address[SOCK_ADDR_TEXT_MAX];
    bool drop;
};

static void listening_answered(struct keeper_request *request, int error,
                               const struct keeper_msg *msg, int *fd)
{
    struct listening *listening = container_of(request, struct listening, request);
    if (!listening->drop) {
        int socket = *fd;
        *fd = -1;
        if (error < 0) {
            rolelog(ROLELOG_ERROR, "edge", "cannot listen on %s: %s", listening->address,
                    msg && msg->text[0] ? msg->text : strerror(-error));
        }
        edge_listening(role.edge, str_from(listening->address), error < 0 ? -1 : socket);
    }
    free(listening);
}

static struct listening *new_listening(struct str address, bool drop)
{
    struct listening *listening = calloc(1, sizeof(*listening));
    if (listening) {
        (void)str_copy(listening->address, sizeof(listening->address), address);
        listening->request.answered = listening_answered;
        listening->drop = drop;
    }
    return listening;
}

static void open_listener(void *context, struct str address)
{
    struct listening *listening = new_listening(address, false);
    (void)context;
    if (!listening) {
        edge_listening(role.edge, address, -1);
        return;
    }
    keeper_client_listen(&role.keeper, &listening->request, str_from(listening->address));
}

/* The keeper names sockets in the spelling of sock_addr_format. */
static void close_listener(void *context, struct str address)
{
    struct sock_addr parsed;
    char memory[SOCK_ADDR_TEXT_MAX + 8];
    struct buf name = {.p = memory, .cap = sizeof(memory), .max = sizeof(memory)};
    struct listening *listening = new_listening(address, true);
    (void)context;
    if (!listening || sock_addr_parse(address, &parsed) < 0) {
        free(listening);
        return;
    }
    buf_add(&name, STR("listen:"));
    sock_addr_format(&name, &parsed);
    keeper_client_drop(&role.keeper, &listening->request, buf_str(&name));
}

/* --- snapshots --- */

static unsigned threads_of(int snapshot_fd)
{
    struct shm shm = {0};
    struct snapshot snapshot;
    unsigned threads = 0;
    if (shm_map(&shm, snapshot_fd, false) == 0 &&
        snapshot_open(str_make((const char *)shm.p, shm.size), &snapshot) == 0) {
        threads = snapshot_gateway_get(&snapshot).threads;
    }
    shm_unmap(&shm);
    return threads;
}

static int kept(const char *name)
{
    return keeper_client_fd(&role.keeper, str_from(name));
}

/* The client's copies are closed when another keeper gives its own, and when we leave our place; a
 * bell is rung by its descriptor until the end. */
static int own_bell(size_t i, const char *name)
{
    if (role.bells[i] < 0 && kept(name) >= 0 && file_dup(kept(name), &role.bells[i]) < 0) {
        role.bells[i] = -1;
    }
    return role.bells[i];
}

static int open_edge(int snapshot_fd)
{
    struct edge_memory memory = {
        .deltas = kept("deltas"),
        .counters = kept("counters"),
        .bell_core = own_bell(0, "bell:core"),
        .bell_edge = own_bell(1, "bell:edge"),
    };
    unsigned threads = threads_of(snapshot_fd);
    memory.first = role.halves[0].fd >= 0 ? 0 : COUNTERS_HALF;
    memory.beside = role.halves[0].fd < 0 || role.halves[1].fd < 0;
    if (!memory.beside) {
        lock_release(&role.halves[1]);
    }
    for (unsigned i = 0; i < ARRAY_LEN(memory.rings); i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "ring:%u", i);
        memory.rings[i] = kept(name);
    }
    return edge_open(role.edge, &memory, threads);
}

/* Root is given away before the first byte from outside is read. */
static int drop_rights(void)
{
    struct user user;
    struct problem problem;
    if (!role.privileged || user_own_uid() != 0) {
        return 0;
    }
    role.privileged = false;
    int r = user_find(str_from(role.user), &user, &problem);
    /* Somebody must stay able to bring the keeper back. */
    r = r < 0 ? r : keeper_client_guard(&role.keeper);
    return r < 0 ? r : user_become(&user);
}

static void take_snapshot(void)
{
    int fd = kept("snapshot");
    int r = 0;
    if (fd < 0) {
        return;
    }
    if (!edge_is_open(role.edge)) {
        r = drop_rights();
        if (r == 0) {
            r = open_edge(fd);
        }
        if (r < 0) {
            rolelog(ROLELOG_ERROR, "edge", "cannot start: %s", strerror(-r));
            loop_stop(edge_loop(role.edge));
            return;
        }
    }
    r = edge_apply(role.edge, fd);
    if (r < 0) {
        rolelog(ROLELOG_ERROR, "edge", "the snapshot is refused: %s", strerror(-r));
    }
}

static void snapshot_wanted(void *context)
{
    (void)context;
    if (role.keeper.loop) { /* else we have left our place: the next edge takes it */
        take_snapshot();
    }
}

/* The keeper gives its parts one by one; they stay the same as long as the instance lives. */
static void take_sockmap(void)
{
    int fds[SOCKMAP_LINK];
    enum sockmap_part have = 0;
    while (!role.has_sockmap && have < SOCKMAP_LINK) {
        int fd = keeper_client_fd(&role.keeper, keeper_sockmap_name(have));
        if (fd < 0 || file_dup(fd, &fds[have]) < 0) {
            break;
        }
        have++;
    }
    if (have == SOCKMAP_LINK) {
        role.has_sockmap = true;
        edge_sockmap(role.edge, fds);
    }
    while (!role.has_sockmap && have > 0) {
        file_close(&fds[--have]);
    }
}

/* --- the edge before this one --- */

static void take_former(void)
{
    if (role.former_fd >= 0 && edge_is_open(role.edge)) {
        int fd = role.former_fd;
        role.former_fd = -1;
        (void)!edge_take_over(role.edge, fd); /* else its connections end there */
    }
}

static void drop_answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                          int *fd)
{
    (void)error;
    (void)msg;
    (void)fd;
    free(request);
}

static void drop(struct str name)
{
    struct keeper_request *request = calloc(1, sizeof(*request));
    if (request && role.keeper.loop) {
        request->answered = drop_answered;
        keeper_client_drop(&role.keeper, request, name);
    } else {
        free(request);
    }
}

static void leave_place(void);

static void former_ended(void *context)
{
    char name[sizeof(role.way)];
    (void)context;
    (void)snprintf(name, sizeof(name), KEEPER_HANDOVER "%d", role.former_pid);
    drop(str_from(name));
    if (timer_armed(&role.former_timer)) {
        loop_timer_cancel(edge_loop(role.edge), &role.former_timer);
        leave_place();
    }
}

static void on_ready(struct keeper_client *client)
{
    (void)client;
    take_sockmap();
    take_snapshot();
    take_former();
}

static void on_kept(struct keeper_client *client, struct str name, int fd)
{
    (void)client;
    if (str_is(name, "snapshot")) {
        take_snapshot();
    } else if (str_starts(name, STR(KEEPER_SOCKMAP))) {
        take_sockmap();
    } else if (str_starts(name, STR(KEEPER_HANDOVER)) && !str_eq(name, str_from(role.way))) {
        char wanted[sizeof(role.way)];
        (void)snprintf(wanted, sizeof(wanted), KEEPER_HANDOVER "%d", role.former_pid);
        if (!str_is(name, wanted)) {
            drop(name); /* of one that is gone */
        } else if (role.former_fd < 0) {
            (void)!file_dup(fd, &role.former_fd);
        }
    }
    take_former();
}

/* --- life --- */

static void on_term(struct loop_signal *signal)
{
    (void)signal;
    edge_stop(role.edge, GRACE_MS);
}

/* --- leaving the place to another edge --- */

/* Not inside of a callback of the keeper's client. */
static void leave(struct loop_task *task)
{
    (void)task;
    int fd = role.leave_fd;
    role.leave_fd = -1;
    role.left = true;
    keeper_client_fini(&role.keeper); /* the keeper takes it for the word that our place is free */
    proc_title_set("muelle: edge %s (former)", role.id);
    if (edge_retire(role.edge, fd) < 0) {
        edge_stop(role.edge, GRACE_MS);
    }
}

static void way_kept(struct keeper_request *request, int error, const struct keeper_msg *msg,
                     int *fd)
{
    (void)request;
    (void)msg;
    (void)fd;
    if (error < 0) {
        sock_close(&role.leave_fd);
        edge_stop(role.edge, GRACE_MS);
        return;
    }
    lock_release(&role.lock);
    loop_defer(edge_loop(role.edge), &role.leave);
}

static void leave_place(void)
{
    int ends[2] = {-1, -1};
    if (!edge_is_open(role.edge) || chan_pair(ends) < 0) {
        edge_stop(role.edge, GRACE_MS);
        return;
    }
    role.leave_fd = ends[0];
    role.keep.answered = way_kept;
    (void)snprintf(role.way, sizeof(role.way), KEEPER_HANDOVER "%d", proc_own_pid());
    keeper_client_keep(&role.keeper, &role.keep, str_from(role.way), ends[1]);
    sock_close(&ends[1]);
}

static void signal_process(const struct proc_id *id, int signum)
{
    int pidfd = -1;
    if (proc_open(id, &pidfd) == 0) {
        (void)!proc_signal(pidfd, signum);
        file_close(&pidfd);
    }
}

/* Two at most: the next edge cuts the one that ends beside us. It has a moment before, while we
 * serve and take what it gives: for what rests, and, once it is told, for what is under way. It is
 * not told before it may give: it would end what it has. The keeper waits three seconds for us. */
static void wait_for_former(struct timer *timer, int64_t now_ns)
{
    struct proc_id former = {.pid = role.former_pid};
    if (role.former_waits == FORMER_WAITS || !edge_receives(role.edge) ||
        proc_start_time(former.pid, &former.start_time) < 0) {
        leave_place();
        return;
    }
    if (role.former_waits++ > 0 && edge_takes(role.edge)) {
        signal_process(&former, SIGUSR2);
    }
    loop_timer_set(edge_loop(role.edge), timer, now_ns + FORMER_WAIT_MS * NS_PER_MS);
}

static void on_retire(struct loop_signal *signal)
{
    (void)signal;
    if (role.left) { /* again: the next one leaves, too */
        edge_last_words(role.edge);
        edge_stop(role.edge, FORMER_GRACE_MS);
    }
    if (role.leave_fd >= 0 || !role.keeper.loop || timer_armed(&role.former_timer)) {
        return;
    }
    role.former_waits = 0;
    wait_for_former(&role.former_timer, edge_loop(role.edge)->now_ns);
}

static bool parse(int argc, char **argv)
{
    const struct {
        const char *name;
        char *to;
        size_t size;
    } options[] = {
        {"--run-dir", role.run_dir, sizeof(role.run_dir)},
        {"--state-dir", role.state_dir, sizeof(role.state_dir)},
        {"--id", role.id, sizeof(role.id)},
        {"--user", role.user, sizeof(role.user)},
    };
    (void)str_copy(role.user, sizeof(role.user), STR("root"));
    for (int i = 1; i + 1 < argc; i += 2) {
        for (size_t o = 0; o < ARRAY_LEN(options); o++) {
            if (strcmp(argv[i], options[o].name) == 0 &&
                !str_copy(options[o].to, options[o].size, str_from(argv[i + 1]))) {
                return false;
            }
        }
    }
    return role.run_dir[0] && role.state_dir[0] && role.id[0];
}

static int start(void)
{
    static const struct keeper_client_ops news = {.ready = on_ready, .kept = on_kept};
    const struct edge_opts opts = {
        .listen = open_listener,
        .unlisten = close_listener,
        .snapshot_wanted = snapshot_wanted,
        .former_ended = former_ended,
    };
    int r = edge_new(&opts, &role.edge);
    if (r < 0) {
        return r;
    }
    role.term.received = on_term;
    role.interrupt.received = on_term;
    r = loop_signal_add(edge_loop(role.edge), &role.term, SIGTERM);
    if (r == 0) {
        r = loop_signal_add(edge_loop(role.edge), &role.interrupt, SIGINT);
    }
    role.retire.received = on_retire;
    loop_task_init(&role.leave, leave);
    timer_init(&role.former_timer, wait_for_former);
    if (r == 0) {
        r = loop_signal_add(edge_loop(role.edge), &role.retire, SIGUSR2);
    }
    const struct keeper_client_opts keeper = {
        .role = KEEPER_ROLE_EDGE,
        .run_dir = role.run_dir,
        .state_dir = role.state_dir,
        .id = role.id,
        .channel_fd = keeper_client_channel_from_env(),
        .revive = true,
        .ops = &news,
    };
    return r < 0 ? r : keeper_client_init(&role.keeper, edge_loop(role.edge), &keeper);
}

/* Two at most: of two that have left their place the older one is cut. */
static void end_oldest(const int holders[2])
{
    struct proc_id ids[2] = {{.pid = holders[0]}, {.pid = holders[1]}};
    if (proc_start_time(holders[0], &ids[0].start_time) == 0 &&
        proc_start_time(holders[1], &ids[1].start_time) == 0) {
        signal_process(&ids[ids[0].start_time > ids[1].start_time], SIGKILL);
    }
}

/* Both halves where nobody has any, so that nobody comes between; else the one that is free. */
static bool take_halves(void)
{
    char path[sizeof(role.run_dir) + 32];
    for (unsigned i = 0; i < HALF_TRIES; i++) {
        int holders[2] = {0, 0};
        for (unsigned half = 0; half < 2; half++) {
            (void)snprintf(path, sizeof(path), "%s/edge.half%u.lock", role.run_dir, half);
            (void)!lock_take(&role.halves[half], path, &holders[half]);
        }
        role.former_pid = MAX(holders[0], holders[1]);
        if (role.halves[0].fd >= 0 || role.halves[1].fd >= 0) {
            return true;
        }
        end_oldest(holders);
        clock_sleep_ns(HALF_WAIT_MS * NS_PER_MS);
    }
    return false;
}

int edge_main(int argc, char **argv)
{
    char path[sizeof(role.run_dir) + 16];
    int holder = 0;
    role.lock = role.halves[0] = role.halves[1] = (struct lock)LOCK_INIT;
    role.leave_fd = role.former_fd = role.bells[0] = role.bells[1] = -1;
    tls_memory_keep();
    if (!parse(argc, argv)) {
        (void)fprintf(stderr,
                      "usage: muelle edge --run-dir DIR --state-dir DIR --id ID [--user NAME]\n");
        return EXIT_USAGE;
    }
    (void)snprintf(path, sizeof(path), "%s/edge.lock", role.run_dir);
    if (lock_take(&role.lock, path, &holder) != 0 || !take_halves()) {
        rolelog(ROLELOG_ERROR, "edge", "another edge runs here (pid %d)", holder);
        return EXIT_LOCKED;
    }
    proc_title_set("muelle: edge %s", role.id);
    (void)proc_raise_nofile();
    role.privileged = !str_is(str_from(role.user), "root");
    int r = start();
    if (r == 0) {
        r = edge_run(role.edge);
    }
    if (r < 0) {
        rolelog(ROLELOG_ERROR, "edge", "%s", strerror(-r));
    }
    keeper_client_fini(&role.keeper);
    edge_free(role.edge);
    lock_release(&role.lock);
    return r < 0 ? 1 : 0;
}
