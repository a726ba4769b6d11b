/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper, its channel and its children, behind link/keeper_client.h. Messages take time and
 * keep their order in each direction; when the keeper dies, what is under way is lost, its children
 * live on and the next keeper tells of them (some exits of the time between are then "status
 * unknown").
 */
#include "sim/sim.h"

#include "core/mutate.h"
#include "link/keeper_sockmap.h"
#include "os/file.h"
#include "os/shm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEPT_MAX = 64 };

static struct {
    bool up;
    bool ended;
    struct keeper_client *client; /* of the core that lives */
    int64_t to_keeper, to_client; /* when the last message each way arrives */
    struct child children[SIM_CHILDREN_MAX];
    struct {
        char name[KEEPER_NAME_MAX + 1];
        int fd;
    } kept[KEPT_MAX];
    int last_pid;
    int pid;
} keeper;

struct child *sim_child_at(unsigned i)
{
    return &keeper.children[i];
}

bool sim_keeper_up(void)
{
    return keeper.up;
}

bool sim_keeper_ended(void)
{
    return keeper.ended;
}

static struct child *child_find(struct str id)
{
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        if (keeper.children[i].used && str_is(id, keeper.children[i].id)) {
            return &keeper.children[i];
        }
    }
    return NULL;
}

struct child *sim_child_by_port(uint16_t port)
{
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        if (keeper.children[i].used && keeper.children[i].alive &&
            keeper.children[i].port == port) {
            return &keeper.children[i];
        }
    }
    return NULL;
}

bool sim_port_in_use(uint16_t port)
{
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        const struct child *child = &keeper.children[i];
        if (child->used && child->port == port && child->has_listened &&
            (child->alive || child->orphans)) {
            return true;
        }
    }
    return false;
}

