/* SPDX-License-Identifier: Apache-2.0
 *
 * `muelle edge`: struct edge fed by the keeper. It starts when a snapshot lies there (by then the
 * core has given the rest too), takes each newer one, opens listeners through the keeper, and
 * brings a dead keeper back if the core does not. Nothing here is on the path of a request.
 *
 * 1. One edge an instance: `edge.lock` in the run folder.
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
#include "os/lock.h"
#include "os/proc.h"
#include "os/user.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXIT_USAGE = 2, EXIT_LOCKED = 3, GRACE_MS = 5000 };

struct role {
    struct edge *edge;
    struct keeper_client keeper;
    struct loop_signal term, interrupt;
    /* Copies: the process title is written over the arguments. */
    char run_dir[256], state_dir[1024], id[64], user[64];
    bool privileged; /* may still give rights away */
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
            (void)fprintf(stderr, "muelle: edge: cannot listen on %s: %s\n", listening->address,
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

static int open_edge(int snapshot_fd)
{
    struct edge_memory memory = {
        .deltas = kept("deltas"),
        .counters = kept("counters"),
        .bell_core = kept("bell:core"),
        .bell_edge = kept("bell:edge"),
    };
    for (unsigned i = 0; i < ARRAY_LEN(memory.rings); i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "ring:%u", i);
        memory.rings[i] = kept(name);
    }
    return edge_open(role.edge, &memory, threads_of(snapshot_fd));
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
            (void)fprintf(stderr, "muelle: edge: cannot start: %s\n", strerror(-r));
            loop_stop(edge_loop(role.edge));
            return;
        }
    }
    r = edge_apply(role.edge, fd);
    if (r < 0) {
        (void)fprintf(stderr, "muelle: edge: the snapshot is refused: %s\n", strerror(-r));
    }
}

static void snapshot_wanted(void *context)
{
    (void)context;
    take_snapshot();
}

static void on_ready(struct keeper_client *client)
{
    (void)client;
    take_snapshot();
}

static void on_kept(struct keeper_client *client, struct str name, int fd)
{
    (void)client;
    (void)fd;
    if (str_is(name, "snapshot")) {
        take_snapshot();
    }
}

/* --- life --- */

static void on_term(struct loop_signal *signal)
{
    (void)signal;
    edge_stop(role.edge, GRACE_MS);
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

int edge_main(int argc, char **argv)
{
    char path[sizeof(role.run_dir) + 16];
    struct lock lock = LOCK_INIT;
    int holder = 0;
    if (!parse(argc, argv)) {
        (void)fprintf(stderr,
                      "usage: muelle edge --run-dir DIR --state-dir DIR --id ID [--user NAME]\n");
        return EXIT_USAGE;
    }
    (void)snprintf(path, sizeof(path), "%s/edge.lock", role.run_dir);
    if (lock_take(&lock, path, &holder) != 0) {
        (void)fprintf(stderr, "muelle: edge: another edge runs here (pid %d)\n", holder);
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
        (void)fprintf(stderr, "muelle: edge: %s\n", strerror(-r));
    }
    keeper_client_fini(&role.keeper);
    edge_free(role.edge);
    lock_release(&lock);
    return r < 0 ? 1 : 0;
}
