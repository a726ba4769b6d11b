/* SPDX-License-Identifier: Apache-2.0
 *
 * A role's end of the keeper's channel: connecting, requests, news. Copies of what the keeper holds
 * and bringing it back: keeper_revive.c. See keeper_client.h for the laws.
 *
 * One function sends (client_pump): first HELLO, then what a new keeper must be given, then the
 * question for the children, then the requests; it stops when the channel is full and goes on by
 * the timer. So no order of events can make a request overtake the handover.
 */
#include "link/keeper_client.h"
#include "base/num.h"
#include "link/keeper_client_private.h"
#include "link/keeper_sockmap.h"
#include "os/file.h"
#include "os/shm.h"

#define CLIENT_PUMP_NS NS_PER_MS

static void client_pump(struct keeper_client *client);

static bool client_send(struct keeper_client *client, const struct keeper_msg *msg, int fd)
{
    int result = chan_send(&client->chan, msg, sizeof(*msg), &fd, fd >= 0);
    if (result == -ENOBUFS && !timer_armed(&client->retry)) {
        loop_timer_after(client->loop, &client->retry, CLIENT_PUMP_NS);
    }
    return result == 0; /* a broken channel is told by itself */
}

static void client_child(const struct keeper_msg *msg, struct keeper_child *ret)
{
    *ret = (struct keeper_child){
        .id = keeper_msg_name(msg),
        .proc = {.pid = (int)msg->a, .start_time = msg->b},
        .running = msg->d & KEEPER_CHILD_RUNNING,
        .empty = msg->d & KEEPER_CHILD_EMPTY,
        .oom = msg->d & KEEPER_CHILD_OOM,
        .exit = {.known = msg->d & KEEPER_EXIT_KNOWN,
                 .signaled = msg->d & KEEPER_EXIT_SIGNALED,
                 .core_dumped = msg->d & KEEPER_EXIT_CORE,
                 .code = (int)(uint32_t)msg->c},
        .spec_hash = msg->spec_hash,
    };
    memcpy(ret->ports, msg->ports, sizeof(ret->ports));
    memcpy(ret->trimmed, msg->trimmed, sizeof(ret->trimmed));
}

static void client_become_ready(struct keeper_client *client)
{
    client->ready = true;
    client->attempts = 0;
    if (client->opts.ops->ready) {
        client->opts.ops->ready(client);
    }
    client_pump(client);
}

static void client_answered(struct keeper_client *client, const struct keeper_msg *msg, int *fd)
{
    list_for_each (it, &client->requests) {
        struct keeper_request *request = list_entry(it, struct keeper_request, node);
        if (request->serial != msg->serial || !request->sent) {
            continue;
        }
        list_del(&request->node);
        request->serial = 0;
        if (msg->type == KEEPER_KEEP && msg->error == 0) {
            keeper_copy_put(client, keeper_msg_name(&request->msg), request->fd, false);
            request->fd = -1;
        }
        if (msg->type == KEEPER_DROP && msg->error == 0) {
            keeper_copy_drop(client, keeper_msg_name(&request->msg), false);
        }
        if (msg->type == KEEPER_STARTED && msg->error == 0 && *fd >= 0) {
            keeper_copy_put(client, keeper_msg_name(msg), *fd, true);
            *fd = -1;
        }
        file_close(&request->fd);
        request->answered(request, msg->error, msg, fd);
        return;
    }
}

