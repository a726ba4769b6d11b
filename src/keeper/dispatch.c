/* SPDX-License-Identifier: Apache-2.0
 *
 * What each message does: one table of handlers and of who may send it. A handler answers exactly
 * once; the answer is the request's own struct, changed.
 */
#include "keeper/private.h"
#include "os/file.h"
#include "os/shm.h"

enum {
    FROM_CORE = 1 << KEEPER_ROLE_CORE,
    FROM_EDGE = 1 << KEEPER_ROLE_EDGE,
    FROM_TOOL = 1 << KEEPER_ROLE_TOOL,
    FROM_ANY = FROM_CORE | FROM_EDGE | FROM_TOOL | 1 << KEEPER_ROLE_NONE,
};

/* What a handler gets. `fd` is the caller's to close unless the handler sets it to -1. */
struct call {
    struct keeper *keeper;
    struct peer *peer;
    struct keeper_msg *msg;
    int *fd;
};

static void answer(struct call *call, int error, int fd)
{
    call->msg->error = error;
    peer_send(call->peer, call->msg, error < 0 ? -1 : fd);
}

static void on_hello(struct call *call)
{
    struct keeper *keeper = call->keeper;
    struct peer *peer = call->peer;
    struct keeper_msg *msg = call->msg;
    if (peer->role == KEEPER_ROLE_NONE) {
        /* Over keeper.sock a role is who the keeper knows by pid; whoever else comes is a tool. */
        peer->role = KEEPER_ROLE_TOOL;
        if ((msg->role == KEEPER_ROLE_CORE || msg->role == KEEPER_ROLE_EDGE) &&
            (role_is(&keeper->roles[msg->role], peer->cred.pid) ||
             role_claim(keeper, msg->role, peer->cred.pid))) {
            peer->role = msg->role;
        }
    }
    peer->greeted = true;
    peer->copies = msg->a & KEEPER_HELLO_COPIES && peer->role != KEEPER_ROLE_TOOL;
    if (peer->copies) {
        kept_send_all(keeper, peer);
    }
    for (enum keeper_role role = KEEPER_ROLE_CORE; role <= KEEPER_ROLE_EDGE; role++) {
        struct keeper_msg news;
        role_message(&keeper->roles[role], &news);
        peer_send(peer, &news, -1);
    }
    msg->role = peer->role;
    msg->a = (uint64_t)proc_own_pid();
    msg->b = KEEPER_VERSION;
    msg->c = keeper->cgroups.rung;
    answer(call, 0, -1);
}

static void on_listen(struct call *call)
{
    int fd = -1;
    /* The edge talks to strangers: it may not open what the core has not named. */
    bool only_listed = call->peer->role == KEEPER_ROLE_EDGE;
    int result = kept_listen(call->keeper, call->msg, only_listed, &fd);
    answer(call, result, fd);
}

static void on_keep(struct call *call)
{
    struct str name = keeper_msg_name(call->msg);
    if (*call->fd < 0 || name.len == 0) {
        answer(call, -EINVAL, -1);
        return;
    }
    /* The edge talks to strangers: it may give back what a new keeper lacks, and replace
     * nothing. */
    if (call->peer->role == KEEPER_ROLE_EDGE && call->msg->a != 1) {
        answer(call, -EPERM, -1);
        return;
    }
    if (call->msg->a == 1 && kept_find(call->keeper, name)) {
        answer(call, 0, -1); /* handed over twice: by both roles */
        return;
    }
    int fd = *call->fd;
    *call->fd = -1;
    answer(call, kept_put(call->keeper, name, fd, call->peer), -1);
}

static void on_get(struct call *call)
{
    struct str name = keeper_msg_name(call->msg);
    if (call->peer->role != KEEPER_ROLE_CORE && kept_is_private(name)) {
        answer(call, -EPERM, -1);
        return;
    }
    struct kept *kept = kept_find(call->keeper, name);
    answer(call, kept ? 0 : -ENOENT, kept ? kept->fd : -1);
}

static void on_drop(struct call *call)
{
    struct str name = keeper_msg_name(call->msg);
    /* The edge gives up listeners that its snapshot does not name any more; memory is the
     * core's. */
    if (call->peer->role == KEEPER_ROLE_EDGE && !str_starts(name, STR("listen:"))) {
        answer(call, -EPERM, -1);
        return;
    }
    struct kept *kept = kept_find(call->keeper, name);
    if (kept) {
        kept_drop(call->keeper, kept, call->peer);
    }
    answer(call, kept ? 0 : -ENOENT, -1);
}

static void on_spawn(struct call *call)
{
    static const char *space[ORDER_ARGS_MAX * 2 + 2];
    static struct order order; /* large; one thread */
    struct keeper_msg *msg = call->msg;
    const char *step = "read the order";
    struct shm shm = {NULL, 0};
    struct ward *ward = NULL;
    int result = call->keeper->stopping ? -ESHUTDOWN : 0;
    if (result == 0) {
        result = shm_check(*call->fd, SHM_SEAL_SIZE | SHM_SEAL_WRITE);
    }
    if (result == 0) {
        result = shm_map(&shm, *call->fd, false);
    }
    if (result == 0) {
        result = order_unpack(str_make((const char *)shm.p, shm.size), space, &order);
    }
    if (result == 0 && !str_is(keeper_msg_name(msg), order.id)) {
        result = -EBADMSG;
    }
    if (result == 0) {
        result = ward_spawn(call->keeper, keeper_msg_name(msg), &order, &ward, &step);
    }
    shm_unmap(&shm);
    uint32_t serial = msg->serial;
    if (result == 0) {
        ward_message(ward, KEEPER_STARTED, msg);
    } else {
        msg->type = KEEPER_STARTED;
        str_copy(msg->text, sizeof(msg->text), str_from(step));
    }
    msg->serial = serial;
    answer(call, result, ward ? ward->exit_watch.fd : -1);
}

