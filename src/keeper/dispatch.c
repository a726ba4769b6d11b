/* SPDX-License-Identifier: Apache-2.0
 *
 * What each message does: one table of handlers and of who may send it.
 *
 * 1. Every request gets exactly one answer: the request's own struct, changed. A handler returns
 *    what it is (0 or -errno); one that must answer before it acts says ANSWERED.
 * 2. The edge talks to strangers, so it may neither start, signal nor replace anything.
 * 3. Who a peer is, is decided once, at HELLO, by what the kernel says of it, never by its word.
 * 4. A handler keeps nothing of the message: names are looked up, descriptors taken over or closed.
 *
 * Happy path: peer.c checked the form → may this role ask that → is there such a child → handler →
 * answer. It fails with -ENOSYS (news, not a request), -EPERM, -ENOENT, or what the handler says;
 * SPAWN also with the step that failed in words.
 */
#include "base/num.h"
#include "keeper/private.h"
#include "link/keeper_args.h"
#include "link/keeper_sockmap.h"

enum {
    FROM_CORE = 1 << KEEPER_ROLE_CORE,
    FROM_EDGE = 1 << KEEPER_ROLE_EDGE,
    FROM_TOOL = 1 << KEEPER_ROLE_TOOL,
    FROM_ANY = FROM_CORE | FROM_EDGE | FROM_TOOL | 1 << KEEPER_ROLE_NONE,
};

enum { ANSWERED = 1 };

/* What a handler gets. `fd` is the caller's to close unless the handler sets it to -1. */
struct call {
    struct keeper *keeper;
    struct peer *peer;
    struct keeper_msg *msg;
    int *fd;
    int answer_fd;     /* goes with the answer, if that is 0 */
    struct ward *ward; /* the child of that name, where the table says that there must be one */
};

static int answer(struct call *call, int error)
{
    call->msg->error = error;
    peer_send(call->peer, call->msg, error < 0 ? -1 : call->answer_fd);
    return ANSWERED;
}

static int take_fd(struct call *call)
{
    int fd = *call->fd;
    *call->fd = -1;
    return fd;
}

static int on_hello(struct call *call)
{
    struct keeper *keeper = call->keeper;
    struct peer *peer = call->peer;
    struct keeper_msg *msg = call->msg;
    if (peer->role == KEEPER_ROLE_NONE) {
        /* Over keeper.sock a role is who the keeper knows by pid; whoever else comes is a tool. */
        bool role = msg->role == KEEPER_ROLE_CORE || msg->role == KEEPER_ROLE_EDGE;
        peer->role = role && role_claim(keeper, msg->role, peer->cred.pid)
                         ? msg->role
                         : (uint8_t)KEEPER_ROLE_TOOL;
    }
    peer->greeted = true;
    peer->copies = msg->a & KEEPER_HELLO_COPIES && peer->role != KEEPER_ROLE_TOOL;
    if (peer->copies) {
        kept_send_all(keeper, peer);
    }
    for (enum keeper_role role = KEEPER_ROLE_CORE; role <= KEEPER_ROLE_EDGE; role++) {
        struct keeper_msg news;
        journal_role_message(&keeper->roles[role].rec, keeper->roles[role].up, &news);
        peer_send(peer, &news, -1);
    }
    msg->role = peer->role;
    msg->a = (uint64_t)proc_own_pid();
    msg->b = KEEPER_VERSION;
    msg->c = keeper->cgroups.rung;
    return 0;
}

static int on_listen(struct call *call)
{
    bool only_listed = call->peer->role == KEEPER_ROLE_EDGE;
    return kept_listen(call->keeper, call->msg, only_listed, &call->answer_fd);
}

static int on_keep(struct call *call)
{
    struct str name = keeper_msg_name(call->msg);
    if (*call->fd < 0 || name.len == 0) {
        return -EINVAL;
    }
    if (call->peer->role == KEEPER_ROLE_EDGE && call->msg->a != 1 &&
        !str_starts(name, STR(KEEPER_HANDOVER))) {
        return -EPERM; /* it may give back what a new keeper lacks, and replace nothing */
    }
    if (call->msg->a == 1 && kept_find(call->keeper, name)) {
        return 0; /* handed over twice: by both roles */
    }
    return kept_put(call->keeper, name, take_fd(call), call->peer);
}