static void client_news(struct keeper_client *client, const struct keeper_msg *msg, int *fd)
{
    const struct keeper_client_ops *ops = client->opts.ops;
    struct keeper_child child;
    client_child(msg, &child);
    struct keeper_role_status status = {msg->role, msg->c == 1, (int)msg->a, msg->b};
    switch (msg->type) {
    case KEEPER_KEPT:
        keeper_copy_put(client, keeper_msg_name(msg), *fd, false);
        *fd = -1;
        if (ops->kept) {
            ops->kept(client, keeper_msg_name(msg), keeper_client_fd(client, keeper_msg_name(msg)));
        }
        break;
    case KEEPER_DROP:
        keeper_copy_drop(client, keeper_msg_name(msg), false);
        break;
    case KEEPER_CHILD:
        if (*fd >= 0) {
            keeper_copy_put(client, keeper_msg_name(msg), *fd, true);
            *fd = -1;
        }
        if (ops->child) {
            ops->child(client, &child);
        }
        break;
    case KEEPER_EXITED:
        keeper_copy_drop(client, keeper_msg_name(msg), true);
        if (ops->exited) {
            ops->exited(client, &child);
        }
        break;
    case KEEPER_EMPTY:
        if (ops->empty) {
            ops->empty(client, &child);
        }
        break;
    case KEEPER_ROLE:
        if (ops->role) {
            ops->role(client, &status);
        }
        break;
    default:
        break; /* answers to a handover carry no serial either */
    }
}

static void client_message(struct chan *chan, struct chan_msg *raw)
{
    struct keeper_client *client = container_of(chan, struct keeper_client, chan);
    struct keeper_msg msg;
    if (raw->len != sizeof(msg)) {
        return;
    }
    memcpy(&msg, raw->data, sizeof(msg));
    if (!keeper_msg_valid(&msg, raw->len)) {
        return;
    }
    int none = -1;
    int *fd = raw->fd_count > 0 ? &raw->fds[0] : &none;
    if (msg.serial == 0) {
        client_news(client, &msg, fd);
    } else if (msg.type == KEEPER_HELLO) {
        client->greeted = true;
        client->keeper_pid = (int)msg.a;
        client->rung = (uint8_t)msg.c;
        client_pump(client);
    } else if (msg.type == KEEPER_CHILDREN) {
        client->listing = false;
        client->list_at = msg.a;
        if (msg.a > 0 && msg.error == 0) {
            client_pump(client); /* the next page */
        } else {
            client_become_ready(client);
        }
    } else {
        client_answered(client, &msg, fd);
    }
}

static uint32_t client_serial(struct keeper_client *client)
{
    client->next_serial = client->next_serial == UINT32_MAX ? 1 : client->next_serial + 1;
    return client->next_serial;
}

static bool client_ask_children(struct keeper_client *client)
{
    struct keeper_msg msg;
    if (client->list_at == 0 && client->opts.ops->listing) {
        client->opts.ops->listing(client);
    }
    keeper_msg_init(&msg, KEEPER_CHILDREN, STR_NONE);
    msg.serial = client_serial(client);
    msg.a = client->list_at;
    client->listing = client_send(client, &msg, -1);
    return client->listing;
}

static void client_pump(struct keeper_client *client)
{
    if (!chan_is_open(&client->chan) || !client->greeted ||
        !keeper_copy_hand_over(client, client_send)) {
        return;
    }
    if (!client->ready) {
        if (!client->listing) {
            (void)client_ask_children(client);
        }
        return;
    }
    list_for_each (it, &client->requests) {
        struct keeper_request *request = list_entry(it, struct keeper_request, node);
        if (!request->sent && request->error == 0) {
            request->sent = client_send(client, &request->msg, request->fd);
            if (!request->sent) {
                return;
            }
        }
    }
}

/* Answers requests that will have no other answer. The list may change under every callback. */
static void client_fail(struct keeper_client *client, bool lost)
{
    struct list failed = LIST_INIT(failed);
    list_for_each_safe (it, &client->requests) {
        struct keeper_request *request = list_entry(it, struct keeper_request, node);
        if (lost && request->sent && !request->repeat) {
            request->error = -ECONNRESET;
        }
        if (request->error < 0) {
            list_del(&request->node);
            list_push_back(&failed, &request->node);
        } else if (lost) {
            request->sent = false; /* again to the next keeper */
        }
    }
    struct list *node;
    while ((node = list_pop_front(&failed))) {
        struct keeper_request *request = list_entry(node, struct keeper_request, node);
        int none = -1;
        request->serial = 0;
        file_close(&request->fd);
        request->msg.error = request->error;
        request->answered(request, request->error, &request->msg, &none);
    }
}