/* The child that the message names, or NULL after an answer. */
static struct ward *named(struct call *call)
{
    struct ward *ward = ward_find(call->keeper, keeper_msg_name(call->msg));
    if (!ward) {
        answer(call, -ENOENT, -1);
    }
    return ward;
}

static void on_signal(struct call *call)
{
    struct ward *ward = named(call);
    if (!ward) {
        return;
    }
    bool valid = call->msg->a > 0 && call->msg->a < 65;
    answer(call,
           valid ? ward_signal(call->keeper, ward, (int)call->msg->a, call->msg->b == 1) : -EINVAL,
           -1);
}

static void on_kill_tree(struct call *call)
{
    struct ward *ward = named(call);
    if (!ward) {
        return;
    }
    answer(call, 0, -1);
    if (!ward->empty) {
        ward_kill(call->keeper, ward);
        return;
    }
    struct keeper_msg news; /* asked again, by a core that missed it */
    ward_message(ward, KEEPER_EMPTY, &news);
    peer_send(call->peer, &news, -1);
}

static void on_forget(struct call *call)
{
    struct ward *ward = named(call);
    if (!ward) {
        return;
    }
    bool over = !ward->running && ward->empty;
    if (over) {
        ward_forget(call->keeper, ward);
    }
    answer(call, over ? 0 : -EBUSY, -1);
}

static void on_children(struct call *call)
{
    struct keeper *keeper = call->keeper;
    size_t at = (size_t)MIN(call->msg->a, (uint64_t)KEEPER_CHILDREN_MAX);
    /* By pages: a thousand children at once would not fit into the channel. */
    for (int sent = 0; at < keeper->ward_top && sent < KEEPER_PAGE; at++) {
        struct ward *ward = &keeper->wards[at];
        if (ward->used) {
            struct keeper_msg news;
            ward_message(ward, KEEPER_CHILD, &news);
            peer_send(call->peer, &news, ward->exit_watch.fd);
            sent++;
        }
    }
    call->msg->a = at < keeper->ward_top ? at : 0;
    answer(call, 0, -1);
}

static void on_adopt(struct call *call)
{
    struct ward *ward = named(call);
    if (!ward) {
        return;
    }
    if (*call->fd >= 0) {
        int fd = *call->fd;
        *call->fd = -1;
        ward_adopt_fd(call->keeper, ward, fd);
    }
    answer(call, 0, -1);
}

static void on_role_stop(struct call *call)
{
    enum keeper_role role = call->msg->role;
    bool known = role == KEEPER_ROLE_CORE || role == KEEPER_ROLE_EDGE;
    answer(call, known ? 0 : -EINVAL, -1);
    if (known) {
        role_stop(call->keeper, role);
    }
}

static void on_shutdown(struct call *call)
{
    bool kill_services = call->msg->a == 1;
    answer(call, 0, -1);
    keeper_stop(call->keeper, kill_services);
}

static void on_reexec(struct call *call)
{
    char binary[KEEPER_NAME_MAX + 1];
    str_copy(binary, sizeof(binary), keeper_msg_name(call->msg));
    int result = reexec_prepare(call->keeper, binary);
    answer(call, result, -1);
    if (result == 0) {
        reexec_run(call->keeper, binary);
    }
}

static void on_role(struct call *call)
{
    enum keeper_role role = call->msg->role;
    bool known = role == KEEPER_ROLE_CORE || role == KEEPER_ROLE_EDGE;
    int result = !known ? -EINVAL : call->keeper->stopping ? -ESHUTDOWN : 0;
    answer(call, result, -1);
    if (result == 0) {
        role_restart(call->keeper, role);
    }
}

static const struct {
    void (*handle)(struct call *call);
    uint8_t from;
} dispatch_table[KEEPER_TYPE_COUNT] = {
    [KEEPER_HELLO] = {on_hello, FROM_ANY},
    [KEEPER_LISTEN] = {on_listen, FROM_CORE | FROM_EDGE},
    [KEEPER_KEEP] = {on_keep, FROM_CORE | FROM_EDGE},
    [KEEPER_GET] = {on_get, FROM_CORE | FROM_EDGE},
    [KEEPER_DROP] = {on_drop, FROM_CORE | FROM_EDGE},
    [KEEPER_SPAWN] = {on_spawn, FROM_CORE},
    [KEEPER_SIGNAL] = {on_signal, FROM_CORE},
    [KEEPER_KILL_TREE] = {on_kill_tree, FROM_CORE | FROM_TOOL},
    [KEEPER_FORGET] = {on_forget, FROM_CORE},
    [KEEPER_CHILDREN] = {on_children, FROM_CORE | FROM_TOOL},
    [KEEPER_ADOPT] = {on_adopt, FROM_CORE | FROM_EDGE},
    [KEEPER_ROLE_STOP] = {on_role_stop, FROM_CORE | FROM_TOOL},
    [KEEPER_ROLE] = {on_role, FROM_CORE | FROM_TOOL},
    [KEEPER_REEXEC] = {on_reexec, FROM_CORE | FROM_TOOL},
    [KEEPER_SHUTDOWN] = {on_shutdown, FROM_CORE | FROM_TOOL},
};

void dispatch(struct keeper *keeper, struct peer *peer, struct keeper_msg *msg, int *fd)
{
    struct call call = {keeper, peer, msg, fd};
    if (!dispatch_table[msg->type].handle) {
        answer(&call, -ENOSYS, -1);
    } else if (!(dispatch_table[msg->type].from & 1 << peer->role)) {
        answer(&call, -EPERM, -1);
    } else {
        dispatch_table[msg->type].handle(&call);
    }
}