static int kept_index(const char *name)
{
    for (int i = 0; i < KEPT_MAX; i++) {
        if (strcmp(keeper.kept[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int sim_kept_fd(const char *name)
{
    int i = kept_index(name);
    return i >= 0 ? keeper.kept[i].fd : -1;
}

static void kept_put(struct str name, int fd)
{
    char text[KEEPER_NAME_MAX + 1];
    str_copy(text, sizeof(text), name);
    int i = kept_index(text);
    i = i >= 0 ? i : kept_index("");
    ensure(i >= 0);
    if (keeper.kept[i].name[0]) {
        file_close(&keeper.kept[i].fd);
    }
    str_copy(keeper.kept[i].name, sizeof(keeper.kept[i].name), name);
    keeper.kept[i].fd = fd;
}

/* --- the channel --- */

/* A request on its way to the keeper. */
struct request_copy {
    struct keeper_msg msg;
    int fd;
    uint32_t core_generation; /* of the core that sent it */
    int64_t asked;            /* when */
    struct order_copy *order;
};

struct order_copy {
    char id[220];
    char argv[4][32];
    unsigned argc;
    uint64_t spec_hash;
    uint16_t port;
};

/* Something on its way to the client. */
struct answer_copy {
    struct keeper_msg msg;
    enum keeper_type type; /* of the request, or of the news */
    struct keeper_child child;
    char id[220];
    bool ready;
};

static void to_client(struct answer_copy *answer);

static void answer(const struct keeper_msg *request, int error, uint64_t a)
{
    struct answer_copy *copy = calloc(1, sizeof(*copy));
    ensure(copy);
    copy->msg = *request;
    copy->msg.error = error;
    copy->msg.a = a;
    copy->type = request->type;
    to_client(copy);
}

static void tell(const struct child *child, enum keeper_type type)
{
    struct answer_copy *copy = calloc(1, sizeof(*copy));
    ensure(copy);
    copy->type = type;
    str_copy(copy->id, sizeof(copy->id), str_from(child->id));
    copy->child = (struct keeper_child){
        .proc = {.pid = child->pid, .start_time = (uint64_t)(child->started / (10 * SIM_MS))},
        .running = child->alive,
        .empty = child->empty,
        .exit = child->exit,
        .spec_hash = child->spec_hash,
        .ports = {child->port},
    };
    to_client(copy);
}

static void deliver_answer(struct answer_copy *copy)
{
    struct keeper_client *client = keeper.client;
    list_for_each_safe (it, &client->requests) {
        struct keeper_request *request = list_entry(it, struct keeper_request, node);
        if (request->serial != copy->msg.serial || !request->sent) {
            continue; /* of a former core, say */
        }
        int none = -1;
        list_del(&request->node);
        request->serial = 0;
        file_close(&request->fd);
        request->answered(request, copy->msg.error, &copy->msg, &none);
        return;
    }
}

static void pump(void);

static void delivered(void *arg)
{
    struct answer_copy *copy = arg;
    struct keeper_client *client = keeper.client;
    copy->child.id = str_from(copy->id);
    if (!client) {
        free(copy);
        return;
    }
    if (copy->ready) {
        client->ready = true;
        client->keeper_pid = keeper.pid;
        client->opts.ops->ready(client);
        pump();
    } else if (copy->type == KEEPER_CHILD) {
        client->opts.ops->child(client, &copy->child);
    } else if (copy->type == KEEPER_EXITED) {
        client->opts.ops->exited(client, &copy->child);
    } else if (copy->type == KEEPER_EMPTY) {
        client->opts.ops->empty(client, &copy->child);
    } else {
        deliver_answer(copy);
    }
    free(copy);
    sim_core_turn();
}

/* Dropped when the keeper dies: its generation is checked by hand, since the event is the
 * core's. */
struct guarded {
    uint32_t keeper_generation;
    struct answer_copy *copy;
};

static void deliver_guarded(void *arg)
{
    struct guarded *guarded = arg;
    if (guarded->keeper_generation == sim.generation[SIM_KEEPER]) {
        delivered(guarded->copy);
    } else {
        free(guarded->copy);
    }
    free(guarded);
}

static void to_client(struct answer_copy *copy)
{
    if (!keeper.client) {
        free(copy); /* no core is connected */
        return;
    }
    struct guarded *guarded = calloc(1, sizeof(*guarded));
    ensure(guarded);
    guarded->keeper_generation = sim.generation[SIM_KEEPER];
    guarded->copy = copy;
    keeper.to_client = MAX(keeper.to_client, sim.now) +
                       sim_between(5 * SIM_US, sim_chance(20) ? 20 * SIM_MS : SIM_MS);
    sim_at(SIM_CORE, keeper.to_client, deliver_guarded, guarded);
}

/* --- children --- */

static void became_empty(void *arg)
{
    struct child *child = arg;
    if (child->used && !child->alive && child->orphans == 0 && !child->empty) {
        child->empty = true;
        if (keeper.up) {
            tell(child, KEEPER_EMPTY);
        }
    }
}

static void check_empty(struct child *child)
{
    if (!child->alive && child->orphans == 0) {
        sim_after(SIM_WORLD, sim_between(10 * SIM_US, 5 * SIM_MS), became_empty, child);
    }
}

static void child_end(struct child *child, struct proc_exit exit)
{
    if (!child->alive) {
        return;
    }
    sim_trace("    child %s (pid %d) ends: %s %d", child->id, child->pid,
              exit.signaled ? "signal" : "exit", exit.code);
    child->alive = false;
    child->listening = false;
    child->ended = sim.now;
    child->exit = exit;
    oracle_exit(child);
    if (!keeper.up && sim_chance(300)) {
        child->exit = (struct proc_exit){.known = false};
    }
    if (keeper.up) {
        tell(child, KEEPER_EXITED);
    }
    check_empty(child);
}

/* Events about a child carry its pid in the pointer's place: it may be another one by then. */
static struct child *by_pid(void *arg)
{
    int pid = (int)(intptr_t)arg;
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        if (keeper.children[i].used && keeper.children[i].alive && keeper.children[i].pid == pid) {
            return &keeper.children[i];
        }
    }
    return NULL;
}

static void *pid_arg(const struct child *child)
{
    return (void *)(intptr_t)child->pid;
}

static void begins_to_listen(void *arg)
{
    struct child *child = by_pid(arg);
    if (child) {
        child->listening = child->has_listened = true;
        child->listening_since = child->listening_last = sim.now;
        oracle_listens(child);
    }
}

static void crashes(void *arg)
{
    struct child *child = by_pid(arg);
    if (child && !(sim.healing && child->kind == CHILD_CRASHER)) {
        child->orphans = child->kind == CHILD_FORKER && sim_chance(700);
        child_end(child, (struct proc_exit){.known = true, .code = 1});
    }
}

static void finishes(void *arg)
{
    struct child *child = by_pid(arg);
    if (child) {
        child_end(child, (struct proc_exit){.known = true, .code = 0});
    }
}

static void obeys(void *arg)
{
    struct child *child = by_pid(arg);
    if (child) {
        child->orphans = child->kind == CHILD_FORKER && sim_chance(500);
        child_end(child, (struct proc_exit){.known = true, .signaled = true, .code = SIGTERM});
    }
}

static void end_tree(struct child *child)
{
    child->orphans = 0;
    child_end(child, (struct proc_exit){.known = true, .signaled = true, .code = SIGKILL});
    check_empty(child);
}

static void killed(void *arg)
{
    int pid = (int)(intptr_t)arg;
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        if (keeper.children[i].used && keeper.children[i].pid == pid) {
            end_tree(&keeper.children[i]);
        }
    }
}

static void gets_sick(void *arg)
{
    struct child *child = by_pid(arg);
    if (child && !sim.healing && child->listening) {
        sim_trace("    child %s no longer answers", child->id);
        child->sick = child->was_sick = true;
        oracle_sick(child);
    }
}

static void gets_well(void *arg)
{
    struct child *child = by_pid(arg);
    if (child) {
        child->sick = false;
    }
}

/* What a fresh process will do by itself. */
static void child_plan(struct child *child)
{
    int64_t listen = child->kind == CHILD_SLOW ? sim_between(SIM_S, 4 * SIM_S)
                                               : sim_between(SIM_MS, 60 * SIM_MS);
    if (child->kind != CHILD_ONESHOT) {
        sim_after(SIM_WORLD, listen, begins_to_listen, pid_arg(child));
    }
    if (child->kind == CHILD_ONESHOT) {
        sim_after(SIM_WORLD, sim_between(SIM_MS, 400 * SIM_MS), finishes, pid_arg(child));
    } else if (child->kind == CHILD_CRASHER && !sim.healing) {
        sim_after(SIM_WORLD, sim_between(SIM_MS, 900 * SIM_MS), crashes, pid_arg(child));
    } else if (child->kind == CHILD_SICK) {
        int64_t sick = sim_between(SIM_S, 30 * SIM_S);
        sim_after(SIM_WORLD, sick, gets_sick, pid_arg(child));
        sim_after(SIM_WORLD, sick + sim_between(SIM_S, 40 * SIM_S), gets_well, pid_arg(child));
    }
}

void sim_child_fault(void)
{
    struct child *alive[SIM_CHILDREN_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        if (keeper.children[i].used && keeper.children[i].alive) {
            alive[count++] = &keeper.children[i];
        }
    }
    if (count > 0) {
        crashes(pid_arg(alive[rng_below(&sim.rng, count)]));
    }
}

void sim_child_crash(int pid)
{
    sim_after(SIM_WORLD, SIM_MS, crashes, (void *)(intptr_t)pid);
}

/* --- requests at the keeper --- */

static enum child_kind kind_of(const char *name)
{
    static const char *const names[] = {
        [CHILD_GOOD] = "good",         [CHILD_CRASHER] = "crasher", [CHILD_ONESHOT] = "oneshot",
        [CHILD_STUBBORN] = "stubborn", [CHILD_FORKER] = "forker",   [CHILD_SICK] = "sick",
        [CHILD_SLOW] = "slow",
    };
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return (enum child_kind)i;
        }
    }
    return CHILD_GOOD;
}

static struct child *child_new(void)
{
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        if (!keeper.children[i].used && keeper.children[i].id[0] == '\0') {
            return &keeper.children[i];
        }
    }
    ensure(!"too many children");
    return NULL;
}