static void client_failing(struct loop_task *task)
{
    client_fail(container_of(task, struct keeper_client, failing), false);
}

static void client_closed(struct chan *chan, int error)
{
    struct keeper_client *client = container_of(chan, struct keeper_client, chan);
    bool was_ready = client->ready;
    client->ready = client->greeted = client->listing = false;
    client->keeper_pid = 0;
    /* At once: the sooner the lock is asked for, the sooner there is a keeper. */
    loop_timer_set(client->loop, &client->retry, client->loop->now_ns);
    if (was_ready && client->opts.ops->lost) {
        client->opts.ops->lost(client);
    }
    client_fail(client, true);
}

int keeper_client_open(struct keeper_client *client, int fd)
{
    client->chan.message = client_message;
    client->chan.closed = client_closed;
    int result = chan_open(&client->chan, client->loop, fd, client->queue, KEEPER_CLIENT_QUEUE);
    if (result < 0) {
        return result;
    }
    client->handed_over = 0; /* whoever started this keeper: it may lack what only we hold */
    client->list_at = 0;
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_HELLO, str_from(client->opts.id));
    msg.serial = client_serial(client);
    msg.role = (uint8_t)client->opts.role;
    msg.a = KEEPER_HELLO_COPIES;
    (void)client_send(client, &msg, -1); /* an empty queue takes it */
    return 0;
}

static void client_retry(struct timer *timer, int64_t now_ns)
{
    struct keeper_client *client = container_of(timer, struct keeper_client, retry);
    if (chan_is_open(&client->chan)) {
        client_pump(client);
    } else {
        keeper_client_connect(client);
    }
}

int keeper_client_init(struct keeper_client *client, struct loop *loop,
                       const struct keeper_client_opts *opts)
{
    *client = (struct keeper_client){.loop = loop, .opts = *opts, .keeper_pidfd = -1};
    list_init(&client->requests);
    timer_init(&client->retry, client_retry);
    loop_task_init(&client->failing, client_failing);
    loop_fd_init(&client->chan.watch, NULL);
    loop_fd_init(&client->guard.watch, NULL);
    if (!str_copy(client->run_dir, sizeof(client->run_dir), str_from(opts->run_dir))) {
        return -ENAMETOOLONG;
    }
    client->opts.run_dir = client->run_dir;
    client->queue = malloc(KEEPER_CLIENT_QUEUE);
    if (!client->queue) {
        return -ENOMEM;
    }
    if (opts->channel_fd >= 0 && keeper_client_open(client, opts->channel_fd) == 0) {
        return 0;
    }
    loop_timer_set(loop, &client->retry, loop->now_ns);
    return 0;
}

void keeper_client_fini(struct keeper_client *client)
{
    if (!client->loop) {
        return;
    }
    chan_close(&client->chan);
    chan_close(&client->guard);
    loop_timer_cancel(client->loop, &client->retry);
    loop_task_cancel(&client->failing);
    struct list *node;
    while ((node = list_pop_front(&client->requests))) {
        struct keeper_request *request = list_entry(node, struct keeper_request, node);
        request->serial = 0;
        file_close(&request->fd);
    }
    keeper_copy_free_all(client);
    file_close(&client->keeper_pidfd);
    free(client->queue);
    client->queue = NULL;
    client->loop = NULL;
}

/* --- requests --- */

static void client_request(struct keeper_client *client, struct keeper_request *request,
                           enum keeper_type type, struct str name)
{
    ensure(request->serial == 0 && request->answered);
    keeper_msg_init(&request->msg, type, name);
    request->serial = client_serial(client);
    request->msg.serial = request->serial;
    request->fd = -1;
    request->repeat = false;
    request->sent = false;
    request->error = name.len > KEEPER_NAME_MAX ? -ENAMETOOLONG : 0;
    list_init(&request->node);
    list_push_back(&client->requests, &request->node);
}