static int on_get(struct call *call)
{
    struct str name = keeper_msg_name(call->msg);
    if (call->peer->role != KEEPER_ROLE_CORE && kept_is_private(name)) {
        return -EPERM;
    }
    call->answer_fd = kept_fd(call->keeper, name);
    return call->answer_fd >= 0 ? 0 : -ENOENT;
}

static int on_drop(struct call *call)
{
    struct str name = keeper_msg_name(call->msg);
    /* The edge gives up listeners that its snapshot does not name any more; memory is the
     * core's. */
    if (call->peer->role == KEEPER_ROLE_EDGE && !str_starts(name, STR("listen:")) &&
        !str_starts(name, STR(KEEPER_HANDOVER))) {
        return -EPERM;
    }
    struct kept *kept = kept_find(call->keeper, name);
    if (kept) {
        kept_drop(call->keeper, kept, call->peer);
    }
    return kept ? 0 : -ENOENT;
}

static int on_spawn(struct call *call)
{
    static struct order_space space; /* large; one thread */
    struct keeper_msg *msg = call->msg;
    const char *step = "read the order";
    struct ward *ward = NULL;
    int result = call->keeper->stopping ? -ESHUTDOWN : order_receive(*call->fd, &space);
    if (result == 0 && !str_is(keeper_msg_name(msg), space.order.id)) {
        result = -EBADMSG;
    }
    if (result == 0) {
        result = child_spawn(call->keeper, &space.order, &ward, &step);
    }
    uint32_t serial = msg->serial;
    if (result == 0) {
        journal_child_message(&ward->rec, KEEPER_STARTED, msg);
        call->answer_fd = ward->exit_watch.fd;
    } else {
        msg->type = KEEPER_STARTED;
        str_copy(msg->text, sizeof(msg->text), str_from(step));
    }
    msg->serial = serial;
    return result;
}

static int on_signal(struct call *call)
{
    bool valid = call->msg->a > 0 && call->msg->a < 65;
    return valid ? child_signal(call->keeper, call->ward, (int)call->msg->a, call->msg->b == 1)
                 : -EINVAL;
}

static int on_kill_tree(struct call *call)
{
    bool empty = call->ward->rec.empty;
    answer(call, 0);
    child_kill(call->keeper, call->ward);
    if (empty) { /* asked again, by a core that missed it */
        struct keeper_msg news;
        journal_child_message(&call->ward->rec, KEEPER_EMPTY, &news);
        peer_send(call->peer, &news, -1);
    }
    return ANSWERED;
}

static int on_forget(struct call *call)
{
    if (call->ward->rec.running || !call->ward->rec.empty) {
        return -EBUSY;
    }
    child_forget(call->keeper, call->ward);
    return 0;
}

/* By pages: four thousand children at once would not fit into the channel. */
static int on_children(struct call *call)
{
    enum { PAGE = 32 };
    struct keeper *keeper = call->keeper;
    struct ward *first = keeper->wards + MIN(call->msg->a, (uint64_t)KEEPER_CHILDREN_MAX);
    struct ward *ward = ward_next(keeper, first == keeper->wards ? NULL : first - 1);
    for (int i = 0; ward && i < PAGE; i++, ward = ward_next(keeper, ward)) {
        struct keeper_msg news;
        journal_child_message(&ward->rec, KEEPER_CHILD, &news);
        peer_send(call->peer, &news, ward->exit_watch.fd);
    }
    call->msg->a = ward ? (uint64_t)(ward - keeper->wards) : 0;
    return 0;
}

static int on_adopt(struct call *call)
{
    if (*call->fd >= 0) {
        child_adopt_fd(call->keeper, call->ward, take_fd(call));
    }
    return 0;
}