/* default/sim/s1/2.b */
static void parse_id(struct child *child)
{
    struct str parts[4], rest = str_from(child->id);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        str_split(rest, '/', &parts[i], &rest);
    }
    str_copy(child->service, sizeof(child->service), parts[2]);
    child->slot = str_ends(parts[3], STR(".b"));
    child->number = (unsigned)(parts[3].len ? parts[3].p[0] - '0' : 0);
}

static void on_spawn(const struct request_copy *request)
{
    const struct order_copy *order = request->order;
    struct child *child = child_find(str_from(order->id));
    struct child before = child ? *child : (struct child){.used = false};
    if (child && (child->alive || !child->empty)) {
        oracle_spawn(child, &before);
        answer(&request->msg, -EEXIST, 0);
        return;
    }
    if (!sim.healing && sim_chance(20)) {
        answer(&request->msg, -EAGAIN, 0);
        return;
    }
    child = child ? child : child_new();
    *child =
        (struct child){.used = true, .alive = true, .pid = ++keeper.last_pid, .started = sim.now};
    child->core_generation = request->core_generation;
    child->asked = request->asked;
    str_copy(child->id, sizeof(child->id), str_from(order->id));
    str_copy(child->version, sizeof(child->version), str_from(order->argv[1]));
    child->kind = kind_of(order->argv[0]);
    child->port = order->port;
    child->spec_hash = order->spec_hash;
    parse_id(child);
    sim_trace("    child %s (pid %d, port %u, %s) starts", child->id, child->pid, child->port,
              child->version);
    oracle_spawn(child, &before);
    child_plan(child);
    answer(&request->msg, 0, (uint64_t)child->pid);
}