static void client_submit(struct keeper_client *client, struct keeper_request *request, bool repeat)
{
    request->repeat = repeat;
    if (request->error < 0) {
        loop_defer(client->loop, &client->failing);
    } else {
        client_pump(client);
    }
}

void keeper_client_listen(struct keeper_client *client, struct keeper_request *request,
                          struct str address)
{
    client_request(client, request, KEEPER_LISTEN, address);
    client_submit(client, request, true);
}

void keeper_client_keep(struct keeper_client *client, struct keeper_request *request,
                        struct str name, int fd)
{
    client_request(client, request, KEEPER_KEEP, name);
    if (request->error == 0) {
        request->error = file_dup(fd, &request->fd);
    }
    client_submit(client, request, true);
}

void keeper_client_get(struct keeper_client *client, struct keeper_request *request,
                       struct str name)
{
    client_request(client, request, KEEPER_GET, name);
    client_submit(client, request, true);
}

void keeper_client_drop(struct keeper_client *client, struct keeper_request *request,
                        struct str name)
{
    client_request(client, request, KEEPER_DROP, name);
    client_submit(client, request, true);
}

void keeper_client_spawn(struct keeper_client *client, struct keeper_request *request,
                         const struct order *order)
{
    client_request(client, request, KEEPER_SPAWN, str_from(order->id));
    if (request->error == 0) {
        request->error = order_seal(order, &request->fd);
    }
    client_submit(client, request, false);
}

void keeper_client_signal(struct keeper_client *client, struct keeper_request *request,
                          struct str id, int signum, bool whole_tree)
{
    client_request(client, request, KEEPER_SIGNAL, id);
    request->msg.a = (uint64_t)signum;
    request->msg.b = whole_tree;
    client_submit(client, request, false);
}

void keeper_client_kill_tree(struct keeper_client *client, struct keeper_request *request,
                             struct str id)
{
    client_request(client, request, KEEPER_KILL_TREE, id);
    client_submit(client, request, true);
}

void keeper_client_forget(struct keeper_client *client, struct keeper_request *request,
                          struct str id)
{
    client_request(client, request, KEEPER_FORGET, id);
    client_submit(client, request, true);
}

void keeper_client_role_stop(struct keeper_client *client, struct keeper_request *request,
                             enum keeper_role role)
{
    client_request(client, request, KEEPER_ROLE_STOP, STR_NONE);
    request->msg.role = (uint8_t)role;
    client_submit(client, request, true);
}

void keeper_client_role_restart(struct keeper_client *client, struct keeper_request *request,
                                enum keeper_role role)
{
    client_request(client, request, KEEPER_ROLE, STR_NONE);
    request->msg.role = (uint8_t)role;
    client_submit(client, request, false);
}

void keeper_client_sockmap(struct keeper_client *client, struct keeper_request *request, bool on)
{
    client_request(client, request, KEEPER_SOCKMAP_MAKE, STR_NONE);
    request->msg.a = on;
    client_submit(client, request, true);
}

void keeper_client_reexec(struct keeper_client *client, struct keeper_request *request,
                          struct str binary)
{
    client_request(client, request, KEEPER_REEXEC, binary);
    client_submit(client, request, false);
}

void keeper_client_shutdown(struct keeper_client *client, struct keeper_request *request,
                            bool kill_services)
{
    client_request(client, request, KEEPER_SHUTDOWN, STR_NONE);
    request->msg.a = kill_services;
    client_submit(client, request, true);
}

void keeper_client_cancel(struct keeper_client *client, struct keeper_request *request)
{
    if (request->serial == 0) {
        return;
    }
    list_del(&request->node);
    request->serial = 0;
    file_close(&request->fd);
}