/* ROLE and ROLE_STOP. */
static int on_role(struct call *call)
{
    enum keeper_role role = call->msg->role;
    bool again = call->msg->type == KEEPER_ROLE;
    if (role != KEEPER_ROLE_CORE && role != KEEPER_ROLE_EDGE) {
        return -EINVAL;
    }
    if (again && call->keeper->stopping) {
        return -ESHUTDOWN;
    }
    answer(call, 0);
    (again ? role_restart : role_stop)(call->keeper, role);
    return ANSWERED;
}

static int on_shutdown(struct call *call)
{
    bool kill_services = call->msg->a == 1;
    answer(call, 0);
    stop_begin(call->keeper, kill_services);
    return ANSWERED;
}

static int on_reexec(struct call *call)
{
    char binary[KEEPER_NAME_MAX + 1];
    str_copy(binary, sizeof(binary), keeper_msg_name(call->msg));
    int result = call->keeper->stopping ? -ESHUTDOWN : keeper_args_try(binary);
    answer(call, result);
    if (result == 0) {
        reexec_run(call->keeper, binary);
    }
    return ANSWERED;
}

static int on_sockmap(struct call *call)
{
    struct keeper *keeper = call->keeper;
    struct kept *link = kept_find(keeper, STR(KEEPER_SOCKMAP_LINK));
    int fresh[SOCKMAP_PARTS];
    const char *step = "";
    if (call->msg->a != 1) {
        if (link) {
            kept_drop(keeper, link, NULL);
        }
        return 0;
    }
    int result = keeper_sockmap_make(keeper, kept_fd, keeper->cgroups.path, fresh, &step);
    for (enum sockmap_part part = 0; part < SOCKMAP_PARTS; part++) {
        if (fresh[part] >= 0 &&
            kept_put(keeper, keeper_sockmap_name(part), fresh[part], NULL) < 0) {
            result = -ENOSPC;
        }
    }
    str_copy(call->msg->text, sizeof(call->msg->text), str_from(step));
    return result;
}

static const struct {
    int (*handle)(struct call *call);
    uint8_t from;
    bool child; /* it names one, else -ENOENT */
} dispatch_table[KEEPER_TYPE_COUNT] = {
    [KEEPER_HELLO] = {on_hello, FROM_ANY},
    [KEEPER_LISTEN] = {on_listen, FROM_CORE | FROM_EDGE},
    [KEEPER_KEEP] = {on_keep, FROM_CORE | FROM_EDGE},
    [KEEPER_GET] = {on_get, FROM_CORE | FROM_EDGE},
    [KEEPER_DROP] = {on_drop, FROM_CORE | FROM_EDGE},
    [KEEPER_SPAWN] = {on_spawn, FROM_CORE},
    [KEEPER_SIGNAL] = {on_signal, FROM_CORE, true},
    [KEEPER_KILL_TREE] = {on_kill_tree, FROM_CORE | FROM_TOOL, true},
    [KEEPER_FORGET] = {on_forget, FROM_CORE, true},
    [KEEPER_CHILDREN] = {on_children, FROM_CORE | FROM_TOOL},
    [KEEPER_ADOPT] = {on_adopt, FROM_CORE | FROM_EDGE, true},
    [KEEPER_ROLE_STOP] = {on_role, FROM_CORE | FROM_TOOL},
    [KEEPER_ROLE] = {on_role, FROM_CORE | FROM_TOOL},
    [KEEPER_REEXEC] = {on_reexec, FROM_CORE | FROM_TOOL},
    [KEEPER_SOCKMAP_MAKE] = {on_sockmap, FROM_CORE},
    [KEEPER_SHUTDOWN] = {on_shutdown, FROM_CORE | FROM_TOOL},
};

void dispatch(struct keeper *keeper, struct peer *peer, struct keeper_msg *msg, int *fd)
{
    struct call call = {keeper, peer, msg, fd, -1, ward_find(keeper, keeper_msg_name(msg))};
    int result;
    if (!dispatch_table[msg->type].handle) {
        result = -ENOSYS;
    } else if (!(dispatch_table[msg->type].from & 1 << peer->role)) {
        result = -EPERM;
    } else if (dispatch_table[msg->type].child && !call.ward) {
        result = -ENOENT;
    } else {
        result = dispatch_table[msg->type].handle(&call);
    }
    if (result != ANSWERED) {
        answer(&call, result);
    }
}