static void on_signal(const struct request_copy *request, struct child *child)
{
    answer(&request->msg, child ? 0 : -ENOENT, 0);
    if (!child || !child->alive) {
        return;
    }
    sim_trace("    child %s (pid %d) is signalled", child->id, child->pid);
    oracle_signal(child);
    child->signalled = true;
    child->signalled_at = sim.now;
    if (child->kind != CHILD_STUBBORN) {
        sim_after(SIM_WORLD, sim_between(SIM_MS, 200 * SIM_MS), obeys, pid_arg(child));
    }
}

static void on_kill(const struct request_copy *request, struct child *child)
{
    answer(&request->msg, child ? 0 : -ENOENT, 0);
    if (!child) {
        return;
    }
    if (child->empty) {
        tell(child, KEEPER_EMPTY);
        return;
    }
    oracle_kill(child);
    if (child->alive) {
        sim_trace("    child %s (pid %d) is killed", child->id, child->pid);
        child->signalled = true;
    }
    sim_after(SIM_WORLD, sim_between(50 * SIM_US, 5 * SIM_MS), killed, pid_arg(child));
}

static void on_forget(const struct request_copy *request, struct child *child)
{
    bool over = child && !child->alive && child->empty;
    answer(&request->msg, !child ? -ENOENT : over ? 0 : -EBUSY, 0);
    if (over) {
        child->used =
            false; /* its last life stays readable for the oracle until the id is used again */
        child->id[0] = '\0';
    }
}

static void on_shutdown(void)
{
    keeper.ended = true;
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        if (keeper.children[i].used) {
            end_tree(&keeper.children[i]);
        }
    }
}

static void on_request(void *arg)
{
    struct request_copy *request = arg;
    struct str name = keeper_msg_name(&request->msg);
    struct child *child = child_find(name);
    switch (request->msg.type) {
    case KEEPER_KEEP:
        kept_put(name, request->fd);
        request->fd = -1;
        answer(&request->msg, 0, 0);
        break;
    case KEEPER_SPAWN:
        on_spawn(request);
        break;
    case KEEPER_SIGNAL:
        on_signal(request, child);
        break;
    case KEEPER_KILL_TREE:
        on_kill(request, child);
        break;
    case KEEPER_FORGET:
        on_forget(request, child);
        break;
    case KEEPER_SHUTDOWN:
        on_shutdown();
        break;
    default: /* LISTEN, DROP: nothing to simulate */
        answer(&request->msg, 0, 1);
        break;
    }
    file_close(&request->fd);
    free(request->order);
    free(request);
}

/* --- the client --- */

static void send_request(struct keeper_request *request)
{
    struct request_copy *copy = calloc(1, sizeof(*copy));
    ensure(copy);
    copy->msg = request->msg;
    copy->fd = request->fd >= 0 ? sim_fd_dup(request->fd) : -1;
    if (request->msg.type == KEEPER_SPAWN) {
        copy->order = calloc(1, sizeof(*copy->order));
        ensure(copy->order);
        struct shm shm;
        const char *space[ORDER_ARGS_MAX * 2 + 2];
        struct order order;
        ensure(shm_map(&shm, request->fd, false) == 0);
        ensure(order_unpack(str_make((const char *)shm.p, shm.size), space, &order) == 0);
        str_copy(copy->order->id, sizeof(copy->order->id), str_from(order.id));
        while (copy->order->argc < 4 && order.argv[copy->order->argc]) {
            str_copy(copy->order->argv[copy->order->argc], 32,
                     str_from(order.argv[copy->order->argc]));
            copy->order->argc++;
        }
        copy->order->spec_hash = order.spec_hash;
        copy->order->port = order.ports[0];
        shm_unmap(&shm);
    }
    request->sent = true;
    copy->core_generation = sim.generation[SIM_CORE];
    copy->asked = sim.now;
    keeper.to_keeper = MAX(keeper.to_keeper, sim.now) +
                       sim_between(5 * SIM_US, sim_chance(20) ? 20 * SIM_MS : SIM_MS);
    sim_at(SIM_KEEPER, keeper.to_keeper, on_request, copy);
}

static void pump(void)
{
    struct keeper_client *client = keeper.client;
    if (!client || !client->ready || !keeper.up) {
        return;
    }
    list_for_each (it, &client->requests) {
        struct keeper_request *request = list_entry(it, struct keeper_request, node);
        if (!request->sent) {
            send_request(request);
        }
    }
}

static void greet(void)
{
    struct answer_copy *ready = calloc(1, sizeof(*ready));
    ensure(ready);
    if (!keeper.client || !keeper.up) {
        free(ready);
        return;
    }
    keeper.client->opts.ops->listing(keeper.client);
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        if (keeper.children[i].used) {
            tell(&keeper.children[i], KEEPER_CHILD);
        }
    }
    ready->ready = true;
    to_client(ready);
}

static void greet_later(void *arg)
{
    greet();
}

int keeper_client_init(struct keeper_client *client, struct loop *loop,
                       const struct keeper_client_opts *opts)
{
    *client = (struct keeper_client){.loop = loop, .opts = *opts};
    list_init(&client->requests);
    keeper.client = client;
    keeper.to_client = sim.now;
    /* What the dead core had sent lies in its socket, and is read before a new core is there. */
    sim_at(SIM_CORE, keeper.to_keeper + 1, greet_later, NULL);
    return 0;
}

void keeper_client_fini(struct keeper_client *client)
{
    keeper.client = NULL;
}

int keeper_client_channel_from_env(void)
{
    return -1;
}

int keeper_client_fd(const struct keeper_client *client, struct str name)
{
    char text[KEEPER_NAME_MAX + 1];
    str_copy(text, sizeof(text), name);
    return sim_kept_fd(text);
}

static void submit(struct keeper_client *client, struct keeper_request *request, bool repeat)
{
    request->repeat = repeat;
    request->sent = false;
    list_init(&request->node);
    list_push_back(&client->requests, &request->node);
    pump();
}

static void prepare(struct keeper_client *client, struct keeper_request *request,
                    enum keeper_type type, struct str name)
{
    ensure(request->serial == 0 && request->answered);
    keeper_msg_init(&request->msg, type, name);
    request->serial = ++client->next_serial;
    request->msg.serial = request->serial;
    request->fd = -1;
    request->error = 0;
}

void keeper_client_listen(struct keeper_client *client, struct keeper_request *request,
                          struct str address)
{
    prepare(client, request, KEEPER_LISTEN, address);
    submit(client, request, true);
}

void keeper_client_keep(struct keeper_client *client, struct keeper_request *request,
                        struct str name, int fd)
{
    prepare(client, request, KEEPER_KEEP, name);
    request->fd = sim_fd_dup(fd);
    submit(client, request, true);
}

void keeper_client_drop(struct keeper_client *client, struct keeper_request *request,
                        struct str name)
{
    prepare(client, request, KEEPER_DROP, name);
    submit(client, request, true);
}

void keeper_client_spawn(struct keeper_client *client, struct keeper_request *request,
                         const struct order *order)
{
    prepare(client, request, KEEPER_SPAWN, str_from(order->id));
    sim.plenty++;
    ensure(order_seal(order, &request->fd) == 0);
    sim.plenty--;
    submit(client, request, false);
}

void keeper_client_signal(struct keeper_client *client, struct keeper_request *request,
                          struct str id, int signum, bool whole_tree)
{
    prepare(client, request, KEEPER_SIGNAL, id);
    submit(client, request, false);
}

void keeper_client_kill_tree(struct keeper_client *client, struct keeper_request *request,
                             struct str id)
{
    prepare(client, request, KEEPER_KILL_TREE, id);
    submit(client, request, true);
}

void keeper_client_forget(struct keeper_client *client, struct keeper_request *request,
                          struct str id)
{
    prepare(client, request, KEEPER_FORGET, id);
    submit(client, request, true);
}

void keeper_client_sockmap(struct keeper_client *client, struct keeper_request *request, bool on)
{
    prepare(client, request, KEEPER_SOCKMAP_MAKE, STR_NONE);
    request->msg.a = on;
    submit(client, request, true);
}

void keeper_client_shutdown(struct keeper_client *client, struct keeper_request *request,
                            bool kill_services)
{
    prepare(client, request, KEEPER_SHUTDOWN, STR_NONE);
    submit(client, request, true);
}

void keeper_client_cancel(struct keeper_client *client, struct keeper_request *request)
{
    if (request->serial) {
        list_del(&request->node);
        request->serial = 0;
        file_close(&request->fd);
    }
}

/* --- its death --- */

/* The new keeper gives its own descriptors back: the client's copies change their numbers. */
static void renumber(void)
{
    for (int i = 0; i < KEPT_MAX; i++) {
        if (keeper.kept[i].name[0]) {
            int fresh = sim_fd_dup(keeper.kept[i].fd);
            file_close(&keeper.kept[i].fd);
            keeper.kept[i].fd = fresh;
        }
    }
}

static void revive(void *arg)
{
    renumber();
    keeper.up = true;
    keeper.pid++;
    sim_trace("keeper is back");
    keeper.to_client = keeper.to_keeper = sim.now;
    greet();
}

static void client_lost(void *arg)
{
    struct keeper_client *client = keeper.client;
    struct list failed = LIST_INIT(failed);
    if (!client) {
        return;
    }
    bool was_ready = client->ready;
    client->ready = false;
    if (was_ready) {
        client->opts.ops->lost(client);
    }
    list_for_each_safe (it, &client->requests) {
        struct keeper_request *request = list_entry(it, struct keeper_request, node);
        if (request->sent && !request->repeat) {
            list_del(&request->node);
            list_push_back(&failed, &request->node);
        } else {
            request->sent = false;
        }
    }
    struct list *node;
    while ((node = list_pop_front(&failed))) {
        struct keeper_request *request = list_entry(node, struct keeper_request, node);
        int none = -1;
        request->serial = 0;
        file_close(&request->fd);
        request->answered(request, -ECONNRESET, &request->msg, &none);
    }
    sim_core_turn();
}

void sim_keeper_kill(bool power_cut)
{
    if (!keeper.up && !power_cut) {
        return;
    }
    sim_trace("keeper killed");
    sim.generation[SIM_KEEPER]++;
    keeper.up = false;
    sim.keeper_down_ns = sim.now;
    if (power_cut) {
        memset(keeper.children, 0, sizeof(keeper.children));
        for (int i = 0; i < KEPT_MAX; i++) {
            if (keeper.kept[i].name[0]) {
                file_close(&keeper.kept[i].fd);
            }
            keeper.kept[i].name[0] = '\0';
        }
    }
    sim_after(SIM_CORE, 0, client_lost, NULL);
    sim_after(SIM_KEEPER, sim_between(SIM_MS, 80 * SIM_MS), revive, NULL);
}

void sim_keeper_core_died(void)
{
    keeper.client = NULL;
}

void sim_keeper_init(void)
{
    memset(&keeper, 0, sizeof(keeper));
    keeper.up = true;
    keeper.pid = 1;
    keeper.last_pid = 100;
}
